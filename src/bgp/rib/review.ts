/**
 * Results that must be computed again. Three results are kept for a route: whether it may be used and with which
 * attributes (import), which path is the best (decision), and what is advertised to each group (export). Each depends
 * on more than the route: on its neighbor's configuration, its next hop, and settings. Code that changes one of these
 * notes here which results depend on it; one sweep over all paths then computes them again. A change that concerns the
 * paths of one prefix (reviewer.ts) or the stale paths of one neighbor (stale-routes.ts) asks for them directly.
 */
import type { PrefixSet } from '../policy/prefix-set.ts'
import type { Sweep } from './sweep.ts'

/** Bits for the results to compute again. A changed import result leads to decision, a changed best path to export. */
export const ASK = { import: 1, decision: 2, export: 4 } as const

export class Review {
  readonly sweep: Sweep
  #ofAll = 0
  readonly #ofPeer = new Map<number, number>()
  readonly #ofNextHop = new Map<number, number>()
  /** Paths to prefixes inside these sets. */
  readonly ranges: { readonly set: PrefixSet; readonly asks: number }[] = []

  constructor(sweep: Sweep) {
    this.sweep = sweep
  }

  noteAll(asks: number): void {
    this.#ofAll |= asks
  }

  noteRanges(sets: readonly PrefixSet[], asks: number): void {
    this.ranges.push(...sets.filter(({ size }) => size > 0).map((set) => ({ set, asks })))
  }

  /** All paths of a neighbor. */
  notePeer(index: number, asks: number): void {
    this.#ofPeer.set(index, (this.#ofPeer.get(index) ?? 0) | asks)
  }

  /** All paths with this next hop. */
  noteNextHop(id: number, asks: number): void {
    this.#ofNextHop.set(id, (this.#ofNextHop.get(id) ?? 0) | asks)
  }

  asks(peer: number, nextHop: number): number {
    return this.#ofAll | (this.#ofPeer.get(peer) ?? 0) | (this.#ofNextHop.get(nextHop) ?? 0)
  }
}
