/**
 * Everything that should be, as one value: which neighbors, which local routes, which policy, and why something
 * wanted is not. `diff.ts` turns two of these into steps.
 */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, Micros, RouterId, Seconds } from '../base/units.ts'
import type { Policy } from '../bgp/policy/rule.ts'
import type { Role } from '../bgp/wire/role.ts'
import type { PoolObject } from './pool.ts'

export interface Intent {
  /** Undefined until this node's object is known. */
  readonly node: NodeIntent | undefined
  /** By protocol name. */
  readonly peers: ReadonlyMap<string, PeerIntent>
  /** By canonical prefix text. */
  readonly routes: ReadonlyMap<string, RouteIntent>
  /** Addresses of services as /32 and /128, advertised or not, by their text: what kube-proxy's rules take. */
  readonly serviceAddresses: ReadonlyMap<string, Prefix>
  /** Why something is not advertised: by canonical prefix text, or by object (`Service/shop/web`). */
  readonly refusals: ReadonlyMap<string, string>
  /** On what services depend besides their objects. */
  readonly guards: ServiceGuards
  /** Why this node is to leave; undefined: it is not. */
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

/** Which pods of this node have to be read. */
export interface PodSelection {
  /** In Kubernetes' words; undefined: all. */
  readonly labelSelector: string | undefined
}

export interface NodeIntent {
  readonly name: string
  readonly asNumber: Asn
  readonly routerId: RouterId
  /** Of each family the first InternalIP of the Node, else the first ExternalIP. */
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  readonly listenPort: number
  /** Listen on these only (`bindMode: NodeIP`); empty for all addresses. */
  readonly listenAddresses: readonly Address[]
  readonly decision: DecisionSettings
}

/** In place of the address of a router that is not known yet. */
export const UNHEARD: Address = '::'

export type PeerKind = 'Mesh' | 'Node' | 'Global'

/** The key of a session by its name; the key itself is known to `edge/` alone. */
export interface KeyIntent {
  readonly secret: string
  readonly key: string
  /** Of the key; undefined while there is none. Another one is put in force without a reset. */
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
  /** The families are a default: the other one is left to a session of that family with the same router. */
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
  /** The other side should dial first; we only after a delay. */
  readonly waits: boolean
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  readonly maxPrefixes: Readonly<Partial<Record<Family, PrefixLimit>>>
  /** Octets that its routes of a family may take; undefined: as built in. */
  readonly maxRouteMemory?: number
  /** So often our own AS may stand in an AS path that is taken. */
  readonly allowedOwnAs: number
  /** Families of which several paths to a prefix are taken, and sent (RFC 7911). */
  readonly addPath: { readonly receive: readonly Family[]; readonly send: readonly Family[] }
  /** Offer IPv4 routes with IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean
  /** What we are to the neighbor (RFC 9234), and whether it must say what it is. */
  readonly role: Role | undefined
  readonly strictRole: boolean
  /** This node reflects routes (RFC 4456). */
  readonly reflection: { readonly clusterId: RouterId; readonly client: boolean } | undefined
  readonly signing: Signing<KeyIntent> | undefined
  /** Hops that a packet of the neighbor may have come over (RFC 5082). */
  readonly ttlSecurity: number | undefined
  /** Whoever advertises itself as a router on this interface; `address` is then `UNHEARD` until one has. */
  readonly interface: string | undefined
  /** Whoever the default routes of this family lead to; `address` is then `UNHEARD` until that is known. */
  readonly gateway: Family | undefined
  /** The neighbor is watched by BFD. */
  readonly bfd: BfdSettings | undefined
  /** Not one neighbor, but all callers from there: each gets a session made after this. */
  readonly range: { readonly prefix: Prefix; readonly limit: number } | undefined
  /**
   * Not to be started, and why: a filter that does not exist, a Secret that is missing. Both policies then refuse
   * everything; a session that is up keeps those it runs with.
   */
  readonly held: string | undefined
}

/** What we would like; the intervals are negotiated with the neighbor (RFC 5880 §6.8.2). */
export interface BfdSettings {
  readonly receive: Micros
  readonly transmit: Micros
  readonly multiplier: number
  /** Given: the neighbor is several hops away (RFC 5883), and packets with less are dropped. */
  readonly minimumTtl: number | undefined
  readonly passive: boolean
}

/** Of routes of one family from one neighbor. */
export interface PrefixLimit {
  /** More end the session. */
  readonly limit: number
  /** From this many on a warning is given. */
  readonly warnAt: number
  /** When the session may come back; undefined: when it is enabled by command. */
  readonly restartAfter: Seconds | undefined
}

/** How the best paths are chosen. */
export interface DecisionSettings {
  /** So many equally good paths share the traffic. */
  readonly paths: number
  /** AS paths of the same length are equal; otherwise only the same path is (RFC 4271 §9.1.2.2 says nothing of it). */
  readonly relax: boolean
  /** RFC 5004: an external path that is best stays so against others that are as good but for their router. */
  readonly preferOldest: boolean
}

export interface ServiceGuards {
  /** Undefined: nothing is asked. */
  readonly health: HealthSettings | undefined
  /** Undefined: nothing is held back. */
  readonly damping: DampingSettings | undefined
}

/** The endpoint on this node that says whether kube-proxy, or what stands for it, is well. */
export interface HealthSettings {
  readonly port: number
  /** `/healthz`. */
  readonly path: string
  readonly interval: Seconds
  /** So many bad answers in a row are too many. */
  readonly failures: number
}

/** Of service addresses that flap. */
export interface DampingSettings {
  /** So many withdrawals at once are too many. */
  readonly suppressAfter: number
  /** In which half of them is forgotten. */
  readonly halfLife: Seconds
}

/** What the kernel of this node has to know of the cluster. */
export interface DataplaneIntent {
  /** In the order of their names. */
  readonly pools: readonly PoolObject[]
  /** Of all nodes. */
  readonly podCidrs: readonly Prefix[]
  /**
   * Pod CIDRs of this node; and those of others inside of these: addresses of its blocks that Calico's IPAM lent them.
   */
  readonly ownPods: { readonly own: readonly Prefix[]; readonly lent: readonly Prefix[] }
  /** Of all nodes, by which they are known in BGP. */
  readonly nodeAddresses: readonly Address[]
  /** These and all others of theirs, as /32 and /128, in order. */
  readonly nodeHosts: readonly Prefix[]
  /** Of this node. */
  readonly ownAddresses: readonly Address[]
  /** `natOutgoingExclusions: IPPoolsAndHostIPs`. */
  readonly natSparesHosts: boolean
  /** Configured service ranges: the kernel's way to what lies inside is kube-proxy's business. */
  readonly serviceRanges: readonly Prefix[]
  /** Next hops may be reached by routes that BGP taught us, where no other route leads there. */
  readonly recursiveNextHops: boolean
  /** What becomes of packets to an advertised service address that no service takes. */
  readonly serviceLoopPrevention: ServiceLoopPrevention
  /** LoadBalancer addresses with `ipMode: Proxy`, each once: packets to them leave this node for the load balancer. */
  readonly proxied: readonly Prefix[]
  readonly nodeRoutes: NodeRoutesIntent
}

/** The routes to pods of other nodes, and who writes them into the kernel. */
export interface NodeRoutesIntent {
  /**
   * Direct routes, computed from the Nodes that are on a link of this node; undefined: such routes come only from BGP.
   */
  readonly direct: readonly NodeRoute[] | undefined
  /** What lies inside is written by Felix (`programClusterRoutes`): no route of ours is put there. */
  readonly leftToFelix: readonly Prefix[]
}

/** To pods of another node. */
export interface NodeRoute {
  readonly prefix: Prefix
  readonly node: string
  /** The address of the node, of the family of the prefix. */
  readonly gateway: Address
}

export const NODE_ROUTES = ['BGP', 'Direct'] as const
/** Calico's words for who writes which routes; those without encapsulation are the ones that are ours. */
export const PROGRAM_CLUSTER_ROUTES = ['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'] as const
export type ProgramClusterRoutes = (typeof PROGRAM_CLUSTER_ROUTES)[number]
/** Whoever is told so writes the routes without encapsulation. */
export const writesPlain = (words: ProgramClusterRoutes): boolean =>
  words === 'Enabled' || words === 'EnabledNoEncapOnly'

/** FelixConfiguration's words. */
export const SERVICE_LOOP_PREVENTIONS = ['Drop', 'Reject', 'Disabled'] as const
export type ServiceLoopPrevention = (typeof SERVICE_LOOP_PREVENTIONS)[number]

export interface RouteIntent {
  readonly prefix: Prefix
  readonly origin: 'pod-cidr' | 'service-cidr' | 'service' | 'pod' | 'interface' | 'advertisement'
  /** `Node/worker-1`, `BGPConfiguration/default`, `Service/shop/web`; several where they share it. */
  readonly objects: readonly string[]
  readonly communities: readonly (readonly number[])[]
  /** BGPAdvertisements that name it, in the order of their names. */
  readonly named: readonly string[]
}

export interface Problem {
  /** Stable, for machines: `peer-filter-missing`. */
  readonly code: string
  /** `BGPPeer/rack-1`, or a file and its document. */
  readonly object: string
  /** `spec.filters[0]`, empty where no field is meant. */
  readonly field: string
  /** The value at fault, as text. */
  readonly value: string
  /** The whole line, object and field included: what is wrong and what is done about it. */
  readonly text: string
  /** Worth a look, but nothing is refused or held for it. Absent: an error. */
  readonly level?: 'warning'
}
