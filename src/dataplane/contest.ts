/**
 * Routes of ours that somebody keeps deleting. They come back at once the first times; who goes on is left alone for
 * longer and longer, so that two daemons do not spend a node's time on each other.
 */
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'

/** So often a route comes back at once. */
const PATIENCE = 5
/** So long it must stay for the count to begin anew. */
const CALM: Millis = 60_000
const FIRST_PEACE: Millis = 1_000
const LAST_PEACE: Millis = 60_000

interface Losses {
  times: number
  at: Millis
}

export class Contest {
  readonly #losses = new Map<string, Losses>()
  /** When those that are left alone are written again. */
  readonly #held = new Map<string, Millis>()

  /** A route that should be there is gone. */
  lost(key: string, now: Millis): void {
    const before = this.#losses.get(key)
    const isNew = before === undefined || now - before.at > CALM + this.#peaceAfter(before.times)
    const times = isNew ? 1 : before.times + 1
    this.#losses.set(key, { times, at: now })
    const peace = this.#peaceAfter(times)
    if (peace > 0) this.#held.set(key, now + peace)
  }

  /** How often it was lost, where it is left alone for now. */
  whyHeld(key: string): string | undefined {
    if (!this.#held.has(key)) return undefined
    return `another program removes it again and again, ${this.#losses.get(key)?.times} times so far`
  }

  deadline(): Millis | undefined {
    let first: Millis | undefined
    for (const until of this.#held.values()) first = earlier(first, until)
    return first
  }

  /** Those whose peace is over. */
  release(now: Millis): string[] {
    const due = [...this.#held].filter(([, until]) => until <= now).map(([key]) => key)
    for (const key of due) this.#held.delete(key)
    return due
  }

  /** Nobody wants it any more. */
  forget(key: string): void {
    this.#losses.delete(key)
    this.#held.delete(key)
  }

  #peaceAfter(times: number): Millis {
    return times <= PATIENCE ? 0 : Math.min(FIRST_PEACE * 2 ** (times - PATIENCE - 1), LAST_PEACE)
  }
}
