/**
 * Which route the kernel should have in a place, or why it gets none. Where several are wanted for one prefix, the
 * blackhole comes first, then the direct route, then the route learned over BGP.
 *
 * No route is written beside one of another program that it would compete with, where Felix has written its own, or where
 * it would cover the way to a gateway. The reason is kept for each prefix that gets no route.
 */
import type { Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import { ContestedRoutes } from './contested-routes.ts'
import { directWay, whyNoWay } from './direct.ts'
import { FailedChanges } from './failed-changes.ts'
import { blackhole, keyIn, unicast, whyNotBeside } from './fib.ts'
import { joinHops } from './join-hops.ts'
import { KeptOutRoutes } from './kept-out.ts'
import { type Hop, type KernelRoute, MAIN_TABLE, sameRoute, sortHops } from './kernel.ts'
import type { KernelTable } from './kernel-table.ts'
import { formatResolution } from './next-hop.ts'
import { hasWays, type Places, type RoutePlace } from './places.ts'
import type { WantedRoutes } from './wanted-routes.ts'

export class Targets {
  readonly keptOut = new KeptOutRoutes()
  readonly contested = new ContestedRoutes()
  readonly failed = new FailedChanges()
  readonly #places: Places
  readonly #table: KernelTable
  readonly #wanted: WantedRoutes
  /** The ways of the last route with several next hops, and the hops made of them: most routes share them. */
  #lastWays: readonly (readonly Hop[])[] = []
  #lastHops: readonly Hop[] = []

  constructor(places: Places, table: KernelTable, wanted: WantedRoutes) {
    this.#places = places
    this.#table = table
    this.#wanted = wanted
  }

  /**
   * The route that is wanted in this place; undefined: none. A prefix has a second place if learned routes have a table of
   * their own.
   */
  decide(place: RoutePlace): KernelRoute | undefined {
    const { prefix, key } = place
    const main = this.#placeIn(place, MAIN_TABLE)
    const home = this.#places.home === MAIN_TABLE ? main : this.#placeIn(place, this.#places.home)
    const isHeld = main?.isHeld === true
    const isHere = place === (isHeld ? main : home)
    const isWanted = isHeld || (home !== undefined && hasWays(home))
    if (!isWanted) {
      this.keptOut.delete(prefix.text)
      // While the route is still there, its removal may be what has failed: that goes on with its delay.
      if (place.present === undefined) this.failed.delete(key)
      this.contested.forget(key)
    }
    if (!isWanted || !isHere) return undefined
    if (this.keptOut.get(prefix.text)?.kind !== 'failed') this.keptOut.delete(prefix.text)
    const wanted = isHeld ? blackhole(prefix) : this.#unicast(place)
    if (wanted === undefined || this.#yieldsToFelix(wanted, place)) return undefined
    return this.#mayBeWritten(wanted, place) ? wanted : undefined
  }

  /**
   * Whether what is wanted in this place may change once neighbors have sent their routes. It does not where objects want a
   * direct route, nor where this node originates the prefix, in whichever table: it is advertised only when its blackhole has
   * replaced the route of an earlier run, and neighbors may in turn wait for that.
   */
  restsOnNeighbors(place: RoutePlace): boolean {
    if (this.#placeIn(place, MAIN_TABLE)?.isHeld === true) return false
    return place.direct?.leaving !== false || directWay(place.direct) === undefined
  }

  /** Another program removed a route of ours: counts as a deletion if the route is wanted and nothing is in its place. */
  noteDeletion(route: KernelRoute, place: RoutePlace, now: Millis): void {
    if (place.present !== undefined) return
    const target = this.decide(place)
    if (target !== undefined && sameRoute(target, route)) this.contested.noteDeletion(place.key, now)
  }

  /** Another route is wanted here than the one of an earlier run, which stays until neighbors have sent all. */
  noteAdopted({ prefix }: RoutePlace): void {
    const reason = 'the route of an earlier run stays until all neighbors have sent their routes'
    this.keptOut.set({ kind: 'adopted', prefix, reason })
  }

  noteFailure(key: string, prefix: Prefix, reason: string, now: Millis): void {
    this.failed.add(key, now)
    this.keptOut.set({ kind: 'failed', prefix, reason })
  }

  /** The kernel has the route as it is wanted, whatever failed before. */
  forgetFailure({ key, prefix }: Pick<RoutePlace, 'key' | 'prefix'>): void {
    this.failed.delete(key)
    if (this.keptOut.get(prefix.text)?.kind === 'failed') this.keptOut.delete(prefix.text)
  }

  /** The place of the same prefix in a table, which is mostly this place itself. */
  #placeIn(place: RoutePlace, table: number): RoutePlace | undefined {
    const key = keyIn(place.prefix.text, table)
    return key === place.key ? place : this.#places.at(key)
  }

  /** The direct or learned route, where it has a way that may be written. */
  #unicast(place: RoutePlace): KernelRoute | undefined {
    const { prefix } = place
    const { ways, reason } = this.#waysOf(place)
    const covered = ways.length === 0 ? undefined : this.#wanted.nextHops.coveredGateway(prefix)
    if (ways.length > 0 && covered === undefined) return unicast(prefix, this.#join(ways), this.#places.home)
    const why = covered === undefined ? reason : `it would cover the route to the gateway ${covered}`
    if (!this.#wanted.isLeft(prefix)) this.keptOut.set({ kind: 'unresolved', prefix, reason: why })
    else if (this.#table.at(prefix).length === 0) this.#noteLeft(prefix)
    return undefined
  }

  /** One way for each next hop that is resolved. `reason`: why there is none. */
  #waysOf({ nextHops = [], direct }: RoutePlace): {
    readonly ways: readonly (readonly Hop[])[]
    readonly reason: string
  } {
    const ways: (readonly Hop[])[] = []
    let reason = 'it has no next hop'
    for (const { resolution } of nextHops) {
      if (resolution.kind === 'resolved') ways.push(resolution.hops)
      else reason = formatResolution(resolution)
    }
    const way = directWay(direct)
    // A direct route that is being retired yields to a learned route; any other takes precedence over it.
    if (way !== undefined && !(direct?.leaving === true && ways.length > 0)) return { ways: [way], reason }
    if (direct !== undefined && ways.length === 0) reason = whyNoWay(direct, this.#table.links)
    return { ways, reason }
  }

  /** Routes that go the same ways share the list of them. */
  #join(ways: readonly (readonly Hop[])[]): readonly Hop[] {
    const isSame = ways.length === this.#lastWays.length && ways.every((way, at) => way === this.#lastWays[at])
    if (isSame) return this.#lastHops
    this.#lastWays = ways
    this.#lastHops = sortHops(joinHops(ways))
    return this.#lastHops
  }

  /** Another program writes this route; ours stays until the other one is there. */
  #yieldsToFelix(wanted: KernelRoute, { prefix, present }: RoutePlace): boolean {
    if (wanted.type !== 'unicast' || !this.#wanted.isLeft(prefix)) return false
    const isTheirs = this.#table.at(prefix).some(({ table }) => table === wanted.table)
    if (isTheirs) this.keptOut.delete(prefix.text)
    if (isTheirs || present !== undefined) return isTheirs
    this.#noteLeft(prefix)
    return true
  }

  #noteLeft(prefix: Prefix): void {
    this.keptOut.set({ kind: 'left', prefix, reason: 'it is left to Felix (programClusterRoutes)' })
  }

  /** Whether no foreign route conflicts, and no program keeps removing the route; otherwise the reason is recorded. */
  #mayBeWritten(wanted: KernelRoute, { prefix, key, present }: RoutePlace): boolean {
    const conflict = whyNotBeside(wanted, this.#table.at(prefix))
    const contested = present === undefined ? this.contested.whyNotWritten(key) : undefined
    if (conflict !== undefined) this.keptOut.set({ kind: 'conflict', prefix, conflict })
    else if (contested !== undefined) this.keptOut.set({ kind: 'contested', prefix, reason: contested })
    else return true
    return false
  }
}
