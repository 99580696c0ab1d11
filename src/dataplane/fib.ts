/**
 * The FIB: routes wanted × routes present → changes. Only routes of our own protocol number are ever compared or
 * changed, and those of a speaker that `--adopt` names. Wanted are the best routes that BGP taught us, and blackholes
 * for what this node advertises of its own.
 */
import type { Prefix } from '../base/prefix.ts'
import {
  GODWIT_PROTOCOL,
  type Hop,
  KERNEL_PROTOCOL,
  type KernelRoute,
  MAIN_TABLE,
  ROUTE_METRIC,
  type RouteChange,
  sameRoute,
} from './kernel.ts'

/** Own routes are known by prefix and table; one with another metric than ours is never wanted. */
export const ownKey = ({ prefix, metric, table }: KernelRoute): string =>
  metric === ROUTE_METRIC[prefix.family] ? keyIn(prefix.text, table) : `${keyIn(prefix.text, table)} metric ${metric}`

/** Of our route for this prefix in a table. */
export const keyIn = (prefix: string, table: number): string =>
  table === MAIN_TABLE ? prefix : `${prefix} table ${table}`

/** `hops` in their order. */
export const unicast = (prefix: Prefix, hops: readonly Hop[], table: number): KernelRoute => ({
  prefix,
  type: 'unicast',
  protocol: GODWIT_PROTOCOL,
  metric: ROUTE_METRIC[prefix.family],
  table,
  hops,
})

/** Always in the main table: in one that is looked into before it, it would beat the routes to the node's own pods. */
export const blackhole = (prefix: Prefix): KernelRoute => ({
  prefix,
  type: 'blackhole',
  protocol: GODWIT_PROTOCOL,
  metric: ROUTE_METRIC[prefix.family],
  table: MAIN_TABLE,
  hops: [],
})

/** The change that leads from what is there to what should be; undefined where they are the same. */
export function planRoute(wanted: KernelRoute | undefined, present: KernelRoute | undefined): RouteChange | undefined {
  if (wanted === undefined) return present === undefined ? undefined : { action: 'remove', route: present }
  if (present === undefined) return { action: 'add', route: wanted }
  return sameRoute(wanted, present) ? undefined : { action: 'replace', route: wanted }
}

/** All changes at once. Removals come first: a full table has room again before it is asked for some. */
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

/** Why a route may not stand beside those that others have for the same prefix. */
export type Conflict =
  /** The prefix is that of a link of ours. Nothing is wrong with that. */
  | { readonly kind: 'connected'; readonly other: KernelRoute }
  | { readonly kind: 'foreign'; readonly other: KernelRoute }

/**
 * A learned route is not written where another program has a route for the same prefix. A blackhole may be written if
 * the other route has a lower metric, such as the connected route of the pods' bridge, but not if its metric is the
 * same or higher.
 */
export function whyNotBeside(route: KernelRoute, all: readonly KernelRoute[]): Conflict | undefined {
  if (all.length === 0) return undefined
  const isBlackhole = route.type === 'blackhole'
  const others = all.filter(({ table }) => table === route.table)
  const other = isBlackhole ? others.find(({ metric }) => metric >= route.metric) : others[0]
  if (other === undefined) return undefined
  const isConnected = other.protocol === KERNEL_PROTOCOL && other.hops.every(({ gateway }) => gateway === undefined)
  return { kind: isConnected && !isBlackhole ? 'connected' : 'foreign', other }
}
