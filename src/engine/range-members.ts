/**
 * The hosts of ranges that are neighbors: each has a session, or is expected back. They are dialled only while they may
 * wait for us; a new process dials, and waits for, those that the one before knew.
 */
import type { Address } from '../base/address.ts'

export class RangeMembers {
  readonly #addresses = new Set<Address>()
  /** Grows with every change. */
  revision = 0

  /** The first of them, in the order in which they called. */
  first(most: number): readonly Address[] {
    return [...this.#addresses].slice(0, most)
  }

  has(address: Address): boolean {
    return this.#addresses.has(address)
  }

  add(address: Address): void {
    if (this.#addresses.has(address)) return
    this.#addresses.add(address)
    this.revision++
  }

  delete(address: Address): void {
    if (this.#addresses.delete(address)) this.revision++
  }
}
