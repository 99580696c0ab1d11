import { describe, expect, test } from 'vitest'
import { within } from '../../../src/bgp/policy/prefix-set.ts'
import type { Policy, Rule } from '../../../src/bgp/policy/rule.ts'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import { neighbor, originatedRoute, prefix, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const LINK = ['192.0.2.0/24', '2001:db8::/64'].map(prefix)
const RANGES = ['203.0.113.0/24', '2001:db8:f00::/64'].map(prefix)

const FAMILIES = [
  { range: '203.0.113.0/24', vip: '203.0.113.7/32', alone: '198.51.100.7/32', on: '192.0.2.99', off: '10.9.9.9' },
  {
    range: '2001:db8:f00::/64',
    vip: '2001:db8:f00::7/128',
    alone: '2001:db8:a::7/128',
    on: '2001:db8::99',
    off: 'fd00:9::9',
  },
]

const selfTo = (peerType: 'internal' | 'external'): Policy => ({
  name: 'self',
  rules: [
    { name: 'self', match: { peerType }, action: 'next', operations: [{ kind: 'set-next-hop', address: 'self' }] },
  ],
  otherwise: 'accept',
  otherwiseReason: '',
})

/** The next hop that a neighbor was told of a route; undefined where it was told nothing. */
const hop = (rooms: Room, peer: RibPeer, text: string): string | undefined =>
  rooms.heard(peer).routes.get(text)?.split(' ')[1]

const whyNot = (rooms: Room, peer: RibPeer, text: string): string | undefined =>
  rooms.rib.page({ noexport: peer.name, for: prefix(text) }, undefined, 9).rows[0]?.reason

describe.each(FAMILIES)('$vip', ({ range, vip, alone, on, off }) => {
  const from = neighbor(1, { peerType: 'internal' })
  const near = neighbor(2, { link: LINK })
  const far = neighbor(3)
  const begin = (...peers: RibPeer[]) => {
    const rooms = new Room()
    rooms.rib.setServiceRanges(RANGES.map((range) => within(range)))
    for (const peer of [from, ...peers]) rooms.join(peer)
    return rooms
  }

  test('a neighbor on the link of the next hop is told that next hop, one that is not is told nothing, with the reason', () => {
    const rooms = begin(near, far)
    rooms.say(from, [vip, range], {}, on)
    expect([hop(rooms, near, vip), hop(rooms, near, range)]).toEqual([on, on])
    expect([hop(rooms, far, vip), hop(rooms, far, range)]).toEqual([undefined, undefined])
    expect(whyNot(rooms, far, vip)).toMatch(/service address.*does not forward/)
    expect(whyNot(rooms, near, vip)).toBeUndefined()
  })

  test('a next hop that is on no link of the neighbor is not replaced by ourselves', () => {
    const rooms = begin(near)
    rooms.say(from, [vip], {}, off)
    expect(hop(rooms, near, vip)).toBeUndefined()
    rooms.say(from, [vip], {}, on)
    expect(hop(rooms, near, vip)).toBe(on)
  })

  test('routes of one run that lie outside the ranges are told with ourselves as next hop, as before', () => {
    const rooms = begin(near, far)
    rooms.say(from, [alone, vip], {}, on)
    const self = alone.includes(':') ? '2001:db8:ffff::1' : '192.0.2.1'
    expect([hop(rooms, near, alone), hop(rooms, far, alone)]).toEqual([self, self])
    expect([hop(rooms, near, vip), hop(rooms, far, vip)]).toEqual([on, undefined])
  })

  test('the address of a service outside every range counts from when the service is there until it is gone', () => {
    const rooms = begin(near, far)
    rooms.say(from, [alone], {}, on)
    const before = hop(rooms, far, alone)
    rooms.rib.setServiceAddresses([prefix(alone)], [])
    settle(rooms.rib)
    expect([hop(rooms, near, alone), hop(rooms, far, alone)]).toEqual([on, undefined])
    rooms.rib.setServiceAddresses([], [prefix(alone)])
    settle(rooms.rib)
    expect([hop(rooms, near, alone), hop(rooms, far, alone)]).toEqual([before, before])
  })

  test('ranges that come and go change what is told at once', () => {
    const rooms = begin(far)
    rooms.say(from, [vip], {}, on)
    rooms.rib.setServiceRanges([])
    settle(rooms.rib)
    expect(hop(rooms, far, vip)).toBeDefined()
    rooms.rib.setServiceRanges(RANGES.map((range) => within(range)))
    settle(rooms.rib)
    expect(hop(rooms, far, vip)).toBeUndefined()
  })

  test('our own route to the same address is told with ourselves, and hides the learned one', () => {
    const rooms = begin(far)
    rooms.say(from, [vip], {}, on)
    rooms.rib.originate([originatedRoute(vip)], 0)
    settle(rooms.rib)
    expect(hop(rooms, far, vip)).toBeDefined()
    rooms.rib.withdraw([prefix(vip)])
    settle(rooms.rib)
    expect(hop(rooms, far, vip)).toBeUndefined()
  })

  test('a reflector that would write itself keeps the next hop, or says nothing', () => {
    const reflection = { clusterId: 1, client: true }
    const exportPolicy = selfTo('internal')
    const plain = neighbor(4, { peerType: 'internal', reflection })
    const self = neighbor(5, { peerType: 'internal', reflection, exportPolicy })
    const beside = neighbor(6, { peerType: 'internal', reflection, exportPolicy, link: LINK })
    const rooms = begin(plain, self, beside)
    rooms.say(from, [vip, alone], {}, on)
    expect([plain, self, beside].map((peer) => hop(rooms, peer, vip))).toEqual([on, undefined, on])
    expect(hop(rooms, self, alone)).not.toBe(on)
  })

  test('of several paths each is judged by its own next hop', () => {
    const second = neighbor(7, { peerType: 'internal' })
    const several = { send: { ...near.send, addPath: ['ipv4', 'ipv6'] as const }, link: LINK }
    const collector = neighbor(8, several)
    const rooms = begin(second, collector)
    rooms.say(from, [vip], {}, on)
    rooms.say(second, [vip], {}, off)
    const told = [...rooms.heard(collector).routes].filter(([text]) => text.startsWith(vip))
    expect(told.map(([, route]) => route.split(' ')[1])).toEqual([on])
  })

  test('where policy keeps the next hop as it is, it stays so', () => {
    const keep: Rule = {
      name: 'keep',
      match: {},
      action: 'accept',
      operations: [{ kind: 'set-next-hop', address: 'unchanged' }],
    }
    const exportPolicy: Policy = { name: 'keep', rules: [keep], otherwise: 'reject', otherwiseReason: '' }
    const keeper = neighbor(9, { exportPolicy })
    const rooms = begin(keeper)
    rooms.say(from, [vip], {}, off)
    expect(hop(rooms, keeper, vip)).toBe(off)
  })
})
