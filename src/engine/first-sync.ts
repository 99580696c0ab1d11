/**
 * Decides when every neighbor has sent all its routes: after a start, and where direct routes are handed over to neighbors.
 * Only then is a kernel route of a previous run, which no neighbor has advertised again, known to be stale.
 *
 * End-of-RIB marks the end (RFC 4724 §2). Routers to which graceful restart is not offered need not send it, and some
 * do not: for them the first pause after their routes counts as the end. The pause is longer than routers hold back
 * UPDATEs in order to pack them.
 */

import type { Family } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { FamilyCounts } from '../bgp/rib/types.ts'
import type { Session } from '../bgp/session/types.ts'
import { QuietWatch } from './quiet-watch.ts'

/** How often neighbors are checked. */
const LOOK: Millis = 1_000
/** The pause after routes that counts as their end. FRR waits up to 10 s for more routes before it sends the first. */
const PAUSE: Millis = 15_000
/** A neighbor that is Established and has sent no route for this long counts as one without routes. */
const SILENCE: Millis = 30_000
/** The longest wait for neighbors that are not Established. */
const ABSENT: Millis = 30_000
/** The longest wait for all neighbors. */
const ANYWAY: Millis = 120_000

/** The values that are read from neighbors and from the RIB. */
export interface Syncing {
  neighbors(): readonly SyncingNeighbor[]
  counts(name: string, family: Family): RouteCounts
  /** No neighbor is held only because something has not been read yet. */
  areKeysRead(): boolean
}

export interface SyncingNeighbor {
  readonly name: string
  /** It is disabled or held, or this node has left. */
  readonly isStopped: boolean
  readonly session: Pick<Session, 'conn' | 'families' | 'restart'> | undefined
}

type RouteCounts = Pick<FamilyCounts, 'importUpdates' | 'importWithdraws' | 'endOfRibReceived'>

export class FirstSync {
  readonly #rooms: Syncing
  readonly #startedAt: Millis
  readonly #quiet = new QuietWatch()
  #lookAt: Millis

  /** `now`: from here on neighbors are dialled, or the routes that are handed over are asked of them. */
  constructor(rooms: Syncing, now: Millis) {
    this.#rooms = rooms
    this.#startedAt = now
    this.#lookAt = now
  }

  /** When to check again. */
  get deadline(): Millis {
    return this.#lookAt
  }

  /** False before `deadline`: each check visits every neighbor. */
  isOver(now: Millis): boolean {
    if (now < this.#lookAt) return false
    this.#lookAt = now + LOOK
    const isLate = now >= this.#startedAt + ANYWAY
    // All are checked, so that each pause is measured from its beginning.
    const waiting = this.#rooms.neighbors().filter((neighbor) => !this.#hasSentAll(neighbor, now))
    return isLate || (waiting.length === 0 && this.#rooms.areKeysRead())
  }

  #hasSentAll({ name, session, isStopped }: SyncingNeighbor, now: Millis): boolean {
    if (session === undefined) {
      this.#quiet.forget(name)
      return isStopped || now >= this.#startedAt + ABSENT
    }
    const counts = session.families.map((family) => this.#rooms.counts(name, family))
    const received = counts.reduce((sum, { importUpdates, importWithdraws }) => {
      return sum + importUpdates.received + importWithdraws.received
    }, 0)
    const since = this.#quiet.since(name, session.conn, received, now)
    if (counts.every(({ endOfRibReceived }) => endOfRibReceived)) return true
    // RFC 4724 §4.1: one that has restarted advertises nothing before it has gathered its own routes; silence is not
    // its End-of-RIB.
    if (session.restart?.restarted === true && received === 0) return false
    return now - since >= (received === 0 ? SILENCE : PAUSE)
  }
}
