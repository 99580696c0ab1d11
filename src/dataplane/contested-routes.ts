/**
 * Our routes that another program keeps deleting. They are written again: the first few times at once, then after a backoff
 * that grows, so that two daemons do not use up the CPU of a node against each other.
 */
import { SplitMap } from '../base/split-map.ts'
import type { Millis } from '../base/units.ts'
import { BackoffQueues, backoffAfter, type Waiting } from './backoff.ts'

/** How many deletions in a row are answered at once; each further one only after a backoff. */
const IMMEDIATE_WRITES = 5
/** Where a route stays this long after its backoff, its deletions are counted from one again. */
const QUIET: Millis = 60_000

interface Contested extends Waiting {
  readonly deletions: number
  readonly deletedAt: Millis
}

export class ContestedRoutes {
  readonly #byKey = new SplitMap<Contested>()
  readonly #queues = new BackoffQueues()

  /** Another program has deleted one of our routes. */
  noteDeletion(key: string, now: Millis): void {
    const before = this.#byKey.get(key)
    const isNew = before === undefined || now - before.deletedAt > QUIET + backoffOf(before)
    const deletions = isNew ? 1 : before.deletions + 1
    const route: Contested = { key, deletions, deletedAt: now, until: undefined }
    if (before !== undefined) before.until = undefined
    this.#byKey.set(key, route)
    if (backoffOf(route) > 0) this.#queues.add(route, backoffOf(route), now)
  }

  /** Why the route is not written now, with the number of deletions; undefined: it is not in backoff. */
  whyNotWritten(key: string): string | undefined {
    const route = this.#byKey.get(key)
    if (route?.until === undefined) return undefined
    return `another program deletes it again and again, ${route.deletions} times so far`
  }

  deadline(): Millis | undefined {
    return this.#queues.deadline
  }

  /** Ends the backoff of routes whose time has come, at most so many, and returns their keys. */
  endBackoffs(now: Millis, most: number): string[] {
    return this.#queues.end(now, most)
  }

  /** The route is no longer wanted. */
  forget(key: string): void {
    const route = this.#byKey.get(key)
    if (route !== undefined) route.until = undefined
    this.#byKey.delete(key)
  }
}

const backoffOf = ({ deletions }: Contested): Millis => backoffAfter(deletions - IMMEDIATE_WRITES)
