/**
 * The routes that this agent wants in the kernel: best routes of BGP, direct routes to pods of nodes on our links, and
 * blackholes of originated prefixes. Each next hop is resolved by the kernel's routes. When these change, next hops are
 * resolved again in bounded steps, and the places of routes whose way has changed are marked to be compared.
 */
import { addressBytes } from '../base/address.ts'
import { hostPrefix, makePrefix, type Prefix } from '../base/prefix.ts'
import type { NodeRoute } from '../cluster/intent.ts'
import { directWay } from './direct.ts'
import { type Hop, MAIN_TABLE } from './kernel.ts'
import type { KernelRoutes } from './kernel-routes.ts'
import type { KernelTable } from './kernel-table.ts'
import { LearnedWays } from './learned-ways.ts'
import type { TouchedLinks } from './links.ts'
import { LongestMatch } from './longest-match.ts'
import type { NextHop } from './next-hop.ts'
import { type MovedGateway, NextHops, type UsedNextHop } from './next-hops.ts'
import { hasWays, type Places, type RoutePlace } from './places.ts'
import type { Walks } from './walks.ts'

/** The most next hops and places that one turn looks at. */
const STEPS = 1_024

export class WantedRoutes {
  readonly nextHops: NextHops<RoutePlace>
  readonly #places: Places
  readonly #table: KernelTable
  readonly #kernel: KernelRoutes
  readonly #ways = new LearnedWays()
  /** Ranges whose routes Felix writes (`leaveTo`). */
  readonly #left = new LongestMatch<Prefix>()
  /** Work that changes of the kernel cause. */
  readonly #walks: Walks
  /** Kernel prefixes that changed since `takeTouched`: next hops inside may resolve differently. */
  #touched: Prefix[] = []

  constructor(places: Places, table: KernelTable, kernel: KernelRoutes, walks: Walks) {
    this.#places = places
    this.#table = table
    this.#kernel = kernel
    this.#walks = walks
    this.nextHops = new NextHops(table, this.#ways)
  }

  // ── Learned routes ───────────────────────────────────────────────────────────────────────────────────────────────

  learn(prefix: Prefix, nextHops: readonly NextHop[]): void {
    const place = this.#places.make(prefix, this.#places.home)
    const before = place.nextHops ?? []
    // The new next hops are registered before the old ones are released: most are the same.
    this.#places.learn(place, this.nextHops.useAll(nextHops, place))
    for (const nextHop of before) this.#release(nextHop, place)
    this.#changeWays(place)
  }

  forget(prefix: string): void {
    const place = this.#places.in(prefix, this.#places.home)
    if (place?.nextHops === undefined) return
    const before = place.nextHops
    this.#places.learn(place, undefined)
    for (const nextHop of before) this.#release(nextHop, place)
    this.#changeWays(place)
  }

  /** Whether a next hop may be resolved by a route learned over BGP, where no other route leads to it. */
  allowLearnedWays(allowed: boolean): void {
    if (this.#ways.isAllowed === allowed) return
    this.#ways.isAllowed = allowed
    this.#walks.add(this.#eachWithWays((place) => this.#updateLearnedWay(place)))
  }

  // ── Direct routes ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A direct route to pods of another node. While that node is on a link of ours, it takes the place of a learned
   * route.
   */
  setDirect(route: NodeRoute): void {
    const place = this.#places.make(route.prefix, this.#places.home)
    const before = place.direct
    const bytes = addressBytes(route.gateway)
    const [nextHop] = this.nextHops.useAll([{ bytes, interface: undefined }], place)
    if (nextHop === undefined) return
    this.#places.setDirect(place, { route, nextHop, leaving: false })
    if (before !== undefined) this.#release(before.nextHop, place)
    this.#changeWays(place)
  }

  dropDirect(prefix: string): void {
    const place = this.#places.in(prefix, this.#places.home)
    if (place?.direct === undefined) return
    const before = place.direct
    this.#places.setDirect(place, undefined)
    this.#release(before.nextHop, place)
    this.#changeWays(place)
  }

  /** The direct route stays until a route to the prefix is learned over BGP, and is then replaced. */
  retireDirect(prefix: string): void {
    const place = this.#places.in(prefix, this.#places.home)
    if (place?.direct === undefined || place.direct.leaving) return
    this.#places.setDirect(place, { ...place.direct, leaving: true })
    this.#places.touch(place)
  }

  /** The way of the route that objects want to pods of a node; undefined where the node is on no link of ours. */
  directWayTo(prefix: string): readonly Hop[] | undefined {
    return directWay(this.#places.in(prefix, this.#places.home)?.direct)
  }

  /**
   * Routes inside these ranges are written by another program. A route of ours there stays until the other program has
   * written its own, so that the prefix always has a route.
   */
  leaveTo(ranges: readonly Prefix[]): void {
    const before = [...this.#left.values()]
    if (before.map(({ text }) => text).join() === ranges.map(({ text }) => text).join()) return
    this.#left.clear()
    for (const range of ranges) this.#left.set(range, range)
    this.#walks.add(this.#eachWithWays((place) => this.#places.touch(place)))
  }

  /** Whether Felix is to write the route to this prefix. */
  isLeft(prefix: Prefix): boolean {
    return this.#left.size > 0 && this.#left.covering(prefix) !== undefined
  }

  // ── Blackholes ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** For a single address only while no pod has it: our blackhole may be more specific than the route to the pod. */
  holdBlackhole(prefix: Prefix): void {
    if (this.holdsBlackhole(prefix)) return
    this.#places.hold(this.#places.make(prefix, MAIN_TABLE), true)
    this.#places.touchAll(prefix.text)
  }

  holdsBlackhole({ text }: Prefix): boolean {
    return this.#places.in(text, MAIN_TABLE)?.isHeld === true
  }

  dropBlackhole({ text }: Prefix): void {
    const place = this.#places.in(text, MAIN_TABLE)
    if (place?.isHeld !== true) return
    this.#places.hold(place, false)
    this.#places.touchAll(text)
  }

  // ── What changes of the kernel mean for next hops ────────────────────────────────────────────────────────────────

  /** Routes of exactly this prefix have changed: next hops inside are resolved again. */
  resolveInside(prefix: Prefix): void {
    this.#walks.add(this.#eachInside(prefix))
  }

  /** Links or their addresses have changed: routes over them are resolved again. */
  followLinks(touched: TouchedLinks): void {
    this.#walks.add(this.#eachOver(touched))
  }

  /**
   * Resolves next hops inside changed prefixes again, and marks the routes whose next hop resolves differently. Does a bounded
   * part of this work.
   */
  advance(): void {
    for (const prefix of this.#ways.takeChanged()) this.resolveInside(prefix)
    for (const gateway of this.nextHops.takeMovedGateways()) this.#walks.add(this.#touchAround(gateway))
    this.#walks.advance(STEPS)
  }

  /**
   * The prefixes whose kernel routes or ways have changed since the last call. Empty until the work that they cause is done.
   */
  takeTouched(): readonly Prefix[] {
    if (!this.#walks.isEmpty) return []
    const touched = this.#touched
    this.#touched = []
    return touched
  }

  get hasTouched(): boolean {
    const isDue = this.#ways.hasChanged || this.nextHops.hasMovedGateways
    return this.#touched.length > 0 || isDue || !this.#walks.isEmpty
  }

  *#eachInside(prefix: Prefix): Iterable<void> {
    yield* this.#changeAll(this.nextHops.resolveInside(prefix))
    this.#touched.push(prefix)
    yield
  }

  *#eachOver({ names, addresses }: TouchedLinks): Iterable<void> {
    for (const name of names) {
      yield* this.#changeAll(this.nextHops.resolveOver(name))
      for (const prefix of this.#table.over(name)) {
        // Where a foreign route is in place of ours, the state and networks of its links say where packets go.
        this.#places.touchAll(prefix.text)
        yield* this.#eachInsideMoved(prefix)
      }
    }
    for (const address of addresses) {
      const host = hostPrefix(address)
      if (host !== undefined) yield* this.#eachInsideMoved(host)
    }
  }

  #eachInsideMoved(prefix: Prefix): Iterable<void> {
    this.#kernel.noteMoved(prefix)
    return this.#eachInside(prefix)
  }

  /** Routes that would cover this gateway must not be written, and may be where it is one no longer. */
  *#touchAround({ bytes, length: shortest }: MovedGateway): Iterable<void> {
    for (const length of this.#places.lengths(bytes)) {
      const place = length > shortest ? this.#places.in(makePrefix(bytes, length).text, this.#places.home) : undefined
      if (place !== undefined && hasWays(place)) this.#places.touch(place)
      yield
    }
  }

  *#eachWithWays(change: (place: RoutePlace) => void): Iterable<void> {
    for (const place of this.#places.all()) {
      if (hasWays(place)) change(place)
      yield
    }
  }

  /** The next hops of these places resolve differently now. */
  *#changeAll(places: Iterable<RoutePlace | undefined>): Iterable<void> {
    for (const place of places) {
      if (place !== undefined) this.#changeWays(place)
      yield
    }
  }

  #changeWays(place: RoutePlace): void {
    this.#updateLearnedWay(place)
    this.#places.touch(place)
  }

  /** Next hops of other routes may be resolved by this route if its own next hop is reached without BGP. */
  #updateLearnedWay({ prefix, nextHops = [], direct }: RoutePlace): void {
    if (!this.#ways.isAllowed && this.#ways.isEmpty) return
    const hops = nextHops.flatMap(({ resolution: found }) =>
      found.kind === 'resolved' && !found.learned ? found.hops : [],
    )
    this.#ways.set(prefix, directWay(direct) ?? hops)
  }

  /** Unless the place still uses it. */
  #release(nextHop: UsedNextHop, place: RoutePlace): void {
    const isUsed = place.direct?.nextHop === nextHop || place.nextHops?.includes(nextHop) === true
    if (!isUsed) this.nextHops.leave(nextHop, place)
  }
}
