/**
 * The hash function of the prefix table.
 *
 * Prefixes that arrive together are mostly adjacent, so they are not scattered one by one. The bits up to the last multiple
 * of four below the length choose a line of sixteen slots; the next bits choose the place in it. Thirty prefixes share a
 * line, such as those of 21 to 24 bits within a /20, with few collisions, and one memory access, which is most of the cost
 * of a large table, serves them all. No choice of prefixes can make more than thirty share a line.
 *
 * The line is hashed by simple tabulation (hash.ts): one random word per octet and value, and one per length.
 */
import { ADDRESS_BYTES } from '../../base/family.ts'
import { type HashKey, PER_OCTET, randomWords } from '../route/hash.ts'

/** The bits of a slot's place in its line. */
const LINE = 15
/** The number of prefix lengths that choose a line: 0, and the multiples of four below 128. */
const LINE_LENGTHS = 33

const TABLE_WORDS = LINE_LENGTHS + ADDRESS_BYTES.ipv6 * PER_OCTET
const tablesOf = new WeakMap<HashKey, Int32Array>()

/** The tables for `hash4` and `hash6`, made once for each key. They must not be written to. */
export function prefixTables(key: HashKey): Int32Array {
  const known = tablesOf.get(key)
  if (known !== undefined) return known
  const made = randomWords(TABLE_WORDS, key)
  tablesOf.set(key, made)
  return made
}

/** `word`: the address; bits beyond `length` are zero. Signed. */
export function hash4(word: number, length: number, random: Int32Array): number {
  const base = (length - 1) & ~3
  const shift = 28 - base
  const place = (word >>> shift) & LINE
  return placed(wordHash(word ^ (place << shift), 0, random) ^ lengthHash(base, random), place, length)
}

export function hash6(w0: number, w1: number, w2: number, w3: number, length: number, random: Int32Array): number {
  const base = (length - 1) & ~3
  const shift = 28 - (base & 31)
  const last = length > 96 ? w3 : length > 64 ? w2 : length > 32 ? w1 : w0
  const place = (last >>> shift) & LINE
  let hash = wordHash(last ^ (place << shift), (base >> 5) & 3, random) ^ lengthHash(base, random)
  if (length > 32) hash ^= wordHash(w0, 0, random)
  if (length > 64) hash ^= wordHash(w1, 1, random)
  if (length > 96) hash ^= wordHash(w2, 2, random)
  return placed(hash, place, length)
}

/** Combines line, place and length; the upper bits differ between prefixes of one line. */
const placed = (hash: number, place: number, length: number): number =>
  ((hash & ~LINE) | place) ^ (place << 28) ^ ((length & 3) << 26)

/** The hash of the word at `index` of an address. */
function wordHash(word: number, index: number, random: Int32Array): number {
  const at = LINE_LENGTHS + index * 4 * PER_OCTET
  return (
    (random[at + (word >>> 24)] as number) ^
    (random[at + PER_OCTET + ((word >>> 16) & 0xff)] as number) ^
    (random[at + 2 * PER_OCTET + ((word >>> 8) & 0xff)] as number) ^
    (random[at + 3 * PER_OCTET + (word & 0xff)] as number)
  )
}

const lengthHash = (base: number, random: Int32Array): number => random[(base + 4) >> 2] as number
