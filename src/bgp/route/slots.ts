/**
 * The slots of a hash table of ids: open addressing, linear probing, no tombstones. At most half of them are in use, and
 * there are more slots than ids, so that an id needs no more bits than the index of a slot. The other bits of a slot are
 * bits of the hash, by which most absent keys are recognised without another memory access:
 *
 *   slot | upper bits of the hash | id |
 *
 * Growth is incremental: the old slots stay beside the new ones, and every change moves some of them. A search looks in
 * both.
 */
import type { Octets } from '../../base/units.ts'
import { growI32, usedBytes } from './columns.ts'

export class Slots {
  entries = new Int32Array(INITIAL)
  mask = INITIAL - 1
  /** The slots from before the table grew, until all are moved; else empty. */
  old = NO_SLOTS
  oldMask = 0

  /** By id. */
  #hashes = new Int32Array(0)
  /** In `old`: the next slot to move, and how many slots remain. The slot before it is free. */
  #cursor = 0
  #left = 0

  /** The table has room for ids below this. */
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

  /** Whether `tidy` has work: many old slots remain, or there are far too many slots. `ids`: one more than the highest. */
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
  memory(ids: number): Octets {
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

  /** Frees a slot, and moves later entries of the run into the gap where possible. */
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
    // Before the new slots are full, changes have moved all old ones.
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
/** Tables with fewer slots never shrink. */
const MODEST = 1 << 14
/** Old slots that one change moves. */
const MOVES = 16
/** The table shrinks if it has more slots than this for each id in use. */
const SPARSE = 8
