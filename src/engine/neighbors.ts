/**
 * The neighbors, and the connections of each.
 * Owns the Peer state machines; `sessions.ts` carries out their actions.
 */
import type { Address } from '../base/address.ts'
import { Deadlines } from '../base/deadlines.ts'
import type { Family } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { Policy } from '../bgp/policy/rule.ts'
import type { Peer } from '../bgp/session/peer.ts'
import type { ConnId } from '../bgp/session/types.ts'
import { type PeerIntent, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import { WITHDRAWN, whileDrained } from './drain.ts'
import type { Stage } from './leaving-stage.ts'
import { type LeftFamilies, withoutLeft } from './left-families.ts'
import type { NextHopChoice } from './next-hops.ts'

/** Held because of its objects; false while only its router is still to be found, since it may send routes soon. */
const isHeldByObjects = ({ held, address, interface: link, gateway }: PeerIntent): boolean =>
  held !== undefined && (address !== UNKNOWN_ADDRESS || (link === undefined && gateway === undefined))

export interface Neighbor {
  /** Objects may give it another one. */
  name: string
  readonly peer: Peer
  /** The intent of the neighbor; while its routes are kept with its last good filters, the intent with those. */
  intent: PeerIntent
  /** Reason given by the command that disabled it. */
  disabled: string | undefined
  nextHops: NextHopChoice | undefined
  /** The interface that it was on last: link-local next hops of its routes are there, also of kept ones. */
  interface: string | undefined
  /** `sourceInterface` names that interface: next hops in its networks are reached over no other one. */
  isBound: boolean
  /** Why it is drained for maintenance; undefined: it is not. */
  drained: string | undefined
  /** The stage of leaving of this node. */
  leaving: Stage
  /** The families that its session leaves to another one with the same router. */
  leftFamilies: LeftFamilies
  /** The network has taken all that we sent: more UPDATEs may follow. */
  writable: boolean
  /** Kinds of UPDATE problems already reported in this session. */
  readonly warned: Set<string>
}

/** It is not dialled: it is disabled by command, held down by objects, or this node has left. */
export const isStopped = ({ disabled, leaving, intent }: Pick<Neighbor, 'disabled' | 'leaving' | 'intent'>): boolean =>
  disabled !== undefined || leaving === 'gone' || isHeldByObjects(intent)

/** Each may be a session that ends. */
const MOST_DUE = 64

export class Neighbors {
  readonly #byName = new Map<string, Neighbor>()
  #all: readonly Neighbor[] | undefined
  readonly #connections = new Map<ConnId, Neighbor>()
  readonly #keepalives = new Deadlines<Neighbor>()
  /** The earliest of all timers. */
  readonly #deadlines = new Deadlines<Neighbor>()
  #nextConn: ConnId = 2

  /** Ids of connections we dial are even. */
  readonly nextConn = (): ConnId => {
    const conn = this.#nextConn
    this.#nextConn += 2
    return conn
  }

  get size(): number {
    return this.#byName.size
  }

  /** Connections whose end is still awaited. */
  get connections(): number {
    return this.#connections.size
  }

  /** Sorted by name; the same list until a neighbor is added or removed. */
  all(): readonly Neighbor[] {
    this.#all ??= [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return this.#all
  }

  values(): IterableIterator<Neighbor> {
    return this.#byName.values()
  }

  get(name: string): Neighbor | undefined {
    return this.#byName.get(name)
  }

  add(neighbor: Neighbor): void {
    this.#byName.set(neighbor.name, neighbor)
    this.#all = undefined
  }

  rename(neighbor: Neighbor, name: string): void {
    this.#byName.delete(neighbor.name)
    neighbor.name = name
    this.#byName.set(name, neighbor)
    this.#all = undefined
  }

  remove(name: string): void {
    const neighbor = this.#byName.get(name)
    if (neighbor !== undefined) {
      this.#keepalives.set(neighbor, undefined)
      this.#deadlines.set(neighbor, undefined)
    }
    this.#byName.delete(name)
    this.#all = undefined
  }

  /**
   * The neighbor that connects from this address. Where one router has several configured ports, it is the one without
   * a session, because a connection does not show the configured port. One that is held comes last, unless its port is another.
   */
  calledBy(address: Address): Neighbor | undefined {
    let inSession: Neighbor | undefined
    let held: Neighbor | undefined
    for (const neighbor of this.#byName.values()) {
      if (neighbor.intent.address !== address) continue
      if (neighbor.peer.session !== undefined) inSession ??= neighbor
      else if (neighbor.intent.held !== undefined) held ??= neighbor
      else return neighbor
    }
    const isOfAnotherPort = inSession !== undefined && held !== undefined && held.intent.port !== inSession.intent.port
    return isOfAnotherPort ? held : (inSession ?? held)
  }

  connect(conn: ConnId, neighbor: Neighbor): void {
    this.#connections.set(conn, neighbor)
  }

  /** The neighbor of a connection. */
  connectedBy(conn: ConnId): Neighbor | undefined {
    return this.#connections.get(conn)
  }

  hasConnection(neighbor: Neighbor): boolean {
    for (const connected of this.#connections.values()) if (connected === neighbor) return true
    return false
  }

  disconnect(conn: ConnId): void {
    this.#connections.delete(conn)
  }

  /** After every event: its timers may have moved. */
  noteDeadline(neighbor: Neighbor): void {
    if (this.#byName.get(neighbor.name) !== neighbor) return
    this.#keepalives.set(neighbor, neighbor.peer.keepaliveAt())
    this.#deadlines.set(neighbor, neighbor.peer.deadline())
  }

  /** Neighbors to which a KEEPALIVE is due, earliest first. */
  takeKeepalives(now: Millis): Neighbor[] {
    return this.#keepalives.take(now)
  }

  /**
   * Neighbors whose timers had expired at `until`, earliest first, except where unread bytes may show that the neighbor
   * is alive. A turn takes `MOST_DUE` of them; `deadline` answers *now* while there are more.
   */
  takeDue(until: Millis, unread: readonly ConnId[]): Neighbor[] {
    const due = this.#deadlines.take(until, MOST_DUE + unread.length)
    if (due.length === 0 || unread.length === 0) return due
    const unheard = new Set(unread.map((conn) => this.#connections.get(conn)))
    for (const neighbor of due) if (unheard.has(neighbor)) this.noteDeadline(neighbor)
    return due.filter((neighbor) => !unheard.has(neighbor))
  }

  deadline(): Millis | undefined {
    return this.#deadlines.first()
  }
}

/** Why nothing of this family is advertised to a neighbor. */
export const heldFamily = (neighbor: Neighbor, family: Family): string | undefined => neighbor.nextHops?.held[family]

/** Why it is asked to prefer other paths; undefined: it is not. */
export function whyDrained({ drained, intent, leaving }: Neighbor): string | undefined {
  if (leaving !== 'here') return 'this node is leaving'
  if (drained !== undefined) return drained === '' ? 'by hand' : `by hand: ${drained}`
  return intent.drain ? `BGPPeer/${intent.object} sets drain` : undefined
}

/** What decides on its routes now. */
export function policyOf(neighbor: Neighbor, direction: 'import' | 'export'): Policy {
  const { intent, leftFamilies, leaving } = neighbor
  if ((leaving === 'withdrawn' || leaving === 'gone') && direction === 'export') return WITHDRAWN
  const policy = withoutLeft(
    direction === 'import' ? intent.importPolicy : intent.exportPolicy,
    leftFamilies,
    direction,
  )
  return whyDrained(neighbor) === undefined ? policy : whileDrained(policy, direction)
}
