/**
 * Counts refused connections, and keeps the latest callers, each with the reason of its last refusal. A router that
 * connects from another address than its `peerIP` is the most common reason why a session does not come up.
 */

import type { Address } from '../base/address.ts'
import { counted } from '../base/counted.ts'
import type { Millis } from '../base/units.ts'
import type { CallersView, CallerView } from '../show/view.ts'
import type { Input } from './input.ts'
import { type LogLine, logLine } from './log-line.ts'

/** The most callers that are remembered; a new one replaces the one that connected longest ago. */
const MOST = 32

export class RefusedCallers {
  #refused = 0
  #dropped = 0
  #isFiltering = false
  /** By address; the latest caller is last. */
  readonly #recent = new Map<Address, CallerView>()

  note(address: Address, reason: string, now: Millis): void {
    this.#refused++
    const calls = (this.#recent.get(address)?.calls ?? 0) + 1
    this.#recent.delete(address)
    this.#recent.set(address, { address, reason, calls, last: now })
    const [oldest] = this.#recent.size > MOST ? this.#recent.keys() : []
    if (oldest !== undefined) this.#recent.delete(oldest)
  }

  /** A log line each time the filter is turned on or off. */
  noteFiltered({ isOn, dropped }: Extract<Input, { kind: 'callers-filtered' }>): LogLine | undefined {
    this.#dropped += dropped
    if (isOn === this.#isFiltering) return undefined
    this.#isFiltering = isOn
    if (!isOn) {
      const text = `the flood is over: connections from addresses that are not neighbors are no longer dropped; ${counted(this.#dropped, 'packet was', 'packets were')} dropped so far`
      return logLine('info', 'callers-seen', text, { dropped: this.#dropped })
    }
    const text = 'too many connections from addresses that are not neighbors: their packets are dropped and not listed'
    return logLine('warn', 'callers-filtered', text)
  }

  /** Since the start of the agent; the latest caller comes first. */
  view(): CallersView {
    return {
      refused: this.#refused,
      dropped: this.#dropped,
      isFiltering: this.#isFiltering,
      recent: [...this.#recent.values()].reverse(),
    }
  }
}
