/**
 * Where the pods of this node are. A learned route into one of its pod CIDRs would take their packets elsewhere, since the
 * most specific route wins: it is not used, whoever advertises it and whatever filters accept (RFC 7454 §6.1.4). What another node
 * has inside is not of this node: addresses that Calico's IPAM lent it from a block here. One family.
 */
import { ADDRESS_BITS, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { PrefixSet } from '../policy/prefix-set.ts'
import { isInside } from './service-addresses.ts'

interface Claim {
  readonly prefix: Prefix
  readonly isOwn: boolean
}

export class OwnPods {
  readonly #family: Family
  /** Of this node, and what lies inside: nearly all routes do not, and are asked nothing more. */
  #own: PrefixSet
  /** The most specific first; of equal ones this node's own. */
  #claims: readonly Claim[] = []

  constructor(family: Family) {
    this.#family = family
    this.#own = new PrefixSet([], family)
  }

  /** `lent`: of other nodes. Gives what was this node's before, and what is now. */
  set(own: readonly Prefix[], lent: readonly Prefix[]): readonly PrefixSet[] {
    const before = this.#own
    const claim = (prefixes: readonly Prefix[], isOwn: boolean): Claim[] =>
      prefixes.filter(({ family }) => family === this.#family).map((prefix) => ({ prefix, isOwn }))
    this.#own = new PrefixSet(own.map(withAllInside), this.#family)
    this.#claims = [...claim(own, true), ...claim(lent, false)].sort((a, b) => b.prefix.length - a.prefix.length)
    return [before, this.#own]
  }

  /** Whether the route of these octets leads to pods of this node. */
  has(bytes: Uint8Array, at: number, length: number): boolean {
    if (!isInside(this.#own, bytes, length, at)) return false
    return this.#claims.find(({ prefix }) => contains(prefix, bytes, at, length))?.isOwn === true
  }
}

const withAllInside = (prefix: Prefix) => ({
  prefix,
  minLength: prefix.length,
  maxLength: ADDRESS_BITS[prefix.family],
})

function contains(outer: Prefix, bytes: Uint8Array, at: number, length: number): boolean {
  if (outer.length > length) return false
  const whole = outer.length >> 3
  for (let index = 0; index < whole; index++) if (outer.bytes[index] !== bytes[at + index]) return false
  const rest = outer.length & 7
  return rest === 0 || ((outer.bytes[whole] as number) ^ (bytes[at + whole] as number)) >>> (8 - rest) === 0
}
