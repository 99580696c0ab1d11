/** The link-local half of an IPv6 next hop (RFC 2545 §3) is used only while the neighbor that sent it is on our link. */
import { describe, expect, test } from 'vitest'
import { type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { announcement, attributes, path, prefix } from '../support/rib.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const FAR = ['10.0.0.100/24', 'fd00:10::100/64', 'fe80::100/64']
const NEAR = [...FAR, '10.9.0.100/24']

const overEth0 = (text: string, gateway?: string): KernelRoute => ({
  prefix: prefix(text),
  type: 'unicast',
  protocol: gateway === undefined ? 2 : 9,
  metric: 256,
  table: MAIN_TABLE,
  hops: [{ gateway, interface: 'eth0', onlink: false, weight: 1 }],
})

const toNeighbor = (change: Partial<KernelRoute> = {}): KernelRoute => ({
  ...overEth0('10.9.0.90/32'),
  metric: 0,
  protocol: 4,
  ...change,
})

/** A session with 10.9.0.90 from a link with these addresses; its route is to `fd50::/64`. */
function begin(addresses: readonly string[], nextHop = '2001:db8::1 fe80::1') {
  const rig = new Rig({ neighbors: 92, spec: { fastExternalFailover: false }, more: { dataplane: 'linux' } })
  const give = (some: readonly string[]) =>
    rig.feed({ kind: 'links', change: { full: false, gone: [], present: [linkOf(2, 'eth0', true, some)] } })
  give(addresses)
  const present = [overEth0('fd00:10::/64'), overEth0('::/0', 'fd00:10::1')]
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
  const neighbor = (rig.neighbors[90] as RawNeighbor).establish()
  neighbor.send(announcement(['fd50::/64'], attributes(path(neighbor.asn)), nextHop))
  const gateway = (): string | undefined => {
    rig.pass(5_000)
    return [...rig.written].find((route) => route.prefix.text === 'fd50::/64')?.hops[0]?.gateway
  }
  const tellRoutes = (gone: readonly KernelRoute[], added: readonly KernelRoute[]) =>
    rig.feed({ kind: 'kernel', change: { full: false, more: false, gone, present: added } })
  return { give, gateway, tellRoutes }
}

test.each([
  ['on the link: the link-local half', NEAR, 'fe80::1'],
  [
    'beyond a router: the way to the global half, since others on our link may have that link-local address',
    FAR,
    'fd00:10::1',
  ],
])('a neighbor %s', (_, addresses, expected) => {
  expect(begin(addresses).gateway()).toBe(expected)
})

test('it follows the addresses of the link', () => {
  const { give, gateway } = begin(NEAR)
  const found = [gateway()]
  for (const addresses of [FAR, NEAR]) {
    give(addresses)
    found.push(gateway())
  }
  expect(found).toEqual(['fe80::1', 'fd00:10::1', 'fe80::1'])
})

describe('a link with a single address of ours', () => {
  const ALONE = ['10.0.0.100/32', 'fd00:10::100/64', 'fe80::100/64']

  test.each(['2001:db8::1 fe80::1', 'fe80::1', 'fe80::1 fe80::1'])(
    'next hop %s follows the route to the neighbor',
    (sent) => {
      const { gateway, tellRoutes } = begin(ALONE, sent)
      const others = Array.from({ length: 65 }, (_, index) => toNeighbor({ prefix: prefix(`10.8.0.${index}/32`) }))
      const elsewhere = sent.startsWith('fe80') ? undefined : 'fd00:10::1'
      const found = [gateway()]
      for (const [gone, added] of [
        [[], [toNeighbor()]],
        [[toNeighbor()], []],
        [[], [...others, toNeighbor()]],
        [[toNeighbor()], [toNeighbor({ prefix: prefix('0.0.0.0/0') })]],
        [[], [toNeighbor({ prefix: prefix('10.9.0.0/24') })]],
      ] as const) {
        tellRoutes(gone, added)
        found.push(gateway())
      }
      expect(found).toEqual([elsewhere, 'fe80::1', elsewhere, 'fe80::1', elsewhere, 'fe80::1'])
    },
  )

  test('a neighbor that came before the routes were read', () => {
    const rig = new Rig({ neighbors: 92, more: { dataplane: 'linux' } })
    rig.feed({ kind: 'links', change: { full: true, gone: [], present: [linkOf(2, 'eth0', true, ALONE)] } })
    const neighbor = (rig.neighbors[90] as RawNeighbor).establish()
    neighbor.send(announcement(['fd50::/64'], attributes(path(neighbor.asn)), 'fe80::1'))
    rig.feed({ kind: 'kernel', change: { full: true, more: true, gone: [], present: [toNeighbor()] } })
    rig.feed({ kind: 'kernel', change: { full: false, more: false, gone: [], present: [] } })
    rig.pass(5_000)
    expect([...rig.written].map(({ hops }) => hops[0]?.gateway)).toContain('fe80::1')
  })

  const hop = (over: string, gateway?: string) => ({ gateway, interface: over, onlink: false, weight: 1 })
  test.each<[string, Partial<KernelRoute>]>([
    ['by a gateway', { hops: [hop('eth0', '10.0.0.1')] }],
    ['over another link', { hops: [hop('eth1')] }],
    ['over another link too', { hops: [hop('eth0'), hop('eth1')] }],
    ['nowhere', { type: 'blackhole', hops: [] }],
    ['by hops that the kernel does not name', { hops: [] }],
  ])('a neighbor reached %s is not on it', (_, change) => {
    const { gateway, tellRoutes } = begin(ALONE)
    tellRoutes([], [toNeighbor(change)])
    expect(gateway()).toBe('fd00:10::1')
  })
})
