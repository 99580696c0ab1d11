import { expect, test } from 'vitest'
import { ACCEPT_ALL, builtinExport, builtinImport, REJECT_ALL, withFilters } from '../../../src/bgp/policy/defaults.ts'
import { evaluate, type PolicyRoute } from '../../../src/bgp/policy/evaluate.ts'
import { within } from '../../../src/bgp/policy/prefix-set.ts'
import type { PeerType } from '../../../src/bgp/wire/context.ts'
import { whileDrained } from '../../../src/engine/drain.ts'
import { BARE } from '../../support/attributes.ts'
import { originatedRoute, prefix, range, route, rule } from './support.ts'

const POOLS = [prefix('10.0.0.0/8'), prefix('2001:db8::/32')].map((one) => within(one))
const internal = (text: string) => route(text, { learnedFrom: 'internal' })

const rows: [string, PolicyRoute, PeerType, quiet: string, switched: string][] = [
  ['own inside the pools to eBGP', originatedRoute('10.0.0.0/26'), 'external', 'accept', 'accept'],
  ['own outside the pools to eBGP', originatedRoute('192.0.2.1/32'), 'external', 'accept', 'accept'],
  ['own to iBGP', originatedRoute('2001:db8::/64'), 'internal', 'accept', 'accept'],
  ['eBGP to eBGP', route('10.0.0.0/26'), 'external', 'reject', 'accept'],
  ['iBGP to eBGP', internal('10.0.0.0/26'), 'external', 'reject', 'accept'],
  ['iBGP to eBGP outside the pools', internal('192.0.2.0/24'), 'external', 'reject', 'reject'],
  ['a default route from eBGP to eBGP', route('0.0.0.0/0'), 'external', 'reject', 'reject'],
  ['eBGP to iBGP inside the pools', route('10.0.0.0/26'), 'internal', 'accept', 'accept'],
  ['eBGP to iBGP, a pool itself', route('10.0.0.0/8'), 'internal', 'accept', 'accept'],
  ['eBGP to iBGP, wider than a pool', route('10.0.0.0/7'), 'internal', 'reject', 'reject'],
  ['eBGP to iBGP outside the pools', route('2001:db9::/48'), 'internal', 'reject', 'reject'],
  ['iBGP to iBGP, reflected', internal('192.0.2.0/24'), 'internal', 'accept', 'accept'],
]
test.each(rows)('export: %s', (_, given, peerType, quiet, switched) => {
  expect(evaluate(builtinExport(POOLS, false), given, peerType).kind).toBe(quiet)
  expect(evaluate(builtinExport(POOLS, true), given, peerType).kind).toBe(switched)
})

test.each([
  ['inside a pool', '10.1.0.0/26', 'accept'],
  ['inside an IPv6 pool', '2001:db8:1::/64', 'accept'],
  ['a default route', '0.0.0.0/0', 'reject'],
  ['another network', '192.0.2.0/24', 'reject'],
])('import: %s', (_, text, kind) => {
  expect(evaluate(builtinImport(POOLS), route(text), 'external').kind).toBe(kind)
})

test('a refusal says why and how to open it', () => {
  expect(evaluate(builtinImport(POOLS), route('0.0.0.0/0'), 'external')).toEqual({
    kind: 'reject',
    rule: 'built-in import',
    reason:
      "outside this cluster's IP pools, pod CIDRs and service ranges (with serviceLoadBalancerAggregation Disabled, only " +
      'single addresses and prefixes of an aggregationLength count in LoadBalancer ranges); ' +
      'it is accepted if an import rule of a BGPFilter that the BGPPeer names accepts it',
  })
  const refused = evaluate(builtinExport(POOLS, false), internal('10.0.0.0/26'), 'external')
  expect(refused.kind === 'reject' && refused.reason).toMatch(
    /^learned from another neighbor.*advertiseLearned.*BGPFilter/,
  )
})

test('RFC 8212 §3: without pools only own routes go out and nothing comes in', () => {
  expect(evaluate(builtinExport([], true), route('10.0.0.0/8'), 'internal').kind).toBe('reject')
  expect(evaluate(builtinExport([], true), originatedRoute('10.0.0.0/8'), 'external').kind).toBe('accept')
  expect(evaluate(builtinImport([]), route('10.0.0.0/8'), 'external').kind).toBe('reject')
})

test('ACCEPT_ALL and REJECT_ALL', () => {
  expect(evaluate(ACCEPT_ALL, route('10.0.0.0/8'), 'external').kind).toBe('accept')
  expect(evaluate(REJECT_ALL, route('10.0.0.0/8'), 'external').kind).toBe('reject')
})

const LEAVING = { ...BARE, communities: [[65535, 0]] as const }
const OPENED = rule('accept', { prefixes: [range('192.0.2.0/24', 24, 32)] })
const CLOSED = rule('reject', { prefixes: [range('10.9.0.0/16', 16, 32)] })

test.each([
  ['a filter lets in what the built-in policy refuses', '192.0.2.0/24', 'accept prefixes'],
  ['a filter refuses what the built-in policy takes', '10.9.1.0/24', 'reject prefixes'],
  ['the rest falls through and is taken', '10.8.0.0/16', 'routes of the cluster'],
  ['the rest falls through and is refused', '0.0.0.0/0', 'built-in import'],
])('filters: %s', (_, text, decider) => {
  expect(evaluate(withFilters([OPENED, CLOSED], builtinImport(POOLS)), route(text), 'external').rule).toBe(decider)
})

test('without filters the policy is the built-in one itself', () => {
  const builtin = builtinExport(POOLS, false)
  expect(withFilters([], builtin)).toBe(builtin)
})

test.each([
  ['by the built-in policy', builtinImport(POOLS), '10.0.0.0/24'],
  ['in what a filter lets in', withFilters([OPENED], builtinImport(POOLS)), '192.0.2.0/24'],
])('RFC 8326 §4: GRACEFUL_SHUTDOWN from eBGP is heeded %s', (_, policy, text) => {
  const leaving = route(text, { attributes: LEAVING })
  expect(evaluate(policy, leaving, 'external')).toMatchObject({ attributes: { ...LEAVING, localPref: 0 } })
  expect(evaluate(policy, { ...leaving, learnedFrom: 'internal' }, 'internal')).toMatchObject({ attributes: LEAVING })
  expect(evaluate(policy, route(text), 'external')).toMatchObject({ attributes: BARE })
})

test('RFC 8326 §4: no preference that a filter sets, and no community that it removes, takes GRACEFUL_SHUTDOWN back', () => {
  const prefer = [
    { kind: 'set-local-pref', value: 300 },
    { kind: 'set-communities', communities: [] },
  ] as const
  const filter = { ...OPENED, operations: prefer }
  const policy = withFilters([filter], builtinImport(POOLS))
  const leaving = route('192.0.2.0/24', { attributes: LEAVING })
  expect(evaluate(policy, leaving, 'external')).toMatchObject({ attributes: { localPref: 0 } })
  expect(evaluate(policy, route('192.0.2.0/24'), 'external')).toMatchObject({ attributes: { localPref: 300 } })
})

test('RFC 8326 §4: while drained, neither; and no rule of a filter sees the drain', () => {
  const operations = [
    { kind: 'set-local-pref', value: 300 },
    { kind: 'set-communities', communities: [[1, 1]] },
  ] as const
  const seesDrain = { ...rule('reject', { localPref: 0 }), name: 'drain' }
  const seesCommunity = { ...rule('reject', { communities: [[65535, 0]] }), name: 'community' }
  const policy = { ...ACCEPT_ALL, rules: [seesDrain, seesCommunity, { ...rule('accept', {}), operations }] }
  const [own, marked] = [
    route('10.0.0.0/24'),
    {
      communities: [
        [1, 1],
        [65535, 0],
      ],
    },
  ]
  expect(evaluate(whileDrained(policy, 'import'), own, 'external')).toMatchObject({ attributes: { localPref: 0 } })
  expect(evaluate(whileDrained(policy, 'export'), own, 'internal')).toMatchObject({
    attributes: { ...marked, localPref: 0 },
  })
  expect(evaluate(whileDrained(policy, 'export'), own, 'external')).toMatchObject({ attributes: marked })
})

test('an export policy does not touch GRACEFUL_SHUTDOWN', () => {
  const leaving = route('10.0.0.0/24', { attributes: LEAVING })
  const policy = withFilters([rule('accept', {})], builtinExport(POOLS, false))
  expect(evaluate(policy, leaving, 'internal')).toMatchObject({ attributes: LEAVING })
})
