/**
 * A write that is retried until the API accepts it: one try at a time, with back-off, without end. Nothing waits for
 * it, and an error is logged once. When a server comes back, thousands of agents begin at different times.
 */

import type { Millis } from '../../../base/units.ts'
import { errorText } from '../../error-text.ts'
import { sleep } from '../../sleep.ts'
import { ApiError } from '../api.ts'

export interface JobTiming {
  readonly firstPause: Millis
  readonly longestPause: Millis
  /** The pause after a refusal that only a change in the cluster can end. */
  readonly refusedPause: Millis
  /** The time limit of one request. */
  readonly silence: Millis
  /** The least time between two writes of one job. */
  readonly pause: Millis
}

export const USUAL_JOB: JobTiming = {
  firstPause: 1_000,
  longestPause: 120_000,
  refusedPause: 600_000,
  silence: 15_000,
  pause: 100,
}

/**
 * The API took all but some of it. The job goes on when it is woken, else after `again`, by default the pause after a refusal.
 */
export interface RefusedInPart {
  readonly refusal: ApiError
  readonly again?: Millis
}

/** The API was not asked: whatever it refused before, it may still refuse. */
export const NOT_TRIED = 'not tried'

type Outcome = Millis | RefusedInPart | typeof NOT_TRIED | undefined

export interface JobOptions {
  readonly timing: JobTiming
  /** Does what is to be done; throws when it fails. Returns a pause after which it is called again. */
  readonly run: (signal: AbortSignal) => Promise<Outcome>
  /** Why the API refuses the write; undefined: it does not. */
  readonly refused: (text: string | undefined) => void
  /** Agents that fail together retry within this time of each other. */
  readonly spread: () => Millis
}

/** The number of conflicts in a row (another client wrote first) after which we still retry at once. */
const MOST_CONFLICTS = 3
/**
 * Status codes after which a retry may succeed: with other credentials, later, or from the start (410: the next page of a list
 * was asked for too late).
 */
const PASSING: readonly number[] = [401, 408, 409, 410, 429]
/** After this many answers in a row that may pass, such as errors of the server, the last one is reported. */
const MANY = 5

export class Job {
  readonly #options: JobOptions
  readonly #stop = new AbortController()
  #wanted = false
  #running: Promise<void> | undefined
  #failures = 0
  #conflicts = 0
  #wakeUp: (() => void) | undefined

  constructor(options: JobOptions) {
    this.#options = options
  }

  /** There is something to do. The current pause is not shortened. */
  wake(): void {
    this.#wanted = true
    this.#wakeUp?.()
    if (!this.#stop.signal.aborted) this.#running ??= this.#goOn()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #goOn(): Promise<void> {
    const { signal } = this.#stop
    while (this.#wanted && !signal.aborted) {
      this.#wanted = false
      const pause = await this.#try(signal)
      if (pause === undefined) continue
      this.#wanted = true
      await sleep(pause, signal)
    }
    this.#running = undefined
  }

  /** The pause before a retry; undefined: done. */
  async #try(signal: AbortSignal): Promise<Millis | undefined> {
    try {
      const outcome = await this.#options.run(signal)
      if (outcome === NOT_TRIED) return undefined
      this.#failures = 0
      this.#conflicts = 0
      const { refusal, again } = this.#read(outcome)
      this.#options.refused(refusal && errorText(refusal))
      return again === undefined ? undefined : await this.#idle(again, signal)
    } catch (error) {
      return signal.aborted ? undefined : this.#afterFailure(error)
    }
  }

  #read(outcome: Millis | RefusedInPart | undefined): {
    readonly refusal?: ApiError
    readonly again: Millis | undefined
  } {
    if (typeof outcome !== 'object') return { again: outcome }
    return { refusal: outcome.refusal, again: outcome.again ?? this.#refusedPause() }
  }

  #refusedPause(): Millis {
    return this.#options.timing.refusedPause * (0.5 + Math.random())
  }

  /** Waits before the next call, unless there is something to do earlier; undefined: continues at once. */
  async #idle(pause: Millis, signal: AbortSignal): Promise<Millis | undefined> {
    if (!this.#wanted) {
      const woken = new AbortController()
      this.#wakeUp = () => woken.abort()
      await sleep(pause, AbortSignal.any([signal, woken.signal]))
      this.#wakeUp = undefined
    }
    this.#wanted = true
    return undefined
  }

  #afterFailure(error: unknown): Millis {
    const { firstPause, longestPause } = this.#options.timing
    const status = error instanceof ApiError ? error.status : 0
    if (status === 409 && ++this.#conflicts <= MOST_CONFLICTS) return firstPause * Math.random()
    this.#failures++
    const isRefused = status >= 400 && status < 500 && !PASSING.includes(status)
    if (isRefused || (status >= 400 && this.#failures >= MANY)) this.#options.refused(errorText(error))
    if (isRefused) return this.#refusedPause()
    const backoff =
      Math.min(firstPause * 2 ** Math.min(this.#failures - 1, 20), longestPause) * (0.5 + Math.random() / 2)
    const retryAfter = error instanceof ApiError ? (error.retryAfter ?? 0) : 0
    return Math.max(backoff, retryAfter, this.#options.spread() * Math.random())
  }
}
