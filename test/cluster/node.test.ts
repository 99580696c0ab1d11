import { describe, expect, test } from 'vitest'
import { finish } from '../../src/base/work.ts'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent } from '../../src/cluster/intent.ts'
import { assignRouterIds } from '../../src/cluster/node.ts'
import { PodSources } from '../../src/cluster/pods.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { NodeSurvey } from '../../src/cluster/survey.ts'
import { intentOf, problemsOf, storeOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, node, remove, service, upsert } from '../support/objects.ts'

const a = node('a', { addresses: ['10.0.0.1', 'fd00::1'] })

describe('own node', () => {
  test('defaults', () => {
    expect(intentOf('a', [a]).node).toEqual({
      name: 'a',
      asNumber: 64512,
      routerId: 0x0a000001,
      addresses: { ipv4: '10.0.0.1', ipv6: 'fd00::1' },
      listenPort: 179,
      listenAddresses: [],
      decision: { paths: 16, relax: true, preferOldest: false },
    })
  })

  test.each<[string, object[], object]>([
    ['AS of the cluster', [bgpConfiguration({ asNumber: '1.10' })], { asNumber: 65546 }],
    ['port of the cluster', [bgpConfiguration({ listenPort: 1790 })], { listenPort: 1790 }],
    [
      'port of the node',
      [bgpConfiguration({ listenPort: 1790 }), bgpConfiguration({ listenPort: 1791 }, 'node.a')],
      { listenPort: 1791 },
    ],
    ['port of another node', [bgpConfiguration({ listenPort: 1791 }, 'node.b')], { listenPort: 179 }],
    ['bindMode', [bgpConfiguration({ bindMode: 'NodeIP' })], { listenAddresses: ['10.0.0.1', 'fd00::1'] }],
    [
      'how paths are chosen',
      [bgpConfiguration({ multipath: { paths: 4, relax: false }, preferOldestPath: true })],
      { decision: { paths: 4, relax: false, preferOldest: true } },
    ],
    ['AS in node.* does not count', [bgpConfiguration({ asNumber: 65001 }, 'node.a')], { asNumber: 64512 }],
  ])('%s', (_name, objects, expected) => {
    expect(intentOf('a', [a, ...(objects as (typeof a)[])]).node).toMatchObject(expected)
  })

  test('the annotation of the node wins', () => {
    const annotated = node('a', { addresses: ['10.0.0.1'], annotations: { 'projectcalico.org/ASNumber': '65007' } })
    expect(intentOf('a', [annotated, bgpConfiguration({ asNumber: 65001 })]).node?.asNumber).toBe(65007)
  })

  test('unknown: nothing to do, and said', () => {
    const intent = intentOf('a', [
      node('b', { addresses: ['10.0.0.2'] }),
      bgpConfiguration({ serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] }),
    ])
    expect(intent.node).toBeUndefined()
    expect([intent.routes.size, intent.peers.size]).toEqual([0, 0])
    expect(problemsOf(intent)).toEqual(['Node/a: is not known; nothing is advertised until it is'])
  })

  test('without an InternalIP it says so', () => {
    expect(problemsOf(intentOf('a', [node('a')]))).toEqual([
      'Node/a status.addresses: it has no InternalIP and no ExternalIP; the node is not in the mesh',
    ])
  })

  const withAddresses = (name: string, ...addresses: (readonly [type: string, address: string])[]) => ({
    ...node(name, { podCIDRs: ['10.244.9.0/24'] }),
    status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
  })
  const NONE = ['Hostname', 'x'] as const

  test.each<[string, (readonly [string, string])[], object]>([
    [
      'ExternalIPs where there is no InternalIP',
      [
        ['ExternalIP', '192.0.2.2'],
        ['ExternalIP', '2001:db8::2'],
      ],
      { ipv4: '192.0.2.2', ipv6: '2001:db8::2' },
    ],
    [
      'by family',
      [
        ['ExternalIP', '192.0.2.2'],
        ['ExternalIP', '2001:db8::2'],
        ['InternalIP', '10.0.0.2'],
      ],
      { ipv4: '10.0.0.2', ipv6: '2001:db8::2' },
    ],
    [
      'the first of each type',
      [
        ['ExternalIP', '192.0.2.2'],
        ['ExternalIP', '192.0.2.3'],
      ],
      { ipv4: '192.0.2.2' },
    ],
    [
      'none that no host has',
      [
        ['InternalIP', '0.0.0.0'],
        ['InternalIP', 'ff02::1'],
        ['InternalIP', '::ffff:10.0.0.2'],
        ['InternalIP', '10.0.0.3'],
      ],
      { ipv4: '10.0.0.3' },
    ],
    [
      'none of a link alone',
      [
        ['InternalIP', 'fe80::1'],
        ['ExternalIP', '2001:db8::2'],
      ],
      { ipv6: '2001:db8::2' },
    ],
    ['none that is no address', [NONE, ['InternalDNS', 'x.example']], {}],
  ])('addresses, as Kubernetes looks for them: %s', (_name, addresses, expected) => {
    expect(intentOf('a', [withAddresses('a', ...addresses)]).node?.addresses).toEqual(expected)
  })

  test('a node with ExternalIPs only is in the mesh, one without an address is named', () => {
    const external = withAddresses('b', ['ExternalIP', '192.0.2.2'])
    const intent = intentOf('a', [a, external, withAddresses('c', NONE)])
    expect([...intent.peers.keys()]).toEqual(['Mesh_192_0_2_2'])
    expect(problemsOf(intent)).toContainEqual(
      'Node/c status.addresses: it has no IPv4 or IPv6 address that Node/a can reach; it is not in the mesh',
    )
  })

  test('a family of pods without an address is said, and that of a peer as well', () => {
    const four = node('a', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })
    const peer = {
      apiVersion: 'godwit.dev/v1',
      kind: 'BGPPeer',
      metadata: { name: 'six' },
      spec: { peerIP: 'fd00::9', asNumber: 1 },
    } as const
    expect(problemsOf(intentOf('a', [four, peer]))).toEqual([
      'BGPPeer/six spec.peerIP: "fd00::9" is reached over IPv6, for which Node/a has no address: the kernel chooses the source address',
      'Node/a status.addresses: it has no IPv6 address for its IPv6 pods (fd00:244:1::/64): they are advertised only where the link of the session has one',
    ])
  })

  test('a service address that is a node’s own, and a service range that holds a node, are named', () => {
    const configuration = {
      apiVersion: 'godwit.dev/v1',
      kind: 'BGPConfiguration',
      metadata: { name: 'default' },
      spec: { serviceExternalIPs: [{ cidr: '10.0.0.2/32' }], serviceLoadBalancerIPs: [{ cidr: '10.0.0.0/30' }] },
    } as const
    const web = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: 'web' },
      spec: { type: 'ClusterIP', clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], externalIPs: ['10.0.0.2'] },
    } as const
    const store = storeOf([a, node('b', { addresses: ['10.0.0.2'] }), configuration, web])
    const builder = new IntentBuilder({ node: 'a' })
    const found = () => problemsOf(builder.build(store)).filter((text) => text.includes('address'))
    const ranges = [
      'BGPConfiguration/default spec.serviceExternalIPs: "10.0.0.2/32" contains 10.0.0.2, the address of Node/b: traffic to the node may follow this range instead',
      'BGPConfiguration/default spec.serviceLoadBalancerIPs: "10.0.0.0/30" contains 10.0.0.1, the address of Node/a: traffic to the node may follow this range instead',
    ]
    expect(found()).toEqual([
      ...ranges,
      `Service/shop/web: "10.0.0.2" is also the address of Node/b, and is advertised as a service address`,
    ])
    store.apply([{ kind: 'delete', ref: { kind: 'Service', namespace: 'shop', name: 'web' } }])
    expect(found()).toEqual(ranges)
    store.apply([upsert(web)])
    expect(found()).toHaveLength(3)
    store.apply([upsert(node('b', { addresses: ['10.9.0.2'] }))])
    expect(found()).toEqual(ranges.slice(1))
  })

  test('every address of a Node is the node’s own, not only those of its sessions', () => {
    const b = (...addresses: (readonly [type: string, address: string])[]) => ({
      ...node('b'),
      status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
    })
    const usual = [
      ['InternalIP', '10.0.0.2'],
      ['ExternalIP', '203.0.113.5'],
    ] as const
    const web = service('shop/web', { clusterIPs: ['10.96.0.1'], externalIPs: ['10.0.0.3', '203.0.113.5'] })
    const external = bgpConfiguration({
      serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }],
      serviceExternalIPs: [{ cidr: '10.0.0.3/32' }, { cidr: '203.0.113.5/32' }],
    })
    const store = storeOf([a, b(...usual, ['InternalIP', '10.0.0.3'], ['Hostname', 'b']), external, web])
    const builder = new IntentBuilder({ node: 'a' })
    const found = (intent: Intent) =>
      intent.problems.filter(({ code }) => code.startsWith('service-')).map(({ value }) => value)
    const before = builder.build(store)
    expect(found(before)).toEqual(['10.0.0.3/32', '203.0.113.5/32', '203.0.113.0/24', '10.0.0.3', '203.0.113.5'])
    // What goes to them is no service's, and never ends in a service range.
    const hosts = (intent: Intent) => intent.dataplane?.nodeHosts.map(({ text }) => text)
    expect(hosts(before)).toEqual(['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32', '203.0.113.5/32', 'fd00::1/128'])
    expect(before.dataplane?.nodeAddresses).toEqual(['10.0.0.1', 'fd00::1', '10.0.0.2'])
    store.apply([upsert(b(...usual))])
    expect(found(builder.build(store))).toEqual(['203.0.113.5/32', '203.0.113.0/24', '203.0.113.5'])
    const many = Array.from({ length: 200 }, (_, index) => ['ExternalIP', `198.51.100.${index}`] as const)
    store.apply([upsert(b(...many))])
    expect(hosts(builder.build(store))).toHaveLength(2 + 64)
  })

  test('one pod CIDR on two nodes is a problem of both, until one has another', () => {
    const other = (...podCIDRs: string[]) => node('b', { addresses: ['10.0.0.2'], podCIDRs })
    const mine = node('a', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24', '10.244.2.0/24'] })
    const store = storeOf([mine, other('10.244.1.0/24')])
    const [here, there] = [new IntentBuilder({ node: 'a' }), new IntentBuilder({ node: 'b' })]
    const says = 'both advertise it, and packets to pods of one reach the other'
    expect(problemsOf(here.build(store))).toEqual([
      `Node/a spec.podCIDRs: "10.244.1.0/24" is also a pod CIDR of Node/b: ${says}`,
    ])
    expect(problemsOf(there.build(store))).toEqual([
      `Node/b spec.podCIDRs: "10.244.1.0/24" is also a pod CIDR of Node/a: ${says}`,
    ])
    store.apply([upsert(other('10.244.3.0/24'))])
    expect(problemsOf(here.build(store))).toEqual([])
  })

  test('one address on two nodes is a problem', () => {
    expect(problemsOf(intentOf('a', [a, node('b', { addresses: ['10.0.0.1'] })]))).toEqual([
      'Node/a status.addresses: "10.0.0.1" is also the address of Node/b, so both have the same router ID; sessions between them fail',
    ])
  })
})

describe('router IDs of nodes without IPv4', () => {
  const names = Array.from({ length: 2000 }, (_, index) => ({ name: `worker-${index}`, addresses: {} }))

  test('are all different, in no reserved range, and the same wherever they are worked out', () => {
    const ids = finish(assignRouterIds(names))
    expect(new Set(ids.values()).size).toBe(2000)
    for (const id of ids.values()) {
      const first = id >>> 24
      expect(first > 0 && first !== 127 && first < 224).toBe(true)
    }
    expect(finish(assignRouterIds(names))).toEqual(ids)
  })

  test('stay when other nodes come and go', () => {
    const ids = finish(assignRouterIds(names))
    const fewer = finish(assignRouterIds(names.filter((_, index) => index % 3 === 0)))
    for (const [name, id] of fewer) expect(id).toBe(ids.get(name))
  })

  test('cost only those nodes, and nothing once there are none', () => {
    const store = new ObjectStore('node-0')
    const survey = new NodeSurvey(new PodSources())
    const labels: string[] = []
    const readFor = (change: (one: ApiObject) => ObjectChange, ...nodes: readonly ApiObject[]): number => {
      const before = survey.read
      store.apply(nodes.map(change))
      const touched = nodes.map(({ metadata }) => String(metadata.name))
      finish(survey.follow(store, before === 0 ? undefined : touched, labels))
      return survey.read - before
    }
    const many = Array.from({ length: 100 }, (_, index) => node(`node-${index}`, { addresses: [`10.0.0.${index}`] }))
    const six = node('six', { addresses: ['fd00::6'] })
    const late = node('late', { addresses: ['10.0.1.1'] })
    const set = (one: ApiObject) => upsert(one)
    expect(readFor(set, ...many)).toBe(100)
    expect(readFor(set, six)).toBe(1)
    expect(readFor(set, late)).toBe(2)
    expect(readFor(remove, six)).toBe(1)
    expect(readFor(remove, late)).toBe(1)
  })

  test('give way to the address of another node', () => {
    const [six] = names
    const taken = finish(assignRouterIds(names)).get('worker-0') ?? 0
    const ipv4 = [24, 16, 8, 0].map((shift) => (taken >>> shift) & 0xff).join('.')
    const ids = finish(assignRouterIds([{ name: 'z', addresses: { ipv4 } }, six ?? { name: '', addresses: {} }]))
    expect(ids.get('z')).toBe(taken)
    expect(ids.get('worker-0')).not.toBe(taken)
  })
})
