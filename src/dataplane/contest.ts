/**
 * Our routes that another program keeps deleting. The first times they are written again at once; then after a backoff
 * that grows, so that two daemons do not use up the CPU of a node against each other.
 */
import { Deadlines } from '../base/deadlines.ts'
import type { Millis } from '../base/units.ts'

/** The most losses in a row after which the route is written again at once. */
const LOSSES_AT_ONCE = 5
/** A route that stays this long after its backoff starts a new count. */
const CALM: Millis = 60_000
const FIRST_BACKOFF: Millis = 1_000
const LONGEST_BACKOFF: Millis = 60_000

interface Losses {
  times: number
  at: Millis
}

export class Contest {
  readonly #losses = new Map<string, Losses>()
  /** The routes in backoff, and when each is written again. */
  readonly #held = new Set<string>()
  readonly #until = new Deadlines<string>()

  /** A route that should be there is gone. */
  noteLoss(key: string, now: Millis): void {
    const before = this.#losses.get(key)
    const isNew = before === undefined || now - before.at > CALM + this.#backoffAfter(before.times)
    const times = isNew ? 1 : before.times + 1
    this.#losses.set(key, { times, at: now })
    const backoff = this.#backoffAfter(times)
    if (backoff === 0) return
    this.#held.add(key)
    this.#until.set(key, now + backoff)
  }

  /** Why the route is not written now, with the number of losses; undefined: it is not in backoff. */
  whyHeld(key: string): string | undefined {
    if (!this.#held.has(key)) return undefined
    return `another program removes it again and again, ${this.#losses.get(key)?.times} times so far`
  }

  deadline(): Millis | undefined {
    return this.#until.first()
  }

  /** Takes out routes whose backoff is over, so many at most. */
  release(now: Millis, most: number): string[] {
    const due = this.#until.take(now, most)
    for (const key of due) this.#held.delete(key)
    return due
  }

  /** The route is no longer wanted. */
  forget(key: string): void {
    this.#losses.delete(key)
    if (this.#held.delete(key)) this.#until.set(key, undefined)
  }

  #backoffAfter(times: number): Millis {
    return times <= LOSSES_AT_ONCE ? 0 : Math.min(FIRST_BACKOFF * 2 ** (times - LOSSES_AT_ONCE - 1), LONGEST_BACKOFF)
  }
}
