/** The delay before the next dial, longer with every failed one (RFC 4271 §8.2.1.1 leaves the method to us). */
import type { Chance } from '../../base/chance.ts'
import { inMillis, type Millis, type Seconds } from '../../base/units.ts'

const LONGEST: Seconds = 60
/** After a session of at least this duration the delay starts at its minimum again. */
const STABLE_AFTER: Millis = 60_000

export class Backoff {
  #dials = 0

  dialled(): void {
    this.#dials++
  }

  sessionEnded(duration: Millis): void {
    if (duration >= STABLE_AFTER) this.reset()
  }

  /** What made dials fail is over: start from the shortest delay. */
  reset(): void {
    this.#dials = 0
  }

  /** `first` after the first dial, then twice as long each time up to a minute; jittered as RFC 4271 §10 asks. */
  delay(first: Seconds, chance: Chance): Millis {
    const doublings = Math.max(0, this.#dials - 1)
    return chance.jitter(inMillis(Math.min(first * 2 ** doublings, Math.max(first, LONGEST))))
  }
}
