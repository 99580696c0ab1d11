/**
 * The types of the RIB's interface: the settings of a neighbor, the results of calls, and a route as a row.
 * `rib.ts` is the implementation.
 */
import type { Address } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import type { LinkMark } from '../../base/link-mark.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { Asn, Millis, RouterId } from '../../base/units.ts'
import type { Policy } from '../policy/rule.ts'
import type { REACH } from '../route/next-hop-table.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import type { PeerType, WireContext } from '../wire/context.ts'
import type { MessageError, UpdateProblem } from '../wire/error.ts'
import type { Role } from '../wire/role.ts'

/** An Established neighbor as the RIB needs it. */
export interface RibPeer {
  /** Protocol name; the key in every call. */
  readonly name: string
  readonly peerType: PeerType
  readonly localAs: Asn
  readonly remoteAs: Asn
  readonly localRouterId: RouterId
  readonly remoteRouterId: RouterId
  readonly remoteAddress: Address
  /** Negotiated by both; routes of other families are neither accepted nor advertised. */
  readonly families: readonly Family[]
  readonly receive: WireContext
  readonly send: WireContext
  /**
   * Our own next hop for this neighbor: 4 octets for IPv4, 16 or 32 for IPv6. Routes of a family without one are not
   * advertised; the engine reports it for the neighbor.
   */
  readonly nextHops: Readonly<Partial<Record<Family, Uint8Array>>>
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  /** More routes of a family than this, accepted by import policy or not, end the session (RFC 4486 Cease/1). */
  readonly maxPrefixes: Readonly<Partial<Record<Family, number>>>
  /** Octets that its routes of one family may take; absent: the default (memory-limit.ts). */
  readonly maxRouteMemory?: number
  /** A warning is logged from this number of routes of a family on. */
  readonly warnPrefixes?: Readonly<Partial<Record<Family, number>>>
  /** The AS number of this node, if the session uses another one (`localASNumber`). */
  readonly nodeAs?: Asn
  /** How often our own AS may occur in the AS path of a used route; absent: never. */
  readonly allowedOwnAs?: number
  /** We reflect routes (RFC 4456): towards internal neighbors only. */
  readonly reflection?: { readonly clusterId: RouterId; readonly client: boolean }
  /** It announced long-lived graceful restart (RFC 9494). */
  readonly longLived?: boolean
  /** Our role towards an external neighbor (RFC 9234). */
  readonly role?: Role
  /** The interface that the session runs over, if known. */
  readonly interface?: string
  /** Its next hops in the networks of that interface are reached over no other one. */
  readonly isBound?: boolean
  /** Its link-local next hops cannot be reached: it is on no link of ours, or that is down or has no IPv6 on this side. */
  readonly lacksLink?: boolean
  /** The link that we share with the neighbor; absent if the neighbor is further away. */
  readonly link?: readonly LinkMark[]
  /** The subnets of that link that the neighbor reaches without a router (RFC 4271 §5.1.3); absent: all. */
  readonly subnets?: readonly Prefix[]
}

/** What may change of a neighbor that is away and whose routes are kept. */
export type ImportSide = Pick<RibPeer, 'importPolicy' | 'nodeAs' | 'allowedOwnAs'>

/** A route this node originates. */
export interface OriginatedRoute {
  readonly prefix: Prefix
  /** For `show`: `pod-cidr`, `service-cidr`, `service`. */
  readonly origin: string
  /** Which object it comes from: `Node/worker-1`, `Service/shop/web`. */
  readonly object: string
  /** Standard (two numbers) and large (three numbers) communities to carry. */
  readonly communities: readonly (readonly number[])[]
  /** Its names for export policy (`RuleMatch.named`): the BGPAdvertisements that name it. */
  readonly named?: readonly string[]
}

/** The pod CIDRs of this node. */
export interface OwnPodCidrs {
  readonly own: readonly Prefix[]
  /** Addresses inside `own` that pods of other nodes have. */
  readonly lent: readonly Prefix[]
}

/** The best route of a prefix, for the kernel. */
export interface BestRoute {
  readonly prefix: Prefix
  /**
   * Undefined: there is none, or it is our own. `others` share its traffic: each has another next hop, the best first.
   */
  readonly learned: (LearnedHop & { readonly others: readonly LearnedHop[] }) | undefined
}

export interface LearnedHop {
  /** The neighbor's protocol name. */
  readonly peer: string
  /** 4, 16 or 32 octets. */
  readonly nextHop: Uint8Array
}

/** Too many routes for the limit of a family, or nearly so. */
export type PrefixLimitReport = Partial<Pick<ReceiveResult, 'nearLimit' | 'error' | 'tooMany'>>

/** The resolution of a next hop as decision needs it (RFC 4271 §9.1.2.1). */
export interface Reachability {
  /** `learned`: reachable only over a route learned over BGP. Such paths are used only if there is no other. */
  readonly reach: keyof typeof REACH
  /** The lowest is preferred; 32 bits. */
  readonly metric: number
  /** The same without its link-local address, for neighbors whose link cannot be used; absent: no difference. */
  readonly withoutLink?: Pick<Reachability, 'reach' | 'metric'>
  /**
   * It is reached by other gateways, over these links; absent: it is on a link itself, or unreachable. With a link-local
   * address, this is of its global one.
   */
  readonly detour?: readonly LinkMark[]
}

/** The result of `receive`. `error` ends the session; `problems` have been handled as RFC 7606 requires. */
export interface ReceiveResult {
  readonly error: MessageError | undefined
  readonly problems: readonly UpdateProblem[]
  /** The neighbor finished its initial feed of this family (RFC 4724 §2). */
  readonly endOfRib: Family | undefined
  /** `error` says that there are too many routes of this family. */
  readonly tooMany: Family | undefined
  /** The number of routes is near the limit. Reported once, and again only after it was below. */
  readonly nearLimit: { readonly family: Family; readonly routes: number; readonly limit: number } | undefined
  /** The routes are near or above the memory limit. Each is reported once, and again only after it was below. */
  readonly memory: MemoryLimitReport | undefined
  /** More paths to a prefix than are accepted from one neighbor (RFC 7911): reported once. */
  readonly crowded: { readonly family: Family; readonly prefix: string; readonly most: number } | undefined
}

/** `refused`: further routes are rejected. `agent`: because of the memory of all tables, not that of this neighbor. */
export interface MemoryLimitReport {
  readonly family: Family
  readonly state: 'near' | 'refused'
  readonly whose: 'neighbor' | 'agent'
  readonly octets: number
  readonly limit: number
}

/** Counts of one neighbor and family, as birdc shows them. */
export interface FamilyCounts {
  /** Routes held from the neighbor, before policy. */
  readonly received: number
  /** Those that import policy accepts. */
  readonly accepted: number
  /** Those that are the best route of their prefix. */
  readonly preferred: number
  /** Routes advertised to the neighbor. */
  readonly advertised: number
  /**
   * Octets that the routes are charged with, the limit, and whether routes are rejected because of it.
   */
  readonly memory: { readonly octets: number; readonly limit: number; readonly refuses: boolean }
  readonly importUpdates: {
    readonly received: number
    readonly rejected: number
    readonly filtered: number
    readonly ignored: number
    readonly accepted: number
  }
  readonly importWithdraws: {
    readonly received: number
    readonly rejected: number
    readonly ignored: number
    readonly accepted: number
  }
  readonly exportUpdates: {
    readonly received: number
    readonly rejected: number
    readonly filtered: number
    readonly accepted: number
  }
  readonly exportWithdraws: { readonly received: number; readonly accepted: number }
  /** The neighbor has sent its End-of-RIB; we have sent ours. */
  readonly endOfRibReceived: boolean
  readonly endOfRibSent: boolean
}

/** One path, as `show route` prints it. Made only for a command. */
export interface RouteRow {
  readonly prefix: string
  readonly family: Family
  /** Neighbor it was learned from; undefined for our own. */
  readonly peer: string | undefined
  readonly from: Address | undefined
  readonly peerType: PeerType | undefined
  /** The interface of the session that it was learned over, if known. */
  readonly interface: string | undefined
  /** `pod-cidr`, `service` … for our own, `bgp` for learned ones. */
  readonly origin: string
  readonly object: string | undefined
  /** Names of one of our own for export policy, as in `OriginatedRoute`. */
  readonly named: readonly string[] | undefined
  readonly nextHops: readonly Address[]
  readonly best: boolean
  /** Next hops of each other path that shares traffic with this one, which is the best. */
  readonly alsoVia?: readonly (readonly Address[])[]
  /** The decision step that the path won or lost, in words, or why it was rejected. */
  readonly reason: string
  /** Import policy rejected it: such routes are listed only on request. */
  readonly filtered: boolean
  readonly attributes: PathAttributes
  /** When it last changed, on the engine's clock. */
  readonly since: Millis
  /** Neighbors that this path is advertised to. */
  readonly exportedTo: readonly string[]
}

/** The conditions for rows. All that are given must hold. */
export interface RouteQuery {
  readonly family?: Family
  /** Longest match for an address, or the prefix itself and nothing else. */
  readonly for?: Prefix
  /** All prefixes inside this one. */
  readonly in?: Prefix
  /** Learned from this neighbor. */
  readonly protocol?: string
  /** As advertised to this neighbor (rows show the attributes that were sent) … */
  readonly export?: string
  /** … or not advertised to it, with the reason. */
  readonly noexport?: string
  /** Only routes that import rejected. Without this they are left out. */
  readonly filtered?: boolean
  /** Only best routes. */
  readonly primary?: boolean
}

/** A position in a walk over the RIB; it stays valid when routes are added and removed. */
export type RouteCursor = number & { readonly unit?: 'RouteCursor' }

/** A part of a count. */
export interface RouteCount {
  readonly prefixes: number
  readonly paths: number
  /** Where the next part begins; undefined at the end. */
  readonly next: RouteCursor | undefined
}

export interface RoutePage {
  readonly rows: readonly RouteRow[]
  /** Undefined at the end. */
  readonly next: RouteCursor | undefined
}
