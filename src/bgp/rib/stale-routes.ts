/**
 * Routes that a neighbor may have dropped without telling: those that it does not announce again after a restart (RFC 4724),
 * or between BoRR and EoRR of a route refresh (RFC 7313). They are kept until it has sent its table or its time has run out,
 * and then removed; long-lived stale ones (RFC 9494) are kept longer, as the last choice.
 */
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'
import { type AttributeTable, CARRIES } from '../route/attribute-table.ts'
import type { AdjIn } from './adj-in.ts'
import type { ImportState } from './import-state.ts'
import type { NeighborPaths } from './neighbor-paths.ts'
import type { PeerSlot } from './peers.ts'
import { ASK } from './review.ts'
import type { Reviewer } from './reviewer.ts'
import { Sweep } from './sweep.ts'
import type { Sweeps } from './sweeps.ts'

/** How long after BoRR routes are kept that were not announced again. */
const STALE_TIME: Millis = 600_000

export class StaleRoutes {
  readonly #paths: AdjIn
  readonly #attributes: AttributeTable
  readonly #neighbors: NeighborPaths
  readonly #reviewer: Reviewer
  readonly #sweeps: Sweeps
  /** Neighbors between BoRR and EoRR, and until when that may last. */
  readonly #refreshing = new Map<PeerSlot, Millis>()
  /** Neighbors that have sent End-of-RIB since that was asked last. */
  readonly #ended = new Set<PeerSlot>()
  /** Neighbors whose stale routes are still being removed. */
  readonly #purges = new Map<PeerSlot, Sweep>()
  /** Neighbors whose stale routes are still being made the last choice. */
  readonly #demotions = new Map<PeerSlot, Sweep>()

  constructor(paths: AdjIn, attributes: AttributeTable, neighbors: NeighborPaths, reviewer: Reviewer, sweeps: Sweeps) {
    this.#paths = paths
    this.#attributes = attributes
    this.#neighbors = neighbors
    this.#reviewer = reviewer
    this.#sweeps = sweeps
  }

  /** BoRR (RFC 7313 §4): routes that the neighbor does not announce again from here on are stale. */
  beginRefresh(slot: PeerSlot, now: Millis): void {
    const state = this.#neighbors.importStateOf(slot)
    if (state === undefined) return
    state.generations.beginRefresh()
    makeOld(state, 0)
    if (!this.#refreshing.has(slot)) this.#refreshing.set(slot, now + STALE_TIME)
  }

  /** EoRR: stale routes are removed. Without a BoRR before it there are none. */
  endRefresh(slot: PeerSlot): void {
    if (this.#refreshing.delete(slot)) this.endCycle(slot)
  }

  /** RFC 7313 §4: stale routes are not kept for ever. Gives the neighbors whose EoRR has not come. */
  endLateRefreshes(now: Millis): PeerSlot[] {
    const late = [...this.#refreshing].filter(([, until]) => until <= now).map(([slot]) => slot)
    for (const slot of late) this.endRefresh(slot)
    return late
  }

  /** When the next refresh has lasted too long. */
  deadline(): Millis | undefined {
    let first: Millis | undefined
    for (const until of this.#refreshing.values()) first = earlier(first, until)
    return first
  }

  /** The neighbor's End-of-RIB (RFC 4724 §4.2): routes that it did not announce again are removed. */
  endOfRib(slot: PeerSlot): void {
    const state = this.#neighbors.importStateOf(slot)
    if (state === undefined) return
    state.endOfRib = true
    this.#ended.add(slot)
    if (state.generations.freshness !== 'refreshing') this.endCycle(slot)
  }

  /** The neighbors that have sent End-of-RIB since this was asked last. */
  takeEnded(): readonly PeerSlot[] {
    const ended = [...this.#ended]
    this.#ended.clear()
    return ended
  }

  /** The session is lost: all routes are stale, and are removed unless they are kept. `limit`: how many there might be. */
  lose(slot: PeerSlot, keep: boolean, limit = Number.POSITIVE_INFINITY): void {
    this.#refreshing.delete(slot)
    const state = this.#neighbors.importStateOf(slot)
    if (state === undefined) return
    const isPurgeDue = state.generations.lose()
    makeOld(state, limit)
    if (!keep) this.endCycle(slot)
    else if (isPurgeDue) this.#purge(slot, state)
  }

  /** RFC 9494 §4.2, §4.3: stale routes become the last choice; those with NO_LLGR are removed. */
  beginLongLived(slot: PeerSlot): void {
    const state = this.#neighbors.importStateOf(slot)
    if (state?.generations.beginLongLived() !== true) return
    const paths = this.#paths
    const visit = (path: number): boolean => {
      if (paths.prefix[path] === 0 || paths.peer[path] !== slot.index) return false
      if (!state.generations.isLongLived(paths.generationOf(path))) return false
      const flags = this.#attributes.flags[paths.received[path] as number] as number
      if ((flags & CARRIES.noLongLived) !== 0) this.#neighbors.remove(path, this.#neighbors.importStateOf(slot))
      else this.#reviewer.askAgain(path, ASK.import)
      return true
    }
    this.#walk(this.#demotions, slot, visit)
  }

  /** Removes the routes that are still stale when a refresh or a restart has ended, or its time has run out. */
  endCycle(slot: PeerSlot): void {
    const state = this.#neighbors.importStateOf(slot)
    if (state?.generations.endCycle()) this.#purge(slot, state)
  }

  /** The neighbor is removed. Its number may be used again before a walk for it would begin, so none is left. */
  forget(slot: PeerSlot): void {
    this.#refreshing.delete(slot)
    for (const walks of [this.#purges, this.#demotions]) {
      walks.get(slot)?.cancel()
      walks.delete(slot)
    }
  }

  /** Removes the paths of a neighbor below its lowest valid generation. */
  #purge(slot: PeerSlot, { generations }: ImportState): void {
    const paths = this.#paths
    const visit = (path: number): boolean => {
      if (paths.prefix[path] === 0 || paths.peer[path] !== slot.index) return false
      if (paths.generationOf(path) >= generations.lowestValid) return false
      this.#neighbors.remove(path, this.#neighbors.importStateOf(slot))
      return true
    }
    this.#walk(this.#purges, slot, visit)
  }

  /** Visits all paths. What an earlier walk of this kind has not reached, this one reaches: so many cost one walk. */
  #walk(walks: Map<PeerSlot, Sweep>, slot: PeerSlot, visit: (path: number) => boolean): void {
    walks.get(slot)?.cancel()
    const sweep = new Sweep(
      () => this.#paths.end,
      visit,
      () => walks.delete(slot),
    )
    walks.set(slot, sweep)
    this.#sweeps.add(sweep)
  }
}

/** All paths are old now. Where some were already, the wider limit that these were taken under is still in force. */
function makeOld(state: ImportState, limit: number): void {
  state.oldLimit = state.old > 0 ? Math.max(limit, state.oldLimit) : limit
  state.old = state.total
}
