/** Which path wins (RFC 4271 §9.1.2.2, RFC 4456 §9). Numbers in brackets: what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { neighbor, path } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const X = '10.0.0.0/8'
type Said = readonly [RibPeer, Partial<PathAttributes>]

/** Who wins, and why, after these have spoken in this order. */
function winner(...said: readonly Said[]): string {
  const room = new Room(...said.map(([peer]) => peer))
  for (const [peer, carried] of said) room.say(peer, [X], carried)
  const best = room.rows().find((row) => row.best)
  return `${best?.peer}: ${best?.reason}`
}

function* ordersOf<T>(items: readonly T[]): Iterable<readonly T[]> {
  if (items.length < 2) yield items
  for (const [index, item] of items.entries()) {
    for (const rest of ordersOf(items.toSpliced(index, 1))) yield [item, ...rest]
  }
}

describe('[61] MED removes within a neighbor AS, before anything is weighed between two (RFC 4271 §9.1.2.2)', () => {
  const [a, b, c] = [
    neighbor(1, { remoteAs: 65_100 }),
    neighbor(2, { remoteAs: 65_200 }),
    neighbor(3, { remoteAs: 65_100 }),
  ]
  // In pairs each beats the next: a over b and b over c by router ID, c over a by MED.
  const circle: readonly Said[] = [
    [a, { ...path(65_100), med: 20 }],
    [b, { ...path(65_200), med: 50 }],
    [c, { ...path(65_100), med: 10 }],
  ]

  test.each([...ordersOf(circle)].map((order) => [order.map(([{ name }]) => name).join(' '), order] as const))(
    'in the order %s',
    (_, order) => {
      expect(winner(...order)).toBe('peer-2: won at step 9, lower router ID')
    },
  )

  test('what removed a path goes: the path is in the race again', () => {
    const room = new Room(a, b, c)
    for (const [peer, carried] of circle) room.say(peer, [X], carried)
    expect(room.rows()[0]?.peer).toBe(b.name)
    room.unsay(c, [X])
    expect(room.rows()[0]?.peer).toBe(a.name)
  })

  test('one that an import rule removes is removed before that, and goes no further (RFC 4271 §5.1.4)', () => {
    const operations = [{ kind: 'set-med', value: undefined }] as const
    const remove = { name: 'no MED', match: {}, action: 'accept', operations } as const
    const importPolicy = { name: 'lab', rules: [remove], otherwise: 'reject', otherwiseReason: '' } as const
    const [bare, worse] = [
      neighbor(1, { remoteAs: 65_100, importPolicy }),
      neighbor(3, { remoteAs: 65_100, importPolicy }),
    ]
    const room = new Room(bare, worse)
    room.say(bare, [X], { ...path(65_100), med: 20 })
    room.say(worse, [X], { ...path(65_100), med: 10 })
    const [best] = room.rows()
    expect([best?.peer, best?.reason, best?.attributes.med]).toEqual([
      bare.name,
      'won at step 9, lower router ID',
      undefined,
    ])
  })

  test('[60] a MED that is missing is the lowest', () => {
    expect(winner([a, { ...path(65_100), med: 1 }], [c, path(65_100)])).toBe('peer-3: won at step 5, lower MED')
  })
})

const inside = (number: number) => neighbor(number, { peerType: 'internal' })
const [one, two] = [inside(1), inside(2)]
const carried = { ...path(7), localPref: 100 }

test('[63] what came from outside wins over what came from inside', () => {
  const outside = neighbor(9)
  const said: Said[] = [
    [one, { ...path(7), localPref: 100 }],
    [outside, path(outside.remoteAs)],
  ]
  for (const order of ordersOf(said)) expect(winner(...order)).toBe('peer-9: won at step 6, external over internal')
})

describe('[64] the last steps', () => {
  test.each<[string, Partial<PathAttributes>, Partial<PathAttributes>, string]>([
    ['the router ID, where nobody reflected', {}, {}, 'peer-1: won at step 9, lower router ID'],
    [
      'ORIGINATOR_ID in its place',
      { originatorId: 99 },
      { originatorId: 98 },
      'peer-2: won at step 9, lower router ID',
    ],
    [
      'ORIGINATOR_ID against a router ID',
      {},
      { originatorId: one.remoteRouterId - 1 },
      'peer-2: won at step 9, lower router ID',
    ],
    [
      'the shorter cluster list',
      { originatorId: 99, clusterList: [1, 2] },
      { originatorId: 99, clusterList: [3] },
      'peer-2: won at step 10, shorter cluster list',
    ],
    [
      'the lower address',
      { originatorId: 99, clusterList: [1] },
      { originatorId: 99, clusterList: [3] },
      'peer-1: won at step 11, lower neighbor address',
    ],
  ])('%s', (_, first, second, expected) => {
    const said: Said[] = [
      [one, { ...carried, ...first }],
      [two, { ...carried, ...second }],
    ]
    for (const order of ordersOf(said)) expect(winner(...order)).toBe(expected)
  })
})

describe('the path that was the best is preferred (RFC 5004)', () => {
  const settings = { paths: 1, relax: false, preferOldest: true }
  const [low, high] = [neighbor(1), neighbor(2, { remoteAs: neighbor(1).remoteAs })]

  /** Who wins where the path of `later` comes behind that of `earlier`, which is otherwise as good. */
  function best(earlier: RibPeer, later: RibPeer): string | undefined {
    const room = new Room(earlier, later)
    room.rib.setDecision(settings)
    for (const peer of [earlier, later]) room.say(peer, [X], path(peer.remoteAs))
    return room.rows().find((row) => row.best)?.peer
  }

  test('over one of another router with a lower router ID', () => {
    expect(best(high, low)).toBe(high.name)
  })

  test('not over a parallel session of the same router: the lower address decides', () => {
    const parallel = { ...high, remoteRouterId: low.remoteRouterId }
    expect(best(parallel, low)).toBe(low.name)
    expect(best(low, parallel)).toBe(low.name)
  })
})

test('a neighbor that is back with another address is weighed by this address, though its routes were kept', () => {
  const [low, high] = [
    neighbor(1),
    neighbor(2, { remoteAs: neighbor(1).remoteAs, remoteRouterId: neighbor(1).remoteRouterId }),
  ]
  const room = new Room(low, high)
  for (const peer of [low, high]) room.say(peer, [X], path(peer.remoteAs))
  const best = (): string | undefined => room.rows().find((row) => row.best)?.peer
  expect(best()).toBe(low.name)
  room.rib.losePeer(low.name, ['ipv4'])
  const back = { ...low, remoteAddress: '192.0.2.99' }
  room.rib.addPeer(back, ['ipv4'])
  room.say(back, [X], path(back.remoteAs))
  expect(best()).toBe(high.name)
})
