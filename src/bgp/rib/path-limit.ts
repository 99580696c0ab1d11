/**
 * Routes of a neighbor that were rejected: paths to a prefix beyond the limit for one neighbor (RFC 7911 leaves the limit
 * to us), and routes for which there was no memory. They are not kept; when there is room again, a route refresh
 * is requested from the neighbor. Neighbors are identified by their numbers.
 */
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'

/** The shortest time between two requests to a neighbor: it answers with all of its routes. */
const PAUSE: Millis = 60_000

export class PathLimit {
  /** By neighbor: the prefixes with as many paths as are accepted. There are few. */
  readonly #full = new Map<number, Set<number>>()
  readonly #short = new Set<number>()
  /** Neighbors for which there is room again: a refresh would bring what was rejected. */
  readonly #room = new Set<number>()
  readonly #askedAt = new Map<number, Millis>()

  /** A path was rejected. True: it is the first of this neighbor. */
  reject(peer: number, prefix: number): boolean {
    const full = this.#full.get(peer)
    if (full === undefined) this.#full.set(peer, new Set([prefix]))
    else full.add(prefix)
    return full === undefined
  }

  /** A path of a neighbor is gone. */
  pathGone(peer: number, prefix: number): void {
    if (this.#full.size > 0 && this.#full.get(peer)?.delete(prefix) === true) this.#room.add(peer)
  }

  /** A route was rejected for lack of memory. */
  rejectForMemory(peer: number): void {
    this.#short.add(peer)
  }

  /** Memory was freed: neighbors with rejected routes for which `hasRoom` is true will be asked for a refresh. */
  memoryFreed(hasRoom: (peer: number) => boolean): void {
    for (const peer of this.#short) {
      if (!hasRoom(peer)) continue
      this.#short.delete(peer)
      this.#room.add(peer)
    }
  }

  get isShort(): boolean {
    return this.#short.size > 0
  }

  /** The session of the neighbor is down, or the neighbor was removed. */
  forget(peer: number): void {
    this.#short.delete(peer)
    this.#full.delete(peer)
    this.#room.delete(peer)
    this.#askedAt.delete(peer)
  }

  /** When a neighbor is to be asked for a refresh. */
  deadline(): Millis | undefined {
    let first: Millis | undefined
    for (const peer of this.#room) first = earlier(first, this.#mayAskAt(peer))
    return first
  }

  /** The neighbors to be asked now. */
  takeDue(now: Millis): number[] {
    const due = [...this.#room].filter((peer) => this.#mayAskAt(peer) <= now)
    for (const peer of due) {
      this.#room.delete(peer)
      this.#askedAt.set(peer, now)
    }
    return due
  }

  #mayAskAt(peer: number): Millis {
    const asked = this.#askedAt.get(peer)
    return asked === undefined ? 0 : asked + PAUSE
  }
}
