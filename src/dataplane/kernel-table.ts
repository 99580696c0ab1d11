/**
 * What the kernel holds that is not ours: routes of links, of DHCP, of router advertisements, of people and of other
 * daemons; the links and their addresses. It answers where an address leads, and whose a prefix is.
 */
import { type Address, addressBytes, familyOfAddress } from '../base/address.ts'
import { makePrefix, type Prefix } from '../base/prefix.ts'
import { KERNEL_PROTOCOL, type KernelRoute, type Link } from './kernel.ts'

/** IPv6 ends its table with an unreachable default route of this metric: nobody's wish. */
const NOBODYS_METRIC = 0xffffffff

export class KernelTable {
  readonly #byKey = new Map<string, KernelRoute>()
  /** By prefix, the preferred one first. */
  readonly #byPrefix = new Map<string, KernelRoute[]>()
  /** Lengths there are, by octets of the address, with how many have each. */
  readonly #lengths: Readonly<Record<4 | 16, Map<number, number>>> = { 4: new Map(), 16: new Map() }
  #links = new Map<string, Link>()
  #addresses = new Set<Address>()

  get size(): number {
    return this.#byKey.size
  }

  clear(): void {
    this.#byKey.clear()
    this.#byPrefix.clear()
    this.#lengths[4].clear()
    this.#lengths[16].clear()
  }

  add(route: KernelRoute): void {
    if (route.metric === NOBODYS_METRIC) return
    this.remove(route.key)
    this.#byKey.set(route.key, route)
    const { text, bytes, length } = route.prefix
    const others = this.#byPrefix.get(text)
    if (others === undefined) {
      this.#byPrefix.set(text, [route])
      this.#count(bytes, length, 1)
    } else {
      others.push(route)
      others.sort((a, b) => a.metric - b.metric)
    }
  }

  /** The route that went, if it was known. */
  remove(key: string): KernelRoute | undefined {
    const route = this.#byKey.get(key)
    if (route === undefined) return undefined
    this.#byKey.delete(key)
    const { text, bytes, length } = route.prefix
    const left = this.#byPrefix.get(text)?.filter((other) => other !== route) ?? []
    if (left.length > 0) this.#byPrefix.set(text, left)
    else {
      this.#byPrefix.delete(text)
      this.#count(bytes, length, -1)
    }
    return route
  }

  setLinks(links: readonly Link[]): void {
    this.#links = new Map(links.map((link) => [link.name, link]))
    this.#addresses = new Set(links.flatMap(({ addresses }) => addresses))
  }

  /** Routes of exactly this prefix. */
  at(prefix: string): readonly KernelRoute[] {
    return this.#byPrefix.get(prefix) ?? []
  }

  /** The longest match for an address, the lowest metric of it. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    const lengths = this.#lengths[address.length as 4 | 16]
    for (const length of [...lengths.keys()].sort((a, b) => b - a)) {
      const found = this.#byPrefix.get(makePrefix(address, length).text)?.[0]
      if (found !== undefined) return found
    }
    return undefined
  }

  isOwn(address: Address): boolean {
    return this.#addresses.has(address)
  }

  /** The prefix of the link that an address of ours is on. */
  networkOf(address: Address): Prefix | undefined {
    const route = this.lookup(addressBytes(address))
    return route?.protocol === KERNEL_PROTOCOL ? route.prefix : undefined
  }

  isUp(link: string): boolean {
    return this.#links.get(link)?.up === true
  }

  /** It has an IPv6 address of any scope: without one, nobody there can be asked for. */
  hasIpv6(link: string): boolean {
    return this.#links.get(link)?.addresses.some((address) => familyOfAddress(address) === 'ipv6') === true
  }

  #count({ length: octets }: Uint8Array, length: number, by: number): void {
    const lengths = this.#lengths[octets as 4 | 16]
    const count = (lengths.get(length) ?? 0) + by
    if (count === 0) lengths.delete(length)
    else lengths.set(length, count)
  }
}
