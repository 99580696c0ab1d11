/**
 * What the kernel holds that is not ours: routes of links, of DHCP, of router advertisements, of people and of other
 * daemons; the links and their addresses. It answers where an address leads, and whose a prefix is.
 */
import { type Address, addressBytes, familyOfAddress } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import { KERNEL_PROTOCOL, type KernelRoute, type Link } from './kernel.ts'
import { LongestMatch } from './longest-match.ts'

/** IPv6 ends its table with an unreachable default route of this metric: nobody's wish. */
const NOBODYS_METRIC = 0xffffffff

export class KernelTable {
  readonly #byKey = new Map<string, KernelRoute>()
  /** The preferred one first. */
  readonly #byPrefix = new LongestMatch<readonly KernelRoute[]>()
  #links = new Map<string, Link>()
  #addresses = new Set<Address>()

  get size(): number {
    return this.#byKey.size
  }

  clear(): void {
    this.#byKey.clear()
    this.#byPrefix.clear()
  }

  add(route: KernelRoute): void {
    if (route.metric === NOBODYS_METRIC) return
    this.remove(route.key)
    this.#byKey.set(route.key, route)
    const all = [...this.at(route.prefix.text), route]
    this.#byPrefix.set(
      route.prefix,
      all.sort((a, b) => a.metric - b.metric),
    )
  }

  /** The route that went, if it was known. */
  remove(key: string): KernelRoute | undefined {
    const route = this.#byKey.get(key)
    if (route === undefined) return undefined
    this.#byKey.delete(key)
    const left = this.at(route.prefix.text).filter((other) => other !== route)
    if (left.length > 0) this.#byPrefix.set(route.prefix, left)
    else this.#byPrefix.delete(route.prefix)
    return route
  }

  setLinks(links: readonly Link[]): void {
    this.#links = new Map(links.map((link) => [link.name, link]))
    this.#addresses = new Set(links.flatMap(({ addresses }) => addresses))
  }

  routes(): Iterable<KernelRoute> {
    return this.#byKey.values()
  }

  /** Routes of exactly this prefix. */
  at(prefix: string): readonly KernelRoute[] {
    return this.#byPrefix.at(prefix) ?? []
  }

  /** The longest match for an address, the lowest metric of it. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    return this.#byPrefix.lookup(address)?.[0]
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
}
