/**
 * What can be wrong with an attribute, and what RFC 7606 §7 (and RFC 4271 §6.3, 6793 §6, 7607, 9234 §5, 9774) has it cost:
 * rows for the decoder alone and for a whole agent. Numbers in brackets: what implementers most often get wrong.
 */
import { fromHex } from './messages.ts'

export const ORIGIN = fromHex('40 01 01 00')
export const AS_PATH = fromHex('40 02 06 02 01 0000fc01')
export const NEXT_HOP = fromHex('40 03 04 0a000001')
export const MED = fromHex('80 04 04 00000064')
export const COMMUNITIES = fromHex('c0 08 04 fc000064')
export const NLRI = fromHex('18 0a0102')
export const V6_NLRI = fromHex('20 20010db8')
export const MP_REACH = fromHex('80 0e 1a  0002 01  10 20010db8000000000000000000000001  00  20 20010db8')
export const MP_UNREACH = fromHex('80 0f 08  0002 01  20 20010db8')
export const GOOD = [ORIGIN, AS_PATH, NEXT_HOP, MED, COMMUNITIES]

export type Outcome = 'withdraw' | 'discard'
export type Carrier = 'NLRI' | 'MP_REACH_NLRI'

export const POSITIONS = ['first', 'middle', 'last'] as const
export const CARRIERS = ['NLRI', 'MP_REACH_NLRI'] as const
export const PEERS = ['external', 'internal'] as const

export function around(
  position: (typeof POSITIONS)[number],
  good: readonly number[][],
  bad: readonly number[],
): number[][] {
  const at = { first: 0, middle: good.length >> 1, last: good.length }[position]
  return good.toSpliced(at, 0, [...bad])
}

/** The good attributes but those of `type`, and the route. */
export function parts(carrier: Carrier, type: number | undefined) {
  const good = GOOD.filter((other) => other[1] !== type)
  if (carrier === 'NLRI') return { good, nlri: NLRI }
  return { good: [MP_REACH, ...good].filter((other) => other[1] !== 3 && other[1] !== type), nlri: [] }
}

export const canonicalOf = (attributes: readonly (readonly number[])[]) =>
  attributes.filter(([, type]) => type !== 3 && type !== 14 && type !== 15).flat()

interface Fault {
  readonly name: string
  readonly bytes: string
  readonly external: Outcome
  readonly internal: Outcome
  /** What ends the session when no route comes along (RFC 7606 §5.2). */
  readonly subcode: number
}

const row = (name: string, bytes: string, outcome: Outcome, subcode = 0, external = outcome): Fault => ({
  name,
  bytes,
  external,
  internal: outcome,
  subcode,
})

export const FAULTS: readonly Fault[] = [
  row('ORIGIN of no octets', '40 01 00', 'withdraw', 5),
  row('ORIGIN of 2 octets', '40 01 02 0000', 'withdraw', 5),
  row('ORIGIN 3 (§7.1)', '40 01 01 03', 'withdraw', 6),
  row('[32] ORIGIN marked optional', 'c0 01 01 00', 'withdraw', 4),
  row('[32] ORIGIN not marked transitive', '00 01 01 00', 'withdraw', 4),
  row('[45] AS_PATH with segment type 0', '40 02 06 00 01 0000fc01', 'withdraw', 11),
  row('[45] AS_PATH with segment type 5 (§7.2)', '40 02 06 05 01 0000fc01', 'withdraw', 11),
  row('[45] AS_PATH with a segment of none', '40 02 08 02 01 0000fc01 02 00', 'withdraw', 11),
  row('[45] AS_PATH with a segment past the end', '40 02 06 02 02 0000fc01', 'withdraw', 11),
  row('[45] AS_PATH with one octet behind it', '40 02 07 02 01 0000fc01 02', 'withdraw', 11),
  row('[45] AS_PATH with AS 0 (RFC 7607)', '40 02 0a 02 02 0000fc01 00000000', 'withdraw', 11),
  row('[46] AS_PATH with an AS_SET (RFC 9774)', '40 02 0c 02 01 0000fc01 01 01 0000fc02', 'withdraw', 11),
  row('[46] AS_PATH with an AS_CONFED_SET (RFC 9774)', '40 02 06 04 01 0000fc01', 'withdraw', 11),
  row('AS_PATH marked optional', 'c0 02 06 02 01 0000fc01', 'withdraw', 4),
  row('NEXT_HOP of 3 octets (§7.3)', '40 03 03 0a0000', 'withdraw', 5),
  row('NEXT_HOP of 16 octets', '40 03 10 20010db8000000000000000000000001', 'withdraw', 5),
  row('NEXT_HOP marked optional', 'c0 03 04 0a000001', 'withdraw', 4),
  row('[48] MED of 3 octets (§7.4)', '80 04 03 000064', 'withdraw', 5),
  row('MED of no octets', '80 04 00', 'withdraw', 5),
  row('MED marked transitive', 'c0 04 04 00000064', 'withdraw', 4),
  row('MED not marked optional', '00 04 04 00000064', 'withdraw', 4),
  row('[35] LOCAL_PREF of 3 octets (§7.5)', '40 05 03 000064', 'withdraw', 5, 'discard'),
  row('LOCAL_PREF marked optional', 'c0 05 04 00000064', 'withdraw', 4, 'discard'),
  row('ATOMIC_AGGREGATE of 1 octet (§7.6)', '40 06 01 00', 'discard'),
  row('AGGREGATOR of 6 octets from a new peer (§7.7)', 'c0 07 06 fc01 0a000001', 'discard'),
  row('AGGREGATOR of no octets', 'c0 07 00', 'discard'),
  row('AGGREGATOR with AS 0 (RFC 7607)', 'c0 07 08 00000000 0a000001', 'discard'),
  row('ATOMIC_AGGREGATE marked optional (§3 c)', 'c0 06 00', 'withdraw', 4),
  row('AGGREGATOR not marked transitive (§3 c)', '80 07 08 0000fc01 0a000001', 'withdraw', 4),
  row('[33] empty COMMUNITIES', 'c0 08 00', 'withdraw', 5),
  row('COMMUNITIES of 5 octets (§7.8)', 'c0 08 05 fc00006400', 'withdraw', 5),
  row('COMMUNITIES not marked transitive', '80 08 04 fc000064', 'withdraw', 4),
  row('[35] ORIGINATOR_ID of 3 octets (§7.9)', '80 09 03 0a0000', 'withdraw', 5, 'discard'),
  row('[35] ORIGINATOR_ID of no octets', '80 09 00', 'withdraw', 5, 'discard'),
  row('[33] empty CLUSTER_LIST', '80 0a 00', 'withdraw', 5, 'discard'),
  row('[35] CLUSTER_LIST of 6 octets (§7.10)', '80 0a 06 0a0000010a00', 'withdraw', 5, 'discard'),
  row('[33] empty EXTENDED_COMMUNITIES', 'c0 10 00', 'withdraw', 5),
  row('EXTENDED_COMMUNITIES of 12 octets (§7.14)', 'c0 10 0c 0002fc00000000640002fc00', 'withdraw', 5),
  row('[36] AS4_PATH from a new peer', 'c0 11 06 02 01 00010001', 'discard'),
  row('[36] AS4_PATH of nonsense from a new peer', 'c0 11 03 ffffff', 'discard'),
  row('[36] AS4_AGGREGATOR of 1 octet from a new peer', 'c0 12 01 00', 'discard'),
  row('[36] AS4_AGGREGATOR with wrong flags from a new peer', '00 12 08 00010001 0a000001', 'discard'),
  row('IPV6_EXTENDED_COMMUNITIES of 8 octets (§7.15)', 'c0 19 08 0002fc0000000064', 'withdraw', 5),
  row('[33] empty LARGE_COMMUNITIES', 'c0 20 00', 'withdraw', 5),
  row('LARGE_COMMUNITIES of 8 octets', 'c0 20 08 0000000100000002', 'withdraw', 5),
  row('LARGE_COMMUNITIES not marked optional', '40 20 0c 000000010000000200000003', 'withdraw', 4),
  row('OTC of 3 octets (RFC 9234 §5)', 'c0 23 03 00fc00', 'withdraw', 5),
  row('[39] an unknown attribute that is not optional', '40 63 01 00', 'withdraw', 2),
  row('an unknown attribute that is neither optional nor transitive', '00 63 01 00', 'withdraw', 2),
]

/** Attributes past the Total Path Attribute Length (RFC 7606 §4): anywhere, and only at the end. */
export const OVERRUNS: readonly [string, string][] = [
  ['a length beyond the end', '80 04 ff'],
  ['an extended length beyond the end', '90 04 ffff 00'],
  ['an unknown attribute beyond the end', 'c0 63 f0'],
]
export const CUTS: readonly [string, string][] = [
  ['one octet too many', '40'],
  ['two octets too many', '40 05'],
  ['three octets with the extended length bit', '50 05 00'],
]

/** RFC 7606 §3 j: routes of theirs can then not be found. */
export const MP_OVERRUNS: readonly [string, string][] = [
  ['MP_REACH_NLRI', '80 0e ff 000201'],
  ['MP_UNREACH_NLRI', '80 0f ff 000201'],
]

const V6 = '20010db8000000000000000000000001'

/** RFC 7606 §7.11, §7.12; RFC 4760 §7: what ends the session, with its subcode. */
export const MP_FAULTS: readonly [string, string, number][] = [
  ['MP_REACH_NLRI of 4 octets', '80 0e 04 000201 00', 9],
  ['MP_REACH_NLRI of no octets', '80 0e 00', 9],
  ['MP_REACH_NLRI whose next hop is past the end', `80 0e 14 000201 10 ${V6.slice(0, 30)} 00`, 9],
  ['[41] IPv6 with a next hop of no octets', '80 0e 07 000201 00 00 08 20', 9],
  ['[41] IPv6 with a next hop of 4 octets', '80 0e 0b 000201 04 0a000001 00 08 20', 9],
  ['[41] IPv6 with a next hop of 24 octets', `80 0e 1f 000201 18 0000000000000000 ${V6} 00 08 20`, 9],
  ['[41] IPv4 with an IPv6 next hop that was not agreed on', `80 0e 17 000101 10 ${V6} 00 08 0a`, 9],
  ['[40] MP_REACH_NLRI with a prefix of 129 bits', `80 0e 27 000201 10 ${V6} 00 81 ${V6} 00`, 9],
  ['[40] MP_REACH_NLRI with a prefix past the end', `80 0e 17 000201 10 ${V6} 00 10 20`, 9],
  ['[40] MP_REACH_NLRI of IPv4 with a prefix of 33 bits', '80 0e 0f 000101 04 0a000001 00 21 0a01020304', 9],
  ['MP_UNREACH_NLRI of 2 octets', '80 0f 02 0002', 9],
  ['[40] MP_UNREACH_NLRI with a prefix of 129 bits', `80 0f 15 000201 81 ${V6} 00`, 9],
  ['[40] MP_UNREACH_NLRI with a prefix past the end', '80 0f 06 000201 20 2001', 9],
]

/** Flags of MP_REACH_NLRI and MP_UNREACH_NLRI that are wrong: their routes can be found, and are withdrawn (RFC 7606 §3 c). */
export const MP_FLAGS: readonly [string, number][] = [
  ['marked transitive', 0xc0],
  ['not marked optional', 0x00],
  ['marked well-known', 0x40],
]
