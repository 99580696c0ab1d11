/** Routes whose last change failed. They are tried again together, after a delay that grows. */
import { SplitMap } from '../base/split-map.ts'
import type { Millis } from '../base/units.ts'

const FIRST_RETRY: Millis = 1_000
const LAST_RETRY: Millis = 60_000

export class FailedChanges {
  /** Of the routes. */
  readonly #keys = new SplitMap<true>()
  #retryAt: Millis | undefined
  #delay = FIRST_RETRY

  add(key: string): void {
    this.#keys.set(key, true)
  }

  /** Returns whether the last change of this route had failed. */
  delete(key: string): boolean {
    return this.#keys.delete(key)
  }

  keys(): Iterable<string> {
    return this.#keys.keys()
  }

  get deadline(): Millis | undefined {
    return this.#retryAt
  }

  /** A batch of changes was carried out. `hasFailed`: some of them failed. The delay grows with each retry, not with each batch. */
  applied(hasFailed: boolean, now: Millis): void {
    if (hasFailed) {
      if (this.#retryAt !== undefined) return
      this.#retryAt = now + this.#delay
      this.#delay = Math.min(this.#delay * 2, LAST_RETRY)
    } else if (this.#keys.size === 0) this.#delay = FIRST_RETRY
  }

  /** Whether it is time to try again. */
  takeDue(now: Millis): boolean {
    if (this.#retryAt === undefined || this.#retryAt > now) return false
    this.#retryAt = undefined
    return true
  }
}
