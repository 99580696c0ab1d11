/** Parses our own fields of a BGPPeer that ask for features of BGP which Calico does not have. */
import { FAMILIES, type Family } from '../../base/family.ts'
import { ROLES } from '../../bgp/wire/role.ts'
import type { PrefixLimit } from '../intent.ts'
import type { PeerObject } from '../objects.ts'
import { type Fields, isRecord } from './fields.ts'

type Features =
  | 'allowedOwnAs'
  | 'addPath'
  | 'extendedNextHop'
  | 'role'
  | 'strictRole'
  | 'maxPrefixes'
  | 'maxRouteMemory'
  | 'range'
  | 'remoteAs'

/** Calico's own limit. */
const MOST_OWN_AS = 0x7fffffff

export function parseFeatures(spec: Fields): Pick<PeerObject, Features> {
  const role = spec.oneOf('role', ROLES)
  const strictRole = spec.flag('strictRole') ?? false
  if (strictRole && role === undefined) spec.findings.wrong(spec.at('strictRole'), undefined, 'needs role')
  return {
    allowedOwnAs: spec.whole('numAllowedLocalASNumbers', 0, MOST_OWN_AS) ?? 0,
    addPath: readAddPath(spec),
    extendedNextHop: spec.flag('extendedNextHop'),
    role,
    strictRole,
    maxPrefixes: readMaxPrefixes(spec),
    maxRouteMemory: readRouteMemory(spec),
    range: readRange(spec),
    remoteAs: readRemoteAs(spec),
  }
}

/** `remoteAS`, in place of `asNumber`: `internal` for our own number, `external` for any other. */
function readRemoteAs(spec: Fields): PeerObject['remoteAs'] {
  const word = spec.oneOf('remoteAS', ['internal', 'external'])
  const given = spec.has('asNumber') && spec.raw('asNumber') !== 0
  if (word !== undefined && given) {
    return spec.findings.wrong(spec.at('remoteAS'), word, 'may not be given together with asNumber')
  }
  return word
}

/** `addPath: {receive: true, send: [ipv4]}`: true means both families. */
function readAddPath(spec: Fields): PeerObject['addPath'] {
  const fields = spec.record('addPath')
  const addPath = { receive: readFamilies(fields, 'receive'), send: readFamilies(fields, 'send') }
  fields?.reportUnknown()
  return addPath
}

function readFamilies(fields: Fields | undefined, name: string): readonly Family[] {
  const value = fields?.raw(name)
  if (fields === undefined || value === undefined || value === false) return []
  if (value === true) return FAMILIES
  const named = Array.isArray(value) ? FAMILIES.filter((family) => value.some((item) => isFamily(item, family))) : []
  const known = Array.isArray(value) && value.every((item) => FAMILIES.some((family) => isFamily(item, family)))
  if (!known) fields.findings.wrong(fields.at(name), value, 'is neither true, false nor a list of ipv4 and ipv6')
  return named
}

const isFamily = (item: unknown, family: Family): boolean => typeof item === 'string' && item.toLowerCase() === family

const RANGE_LIMIT = 64
const MOST_IN_RANGE = 4096

/** `peerRange: 10.0.0.0/24`: every host that connects from there is a neighbor, up to a limit. */
function readRange(spec: Fields): PeerObject['range'] {
  const prefix = spec.prefix('peerRange')
  const limit = spec.whole('peerRangeLimit', 1, MOST_IN_RANGE)
  if (prefix === undefined) {
    if (limit !== undefined && !spec.has('peerRange')) {
      spec.findings.wrong(spec.at('peerRangeLimit'), limit, 'needs peerRange')
    }
    return undefined
  }
  return { prefix, limit: limit ?? RANGE_LIMIT }
}

const MOST_PREFIXES = 0xffffffff
const WARN_PERCENT = 75
const RESTART_MINUTES = 10
const MOST_MINUTES = 10_080

/** One number for each family, or `{ipv4: …, ipv6: …}` with a number or `{limit, warnPercent, restartMinutes}` each. */
function readMaxPrefixes(spec: Fields): PeerObject['maxPrefixes'] {
  if (typeof spec.raw('maxPrefixes') === 'number') {
    const both = readLimit(spec, 'maxPrefixes')
    return both === undefined ? {} : { ipv4: both, ipv6: both }
  }
  const fields = spec.record('maxPrefixes')
  if (fields === undefined) return {}
  const [ipv4, ipv6] = [readLimit(fields, 'ipv4'), readLimit(fields, 'ipv6')]
  fields.reportUnknown()
  return { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) }
}

function readLimit(fields: Fields, name: string): PrefixLimit | undefined {
  if (!isRecord(fields.raw(name))) {
    const limit = fields.whole(name, 1, MOST_PREFIXES)
    return limit === undefined ? undefined : prefixLimit(limit)
  }
  const parts = fields.record(name)
  const limit = parts?.whole('limit', 1, MOST_PREFIXES)
  if (parts !== undefined && !parts.has('limit')) parts.findings.missing(parts.at('limit'))
  const warnPercent = parts?.whole('warnPercent', 1, 100)
  const restartMinutes = parts?.whole('restartMinutes', 0, MOST_MINUTES)
  parts?.reportUnknown()
  return limit === undefined ? undefined : prefixLimit(limit, warnPercent, restartMinutes)
}

const MIB = 1024 * 1024
const MOST_MIB = 65_536

/** `maxRouteMemoryMiB`, of a BGPPeer or for all neighbors, in octets. */
export function readRouteMemory(spec: Fields): number | undefined {
  const mib = spec.whole('maxRouteMemoryMiB', 1, MOST_MIB)
  return mib === undefined ? undefined : mib * MIB
}

/** `restartMinutes: 0`: the session stays down until it is enabled by command. */
export function prefixLimit(limit: number, warnPercent = WARN_PERCENT, restartMinutes = RESTART_MINUTES): PrefixLimit {
  return {
    limit,
    warnAt: Math.max(1, Math.ceil((limit * warnPercent) / 100)),
    restartAfter: restartMinutes === 0 ? undefined : restartMinutes * 60,
  }
}
