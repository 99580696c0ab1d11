/**
 * Keeps the desired and the actual kernel routes of this agent, and computes the changes between them.
 *
 * In: best routes of BGP, direct routes to pods of nodes on our links, own prefixes that need a blackhole, the routes
 * that the kernel reports, and the results of changes. Where several exist for one prefix, the blackhole comes first,
 * then the direct route, then the route learned over BGP: the kernel holds one route of ours per prefix, and it is
 * replaced in place.
 *
 * Out: changes, at most as many as asked for, and the reason for each route that is not written.
 *
 * Routes of a previous run are taken over. Until `sweep` they stay even if they are not wanted or have another next
 * hop, so that a restart moves no traffic. `inheritance` handles the routes of another speaker that ran before.
 */

import { addressBytes } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import { contains, hostPrefix, isHostPrefix, makePrefix, type Prefix } from '../base/prefix.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import type { NodeRoute } from '../cluster/intent.ts'
import { Contest } from './contest.ts'
import { blackhole, keyIn, ownKey, planRoute, unicast, whyNotBeside } from './fib.ts'
import { Inheritance } from './inheritance.ts'
import { joinHops } from './join-hops.ts'
import { type KeptOut, KeptOutRoutes } from './kept-out.ts'
import {
  type Failure,
  formatRoute,
  GODWIT_PROTOCOL,
  type Hop,
  type KernelChange,
  type KernelRoute,
  MAIN_TABLE,
  ownerOf,
  type RouteChange,
  sameRoute,
  sortHops,
} from './kernel.ts'
import { KernelTable } from './kernel-table.ts'
import { LearnedWays } from './learned-ways.ts'
import type { LinkTable, TouchedLinks } from './links.ts'
import { LongestMatch } from './longest-match.ts'
import { formatResolution, type NextHop, type Resolution } from './next-hop.ts'
import { type MovedGateway, NextHops, type UsedNextHop } from './next-hops.ts'
import { type Ending, endingOf, holdsPod } from './own-prefix.ts'
import { type Direct, type Place, Places } from './places.ts'
import { Walks } from './walks.ts'

/** A route with the program that writes it. */
export const describeRoute = (route: KernelRoute): string =>
  `${formatRoute(route)} metric ${route.metric} of ${ownerOf(route.protocol)}`

/** Why a route of ours is not in the kernel, for `show explain`. */
export function describeKeptOut(kept: KeptOut): string {
  if (kept.kind !== 'conflict') return kept.reason
  return `the table has ${describeRoute(kept.conflict.other)}, which stays`
}

/** Failed changes are tried again together, after a delay that grows. */
const FIRST_RETRY: Millis = 1_000
const LAST_RETRY: Millis = 60_000
/** The most next hops and places that one turn looks at. */
const STEPS = 1_024

export class RouteKeeper {
  readonly table: KernelTable
  readonly nextHops: NextHops<Place>
  readonly #ways = new LearnedWays()
  /** The table of learned routes. */
  readonly #home: number
  readonly keptOut = new KeptOutRoutes()
  /** Work that changes of the kernel cause. Nothing is written before it is done. */
  readonly #walks = new Walks()
  readonly #places = new Places()
  /** Ranges whose routes Felix writes (`leaveTo`). */
  readonly #left = new LongestMatch<Prefix>()
  /** The ways of the last route with several next hops, and the hops made of them: most routes share them. */
  #lastWays: readonly (readonly Hop[])[] = []
  #lastHops: readonly Hop[] = []
  /** Kernel prefixes that changed since `takeTouched`: next hops inside may resolve differently. */
  #touched: Prefix[] = []
  /** The places of the changes that were taken last. */
  readonly #inFlight = new Map<RouteChange, Place>()
  /** Keys (`ownKey`) of routes whose last change failed. */
  readonly #failed = new Set<string>()
  /** By text: prefixes whose kernel routes have changed since `takeMoved`. */
  readonly #moved = new Map<string, Prefix>()
  readonly #contest = new Contest()
  readonly #inheritance: Inheritance
  #retryAt: Millis | undefined
  #retryDelay = FIRST_RETRY
  #known = false
  #swept = false

  /** `adoptFrom`: protocol numbers of the previous BGP speaker. */
  constructor(links: LinkTable, home = MAIN_TABLE, adoptFrom: readonly number[] = []) {
    this.#inheritance = new Inheritance(adoptFrom)
    this.table = new KernelTable(links)
    this.nextHops = new NextHops(this.table, this.#ways)
    this.#home = home
  }

  /** The kernel has been read once. */
  get isKnown(): boolean {
    return this.#known
  }

  get isSwept(): boolean {
    return this.#swept
  }

  /** The number of routes of the previous speaker that are still in the kernel. */
  get inherited(): number {
    return this.#inheritance.size
  }

  get size(): { readonly wanted: number; readonly present: number } {
    return this.#places.size
  }

  /** How many of our routes in the kernel lead to a next hop; 0 before the kernel has been read. */
  leading(family: Family): number {
    return this.#places.leading(family)
  }

  // ── Desired routes ───────────────────────────────────────────────────────────────────────────────────────────────

  learn(prefix: Prefix, nextHops: readonly NextHop[]): void {
    const place = this.#places.make(prefix, this.#home)
    const before = place.nextHops ?? []
    // The new next hops are registered before the old ones are released: most are the same.
    this.#places.learn(place, this.nextHops.useAll(nextHops, place))
    for (const nextHop of before) this.#leave(nextHop, place)
    this.#changeWays(place)
  }

  forget(prefix: string): void {
    const place = this.#places.in(prefix, this.#home)
    if (place?.nextHops === undefined) return
    const before = place.nextHops
    this.#places.learn(place, undefined)
    for (const nextHop of before) this.#leave(nextHop, place)
    this.#changeWays(place)
  }

  /**
   * A direct route to pods of another node. While that node is on a link of ours, it takes the place of a learned
   * route.
   */
  setDirect(route: NodeRoute): void {
    const place = this.#places.make(route.prefix, this.#home)
    const before = place.direct
    const bytes = addressBytes(route.gateway)
    const [nextHop] = this.nextHops.useAll([{ bytes, interface: undefined }], place)
    if (nextHop === undefined) return
    this.#places.setDirect(place, { route, nextHop, leaving: false })
    if (before !== undefined) this.#leave(before.nextHop, place)
    this.#changeWays(place)
  }

  dropDirect(prefix: string): void {
    const place = this.#places.in(prefix, this.#home)
    if (place?.direct === undefined) return
    const before = place.direct
    this.#places.setDirect(place, undefined)
    this.#leave(before.nextHop, place)
    this.#changeWays(place)
  }

  /** The direct route stays until a route to the prefix is learned over BGP, and is then replaced. */
  retireDirect(prefix: string): void {
    const place = this.#places.in(prefix, this.#home)
    if (place?.direct === undefined || place.direct.leaving) return
    this.#places.setDirect(place, { ...place.direct, leaving: true })
    this.#places.touch(place)
  }

  /** The way of the route that objects want to pods of a node; undefined where the node is on no link of ours. */
  directWay(prefix: string): readonly Hop[] | undefined {
    const place = this.#places.in(prefix, this.#home)
    return place === undefined ? undefined : directWay(place)
  }

  /** Why the kernel does not have that route; undefined: it has it. */
  whyNotDirect(prefix: string): string | undefined {
    const place = this.#places.in(prefix, this.#home)
    if (place?.direct === undefined) return 'it is not wanted'
    if (directWay(place) === undefined) return whyNotDirect(place.direct, this.table.links)
    const kept = this.keptOut.get(prefix)
    if (kept !== undefined) return describeKeptOut(kept)
    return place.present === undefined ? 'it is not written yet' : undefined
  }

  /** Whether a route is in the kernel at this very prefix, and whose. */
  ownerAt(prefix: Prefix): 'ours' | 'foreign' | 'none' {
    if (this.#places.in(prefix.text, this.#home)?.present !== undefined) return 'ours'
    return this.table.at(prefix).length > 0 ? 'foreign' : 'none'
  }

  /** Whether Felix is to write the route to this prefix. */
  isLeft(prefix: Prefix): boolean {
    return this.#left.around(prefix) !== undefined
  }

  /** Releases a next hop, unless the place still uses it. */
  #leave(nextHop: UsedNextHop, place: Place): void {
    const isUsed = place.direct?.nextHop === nextHop || place.nextHops?.includes(nextHop) === true
    if (!isUsed) this.nextHops.leave(nextHop, place)
  }

  #changeWays(place: Place): void {
    this.#updateLearnedWay(place)
    this.#places.touch(place)
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

  /** Whether a next hop may be resolved by a route learned over BGP, where no other route leads to it. */
  allowLearnedWays(allowed: boolean): void {
    if (this.#ways.isAllowed === allowed) return
    this.#ways.isAllowed = allowed
    this.#walks.add(this.#eachWithWays((place) => this.#updateLearnedWay(place)))
  }

  *#eachWithWays(change: (place: Place) => void): Iterable<void> {
    for (const place of this.#places.all()) {
      if (hasWays(place)) change(place)
      yield
    }
  }

  /**
   * Resolves next hops inside changed prefixes again, and marks the routes whose next hop resolves differently. Does a bounded
   * part of this work.
   */
  advance(): void {
    for (const prefix of this.#ways.takeChanged()) this.#walks.add(this.#resolveInside(prefix))
    for (const gateway of this.nextHops.takeMovedGateways()) this.#walks.add(this.#touchAround(gateway))
    this.#walks.advance(STEPS)
  }

  /** Next hops of other routes may be resolved by this route if its own next hop is reached without BGP. */
  #updateLearnedWay(place: Place): void {
    if (!this.#ways.isAllowed && this.#ways.isEmpty) return
    const { prefix, nextHops = [] } = place
    const hops = nextHops.flatMap(({ resolution: found }) =>
      found.kind === 'resolved' && !found.learned ? found.hops : [],
    )
    this.#ways.set(prefix, directWay(place) ?? hops)
  }

  *#resolveInside(prefix: Prefix): Iterable<void> {
    yield* this.#follow(this.nextHops.resolveInside(prefix))
    this.#touched.push(prefix)
    yield
  }

  /** Routes that would cover this gateway must not be written, and may be where it is one no longer. */
  *#touchAround({ bytes, length: shortest }: MovedGateway): Iterable<void> {
    for (const length of this.#places.lengths(bytes)) {
      const place = length > shortest ? this.#places.in(makePrefix(bytes, length).text, this.#home) : undefined
      if (place !== undefined && hasWays(place)) this.#places.touch(place)
      yield
    }
  }

  /** The next hops of these places resolve differently now. */
  *#follow(places: Iterable<Place | undefined>): Iterable<void> {
    for (const place of places) {
      if (place !== undefined) this.#changeWays(place)
      yield
    }
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

  /** A host prefix never gets a blackhole: the address belongs to a pod or a host. */
  holdBlackhole(prefix: Prefix): void {
    if (isHostPrefix(prefix) || this.#isHeld(prefix.text)) return
    this.#places.hold(this.#places.make(prefix, MAIN_TABLE), true)
    this.#touch(prefix.text)
  }

  dropBlackhole({ text }: Prefix): void {
    const place = this.#places.in(text, MAIN_TABLE)
    if (place?.isHeld !== true) return
    this.#places.hold(place, false)
    this.#touch(text)
  }

  #isHeld(prefix: string): boolean {
    return this.#places.in(prefix, MAIN_TABLE)?.isHeld === true
  }

  /** Where packets to an own prefix end if no pod has the address. A host prefix needs no blackhole. */
  endingOf(prefix: Prefix): Ending {
    if (isHostPrefix(prefix)) return { kind: 'here' }
    const present = this.#places.in(prefix.text, MAIN_TABLE)?.present
    return endingOf(blackhole(prefix), present, this.table.at(prefix), this.table.links)
  }

  /**
   * Whether packets to the address of a pod end on this node: a route of others leads to it over a link, and none of
   * ours to exactly this address. Inside a link's network, no other route of ours is written.
   */
  leadsToPod({ bytes, text }: Prefix): boolean {
    const route = this.table.lookup(bytes)
    if (route === undefined || !holdsPod(route, this.table.links)) return false
    return [...this.#placesOf(text)].every(({ present }) => present === undefined)
  }

  // ── Actual routes ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The kernel's routes of exactly this prefix, of all programs. */
  at(prefix: Prefix): readonly KernelRoute[] {
    const own = [...this.#placesOf(prefix.text)].flatMap(({ present }) => present ?? [])
    return own.length === 0 ? this.table.at(prefix) : [...own, ...this.table.at(prefix)]
  }

  /** The route that packets to an address take: the longest match with the lowest metric, of any program. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    const other = this.table.lookup(address)
    for (let length = address.length * 8; length >= (other?.prefix.length ?? 0); length--) {
      const [first] = [...this.at(makePrefix(address, length))].sort((a, b) => a.metric - b.metric)
      if (first !== undefined) return first
    }
    return other
  }

  /** All routes of the kernel, of all programs. */
  *all(): Iterable<KernelRoute> {
    yield* this.#places.routes()
    yield* this.table.routes()
  }

  leadsOn({ type, hops }: KernelRoute): boolean {
    return type === 'unicast' && hops.some((hop) => this.table.links.isUp(hop.interface))
  }

  /** The links over which packets to a prefix leave: those of the longest route that contains it, of any program. */
  linksTo({ bytes, length: most }: Prefix): readonly string[] {
    let route = this.table.lookup(bytes)
    for (let length = most; length >= (route?.prefix.length ?? 0); length--) {
      const { text } = makePrefix(bytes, length)
      const own = [...this.#placesOf(text)].find(({ present }) => present !== undefined)?.present
      if (own === undefined || (route?.prefix.length === length && route.metric <= own.metric)) continue
      route = own
      break
    }
    return (route?.hops ?? []).map((hop) => hop.interface)
  }

  /** Whether one of these addresses is on a link: a route without a gateway leads to it. */
  isOnLink(prefixes: readonly Prefix[], link: string): boolean {
    return this.table
      .over(link)
      .filter((one) => one.length > 0 && prefixes.some((prefix) => contains(prefix, one) || contains(one, prefix)))
      .some((one) =>
        this.table.at(one).some(({ hops }) => hops.some((hop) => hop.interface === link && hop.gateway === undefined)),
      )
  }

  /** At most `most` of the prefixes whose kernel routes have changed since the last call. */
  takeMoved(most: number): readonly Prefix[] {
    const moved: Prefix[] = []
    for (const [text, prefix] of this.#moved) {
      if (moved.length === most) break
      this.#moved.delete(text)
      moved.push(prefix)
    }
    return moved
  }

  get hasMoved(): boolean {
    return this.#moved.size > 0
  }

  takeKernel(change: KernelChange, now: Millis): void {
    if (change.full) this.#startOver()
    const foreign = new Map<string, Prefix>()
    const lost = change.gone.flatMap((route) => this.#takeGone(route, foreign) ?? [])
    for (const route of change.present) this.#takePresent(route, foreign)
    for (const prefix of foreign.values()) this.#walks.add(this.#resolveInside(prefix))
    for (const route of lost) this.#noteLoss(route, now)
    if (!change.more) this.#known = true
  }

  /** Links or their addresses have changed: routes over them are resolved again. */
  takeLinks(touched: TouchedLinks): void {
    this.#walks.add(this.#followLinks(touched))
  }

  *#followLinks({ names, addresses }: TouchedLinks): Iterable<void> {
    for (const name of names) {
      yield* this.#follow(this.nextHops.resolveOver(name))
      for (const prefix of this.table.over(name)) yield* this.#resolveMoved(prefix)
    }
    for (const address of addresses) {
      const host = hostPrefix(address)
      if (host !== undefined) yield* this.#resolveMoved(host)
    }
  }

  #resolveMoved(prefix: Prefix): Iterable<void> {
    this.#moved.set(prefix.text, prefix)
    return this.#resolveInside(prefix)
  }

  /** Counts a loss if another program removed a wanted route of ours and nothing is in its place. */
  #noteLoss(route: KernelRoute, now: Millis): void {
    const place = this.#places.at(ownKey(route))
    if (place === undefined || place.present !== undefined) return
    const target = this.#target(place)
    if (target !== undefined && sameRoute(target, route)) this.#contest.noteLoss(place.key, now)
  }

  /** By table: the number of routes of an earlier run in tables that this run does not write to. */
  elsewhere(): Map<number, number> {
    const counts = new Map<number, number>()
    for (const { table, type } of this.#places.routes()) {
      const home = type === 'unicast' ? this.#home : MAIN_TABLE
      if (table !== home) counts.set(table, (counts.get(table) ?? 0) + 1)
    }
    return counts
  }

  /** All neighbors have sent their routes after the start: unwanted routes of a previous run are removed. */
  sweep(): void {
    this.#swept = true
    this.#walks.add(this.#release())
    this.#inheritance.releaseAll()
  }

  *#release(): Iterable<void> {
    for (const place of this.#places.all()) {
      if (place.isAdopted) {
        this.#places.adopt(place, false)
        this.#places.touch(place)
      }
      yield
    }
  }

  // ── Changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** At most `limit` changes; the next ones only after `applied`. None does not mean the last: see `isBusy`. */
  take(limit: number): RouteChange[] {
    const changes: RouteChange[] = []
    if (this.hasTouched) this.advance()
    if (!this.#known || !this.#walks.isEmpty) return changes
    for (let looked = 0; looked < STEPS && changes.length < limit; looked++) {
      const place = this.#places.next()
      if (place === undefined) break
      const change = this.#plan(place)
      if (change === undefined) this.#places.settle(place)
      else {
        changes.push(change)
        this.#inFlight.set(change, place)
      }
    }
    changes.push(...this.#inheritance.removals(limit - changes.length))
    return changes.sort((a, b) => ORDER[a.action] - ORDER[b.action])
  }

  applied(changes: readonly RouteChange[], failures: readonly Failure[], now: Millis): void {
    const reasons = new Map(failures.map(({ index, reason }) => [index, reason]))
    for (const [index, change] of changes.entries()) {
      const { route } = change
      const reason = reasons.get(index)
      if (route.protocol !== GODWIT_PROTOCOL) this.#inheritance.applied(route, reason !== undefined)
      else if (reason !== undefined) this.#fail(ownKey(route), route, reason)
      else this.#done(change)
    }
    this.#inFlight.clear()
    if (failures.length === 0) {
      if (this.#failed.size === 0) this.#retryDelay = FIRST_RETRY
      return
    }
    this.#retryAt ??= now + this.#retryDelay
    this.#retryDelay = Math.min(this.#retryDelay * 2, LAST_RETRY)
  }

  #done(change: RouteChange): void {
    const { action, route } = change
    const key = ownKey(route)
    this.#forgetFailure({ key, prefix: route.prefix })
    const place = this.#inFlight.get(change) ?? this.#places.at(key)
    if (action === 'remove') this.#fall(place)
    else {
      this.#stand(route, place)
      this.#inheritance.release(route)
    }
  }

  /** When failed and contested changes are tried again. */
  deadline(): Millis | undefined {
    return earlier(this.#retryAt, this.#contest.deadline())
  }

  retry(now: Millis): void {
    for (const key of this.#contest.release(now, STEPS)) this.#touchAt(key)
    if (this.#retryAt === undefined || this.#retryAt > now) return
    this.#retryAt = undefined
    this.#walks.add(this.#touchFailed())
    this.#inheritance.retry()
  }

  /** Nothing is written, and so nothing fails, while this goes on. */
  *#touchFailed(): Iterable<void> {
    for (const key of this.#failed) {
      this.#touchAt(key)
      yield
    }
  }

  get isBusy(): boolean {
    return this.#known && (this.#places.hasDirty || this.#inheritance.isBusy)
  }

  /** The places of this prefix: in the main table, and in the table of learned routes if it is another. */
  *#placesOf(prefix: string): Iterable<Place> {
    const main = this.#places.in(prefix, MAIN_TABLE)
    const home = this.#home === MAIN_TABLE ? undefined : this.#places.in(prefix, this.#home)
    if (main !== undefined) yield main
    if (home !== undefined) yield home
  }

  #touch(prefix: string): void {
    for (const place of this.#placesOf(prefix)) this.#places.touch(place)
  }

  #touchAt(key: string): void {
    const place = this.#places.at(key)
    if (place !== undefined) this.#places.touch(place)
  }

  #startOver(): void {
    for (const { prefix } of this.all()) this.#moved.set(prefix.text, prefix)
    for (const place of this.#places.all()) {
      this.#places.touch(place)
      this.#places.fall(place)
    }
    this.table.clear()
    this.#inheritance.startOver()
  }

  /** Takes a removed route. Returns it if it was ours. */
  #takeGone(removed: KernelRoute, foreign: Map<string, Prefix>): KernelRoute | undefined {
    if (removed.protocol !== GODWIT_PROTOCOL) {
      if (this.#inheritance.gone(removed)) return undefined
      const gone = this.table.remove(removed)
      if (gone !== undefined) this.#touchForeign(gone, foreign)
      return undefined
    }
    const place = this.#places.at(ownKey(removed))
    const route = place?.present
    if (place === undefined || route === undefined || !sameRoute(route, removed)) return undefined
    this.#places.adopt(place, false)
    this.#places.touch(place)
    this.#fall(place)
    return route
  }

  #touchForeign({ prefix }: KernelRoute, foreign: Map<string, Prefix>): void {
    foreign.set(prefix.text, prefix)
    this.#moved.set(prefix.text, prefix)
    this.#touch(prefix.text)
  }

  #takePresent(route: KernelRoute, foreign: Map<string, Prefix>): void {
    if (this.#inheritance.take(route, !this.#known)) return
    if (route.protocol !== GODWIT_PROTOCOL) {
      this.table.add(route)
      this.#touchForeign(route, foreign)
      return
    }
    const place = this.#stand(route)
    if (!this.#known) this.#places.adopt(place, true)
    this.#places.touch(place)
  }

  #stand(route: KernelRoute, known?: Place): Place {
    const place = this.#places.stand(route, known)
    this.#moved.set(place.prefix.text, place.prefix)
    return place
  }

  #fall(place: Place | undefined): void {
    if (place?.present === undefined) return
    this.#moved.set(place.prefix.text, place.prefix)
    this.#places.fall(place)
  }

  #plan(place: Place): RouteChange | undefined {
    const target = this.#target(place)
    const change = planRoute(target, place.present)
    if (change === undefined && target !== undefined) {
      this.#inheritance.release(target)
      this.#forgetFailure(place)
    }
    // Nothing is wanted or there. If its removal had failed, the other place of the prefix says how it is with its own route.
    if (change === undefined && target === undefined && this.#failed.delete(place.key)) this.#touch(place.prefix.text)
    if (!place.isAdopted) {
      const replacesInherited = change?.action === 'add' && this.#inheritance.isInPlaceOf(change.route)
      return replacesInherited ? { ...change, action: 'replace' } : change
    }
    // The route is in the kernel exactly as wanted: it is treated as written by this run.
    if (change === undefined) this.#places.adopt(place, false)
    return undefined
  }

  /**
   * The route that is wanted in this place; undefined: none. A prefix has a second place if learned routes have a table of
   * their own.
   */
  #target(place: Place): KernelRoute | undefined {
    const { prefix, key } = place
    const main = this.#placeIn(place, MAIN_TABLE)
    const home = this.#home === MAIN_TABLE ? main : this.#placeIn(place, this.#home)
    const isHeld = main?.isHeld === true
    const isHere = place === (isHeld ? main : home)
    const isWanted = isHeld || (home !== undefined && hasWays(home))
    if (!isWanted) {
      this.keptOut.delete(prefix.text)
      this.#failed.delete(key)
      this.#contest.forget(key)
    }
    if (!isWanted || !isHere) return undefined
    if (this.keptOut.get(prefix.text)?.kind !== 'failed') this.keptOut.delete(prefix.text)
    const wanted = isHeld ? blackhole(prefix) : this.#wanted(place)
    if (wanted === undefined || this.#isLeft(wanted, place)) return undefined
    return this.#mayBeWritten(wanted, place) ? wanted : undefined
  }

  /** Another program writes this route; ours stays until the other one is there. */
  #isLeft(wanted: KernelRoute, { prefix, present }: Place): boolean {
    if (this.#left.size === 0 || wanted.type !== 'unicast' || this.#left.around(prefix) === undefined) return false
    const isTheirs = this.table.at(prefix).some(({ table }) => table === wanted.table)
    if (isTheirs) this.keptOut.delete(prefix.text)
    if (isTheirs || present !== undefined) return isTheirs
    this.#noteLeft(prefix)
    return true
  }

  #noteLeft(prefix: Prefix): void {
    this.keptOut.set({ kind: 'left', prefix, reason: 'it is left to Felix (programClusterRoutes)' })
  }

  /** The place of the same prefix in a table, which is mostly this place itself. */
  #placeIn(place: Place, table: number): Place | undefined {
    const key = keyIn(place.prefix.text, table)
    return key === place.key ? place : this.#places.at(key)
  }

  /** Whether no foreign route conflicts, and no program keeps removing the route; otherwise the reason is recorded. */
  #mayBeWritten(wanted: KernelRoute, { prefix, key, present }: Place): boolean {
    const conflict = whyNotBeside(wanted, this.table.at(prefix))
    const contested = present === undefined ? this.#contest.whyHeld(key) : undefined
    if (conflict !== undefined) this.keptOut.set({ kind: 'conflict', prefix, conflict })
    else if (contested !== undefined) this.keptOut.set({ kind: 'contested', prefix, reason: contested })
    else return true
    return false
  }

  #wanted(place: Place): KernelRoute | undefined {
    const { prefix, nextHops = [], direct } = place
    const ways: (readonly Hop[])[] = []
    let reason = 'it has no next hop'
    for (const { resolution } of nextHops) {
      if (resolution.kind === 'resolved') ways.push(resolution.hops)
      else reason = formatResolution(resolution)
    }
    const way = directWay(place)
    // A direct route that is being retired yields to a learned route; any other takes precedence over it.
    if (way !== undefined && !(direct?.leaving === true && ways.length > 0)) ways.splice(0, ways.length, way)
    else if (direct !== undefined && ways.length === 0) reason = whyNotDirect(direct, this.table.links)
    const covered = ways.length === 0 ? undefined : this.nextHops.coveredGateway(prefix)
    if (covered !== undefined) reason = `it would cover the route to the gateway ${covered}`
    if (ways.length > 0 && covered === undefined) return unicast(prefix, this.#join(ways), this.#home)
    if (this.#left.around(prefix) === undefined) this.keptOut.set({ kind: 'unresolved', prefix, reason })
    else if (this.table.at(prefix).length === 0) this.#noteLeft(prefix)
    return undefined
  }

  /** Routes that go the same ways share the list of them. */
  #join(ways: readonly (readonly Hop[])[]): readonly Hop[] {
    const isSame = ways.length === this.#lastWays.length && ways.every((way, at) => way === this.#lastWays[at])
    if (isSame) return this.#lastHops
    this.#lastWays = ways
    this.#lastHops = sortHops(joinHops(ways))
    return this.#lastHops
  }

  #fail(key: string, { prefix }: KernelRoute, reason: string): void {
    this.#failed.add(key)
    this.keptOut.set({ kind: 'failed', prefix, reason })
  }

  /** The kernel has the route as it is wanted, whatever failed before. */
  #forgetFailure({ key, prefix }: Pick<Place, 'key' | 'prefix'>): void {
    this.#failed.delete(key)
    if (this.keptOut.get(prefix.text)?.kind === 'failed') this.keptOut.delete(prefix.text)
  }
}

const hasWays = ({ nextHops, direct }: Place): boolean => nextHops !== undefined || direct !== undefined

/** The way of the place's direct route; undefined where it has none, or its node is on no link of ours. */
function directWay({ direct }: Place): readonly Hop[] | undefined {
  const resolution = direct?.nextHop.resolution
  return resolution?.kind === 'resolved' && isOnLink(resolution) ? resolution.hops : undefined
}

/** Reached without a router. */
const isOnLink = ({ metric, learned }: Extract<Resolution, { kind: 'resolved' }>): boolean => metric === 0 && !learned

function whyNotDirect({ route, nextHop: { resolution } }: Direct, links: LinkTable): string {
  const whose = `Node/${route.node} (${route.gateway})`
  if (links.isOwn(route.gateway)) return `the address of ${whose} is an address of this node`
  const why = resolution.kind === 'resolved' ? '' : `: ${resolution.reason}`
  return `${whose} is on no link of this node${why}; only a route learned over BGP can reach its pods`
}

const ORDER = { remove: 0, replace: 1, add: 2 } as const
