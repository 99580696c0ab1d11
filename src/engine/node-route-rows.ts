/**
 * Direct routes to pods of other nodes as rows of `show route`, after those of the RIB. The RIB does not have them,
 * since they are not advertised.
 */
import type { Family } from '../base/family.ts'
import { contains, type Prefix } from '../base/prefix.ts'
import type { RouteCount, RouteCursor, RoutePage, RouteQuery, RouteRow } from '../bgp/rib/types.ts'
import { originatedAttributes } from '../bgp/wire/attribute.ts'
import type { NodeRouteWriter, WantedRoute } from '../dataplane/node-routes.ts'
import type { RouteKeeper } from '../dataplane/route-keeper.ts'
import { NODE_ROUTE } from '../show/originated-kind.ts'
import type { NodeRouteCounts, NodeRouteGap, NodeRouteGaps } from '../show/view.ts'

const ATTRIBUTES = originatedAttributes([])
/** Rows that are checked for one page. */
const MOST_LOOKS = 1_024
/** Missing routes that are named. */
const MOST_GAPS = 10

/** The page that the RIB returns. */
export interface RibRows {
  page(query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage
  count(query: RouteQuery, from: RouteCursor | undefined): RouteCount
}

export class NodeRouteRows {
  readonly #routes: NodeRouteWriter
  readonly #keeper: RouteKeeper

  constructor(routes: NodeRouteWriter, keeper: RouteKeeper) {
    this.#routes = routes
    this.#keeper = keeper
  }

  /** A cursor below zero is among the rows of nodes: -1 - n stands for row n of `all()`, which may change between pages. */
  page(rib: RibRows, query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage {
    if (query.for !== undefined) return this.#pageFor(query.for, rib, query, from, limit)
    if (from !== undefined && from < 0) return this.#page(query, -1 - from, limit)
    const { rows, next } = rib.page(query, from, limit)
    return { rows, next: next ?? (this.#hasSome(query) ? -1 : undefined) }
  }

  count(rib: RibRows, query: RouteQuery, from: RouteCursor | undefined): RouteCount {
    if (query.for !== undefined) return this.#countFor(query.for, rib, query, from)
    if (from === undefined || from >= 0) {
      const { next, ...counted } = rib.count(query, from)
      return { ...counted, next: next ?? (this.#hasSome(query) ? -1 : undefined) }
    }
    const { found, next } = this.#walk(query, -1 - from, MOST_LOOKS)
    const known = found.filter(({ route: { prefix } }) => hasPrefix(rib, prefix)).length
    return { prefixes: found.length - known, paths: found.length, next }
  }

  /** How many there are, and how many the kernel has. */
  counts(): Record<Family, NodeRouteCounts> {
    const counts = { ipv4: { wanted: 0, written: 0 }, ipv6: { wanted: 0, written: 0 } }
    for (const { route } of this.#routes.all()) {
      const count = counts[route.prefix.family]
      count.wanted++
      if (this.#keeper.whyNotDirect(route.prefix.text) === undefined) count.written++
    }
    return counts
  }

  /** The wanted routes that are not in the kernel, not even by a neighbor; undefined where none are wanted. */
  gaps(): Omit<NodeRouteGaps, 'podless'> | undefined {
    if (!this.#routes.isOn) return undefined
    const first: NodeRouteGap[] = []
    let [count, foreign] = [0, 0]
    for (const { route } of this.#routes.all()) {
      const owner = this.#keeper.kernel.ownerAt(route.prefix)
      const isFelixs = this.#keeper.wanted.isLeft(route.prefix)
      if (owner === 'ours' || (owner === 'foreign' && isFelixs)) continue
      count++
      if (owner === 'foreign') foreign++
      const reason = this.#keeper.whyNotDirect(route.prefix.text)
      if (first.length < MOST_GAPS && reason !== undefined)
        first.push({ prefix: route.prefix.text, node: route.node, reason, isForeign: owner === 'foreign', isFelixs })
    }
    return { first, count, foreign }
  }

  /** The longest match of both, or both where they have the same prefix. */
  #pageFor(wanted: Prefix, rib: RibRows, query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage {
    const ours = this.#longest(wanted, query)
    if (ours === undefined) return rib.page(query, from, limit)
    const { rows, next } = rib.page(query, from, limit)
    const theirs = lengthOf(rows[0])
    if (theirs > ours.route.prefix.length) return { rows, next }
    const own = next === undefined ? [this.#row(ours)] : []
    return theirs < ours.route.prefix.length
      ? { rows: [this.#row(ours)], next: undefined }
      : { rows: [...rows, ...own], next }
  }

  #countFor(wanted: Prefix, rib: RibRows, query: RouteQuery, from: RouteCursor | undefined): RouteCount {
    const ours = this.#longest(wanted, query)
    const counted = rib.count(query, from)
    if (ours === undefined || counted.next !== undefined) return counted
    const theirs = lengthOf(rib.page(query, undefined, 1).rows[0])
    if (theirs > ours.route.prefix.length) return counted
    if (theirs < ours.route.prefix.length) return { prefixes: 1, paths: 1, next: undefined }
    return { ...counted, paths: counted.paths + 1 }
  }

  /** An address is matched by the longest prefix, a prefix by itself alone. */
  #longest(wanted: Prefix, query: RouteQuery): WantedRoute | undefined {
    if (!asksForAll(query)) return undefined
    const isHost = wanted.length === wanted.bytes.length * 8
    let longest: WantedRoute | undefined
    for (const one of this.#routes.all()) {
      const { prefix } = one.route
      const isThere = isHost ? contains(prefix, wanted) : prefix.text === wanted.text
      if (!isThere || prefix.length <= (longest?.route.prefix.length ?? -1)) continue
      if (this.#isMeant(one, query)) longest = one
    }
    return longest
  }

  #page(query: RouteQuery, from: number, limit: number): RoutePage {
    const { found, next } = this.#walk(query, from, limit)
    return { rows: found.map((one) => this.#row(one)), next }
  }

  #walk(query: RouteQuery, from: number, limit: number): { found: WantedRoute[]; next: RouteCursor | undefined } {
    const all = this.#routes.all()
    const found: WantedRoute[] = []
    let at = from
    for (; at < all.length && found.length < limit && at - from < MOST_LOOKS; at++) {
      const one = all[at] as WantedRoute
      if (this.#isMeant(one, query)) found.push(one)
    }
    return { found, next: at < all.length ? -1 - at : undefined }
  }

  #isMeant({ route: { prefix } }: WantedRoute, { family, in: range, primary }: RouteQuery): boolean {
    if (family !== undefined && prefix.family !== family) return false
    if (range !== undefined && !contains(range, prefix)) return false
    return primary !== true || this.#keeper.whyNotDirect(prefix.text) === undefined
  }

  #hasSome(query: RouteQuery): boolean {
    return asksForAll(query) && this.#routes.all().length > 0
  }

  #row({ route: { prefix, node, gateway }, since }: WantedRoute): RouteRow {
    const whyNot = this.#keeper.whyNotDirect(prefix.text)
    const name = this.#keeper.wanted.directWayTo(prefix.text)?.[0]?.interface
    return {
      prefix: prefix.text,
      family: prefix.family,
      peer: undefined,
      from: undefined,
      peerType: undefined,
      origin: NODE_ROUTE,
      interface: undefined,
      object: `Node/${node}`,
      named: undefined,
      nextHops: [gateway],
      best: whyNot === undefined,
      reason: whyNot ?? `the node is on the link ${name}: nodeRoutes Direct comes before BGP`,
      filtered: false,
      attributes: ATTRIBUTES,
      since,
      exportedTo: [],
    }
  }
}

/** Direct routes belong to no neighbor, are advertised to none and rejected by none: such queries exclude them. */
const asksForAll = ({ protocol, export: advertisedTo, noexport, filtered }: RouteQuery): boolean =>
  protocol === undefined && advertisedTo === undefined && noexport === undefined && filtered !== true

const lengthOf = (row: RouteRow | undefined): number => Number(row?.prefix.split('/')[1] ?? -1)

const hasPrefix = (rib: RibRows, prefix: Prefix): boolean =>
  rib.page({ for: prefix, family: prefix.family }, undefined, 1).rows[0]?.prefix === prefix.text
