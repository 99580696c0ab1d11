/**
 * Adj-RIB-In of one family: the paths that neighbors have advertised, and those that we originate. A path is a number; its
 * properties are in columns. The paths of a prefix are chained: `first[prefix]` → `next[path]`.
 *
 * Paths that may not be used, or that policy rejects, are kept with the reason.
 */
import type { Millis, Octets } from '../../base/units.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import { grownSize, growU8, growU16, growU32, usedBytes } from '../route/columns.ts'
import { FreeIds, shrunkSize } from '../route/ids.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import type { PrefixTable } from './prefix-table.ts'

/** Tenths of a second on the engine's clock: thirteen years in 32 bits. */
const SINCE_UNIT = 100

export const sinceOf = (now: Millis): number => Math.floor(now / SINCE_UNIT)

export const timeOf = (since: number): Millis => since * SINCE_UNIT

export class AdjIn {
  /** By prefix: its first path, 0 for none. */
  first = new Uint32Array(0)
  // By path. A free one has prefix 0.
  prefix = new Uint32Array(0)
  next = new Uint32Array(0)
  /** Peer number. */
  peer = new Uint16Array(0)
  /** RFC 7911; 0 where the neighbor sends none. The column exists only once a neighbor does. */
  pathId = new Uint32Array(0)
  /** Attributes as received; 0: `set` was not called yet. */
  received = new Uint32Array(0)
  /** Attributes as import policy left them. */
  attributes = new Uint32Array(0)
  nextHop = new Uint32Array(0)
  /** Why it may not be used: one of REFUSED (eligible.ts); 0: it may. */
  refused = new Uint8Array(0)
  /** 1: it must be advertised again even if it stays best: its attributes, its next hop or an export policy has changed. */
  changed = new Uint8Array(0)
  /** When it was announced, as `sinceOf` has it. */
  since = new Uint32Array(0)
  /** In which generation it was announced last (generations.ts). The column exists only once there is a second one. */
  generation = new Uint32Array(0)
  /** Paths in use have lower numbers. */
  end = 1
  /** How many paths there are. */
  size = 0

  readonly #prefixes: PrefixTable
  readonly #attributeTable: AttributeTable
  readonly #nextHopTable: NextHopTable
  #free = 0
  readonly #freeIds = new FreeIds()

  constructor(prefixes: PrefixTable, attributes: AttributeTable, nextHops: NextHopTable) {
    this.#prefixes = prefixes
    this.#attributeTable = attributes
    this.#nextHopTable = nextHops
  }

  grow(capacity: number): void {
    this.first = growU32(this.first, capacity)
  }

  pathIdOf(path: number): number {
    return this.pathId.length === 0 ? 0 : (this.pathId[path] as number)
  }

  find(prefix: number, peer: number, pathId: number): number {
    let path = this.first[prefix] as number
    while (path !== 0 && (this.peer[path] !== peer || this.pathIdOf(path) !== pathId)) path = this.next[path] as number
    return path
  }

  /** How many paths to a prefix a neighbor has. */
  countOf(prefix: number, peer: number): number {
    let count = 0
    for (let path = this.first[prefix] as number; path !== 0; path = this.next[path] as number) {
      if (this.peer[path] === peer) count++
    }
    return count
  }

  /** A new path without attributes: `set` follows. It retains its prefix. */
  add(prefix: number, peer: number, pathId: number): number {
    const path = this.#take()
    this.#prefixes.retain(prefix)
    this.prefix[path] = prefix
    this.peer[path] = peer
    if (pathId !== 0 && this.pathId.length === 0) this.pathId = new Uint32Array(this.prefix.length)
    if (this.pathId.length !== 0) this.pathId[path] = pathId
    this.next[path] = this.first[prefix] as number
    this.first[prefix] = path
    this.received[path] = 0
    if (this.generation.length !== 0) this.generation[path] = 0
    this.size++
    return path
  }

  noteGeneration(path: number, generation: number): void {
    if (generation === 0) return
    if (this.generation.length === 0) this.generation = new Uint32Array(this.prefix.length)
    this.generation[path] = generation
  }

  generationOf(path: number): number {
    return this.generation.length === 0 ? 0 : (this.generation[path] as number)
  }

  /** Gives a path what it carries now. The new values are retained before the old ones, which may be the same, are released. */
  set(path: number, received: number, attributes: number, nextHop: number, refused: number): void {
    this.#attributeTable.retain(received)
    this.#attributeTable.retain(attributes)
    this.#nextHopTable.retain(nextHop)
    this.#release(path)
    this.received[path] = received
    this.attributes[path] = attributes
    this.nextHop[path] = nextHop
    this.refused[path] = refused
    this.changed[path] = 1
  }

  remove(path: number): void {
    const prefix = this.prefix[path] as number
    const after = this.next[path] as number
    if (this.first[prefix] === path) this.first[prefix] = after
    else {
      let before = this.first[prefix] as number
      while (this.next[before] !== path) before = this.next[before] as number
      this.next[before] = after
    }
    this.#release(path)
    this.prefix[path] = 0
    this.next[path] = this.#free
    this.#free = path
    this.#freeIds.noteFree()
    this.size--
    this.#prefixes.release(prefix)
  }

  memory(): Octets {
    const { prefix, next, peer, pathId, received, attributes, nextHop, refused, changed, since, generation } = this
    const paths = [prefix, next, peer, pathId, received, attributes, nextHop, refused, changed, since, generation]
    return usedBytes(this.end, ...paths) + usedBytes(this.#prefixes.end, this.first)
  }

  #release(path: number): void {
    if (this.received[path] === 0) return
    this.#attributeTable.release(this.received[path] as number)
    this.#attributeTable.release(this.attributes[path] as number)
    this.#nextHopTable.release(this.nextHop[path] as number)
  }

  #take(): number {
    const path = this.#free
    if (path !== 0) {
      this.#free = this.next[path] as number
      return path
    }
    if (this.end >= this.prefix.length) this.#resizePaths(grownSize(this.prefix.length, this.end + 1))
    return this.end++
  }

  get isUntidy(): boolean {
    return this.#freeIds.isSparse(this.size, this.end)
  }

  /** Shrinks the columns to what is used. */
  tidy(): void {
    const isFree = (path: number): boolean => this.prefix[path] === 0
    const chain = (path: number, next: number): void => {
      this.next[path] = next
    }
    const { first, end } = this.#freeIds.order(this.end, isFree, chain)
    this.#free = first
    this.end = end
    const size = shrunkSize(this.prefix.length, end)
    if (size !== undefined) this.#resizePaths(size)
  }

  #resizePaths(size: number): void {
    this.prefix = growU32(this.prefix, size)
    this.next = growU32(this.next, size)
    this.peer = growU16(this.peer, size)
    if (this.pathId.length !== 0) this.pathId = growU32(this.pathId, size)
    this.received = growU32(this.received, size)
    this.attributes = growU32(this.attributes, size)
    this.nextHop = growU32(this.nextHop, size)
    this.refused = growU8(this.refused, size)
    this.changed = growU8(this.changed, size)
    this.since = growU32(this.since, size)
    if (this.generation.length !== 0) this.generation = growU32(this.generation, size)
  }
}
