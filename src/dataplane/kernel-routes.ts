/**
 * All routes of the kernel, ours and those of other programs, as one table: where packets to an address go, and whether
 * those to a prefix of this node end here.
 */

import { formatAddress } from '../base/address.ts'
import { makePrefix, type Prefix } from '../base/prefix.ts'
import { SplitMap } from '../base/split-map.ts'
import { blackhole } from './fib.ts'
import { type KernelRoute, MAIN_TABLE } from './kernel.ts'
import type { KernelTable } from './kernel-table.ts'
import type { Places } from './places.ts'
import { endingOf, holdsPod, type PrefixEnding } from './prefix-ending.ts'

export class KernelRoutes {
  /** Routes of other programs. */
  readonly #table: KernelTable
  /** With our routes. */
  readonly #places: Places
  /** By text: prefixes whose routes have changed since `takeMoved`. */
  readonly #moved = new SplitMap<Prefix>()

  constructor(table: KernelTable, places: Places) {
    this.#table = table
    this.#places = places
  }

  /** The routes of exactly this prefix. */
  at(prefix: Prefix): readonly KernelRoute[] {
    const own = this.#places.of(prefix.text).flatMap(({ present }) => present ?? [])
    return own.length === 0 ? this.#table.at(prefix) : [...own, ...this.#table.at(prefix)]
  }

  /** The route that packets to an address take: the longest match with the lowest metric. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    const other = this.#table.lookup(address)
    for (let length = address.length * 8; length >= (other?.prefix.length ?? 0); length--) {
      const [first] = [...this.at(makePrefix(address, length))].sort((a, b) => a.metric - b.metric)
      if (first !== undefined) return first
    }
    return other
  }

  *all(): Iterable<KernelRoute> {
    yield* this.#places.routes()
    yield* this.#table.routes()
  }

  leadsOn({ type, hops }: KernelRoute): boolean {
    return type === 'unicast' && hops.some((hop) => this.#table.links.isUp(hop.interface))
  }

  /** The links over which packets to a prefix leave: those of the longest route that contains it. */
  linksTo({ bytes, length: most }: Prefix): readonly string[] {
    let route = this.#table.lookup(bytes)
    for (let length = most; length >= (route?.prefix.length ?? 0); length--) {
      const { text } = makePrefix(bytes, length)
      const own = this.#places.of(text).find(({ present }) => present !== undefined)?.present
      if (own === undefined || (route?.prefix.length === length && route.metric <= own.metric)) continue
      route = own
      break
    }
    return (route?.hops ?? []).map((hop) => hop.interface)
  }

  /** Links that the most specific route around a whole prefix leads to without a gateway. A default route leads to none. */
  linksAround(prefix: Prefix): readonly string[] {
    const around = this.#table.covering(prefix)?.prefix
    if (around === undefined || around.length === 0) return []
    const hops = this.#table.at(around).flatMap((route) => route.hops)
    return hops.filter(({ gateway }) => gateway === undefined).map((hop) => hop.interface)
  }

  /** Prefixes to which a route over a link leads without a gateway. */
  onLink(link: string): Iterable<Prefix> {
    return this.#table.onLink(link)
  }

  /** Whether a learned route is in the kernel at this very prefix, and whose. */
  ownerAt(prefix: Prefix): 'ours' | 'foreign' | 'none' {
    if (this.#places.in(prefix.text, this.#places.home)?.present !== undefined) return 'ours'
    return this.#table.at(prefix).length > 0 ? 'foreign' : 'none'
  }

  /** Where packets to an originated prefix end if no pod has the address. Of a single address, `endsAt` says that. */
  endingOf(prefix: Prefix): PrefixEnding {
    const present = this.#places.in(prefix.text, MAIN_TABLE)?.present
    return endingOf(blackhole(prefix), present, this.#table.at(prefix), this.#table.links)
  }

  /** Whether packets to a single address end on this node: at a pod, or because the address is its own. */
  endsAt(address: Prefix): boolean {
    return this.leadsToPod(address) || this.#table.isOwn(formatAddress(address.bytes))
  }

  /**
   * Whether packets to the address of a pod end on this node: a route of others leads to it over a link, and none of
   * ours leads exactly this address elsewhere. Inside a link's network, no other route of ours is written.
   */
  leadsToPod({ bytes, text }: Prefix): boolean {
    const route = this.#table.lookup(bytes)
    if (route === undefined || !holdsPod(route, this.#table.links)) return false
    return this.#places.of(text).every(({ present }) => present?.type !== 'unicast')
  }

  /** By table: the number of our routes of an earlier run in tables that this run does not write to. */
  elsewhere(): Map<number, number> {
    const counts = new Map<number, number>()
    for (const { table, type } of this.#places.routes()) {
      const home = type === 'unicast' ? this.#places.home : MAIN_TABLE
      if (table !== home) counts.set(table, (counts.get(table) ?? 0) + 1)
    }
    return counts
  }

  /** The routes of this prefix have changed. */
  noteMoved(prefix: Prefix): void {
    this.#moved.set(prefix.text, prefix)
  }

  get hasMoved(): boolean {
    return this.#moved.size > 0
  }

  /** At most `most` of the prefixes whose routes have changed since the last call. */
  takeMoved(most: number): readonly Prefix[] {
    return this.#moved.take(most)
  }
}
