/**
 * The destinations that kube-proxy's rules handle on this node, and that are never forwarded to a learned next hop: the
 * service ranges, and every address of a service. If this node advertised a learned route to one of them with itself as
 * next hop, packets would arrive here and not be forwarded.
 *
 * One family. Ranges change rarely; addresses are added and removed with their services.
 */
import { readU32 } from '../../base/bytes.ts'
import { ADDRESS_BITS, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { PrefixSet } from '../policy/prefix-set.ts'
import type { PrefixMatch } from '../policy/rule.ts'

export class ServiceAddresses {
  /** Increases with every change that may change an answer of `has`. */
  revision = 0
  readonly #family: Family
  readonly #bits: number
  #ranges: PrefixSet
  /** Host prefixes, by `#keyOf`. */
  readonly #addresses = new Set<number | string>()

  constructor(family: Family) {
    this.#family = family
    this.#bits = ADDRESS_BITS[family]
    this.#ranges = new PrefixSet([], family)
  }

  get isEmpty(): boolean {
    return this.#ranges.size === 0 && this.#addresses.size === 0
  }

  /** Returns the previous ranges and the new ones. */
  setRanges(ranges: readonly PrefixMatch[]): readonly PrefixSet[] {
    const before = this.#ranges
    this.#ranges = new PrefixSet(ranges, this.#family)
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

  /** Whether this prefix is a service address or lies inside a service range. */
  has(bytes: Uint8Array, length: number): boolean {
    if (this.#ranges.contains(bytes, length)) return true
    return length === this.#bits && this.#addresses.size > 0 && this.#addresses.has(this.#keyOf(bytes))
  }

  /** A number for IPv4, a string of 16 characters for IPv6. */
  #keyOf(bytes: Uint8Array): number | string {
    return this.#family === 'ipv4' ? readU32(bytes, 0) : String.fromCharCode(...bytes)
  }
}
