/**
 * The intervals of a session (RFC 5880 §6.8.2 to §6.8.4), and its Poll Sequences. Two sets are kept: what our packets
 * advertise, and what our timers use. They differ during a Poll Sequence (§6.8.3). What the neighbor said last is handed in.
 */
import type { Micros } from '../base/units.ts'
import { MOST_MULTIPLIER } from './packet.ts'
import type { AdvertisedValues, BfdIntent, HeardPacket } from './types.ts'

/** RFC 5880 §6.8.3: while the session is not Up, no less than one second between packets. */
export const SLOW: Micros = 1_000_000

export class Intervals {
  #intent: BfdIntent
  /** No interval is shorter; 0: as configured. */
  #least: Micros
  /** The least Detection Time that the neighbor must have; 0: as configured. */
  leastRemoteDetection: Micros = 0
  #advertised: AdvertisedValues
  /** The values that our timers use: `#advertised`, as far as RFC 5880 §6.8.3 allows during a Poll Sequence. */
  #used: AdvertisedValues
  /** `settling`: after Final, until a packet without Final has come (RFC 5880 §6.8.3). */
  #poll: 'none' | 'sending' | 'settling' = 'none'

  /** A session begins Down, with the slow interval. */
  constructor(intent: BfdIntent, least: Micros) {
    this.#intent = intent
    this.#least = least
    this.#advertised = this.#wantedWhileSlow()
    this.#used = this.#advertised
  }

  /** Goes on with what an earlier process advertised. */
  resume(advertised: AdvertisedValues): void {
    this.#advertised = advertised
    this.#used = advertised
  }

  /** Follows with the next `adopt`. */
  configure(intent: BfdIntent, least: Micros): void {
    this.#intent = intent
    this.#least = least
  }

  get advertised(): AdvertisedValues {
    return this.#advertised
  }

  /** Our packets ask for a Final bit. */
  get isPolling(): boolean {
    return this.#poll === 'sending'
  }

  /** Of a session that is Up: the neighbor has not yet confirmed our newest parameters (Final bit). */
  isChanging(heard: HeardPacket): boolean {
    return this.isPolling || !this.#advertises(this.#wantedWhileUp(heard))
  }

  /** A packet has arrived. True: a Poll Sequence is over, and what was to change meanwhile is due (`adopt`). */
  hear(final: boolean): boolean {
    if (this.#poll === 'sending' && final) {
      this.#used = this.#advertised
      this.#poll = 'settling'
      return false
    }
    if (this.#poll !== 'settling' || final) return false
    this.#poll = 'none'
    return true
  }

  /** What the sequence under way was about is replaced. */
  dropPoll(): void {
    this.#poll = 'none'
  }

  /**
   * RFC 5880 §6.8.3: a change of intervals needs a Poll Sequence, and only one runs at a time: a change during a
   * sequence waits for its end. While the session is not Up nothing depends on the old ones: they are changed at once.
   */
  adopt(isUp: boolean, heard: HeardPacket): void {
    const wanted = isUp ? this.#wantedWhileUp(heard) : this.#wantedWhileSlow()
    const isNew = !this.#advertises(wanted)
    if (!isUp) {
      if (isNew) this.#poll = 'sending'
      this.#advertised = wanted
      // Also where nothing is new: a sequence that was under way may never end.
      this.#used = wanted
      return
    }
    if (!isNew || this.#poll !== 'none') return
    this.#advertised = wanted
    this.#used = {
      // An increase: the interval in use MUST NOT change until the Poll Sequence has ended.
      desired: Math.min(wanted.desired, this.#used.desired),
      // A reduction: the previous value MUST be used for the Detection Time until then.
      required: Math.max(wanted.required, this.#used.required),
      multiplier: wanted.multiplier,
    }
    this.#poll = 'sending'
  }

  /** RFC 5880 §6.8.7: the larger of what we desire and what the neighbor requires. */
  interval({ requiredMinRx }: HeardPacket): Micros {
    return Math.max(this.#used.desired, requiredMinRx)
  }

  /** RFC 5880 §6.8.4: the neighbor's multiplier times the larger of what we require and what it desires. */
  detectionTime({ multiplier, desiredMinTx }: HeardPacket): Micros {
    return multiplier * Math.max(this.#used.required, desiredMinTx)
  }

  #configured(): AdvertisedValues {
    const { transmit, receive, multiplier } = this.#intent
    return { desired: Math.max(transmit, this.#least), required: Math.max(receive, this.#least), multiplier }
  }

  #wantedWhileSlow(): AdvertisedValues {
    const configured = this.#configured()
    return { ...configured, desired: Math.max(configured.desired, SLOW) }
  }

  #wantedWhileUp({ requiredMinRx }: HeardPacket): AdvertisedValues {
    const configured = this.#configured()
    if (this.leastRemoteDetection === 0) return configured
    // The neighbor's Detection Time is multiplier times interval. The multiplier is raised first: the rate stays.
    const { desired, required, multiplier } = configured
    const most = Math.max(desired, requiredMinRx)
    const longest = Math.min(MOST_MULTIPLIER, Math.max(multiplier, Math.ceil(this.leastRemoteDetection / most)))
    return {
      desired: Math.max(desired, Math.ceil(this.leastRemoteDetection / longest)),
      required,
      multiplier: longest,
    }
  }

  #advertises({ desired, required, multiplier }: AdvertisedValues): boolean {
    const now = this.#advertised
    return now.desired === desired && now.required === required && now.multiplier === multiplier
  }
}
