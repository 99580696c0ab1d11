/**
 * What our OPEN contains, whether the neighbor's OPEN is acceptable, and what the two negotiate.
 * In: the configuration and both OPENs. Out: a Session, or the NOTIFICATION that refuses it (RFC 4271 §6.2).
 */
import { AFI, FAMILIES, type Family, familyOfPair, SAFI_UNICAST } from '../../base/family.ts'
import type { Asn, Seconds } from '../../base/units.ts'
import { encodeCapabilities } from '../wire/capability.ts'
import type { PeerType, WireContext } from '../wire/context.ts'
import { type MessageError, messageError } from '../wire/error.ts'
import { EXTENDED_MESSAGE_SIZE, MESSAGE_SIZE } from '../wire/header.ts'
import type { Capability, Open } from '../wire/message.ts'
import { ERROR, OPEN_ERROR } from '../wire/notification.ts'
import { AS_TRANS, asnOf, BGP_VERSION } from '../wire/open.ts'
import { COUNTERPART, ROLE, ROLES, type Role } from '../wire/role.ts'
import { AS_EVER, agreeRestart, type OwnRestart, restartCapability } from './restart.ts'
import type { PeerConfig, Session } from './types.ts'

type Kind = Capability['kind']
type CapabilityOf<K extends Kind> = Extract<Capability, { readonly kind: K }>

/** `own`: what we announce about our own restart. */
export function ourCapabilities(config: PeerConfig, own: OwnRestart = AS_EVER): readonly Capability[] {
  const role = offeredRole(config)
  return [
    ...config.families.map((family) => ({ kind: 'multiprotocol', afi: AFI[family], safi: SAFI_UNICAST }) as const),
    { kind: 'route-refresh' },
    ...(offersIpv6NextHops(config) ? [IPV6_NEXT_HOPS] : []),
    { kind: 'extended-message' },
    ...(role === undefined ? [] : [{ kind: 'role', role: ROLE[role] } as const]),
    ...restartCapability(config, own),
    { kind: 'four-octet-as', asn: config.localAs },
    ...addPathCapability(config),
    { kind: 'enhanced-refresh' },
    { kind: 'fqdn', host: config.hostName, domain: '' },
  ]
}

/** RFC 8950 §4: IPv4 unicast with a next hop of IPv6. */
const IPV6_NEXT_HOPS: Capability = {
  kind: 'extended-next-hop',
  tuples: [{ afi: AFI.ipv4, safi: SAFI_UNICAST, nextHopAfi: AFI.ipv6 }],
}

export const offersIpv6NextHops = ({ extendedNextHop, families }: PeerConfig): boolean =>
  extendedNextHop === true && families.includes('ipv4')

/** RFC 9234 §4.1: external neighbors only. */
export const offeredRole = (config: PeerConfig): Role | undefined => (mayBeExternal(config) ? config.role : undefined)

const mayBeExternal = ({ remoteAs, localAs }: PeerConfig): boolean => remoteAs !== 'internal' && remoteAs !== localAs

export const addPathFamilies = ({ addPath, families }: PeerConfig, direction: 'receive' | 'send'): readonly Family[] =>
  families.filter((family) => addPath?.[direction].includes(family))

/** RFC 7911 §4: one row for each family of which we send or take several paths. */
function addPathCapability(config: PeerConfig): readonly Capability[] {
  const [receive, send] = [addPathFamilies(config, 'receive'), addPathFamilies(config, 'send')]
  const rows = config.families.flatMap((family) => {
    const mode = (receive.includes(family) ? RECEIVE : 0) | (send.includes(family) ? SEND : 0)
    return mode === 0 ? [] : [{ afi: AFI[family], safi: SAFI_UNICAST, mode }]
  })
  return rows.length === 0 ? [] : [{ kind: 'add-path', families: rows }]
}

export function ourOpen(config: PeerConfig, own: OwnRestart = AS_EVER): Open {
  return {
    kind: 'open',
    version: BGP_VERSION,
    myAs: config.localAs > 0xffff ? AS_TRANS : config.localAs,
    holdTime: config.holdTime,
    routerId: config.routerId,
    capabilities: ourCapabilities(config, own),
  }
}

/** The result of two OPENs, without the connection they were sent on. */
export type Agreement = Omit<Session, 'conn' | 'local' | 'remote'>

/** `ours`: the OPEN that we sent on this connection. `theirs`: the one received. */
export function negotiate(config: PeerConfig, ours: Open, theirs: Open): Agreement | MessageError {
  const remoteAs = asnOf(theirs)
  const peerType: PeerType = remoteAs === config.localAs ? 'internal' : 'external'
  const families = commonFamilies(ours, theirs)
  const role = peerType === 'external' ? config.role : undefined
  const refusal =
    whyNotOpen(theirs, config, remoteAs, peerType) ??
    (role && whyNotRole(theirs, role, config.strictRole === true)) ??
    whyNotFamilies(families, ours)
  if (refusal !== undefined) return refusal
  const holdTime = Math.min(ours.holdTime, theirs.holdTime)
  return {
    localAs: config.localAs,
    remoteAs,
    localRouterId: config.routerId,
    remoteRouterId: theirs.routerId,
    peerType,
    families,
    holdTime,
    keepaliveTime: keepaliveTime(config, holdTime),
    receive: wireContext(theirs, ours, families, peerType),
    send: wireContext(ours, theirs, families, peerType),
    routeRefresh: bothOffer('route-refresh', ours, theirs),
    enhancedRefresh: bothOffer('route-refresh', ours, theirs) && bothOffer('enhanced-refresh', ours, theirs),
    restart: agreeRestart(ours, theirs, families),
    role,
  }
}

/** RFC 4271 §4.4: at most a third of the Hold Time, and none at all where that is 0. */
export function keepaliveTime(config: PeerConfig, holdTime: Seconds): Seconds {
  if (holdTime === 0) return 0
  const third = Math.floor(holdTime / 3)
  return Math.max(1, Math.min(config.keepaliveTime ?? third, third))
}

/** RFC 4271 §6.2, as far as it needs our configuration; what an OPEN may never say `decodeOpen` has refused already. */
function whyNotOpen(open: Open, config: PeerConfig, remoteAs: Asn, peerType: PeerType): MessageError | undefined {
  const expected = whyNotAs(remoteAs, config)
  if (expected !== undefined) {
    return messageError(ERROR.open, OPEN_ERROR.badPeerAs, `Bad peer AS: ${remoteAs}, expected ${expected}`)
  }
  // RFC 6286 §2.1: inside one AS no two speakers have the same identifier; between two they may.
  if (open.routerId === config.routerId && peerType === 'internal') {
    return messageError(ERROR.open, OPEN_ERROR.badIdentifier, 'Bad BGP identifier: the same as ours')
  }
  return undefined
}

/** RFC 4271 §6.2, Bad Peer AS: what was expected instead. */
export function whyNotAs(remoteAs: Asn, config: PeerConfig): string | undefined {
  const wanted = config.remoteAs
  // RFC 6793 §9: AS_TRANS belongs to no AS.
  if (remoteAs === AS_TRANS) return 'the real number'
  if (wanted === 'internal') return remoteAs === config.localAs ? undefined : `our own ${config.localAs}`
  if (wanted === 'external') return remoteAs === config.localAs ? 'another than our own' : undefined
  return remoteAs === wanted ? undefined : `${wanted}`
}

/**
 * RFC 9234 §4.2: Role Mismatch where theirs is not the counterpart of ours, where they say several that differ, and with
 * `strict` where they say none.
 */
function whyNotRole(open: Open, ours: Role, strict: boolean): MessageError | undefined {
  const said = [...new Set(allOf(open, 'role').map(({ role }) => role))]
  const wanted = COUNTERPART[ours]
  if (said.length === 0 ? !strict : said.length === 1 && said[0] === ROLE[wanted]) return undefined
  const found = said.length === 0 ? 'none' : said.map((role) => ROLES[role] ?? role).join(' and ')
  const text = `Role mismatch: neighbor says ${found}, expected ${wanted}, as we are ${ours}`
  return messageError(ERROR.open, OPEN_ERROR.roleMismatch, text)
}

export const hasRole = (open: Open): boolean => lastOf(open, 'role') !== undefined

/** RFC 5492 §5: Unsupported Capability; Data lists what we require as in OPEN: here any one of our families. */
function whyNotFamilies(common: readonly Family[], ours: Open): MessageError | undefined {
  if (common.length > 0) return undefined
  const data = encodeCapabilities(allOf(ours, 'multiprotocol'))
  return messageError(ERROR.open, OPEN_ERROR.unsupportedCapability, 'No address family in common', data)
}

function commonFamilies(ours: Open, theirs: Open): readonly Family[] {
  const a = familiesOf(ours)
  const b = familiesOf(theirs)
  return FAMILIES.filter((family) => a.includes(family) && b.includes(family))
}

/** RFC 4760 §8. A speaker without multiprotocol capabilities uses IPv4 unicast. */
function familiesOf(open: Open): readonly Family[] {
  const announced = allOf(open, 'multiprotocol')
  if (announced.length === 0) return ['ipv4']
  return announced.map(({ afi, safi }) => familyOfPair(afi, safi)).filter((family) => family !== undefined)
}

/** The context of one direction: messages from `from` to `to`. */
function wireContext(from: Open, to: Open, families: readonly Family[], peerType: PeerType): WireContext {
  return {
    fourOctetAs: bothOffer('four-octet-as', from, to),
    families,
    addPath: families.filter((family) => addPathMode(from, family) & SEND && addPathMode(to, family) & RECEIVE),
    extendedNextHop: hasExtendedNextHop(from) && hasExtendedNextHop(to),
    // RFC 8654 §4: messages beyond 4096 octets are allowed if the receiver announced the capability; the sender need not.
    messageSize: lastOf(to, 'extended-message') === undefined ? MESSAGE_SIZE : EXTENDED_MESSAGE_SIZE,
    peerType,
  }
}

// RFC 7911 §4: the two bits of Send/Receive.
const RECEIVE = 1
const SEND = 2

/** RFC 7911 §4: of several instances the last counts, and a value outside 1 to 3 is as if not there. */
function addPathMode(open: Open, family: Family): number {
  const row = lastOf(open, 'add-path')?.families.findLast(
    ({ afi, safi, mode }) => familyOfPair(afi, safi) === family && mode >= 1 && mode <= 3,
  )
  return row?.mode ?? 0
}

/** RFC 8950 §4: IPv4 unicast with a next hop of AFI 2, exactly. */
function hasExtendedNextHop(open: Open): boolean {
  return allOf(open, 'extended-next-hop').some(({ tuples }) =>
    tuples.some(({ afi, safi, nextHopAfi }) => familyOfPair(afi, safi) === 'ipv4' && nextHopAfi === AFI.ipv6),
  )
}

const bothOffer = (kind: Kind, a: Open, b: Open): boolean =>
  lastOf(a, kind) !== undefined && lastOf(b, kind) !== undefined

function allOf<K extends Kind>(open: Open, kind: K): readonly CapabilityOf<K>[] {
  return open.capabilities.filter((capability): capability is CapabilityOf<K> => capability.kind === kind)
}

const lastOf = <K extends Kind>(open: Open, kind: K): CapabilityOf<K> | undefined => allOf(open, kind).at(-1)
