/**
 * The connections of one neighbor, the one that we dial and a few that the neighbor opened, and the choice between them (RFC
 * 4271 §6.8). Our own goes to Idle when another is about to become the session, and back to Active when that one has ended.
 */
import type { Millis } from '../../base/units.ts'
import { type MessageError, messageError } from '../wire/error.ts'
import { CEASE } from '../wire/notification.ts'
import { resolveCollision, type Speaker } from './collision.ts'
import { Connection, type Shared } from './connection.ts'
import type { EndReason } from './end-reason.ts'
import { hasTcpConnection, SESSION_STATES } from './fsm.ts'
import { COLLISION_WINDOW } from './restart.ts'
import type { ConnId, PeerConfig, PeerEvent, Session } from './types.ts'

/** Connections of the neighbor that may wait for its OPEN at a time; one more ends the oldest. */
const MOST_AWAITING_OPEN = 3

const COLLISION = messageError(CEASE.code, CEASE.collision, 'Connection collision')
const REPLACED: EndReason = { class: 'Socket', text: 'the neighbor opened a new connection: it has lost this one' }
const CONFIG_CHANGE = messageError(CEASE.code, CEASE.configChange, 'Configuration changed')
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
      replacesLost: hasLostCurrent(arrived, session, current, since),
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

  /** Ends all: with NOTIFICATION `error`, where an OPEN was sent. */
  endAll(name: 'ManualStop' | 'AutomaticStop', error: MessageError, text: string): void {
    for (const connection of this.all()) connection.step({ name, error }, { class: 'Error', text })
  }

  /** RFC 4724 §4: closes all without a NOTIFICATION: one would make the neighbor remove our routes. */
  vanish(text: string): void {
    for (const connection of this.all()) {
      if (hasTcpConnection(connection.state)) connection.step({ name: 'TcpConnectionFails' }, { class: 'Error', text })
    }
  }

  /**
   * RFC 4486 §4: ends all with Other Configuration Change. `keepsRoutes`: the session is closed without a NOTIFICATION, which
   * would remove the routes of both sides (RFC 4724 §4).
   */
  reset(text: string, keepsRoutes: boolean): void {
    for (const connection of this.all()) {
      if (keepsRoutes && connection.state === 'Established') {
        connection.step({ name: 'TcpConnectionFails' }, { class: 'Error', text })
      } else connection.step({ name: 'AutomaticStop', error: CONFIG_CHANGE }, { class: 'Error', text })
    }
  }

  /** The session outlives a change, or its routes do: connections that may become the next session begin anew. */
  resetAttempts(text: string): void {
    for (const connection of this.all()) {
      if (connection.state === 'Established') continue
      connection.step({ name: 'AutomaticStop', error: CONFIG_CHANGE }, { class: 'Error', text })
    }
  }

  /** What made dials fail is over: the next one comes after `dialDelay` alone. */
  redial(): void {
    const { config, backoff, isDialled } = this.#shared
    backoff.reset()
    if (this.own.state === 'Active' && isDialled()) this.own.waitToDial(config.dialDelay)
  }

  /** Where and when we dial has changed. */
  resetDialling(): void {
    if (this.own.isUnconnected) this.own.step({ name: 'AutomaticStop', error: CONFIG_CHANGE })
  }

  /** The session that we dialled runs from another local address than the one configured now. */
  isOwnElsewhere({ localAddress, localMayYield = false }: PeerConfig): boolean {
    const { session } = this.own
    if (session === undefined || localAddress === undefined || localMayYield) return false
    return session.local.address !== localAddress
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

/**
 * Whether a further connection means that the neighbor has lost the session `current`, which is up since `since`; otherwise
 * both dialled at the same time.
 */
function hasLostCurrent(
  { dialled, begunAt }: Connection,
  { restart, local }: Session,
  current: Session | undefined,
  since: Millis,
): boolean {
  const before = current?.restart
  if (before === undefined || dialled || begunAt < since) return false
  // A neighbor that has restarted sets the Restart State bit in every OPEN. If the current session's OPEN had it too, both
  // connections stem from one restart.
  const isNewRestart = restart?.restarted === true && !before.restarted
  // One that calls another address of ours has two neighbors configured that are this node, such as a VIP that has moved
  // here: each of its calls would end the session of the other.
  const isSame = current?.local.address === local.address
  return isNewRestart || (isSame && begunAt - since >= COLLISION_WINDOW)
}
