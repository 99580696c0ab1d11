/**
 * The kernel's routing as values: what is read from it, and the changes to it. `dataplane` decides which routes and rules
 * the kernel should hold; `edge/kernel/rtnetlink` and `edge/kernel/nft` write and read them.
 */
import { type Address, familyOfAddress } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'

/**
 * Routing protocol number of our routes: it identifies them after a restart, and for other programs. It is neither in
 * iproute2's list nor used by any daemon that we know.
 */
export const GODWIT_PROTOCOL = 171

/**
 * Metric of our routes. The lowest metric wins. The kernel gives connected IPv6 routes 256: a blackhole with a lower metric
 * would win against the route to the bridge of the pods. It gives IPv6 routes that are added without a metric 1024 and
 * refuses a second route with the same prefix and metric, so ours have 1025.
 */
export const ROUTE_METRIC: Readonly<Record<Family, number>> = { ipv4: 1024, ipv6: 1025 }

/** The table that the kernel looks up by default, and that has the connected routes. */
export const MAIN_TABLE = 254

/** One hop of a route: a gateway on a link, or the link itself. */
export interface Hop {
  /** Undefined: the destination itself is on this link. */
  readonly gateway: Address | undefined
  readonly interface: string
  /** The gateway is on the link even if no route says so. */
  readonly onlink: boolean
  /** Its weight among the hops of the route: 1 to 256. */
  readonly weight: number
}

/** A route in the kernel, or wanted there. */
export interface KernelRoute {
  readonly prefix: Prefix
  /** `unicast`, `blackhole`, …: `RTN_*` of rtnetlink(7). */
  readonly type: string
  /** The program that writes it: `RTPROT_*` of rtnetlink(7). */
  readonly protocol: number
  readonly metric: number
  readonly table: number
  /** Sorted by their text; empty for a blackhole. */
  readonly hops: readonly Hop[]
  /** Of IPv6 routes with one metric the kernel uses the one that its router prefers (RFC 4191); absent: medium. */
  readonly preference?: 'high' | 'low'
}

/** The lowest is used. */
export const preferenceRank = ({ preference }: Pick<KernelRoute, 'preference'>): number =>
  preference === 'high' ? 0 : preference === 'low' ? 2 : 1

/** What has changed in the kernel's routes since the previous change. */
export interface KernelChange {
  /** The first part of the first reading: nothing is known before. */
  readonly full: boolean
  /** More parts of the same reading follow. */
  readonly more: boolean
  /** Removed routes, as the kernel reported them; to be applied before `present`. */
  readonly gone: readonly KernelRoute[]
  readonly present: readonly KernelRoute[]
  /**
   * Routes of ours among `gone` that another program deleted. The kernel itself removes others with their link or an address.
   */
  readonly deleted?: readonly KernelRoute[]
  /** About how many routes of other programs are there and not reported, as there are too many; absent: as before. */
  readonly leftOut?: number
}

export interface RouteChange {
  readonly action: 'add' | 'replace' | 'remove'
  /** A removal may also concern a route of the previous speaker (`--adopt`). */
  readonly route: KernelRoute
}

/** A change that failed: its index in the list of changes, and why. */
export interface Failure {
  readonly index: number
  readonly reason: string
}

export const formatHop = ({ gateway, interface: name, onlink, weight }: Hop): string =>
  `${gateway === undefined ? '' : `via ${gateway} `}dev ${name}${weight === 1 ? '' : ` weight ${weight}`}${onlink ? ' onlink' : ''}`

export const formatRoute = ({ type, prefix, hops }: Pick<KernelRoute, 'type' | 'prefix' | 'hops'>): string => {
  if (type !== 'unicast') return `${type} ${prefix.text}`
  return hops.length === 0 ? prefix.text : `${prefix.text} ${hops.map(formatHop).join(', ')}`
}

/** As `ip route` lists it: two routes are the same when these are. */
export const routeKey = (route: KernelRoute): string =>
  `${formatRoute(route)} proto ${route.protocol} metric ${route.metric}${route.table === MAIN_TABLE ? '' : ` table ${route.table}`}${route.preference === undefined ? '' : ` pref ${route.preference}`}`

/** Whether two routes are equal in all fields. */
export function sameRoute(a: KernelRoute, b: KernelRoute): boolean {
  return (
    a === b ||
    (a.prefix.text === b.prefix.text &&
      a.type === b.type &&
      a.metric === b.metric &&
      a.table === b.table &&
      a.protocol === b.protocol &&
      a.preference === b.preference &&
      sameHops(a.hops, b.hops))
  )
}

const sameHops = (a: readonly Hop[], b: readonly Hop[]): boolean =>
  a === b || (a.length === b.length && a.every((hop, index) => sameHop(hop, b[index] as Hop)))

const sameHop = (a: Hop, b: Hop): boolean =>
  a === b || (a.gateway === b.gateway && a.interface === b.interface && a.weight === b.weight && a.onlink === b.onlink)

/** Sorted and unique hops, so that equal sets have equal text. */
export function sortHops(hops: readonly Hop[]): readonly Hop[] {
  if (hops.length < 2) return hops
  const byText = new Map(hops.map((hop) => [formatHop(hop), hop]))
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, hop]) => hop)
}

/** Types of routes that drop their packets on this node. */
const DROPPING: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit'])

export const isDropping = ({ type }: Pick<KernelRoute, 'type'>): boolean => DROPPING.has(type)

/** A gateway of the other family: RFC 8950. */
export const isForeignFamily = ({ family }: Prefix, gateway: Address): boolean => familyOfAddress(gateway) !== family

/** Names of the programs by protocol number. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'ICMP redirects',
  2: 'the kernel',
  3: 'the boot configuration',
  4: 'a static route',
  9: 'router advertisements',
  11: 'FRR',
  12: 'BIRD',
  16: 'DHCP',
  17: 'kube-router',
  18: 'keepalived',
  42: 'babel',
  80: 'Calico',
  186: 'FRR (BGP)',
  187: 'FRR (IS-IS)',
  188: 'FRR (OSPF)',
  189: 'FRR (RIP)',
  192: 'FRR (EIGRP)',
  196: 'FRR (static)',
  [GODWIT_PROTOCOL]: 'Godwit',
}

/** Protocol numbers of routing daemons, whose routes lead to other machines: FRR, BIRD, kube-router, babel. */
const OF_ROUTING: ReadonlySet<number> = new Set([11, 12, 17, 42, 186, 187, 188, 189, 192])

/** Whether a routing daemon writes routes with this number. */
export const isOfRouting = (protocol: number): boolean => OF_ROUTING.has(protocol)

/** `BIRD (protocol 12)`. */
export const ownerOf = (protocol: number): string =>
  PROTOCOLS[protocol] === undefined ? `protocol ${protocol}` : `${PROTOCOLS[protocol]} (protocol ${protocol})`

/** A route with the program that writes it. */
export const describeRoute = (route: KernelRoute): string =>
  `${formatRoute(route)} metric ${route.metric} of ${ownerOf(route.protocol)}`

/** The protocol of routes that the kernel itself adds for the addresses of a link. */
export const KERNEL_PROTOCOL = 2

/** Where the kernel reports no hops of a route that has some. */
export const HIDDEN_HOPS = 'by a next hop object that is not shown: set net.ipv4.nexthop_compat_mode to 1'
