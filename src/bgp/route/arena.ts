/**
 * Stores byte strings end to end in segments. No string is copied for growth: when a segment is full, another one is
 * added. Only the first one begins small, and grows.
 *
 * Released bytes are counted per segment. When half of all bytes are holes, the owner of the strings moves them out of
 * the segments that are mostly holes (`leaving`, `leave`), and these segments are freed.
 */
const SEGMENT_BITS = 20
/** Octets of a segment. */
const SEGMENT = 1 << SEGMENT_BITS
/** Smaller arenas are never compacted. */
const MODEST = 1 << 16

export class Arena {
  readonly #initial: number
  #segments: (Uint8Array | undefined)[]
  /** Octets in use, by segment. */
  #live: number[] = [0]
  #leaving: boolean[] = [false]
  readonly #freeNumbers: number[] = []
  #current = 0
  /** The first free offset in the current segment. */
  #used = 0
  /** Octets of all segments, and those of them in use. */
  #size: number
  #allLive = 0

  constructor(initial: number) {
    this.#initial = initial
    this.#segments = [new Uint8Array(initial)]
    this.#size = initial
  }

  /** The segment in which a place lies; it begins there at `at(place)`. */
  segment(place: number): Uint8Array {
    return this.#segments[place >>> SEGMENT_BITS] as Uint8Array
  }

  /** Room for so many octets, at most SEGMENT. */
  allocate(length: number): number {
    if (this.#used + length > this.#currentSize) this.#makeRoom(length)
    const place = ((this.#current << SEGMENT_BITS) | this.#used) >>> 0
    this.#used += length
    this.take(place, length)
    return place
  }

  /** Octets that were released are in use again. */
  take(place: number, length: number): void {
    const number = place >>> SEGMENT_BITS
    this.#live[number] = (this.#live[number] as number) + length
    this.#allLive += length
  }

  letGo(place: number, length: number): void {
    const number = place >>> SEGMENT_BITS
    this.#live[number] = (this.#live[number] as number) - length
    this.#allLive -= length
  }

  /** Whether the next string may need another segment. */
  get isFull(): boolean {
    return this.#currentSize - this.#used < SEGMENT >> 4
  }

  /** Whether most of the arena is holes. */
  get isSparse(): boolean {
    const unused = this.#currentSize - this.#used
    return this.#size > MODEST && this.#allLive * 2 < this.#size - unused
  }

  /** Begins to empty the segments that are mostly holes. */
  startLeaving(): void {
    for (const [number, segment] of this.#segments.entries()) {
      this.#leaving[number] = segment !== undefined && (this.#live[number] as number) * 2 <= segment.length
    }
    this.#begin(this.#initial)
  }

  isLeaving(place: number): boolean {
    return this.#leaving[place >>> SEGMENT_BITS] as boolean
  }

  /** Moves bytes to another segment and returns the new place. */
  move(place: number, length: number): number {
    const to = this.allocate(length)
    const from = at(place)
    this.segment(to).set(this.segment(place).subarray(from, from + length), at(to))
    this.letGo(place, length)
    return to
  }

  /** All strings have moved out: frees the emptied segments. */
  endLeaving(): void {
    for (const [number, isLeaving] of this.#leaving.entries()) if (isLeaving) this.#giveBack(number)
  }

  /** Frees everything. */
  clear(): void {
    if (this.#size > MODEST) {
      this.#segments = [new Uint8Array(this.#initial)]
      this.#size = this.#initial
    } else this.#segments = [this.#segments[this.#current]]
    this.#live = [0]
    this.#leaving = [false]
    this.#freeNumbers.length = 0
    this.#current = 0
    this.#used = 0
    this.#allLive = 0
    this.#size = this.#currentSize
  }

  memory(): number {
    return this.#size
  }

  get #currentSize(): number {
    return (this.#segments[this.#current] as Uint8Array).length
  }

  #makeRoom(length: number): void {
    const size = this.#currentSize
    const wanted = Math.min(SEGMENT, Math.max(size * 4, this.#used + length))
    if (wanted < this.#used + length) this.#begin(SEGMENT)
    else this.#grow(wanted)
  }

  #grow(size: number): void {
    const grown = new Uint8Array(size)
    grown.set((this.#segments[this.#current] as Uint8Array).subarray(0, this.#used))
    this.#size += size - this.#currentSize
    this.#segments[this.#current] = grown
  }

  #begin(size: number): void {
    const number = this.#freeNumbers.pop() ?? this.#segments.length
    if (number >= 1 << (32 - SEGMENT_BITS)) throw new Error('an arena of more than 4 GiB')
    this.#segments[number] = new Uint8Array(size)
    this.#live[number] = 0
    this.#leaving[number] = false
    this.#size += size
    this.#current = number
    this.#used = 0
  }

  #giveBack(number: number): void {
    this.#size -= (this.#segments[number] as Uint8Array).length
    this.#segments[number] = undefined
    this.#leaving[number] = false
    this.#freeNumbers.push(number)
  }
}

/** Where in its segment a place lies. */
export const at = (place: number): number => place & (SEGMENT - 1)
