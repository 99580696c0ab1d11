/**
 * The state of one neighbor: whether it is started, what its connections (`connections.ts`) make of it, the end of the last
 * session, and for how long its routes are kept.
 * In: events with the time they happened at. Out: actions in order; nothing is called back.
 *
 * The state of the neighbor is that of its furthest connection.
 */
import type { Chance } from '../../base/chance.ts'
import type { Family } from '../../base/family.ts'
import { earlier } from '../../base/timers.ts'
import { inMillis, type Millis } from '../../base/units.ts'
import { messageError } from '../wire/error.ts'
import type { Open } from '../wire/message.ts'
import { CEASE, encodeShutdownCommunication } from '../wire/notification.ts'
import { Backoff } from './backoff.ts'
import { type Agreed, dialsDifferently, keepsRoutes, type SessionChange, strongest, whyReset } from './change.ts'
import type { Connection, Shared, Stepped } from './connection.ts'
import { PeerConnections } from './connections.ts'
import { type EndReason, endText, eventText } from './end-reason.ts'
import { hasTcpConnection } from './fsm.ts'
import { HoldDown } from './hold-down.ts'
import { LastErrors } from './last-errors.ts'
import { noMessages } from './message-counts.ts'
import { ourCapabilities } from './negotiate.ts'
import { AS_EVER, familiesKept, isKeptOver, isReset, type OwnRestart } from './restart.ts'
import { shownTimers } from './shown-timers.ts'
import { Stale, whyOver } from './stale.ts'
import type { ConnId, PeerAction, PeerConfig, PeerEvent, PeerSnapshot, Session, SessionState } from './types.ts'

type Event<Kind extends PeerEvent['kind']> = Extract<PeerEvent, { readonly kind: Kind }>

export class Peer {
  readonly #shared: Shared
  readonly #connections: PeerConnections
  readonly #holdDown = new HoldDown()
  readonly #stale = new Stale()
  #started = false
  #stopReason: string | undefined

  #state: SessionState = 'Idle'
  #since: Millis
  readonly #errors = new LastErrors()
  #lostAt: Millis | undefined
  /**
   * Until when the neighbor may keep our routes and wait for us: FRR does not dial meanwhile (RFC 4724 does not say who
   * does). So a passive neighbor is dialled until then.
   */
  #awaitedUntil: Millis
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
    let first = earlier(this.#holdDown.startsAt, this.#stale.deadline())
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
        this.#holdDown.end()
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
        this.#connections.redial()
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

  #expire(until: Millis): void {
    for (const connection of this.#connections.all()) connection.expire(until)
    this.#expireStale(until)
    const startsAt = this.#holdDown.startsAt
    if (startsAt !== undefined && startsAt <= until) this.#start()
  }

  // ---- starting, stopping, changing

  #startUnlessHeldDown(): void {
    const why = this.#started ? undefined : this.#holdDown.whyWait(this.#shared.now)
    if (why === undefined) this.#start()
    else this.#stopReason = why
  }

  #start(): void {
    if (this.#started) return
    this.#started = true
    this.#stopReason = undefined
    this.#holdDown.end()
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
    this.#holdDown.suspend()
    this.#connections.endAll('ManualStop', messageError(CEASE.code, subcode, reason, data), reason)
    if (!isReset(CEASE.code, subcode)) this.#giveUpStale(reason)
  }

  /** Stops without a NOTIFICATION. */
  #vanish(reason: string): void {
    this.#started = false
    this.#stopReason = reason
    this.#holdDown.suspend()
    this.#connections.vanish(reason)
    this.#connections.endAll('ManualStop', messageError(CEASE.code, CEASE.adminShutdown, reason), reason)
  }

  #configure(next: PeerConfig): void {
    const old = this.#shared.config
    const agreed = this.#agreed()
    const elsewhere: SessionChange | undefined = this.#connections.isOwnElsewhere(next) ? 'local address' : undefined
    const changes = [whyReset(old, next, agreed), elsewhere].filter((change) => change !== undefined)
    const changed = this.#started ? strongest(changes) : undefined
    const ofAttempts = this.#started && agreed !== undefined ? whyReset(old, next) : undefined
    if (changed !== undefined) this.#resetFor(changed)
    else if (ofAttempts !== undefined) this.#connections.resetAttempts(changeText(ofAttempts))
    if (changed === undefined && dialsDifferently(old, next)) this.#connections.resetDialling()
    this.#shared.config = next
    for (const connection of this.#connections.all()) connection.reconfigured()
    if (this.#started && this.#connections.own.state === 'Idle' && !this.#connections.isSessionIncoming) this.#begin()
  }

  /** Routes are kept where both sides do so and the next session is with the same neighbor. */
  #resetFor(changed: SessionChange): void {
    const text = changeText(changed)
    this.#connections.reset(text, this.session?.restart !== undefined && keepsRoutes(changed))
    if (!keepsRoutes(changed)) this.#giveUpStale(text)
  }

  /** Of the session, or of the last one while its routes are kept. */
  #agreed(): Agreed | undefined {
    return this.session !== undefined || this.hasStaleRoutes ? this.#lastAgreed : undefined
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
    this.#stopReason = error.text
    this.#holdDown.begin(error.text, holdDown, this.#shared.now)
    connection.step({ name: 'UpdateMsgErr', error })
    this.#connections.endAll('AutomaticStop', error, error.text)
  }

  /** RFC 9384: BFD Down ends an Established session only: BGP may come up before BFD does (RFC 5882 §3.3). */
  #bfdDown({ reason, independent }: Event<'bfd-down'>): void {
    if (this.#state !== 'Established') {
      // RFC 5882 §4.3.1: the neighbor no longer forwards. §4.3.2: it may if its BFD restarts together with BGP.
      if (independent) this.#giveUpStale(`BFD session down: ${reason}`)
      return
    }
    const error = messageError(CEASE.code, CEASE.bfdDown, `BFD session down: ${reason}`)
    this.#connections.endAll('AutomaticStop', error, 'BFD session down')
  }

  /** How long neighbors keep our routes. */
  #ownRestartTime(): Millis {
    return inMillis(this.#shared.config.restartTime ?? 0)
  }

  // ---- what a step means for the neighbor

  #stepped(connection: Connection, { before, session: lost, event, endReason, hardReset }: Stepped): void {
    const { state, session } = connection
    this.#connections.forgetClosed()
    // Where another connection exists, the neighbor is reached.
    const isOnly = !hasTcpConnection(this.#connections.furthest().state)
    if (endReason !== undefined && event.name !== 'OpenCollisionDump' && isOnly) {
      this.#errors.note(endReason, before, this.#shared.now)
    }
    if (before !== 'Established' && state === 'Established' && session !== undefined)
      this.#up(session, connection.theirs)
    if (before === 'Established' && state !== 'Established' && lost !== undefined) {
      if (isKeptOver(lost, event, hardReset)) this.#awaitedUntil = this.#shared.now + this.#ownRestartTime()
      this.#down(endReason ?? { class: 'Error', text: event.name }, lost, familiesKept(lost, event, hardReset))
    }
    this.#reportState(endReason === undefined ? eventText(event.name) : endText(endReason))
  }

  #up(session: Session, theirs: Open | undefined): void {
    this.#lastAgreed = theirs && { session, theirs }
    this.#errors.forgetAttempt()
    this.#established++
    this.#push({ kind: 'up', session, keep: this.#stale.comeBack(session.restart, this.#shared.now) })
  }

  #down(endReason: EndReason, session: Session, keep: readonly Family[]): void {
    const { now, backoff } = this.#shared
    backoff.sessionEnded(now - this.#since)
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
    const isBack = this.#state === 'Established'
    const { longLived, over, duration } = this.#stale.expire(until, isBack)
    if (longLived.length > 0) this.#push({ kind: 'long-lived', families: longLived })
    if (over.length > 0) this.#push({ kind: 'stale-over', families: over, reason: whyOver(over, duration, isBack) })
  }

  #endOfRib(family: Family): void {
    if (this.#state === 'Established') this.#stale.forget(family)
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
    const furthest = this.#connections.furthest()
    const { ours, theirs } = furthest
    const { own } = this.#connections
    return {
      config,
      state: this.#state,
      since: this.#since,
      lostAt: this.#lostAt,
      stopped: this.#stopReason,
      lastError: this.#errors.last,
      attemptError: this.#errors.attempt,
      session: this.session,
      localCapabilities: ours?.capabilities ?? ourCapabilities(config, this.#shared.ownRestart()),
      remoteCapabilities: theirs?.capabilities ?? [],
      stale: this.#stale.families,
      ...shownTimers({ furthest, own, stale: this.#stale, holdDown: this.#holdDown }, now),
      received: { ...received },
      sent: { ...sent },
      established: this.#established,
    }
  }
}

const changeText = (change: SessionChange): string => `Configuration changed: ${change}`
