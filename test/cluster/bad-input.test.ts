/**
 * What people get wrong: each is named with object, field and value, the last good version stays in force, and nothing
 * else is lost.
 */
import { describe, expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent } from '../../src/cluster/intent.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { peersOf, problemsOf, routesOf, storeOf } from '../support/cluster.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  ipPool,
  node,
  remove,
  secret,
  upsert,
} from '../support/objects.ts'

const HERE = node('here', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24'] })
const THERE = node('there', { addresses: ['10.0.0.2'], podCIDRs: ['10.244.2.0/24'] })
const CLUSTER = bgpConfiguration({ asNumber: 64700, communities: [{ name: 'gold', value: '64700:1' }] })
const POOL = ipPool('pods', { cidr: '10.244.0.0/16' })
const FILTER = bgpFilter('f', { exportV4: [{ action: 'Accept', cidr: '10.244.0.0/16', matchOperator: 'In' }] })
const TOR = bgpPeer('tor', { peerIP: '10.0.0.9', asNumber: 65001, filters: ['f'] })
const GOOD = [HERE, THERE, CLUSTER, POOL, FILTER, TOR]

/** A cluster that was good, and what becomes of it. */
function after(...changes: readonly (ApiObject | { readonly gone: ApiObject })[]): { before: Intent; now: Intent } {
  const store = new ObjectStore('here')
  const builder = new IntentBuilder({ node: 'here' })
  store.apply(GOOD.map((object) => upsert(object)))
  const before = builder.build(store)
  store.apply(
    changes.map((change) => ('gone' in change ? remove(change.gone as ApiObject) : upsert(change, 'peers.yaml#2'))),
  )
  return { before, now: builder.build(store) }
}

const peerAt = ({ peers }: Intent, name = 'Global_10_0_0_9') => peers.get(name)

test('the cluster is good to begin with', () => {
  const { before } = after()
  expect([problemsOf(before), peersOf(before), routesOf(before)]).toEqual([
    [],
    ['Global_10_0_0_9', 'Mesh_10_0_0_2'],
    ['10.244.1.0/24'],
  ])
})

test.each([
  ['BGPConfiguration', CLUSTER],
  ['BGPFilter', FILTER],
  ['BGPPeer', TOR],
  ['IPPool', POOL],
])('a field of %s beside spec is named: it says nothing where it stands', (_, good) => {
  const { spec, ...rest } = good
  const [field = '', value] = Object.entries(spec ?? {})[0] ?? []
  for (const stray of [
    { ...good, [field]: value },
    { ...rest, Spec: spec },
  ]) {
    const name = Object.keys(stray).at(-1)
    expect(problemsOf(after(stray).now)).toContain(
      `${good.kind}/${good.metadata.name} ${name}: is not a field of this kind; it is ignored`,
    )
  }
})

const LARGE = { ...TOR, spec: { peerIP: 'x'.repeat(1 << 20), asNumber: 65001 } }

test.each<[string, ApiObject, RegExp]>([
  [
    'a selector with a syntax error',
    bgpPeer('tor', { peerIP: '10.0.0.9', asNumber: 65001, nodeSelector: 'rack = "a"' }),
    /^BGPPeer\/tor spec\.nodeSelector: "rack = \\"a\\"" is not a selector: at character 6: expected .*; the last good version stays in force \(peers\.yaml#2\)$/,
  ],
  [
    'an object of a megabyte',
    LARGE,
    /^BGPPeer\/tor spec\.peerIP: "x{80}…" is not ip, ip:port, \[ipv6\]:port or DefaultGateway; the last good version stays in force \(peers\.yaml#2\)$/,
  ],
  ['a spec that is none', { ...TOR, spec: 7 }, /^BGPPeer\/tor spec: must be given; the last good version stays/],
])('%s leaves the neighbor as it was', (_name, bad, words) => {
  const { before, now } = after(bad)
  expect(problemsOf(now)).toEqual([expect.stringMatching(words)])
  expect({ ...now, problems: [] }).toEqual({ ...before, problems: [] })
})

test.each([
  ['pods', 'selector'],
  ['pods', 'namespaces'],
  ['pools', 'names'],
  ['pools', 'selector'],
  ['services', 'namespaces'],
  ['services', 'selector'],
  ['services', 'loadBalancerClasses'],
  ['serviceRanges', 'kinds'],
])('routes of a BGPAdvertisement with %s.%s: null name nothing, and it is said', (kind, field) => {
  const wrong = bgpAdvertisement('a', { routes: [{ [kind]: { [field]: null } }] })
  const store = storeOf([...GOOD, wrong])
  expect(store.problems().map(({ text }) => text)).toContainEqual(
    expect.stringContaining(`spec.routes[0].${kind}.${field}: null has no value`),
  )
})

test('a filter that is deleted while it is in use holds its neighbors and no other', () => {
  const { now } = after({ gone: FILTER })
  expect(peerAt(now)?.held).toBe('BGPFilter/f does not exist')
  expect(peerAt(now, 'Mesh_10_0_0_2')?.held).toBeUndefined()
  expect(problemsOf(now)).toEqual([expect.stringMatching(/^BGPPeer\/tor spec\.filters\[0\]: "f" is not a BGPFilter; /)])
})

test('a pool that is deleted while it is in use takes nothing with it but itself', () => {
  const { before, now } = after({ gone: POOL })
  expect([routesOf(now), peersOf(now), problemsOf(now)]).toEqual([routesOf(before), peersOf(before), []])
})

test.each<[string, ApiObject, string]>([
  [
    'of a pool',
    ipPool('pods', { cidr: '10.244.7.9/16' }),
    'IPPool/pods spec.cidr: "10.244.7.9/16" has host bits set beyond its length of 16; 10.244.0.0/16 is used',
  ],
  [
    'of a filter',
    bgpFilter('f', { exportV4: [{ action: 'Accept', cidr: '10.244.0.1/16', matchOperator: 'In' }] }),
    'BGPFilter/f spec.exportV4[0].cidr: "10.244.0.1/16" has host bits set beyond its length of 16; 10.244.0.0/16 is used',
  ],
])('a CIDR with host bits is the range around it, and named: that %s', (_name, object, words) => {
  const { before, now } = after(object)
  expect(problemsOf(now)).toEqual([words])
  expect({ ...now, problems: [] }).toEqual({ ...before, problems: [] })
})

test('a peer that is this very node has no session, with a word; one of all nodes may well be one of them', () => {
  const { now } = after(
    bgpPeer('self', { node: 'here', peerIP: '10.0.0.1', asNumber: 64700 }),
    bgpPeer('all', { peerIP: '10.0.0.1', asNumber: 64700 }),
  )
  expect(problemsOf(now)).toEqual(['BGPPeer/self spec.peerIP: "10.0.0.1" is Node/here itself; there is no session'])
  expect([...now.peers.values()].map(({ address }) => address)).not.toContain('10.0.0.1')
})

test('two nodes with one address are named', () => {
  const { now } = after(node('there', { addresses: ['10.0.0.1'] }))
  expect(problemsOf(now)).toContainEqual(
    expect.stringMatching(/^Node\/here status\.addresses: "10\.0\.0\.1" is also the address of Node\/there,/),
  )
})

test('a community with an unknown name holds the routes that would carry it', () => {
  const { now } = after(
    bgpConfiguration({ asNumber: 64700, prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['silver'] }] }),
  )
  expect(routesOf(now)).toEqual([])
  expect(problemsOf(now)).toEqual([
    expect.stringMatching(/prefixAdvertisements\[0\]\.communities: "silver" names no community/),
  ])
  expect(peerAt(now)?.held).toBeUndefined()
})

describe('a Secret', () => {
  test.each([
    ['of the wrong type', { ...secret('kube-system/bgp', {}), data: 'x', type: 'kubernetes.io/tls' }],
    ['without anything', secret('kube-system/bgp', {})],
  ])('%s is no end, and is not shown', (_name, odd) => {
    const { before, now } = after(odd)
    expect({ ...now, problems: [] }).toEqual({ ...before, problems: [] })
  })
})
