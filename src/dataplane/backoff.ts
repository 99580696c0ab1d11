/**
 * Things that wait, each for one of a few delays. Each delay has a queue: what came first is due first, so that only the
 * heads of the queues are looked at. There may be a full table of them.
 */
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'

/** A delay of a second that doubles up to a minute. */
const BACKOFFS: readonly Millis[] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]

/** The delay after so many failures in a row; 0 without a failure. */
export const backoffAfter = (failures: number): Millis =>
  failures <= 0 ? 0 : (BACKOFFS[Math.min(failures, BACKOFFS.length) - 1] ?? 0)

export interface Waiting {
  readonly key: string
  /** When its waiting ends; undefined: it does not wait. Set to undefined where it need not wait any longer. */
  until: Millis | undefined
}

interface Queue {
  first: Link | undefined
  last: Link | undefined
}

interface Link {
  readonly one: Waiting
  next: Link | undefined
}

export class BackoffQueues {
  readonly #queues = new Map<Millis, Queue>(BACKOFFS.map((delay) => [delay, { first: undefined, last: undefined }]))

  /** `delay`: one of those that `backoffAfter` returns, but not 0. `one` must not be in a queue already. */
  add(one: Waiting, delay: Millis, now: Millis): void {
    const queue = this.#queues.get(delay)
    if (queue === undefined) return
    one.until = now + delay
    const link: Link = { one, next: undefined }
    if (queue.last === undefined) queue.first = link
    else queue.last.next = link
    queue.last = link
  }

  /** The end of the first waiting. */
  get deadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const queue of this.#queues.values()) deadline = earlier(deadline, firstOf(queue)?.until)
    return deadline
  }

  /** Ends the waiting of those whose time has come, at most so many, and returns their keys. */
  end(now: Millis, most: number): string[] {
    const due: string[] = []
    for (const queue of this.#queues.values()) {
      for (let first = firstOf(queue); due.length < most; first = firstOf(queue)) {
        if (first?.until === undefined || first.until > now) break
        first.until = undefined
        due.push(first.key)
      }
    }
    return due
  }
}

/** The first that still waits; those before it leave the queue. */
function firstOf(queue: Queue): Waiting | undefined {
  while (queue.first !== undefined && queue.first.one.until === undefined) queue.first = queue.first.next
  if (queue.first === undefined) queue.last = undefined
  return queue.first?.one
}
