/**
 * The sessions that agents want of a BFD process of its own. They outlive the agent that asked.
 *
 * An agent that has just connected does not know all neighbors yet: those that connect to it, or are found on a link. So
 * for a time it only adds sessions. What the agent before it wanted goes when this one has been there for long enough to
 * know better, and not while there is no agent.
 */
import type { Address } from '../base/address.ts'
import type { Millis } from '../base/units.ts'
import type { BfdIntent } from './types.ts'

/**
 * For this long after an agent connects, sessions are only added. Each list that it sends in that time begins the wait again.
 */
const GRACE: Millis = 60_000

export class WantedSessions {
  #all: readonly BfdIntent[] = []
  /** What the agent that is connected wants; undefined: nothing yet, or there is none. */
  #ofAgent: readonly BfdIntent[] | undefined
  #connectedAt: Millis = 0
  #settleAt: Millis | undefined

  get all(): readonly BfdIntent[] {
    return this.#all
  }

  /** When `settle` has something to do. */
  get settleAt(): Millis | undefined {
    return this.#settleAt
  }

  /** An earlier run of this process had them. */
  resume(sessions: readonly BfdIntent[]): void {
    this.#all = sessions
  }

  connect(now: Millis): void {
    this.disconnect()
    this.#connectedAt = now
  }

  disconnect(): void {
    this.#ofAgent = undefined
    this.#settleAt = undefined
  }

  set(sessions: readonly BfdIntent[], now: Millis): void {
    this.#ofAgent = sessions
    const isYoung = now - this.#connectedAt < GRACE
    const settleAt = isYoung ? now + GRACE : (this.#settleAt ?? now)
    const others = settleAt > now ? this.#othersThan(sessions) : []
    this.#all = [...sessions, ...others]
    this.#settleAt = others.length > 0 ? settleAt : undefined
  }

  /** Sessions that the agent does not want go. */
  settle(): void {
    this.#all = this.#ofAgent ?? this.#all
    this.#settleAt = undefined
  }

  #othersThan(sessions: readonly BfdIntent[]): readonly BfdIntent[] {
    const known = new Set<Address>(sessions.map(({ remote }) => remote))
    return this.#all.filter(({ remote }) => !known.has(remote))
  }
}
