/**
 * Destinations that this node hands to kube-proxy's rules and never forwards to a learned next hop: the service ranges, and
 * every address of a service. Told with ourselves as next hop, a learned route to one of them would lead packets here
 * and no further. One family; ranges change rarely, addresses come and go with their services.
 */
import { readU32 } from '../../base/bytes.ts'
import { ADDRESS_BITS, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { PrefixSet, wordAt } from '../policy/prefix-set.ts'

export class Served {
  /** Another number: another answer than before is possible. */
  revision = 0
  readonly #family: Family
  readonly #bits: number
  #ranges: PrefixSet
  /** Whole addresses. */
  readonly #addresses = new Set<number | string>()

  constructor(family: Family) {
    this.#family = family
    this.#bits = ADDRESS_BITS[family]
    this.#ranges = new PrefixSet([], family)
  }

  get isEmpty(): boolean {
    return this.#ranges.size === 0 && this.#addresses.size === 0
  }

  /** Gives the ranges of before, and those of now. */
  setRanges(ranges: readonly Prefix[]): readonly PrefixSet[] {
    const before = this.#ranges
    this.#ranges = this.#setOf(ranges)
    this.revision++
    return [before, this.#ranges]
  }

  /** `address`: /32 or /128. */
  add({ bytes }: Prefix): void {
    this.#addresses.add(this.#keyOf(bytes))
    this.revision++
  }

  remove({ bytes }: Prefix): void {
    this.#addresses.delete(this.#keyOf(bytes))
    this.revision++
  }

  /** Whether a route to this prefix is one to a service address or lies in a service range. */
  has(bytes: Uint8Array, length: number): boolean {
    if (isInside(this.#ranges, bytes, length)) return true
    return length === this.#bits && this.#addresses.size > 0 && this.#addresses.has(this.#keyOf(bytes))
  }

  #setOf(ranges: readonly Prefix[]): PrefixSet {
    const matches = ranges.map((prefix) => ({ prefix, minLength: prefix.length, maxLength: this.#bits }))
    return new PrefixSet(matches, this.#family)
  }

  /** A number for IPv4, a string of 16 for IPv6. */
  #keyOf(bytes: Uint8Array): number | string {
    return this.#family === 'ipv4' ? readU32(bytes, 0) : String.fromCharCode(...bytes)
  }
}

/** The address begins at `at`: whole, or as much of it as `length` needs. */
export function isInside(set: PrefixSet, bytes: Uint8Array, length: number, at = 0): boolean {
  if (set.size === 0) return false
  const octets = (length + 7) >> 3
  const first = wordAt(bytes, at, octets, 0)
  if (octets <= 4) return set.has(first, 0, 0, 0, length)
  return set.has(
    first,
    wordAt(bytes, at, octets, 1),
    wordAt(bytes, at, octets, 2),
    wordAt(bytes, at, octets, 3),
    length,
  )
}
