/**
 * Routes of a previous BGP speaker, which ran on this node and was stopped: traffic follows them until ours are
 * installed. They are the routes with its protocol numbers when the kernel is first read. Routes that appear later
 * under these numbers belong to a running program, and are left alone.
 *
 * In: what the kernel has, and which prefixes have a route of ours. Out: removals.
 */
import type { Millis } from '../base/units.ts'
import { FailedChanges } from './failed-changes.ts'
import { type KernelRoute, type RouteChange, routeKey } from './kernel.ts'

/** The most removals that one turn tries again. */
const AT_ONCE = 1_024

export class Inheritance {
  readonly #from: ReadonlySet<number>
  /** By `routeKey`. */
  readonly #routes = new Map<string, KernelRoute>()
  readonly #byPrefix = new Map<string, Set<string>>()
  /** Keys of routes in the first reading that were not removed since: only these are accepted when they are reported again. */
  readonly #admitted = new Set<string>()
  /** Keys of the routes to be removed. */
  readonly #due = new Set<string>()
  /** Removals that failed. */
  readonly #failed = new FailedChanges()

  /** `from`: protocol numbers. */
  constructor(from: readonly number[]) {
    this.#from = new Set(from)
  }

  get size(): number {
    return this.#routes.size
  }

  /** When failed removals are tried again. */
  get deadline(): Millis | undefined {
    return this.#failed.deadline
  }

  get isBusy(): boolean {
    return this.#due.size > 0
  }

  /** Takes a route that the kernel reports. Returns whether it is one of the previous speaker. */
  take(route: KernelRoute, isFirstReading: boolean): boolean {
    if (!this.#from.has(route.protocol)) return false
    const { prefix } = route
    const key = routeKey(route)
    if (isFirstReading) this.#admitted.add(key)
    else if (!this.#admitted.has(key)) return false
    this.#routes.set(key, route)
    this.#byPrefix.set(prefix.text, (this.#byPrefix.get(prefix.text) ?? new Set()).add(key))
    return true
  }

  /** A route was removed. Returns whether it was one of the previous speaker. */
  gone(route: KernelRoute): boolean {
    return this.#from.has(route.protocol) && this.#isGone(routeKey(route))
  }

  #isGone(key: string): boolean {
    this.#admitted.delete(key)
    return this.#forget(key)
  }

  /** Whether a route of the previous speaker has the same prefix, table and metric as ours, so that ours must replace it. */
  isInPlaceOf(ours: KernelRoute): boolean {
    return [...(this.#byPrefix.get(ours.prefix.text) ?? [])].some((key) => this.#isInPlaceOf(key, ours))
  }

  #isInPlaceOf(key: string, { table, metric }: KernelRoute): boolean {
    const route = this.#routes.get(key)
    return route?.metric === metric && route.table === table
  }

  /**
   * Our route is installed. The routes of the previous speaker for the same prefix are due for removal; one that ours has
   * replaced is forgotten.
   */
  release(ours: KernelRoute): void {
    for (const key of [...(this.#byPrefix.get(ours.prefix.text) ?? [])]) {
      if (this.#isInPlaceOf(key, ours)) this.#isGone(key)
      else this.#due.add(key)
    }
  }

  /** All neighbors have sent their routes: routes that ours have not replaced by now are due for removal. */
  releaseAll(): void {
    for (const key of this.#routes.keys()) this.#due.add(key)
  }

  /** At most `limit` removals; `applied` reports their results. */
  removals(limit: number): RouteChange[] {
    const changes: RouteChange[] = []
    for (const key of this.#due) {
      if (changes.length >= limit) break
      this.#due.delete(key)
      const route = this.#routes.get(key)
      if (route !== undefined) changes.push({ action: 'remove', route })
    }
    return changes
  }

  /** A batch of changes was carried out: these removals succeeded, and these failed. */
  applied(removed: readonly KernelRoute[], failed: readonly KernelRoute[], now: Millis): void {
    for (const route of removed) this.gone(route)
    for (const key of failed.map(routeKey)) if (this.#routes.has(key)) this.#failed.add(key, now)
  }

  retry(now: Millis): void {
    for (const key of this.#failed.takeDue(now, AT_ONCE)) this.#due.add(key)
  }

  #forget(key: string): boolean {
    const route = this.#routes.get(key)
    if (route === undefined) return false
    this.#routes.delete(key)
    this.#due.delete(key)
    this.#failed.delete(key)
    const keys = this.#byPrefix.get(route.prefix.text)
    keys?.delete(key)
    if (keys?.size === 0) this.#byPrefix.delete(route.prefix.text)
    return true
  }
}
