/**
 * Interns byte strings: attribute blocks, next hops, and blocks that are ready to send. In: bytes. Out: a small number that
 * stands for them until its last holder releases it.
 *
 * A released string leaves a hole in the arena; the next string of the same length gets the hole and its id. When most of
 * the arena is holes, the remaining strings are moved together, a few at a time, so that changes leave no unused memory.
 *
 * Ids begin at 1 and are assigned again. Code that keeps an id without retaining it compares `serial`, which changes each time
 * the id is assigned.
 */
import type { Octets } from '../../base/units.ts'
import { Arena, offsetIn } from './arena.ts'
import { grownSize, growU16, growU32, usedBytes } from './columns.ts'
import { type HashKey, hashBytes } from './hash.ts'
import { Slots } from './slots.ts'

/** Bytes of the longest string. */
export const LONGEST = 0xffff

export class ByteTable {
  /** Holders of an id; 0 where it is free. */
  refs = new Uint32Array(0)
  /** Changes each time an id is assigned. */
  serial = new Uint32Array(0)
  /** Ids in use are below it: size columns by it. Back to 1 when the last string is gone. */
  end = 1
  /** Ids in use. */
  size = 0

  readonly #arena: Arena
  /** Offset and length of the bytes; for a free id, those of its hole. */
  #place = new Uint32Array(0)
  #length = new Uint16Array(0)
  /** For a free id: the next free id with a hole of the same length. */
  #next = new Uint32Array(0)
  /** The first free id by the length of its hole; ids without a hole are at 0. */
  #free = new Uint32Array(64)
  readonly #slots: Slots
  /** The slot where the last search ended: a free one of the present slots if nothing was found, for `#add`. */
  #slot = 0
  #nextSerial = 0
  /** While segments are emptied: the next id to look at. 0: no segment is being emptied. */
  #cursor = 0
  readonly #k0: number
  readonly #k1: number

  constructor([k0, k1]: HashKey, arenaSize = 4096) {
    this.#k0 = k0
    this.#k1 = k1
    this.#arena = new Arena(arenaSize)
    this.#slots = new Slots()
  }

  /** The array that has the bytes of an id, from `offset` on. Valid until the next `intern` or `tidy`. */
  segment(id: number): Uint8Array {
    return this.#arena.segment(this.#place[id] as number)
  }

  offset(id: number): number {
    return offsetIn(this.#place[id] as number)
  }

  length(id: number): number {
    return this.#length[id] as number
  }

  /** A copy of the bytes. */
  copy(id: number): Uint8Array {
    const offset = this.offset(id)
    return this.segment(id).slice(offset, offset + this.length(id))
  }

  /** The id of these bytes, retained once more. `refs[id] === 1` afterwards means that it is new. 1 to LONGEST bytes. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, this.#k0, this.#k1)
    const { entries, mask, old, oldMask } = this.#slots
    // The present slots are searched last: a string that is not found is added where that search ended.
    const id =
      (old.length === 0 ? 0 : this.#find(old, oldMask, hash, bytes, start, end)) ||
      this.#find(entries, mask, hash, bytes, start, end)
    if (id === 0) return this.#add(bytes, start, end, hash)
    this.refs[id] = (this.refs[id] as number) + 1
    return id
  }

  retain(id: number): void {
    this.refs[id] = (this.refs[id] as number) + 1
  }

  release(id: number): void {
    const left = (this.refs[id] as number) - 1
    if (left < 0) throw new Error(`id ${id} released more often than retained`)
    this.refs[id] = left
    if (left === 0) this.#drop(id)
  }

  memory(): Octets {
    const columns = usedBytes(this.end, this.refs, this.serial, this.#place, this.#length, this.#next)
    return columns + this.#slots.memory(this.end) + this.#arena.memory()
  }

  #find(slots: Int32Array, mask: number, hash: number, bytes: Uint8Array, start: number, end: number): number {
    let slot = hash & mask
    let found = 0
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if (((entry ^ hash) & ~mask) === 0 && this.#isAt(entry & mask, bytes, start, end)) {
        found = entry & mask
        break
      }
      slot = (slot + 1) & mask
    }
    this.#slot = slot
    return found
  }

  #isAt(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#length[id] !== end - start) return false
    const segment = this.segment(id)
    let at = this.offset(id)
    for (let index = start; index < end; index++) if (segment[at++] !== bytes[index]) return false
    return true
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const length = end - start
    // A hole of no bytes would be mistaken for an id without a hole.
    if (length === 0 || length > LONGEST) throw new Error(`${length} bytes are no string: 1 to ${LONGEST} are`)
    this.#makeRoom()
    const id = this.#takeHole(length) || this.#takeId(length)
    const segment = this.segment(id)
    const at = this.offset(id)
    for (let index = start; index < end; index++) segment[at + index - start] = bytes[index] as number
    this.refs[id] = 1
    this.#nextSerial = (this.#nextSerial + 1) >>> 0
    this.serial[id] = this.#nextSerial
    this.size++
    this.#slots.add(id, hash, this.#slot, this.size)
    return id
  }

  /** A free id that has just as much room; 0 for none. */
  #takeHole(length: number): number {
    const id = length < this.#free.length ? (this.#free[length] as number) : 0
    if (id === 0) return 0
    this.#free[length] = this.#next[id] as number
    this.#arena.reuse(this.#place[id] as number, length)
    return id
  }

  /** A free id, with room at the end of all. */
  #takeId(length: number): number {
    const place = this.#arena.allocate(length)
    const id = this.#takeHole(0) || this.#newId()
    this.#place[id] = place
    this.#length[id] = length
    return id
  }

  #newId(): number {
    if (this.end >= this.refs.length) {
      const size = grownSize(this.refs.length, this.end + 1)
      this.refs = growU32(this.refs, size)
      this.serial = growU32(this.serial, size)
      this.#place = growU32(this.#place, size)
      this.#length = growU16(this.#length, size)
      this.#next = growU32(this.#next, size)
      this.#slots.grow(size)
    }
    return this.end++
  }

  #drop(id: number): void {
    this.#slots.remove(id)
    this.#arena.release(this.#place[id] as number, this.#length[id] as number)
    this.size--
    if (this.size === 0) this.#startAnew()
    // From the cursor on, `#moveSome` will come by and set the id free: twice in a list, it would be given out twice.
    else if (this.#cursor === 0 || id < this.#cursor) this.#setFree(id)
  }

  #setFree(id: number): void {
    if (this.#cursor !== 0 && this.#arena.isBeingEmptied(this.#place[id] as number)) this.#length[id] = 0
    const length = this.#length[id] as number
    if (length >= this.#free.length) this.#free = growU32(this.#free, grownSize(this.#free.length, length + 1))
    this.#next[id] = this.#free[length] as number
    this.#free[length] = id
  }

  /** All ids and all places are given out anew, from the first on. */
  #startAnew(): void {
    this.#free.fill(0)
    this.#arena.clear()
    this.#cursor = 0
    this.end = 1
  }

  // ── Giving back ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Some memory can be given back. */
  get isUntidy(): boolean {
    return this.#cursor !== 0 || this.#arena.isSparse || this.#slots.isUntidy(this.size, this.end)
  }

  /** Gives memory back, visiting about `budget` ids or slots. Returns the rest of the budget. */
  tidy(budget: number): number {
    if (this.#cursor === 0 && this.#arena.isSparse) this.#startEmptying()
    const left = this.#cursor === 0 ? budget : this.#moveSome(budget)
    return left > 0 ? this.#slots.tidy(this.size, this.end, left) : 0
  }

  /** Each new string moves a few others while segments are emptied, so that the work does not wait for `tidy`. */
  #makeRoom(): void {
    if (this.#cursor !== 0) this.#moveSome(LOOKS_PER_ADD)
    else if (this.#arena.isFull && this.#arena.isSparse) this.#startEmptying()
  }

  #startEmptying(): void {
    this.#arena.startEmptying()
    // No hole of a segment that is being emptied may be filled. `#moveSome` lists all free ids again.
    this.#free.fill(0)
    this.#cursor = 1
  }

  /**
   * Passes about `budget` ids: moves strings out of the segments that are emptied, and lists the free ids again, without
   * their holes there. Returns the rest of the budget.
   */
  #moveSome(budget: number): number {
    let left = budget
    while (left-- > 0) {
      if (this.#cursor >= this.end) {
        this.#cursor = 0
        this.#arena.endEmptying()
        return left
      }
      const id = this.#cursor++
      const place = this.#place[id] as number
      if (this.refs[id] === 0) this.#setFree(id)
      else if (this.#arena.isBeingEmptied(place)) this.#place[id] = this.#arena.move(place, this.#length[id] as number)
    }
    return 0
  }
}

/** Ids that each new string looks at while segments are emptied. */
const LOOKS_PER_ADD = 16
