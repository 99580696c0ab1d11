/**
 * The pod CIDRs of this node, for one family. A learned route inside one of them would divert packets to our pods, since the
 * most specific route wins: it is not used, whichever neighbor advertises it and whatever filters accept (RFC 7454 §6.1.4).
 * Exceptions are addresses that Calico's IPAM has lent to another node from a block of this node.
 */
import type { Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { PrefixSet, within } from '../policy/prefix-set.ts'

interface Claim {
  readonly prefix: Prefix
  readonly isOwn: boolean
}

export class OwnPods {
  readonly #family: Family
  /** Matches this node's pod CIDRs and everything inside: a quick test that nearly all routes fail. */
  #own: PrefixSet
  /** Own and lent prefixes, the most specific first; of equal ones this node's own first. */
  #claims: readonly Claim[] = []

  constructor(family: Family) {
    this.#family = family
    this.#own = new PrefixSet([], family)
  }

  /** `lent`: addresses that pods of other nodes have. Returns the previous and the new pod CIDRs of this node. */
  set(own: readonly Prefix[], lent: readonly Prefix[]): readonly PrefixSet[] {
    const before = this.#own
    const claim = (prefixes: readonly Prefix[], isOwn: boolean): Claim[] =>
      prefixes.filter(({ family }) => family === this.#family).map((prefix) => ({ prefix, isOwn }))
    this.#own = new PrefixSet(
      own.map((prefix) => within(prefix)),
      this.#family,
    )
    this.#claims = [...claim(own, true), ...claim(lent, false)].sort((a, b) => b.prefix.length - a.prefix.length)
    return [before, this.#own]
  }

  /** Whether the route of these octets leads to pods of this node. */
  has(bytes: Uint8Array, at: number, length: number): boolean {
    if (!this.#own.contains(bytes, length, at)) return false
    return this.#claims.find(({ prefix }) => contains(prefix, bytes, at, length))?.isOwn === true
  }
}

function contains(outer: Prefix, bytes: Uint8Array, at: number, length: number): boolean {
  if (outer.length > length) return false
  const whole = outer.length >> 3
  for (let index = 0; index < whole; index++) if (outer.bytes[index] !== bytes[at + index]) return false
  const rest = outer.length & 7
  return rest === 0 || ((outer.bytes[whole] as number) ^ (bytes[at + whole] as number)) >>> (8 - rest) === 0
}
