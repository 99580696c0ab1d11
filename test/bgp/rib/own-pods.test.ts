/** Routes into the pod CIDRs of this node, which another node or a router advertises. */
import { expect, test } from 'vitest'
import { contains, makePrefix } from '../../../src/base/prefix.ts'
import { OwnPods } from '../../../src/bgp/rib/own-pods.ts'
import { neighbor, originatedRoute, path, prefix, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const source = neighbor(1)
const listener = neighbor(2)
const OWN = ['10.244.1.0/24', 'fd00:244:1::/64']
const pods = (own: readonly string[], lent: readonly string[] = []) => ({
  own: own.map(prefix),
  lent: lent.map(prefix),
})

const hops = { ipv4: '192.0.2.99', ipv6: '2001:db8::99' }
const say = (room: Room, text: string) =>
  room.say(source, [text], path(source.remoteAs), hops[text.includes(':') ? 'ipv6' : 'ipv4'])
const used = (room: Room): string[] => room.rows().map((row) => row.prefix)

test.each(['10.244.1.0/24', '10.244.1.0/25', '10.244.1.7/32', 'fd00:244:1::/64', 'fd00:244:1::7/128'])(
  '%s is kept aside with its reason while the pod CIDR is ours, and goes no further',
  (text) => {
    const room = new Room(source, listener)
    say(room, text)
    expect(used(room)).toEqual([text])
    room.rib.setOwnPods(pods(OWN))
    settle(room.rib)
    expect(used(room)).toEqual([])
    expect(room.rows(true)).toMatchObject([{ prefix: text, reason: 'it is inside a pod CIDR of this node' }])
    expect(room.heard(listener).routes.size).toBe(0)
    room.rib.setOwnPods(pods([]))
    settle(room.rib)
    expect([...room.heard(listener).routes.keys()]).toEqual([text])
  },
)

test.each(['10.244.0.0/16', '10.244.2.0/24', '10.244.0.0/23', '0.0.0.0/0', 'fd00:244::/48', 'fd00:244:2::7/128'])(
  '%s is a route as any other',
  (text) => {
    const room = new Room(source)
    room.rib.setOwnPods(pods(OWN))
    say(room, text)
    expect(used(room)).toEqual([text])
  },
)

test('an address that was lent to another node is reached there, and is ours again afterwards', () => {
  const room = new Room(source)
  room.rib.setOwnPods(pods(OWN, ['10.244.1.7/32']))
  say(room, '10.244.1.7/32')
  say(room, '10.244.1.8/32')
  expect(used(room)).toEqual(['10.244.1.7/32'])
  room.rib.setOwnPods(pods(OWN))
  settle(room.rib)
  expect(used(room)).toEqual([])
})

test('where this node advertises its pod CIDR no more, another route of the same prefix is no way either', () => {
  const room = new Room(source)
  room.rib.setOwnPods(pods(OWN))
  room.rib.originate([originatedRoute('10.244.1.0/24')], 0)
  say(room, '10.244.1.0/24')
  room.rib.withdraw([prefix('10.244.1.0/24')])
  settle(room.rib)
  expect(used(room)).toEqual([])
})

test('the most specific pod CIDR around a route says whose it is; of equal ones our own', () => {
  const own = ['10.0.0.0/8', '10.1.2.0/24', '10.3.0.0/16', '::/3', '2001:db8:1:2::/63'].map(prefix)
  const lent = ['10.1.0.0/16', '10.1.2.3/32', '10.3.0.0/16', '2001:db8:1::/48', '2001:db8:1:2::/64'].map(prefix)
  for (const { bytes, family } of [...own, ...lent, prefix('11.0.0.0/8'), prefix('10.1.2.255/32')]) {
    const asked = new OwnPods(family)
    asked.set(own, lent)
    for (let length = 0; length <= bytes.length * 8; length++) {
      const one = makePrefix(bytes, length)
      const around = [own, lent].map((all) =>
        Math.max(-1, ...all.flatMap((outer) => (contains(outer, one) ? outer.length : []))),
      )
      const expected = (around[0] as number) >= 0 && (around[0] as number) >= (around[1] as number)
      // As in NLRI: no more octets than the length needs, behind others.
      const octets = Uint8Array.of(length, ...one.bytes.subarray(0, (length + 7) >> 3), 0xff, 0xff)
      expect([one.text, asked.has(octets, 1, length)]).toEqual([one.text, expected])
    }
  }
})
