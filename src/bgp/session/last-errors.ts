/** Why the last session of a neighbor ended, and why the last attempt to reach it failed. */
import type { Millis } from '../../base/units.ts'
import type { EndReason } from './end-reason.ts'
import { hasTcpConnection } from './fsm.ts'
import type { LastError, SessionState } from './types.ts'

export class LastErrors {
  #last: LastError | undefined
  #attempt: LastError | undefined

  get last(): LastError | undefined {
    return this.#last
  }

  /** Since the neighbor was last Established. */
  get attempt(): LastError | undefined {
    return this.#attempt
  }

  /** A connection has ended that was in the state `before`. One that we closed before it was connected is not recorded. */
  note(endReason: EndReason, before: SessionState, now: Millis): void {
    const wasConnected = hasTcpConnection(before)
    if (endReason.class === 'Error' && !wasConnected) return
    const error: LastError = { ...endReason, at: now }
    const isAttempt = endReason.class === 'Socket' && !wasConnected
    if (isAttempt) this.#attempt = error
    // The reason of a refusal is kept, although "cannot be reached" follows it.
    if (!isAttempt || this.#last === undefined || this.#last.class === 'Socket') this.#last = error
  }

  forgetAttempt(): void {
    this.#attempt = undefined
  }
}
