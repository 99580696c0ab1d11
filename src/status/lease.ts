/**
 * Elects the agent that writes what does not concern one node alone: the holder of a Lease, as in Kubernetes. A holder
 * has failed when its Lease has not changed for the Lease's duration on the reader's own clock, so that clocks need not
 * agree. The time in the Lease is only used to decide when to read it again.
 *
 * Thousands of agents read the Lease: the more there are, the less often each one does.
 */
import type { Millis } from '../base/units.ts'

/** A Lease as it was read. */
export interface LeaseRecord {
  /** '' or undefined: no agent holds it. */
  readonly holder: string | undefined
  /** Changes with every renewal. */
  readonly version: string
  /** By the holder's clock, milliseconds since 1970. */
  readonly renewedAt: Millis | undefined
}

/** How long a Lease that is not renewed still belongs to its holder. */
export const LEASE_DURATION: Millis = 60_000
const RENEW: Millis = 15_000
/** A holder that could not renew for so long stops before another can begin. */
const GIVE_UP: Millis = 45_000
/** All agents together look ten times a second. */
const LOOK_PER_NODE: Millis = 100
const LEAST_LOOK: Millis = 10_000

export type LeaseStep = { readonly kind: 'take' } | { readonly kind: 'wait'; readonly millis: Millis }

export class LeaseWatch {
  readonly #me: string
  /** The Lease of another agent as it was last read, and since when it has this version. */
  #seen:
    | { readonly version: string; readonly holder: string; readonly at: Millis; readonly isLate: boolean }
    | undefined
  /** A holder whose clock does not agree with ours: the time in its Lease does not show whether it is late. */
  #strangeClock: string | undefined
  /** When we last wrote it ourselves. */
  #heldAt: Millis | undefined

  constructor(me: string) {
    this.#me = me
  }

  isHeld(now: Millis): boolean {
    return this.#heldAt !== undefined && now - this.#heldAt < GIVE_UP
  }

  /** What to do about a Lease as it is; undefined: there is none. `wall` is the wall clock; `chance` in [0, 1). */
  look(record: LeaseRecord | undefined, nodes: number, now: Millis, wall: Millis, chance: number): LeaseStep {
    if (record === undefined || record.holder === undefined || record.holder === '') return TAKE
    if (record.holder === this.#me) return TAKE
    this.#heldAt = undefined
    const isLate = record.renewedAt === undefined || Math.abs(wall - record.renewedAt) > LEASE_DURATION
    if (this.#seen?.version !== record.version) {
      const wasLate = this.#seen?.isLate === true && this.#seen.holder === record.holder
      this.#strangeClock = isLate && wasLate ? record.holder : undefined
      this.#seen = { version: record.version, holder: record.holder, at: now, isLate }
    }
    const left = this.#seen.at + LEASE_DURATION - now
    if (left <= 0) return TAKE
    const pause = untilNextLook(nodes, chance)
    const looksSoon = isLate && this.#strangeClock !== record.holder
    return { kind: 'wait', millis: looksSoon ? Math.min(pause, left + 1_000 * chance) : pause }
  }

  /** It was written: it is ours. How long until it is renewed. */
  held(now: Millis): Millis {
    this.#heldAt = now
    return RENEW
  }

  /** Another one came first, or the API did not take it; how long until the next look. */
  lost(nodes: number, chance: number): Millis {
    return untilNextLook(nodes, chance)
  }
}

const untilNextLook = (nodes: number, chance: number): Millis =>
  Math.max(LEAST_LOOK, nodes * LOOK_PER_NODE) * (0.5 + chance)

const TAKE: LeaseStep = { kind: 'take' }
