/** Neighbors of a RIB under test, what may change of them, and what they send: by numbers, so that a property can choose. */
import { addressBytes } from '../../src/base/address.ts'
import { FAMILIES, type Family } from '../../src/base/family.ts'
import { makePrefix, type Prefix } from '../../src/base/prefix.ts'
import { ACCEPT_ALL, REJECT_ALL } from '../../src/bgp/policy/defaults.ts'
import { within } from '../../src/bgp/policy/prefix-set.ts'
import type { Operation, Policy, Rule, RuleMatch } from '../../src/bgp/policy/rule.ts'
import type { DecisionSettings } from '../../src/bgp/rib/decide.ts'
import type { Straying } from '../../src/bgp/rib/straying.ts'
import type { Reachability, RibPeer } from '../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { context } from './messages.ts'
import { attributes, neighbor, path, prefix } from './rib.ts'

export const HOPS = {
  ipv4: [
    '192.0.2.1',
    '192.0.2.2',
    '192.0.2.50',
    '192.0.2.51',
    '192.0.2.52',
    '192.0.2.53',
    '192.0.2.54',
    '192.0.2.14',
    '192.0.2.15',
  ],
  ipv6: ['2001:db8:ffff::1', '2001:db8:ffff::2', '2001:db8:ffff::50', '2001:db8:ffff::51', 'fe80::7'],
}
const LINK = ['192.0.2.0/24', '2001:db8:ffff::/64'].map(prefix)

const rule = (match: RuleMatch, action: Rule['action'], ...operations: Operation[]): Rule => ({
  name: 'rule',
  match,
  action,
  operations,
})
const policy = (name: string, ...rules: Rule[]): Policy => ({ name, rules, otherwise: 'accept', otherwiseReason: 'no' })
const HALF = { prefixes: [within(prefix('10.0.0.0/12')), within(prefix('2001:db8:8::/45'))] }
export const IMPORTS: readonly Policy[] = [
  ACCEPT_ALL,
  ACCEPT_ALL,
  REJECT_ALL,
  policy('prefer half', rule(HALF, 'accept', { kind: 'set-local-pref', value: 300 })),
  policy('mark', rule({}, 'next', { kind: 'add-community', community: [7, 7] }), rule(HALF, 'reject')),
  policy('by community', rule({ communities: [[1, 1]] }, 'reject')),
  policy('closed', rule({}, 'next', { kind: 'add-community', community: [0xffff, 0xff01] })),
  policy('by link', rule({ interface: 'eth*' }, 'accept', { kind: 'prepend', path: [65_000, 9] })),
]
const EXPORTS: readonly Policy[] = [
  ACCEPT_ALL,
  ACCEPT_ALL,
  REJECT_ALL,
  policy('self', rule({}, 'next', { kind: 'set-next-hop', address: 'self' })),
  policy('keep', rule({ source: 'peer' }, 'next', { kind: 'set-next-hop', address: 'unchanged' })),
  policy('med', rule(HALF, 'accept', { kind: 'set-med', value: 5 })),
  policy('named', rule({ source: 'originated', notNamed: ['a'] }, 'reject')),
  policy('by community', rule({ communities: [[7, 7]] }, 'accept', { kind: 'prepend', path: [65_000] })),
  policy('by link', rule({ interface: 'eth1' }, 'reject')),
]
const REFLECTIONS: readonly RibPeer['reflection'][] = [
  undefined,
  { clusterId: 1, client: false },
  { clusterId: 1, client: true },
  { clusterId: 2, client: true },
]
export const DECISIONS: readonly DecisionSettings[] = [
  { paths: 1, relax: false, preferOldest: false },
  { paths: 4, relax: false, preferOldest: false },
  { paths: 4, relax: true, preferOldest: false, sameClusterLength: true },
  { paths: 1, relax: false, preferOldest: true },
  { paths: 4, relax: true, preferOldest: true },
]
export const REACHES: readonly Reachability[] = [
  { reach: 'direct', metric: 0 },
  { reach: 'direct', metric: 9 },
  { reach: 'none', metric: 0 },
  { reach: 'learned', metric: 0 },
  { reach: 'direct', metric: 0, withoutLink: { reach: 'none', metric: 0 } },
  { reach: 'direct', metric: 0, detour: LINK },
]
export const RANGES = [[], ['10.0.0.0/13'], ['10.0.0.0/8', '2001:db8:8::/47']].map((texts) => texts.map(prefix))
export const PODS = [
  { own: [], lent: [] },
  { own: ['10.0.0.0/14', '2001:db8:8::/46'], lent: [] },
  { own: ['10.0.0.0/10', '2001:db8::/32'], lent: ['10.1.0.0/16', '2001:db8:9::/48'] },
].map(({ own, lent }) => ({ own: own.map(prefix), lent: lent.map(prefix) }))
export const NODE_ADDRESSES = [[], ['10.9.9.9', '192.0.2.50'], ['2001:db8:9::9', '192.0.2.2']].map((all) =>
  all.map(addressBytes),
)
export const STRAYING: readonly (Straying | undefined)[] = [undefined, 'nowhere', LINK]
export const KEEPS: readonly (readonly Family[])[] = [FAMILIES, FAMILIES, ['ipv4'], ['ipv6']]
export const ROLES = ['provider', 'customer', 'peer', undefined] as const

export const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T

const PATHS = { addPath: FAMILIES } as const

/**
 * 1 to 4 are external, 5 and 6 internal; 2 and 6 send and take several paths, 3 and 5 take IPv4 by IPv6 next hops (RFC 8950), 4
 * is an old one with short AS numbers.
 */
export const neighborOf = (number: number): RibPeer => {
  const peerType = number > 4 ? 'internal' : 'external'
  const several = number === 2 || number === 6 ? PATHS : number === 3 || number === 5 ? { extendedNextHop: true } : {}
  const short = number === 4 ? { fourOctetAs: false } : {}
  return neighbor(number, {
    peerType,
    receive: context(peerType, several),
    send: context(peerType, { ...several, ...short }),
    ...(number % 2 === 0 && { longLived: true }),
  })
}

/** What may change while a session lasts. */
export function shaped(peer: RibPeer, a: number, b: number, c: number): RibPeer {
  const reflection = peer.peerType === 'internal' ? at(REFLECTIONS, c) : undefined
  const { reflection: _, lacksLink: __, interface: ___, allowedOwnAs: ____, ...rest } = peer
  return {
    ...rest,
    importPolicy: at(IMPORTS, a),
    exportPolicy: at(EXPORTS, b),
    nextHops: {
      ipv4: addressBytes(at(peer.send.extendedNextHop && c % 4 === 0 ? HOPS.ipv6 : HOPS.ipv4, c % 11 === 0 ? 1 : 0)),
      ...(c % 13 !== 0 && { ipv6: addressBytes(at(HOPS.ipv6, c % 7 === 0 ? 1 : 0)) }),
    },
    link: c % 5 === 0 ? [] : LINK,
    subnets: c % 5 === 0 ? [] : LINK,
    maxPrefixes: c % 19 === 0 ? { ipv4: 30 } : {},
    ...(a % 3 === 0 && { allowedOwnAs: 1 }),
    ...(b % 5 === 0 && { lacksLink: true }),
    ...(c % 3 > 0 && { interface: `eth${c % 3}` }),
    ...(reflection !== undefined && { reflection }),
  }
}

/** Another session with one that returns: with another router, of one family alone, or with one path to each prefix or several. */
export function returnedAs(peer: RibPeer, a: number, b: number): RibPeer {
  switch (a % 8) {
    case 0:
      return { ...peer, remoteRouterId: peer.remoteRouterId ^ 0x100 }
    case 1:
      return { ...peer, families: [at(FAMILIES, b)] }
    case 2:
      return { ...peer, families: FAMILIES }
    case 3: {
      const several = peer.receive.addPath.length > 0 ? { addPath: [] } : PATHS
      return { ...peer, receive: { ...peer.receive, ...several }, send: { ...peer.send, ...several } }
    }
    default:
      return peer
  }
}

export function carriedBy(peer: RibPeer, kind: number): PathAttributes {
  const isExternal = peer.peerType === 'external'
  const head = isExternal ? [peer.remoteAs] : []
  const base = attributes({ ...path(...head, 70_000), localPref: isExternal ? undefined : 100 })
  const variants: readonly Partial<PathAttributes>[] = [
    {},
    { med: 5 },
    path(...head, 70_001),
    path(...head, 65_000),
    isExternal ? {} : { clusterList: [2], originatorId: 0x0a00_0063 },
    { communities: [[1, 1]] },
    { communities: [[7, 7]] },
    { communities: [[0xffff, 0xff01]] },
    { communities: [[0xffff, 0xff02]] },
    { communities: [[0xffff, 6]] },
    { communities: [[0xffff, 7]] },
    { onlyToCustomer: peer.remoteAs },
    { onlyToCustomer: 70_000, origin: 'EGP' },
    isExternal ? {} : { localPref: 200 },
  ]
  return { ...base, ...at(variants, kind) }
}

/** So many networks one after the other, and a single address at the end. */
export function netsOf(first: string, length: number, count: number): readonly string[] {
  const bytes = addressBytes(first)
  const nets = Array.from({ length: count }, (_, index): Prefix => {
    const here = bytes.slice()
    const shift = (length >> 3) - 1
    // Spread over the range, so that rules about a part of it concern a part of them.
    const value = index * 97
    here[shift] = value & 0xff
    here[shift - 1] = ((here[shift - 1] as number) + (value >> 8)) & 0xff
    here[shift - 2] = ((here[shift - 2] as number) + (value >> 16)) & 0xff
    return makePrefix(here, length)
  })
  const host = makePrefix(bytes, bytes.length * 8)
  return [...nets, host].map(({ text }) => text)
}

/** Few networks, one in the other, and a single address at the end. */
export const NESTED: Readonly<Record<Family, readonly string[]>> = {
  ipv4: ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.9.9.9/32'],
  ipv6: ['2001:db8::/32', '2001:db8:8::/48', '2001:db8:9::9/128'],
}
