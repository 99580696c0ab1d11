/**
 * One TCP connection to the neighbor: its machine (`fsm.ts`), its timers and what both OPENs contained.
 * In: bytes, the end of the connection, time. Out: actions, put into what all connections of the neighbor share;
 * `connections.ts` chooses between them, and `peer.ts` learns of every step.
 */
import type { Chance } from '../../base/chance.ts'
import type { Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { MessageError } from '../wire/error.ts'
import { Framer } from '../wire/framer.ts'
import type { MessageFrame } from '../wire/header.ts'
import { KEEPALIVE } from '../wire/keepalive.ts'
import { MESSAGE_TYPE, type MessageType, type Open } from '../wire/message.ts'
import {
  CEASE,
  decodeNotification,
  describeNotification,
  ERROR,
  encodeNotification,
  OPEN_ERROR,
} from '../wire/notification.ts'
import { decodeOpen, encodeOpen } from '../wire/open.ts'
import { encodeRouteRefresh, REFRESH } from '../wire/route-refresh.ts'
import type { Backoff } from './backoff.ts'
import { ConnectionTimers, type TimerName } from './connection-timers.ts'
import { calledFrom, type EndReason, endReasonOf, whyUnanswered } from './end-reason.ts'
import { type FsmAction, type FsmEvent, fsmStep } from './fsm.ts'
import type { MutableMessageCounts } from './message-counts.ts'
import { keepaliveTime, negotiate, ourOpen } from './negotiate.ts'
import { isRepeated, readRefresh } from './received-refresh.ts'
import { asSent, isHardReset, type OwnRestart } from './restart.ts'
import type { ConnId, Endpoint, PeerAction, PeerConfig, Session, SessionState } from './types.ts'

/** Whole UPDATEs in `bytes`, as start and end in turn. */
interface Updates {
  readonly bytes: Uint8Array
  readonly spans: number[]
}

/** What all connections of a neighbor share. */
export interface Shared {
  config: PeerConfig
  /** The time of this turn. */
  now: Millis
  actions: PeerAction[]
  readonly received: MutableMessageCounts
  readonly sent: MutableMessageCounts
  readonly chance: Chance
  readonly backoff: Backoff
  readonly nextConn: () => ConnId
  /** Whether we dial the neighbor at this time. */
  readonly isDialled: () => boolean
  /** An acceptable OPEN was received. The arbiter continues this connection, or closes it or others. */
  readonly opened: (connection: Connection, session: Session) => void
  /** What our OPENs announce about our own restart. */
  readonly ownRestart: () => OwnRestart
  readonly stepped: (connection: Connection, step: Stepped) => void
}

/** A step of a connection, for the code that compares all of them. */
export interface Stepped {
  readonly before: SessionState
  /** The session before the step. */
  readonly session: Session | undefined
  readonly event: FsmEvent
  readonly endReason: EndReason | undefined
  /** The NOTIFICATION that came was a Hard Reset (RFC 8538). */
  readonly hardReset: boolean
}

export class Connection {
  /** We dial this connection and use the object again; one that the neighbor opened is used once. */
  readonly dialled: boolean
  readonly timers = new ConnectionTimers()
  readonly #shared: Shared
  state: SessionState
  /** Undefined: there is no TCP connection, and none is being opened. */
  conn: ConnId | undefined
  /** When the TCP connection was established. */
  begunAt: Millis = 0
  /** The OPEN that was sent. */
  ours: Open | undefined
  /** The OPEN that was received, as far as it could be read. */
  theirs: Open | undefined
  /** From OpenConfirm on. */
  session: Session | undefined
  #framer = new Framer()
  #hardReset = false
  #endpoints: { readonly local: Endpoint; readonly remote: Endpoint } | undefined

  constructor(shared: Shared, dialled: boolean, state: SessionState, conn?: ConnId) {
    this.#shared = shared
    this.dialled = dialled
    this.state = state
    this.conn = conn
  }

  /** There is no TCP connection yet. */
  get isUnconnected(): boolean {
    return this.state === 'Connect' || this.state === 'Active'
  }

  /** Both OPENs were acceptable. */
  get hasBothOpens(): boolean {
    return this.state === 'OpenConfirm' || this.state === 'Established'
  }

  // ---- events

  connected(local: Endpoint, remote: Endpoint): void {
    this.#endpoints = { local, remote }
    this.begunAt = this.#shared.now
    this.step({ name: this.dialled ? 'Tcp_CR_Acked' : 'TcpConnectionConfirmed' })
  }

  lost(reason: string): void {
    // A neighbor that closes before it sends anything often does not know the address that we dial from.
    const ends = this.dialled && this.state === 'OpenSent' ? this.#endpoints : undefined
    const text = ends === undefined ? reason : `${reason}, ${calledFrom(ends.local.address, ends.remote.address)}`
    this.conn = undefined
    this.step({ name: 'TcpConnectionFails' }, { class: 'Socket', text })
  }

  /** The link or address of the connection is lost: it closes without a NOTIFICATION. */
  cut(reason: string): void {
    if (!this.isUnconnected && this.conn !== undefined) {
      this.step({ name: 'TcpConnectionFails' }, { class: 'Error', text: reason })
    }
  }

  /** Handles messages in order; consecutive UPDATEs in one array are handed out together. */
  receive(bytes: Uint8Array): void {
    if (this.isUnconnected) return
    const { conn } = this
    const framer = this.#framer
    let updates: Updates = { bytes, spans: [] }
    framer.push(bytes)
    for (;;) {
      const next = framer.next()
      const update = isFrame(next) && next.type === MESSAGE_TYPE.update
      if (!update || next.bytes !== updates.bytes) {
        this.#takeUpdates(updates)
        updates = { bytes: update ? next.bytes : bytes, spans: [] }
      }
      // A message may end the connection; the messages after it are ignored.
      if (next === undefined || this.conn !== conn) return
      if (update) updates.spans.push(next.start, next.end)
      else if (isFrame(next)) this.#takeMessage(next)
      else this.step({ name: 'BGPHeaderErr', error: next })
    }
  }

  /** Runs timers. Everything that the neighbor sent before `until` has been read: hold timers count up to then. */
  expire(until: Millis): void {
    const { conn } = this
    for (const name of this.timers.due(until)) {
      // An earlier timer may have closed the connection.
      if (this.conn !== conn) return
      this.#expired(name)
    }
  }

  expireKeepalive(now: Millis): void {
    if (this.timers.take('keepalive', now)) this.#expired('keepalive')
  }

  /** RFC 4271 §8.2.2, Established: each time an UPDATE is sent the KeepaliveTimer begins anew. */
  updatesSent(count: number): void {
    this.#shared.sent.update += count
    this.#startKeepalive()
    this.#watchSending()
  }

  refreshSent(): void {
    this.#shared.sent['route-refresh']++
    this.#watchSending()
  }

  /** RFC 9687 §4.3: the network takes what we send. */
  drained(): void {
    this.timers.clear('send-hold')
  }

  /** RFC 2918 §4: only to a neighbor that announced the capability, and for a negotiated family. */
  askRefresh(family: Family): void {
    const { session } = this
    if (this.state !== 'Established' || !session?.routeRefresh || !session.families.includes(family)) return
    this.#send('route-refresh', encodeRouteRefresh(family, REFRESH.request))
  }

  /** The configuration has changed; the connection stays. */
  reconfigured(): void {
    if (this.session === undefined) return
    const time = keepaliveTime(this.#shared.config, this.session.holdTime)
    if (time === this.session.keepaliveTime) return
    this.session = { ...this.session, keepaliveTime: time }
    this.#startKeepalive()
  }

  /** The two OPENs are compatible: the connection uses what was negotiated from now on. */
  agree(session: Session): void {
    this.session = session
    this.#framer.messageSize = session.receive.messageSize
    this.step({ name: 'BGPOpen' })
  }

  // ---- messages

  /** RFC 4271 §8.2.2, event 27, for a run of UPDATEs. The reader of the UPDATEs reports event 28 by `update-error`. */
  #takeUpdates({ bytes, spans }: Updates): void {
    const { conn } = this
    if (spans.length === 0 || conn === undefined) return
    this.#shared.received.update += spans.length / 2
    this.step({ name: 'UpdateMsg' })
    if (this.state === 'Established') this.#push({ kind: 'updates', conn, bytes, spans })
  }

  #takeMessage(frame: MessageFrame): void {
    if (frame.type === MESSAGE_TYPE.open) this.#takeOpen(frame)
    else if (frame.type === MESSAGE_TYPE.notification) this.#takeNotification(frame)
    else if (frame.type === MESSAGE_TYPE.keepalive) this.#takeKeepalive()
    else this.#takeRouteRefresh(frame)
  }

  #takeKeepalive(): void {
    this.#shared.received.keepalive++
    this.step({ name: 'KeepAliveMsg' })
  }

  #takeOpen(frame: MessageFrame): void {
    this.#shared.received.open++
    const { conn, ours } = this
    if (this.state !== 'OpenSent' || conn === undefined || ours === undefined || this.#endpoints === undefined) {
      this.step({ name: 'BGPOpen' })
      return
    }
    const theirs = decodeOpen(frame)
    if (theirs.kind === 'message-error') {
      this.step({ name: 'BGPOpenMsgErr', error: theirs })
      return
    }
    this.theirs = theirs
    const agreed = negotiate(this.#shared.config, ours, theirs)
    if ('kind' in agreed) this.step({ name: 'BGPOpenMsgErr', error: agreed })
    else this.#shared.opened(this, { conn, ...this.#endpoints, ...agreed })
  }

  #takeNotification(frame: MessageFrame): void {
    this.#shared.received.notification++
    const message = decodeNotification(frame)
    if (message.kind === 'message-error') {
      this.step({ name: 'NotifMsg' }, { class: 'BGP Error', text: message.text })
      return
    }
    const { code, subcode, data } = message
    const text = describeNotification(code, subcode, data)
    if (endsWithoutBackoff(code, subcode)) this.#shared.backoff.reset()
    this.#push({ kind: 'notification', direction: 'received', code, subcode, text })
    this.#hardReset = isHardReset(code, subcode)
    const wrongVersion = code === ERROR.open && subcode === OPEN_ERROR.unsupportedVersion
    this.step({ name: wrongVersion ? 'NotifMsgVerErr' : 'NotifMsg' }, { class: 'Received', text })
  }

  #takeRouteRefresh(frame: MessageFrame): void {
    this.#shared.received['route-refresh']++
    this.step({ name: 'RouteRefreshMsg' })
    if (this.state !== 'Established' || this.session === undefined) return
    const found = readRefresh(frame, this.session)
    if (found.kind === 'message-error') this.step({ name: 'UpdateMsgErr', error: found })
    else if (!isRepeated(found, this.#shared.actions)) this.#push(found)
  }

  // ---- the machine

  step(event: FsmEvent, known?: EndReason): void {
    const { state: before, session } = this
    const hardReset = this.#hardReset
    const { state, actions, error } = fsmStep(before, event)
    this.state = state
    for (const action of actions) this.#carryOut(action, error)
    this.#shared.stepped(this, { before, session, event, endReason: known ?? endReasonOf(error), hardReset })
  }

  #carryOut(action: FsmAction, error: MessageError | undefined): void {
    switch (action) {
      case 'dial':
        this.#dial()
        break
      case 'close':
        this.#close()
        break
      case 'send-open':
        this.ours = ourOpen(this.#shared.config, this.#shared.ownRestart())
        this.#send('open', encodeOpen(this.ours))
        break
      case 'send-keepalive':
        this.#send('keepalive', KEEPALIVE)
        break
      case 'send-notification':
        if (error !== undefined) this.sendNotification(error)
        break
      case 'start-connect-retry':
        this.#startConnectRetry()
        break
      case 'stop-connect-retry':
        this.timers.clear('connect-retry')
        break
      case 'start-open-hold':
        this.timers.startOpenHold(this.#shared.now)
        break
      case 'start-hold':
        this.timers.startHold(this.#shared.now, this.session?.holdTime ?? 0)
        break
      case 'start-keepalive':
        this.#startKeepalive()
        break
    }
  }

  #dial(): void {
    const { backoff, nextConn } = this.#shared
    const { remote, localAddress, localMayYield = false } = this.#shared.config
    const conn = nextConn()
    this.conn = conn
    backoff.dialled()
    this.#push({ kind: 'dial', conn, remote, localAddress, ...(localMayYield && { localMayYield }) })
  }

  /** Closes the connection, and forgets what was negotiated. */
  #close(): void {
    if (this.conn !== undefined) this.#push({ kind: 'close', conn: this.conn })
    this.conn = undefined
    this.ours = undefined
    this.theirs = undefined
    this.session = undefined
    this.#framer = new Framer()
    this.#hardReset = false
    this.#endpoints = undefined
    this.timers.clearSession()
  }

  sendNotification(error: MessageError): void {
    const sent = asSent(error, this.session?.restart)
    const { code, subcode, data } = sent
    const text = describeNotification(code, subcode, data)
    this.#send('notification', encodeNotification(sent))
    this.#push({ kind: 'notification', direction: 'sent', code, subcode, text })
  }

  #send(type: MessageType, bytes: Uint8Array): void {
    if (this.conn === undefined) return
    this.#shared.sent[type]++
    this.#push({ kind: 'send', conn: this.conn, bytes })
    this.#watchSending()
  }

  #watchSending(): void {
    if (this.state !== 'Established' || this.session === undefined) return
    this.timers.startSendHold(this.#shared.now, this.session.holdTime)
  }

  #expired(name: TimerName): void {
    if (name === 'hold') this.step({ name: 'HoldTimer_Expires' })
    else if (name === 'keepalive') this.step({ name: 'KeepaliveTimer_Expires' })
    else if (name === 'send-hold') this.step({ name: 'SendHoldTimer_Expires' })
    else if (this.state === 'Active') this.step({ name: 'ConnectRetryTimer_Expires' })
    else this.step({ name: 'ConnectRetryTimer_Expires' }, whyUnanswered(this.#shared.config))
  }

  /** No timer for a neighbor that is not dialled, and none for a connection that the neighbor opened. */
  #startConnectRetry(): void {
    const { config, backoff, chance, isDialled } = this.#shared
    if (!isDialled() || !this.dialled) return
    this.waitToDial(config.dialDelay + backoff.delay(config.connectRetryTime, chance))
  }

  waitToDial(delay: Millis): void {
    this.timers.startConnectRetry(this.#shared.now, delay)
  }

  #startKeepalive(): void {
    const { now, chance } = this.#shared
    this.timers.startKeepalive(now, this.session?.keepaliveTime ?? 0, chance)
  }

  #push(action: PeerAction): void {
    this.#shared.actions.push(action)
  }
}

const isFrame = (next: MessageFrame | MessageError | undefined): next is MessageFrame =>
  next !== undefined && !('kind' in next)

/**
 * Whether the delay before the next dial begins at its minimum after this NOTIFICATION: reset by command, changed
 * configuration, collision (RFC 4486 §4).
 */
const endsWithoutBackoff = (code: number, subcode: number): boolean =>
  code === CEASE.code && (subcode === CEASE.adminReset || subcode === CEASE.configChange || subcode === CEASE.collision)
