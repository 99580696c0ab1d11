/**
 * The direct routes to pods of other nodes (`nodeRoutes: Direct`), and when they are added and removed. A route is
 * removed at once when its Node no longer has the pod CIDR. When the cluster goes back to BGP, each stays until it has
 * been learned over BGP, or until `release` is called because all neighbors have sent their routes.
 *
 * In: all routes. Out: to the wanted routes only those that have changed.
 */
import type { Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { NodeRoute, NodeRoutesIntent } from '../cluster/intent.ts'
import { same } from '../cluster/same.ts'
import type { WantedRoutes } from './wanted-routes.ts'

/** The addresses and pod CIDRs of the current Nodes: a route outside of them is removed. */
export interface StillThere {
  hasAddress(address: string): boolean
  hasPods(route: NodeRoute): boolean
}

/** A wanted route, and when it last changed. */
export interface WantedRoute {
  readonly route: NodeRoute
  readonly since: Millis
}

/** Approximate cost of comparing a route and handing it over if it has changed, in microseconds. */
const ROUTE_COST = 3
/** The most routes that are removed in one turn. */
const AT_ONCE = 512

export class NodeRouteWriter {
  readonly #routes: WantedRoutes
  #wanted: ReadonlyMap<string, WantedRoute> = new Map()
  /** Retired routes: no longer wanted, not yet removed. */
  readonly #leaving = new Map<string, NodeRoute>()
  #intent: NodeRoutesIntent['direct'] | undefined
  #list: readonly WantedRoute[] | undefined
  /** Routes handed over and removed since the start: tests count work by it. */
  work = 0

  constructor(routes: WantedRoutes) {
    this.#routes = routes
  }

  get isLeaving(): boolean {
    return this.#leaving.size > 0
  }

  /** All wanted routes, sorted by prefix; the same list until one changes. */
  all(): readonly WantedRoute[] {
    this.#list ??= [...this.#wanted.values()]
    return this.#list
  }

  /** False where such routes come only from BGP. */
  get isOn(): boolean {
    return this.#intent !== undefined
  }

  get(prefix: Prefix): WantedRoute | undefined {
    return this.#wanted.get(prefix.text)
  }

  /** Returns whether routes began to be retired. Retired routes outside of the current Nodes are removed at once. */
  *set({ direct, leftToFelix }: NodeRoutesIntent, there: StillThere, now: Millis): Work<boolean> {
    this.#routes.leaveTo(leftToFelix)
    const wasLeaving = this.isLeaving
    const meter = new CostMeter()
    if (direct !== this.#intent) {
      this.#intent = direct
      yield* this.#follow(direct ?? [], direct === undefined, meter, now)
    }
    for (const [text, route] of this.#leaving) {
      if (!there.hasAddress(route.gateway) || !there.hasPods(route)) this.#drop(text)
      meter.add(ROUTE_COST)
      if (meter.isDue) yield meter.take()
    }
    return this.isLeaving && !wasLeaving
  }

  /** All neighbors have sent their routes: removes retired routes, a bounded number in each turn. */
  release(): void {
    let released = 0
    for (const text of this.#leaving.keys()) {
      if (released === AT_ONCE) return
      this.#drop(text)
      released++
    }
  }

  *#follow(direct: readonly NodeRoute[], byBgp: boolean, meter: CostMeter, now: Millis): Work {
    const before = this.#wanted
    const wanted = new Map<string, WantedRoute>()
    for (const route of direct) {
      const { text } = route.prefix
      wanted.set(text, this.#take(route, before.get(text), now))
      meter.add(ROUTE_COST)
      if (meter.isDue) yield meter.take()
    }
    this.#wanted = wanted
    this.#list = undefined
    for (const [text, { route }] of before) {
      meter.add(ROUTE_COST)
      if (meter.isDue) yield meter.take()
      if (wanted.has(text)) continue
      if (byBgp) this.#retire(text, route)
      else this.#drop(text)
    }
  }

  #take(route: NodeRoute, before: WantedRoute | undefined, now: Millis): WantedRoute {
    if (before !== undefined && same(before.route, route)) return before
    this.#leaving.delete(route.prefix.text)
    this.#routes.setDirect(route)
    this.work++
    return { route, since: now }
  }

  #retire(text: string, route: NodeRoute): void {
    this.#leaving.set(text, route)
    this.#routes.retireDirect(text)
    this.work++
  }

  #drop(text: string): void {
    this.#leaving.delete(text)
    this.#routes.dropDirect(text)
    this.work++
  }
}
