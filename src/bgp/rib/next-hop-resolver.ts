/**
 * Keeps how each next hop is reached. The caller resolves next hops by the kernel's routes; where one now resolves
 * differently, the paths over it are decided again. A bounded number is resolved in each turn.
 */
import { type NextHopTable, REACH } from '../route/next-hop-table.ts'
import { ASK } from './review.ts'
import type { Reachability } from './types.ts'

/** The most new next hops that one turn resolves, and the most that it looks at because the kernel has changed. */
const NEXT_HOPS_AT_ONCE = 1_024

/** In: the octets of a next hop. */
export type ResolveNextHop = (nextHop: Uint8Array) => Reachability

export class NextHopResolver {
  readonly #table: NextHopTable
  readonly #changed: (id: number, asks: number) => void
  /** Next hops still to be resolved again after a change of the kernel; `isAsked`: whether the change concerns one. */
  #toResolve: { readonly ids: Iterator<number>; readonly isAsked: (nextHop: Uint8Array) => boolean } | undefined
  /** Some new next hops were left to a later turn, so decision has seen them. */
  #leftSome = false

  /** `changed` is called with the id of a next hop that resolves differently, and with what to ask about its paths. */
  constructor(table: NextHopTable, changed: (id: number, asks: number) => void) {
    this.#table = table
    this.#changed = changed
  }

  /** `resolve` has not looked yet at all next hops that are new or that a change concerns. */
  get isBusy(): boolean {
    return this.#leftSome || this.#toResolve !== undefined
  }

  /** From now on new next hops are noted, beginning with all that are there. */
  trackChanges(): void {
    this.#table.fresh ??= new Set(this.#table.ids())
  }

  /** `new`: those that decision has not seen yet. Otherwise also all of them, or those that a change of the kernel concerns. */
  resolve(resolve: ResolveNextHop, which: 'new' | 'all' | ((nextHop: Uint8Array) => boolean)): void {
    this.#resolveFresh(resolve, which !== 'new')
    if (which !== 'new') {
      // Not all next hops that an earlier change concerns are resolved yet: now all are resolved.
      const isAsked = this.#toResolve !== undefined || which === 'all' ? () => true : which
      this.#toResolve = { ids: this.#table.ids()[Symbol.iterator](), isAsked }
    }
    for (let looked = 0; looked < NEXT_HOPS_AT_ONCE && this.#toResolve !== undefined; looked++) {
      const { ids, isAsked } = this.#toResolve
      const { done, value: id } = ids.next()
      if (done === true) this.#toResolve = undefined
      else if (isAsked(this.#table.bytes.copy(id))) this.#tell(id, this.#resolveOne(id, resolve))
    }
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
