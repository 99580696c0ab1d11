/** Changes that the kernel refused. Each is tried again after a delay that grows with its own failures in a row. */
import { SplitMap } from '../base/split-map.ts'
import type { Millis } from '../base/units.ts'
import { BackoffQueues, backoffAfter, type Waiting } from './backoff.ts'

/** Routes that failed within this time are tried again in one batch, and told of in one line. */
const TOGETHER: Millis = 1_000

interface Failed extends Waiting {
  readonly failures: number
}

export class FailedChanges {
  /** By the key of the route. */
  readonly #byKey = new SplitMap<Failed>()
  readonly #queues = new BackoffQueues()

  /**
   * The change of this route has failed. A route that still waits, and was tried before its time because another change was
   * wanted, keeps its delay.
   */
  add(key: string, now: Millis): void {
    const before = this.#byKey.get(key)
    if (before?.until !== undefined) return
    const failures = (before?.failures ?? 0) + 1
    const failed: Failed = { key, failures, until: undefined }
    this.#byKey.set(key, failed)
    this.#queues.add(failed, backoffAfter(failures), Math.ceil(now / TOGETHER) * TOGETHER)
  }

  /** The change is done, or not wanted any more. Returns whether the last change of this route had failed. */
  delete(key: string): boolean {
    const failed = this.#byKey.get(key)
    if (failed !== undefined) failed.until = undefined
    return this.#byKey.delete(key)
  }

  get deadline(): Millis | undefined {
    return this.#queues.deadline
  }

  /** At most so many routes that it is time to try again. */
  takeDue(now: Millis, most: number): string[] {
    return this.#queues.end(now, most)
  }
}
