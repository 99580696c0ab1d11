/** The link-local half of an IPv6 next hop (RFC 2545 §3) is used only while the neighbor that sent it is on our link. */
import { expect, test } from 'vitest'
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

/** A session with 10.9.0.90 from a link with these addresses; its route is to `fd50::/64`. */
function begin(addresses: readonly string[]) {
  const rig = new Rig({ neighbors: 92, spec: { fastExternalFailover: false }, more: { dataplane: 'linux' } })
  const give = (some: readonly string[]) =>
    rig.feed({ kind: 'links', change: { full: false, gone: [], present: [linkOf(2, 'eth0', true, some)] } })
  give(addresses)
  const present = [overEth0('fd00:10::/64'), overEth0('::/0', 'fd00:10::1')]
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
  const neighbor = (rig.neighbors[90] as RawNeighbor).establish()
  neighbor.send(announcement(['fd50::/64'], attributes(path(neighbor.asn)), '2001:db8::1 fe80::1'))
  const gateway = (): string | undefined => {
    rig.pass(5_000)
    return [...rig.written].find((route) => route.prefix.text === 'fd50::/64')?.hops[0]?.gateway
  }
  return { give, gateway }
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
