/**
 * The kernel's routes that are not ours: those of links, DHCP, router advertisements, administrators and other daemons.
 * Finds the route to an address, and the routes of a prefix.
 */
import { type Address, addressBytes } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import { SplitMap } from '../base/split-map.ts'
import { KERNEL_PROTOCOL, type KernelRoute, preferenceRank, sameRoute } from './kernel.ts'
import type { LinkTable } from './links.ts'
import { LongestMatch } from './longest-match.ts'

/** The kernel itself adds an unreachable IPv6 default route with this metric at the end of the table. */
const KERNEL_DEFAULT_METRIC = 0xffffffff

export class KernelTable {
  readonly links: LinkTable
  #size = 0
  /** The routes of each prefix, the preferred one first. */
  readonly #byPrefix = new LongestMatch<KernelRoute[]>()
  /** By link and text of the prefix: how many hops over the link the routes of this prefix have. */
  readonly #byLink = new Map<string, SplitMap<number>>()
  /** The same of hops without a gateway. */
  readonly #onLink = new Map<string, SplitMap<number>>()

  constructor(links: LinkTable) {
    this.links = links
  }

  get size(): number {
    return this.#size
  }

  add(route: KernelRoute): void {
    if (route.metric === KERNEL_DEFAULT_METRIC) return
    this.remove(route)
    this.#size++
    const others = this.#byPrefix.at(route.prefix)
    // In place: a prefix may have ten thousand routes.
    if (others === undefined) this.#byPrefix.set(route.prefix, [route])
    else others.splice(placeFor(others, route), 0, route)
    this.#countHops(route, 1)
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
    this.#countHops(route, -1)
    return route
  }

  #countHops({ prefix: { text }, hops }: KernelRoute, by: 1 | -1): void {
    for (const { interface: name, gateway } of hops) {
      count(this.#byLink, name, text, by)
      if (gateway === undefined) count(this.#onLink, name, text, by)
    }
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

  /**
   * The longest match for a next hop. Of several routes the one with the lowest metric, but none over links without a carrier
   * where another one is up: the kernel keeps such routes, and passes them over where `ignore_routes_with_linkdown` is set.
   */
  lookupUp(address: Uint8Array): KernelRoute | undefined {
    const routes = this.#byPrefix.lookup(address) ?? []
    return routes.find((route) => !this.#isDown(route)) ?? routes[0]
  }

  /** The longest match among routes that lead over this link alone, without a gateway: for what is bound to the link. */
  lookupOn(link: string, address: Uint8Array): KernelRoute | undefined {
    for (const routes of this.#byPrefix.matches(address)) {
      const found = routes.find((route) => isOver(route, link))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Whether the route to an address leads over this link alone, without a gateway. */
  isBeside(link: string, address: Uint8Array): boolean {
    const route = this.lookupUp(address)
    return route !== undefined && isOver(route, link)
  }

  #isDown({ type, hops }: KernelRoute): boolean {
    return type === 'unicast' && hops.length > 0 && !hops.some((hop) => this.links.isUp(hop.interface))
  }

  /** The longest match for a whole prefix; of several routes the one with the lowest metric. */
  covering(prefix: Prefix): KernelRoute | undefined {
    return this.#byPrefix.covering(prefix)?.[0]
  }

  /**
   * Prefixes of the routes over a link at the time of the call, without those that have no route any more when their turn comes.
   */
  over(link: string): Iterable<Prefix> {
    return this.#prefixes(this.#byLink.get(link))
  }

  /** Those of them that have a route without a gateway. */
  onLink(link: string): Iterable<Prefix> {
    return this.#prefixes(this.#onLink.get(link))
  }

  *#prefixes(counts: SplitMap<number> | undefined): Iterable<Prefix> {
    for (const text of [...(counts?.keys() ?? [])]) {
      const [route] = this.#byPrefix.at({ text }) ?? []
      if (route !== undefined) yield route.prefix
    }
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

/** Whether it leads over this link alone, without a gateway. A default route says nothing of links. */
const isOver = ({ type, prefix, hops }: KernelRoute, link: string): boolean =>
  type === 'unicast' &&
  prefix.length > 0 &&
  hops.length > 0 &&
  hops.every((hop) => hop.gateway === undefined && hop.interface === link)

function count(counts: Map<string, SplitMap<number>>, link: string, prefix: string, by: 1 | -1): void {
  const over = counts.get(link) ?? new SplitMap<number>()
  const after = (over.get(prefix) ?? 0) + by
  if (after > 0) counts.set(link, over.set(prefix, after))
  else if (over.delete(prefix) && over.size === 0) counts.delete(link)
}

/** The index at which the route is inserted: behind those of a lower metric, and those of its metric that are not less preferred. */
function placeFor(routes: readonly KernelRoute[], route: KernelRoute): number {
  const { metric } = route
  let at = firstFrom(routes, metric + 1)
  while (at > 0 && routes[at - 1]?.metric === metric && isPreferred(route, routes[at - 1] as KernelRoute)) at--
  return at
}

const isPreferred = (one: KernelRoute, other: KernelRoute): boolean => preferenceRank(one) < preferenceRank(other)

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
