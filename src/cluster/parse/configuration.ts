/**
 * Parses BGPConfiguration, whose spec is Calico's: `default` for the cluster, `node.<name>` for one node. The latter may set
 * only listen port, prefix advertisements and pod CIDRs. In Calico's API groups our own fields are annotations.
 */
import { lookUp } from '../../base/look-up.ts'
import { type Prefix, parsePrefix } from '../../base/prefix.ts'
import type { Work } from '../../base/work.ts'
import { parseCommunity } from '../../bgp/policy/community.ts'
import {
  type DampingSettings,
  type DecisionIntent,
  type HealthSettings,
  NODE_ROUTES,
  PROGRAM_CLUSTER_ROUTES,
  SERVICE_LOOP_PREVENTIONS,
  writesPlain,
} from '../intent.ts'
import type { ConfigurationObject, ConfigurationPart, HeldParts, PrefixAdvertisement } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { specWithAdditions } from './additions.ts'
import { readBfd } from './bfd.ts'
import { Fields, isRecord } from './fields.ts'
import { readRouteMemory } from './peer-features.ts'
import { NAT_EXCLUSIONS } from './pool.ts'
import { MESH_FIELDS, parseSigning } from './protection.ts'

export const NODE_CONFIGURATION = 'node.'
/** Sources of pod CIDRs. */
export const POD_CIDR_SOURCES = ['Node', 'CalicoIPAM', 'Static'] as const
const LIST_LIMIT = 500
export const COMMUNITIES_PER_PREFIX = 50
/** About what an entry takes to read, in microseconds, and one of `prefixAdvertisements`. */
const ENTRY = { cost: 5 }
const ADVERTISEMENT = { most: LIST_LIMIT, cost: 40 }

const ADDITIONS = [
  'nodeMeshFilters',
  'nodeMeshBFD',
  'nodeMeshKeyChain',
  'loadBalancerClasses',
  'serviceOptIn',
  'serviceHealthCheck',
  'serviceDamping',
  'serviceLoopPrevention',
  'multipath',
  'preferOldestPath',
  'maxRouteMemoryMiB',
  'natOutgoingExclusions',
  'podCIDRSource',
  'podCIDRs',
  'nodeRoutes',
  'recursiveNextHops',
  'leaveOnTaint',
]

const NEEDS_FELIX = 'peering with pods needs Felix, which assigns this address to their interfaces'
const OWN_METRIC = 1024
const METRIC = `routes are written with metric ${OWN_METRIC}`
/** Fields of Calico that have no effect here, and why. */
const NOT_ACTED_ON: Readonly<Record<string, string>> = {
  logSeverityScreen: "the agent's --log-level sets what is logged",
  ignoredInterfaces: 'the agent advertises no routes of interfaces',
  localWorkloadPeeringIPV4: NEEDS_FELIX,
  localWorkloadPeeringIPV6: NEEDS_FELIX,
  ipv4NormalRoutePriority: METRIC,
  ipv6NormalRoutePriority: METRIC,
}
/** Values of these fields that ask for what is done anyway: no message. */
const AS_IT_IS: Readonly<Record<string, unknown>> = {
  ipv4NormalRoutePriority: OWN_METRIC,
  ipv6NormalRoutePriority: OWN_METRIC,
}
const PER_NODE = new Set(['listenPort', 'prefixAdvertisements', 'communities', 'logSeverityScreen', 'podCIDRs'])

/** The parts that are held while a field is wrong. The other fields can do no harm if they are ignored. */
const RESTS_ON: Readonly<Record<string, readonly ConfigurationPart[]>> = {
  spec: ['asNumber', 'port', 'bind', 'mesh', 'cluster', 'external', 'load-balancer', 'routes', 'pods'],
  asNumber: ['asNumber'],
  listenPort: ['port'],
  bindMode: ['bind'],
  nodeToNodeMeshEnabled: ['mesh'],
  nodeMeshFilters: ['mesh'],
  podCIDRSource: ['pods'],
  podCIDRs: ['pods'],
  serviceClusterIPs: ['cluster'],
  serviceExternalIPs: ['external'],
  serviceLoadBalancerIPs: ['load-balancer'],
  serviceLoadBalancerAggregation: ['load-balancer'],
  loadBalancerClasses: ['load-balancer'],
  serviceOptIn: ['cluster', 'external', 'load-balancer'],
  serviceHealthCheck: ['cluster', 'external', 'load-balancer'],
}

export function* parseConfiguration(
  object: Record<string, unknown>,
  { name }: ObjectRef,
  findings: Findings,
): Work<ConfigurationObject> {
  const perNode = name.startsWith(NODE_CONFIGURATION) && name.length > NODE_CONFIGURATION.length
  if (name !== 'default' && !perNode) {
    findings.say('configuration-name', 'metadata.name', 'is neither default nor node.<name>; the object is ignored')
  }
  const given = new Fields(findings, '', object).record('spec') === undefined ? {} : object.spec
  const spec = specWithAdditions(object, given as Record<string, unknown>, ADDITIONS, findings)
  const configuration = { ...(yield* parseSpec(name, spec)), held: heldParts(name, findings.faulty) }
  spec.reportUnknown()
  if (perNode) tellOfClusterFields(object.spec, findings)
  else if (configuration.podCidrs.length > 0) {
    findings.say('field-per-node', 'spec.podCIDRs', 'applies only in BGPConfiguration/node.<name>; it is ignored')
  }
  return configuration
}

/** `podCIDRs` of all nodes and `podCIDRSource` of one are ignored: nothing rests on them. */
function heldParts(name: string, faulty: ReadonlySet<string>): HeldParts {
  const held: Partial<Record<ConfigurationPart, string>> = {}
  for (const field of faulty) {
    const [, top = 'spec'] = /^(?:spec\.|metadata\.annotations\[godwit\.dev\/)(\w+)/.exec(field) ?? []
    if (top === (name === 'default' ? 'podCIDRs' : 'podCIDRSource')) continue
    const isWhole = top === 'prefixAdvertisements' && !/\[\d+\]\.communities/.test(field)
    const parts: readonly ConfigurationPart[] = isWhole ? ['routes'] : (lookUp(RESTS_ON, top) ?? [])
    for (const part of parts) held[part] ??= `${field} of BGPConfiguration/${name} is wrong`
  }
  return held
}

/** Everything is held, since the object cannot be read at all. */
export const allHeld = (why: string): HeldParts => Object.fromEntries((RESTS_ON.spec ?? []).map((part) => [part, why]))

function* parseSpec(name: string, spec: Fields): Work<Omit<ConfigurationObject, 'held'>> {
  spec.notActedOn(NOT_ACTED_ON, AS_IT_IS)
  // Without a value it would open all classes.
  spec.refuseNull(['loadBalancerClasses'])
  const { signing, held } = parseSigning(spec, MESH_FIELDS, 'the mesh')
  return {
    name,
    asNumber: spec.asn('asNumber'),
    nodeToNodeMesh: spec.flag('nodeToNodeMeshEnabled') ?? true,
    serviceCidrs: {
      cluster: yield* parseCidrs(spec, 'serviceClusterIPs'),
      external: yield* parseCidrs(spec, 'serviceExternalIPs'),
      'load-balancer': yield* parseCidrs(spec, 'serviceLoadBalancerIPs'),
    },
    loadBalancerAggregation: readAggregation(spec),
    loadBalancerClasses: spec.has('loadBalancerClasses') ? spec.texts('loadBalancerClasses') : undefined,
    serviceOptIn: spec.flag('serviceOptIn') ?? false,
    guards: { health: parseHealth(spec), damping: parseDamping(spec) },
    communities: yield* parseAliases(spec),
    prefixAdvertisements: spec.has('prefixAdvertisements') ? yield* parseAdvertisements(spec) : undefined,
    listenPort: spec.whole('listenPort', 1, 65535),
    bindToNodeIp: spec.oneOf('bindMode', ['None', 'NodeIP']) === 'NodeIP',
    meshRestartTime: spec.seconds('nodeMeshMaxRestartTime', 0, 4095),
    meshFilters: spec.texts('nodeMeshFilters'),
    meshBfd: readBfd(spec, 'nodeMeshBFD'),
    meshSigning: signing,
    meshHeld: held,
    decision: parseDecision(spec),
    maxRouteMemory: readRouteMemory(spec),
    natSparesHosts: parseNatExclusions(spec),
    podCidrSource: spec.oneOf('podCIDRSource', POD_CIDR_SOURCES),
    podCidrs: parsePodCidrs(spec),
    recursiveNextHops: spec.flag('recursiveNextHops') ?? false,
    ...parseNodeRoutes(spec),
    leaveOnTaint: readTaint(spec),
    serviceLoopPrevention: spec.oneOf('serviceLoopPrevention', SERVICE_LOOP_PREVENTIONS),
  }
}

/** A wrong value counts as Disabled: the ranges may then be as wide as 0.0.0.0/0, and are not all the cluster's. */
function readAggregation(spec: Fields): boolean {
  const word = spec.oneOf('serviceLoadBalancerAggregation', ['Enabled', 'Disabled'])
  return !spec.has('serviceLoadBalancerAggregation') || word === 'Enabled'
}

/**
 * As many paths as BIRD merges in Calico's configuration. RFC 7938 §6.3: where each rack or router has its own AS, AS paths of
 * the same length are equal; BIRD's `merge paths` compares only the length too.
 */
export const DEFAULT_DECISION: DecisionIntent = { paths: 16, relax: true, preferOldest: false }
const MOST_PATHS = 64

/** `multipath: {paths: 16, relax: true}` and `preferOldestPath`: our own fields. */
function parseDecision(spec: Fields): DecisionIntent {
  const multipath = spec.record('multipath')
  const decision = {
    paths: multipath?.whole('paths', 1, MOST_PATHS) ?? DEFAULT_DECISION.paths,
    relax: multipath?.flag('relax') ?? DEFAULT_DECISION.relax,
    preferOldest: spec.flag('preferOldestPath') ?? DEFAULT_DECISION.preferOldest,
  }
  multipath?.reportUnknown()
  return decision
}

/** Calico's `programClusterRoutes` says who writes routes between nodes; our `nodeRoutes` says where they come from. */
function parseNodeRoutes(spec: Fields): Pick<ConfigurationObject, 'nodeRoutes' | 'programClusterRoutes'> {
  const programClusterRoutes = spec.oneOf('programClusterRoutes', PROGRAM_CLUSTER_ROUTES)
  const nodeRoutes = spec.oneOf('nodeRoutes', NODE_ROUTES) ?? 'BGP'
  if (nodeRoutes === 'Direct' && programClusterRoutes !== undefined && !writesPlain(programClusterRoutes)) {
    const says = 'needs programClusterRoutes Enabled or EnabledNoEncapOnly, or none'
    spec.findings.wrong(spec.at('nodeRoutes'), nodeRoutes, says)
    return { nodeRoutes: 'BGP', programClusterRoutes }
  }
  return { nodeRoutes, programClusterRoutes }
}

function parseNatExclusions(spec: Fields): boolean | undefined {
  const word = spec.oneOf('natOutgoingExclusions', NAT_EXCLUSIONS)
  return word === undefined ? undefined : word === 'IPPoolsAndHostIPs'
}

/** The default of kube-proxy's `--healthz-bind-address`. */
const KUBE_PROXY = { port: 10256, path: '/healthz' }

/** `serviceHealthCheck: {port, path, interval, failures}`, each with a default: our own field. */
function parseHealth(spec: Fields): HealthSettings | undefined {
  const check = spec.record('serviceHealthCheck')
  if (check === undefined) return undefined
  const settings = {
    port: check.whole('port', 1, 65535) ?? KUBE_PROXY.port,
    path: readPath(check) ?? KUBE_PROXY.path,
    interval: check.seconds('interval', 1, 3600) ?? 5,
    failures: check.whole('failures', 1, 100) ?? 3,
  }
  check.reportUnknown()
  return settings
}

/** The path of a request in HTTP; undefined where none is given, or a wrong one. */
function readPath(check: Fields): string | undefined {
  const path = check.text('path')
  if (path === undefined || /^\/[!-~]{0,255}$/.test(path)) return path
  return check.findings.wrong(check.at('path'), path, 'is not a path: a path begins with /')
}

/** `serviceDamping: {suppressAfter, halfLife}`, each with a default: our own field. */
function parseDamping(spec: Fields): DampingSettings | undefined {
  const damping = spec.record('serviceDamping')
  if (damping === undefined) return undefined
  const settings = {
    suppressAfter: damping.whole('suppressAfter', 2, 100) ?? 3,
    halfLife: damping.seconds('halfLife', 1, 3600) ?? 60,
  }
  damping.reportUnknown()
  return settings
}

/** Pod CIDRs of one node. A list beyond the limit is refused as a mistake. */
function parsePodCidrs(spec: Fields): Prefix[] {
  const read = (item: unknown, at: string) => {
    const prefix = typeof item === 'string' ? parsePrefix(item) : undefined
    return prefix ?? spec.findings.wrong(at, item, 'is not a CIDR')
  }
  return spec.list('podCIDRs', read, LIST_LIMIT)
}

/** An entry without a CIDR is ignored, as in Calico. */
function* parseCidrs(spec: Fields, field: string): Work<Prefix[]> {
  const read = (entry: Fields) => {
    const prefix = entry.prefix('cidr')
    entry.reportUnknown()
    return prefix
  }
  return yield* spec.recordsInSteps(field, read, ENTRY)
}

const NOT_A_COMMUNITY = 'is not a community (0-65535:0-65535, or three numbers up to 4294967295)'

function* parseAliases(spec: Fields): Work<Map<string, readonly number[]>> {
  const aliases = new Map<string, readonly number[]>()
  const entries = yield* spec.recordsInSteps('communities', readAlias, { most: LIST_LIMIT, ...ENTRY })
  for (const { name, community, at } of entries) {
    // As in Calico, the first one counts.
    if (aliases.has(name))
      spec.findings.say('community-twice', at, 'has an entry before it with the same name, which counts')
    else aliases.set(name, community)
  }
  return aliases
}

function readAlias(entry: Fields) {
  const name = entry.text('name') ?? entry.findings.missing(entry.at('name'))
  const value = entry.text('value') ?? entry.findings.missing(entry.at('value'))
  entry.reportUnknown()
  const community = value === undefined ? undefined : parseCommunity(value)
  if (value !== undefined && community === undefined) entry.findings.wrong(entry.at('value'), value, NOT_A_COMMUNITY)
  return name === undefined || community === undefined ? undefined : { name, community, at: entry.at('name') }
}

function* parseAdvertisements(spec: Fields): Work<PrefixAdvertisement[]> {
  return yield* spec.recordsInSteps('prefixAdvertisements', readAdvertisement, ADVERTISEMENT)
}

function readAdvertisement(entry: Fields): PrefixAdvertisement | undefined {
  const prefix = entry.prefix('cidr')
  if (!entry.has('cidr')) entry.findings.missing(entry.at('cidr'))
  const before = entry.findings.faulty.size
  const read = (item: unknown, at: string) => readCommunity(entry.findings, item, at)
  const communities = entry.list('communities', read, COMMUNITIES_PER_PREFIX)
  entry.reportUnknown()
  const isWrong = entry.findings.faulty.size > before
  const held = isWrong ? `${entry.at('communities')} of prefixAdvertisements ${prefix?.text} is wrong` : undefined
  return prefix === undefined ? undefined : { prefix, communities, held }
}

/** A text that begins with a digit and has a colon is a community; any other text is the name of an alias. */
export function readCommunity(findings: Findings, item: unknown, at: string): readonly number[] | string | undefined {
  if (typeof item !== 'string') return findings.wrong(at, item, 'is not text')
  if (!/^\d+:/.test(item)) return item
  return parseCommunity(item) ?? findings.wrong(at, item, NOT_A_COMMUNITY)
}

function tellOfClusterFields(spec: unknown, findings: Findings): void {
  for (const field of Object.keys(isRecord(spec) ? spec : {})) {
    if (PER_NODE.has(field)) continue
    findings.say('field-not-per-node', `spec.${field}`, 'applies only in BGPConfiguration/default; it is ignored')
  }
}

/** The key of a taint, in the syntax of the API server. */
function readTaint(spec: Fields): string | undefined {
  const key = spec.text('leaveOnTaint')
  if (key === undefined || (key.length > 0 && key.length <= 253)) return key
  return spec.findings.wrong(spec.at('leaveOnTaint'), key, 'is not a taint key: 1 to 253 characters')
}
