import { describe, expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { intentOf, routesOf, storeOf } from '../support/cluster.ts'
import {
  type ApiObject,
  bgpConfiguration,
  type Endpoint,
  endpointSlice,
  node,
  remove,
  type ServiceOptions,
  service,
  upsert,
} from '../support/objects.ts'

const CIDRS = [
  '10.96.0.0/16',
  '192.0.2.0/24',
  '198.51.100.0/24',
  '2001:db8:1::/112',
  '2001:db8:2::/112',
  'fd00:96::/112',
]
const RANGES = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceExternalIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:1::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }, { cidr: '2001:db8:2::/112' }],
}
const SINGLES = {
  serviceClusterIPs: [{ cidr: '10.96.0.10/32' }],
  serviceExternalIPs: [{ cidr: '192.0.2.10/32' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.10/32' }],
}
const HERE = node('here', { addresses: ['10.0.0.1', 'fd00::1'] })

/** A service with one address of each kind and family. */
const WEB = {
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.10', 'fd00:96::10'],
  externalIPs: ['192.0.2.10', '2001:db8:1::10'],
  loadBalancerIPs: ['198.51.100.10', '2001:db8:2::10'],
} as const
const LOCAL = { ...WEB, externalTrafficPolicy: 'Local' } as const
const V4 = ['10.96.0.10/32', '192.0.2.10/32', '198.51.100.10/32']
const V6 = ['2001:db8:1::10/128', '2001:db8:2::10/128', 'fd00:96::10/128']

/** The addresses that go out one by one. */
function hosts(options: ServiceOptions, slices: readonly ApiObject[], spec: object = RANGES, here = HERE): string[] {
  const intent = intentOf('here', [here, bgpConfiguration(spec), service('shop/web', options), ...slices])
  return routesOf(intent).filter((prefix) => /\/(32|128)$/.test(prefix))
}

const v4 = (...endpoints: Endpoint[]) => endpointSlice('shop/web', 'IPv4', endpoints)
const v6 = (...endpoints: Endpoint[]) => endpointSlice('shop/web', 'IPv6', endpoints)
const here = (conditions: Omit<Endpoint, 'node'> = {}): Endpoint => ({ node: 'here', ...conditions })
const there = (conditions: Omit<Endpoint, 'node'> = {}): Endpoint => ({ node: 'there', ...conditions })

describe('ranges', () => {
  test('go out from every node without any service', () => {
    expect(routesOf(intentOf('here', [HERE, bgpConfiguration(RANGES)]))).toEqual([...CIDRS].sort())
  })
  test('of a single address do not go out by themselves', () => {
    expect(routesOf(intentOf('here', [HERE, bgpConfiguration(SINGLES)]))).toEqual([])
  })
  test('of LoadBalancer IPs stay at home with aggregation Disabled', () => {
    const spec = { ...RANGES, serviceLoadBalancerAggregation: 'Disabled' }
    const expected = CIDRS.filter((cidr) => !cidr.startsWith('198.51') && !cidr.startsWith('2001:db8:2'))
    expect(routesOf(intentOf('here', [HERE, bgpConfiguration(spec)]))).toEqual(expected.sort())
  })
  test('an entry without a CIDR is let pass', () => {
    const spec = { serviceClusterIPs: [{}, { cidr: '10.96.0.0/16' }] }
    expect(routesOf(intentOf('here', [HERE, bgpConfiguration(spec)]))).toEqual(['10.96.0.0/16'])
  })
  test.each(['true', '', 'false'])('stay at home on a node whose exclude label is "%s"', (value) => {
    const labels = { 'node.kubernetes.io/exclude-from-external-load-balancers': value }
    const excluded = node('here', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24'], labels })
    const intent = intentOf('here', [excluded, bgpConfiguration(RANGES), service('shop/web', LOCAL), v4(here())])
    expect(routesOf(intent)).toEqual(['10.244.1.0/24'])
    expect(intent.refusals.get('10.96.0.0/16')).toMatch(/has the label/)
    expect(intent.refusals.get('192.0.2.10/32')).toMatch(/has the label/)
  })
})

describe('policy Local: /32 and /128', () => {
  test.each<[string, ServiceOptions, ApiObject[], string[]]>([
    ['both families ready here', LOCAL, [v4(here()), v6(here())], [...V4, ...V6]],
    ['each family by its own endpoints', LOCAL, [v4(here()), v6(there())], V4],
    ['only IPv6 ready here', LOCAL, [v4(there()), v6(here())], V6],
    ['ready elsewhere only', LOCAL, [v4(there()), v6(there())], []],
    ['no slice at all', LOCAL, [], []],
    ['a slice without endpoints', LOCAL, [v4()], []],
    ['slices of FQDN count for no family', LOCAL, [endpointSlice('shop/web', 'FQDN', [here()])], []],
    ['an endpoint without a node is nowhere', LOCAL, [v4({})], []],
    ['ready null is true', LOCAL, [v4(here({ ready: null }))], V4],
    ['ready false', LOCAL, [v4(here({ ready: false }))], []],
    ['terminating and serving, none ready', LOCAL, [v4(here({ ready: false, serving: true, terminating: true }))], V4],
    [
      'terminating and serving here while another is ready elsewhere',
      LOCAL,
      [v4(here({ ready: false, serving: true, terminating: true }), there())],
      V4,
    ],
    ['terminating, serving absent is as ready', LOCAL, [v4(here({ ready: false, terminating: true }))], []],
    ['serving but not terminating and not ready', LOCAL, [v4(here({ ready: false, serving: true }))], []],
    ['ready while terminating (publishNotReadyAddresses)', LOCAL, [v4(here({ ready: true, terminating: true }))], V4],
    [
      'several slices of one family',
      LOCAL,
      [v4(there()), endpointSlice('shop/web', 'IPv4', [here()], 'shop/web-more')],
      V4,
    ],
    ['slice of another service', LOCAL, [endpointSlice('shop/other', 'IPv4', [here()])], []],
    ['slice of another namespace', LOCAL, [endpointSlice('lab/web', 'IPv4', [here()])], []],
    [
      'internalTrafficPolicy: ClusterIP only',
      { ...WEB, internalTrafficPolicy: 'Local' },
      [v4(here())],
      ['10.96.0.10/32'],
    ],
    ['both policies Cluster: the ranges cover all', WEB, [v4(here())], []],
    ['NodePort has no LoadBalancer IP', { ...LOCAL, type: 'NodePort' }, [v4(here())], V4.slice(0, 2)],
    ['ExternalName', { ...LOCAL, type: 'ExternalName' }, [v4(here())], []],
    ['headless', { ...LOCAL, clusterIPs: ['None'] }, [v4(here())], []],
    ['no ClusterIP yet', { ...LOCAL, clusterIPs: [] }, [v4(here())], []],
    [
      'addresses outside the lists',
      { ...LOCAL, clusterIPs: ['10.97.0.10'], externalIPs: ['203.0.113.1'], loadBalancerIPs: ['203.0.113.2'] },
      [v4(here())],
      [],
    ],
  ])('%s', (_name, options, slices, expected) => {
    expect(hosts(options, slices)).toEqual([...expected].sort())
  })
})

describe('lists of single addresses', () => {
  test.each<[string, ServiceOptions, ApiObject[], string[]]>([
    ['policy Cluster: out from every node, endpoints or not', WEB, [], V4],
    ['policy Local: by endpoints here', LOCAL, [v4(there())], []],
    ['policy Local with one here', LOCAL, [v4(here())], V4],
    [
      'another address of the service is not permitted',
      { ...WEB, externalIPs: ['192.0.2.11'] },
      [],
      V4.filter((p) => !p.startsWith('192')),
    ],
  ])('%s', (_name, options, slices, expected) => {
    expect(hosts(options, slices, SINGLES)).toEqual(expected)
  })
})

describe('serviceLoadBalancerAggregation Disabled', () => {
  const spec = { ...RANGES, serviceLoadBalancerAggregation: 'Disabled' }
  test.each<[string, ServiceOptions, ApiObject[], string[]]>([
    ['policy Cluster: one by one while ready anywhere', WEB, [v4(there()), v6(there())], [...V4, ...V6]],
    ['policy Cluster: each family by its own endpoints', WEB, [v4(there())], V4],
    ['policy Cluster: none ready', WEB, [v4(there({ ready: false }))], []],
    ['policy Cluster: an endpoint without a node is ready somewhere', WEB, [v4({})], V4],
    ['policy Cluster: a ClusterIP service too', { clusterIPs: ['10.96.0.10'] }, [v4(there())], ['10.96.0.10/32']],
    ['policy Local: by endpoints here', LOCAL, [v4(there())], []],
  ])('%s', (_name, options, slices, expected) => {
    expect(hosts(options, slices, spec)).toEqual([...expected].sort())
  })
})

describe('changes', () => {
  const base = [HERE, bgpConfiguration(RANGES), service('shop/web', LOCAL), v4(here()), v6(here())]

  test('the delete of a slice withdraws its family at once', () => {
    const store = storeOf(base)
    const builder = new IntentBuilder({ node: 'here' })
    builder.next(store)
    store.apply([remove(v6())])
    const { diff, intent } = builder.next(store)
    expect(diff.routes.withdraw.map(({ prefix }) => prefix.text).sort()).toEqual(V6)
    expect(diff.routes.announce).toEqual([])
    expect(intent.refusals.get('fd00:96::10/128')).toBe(
      'Service/shop/web: externalTrafficPolicy is Local and no IPv6 endpoint on this node is ready',
    )
  })

  test('the delete of a service withdraws all of it, its slices still there', () => {
    const store = storeOf(base)
    const builder = new IntentBuilder({ node: 'here' })
    builder.next(store)
    store.apply([remove(service('shop/web'))])
    const { diff, intent } = builder.next(store)
    expect(diff.routes.withdraw).toHaveLength(6)
    expect(intent.refusals.size).toBe(1)
  })

  test('a slice that moves to another service takes the endpoint along', () => {
    const other = service('shop/other', { ...LOCAL, clusterIPs: ['10.96.0.11'], externalIPs: [], loadBalancerIPs: [] })
    const store = storeOf([...base, other])
    const builder = new IntentBuilder({ node: 'here' })
    builder.next(store)
    store.apply([upsert(endpointSlice('shop/other', 'IPv4', [here()], 'shop/web-ipv4'))])
    const { diff } = builder.next(store)
    expect(diff.routes.withdraw.map(({ prefix }) => prefix.text).sort()).toEqual(V4)
    expect(diff.routes.announce.map(({ prefix }) => prefix.text)).toEqual(['10.96.0.11/32'])
  })

  test('an address that two services share stays while one of them wants it', () => {
    const other = service('shop/api', { ...LOCAL, clusterIPs: ['10.96.0.11'] })
    const otherSlice = endpointSlice('shop/api', 'IPv4', [here()])
    const store = storeOf([...base, other, otherSlice])
    const builder = new IntentBuilder({ node: 'here' })
    const objects = () => builder.next(store).intent.routes.get('192.0.2.10/32')?.objects
    expect(objects()).toEqual(['Service/shop/api', 'Service/shop/web'])
    store.apply([remove(otherSlice)])
    expect(objects()).toEqual(['Service/shop/web'])
    store.apply([remove(v4())])
    expect(objects()).toBeUndefined()
    expect(builder.next(store).intent.refusals.get('192.0.2.10/32')).toMatch(
      /^Service\/shop\/api: .*; Service\/shop\/web: /,
    )
  })

  test('an address that is ExternalIP and LoadBalancer IP of one service is one route', () => {
    const both = { ...LOCAL, externalIPs: ['198.51.100.10'] }
    const intent = intentOf('here', [HERE, bgpConfiguration(RANGES), service('shop/web', both), v4(here())])
    expect(intent.routes.get('198.51.100.10/32')?.objects).toEqual(['Service/shop/web'])
  })
})

describe('why not', () => {
  test.each<[string, ServiceOptions, string, string]>([
    ['covered', WEB, '10.96.0.10/32', 'Service/shop/web: it is covered by 10.96.0.0/16, which every node advertises'],
    [
      'outside',
      { ...WEB, externalIPs: ['203.0.113.1'] },
      '203.0.113.1/32',
      'Service/shop/web: it is outside serviceExternalIPs of BGPConfiguration/default',
    ],
    [
      'the whole service',
      { type: 'ExternalName' },
      'Service/shop/web',
      'a service of type ExternalName has no addresses',
    ],
    [
      'headless',
      { clusterIPs: ['None'] },
      'Service/shop/web',
      'it has no ClusterIP: it is headless, or none is assigned yet',
    ],
  ])('%s', (_name, options, key, expected) => {
    const intent = intentOf('here', [HERE, bgpConfiguration(RANGES), service('shop/web', options)])
    expect(intent.refusals.get(key)).toBe(expected)
  })
})
