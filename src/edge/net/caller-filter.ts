/**
 * A filter for listeners during a flood: the kernel drops connections that do not come from an address of a neighbor or
 * of a range. It is classic BPF over the source address: a decision tree, with one level for each word of an IPv6
 * address.
 *
 * Neighbors always pass. Where they do not fit into the instructions that the kernel takes (4,096, or fewer: `fitting-filter`),
 * addresses near them pass too: prefixes are shortened until the tree fits.
 */
import { readU32 } from '../../base/bytes.ts'
import { ADDRESS_BITS, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { FilterRow } from '../libc.ts'
import {
  DROP,
  FARTHEST,
  IF_AT_LEAST,
  IF_EQUAL,
  IP_HEADER,
  JUMP,
  LOAD_OCTET,
  LOAD_WORD,
  MOST_INSTRUCTIONS,
  PASS,
  SHIFT_RIGHT,
  SOURCE_AT,
} from './bpf.ts'

const WORD_BITS = 32
const LAST_WORD = 0xffffffff

/** Instructions that test the family of a packet, before the tree of that family. */
const HEAD = 4

/** `most`: instructions, of which each family gets half. */
export function makeCallerFilter(callers: readonly Prefix[], most: number = MOST_INSTRUCTIONS): FilterRow[] {
  const ipv4 = fitting(callers, 'ipv4', (most - HEAD) >> 1)
  const ipv6 = fitting(callers, 'ipv6', (most - HEAD) >> 1)
  return [
    [LOAD_OCTET, 0, 0, IP_HEADER],
    [SHIFT_RIGHT, 0, 0, 4],
    [IF_EQUAL, 0, 1, 4],
    [JUMP, 0, 0, ipv6.length],
    ...ipv6,
    ...ipv4,
  ]
}

/** The tree with the longest prefixes that has `most` instructions. */
function fitting(callers: readonly Prefix[], family: Family, most: number): FilterRow[] {
  const prefixes = callers.filter((prefix) => prefix.family === family).sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const whole = new Tree(family, ADDRESS_BITS[family], most).rows(prefixes)
  if (whole !== undefined) return whole
  let best: FilterRow[] = [PASS]
  let fits = 0
  let tooLong: number = ADDRESS_BITS[family]
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1
    const rows = new Tree(family, middle, most).rows(prefixes)
    if (rows === undefined) tooLong = middle
    else {
      best = rows
      fits = middle
    }
  }
  return best
}

/** Values of a word from `start` up to the next region. */
interface Region {
  readonly start: number
  /** Prefixes that the next word decides; or the verdict. */
  readonly fate: 'pass' | 'drop' | readonly Prefix[]
}

interface Span {
  readonly first: number
  readonly last: number
  readonly fate: 'pass' | readonly Prefix[]
}

class Tree {
  readonly #family: Family
  /** Longer prefixes are shortened to this length. */
  readonly #longest: number
  /** Instructions that fit. */
  readonly #most: number
  readonly #rows: FilterRow[] = []

  constructor(family: Family, longest: number, most: number) {
    this.#family = family
    this.#longest = longest
    this.#most = most
  }

  /** Undefined where it does not fit. */
  rows(prefixes: readonly Prefix[]): FilterRow[] | undefined {
    this.#decide(prefixes, 0)
    return this.#isFull ? undefined : this.#rows
  }

  get #isFull(): boolean {
    return this.#rows.length > this.#most
  }

  /** `word` decides; the words before it are equal to those of the prefixes. */
  #decide(prefixes: readonly Prefix[], word: number): void {
    const regions = this.#regions(prefixes, word)
    const [first] = regions
    if (regions.length > 1 || typeof first?.fate === 'object') {
      this.#rows.push([LOAD_WORD, 0, 0, IP_HEADER + SOURCE_AT[this.#family] + word * 4])
    }
    this.#split(regions, 0, regions.length, word)
  }

  /** Halves until one region is left. */
  #split(regions: readonly Region[], from: number, to: number, word: number): void {
    if (this.#isFull) return
    if (to - from === 1) {
      const { fate } = regions[from] as Region
      if (typeof fate === 'object') this.#decide(fate, word + 1)
      else this.#rows.push(fate === 'pass' ? PASS : DROP)
      return
    }
    const middle = (from + to) >> 1
    const { start } = regions[middle] as Region
    const at = this.#rows.push([IF_AT_LEAST, 0, 0, start])
    this.#split(regions, from, middle, word)
    const low = this.#rows.length - at
    if (low <= FARTHEST) this.#rows[at - 1] = [IF_AT_LEAST, low, 0, start]
    else this.#rows.splice(at - 1, 1, [IF_AT_LEAST, 0, 1, start], [JUMP, 0, 0, low])
    this.#split(regions, middle, to, word)
  }

  /** All values of the word, in order. */
  #regions(prefixes: readonly Prefix[], word: number): Region[] {
    const regions: Region[] = []
    const add = (start: number, fate: Region['fate']) => {
      if (fate !== 'pass' || regions.at(-1)?.fate !== 'pass') regions.push({ start, fate })
    }
    let next = 0
    for (const { first, last, fate } of this.#spans(prefixes, word)) {
      // It lies in a range.
      if (last < next) continue
      if (first > next) add(next, 'drop')
      add(first, fate)
      next = last + 1
    }
    if (next <= LAST_WORD) add(next, 'drop')
    return regions
  }

  /** A prefix inside another comes after it. */
  #spans(prefixes: readonly Prefix[], word: number): Span[] {
    const passing: Span[] = []
    const deeper = new Map<number, Prefix[]>()
    for (const prefix of prefixes) {
      const value = readU32(prefix.bytes, word * 4)
      const bits = Math.min(prefix.length, this.#longest) - word * WORD_BITS
      if (bits > WORD_BITS) {
        if (!deeper.get(value)?.push(prefix)) deeper.set(value, [prefix])
        continue
      }
      const size = 2 ** (WORD_BITS - Math.max(bits, 0))
      const first = value - (value % size)
      passing.push({ first, last: first + size - 1, fate: 'pass' })
    }
    const undecided = [...deeper].map(([value, fate]): Span => ({ first: value, last: value, fate }))
    // The sort is stable: a range comes before prefixes that the next word decides.
    return [...passing, ...undecided].sort((a, b) => a.first - b.first || b.last - a.last)
  }
}
