/** Next hops of a neighbor say in which subnet of the shared link it is, if they are its own. */
import { expect, test } from 'vitest'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import { neighbor, path, prefix } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const LINK = [prefix('2001:db8:a::/64'), prefix('2001:db8:b::/64')]

/** What is known of a neighbor after it sent routes with these next hops. */
function heard(peer: RibPeer, ...nextHops: readonly string[]): string | undefined {
  const room = new Room(peer)
  const said = peer.peerType === 'external' ? path(peer.remoteAs) : path()
  for (const [at, nextHop] of nextHops.entries()) room.say(peer, [`fd00:${at}::/64`], said, nextHop)
  return room.rib.heardOnLink(peer.name).ipv6?.text
}

test('an external neighbor: the first one on the link', () => {
  const sent = ['2001:db8:c::1', '2001:db8:b::1 fe80::1', '2001:db8:a::1']
  expect(heard(neighbor(1, { link: LINK }), ...sent)).toBe('2001:db8:b::1/128')
  expect(heard(neighbor(1), ...sent)).toBeUndefined()
})

test('an internal neighbor, such as a reflector: none, for it leaves next hops as they came', () => {
  expect(heard(neighbor(1, { link: LINK, peerType: 'internal' }), '2001:db8:b::1')).toBeUndefined()
})
