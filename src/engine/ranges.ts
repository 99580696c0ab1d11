/**
 * Neighbors of a BGPPeer with a range of addresses (`peerRange`). A host of the range that connects becomes a neighbor
 * with the range's intent, up to a limit, and is removed when its session and its routes are gone.
 */
import type { Address } from '../base/address.ts'
import { contains, hostPrefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import type { RangeView } from '../show/view.ts'

/** The intent of a range, and of each neighbor that connected from it. */
export type RangeIntent = PeerIntent & { readonly range: NonNullable<PeerIntent['range']> }

/** True of members too: ask it of the intents of objects, which are of ranges or of single neighbors. */
export const isRange = (intent: PeerIntent): intent is RangeIntent => intent.range !== undefined

export class Ranges {
  readonly #ranges = new Map<string, RangeIntent>()
  /** By name of a range: since when it has been held for its present reason, or not held. */
  readonly #since = new Map<string, Millis>()
  /** By name of a neighbor: the range that it connected from. */
  readonly #members = new Map<string, string>()
  /** Names of members that were removed after they had a session, the newest last. */
  readonly #former = new Set<string>()

  set(range: RangeIntent, now: Millis): void {
    if (this.#ranges.get(range.name)?.held !== range.held) this.#since.delete(range.name)
    if (!this.#since.has(range.name)) this.#since.set(range.name, now)
    this.#ranges.set(range.name, range)
  }

  /** Sorted by name. */
  views(): RangeView[] {
    const all = [...this.#ranges.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return all.map(({ name, kind, object, range: { prefix, limit }, port, remoteAs, localAs, held }) => {
      const neighbors = this.membersOf(name).length
      const since = this.#since.get(name) ?? 0
      return { name, kind, object, range: prefix.text, limit, neighbors, port, remoteAs, localAs, held, since }
    })
  }

  values(): Iterable<RangeIntent> {
    return this.#ranges.values()
  }

  remove(name: string): void {
    this.#ranges.delete(name)
    this.#since.delete(name)
  }

  /**
   * The same range under another name: its members stay in it, and so does the time since when it is in its state. Returns
   * how the names of its hosts change.
   */
  rename(from: string, range: RangeIntent, now: Millis): (host: string) => string {
    for (const member of this.membersOf(from)) this.join(range.name, member)
    const [before, since] = [this.#ranges.get(from), this.#since.get(from)]
    this.remove(from)
    if (before !== undefined) this.#ranges.set(range.name, before)
    if (since !== undefined) this.#since.set(range.name, since)
    this.set(range, now)
    return (host) => (before === undefined ? host : `${range.kind}${host.slice(before.kind.length)}`)
  }

  has(name: string): boolean {
    return this.#ranges.has(name)
  }

  /** The most specific range that contains an address. */
  covering(address: Address): RangeIntent | undefined {
    const host = hostPrefix(address)
    if (host === undefined) return undefined
    let found: RangeIntent | undefined
    for (const intent of this.#ranges.values()) {
      if (!contains(intent.range.prefix, host)) continue
      if (found === undefined || intent.range.prefix.length > found.range.prefix.length) found = intent
    }
    return found
  }

  get hasMembers(): boolean {
    return this.#members.size > 0
  }

  /** Names of the neighbors that connected from a range. */
  membersOf(name: string): string[] {
    return [...this.#members].filter(([, range]) => range === name).map(([member]) => member)
  }

  /** The range that a neighbor connected from. */
  rangeOf(member: string): string | undefined {
    return this.#members.get(member)
  }

  join(range: string, member: string): void {
    this.#members.set(member, range)
  }

  leave(member: string): void {
    this.#members.delete(member)
  }

  /** The neighbors, each with the name of its range. */
  members(): readonly (readonly [member: string, range: string])[] {
    return [...this.#members]
  }

  /** A member that had a session is removed. */
  noteFormer(member: string): void {
    this.#former.delete(member)
    this.#former.add(member)
    const [oldest] = this.#former
    if (this.#former.size > MOST_FORMER && oldest !== undefined) this.#former.delete(oldest)
  }

  /** Whether it has had a session since our start: to such a host we do not say again that we have restarted. */
  isFormer(member: string): boolean {
    return this.#former.has(member)
  }
}

/** Bounds memory, where new addresses call all the time. A host that is forgotten is told of our restart once more. */
const MOST_FORMER = 4_096

/** The intent of a neighbor that connected from a range, named `Global_10_9_0_5`. */
export const memberIntent = (range: RangeIntent, address: Address): RangeIntent => ({
  ...range,
  name: `${range.kind}_${address.replace(/[.:%]/g, '_')}`,
  address,
})
