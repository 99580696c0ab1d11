/**
 * Who called and was turned away: how often, why, and who did of late. A router that calls from another address than its
 * `peerIP` is the commonest reason why a session does not come up.
 */
import type { Address } from '../base/address.ts'
import type { Millis } from '../base/units.ts'
import type { CallerView } from '../show/view.ts'

/** So many are remembered; a flood of others drives out those that called longest ago. */
const MOST = 32

export class Callers {
  #refused = 0
  /** By address, whoever called last stands last. */
  readonly #recent = new Map<Address, CallerView>()

  note(address: Address, reason: string, now: Millis): void {
    this.#refused++
    const calls = (this.#recent.get(address)?.calls ?? 0) + 1
    this.#recent.delete(address)
    this.#recent.set(address, { address, reason, calls, last: now })
    const [oldest] = this.#recent.size > MOST ? this.#recent.keys() : []
    if (oldest !== undefined) this.#recent.delete(oldest)
  }

  /** Since the agent began, of whom those are `recent` that called last. */
  get refused(): number {
    return this.#refused
  }

  /** Whoever called last comes first. */
  recent(): CallerView[] {
    return [...this.#recent.values()].reverse()
  }
}
