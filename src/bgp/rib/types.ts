/**
 * The types of the RIB's interface: the settings of a neighbor, the results of calls, and a route as a row.
 * `rib.ts` is the implementation.
 */
import type { Address } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
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
   * What we write as next hop where the rule says self: 4 bytes for IPv4, 16 or 32 for IPv6. A family without one
   * is held back; the engine says so on the neighbor.
   */
  readonly nextHops: Readonly<Partial<Record<Family, Uint8Array>>>
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  /** Accepted and received routes of a family beyond this end the session (RFC 4486 Cease/1). */
  readonly maxPrefixes: Readonly<Partial<Record<Family, number>>>
  /** Octets that its routes of one family may take (memory-limit.ts). */
  readonly maxRouteMemory?: number
  /** From this many routes of a family on, a warning is given. */
  readonly warnPrefixes?: Readonly<Partial<Record<Family, number>>>
  /** Our AS, where this session shows the neighbor another. */
  readonly nodeAs?: Asn
  /** So often our own AS may stand in the path of a route that is used; none if absent. */
  readonly allowedOwnAs?: number
  /** We reflect routes (RFC 4456): towards internal neighbors only. */
  readonly reflection?: { readonly clusterId: RouterId; readonly client: boolean }
  /** It announced long-lived graceful restart (RFC 9494). */
  readonly longLived?: boolean
  /** What we are to an external neighbor (RFC 9234). */
  readonly role?: Role
  /** Which one it runs over, where that is known. */
  readonly interface?: string
  /**
   * Subnets of the interface of this session, where the neighbor is on that link too; none where it is further away.
   */
  readonly link?: readonly Prefix[]
}

/** A route this node originates. */
export interface LocalRoute {
  readonly prefix: Prefix
  /** For `show`: `pod-cidr`, `service-cidr`, `service`. */
  readonly origin: string
  /** Which object it comes from: `Node/worker-1`, `Service/shop/web`. */
  readonly object: string
  /** Standard (two numbers) and large (three numbers) communities to carry. */
  readonly communities: readonly (readonly number[])[]
  /** What names it for export policy (`RuleMatch.named`). */
  readonly named?: readonly string[]
}

/** Where the pods of this node are. */
export interface OwnPodCidrs {
  readonly own: readonly Prefix[]
  /** Inside of these, and of other nodes. */
  readonly lent: readonly Prefix[]
}

/** The best route of a prefix, for whoever writes it into a kernel. */
export interface BestRoute {
  readonly prefix: Prefix
  /**
   * Undefined: there is none, or it is our own. `others` share its traffic: each by another next hop, the best first.
   */
  readonly learned: (LearnedHop & { readonly others: readonly LearnedHop[] }) | undefined
}

export interface LearnedHop {
  readonly peer: string
  readonly nextHop: Uint8Array
}

/** Where a next hop leads, as far as decision wants to know (RFC 4271 §9.1.2.1). */
export interface Reachability {
  /** `learned`: only by a route that BGP taught us. Paths over such a next hop are used where no other is there. */
  readonly reach: keyof typeof REACH
  readonly metric: number
}

/** What `receive` found. `error` ends the session; `problems` have been acted on as RFC 7606 says. */
export interface ReceiveResult {
  readonly error: MessageError | undefined
  readonly problems: readonly UpdateProblem[]
  /** The neighbor finished its initial feed of this family (RFC 4724 §2). */
  readonly endOfRib: Family | undefined
  /** `error` says that there are too many routes of this family. */
  readonly tooMany: Family | undefined
  /** The limit is near: reported once until it is no longer. */
  readonly nearLimit: { readonly family: Family; readonly held: number; readonly limit: number } | undefined
  /** The routes take much memory, or too much: each reported once until it is no longer. */
  readonly memory: MemoryNews | undefined
  /** More paths to a prefix than are accepted from one neighbor (RFC 7911): reported once. */
  readonly crowded: { readonly family: Family; readonly prefix: string; readonly most: number } | undefined
}

/** `refused`: further routes are not taken. `agent`: not for what this neighbor takes, but for what all tables take. */
export interface MemoryNews {
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
  /** Of those, the ones policy lets in. */
  readonly accepted: number
  /** Of those, the ones chosen as best. */
  readonly preferred: number
  /** What is advertised to the neighbor. */
  readonly advertised: number
  /**
   * Octets that the routes held are charged with, how many there may be, and whether further ones are refused for it.
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
  /** `pod-cidr`, `service` … for our own, `bgp` for learned ones. */
  readonly origin: string
  readonly object: string | undefined
  readonly nextHops: readonly Address[]
  readonly best: boolean
  /** Next hops of other paths that share traffic with this one, the best. */
  readonly alsoVia?: readonly Address[]
  /** Why it is not best, why policy refused it, or why it is the best; the numbered step in words. */
  readonly reason: string
  /** Import policy refused it: listed only when asked for. */
  readonly filtered: boolean
  readonly attributes: PathAttributes
  /** Seconds are for the edge: when it was last changed, on the engine's clock. */
  readonly since: Millis
  /** Neighbors that this path is advertised to. */
  readonly exportedTo: readonly string[]
}

/** Which rows are wanted. All that are given must hold. */
export interface RouteQuery {
  readonly family?: Family
  /** Longest match for an address, or the prefix itself and nothing else. */
  readonly for?: Prefix
  /** All inside this prefix. */
  readonly in?: Prefix
  /** Learned from this neighbor. */
  readonly protocol?: string
  /** As advertised to this neighbor (rows show the attributes that were sent) … */
  readonly export?: string
  /** … or refused to it, with the reason. */
  readonly noexport?: string
  /** Only routes that import policy refused. Otherwise they are left out. */
  readonly filtered?: boolean
  /** Only best routes. */
  readonly primary?: boolean
}

/** A place in a walk over the RIB; it stays valid when routes come and go in between. */
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
