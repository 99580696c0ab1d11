/** Equal paths (RFC 4271 §9.1.2.2, steps a to e), next hops, and RFC 5004. Numbers in brackets: what implementers get wrong. */
import { describe, expect, test, vi } from 'vitest'
import { formatAddress } from '../../../src/base/address.ts'
import { Decision, type DecisionSettings } from '../../../src/bgp/rib/decide.ts'
import type { Reachability, RibPeer } from '../../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { context } from '../../support/messages.ts'
import { neighbor, originatedRoute, path, settle, withdrawal } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const X = '10.0.0.0/8'
const twin = (number: number) => neighbor(number, { remoteAs: 65_100 })
const [a, b, c] = [twin(1), twin(2), twin(3)]
const internal = neighbor(7, { peerType: 'internal' })
const hopOf = (number: number) => `192.0.2.${50 + number}`

function room(over: Partial<DecisionSettings> = {}): Room {
  const made = new Room(a, b, c, internal)
  made.rib.setDecision({ paths: 4, relax: false, preferOldest: false, ...over })
  return made
}

/** The next hops of the best route, its own first. */
const via = (made: Room): readonly string[] =>
  made.rows().flatMap(({ best, nextHops, alsoVia = [] }) => (best ? [...nextHops, ...alsoVia.flat()] : []))

describe('sharing', () => {
  test('[66] equal paths of one AS share, whoever came first', () => {
    for (const order of [
      [a, b, c],
      [c, b, a],
    ]) {
      const made = room()
      for (const peer of order) made.say(peer, [X], path(65_100, 7), hopOf(Number(peer.name.slice(-1))))
      expect(via(made)).toEqual(['192.0.2.51', '192.0.2.52', '192.0.2.53'])
      expect(made.rows()[1]?.reason).toMatch(/lower router ID; it shares the traffic$/)
    }
  })

  test.each<[string, Partial<PathAttributes>, boolean, boolean]>([
    ['the same', path(65_100, 7), true, true],
    ['another AS path of the same length', path(65_100, 8), false, true],
    ['a longer AS path', path(65_100, 7, 7), false, false],
    ['a worse MED from the same AS', { ...path(65_100, 7), med: 9 }, false, false],
    ['a worse origin', { ...path(65_100, 7), origin: 'Incomplete' }, false, false],
  ])('[66] a path with %s', (_, carried, strict, relaxed) => {
    for (const [relax, shares] of [
      [false, strict],
      [true, relaxed],
    ] as const) {
      const made = room({ relax })
      made.say(a, [X], path(65_100, 7), hopOf(1))
      made.say(b, [X], carried, hopOf(2))
      expect(via(made)).toHaveLength(shares ? 2 : 1)
    }
  })

  test('reflected ones where this node reflects with itself as next hop: only with CLUSTER_LISTs of one length', () => {
    const [near, far] = [5, 6].map((number) => neighbor(number, { peerType: 'internal' })) as [RibPeer, RibPeer]
    for (const sameClusterLength of [false, true]) {
      const made = room({ sameClusterLength })
      for (const peer of [near, far]) made.join(peer)
      made.say(near, [X], { ...path(), originatorId: near.remoteRouterId, clusterList: [1] as never }, hopOf(5))
      made.say(far, [X], { ...path(), originatorId: far.remoteRouterId, clusterList: [2] as never }, hopOf(6))
      expect(via(made)).toEqual([hopOf(5), hopOf(6)])
      made.say(far, [X], { ...path(), originatorId: far.remoteRouterId, clusterList: [3, 4] as never }, hopOf(6))
      expect(via(made)).toEqual(sameClusterLength ? [hopOf(5)] : [hopOf(5), hopOf(6)])
    }
  })

  test('no more than so many, the best ones', () => {
    const made = room({ paths: 2 })
    for (const [index, peer] of [c, b, a].entries()) made.say(peer, [X], path(65_100), hopOf(3 - index))
    expect(via(made)).toEqual(['192.0.2.51', '192.0.2.52'])
    made.rib.setDecision({ paths: 1, relax: false, preferOldest: false })
    settle(made.rib)
    expect(via(made)).toEqual(['192.0.2.51'])
  })

  test('many paths by few next hops are looked at a few times each, not once for each other', () => {
    let looks = 0
    const { sharing } = Decision.prototype
    vi.spyOn(Decision.prototype, 'sharing').mockImplementation(function (this: Decision, ...args) {
      const before = this.looks
      const shared = sharing.apply(this, args)
      looks = this.looks - before
      return shared
    })
    const many = neighbor(1, { remoteAs: 65_100, receive: context('external', { addPath: ['ipv4'] }) })
    const made = new Room(many)
    made.rib.setDecision({ paths: 4, relax: false, preferOldest: false })
    const count = 200
    for (let id = 1; id <= count; id++) made.say(many, [X], path(65_100), hopOf(id % 2), id)
    expect(via(made)).toHaveLength(2)
    expect(looks).toBeGreaterThan(count)
    expect(looks).toBeLessThan(20 * count)
    vi.restoreAllMocks()
  })

  test('two paths by one next hop are one way', () => {
    const made = room()
    for (const peer of [a, b]) made.say(peer, [X], path(65_100), hopOf(1))
    expect(via(made)).toEqual(['192.0.2.51'])
  })

  test('[27] one link-local next hop on two links is two ways', () => {
    const made = room()
    const over = (peer: RibPeer, name: string) => ({ ...peer, remoteAddress: `fe80::1%${name}` })
    const ends = [over(a, 'eth0'), over(b, 'eth1')]
    made.rib.removePeer(a.name)
    made.rib.removePeer(b.name)
    for (const peer of ends) made.rib.addPeer(peer)
    for (const peer of ends) made.say(peer, ['fd00::/16'], path(65_100), 'fe80::1')
    expect(via(made)).toEqual(['fe80::1%eth0', 'fe80::1%eth1'])
  })

  test('[66] only the best is told; who joins or leaves the others changes nothing that was told', () => {
    const made = room()
    made.say(a, [X], path(65_100), hopOf(1))
    const before = made.heard(internal).messages
    expect(made.heard(internal).routes.get(X)).toMatch(/^via 192.0.2.51 /)
    made.say(b, [X], path(65_100), hopOf(2))
    made.say(c, [X], path(65_100), hopOf(3))
    made.unsay(b, [X])
    expect(via(made)).toEqual(['192.0.2.51', '192.0.2.53'])
    expect(made.heard(internal).messages).toBe(before)
  })

  test('our own route shares with nobody', () => {
    const made = room({ relax: true })
    made.rib.originate([originatedRoute(X)], 0)
    made.say(a, [X], path(65_100), hopOf(1))
    expect(made.rows().map(({ alsoVia }) => alsoVia)).toEqual([undefined, undefined])
  })
})

describe('who follows', () => {
  /** What there is to be written, as next hops: the best route's own first. */
  const news = (made: Room) =>
    made.rib
      .takeBest(9)
      .map(({ learned }) => learned && [learned, ...learned.others].map(({ nextHop }) => formatAddress(nextHop)))
  const said = (made: Room, ...peers: readonly RibPeer[]) => {
    for (const peer of peers) made.say(peer, [X], path(65_100), hopOf(Number(peer.name.slice(-1))))
  }
  /** A and B share, and that has been taken. */
  function following(): Room {
    const made = room()
    made.rib.trackForKernel()
    said(made, a, b)
    news(made)
    return made
  }
  const reach = (made: Room, ...lost: readonly number[]) => {
    const judge = (nextHop: Uint8Array) => ({
      reach: lost.includes(nextHop.at(-1) ?? 0) ? ('none' as const) : ('direct' as const),
      metric: 0,
    })
    made.rib.resolveNextHops(judge, 'all')
    settle(made.rib)
  }
  const setPaths = (made: Room, paths: number) => {
    made.rib.setDecision({ paths, relax: false, preferOldest: false })
    settle(made.rib)
  }

  test('hears of all next hops in one order, whoever came first', () => {
    for (const order of [
      [a, b, c],
      [c, b, a],
      [b, c, a],
    ]) {
      const made = room()
      made.rib.trackForKernel()
      said(made, ...order)
      expect(news(made)).toEqual([['192.0.2.51', '192.0.2.52', '192.0.2.53']])
    }
  })

  test.each<[string, (made: Room) => void, readonly number[]]>([
    ['joins', (made) => said(made, c), [51, 52, 53]],
    ['leaves', (made) => made.unsay(b, [X]), [51]],
    ['is gone with its session', (made) => made.leave(b), [51]],
    ['goes another way', (made) => made.say(b, [X], path(65_100), '192.0.2.60'), [51, 60]],
    ['gets a longer path', (made) => made.say(b, [X], path(65_100, 7), hopOf(2)), [51]],
    ['has a next hop that is lost', (made) => reach(made, 52), [51]],
    ['is one too many', (made) => setPaths(made, 1), [51]],
  ])('hears that one %s; the best stays, and neighbors are told nothing', (_, happens, expected) => {
    const made = following()
    const before = made.heard(internal).messages
    happens(made)
    expect(news(made)).toEqual([expected.map((last) => `192.0.2.${last}`)])
    expect(made.heard(internal).messages).toBe(before)
  })

  test('hears that a next hop is there again', () => {
    const made = following()
    reach(made, 52)
    news(made)
    reach(made)
    expect(news(made)).toEqual([['192.0.2.51', '192.0.2.52']])
  })

  test('hears that the best is lost when it is known who comes after it, not before', () => {
    const made = room()
    made.rib.trackForKernel()
    said(made, a, b)
    const gone = withdrawal([X])
    made.rib.receive(a.name, gone, 0, gone.length, 0)
    expect(news(made)).toEqual([])
    settle(made.rib)
    expect(news(made)).toEqual([['192.0.2.52']])
    made.unsay(b, [X])
    expect(news(made)).toEqual([undefined])
  })
})

describe('where next hops lead', () => {
  /** A kernel that knows some next hops by their last octet, with metrics. */
  const kernel =
    (known: Readonly<Record<number, number>>) =>
    (nextHop: Uint8Array): Reachability => {
      const metric = known[nextHop.at(-1) ?? 0]
      return { reach: metric === undefined ? ('none' as const) : ('direct' as const), metric: metric ?? 0 }
    }

  function withKernel(known: Readonly<Record<number, number>>): Room {
    const made = room()
    made.rib.trackForKernel()
    for (const [index, peer] of [a, b].entries()) made.say(peer, [X], path(65_100), hopOf(index + 1))
    made.rib.resolveNextHops(kernel(known), 'all')
    settle(made.rib)
    return made
  }

  test('[58] a route without a way to its next hop is not used, and says so (RFC 4271 §9.1.2)', () => {
    const made = withKernel({ 52: 0 })
    expect(via(made)).toEqual(['192.0.2.52'])
    expect(made.rows().find(({ best }) => !best)?.reason).toBe('next hop unreachable')
  })

  test('a path over a BGP route is used where there is no other, and yields to one that needs none, however good it is', () => {
    const made = room()
    made.rib.trackForKernel()
    made.say(a, [X], path(65_100), hopOf(1))
    made.say(b, [X], path(65_100, 7, 7), hopOf(2))
    const judge = (direct: readonly number[]) => {
      const ask = (nextHop: Uint8Array): Reachability => {
        return { reach: direct.includes(nextHop.at(-1) ?? 0) ? 'direct' : 'learned', metric: 0 }
      }
      made.rib.resolveNextHops(ask, 'all')
      settle(made.rib)
    }
    judge([52])
    expect(via(made)).toEqual(['192.0.2.52'])
    expect(made.rows().find(({ best }) => !best)?.reason).toBe(
      'next hop reached only by a BGP route, unlike that of another path',
    )
    judge([])
    expect(via(made)).toEqual(['192.0.2.51'])
    judge([51, 52])
    expect(via(made)).toEqual(['192.0.2.51'])
  })

  test('[63] the nearer next hop wins, alone; equal ones share', () => {
    expect(via(withKernel({ 51: 20, 52: 10 }))).toEqual(['192.0.2.52'])
    expect(via(withKernel({ 51: 10, 52: 10 }))).toEqual(['192.0.2.51', '192.0.2.52'])
  })

  test('a link-local next hop is none for a neighbor whose link cannot be used, by its global address or not at all', () => {
    const made = room()
    made.rib.trackForKernel()
    const both = (last: number) => `2001:db8::${last} fe80::${last}`
    const Y = '2001:db8:9::/48'
    made.say(a, [Y], path(65_100), both(51))
    made.say(b, [Y], path(65_100, 7), both(52))
    const judge = (withoutLink: Pick<Reachability, 'reach' | 'metric'>) => {
      made.rib.resolveNextHops(() => ({ reach: 'direct', metric: 0, withoutLink }), 'all')
      settle(made.rib)
    }
    const best = () => made.rows().find((row) => row.best)?.peer
    judge({ reach: 'none', metric: 0 })
    expect(best()).toBe(a.name)
    made.rib.setPeer({ ...a, lacksLink: true })
    settle(made.rib)
    expect(best()).toBe(b.name)
    expect(made.rows().find((row) => !row.best)?.reason).toBe('next hop unreachable')
    judge({ reach: 'direct', metric: 9 })
    expect(best()).toBe(a.name)
    judge({ reach: 'learned', metric: 1 })
    expect(best()).toBe(b.name)
    made.rib.setPeer(a)
    settle(made.rib)
    expect(best()).toBe(a.name)
  })

  test('a next hop that is lost takes its routes along, and brings them back', () => {
    const made = withKernel({ 51: 0, 52: 0 })
    expect(made.heard(internal).routes.get(X)).toMatch(/^via 192.0.2.51 /)
    made.rib.resolveNextHops(kernel({}), 'all')
    settle(made.rib)
    expect(made.heard(internal).routes.size).toBe(0)
    made.rib.resolveNextHops(kernel({ 51: 0 }), 'all')
    settle(made.rib)
    expect(made.heard(internal).routes.get(X)).toMatch(/^via 192.0.2.51 /)
  })
})

describe('the oldest path (RFC 5004)', () => {
  const best = (made: Room) => made.rows()[0]?.peer

  test('[62] is off unless asked for: the order of arrival does not count', () => {
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      const made = room()
      for (const peer of order) made.say(peer, [X], path(65_100), hopOf(1))
      expect(best(made)).toBe(a.name)
    }
  })

  test('[62] where it is on, the best stays against one that is as good but for its router', () => {
    const made = room({ preferOldest: true })
    made.say(b, [X], path(65_100), hopOf(2))
    made.say(a, [X], path(65_100), hopOf(1))
    expect(best(made)).toBe(b.name)
    expect(made.rows()[0]?.reason).toMatch(/older, and was the best$/)
    made.say(c, [X], { ...path(65_100), origin: 'EGP' }, hopOf(3))
    expect(best(made)).toBe(b.name)
    made.unsay(b, [X])
    expect(best(made)).toBe(a.name)
  })

  test('a better one still wins', () => {
    const made = room({ preferOldest: true })
    made.say(b, [X], path(65_100, 7), hopOf(2))
    made.say(a, [X], path(65_100), hopOf(1))
    expect(best(made)).toBe(a.name)
  })
})
