/**
 * The memory of all tables: counted, for the limit that they have together, and given back when it has been unused for a
 * while. Not at once, because a neighbor that flaps would need it again soon.
 */
import { FAMILIES, type Family } from '../../base/family.ts'
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import type { FamilyRib } from './family-rib.ts'
import type { MemoryLimit } from './memory-limit.ts'

/** How long unused memory is kept. */
const TIDY_AFTER: Millis = 20_000
/** The most ids and slots that one turn looks at to give memory back. */
const TIDY_BUDGET = 16_384
/** Turns from one count of all memory to the next. */
const TURNS_PER_COUNT = 16
/** Time from one count to the next while routes wait for memory: neighbors that read free some, and no other work follows. */
const COUNT_EVERY: Millis = 1_000

interface Tables {
  readonly attributes: AttributeTable
  readonly nextHops: NextHopTable
  readonly blocks: ByteTable
  readonly memory: MemoryLimit
}

export class TableMemory {
  readonly #tables: Tables
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  /** Busy turns that are left until memory is counted. */
  #turnsToCount = 0
  #countedAt: Millis = 0
  /** When unused memory is given back. */
  #tidyAt: Millis | undefined
  #isTidying = false

  constructor(tables: Tables, ribs: Readonly<Record<Family, FamilyRib>>) {
    this.#tables = tables
    this.#ribs = ribs
  }

  /** Memory is being given back. */
  get isBusy(): boolean {
    return this.#isTidying
  }

  get deadline(): Millis | undefined {
    return earlier(this.#tidyAt, this.#isShort ? this.#countedAt + COUNT_EVERY : undefined)
  }

  /** Routes were rejected, since all tables were too large when they were last counted. */
  get #isShort(): boolean {
    return this.#tables.memory.isShort && FAMILIES.some((family) => this.#ribs[family].awaitsMemory)
  }

  /** Begins what is due at `now`. */
  notice(now: Millis): void {
    if (this.#isShort && this.#countedAt + COUNT_EVERY <= now) {
      this.#count(now)
      this.#noteUntidy(now)
      for (const family of FAMILIES) this.#ribs[family].retryRejected()
    }
    if (this.#tidyAt === undefined || this.#tidyAt > now) return
    this.#tidyAt = undefined
    this.#isTidying = true
  }

  advance(now: Millis): void {
    if (this.#isTidying) this.#tidy(TIDY_BUDGET)
    else this.#noteUntidy(now)
    this.#countInTurn(now)
  }

  #noteUntidy(now: Millis): void {
    if (this.#tidyAt === undefined && !this.#isTidying && this.#isUntidy) this.#tidyAt = now + TIDY_AFTER
  }

  /** In octets, by kind. */
  byKind(): readonly { what: string; bytes: number }[] {
    const { attributes, nextHops, blocks } = this.#tables
    const [v4, v6] = [this.#ribs.ipv4.memory(), this.#ribs.ipv6.memory()]
    return [
      { what: 'Routing tables', bytes: v4.tables + v6.tables + v4.paths + v6.paths },
      { what: 'Route attributes', bytes: attributes.memory() + nextHops.memory() },
      { what: 'Routes advertised', bytes: blocks.memory() + v4.out + v6.out },
    ]
  }

  /** The number of entries in use, by kind: all 0 without routes and neighbors. */
  entries(): { prefixes: number; paths: number; attributes: number; nextHops: number; blocks: number } {
    const { attributes, nextHops, blocks } = this.#tables
    const { ipv4, ipv6 } = this.#ribs
    return {
      prefixes: ipv4.prefixes.size + ipv6.prefixes.size,
      paths: ipv4.paths.size + ipv6.paths.size,
      attributes: attributes.size,
      nextHops: nextHops.size,
      blocks: blocks.size,
    }
  }

  /** Not in every turn: counting costs time, and tables grow little in one turn. */
  #countInTurn(now: Millis): void {
    const { ipv4, ipv6 } = this.#ribs
    const isBusy = this.#isTidying || ipv4.busy || ipv6.busy
    if (isBusy && this.#turnsToCount > 0) {
      this.#turnsToCount--
      return
    }
    this.#turnsToCount = TURNS_PER_COUNT - 1
    this.#count(now)
  }

  #count(now: Millis): void {
    const { memory } = this.#tables
    this.#countedAt = now
    if (memory.limit !== undefined) memory.tables = this.byKind().reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get #tidied(): readonly { readonly isUntidy: boolean; tidy(budget: number): number }[] {
    const { attributes, nextHops, blocks } = this.#tables
    return [attributes.blocks, nextHops.bytes, blocks, this.#ribs.ipv4, this.#ribs.ipv6]
  }

  get #isUntidy(): boolean {
    return this.#tidied.some(({ isUntidy }) => isUntidy)
  }

  #tidy(budget: number): void {
    let left = budget
    for (const table of this.#tidied) if (left > 0 && table.isUntidy) left = table.tidy(left)
    this.#isTidying = this.#isUntidy
  }
}
