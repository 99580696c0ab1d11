/**
 * Byte strings kept once each. Comes in: bytes; goes out: a small number that stands for them until its last holder
 * lets go. Attribute blocks, next hops and blocks ready to send are kept this way.
 *
 * The bytes lie end to end in one arena. What is let go leaves a hole, which goes with its id to the next string of the
 * same length; when the arena is full and at least half of it is holes, the living move together, otherwise it doubles.
 * So churn costs nothing that lasts, and moves are rare.
 *
 * Ids begin at 1 and are used again; `serial` tells two users of an id apart, for those who remember without holding.
 */
import { grownSize, growU16, growU32, usedBytes } from './columns.ts'
import { type HashKey, hashBytes } from './hash.ts'

/** Bytes of the longest string. */
export const LONGEST = 0xffff

export class ByteTable {
  /** Holders of an id; 0 where it is free. */
  refs = new Uint32Array(0)
  /** Another number each time an id is given out. */
  serial = new Uint32Array(0)
  /** One more than the highest id ever given out: size columns by it. */
  end = 1
  /** Ids in use. */
  size = 0

  #arena: Uint8Array
  #used = 0
  #holes = 0
  /** Where the bytes begin, and how many there are; in a free id, those of its hole. */
  #offset = new Uint32Array(0)
  #length = new Uint16Array(0)
  /** Of the bytes; in a free id, the next free one with a hole of this length. */
  #hash = new Uint32Array(0)
  /** By the length of their holes: free ids. Those whose hole is gone stand at 0. */
  #free = new Uint32Array(64)
  #slots = new Uint32Array(INITIAL_SLOTS)
  #mask = INITIAL_SLOTS - 1
  #nextSerial = 0
  readonly #k0: number
  readonly #k1: number

  constructor([k0, k1]: HashKey, arenaSize = 4096) {
    this.#k0 = k0
    this.#k1 = k1
    this.#arena = new Uint8Array(arenaSize)
  }

  /** Where all bytes lie. Another array after the next `intern`. */
  get arena(): Uint8Array {
    return this.#arena
  }

  offset(id: number): number {
    return this.#offset[id] as number
  }

  length(id: number): number {
    return this.#length[id] as number
  }

  /** A copy, for those who look. */
  copy(id: number): Uint8Array {
    const offset = this.offset(id)
    return this.#arena.slice(offset, offset + this.length(id))
  }

  /** The id of these bytes, held once more. `refs[id] === 1` afterwards says that it is new. At most LONGEST bytes. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, this.#k0, this.#k1) >>> 0
    let slot = hash & this.#mask
    for (let id = this.#slots[slot] as number; id !== 0; id = this.#slots[slot] as number) {
      if (this.#hash[id] === hash && this.#isAt(id, bytes, start, end)) {
        this.refs[id] = (this.refs[id] as number) + 1
        return id
      }
      slot = (slot + 1) & this.#mask
    }
    return this.#add(bytes, start, end, hash)
  }

  retain(id: number): void {
    this.refs[id] = (this.refs[id] as number) + 1
  }

  release(id: number): void {
    const left = (this.refs[id] as number) - 1
    if (left < 0) throw new Error(`id ${id} let go more often than held`)
    this.refs[id] = left
    if (left === 0) this.#drop(id)
  }

  memory(): number {
    const columns = usedBytes(this.end, this.refs, this.serial, this.#offset, this.#length, this.#hash)
    return columns + this.#slots.byteLength + this.#arena.byteLength
  }

  #isAt(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#length[id] !== end - start) return false
    const arena = this.#arena
    let at = this.#offset[id] as number
    for (let index = start; index < end; index++) if (arena[at++] !== bytes[index]) return false
    return true
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    if (end - start > LONGEST) throw new Error(`${end - start} bytes are too many`)
    if ((this.size + 1) * 2 > this.#slots.length) this.#rehash()
    const id = this.#takeHole(end - start) || this.#takeId(end - start)
    const at = this.#offset[id] as number
    for (let index = start; index < end; index++) this.#arena[at + index - start] = bytes[index] as number
    this.#hash[id] = hash
    this.refs[id] = 1
    this.#nextSerial = (this.#nextSerial + 1) >>> 0
    this.serial[id] = this.#nextSerial
    this.size++
    this.#place(id, hash)
    return id
  }

  /** A free id that has just as much room; 0 for none. */
  #takeHole(length: number): number {
    const id = length < this.#free.length ? (this.#free[length] as number) : 0
    if (id === 0) return 0
    this.#free[length] = this.#hash[id] as number
    this.#holes -= length
    return id
  }

  /** A free id, with room at the end of all. */
  #takeId(length: number): number {
    const at = this.#room(length)
    const id = this.#takeHole(0) || this.#newId()
    this.#offset[id] = at
    this.#length[id] = length
    return id
  }

  #newId(): number {
    if (this.end >= this.refs.length) {
      const size = grownSize(this.refs.length, this.end + 1)
      this.refs = growU32(this.refs, size)
      this.serial = growU32(this.serial, size)
      this.#offset = growU32(this.#offset, size)
      this.#length = growU16(this.#length, size)
      this.#hash = growU32(this.#hash, size)
    }
    return this.end++
  }

  #drop(id: number): void {
    this.#unplace(id)
    this.#holes += this.#length[id] as number
    this.#setFree(id)
    this.size--
    if (this.size === 0) this.#startAnew()
  }

  #setFree(id: number): void {
    const length = this.#length[id] as number
    if (length >= this.#free.length) this.#free = growU32(this.#free, grownSize(this.#free.length, length + 1))
    this.#hash[id] = this.#free[length] as number
    this.#free[length] = id
  }

  #startAnew(): void {
    this.#free.fill(0)
    this.#used = 0
    this.#holes = 0
    this.end = 1
  }

  #room(count: number): number {
    if (this.#used + count > this.#arena.length) {
      const mostlyHoles = this.#holes * 2 >= this.#arena.length
      const size = mostlyHoles ? this.#arena.length : this.#arena.length * (this.#arena.length < LARGE_ARENA ? 4 : 2)
      this.#moveTo(new Uint8Array(Math.max(size, this.#used - this.#holes + count)))
    }
    const at = this.#used
    this.#used += count
    return at
  }

  #moveTo(arena: Uint8Array): void {
    if (this.#holes === 0) {
      arena.set(this.#arena.subarray(0, this.#used))
      this.#arena = arena
      return
    }
    let used = 0
    this.#free.fill(0)
    for (let id = 1; id < this.end; id++) {
      if (this.refs[id] === 0) {
        this.#length[id] = 0
        this.#setFree(id)
        continue
      }
      const from = this.#offset[id] as number
      const length = this.#length[id] as number
      for (let index = 0; index < length; index++) arena[used + index] = this.#arena[from + index] as number
      this.#offset[id] = used
      used += length
    }
    this.#arena = arena
    this.#used = used
    this.#holes = 0
  }

  #place(id: number, hash: number): void {
    let slot = hash & this.#mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#slots[slot] = id
  }

  /** Linear probing without tombstones: those behind the gap that may move up do. */
  #unplace(id: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let gap = (this.#hash[id] as number) & mask
    while (slots[gap] !== id) gap = (gap + 1) & mask
    for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (this.#hash[slots[slot] as number] as number) & mask
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue
      slots[gap] = slots[slot] as number
      gap = slot
    }
    slots[gap] = 0
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2)
    this.#mask = this.#slots.length - 1
    for (let id = 1; id < this.end; id++) if (this.refs[id] !== 0) this.#place(id, this.#hash[id] as number)
  }
}

const INITIAL_SLOTS = 64
/** Bytes from which on an arena doubles: below it, it grows faster. */
const LARGE_ARENA = 1 << 20
