/**
 * The slots of a hash table of ids: open addressing, linear probing, no tombstones. Never more than half full, and more
 * of them than the highest id: so an id needs no more bits than the number of a slot has. The bits above are those of
 * the hash, and an absent key is mostly recognised without reading anything else:
 *
 *   slot | upper bits of the hash | id |
 *
 * Growth is incremental: the old slots stay beside the new ones, and every change moves some of them. What
 * is looked for is looked for in both.
 */
import { growI32, usedBytes } from './columns.ts'

export class Slots {
  entries = new Int32Array(INITIAL)
  mask = INITIAL - 1
  /** Those before it grew, until all are moved; empty otherwise. */
  old = NO_SLOTS
  oldMask = 0

  /** By id. */
  #hashes = new Int32Array(0)
  /** In `old`: the next slot to move, and how many slots remain. The slot before it is free. */
  #cursor = 0
  #left = 0

  /** Ids below this have room. */
  grow(capacity: number): void {
    this.#hashes = growI32(this.#hashes, capacity)
  }

  /** An id that is not there, `size` of them with it; `slot`: the free one at which a search for it ended. */
  add(id: number, hash: number, slot: number, size: number): void {
    this.#hashes[id] = hash
    if (size * 2 > this.entries.length || id > this.mask) {
      this.#resize(this.entries.length * (this.entries.length < LARGE ? 4 : 2))
      this.#place(id, hash)
    } else this.entries[slot] = (hash & ~this.mask) | id
    if (this.#left > 0) this.#move(MOVES)
  }

  remove(id: number): void {
    const hash = this.#hashes[id] as number
    const { entries, mask, old, oldMask } = this
    if (!this.#take(entries, mask, hash, id) && !this.#take(old, oldMask, hash, id))
      throw new Error(`id ${id} stands in no slot`)
    if (this.#left > 0) this.#move(MOVES)
  }

  /** There are many old slots, or far too many. `ids`: one more than the highest. */
  isUntidy(size: number, ids: number): boolean {
    return this.old.length > MODEST || this.#shrunk(size, ids) < this.entries.length
  }

  /** Moves about `budget` slots to a smaller table; returns the rest of the budget. */
  tidy(size: number, ids: number, budget: number): number {
    if (this.#left === 0) {
      const length = this.#shrunk(size, ids)
      if (length < this.entries.length) this.#resize(length)
    }
    const left = Math.max(0, budget - this.#left)
    if (this.#left > 0) this.#move(budget)
    return left
  }

  /** `ids`: one more than the highest. */
  memory(ids: number): number {
    return this.entries.byteLength + this.old.byteLength + usedBytes(ids, this.#hashes)
  }

  #place(id: number, hash: number): void {
    const { entries, mask } = this
    let slot = hash & mask
    while (entries[slot] !== 0) slot = (slot + 1) & mask
    entries[slot] = (hash & ~mask) | id
  }

  #take(slots: Int32Array, mask: number, hash: number, id: number): boolean {
    if (slots.length === 0) return false
    let slot = hash & mask
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if ((entry & mask) === id) {
        this.#close(slots, mask, slot)
        return true
      }
      slot = (slot + 1) & mask
    }
    return false
  }

  /** Frees a slot: those behind the gap that may move up do. */
  #close(slots: Int32Array, mask: number, from: number): void {
    const hashes = this.#hashes
    let gap = from
    for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (hashes[(slots[slot] as number) & mask] as number) & mask
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue
      slots[gap] = slots[slot] as number
      gap = slot
    }
    slots[gap] = 0
  }

  /** A quarter at least: what comes meanwhile has room, and moves what is left of the old ones before it is full. */
  #shrunk(size: number, ids: number): number {
    const { length } = this.entries
    const few = Math.max(size * SPARSE, ids * 2, INITIAL)
    return length > MODEST && few * 4 <= length ? length >> 2 : length
  }

  #resize(length: number): void {
    // As many changes as it takes to fill the new ones have moved all of the old ones by far.
    if (this.#left > 0) this.#move(this.#left)
    this.old = this.entries
    this.oldMask = this.mask
    this.#left = this.old.length
    this.entries = new Int32Array(length)
    this.mask = length - 1
    this.#cursor = 0
    while (this.old[this.#cursor] !== 0) this.#cursor++
  }

  /** Passes about so many of the old slots: whole runs, so that what stays is a table still. */
  #move(slots: number): void {
    const { old, oldMask } = this
    const hashes = this.#hashes
    let slot = this.#cursor
    let left = slots
    for (let entry = old[slot] as number; this.#left > 0 && (left > 0 || entry !== 0); entry = old[slot] as number) {
      if (entry !== 0) {
        const id = entry & oldMask
        this.#place(id, hashes[id] as number)
        old[slot] = 0
      }
      slot = (slot + 1) & oldMask
      this.#left--
      left--
    }
    this.#cursor = slot
    if (this.#left > 0) return
    this.old = NO_SLOTS
    this.oldMask = 0
  }
}

const NO_SLOTS = new Int32Array(0)
const INITIAL = 64
/** Slots from which on their number doubles: below it, it grows faster. */
const LARGE = 1 << 20
/** So few are not worth a thought. */
const MODEST = 1 << 14
/** Old slots that one change moves. */
const MOVES = 16
/** With so many slots for each id in use there are too many. */
const SPARSE = 8
