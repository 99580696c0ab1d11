import { describe, expect, test } from 'vitest'
import { assignRouterIds } from '../../src/cluster/node.ts'
import { intentOf, problemsOf } from '../support/cluster.ts'
import { bgpConfiguration, node } from '../support/objects.ts'

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
    expect(problemsOf(intent)).toEqual([
      'Node/a: is not known; there is nothing to advertise and nobody to advertise it to',
    ])
  })

  test('without an InternalIP it says so', () => {
    expect(problemsOf(intentOf('a', [node('a')]))).toEqual([
      'Node/a status.addresses: there is no InternalIP; the node takes no part in the mesh',
    ])
  })

  test('one address on two nodes is a problem', () => {
    expect(problemsOf(intentOf('a', [a, node('b', { addresses: ['10.0.0.1'] })]))).toEqual([
      'Node/a status.addresses: "10.0.0.1" is the address of Node/b too, so both have one router ID; sessions between them fail',
    ])
  })
})

describe('router IDs of nodes without IPv4', () => {
  const names = Array.from({ length: 2000 }, (_, index) => ({ name: `worker-${index}`, addresses: {} }))

  test('are all different, in no reserved range, and the same wherever they are worked out', () => {
    const ids = assignRouterIds(names)
    expect(new Set(ids.values()).size).toBe(2000)
    for (const id of ids.values()) {
      const first = id >>> 24
      expect(first > 0 && first !== 127 && first < 224).toBe(true)
    }
    expect(assignRouterIds(names)).toEqual(ids)
  })

  test('stay when other nodes come and go', () => {
    const ids = assignRouterIds(names)
    const fewer = assignRouterIds(names.filter((_, index) => index % 3 === 0))
    for (const [name, id] of fewer) expect(id).toBe(ids.get(name))
  })

  test('give way to the address of another node', () => {
    const [six] = names
    const taken = assignRouterIds(names).get('worker-0') ?? 0
    const ipv4 = [24, 16, 8, 0].map((shift) => (taken >>> shift) & 0xff).join('.')
    const ids = assignRouterIds([{ name: 'z', addresses: { ipv4 } }, six ?? { name: '', addresses: {} }])
    expect(ids.get('z')).toBe(taken)
    expect(ids.get('worker-0')).not.toBe(taken)
  })
})
