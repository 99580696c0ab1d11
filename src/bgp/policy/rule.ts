/**
 * Routing policy as values: an ordered list of rules, the first that matches decides.
 * A policy never resets a session; the RIB re-reads what it concerns.
 */
import type { Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { Asn } from '../../base/units.ts'
import type { PeerType } from '../wire/context.ts'

/** Where a route came from, as policy sees it. */
export type RouteSource = 'originated' | 'peer'

/** A prefix and which lengths inside it: `10.0.0.0/8` with 24 to 32. */
export interface PrefixMatch {
  readonly prefix: Prefix
  readonly minLength: number
  readonly maxLength: number
}

/** All conditions that are present must hold. Lists are alternatives. */
export interface RuleMatch {
  readonly family?: Family
  readonly prefixes?: readonly PrefixMatch[]
  /** None of these may match it. */
  readonly notPrefixes?: readonly PrefixMatch[]
  readonly source?: RouteSource
  /** The type of the neighbor the policy is applied to. */
  readonly peerType?: PeerType
  /** The type of the neighbor a route was learned from. */
  readonly learnedFrom?: PeerType
  /**
   * An originated route that any of the BGPAdvertisements in `named` names, and none of those in `notNamed`. With `notNamed`
   * alone, any other BGPAdvertisement may name it, but one must.
   */
  readonly named?: readonly string[]
  readonly notNamed?: readonly string[]
  /** The interface of the session it was learned over, with `*` and `?` as in a shell; originated routes have none. */
  readonly interface?: string
  /** `64512:100`, `64512:1:2` as two or three numbers; any of them. */
  readonly communities?: readonly (readonly number[])[]
  /** The AS path begins with these; confederation segments are skipped, and a set ends the comparison. */
  readonly asPathPrefix?: readonly Asn[]
  /** A route without LOCAL_PREF counts as 100, one of our own as `ORIGINATED_LOCAL_PREF`. */
  readonly localPref?: number
  /** A route without MED counts as 0. */
  readonly med?: number
}

/** Communities are two numbers (standard, RFC 1997) or three (large, RFC 8092). */
export type Operation =
  | { readonly kind: 'add-community'; readonly community: readonly number[] }
  | { readonly kind: 'remove-community'; readonly community: readonly number[] }
  /** Replaces standard and large ones together; extended communities stay. */
  | { readonly kind: 'set-communities'; readonly communities: readonly (readonly number[])[] }
  | { readonly kind: 'prepend'; readonly path: readonly Asn[] }
  | { readonly kind: 'set-local-pref'; readonly value: number }
  | { readonly kind: 'set-med'; readonly value: number | undefined }
  | { readonly kind: 'set-next-hop'; readonly address: Uint8Array | 'self' | 'unchanged' }

export interface Rule {
  /** Its name in `show` and metrics: `BGPFilter/drop-lab exportV4[2]`. */
  readonly name: string
  readonly match: RuleMatch
  readonly action: 'accept' | 'reject' | 'next'
  /** Applied on accept; on `next` applied before the following rules are evaluated. */
  readonly operations: readonly Operation[]
  /** Only with `next`: its operations come after those of all other rules, and no other rule sees what they change. */
  readonly late?: true
  /** The reason of routes that this rule rejects; absent: the rule's name is the reason. */
  readonly reason?: string
}

export interface Policy {
  readonly name: string
  readonly rules: readonly Rule[]
  /** The action if no rule decides. */
  readonly otherwise: 'accept' | 'reject'
  /** The reason of routes that `otherwise` rejects. */
  readonly otherwiseReason: string
}
