/**
 * The state of one neighbor: its connections (the one that we dial and a few that the neighbor opened), the choice between
 * them, and the end of the last session.
 * In: events with the time they happened at. Out: actions in order; nothing is called back.
 *
 * The state of the neighbor is that of its furthest connection. Our own goes to Idle when another is about to become
 * the session, and back to Active when that one has ended.
 */
import type { Chance } from '../../base/chance.ts'
import type { Family } from '../../base/family.ts'
import { earlier, Timers } from '../../base/timers.ts'
import { inMillis, type Millis, type Seconds } from '../../base/units.ts'
import { type MessageError, messageError } from '../wire/error.ts'
import { CEASE, encodeShutdownCommunication } from '../wire/notification.ts'
import { Backoff } from './backoff.ts'
import { type Change, dialsDifferently, keepsRoutes, whyReset } from './change.ts'
import { resolveCollision, type Speaker } from './collision.ts'
import { Connection, type Counts, type Fault, OPEN_HOLD_TIME, type Shared, type Stepped } from './connection.ts'
import { type EventName, STATES } from './fsm.ts'
import { ourCapabilities } from './negotiate.ts'
import { AS_EVER, COLLISION_WINDOW, familiesKept, isReset, type OwnRestart } from './restart.ts'
import { Stale } from './stale.ts'
import type {
  ConnId,
  LastError,
  PeerAction,
  PeerConfig,
  PeerEvent,
  PeerSnapshot,
  Session,
  SessionState,
} from './types.ts'

/** After a session of at least this duration, the delay before dialling starts at its minimum again. */
const STABLE_AFTER: Millis = 60_000
/** Connections of the neighbor that may wait for its OPEN at a time; one more ends the oldest. */
const MOST_AWAITING_OPEN = 3

const COLLISION = messageError(CEASE.code, CEASE.collision, 'Connection collision')
const CONFIG_CHANGE = messageError(CEASE.code, CEASE.configChange, 'Configuration changed')
const REPLACED: Fault = { class: 'Socket', text: 'the neighbor opened a new connection: it has lost this one' }
const REJECTED = messageError(CEASE.code, CEASE.rejected, 'Connection rejected')

interface HoldDown {
  readonly reason: string
  /** Infinity: until a person starts it. */
  readonly until: Millis
  readonly duration: Seconds
}

type Event<Kind extends PeerEvent['kind']> = Extract<PeerEvent, { readonly kind: Kind }>

export class Peer {
  readonly #shared: Shared
  readonly #own: Connection
  /** Connections that the neighbor opened, the oldest first. */
  #incoming: Connection[] = []
  readonly #timers = new Timers<'hold-down'>()
  /** It sent too many routes. This outlives a stop: what is started again for another reason would send them again. */
  #heldDown: HoldDown | undefined
  readonly #stale = new Stale()
  #started = false
  #stopReason: string | undefined

  #state: SessionState = 'Idle'
  #since: Millis
  #lastError: LastError | undefined
  #lostAt: Millis | undefined
  #attemptError: LastError | undefined
  #established = 0

  /** `own`: what the first OPENs announce about our restart; it no longer applies once a session has come up. */
  constructor(config: PeerConfig, chance: Chance, nextConn: () => ConnId, now: Millis, own: OwnRestart = AS_EVER) {
    this.#shared = {
      config,
      now,
      actions: [],
      received: noMessages(),
      sent: noMessages(),
      chance,
      backoff: new Backoff(),
      nextConn,
      opened: (connection, session) => this.#opened(connection, session),
      ownRestart: () => (this.#established > 0 ? AS_EVER : own),
      stepped: (connection, step) => this.#stepped(connection, step),
    }
    this.#own = new Connection(this.#shared, true, 'Idle')
    this.#since = now
  }

  get state(): SessionState {
    return this.#state
  }

  /** False while the neighbor is stopped: by command, by configuration, or because it sent too many routes. */
  get started(): boolean {
    return this.#started
  }

  /** While Established. */
  get session(): Session | undefined {
    return this.#state === 'Established' ? this.#furthest().session : undefined
  }

  deadline(): Millis | undefined {
    let first = earlier(this.#timers.deadline(), this.#stale.deadline())
    for (const { timers } of this.#connections()) first = earlier(first, timers.deadline())
    return first
  }

  /** When a KEEPALIVE of ours is due. */
  keepaliveAt(): Millis | undefined {
    let first: Millis | undefined
    for (const { timers } of this.#connections()) first = earlier(first, timers.at('keepalive'))
    return first
  }

  handle(event: PeerEvent, now: Millis): readonly PeerAction[] {
    this.#shared.now = now
    this.#shared.actions = []
    this.#take(event)
    this.#settleDialling()
    return this.#shared.actions
  }

  #take(event: PeerEvent): void {
    switch (event.kind) {
      case 'start':
        this.#startUnlessHeldDown()
        break
      case 'lift-hold-down':
        this.#heldDown = undefined
        break
      case 'stop':
        this.#stop(event)
        break
      case 'vanish':
        this.#vanish(event.reason)
        break
      case 'configure':
        this.#configure(event.config)
        break
      case 'connected':
        if (event.dialled) this.#dialled(event)
        else this.#accepted(event)
        break
      case 'dial-failed':
        this.#find(event.conn)?.lost(event.reason)
        break
      case 'closed':
        this.#find(event.conn)?.lost(event.reason ?? 'Connection closed')
        break
      case 'link-lost':
        for (const connection of this.#connections()) connection.cut(event.reason)
        this.#giveUpStale(event.reason)
        break
      case 'link-back':
        this.#redial()
        break
      case 'received':
        this.#find(event.conn)?.receive(event.bytes)
        break
      case 'update-error':
        this.#updateError(event)
        break
      case 'too-many':
        this.#tooMany(event)
        break
      case 'bfd-down':
        this.#bfdDown(event)
        break
      case 'ask-refresh':
        if (this.#state === 'Established') this.#furthest().askRefresh(event.family)
        break
      case 'end-of-rib':
        this.#endOfRib(event.family)
        break
      case 'drained':
        this.#find(event.conn)?.drained()
        break
      case 'refresh-sent':
        if (this.#state === 'Established') this.#furthest().refreshSent()
        break
      case 'updates-sent':
        if (this.#state === 'Established') this.#furthest().updatesSent(event.count)
        break
      case 'timer':
        this.#expire(event.until ?? this.#shared.now)
        break
      case 'keepalive-due':
        for (const connection of this.#connections()) connection.expireKeepalive(this.#shared.now)
        break
    }
  }

  #redial(): void {
    const { config, backoff } = this.#shared
    backoff.reset()
    if (this.#own.state === 'Active' && !config.passive) this.#own.waitToDial(config.dialDelay)
  }

  #expire(until: Millis): void {
    for (const connection of this.#connections()) connection.expire(until)
    this.#expireStale(until)
    if (this.#timers.take('hold-down', until)) this.#start()
  }

  // ---- starting, stopping, changing

  #startUnlessHeldDown(): void {
    const heldDown = this.#heldDown
    if (this.#started || heldDown === undefined || heldDown.until <= this.#shared.now) this.#start()
    else this.#holdDown(heldDown)
  }

  #holdDown({ reason, until }: HoldDown): void {
    this.#stopReason = reason
    if (until !== Infinity) this.#timers.set('hold-down', until)
  }

  #start(): void {
    if (this.#started) return
    this.#started = true
    this.#heldDown = undefined
    this.#stopReason = undefined
    this.#timers.clear('hold-down')
    this.#begin()
  }

  /** The first step after a start or our own reset: there is no delay but `dialDelay`. */
  #begin(): void {
    const { config, backoff } = this.#shared
    backoff.reset()
    if (!config.passive && config.dialDelay === 0) this.#own.step({ name: 'ManualStart' })
    else {
      this.#own.step({ name: 'ManualStart_with_PassiveTcpEstablishment' })
      if (!config.passive) this.#own.waitToDial(config.dialDelay)
    }
  }

  #stop({ subcode, text, reason }: Event<'stop'>): void {
    // RFC 9003 §2: the text goes with Administrative Shutdown and Administrative Reset only.
    const speaks = text !== '' && (subcode === CEASE.adminShutdown || subcode === CEASE.adminReset)
    const data = speaks ? encodeShutdownCommunication(text) : undefined
    this.#started = false
    this.#stopReason = reason
    this.#timers.clear('hold-down')
    this.#endAll('ManualStop', messageError(CEASE.code, subcode, reason, data), reason)
    if (!isReset(CEASE.code, subcode)) this.#giveUpStale(reason)
  }

  /** RFC 4724 §4: closes connections without a NOTIFICATION: one would make the neighbor remove our routes. */
  #vanish(reason: string): void {
    this.#started = false
    this.#stopReason = reason
    this.#timers.clear('hold-down')
    for (const connection of this.#connections()) {
      if (hasTcpConnection(connection.state))
        connection.step({ name: 'TcpConnectionFails' }, { class: 'Error', text: reason })
    }
    this.#endAll('ManualStop', messageError(CEASE.code, CEASE.adminShutdown, reason), reason)
  }

  #configure(next: PeerConfig): void {
    const old = this.#shared.config
    const changed = this.#started ? (whyReset(old, next) ?? this.#whyElsewhere(next)) : undefined
    if (changed !== undefined) this.#resetFor(changed)
    else if (this.#own.trying && dialsDifferently(old, next)) {
      this.#own.step({ name: 'AutomaticStop', error: CONFIG_CHANGE })
    }
    this.#shared.config = next
    for (const connection of this.#connections()) connection.reconfigured()
    if (this.#started && this.#own.state === 'Idle' && !this.#isSessionIncoming()) this.#begin()
  }

  /**
   * RFC 4486 §4: Other Configuration Change. A NOTIFICATION would remove the routes of both sides (RFC 4724 §4): where both keep
   * routes and the next session is with the same neighbor, the connection is closed without one.
   */
  #resetFor(changed: Change): void {
    const text = `Configuration changed: ${changed}`
    const keeps = this.session?.restart !== undefined && keepsRoutes(changed)
    for (const connection of this.#connections()) {
      if (keeps && connection.state === 'Established') {
        connection.step({ name: 'TcpConnectionFails' }, { class: 'Error', text })
      } else connection.step({ name: 'AutomaticStop', error: CONFIG_CHANGE }, { class: 'Error', text })
    }
    if (!keepsRoutes(changed)) this.#giveUpStale(text)
  }

  /** The session that we dialled runs from another local address than the one configured now. */
  #whyElsewhere({ localAddress, localMayYield = false }: PeerConfig): Change | undefined {
    const { session } = this.#own
    if (session === undefined || localAddress === undefined || localMayYield) return undefined
    return session.local.address === localAddress ? undefined : 'local address'
  }

  #endAll(name: 'ManualStop' | 'AutomaticStop', error: MessageError, text: string): void {
    for (const connection of this.#connections()) connection.step({ name, error }, { class: 'Error', text })
  }

  #updateError({ conn, error }: Event<'update-error'>): void {
    const connection = this.#find(conn)
    if (connection?.state === 'Established') connection.step({ name: 'UpdateMsgErr', error })
  }

  /** RFC 4486 §4: after Maximum Number of Prefixes Reached the session is not to come back at once. */
  #tooMany({ conn, error, holdDown }: Event<'too-many'>): void {
    const connection = this.#find(conn)
    if (connection?.state !== 'Established') return
    this.#started = false
    const until = holdDown === undefined ? Infinity : this.#shared.now + inMillis(holdDown)
    this.#heldDown = { reason: error.text, until, duration: holdDown ?? 0 }
    this.#holdDown(this.#heldDown)
    connection.step({ name: 'UpdateMsgErr', error })
    this.#endAll('AutomaticStop', error, error.text)
  }

  /** RFC 9384: BFD Down ends an Established session only: BGP may come up before BFD does (RFC 5882 §3.3). */
  #bfdDown({ reason, independent }: Event<'bfd-down'>): void {
    if (this.#state !== 'Established') {
      // RFC 5882 §4.3.1: the neighbor no longer forwards. §4.3.2: it may if its BFD restarts together with BGP.
      if (independent) this.#giveUpStale(`BFD session down: ${reason}`)
      return
    }
    const error = messageError(CEASE.code, CEASE.bfdDown, `BFD session down: ${reason}`)
    this.#endAll('AutomaticStop', error, 'BFD session down')
  }

  // ---- several connections

  #dialled({ conn, local, remote }: Event<'connected'>): void {
    if (this.#own.conn === conn && this.#own.state === 'Connect') this.#own.connected(local, remote)
    // It was closed in the meantime.
    else this.#push({ kind: 'close', conn })
  }

  #accepted({ conn, local, remote }: Event<'connected'>): void {
    const connection = new Connection(this.#shared, false, 'Active', conn)
    // RFC 4271 §8.2.2, Idle: connections are refused; RFC 4486 §4: Connection Rejected.
    if (!this.#started) {
      connection.sendNotification(REJECTED)
      this.#push({ kind: 'close', conn })
      return
    }
    const awaiting = this.#incoming.filter(({ state }) => state === 'OpenSent')
    if (awaiting.length >= MOST_AWAITING_OPEN) awaiting[0]?.step({ name: 'OpenCollisionDump', error: COLLISION })
    this.#incoming.push(connection)
    connection.connected(local, remote)
  }

  /** RFC 4271 §6.8: the connection whose OPEN has come against all others. */
  #opened(arrived: Connection, session: Session): void {
    const ours: Speaker = { routerId: session.localRouterId, as: session.localAs }
    const theirs: Speaker = { routerId: session.remoteRouterId, as: session.remoteAs }
    const others = this.#connections().filter((other) => other !== arrived)
    const contender = { state: arrived.state, dialled: arrived.dialled, isRestart: this.#isRestart(arrived, session) }
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

  /** Whether a further connection means that the neighbor has lost the session; otherwise both dialled at the same time. */
  #isRestart({ dialled, begunAt }: Connection, { restart, local }: Session): boolean {
    const before = this.session?.restart
    if (before === undefined || dialled || begunAt < this.#since) return false
    // A restarted neighbor sets the Restart State bit in every OPEN. If the current session's OPEN had it too, both
    // connections stem from one restart.
    const isNews = restart?.restarted === true && !before.restarted
    // One that calls another address of ours has two neighbors configured that are this node, such as a VIP that has moved
    // here: each of its calls would end the session of the other.
    const isSame = this.session?.local.address === local.address
    return isNews || (isSame && begunAt - this.#since >= COLLISION_WINDOW)
  }

  /** A connection of the neighbor is, or is about to be, the session. */
  #isSessionIncoming(): boolean {
    return this.#incoming.some(({ agreed }) => agreed)
  }

  /** Dials unless a connection that the neighbor opened is, or is about to be, the session. */
  #settleDialling(): void {
    const isIncoming = this.#isSessionIncoming()
    if (isIncoming && this.#own.trying) this.#own.step({ name: 'OpenCollisionDump', error: COLLISION })
    if (!isIncoming && this.#started && this.#own.state === 'Idle') {
      this.#own.step({ name: 'AutomaticStart_with_PassiveTcpEstablishment' })
    }
  }

  // ---- what a step means for the neighbor

  #stepped(connection: Connection, { before, session: lost, event, fault, hardReset }: Stepped): void {
    const { state, session } = connection
    this.#incoming = this.#incoming.filter(({ conn }) => conn !== undefined)
    if (fault !== undefined && event.name !== 'OpenCollisionDump') this.#note(fault, before)
    if (before !== 'Established' && state === 'Established' && session !== undefined) this.#up(session)
    if (before === 'Established' && state !== 'Established' && lost !== undefined) {
      this.#down(fault ?? { class: 'Error', text: event.name }, lost, familiesKept(lost, event, hardReset))
    }
    this.#reportState(fault === undefined ? (REASON[event.name] ?? event.name) : `${fault.class}: ${fault.text}`)
  }

  /** Records why a connection ended, unless another one exists, or we had closed it before. */
  #note(fault: Fault, before: SessionState): void {
    if (fault.class === 'Error' && !hasTcpConnection(before)) return
    if (hasTcpConnection(this.#furthest().state)) return
    const error: LastError = { ...fault, at: this.#shared.now }
    const attempt = fault.class === 'Socket' && !hasTcpConnection(before)
    if (attempt) this.#attemptError = error
    // The reason of a refusal is kept, although "cannot be reached" follows it.
    if (!attempt || this.#lastError === undefined || this.#lastError.class === 'Socket') this.#lastError = error
  }

  #up(session: Session): void {
    this.#attemptError = undefined
    this.#established++
    this.#push({ kind: 'up', session, keep: this.#stale.comeBack(session.restart, this.#shared.now) })
  }

  #down(fault: Fault, session: Session, keep: readonly Family[]): void {
    const { now, backoff } = this.#shared
    if (now - this.#since >= STABLE_AFTER) backoff.reset()
    this.#lostAt = now
    this.#stale.lose(keep, session.restart, now)
    this.#push({ kind: 'down', error: { ...fault, at: now }, keep })
  }

  // ---- routes that are kept (RFC 4724 §4.2)

  /** Whether stale routes of the neighbor are kept. */
  get hasStaleRoutes(): boolean {
    return this.#stale.families.length > 0
  }

  /** Runs the timers of stale routes. RFC 9494 §4.2: those that the neighbor asked to keep longer become the last choice. */
  #expireStale(until: Millis): void {
    const { longLived, over, duration } = this.#stale.expire(until, this.#state === 'Established')
    if (longLived.length > 0) this.#push({ kind: 'long-lived', families: longLived })
    if (over.length > 0) this.#push({ kind: 'stale-over', families: over, reason: this.#whyLate(over, duration) })
  }

  #endOfRib(family: Family): void {
    if (this.#state === 'Established') this.#stale.forget(family)
  }

  #whyLate(families: readonly Family[], duration: Millis): string {
    const seconds = Math.ceil(duration / 1000)
    const what = this.#state === 'Established' ? `End-of-RIB for ${families.join(' and ')}` : 'the neighbor'
    return `${what} has not arrived for ${seconds} s`
  }

  #giveUpStale(reason: string): void {
    const { families } = this.#stale
    if (families.length === 0) return
    this.#stale.clear()
    this.#push({ kind: 'stale-over', families, reason })
  }

  #reportState(reason: string): void {
    const from = this.#state
    const to = this.#furthest().state
    if (from === to) return
    this.#state = to
    this.#since = this.#shared.now
    this.#push({ kind: 'transition', from, to, reason })
  }

  #push(action: PeerAction): void {
    this.#shared.actions.push(action)
  }

  #connections(): readonly Connection[] {
    return [this.#own, ...this.#incoming]
  }

  #find(conn: ConnId): Connection | undefined {
    return this.#connections().find((connection) => connection.conn === conn)
  }

  /** The connection in the furthest state; of several in the same state the one that we dialled. */
  #furthest(): Connection {
    return this.#incoming.reduce((best, next) => (rank(next) > rank(best) ? next : best), this.#own)
  }

  snapshot(now: Millis): PeerSnapshot {
    const { config, received, sent } = this.#shared
    const { session, timers, ours, theirs, sendHoldTime } = this.#furthest()
    const nextStale = this.#stale.next()
    const running = (at: Millis | undefined, total: Seconds) =>
      at === undefined ? undefined : { left: Math.max(0, at - now), total }
    return {
      config,
      state: this.#state,
      since: this.#since,
      lostAt: this.#lostAt,
      stopped: this.#stopReason,
      lastError: this.#lastError,
      attemptError: this.#attemptError,
      session: this.session,
      localCapabilities: ours?.capabilities ?? ourCapabilities(config, this.#shared.ownRestart()),
      remoteCapabilities: theirs?.capabilities ?? [],
      holdTimer: running(timers.at('hold'), session?.holdTime ?? OPEN_HOLD_TIME),
      keepaliveTimer: running(timers.at('keepalive'), session?.keepaliveTime ?? 0),
      sendHoldTimer: running(timers.at('send-hold'), sendHoldTime),
      stale: this.#stale.families,
      restartTimer: running(nextStale?.until, Math.ceil((nextStale?.duration ?? 0) / 1000)),
      holdDownTimer: running(this.#timers.at('hold-down'), this.#heldDown?.duration ?? 0),
      connectTimer: running(this.#own.timers.at('connect-retry'), Math.ceil(this.#own.connectRetry / 1000)),
      received: { ...received },
      sent: { ...sent },
      established: this.#established,
    }
  }
}

const noMessages = (): Counts => ({ open: 0, update: 0, notification: 0, keepalive: 0, 'route-refresh': 0 })

const rank = (connection: Connection): number => STATES.indexOf(connection.state)

/** Whether there is a TCP connection. */
const hasTcpConnection = (state: SessionState): boolean => STATES.indexOf(state) >= STATES.indexOf('OpenSent')

/** Why the state changed without an error. */
const REASON: Readonly<Partial<Record<EventName, string>>> = {
  ManualStart: 'started',
  ManualStart_with_PassiveTcpEstablishment: 'started',
  AutomaticStart_with_PassiveTcpEstablishment: 'waiting for the next attempt',
  ConnectRetryTimer_Expires: 'connecting',
  Tcp_CR_Acked: 'connected',
  TcpConnectionConfirmed: 'neighbor connected',
  BGPOpen: 'OPEN received',
  KeepAliveMsg: 'KEEPALIVE received',
}
