/**
 * Decides when a status is written, so that all agents of a cluster together never write more than an API server can
 * take. A change waits a moment, so that changes that follow it are written with it. Because a whole fabric may change
 * at once, time is cut into spans that grow with the number of nodes, and each node has a moment of its own in every
 * span, by the wall clock, which nodes share. Values that change all the time are written rarely.
 */
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'

export interface PaceOptions {
  /** After a change. */
  readonly delay: Millis
  /** The part of the span for each node. */
  readonly perNode: Millis
  /** Least time between two writes. */
  readonly gap: Millis
}

/** 5,000 nodes: 75 s, 67 writes a second. */
export const STATUS_PACE: PaceOptions = { delay: 5_000, perNode: 15, gap: 10_000 }
/** Events have time: 5,000 nodes: 300 s, 17 a second. */
export const EVENT_PACE: PaceOptions = { delay: 5_000, perNode: 60, gap: 10_000 }
/** Counters alone are as old as that at least; twice as old at most. At 5,000 nodes fewer than 8 writes a second. */
export const COUNTERS_AFTER: Millis = 600_000

/** This node among all, in the order of their names. */
export interface NodeRank {
  readonly rank: number
  readonly nodes: number
}

/** How long all agents take together. */
export const spreadOf = ({ nodes }: NodeRank, { perNode }: PaceOptions): Millis => nodes * perNode

export class Pace {
  readonly #options: PaceOptions
  #writtenAt: Millis | undefined
  #due: Millis | undefined

  constructor(options: PaceOptions) {
    this.#options = options
  }

  get due(): Millis | undefined {
    return this.#due
  }

  /**
   * Something changed: it is written at the next moment of this node, together with what changes until then. `epoch`: what
   * to add to `now` for the wall clock.
   */
  changed(place: NodeRank, epoch: number, now: Millis): void {
    const { delay, gap } = this.#options
    const soonest = Math.max(now + delay, (this.#writtenAt ?? Number.NEGATIVE_INFINITY) + gap)
    this.#due = earlier(this.#due, this.moment(place, epoch, soonest))
  }

  /** The first moment of this node that is not before `at`. */
  moment(place: NodeRank, epoch: number, at: Millis): Millis {
    const span = spreadOf(place, this.#options)
    if (span === 0) return at
    const phase = (place.rank / place.nodes) * span
    return Math.ceil((epoch + at - phase) / span) * span + phase - epoch
  }

  /** Written just now, or looked at and found the same. */
  done(now: Millis): void {
    this.#due = undefined
    this.#writtenAt = now
  }

  /** Looked at, and there was nothing to write. */
  nothing(): void {
    this.#due = undefined
  }
}
