/** Route refresh (RFC 2918, RFC 7313): what neighbors ask for, and what is advertised again without a request. */
import type { Millis } from '../base/units.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { PeerAction } from '../bgp/session/types.ts'
import { REFRESH } from '../bgp/wire/route-refresh.ts'
import { ignoredLine } from './log-line.ts'
import type { Neighbor } from './neighbors.ts'
import type { Outbox } from './outbox.ts'

type Refresh = Extract<PeerAction, { kind: 'refresh' }>

export class RouteRefresh {
  readonly #rib: Rib
  readonly #out: Outbox

  constructor(rib: Rib, out: Outbox) {
    this.#rib = rib
    this.#out = out
  }

  /** Carries out a ROUTE-REFRESH message that arrived: a request, or the beginning or end of a refresh that we asked for. */
  receive(neighbor: Neighbor, { family, subtype }: Refresh, now: Millis): void {
    const { session } = neighbor.peer
    // An earlier UPDATE in the same bytes may have ended the session.
    if (session === undefined) return
    const { name } = neighbor
    if (subtype === REFRESH.request) this.#rib.refreshOut(name, family, session.enhancedRefresh)
    else if (subtype === REFRESH.end) this.#rib.endRefresh(name, family)
    // RFC 7313 §4: for a neighbor that announced graceful restart, not before its first feed is complete.
    else if (session.restart !== undefined && !this.#rib.counts(name, family).endOfRibReceived) {
      this.#out.log(ignoredLine(name, `the beginning of its ${family} refresh, because its End-of-RIB has not arrived`))
    } else this.#rib.beginRefresh(name, family, now)
  }

  /** Advertises everything to a neighbor again without a request of it. */
  advertiseAgain({ name, peer }: Neighbor): void {
    const { session } = peer
    // RFC 7313 §4: BoRR and EoRR mark this refresh too.
    for (const family of session?.families ?? []) this.#rib.refreshOut(name, family, session?.enhancedRefresh === true)
  }
}
