/** What the RIB says does not outlive what it was said for: by an answer kept, a sweep that is over, or a group's log. */
import { expect, test } from 'vitest'
import { addressBytes } from '../../../src/base/address.ts'
import { ACCEPT_ALL, REJECT_ALL } from '../../../src/bgp/policy/defaults.ts'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { encodeEndOfRib } from '../../../src/bgp/wire/update-encode.ts'
import { announcement, attributes, Listener, neighbor, path, settle, withdrawal } from '../../support/rib.ts'

const [X, Y, Z] = ['10.0.0.0/8', '11.0.0.0/8', '12.0.0.0/8']
const [a, b, c] = [neighbor(1), neighbor(2), neighbor(3)]

const receive = (rib: Rib, peer: RibPeer, update: Uint8Array) => rib.receive(peer.name, update, 0, update.length, 0)
const announce = (rib: Rib, peer: RibPeer, text: string, over: Partial<PathAttributes> = {}, via = '192.0.2.99') =>
  receive(rib, peer, announcement([text], attributes({ ...path(peer.remoteAs), ...over }), via))

function ribWith(...peers: readonly RibPeer[]): Rib {
  const rib = new Rib()
  for (const peer of peers) rib.addPeer(peer)
  settle(rib)
  return rib
}

test('a policy that changed while there was nothing to judge does not swallow the next one', () => {
  const rib = ribWith(a)
  rib.setPeer({ ...a, importPolicy: { ...ACCEPT_ALL, name: 'another' } })
  settle(rib)
  announce(rib, a, X)
  settle(rib)
  rib.setPeer({ ...a, importPolicy: REJECT_ALL })
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').accepted).toBe(0)
})

test('who comes is told what was pending for a neighbor that left unread', () => {
  const rib = ribWith(a, b)
  announce(rib, a, X)
  settle(rib)
  rib.removePeer(b.name)
  settle(rib)
  rib.addPeer(c)
  settle(rib)
  expect([...new Listener(c).drain(rib, c.name).routes.keys()]).toEqual([X])
})

test('who returns in the very turn in which it left, unread, is told all', () => {
  const rib = ribWith(a, b)
  announce(rib, a, X)
  settle(rib)
  rib.removePeer(b.name)
  rib.addPeer(b)
  announce(rib, a, Y)
  settle(rib)
  expect([...new Listener(b).drain(rib, b.name).routes.keys()].sort()).toEqual([X, Y])
})

test('an answer kept for a run of routes is not given for a next hop that has got the same number', () => {
  const internal = neighbor(5, { peerType: 'internal' })
  const rib = ribWith(a, internal)
  // The attributes live on with Y; the last answer is that for X.
  announce(rib, a, Y, { med: 1 }, '192.0.2.90')
  announce(rib, a, X, { med: 1 }, '192.0.2.91')
  settle(rib)
  // Z is decided before X is, so the block of X is still there; its next hop is not.
  announce(rib, a, Z, { med: 2 }, '192.0.2.92')
  receive(rib, a, withdrawal([X]))
  announce(rib, a, Z, { med: 1 }, '192.0.2.93')
  settle(rib)
  expect(new Listener(internal).drain(rib, internal.name).routes.get(Z)).toContain('via 192.0.2.93 ')
})

test('the routes of a neighbor that becomes a client of our cluster go to those that are none', () => {
  const reflection = (client: boolean) => ({ peerType: 'internal', reflection: { clusterId: 1, client } }) as const
  const [source, other] = [neighbor(5, reflection(false)), neighbor(6, reflection(false))]
  const rib = ribWith(source, other)
  const listener = new Listener(other)
  announce(rib, source, X, { asPath: [], localPref: 100 })
  settle(rib)
  expect([...listener.drain(rib, other.name).routes.keys()]).toEqual([])
  rib.setPeer({ ...source, ...reflection(true) })
  settle(rib)
  expect([...listener.drain(rib, other.name).routes.keys()]).toEqual([X])
  rib.setPeer(source)
  settle(rib)
  expect([...listener.drain(rib, other.name).routes.keys()]).toEqual([])
})

test('the oldest path is given up when it is no longer preferred', () => {
  const rib = ribWith(a, b)
  const settings = { paths: 1, relax: false, preferOldest: true }
  rib.setDecision(settings)
  announce(rib, b, X)
  settle(rib)
  announce(rib, a, X)
  settle(rib)
  expect(rib.counts(b.name, 'ipv4').preferred).toBe(1)
  rib.setDecision({ ...settings, preferOldest: false })
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').preferred).toBe(1)
})

test('a next hop that becomes our own address is used no more, and is again when the address has gone', () => {
  const rib = ribWith(a)
  announce(rib, a, X, {}, '192.0.2.77')
  settle(rib)
  const other = neighbor(2, { nextHops: { ipv4: addressBytes('192.0.2.77') } })
  rib.addPeer(other)
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').accepted).toBe(0)
  rib.setPeer({ ...other, nextHops: { ipv4: addressBytes('192.0.2.78') } })
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').accepted).toBe(1)
  rib.setPeer(other)
  rib.removePeer(other.name)
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').accepted).toBe(1)
})

/** The routes of `a` are long-lived stale; `b` has a longer path to X. */
function longLived(): { readonly rib: Rib; readonly told: () => string | undefined } {
  const rib = ribWith(a, b, c)
  const listener = new Listener(c)
  announce(rib, a, X)
  announce(rib, b, X, path(b.remoteAs, 70_000))
  rib.losePeer(a.name, ['ipv4', 'ipv6'])
  rib.beginLongLived(a.name, ['ipv4'])
  settle(rib)
  return { rib, told: () => listener.drain(rib, c.name).routes.get(X) }
}
const THROUGH_A = `"asns":[65000,${a.remoteAs}]`
const THROUGH_B = `"asns":[65000,${b.remoteAs},70000]`

test('a long-lived stale route that comes again just behind End-of-RIB is like any other', () => {
  const { rib, told } = longLived()
  expect(told()).toContain(THROUGH_B)
  rib.addPeer(a, ['ipv4'])
  receive(rib, a, encodeEndOfRib('ipv4'))
  announce(rib, a, X)
  settle(rib)
  expect(told()).toContain(THROUGH_A)
  receive(rib, b, withdrawal([X]))
  settle(rib)
  expect(told()).toContain('"communities":[]')
})

test('where all next hops are reached over BGP routes, a long-lived stale route says that it is stale', () => {
  const { rib } = longLived()
  rib.trackForKernel()
  rib.resolveNextHops(() => ({ reach: 'learned', metric: 0 }), 'all')
  settle(rib)
  const rows = rib.page({}, undefined, 9).rows.map(({ peer, reason }) => [peer, reason])
  expect(rows).toEqual([
    [b.name, 'only path'],
    [a.name, 'long-lived stale, unlike another path'],
  ])
})

test('a long-lived stale route is the last choice until it is removed, though its policy changes meanwhile', () => {
  const { rib, told } = longLived()
  // So that the policy is asked again before routes are removed.
  for (let number = 1; number < 200; number++) announce(rib, b, `13.${number}.0.0/16`)
  settle(rib)
  told()
  rib.addPeer(a, ['ipv4'])
  rib.setPeer({ ...a, importPolicy: { ...ACCEPT_ALL, name: 'another' } })
  receive(rib, a, encodeEndOfRib('ipv4'))
  while (rib.busy) {
    rib.advance(1, 0)
    expect(told()).toContain(THROUGH_B)
  }
})

test('routes that a neighbor left behind under a wider limit do not count against a narrower one when it is back', () => {
  const wide = { ...a, maxPrefixes: { ipv4: 50 } }
  const narrow = { ...a, maxPrefixes: { ipv4: 3 } }
  const rib = ribWith(wide, b)
  const say = (count: number) =>
    Array.from({ length: count }, (_, index) => announce(rib, a, `20.${index}.0.0/16`).tooMany).at(-1)
  expect(say(40)).toBeUndefined()
  rib.losePeer(a.name, ['ipv4'])
  rib.addPeer(narrow, ['ipv4'])
  expect(say(3)).toBeUndefined()
  receive(rib, a, encodeEndOfRib('ipv4'))
  expect(announce(rib, a, '20.0.0.0/16', { med: 1 }).tooMany).toBeUndefined()
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').received).toBe(3)
  expect(say(4)).toBe('ipv4')
  // Nor does it open the way to more than that limit, however often a refresh begins.
  rib.removePeer(a.name)
  rib.addPeer(narrow)
  const begun = [1, 2, 3].map((round) => {
    rib.beginRefresh(a.name, 'ipv4', 0)
    return [0, 1, 2].map((index) => announce(rib, a, `21.${round}.${index}.0/24`).tooMany).at(-1)
  })
  expect(begun).toEqual([undefined, undefined, 'ipv4'])
})

test('a wider limit of before holds for what was taken under it, and as long as some of that is left', () => {
  const narrow = { ...a, maxPrefixes: { ipv4: 3 } }
  const rib = ribWith({ ...a, maxPrefixes: { ipv4: 50 } }, b)
  const say = (second: number, count: number) =>
    Array.from({ length: count }, (_, index) => announce(rib, a, `20.${second}.${index}.0/24`).tooMany).at(-1)
  say(0, 40)
  rib.losePeer(a.name, ['ipv4'])
  rib.beginLongLived(a.name, ['ipv4'])
  for (let session = 1; session <= 3; session++) {
    rib.addPeer(narrow, ['ipv4'])
    expect([session, say(0, 2)]).toEqual([session, undefined])
    if (session < 3) rib.losePeer(a.name, ['ipv4'])
  }
  receive(rib, a, encodeEndOfRib('ipv4'))
  settle(rib)
  expect(rib.counts(a.name, 'ipv4').received).toBe(2)
  const begun = [1, 2].map((round) => {
    rib.beginRefresh(a.name, 'ipv4', 0)
    return say(round, 3)
  })
  expect(begun).toEqual([undefined, 'ipv4'])
})
