/**
 * Limits the memory that routes of neighbors take: for each neighbor and family, and for all together.
 *
 * A route is charged with what it would take alone: its rows, and its attribute block, twice if import policy changes it.
 * A shared block is charged to each route that uses it. So the sum over all neighbors is never below what the tables hold,
 * and the charge of one neighbor does not depend on what others advertise.
 *
 * Routes beyond a limit are rejected one by one, and the session stays: a new route is not accepted, one that has grown is
 * withdrawn. The default route is always accepted. When all tables together are too large, routes of the neighbors are
 * rejected that are charged at least the mean, so the largest first; if the tables still grow, those of all neighbors.
 */
import type { Family } from '../../base/family.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ImportState } from './import-state.ts'
import type { RibPeer } from './types.ts'

/** Rows and slots of a prefix and of one path to it, with its share of Adj-RIB-Out; rounded up. */
const ROUTE_BYTES = 192
/** Rows and slots of a block. */
const BLOCK_BYTES = 96

/** Share of the limit from which on a warning is logged … */
export const NEAR = 0.75
/** … and below which rejected routes are requested again. */
const ROOM = 0.9
/** Share of the limit of all tables beyond which routes of all neighbors are rejected. */
const FAR_TOO_LARGE = 1.25

/**
 * The default limit in octets for one neighbor's routes of a family: 100,000 routes with 380 octets of attributes.
 */
const DEFAULT_ROUTE_MEMORY = 64 * 1024 * 1024
const DEFAULT_ROUTES = 100_000

/** The limit in octets for the routes of a family: as configured, or in proportion to a `maxPrefixes` above 100,000. */
export function routeMemoryLimit({ maxRouteMemory, maxPrefixes }: RibPeer, family: Family): number {
  if (maxRouteMemory !== undefined) return maxRouteMemory
  return (DEFAULT_ROUTE_MEMORY * Math.max(maxPrefixes[family] ?? 0, DEFAULT_ROUTES)) / DEFAULT_ROUTES
}

export class MemoryLimit {
  /** Octets that all tables may take; undefined for no limit. */
  readonly limit: number | undefined
  /** Octets that all tables take, as last counted. */
  tables = 0
  #charged = 0
  /** How many pairs of neighbor and family are charged for anything. */
  #accounts = 0

  constructor(limit: number | undefined) {
    this.limit = limit
  }

  /** `octets`: below 0 to give some back. */
  charge(state: ImportState, octets: number): void {
    if (state.octets === 0) this.#accounts++
    state.octets += octets
    this.#charged += octets
    if (state.octets === 0) this.#accounts--
  }

  /** The neighbor is removed. Its routes still count for all tables until they are removed. */
  forget(state: ImportState): void {
    this.charge(state, -state.octets)
  }

  get isTooLarge(): boolean {
    return this.limit !== undefined && this.tables > this.limit
  }

  /** Too little is free to request rejected routes again, whoever advertises them. */
  get isShort(): boolean {
    return this.limit !== undefined && this.tables >= this.limit * ROOM
  }

  /** The octets that a neighbor may be charged with at present. `neighborLimit`: its own limit (`routeMemoryLimit`). */
  ceiling(state: ImportState, neighborLimit: number): number {
    if (this.limit === undefined || this.tables <= this.limit) return neighborLimit
    const isLarge = state.octets * this.#accounts >= this.#charged
    return isLarge || this.tables > this.limit * FAR_TOO_LARGE ? 0 : neighborLimit
  }

  /** Whether there is room for routes of the neighbor that were rejected. */
  hasRoom(state: ImportState, neighborLimit: number): boolean {
    return state.octets < neighborLimit * ROOM && !this.isShort
  }
}

/** The octets that a route is charged with, by its attributes as received and after policy. */
export function costOf({ blocks }: AttributeTable, received: number, attributes: number): number {
  const asReceived = ROUTE_BYTES + BLOCK_BYTES + blocks.length(received)
  return attributes === received ? asReceived : asReceived + BLOCK_BYTES + blocks.length(attributes)
}
