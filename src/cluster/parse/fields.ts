/**
 * Reads unchecked objects field by field. A field that is absent or null reads as undefined. A wrong one reads as undefined
 * too, and is reported to `Findings`. Every field that was read counts as known; `reportUnknown` reports the others.
 */
import { type Address, parseAddress, whyNotOfHost } from '../../base/address.ts'
import { lookUp } from '../../base/look-up.ts'
import { type Prefix, parsePrefix } from '../../base/prefix.ts'
import type { Asn, Seconds } from '../../base/units.ts'
import { CostMeter, finish, type Work } from '../../base/work.ts'
import type { Findings } from '../problem.ts'

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An AS number, plain or asdot (RFC 5396). Zero is not one (RFC 7607). */
export function parseAsn(value: unknown): Asn | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value > 0 && value <= 0xffffffff ? value : undefined
  if (typeof value !== 'string') return undefined
  const [, high, low] = /^(?:(\d{1,5})\.)?(\d{1,10})$/.exec(value) ?? []
  if (low === undefined) return undefined
  if (high === undefined) return parseAsn(Number(low))
  return Number(high) > 0xffff || Number(low) > 0xffff ? undefined : parseAsn(Number(high) * 0x10000 + Number(low))
}

/** Whole seconds: a number, or a duration as in Kubernetes (`90s`, `1m30s`). */
export function parseSeconds(value: unknown): Seconds | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const parts = /^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})(?:\.0+)?s)?$/.exec(value)
  if (parts === null || value === '') return undefined
  const [hours = '0', minutes = '0', seconds = '0'] = parts.slice(1)
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}

/**
 * The most items of a list, and entries of labels and annotations, unless said otherwise: whoever writes it chooses its size.
 */
const MOST_ITEMS = 1_000

/** Reads one item of a list; `at` is its place. */
type ReadItem<Item> = (item: unknown, at: string) => Item | undefined

interface LongList {
  /** The most items that it may have. */
  readonly most?: number
  /** About what one item takes to read, in microseconds, without lists inside it. */
  readonly cost: number
  /** The same for one item of a list inside an item. */
  readonly inner?: number
}

export class Fields {
  readonly findings: Findings
  readonly path: string
  readonly #record: Record<string, unknown>
  readonly #known = new Set<string>()
  /** The place of fields that are not under `path`: the name of an annotation. */
  readonly #places: ReadonlyMap<string, string>

  constructor(
    findings: Findings,
    path: string,
    record: Record<string, unknown>,
    places: ReadonlyMap<string, string> = new Map(),
  ) {
    this.findings = findings
    this.path = path
    this.#record = record
    this.#places = places
  }

  /** The unchecked value; null reads as undefined. */
  raw(name: string): unknown {
    this.#known.add(name)
    return lookUp(this.#record, name) ?? undefined
  }

  at(name: string): string {
    return this.#places.get(name) ?? (this.path === '' ? name : `${this.path}.${name}`)
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined
  }

  text(name: string): string | undefined {
    return this.#read(name, (value) => (typeof value === 'string' ? value : undefined), 'is not text')
  }

  flag(name: string): boolean | undefined {
    return this.#read(name, (value) => (typeof value === 'boolean' ? value : undefined), 'is neither true nor false')
  }

  whole(name: string, min: number, max: number): number | undefined {
    const inside = (value: unknown) => (isWhole(value) && value >= min && value <= max ? value : undefined)
    return this.#read(name, inside, `is not a whole number from ${min} to ${max}`)
  }

  asn(name: string): Asn | undefined {
    // YAML reads an asdot number without quotes as a fraction, in which 64512.10 and 64512.1 are the same.
    const value = this.raw(name)
    const fraction = typeof value === 'number' && !Number.isInteger(value)
    return this.#read(name, parseAsn, `is not an AS number${fraction ? ' (put one with a dot in quotes)' : ''}`)
  }

  seconds(name: string, min: Seconds, max: Seconds): Seconds | undefined {
    const inside = (value: unknown) => {
      const seconds = parseSeconds(value)
      return seconds !== undefined && seconds >= min && seconds <= max ? seconds : undefined
    }
    return this.#read(name, inside, `is not a time in whole seconds from ${min}s to ${max}s`)
  }

  address(name: string): Address | undefined {
    const read = (value: unknown) => (typeof value === 'string' ? parseAddress(value) : undefined)
    return this.#read(name, read, 'is not an IP address')
  }

  /** A unicast address that a single host can have. */
  hostAddress(name: string): Address | undefined {
    const address = this.address(name)
    const why = address === undefined ? undefined : whyNotOfHost(address)
    return why === undefined ? address : this.findings.wrong(this.at(name), address, why)
  }

  prefix(name: string): Prefix | undefined {
    const read = (value: unknown) => (typeof value === 'string' ? parsePrefix(value) : undefined)
    const prefix = this.#read(name, read, 'is not a CIDR')
    if (prefix !== undefined) this.findings.hostBits(this.at(name), this.raw(name), prefix)
    return prefix
  }

  oneOf<const Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const read = (value: unknown) => words.find((word) => word === value)
    return this.#read(name, read, `is none of ${words.join(', ')}`)
  }

  record(name: string): Fields | undefined {
    const record = this.#read(name, (value) => (isRecord(value) ? value : undefined), 'is not an object')
    return record === undefined ? undefined : new Fields(this.findings, this.at(name), record)
  }

  /** Reads each item with `read`, which reports errors itself; items that read as undefined are left out. */
  list<Item>(name: string, read: ReadItem<Item>, most = MOST_ITEMS): Item[] {
    return finish(this.listInSteps(name, read, { most, cost: 0 }))
  }

  /** The same in steps, for lists that are long or whose items are. */
  *listInSteps<Item>(
    name: string,
    read: ReadItem<Item>,
    { most = MOST_ITEMS, cost, inner = 0 }: LongList,
  ): Work<Item[]> {
    const charged = this.findings.items
    const items: unknown[] =
      this.#read(name, (value) => (Array.isArray(value) ? value : undefined), 'is not a list') ?? []
    if (!this.#hasRoom(this.at(name), items.length, most)) return []
    const found: Item[] = []
    const meter = new CostMeter()
    for (const [index, item] of items.entries()) {
      const before = this.findings.items
      const value = read(item, `${this.at(name)}[${index}]`)
      if (value !== undefined) found.push(value)
      meter.add(cost + inner * (this.findings.items - before))
      if (!meter.isDue) continue
      // The items of this list, and those inside them, are charged here. What was counted before is still to be charged.
      this.findings.items = charged
      yield meter.take()
    }
    return found
  }

  records<Item>(name: string, read: (fields: Fields) => Item | undefined, most = MOST_ITEMS): Item[] {
    return finish(this.recordsInSteps(name, read, { most, cost: 0 }))
  }

  *recordsInSteps<Item>(name: string, read: (fields: Fields) => Item | undefined, list: LongList): Work<Item[]> {
    const readItem = (item: unknown, at: string) => {
      if (isRecord(item)) return read(new Fields(this.findings, at, item))
      return this.findings.wrong(at, item, 'is not an object')
    }
    return yield* this.listInSteps(name, readItem, list)
  }

  texts(name: string, most = MOST_ITEMS): string[] {
    const readItem = (item: unknown, at: string) => {
      if (typeof item === 'string') return item
      return this.findings.wrong(at, item, 'is not text')
    }
    return this.list(name, readItem, most)
  }

  /** `labels` of the metadata whose fields these are. */
  labels(): Record<string, string> {
    return Object.fromEntries(this.record('metadata')?.textMap('labels') ?? [])
  }

  /** A map from text to text, such as labels and annotations. */
  textMap(name: string): Map<string, string> {
    const record = this.#read(name, (value) => (isRecord(value) ? value : undefined), 'is not an object') ?? {}
    const map = new Map<string, string>()
    if (!this.#hasRoom(this.at(name), Object.keys(record).length, MOST_ITEMS)) return map
    for (const [key, value] of Object.entries(record)) {
      // In YAML, `true` and `64512` without quotes are no text.
      if (typeof value === 'string') map.set(key, value)
      else if (value !== null) this.findings.wrong(`${this.at(name)}[${key}]`, value, 'is not text (put it in quotes)')
    }
    return map
  }

  /** Reports fields that have no effect, with the reason; they are not refused. `asItIs`: values that need no report. */
  notActedOn(reasons: Readonly<Record<string, string>>, asItIs: Readonly<Record<string, unknown>> = {}): void {
    for (const [name, reason] of Object.entries(reasons)) {
      if (!this.has(name) || this.raw(name) === asItIs[name]) continue
      this.findings.say('field-not-carried-out', this.at(name), `has no effect: ${reason}`)
    }
  }

  /**
   * Refuses null in fields that select: without a value they would select everything. The API drops a null field, which its
   * user then sees; in a file it remains.
   */
  refuseNull(names: readonly string[]): void {
    for (const name of names) {
      if (!Object.hasOwn(this.#record, name) || this.#record[name] !== null) continue
      this.findings.wrong(this.at(name), null, 'has no value; remove the field, or set a value')
    }
  }

  /** Reports fields that were not read: most are misspelt. */
  reportUnknown(): void {
    for (const name of Object.keys(this.#record)) {
      if (this.#known.has(name)) continue
      this.findings.say('field-unknown', this.at(name), 'is not a field of this kind; it is ignored')
    }
  }

  /** A list with too many items is refused whole: nobody could tell which of them count. */
  #hasRoom(at: string, count: number, most: number): boolean {
    this.findings.items += Math.min(count, most)
    if (count > most) this.findings.wrong(at, undefined, `has more than ${most} entries`)
    return count <= most
  }

  #read<Value>(name: string, read: (value: unknown) => Value | undefined, says: string): Value | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    const result = read(value)
    return result === undefined ? this.findings.wrong(this.at(name), value, says) : result
  }
}

const isWhole = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value)
