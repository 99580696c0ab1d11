/**
 * Neighbors that nobody names: BGPPeers with a range of addresses. Who calls from there becomes a neighbor made after the
 * range's intent, so many at a time, and is forgotten when it has gone.
 */
import type { Address } from '../base/address.ts'
import { contains, hostPrefix } from '../base/prefix.ts'
import type { PeerIntent } from '../cluster/intent.ts'

export class Ranges {
  readonly #ranges = new Map<string, PeerIntent>()
  /** By name of a neighbor: the range that it called from. */
  readonly #members = new Map<string, string>()

  set(range: PeerIntent): void {
    this.#ranges.set(range.name, range)
  }

  remove(name: string): void {
    this.#ranges.delete(name)
  }

  has(name: string): boolean {
    return this.#ranges.has(name)
  }

  /** The narrowest range around an address. */
  around(address: Address): PeerIntent | undefined {
    const host = hostPrefix(address)
    let found: PeerIntent | undefined
    for (const intent of this.#ranges.values()) {
      if (host === undefined || intent.range === undefined || !contains(intent.range.prefix, host)) continue
      if (found?.range === undefined || intent.range.prefix.length > found.range.prefix.length) found = intent
    }
    return found
  }

  get hasMembers(): boolean {
    return this.#members.size > 0
  }

  /** Names of the neighbors that called from a range. */
  membersOf(name: string): string[] {
    return [...this.#members].filter(([, range]) => range === name).map(([member]) => member)
  }

  join(range: string, member: string): void {
    this.#members.set(member, range)
  }

  leave(member: string): void {
    this.#members.delete(member)
  }
}

/** `Global_10_9_0_5`: a neighbor as its range says, at the address it called from. */
export const memberIntent = (range: PeerIntent, address: Address): PeerIntent => ({
  ...range,
  name: `${range.kind}_${address.replace(/[.:%]/g, '_')}`,
  address,
})
