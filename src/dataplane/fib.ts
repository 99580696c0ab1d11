/**
 * Compares wanted and present kernel routes. Only routes with our own protocol number are compared and changed, and those of
 * a speaker that `--adopt` names. Wanted routes are the best routes of BGP, direct routes to nodes, and blackholes for the
 * prefixes that this node originates.
 */
import type { Prefix } from '../base/prefix.ts'
import {
  GODWIT_PROTOCOL,
  type Hop,
  isDropping,
  KERNEL_PROTOCOL,
  type KernelRoute,
  MAIN_TABLE,
  ROUTE_METRIC,
  type RouteChange,
  sameRoute,
} from './kernel.ts'

/**
 * The key of a route of ours: prefix and table. A metric other than ours is part of the key, so that such a route is removed.
 */
export const ownKey = ({ prefix, metric, table }: KernelRoute): string =>
  metric === ROUTE_METRIC[prefix.family] ? keyIn(prefix.text, table) : `${keyIn(prefix.text, table)} metric ${metric}`

/** The key of our route for this prefix in a table. */
export const keyIn = (prefix: string, table: number): string =>
  table === MAIN_TABLE ? prefix : `${prefix} table ${table}`

/** `hops` must be sorted. */
export const unicast = (prefix: Prefix, hops: readonly Hop[], table: number): KernelRoute => ({
  prefix,
  type: 'unicast',
  protocol: GODWIT_PROTOCOL,
  metric: ROUTE_METRIC[prefix.family],
  table,
  hops,
})

/** Always in the main table: in a table that is looked up before it, it would win against the routes to the node's own pods. */
export const blackhole = (prefix: Prefix): KernelRoute => ({
  prefix,
  type: 'blackhole',
  protocol: GODWIT_PROTOCOL,
  metric: ROUTE_METRIC[prefix.family],
  table: MAIN_TABLE,
  hops: [],
})

/** The change from the present to the wanted route; undefined: they are the same. */
export function planRoute(wanted: KernelRoute | undefined, present: KernelRoute | undefined): RouteChange | undefined {
  if (wanted === undefined) return present === undefined ? undefined : { action: 'remove', route: present }
  if (present === undefined) return { action: 'add', route: wanted }
  return sameRoute(wanted, present) ? undefined : { action: 'replace', route: wanted }
}

/** All changes at once. Removals come first, so that a full table has room for the additions. */
export function planFib(wanted: Iterable<KernelRoute>, present: Iterable<KernelRoute>): RouteChange[] {
  const there = new Map([...present].map((route) => [ownKey(route), route]))
  const changes: RouteChange[] = []
  for (const route of wanted) {
    const key = ownKey(route)
    const change = planRoute(route, there.get(key))
    there.delete(key)
    if (change !== undefined) changes.push(change)
  }
  return [...[...there.values()].map((route): RouteChange => ({ action: 'remove', route })), ...changes]
}

/** Why a route must not be written beside a route of another program for the same prefix. */
export type Conflict =
  /** The prefix is that of a link of this node. This is expected. */
  | { readonly kind: 'connected'; readonly other: KernelRoute }
  | { readonly kind: 'foreign'; readonly other: KernelRoute }

/**
 * A learned route is not written where another program has a route for the same prefix. A blackhole may be written if
 * the other route has a lower metric, such as the connected route of the pods' bridge, or drops the packets as ours does;
 * but not if its metric is the same, which the kernel refuses, or if ours would come before a route that leads somewhere.
 */
export function whyNotBeside(route: KernelRoute, all: readonly KernelRoute[]): Conflict | undefined {
  if (all.length === 0) return undefined
  const isBlackhole = route.type === 'blackhole'
  const others = all.filter(({ table }) => table === route.table)
  const other = isBlackhole ? others.find((one) => isInTheWay(one, route)) : others[0]
  if (other === undefined) return undefined
  const isConnected = other.protocol === KERNEL_PROTOCOL && other.hops.every(({ gateway }) => gateway === undefined)
  return { kind: isConnected && !isBlackhole ? 'connected' : 'foreign', other }
}

const isInTheWay = (other: KernelRoute, { metric }: KernelRoute): boolean =>
  other.metric === metric || (other.metric > metric && !isDropping(other))
