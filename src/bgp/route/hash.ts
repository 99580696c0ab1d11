/**
 * Hashes for which no neighbor can construct collisions. Neighbors choose attribute blocks and prefixes: with many that
 * collide, one neighbor could slow down all others. A secret start value alone does not prevent that, if later steps
 * pass some bits on unchanged. Here the key is used in every step.
 *
 * Byte strings: HalfSipHash with one round a word and three at the end (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF"; the half-width form is theirs as well). Words of fixed width, as prefixes are: simple tabulation
 * (Pătraşcu and Thorup, "The Power of Simple Tabulation Hashing"), which is enough for linear probing.
 */

/** 128 secret bits as four words: two for byte strings, two to fill the tables for prefixes. */
export type HashKey = readonly [number, number, number, number]

/** For tests and benchmarks, where every run must be the same. */
export const KNOWN_KEY: HashKey = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]

/** The hash of bytes[start, end): 32 bits, signed. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, k0: number, k1: number): number {
  let v0 = k0
  let v1 = k1
  let v2 = k0 ^ 0x6c796765
  let v3 = k1 ^ 0x74656462
  const whole = end - 3
  let at = start
  for (; at < whole; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (((v0 << 16) | (v0 >>> 16)) + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  // The last word: what is left of the bytes, and above them how many there are.
  let last = (end - start) << 24
  if (at < end) last |= bytes[at] as number
  if (at + 1 < end) last |= (bytes[at + 1] as number) << 8
  if (at + 2 < end) last |= (bytes[at + 2] as number) << 16
  v3 ^= last
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (((v0 << 16) | (v0 >>> 16)) + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    if (round === 0) {
      v0 ^= last
      v2 ^= 0xff
    }
  }
  return v1 ^ v3
}

/** Random words for each octet of an address, for tabulation. */
export const PER_OCTET = 256

/** `count` random words, the same for the same key: HalfSipHash of their numbers. */
export function randomWords(count: number, [, , k0, k1]: HashKey): Int32Array {
  const number = new Uint8Array(4)
  return Int32Array.from({ length: count }, (_, index) => {
    number[0] = index
    number[1] = index >> 8
    return hashBytes(number, 0, 4, k0, k1)
  })
}
