/**
 * Keeps the desired and the actual kernel routes of this agent, and computes the changes between them.
 *
 * In: the routes that are wanted (`wanted`), the routes that the kernel reports, and the results of changes. The kernel
 * holds one route of ours per prefix, and it is replaced in place.
 *
 * Out: changes, at most as many as asked for, and the reason for each route that is not written.
 *
 * Routes of a previous run are taken over. Until `sweep` those whose prefix only neighbors decide on stay even if they are
 * not wanted or have another next hop, so that a restart moves no traffic. `inheritance` handles the routes of another
 * speaker that ran before.
 */
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import { directWay, whyNoWay } from './direct.ts'
import { ownKey, planRoute } from './fib.ts'
import { Inheritance } from './inheritance.ts'
import { describeKeptOut, type KeptOut, type KeptOutRoutes } from './kept-out.ts'
import {
  type Failure,
  GODWIT_PROTOCOL,
  type KernelChange,
  type KernelRoute,
  MAIN_TABLE,
  type RouteChange,
  routeKey,
  sameRoute,
} from './kernel.ts'
import { KernelRoutes } from './kernel-routes.ts'
import { KernelTable } from './kernel-table.ts'
import type { LinkTable, TouchedLinks } from './links.ts'
import { Places, type RoutePlace } from './places.ts'
import { type Straying, strayingOf } from './straying.ts'
import { Targets } from './targets.ts'
import { Walks } from './walks.ts'
import { WantedRoutes } from './wanted-routes.ts'

/** The most places that one turn compares, and the most contested routes whose backoff it ends. */
const PLACES_AT_ONCE = 1_024

export class RouteKeeper {
  /** Routes of other programs. */
  readonly table: KernelTable
  /** Routes of all programs. */
  readonly kernel: KernelRoutes
  readonly wanted: WantedRoutes
  readonly #places: Places
  readonly #targets: Targets
  /** Work over large tables. Nothing is written before it is done. */
  readonly #walks = new Walks()
  readonly #inheritance: Inheritance
  /** The places of the changes that were taken last. */
  readonly #inFlight = new Map<RouteChange, RoutePlace>()
  #known = false
  #swept = false

  /** `home`: the table of learned routes. `adoptFrom`: protocol numbers of the previous BGP speaker. */
  constructor(links: LinkTable, home = MAIN_TABLE, adoptFrom: readonly number[] = []) {
    this.#inheritance = new Inheritance(adoptFrom)
    this.#places = new Places(home)
    this.table = new KernelTable(links)
    this.kernel = new KernelRoutes(this.table, this.#places)
    this.wanted = new WantedRoutes(this.#places, this.table, this.kernel, this.#walks)
    this.#targets = new Targets(this.#places, this.table, this.wanted)
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

  /** Why wanted routes are not in the kernel. */
  get keptOut(): KeptOutRoutes {
    return this.#targets.keptOut
  }

  /** Why the kernel does not have the direct route to this prefix; undefined: it has it. */
  whyNotDirect(prefix: string): string | undefined {
    const place = this.#places.in(prefix, this.#places.home)
    if (place?.direct === undefined) return 'it is not wanted'
    if (directWay(place.direct) === undefined) return whyNoWay(place.direct, this.table.links)
    const kept = this.keptOut.get(prefix)
    if (kept !== undefined) return describeKeptOut(kept)
    return place.present === undefined ? 'it is not written yet' : undefined
  }

  /** Where packets to a learned prefix go if our route is not in the kernel; undefined: they are forwarded as learned. */
  straying(prefix: Prefix): Straying | undefined {
    const place = this.#places.in(prefix.text, this.#places.home)
    const kept = this.keptOut.get(prefix.text)
    if (kept === undefined || place?.nextHops === undefined) return undefined
    const taken = isBefore(kept, place.present) ? place.present : this.table.covering(prefix)
    const learned = place.nextHops.flatMap(({ resolution }) => (resolution.kind === 'resolved' ? resolution.hops : []))
    return strayingOf(prefix, taken, learned, this.table.links)
  }

  // ── Actual routes ────────────────────────────────────────────────────────────────────────────────────────────────

  takeKernel(change: KernelChange, now: Millis): void {
    const foreign = new Map<string, Prefix>()
    const lost = change.gone.flatMap((route) => this.#takeGone(route, foreign) ?? [])
    for (const route of change.present) this.#takePresent(route, foreign)
    for (const prefix of foreign.values()) this.wanted.resolveInside(prefix)
    if (foreign.size > 0) this.keptOut.review()
    const deleted = new Set(change.deleted?.map(routeKey))
    for (const route of lost) if (deleted.has(routeKey(route))) this.#noteDeletion(route, now)
    if (!change.more) this.#known = true
  }

  /** Links or their addresses have changed. */
  takeLinks(touched: TouchedLinks): void {
    this.wanted.followLinks(touched)
    this.keptOut.review()
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

  #touchForeign({ prefix }: KernelRoute, foreign: Map<string, Prefix>): void {
    foreign.set(prefix.text, prefix)
    this.kernel.noteMoved(prefix)
    this.#places.touchAll(prefix.text)
  }

  #noteDeletion(route: KernelRoute, now: Millis): void {
    const place = this.#places.at(ownKey(route))
    if (place !== undefined) this.#targets.noteDeletion(route, place, now)
  }

  #stand(route: KernelRoute, known?: RoutePlace): RoutePlace {
    const place = this.#places.stand(route, known)
    this.kernel.noteMoved(place.prefix)
    return place
  }

  #fall(place: RoutePlace | undefined): void {
    if (place?.present === undefined) return
    this.kernel.noteMoved(place.prefix)
    this.#places.fall(place)
  }

  // ── Changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get isBusy(): boolean {
    return this.#known && (this.#places.hasDirty || this.#inheritance.isBusy)
  }

  /** At most `limit` changes; the next ones only after `applied`. None does not mean the last: see `isBusy`. */
  take(limit: number): RouteChange[] {
    const changes: RouteChange[] = []
    if (this.wanted.hasTouched) this.wanted.advance()
    if (!this.#known || !this.#walks.isEmpty) return changes
    for (let looked = 0; looked < PLACES_AT_ONCE && changes.length < limit; looked++) {
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
    const inherited: Record<'removed' | 'failed', KernelRoute[]> = { removed: [], failed: [] }
    for (const [index, change] of changes.entries()) {
      const { route } = change
      const reason = reasons.get(index)
      if (route.protocol !== GODWIT_PROTOCOL) inherited[reason === undefined ? 'removed' : 'failed'].push(route)
      else if (reason === undefined) this.#done(change)
      else this.#targets.noteFailure(ownKey(route), route.prefix, reason, now)
    }
    this.#inFlight.clear()
    this.#inheritance.applied(inherited.removed, inherited.failed, now)
  }

  /** When failed and contested changes are tried again. */
  deadline(): Millis | undefined {
    const { failed, contested } = this.#targets
    return earlier(earlier(failed.deadline, this.#inheritance.deadline), contested.deadline())
  }

  retry(now: Millis): void {
    for (const key of this.#targets.contested.endBackoffs(now, PLACES_AT_ONCE)) this.#touchAt(key)
    for (const key of this.#targets.failed.takeDue(now, PLACES_AT_ONCE)) this.#touchAt(key)
    this.#inheritance.retry(now)
  }

  /** All neighbors have sent their routes after the start: unwanted routes of a previous run are removed. */
  sweep(): void {
    this.#swept = true
    this.#walks.add(this.#release())
    this.#inheritance.releaseAll()
  }

  #done(change: RouteChange): void {
    const { action, route } = change
    const key = ownKey(route)
    this.#targets.forgetFailure({ key, prefix: route.prefix })
    const place = this.#inFlight.get(change) ?? this.#places.at(key)
    if (action === 'remove') this.#fall(place)
    else {
      this.#stand(route, place)
      this.#inheritance.release(route)
    }
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

  #touchAt(key: string): void {
    const place = this.#places.at(key)
    if (place !== undefined) this.#places.touch(place)
  }

  #plan(place: RoutePlace): RouteChange | undefined {
    const { failed } = this.#targets
    const target = this.#targets.decide(place)
    const change = planRoute(target, place.present)
    if (change === undefined && target !== undefined) {
      this.#inheritance.release(target)
      this.#targets.forgetFailure(place)
    }
    // Nothing is wanted or there. If its removal had failed, the other place of the prefix says how it is with its own route.
    if (change === undefined && target === undefined && failed.delete(place.key))
      this.#places.touchAll(place.prefix.text)
    // The route is in the kernel exactly as wanted, or neighbors have no say in it: it is treated as written by this run.
    if (change === undefined || !this.#targets.restsOnNeighbors(place)) this.#places.adopt(place, false)
    if (place.isAdopted) {
      if (target !== undefined) this.#targets.noteAdopted(place)
      return undefined
    }
    const replacesInherited = change?.action === 'add' && this.#inheritance.isInPlaceOf(change.route)
    return replacesInherited ? { ...change, action: 'replace' } : change
  }
}

/** The route of before is still there: its change has failed, or is due later. */
const isBefore = ({ kind }: KeptOut, present: KernelRoute | undefined): boolean =>
  kind === 'adopted' || (kind === 'failed' && present?.type === 'unicast')

const ORDER = { remove: 0, replace: 1, add: 2 } as const
