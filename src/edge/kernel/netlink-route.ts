/** Routes in rtnetlink(7): decodes what the kernel reports, and encodes what we ask for. */
import { addressBytes, familyOfAddress, formatAddress } from '../../base/address.ts'
import { ADDRESS_BYTES, type Family } from '../../base/family.ts'
import { packPrefix } from '../../base/prefix.ts'
import {
  GODWIT_PROTOCOL,
  type Hop,
  isForeignFamily,
  type KernelRoute,
  type RouteChange,
  sortHops,
} from '../../dataplane/kernel.ts'
import type { Attributes, Message, NetlinkWriter } from './netlink-message.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST } from './netlink-message.ts'

export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26

const AF: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 }

// Attributes of a route.
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PRIORITY = 6
const RTA_PREFSRC = 7
const RTA_MULTIPATH = 9
const RTA_TABLE = 15
const RTA_VIA = 18
const RTA_PREF = 20
const RTA_NH_ID = 30

/** The fixed part. */
const RTMSG = 12
/** The fixed part of one next hop among several. */
const RTNEXTHOP = 8

const RTNH_F_ONLINK = 4
/** A cached exception of a route (RTM_F_CLONED), not a route. */
const RTM_F_CLONED = 0x200

const RT_SCOPE_UNIVERSE = 0
const RT_SCOPE_LINK = 253
const RT_SCOPE_NOWHERE = 255
const RT_TABLE_UNSPEC = 0
/** An index that no link has. With index 0 the kernel would choose a link by itself. */
const NO_LINK = 0x7fffffff

/** `ICMPV6_ROUTER_PREF_*`, by number. */
const PREFERENCES: Readonly<Record<number, KernelRoute['preference']>> = { 1: 'high', 3: 'low' }

/** `RTN_*`, by number. */
const TYPES: readonly (string | undefined)[] = [
  undefined,
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
]

/** A route as the kernel reported it, with what only the reader of the table needs. */
export interface ReportedRoute {
  readonly route: KernelRoute
  /** Its preferred source address, which is ours: the kernel removes the route together with it. */
  readonly source: string | undefined
  /** Its next hops belong to a next hop object and change with it, without an event for the route. */
  readonly hasObject: boolean
}

/** Undefined for a route that we do not handle: of one type of service or one source, cached, or of unknown type. */
export function readRoute(
  attributes: Attributes,
  { from, to }: Message,
  nameOf: (index: number) => string,
): ReportedRoute | undefined {
  const { bytes, view } = attributes
  const family = bytes[from] === AF.ipv4 ? 'ipv4' : bytes[from] === AF.ipv6 ? 'ipv6' : undefined
  const type = TYPES[bytes[from + 7] as number]
  const flags = view.getUint32(from + 8, true)
  const isSpecial = bytes[from + 2] !== 0 || bytes[from + 3] !== 0 || (flags & RTM_F_CLONED) !== 0
  if (family === undefined || type === undefined || isSpecial) return undefined
  attributes.read(from + RTMSG, to)
  const address = attributes.octets(RTA_DST) ?? new Uint8Array(ADDRESS_BYTES[family])
  const source = attributes.octets(RTA_PREFSRC)
  const hasObject = attributes.has(RTA_NH_ID)
  const common = {
    prefix: packPrefix(address, bytes[from + 1] as number),
    type,
    protocol: bytes[from + 5] as number,
    metric: attributes.number(RTA_PRIORITY) ?? 0,
    table: attributes.number(RTA_TABLE) ?? (bytes[from + 4] as number),
  }
  const preference = PREFERENCES[attributes.octet(RTA_PREF) ?? 0]
  const hops = type === 'unicast' ? sortHops(readHops(attributes, flags, nameOf)) : []
  return {
    route: { ...common, hops, ...(preference !== undefined && { preference }) },
    source: source === undefined ? undefined : formatAddress(source),
    hasObject,
  }
}

function readHops(attributes: Attributes, flags: number, nameOf: (index: number) => string): Hop[] {
  const start = attributes.start(RTA_MULTIPATH)
  if (start === 0) {
    const index = attributes.number(RTA_OIF)
    return index === undefined ? [] : [readHop(attributes, flags, nameOf(index), 1)]
  }
  const end = attributes.end(RTA_MULTIPATH)
  const { bytes, view } = attributes
  const hops: Hop[] = []
  for (let at = start; at + RTNEXTHOP <= end; ) {
    const length = view.getUint16(at, true)
    if (length < RTNEXTHOP || at + length > end) break
    const name = nameOf(view.getInt32(at + 4, true))
    attributes.read(at + RTNEXTHOP, at + length)
    hops.push(readHop(attributes, bytes[at + 2] as number, name, (bytes[at + 3] as number) + 1))
    at += (length + 3) & ~3
  }
  return hops
}

function readHop(attributes: Attributes, flags: number, name: string, weight: number): Hop {
  // RTA_VIA: the gateway is of another family, whose number comes first.
  const bytes = attributes.octets(RTA_GATEWAY) ?? attributes.octets(RTA_VIA)?.subarray(2)
  const gateway = bytes?.length === 4 || bytes?.length === 16 ? formatAddress(bytes) : undefined
  return { gateway, interface: name, onlink: (flags & RTNH_F_ONLINK) !== 0, weight }
}

/** Asks for the routes of a family: of one table, or of one protocol in all tables. */
export function writeRouteDump(
  writer: NetlinkWriter,
  family: Family,
  only: { readonly table: number } | { readonly protocol: number },
): void {
  const protocol = 'protocol' in only ? only.protocol : 0
  writer.octets(AF[family], 0, 0, 0, RT_TABLE_UNSPEC, protocol, RT_SCOPE_UNIVERSE, 0)
  writer.number(0)
  if ('table' in only) writer.attributeNumber(RTA_TABLE, only.table)
}

/**
 * `add` fails if any program has a route with that prefix and metric; `replace` is used only on a route of ours. A
 * removal names every hop, so that the kernel removes exactly that route and no similar one. A route of another speaker
 * is identified by its protocol instead: it may use a next hop object, and the kernel does not find such a route by its
 * hops.
 */
export function writeChange(
  writer: NetlinkWriter,
  { action, route }: RouteChange,
  seq: number,
  indexOf: (name: string) => number | undefined,
): void {
  const isRemoval = action === 'remove'
  const how = isRemoval ? 0 : NLM_F_CREATE | (action === 'replace' ? NLM_F_REPLACE : NLM_F_EXCL)
  writer.begin(isRemoval ? RTM_DELROUTE : RTM_NEWROUTE, NLM_F_REQUEST | how, seq)
  const { prefix, table, metric, type } = route
  const hops = route.protocol === GODWIT_PROTOCOL ? route.hops : []
  const [hop, ...more] = hops
  writer.octets(AF[prefix.family], prefix.length, 0, 0, table < 256 ? table : RT_TABLE_UNSPEC, route.protocol)
  writer.octets(isRemoval ? RT_SCOPE_NOWHERE : scopeOf(route), Math.max(1, TYPES.indexOf(type)))
  writer.number(more.length === 0 && hop?.onlink === true ? RTNH_F_ONLINK : 0)
  writer.attribute(RTA_DST, prefix.bytes)
  writer.attributeNumber(RTA_PRIORITY, metric)
  writer.attributeNumber(RTA_TABLE, table)
  if (more.length > 0) writeHops(writer, route, indexOf)
  else if (hop !== undefined) {
    writeGateway(writer, route, hop)
    writer.attributeNumber(RTA_OIF, indexOf(hop.interface) ?? NO_LINK)
  }
  writer.end()
}

const scopeOf = ({ type, hops }: KernelRoute): number =>
  type === 'unicast' && hops.every(({ gateway }) => gateway === undefined) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE

function writeHops(writer: NetlinkWriter, route: KernelRoute, indexOf: (name: string) => number | undefined): void {
  const all = writer.open(RTA_MULTIPATH)
  for (const hop of route.hops) {
    // `rtnh_len` is where an attribute has its length, flags and weight are where it has its type.
    const one = writer.open((hop.onlink ? RTNH_F_ONLINK : 0) | ((hop.weight - 1) << 8))
    writer.number(indexOf(hop.interface) ?? NO_LINK)
    writeGateway(writer, route, hop)
    writer.close(one)
  }
  writer.close(all)
}

function writeGateway(writer: NetlinkWriter, { prefix }: KernelRoute, { gateway }: Hop): void {
  if (gateway === undefined) return
  const bytes = gatewayBytes(gateway)
  if (!isForeignFamily(prefix, gateway)) {
    writer.attribute(RTA_GATEWAY, bytes)
    return
  }
  const via = writer.open(RTA_VIA)
  writer.short(AF[familyOfAddress(gateway)])
  writer.octets(...bytes)
  writer.close(via)
}

/** There are few gateways, and each is written with many routes: the octets written last are kept. */
const GATEWAYS = new Map<string, Uint8Array>()
const MOST_GATEWAYS = 1_024

function gatewayBytes(gateway: string): Uint8Array {
  const known = GATEWAYS.get(gateway)
  if (known !== undefined) return known
  if (GATEWAYS.size === MOST_GATEWAYS) GATEWAYS.clear()
  const bytes = addressBytes(gateway)
  GATEWAYS.set(gateway, bytes)
  return bytes
}
