/**
 * A neighbor that sent too many routes is not started for a time (RFC 4486 §4). That outlives a stop for another reason: what
 * is started again then would send them again.
 */
import { inMillis, type Millis, type Seconds } from '../../base/units.ts'

interface Held {
  readonly reason: string
  /** Infinity: until a person starts it. */
  readonly until: Millis
}

export class HoldDown {
  #held: Held | undefined
  #startsAt: Millis | undefined
  /** The whole time; 0 where it has no end. */
  duration: Seconds = 0

  /** When the neighbor is to be started; undefined: it is not held down, it is stopped for another reason, or there is no end. */
  get startsAt(): Millis | undefined {
    return this.#startsAt
  }

  /** `duration` undefined: without an end. */
  begin(reason: string, duration: Seconds | undefined, now: Millis): void {
    this.duration = duration ?? 0
    this.#held = { reason, until: duration === undefined ? Infinity : now + inMillis(duration) }
    this.#wait(this.#held)
  }

  /** The neighbor is to be started. Returns why it must wait, and it starts by itself when the time is over. */
  whyWait(now: Millis): string | undefined {
    const held = this.#held
    if (held === undefined || held.until <= now) return undefined
    this.#wait(held)
    return held.reason
  }

  #wait({ until }: Held): void {
    this.#startsAt = until === Infinity ? undefined : until
  }

  /** It is stopped for another reason: it does not start by itself. */
  suspend(): void {
    this.#startsAt = undefined
  }

  end(): void {
    this.#held = undefined
    this.#startsAt = undefined
  }
}
