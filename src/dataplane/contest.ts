/**
 * Our routes that another program keeps deleting. The first times they are written again at once; then after a backoff
 * that grows, so that two daemons do not use up the CPU of a node against each other.
 */
import { SplitMap } from '../base/split-map.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'

/** The most losses in a row after which the route is written again at once. */
const LOSSES_AT_ONCE = 5
/** A route that stays this long after its backoff starts a new count. */
const CALM: Millis = 60_000
const BACKOFFS: readonly Millis[] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]

interface Losses {
  readonly key: string
  readonly times: number
  readonly at: Millis
  /** When the route is written again; undefined: it is not in backoff. */
  until: Millis | undefined
  /** The next one with the same backoff. */
  next: Losses | undefined
}

/** Those with one backoff, in the order of their losses, and so of their ends. */
interface Queue {
  first: Losses | undefined
  last: Losses | undefined
}

export class Contest {
  readonly #losses = new SplitMap<Losses>()
  readonly #queues = BACKOFFS.map((): Queue => ({ first: undefined, last: undefined }))

  /** A route that should be there is gone. */
  noteLoss(key: string, now: Millis): void {
    const before = this.#losses.get(key)
    const isNew = before === undefined || now - before.at > CALM + backoffAfter(before.times)
    const times = isNew ? 1 : before.times + 1
    const backoff = backoffAfter(times)
    const losses: Losses = { key, times, at: now, until: backoff === 0 ? undefined : now + backoff, next: undefined }
    if (before !== undefined) before.until = undefined
    this.#losses.set(key, losses)
    const queue = this.#queues[BACKOFFS.indexOf(backoff)]
    if (queue === undefined) return
    if (queue.last === undefined) queue.first = losses
    else queue.last.next = losses
    queue.last = losses
  }

  /** Why the route is not written now, with the number of losses; undefined: it is not in backoff. */
  whyHeld(key: string): string | undefined {
    const losses = this.#losses.get(key)
    if (losses?.until === undefined) return undefined
    return `another program removes it again and again, ${losses.times} times so far`
  }

  deadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const queue of this.#queues) deadline = earlier(deadline, skipFreed(queue)?.until)
    return deadline
  }

  /** Takes out routes whose backoff is over, so many at most. */
  release(now: Millis, most: number): string[] {
    const due: string[] = []
    for (const queue of this.#queues) {
      for (let first = skipFreed(queue); due.length < most; first = skipFreed(queue)) {
        if (first?.until === undefined || first.until > now) break
        first.until = undefined
        due.push(first.key)
      }
    }
    return due
  }

  /** The route is no longer wanted. */
  forget(key: string): void {
    const losses = this.#losses.get(key)
    if (losses !== undefined) losses.until = undefined
    this.#losses.delete(key)
  }
}

/** The first that is in backoff still. */
function skipFreed(queue: Queue): Losses | undefined {
  while (queue.first !== undefined && queue.first.until === undefined) queue.first = queue.first.next
  if (queue.first === undefined) queue.last = undefined
  return queue.first
}

const backoffAfter = (times: number): Millis =>
  times <= LOSSES_AT_ONCE ? 0 : (BACKOFFS[Math.min(times - LOSSES_AT_ONCE, BACKOFFS.length) - 1] ?? 0)
