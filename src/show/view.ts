/**
 * What `show` commands can read, and what a client may ask for. `show` keeps no state: the engine implements this
 * interface. Times are on the engine's clock; `epoch + time` is the wall clock in milliseconds since 1970.
 */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, Millis, RouterId } from '../base/units.ts'
import type { BfdCounters, BfdView, Priority } from '../bfd/types.ts'
import type { Policy } from '../bgp/policy/rule.ts'
import type { FamilyCounts, RouteCount, RouteCursor, RoutePage, RouteQuery } from '../bgp/rib/types.ts'
import type { PeerConfig, PeerSnapshot } from '../bgp/session/types.ts'
import type { PeerKind, PodOwner, Problem, RouteIntent, ServiceLoopPrevention } from '../cluster/intent.ts'
import type { PoolObject } from '../cluster/pool.ts'

export interface View {
  readonly now: Millis
  readonly epoch: number
  status(): StatusView
  /** All neighbors, in the order of their names, without a look at their routes: there may be thousands. */
  neighbors(): Iterable<NeighborView>
  /** In full, the neighbors for which `isMeant` holds; default: all. Each is read when the iteration comes to it. */
  eachProtocol(isMeant?: (neighbor: NeighborView) => boolean): Iterable<ProtocolView>
  /** Ranges that neighbors without an object of their own may call from (`peerRange`), by name. */
  ranges(): readonly RangeView[]
  routes(query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage
  /** A part of how many there are, in the order of `routes`. */
  count(query: RouteQuery, from: RouteCursor | undefined): RouteCount
  /** What this node wants to advertise. */
  services(): readonly RouteIntent[]
  /** Why something is not advertised: by the text of the prefix, or the name of the object or neighbor, that is left out. */
  refusals(): ReadonlyMap<string, string>
  problems(): readonly Problem[]
  /** The hosts whose connections were refused. */
  callers(): CallersView
  /** What decides on routes of our neighbors, each once for all that share it. */
  filters(): readonly FilterView[]
  interfaces(): readonly InterfaceView[]
  memory(): readonly MemoryView[]
  /** Undefined where no neighbor asks for BFD. */
  bfd(): BfdSummary | undefined
  /** Undefined where this agent writes nothing into the kernel. */
  nat(): NatView | undefined
  /** What the kernel does with packets to a prefix; undefined where this agent does not read its routes. */
  kernelWay(prefix: Prefix): KernelWay | undefined
  /** Routes to pods of other nodes that the objects want, by family; undefined where this agent writes no routes. */
  nodeRoutes(): Readonly<Record<Family, NodeRouteCounts>> | undefined
  /** Those of them that the kernel does not have; undefined where such routes come from BGP alone. */
  nodeRouteGaps(): NodeRouteGaps | undefined
  /** Sorted by name. */
  pools(): readonly PoolObject[]
  /** Whose pods have this prefix; undefined where no object says. */
  podOwner(prefix: Prefix): PodOwner | undefined
  /** Neighbors are acted on in this turn and, if they are many, in later ones, whether or not somebody reads the results. */
  act(action: Action): ActionRun
  /** Ends the agent. `restart`: neighbors with graceful restart keep our routes, as with SIGTERM. */
  stop(reason: string, how: 'leave' | 'restart'): void
  /** This node leaves: false where a person has asked for it already. */
  leave(reason: string): boolean
  /** It no longer leaves; false where the agent ends with it. */
  stay(): boolean
  leaving(): LeavingView
}

export interface StatusView {
  readonly version: string
  readonly hostName: string
  readonly node: string
  /** Undefined until the Node object is known. */
  readonly asNumber: Asn | undefined
  readonly routerId: RouterId | undefined
  readonly startedAt: Millis
  /** When a change of objects last changed the desired state. */
  readonly configuredAt: Millis
  readonly source: { readonly kind: 'kubernetes' | 'manifests'; readonly synced: boolean }
  readonly stopping: boolean
}

export interface NeighborView {
  readonly name: string
  readonly address: Address
  /** Name of the BGPPeer; undefined for the mesh. */
  readonly object: string | undefined
  readonly isEstablished: boolean
  /** By command. */
  readonly disabled: boolean
  /** The families of its session. */
  readonly families: readonly Family[]
}

export interface ProtocolView {
  readonly name: string
  readonly kind: PeerKind
  /** Name of the BGPPeer; undefined for the mesh. */
  readonly object: string | undefined
  readonly peer: PeerSnapshot
  readonly disabled: boolean
  /** Why it is asked to prefer other ways (RFC 8326); undefined: it is not. */
  readonly drained?: string | undefined
  /** Why it is not started, where objects forbid it. */
  readonly held: string | undefined
  /** It called from this range (`peerRange`). */
  readonly range?: string
  /** The neighbor is the router that advertises itself on this interface (`interface`). */
  readonly discovery?: DiscoveryView
  /** It is the default gateway of this family. */
  readonly gateway?: Family
  /** State of the BFD session that watches it. */
  readonly bfd?: BfdView
  readonly families: Readonly<Partial<Record<Family, ChannelView>>>
}

/** Each that calls from there is a `ProtocolView` of its own. */
export interface RangeView {
  readonly name: string
  readonly kind: PeerKind
  readonly object: string | undefined
  /** `10.0.0.0/24`. */
  readonly range: string
  /** The limit of neighbors, and how many there are. */
  readonly limit: number
  readonly neighbors: number
  readonly port: number
  readonly remoteAs: PeerConfig['remoteAs']
  readonly localAs: Asn
  /** Why no neighbor is accepted from there. */
  readonly held: string | undefined
  readonly since: Millis
}

export interface DiscoveryView {
  readonly interface: string
  /** The neighbor; undefined until a router advertisement came in. */
  readonly router: HeardRouter | undefined
  /** Advertise themselves there too. */
  readonly others: readonly HeardRouter[]
}

interface HeardRouter {
  readonly address: Address
  /** When its last router advertisement came in. */
  readonly at: Millis
}

export interface ChannelView {
  readonly counts: FamilyCounts
  /** What we write as next hop. */
  readonly nextHop: string | undefined
  /** Why nothing of this family is advertised; undefined if it is. */
  readonly held: string | undefined
  /** The session with the same router that carries this family instead. */
  readonly carriedBy?: string | undefined
  readonly importPolicy: string
  readonly exportPolicy: string
}

export interface FilterView {
  readonly policy: Policy
  readonly direction: 'import' | 'export'
  /** How often each rule applied, in the policy's order; the last: how often none decided. */
  readonly hits: readonly number[]
  /** Names of those who share it, in their order. */
  readonly neighbors: readonly string[]
}

export interface InterfaceView {
  readonly name: string
  readonly up: boolean
  readonly addresses: readonly string[]
  /** Undefined where the kernel was not asked. */
  readonly link?: LinkView
}

export interface LinkView {
  readonly index: number
  readonly mtu: number
  /** As in `IFF_…` of netdevice(7). */
  readonly flags: number
}

export interface LeavingView {
  /** `drained`: neighbors prefer other paths. `withdrawn`: our routes are withdrawn. `gone`: no session is left. */
  readonly stage: 'here' | 'drained' | 'withdrawn' | 'gone'
  readonly reason: string
  /** Why objects ask this node to leave although leaving was cancelled by hand. */
  readonly staying?: string | undefined
}

export interface KernelWay {
  /** Routes of this very prefix, ours and others'. */
  readonly routes: readonly string[]
  /** The route that packets to its first address take. */
  readonly lookup: string | undefined
  /** It is an address of this node. */
  readonly isOwn: boolean
  /** Why our route is not there, where one is wanted. */
  readonly keptOut: string | undefined
}

export interface NodeRouteCounts {
  readonly wanted: number
  /** In the kernel, by the Node alone. */
  readonly written: number
}

export interface NodeRouteGaps {
  /** Prefixes that have no route of ours, over BGP neither: the first of them, and how many there are. */
  readonly first: readonly NodeRouteGap[]
  readonly count: number
  /** How many of them another program has written a route to. */
  readonly foreign: number
  /** Other nodes without pod CIDRs: the first of them, and how many there are. */
  readonly podless: { readonly first: readonly string[]; readonly count: number }
}

export interface NodeRouteGap {
  readonly prefix: string
  readonly node: string
  readonly reason: string
  /** Another program has written a route to it. */
  readonly isForeign: boolean
  /** Felix is to write it (`programClusterRoutes`), and has not. */
  readonly isFelixs: boolean
}

export interface MemoryView {
  /** `Routing tables`, `Route attributes`, `Protocols` … */
  readonly what: string
  readonly bytes: number
}

export interface BfdSummary {
  readonly sessions: readonly BfdSessionView[]
  /** As of the last command that asked. */
  readonly counters: BfdCounters | undefined
  readonly priority: Priority | undefined
}

export interface BfdSessionView {
  readonly session: BfdView
  /** Names of the neighbors it watches: one router may be several, on different ports. */
  readonly peers: readonly string[]
}

export interface NatView {
  /** The kernel has exactly these rules. */
  readonly active: boolean
  readonly error: string | undefined
  readonly rules: readonly (NftRuleView & {
    /** Name of the IPPool. */
    readonly pool: string
  })[]
  readonly serviceLoops: {
    readonly prevention: ServiceLoopPrevention
    /** By family. */
    readonly rules: readonly NftRuleView[]
    /** Prefixes that the rules are about, and those inside that are left alone. */
    readonly services: number
    readonly spared: number
  }
}

interface NftRuleView {
  readonly family: Family
  readonly rule: string
  /** Undefined until the kernel has it. */
  readonly packets: number | undefined
  readonly bytes: number | undefined
}

export type Action =
  | {
      readonly kind: 'enable' | 'disable' | 'restart' | 'drain' | 'undrain'
      readonly pattern: string
      readonly message: string
    }
  | { readonly kind: 'reload'; readonly pattern: string; readonly direction: 'in' | 'out' | 'both' }
  | { readonly kind: 'debug'; readonly pattern: string; readonly on: boolean }

export interface ActionResult {
  readonly name: string
  readonly outcome: 'done' | 'already' | 'failed'
  readonly reason: string
}

/** A command while it is carried out. */
export interface ActionRun {
  /** In the order in which neighbors were acted on; it grows until `isOver`. */
  readonly results: readonly ActionResult[]
  readonly isOver: boolean
}

export interface CallersView {
  /** Calls since the agent began. */
  readonly refused: number
  /** Packets of strangers that the kernel dropped before a listener saw them. */
  readonly dropped: number
  /** The kernel drops such packets at present. */
  readonly isFiltering: boolean
  /** The most recent caller first. */
  readonly recent: readonly CallerView[]
}

export interface CallerView {
  readonly address: Address
  readonly reason: string
  readonly calls: number
  readonly last: Millis
}
