/**
 * A set of prefix matches that answers in time proportional to the number of distinct lengths in it, not to its size.
 * One hash table has all prefixes, by length and masked words; a lookup asks once per length that can contain the route.
 * An IPv4 address is the first word, the other three are zero. Words are signed, so that they stay small integers.
 */
import { readU32 } from '../../base/bytes.ts'
import { ADDRESS_BITS, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { PrefixMatch } from './rule.ts'

/** Everything inside a prefix, from this length on. */
export const within = (prefix: Prefix, minLength = prefix.length): PrefixMatch => ({
  prefix,
  minLength,
  maxLength: ADDRESS_BITS[prefix.family],
})

interface Range {
  min: number
  max: number
}

/** Numbers in `#lengths` for each length, and in `#entries` for each entry. */
const LENGTH_STRIDE = 5
const ENTRY_STRIDE = 7

export class PrefixSet {
  readonly size: number
  /** Per prefix length present, shortest first: the length and the masks of the four words. */
  readonly #lengths: Int32Array
  /** Open addressing, a power of two, at most half full: number of the entry + 1, or 0. */
  readonly #slots: Int32Array
  /** Per entry: prefix length, four words, least and greatest route length. */
  readonly #entries: Int32Array

  /** Uses those of `matches` that are of `family`. */
  constructor(matches: readonly PrefixMatch[], family: Family) {
    const entries = flatten(matches.filter((match) => match.prefix.family === family))
    this.size = entries.length
    const lengths = [...new Set(entries.map(([bits]) => bits))].sort((a, b) => a - b)
    this.#lengths = new Int32Array(
      lengths.flatMap((bits) => [bits, mask(bits), mask(bits - 32), mask(bits - 64), mask(bits - 96)]),
    )
    this.#slots = new Int32Array(tableSize(entries.length))
    this.#entries = new Int32Array(entries.flat())
    for (const [index, entry] of entries.entries()) this.#insert(entry, index)
  }

  /**
   * Whether one of the matches contains the prefix, which must be of the family of the set: words do not tell. `bytes` holds
   * at least its first `length` bits, from `at` on.
   */
  contains(bytes: Uint8Array, length: number, at = 0): boolean {
    if (this.size === 0) return false
    const octets = (length + 7) >> 3
    const first = wordAt(bytes, at, octets, 0)
    if (octets <= 4) return this.has(first, 0, 0, 0, length)
    const word = (index: number): number => wordAt(bytes, at, octets, index)
    return this.has(first, word(1), word(2), word(3), length)
  }

  /** The same for the prefix of these words (masked or not) and this length. */
  has(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const lengths = this.#lengths
    for (let at = 0; at < lengths.length; at += LENGTH_STRIDE) {
      const bits = lengths[at] as number
      if (bits > length) return false
      const m0 = w0 & (lengths[at + 1] as number)
      const m1 = w1 & (lengths[at + 2] as number)
      const m2 = w2 & (lengths[at + 3] as number)
      const m3 = w3 & (lengths[at + 4] as number)
      if (this.#find(bits, m0, m1, m2, m3, length)) return true
    }
    return false
  }

  /** Several entries may have the same prefix and different ranges: they are in the same run of slots. */
  #find(bits: number, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const entries = this.#entries
    const slotMask = this.#slots.length - 1
    for (let slot = hash(bits, w0, w1, w2, w3) & slotMask; ; slot = (slot + 1) & slotMask) {
      const entry = this.#slots[slot] as number
      if (entry === 0) return false
      const at = (entry - 1) * ENTRY_STRIDE
      if (
        entries[at + 1] === w0 &&
        entries[at] === bits &&
        entries[at + 2] === w1 &&
        entries[at + 3] === w2 &&
        entries[at + 4] === w3 &&
        length >= (entries[at + 5] as number) &&
        length <= (entries[at + 6] as number)
      ) {
        return true
      }
    }
  }

  #insert([bits, w0, w1, w2, w3]: Entry, index: number): void {
    const slotMask = this.#slots.length - 1
    let slot = hash(bits, w0, w1, w2, w3) & slotMask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & slotMask
    this.#slots[slot] = index + 1
  }
}

type Entry = readonly [bits: number, w0: number, w1: number, w2: number, w3: number, min: number, max: number]

/** The word at `index` of an address of which `octets` are present from `offset` on; what lies beyond them is zero. */
export function wordAt(bytes: Uint8Array, offset: number, octets: number, index: number): number {
  const first = index * 4
  if (octets >= first + 4) return readU32(bytes, offset + first) | 0
  let word = 0
  for (let octet = first; octet < octets; octet++)
    word |= (bytes[offset + octet] as number) << (24 - (octet - first) * 8)
  return word
}

export type Words = readonly [number, number, number, number]

/** The words of a whole address. */
export function wordsOf(address: Uint8Array): Words {
  const word = (index: number) => wordAt(address, 0, address.length, index)
  return [word(0), word(1), word(2), word(3)]
}

/** The mask of the first `bits` of a word; beyond 32 all, below 1 none. */
export const mask = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits))

const tableSize = (entries: number): number => 1 << (32 - Math.clz32(Math.max(1, entries * 2)))

function hash(bits: number, w0: number, w1: number, w2: number, w3: number): number {
  let sum = Math.imul(w0 ^ bits, 0x9e3779b1)
  sum = Math.imul(sum ^ (sum >>> 15) ^ w1, 0x85ebca6b)
  sum = Math.imul(sum ^ (sum >>> 13) ^ w2, 0xc2b2ae35)
  sum = Math.imul(sum ^ (sum >>> 16) ^ w3, 0x27d4eb2f)
  return sum ^ (sum >>> 15)
}

/** One entry per prefix and disjoint range, so that a prefix named a thousand times is looked at once. */
function flatten(matches: readonly PrefixMatch[]): Entry[] {
  const byPrefix = new Map<string, { prefix: Prefix; ranges: Range[] }>()
  for (const { prefix, minLength, maxLength } of matches) {
    const range = { min: minLength, max: maxLength }
    const known = byPrefix.get(prefix.text)
    if (known === undefined) byPrefix.set(prefix.text, { prefix, ranges: [range] })
    else known.ranges.push(range)
  }
  return [...byPrefix.values()].flatMap(({ prefix, ranges }) =>
    joinRanges(ranges).map((range) => entryOf(prefix, range)),
  )
}

function entryOf({ length, bytes }: Prefix, { min, max }: Range): Entry {
  return [length, ...wordsOf(bytes), min, max]
}

function joinRanges(ranges: readonly Range[]): Range[] {
  const joined: Range[] = []
  for (const range of ranges.filter(({ min, max }) => min <= max).sort((a, b) => a.min - b.min)) {
    const last = joined.at(-1)
    if (last !== undefined && range.min <= last.max + 1) last.max = Math.max(last.max, range.max)
    else joined.push({ ...range })
  }
  return joined
}
