/**
 * Path attributes, one row each: their required form, and the answer to any other form (RFC 7606 §3 to §7).
 * The decoder of UPDATE builds its fast tables from these rows.
 */
import type { UpdateAction } from './error.ts'
import { UPDATE_ERROR } from './notification.ts'

/** Attribute type codes by name (IANA "BGP Path Attributes"). */
export const ATTRIBUTE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  ipv6ExtendedCommunities: 25,
  largeCommunities: 32,
  onlyToCustomer: 35,
} as const

/** Attribute Flags (RFC 4271 §4.3). */
export const FLAG = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const
export const WELL_KNOWN = FLAG.transitive
export const OPTIONAL = FLAG.optional
export const OPTIONAL_TRANSITIVE = FLAG.optional | FLAG.transitive

/** What the length must be; `any` where the value itself decides. */
type LengthRule =
  /** `old`: the length from a peer without four-octet AS numbers, if it differs. */
  | { readonly kind: 'exactly'; readonly octets: number; readonly old: number }
  /** At least once (RFC 7606 §4: zero is an error unless the attribute allows it). */
  | { readonly kind: 'times'; readonly octets: number }
  | { readonly kind: 'any' }

type Action = UpdateAction | 'reset'

export interface AttributeRow {
  readonly code: number
  readonly name: string
  /** The Optional and Transitive bits it must have; no other bit is judged (RFC 7606 §3 c). */
  readonly flags: number
  readonly length: LengthRule
  readonly wrongFlags: UpdateAction
  /** What a wrong length or value leads to. */
  readonly malformed: Action
  /** The attribute is dropped unread if it comes from such a peer. */
  readonly ignoredFrom: 'nobody' | 'external' | 'four-octet'
  /** UPDATE error subcode of a wrong value, for a session that has to end over it. */
  readonly subcode: number
}

const exactly = (octets: number, old = octets): LengthRule => ({ kind: 'exactly', octets, old })
const times = (octets: number): LengthRule => ({ kind: 'times', octets })
const any: LengthRule = { kind: 'any' }

function row(
  code: number,
  name: string,
  flags: number,
  length: LengthRule,
  malformed: Action,
  rest: Partial<AttributeRow> = {},
): AttributeRow {
  // RFC 7606 §3 c: wrong flags are treat-as-withdraw unless the attribute has a rule of its own.
  const wrongFlags = 'withdraw'
  const subcode = UPDATE_ERROR.optionalAttribute
  return { code, name, flags, length, malformed, wrongFlags, ignoredFrom: 'nobody', subcode, ...rest }
}

/** RFC 6793 §6: whatever is wrong with these, the route is used without them; §4.1: a peer with four-octet AS numbers must not send them. */
const AS4 = { ignoredFrom: 'four-octet', wrongFlags: 'discard' } as const

// biome-ignore format: a table is read by its columns
export const ATTRIBUTE_ROWS: readonly AttributeRow[] = [
  row(ATTRIBUTE.origin, 'ORIGIN', WELL_KNOWN, exactly(1), 'withdraw', { subcode: UPDATE_ERROR.invalidOrigin }),
  row(ATTRIBUTE.asPath, 'AS_PATH', WELL_KNOWN, any, 'withdraw', { subcode: UPDATE_ERROR.malformedAsPath }),
  row(ATTRIBUTE.nextHop, 'NEXT_HOP', WELL_KNOWN, exactly(4), 'withdraw', { subcode: UPDATE_ERROR.invalidNextHop }),
  row(ATTRIBUTE.med, 'MULTI_EXIT_DISC', OPTIONAL, exactly(4), 'withdraw'),
  row(ATTRIBUTE.localPref, 'LOCAL_PREF', WELL_KNOWN, exactly(4), 'withdraw', { ignoredFrom: 'external' }),
  row(ATTRIBUTE.atomicAggregate, 'ATOMIC_AGGREGATE', WELL_KNOWN, exactly(0), 'discard'),
  row(ATTRIBUTE.aggregator, 'AGGREGATOR', OPTIONAL_TRANSITIVE, exactly(8, 6), 'discard'),
  row(ATTRIBUTE.communities, 'COMMUNITIES', OPTIONAL_TRANSITIVE, times(4), 'withdraw'),
  row(ATTRIBUTE.originatorId, 'ORIGINATOR_ID', OPTIONAL, exactly(4), 'withdraw', { ignoredFrom: 'external' }),
  row(ATTRIBUTE.clusterList, 'CLUSTER_LIST', OPTIONAL, times(4), 'withdraw', { ignoredFrom: 'external' }),
  row(ATTRIBUTE.mpReach, 'MP_REACH_NLRI', OPTIONAL, any, 'reset'),
  row(ATTRIBUTE.mpUnreach, 'MP_UNREACH_NLRI', OPTIONAL, any, 'reset'),
  row(ATTRIBUTE.extendedCommunities, 'EXTENDED_COMMUNITIES', OPTIONAL_TRANSITIVE, times(8), 'withdraw'),
  row(ATTRIBUTE.as4Path, 'AS4_PATH', OPTIONAL_TRANSITIVE, any, 'discard', AS4),
  row(ATTRIBUTE.as4Aggregator, 'AS4_AGGREGATOR', OPTIONAL_TRANSITIVE, exactly(8), 'discard', AS4),
  row(ATTRIBUTE.ipv6ExtendedCommunities, 'IPV6_EXTENDED_COMMUNITIES', OPTIONAL_TRANSITIVE, times(20), 'withdraw'),
  row(ATTRIBUTE.largeCommunities, 'LARGE_COMMUNITIES', OPTIONAL_TRANSITIVE, times(12), 'withdraw'),
  row(ATTRIBUTE.onlyToCustomer, 'ONLY_TO_CUSTOMER', OPTIONAL_TRANSITIVE, exactly(4), 'withdraw'),
]

/** `MULTI_EXIT_DISC`, or `attribute 99`. */
export function attributeName(code: number): string {
  return ATTRIBUTE_ROWS.find((row) => row.code === code)?.name ?? `attribute ${code}`
}

/**
 * Checked, then handed on like an attribute without a name: we have no use for the value ourselves,
 * which is what the Partial bit tells those behind us (RFC 4271 §5).
 */
export const isOpaque = (code: number): boolean => code === ATTRIBUTE.ipv6ExtendedCommunities
