/**
 * Routes of neighbors that were rejected: paths to a prefix beyond the limit for one neighbor, and routes for which there
 * was no memory. They are not kept; when there is room again, a route refresh is requested from the neighbor. Neighbors are
 * identified by their numbers.
 */
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'

/** The most paths to one prefix that are accepted from one neighbor (RFC 7911 leaves the number to us). */
export const MOST_TAKEN = 64
/** The shortest time between two requests to a neighbor: it answers with all of its routes. */
const PAUSE: Millis = 60_000

export class RejectedRoutes {
  /** By neighbor: full prefixes of which further paths were rejected. There are few. */
  readonly #fullPrefixes = new Map<number, Set<number>>()
  /** Neighbors with routes that were rejected for lack of memory. */
  readonly #awaitMemory = new Set<number>()
  /** Neighbors for which there is room again: a refresh would bring what was rejected. */
  readonly #toAsk = new Set<number>()
  readonly #askedAt = new Map<number, Millis>()

  /** A path was rejected. True: no prefix of this neighbor was full until now. */
  rejectPath(peer: number, prefix: number): boolean {
    const prefixes = this.#fullPrefixes.get(peer)
    if (prefixes === undefined) this.#fullPrefixes.set(peer, new Set([prefix]))
    else prefixes.add(prefix)
    return prefixes === undefined
  }

  /** A path of a neighbor is gone. */
  pathGone(peer: number, prefix: number): void {
    if (this.#fullPrefixes.size === 0) return
    const prefixes = this.#fullPrefixes.get(peer)
    if (prefixes?.delete(prefix) !== true) return
    if (prefixes.size === 0) this.#fullPrefixes.delete(peer)
    this.#toAsk.add(peer)
  }

  /** A route was rejected for lack of memory. */
  rejectForMemory(peer: number): void {
    this.#awaitMemory.add(peer)
  }

  /** Memory was freed: neighbors with rejected routes for which `hasRoom` is true will be asked for a refresh. */
  retry(hasRoom: (peer: number) => boolean): void {
    for (const peer of this.#awaitMemory) {
      if (!hasRoom(peer)) continue
      this.#awaitMemory.delete(peer)
      this.#toAsk.add(peer)
    }
  }

  get awaitsMemory(): boolean {
    return this.#awaitMemory.size > 0
  }

  /** The session of the neighbor is down, or the neighbor was removed. */
  forget(peer: number): void {
    this.#awaitMemory.delete(peer)
    this.#fullPrefixes.delete(peer)
    this.#toAsk.delete(peer)
    this.#askedAt.delete(peer)
  }

  /** When a neighbor is to be asked for a refresh. */
  deadline(): Millis | undefined {
    let first: Millis | undefined
    for (const peer of this.#toAsk) first = earlier(first, this.#mayAskAt(peer))
    return first
  }

  /** The neighbors to be asked now. */
  takeDue(now: Millis): number[] {
    const due = [...this.#toAsk].filter((peer) => this.#mayAskAt(peer) <= now)
    for (const peer of due) {
      this.#toAsk.delete(peer)
      this.#askedAt.set(peer, now)
    }
    return due
  }

  #mayAskAt(peer: number): Millis {
    const asked = this.#askedAt.get(peer)
    return asked === undefined ? 0 : asked + PAUSE
  }
}
