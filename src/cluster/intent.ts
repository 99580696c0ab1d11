/**
 * The desired state of this node as one value: neighbors, originated routes, policies, and the reason for each thing that an
 * object asks for and that is not done. `diff.ts` computes the difference between two of them.
 */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, Micros, RouterId, Seconds } from '../base/units.ts'
import type { Policy, PrefixMatch } from '../bgp/policy/rule.ts'
import type { Role } from '../bgp/wire/role.ts'
import type { PolicyParts } from './policy-parts.ts'
import type { PoolObject } from './pool.ts'

export interface Intent {
  /** Undefined until this node's object is known. */
  readonly node: NodeIntent | undefined
  /** By protocol name. */
  readonly peers: ReadonlyMap<string, PeerIntent>
  /** Routes that this node originates, by the canonical text of the prefix. */
  readonly routes: ReadonlyMap<string, RouteIntent>
  /** Addresses of services as /32 and /128, advertised or not, by their text: what kube-proxy's rules take. */
  readonly serviceAddresses: ReadonlyMap<string, Prefix>
  /** Why something is not advertised: by canonical prefix text, or by object (`Service/shop/web`). */
  readonly refusals: ReadonlyMap<string, string>
  /** Settings that hold back services: health check and damping. */
  readonly guards: ServiceGuards
  /** Why this node must leave; undefined: it stays. */
  readonly leave: string | undefined
  /** For the kernel of this node; undefined while the node is not known. */
  readonly dataplane: DataplaneIntent | undefined
  /** Names of the Secrets that the neighbors' keys are in. */
  readonly secrets: readonly string[]
  /** Interfaces whose addresses BGPAdvertisements of this node name, in order. */
  readonly interfaces: readonly string[]
  /** Pods of this node that BGPAdvertisements may name; undefined: none. */
  readonly pods: PodSelection | undefined
  /** What is wrong or held back, each naming object, field and value; in a stable order. */
  readonly problems: readonly Problem[]
}

/** The pods of this node that have to be read. */
export interface PodSelection {
  /** A `labelSelector` of the Kubernetes API; undefined: all pods. */
  readonly labelSelector: string | undefined
}

export interface NodeIntent {
  readonly name: string
  readonly asNumber: Asn
  readonly routerId: RouterId
  /** The first InternalIP of the Node for each family, else the first ExternalIP. */
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  readonly listenPort: number
  /** Listen on these only (`bindMode: NodeIP`); empty for all addresses. */
  readonly listenAddresses: readonly Address[]
  readonly decision: DecisionIntent
}

/** In place of the address of a neighbor that is to be found on a link or in a default route, and is not found yet. */
export const UNKNOWN_ADDRESS: Address = '::'

export type PeerKind = 'Mesh' | 'Node' | 'Global'

/** A reference to the key of a session. Only `edge/` knows the key itself. */
export interface KeyIntent {
  readonly secret: string
  readonly key: string
  /** Changes with the key, which is then put in force without a reset; undefined while there is no key. */
  readonly version: number | undefined
}

/** What TCP-AO computes authentication codes with: those of RFC 5926, and SHA-256 cut to 96 bits. */
export const AO_ALGORITHMS = ['HMAC-SHA-1-96', 'AES-128-CMAC-96', 'HMAC-SHA-256-96'] as const
export type AoAlgorithm = (typeof AO_ALGORITHMS)[number]

/** A master key tuple (RFC 5925 §3.1). Both IDs are 0 to 255, and each stands for one key of a chain. */
export interface ChainKey<Key> {
  /** The KeyID of what we send: the neighbor's receive ID. */
  readonly sendId: number
  /** The KeyID of what the neighbor sends. */
  readonly receiveId: number
  readonly algorithm: AoAlgorithm
  readonly key: Key
}

/** How the segments of a session are signed. The first key of a chain is the one that we ask the neighbor to use. */
export type Signing<Key> =
  /** TCP-MD5 (RFC 2385). */
  | { readonly kind: 'md5'; readonly key: Key }
  /** TCP-AO (RFC 5925). */
  | { readonly kind: 'ao'; readonly keys: readonly ChainKey<Key>[] }

export const keysOf = <Key>(signing: Signing<Key> | undefined): readonly Key[] =>
  signing === undefined ? [] : signing.kind === 'md5' ? [signing.key] : signing.keys.map(({ key }) => key)

export interface PeerIntent {
  /** `Mesh_10_0_0_2`, `Global_2001_db8__1_port_1790`. */
  readonly name: string
  readonly kind: PeerKind
  /** The BGPPeer it comes from; undefined for the mesh. */
  readonly object: string | undefined
  readonly address: Address
  readonly port: number
  readonly remoteAs: Asn | 'internal' | 'external'
  readonly localAs: Asn
  /** Local address of the session; if undefined, the kernel chooses. */
  readonly sourceAddress: Address | undefined
  /** Bind to the address of this interface: `sourceAddress` is then chosen by the links of the node. */
  readonly sourceInterface: string | undefined
  /** `sourceAddress` is a default: where it is on no link to the neighbor, an address of that link is used instead. */
  readonly sourceMayYield: boolean
  readonly families: readonly Family[]
  /**
   * No object sets `families`: the family that the session does not run over is left to a session with the same router
   * that does (`engine/twins`).
   */
  readonly yields: boolean
  readonly holdTime: Seconds
  readonly keepaliveTime: Seconds | undefined
  /** How long the neighbor keeps our routes while we restart; undefined: graceful restart is not announced. */
  readonly restartTime: Seconds | undefined
  /** How much longer it is asked to keep them, as routes of last resort (RFC 9494). */
  readonly longLivedTime: Seconds
  readonly connectRetryTime: Seconds
  readonly passive: boolean
  /** For maintenance of the neighbor: routes to and from it are last choices (RFC 8326). */
  readonly drain: boolean
  /** External and on a link of ours: the session ends with that link, not by its hold time. */
  readonly fastFailover: boolean
  /** The other side should dial first; we dial only after a delay. */
  readonly waits: boolean
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  /** What both are made of. */
  readonly policyParts: PolicyParts
  readonly maxPrefixes: Readonly<Partial<Record<Family, PrefixLimit>>>
  /** Octets that its routes of a family may take; undefined: as built in. */
  readonly maxRouteMemory?: number
  /** How often our own AS may occur in the AS path of an accepted route. */
  readonly allowedOwnAs: number
  /** Families for which several paths to a prefix are accepted, and sent (RFC 7911). */
  readonly addPath: { readonly receive: readonly Family[]; readonly send: readonly Family[] }
  /** Offer IPv4 routes with IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean
  /** Our role towards the neighbor (RFC 9234), and whether it must announce its own. */
  readonly role: Role | undefined
  readonly strictRole: boolean
  /** This node reflects routes (RFC 4456). */
  readonly reflection: { readonly clusterId: RouterId; readonly client: boolean } | undefined
  readonly signing: Signing<KeyIntent> | undefined
  /** The most hops to the neighbor, 1 if it is on a link of ours: other packets are dropped (RFC 5082); undefined: any. */
  readonly ttlSecurity: number | undefined
  /** The neighbor is the router that advertises itself on this interface; `address` is `UNKNOWN_ADDRESS` until one does. */
  readonly interface: string | undefined
  /** The neighbor is the gateway of this family's default route; `address` is `UNKNOWN_ADDRESS` until it is known. */
  readonly gateway: Family | undefined
  /** The neighbor is watched by BFD. */
  readonly bfd: BfdSettings | undefined
  /** Accepts connections from all addresses in `prefix`; each gets a session with these settings, up to `limit`. */
  readonly range: { readonly prefix: Prefix; readonly limit: number } | undefined
  /**
   * Why the session must not start, such as a missing filter or Secret; undefined: it may. While it is held, both
   * policies of the intent reject everything; a session that is up keeps the last good filters.
   */
  readonly held: string | undefined
}

/** The settings that we ask for; the intervals are negotiated with the neighbor (RFC 5880 §6.8.2). */
export interface BfdSettings {
  readonly receive: Micros
  readonly transmit: Micros
  readonly multiplier: number
  /** If given, the neighbor is several hops away (RFC 5883), and packets with a lower TTL are dropped. */
  readonly minimumTtl: number | undefined
  readonly passive: boolean
}

/** The limit of routes of one family from one neighbor. */
export interface PrefixLimit {
  /** A route beyond this number ends the session. */
  readonly limit: number
  /** A warning is logged from this number of routes on. */
  readonly warnAt: number
  /** How long after its end the session may start again; undefined: only when it is enabled by command. */
  readonly restartAfter: Seconds | undefined
}

/** How the best paths are selected. */
export interface DecisionIntent {
  /** The most equally good paths that share the traffic. */
  readonly paths: number
  /** Treats AS paths of the same length as equal; otherwise only identical ones (RFC 4271 §9.1.2.2 leaves this open). */
  readonly relax: boolean
  /** RFC 5004: the current best external path is kept if another one is better only by its router ID. */
  readonly preferOldest: boolean
}

export interface ServiceGuards {
  /** Undefined: no health check. */
  readonly health: HealthSettings | undefined
  /** Undefined: no damping. */
  readonly damping: DampingSettings | undefined
}

/** The health endpoint of kube-proxy, or of its replacement, on this node. */
export interface HealthSettings {
  readonly port: number
  /** `/healthz`. */
  readonly path: string
  readonly interval: Seconds
  /** Consecutive failed checks after which services are withdrawn. */
  readonly failures: number
}

/** Damping of service addresses that flap. */
export interface DampingSettings {
  /** Withdrawals after which an address is suppressed; older ones count less. */
  readonly suppressAfter: number
  /** The time in which the count of withdrawals halves. */
  readonly halfLife: Seconds
}

/** What the kernel of this node must know about the cluster. */
export interface DataplaneIntent {
  /** Sorted by name. */
  readonly pools: readonly PoolObject[]
  /** Pod CIDRs of all nodes. */
  readonly podCidrs: readonly Prefix[]
  /**
   * `own`: pod CIDRs of this node. `lent`: addresses inside them that Calico's IPAM has lent to pods of other nodes.
   */
  readonly ownPods: { readonly own: readonly Prefix[]; readonly lent: readonly Prefix[] }
  /** The BGP addresses of all nodes. */
  readonly nodeAddresses: readonly Address[]
  /** All addresses of all nodes, as /32 and /128, sorted. */
  readonly nodeHosts: readonly Prefix[]
  /** The BGP addresses of this node, at most one of each family. */
  readonly ownAddresses: readonly Address[]
  /** `natOutgoingExclusions: IPPoolsAndHostIPs`. */
  readonly natSparesHosts: boolean
  /** Service ranges are configured. */
  readonly hasServiceRanges: boolean
  /** The parts of service ranges that are outside the pools of pods: kube-proxy handles packets to addresses inside. */
  readonly serviceRanges: readonly PrefixMatch[]
  /** A next hop may be resolved by a route learned over BGP if no other route leads to it. */
  readonly recursiveNextHops: boolean
  /** What is done with packets to an advertised service address that no service accepts. */
  readonly serviceLoopPrevention: ServiceLoopPrevention
  /** LoadBalancer addresses with `ipMode: Proxy`, each once: packets to them leave this node for the load balancer. */
  readonly proxied: readonly Prefix[]
  readonly nodeRoutes: NodeRoutesIntent
}

/** Whose pods have some prefix. */
export interface PodOwner {
  /** A Node; or a block of Calico's IPAM that no node has. */
  readonly object: string
  readonly prefix: Prefix
  /** Of the node. */
  readonly addresses: readonly Address[]
  /** Why no node has the block. */
  readonly why: string | undefined
}

/** The routes to pods of other nodes, and who writes them into the kernel. */
export interface NodeRoutesIntent {
  /**
   * Direct routes, computed from the Nodes that are on a link of this node; undefined: such routes come only from BGP.
   */
  readonly direct: readonly NodeRoute[] | undefined
  /** Felix writes the routes inside these ranges (`programClusterRoutes`); we write none there. */
  readonly leftToFelix: readonly Prefix[]
  /** Other nodes that have no pod CIDR, as new ones do for a while: no route leads to their pods. */
  readonly podless: PodlessNodes
}

/** The first of them by name, and how many there are. */
export interface PodlessNodes {
  readonly first: readonly string[]
  readonly count: number
}

/** A route to pods of another node. */
export interface NodeRoute {
  readonly prefix: Prefix
  readonly node: string
  /** The address of that node, in the family of the prefix. */
  readonly gateway: Address
}

export const NODE_ROUTES = ['BGP', 'Direct'] as const
/** Calico's values for which routes a program writes. We are concerned with routes without encapsulation only. */
export const PROGRAM_CLUSTER_ROUTES = ['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'] as const
export type ProgramClusterRoutes = (typeof PROGRAM_CLUSTER_ROUTES)[number]
/** Whether a program with this value writes the routes without encapsulation. */
export const writesPlain = (words: ProgramClusterRoutes): boolean =>
  words === 'Enabled' || words === 'EnabledNoEncapOnly'

/** The values of FelixConfiguration's `serviceLoopPrevention`. */
export const SERVICE_LOOP_PREVENTIONS = ['Drop', 'Reject', 'Disabled'] as const
export type ServiceLoopPrevention = (typeof SERVICE_LOOP_PREVENTIONS)[number]

export interface RouteIntent {
  readonly prefix: Prefix
  readonly origin: 'pod-cidr' | 'service-cidr' | 'service' | 'pod' | 'interface' | 'advertisement'
  /**
   * `Node/worker-1`, `BGPConfiguration/default`, `Service/shop/web`, and `BGPAdvertisement/x aggregationLength` for a covering
   * prefix; several where they share it.
   */
  readonly objects: readonly string[]
  readonly communities: readonly (readonly number[])[]
  /** Names of the BGPAdvertisements that name it, sorted. */
  readonly named: readonly string[]
}

export interface Problem {
  /** A stable code for programs: `peer-filter-missing`. */
  readonly code: string
  /** `BGPPeer/rack-1`, or a file and its document. */
  readonly object: string
  /** `spec.filters[0]`, empty where no field is meant. */
  readonly field: string
  /** The value at fault, as text. */
  readonly value: string
  /** The whole line, object and field included: what is wrong and what is done about it. */
  readonly text: string
  /** A warning: nothing is refused or held because of it. Absent: an error. */
  readonly level?: 'warning'
}
