/**
 * Parses BGPAdvertisement, a kind of our own: routes, nodes, peers and attributes. The routes of an object with errors are
 * still read: those that it names must not be advertised to all peers, as if there were no such object. An entry of `routes`
 * with an error counts as the widest one of its kind (`WIDEST`).
 */

import { familyOfAddress, isLinkLocal } from '../../base/address.ts'
import { ADDRESS_BITS, FAMILIES, type Family } from '../../base/family.ts'
import { lookUp } from '../../base/look-up.ts'
import { parsePrefix } from '../../base/prefix.ts'
import type { Work } from '../../base/work.ts'
import type { AdvertisementObject, RouteChoice, ServiceAddressKind } from '../objects.ts'
import type { Findings } from '../problem.ts'
import { CHARACTERS_PER_ITEM, parseSelector, type Selector } from '../selector.ts'
import type { ObjectRef } from '../source.ts'
import { COMMUNITIES_PER_PREFIX, readCommunity } from './configuration.ts'
import { Fields, parseAsn } from './fields.ts'
import { INTERFACE } from './peer.ts'

const CHOICES = [
  'podCIDRs',
  'pools',
  'pods',
  'nodeAddresses',
  'interfaces',
  'prefixes',
  'serviceRanges',
  'services',
] as const
const KINDS: Readonly<Record<string, ServiceAddressKind>> = {
  ClusterIP: 'cluster',
  ExternalIP: 'external',
  LoadBalancerIP: 'load-balancer',
}
const ALL_KINDS = Object.values(KINDS)
const MOST_PREPENDED = 10
const MOST_POOLS = 64
const MOST_INTERFACES = 16
const LARGEST = 0xffffffff

export function* parseAdvertisement(
  object: Record<string, unknown>,
  { name }: ObjectRef,
  findings: Findings,
): Work<AdvertisementObject> {
  const root = new Fields(findings, '', object)
  const spec = root.record('spec') ?? new Fields(findings, 'spec', {})
  const routes = yield* readRoutes(spec)
  spec.refuseNull(['nodeSelector', 'peers', 'peerSelector'])
  const read = {
    name,
    routes,
    nodeSelector: readSelector(spec, 'nodeSelector'),
    peers: spec.has('peers') ? spec.texts('peers') : undefined,
    peerSelector: readSelector(spec, 'peerSelector'),
    communities: readCommunities(spec),
    localPref: spec.whole('localPreference', 0, LARGEST),
    med: spec.whole('med', 0, LARGEST),
    prepend: readPrepend(spec),
    nextHops: readNextHops(spec),
    aggregation: readAggregation(spec),
  }
  spec.reportUnknown()
  return { ...read, held: findings.faulty.size > 0 ? `BGPAdvertisement/${name} has errors` : undefined }
}

const MOST_ROUTES = 64
/** About what an entry takes to read, in microseconds, and an item of a list in it. */
const ROUTES = { cost: 5, inner: 2 }

/**
 * The choice of each kind that names the most routes. Kinds that make routes of their own (`prefixes`, `pods`) have none: what
 * cannot be read of them makes no route.
 */
const WIDEST: Readonly<Partial<Record<RouteChoice['kind'], RouteChoice>>> = {
  podCIDRs: { kind: 'podCIDRs' },
  pools: { kind: 'pools', names: undefined, selector: undefined },
  serviceRanges: { kind: 'serviceRanges', kinds: ALL_KINDS },
  services: {
    kind: 'services',
    kinds: ALL_KINDS,
    namespaces: undefined,
    selector: undefined,
    loadBalancerClasses: undefined,
  },
}

function* readRoutes(spec: Fields): Work<RouteChoice[]> {
  if (!spec.has('routes')) spec.findings.missing(spec.at('routes'))
  const given = spec.raw('routes')
  if (Array.isArray(given) && (given.length === 0 || given.length > MOST_ROUTES)) {
    spec.findings.wrong(spec.at('routes'), undefined, `must have 1 to ${MOST_ROUTES} entries`)
  }
  return (yield* spec.recordsInSteps('routes', readChoices, ROUTES)).flat()
}

function readChoices(entry: Fields): RouteChoice[] {
  const { findings } = entry
  const before = findings.faulty.size
  const kinds = CHOICES.filter((choice) => entry.has(choice))
  if (kinds.length !== 1) findings.wrong(entry.path, undefined, `must have exactly one of ${CHOICES.join(', ')}`)
  const choices = kinds.flatMap((kind) => readFields(entry, kind) ?? [])
  entry.reportUnknown()
  return findings.faulty.size === before ? choices : [...choices, ...kinds.flatMap((kind) => WIDEST[kind] ?? [])]
}

function readFields(entry: Fields, kind: RouteChoice['kind']): RouteChoice | undefined {
  if (kind === 'prefixes') return readPrefixes(entry)
  if (kind === 'interfaces') return readInterfaces(entry)
  if (kind === 'podCIDRs' || kind === 'nodeAddresses') return entry.flag(kind) === true ? { kind } : undefined
  const fields = entry.record(kind)
  const choice = fields && READERS[kind](fields)
  fields?.reportUnknown()
  return choice
}

function readPrefixes(entry: Fields): RouteChoice {
  const prefixes = entry.list('prefixes', (item, at) => {
    const prefix = typeof item === 'string' ? parsePrefix(item) : undefined
    if (prefix === undefined) return entry.findings.wrong(at, item, 'is not a CIDR')
    entry.findings.hostBits(at, item, prefix)
    return prefix
  })
  return { kind: 'prefixes', prefixes }
}

function readInterfaces(entry: Fields): RouteChoice {
  const names = entry.list('interfaces', (item, at) =>
    typeof item === 'string' && INTERFACE.test(item)
      ? item
      : entry.findings.wrong(at, item, 'is not the name of an interface'),
  )
  refuseMore(entry, 'interfaces', MOST_INTERFACES, names)
  return { kind: 'interfaces', names }
}

function refuseMore(fields: Fields, name: string, most: number, items: readonly unknown[] = []): void {
  if (items.length > most) fields.findings.wrong(fields.at(name), undefined, `has more than ${most} entries`)
}

function readPools(fields: Fields): RouteChoice {
  fields.refuseNull(['names', 'selector'])
  const names = fields.has('names') ? fields.texts('names') : undefined
  refuseMore(fields, 'names', MOST_POOLS, names)
  return {
    kind: 'pools',
    names,
    selector: readSelector(fields, 'selector'),
  }
}

function readPods(fields: Fields): RouteChoice {
  fields.refuseNull(['selector', 'namespaces'])
  return {
    kind: 'pods',
    selector: readSelector(fields, 'selector'),
    namespaces: fields.has('namespaces') ? fields.texts('namespaces') : undefined,
  }
}

const READERS = {
  pools: readPools,
  pods: readPods,
  services: (fields: Fields) => readServices(fields, 'services'),
  serviceRanges: (fields: Fields) => readServices(fields, 'serviceRanges'),
} as const

function readServices(fields: Fields, kind: 'serviceRanges' | 'services'): RouteChoice {
  fields.refuseNull(['kinds', 'namespaces', 'selector', 'loadBalancerClasses'])
  const kinds = fields.has('kinds')
    ? fields.list('kinds', (item, at) => {
        const found = typeof item === 'string' ? lookUp(KINDS, item) : undefined
        return found ?? fields.findings.wrong(at, item, `is none of ${Object.keys(KINDS).join(', ')}`)
      })
    : ALL_KINDS
  if (kind === 'serviceRanges') return { kind, kinds }
  return {
    kind,
    kinds,
    namespaces: fields.has('namespaces') ? fields.texts('namespaces') : undefined,
    selector: readSelector(fields, 'selector'),
    loadBalancerClasses: fields.has('loadBalancerClasses') ? fields.texts('loadBalancerClasses') : undefined,
  }
}

function readSelector(fields: Fields, name: string): Selector | undefined {
  const text = fields.text(name)
  if (text === undefined) return undefined
  fields.findings.items += text.length / CHARACTERS_PER_ITEM
  const selector = parseSelector(text)
  return 'error' in selector
    ? fields.findings.wrong(fields.at(name), text, `is not a selector: ${selector.error}`)
    : selector
}

function readCommunities(spec: Fields): AdvertisementObject['communities'] {
  const communities = spec.list('communities', (item, at) => readCommunity(spec.findings, item, at))
  refuseMore(spec, 'communities', COMMUNITIES_PER_PREFIX, communities)
  return communities
}

function readPrepend(spec: Fields): number[] {
  const path = spec.list(
    'prependASPath',
    (item, at) => parseAsn(item) ?? spec.findings.wrong(at, item, 'is not an AS number'),
  )
  if (path.length > MOST_PREPENDED) {
    spec.findings.wrong(spec.at('prependASPath'), path.length, `are more than ${MOST_PREPENDED} AS numbers`)
  }
  return path
}

function readAggregation(spec: Fields): AdvertisementObject['aggregation'] {
  const fields = spec.record('aggregationLength')
  const found: Partial<Record<Family, number>> = {}
  for (const family of FAMILIES) {
    const length = fields?.whole(family, 1, ADDRESS_BITS[family])
    if (length !== undefined) found[family] = length
  }
  fields?.reportUnknown()
  return found
}

/** RFC 2545 §3: the next hop is a global address, beside which a link-local one may stand. */
const LINK_LOCAL = 'is link-local: routers that are not on that link could not reach it'

function readNextHops(spec: Fields): AdvertisementObject['nextHops'] {
  const fields = spec.record('nextHop')
  const found: Partial<Record<Family, string>> = {}
  for (const family of FAMILIES) {
    const address = fields?.hostAddress(family)
    if (address === undefined) continue
    if (familyOfAddress(address) !== family)
      fields?.findings.wrong(fields.at(family), address, 'is of the other family')
    else if (isLinkLocal(address)) fields?.findings.wrong(fields.at(family), address, LINK_LOCAL)
    else if (address.includes('%')) fields?.findings.wrong(fields.at(family), address, 'names an interface')
    else found[family] = address
  }
  fields?.reportUnknown()
  return found
}
