import { describe, expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { intentOf, problemsOf, routesOf, storeOf } from '../support/cluster.ts'
import { diffIntent } from '../support/diff-intent.ts'
import { longTest } from '../support/long.ts'
import {
  type ApiObject,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  remove,
  replace,
  service,
  upsert,
} from '../support/objects.ts'

const a = node('a', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })
const RANGES = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/12' }],
  serviceExternalIPs: [{ cidr: '192.0.2.0/24' }],
}
const clusterIp = (index: number) => `10.96.${index >> 8}.${index & 255}`
const local = (index: number): ApiObject =>
  service(`shop/s${index}`, { clusterIPs: [clusterIp(index)], externalTrafficPolicy: 'Local', type: 'NodePort' })
const slice = (index: number, where: string) => endpointSlice(`shop/s${index}`, 'IPv4', [{ node: where }])

describe('pod CIDRs', () => {
  test('of both families are routes of this node, those of others are not', () => {
    const intent = intentOf('a', [a, node('b', { podCIDRs: ['10.244.2.0/24'] })])
    expect([...intent.routes.values()].map(({ prefix, ...rest }) => [prefix.text, rest])).toEqual([
      ['10.244.1.0/24', { origin: 'pod-cidr', objects: ['Node/a'], communities: [], named: [] }],
      ['fd00:244:1::/64', { origin: 'pod-cidr', objects: ['Node/a'], communities: [], named: [] }],
    ])
  })
  test('a node without any says why', () => {
    expect(intentOf('a', [node('a')]).refusals.get('Node/a')).toBe('it has no podCIDRs')
  })
})

describe('communities', () => {
  const communities = [
    { name: 'gold', value: '65000:1' },
    { name: 'big', value: '64512:1:2' },
  ]
  const advertise = (cidr: string, ...names: string[]) => ({ cidr, communities: names })
  const communitiesOf = (prefixAdvertisements: object[], ...more: ApiObject[]) => {
    const intent = intentOf('a', [a, bgpConfiguration({ communities, prefixAdvertisements }), ...more])
    return Object.fromEntries(
      [...intent.routes].map(([prefix, route]) => [prefix, route.communities.map((c) => c.join(':'))]),
    )
  }

  test.each<[string, object[], string[]]>([
    ['an alias', [advertise('10.244.0.0/16', 'gold')], ['65000:1']],
    ['a value', [advertise('10.244.0.0/16', '65000:7')], ['65000:7']],
    ['a large one', [advertise('10.244.1.0/24', 'big')], ['64512:1:2']],
    [
      'several entries add up, each once',
      [advertise('10.244.0.0/16', 'gold'), advertise('10.0.0.0/8', 'big', '65000:1')],
      ['65000:1', '64512:1:2'],
    ],
    ['a more specific entry does not count', [advertise('10.244.1.0/25', 'gold')], []],
  ])('%s', (_name, advertisements, expected) => {
    expect(communitiesOf(advertisements)).toEqual({ '10.244.1.0/24': expected, 'fd00:244:1::/64': [] })
  })

  test("a node's own list comes with the node's own aliases, those of the cluster where it has none of the name", () => {
    const aliases = [{ name: 'big', value: '64512:7:7' }]
    const list = [advertise('10.244.0.0/16', 'big', 'gold')]
    const own = bgpConfiguration({ prefixAdvertisements: list, communities: aliases }, 'node.a')
    expect(communitiesOf([], own)['10.244.1.0/24']).toEqual(['64512:7:7', '65000:1'])
    const other = bgpConfiguration({ communities: aliases }, 'node.a')
    expect(communitiesOf([advertise('10.0.0.0/8', 'big')], other)['10.244.1.0/24']).toEqual(['64512:1:2'])
  })

  test("a node's own list replaces the cluster's; aliases stay the cluster's", () => {
    const own = bgpConfiguration({ prefixAdvertisements: [advertise('10.244.0.0/16', 'big')] }, 'node.a')
    expect(communitiesOf([advertise('10.0.0.0/8', 'gold')], own)['10.244.1.0/24']).toEqual(['64512:1:2'])
  })

  test('an unknown alias keeps what lies inside from being advertised', () => {
    const intent = intentOf('a', [
      a,
      bgpConfiguration({ prefixAdvertisements: [advertise('10.244.0.0/16', 'silver', '65000:7')] }),
    ])
    expect(routesOf(intent)).toEqual(['fd00:244:1::/64'])
    expect(intent.refusals.get('10.244.1.0/24')).toBe(
      'the community "silver" of prefixAdvertisements 10.244.0.0/16 is not known',
    )
    expect(problemsOf(intent)).toEqual([
      'BGPConfiguration/default spec.prefixAdvertisements[0].communities: "silver" names no community of BGPConfiguration/default; routes inside 10.244.0.0/16 are not advertised',
      expect.stringMatching(/^Node\/a status\.addresses: it has no IPv6 address/),
    ])
  })

  test('a change of them announces just the routes inside again', () => {
    const store = storeOf([a, bgpConfiguration({ communities, prefixAdvertisements: [] })])
    const builder = new IntentBuilder({ node: 'a' })
    builder.next(store)
    store.apply([upsert(bgpConfiguration({ communities, prefixAdvertisements: [advertise('10.244.0.0/16', 'gold')] }))])
    const { diff } = builder.next(store)
    expect(diff.routes.announce).toMatchObject([{ prefix: { text: '10.244.1.0/24' }, communities: [[65000, 1]] }])
    expect(diff.routes.withdraw).toEqual([])
  })
})

describe('what a change costs', () => {
  const COUNT = 10_000
  const services = Array.from({ length: COUNT }, (_, index) => local(index))
  const slices = Array.from({ length: COUNT }, (_, index) => slice(index, index % 2 === 0 ? 'a' : 'b'))
  const store = new ObjectStore()
  store.apply([
    replace('Node', [a]),
    replace('BGPConfiguration', [bgpConfiguration(RANGES)]),
    replace('Service', services),
    replace('EndpointSlice', slices),
  ])
  const builder = new IntentBuilder({ node: 'a' })
  const first = builder.next(store)

  test('10,000 services are decided once', () => {
    expect(builder.work.services).toBe(COUNT)
    expect(first.diff.routes.announce).toHaveLength(COUNT / 2 + 4)
  })

  test.each<[string, ApiObject, string[], string[]]>([
    ['an endpoint that comes to this node', slice(1, 'a'), ['10.96.0.1/32'], []],
    ['an endpoint that leaves it', slice(1, 'b'), [], ['10.96.0.1/32']],
  ])('%s touches its own service and route only', (_name, changed, announce, withdraw) => {
    const before = { ...builder.work }
    store.apply([upsert(changed)])
    const { diff } = builder.next(store)
    expect(diff.routes.announce.map(({ prefix }) => prefix.text)).toEqual(announce)
    expect(diff.routes.withdraw.map(({ prefix }) => prefix.text)).toEqual(withdraw)
    expect(builder.work).toEqual({
      services: before.services + 1,
      prefixes: before.prefixes + 1,
      frames: before.frames,
    })
  })

  test.each<[string, ApiObject]>([
    ['another node', node('z', { addresses: ['10.0.0.9'] })],
    ['a BGPPeer', bgpPeer('rack', { peerIP: '10.0.0.254', asNumber: 65000 })],
    ['an IPPool', ipPool('pods', { cidr: '10.244.0.0/16' })],
    ['the AS number', bgpConfiguration({ ...RANGES, asNumber: 65001 })],
  ])('%s decides no service anew', (_name, changed) => {
    const before = { ...builder.work }
    store.apply([upsert(changed)])
    const { diff } = builder.next(store)
    expect(builder.work.services).toBe(before.services)
    expect(builder.work.frames).toBe(before.frames + 1)
    expect(diff.routes).toEqual({ announce: [], withdraw: [] })
  })

  test('another node leaves the neighbors and their policies what they were', () => {
    const peerOf = () => builder.next(store).intent.peers.get('Mesh_10_0_0_9')
    const before = peerOf()
    store.apply([upsert(ipPool('pods', { cidr: '10.244.0.0/16' })), upsert(node('y', { addresses: ['10.0.0.8'] }))])
    expect(peerOf()?.importPolicy).toBe(before?.importPolicy)
    expect(peerOf()?.exportPolicy).toBe(before?.exportPolicy)
  })

  longTest('a list read anew with nothing new in it costs nothing', () => {
    const before = { ...builder.work }
    expect(store.apply([replace('Service', services)])).toBe(false)
    builder.next(store)
    expect(builder.work).toEqual(before)
  })
})

describe('the diff', () => {
  test('is empty when nothing changed', () => {
    const store = storeOf([a, bgpConfiguration(RANGES), local(1), slice(1, 'a')])
    const builder = new IntentBuilder({ node: 'a' })
    builder.next(store)
    expect(builder.next(store).diff).toEqual({
      node: undefined,
      peers: { added: [], changed: [], removed: [], renamed: [] },
      routes: { announce: [], withdraw: [] },
      serviceAddresses: { added: [], removed: [] },
    })
  })

  test('leads from nothing to the first intent and back when the node goes', () => {
    const store = storeOf([a, node('b', { addresses: ['10.0.0.2'] }), bgpConfiguration(RANGES)])
    const builder = new IntentBuilder({ node: 'a' })
    const first = builder.next(store).diff
    expect(first.node?.after?.name).toBe('a')
    expect(first.peers.added.map(({ name }) => name)).toEqual(['Mesh_10_0_0_2'])
    expect(first.routes.announce).toHaveLength(4)
    store.apply([remove(a)])
    const last = builder.next(store).diff
    expect(last.node).toMatchObject({ before: { name: 'a' }, after: undefined })
    expect(last.peers.removed).toEqual(['Mesh_10_0_0_2'])
    expect(last.routes.withdraw).toHaveLength(4)
    store.apply([upsert(a)])
    expect(builder.next(store).diff).toEqual(first)
  })

  test('of two intents built apart is the same', () => {
    const store = storeOf([a, bgpConfiguration(RANGES), local(1), slice(1, 'a')])
    const builder = new IntentBuilder({ node: 'a' })
    const before = builder.build(store)
    store.apply([
      upsert(slice(1, 'b')),
      upsert(local(2)),
      upsert(slice(2, 'a')),
      upsert(bgpPeer('rack', { peerIP: '10.0.0.254', asNumber: 65000 })),
    ])
    const twin = new IntentBuilder({ node: 'a' })
    expect(diffIntent(before, twin.build(store))).toEqual(builder.next(store).diff)
  })

  test('a neighbor that changes is one that changed, not a new one', () => {
    const peer = { peerIP: '10.0.0.254', asNumber: 65000 }
    const store = storeOf([a, bgpPeer('rack', peer), bgpFilter('f', {})])
    const builder = new IntentBuilder({ node: 'a' })
    builder.next(store)
    store.apply([upsert(bgpPeer('rack', { ...peer, holdTime: 30 }))])
    expect(builder.next(store).diff.peers).toMatchObject({ added: [], removed: [], changed: [{ holdTime: 30 }] })
    store.apply([upsert(bgpPeer('rack', { ...peer, holdTime: 30, filters: ['f'] }))])
    expect(builder.next(store).diff.peers.changed).toHaveLength(1)
    store.apply([upsert(bgpFilter('f', { exportV4: [{ action: 'Reject' }] }))])
    expect(builder.next(store).diff.peers.changed).toHaveLength(1)
    store.apply([remove(bgpFilter('f', {}))])
    expect(builder.next(store).diff.peers.changed).toMatchObject([{ held: 'BGPFilter/f does not exist' }])
  })
})

test('problems of store and frame stand in one order, and the list stays while nothing changes', () => {
  const store = storeOf([a, bgpPeer('z', { peerIP: 'x' }), bgpPeer('b', { peerIP: '10.0.0.254' })])
  const builder = new IntentBuilder({ node: 'a' })
  const { problems } = builder.next(store).intent
  expect(problems.map(({ object }) => object)).toEqual(['BGPPeer/b', 'BGPPeer/z', 'Node/a'])
  expect(builder.next(store).intent.problems).toBe(problems)
})

test('a Service that is deleted while the Node is missing is forgotten', () => {
  const balanced = service('shop/web', {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.10'],
    loadBalancerIPs: ['192.0.2.10'],
    ipMode: 'Proxy',
  })
  const store = storeOf([a, bgpConfiguration({ ...RANGES, serviceLoopPrevention: 'Drop' }), balanced])
  const builder = new IntentBuilder({ node: 'a' })
  const proxied = () => builder.next(store).intent.dataplane?.proxied.map(({ text }) => text)
  expect(proxied()).toEqual(['192.0.2.10/32'])
  store.apply([remove(a)])
  expect(proxied()).toBeUndefined()
  store.apply([upsert(a)])
  expect(proxied()).toEqual(['192.0.2.10/32'])
  store.apply([remove(a)])
  proxied()
  store.apply([remove(balanced)])
  proxied()
  store.apply([upsert(a)])
  expect(proxied()).toEqual([])
})
