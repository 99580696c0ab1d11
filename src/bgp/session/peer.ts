/**
 * The state of one neighbor: whether it is started, what its connections (`connections.ts`) make of it, the end of the last
 * session, and for how long its routes are kept.
 * In: events with the time they happened at. Out: actions in order; nothing is called back.
 *
 * The state of the neighbor is that of its furthest connection.
 */
import type { Chance } from '../../base/chance.ts'
import type { Family } from '../../base/family.ts'
import { earlier, Timers } from '../../base/timers.ts'
import { inMillis, inSeconds, type Millis, type Seconds } from '../../base/units.ts'
import { type MessageError, messageError } from '../wire/error.ts'
import type { Open } from '../wire/message.ts'
import { CEASE, encodeShutdownCommunication } from '../wire/notification.ts'
import { Backoff } from './backoff.ts'
import { type Agreed, dialsDifferently, keepsRoutes, type SessionChange, strongest, whyReset } from './change.ts'
import {
  type Connection,
  type EndReason,
  type MutableMessageCounts,
  OPEN_HOLD_TIME,
  type Shared,
  type Stepped,
} from './connection.ts'
import { PeerConnections } from './connections.ts'
import { type EventName, hasTcpConnection } from './fsm.ts'
import { ourCapabilities } from './negotiate.ts'
import { AS_EVER, familiesKept, isKeptOver, isReset, type OwnRestart } from './restart.ts'
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

const CONFIG_CHANGE = messageError(CEASE.code, CEASE.configChange, 'Configuration changed')

interface HoldDown {
  readonly reason: string
  /** Infinity: until a person starts it. */
  readonly until: Millis
  readonly duration: Seconds
}

type Event<Kind extends PeerEvent['kind']> = Extract<PeerEvent, { readonly kind: Kind }>

export class Peer {
  readonly #shared: Shared
  readonly #connections: PeerConnections
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
  /**
   * Until when the neighbor may keep our routes and wait for us: FRR does not dial meanwhile (RFC 4724 does not say who
   * does). So a passive neighbor is dialled until then.
   */
  #awaitedUntil: Millis
  #attemptError: LastError | undefined
  #established = 0
  #lastAgreed: Agreed | undefined

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
      isDialled: () => !this.#shared.config.passive || this.#shared.now < this.#awaitedUntil,
      opened: (connection, session) => this.#connections.opened(connection, session, this.session, this.#since),
      ownRestart: () => (this.#established > 0 ? AS_EVER : own),
      stepped: (connection, step) => this.#stepped(connection, step),
    }
    this.#connections = new PeerConnections(this.#shared)
    this.#since = now
    this.#awaitedUntil = own.restarted ? now + this.#ownRestartTime() : now
  }

  get state(): SessionState {
    return this.#state
  }

  /** False while the neighbor is stopped: by command, by configuration, or because it sent too many routes. */
  get started(): boolean {
    return this.#started
  }

  /** A dial of ours is under way or to come. */
  get isDialling(): boolean {
    return this.#connections.own.timers.at('connect-retry') !== undefined
  }

  /** While Established. */
  get session(): Session | undefined {
    return this.#state === 'Established' ? this.#connections.furthest().session : undefined
  }

  deadline(): Millis | undefined {
    let first = earlier(this.#timers.deadline(), this.#stale.deadline())
    for (const { timers } of this.#connections.all()) first = earlier(first, timers.deadline())
    return first
  }

  /** When a KEEPALIVE of ours is due. */
  keepaliveAt(): Millis | undefined {
    let first: Millis | undefined
    for (const { timers } of this.#connections.all()) first = earlier(first, timers.at('keepalive'))
    return first
  }

  handle(event: PeerEvent, now: Millis): readonly PeerAction[] {
    this.#shared.now = now
    this.#shared.actions = []
    this.#take(event)
    this.#connections.settleDialling(this.#started)
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
        this.#connections.connected(event, this.#started)
        break
      case 'dial-failed':
        this.#connections.find(event.conn)?.lost(event.reason)
        break
      case 'closed':
        this.#connections.find(event.conn)?.lost(event.reason ?? 'Connection closed')
        break
      case 'link-lost':
        for (const connection of this.#connections.all()) connection.cut(event.reason)
        this.#giveUpStale(event.reason)
        break
      case 'link-back':
        this.#redial()
        break
      case 'received':
        this.#connections.find(event.conn)?.receive(event.bytes)
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
        if (this.#state === 'Established') this.#connections.furthest().askRefresh(event.family)
        break
      case 'end-of-rib':
        this.#endOfRib(event.family)
        break
      case 'drained':
        this.#connections.find(event.conn)?.drained()
        break
      case 'refresh-sent':
        if (this.#state === 'Established') this.#connections.furthest().refreshSent()
        break
      case 'updates-sent':
        if (this.#state === 'Established') this.#connections.furthest().updatesSent(event.count)
        break
      case 'timer':
        this.#expire(event.until ?? this.#shared.now)
        break
      case 'keepalive-due':
        for (const connection of this.#connections.all()) connection.expireKeepalive(this.#shared.now)
        break
    }
  }

  #redial(): void {
    const { config, backoff, isDialled } = this.#shared
    backoff.reset()
    if (this.#connections.own.state === 'Active' && isDialled()) this.#connections.own.waitToDial(config.dialDelay)
  }

  #expire(until: Millis): void {
    for (const connection of this.#connections.all()) connection.expire(until)
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
    if (!config.passive && config.dialDelay === 0) this.#connections.own.step({ name: 'ManualStart' })
    else {
      this.#connections.own.step({ name: 'ManualStart_with_PassiveTcpEstablishment' })
      if (!config.passive) this.#connections.own.waitToDial(config.dialDelay)
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
    for (const connection of this.#connections.all()) {
      if (hasTcpConnection(connection.state))
        connection.step({ name: 'TcpConnectionFails' }, { class: 'Error', text: reason })
    }
    this.#endAll('ManualStop', messageError(CEASE.code, CEASE.adminShutdown, reason), reason)
  }

  #configure(next: PeerConfig): void {
    const old = this.#shared.config
    const agreed = this.#agreed()
    const changes = [whyReset(old, next, agreed), this.#whyElsewhere(next)].filter((change) => change !== undefined)
    const changed = this.#started ? strongest(changes) : undefined
    if (changed !== undefined) this.#resetFor(changed)
    else if (this.#started && agreed !== undefined) this.#restartAttempts(whyReset(old, next))
    if (changed === undefined && this.#connections.own.isUnconnected && dialsDifferently(old, next)) {
      this.#connections.own.step({ name: 'AutomaticStop', error: CONFIG_CHANGE })
    }
    this.#shared.config = next
    for (const connection of this.#connections.all()) connection.reconfigured()
    if (this.#started && this.#connections.own.state === 'Idle' && !this.#connections.isSessionIncoming) this.#begin()
  }

  /**
   * RFC 4486 §4: Other Configuration Change. A NOTIFICATION would remove the routes of both sides (RFC 4724 §4): where both
   * keep routes and the next session is with the same neighbor, the connection is closed without one.
   */
  #resetFor(changed: SessionChange): void {
    const text = `Configuration changed: ${changed}`
    const keeps = this.session?.restart !== undefined && keepsRoutes(changed)
    for (const connection of this.#connections.all()) {
      if (keeps && connection.state === 'Established') {
        connection.step({ name: 'TcpConnectionFails' }, { class: 'Error', text })
      } else connection.step({ name: 'AutomaticStop', error: CONFIG_CHANGE }, { class: 'Error', text })
    }
    if (!keepsRoutes(changed)) this.#giveUpStale(text)
  }

  /** A session, or routes of one, outlive the change: connections that may become the next session begin anew. */
  #restartAttempts(changed: SessionChange | undefined): void {
    if (changed === undefined) return
    const text = `Configuration changed: ${changed}`
    for (const connection of this.#connections.all()) {
      if (connection.state === 'Established') continue
      connection.step({ name: 'AutomaticStop', error: CONFIG_CHANGE }, { class: 'Error', text })
    }
  }

  /** Of the session, or of the last one while its routes are kept. */
  #agreed(): Agreed | undefined {
    return this.session !== undefined || this.hasStaleRoutes ? this.#lastAgreed : undefined
  }

  /** The session that we dialled runs from another local address than the one configured now. */
  #whyElsewhere({ localAddress, localMayYield = false }: PeerConfig): SessionChange | undefined {
    const { session } = this.#connections.own
    if (session === undefined || localAddress === undefined || localMayYield) return undefined
    return session.local.address === localAddress ? undefined : 'local address'
  }

  #endAll(name: 'ManualStop' | 'AutomaticStop', error: MessageError, text: string): void {
    for (const connection of this.#connections.all()) connection.step({ name, error }, { class: 'Error', text })
  }

  #updateError({ conn, error }: Event<'update-error'>): void {
    const connection = this.#connections.find(conn)
    if (connection?.state === 'Established') connection.step({ name: 'UpdateMsgErr', error })
  }

  /** RFC 4486 §4: after Maximum Number of Prefixes Reached the session is not to come back at once. */
  #tooMany({ conn, error, holdDown }: Event<'too-many'>): void {
    const connection = this.#connections.find(conn)
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

  /** How long neighbors keep our routes. */
  #ownRestartTime(): Millis {
    return inMillis(this.#shared.config.restartTime ?? 0)
  }

  // ---- what a step means for the neighbor

  #stepped(connection: Connection, { before, session: lost, event, endReason, hardReset }: Stepped): void {
    const { state, session } = connection
    this.#connections.forgetClosed()
    if (endReason !== undefined && event.name !== 'OpenCollisionDump') this.#note(endReason, before)
    if (before !== 'Established' && state === 'Established' && session !== undefined)
      this.#up(session, connection.theirs)
    if (before === 'Established' && state !== 'Established' && lost !== undefined) {
      if (isKeptOver(lost, event, hardReset)) this.#awaitedUntil = this.#shared.now + this.#ownRestartTime()
      this.#down(endReason ?? { class: 'Error', text: event.name }, lost, familiesKept(lost, event, hardReset))
    }
    this.#reportState(
      endReason === undefined ? (REASON[event.name] ?? event.name) : `${endReason.class}: ${endReason.text}`,
    )
  }

  /** Records why a connection ended, unless another one exists, or we had closed it before. */
  #note(endReason: EndReason, before: SessionState): void {
    if (endReason.class === 'Error' && !hasTcpConnection(before)) return
    if (hasTcpConnection(this.#connections.furthest().state)) return
    const error: LastError = { ...endReason, at: this.#shared.now }
    const attempt = endReason.class === 'Socket' && !hasTcpConnection(before)
    if (attempt) this.#attemptError = error
    // The reason of a refusal is kept, although "cannot be reached" follows it.
    if (!attempt || this.#lastError === undefined || this.#lastError.class === 'Socket') this.#lastError = error
  }

  #up(session: Session, theirs: Open | undefined): void {
    this.#lastAgreed = theirs && { session, theirs }
    this.#attemptError = undefined
    this.#established++
    this.#push({ kind: 'up', session, keep: this.#stale.comeBack(session.restart, this.#shared.now) })
  }

  #down(endReason: EndReason, session: Session, keep: readonly Family[]): void {
    const { now, backoff } = this.#shared
    if (now - this.#since >= STABLE_AFTER) backoff.reset()
    this.#lostAt = now
    this.#stale.lose(keep, session.restart, now)
    this.#push({ kind: 'down', error: { ...endReason, at: now }, keep })
  }

  // ---- routes that are kept (RFC 4724 §4.2)

  /** It has had a session. */
  get hasBeenEstablished(): boolean {
    return this.#established > 0
  }

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
    const seconds = Math.ceil(inSeconds(duration))
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
    const to = this.#connections.furthest().state
    if (from === to) return
    this.#state = to
    this.#since = this.#shared.now
    this.#push({ kind: 'transition', from, to, reason })
  }

  #push(action: PeerAction): void {
    this.#shared.actions.push(action)
  }

  snapshot(now: Millis): PeerSnapshot {
    const { config, received, sent } = this.#shared
    const { session, timers, ours, theirs, sendHoldTime } = this.#connections.furthest()
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
      restartTimer: running(nextStale?.until, Math.ceil(inSeconds(nextStale?.duration ?? 0))),
      holdDownTimer: running(this.#timers.at('hold-down'), this.#heldDown?.duration ?? 0),
      connectTimer: running(
        this.#connections.own.timers.at('connect-retry'),
        Math.ceil(inSeconds(this.#connections.own.connectRetry)),
      ),
      received: { ...received },
      sent: { ...sent },
      established: this.#established,
    }
  }
}

const noMessages = (): MutableMessageCounts => ({
  open: 0,
  update: 0,
  notification: 0,
  keepalive: 0,
  'route-refresh': 0,
})

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
