/**
 * The FIB: routes wanted × routes present → changes. Only routes of our own protocol number are ever compared or
 * changed. Wanted are the best routes that BGP taught us, and blackholes for what this node advertises of its own.
 */
import type { Prefix } from '../base/prefix.ts'
import {
  formatHop,
  type Hop,
  KERNEL_PROTOCOL,
  type KernelRoute,
  type OwnRoute,
  ROUTE_METRIC,
  type RouteChange,
  sortHops,
} from './kernel.ts'

/** Own routes are known by prefix; one with another metric than ours is somebody's mistake, and never wanted. */
export const ownKey = ({ prefix, metric }: OwnRoute): string =>
  metric === ROUTE_METRIC ? prefix.text : `${prefix.text} metric ${metric}`

export const unicast = (prefix: Prefix, hops: readonly Hop[]): OwnRoute => ({
  prefix,
  type: 'unicast',
  metric: ROUTE_METRIC,
  hops: sortHops(hops),
})

export const blackhole = (prefix: Prefix): OwnRoute => ({ prefix, type: 'blackhole', metric: ROUTE_METRIC, hops: [] })

export function sameRoute(a: OwnRoute, b: OwnRoute): boolean {
  return (
    a.type === b.type &&
    a.prefix.text === b.prefix.text &&
    a.metric === b.metric &&
    a.hops.length === b.hops.length &&
    a.hops.every((hop, index) => formatHop(hop) === formatHop(b.hops[index] as Hop))
  )
}

/** The change that leads from what is there to what should be; undefined where they are the same. */
export function planRoute(wanted: OwnRoute | undefined, present: OwnRoute | undefined): RouteChange | undefined {
  if (wanted === undefined) return present === undefined ? undefined : { action: 'remove', route: present }
  if (present === undefined) return { action: 'add', route: wanted }
  return sameRoute(wanted, present) ? undefined : { action: 'replace', route: wanted }
}

/** All changes at once. Removals come first: a full table has room again before it is asked for some. */
export function planFib(wanted: Iterable<OwnRoute>, present: Iterable<OwnRoute>): RouteChange[] {
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
 * A learned route stands back behind anybody's route for the same prefix. A blackhole may lie under one that wins
 * against it, such as the connected route of the bridge that pods hang on, but never beside or above one.
 */
export function whyNotBeside(route: OwnRoute, others: readonly KernelRoute[]): Conflict | undefined {
  const isBlackhole = route.type === 'blackhole'
  const other = isBlackhole ? others.find(({ metric }) => metric >= ROUTE_METRIC) : others[0]
  if (other === undefined) return undefined
  const isConnected = other.protocol === KERNEL_PROTOCOL && other.hops.every(({ gateway }) => gateway === undefined)
  return { kind: isConnected && !isBlackhole ? 'connected' : 'foreign', other }
}
