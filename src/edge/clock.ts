/** The only clock: time for the engine never jumps, and `epoch` says which wall-clock time its zero is. */
import { performance } from 'node:perf_hooks'
import type { Millis } from '../base/units.ts'

export interface Clock {
  /**
   * Milliseconds since 1970 at `now() === 0`, by the wall clock as it is set at this moment: another number after somebody
   * set it, and after the machine slept.
   */
  readonly epoch: number
  /** Milliseconds since the process started; only ever grows. */
  now(): Millis
}

export const systemClock: Clock = {
  get epoch() {
    return Date.now() - performance.now()
  },
  now: () => performance.now(),
}
