/**
 * Objects as the API serves them, checked: `unknown` comes in, a typed value goes out, or problems that name object,
 * field and value. Nothing is judged here that needs a second object.
 */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, RouterId, Seconds } from '../base/units.ts'
import { isRecord } from './fields.ts'
import { compileFilter } from './filters.ts'
import type { DecisionSettings, PeerIntent, PrefixLimit, Problem } from './intent.ts'
import { parseConfiguration } from './parse-configuration.ts'
import { parseNode } from './parse-node.ts'
import { parsePeer } from './parse-peer.ts'
import { parsePool } from './parse-pool.ts'
import { parseEndpointSlice, parseSecret, parseService } from './parse-service.ts'
import { Findings } from './problem.ts'
import type { Labels, Selector } from './selector.ts'
import type { Kind, ObjectRef } from './source.ts'

export interface NodeObject {
  readonly name: string
  readonly labels: Labels
  readonly podCidrs: readonly Prefix[]
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  /** Undefined: the cluster's default. */
  readonly asNumber: Asn | undefined
  /** It reflects routes (RFC 4456). */
  readonly clusterId: RouterId | undefined
}

export interface ServiceObject {
  readonly namespace: string
  readonly name: string
  readonly type: string
  /** The addresses as /32 and /128. Empty for a headless service. */
  readonly clusterIps: readonly Prefix[]
  readonly externalIps: readonly Prefix[]
  readonly loadBalancerIps: readonly Prefix[]
  readonly internalLocal: boolean
  readonly externalLocal: boolean
}

/** Of the endpoints of a slice only on which nodes they are, and how they are. */
export interface EndpointSliceObject {
  /** `shop/web`; undefined where the slice belongs to no service. */
  readonly service: string | undefined
  readonly family: Family | undefined
  /** Nodes with a ready endpoint; '' for one without a node. Sorted, each once. */
  readonly ready: readonly string[]
  /** Nodes with an endpoint that terminates and still serves. */
  readonly draining: readonly string[]
}

/** A Secret keeps nothing but the names of its keys. */
export interface SecretObject {
  readonly keys: readonly string[]
}

export interface PrefixAdvertisement {
  readonly prefix: Prefix
  /** Values, or names of aliases not yet looked up. */
  readonly communities: readonly (readonly number[] | string)[]
}

export interface ConfigurationObject {
  readonly name: string
  readonly asNumber: Asn | undefined
  readonly nodeToNodeMesh: boolean
  readonly serviceCidrs: Readonly<Record<ServiceAddressKind, readonly Prefix[]>>
  readonly loadBalancerAggregation: boolean
  readonly communities: ReadonlyMap<string, readonly number[]>
  /** Undefined: none given, so that the default's hold. */
  readonly prefixAdvertisements: readonly PrefixAdvertisement[] | undefined
  readonly listenPort: number | undefined
  readonly bindToNodeIp: boolean
  readonly meshFilters: readonly string[]
  /** Why no mesh session may start. */
  readonly meshHeld: string | undefined
  readonly decision: DecisionSettings
  /** `natOutgoingExclusions: IPPoolsAndHostIPs`. */
  readonly natSparesHosts: boolean
}

export type ServiceAddressKind = 'cluster' | 'external' | 'load-balancer'

export interface PeerObject {
  readonly name: string
  /** All three undefined or one given: which nodes have this peer. */
  readonly node: string | undefined
  readonly nodeSelector: Selector | undefined
  /** One of the three is given. */
  readonly range: PeerIntent['range']
  readonly remote: { readonly address: Address; readonly port: number | undefined } | undefined
  readonly peerSelector: Selector | undefined
  readonly asNumber: Asn | undefined
  readonly remoteAs: 'internal' | 'external' | undefined
  readonly localAsNumber: Asn | undefined
  readonly useNodeIp: boolean
  readonly nextHop: 'auto' | 'self' | 'keep' | 'keep-external'
  readonly filters: readonly string[]
  readonly reverse: boolean
  readonly families: readonly Family[] | undefined
  readonly holdTime: Seconds | undefined
  readonly keepaliveTime: Seconds | undefined
  readonly connectRetryTime: Seconds | undefined
  readonly passive: boolean
  readonly advertiseLearned: boolean
  readonly maxPrefixes: Readonly<Partial<Record<Family, PrefixLimit>>>
  readonly allowedOwnAs: number
  readonly addPath: PeerIntent['addPath']
  /** Undefined: where a session could carry IPv4 in no other way. */
  readonly extendedNextHop: boolean | undefined
  readonly role: PeerIntent['role']
  readonly strictRole: boolean
  /** Why it may not start: it asks for something that is not carried out and that may not be left out. */
  readonly held: string | undefined
}

export interface PoolObject {
  readonly name: string
  readonly prefix: Prefix
  /** Stops the handing out of addresses only; the pool is advertised all the same. */
  readonly disabled: boolean
  readonly disableBgpExport: boolean
  readonly natOutgoing: boolean
  /** `allowedUses` names LoadBalancer and nothing else: its addresses are services', not pods'. */
  readonly loadBalancerOnly: boolean
  readonly nat: PoolNat
}

/** How packets of a pool are masqueraded: `spec.nat`, beyond Calico. */
export interface PoolNat {
  readonly exclude: readonly Prefix[]
  /** Of the pool's family; undefined for the address of the interface. */
  readonly address: Address | undefined
  readonly ports: { readonly first: number; readonly last: number } | undefined
  readonly fullyRandom: boolean
}

/** Rules by direction and family. */
export type FilterObject = ReturnType<typeof compileFilter>

export interface ParsedObjects {
  readonly Node: NodeObject
  readonly Service: ServiceObject
  readonly EndpointSlice: EndpointSliceObject
  readonly Secret: SecretObject
  readonly BGPConfiguration: ConfigurationObject
  readonly BGPPeer: PeerObject
  readonly BGPFilter: FilterObject
  readonly IPPool: PoolObject
}

export interface Parsed<K extends Kind> {
  /** Undefined where the object is refused. */
  readonly value: ParsedObjects[K] | undefined
  readonly problems: readonly Problem[]
}

/** `BGPPeer/rack-1`, `Service/shop/web`. */
export const objectName = ({ kind, namespace, name }: ObjectRef): string => `${kind}/${objectKey({ namespace, name })}`

export const objectKey = ({ namespace, name }: Pick<ObjectRef, 'namespace' | 'name'>): string =>
  namespace === '' ? name : `${namespace}/${name}`

type Parser<Value> = (object: Record<string, unknown>, ref: ObjectRef, findings: Findings) => Value | undefined

const PARSERS: { readonly [K in Kind]: Parser<ParsedObjects[K]> } = {
  Node: parseNode,
  Service: parseService,
  EndpointSlice: parseEndpointSlice,
  Secret: parseSecret,
  BGPConfiguration: parseConfiguration,
  BGPPeer: parsePeer,
  BGPFilter: parseFilter,
  IPPool: parsePool,
}

/** Groups that serve Calico's kinds: our own, and both of Calico's. */
const OUR_GROUPS = ['godwit.dev/v1', 'projectcalico.org/v3', 'crd.projectcalico.org/v1']
const GROUPS: Readonly<Record<Kind, readonly string[]>> = {
  Node: ['v1'],
  Service: ['v1'],
  EndpointSlice: ['discovery.k8s.io/v1'],
  Secret: ['v1'],
  BGPConfiguration: OUR_GROUPS,
  BGPPeer: OUR_GROUPS,
  BGPFilter: OUR_GROUPS,
  IPPool: OUR_GROUPS,
}

export function parseObject<K extends Kind>(ref: ObjectRef & { readonly kind: K }, object: unknown): Parsed<K> {
  const findings = new Findings(objectName(ref))
  const value = isRecord(object) ? parseRecord(ref, object, findings) : findings.wrong('', object, 'is not an object')
  return { value: findings.refused ? undefined : value, problems: findings.problems }
}

function parseRecord<K extends Kind>(
  ref: ObjectRef & { readonly kind: K },
  object: Record<string, unknown>,
  findings: Findings,
): ParsedObjects[K] | undefined {
  // Items of a list come without kind and apiVersion.
  const { kind, apiVersion } = object
  if (kind !== undefined && kind !== ref.kind) return findings.wrong('kind', kind, `is not ${ref.kind}`)
  const groups = GROUPS[ref.kind]
  if (apiVersion !== undefined && !groups.some((group) => group === apiVersion)) {
    return findings.wrong('apiVersion', apiVersion, `is not ${groups.join(' or ')}`)
  }
  return PARSERS[ref.kind](object, ref, findings)
}

function parseFilter(object: Record<string, unknown>, ref: ObjectRef, findings: Findings): FilterObject | undefined {
  const compiled = compileFilter(ref.name, object.spec ?? {})
  findings.add(compiled.problems)
  return compiled
}
