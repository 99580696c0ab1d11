/**
 * How much memory the routes of neighbors may take: of each neighbor and family, and of all together.
 *
 * A route is charged with what it would take alone: its rows, and its attribute block, twice where import policy made
 * another of it. Who shares a block is charged for it as well. So the sum over all neighbors is never below what the
 * tables hold of them, and what is charged to one does not depend on what others advertise.
 *
 * What would go beyond is refused, route by route, and the session stays: a route that was not there is not taken, one
 * that grew is withdrawn. The default route is always taken. When all tables together are too large, the neighbors are
 * refused that are charged more than the mean, so the largest first; and all neighbors when the tables still grow.
 */
import type { Family } from '../../base/family.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ImportCounters } from './import-counters.ts'
import type { RibPeer } from './types.ts'

/** Rows and slots of a prefix and of one path to it, with its share of Adj-RIB-Out; rounded up. */
const ROUTE_BYTES = 192
/** Rows and slots of a block. */
const BLOCK_BYTES = 96

/** Of the limit: from here on a warning is given … */
export const NEAR = 0.75
/** … and below this there is room for what was refused. */
const ROOM = 0.9
/** Beyond this excess, routes of all neighbors are refused. */
const FAR_TOO_LARGE = 1.25

/**
 * Octets that one neighbor's routes of a family may take unless said otherwise: 100,000 routes with 380 octets of
 * attributes.
 */
const DEFAULT_ROUTE_MEMORY = 64 * 1024 * 1024
const DEFAULT_ROUTES = 100_000

/** What the routes of a family may take: as said, or in proportion to how many there may be. */
export function memoryOf({ maxRouteMemory, maxPrefixes }: RibPeer, family: Family): number {
  if (maxRouteMemory !== undefined) return maxRouteMemory
  return (DEFAULT_ROUTE_MEMORY * Math.max(maxPrefixes[family] ?? 0, DEFAULT_ROUTES)) / DEFAULT_ROUTES
}

export class MemoryLimit {
  /** Octets that all tables may take; undefined for no limit. */
  readonly limit: number | undefined
  /** That they take, as last counted. */
  tables = 0
  #charged = 0
  /** How many neighbors and families are charged for anything. */
  #accounts = 0

  constructor(limit: number | undefined) {
    this.limit = limit
  }

  charge(counters: ImportCounters, octets: number): void {
    if (counters.octets === 0) this.#accounts++
    counters.octets += octets
    this.#charged += octets
    if (counters.octets === 0) this.#accounts--
  }

  /** The neighbor is gone: its routes go, and count among the tables until they have. */
  forget(counters: ImportCounters): void {
    this.charge(counters, -counters.octets)
  }

  get isTooLarge(): boolean {
    return this.limit !== undefined && this.tables > this.limit
  }

  /** What a neighbor may be charged at present. */
  ceiling(counters: ImportCounters, own: number): number {
    if (this.limit === undefined || this.tables <= this.limit) return own
    const isLarge = counters.octets * this.#accounts >= this.#charged
    return isLarge || this.tables > this.limit * FAR_TOO_LARGE ? 0 : own
  }

  /** Whether what was refused to it may come in. */
  hasRoom(counters: ImportCounters, own: number): boolean {
    return counters.octets < own * ROOM && (this.limit === undefined || this.tables < this.limit * ROOM)
  }
}

/** What a route costs with these attributes, as received and as policy left them. */
export function costOf({ blocks }: AttributeTable, received: number, attributes: number): number {
  const own = ROUTE_BYTES + BLOCK_BYTES + blocks.length(received)
  return attributes === received ? own : own + BLOCK_BYTES + blocks.length(attributes)
}
