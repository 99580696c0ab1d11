/** The only clock: time for the engine never jumps, and `epoch` says which wall-clock time its zero was. */
import { performance } from 'node:perf_hooks'
import type { Millis } from '../base/units.ts'

export interface Clock {
  /** Milliseconds since 1970 at `now() === 0`. */
  readonly epoch: number
  /** Milliseconds since the process started; only ever grows. */
  now(): Millis
}

export const systemClock: Clock = {
  epoch: Date.now() - performance.now(),
  now: () => performance.now(),
}
