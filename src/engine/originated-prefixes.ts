/**
 * Prefixes that this node originates and whose packets must end here by what the kernel holds: a pod CIDR is advertised when
 * its blackhole is in the kernel, the address of a single pod when its route is, any other prefix at once. One that a route of
 * another program leads away is withdrawn until that route is gone.
 */
import { isHostPrefix, type Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import type { RouteIntent } from '../cluster/intent.ts'
import type { RouteChange } from '../dataplane/kernel.ts'
import type { RouteKeeper } from '../dataplane/route-keeper.ts'
import type { Objects } from './objects.ts'

export class OriginatedPrefixes {
  readonly #routes: RouteKeeper
  readonly #objects: Objects
  readonly #arePodsReady: () => boolean
  /** Not advertised before packets to them end here. */
  readonly #waiting = new Map<string, RouteIntent>()
  /** Advertised because of the kernel, or waiting while an earlier version may be advertised: withdrawn when they stray. */
  readonly #watched = new Map<string, RouteIntent>()
  /** Withdrawn, or advertised for another reason: their blackholes are removed when that has been sent to every neighbor. */
  readonly #retiring = new Map<string, Prefix>()
  /** The kernel has changed: packets to an advertised prefix may be routed elsewhere. */
  #mayStray = false
  /**
   * The kernel has changed, or another single pod waits: hundreds may wait for long, and are not looked at in each turn.
   */
  #mayHavePods = false

  /** `arePodsReady`: whether the CNI configuration is in place. */
  constructor(routes: RouteKeeper, objects: Objects, arePodsReady: () => boolean) {
    this.#routes = routes
    this.#objects = objects
    this.#arePodsReady = arePodsReady
  }

  get waiting(): readonly RouteIntent[] {
    return [...this.#waiting.values()]
  }

  /**
   * No prefix waits for the kernel before it is advertised. A single pod may wait for long, as its route is its CNI's
   * business, but not one whose route is there.
   */
  get isReady(): boolean {
    if (this.#waiting.size === 0) return true
    return this.#routes.isKnown && !this.#mayHavePods && this.waiting.every(isOfOnePod)
  }

  change(announce: readonly RouteIntent[], withdraw: readonly Prefix[], now: Millis): void {
    for (const prefix of withdraw) {
      this.#waiting.delete(prefix.text)
      this.#watched.delete(prefix.text)
      this.#retire(prefix)
    }
    const ready = announce.filter((route) => !restsOnKernel(route) || this.#endsHere(route))
    const isReady = new Set(ready)
    for (const route of announce) {
      const { text } = route.prefix
      if (restsOnKernel(route)) this.#retiring.delete(text)
      else this.#retire(route.prefix)
      // What was known of the prefix before is of another version of its route.
      this.#waiting.delete(text)
      if (!isReady.has(route)) this.#wait(route)
      else if (restsOnKernel(route)) this.#watched.set(text, route)
      else this.#watched.delete(text)
    }
    this.#objects.changeRoutes(ready, withdraw, now)
  }

  /** Routes or links have changed. */
  kernelChanged(): void {
    this.#mayStray = true
    this.#mayHavePods = true
  }

  /** The kernel was asked to change these routes of ours. */
  written(changes: readonly RouteChange[]): void {
    if (changes.some(({ route }) => this.#waiting.has(route.prefix.text))) this.#mayHavePods = true
  }

  /** Advertises those that have waited. Returns whether there are any. */
  announceReady(now: Millis): boolean {
    if (this.#waiting.size === 0) return false
    const mayHavePods = this.#mayHavePods
    this.#mayHavePods = false
    const ready = this.waiting.filter((route) => (mayHavePods || !isOfOnePod(route)) && this.#endsHere(route))
    if (ready.length === 0) return false
    for (const route of ready) {
      this.#waiting.delete(route.prefix.text)
      this.#watched.set(route.prefix.text, route)
    }
    this.#objects.changeRoutes(ready, [], now)
    return true
  }

  /** Withdraws those for which a foreign kernel route leads packets away from this node. Returns whether there are any. */
  withdrawStrayed(now: Millis): boolean {
    if (!this.#mayStray || !this.#routes.isKnown) return false
    this.#mayStray = false
    const strayed = [...this.#watched.values()].filter((route) => this.#hasStrayed(route))
    if (strayed.length === 0) return false
    for (const route of strayed) {
      const { text } = route.prefix
      this.#watched.delete(text)
      // A newer version that waits already is the one to advertise later.
      if (!this.#waiting.has(text)) this.#waiting.set(text, route)
    }
    const prefixes = strayed.map(({ prefix }) => prefix)
    this.#objects.changeRoutes([], prefixes, now)
    return true
  }

  /** All withdrawals have been sent. */
  dropBlackholes(): void {
    for (const prefix of this.#retiring.values()) this.#routes.wanted.dropBlackhole(prefix)
    this.#retiring.clear()
  }

  /** What is advertised of the prefix, a service for instance, may have needed no route of the kernel: this one does. */
  #wait(route: RouteIntent): void {
    const { text } = route.prefix
    this.#waiting.set(text, route)
    this.#watched.set(text, route)
    this.#mayStray = true
    this.#mayHavePods = true
  }

  #retire(prefix: Prefix): void {
    if (!isHostPrefix(prefix) || this.#routes.wanted.holdsBlackhole(prefix)) this.#retiring.set(prefix.text, prefix)
  }

  #endsHere(route: RouteIntent): boolean {
    const { isKnown, kernel, wanted } = this.#routes
    const { prefix } = route
    if (isOfOnePod(route)) return isKnown && this.#endsAtPod(route)
    wanted.holdBlackhole(prefix)
    return isKnown && kernel.endingOf(prefix).kind === 'here' && this.#arePodsReady()
  }

  #hasStrayed(route: RouteIntent): boolean {
    return isOfOnePod(route) ? !this.#endsAtPod(route) : this.#routes.kernel.endingOf(route.prefix).kind === 'elsewhere'
  }

  /**
   * What others send here for a borrowed address without a pod ends at a blackhole. An anycast address may be elsewhere too.
   */
  #endsAtPod({ prefix, origin }: RouteIntent): boolean {
    const { kernel, wanted } = this.#routes
    const endsHere = origin === 'pod' ? kernel.leadsToPod(prefix) : kernel.endsAt(prefix)
    if (endsHere || origin === 'pod') wanted.dropBlackhole(prefix)
    else wanted.holdBlackhole(prefix)
    return endsHere
  }
}

const restsOnKernel = ({ origin }: RouteIntent): boolean => origin === 'pod-cidr' || origin === 'pod'

/**
 * Whether it is the route of a single pod, by a BGPAdvertisement or because Calico's IPAM gave it an address of another node's
 * block. Objects know the address before the pod is there and after it has gone: without a route to it, packets would go back
 * to the owner of the block, which sends them here, by what it learned or by the objects (`nodeRoutes: Direct`).
 */
export const isOfOnePod = ({ origin, prefix }: RouteIntent): boolean =>
  origin === 'pod' || (origin === 'pod-cidr' && isHostPrefix(prefix))
