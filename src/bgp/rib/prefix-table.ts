/**
 * The prefixes of one family, each once, with a small number. In: prefixes as encoded on the wire. Out: ids, the index of
 * all other columns of the RIB. A prefix exists while it is retained (by a path, a neighbor it is advertised to, a message that
 * is not sent yet); ids of removed prefixes are used again.
 *
 * A hash table maps prefixes to ids (route/slots.ts). The address words are in a column: one word per IPv4 prefix, four per
 * IPv6 prefix.
 */

import type { Family } from '../../base/family.ts'
import type { Octets } from '../../base/units.ts'
import { growI32, grownSize, growU8, growU32, usedBytes } from '../route/columns.ts'
import type { HashKey } from '../route/hash.ts'
import { FreeIds, shrunkSize } from '../route/ids.ts'
import { Slots } from '../route/slots.ts'
import { hash4, hash6, prefixTables } from './prefix-hash.ts'

export class PrefixTable {
  readonly family: Family
  /** Words per address: 1 or 4. */
  readonly width: number
  words = new Int32Array(0)
  lengths = new Uint8Array(0)
  /** Holders of a prefix; 0 also before the first `retain`. Where an id is free, its length is NO_LENGTH. */
  refs = new Uint32Array(0)
  /** Ids in use are below it. `tidy` may lower it. */
  end = 1
  size = 0
  /** Ids below this have room in every column. */
  capacity = 0

  readonly #grown: (capacity: number) => void
  readonly #random: Int32Array
  readonly #slots: Slots
  /** The first free id; its first address word holds the next free id. */
  #free = 0
  readonly #freeIds = new FreeIds()
  /** How many prefixes have each length: longest match asks only for lengths that exist. */
  readonly #ofLength: Uint32Array
  // The prefix that was last not found, and the slot where the search ended.
  #slot = 0
  #hash = 0
  #w0 = 0
  #w1 = 0
  #w2 = 0
  #w3 = 0

  /** `grown` gets the size that all other columns must have now: more, or less. */
  constructor(family: Family, key: HashKey, grown: (capacity: number) => void = () => {}) {
    this.family = family
    this.width = family === 'ipv4' ? 1 : 4
    this.#ofLength = new Uint32Array(family === 'ipv4' ? 33 : 129)
    this.#random = prefixTables(key)
    this.#grown = grown
    this.#slots = new Slots()
  }

  /** The id of a prefix, or 0. `bytes[offset]` is the first octet of the address; bits beyond `length` do not count. */
  find(bytes: Uint8Array, offset: number, length: number): number {
    return this.width === 1 ? this.#search4(bytes, offset, length) : this.#search6(bytes, offset, length)
  }

  /** The id of a prefix, which is added if it is not there. A new id is not retained yet: the caller must do that. */
  insert(bytes: Uint8Array, offset: number, length: number): number {
    return this.find(bytes, offset, length) || this.#add(length)
  }

  retain(id: number): void {
    this.refs[id] = (this.refs[id] as number) + 1
  }

  /** Ends one `retain`; the prefix is removed with the last one. */
  release(id: number): void {
    const left = (this.refs[id] as number) - 1
    if (left < 0) throw new Error(`prefix ${id} released more often than retained`)
    this.refs[id] = left
    if (left === 0) this.#remove(id)
  }

  /** Ids of the prefixes that contain an address or prefix, the longest first. */
  *matches(bytes: Uint8Array, length: number): Generator<number> {
    for (let shorter = length; shorter >= 0; shorter--) {
      if (this.#ofLength[shorter] === 0) continue
      const id = this.find(bytes, 0, shorter)
      if (id !== 0) yield id
    }
  }

  /** Writes the 4 or 16 octets of the address. */
  writeAddress(id: number, into: Uint8Array): void {
    for (let word = 0; word < this.width; word++) {
      const value = this.words[id * this.width + word] as number
      into[word * 4] = value >>> 24
      into[word * 4 + 1] = value >>> 16
      into[word * 4 + 2] = value >>> 8
      into[word * 4 + 3] = value
    }
  }

  memory(): Octets {
    return this.end * this.width * 4 + usedBytes(this.end, this.lengths, this.refs) + this.#slots.memory(this.end)
  }

  // `#search4` and `#search6` leave the words and the hash for `#add`. The probe stands twice: this is the hot path.

  #search4(bytes: Uint8Array, offset: number, length: number): number {
    const w0 = wordOf(bytes, offset, length)
    const hash = hash4(w0, length, this.#random)
    const { entries, mask, old, oldMask } = this.#slots
    // A prefix that is not found is added where the search in the present slots ended, so these are searched last.
    const id = old.length === 0 ? 0 : this.#find4(old, oldMask, hash, w0, length)
    if (id !== 0) return id
    this.#w0 = w0
    this.#hash = hash
    return this.#find4(entries, mask, hash, w0, length)
  }

  #find4(slots: Int32Array, mask: number, hash: number, w0: number, length: number): number {
    let slot = hash & mask
    let found = 0
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if (((entry ^ hash) & ~mask) === 0) {
        const id = entry & mask
        if (this.words[id] === w0 && this.lengths[id] === length) {
          found = id
          break
        }
      }
      slot = (slot + 1) & mask
    }
    this.#slot = slot
    return found
  }

  #search6(bytes: Uint8Array, offset: number, length: number): number {
    const w0 = wordOf(bytes, offset, length)
    const w1 = wordOf(bytes, offset + 4, length - 32)
    const w2 = wordOf(bytes, offset + 8, length - 64)
    const w3 = wordOf(bytes, offset + 12, length - 96)
    const hash = hash6(w0, w1, w2, w3, length, this.#random)
    this.#w0 = w0
    this.#w1 = w1
    this.#w2 = w2
    this.#w3 = w3
    this.#hash = hash
    const { entries, mask, old, oldMask } = this.#slots
    return (old.length === 0 ? 0 : this.#find6(old, oldMask, length)) || this.#find6(entries, mask, length)
  }

  #find6(slots: Int32Array, mask: number, length: number): number {
    const hash = this.#hash
    let slot = hash & mask
    let found = 0
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if (((entry ^ hash) & ~mask) === 0 && this.#isAt(entry & mask, length)) {
        found = entry & mask
        break
      }
      slot = (slot + 1) & mask
    }
    this.#slot = slot
    return found
  }

  #isAt(id: number, length: number): boolean {
    const { words } = this
    const at = id * 4
    return (
      words[at] === this.#w0 &&
      words[at + 1] === this.#w1 &&
      words[at + 2] === this.#w2 &&
      words[at + 3] === this.#w3 &&
      this.lengths[id] === length
    )
  }

  /** Adds the prefix that was last not found. */
  #add(length: number): number {
    const id = this.#takeId()
    const at = id * this.width
    this.words[at] = this.#w0
    if (this.width === 4) {
      this.words[at + 1] = this.#w1
      this.words[at + 2] = this.#w2
      this.words[at + 3] = this.#w3
    }
    this.lengths[id] = length
    this.refs[id] = 0
    this.#ofLength[length] = (this.#ofLength[length] as number) + 1
    this.size++
    this.#slots.add(id, this.#hash, this.#slot, this.size)
    return id
  }

  #takeId(): number {
    const id = this.#free
    if (id !== 0) {
      this.#free = this.words[id * this.width] as number
      return id
    }
    if (this.end >= this.capacity) this.#resize(grownSize(this.capacity, this.end + 1))
    return this.end++
  }

  #resize(capacity: number): void {
    this.capacity = capacity
    this.words = growI32(this.words, capacity * this.width)
    this.lengths = growU8(this.lengths, capacity)
    this.refs = growU32(this.refs, capacity)
    this.#slots.grow(capacity)
    this.#grown(capacity)
  }

  /** Some memory can be given back. */
  get isUntidy(): boolean {
    return this.#freeIds.isSparse(this.size, this.end) || this.#slots.isUntidy(this.size, this.end)
  }

  /**
   * Gives memory back, looking at about `budget` slots; the free ids are put in order in one pass. Returns what is left of
   * the budget.
   */
  tidy(budget: number): number {
    if (this.#freeIds.isSparse(this.size, this.end)) this.#orderFree()
    return this.#slots.tidy(this.size, this.end, budget)
  }

  #orderFree(): void {
    const isFree = (id: number): boolean => this.lengths[id] === NO_LENGTH
    const chain = (id: number, next: number): void => {
      this.words[id * this.width] = next
    }
    const { first, end } = this.#freeIds.order(this.end, isFree, chain)
    this.#free = first
    this.end = end
    const capacity = shrunkSize(this.capacity, end)
    if (capacity !== undefined) this.#resize(capacity)
  }

  #remove(id: number): void {
    const length = this.lengths[id] as number
    this.#slots.remove(id)
    this.#ofLength[length] = (this.#ofLength[length] as number) - 1
    this.lengths[id] = NO_LENGTH
    this.words[id * this.width] = this.#free
    this.#free = id
    this.#freeIds.noteFree()
    this.size--
  }
}

/** The length in the column of a free id: no prefix has it. */
const NO_LENGTH = 255

/** The first `length` bits of a word. NLRI may end with its last octet: nothing beyond is read. */
function wordOf(bytes: Uint8Array, at: number, length: number): number {
  if (length <= 0) return 0
  let word = (bytes[at] as number) << 24
  if (length > 8) word |= (bytes[at + 1] as number) << 16
  if (length > 16) word |= (bytes[at + 2] as number) << 8
  if (length > 24) word |= bytes[at + 3] as number
  return length >= 32 ? word : word & (-1 << (32 - length))
}
