/**
 * The next hops of all routes, each once: 4 octets, 16, or 32 (a global and a link-local address). When the resolution of a
 * next hop changes, one row changes.
 */

import { isLinkLocalAt } from '../../base/address.ts'
import { AddressOrder } from '../../base/address-order.ts'
import { type LinkMark, markText } from '../../base/link-mark.ts'
import type { Octets } from '../../base/units.ts'
import { ByteTable } from './byte-table.ts'
import { growU8, growU32, usedBytes } from './columns.ts'
import type { HashKey } from './hash.ts'

/** The next hop "this node", of routes that we originate. It is in no table. */
export const SELF = 0

/** How a next hop is reached: without BGP routes, not at all, or only over a BGP route. */
export const REACH = { direct: 0, none: 1, learned: 2 } as const
export type Reach = (typeof REACH)[keyof typeof REACH]

/** About what one takes in `byAddress`: two places in lists, and a text of its address. */
const ORDER_OCTETS: Octets = 56

const NO_DETOUR: readonly LinkMark[] = []
const textOf = (links: readonly LinkMark[]): string => links.map(markText).join()

export class NextHopTable {
  readonly bytes: ByteTable
  /** The metric to the next hop, for decision; 0 until it is resolved. */
  metric = new Uint32Array(1)
  /** One of `REACH`. */
  reach = new Uint8Array(1)
  /** Metric and reach for neighbors whose link cannot be used: by the global address alone. */
  globalMetric = new Uint32Array(1)
  globalReach = new Uint8Array(1)
  /** By id: the links over which a next hop is reached by another gateway. */
  readonly detours = new Map<number, readonly LinkMark[]>()
  /** Increases with every change of `detours`. */
  detourRevision = 0
  /** Ids of next hops that cannot be resolved. */
  readonly unreachable = new Set<number>()
  /** Ids in use that were assigned since they were last resolved; undefined: nothing follows them. */
  fresh: Set<number> | undefined
  /** Ids in use by their global address, where they have one; undefined: nothing follows them. */
  byAddress: AddressOrder<number> | undefined

  constructor(key: HashKey) {
    this.bytes = new ByteTable(key, 256)
  }

  get size(): number {
    return this.bytes.size
  }

  intern(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const id = this.bytes.intern(bytes, start, end)
    if (this.bytes.refs[id] === 1) {
      this.setReach(id, REACH.direct, 0)
      this.fresh?.add(id)
      if (this.byAddress !== undefined) this.#placeByAddress(this.byAddress, id)
    }
    return id
  }

  /** From now on new next hops are noted, beginning with all that are there. */
  trackChanges(): void {
    if (this.fresh !== undefined) return
    this.fresh = new Set(this.ids())
    this.byAddress = new AddressOrder()
    for (const id of this.fresh) this.#placeByAddress(this.byAddress, id)
  }

  #placeByAddress(order: AddressOrder<number>, id: number): void {
    if (!this.isLinkOnly(id)) order.add(this.#globalAddress(id), id)
  }

  #globalAddress(id: number): Uint8Array {
    return this.bytes.copy(id).subarray(0, 16)
  }

  retain(id: number): void {
    if (id !== SELF) this.bytes.retain(id)
  }

  release(id: number): void {
    if (id === SELF) return
    if (this.bytes.refs[id] === 1 && !this.isLinkOnly(id)) this.byAddress?.remove(this.#globalAddress(id), id)
    this.bytes.release(id)
    if (this.bytes.refs[id] !== 0) return
    this.unreachable.delete(id)
    this.fresh?.delete(id)
    this.setDetour(id, NO_DETOUR)
  }

  /** The serial of an id (byte-table.ts); 0 for this node. */
  serialOf(id: number): number {
    return id === SELF ? 0 : (this.bytes.serial[id] as number)
  }

  setReach(id: number, reach: Reach, metric: number, globalReach = reach, globalMetric = metric): void {
    if (id >= this.metric.length) {
      this.metric = growU32(this.metric, this.bytes.refs.length)
      this.reach = growU8(this.reach, this.bytes.refs.length)
      this.globalMetric = growU32(this.globalMetric, this.bytes.refs.length)
      this.globalReach = growU8(this.globalReach, this.bytes.refs.length)
    }
    this.metric[id] = metric
    this.reach[id] = reach
    this.globalMetric[id] = globalMetric
    this.globalReach[id] = globalReach
    if (reach === REACH.none) this.unreachable.add(id)
    else this.unreachable.delete(id)
  }

  /** Returns whether that is new. */
  setDetour(id: number, links: readonly LinkMark[]): boolean {
    const before = this.detours.get(id) ?? NO_DETOUR
    if (textOf(before) === textOf(links)) return false
    if (links.length === 0) this.detours.delete(id)
    else this.detours.set(id, links)
    this.detourRevision++
    return true
  }

  /** Whether its packets leave over this link, by a gateway other than the next hop itself. */
  leadsInto(id: number, link: readonly LinkMark[]): boolean {
    const detour = this.detours.get(id)
    return detour?.some((one) => link.some((other) => markText(one) === markText(other))) === true
  }

  /** Whether a link-local address follows a global one (RFC 2545 §3). */
  hasLinkLocalHalf(id: number): boolean {
    if (id === SELF || this.bytes.length(id) !== 32) return false
    return isLinkLocalAt(this.bytes.segment(id), this.bytes.offset(id) + 16)
  }

  /** Whether it has no global address, so that it is valid only on the link of its session (RFC 4291 §2.5.6). */
  isLinkOnly(id: number): boolean {
    return id !== SELF && this.bytes.length(id) === 16 && isLinkLocalAt(this.bytes.segment(id), this.bytes.offset(id))
  }

  /** Ids in use. */
  *ids(): Iterable<number> {
    for (let id = 1; id < this.bytes.end; id++) if (this.bytes.refs[id] !== 0) yield id
  }

  memory(): Octets {
    const columns = usedBytes(this.bytes.end, this.metric, this.reach, this.globalMetric, this.globalReach)
    const order = this.byAddress === undefined ? 0 : this.size * ORDER_OCTETS
    return this.bytes.memory() + columns + order
  }
}

/**
 * The number of octets to skip in a next hop of 32 octets. RFC 2545 §3: a global address, followed by a link-local one. A
 * speaker without a global address writes the link-local one twice (FRR) or zeros (BIRD): both are link-local next hops.
 */
export function withoutGlobal(bytes: Uint8Array, start: number, length: number): 0 | 16 {
  if (length !== 32 || !isLinkLocalAt(bytes, start + 16)) return 0
  if (isLinkLocalAt(bytes, start)) return 16
  for (let index = 0; index < 16; index++) if (bytes[start + index] !== 0) return 0
  return 16
}
