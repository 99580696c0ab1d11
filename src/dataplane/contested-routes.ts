/**
 * Our routes that another program keeps deleting. They are written again: the first few times at once, then after a backoff
 * that grows, so that two daemons do not use up the CPU of a node against each other.
 */
import { SplitMap } from '../base/split-map.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'

/** How many deletions in a row are answered at once; each further one only after a backoff. */
const IMMEDIATE_WRITES = 5
/** Where a route stays this long after its backoff, its deletions are counted from one again. */
const QUIET: Millis = 60_000
const BACKOFFS: readonly Millis[] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]

interface Contested {
  readonly key: string
  readonly deletions: number
  readonly deletedAt: Millis
  /** When the route is written again; undefined: it is not in backoff. */
  until: Millis | undefined
  /** The next one in the queue of its backoff. */
  next: Contested | undefined
}

/** The routes in a backoff of one length: in the order in which they were deleted, and so of the ends of their backoff. */
interface Queue {
  first: Contested | undefined
  last: Contested | undefined
}

export class ContestedRoutes {
  readonly #byKey = new SplitMap<Contested>()
  readonly #queues = BACKOFFS.map((): Queue => ({ first: undefined, last: undefined }))

  /** Another program has deleted one of our routes. */
  noteDeletion(key: string, now: Millis): void {
    const before = this.#byKey.get(key)
    const isNew = before === undefined || now - before.deletedAt > QUIET + backoffAfter(before.deletions)
    const deletions = isNew ? 1 : before.deletions + 1
    const backoff = backoffAfter(deletions)
    const route: Contested = {
      key,
      deletions,
      deletedAt: now,
      until: backoff === 0 ? undefined : now + backoff,
      next: undefined,
    }
    if (before !== undefined) before.until = undefined
    this.#byKey.set(key, route)
    const queue = this.#queues[BACKOFFS.indexOf(backoff)]
    if (queue === undefined) return
    if (queue.last === undefined) queue.first = route
    else queue.last.next = route
    queue.last = route
  }

  /** Why the route is not written now, with the number of deletions; undefined: it is not in backoff. */
  whyNotWritten(key: string): string | undefined {
    const route = this.#byKey.get(key)
    if (route?.until === undefined) return undefined
    return `another program deletes it again and again, ${route.deletions} times so far`
  }

  deadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const queue of this.#queues) deadline = earlier(deadline, firstInBackoff(queue)?.until)
    return deadline
  }

  /** Ends the backoff of routes whose time has come, at most so many, and returns their keys. */
  endBackoffs(now: Millis, most: number): string[] {
    const due: string[] = []
    for (const queue of this.#queues) {
      for (let first = firstInBackoff(queue); due.length < most; first = firstInBackoff(queue)) {
        if (first?.until === undefined || first.until > now) break
        first.until = undefined
        due.push(first.key)
      }
    }
    return due
  }

  /** The route is no longer wanted. */
  forget(key: string): void {
    const route = this.#byKey.get(key)
    if (route !== undefined) route.until = undefined
    this.#byKey.delete(key)
  }
}

/** The first that is still in backoff; those before it, which have been written or are not wanted any more, leave the queue. */
function firstInBackoff(queue: Queue): Contested | undefined {
  while (queue.first !== undefined && queue.first.until === undefined) queue.first = queue.first.next
  if (queue.first === undefined) queue.last = undefined
  return queue.first
}

const backoffAfter = (deletions: number): Millis =>
  deletions <= IMMEDIATE_WRITES ? 0 : (BACKOFFS[Math.min(deletions - IMMEDIATE_WRITES, BACKOFFS.length) - 1] ?? 0)
