/** Path attributes as values (RFC 4271 §5): made when a person or a policy looks, never per route on the way through. */
import type { Asn, RouterId } from '../../base/units.ts'

export type Origin = 'IGP' | 'EGP' | 'Incomplete'

/** One AS_PATH segment; a set is unordered (RFC 4271 §4.3 b). */
export interface AsSegment {
  readonly kind: 'sequence' | 'set' | 'confed-sequence' | 'confed-set'
  readonly asns: readonly Asn[]
}

export interface PathAttributes {
  readonly origin: Origin
  readonly asPath: readonly AsSegment[]
  readonly med: number | undefined
  readonly localPref: number | undefined
  readonly atomicAggregate: boolean
  readonly aggregator: { readonly asn: Asn; readonly routerId: RouterId } | undefined
  /** `[64512, 100]` */
  readonly communities: readonly (readonly [number, number])[]
  readonly originatorId: RouterId | undefined
  readonly clusterList: readonly RouterId[]
  /** Eight octets each, as two words. */
  readonly extendedCommunities: readonly (readonly [number, number])[]
  readonly largeCommunities: readonly (readonly [number, number, number])[]
  /** Attributes without a name here, passed on when transitive. */
  readonly unknown: readonly { readonly type: number; readonly flags: number; readonly value: Uint8Array }[]
}
