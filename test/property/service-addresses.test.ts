/** Learned routes to addresses of services, in whatever order they come. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { within } from '../../src/bgp/policy/prefix-set.ts'
import type { RibPeer } from '../../src/bgp/rib/types.ts'
import { neighbor, prefix, settle } from '../support/rib.ts'
import { Room } from '../support/rib-rooms.ts'

const LINK = ['192.0.2.0/24', '2001:db8::/64'].map(prefix)

test('whatever came first, what is told in the end is what a fresh RIB tells', () => {
  const texts = ['203.0.113.0/24', '203.0.113.7/32', '198.51.100.7/32', '198.51.100.0/24']
  const sources = [neighbor(1, { peerType: 'internal' }), neighbor(2)]
  const listeners = [neighbor(3, { link: LINK }), neighbor(4)]
  const route = fc.record({
    kind: fc.constant('say' as const),
    from: fc.nat(1),
    text: fc.constantFrom(...texts),
    hop: fc.constantFrom('192.0.2.98', '10.9.9.9'),
  })
  const step = fc.oneof(
    route,
    fc.record({ kind: fc.constant('unsay' as const), from: fc.nat(1), text: fc.constantFrom(...texts) }),
    fc.record({ kind: fc.constant('ranges' as const), some: fc.subarray(texts.slice(0, 1)) }),
    fc.record({ kind: fc.constant('served' as const), text: fc.constantFrom(...texts.slice(1, 3)), is: fc.boolean() }),
    fc.record({ kind: fc.constant('link' as const), is: fc.boolean() }),
  )
  const property = fc.property(fc.array(step, { maxLength: 25 }), (history) => {
    const rooms = new Room()
    for (const peer of [...sources, ...listeners]) rooms.join(peer)
    const said = new Map<string, { from: number; text: string; hop: string }>()
    const served = new Set<string>()
    let ranges: string[] = []
    let second = listeners[1] as RibPeer
    for (const one of history) {
      if (one.kind === 'say') {
        said.set(`${one.from} ${one.text}`, one)
        speak(rooms, one)
      } else if (one.kind === 'unsay') {
        if (said.delete(`${one.from} ${one.text}`)) rooms.unsay(sources[one.from] as RibPeer, [one.text])
      } else if (one.kind === 'ranges') {
        ranges = one.some
        rooms.rib.setServiceRanges(ranges.map((text) => within(prefix(text))))
      } else if (one.kind === 'served') {
        if (one.is === served.has(one.text)) continue
        rooms.rib.setServiceAddresses(one.is ? [prefix(one.text)] : [], one.is ? [] : [prefix(one.text)])
        if (one.is) served.add(one.text)
        else served.delete(one.text)
      } else {
        second = neighbor(4, one.is ? { link: LINK } : {})
        rooms.rib.setPeer(second)
      }
      settle(rooms.rib)
    }
    const fresh = new Room()
    fresh.rib.setServiceRanges(ranges.map((text) => within(prefix(text))))
    fresh.rib.setServiceAddresses([...served].map(prefix), [])
    for (const peer of [...sources, listeners[0] as RibPeer, second]) fresh.join(peer)
    for (const one of said.values()) speak(fresh, one)
    for (const peer of listeners) expect(rooms.heard(peer).routes).toEqual(fresh.heard(peer).routes)
  })
  const speak = (rooms: Room, { from, text, hop: via }: { from: number; text: string; hop: string }) => {
    const source = sources[from] as RibPeer
    rooms.say(source, [text], from === 0 ? {} : { asPath: [{ kind: 'sequence', asns: [source.remoteAs] }] }, via)
  }
  fc.assert(property, { numRuns: 300 })
})
