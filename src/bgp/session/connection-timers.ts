/** The timers of one connection, and how long each of them runs (RFC 4271 §4.4, §8.2.2, §10; RFC 9687). */
import type { Chance } from '../../base/chance.ts'
import { Timers } from '../../base/timers.ts'
import { inMillis, type Millis, type Seconds } from '../../base/units.ts'

/** RFC 4271 §8.2.2: the "large value" of the HoldTimer while the neighbor's OPEN is awaited. */
export const OPEN_HOLD_TIME: Seconds = 240

/** RFC 4271 §4.4. */
const LEAST_KEEPALIVE: Millis = 1_000

/** RFC 9687 §6: the Send Hold Time is this, or twice the hold time where that is longer; §4.4: longer than the hold time. */
const SEND_HOLD_TIME: Seconds = 480

export const sendHoldTime = (holdTime: Seconds): Seconds => Math.max(SEND_HOLD_TIME, 2 * holdTime)

export type TimerName = 'connect-retry' | 'hold' | 'keepalive' | 'send-hold'

export class ConnectionTimers extends Timers<TimerName> {
  /** Duration of the ConnectRetryTimer that was set last. */
  connectRetry: Millis = 0

  startConnectRetry(now: Millis, delay: Millis): void {
    this.connectRetry = delay
    this.set('connect-retry', now + delay)
  }

  /** Until the neighbor's OPEN has come. */
  startOpenHold(now: Millis): void {
    this.set('hold', now + inMillis(OPEN_HOLD_TIME))
  }

  /** A hold time of 0 means no timer (RFC 4271 §4.2). */
  startHold(now: Millis, holdTime: Seconds): void {
    if (holdTime === 0) this.clear('hold')
    else this.set('hold', now + inMillis(holdTime))
  }

  /** RFC 4271 §10: jittered afresh each time; §4.4: never two within a second, and none where the hold time is 0. */
  startKeepalive(now: Millis, time: Seconds, chance: Chance): void {
    if (time === 0) this.clear('keepalive')
    else this.set('keepalive', now + Math.max(LEAST_KEEPALIVE, chance.jitter(inMillis(time))))
  }

  /**
   * RFC 9687 §4.3: the SendHoldTimer runs from the first message after the network had taken everything until it has taken
   * everything again; not at all with a hold time of 0.
   */
  startSendHold(now: Millis, holdTime: Seconds): void {
    if (holdTime === 0 || this.at('send-hold') !== undefined) return
    this.set('send-hold', now + inMillis(sendHoldTime(holdTime)))
  }

  /** The connection is closed: only the ConnectRetryTimer goes on. */
  clearSession(): void {
    this.clear('hold')
    this.clear('keepalive')
    this.clear('send-hold')
  }
}
