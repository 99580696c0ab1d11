/** The types of checked objects: what `parse/` makes of the objects that the API serves. */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import { inOnePiece, type Prefix } from '../base/prefix.ts'
import type { Asn, RouterId, Seconds } from '../base/units.ts'
import type { Rule } from '../bgp/policy/rule.ts'
import type {
  BfdSettings,
  DecisionIntent,
  NODE_ROUTES,
  PeerIntent,
  PrefixLimit,
  Problem,
  ProgramClusterRoutes,
  ServiceGuards,
  ServiceLoopPrevention,
  Signing,
} from './intent.ts'
import type { PoolNat, PoolObject, UnplacedPool } from './pool.ts'
import type { Labels, Selector } from './selector.ts'
import type { ObjectRef } from './source.ts'

export interface NodeObject {
  readonly name: string
  readonly labels: Labels
  /** The annotations that a BGPPeer may read a value from: those that hold an address or an AS number. */
  readonly annotations: Readonly<Record<string, string>>
  readonly podCidrs: readonly Prefix[]
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  /** Families whose address an annotation of Calico's gives. */
  readonly annotated: readonly Family[]
  /** All addresses of the node, these included. */
  readonly hosts: readonly Address[]
  /** Undefined: the AS number of the cluster. */
  readonly asNumber: Asn | undefined
  /** Given if the node reflects routes (RFC 4456). */
  readonly clusterId: RouterId | undefined
  /** Keys of its taints. */
  readonly taints: readonly string[]
  /** Why no session of this node may start: the Node has errors, and no version of it was ever good. */
  readonly held: string | undefined
}

export interface ServiceObject {
  readonly namespace: string
  readonly name: string
  readonly type: string
  /** The addresses as /32 and /128. Empty for a headless service. */
  readonly clusterIps: readonly Prefix[]
  readonly externalIps: readonly Prefix[]
  readonly loadBalancerIps: readonly Prefix[]
  /** Those with `ipMode: Proxy`: the load balancer accepts packets to them, kube-proxy does not. */
  readonly proxiedIps: readonly Prefix[]
  readonly internalLocal: boolean
  readonly externalLocal: boolean
  /** '' if the service has none. */
  readonly loadBalancerClass: string
  readonly labels: Labels
  /** The value of the label or annotation `godwit.dev/advertise`; undefined: not set. */
  readonly advertise: boolean | undefined
}

/** An EndpointSlice, reduced to the nodes of its endpoints and their conditions. */
export interface EndpointSliceObject {
  /** `shop/web`; undefined if the slice belongs to no service. */
  readonly service: string | undefined
  readonly family: Family | undefined
  /** Names of the nodes with a ready endpoint, sorted and unique; '' stands for an endpoint without a node. */
  readonly ready: readonly string[]
  /** Names of the nodes with an endpoint that terminates and still serves. */
  readonly draining: readonly string[]
}

/** A Pod, reduced to what decides whether its addresses are advertised. */
export interface PodObject {
  readonly namespace: string
  readonly name: string
  readonly labels: Labels
  /** Undefined: not scheduled yet. */
  readonly node: string | undefined
  readonly hostNetwork: boolean
  readonly isReady: boolean
  readonly isTerminating: boolean
  /** As /32 and /128. */
  readonly addresses: readonly Prefix[]
}

/** A Secret as the edge reports it: which of its values can be keys, never the keys themselves. */
export interface SecretObject {
  readonly type: string
  /** `version` increases with every change of the key in force; `error` is why it cannot be a key: `is empty`. */
  readonly keys: Readonly<Record<string, { readonly version: number; readonly error: string | undefined }>>
}

/** A key in a Secret of the agent's own namespace. */
export interface SecretKeyRef {
  readonly name: string
  readonly key: string
}

export interface PrefixAdvertisement {
  readonly prefix: Prefix
  /** Values, or names of aliases not yet looked up. */
  readonly communities: readonly (readonly number[] | string)[]
  /** Why nothing inside the prefix may be advertised. */
  readonly held: string | undefined
}

/** The parts of the configuration that depend on fields of a BGPConfiguration. */
export type ConfigurationPart = 'asNumber' | 'port' | 'bind' | 'mesh' | ServiceAddressKind | 'routes' | 'pods'
/** The parts that are held because a field that they depend on is wrong, with the reason. */
export type HeldParts = Readonly<Partial<Record<ConfigurationPart, string>>>

export interface ConfigurationObject {
  readonly name: string
  readonly asNumber: Asn | undefined
  readonly nodeToNodeMesh: boolean
  readonly serviceCidrs: Readonly<Record<ServiceAddressKind, readonly Prefix[]>>
  readonly loadBalancerAggregation: boolean
  /** Classes whose LoadBalancer IPs are advertised; '' stands for services without a class. Undefined: all. */
  readonly loadBalancerClasses: readonly string[] | undefined
  /** Advertise single addresses only of services with `godwit.dev/advertise: "true"`. */
  readonly serviceOptIn: boolean
  readonly guards: ServiceGuards
  readonly communities: ReadonlyMap<string, readonly number[]>
  /** Undefined: not set, so that those of BGPConfiguration `default` apply. */
  readonly prefixAdvertisements: readonly PrefixAdvertisement[] | undefined
  readonly listenPort: number | undefined
  readonly bindToNodeIp: boolean
  readonly meshRestartTime: Seconds | undefined
  readonly meshFilters: readonly string[]
  readonly meshBfd: BfdSettings | undefined
  readonly meshSigning: Signing<SecretKeyRef> | undefined
  /** Why no mesh session may start. */
  readonly meshHeld: string | undefined
  readonly decision: DecisionIntent
  /** Octets for each neighbor and family; undefined: the built-in limit. */
  readonly maxRouteMemory: number | undefined
  /** `natOutgoingExclusions: IPPoolsAndHostIPs`; undefined: not set. */
  readonly natSparesHosts: boolean | undefined
  readonly recursiveNextHops: boolean
  readonly nodeRoutes: (typeof NODE_ROUTES)[number]
  /** Undefined: not set. */
  readonly programClusterRoutes: ProgramClusterRoutes | undefined
  /** The key of the taint that makes a node leave; undefined: none. */
  readonly leaveOnTaint: string | undefined
  /** Undefined: not set. */
  readonly serviceLoopPrevention: ServiceLoopPrevention | undefined
  /** Undefined: not set. */
  readonly podCidrSource: 'Node' | 'CalicoIPAM' | 'Static' | undefined
  /** Pod CIDRs of one node, for the source Static. */
  readonly podCidrs: readonly Prefix[]
  /** Empty for a version without errors. */
  readonly held: HeldParts
}

/** A BlockAffinity of Calico IPAM: a block of addresses and the node that owns it. */
export interface AffinityObject {
  readonly prefix: Prefix
  /** The owner of the block; undefined: nobody has it, and `why` says why. */
  readonly node: string | undefined
  readonly why?: string
}

/** An IPAMBlock of Calico IPAM: the addresses of a block that pods of other nodes have. */
export interface BlockObject {
  /** Addresses as /32 and /128, by the node of the pod. */
  readonly borrowed: ReadonlyMap<string, readonly Prefix[]>
}

/** A FelixConfiguration of Calico, reduced to what concerns routes. */
export interface FelixObject {
  readonly serviceLoopPrevention: ServiceLoopPrevention | undefined
  /** The routes to other nodes that Felix writes; undefined: not set. */
  readonly programClusterRoutes: ProgramClusterRoutes | undefined
  /** Ports and address for pools that set none themselves. */
  readonly natPorts: PoolNat['ports']
  readonly natAddress: Address | undefined
  readonly natExclusions: 'IPPoolsOnly' | 'IPPoolsAndHostIPs' | undefined
}

export type ServiceAddressKind = 'cluster' | 'external' | 'load-balancer'

/** The label or annotation of a Node that holds a value. */
export interface ValueFrom {
  readonly kind: 'label' | 'annotation'
  readonly key: string
}

export interface PeerObject {
  readonly name: string
  readonly labels: Labels
  /** The nodes that have this peer, by name or by selector; at most one of the two is given. None means all nodes. */
  readonly node: string | undefined
  readonly nodeSelector: Selector | undefined
  /** The neighbor: `range`, `interface`, `remote`, `gateway`, `peerSelector` or `peerIpFrom`. Exactly one is given. */
  readonly range: PeerIntent['range']
  /** The router that advertises itself on this interface. */
  readonly interface: string | undefined
  readonly remote: { readonly address: Address; readonly port: number | undefined } | undefined
  /** The default gateway of the node, for these families; undefined: those in which the node has an address. */
  readonly gateway: { readonly families: readonly Family[] | undefined } | undefined
  readonly peerSelector: Selector | undefined
  readonly asNumber: Asn | undefined
  readonly remoteAs: 'internal' | 'external' | undefined
  readonly localAsNumber: Asn | undefined
  /** Values read from the Node that has the neighbor, in place of `asNumber`, `localAsNumber` and `remote`. */
  readonly asNumberFrom: ValueFrom | undefined
  readonly localAsNumberFrom: ValueFrom | undefined
  readonly peerIpFrom: ValueFrom | undefined
  /** `node-or-link`: the node's address, or an address of the link to the neighbor if the node's is not on that link. */
  readonly source: 'node' | 'kernel' | 'node-or-link'
  readonly sourceInterface: string | undefined
  readonly nextHop: 'auto' | 'self' | 'keep' | 'keep-external'
  readonly filters: readonly string[]
  readonly reverse: boolean
  readonly families: readonly Family[] | undefined
  readonly holdTime: Seconds | undefined
  readonly keepaliveTime: Seconds | undefined
  /** 0: graceful restart is not announced. */
  readonly restartTime: Seconds | undefined
  /** 0: the neighbor is not asked to keep our routes beyond `restartTime`. */
  readonly longLivedTime: Seconds
  readonly connectRetryTime: Seconds | undefined
  readonly passive: boolean
  /** Maintenance: routes to and from the neighbor become the last choice. */
  readonly drain: boolean
  readonly fastFailover: boolean
  readonly signing: Signing<SecretKeyRef> | undefined
  /** Hops that a packet of the neighbor may have come over; undefined: any number. */
  readonly ttlSecurity: number | undefined
  readonly advertiseLearned: boolean
  readonly maxPrefixes: Readonly<Partial<Record<Family, PrefixLimit>>>
  readonly maxRouteMemory: number | undefined
  readonly allowedOwnAs: number
  readonly addPath: PeerIntent['addPath']
  /** Undefined: on only if the session could not carry IPv4 otherwise. */
  readonly extendedNextHop: boolean | undefined
  readonly role: PeerIntent['role']
  readonly strictRole: boolean
  readonly bfd: BfdSettings | undefined
  /** Why no session may start: the object asks for something that is not supported and that must not be left out. */
  readonly held: string | undefined
}

/** Which routes of a node a BGPAdvertisement names. */
export type RouteChoice =
  | { readonly kind: 'podCIDRs' }
  /** Pod CIDRs and IPAM blocks inside these IPPools; both undefined: inside any. */
  | { readonly kind: 'pools'; readonly names: readonly string[] | undefined; readonly selector: Selector | undefined }
  /** Addresses of single pods of the node, as routes of their own. An undefined field matches all pods. */
  | {
      readonly kind: 'pods'
      readonly selector: Selector | undefined
      readonly namespaces: readonly string[] | undefined
    }
  /** The node's own addresses, as routes of their own: /32 and /128. */
  | { readonly kind: 'nodeAddresses' }
  /** The addresses of these interfaces, as routes of their own. */
  | { readonly kind: 'interfaces'; readonly names: readonly string[] }
  /** These prefixes, as routes of their own. */
  | { readonly kind: 'prefixes'; readonly prefixes: readonly Prefix[] }
  | { readonly kind: 'serviceRanges'; readonly kinds: readonly ServiceAddressKind[] }
  /** Service addresses. An undefined field matches all services. */
  | {
      readonly kind: 'services'
      readonly kinds: readonly ServiceAddressKind[]
      readonly namespaces: readonly string[] | undefined
      readonly selector: Selector | undefined
      readonly loadBalancerClasses: readonly string[] | undefined
    }

export interface AdvertisementObject {
  readonly name: string
  /** Undefined: all nodes. */
  readonly nodeSelector: Selector | undefined
  readonly routes: readonly RouteChoice[]
  /** BGPPeers by name or by label: one match is enough. Both undefined: all BGPPeers, and the mesh. */
  readonly peers: readonly string[] | undefined
  readonly peerSelector: Selector | undefined
  /** Values, or names of aliases not yet looked up. */
  readonly communities: readonly (readonly number[] | string)[]
  readonly localPref: number | undefined
  readonly med: number | undefined
  readonly prepend: readonly Asn[]
  readonly nextHops: Readonly<Partial<Record<Family, Address>>>
  /** Lengths of covering prefixes. */
  readonly aggregation: Readonly<Partial<Record<Family, number>>>
  /** Why the routes that it names are not advertised: the object has errors. */
  readonly held: string | undefined
}

/** A BGPFilter, compiled to policy rules. */
export interface FilterObject {
  readonly name: string
  readonly exportV4: readonly Rule[]
  readonly importV4: readonly Rule[]
  readonly exportV6: readonly Rule[]
  readonly importV6: readonly Rule[]
  readonly problems: readonly Problem[]
}

export interface ParsedObjects {
  readonly Node: NodeObject
  readonly Service: ServiceObject
  readonly EndpointSlice: EndpointSliceObject
  readonly Pod: PodObject
  readonly Secret: SecretObject
  readonly BGPConfiguration: ConfigurationObject
  readonly BGPPeer: PeerObject
  readonly BGPFilter: FilterObject
  readonly BGPAdvertisement: AdvertisementObject
  readonly IPPool: PoolObject | UnplacedPool
  readonly FelixConfiguration: FelixObject
  readonly BlockAffinity: AffinityObject
  readonly IPAMBlock: BlockObject
}

/** `BGPPeer/rack-1`, `Service/shop/web`. */
export const objectName = ({ kind, namespace, name }: ObjectRef): string =>
  inOnePiece(`${kind}/${objectKey({ namespace, name })}`)

export const objectKey = ({ namespace, name }: Pick<ObjectRef, 'namespace' | 'name'>): string =>
  namespace === '' ? name : inOnePiece(`${namespace}/${name}`)
