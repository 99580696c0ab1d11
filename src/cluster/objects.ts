/** Objects as the API serves them, once they are checked. */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, RouterId, Seconds } from '../base/units.ts'
import type { compileFilter } from './filters.ts'
import type {
  BfdSettings,
  DecisionSettings,
  NODE_ROUTES,
  PeerIntent,
  PrefixLimit,
  ProgramClusterRoutes,
  ServiceGuards,
  ServiceLoopPrevention,
  Signing,
} from './intent.ts'
import type { PoolNat, PoolObject } from './pool.ts'
import type { Labels, Selector } from './selector.ts'
import type { ObjectRef } from './source.ts'

export interface NodeObject {
  readonly name: string
  readonly labels: Labels
  /** Those that a BGPPeer may take a value from: an address or an AS number. */
  readonly annotations: Readonly<Record<string, string>>
  readonly podCidrs: readonly Prefix[]
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  /** These and all others of the node: whoever looks for one of them looks for the node. */
  readonly hosts: readonly Address[]
  /** Undefined: the cluster's default. */
  readonly asNumber: Asn | undefined
  /** It reflects routes (RFC 4456). */
  readonly clusterId: RouterId | undefined
  /** Keys of its taints. */
  readonly taints: readonly string[]
  /** Why no session of this node may start: what it says of itself is wrong, and no version of it was ever good. */
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
  /** Of these, the ones with `ipMode: Proxy`: the load balancer takes what is sent to them, kube-proxy does not. */
  readonly proxiedIps: readonly Prefix[]
  readonly internalLocal: boolean
  readonly externalLocal: boolean
  /** '' where none is given. */
  readonly loadBalancerClass: string
  readonly labels: Labels
  /** What `godwit.dev/advertise` says of it, as label or annotation; undefined: nothing. */
  readonly advertise: boolean | undefined
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

/** Of a pod what decides whether its address is advertised. */
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

/** A Secret as the edge reports it: what of it is fit to be a key, and never the key. */
export interface SecretObject {
  readonly type: string
  /** `version` grows with every change of the key; `trouble` says why it is none: `is empty`. */
  readonly keys: Readonly<Record<string, { readonly version: number; readonly trouble: string | undefined }>>
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

/** What rests on fields of a BGPConfiguration. */
export type ConfigurationPart = 'asNumber' | 'listening' | 'mesh' | ServiceAddressKind | 'routes' | 'pods'
/** What is held because a field it rests on is wrong, and why. */
export type HeldParts = Readonly<Partial<Record<ConfigurationPart, string>>>

export interface ConfigurationObject {
  readonly name: string
  readonly asNumber: Asn | undefined
  readonly nodeToNodeMesh: boolean
  readonly serviceCidrs: Readonly<Record<ServiceAddressKind, readonly Prefix[]>>
  readonly loadBalancerAggregation: boolean
  /** Those whose LoadBalancer IPs are advertised; '' stands for services without one. Undefined: all. */
  readonly loadBalancerClasses: readonly string[] | undefined
  /** Only services that ask for it are advertised one by one. */
  readonly serviceOptIn: boolean
  readonly guards: ServiceGuards
  readonly communities: ReadonlyMap<string, readonly number[]>
  /** Undefined: none given, so that the default's hold. */
  readonly prefixAdvertisements: readonly PrefixAdvertisement[] | undefined
  readonly listenPort: number | undefined
  readonly bindToNodeIp: boolean
  readonly meshRestartTime: Seconds | undefined
  readonly meshFilters: readonly string[]
  readonly meshBfd: BfdSettings | undefined
  readonly meshSigning: Signing<SecretKeyRef> | undefined
  /** Why no mesh session may start. */
  readonly meshHeld: string | undefined
  readonly decision: DecisionSettings
  /** Octets, of each neighbor and family; undefined: as built in. */
  readonly maxRouteMemory: number | undefined
  /** `natOutgoingExclusions: IPPoolsAndHostIPs`; undefined: not said. */
  readonly natSparesHosts: boolean | undefined
  readonly recursiveNextHops: boolean
  readonly nodeRoutes: (typeof NODE_ROUTES)[number]
  /** Undefined: not said. */
  readonly programClusterRoutes: ProgramClusterRoutes | undefined
  /** Key of the taint with which a node leaves; undefined: none. */
  readonly leaveOnTaint: string | undefined
  /** Undefined: not said. */
  readonly serviceLoopPrevention: ServiceLoopPrevention | undefined
  /** Undefined: not said. */
  readonly podCidrSource: 'Node' | 'CalicoIPAM' | 'Static' | undefined
  /** Of one node, with the source Static. */
  readonly podCidrs: readonly Prefix[]
  /** Empty for a version that is good as a whole. */
  readonly held: HeldParts
}

/** Of Calico IPAM: a block of addresses. */
export interface AffinityObject {
  readonly prefix: Prefix
  /** Whose it is; undefined while that is not settled. */
  readonly node: string | undefined
}

/** Of Calico IPAM: what of a block is with others than its owner. */
export interface BlockObject {
  /** Addresses as /32 and /128, by the node of the pod. */
  readonly borrowed: ReadonlyMap<string, readonly Prefix[]>
}

/** Of Calico's FelixConfiguration only what has to do with routes. */
export interface FelixObject {
  readonly serviceLoopPrevention: ServiceLoopPrevention | undefined
  /** Which routes to other nodes Felix writes; undefined: not said. */
  readonly programClusterRoutes: ProgramClusterRoutes | undefined
  /** Of pools that say nothing of their own. */
  readonly natPorts: PoolNat['ports']
  readonly natAddress: Address | undefined
  readonly natExclusions: 'IPPoolsOnly' | 'IPPoolsAndHostIPs' | undefined
}

export type ServiceAddressKind = 'cluster' | 'external' | 'load-balancer'

/** Where a Node says a value. */
export interface ValueFrom {
  readonly kind: 'label' | 'annotation'
  readonly key: string
}

export interface PeerObject {
  readonly name: string
  readonly labels: Labels
  /** All three undefined or one given: which nodes have this peer. */
  readonly node: string | undefined
  readonly nodeSelector: Selector | undefined
  /** One of the five is given. */
  readonly range: PeerIntent['range']
  /** The router that advertises itself on this interface. */
  readonly interface: string | undefined
  readonly remote: { readonly address: Address; readonly port: number | undefined } | undefined
  /** The default gateway of the node: of the families named, or of those of which the node has an address. */
  readonly gateway: { readonly families: readonly Family[] | undefined } | undefined
  readonly peerSelector: Selector | undefined
  readonly asNumber: Asn | undefined
  readonly remoteAs: 'internal' | 'external' | undefined
  readonly localAsNumber: Asn | undefined
  /** Said by the Node that has the neighbor, in place of `asNumber`, `localAsNumber` and `remote`. */
  readonly asNumberFrom: ValueFrom | undefined
  readonly localAsNumberFrom: ValueFrom | undefined
  readonly peerIpFrom: ValueFrom | undefined
  /** `node-or-link`: the node's address, unless it is on no link to the neighbor and the link has another. */
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
  /** 0: no neighbor is asked to keep our routes beyond that. */
  readonly longLivedTime: Seconds
  readonly connectRetryTime: Seconds | undefined
  readonly passive: boolean
  /** Routes to and from it are last choices: for its maintenance. */
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
  /** Undefined: where a session could carry IPv4 in no other way. */
  readonly extendedNextHop: boolean | undefined
  readonly role: PeerIntent['role']
  readonly strictRole: boolean
  readonly bfd: BfdSettings | undefined
  /** Why it may not start: it asks for something that is not carried out and that may not be left out. */
  readonly held: string | undefined
}

/** Which routes of a node a BGPAdvertisement names. */
export type RouteChoice =
  | { readonly kind: 'podCIDRs' }
  /** Those of the pod CIDRs and blocks that lie in these IPPools; both undefined: in any. */
  | { readonly kind: 'pools'; readonly names: readonly string[] | undefined; readonly selector: Selector | undefined }
  /** Addresses of single pods of the node, which become routes by it. What is undefined chooses all. */
  | {
      readonly kind: 'pods'
      readonly selector: Selector | undefined
      readonly namespaces: readonly string[] | undefined
    }
  /** The node's own addresses as /32 and /128: they become routes by it. */
  | { readonly kind: 'nodeAddresses' }
  /** The same of the addresses of these interfaces. */
  | { readonly kind: 'interfaces'; readonly names: readonly string[] }
  /** Become routes by it. */
  | { readonly kind: 'prefixes'; readonly prefixes: readonly Prefix[] }
  | { readonly kind: 'serviceRanges'; readonly kinds: readonly ServiceAddressKind[] }
  /** What is undefined chooses all. */
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
  /** Names of BGPPeers, and a selector of their labels: who either chooses. Both undefined: all, and the mesh. */
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
  /** Why what it names is not advertised: it has errors. */
  readonly held: string | undefined
}

export type FilterObject = ReturnType<typeof compileFilter>

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
  readonly IPPool: PoolObject
  readonly FelixConfiguration: FelixObject
  readonly BlockAffinity: AffinityObject
  readonly IPAMBlock: BlockObject
}

/** `BGPPeer/rack-1`, `Service/shop/web`. */
export const objectName = ({ kind, namespace, name }: ObjectRef): string => `${kind}/${objectKey({ namespace, name })}`

export const objectKey = ({ namespace, name }: Pick<ObjectRef, 'namespace' | 'name'>): string =>
  namespace === '' ? name : `${namespace}/${name}`
