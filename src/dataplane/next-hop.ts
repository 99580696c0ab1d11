/**
 * Resolves a BGP next hop by longest match over the kernel's routes that are not ours. So a next hop never depends on a
 * route learned over BGP, and there are no loops. If no such route exists, a route of `LearnedWays` is used; these cannot
 * form loops either.
 */
import { formatAddress, isLinkLocal, isLinkLocalAt } from '../base/address.ts'
import { addressKey } from '../base/address-order.ts'
import { formatHop, formatRoute, HIDDEN_HOPS, type Hop, type KernelRoute, ownerOf, sortHops } from './kernel.ts'
import type { KernelTable } from './kernel-table.ts'
import type { LearnedWay, LearnedWays } from './learned-ways.ts'
import { isOnLink } from './links.ts'

/** The next hop of a BGP route. */
export interface NextHop {
  /** 4 or 16 octets, or 32: a global address followed by a link-local one (RFC 2545 §3). */
  readonly bytes: Uint8Array
  /** The interface of the session: a link-local address is valid only there. */
  readonly interface: string | undefined
  /** `sourceInterface` names it: where several links have the network of the next hop, it is on this one. */
  readonly isBound?: boolean
}

export type Resolution =
  | {
      readonly kind: 'resolved'
      readonly hops: readonly Hop[]
      /** The metric for decision: 0 on the link, else one more than the metric of the resolving route. */
      readonly metric: number
      /** Prefix length of the resolving route. A more specific route that contains the next hop would take its place. */
      readonly length: number
      /** It is reached only over a route learned over BGP. */
      readonly learned: boolean
    }
  | { readonly kind: 'unresolved'; readonly reason: string }

export const nextHopKey = ({ bytes, interface: name, isBound = false }: NextHop): string =>
  hasLinkLocal(bytes) || isBound ? `${addressKey(bytes)}%${name ?? ''}${isBound ? '%' : ''}` : addressKey(bytes)

/** Whether the next hop can be resolved only over the interface of its session. */
export const hasLinkLocal = (bytes: Uint8Array): boolean => bytes.length === 32 || isLinkLocalBytes(bytes)

/** Whether it can be reached over the link of its session, whatever the kernel's routes say. */
export const isOnSessionLink = (bytes: Uint8Array): boolean =>
  bytes.length === 32 ? isLinkLocalAt(bytes, 16) : isLinkLocalBytes(bytes)

/** The part of a next hop that is looked up in the kernel's routes; undefined: it is link-local only. */
export function globalPart(bytes: Uint8Array): Uint8Array | undefined {
  const first = bytes.length === 32 ? bytes.subarray(0, 16) : bytes
  return isLinkLocalBytes(first) ? undefined : first
}

export function resolveNextHop(nextHop: NextHop, table: KernelTable, ways?: LearnedWays): Resolution {
  const { bytes } = nextHop
  if (bytes.length !== 32) {
    return isLinkLocalBytes(bytes)
      ? resolveLinkLocal(bytes, nextHop.interface, table)
      : resolveGlobal(bytes, nextHop, table, ways)
  }
  const global = globalPart(bytes)
  const first = global === undefined ? undefined : resolveGlobal(global, nextHop, table, ways)
  if (first?.kind === 'resolved' && first.metric === 0) return first
  const second = resolveLinkLocal(bytes.subarray(16), nextHop.interface, table)
  return second.kind === 'resolved' ? second : (first ?? second)
}

function resolveLinkLocal(bytes: Uint8Array, name: string | undefined, table: KernelTable): Resolution {
  const gateway = formatAddress(bytes)
  if (!isLinkLocal(gateway)) return unresolved(`${gateway} is not link-local`)
  if (name === undefined) return unresolved(`the interface of the link-local next hop ${gateway} is not known`)
  if (!table.links.isUp(name)) return unresolved(`the interface ${name} of the next hop ${gateway} is down`)
  if (!table.links.hasIpv6(name))
    return unresolved(`the interface ${name} of the next hop ${gateway} has no IPv6 address`)
  return {
    kind: 'resolved',
    hops: [{ gateway, interface: name, onlink: false, weight: 1 }],
    metric: 0,
    length: bytes.length * 8,
    learned: false,
  }
}

function resolveGlobal(
  bytes: Uint8Array,
  { interface: name, isBound }: NextHop,
  table: KernelTable,
  ways: LearnedWays | undefined,
): Resolution {
  const address = formatAddress(bytes)
  if (table.links.isOwn(address)) return unresolved(`the next hop ${address} is an address of this node`)
  const bound = isBound === true && name !== undefined ? table.links.get(name) : undefined
  const link = bound !== undefined && isOnLink(bound, address) ? bound.name : undefined
  const route = link === undefined ? table.lookupUp(bytes) : table.lookupOn(link, bytes)
  if (route === undefined && link !== undefined)
    return unresolved(`no route over ${link}, the interface of the session, leads to the next hop ${address}`)
  if (route === undefined) return resolveOverLearned(address, ways?.lookup(bytes))
  const over = `the next hop ${address} is reached by ${formatRoute(route)} of ${ownerOf(route.protocol)}`
  if (route.type !== 'unicast') return unresolved(`${over}, which leads nowhere`)
  // With this setting off, the kernel does not report the hops of such a route.
  if (route.hops.length === 0) return unresolved(`${over}, ${HIDDEN_HOPS}`)
  if (!route.hops.some((hop) => table.links.isUp(hop.interface))) return unresolved(`${over}, which is down`)
  return resolveOver(address, route, table, over)
}

/** The kernel requires a gateway on the link: that of the resolving route if it has one, else the next hop itself. */
function resolveOver(address: string, route: KernelRoute, table: KernelTable, over: string): Resolution {
  const hops = route.hops
    .filter((hop) => hop.interface !== 'lo' && table.links.isUp(hop.interface))
    .map((hop): Hop => (hop.gateway === undefined ? { ...hop, gateway: address } : hop))
  // The kernel keeps an IPv6 route over a link whose IPv6 was switched off, and refuses a new one.
  const usable = hops.filter(({ gateway, interface: name }) => !gateway?.includes(':') || table.links.hasIpv6(name))
  const onLink = route.hops.every(({ gateway }) => gateway === undefined)
  if (hops.length === 0) return unresolved(`${over}, which does not leave this node`)
  if (usable.length === 0) return unresolved(`${over}, over a link without IPv6`)
  return {
    kind: 'resolved',
    hops: sortHops(usable),
    metric: onLink ? 0 : Math.min(route.metric + 1, 0xffffffff),
    length: route.prefix.length,
    learned: false,
  }
}

/** The hops of the learned route are used unchanged: its gateways are on links. */
function resolveOverLearned(address: string, way: LearnedWay | undefined): Resolution {
  if (way === undefined) return unresolved(`no route of this node leads to the next hop ${address}`)
  return { kind: 'resolved', hops: way.hops, metric: 1, length: way.prefix.length, learned: true }
}

const unresolved = (reason: string): Resolution => ({ kind: 'unresolved', reason })

const isLinkLocalBytes = (bytes: Uint8Array): boolean => bytes.length === 16 && isLinkLocalAt(bytes, 0)

/** Text that is equal for equal resolutions. */
export const formatResolution = (resolution: Resolution): string =>
  resolution.kind === 'unresolved'
    ? resolution.reason
    : `${resolution.hops.map(formatHop).join(', ')} ${resolution.metric} ${resolution.length}${resolution.learned ? ' learned' : ''}`
