/**
 * The pod CIDRs of this node, for one family. A learned route inside one of them would divert packets to our pods, since the
 * most specific route wins: it is not used, whichever neighbor advertises it and whatever filters accept (RFC 7454 §6.1.4).
 * Exceptions are addresses that Calico's IPAM has lent to another node from a block of this node.
 */
import type { Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { PrefixSet, within } from '../policy/prefix-set.ts'

export class OwnPods {
  readonly #family: Family
  /** Matches this node's pod CIDRs and everything inside: a quick test that nearly all routes fail. */
  #own: PrefixSet
  /** By length, the longest first: for the octets of each own and lent prefix, whether it is own. */
  #claims: readonly (readonly [length: number, isOwn: ReadonlyMap<string, boolean>])[] = []

  constructor(family: Family) {
    this.#family = family
    this.#own = new PrefixSet([], family)
  }

  /** `lent`: addresses that pods of other nodes have. Returns the previous and the new pod CIDRs of this node. */
  set(own: readonly Prefix[], lent: readonly Prefix[]): readonly PrefixSet[] {
    const before = this.#own
    const claims = new Map<number, Map<string, boolean>>()
    const claim = (prefixes: readonly Prefix[], isOwn: boolean): void => {
      for (const { family, bytes, length } of prefixes) {
        if (family !== this.#family) continue
        const ofLength = claims.get(length) ?? new Map<string, boolean>()
        claims.set(length, ofLength.set(octets(bytes, 0, length), isOwn))
      }
    }
    claim(lent, false)
    // Of equal ones, this node's own counts.
    claim(own, true)
    this.#own = new PrefixSet(
      own.map((prefix) => within(prefix)),
      this.#family,
    )
    this.#claims = [...claims].sort(([a], [b]) => b - a)
    return [before, this.#own]
  }

  /** Whether the route of these octets leads to pods of this node. */
  has(bytes: Uint8Array, at: number, length: number): boolean {
    if (!this.#own.contains(bytes, length, at)) return false
    for (const [claimed, isOwn] of this.#claims) {
      const found = claimed > length ? undefined : isOwn.get(octets(bytes, at, claimed))
      if (found !== undefined) return found
    }
    return false
  }
}

/** The first bits of an address, as a key. */
function octets(bytes: Uint8Array, at: number, length: number): string {
  const whole = length >> 3
  const rest = length & 7
  let key = ''
  for (let index = 0; index < whole; index++) key += String.fromCharCode(bytes[at + index] as number)
  return rest === 0 ? key : key + String.fromCharCode((bytes[at + whole] as number) >>> (8 - rest))
}
