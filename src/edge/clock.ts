/** The clock of the process: its time never jumps, and `epoch` is the wall-clock time of its zero. */
import { performance } from 'node:perf_hooks'
import { type Millis, nanosInMillis } from '../base/units.ts'

export interface Clock {
  /**
   * Milliseconds since 1970 at `now() === 0`, by the wall clock as it is set at this moment: it changes when that
   * clock is set, and after the machine slept.
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

/** When the thread or process started, in milliseconds since the machine did. */
const STARTED: Millis = nanosInMillis(process.hrtime.bigint()) - performance.now()

/**
 * Milliseconds since the machine started, without the time that it slept (CLOCK_MONOTONIC): the same in every thread and
 * process.
 */
export const monotonicClock = { now: (): Millis => performance.now() + STARTED }

/** Converts a time of `monotonicClock` to one of `systemClock`. */
export const fromMonotonicTime = (at: Millis): Millis => at - STARTED
