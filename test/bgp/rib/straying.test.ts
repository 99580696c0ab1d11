/** Learned routes that the kernel of this node does not follow are not advertised with this node as next hop. */
import { describe, expect, test } from 'vitest'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import { neighbor, prefix, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const FAMILIES = [
  { pods: '10.244.7.0/24', other: '10.244.8.0/24', link: '192.0.2.0/24', on: '192.0.2.99', off: '10.9.9.9' },
  { pods: 'fd00:7::/64', other: 'fd00:8::/64', link: '2001:db8::/64', on: '2001:db8::99', off: 'fd00:9::9' },
]

describe.each(FAMILIES)('$pods', ({ pods, other, link, on, off }) => {
  const from = neighbor(1, { peerType: 'internal' })
  const near = neighbor(2, { link: [prefix(link)] })
  const far = neighbor(3)
  const begin = (nextHop: string) => {
    const rooms = new Room()
    for (const peer of [from, near, far]) rooms.join(peer)
    rooms.say(from, [pods, other], {}, nextHop)
    return rooms
  }
  const hears = (rooms: Room, peer: RibPeer, text: string): string | undefined =>
    rooms.heard(peer).routes.get(text)?.split(' ')[1]
  const whyNot = (rooms: Room, peer: RibPeer) =>
    rooms.rib.page({ noexport: peer.name, for: prefix(pods) }, undefined, 9).rows[0]?.reason
  const set = (rooms: Room, straying: Parameters<Room['rib']['setStraying']>[1]) => {
    rooms.rib.setStraying(prefix(pods), straying)
    settle(rooms.rib)
  }

  test('nobody is told a route whose packets end here, with the reason, until they are forwarded again', () => {
    const rooms = begin(off)
    const before = [near, far].map((peer) => hears(rooms, peer, pods))
    expect(before).not.toContain(undefined)
    set(rooms, 'nowhere')
    for (const peer of [near, far]) {
      expect(hears(rooms, peer, pods)).toBeUndefined()
      expect(hears(rooms, peer, other)).toBeDefined()
      expect(whyNot(rooms, peer)).toMatch(/does not forward to it/)
    }
    set(rooms, undefined)
    expect([near, far].map((peer) => hears(rooms, peer, pods))).toEqual(before)
  })

  test('a neighbor on the link that they go back to is not told, others are', () => {
    const rooms = begin(off)
    set(rooms, [prefix(link)])
    expect(hears(rooms, near, pods)).toBeUndefined()
    expect(hears(rooms, far, pods)).toBeDefined()
  })

  test('where the next hop is reached through a gateway on the link of a neighbor, that one is not told, others are', () => {
    const rooms = begin(off)
    rooms.rib.trackForKernel()
    const resolve = (detour: readonly string[]) => {
      rooms.rib.resolveNextHops(() => ({ reach: 'direct', metric: 1, detour: detour.map(prefix) }), 'all')
      settle(rooms.rib)
      return [near, far].map((peer) => hears(rooms, peer, pods) !== undefined)
    }
    expect(resolve([])).toEqual([true, true])
    expect(resolve([link])).toEqual([false, true])
    expect(whyNot(rooms, near)).toMatch(/next hop is reached through a gateway on the link of this neighbor/)
    expect(resolve(['198.51.100.0/24'])).toEqual([true, true])
  })

  test('with a link-local address beside it that counts where its neighbor is on no link of ours', () => {
    const rooms = begin(off)
    rooms.rib.trackForKernel()
    const both = pods.includes(':') ? `${off} fe80::9` : off
    for (const lacksLink of [false, true]) {
      const peer = { ...from, lacksLink }
      rooms.rib.setPeer(peer)
      rooms.say(peer, [pods, other], {}, both)
      rooms.rib.resolveNextHops(() => ({ reach: 'direct', metric: 0, detour: [prefix(link)] }), 'all')
      settle(rooms.rib)
      const isOnLink = pods.includes(':') && !lacksLink
      expect([near, far].map((one) => hears(rooms, one, pods) !== undefined)).toEqual([isOnLink, true])
    }
  })

  test('a neighbor on the link of the learned next hop is told that one: packets do not come here', () => {
    const rooms = begin(on)
    set(rooms, 'nowhere')
    expect(hears(rooms, near, pods)).toBe(on)
    expect(hears(rooms, far, pods)).toBeUndefined()
  })

  test('a neighbor on that link, but in another subnet of it, is not told a next hop that it cannot reach', () => {
    const beside = neighbor(4, { link: [prefix(link)], subnets: [] })
    const rooms = begin(on)
    rooms.join(beside)
    set(rooms, 'nowhere')
    expect(hears(rooms, beside, pods)).toBeUndefined()
    expect(whyNot(rooms, beside)).toMatch(/does not forward to it/)
  })
})
