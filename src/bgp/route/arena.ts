/**
 * Stores byte strings end to end in segments. A string is known by its place, 32 bits: the number of its segment in the
 * upper 12, and its offset there in the lower 20 (`offsetIn`). When a segment is full, another one is added, so that growth
 * copies no string. Only the first segment, and the one to which strings are moved, begin small, and are copied as they grow.
 *
 * Released strings leave holes, which are counted by segment. When more than half of the octets are holes, the owner of the
 * strings moves them out of the segments that are mostly holes: `startEmptying`, `move` for each, `endEmptying`.
 */
import type { Octets } from '../../base/units.ts'

const SEGMENT_BITS = 20
/** Octets of a full segment. */
const SEGMENT = 1 << SEGMENT_BITS
/** An arena of so many octets or fewer is never compacted, nor does it shrink. */
const LEAST_COMPACTED = 1 << 16
/** With less room than this, in octets, the segment may be too full for the next string (`LONGEST` in byte-table.ts). */
const ROOM_FOR_LONGEST = 1 << 16

export class Arena {
  /** Octets of the first segment when it is new. */
  readonly #initial: number
  /** By number; undefined: freed. */
  #segments: (Uint8Array | undefined)[]
  /** Octets in use, by segment. */
  #live: number[] = [0]
  /** By segment: whether its strings are being moved out. */
  #emptying: boolean[] = [false]
  readonly #freeNumbers: number[] = []
  /** The segment to which strings are added. */
  #current = 0
  /** The first free offset in the current segment. */
  #used = 0
  /** Octets of all segments. */
  #size: number
  /** Octets in use, in all segments. */
  #allLive = 0

  constructor(initial: number) {
    this.#initial = initial
    this.#segments = [new Uint8Array(initial)]
    this.#size = initial
  }

  /** The segment of a place; what is stored there begins at `offsetIn(place)`. */
  segment(place: number): Uint8Array {
    return this.#segments[place >>> SEGMENT_BITS] as Uint8Array
  }

  /** Reserves room for a string of at most SEGMENT octets, and returns its place. */
  allocate(length: number): number {
    if (this.#used + length > this.#currentSize) this.#extend(length)
    const place = ((this.#current << SEGMENT_BITS) | this.#used) >>> 0
    this.#used += length
    this.#count(place, length)
    return place
  }

  /** A hole is in use again: another string of the same length is written there. */
  reuse(place: number, length: number): void {
    this.#count(place, length)
  }

  /** The string is no longer needed: a hole stays in its place. */
  release(place: number, length: number): void {
    this.#count(place, -length)
  }

  #count(place: number, change: number): void {
    const segment = place >>> SEGMENT_BITS
    this.#live[segment] = (this.#live[segment] as number) + change
    this.#allLive += change
  }

  /** Whether the next string may need another segment. */
  get isFull(): boolean {
    return this.#currentSize - this.#used < ROOM_FOR_LONGEST
  }

  /** Whether more than half of the octets that were given out are holes. */
  get isSparse(): boolean {
    const neverUsed = this.#currentSize - this.#used
    return this.#size > LEAST_COMPACTED && this.#allLive * 2 < this.#size - neverUsed
  }

  /** Chooses the segments to empty: those of which at least half is not in use. */
  startEmptying(): void {
    for (const [number, segment] of this.#segments.entries()) {
      this.#emptying[number] = segment !== undefined && (this.#live[number] as number) * 2 <= segment.length
    }
    this.#startSegment(this.#initial)
  }

  isBeingEmptied(place: number): boolean {
    return this.#emptying[place >>> SEGMENT_BITS] as boolean
  }

  /** Moves a string to another segment and returns its new place. */
  move(place: number, length: number): number {
    const to = this.allocate(length)
    const from = offsetIn(place)
    this.segment(to).set(this.segment(place).subarray(from, from + length), offsetIn(to))
    this.release(place, length)
    return to
  }

  /** All strings have been moved out of the segments that are being emptied: frees these. */
  endEmptying(): void {
    for (const [number, isEmptying] of this.#emptying.entries()) if (isEmptying) this.#freeSegment(number)
  }

  /** Forgets all strings. A small segment is kept for the next ones: a table that is empty for a moment needs no new one. */
  clear(): void {
    if (this.#size > LEAST_COMPACTED) {
      this.#segments = [new Uint8Array(this.#initial)]
      this.#size = this.#initial
    } else this.#segments = [this.#segments[this.#current]]
    this.#live = [0]
    this.#emptying = [false]
    this.#freeNumbers.length = 0
    this.#current = 0
    this.#used = 0
    this.#allLive = 0
    this.#size = this.#currentSize
  }

  memory(): Octets {
    return this.#size
  }

  get #currentSize(): number {
    return (this.#segments[this.#current] as Uint8Array).length
  }

  /** Makes room for a string: in the current segment while it may grow, otherwise in another one. */
  #extend(length: number): void {
    const needed = this.#used + length
    if (needed > SEGMENT) this.#startSegment(SEGMENT)
    else this.#grow(Math.min(SEGMENT, Math.max(this.#currentSize * 4, needed)))
  }

  #grow(size: number): void {
    const grown = new Uint8Array(size)
    grown.set((this.#segments[this.#current] as Uint8Array).subarray(0, this.#used))
    this.#size += size - this.#currentSize
    this.#segments[this.#current] = grown
  }

  /** Begins a segment, under the number of a freed one if there is one: a place has 12 bits for it. */
  #startSegment(size: number): void {
    const number = this.#freeNumbers.pop() ?? this.#segments.length
    if (number >= 1 << (32 - SEGMENT_BITS)) throw new Error('an arena of more than 4 GiB')
    this.#segments[number] = new Uint8Array(size)
    this.#live[number] = 0
    this.#emptying[number] = false
    this.#size += size
    this.#current = number
    this.#used = 0
  }

  #freeSegment(number: number): void {
    this.#size -= (this.#segments[number] as Uint8Array).length
    this.#segments[number] = undefined
    this.#emptying[number] = false
    this.#freeNumbers.push(number)
  }
}

/** The offset of a place in its segment, in octets. */
export const offsetIn = (place: number): number => place & (SEGMENT - 1)
