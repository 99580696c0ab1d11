/**
 * The kernel's routing as values: what is read from it, and what is asked of it. `dataplane` decides what the kernel
 * should hold; `edge/kernel/rtnetlink` and `edge/kernel/nft` carry it there and read it back.
 */
import { type Address, familyOfAddress } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'

/**
 * Routing protocol number of our routes: how we know them again after a restart, and how others know them. Neither
 * iproute2's list nor any daemon we know of has it.
 */
export const GODWIT_PROTOCOL = 171

/**
 * Metric of our routes. The kernel gives connected IPv6 routes 256, and a lower metric wins: a blackhole below that would
 * beat the route to the bridge that pods hang on. 1024 is what it gives an IPv6 route that a person adds without saying
 * one, and it refuses a second route of the same prefix and metric: ours stand one above.
 */
export const ROUTE_METRIC: Readonly<Record<Family, number>> = { ipv4: 1024, ipv6: 1025 }

/** The table that every kernel looks into, and where connected routes stand. */
export const MAIN_TABLE = 254

/** One way a route goes. */
export interface Hop {
  /** Undefined: whoever has the address is on this link. */
  readonly gateway: Address | undefined
  readonly interface: string
  /** The gateway is on the link though no route of the link says so. */
  readonly onlink: boolean
  /** Its share among the ways of the route: 1 to 256. */
  readonly weight: number
}

/** A route in the kernel, or wanted there. */
export interface KernelRoute {
  readonly prefix: Prefix
  /** `unicast`, `blackhole`, …: `RTN_*` of rtnetlink(7). */
  readonly type: string
  /** Who writes it. */
  readonly protocol: number
  readonly metric: number
  readonly table: number
  /** In the order of their text; none for a blackhole. */
  readonly hops: readonly Hop[]
}

/** What is different in the kernel's routes since the last word about them. */
export interface KernelChange {
  /** The first piece of everything: what was known before is void. */
  readonly full: boolean
  /** Pieces of the same reading follow. */
  readonly more: boolean
  /** As they were told: to be taken before `present`. */
  readonly gone: readonly KernelRoute[]
  readonly present: readonly KernelRoute[]
}

export interface RouteChange {
  readonly action: 'add' | 'replace' | 'remove'
  /** A removal may be of another writer's route: of the speaker before us. */
  readonly route: KernelRoute
}

/** A route that could not be written: its place in the list of changes, and why. */
export interface Failure {
  readonly index: number
  readonly reason: string
}

export const formatHop = ({ gateway, interface: name, onlink, weight }: Hop): string =>
  `${gateway === undefined ? '' : `via ${gateway} `}dev ${name}${weight === 1 ? '' : ` weight ${weight}`}${onlink ? ' onlink' : ''}`

export const formatRoute = ({ type, prefix, hops }: Pick<KernelRoute, 'type' | 'prefix' | 'hops'>): string =>
  type === 'unicast' ? `${prefix.text} ${hops.map(formatHop).join(', ')}` : `${type} ${prefix.text}`

/** As `ip route` lists it: two routes are the same when these are. */
export const routeKey = (route: KernelRoute): string =>
  `${formatRoute(route)} proto ${route.protocol} metric ${route.metric}${route.table === MAIN_TABLE ? '' : ` table ${route.table}`}`

/** In everything, whoever wrote them. */
export function sameRoute(a: KernelRoute, b: KernelRoute): boolean {
  return (
    a === b ||
    (a.prefix.text === b.prefix.text &&
      a.type === b.type &&
      a.metric === b.metric &&
      a.table === b.table &&
      a.protocol === b.protocol &&
      sameHops(a.hops, b.hops))
  )
}

const sameHops = (a: readonly Hop[], b: readonly Hop[]): boolean =>
  a === b || (a.length === b.length && a.every((hop, index) => sameHop(hop, b[index] as Hop)))

const sameHop = (a: Hop, b: Hop): boolean =>
  a === b || (a.gateway === b.gateway && a.interface === b.interface && a.weight === b.weight && a.onlink === b.onlink)

/** Hops in an order of their own, each once, so that equal sets have equal texts. */
export function sortHops(hops: readonly Hop[]): readonly Hop[] {
  if (hops.length < 2) return hops
  const byText = new Map(hops.map((hop) => [formatHop(hop), hop]))
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, hop]) => hop)
}

/** A gateway of the other family: RFC 8950. */
export const isForeignFamily = ({ family }: Prefix, gateway: Address): boolean => familyOfAddress(gateway) !== family

/** Who writes routes under which number, for people. */
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

/** Routing daemons, whose routes lead to other machines: FRR, BIRD, kube-router, babel. */
const OF_ROUTING: ReadonlySet<number> = new Set([11, 12, 17, 42, 186, 187, 188, 189, 192])

/** A routing daemon wrote it. */
export const isOfRouting = (protocol: number): boolean => OF_ROUTING.has(protocol)

/** `BIRD (protocol 12)`. */
export const ownerOf = (protocol: number): string =>
  PROTOCOLS[protocol] === undefined ? `protocol ${protocol}` : `${PROTOCOLS[protocol]} (protocol ${protocol})`

/** The kernel's own route of a link that has an address there. */
export const KERNEL_PROTOCOL = 2
