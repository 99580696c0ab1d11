/**
 * Keeps how each next hop is reached. The caller resolves next hops by the kernel's routes; where one now resolves
 * differently, the paths over it are decided again. A bounded number is resolved in each turn.
 */
import type { Prefix } from '../../base/prefix.ts'
import { type NextHopTable, REACH } from '../route/next-hop-table.ts'
import { ASK } from './review.ts'
import type { Reachability } from './types.ts'

/** The most new next hops that one turn resolves, and the most that it resolves because the kernel has changed. */
const NEXT_HOPS_AT_ONCE = 1_024
/**
 * When more prefixes than this have changed in the kernel, or more next hops lie inside one, all next hops are resolved again.
 */
const FEW = 512

/** Prefixes of the kernel whose routes have changed: next hops inside may resolve differently. */
export type ChangedPrefixes = readonly Prefix[] | 'all'

/** In: the octets of a next hop. */
export type ResolveNextHop = (nextHop: Uint8Array) => Reachability

export class NextHopResolver {
  readonly #table: NextHopTable
  readonly #changed: (id: number, asks: number) => void
  /** Next hops inside prefixes that have changed in the kernel. */
  readonly #pending = new Set<number>()
  /** A round over all ids below `#end`: the next one, and how many are still to be looked at. Later ids are new. */
  #at = 1
  #end = 1
  #left = 0
  /** Some new next hops were left to a later turn, so decision has seen them. */
  #leftSome = false

  /** `changed` is called with the id of a next hop that resolves differently, and with what to ask about its paths. */
  constructor(table: NextHopTable, changed: (id: number, asks: number) => void) {
    this.#table = table
    this.#changed = changed
  }

  /** `resolve` has not looked yet at all next hops that are new or that a change concerns. */
  get isBusy(): boolean {
    return this.#leftSome || this.#pending.size > 0 || this.#left > 0
  }

  /** From now on new next hops are noted, beginning with all that are there. */
  trackChanges(): void {
    this.#table.trackChanges()
  }

  /** Resolves the next hops that decision has not seen yet, and those that a change of the kernel concerns. */
  resolve(resolve: ResolveNextHop, changed: ChangedPrefixes): void {
    this.#resolveFresh(resolve, changed === 'all' || changed.length > 0)
    // To look for the next hops inside more prefixes than there are next hops would take longer than to resolve all.
    if (changed === 'all' || changed.length > Math.min(FEW, this.#table.size)) this.#beginRound()
    else for (const prefix of changed) this.#noteInside(prefix)
    let room = NEXT_HOPS_AT_ONCE
    for (const id of this.#pending) {
      if (room-- === 0) return
      this.#pending.delete(id)
      this.#resolveAgain(id, resolve)
    }
    for (; room > 0 && this.#left > 0; this.#left--) {
      if (this.#resolveAgain(this.#at, resolve)) room--
      this.#at = this.#at + 1 < this.#end ? this.#at + 1 : 1
    }
  }

  /** It goes on where an earlier one is: changes that keep coming let it reach every next hop. */
  #beginRound(): void {
    this.#pending.clear()
    this.#end = this.#table.bytes.end
    // Ids begin at 1.
    this.#left = this.#end - 1
    if (this.#at >= this.#end) this.#at = 1
  }

  #noteInside(prefix: Prefix): void {
    const { byAddress } = this.#table
    if (byAddress === undefined) return
    if (byAddress.countInside(prefix) + this.#pending.size > FEW) this.#beginRound()
    else for (const id of byAddress.inside(prefix)) this.#pending.add(id)
  }

  /** Returns whether the id is in use. */
  #resolveAgain(id: number, resolve: ResolveNextHop): boolean {
    if (this.#table.bytes.refs[id] === 0) return false
    this.#tell(id, this.#resolveOne(id, resolve))
    return true
  }

  /** A path over a new next hop is dirty already, unless it was left by an earlier turn. */
  #resolveFresh(resolve: ResolveNextHop, hasKernelChanged: boolean): void {
    const { fresh } = this.#table
    if (fresh === undefined) return
    const wereDecided = hasKernelChanged || this.#leftSome
    let left = NEXT_HOPS_AT_ONCE
    for (const id of fresh) {
      if (left-- === 0) break
      fresh.delete(id)
      const asks = this.#resolveOne(id, resolve)
      if (wereDecided) this.#tell(id, asks)
    }
    this.#leftSome = fresh.size > 0
  }

  #tell(id: number, asks: number): void {
    if (asks !== 0) this.#changed(id, asks)
  }

  /** Returns what must be asked again about its paths: some of `ASK`. */
  #resolveOne(id: number, resolve: ResolveNextHop): number {
    const table = this.#table
    const found = resolve(table.bytes.copy(id))
    const { reach, metric, withoutLink = found, detour = [] } = found
    const isSame =
      table.metric[id] === metric &&
      table.reach[id] === REACH[reach] &&
      table.globalMetric[id] === withoutLink.metric &&
      table.globalReach[id] === REACH[withoutLink.reach]
    if (!isSame) table.setReach(id, REACH[reach], metric, REACH[withoutLink.reach], withoutLink.metric)
    return (isSame ? 0 : ASK.decision) | (table.setDetour(id, detour) ? ASK.export : 0)
  }

  /** Next hops in use that could not be resolved: at most `most` of them, and their number. */
  unreachable(most: number): { readonly first: readonly Uint8Array[]; readonly count: number } {
    const { bytes, unreachable } = this.#table
    const first: Uint8Array[] = []
    for (const id of unreachable) {
      if (first.length === most) break
      first.push(bytes.copy(id))
    }
    return { first, count: unreachable.size }
  }
}
