/**
 * The connections of one neighbor, the one that we dial and a few that the neighbor opened, and the choice between them (RFC
 * 4271 §6.8). Our own goes to Idle when another is about to become the session, and back to Active when that one has ended.
 */
import type { Millis } from '../../base/units.ts'
import { messageError } from '../wire/error.ts'
import { CEASE } from '../wire/notification.ts'
import { resolveCollision, type Speaker } from './collision.ts'
import { Connection, type EndReason, type Shared } from './connection.ts'
import { SESSION_STATES } from './fsm.ts'
import { COLLISION_WINDOW } from './restart.ts'
import type { ConnId, PeerEvent, Session } from './types.ts'

/** Connections of the neighbor that may wait for its OPEN at a time; one more ends the oldest. */
const MOST_AWAITING_OPEN = 3

const COLLISION = messageError(CEASE.code, CEASE.collision, 'Connection collision')
const REPLACED: EndReason = { class: 'Socket', text: 'the neighbor opened a new connection: it has lost this one' }
const REJECTED = messageError(CEASE.code, CEASE.rejected, 'Connection rejected')

type Connected = Extract<PeerEvent, { readonly kind: 'connected' }>

export class PeerConnections {
  /** The one that we dial. */
  readonly own: Connection
  readonly #shared: Shared
  /** Connections that the neighbor opened, the oldest first. */
  #incoming: Connection[] = []

  constructor(shared: Shared) {
    this.#shared = shared
    this.own = new Connection(shared, true, 'Idle')
  }

  all(): readonly Connection[] {
    return [this.own, ...this.#incoming]
  }

  find(conn: ConnId): Connection | undefined {
    return this.all().find((connection) => connection.conn === conn)
  }

  /** The connection in the furthest state; of several in the same state the one that we dialled. */
  furthest(): Connection {
    return this.#incoming.reduce((best, next) => (rank(next) > rank(best) ? next : best), this.own)
  }

  forgetClosed(): void {
    this.#incoming = this.#incoming.filter(({ conn }) => conn !== undefined)
  }

  /** `isStarted`: the neighbor is not stopped. */
  connected(event: Connected, isStarted: boolean): void {
    if (event.dialled) this.#dialled(event)
    else this.#accepted(event, isStarted)
  }

  #dialled({ conn, local, remote }: Connected): void {
    if (this.own.conn === conn && this.own.state === 'Connect') this.own.connected(local, remote)
    // It was closed in the meantime.
    else this.#shared.actions.push({ kind: 'close', conn })
  }

  #accepted({ conn, local, remote }: Connected, isStarted: boolean): void {
    const connection = new Connection(this.#shared, false, 'Active', conn)
    // RFC 4271 §8.2.2, Idle: connections are refused; RFC 4486 §4: Connection Rejected.
    if (!isStarted) {
      connection.sendNotification(REJECTED)
      this.#shared.actions.push({ kind: 'close', conn })
      return
    }
    const awaiting = this.#incoming.filter(({ state }) => state === 'OpenSent')
    if (awaiting.length >= MOST_AWAITING_OPEN) awaiting[0]?.step({ name: 'OpenCollisionDump', error: COLLISION })
    this.#incoming.push(connection)
    connection.connected(local, remote)
  }

  /**
   * RFC 4271 §6.8: the connection whose OPEN has come against all others. `current`: the Established session, and since when
   * the neighbor is in its state.
   */
  opened(arrived: Connection, session: Session, current: Session | undefined, since: Millis): void {
    const ours: Speaker = { routerId: session.localRouterId, as: session.localAs }
    const theirs: Speaker = { routerId: session.remoteRouterId, as: session.remoteAs }
    const others = this.all().filter((other) => other !== arrived)
    const contender = {
      state: arrived.state,
      dialled: arrived.dialled,
      isRestart: isRestart(arrived, session, current, since),
    }
    const rivals = others.map((other) => ({ other, verdict: resolveCollision(contender, other, ours, theirs) }))
    if (rivals.some(({ verdict }) => verdict === 'other')) {
      arrived.step({ name: 'OpenCollisionDump', error: COLLISION })
      return
    }
    // RFC 4724 §5: the one before is closed without a word, and its routes are kept.
    for (const { other } of rivals) {
      if (other.state === 'Established') other.step({ name: 'TcpConnectionFails' }, REPLACED)
    }
    arrived.agree(session)
    for (const { other, verdict } of rivals) {
      if (verdict === 'arrived') other.step({ name: 'OpenCollisionDump', error: COLLISION })
    }
  }

  /** A connection of the neighbor is, or is about to be, the session. */
  get isSessionIncoming(): boolean {
    return this.#incoming.some(({ hasBothOpens: agreed }) => agreed)
  }

  /** Dials unless a connection that the neighbor opened is, or is about to be, the session. */
  settleDialling(isStarted: boolean): void {
    const isIncoming = this.isSessionIncoming
    if (isIncoming && this.own.isUnconnected) this.own.step({ name: 'OpenCollisionDump', error: COLLISION })
    if (!isIncoming && isStarted && this.own.state === 'Idle') {
      this.own.step({ name: 'AutomaticStart_with_PassiveTcpEstablishment' })
    }
  }
}

const rank = (connection: Connection): number => SESSION_STATES.indexOf(connection.state)

/** Whether a further connection means that the neighbor has lost the session; otherwise both dialled at the same time. */
function isRestart(
  { dialled, begunAt }: Connection,
  { restart, local }: Session,
  current: Session | undefined,
  since: Millis,
): boolean {
  const before = current?.restart
  if (before === undefined || dialled || begunAt < since) return false
  // A restarted neighbor sets the Restart State bit in every OPEN. If the current session's OPEN had it too, both
  // connections stem from one restart.
  const isNewRestart = restart?.restarted === true && !before.restarted
  // One that calls another address of ours has two neighbors configured that are this node, such as a VIP that has moved
  // here: each of its calls would end the session of the other.
  const isSame = current?.local.address === local.address
  return isNewRestart || (isSame && begunAt - since >= COLLISION_WINDOW)
}
