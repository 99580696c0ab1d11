/** RFC 4271 §5.1.3: nobody is told a route whose next hop is the own address of who is told. */
import { expect, test } from 'vitest'
import { ACCEPT_ALL } from '../../../src/bgp/policy/defaults.ts'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import { context } from '../../support/messages.ts'
import { neighbor, path } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const X = '10.0.0.0/8'
const Y = '10.1.0.0/16'
const X6 = '2001:db8:1::/48'
const inside = (number: number, over: Partial<RibPeer> = {}): RibPeer =>
  neighbor(number, { peerType: 'internal', reflection: { clusterId: 0xf4000001, client: true }, ...over })
const [external, one, two, three] = [neighbor(1), inside(2), inside(3), inside(4)]
const hasRoute = (room: Room, ...peers: readonly RibPeer[]) => peers.map((peer) => room.heard(peer).routes.has(X))
const why = ({ rib }: Room, peer: RibPeer, text = X) =>
  rib.page({ noexport: peer.name }, undefined, 100).rows.find((row) => row.prefix === text)?.reason
const WORDS = 'its next hop is the address of this neighbor'

test.each<[string, RibPeer]>([
  ['from outside, by a router that hands on a third one', external],
  ['reflected', three],
])('a route that leads to one of two neighbors is told to the other: %s (RFC 4271 §5.1.3)', (_, from) => {
  const room = new Room(from, one, two)
  const said = from === external ? path(external.remoteAs) : path()
  room.say(from, [X], said, one.remoteAddress)
  room.say(from, [Y], said)
  expect(hasRoute(room, one, two)).toEqual([false, true])
  expect(room.heard(one).routes.has(Y)).toBe(true)
  expect(why(room, one)).toBe(WORDS)
  expect(why(room, two)).not.toBe(WORDS)
})

test('it is withdrawn when its next hop becomes the address of the neighbor, and told again when it is another', () => {
  const room = new Room(external, one, two)
  const said = path(external.remoteAs)
  room.say(external, [X], said)
  expect(hasRoute(room, one, two)).toEqual([true, true])
  room.say(external, [X], said, one.remoteAddress)
  expect(hasRoute(room, one, two)).toEqual([false, true])
  room.say(external, [X], said, two.remoteAddress)
  expect(hasRoute(room, one, two)).toEqual([true, false])
  room.unsay(external, [X])
  expect(hasRoute(room, one, two)).toEqual([false, false])
  expect(room.heard(one).needless + room.heard(two).needless).toBe(0)
})

test('a neighbor that comes later, and one that asks again, are not told it either', () => {
  const room = new Room(external, two)
  room.say(external, [X], path(external.remoteAs), one.remoteAddress)
  room.join(one)
  expect(hasRoute(room, one, two)).toEqual([false, true])
  room.rib.refreshOut(one.name, 'ipv4')
  expect(hasRoute(room, one)).toEqual([false])
})

test('IPv6, and a global address before a link-local one', () => {
  const six = inside(5, { remoteAddress: '2001:db8::5' })
  const room = new Room(external, six, one)
  room.say(external, [X6], path(external.remoteAs), '2001:db8::5 fe80::5')
  expect([six, one].map((peer) => room.heard(peer).routes.has(X6))).toEqual([false, true])
  expect(why(room, six, X6)).toBe(WORDS)
})

test('an external neighbor is told ourselves, and nothing where a policy keeps what would be its own address', () => {
  const keep = { kind: 'set-next-hop', address: 'unchanged' } as const
  const rules = [{ name: 'keep', match: {}, action: 'accept', operations: [keep] }] as const
  const keeps = neighbor(6, { exportPolicy: { ...ACCEPT_ALL, rules } })
  const room = new Room(external, keeps, neighbor(7))
  room.say(external, [X], path(external.remoteAs), keeps.remoteAddress)
  room.say(external, [Y], path(external.remoteAs), neighbor(7).remoteAddress)
  expect([...room.heard(keeps).routes.keys()]).toEqual([Y])
  expect([...room.heard(neighbor(7)).routes.keys()].sort()).toEqual([X, Y])
})

test('several paths to one prefix: each is judged by itself', () => {
  const addPath = ['ipv4'] as const
  const several = inside(8, { send: context('internal', { addPath }) })
  const room = new Room(external, three, several)
  room.say(external, [X], path(external.remoteAs), several.remoteAddress)
  room.say(three, [X], path(7, 8))
  expect([...room.heard(several).routes.keys()].map((text) => text.split(' ')[0])).toEqual([X])
  expect(room.heard(several).needless).toBe(0)
})
