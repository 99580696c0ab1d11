/**
 * The kernel's routes that are not ours: those of links, DHCP, router advertisements, administrators and other daemons.
 * Finds the route to an address, and the routes of a prefix.
 */
import { type Address, addressBytes } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import { KERNEL_PROTOCOL, type KernelRoute, sameRoute } from './kernel.ts'
import type { LinkTable } from './links.ts'
import { LongestMatch } from './longest-match.ts'

/** The kernel itself adds an unreachable IPv6 default route with this metric at the end of the table. */
const KERNEL_DEFAULT_METRIC = 0xffffffff

export class KernelTable {
  readonly links: LinkTable
  #size = 0
  /** The routes of each prefix, the preferred one first. */
  readonly #byPrefix = new LongestMatch<KernelRoute[]>()
  readonly #byLink = new Map<string, Set<KernelRoute>>()

  constructor(links: LinkTable) {
    this.links = links
  }

  get size(): number {
    return this.#size
  }

  clear(): void {
    this.#size = 0
    this.#byPrefix.clear()
    this.#byLink.clear()
  }

  add(route: KernelRoute): void {
    if (route.metric === KERNEL_DEFAULT_METRIC) return
    this.remove(route)
    this.#size++
    const others = this.#byPrefix.at(route.prefix)
    // In place: a prefix may have ten thousand routes.
    if (others === undefined) this.#byPrefix.set(route.prefix, [route])
    else others.splice(firstFrom(others, route.metric + 1), 0, route)
    for (const { interface: name } of route.hops) {
      const over = this.#byLink.get(name)
      if (over === undefined) this.#byLink.set(name, new Set([route]))
      else over.add(route)
    }
  }

  /** Returns the removed route, if it was known. */
  remove(removed: KernelRoute): KernelRoute | undefined {
    const all = this.#byPrefix.at(removed.prefix) ?? []
    let at = firstFrom(all, removed.metric)
    while (all[at]?.metric === removed.metric && !sameRoute(all[at] as KernelRoute, removed)) at++
    const route = all[at]
    if (route?.metric !== removed.metric) return undefined
    this.#size--
    all.splice(at, 1)
    if (all.length === 0) this.#byPrefix.delete(route.prefix)
    for (const { interface: name } of route.hops) {
      const over = this.#byLink.get(name)
      if (over?.delete(route) === true && over.size === 0) this.#byLink.delete(name)
    }
    return route
  }

  *routes(): Iterable<KernelRoute> {
    for (const routes of this.#byPrefix.values()) yield* routes
  }

  /** Routes of exactly this prefix. */
  at(prefix: Prefix): readonly KernelRoute[] {
    return this.#byPrefix.at(prefix) ?? []
  }

  /** The longest match for an address; of several routes the one with the lowest metric. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    return this.#byPrefix.lookup(address)?.[0]
  }

  /** Prefixes of the routes over a link. */
  over(link: string): Prefix[] {
    return [...(this.#byLink.get(link) ?? [])].map(({ prefix }) => prefix)
  }

  isOwn(address: Address): boolean {
    return this.links.isOwn(address)
  }

  /** The prefix of the link that an address of this node is on. */
  networkOf(address: Address): Prefix | undefined {
    const route = this.lookup(addressBytes(address))
    return route?.protocol === KERNEL_PROTOCOL ? route.prefix : undefined
  }
}

/** The place of the first that has this metric or a higher one: a prefix may have thousands of routes. */
function firstFrom(routes: readonly KernelRoute[], metric: number): number {
  let [low, high] = [0, routes.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((routes[middle] as KernelRoute).metric < metric) low = middle + 1
    else high = middle
  }
  return low
}
