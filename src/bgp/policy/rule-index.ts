/**
 * Which of many rules can match a prefix: rules without prefixes, and rules with a prefix that contains it. A filter
 * of Calico's has a rule for each CIDR, so there may be thousands, and each route would be compared with all of them.
 */
import type { Family } from '../../base/family.ts'
import { mask, type Words, wordsOf } from './prefix-set.ts'
import type { PrefixMatch } from './rule.ts'

interface Entry {
  readonly words: Words
  readonly min: number
  readonly max: number
  readonly rule: number
}

/** The prefixes of one length, by a hash of their words. */
interface Group {
  readonly bits: number
  readonly masks: Words
  readonly entries: Map<number, Entry[]>
}

export class RuleIndex {
  /** Shortest first. */
  readonly #groups: readonly Group[]
  /** Rules that name no prefixes, in order. */
  readonly #always: readonly number[] = []
  readonly #found: number[] = []
  /** The rules that can match the prefix asked for last, in order: the first `count`. */
  readonly selected: number[] = []

  /** `rules`: the prefixes that each names; undefined: it names none. */
  constructor(rules: readonly (readonly PrefixMatch[] | undefined)[], family: Family) {
    const groups = new Map<number, Group>()
    this.#always = rules.flatMap((prefixes, rule) => (prefixes === undefined ? [rule] : []))
    for (const [rule, prefixes = []] of rules.entries()) {
      for (const { prefix, minLength: min, maxLength: max } of prefixes) {
        if (prefix.family !== family || min > max) continue
        const group = groups.get(prefix.length) ?? newGroup(prefix.length)
        groups.set(prefix.length, group)
        const words = wordsOf(prefix.bytes)
        const key = hash(...words)
        const others = group.entries.get(key)
        if (others === undefined) group.entries.set(key, [{ words, min, max, rule }])
        else others.push({ words, min, max, rule })
      }
    }
    this.#groups = [...groups.values()].sort((a, b) => a.bits - b.bits)
  }

  /** Selects the rules that can match the prefix of these words and this length; returns how many. */
  select(w0: number, w1: number, w2: number, w3: number, length: number): number {
    return merge(this.#always, this.#find(w0, w1, w2, w3, length), this.selected)
  }

  #find(w0: number, w1: number, w2: number, w3: number, length: number): readonly number[] {
    const found = this.#found
    found.length = 0
    for (const { bits, masks, entries } of this.#groups) {
      if (bits > length) break
      const [m0, m1, m2, m3] = [w0 & masks[0], w1 & masks[1], w2 & masks[2], w3 & masks[3]]
      const candidates = entries.get(hash(m0, m1, m2, m3))
      if (candidates === undefined) continue
      for (const { words, min, max, rule } of candidates) {
        const isSame = words[0] === m0 && words[1] === m1 && words[2] === m2 && words[3] === m3
        if (isSame && length >= min && length <= max && found.at(-1) !== rule) found.push(rule)
      }
    }
    return found.length < 2 ? found : found.sort((a, b) => a - b)
  }
}

const newGroup = (bits: number): Group => ({
  bits,
  masks: [mask(bits), mask(bits - 32), mask(bits - 64), mask(bits - 96)],
  entries: new Map(),
})

/** For IPv4 the first word. It needs no secret key: administrators write rules, not neighbors. */
const hash = (w0: number, w1: number, w2: number, w3: number): number =>
  w0 ^ Math.imul(w1, 31) ^ Math.imul(w2, 961) ^ Math.imul(w3, 29_791)

/** Which of many rules can match a route that BGPAdvertisements name: rules without names, and rules with one of its names. */
export class NameIndex {
  readonly #byName = new Map<string, number[]>()
  /** Rules that name no advertisements, in order. */
  readonly #always: readonly number[]
  /** The rules that can match the route asked for last, in order: the first `count`. */
  readonly selected: number[] = []

  /** `rules`: the names of each; undefined: it has none. */
  constructor(rules: readonly (readonly string[] | undefined)[]) {
    this.#always = rules.flatMap((names, rule) => (names === undefined ? [rule] : []))
    for (const [rule, names = []] of rules.entries()) {
      for (const name of new Set(names)) {
        const others = this.#byName.get(name)
        if (others === undefined) this.#byName.set(name, [rule])
        else others.push(rule)
      }
    }
  }

  /** Selects the rules that can match a route with these names; returns how many. */
  select(names: readonly string[]): number {
    const found = names.flatMap((name) => this.#byName.get(name) ?? NO_RULES)
    if (found.length > 1) found.sort((a, b) => a - b)
    return merge(this.#always, found, this.selected)
  }
}

const NO_RULES: readonly number[] = []

/** Both lists are sorted, and so is the outcome, which has each number once; returns how many it has. */
function merge(some: readonly number[], others: readonly number[], into: number[]): number {
  let [count, next] = [0, 0]
  for (const rule of others) {
    while (next < some.length && (some[next] as number) < rule) into[count++] = some[next++] as number
    if (count === 0 || into[count - 1] !== rule) into[count++] = rule
  }
  while (next < some.length) into[count++] = some[next++] as number
  return count
}
