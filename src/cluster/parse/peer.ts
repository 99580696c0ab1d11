/**
 * Parses BGPPeer, whose spec is Calico's with fields of our own. In Calico's API groups our own fields are annotations, since
 * the API drops unknown fields: `godwit.dev/holdTime: "30"`.
 *
 * What happens to Calico's fields:
 * - carried out: node, nodeSelector, peerIP, peerSelector, asNumber, localASNumber, sourceAddress, nextHopMode,
 *   keepOriginalNextHop, keepaliveTime, maxRestartTime, filters, reversePeering, numAllowedLocalASNumbers
 * - carried out, and while they cannot be read, the peer is held, since it would be weaker without them: password, keyChain,
 *   ttlSecurity
 * - not acted on, with the reason: reachableBy, localWorkloadSelector
 */
import { type Address, isLinkLocal, whyNotOfHost } from '../../base/address.ts'
import { FAMILIES, type Family } from '../../base/family.ts'
import type { PeerObject, ValueFrom } from '../objects.ts'
import type { Findings } from '../problem.ts'
import { CHARACTERS_PER_ITEM, parseSelector, type Selector } from '../selector.ts'
import type { ObjectRef } from '../source.ts'
import { specWithAdditions } from './additions.ts'
import { MOST_TTL as HIGHEST_BFD_TTL, readBfd } from './bfd.ts'
import { Fields, isRecord } from './fields.ts'
import { parseFeatures } from './peer-features.ts'
import { DEFAULT_GATEWAY, parsePeerIp } from './peer-ip.ts'
import { PEER_FIELDS, parseSigning, parseTtlSecurity } from './protection.ts'

const ADDITIONS = [
  'holdTime',
  'connectRetryTime',
  'keepaliveTime',
  'addressFamilies',
  'passive',
  'drain',
  'fastExternalFailover',
  'longLivedStaleTime',
  'advertiseLearned',
  'maxPrefixes',
  'maxRouteMemoryMiB',
  'remoteAS',
  'gatewayFamilies',
  'asNumberFrom',
  'localASNumberFrom',
  'peerIPFrom',
  'sourceInterface',
  'peerRange',
  'peerRangeLimit',
  'addPath',
  'extendedNextHop',
  'role',
  'strictRole',
  'interface',
  'bfd',
  'keyChain',
]

const NOT_ACTED_ON: Readonly<Record<string, string>> = {
  reachableBy: "the peer is reached by the node's own routes; add one there",
}

/** The fields of which one says who the neighbor is. */
const WHO = ['peerIP', 'interface', 'peerIPFrom', 'peerSelector', 'peerRange']

export function parsePeer(
  object: Record<string, unknown>,
  { name }: ObjectRef,
  findings: Findings,
): PeerObject | undefined {
  if (!isRecord(object.spec)) return findings.missing('spec')
  const spec = specWithAdditions(object, object.spec, ADDITIONS, findings)
  if (given(spec, 'localWorkloadSelector')) {
    const other = WHO.find((field) => given(spec, field))
    if (other !== undefined) {
      const says = `may not be given together with ${other}`
      return findings.wrong(spec.at('localWorkloadSelector'), spec.raw('localWorkloadSelector'), says)
    }
    const says =
      "has no effect: peering with pods needs Felix, which assigns the node's address to their interfaces; the object is ignored"
    findings.say('field-not-carried-out', spec.at('localWorkloadSelector'), says)
    return undefined
  }
  const peer = {
    name,
    labels: new Fields(findings, '', object).labels(),
    ...parseNodes(spec),
    ...parseRemote(spec),
    ...parseSession(spec),
    ...parseRouting(spec),
    ...parseFeatures(spec),
    bfd: readBfd(spec, 'bfd'),
  }
  const isOnLink =
    peer.interface !== undefined ||
    peer.gateway !== undefined ||
    (peer.remote !== undefined && isLinkLocal(peer.remote.address))
  if (isOnLink && peer.bfd?.minimumTtl !== undefined) {
    const says = 'may not be given for a neighbor that is found by its interface'
    findings.wrong(`${spec.at('bfd')}.minimumTTL`, peer.bfd.minimumTtl, says)
  }
  spec.notActedOn(NOT_ACTED_ON)
  spec.refuseNull(['node', 'nodeSelector', 'peerSelector'])
  const { signing, held } = parseSigning(spec, PEER_FIELDS, 'the peer')
  const ttlSecurity = parseTtlSecurity(spec)
  const minimumTtl = peer.bfd?.minimumTtl
  if (minimumTtl !== undefined && minimumTtl < leastBfdTtl(ttlSecurity)) {
    const says = 'must not accept packets from further away than ttlSecurity does'
    findings.wrong(`${spec.at('bfd')}.minimumTTL`, minimumTtl, says)
  }
  spec.reportUnknown()
  return { ...peer, signing, ttlSecurity, held }
}

/**
 * BFD may not come from further away than BGP. But 254 is right for a neighbor on the link, too: BIRD takes one of iBGP for several
 * hops away, and the highest number there says so.
 */
const leastBfdTtl = (ttlSecurity: number | undefined): number =>
  ttlSecurity === undefined ? 0 : Math.min(HIGHEST_BFD_TTL, 256 - ttlSecurity)

function parseNodes(spec: Fields): Pick<PeerObject, 'node' | 'nodeSelector'> {
  const node = spec.text('node') || undefined
  const nodeSelector = readSelector(spec, 'nodeSelector')
  if (node !== undefined && nodeSelector !== undefined) {
    spec.findings.wrong(spec.at('nodeSelector'), undefined, 'may not be given together with node')
  }
  return { node, nodeSelector }
}

type RemoteFields =
  | 'remote'
  | 'gateway'
  | 'interface'
  | 'peerSelector'
  | 'asNumber'
  | 'localAsNumber'
  | 'asNumberFrom'
  | 'localAsNumberFrom'
  | 'peerIpFrom'

function parseRemote(spec: Fields): Pick<PeerObject, RemoteFields> {
  const gateway = readGateway(spec)
  const { remote, link } = gateway === undefined ? readPeerIpAndInterface(spec) : NO_ADDRESS
  const peerSelector = readSelector(spec, 'peerSelector')
  const [hasIp, hasSelector] = [given(spec, 'peerIP'), given(spec, 'peerSelector')]
  const hasRange = spec.has('peerRange')
  const from = readValuesFrom(spec, { hasIp, hasSelector, hasRange })
  if (!hasIp && !hasSelector && !hasRange && !spec.has('interface') && !spec.has('peerIPFrom'))
    spec.findings.missing(spec.at('peerIP'))
  if (spec.has('interface') && (hasSelector || hasRange)) {
    spec.findings.wrong(spec.at('interface'), undefined, 'may not be given together with peerSelector or peerRange')
  }
  if (hasRange && (hasIp || hasSelector)) {
    spec.findings.wrong(spec.at('peerRange'), undefined, 'may not be given together with peerIP or peerSelector')
  }
  if (hasIp && hasSelector)
    spec.findings.wrong(spec.at('peerSelector'), undefined, 'may not be given together with peerIP')
  const asNumber = spec.raw('asNumber') === 0 ? undefined : spec.asn('asNumber')
  if (hasSelector && asNumber !== undefined) {
    spec.findings.wrong(spec.at('asNumber'), undefined, 'must not be given with peerSelector: the Nodes define it')
  }
  if (hasSelector && spec.has('remoteAS')) {
    spec.findings.wrong(spec.at('remoteAS'), undefined, 'must not be given with peerSelector: the Nodes define it')
  }
  const what = hasRange ? 'peerRange' : link !== undefined ? 'interface' : gateway && `peerIP ${DEFAULT_GATEWAY}`
  if (what !== undefined && asNumber === undefined && !spec.has('remoteAS') && !spec.has('asNumberFrom')) {
    spec.findings.missing(spec.at('asNumber'), `must be given with ${what}, or remoteAS in its place`)
  }
  const localAsNumber = spec.asn('localASNumber')
  if (hasSelector && localAsNumber !== undefined) {
    spec.findings.say(
      'field-not-carried-out',
      spec.at('localASNumber'),
      'applies only with peerIP or peerRange; it is ignored',
    )
  }
  const localAs = hasSelector ? undefined : localAsNumber
  return { remote, gateway, interface: link, peerSelector, asNumber, localAsNumber: localAs, ...from }
}

/** A value may come from the object or from each Node, not from both. */
function readValuesFrom(
  spec: Fields,
  { hasIp, hasSelector, hasRange }: Readonly<Record<'hasIp' | 'hasSelector' | 'hasRange', boolean>>,
): Pick<PeerObject, 'asNumberFrom' | 'localAsNumberFrom' | 'peerIpFrom'> {
  const wrong = (field: string, says: string) => spec.findings.wrong(spec.at(field), undefined, says)
  if (spec.has('asNumberFrom') && (hasAsNumber(spec) || spec.has('remoteAS')))
    wrong('asNumberFrom', 'may not be given together with asNumber or remoteAS')
  if (spec.has('asNumberFrom') && hasSelector)
    wrong('asNumberFrom', 'must not be given with peerSelector: the Nodes define it')
  if (spec.has('localASNumberFrom') && (spec.has('localASNumber') || hasSelector))
    wrong('localASNumberFrom', 'may not be given together with localASNumber or peerSelector')
  if (spec.has('peerIPFrom') && (hasIp || hasSelector || hasRange || spec.has('interface')))
    wrong('peerIPFrom', 'may not be given together with peerIP, interface, peerSelector or peerRange')
  return {
    asNumberFrom: readValueFrom(spec, 'asNumberFrom'),
    localAsNumberFrom: readValueFrom(spec, 'localASNumberFrom'),
    peerIpFrom: readValueFrom(spec, 'peerIPFrom'),
  }
}

const hasAsNumber = (spec: Fields): boolean => spec.has('asNumber') && spec.raw('asNumber') !== 0

/** The key of a label or annotation: at most 63 characters, with or without a DNS prefix. */
const KEY = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

/** `{label: KEY}` or `{annotation: KEY}`. */
function readValueFrom(spec: Fields, field: string): ValueFrom | undefined {
  const from = spec.record(field)
  if (from === undefined) return undefined
  const found = (['label', 'annotation'] as const).flatMap((kind) => {
    const key = from.text(kind)
    if (key === undefined) return []
    if (KEY.test(key)) return [{ kind, key }]
    from.findings.wrong(from.at(kind), key, `is not the key of ${kind === 'label' ? 'a label' : 'an annotation'}`)
    return []
  })
  from.reportUnknown()
  const isOne = from.has('label') !== from.has('annotation')
  return isOne ? found[0] : spec.findings.wrong(spec.at(field), undefined, 'needs exactly one of label and annotation')
}

/** An empty text counts as absent. */
const given = (spec: Fields, field: string): boolean => spec.has(field) && spec.raw(field) !== ''

function readSelector(spec: Fields, field: string): Selector | undefined {
  const text = spec.text(field)
  if (text === undefined || text === '') return undefined
  spec.findings.items += text.length / CHARACTERS_PER_ITEM
  const selector = parseSelector(text)
  if (!('error' in selector)) return selector
  return spec.findings.wrong(spec.at(field), text, `is not a selector: ${selector.error}`)
}

/** The name of an interface. A number is refused, since the kernel would read it as an index. */
export const INTERFACE = /^(?!\.{1,2}$|\d+$)[A-Za-z0-9_.@+-]{1,15}$/

/**
 * `peerIP: fe80::1%eth0` and `peerIP: fe80::1` with `interface: eth0` mean the same neighbor. `interface` alone means the
 * router that advertises itself there; `link` is then its name.
 */
function readPeerIpAndInterface(spec: Fields): { remote: PeerObject['remote']; link: string | undefined } {
  const name = readInterface(spec)
  const remote = readPeerIp(spec)
  if (remote === undefined) return { remote, link: given(spec, 'peerIP') ? undefined : name }
  const [bare = '', zone] = remote.address.split('%')
  const wrong = whyNotOnLink(bare, zone, spec.has('interface'))
  if (wrong !== undefined) spec.findings.wrong(spec.at('peerIP'), spec.text('peerIP'), wrong)
  const address = isLinkLocal(bare) && zone === undefined ? `${bare}%${name}` : remote.address
  return { remote: { ...remote, address }, link: undefined }
}

/** Why address and interface do not fit together; undefined: they do. */
export function whyNotOnLink(bare: Address, zone: string | undefined, hasInterface: boolean): string | undefined {
  if (!isLinkLocal(bare)) {
    if (zone !== undefined) return 'names an interface, which is allowed only for a link-local address'
    return hasInterface ? 'is not link-local: interface must not be given' : undefined
  }
  if (zone === undefined) return hasInterface ? undefined : `is link-local and must name its interface: ${bare}%eth0`
  if (hasInterface) return 'already names its interface: interface must not be given'
  return INTERFACE.test(zone) ? undefined : `names "${zone}", which is not an interface name`
}

const NO_ADDRESS = { remote: undefined, link: undefined }

/** `peerIP: DefaultGateway`: the current default gateway of each node. */
function readGateway(spec: Fields): PeerObject['gateway'] {
  const isGateway = spec.raw('peerIP') === DEFAULT_GATEWAY
  const families = readFamilies(spec, 'gatewayFamilies')
  if (families !== undefined && !isGateway) {
    spec.findings.wrong(spec.at('gatewayFamilies'), undefined, `needs peerIP ${DEFAULT_GATEWAY}`)
  }
  if (!isGateway) return undefined
  if (spec.has('interface')) {
    spec.findings.wrong(spec.at('interface'), undefined, `may not be given with peerIP ${DEFAULT_GATEWAY}`)
  }
  return { families }
}

function readInterface(spec: Fields, field = 'interface'): string | undefined {
  const name = spec.text(field)
  if (name === undefined || INTERFACE.test(name)) return name
  return spec.findings.wrong(spec.at(field), name, 'is not an interface name')
}

/** Refused for neighbors that are not dialled, or that know this node by another address. */
function readSourceInterface(spec: Fields): string | undefined {
  const name = readInterface(spec, 'sourceInterface')
  const other = ['sourceAddress', 'interface', 'peerRange', 'peerSelector'].find((field) => given(spec, field))
  if (!spec.has('sourceInterface') || other === undefined) return name
  return spec.findings.wrong(spec.at('sourceInterface'), undefined, `may not be given together with ${other}`)
}

function readPeerIp(spec: Fields): PeerObject['remote'] {
  const text = spec.text('peerIP')
  if (text === undefined || text === '') return undefined
  const remote = parsePeerIp(text)
  const why =
    remote === undefined ? `is not ip, ip:port, [ipv6]:port or ${DEFAULT_GATEWAY}` : whyNotOfHost(remote.address)
  return why === undefined ? remote : spec.findings.wrong(spec.at('peerIP'), text, why)
}

const SOURCE = { UseNodeIP: 'node', None: 'kernel', unset: 'node-or-link' } as const

type SessionFields =
  | 'source'
  | 'sourceInterface'
  | 'families'
  | 'holdTime'
  | 'keepaliveTime'
  | 'restartTime'
  | 'longLivedTime'
  | 'connectRetryTime'
  | 'passive'
  | 'drain'
  | 'fastFailover'
  | 'reverse'

function parseSession(spec: Fields): Pick<PeerObject, SessionFields> {
  // RFC 4271 §4.2: a hold time of 1 or 2 seconds is refused; 0 means that no keepalives are sent.
  const holdTime = spec.seconds('holdTime', 0, 65535)
  if (holdTime === 1 || holdTime === 2)
    spec.findings.wrong(spec.at('holdTime'), holdTime, 'is neither 0 nor at least 3')
  // RFC 4724 §3: twelve bits. RFC 9494 §3: twenty-four.
  const restartTime = spec.seconds('maxRestartTime', 0, 4_095)
  const longLivedTime = spec.seconds('longLivedStaleTime', 0, 16_777_215) ?? 0
  if (longLivedTime > 0 && restartTime === 0) {
    const says = 'needs graceful restart, which maxRestartTime turns off; it is ignored'
    spec.findings.say('field-not-carried-out', spec.at('longLivedStaleTime'), says)
  }
  return {
    source: SOURCE[spec.oneOf('sourceAddress', ['UseNodeIP', 'None']) ?? 'unset'],
    sourceInterface: readSourceInterface(spec),
    families: readFamilies(spec, 'addressFamilies'),
    holdTime,
    keepaliveTime: spec.seconds('keepaliveTime', 1, 21845),
    restartTime,
    longLivedTime,
    connectRetryTime: spec.seconds('connectRetryTime', 1, 3600),
    passive: spec.flag('passive') ?? false,
    drain: spec.flag('drain') ?? false,
    fastFailover: spec.flag('fastExternalFailover') ?? true,
    reverse: spec.oneOf('reversePeering', ['Auto', 'Manual']) !== 'Manual',
  }
}

function readFamilies(spec: Fields, field: 'addressFamilies' | 'gatewayFamilies'): Family[] | undefined {
  if (!spec.has(field)) return undefined
  const read = spec.list(field, (item, at) => {
    const family = FAMILIES.find((name) => typeof item === 'string' && item.toLowerCase() === name)
    return family ?? spec.findings.wrong(at, item, 'is neither ipv4 nor ipv6')
  })
  if (read.length === 0) spec.findings.wrong(spec.at(field), undefined, 'names no family')
  return FAMILIES.filter((family) => read.includes(family))
}

function parseRouting(spec: Fields): Pick<PeerObject, 'nextHop' | 'filters' | 'advertiseLearned'> {
  return {
    nextHop: readNextHop(spec),
    filters: spec.texts('filters'),
    advertiseLearned: spec.flag('advertiseLearned') ?? false,
  }
}

function readNextHop(spec: Fields): PeerObject['nextHop'] {
  const mode = spec.oneOf('nextHopMode', ['Auto', 'Self', 'Keep'])
  const keep = spec.flag('keepOriginalNextHop') ?? false
  if (keep && mode !== undefined) {
    spec.findings.wrong(spec.at('keepOriginalNextHop'), undefined, 'may not be given together with nextHopMode')
  }
  if (keep) return 'keep-external'
  return mode === 'Self' ? 'self' : mode === 'Keep' ? 'keep' : 'auto'
}
