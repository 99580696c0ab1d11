/**
 * One session (RFC 5880 §6.8): owns the variables of §6.8.1 and its timers.
 * In: events with the time they happened at. Out: actions in order.
 *
 * Asynchronous mode only: we never set the Demand bit, but obey the neighbor's. Which intervals are advertised and used,
 * and when a Poll Sequence runs, is in `intervals.ts`.
 */
import type { Chance } from '../base/chance.ts'
import { earlier } from '../base/timers.ts'
import { type Micros, type Millis, microsInMillis } from '../base/units.ts'
import { type BfdEvent, bfdStep } from './fsm.ts'
import { Intervals, SLOW } from './intervals.ts'
import { type BfdState, type ControlPacket, encodeControl } from './packet.ts'
import type { BfdIntent, BfdView, HeardPacket, SavedSession } from './types.ts'

export type SessionEvent =
  | { readonly kind: 'packet'; readonly packet: ControlPacket }
  /** Other intervals, multiplier, minimum TTL or role; `least`: no interval is shorter, 0: as configured. */
  | { readonly kind: 'configure'; readonly intent: BfdIntent; readonly least: Micros }
  /** RFC 5880 §6.8.16. */
  | { readonly kind: 'disable' | 'enable' }
  | { readonly kind: 'socket-error'; readonly text: string | undefined }
  /** The neighbor's Detection Time must be at least this from now on; 0: as configured. */
  | { readonly kind: 'lengthen'; readonly away: Micros }
  | { readonly kind: 'timer' }

export type SessionAction =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** The state or one of `ReportedValues` has changed; `from`: the previous state, where the state has changed. */
  | { readonly kind: 'changed'; readonly from: BfdState | undefined }

export interface SessionOptions {
  readonly intent: BfdIntent
  readonly least: Micros
  readonly discriminator: number
  /** The C bit of our packets. */
  readonly independent: boolean
  readonly chance: Chance
  readonly now: Millis
  /** The session of an earlier process that this one continues. */
  readonly saved?: SavedSession
  /** That process was killed: the neighbor may have received no packet for longer than its Detection Time. */
  readonly wasKilled?: boolean
}

/** No session that was disabled is kept longer, whatever Detection Time its neighbor asked for. */
const LONGEST_FAREWELL: Millis = 60_000
/** The first packets of sessions that are created together are spread over this time. */
const FIRST_SPREAD: Millis = 250

/** RFC 5880 §6.8.1: RemoteSessionState is Down, RemoteDiscr 0, RemoteMinRxInterval 1, RemoteDemandMode 0 at first. */
const NOTHING_HEARD: HeardPacket = {
  discriminator: 0,
  state: 'Down',
  diagnostic: 0,
  demand: false,
  multiplier: 0,
  desiredMinTx: 0,
  requiredMinRx: 1,
  controlPlaneIndependent: false,
}

/** A change of one of these is reported, like a change of the state. What else `view` shows is as it was with the last report. */
interface ReportedValues {
  readonly interval: Micros
  readonly detectionTime: Micros
  readonly discriminator: number
  readonly remoteState: BfdState
  readonly error: string | undefined
}

const differ = (a: ReportedValues, b: ReportedValues): boolean =>
  a.interval !== b.interval ||
  a.detectionTime !== b.detectionTime ||
  a.discriminator !== b.discriminator ||
  a.remoteState !== b.remoteState ||
  a.error !== b.error

export class BfdSession {
  readonly discriminator: number
  readonly #independent: boolean
  readonly #chance: Chance
  #intent: BfdIntent

  #state: BfdState = 'Down'
  /**
   * Our packets continue the session of a process that was killed, and the neighbor has not answered yet. Until it has, the
   * session is shown as Down: what the neighbor dropped meanwhile must not count as lost a second time.
   */
  #isUnanswered = false
  #diagnostic = 0
  #since: Millis
  #heard = NOTHING_HEARD

  readonly #intervals: Intervals

  /** When the last packet was sent that was not a Final. */
  #sentAt: Millis
  /** The fraction of the interval after which the next packet is sent (jitter). */
  #spacing = 1
  /** When the last packet of the neighbor arrived; undefined: none has, or the Detection Time has expired since. */
  #heardAt: Millis | undefined
  /** When the disabled session may be removed; undefined: it is enabled. */
  #removableAt: Millis | undefined

  #error: string | undefined
  #sent = 0
  #received = 0
  #now: Millis
  #actions: SessionAction[] = []

  constructor({ intent, least, discriminator, independent, chance, now, saved, wasKilled = false }: SessionOptions) {
    this.discriminator = discriminator
    this.#independent = independent
    this.#chance = chance
    this.#intent = intent
    this.#since = now
    this.#now = now
    this.#intervals = new Intervals(intent, least)
    // As if a packet had been sent one interval ago: the first one is due at once, but for the spread.
    this.#sentAt = now - microsInMillis(this.#interval()) + FIRST_SPREAD * chance.next()
    if (saved === undefined) return
    this.#resume(saved)
    this.#isUnanswered = saved.state === 'Up' && (wasKilled || saved.isUnanswered === true)
  }

  /** The neighbor has a full Detection Time to send its next packet, and we send at once, with the saved intervals. */
  #resume({ state, diagnostic, advertised, heard }: SavedSession): void {
    this.#state = state
    this.#diagnostic = diagnostic
    this.#heard = heard
    this.#intervals.resume(advertised)
    if (heard.discriminator !== 0) this.#heardAt = this.#now
    this.#sentAt = this.#now - microsInMillis(this.#interval())
    this.#adopt()
  }

  save(port: number): SavedSession {
    return {
      intent: this.#intent,
      discriminator: this.discriminator,
      port,
      state: this.#state,
      ...(this.#isUnanswered && { isUnanswered: true as const }),
      diagnostic: this.#diagnostic,
      advertised: this.#intervals.advertised,
      heard: this.#heard,
    }
  }

  /** The session is Up, and the neighbor has not yet confirmed our newest parameters (Final bit). */
  get isPolling(): boolean {
    return this.#state === 'Up' && this.#intervals.isChanging(this.#heard)
  }

  get intent(): BfdIntent {
    return this.#intent
  }

  get state(): BfdState {
    return this.#isUnanswered ? 'Down' : this.#state
  }

  /** The session is disabled, and AdminDown was sent for a Detection Time (RFC 5880 §6.8.16). */
  isOver(now: Millis): boolean {
    return this.#removableAt !== undefined && this.#removableAt <= now
  }

  deadline(): Millis | undefined {
    return earlier(earlier(this.#nextAt(), this.#expiresAt()), this.#removableAt)
  }

  handle(event: SessionEvent, now: Millis): readonly SessionAction[] {
    this.#now = now
    this.#actions = []
    const { state } = this
    const before = this.#reported()
    this.#take(event)
    const from = state === this.state ? undefined : state
    if (from !== undefined || differ(before, this.#reported())) this.#actions.push({ kind: 'changed', from })
    return this.#actions
  }

  #take(event: SessionEvent): void {
    switch (event.kind) {
      case 'packet':
        this.#receive(event.packet)
        return
      case 'configure':
        this.#intent = event.intent
        this.#intervals.configure(event.intent, event.least)
        this.#adopt()
        return
      case 'disable':
        // Before the step: afterwards the interval is the slow one of a session that is not Up.
        this.#removableAt = this.#farewellEnd()
        this.#step('disable')
        return
      case 'enable':
        this.#removableAt = undefined
        this.#step('enable')
        return
      case 'socket-error':
        this.#error = event.text
        return
      case 'lengthen':
        this.#intervals.leastRemoteDetection = event.away
        this.#adopt()
        return
      case 'timer':
        this.#expire()
        return
    }
  }

  /** AdminDown is sent for the neighbor's Detection Time (RFC 5880 §6.8.16), and what we know is kept for ours (§6.8.1). */
  #farewellEnd(): Millis {
    const end = Math.max(this.#now + this.#remoteDetectionTime(), this.#expiresAt() ?? this.#now)
    return Math.min(end, this.#now + LONGEST_FAREWELL)
  }

  /**
   * How long the neighbor waits for a packet of ours; 0 where it has sent none. It counts with what we advertise, which is
   * longer than what we use while a Poll Sequence lengthens the interval. At least the slow interval, so that a second
   * AdminDown is sent, should the first be lost.
   */
  #remoteDetectionTime(): Millis {
    if (this.#heard.discriminator === 0) return 0
    const { desired, multiplier } = this.#intervals.advertised
    return microsInMillis(Math.max(SLOW, multiplier * Math.max(desired, this.#interval())))
  }

  /** RFC 5880 §6.8.6, in its order, from the point where the session has been selected. */
  #receive(packet: ControlPacket): void {
    this.#received++
    this.#heard = { ...packet, discriminator: packet.myDiscriminator }
    // In AdminDown too: what was heard is forgotten in every state.
    this.#heardAt = this.#now
    if (this.#intervals.hear(packet.final)) this.#adopt()
    if (this.#state === 'AdminDown') return
    if (this.#isUnanswered) this.#hearAnswer(packet)
    this.#step(`received-${packet.state}`)
    if (packet.poll) this.#send(true)
  }

  /** A neighbor that has missed us begins anew, and so do we, at once. */
  #hearAnswer({ state }: ControlPacket): void {
    this.#isUnanswered = false
    if (state === 'Up') {
      // Until now it was shown as Down.
      this.#since = this.#now
      return
    }
    this.#state = 'Down'
    this.#adopt()
  }

  #expire(): void {
    const expiresAt = this.#expiresAt()
    if (expiresAt !== undefined && expiresAt <= this.#now) {
      this.#heardAt = undefined
      // RFC 5880 §6.8.1: RemoteDiscr MUST be zero after a Detection Time without a packet, in whatever state. What it
      // required is forgotten too: a Required Min RX of 0 would silence us for ever, and a passive neighbor waits for
      // us. The rest says what was lost, and its C bit what that means (RFC 5882 §4.3).
      const { discriminator, state, requiredMinRx } = NOTHING_HEARD
      this.#heard = { ...this.#heard, discriminator, state, requiredMinRx }
      this.#step('detection-expired')
    }
    const nextAt = this.#nextAt()
    if (nextAt !== undefined && nextAt <= this.#now) this.#send(false)
  }

  #step(event: BfdEvent): void {
    const from = this.#state
    const { state, diagnostic } = bfdStep(from, event)
    if (state === from) return
    this.#isUnanswered = false
    this.#state = state
    this.#since = this.#now
    if (diagnostic !== undefined) this.#diagnostic = diagnostic
    // Other intervals apply from now on: a Poll Sequence under way is about values that are replaced.
    if (from === 'Up' || state === 'Up') this.#intervals.dropPoll()
    this.#adopt()
    // RFC 5880 §6.8.7: a change of state is sent at once; a passive side waits for the neighbor's first packet even so.
    if (!this.#isSilent()) this.#send(false)
  }

  // ---- intervals

  #adopt(): void {
    this.#intervals.adopt(this.#state === 'Up', this.#heard)
  }

  #interval(): Micros {
    return this.#intervals.interval(this.#heard)
  }

  #detectionTime(): Micros {
    return this.#intervals.detectionTime(this.#heard)
  }

  #expiresAt(): Millis | undefined {
    return this.#heardAt === undefined ? undefined : this.#heardAt + microsInMillis(this.#detectionTime())
  }

  // ---- sending

  /** RFC 5880 §6.8.7: a passive side MUST NOT transmit while RemoteDiscr is zero. */
  #isSilent(): boolean {
    return this.#intent.passive && this.#heard.discriminator === 0
  }

  /**
   * RFC 5880 §6.8.7: no periodic packets where the neighbor's Required Min RX Interval is 0, nor while it is in Demand
   * mode, except during a Poll Sequence.
   */
  #isPeriodic(): boolean {
    const { requiredMinRx, demand, state } = this.#heard
    const demanded = demand && this.#state === 'Up' && state === 'Up'
    return !this.#isSilent() && requiredMinRx !== 0 && !(demanded && !this.#intervals.isPolling)
  }

  #nextAt(): Millis | undefined {
    return this.#isPeriodic() ? this.#sentAt + microsInMillis(this.#interval() * this.#spacing) : undefined
  }

  #send(final: boolean): void {
    this.#sent++
    if (!final) {
      this.#sentAt = this.#now
      this.#spacing = this.#drawSpacing()
    }
    const { advertised, isPolling } = this.#intervals
    const bytes = encodeControl({
      diagnostic: this.#diagnostic,
      state: this.#state,
      // RFC 5880 §6.5: a packet MUST NOT have both bits set.
      poll: !final && isPolling,
      final,
      controlPlaneIndependent: this.#independent,
      demand: false,
      multiplier: advertised.multiplier,
      myDiscriminator: this.discriminator,
      yourDiscriminator: this.#heard.discriminator,
      desiredMinTx: advertised.desired,
      requiredMinRx: advertised.required,
      requiredMinEchoRx: 0,
    })
    this.#actions.push({ kind: 'send', bytes })
  }

  /** RFC 5880 §6.8.7: 75 to 100 percent of the interval; at most 90 percent with a multiplier of 1. */
  #drawSpacing(): number {
    const most = this.#intervals.advertised.multiplier === 1 ? 0.9 : 1
    return 0.75 + (most - 0.75) * this.#chance.next()
  }

  // ---- display

  #reported(): ReportedValues {
    return {
      interval: this.#interval(),
      detectionTime: this.#detectionTime(),
      discriminator: this.#heard.discriminator,
      remoteState: this.#heard.state,
      error: this.#error,
    }
  }

  view(): BfdView {
    const { remote, local, interface: link, hops, passive } = this.#intent
    const heard = this.#heard
    const { advertised } = this.#intervals
    return {
      remote,
      local,
      interface: link,
      hops,
      state: this.state,
      remoteState: heard.state,
      diagnostic: this.#diagnostic,
      remoteDiagnostic: heard.diagnostic,
      since: this.#since,
      localDiscriminator: this.discriminator,
      remoteDiscriminator: heard.discriminator,
      interval: this.#interval(),
      detectionTime: this.#detectionTime(),
      multiplier: advertised.multiplier,
      desiredMinTx: advertised.desired,
      requiredMinRx: advertised.required,
      remoteMultiplier: heard.multiplier,
      remoteDesiredMinTx: heard.desiredMinTx,
      remoteMinRx: heard.requiredMinRx,
      independent: this.#independent && heard.controlPlaneIndependent,
      passive,
      error: this.#error,
      sent: this.#sent,
      received: this.#received,
    }
  }
}
