/**
 * Hashes that neighbors cannot aim at. "Aimed at" means: a difference between two blocks, or two prefixes, that
 * makes them meet for many keys. What is known to do so for hashes that are not keyed is tried, and a search is made for
 * more of its kind; the same search finds the fault of the hash that stood here before.
 */
import { describe, expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { hash4, hash6, prefixTables } from '../../src/bgp/rib/prefix-hash.ts'
import { type HashKey, hashBytes } from '../../src/bgp/route/hash.ts'

const chance = new Chance(9)
const word = (): number => (chance.next() * 2 ** 32) | 0
const newKey = (): HashKey => [word(), word(), word(), word()]
const bit = (): number => 1 << (chance.next() * 32)

const WORDS = 4
/** Of four words, for a key that is the same for as long as `round` is. */
type Hash = (words: readonly number[], round: number) => number

const scratch = new Int32Array(64)
const scratchBytes = new Uint8Array(scratch.buffer)

const keys = Array.from({ length: 16 }, newKey)
const keyOf = (round: number): HashKey => keys[round % keys.length] as HashKey
const blocks: Hash = (words, round) => {
  const [k0, k1] = keyOf(round)
  scratch.set(words)
  return hashBytes(scratchBytes, 0, words.length * 4, k0, k1)
}
const tables = keys.map((key) => prefixTables(key))
const ipv6: Hash = ([a = 0, b = 0, c = 0, d = 0], round) => hash6(a, b, c, d, 128, tables[round % 16] as Int32Array)
const slash64: Hash = ([a = 0, b = 0], round) => hash6(a, b, 0, 0, 64, tables[round % 16] as Int32Array)
const ipv4: Hash = ([a = 0], round) => hash4(a, 32, tables[round % 16] as Int32Array)

/** What stood here before: a secret start value, and steps that are open to all. */
const unkeyed: Hash = (words, round) => {
  let hash = (keys[round % 16] as HashKey)[0] ^ (words.length * 4)
  for (const word of words) {
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
  return hash ^ (hash >>> 14)
}

/** Slots of a table of the size that 30,000 routes take. */
const SLOTS = 0xffff
const ROUNDS = 16

/** In how many of `ROUNDS`, each with another key and another start, two that differ so want one slot. */
function meetings(hash: Hash, difference: readonly number[]): number {
  let met = 0
  for (let round = 0; round < ROUNDS; round++) {
    const one = difference.map(word)
    const other = one.map((value, index) => value ^ (difference[index] as number))
    if (((hash(one, round) ^ hash(other, round)) & SLOTS) === 0) met++
    // What meets in none of the first four is nothing to build an attack on.
    if (round === 3 && met === 0) return 0
  }
  return met
}

/** Differences of one to three of so many words: each bit, and each with one or two in the word behind it. */
function* differences(words: number): Generator<readonly number[]> {
  const at = (...some: readonly (readonly [number, number])[]): readonly number[] =>
    Array.from({ length: words }, (_, index) => some.find(([word]) => word === index)?.[1] ?? 0)
  for (let first = 0; first < words; first++) {
    for (let high = 0; high < 32; high++) {
      yield at([first, 1 << high])
      if (first + 1 >= words) continue
      for (let low = 0; low < 32; low++) {
        yield at([first, 1 << high], [first + 1, 1 << low])
        for (let shift = 1; shift < 32; shift += 2)
          yield at([first, 1 << high], [first + 1, (1 << low) | (1 << ((low + shift) & 31))])
        if (first + 2 < words) yield at([first, 1 << high], [first + 1, 1 << low], [first + 2, bit()])
      }
    }
  }
}

/** The differences that make two meet in more than a quarter of all rounds: by luck, one in 10^15. */
function search(hash: Hash, words: number): (readonly number[])[] {
  const found: (readonly number[])[] = []
  for (const difference of differences(words)) if (meetings(hash, difference) * 4 > ROUNDS) found.push(difference)
  return found
}

describe('HalfSipHash-1-3', () => {
  // Linux, lib/test_siphash.c: the key 00 01 .. 07, the bytes 00 01 .. of each length.
  test.each([
    [0, 0x5814c896],
    [1, 0xe7e864ca],
    [2, 0xbc4b0e30],
    [3, 0x01539939],
    [4, 0x7e059ea6],
    [5, 0x88e3d89b],
    [6, 0xa0080b65],
    [7, 0x9d38d9d6],
    [8, 0x577999b1],
  ])('of %i bytes is what Linux has', (length, expected) => {
    const bytes = Uint8Array.from({ length: length + 3 }, (_, index) => index - 1)
    expect(hashBytes(bytes, 1, 1 + length, 0x03020100, 0x07060504) >>> 0).toBe(expected)
  })
})

describe('what is known to meet in a hash without a key', () => {
  test('pairs of words xored with constants: 4,096 blocks', () => {
    const start = Array.from({ length: 24 }, word)
    const all = Array.from({ length: 4096 }, (_, number) =>
      start.map((value, index) =>
        ((number >> (index >> 1)) & 1) === 0 ? value : value ^ (index % 2 ? 0x80010000 : 1 << 31),
      ),
    )
    expect(new Set(all.map((one) => unkeyed(one, 0))).size).toBe(1)
    expect(new Set(all.map((one) => blocks(one, 0))).size).toBeGreaterThan(4090)
  })

  test('the second word of a /64 chosen, the first made to fit: 40,000 prefixes', () => {
    const fold = (w1: number): number => {
      const hash = Math.imul(w1, 0x27d4eb2f)
      return hash ^ (hash >>> 15)
    }
    const all = Array.from({ length: 40_000 }, (_, number) => [fold(number << 4), number << 4] as const)
    const slots = new Set(all.map(([w0, w1]) => slash64([w0, w1], 0) & 0x1ffff))
    // In lines of sixteen slots, one for each of 8,192 lines: as many as chance would leave empty.
    expect(slots.size).toBeGreaterThan(7_000)
  })
})

describe('a search among differences of one, two and three words', () => {
  test('finds the fault of a hash without a key', () => {
    expect(search(unkeyed, 2)).toContainEqual([1 << 31, 0x80010000 | 0])
  })

  test.each([
    ['blocks', blocks, WORDS],
    ['IPv4 addresses', ipv4, 1],
    ['IPv6 addresses', ipv6, 4],
    ['IPv6 prefixes of 64 bits', slash64, 2],
  ] as const)('finds none for %s', (_, hash, words) => {
    expect(search(hash, words)).toEqual([])
  })
})

test('prefixes of one line stay in it, whatever the key', () => {
  for (const words of tables) {
    const lines = new Set<number>()
    for (let place = 0; place < 16; place++) {
      for (let bits = 1; bits <= 4; bits++) {
        const value = place & (-1 << (4 - bits))
        lines.add(hash4(0x0a000000 | (value << 8), 20 + bits, words) & 0xfff0)
        lines.add((hash6(0x20010db8, value << 16, 0, 0, 44 + bits, words) & 0xfff0) + 0x10000)
      }
    }
    expect(lines.size).toBe(2)
  }
})
