/** The RIB at its door. Numbers in brackets: reference list of what implementers get wrong. */

import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../../src/base/address.ts'
import { ACCEPT_ALL, REJECT_ALL } from '../../../src/bgp/policy/defaults.ts'
import type { Policy, Rule } from '../../../src/bgp/policy/rule.ts'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { countAll } from '../../support/count.ts'
import { longTest } from '../../support/long.ts'
import { context } from '../../support/messages.ts'
import {
  announcement,
  attributes,
  Listener,
  neighbor,
  OUR_V4,
  OUR_V6,
  originatedRoute,
  path,
  prefix,
  describe as route,
  settle,
  withdrawal,
} from '../../support/rib.ts'

function send(rib: Rib, peer: RibPeer, update: Uint8Array) {
  const result = rib.receive(peer.name, update, 0, update.length, 0)
  settle(rib)
  return result
}

const announce = (
  rib: Rib,
  peer: RibPeer,
  texts: readonly string[],
  over: Partial<PathAttributes>,
  nextHop = '192.0.2.99',
) => send(rib, peer, announcement(texts, attributes(over), nextHop))

function ribWith(...peers: readonly RibPeer[]): Rib {
  const rib = new Rib()
  for (const peer of peers) rib.addPeer(peer)
  settle(rib)
  return rib
}

const heard = (rib: Rib, peer: RibPeer): Map<string, string> => new Listener(peer).drain(rib, peer.name).routes

const [a, b] = [neighbor(1), neighbor(2)]
const internal = neighbor(5, { peerType: 'internal' })
const internal2 = neighbor(6, { peerType: 'internal' })
const X = '10.0.0.0/8'
const learned = { ...path(a.remoteAs, 7), med: 5, communities: [[65000, 9]] } as const

describe('what goes to whom', () => {
  test.each<[string, RibPeer, RibPeer, Partial<PathAttributes>, string | undefined]>([
    [
      '[52] external to external: our AS in front, next hop self, no MED (RFC 4271 §5.1.2, §5.1.4)',
      a,
      b,
      learned,
      route(OUR_V4, attributes({ ...path(65000, a.remoteAs, 7), communities: [[65000, 9]] })),
    ],
    [
      '[51] external to internal: path and next hop stay, MED stays, LOCAL_PREF is there (RFC 4271 §5.1.2, §5.1.5)',
      a,
      internal,
      learned,
      route('192.0.2.99', attributes({ ...learned, localPref: 100 })),
    ],
    [
      '[52] internal to external: no LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST',
      internal,
      b,
      { ...path(7), localPref: 200, originatorId: 9, clusterList: [8] },
      route(OUR_V4, attributes(path(65000, 7))),
    ],
    [
      '[53] internal to internal: nothing (RFC 4271 §9.2)',
      internal,
      internal2,
      { ...path(7), localPref: 100 },
      undefined,
    ],
    ['NO_EXPORT: not to external', a, b, { ...learned, communities: [[0xffff, 0xff01]] }, undefined],
    [
      'NO_EXPORT: to internal',
      a,
      internal,
      { ...learned, communities: [[0xffff, 0xff01]] },
      route('192.0.2.99', attributes({ ...learned, communities: [[0xffff, 0xff01]], localPref: 100 })),
    ],
    ['NO_ADVERTISE: to nobody', a, internal, { ...learned, communities: [[0xffff, 0xff02]] }, undefined],
    ['NO_EXPORT_SUBCONFED: not to external', a, b, { ...learned, communities: [[0xffff, 0xff03]] }, undefined],
  ])('%s', (_, from, to, carried, expected) => {
    const rib = ribWith(from, to)
    announce(rib, from, [X], carried)
    expect(heard(rib, to).get(X)).toBe(expected)
    expect(heard(rib, from).size).toBe(0)
  })

  test.each([
    [0xff01, 'it has the community NO_EXPORT'],
    [0xff03, 'it has the community NO_EXPORT_SUBCONFED'],
  ])('65535:%i: the reason names it', (low, reason) => {
    const rib = ribWith(a, b)
    announce(rib, a, [X], { ...learned, communities: [[0xffff, low]] })
    expect(rib.page({ noexport: b.name }, undefined, 9).rows[0]?.reason).toBe(reason)
  })

  test('our own: IGP, next hop self, in both families', () => {
    const rib = ribWith(a, internal)
    rib.originate([originatedRoute(X, [[65000, 1]]), originatedRoute('2001:db8::/32')], 0)
    settle(rib)
    expect([...heard(rib, a)].sort()).toEqual([
      [X, route(OUR_V4, attributes({ ...path(65000), communities: [[65000, 1]] }))],
      ['2001:db8::/32', route(OUR_V6, attributes(path(65000)))],
    ])
    expect(heard(rib, internal).get(X)).toBe(route(OUR_V4, attributes({ localPref: 100, communities: [[65000, 1]] })))
  })

  longTest('our own, named by ever other BGPAdvertisements: what is kept for those that did before is bounded', () => {
    const names = Array.from({ length: 11 }, (_, at) => `a${at}`)
    const rules = names.map((name, at): Rule => {
      const operations = [{ kind: 'add-community', community: [1, at] }] as const
      return { name, match: { source: 'originated', named: [name] }, action: 'next', operations }
    })
    const to = neighbor(1, { exportPolicy: { ...ACCEPT_ALL, rules } })
    const rib = ribWith(to)
    const listener = new Listener(to)
    const advertised = (): number => rib.memory().find(({ what }) => what === 'Routes advertised')?.bytes ?? 0
    let most = 0
    const memory: number[] = []
    for (let bits = 0; bits < 1 << names.length; bits++) {
      const named = names.filter((_, at) => (bits >> at) & 1)
      rib.originate([{ ...originatedRoute(X), named }], 0)
      settle(rib)
      const communities = named.map((name) => [1, Number(name.slice(1))] as const)
      expect(listener.drain(rib, to.name).routes.get(X)).toBe(
        route(OUR_V4, attributes({ ...path(65000), communities })),
      )
      if (bits % 64 === 0) memory.push(advertised())
      if (bits === 1000) most = advertised()
    }
    expect(Math.max(...memory)).toBeLessThan(most * 1.2)
  })

  test.each([0xff01, 0xff02, 0xff03])('our own with the well-known community 65535:%i: told with it to all', (low) => {
    const rib = ribWith(a, internal)
    rib.originate([originatedRoute(X, [[0xffff, low]])], 0)
    settle(rib)
    const communities = [[0xffff, low]] as const
    expect(heard(rib, a).get(X)).toBe(route(OUR_V4, attributes({ ...path(65000), communities })))
    expect(heard(rib, internal).get(X)).toBe(route(OUR_V4, attributes({ localPref: 100, communities })))
  })

  test('a family without a next hop of ours is held back, and its End-of-RIB is sent', () => {
    const peer = neighbor(1, { nextHops: { ipv4: addressBytes(OUR_V4) } })
    const rib = ribWith(peer)
    rib.originate([originatedRoute('2001:db8::/32')], 0)
    settle(rib)
    const listener = new Listener(peer).drain(rib, peer.name)
    expect([listener.routes.size, listener.endOfRib]).toEqual([0, ['ipv4', 'ipv6']])
    expect(rib.page({ noexport: peer.name }, undefined, 9).rows[0]?.reason).toBe('there is no next hop of this family')
  })

  test('a MED that policy sets goes to external neighbors', () => {
    const exportPolicy: Policy = {
      name: 'med',
      rules: [{ name: 'set', match: {}, action: 'accept', operations: [{ kind: 'set-med', value: 5 }] }],
      otherwise: 'reject',
      otherwiseReason: '',
    }
    const to = neighbor(2, { exportPolicy })
    const rib = ribWith(a, to)
    announce(rib, a, [X], learned)
    expect(heard(rib, to).get(X)).toBe(route(OUR_V4, attributes({ ...learned, ...path(65000, a.remoteAs, 7) })))
  })

  test('two-octet neighbors get AS_TRANS and AS4_PATH', () => {
    const old = neighbor(2, { send: context('external', { fourOctetAs: false }) })
    const rib = ribWith(a, old)
    announce(rib, a, [X], path(a.remoteAs, 70_000))
    expect(heard(rib, old).get(X)).toBe(route(OUR_V4, attributes(path(65000, a.remoteAs, 70_000))))
  })
})

describe('what may be used (RFC 4271 §9.1.2)', () => {
  test.each<[string, RibPeer, Partial<PathAttributes>, string, string]>([
    ['[58] our own AS in the path', a, path(a.remoteAs, 65000), '192.0.2.99', 'our own AS is in the AS path'],
    [
      'a path that begins elsewhere',
      a,
      path(9, a.remoteAs),
      '192.0.2.99',
      'the AS path does not begin with the neighbor AS',
    ],
    [
      '[58] we are the originator',
      internal,
      { localPref: 100, originatorId: internal.localRouterId },
      '192.0.2.99',
      'this node originated it (ORIGINATOR_ID is our router ID)',
    ],
    [
      '[58] our cluster is in the cluster list',
      { ...internal, reflection: { clusterId: internal.localRouterId, client: false } },
      { localPref: 100, clusterList: [1, internal.localRouterId] },
      '192.0.2.99',
      'our cluster ID is in its CLUSTER_LIST',
    ],
    ['[47] a next hop that is ours (RFC 4271 §5.1.3)', a, path(a.remoteAs), OUR_V4, 'the next hop is our own address'],
  ])('%s: kept, shown, not used', (_, from, carried, nextHop, reason) => {
    const rib = ribWith(from, b)
    announce(rib, from, [X], carried, nextHop)
    expect(rib.page({}, undefined, 9).rows).toEqual([])
    const { rows } = rib.page({ filtered: true }, undefined, 9)
    expect(rows.map((row) => [row.prefix, row.reason, row.best, row.filtered])).toEqual([[X, reason, false, true]])
    expect(heard(rib, b).size).toBe(0)
    const { received, accepted, importUpdates } = rib.counts(from.name, 'ipv4')
    expect([received, accepted, importUpdates.rejected]).toEqual([1, 0, 1])
  })

  test('[47] the neighbor itself is a fine next hop, even on a loopback address', () => {
    const local = neighbor(1, { remoteAddress: '127.0.0.2' })
    const rib = ribWith(local)
    announce(rib, local, ['2001:db8::/32'], path(local.remoteAs), '2001:db8::9')
    expect(rib.counts(local.name, 'ipv6').accepted).toBe(1)
  })

  test('import policy refuses with its reason, and another policy lets the same route in', () => {
    const strict = neighbor(1, { importPolicy: REJECT_ALL })
    const rib = ribWith(strict, b)
    announce(rib, strict, [X], path(strict.remoteAs))
    expect(rib.page({ filtered: true }, undefined, 9).rows[0]?.reason).toBe(REJECT_ALL.otherwiseReason)
    rib.setPeer({ ...strict, importPolicy: ACCEPT_ALL })
    settle(rib)
    expect(rib.page({}, undefined, 9).rows.length).toBe(1)
    expect(heard(rib, b).has(X)).toBe(true)
    rib.setPeer(strict)
    settle(rib)
    expect(countAll(rib).ipv4).toEqual({ prefixes: 0, paths: 0 })
  })

  test('near the limit of both families at once: each has its warning, one after the other', () => {
    const limits = { maxPrefixes: { ipv4: 9, ipv6: 9 }, warnPrefixes: { ipv4: 1, ipv6: 1 } }
    const rib = ribWith(a)
    announce(rib, a, [X], path(a.remoteAs))
    announce(rib, a, ['2001:db8::/32'], path(a.remoteAs), '2001:db8:ffff::99')
    rib.setPeer({ ...a, ...limits })
    const update = announcement([X], attributes(path(a.remoteAs)), '192.0.2.99')
    const told = [1, 2, 3].map(() => rib.receive(a.name, update, 0, update.length, 0).nearLimit?.family)
    expect(told).toEqual(['ipv4', 'ipv6', undefined])
  })

  test('[75] one route too many is Cease/1 with family and limit; a replaced one is not counted twice', () => {
    const few = neighbor(1, { maxPrefixes: { ipv4: 2 } })
    const rib = ribWith(few)
    const carried = path(few.remoteAs)
    expect(announce(rib, few, [X, '10.1.0.0/16'], carried).error).toBeUndefined()
    expect(announce(rib, few, [X, '10.1.0.0/16'], { ...carried, med: 1 }).error).toBeUndefined()
    const { error } = announce(rib, few, ['10.2.0.0/16'], carried)
    expect([error?.code, error?.subcode, [...(error?.data ?? [])]]).toEqual([6, 1, [0, 1, 1, 0, 0, 0, 2]])
  })
})

describe('telling', () => {
  test('[54] End-of-RIB per family behind the first feed, also when it is empty (RFC 4724 §4)', () => {
    const rib = ribWith(a)
    rib.originate([originatedRoute(X)], 0)
    settle(rib)
    const listener = new Listener(a).drain(rib, a.name)
    expect([listener.routes.size, listener.endOfRib, rib.pending(a.name)]).toEqual([1, ['ipv4', 'ipv6'], false])
    expect(rib.counts(a.name, 'ipv4').endOfRibSent).toBe(true)
  })

  test('[54] no End-of-RIB while the replay is under way', () => {
    const rib = new Rib()
    rib.originate(
      Array.from({ length: 200 }, (_, index) => originatedRoute(`10.0.${index}.0/24`)),
      0,
    )
    settle(rib)
    rib.addPeer(a)
    rib.advance(10, 0)
    const listener = new Listener(a).drain(rib, a.name)
    expect(listener.endOfRib).not.toContain('ipv4')
    settle(rib)
    listener.drain(rib, a.name)
    expect([listener.routes.size, listener.endOfRib.filter((family) => family === 'ipv4').length]).toEqual([200, 1])
  })

  test('[50] the same attributes go in one message, and a change that did not last is never told', () => {
    const rib = ribWith(a, b)
    const listener = new Listener(b).drain(rib, b.name)
    const before = listener.messages
    for (let index = 0; index < 100; index++) announce(rib, a, [`10.0.${index}.0/24`], learned)
    announce(rib, a, ['10.200.0.0/16'], learned)
    send(rib, a, withdrawal(['10.200.0.0/16']))
    listener.drain(rib, b.name)
    expect([listener.messages - before, listener.routes.size, listener.needless]).toEqual([1, 100, 0])
  })

  longTest('[56] messages are as long as agreed on and no longer', () => {
    const rib = ribWith(a, b)
    const listener = new Listener(b).drain(rib, b.name)
    for (let index = 0; index < 2000; index++) {
      rib.originate(
        [
          originatedRoute(`10.${index >> 8}.${index & 255}.0/24`),
          originatedRoute(`2001:db8:${index.toString(16)}::/48`),
        ],
        0,
      )
    }
    settle(rib)
    const before = listener.messages
    listener.drain(rib, b.name)
    expect(listener.routes.size).toBe(4000)
    // 2000 × 4 octets and 2000 × 7 octets, 4096 at a time with their attributes.
    expect(listener.messages - before).toBe(2 + 4)
    expect(listener.longest).toBeLessThanOrEqual(4096)
  })

  test.each([4096, 65_535])('messages of up to %i octets: a run holds as many as go into it', (messageSize) => {
    const to = neighbor(2, { send: context('external', { messageSize }) })
    const rib = ribWith(a, to)
    const listener = new Listener(to).drain(rib, to.name)
    const before = listener.messages
    // Each with attributes of its own, hence 200 messages.
    for (let index = 0; index < 200; index++)
      announce(rib, a, [`10.200.${index}.0/24`], { ...learned, med: index, communities: [[1, index]] })
    const run = rib.pull(to.name, 8_192)
    expect(run?.bytes.length).toBeLessThanOrEqual(8_192)
    expect(run?.bytes.length).toBeGreaterThan(8_192 - 4_096)
    listener.take(run?.bytes ?? new Uint8Array())
    listener.drain(rib, to.name)
    expect([listener.messages - before, listener.routes.size]).toEqual([200, 200])
  })

  test('who is behind gets at once what others were told in many runs', () => {
    const c = neighbor(3)
    const rib = ribWith(a, b, c)
    const quick = new Listener(b).drain(rib, b.name)
    const slow = new Listener(c).drain(rib, c.name)
    for (let index = 0; index < 50; index++) {
      announce(rib, a, [`10.200.${index}.0/24`], { ...learned, communities: [[1, index]] })
      quick.drain(rib, b.name)
    }
    const all = rib.pull(c.name, 65_536)
    expect(all?.messages).toBe(50)
    slow.take(all?.bytes ?? new Uint8Array())
    expect(slow.routes).toEqual(quick.routes)
    expect(rib.pending(c.name)).toBe(false)
  })

  test('who told it all is owed nothing of it, and what was told before it took over is withdrawn', () => {
    const rib = ribWith(a, b, neighbor(3))
    const [one, two, three] = [a, b, neighbor(3)].map((peer) => new Listener(peer).drain(rib, peer.name))
    announce(rib, a, [X], learned)
    expect([a, b].map(({ name }) => rib.pending(name))).toEqual([false, true])
    two?.drain(rib, b.name)
    expect(rib.pending(a.name)).toBe(false)
    // A shorter way by the second: to the first that is news, to the second the end of what it knew.
    announce(rib, b, [X], path(b.remoteAs))
    announce(rib, b, ['10.9.0.0/16'], path(b.remoteAs))
    one?.drain(rib, a.name)
    two?.drain(rib, b.name)
    three?.drain(rib, 'peer-3')
    expect([one, two, three].map((listener) => [...(listener?.routes.keys() ?? [])].sort())).toEqual([
      [X, '10.9.0.0/16'],
      [],
      [X, '10.9.0.0/16'],
    ])
    expect(rib.isQuiet).toBe(true)
  })

  test('[56] attributes that fit no message: withdrawn, with the reason (RFC 4271 §9.2)', () => {
    const wide = neighbor(1, { receive: context('external', { messageSize: 65_535 }) })
    const rib = ribWith(wide, b)
    const listener = new Listener(b)
    announce(rib, wide, [X], path(wide.remoteAs))
    expect(listener.drain(rib, b.name).routes.size).toBe(1)
    const communities = Array.from({ length: 1100 }, (_, index) => [65000, index] as const)
    announce(rib, wide, [X], { ...path(wide.remoteAs), communities })
    expect(listener.drain(rib, b.name).routes.size).toBe(0)
    expect(rib.page({ noexport: b.name }, undefined, 9).rows[0]?.reason).toBe(
      'its attributes are too large for one message',
    )
  })

  test('[55] another export policy withdraws what it refuses, and tells nothing again that stays (RFC 4271 §9.1.3)', () => {
    const rib = ribWith(a, b)
    announce(rib, a, [X, '10.1.0.0/16', '10.2.0.0/16'], learned)
    const listener = new Listener(b).drain(rib, b.name)
    const before = listener.messages
    const refuse = prefix('10.1.0.0/16')
    const exportPolicy: Policy = {
      name: 'no 10.1',
      rules: [
        {
          name: 'deny',
          match: { prefixes: [{ prefix: refuse, minLength: 16, maxLength: 32 }] },
          action: 'reject',
          operations: [],
          reason: 'not this one',
        },
      ],
      otherwise: 'accept',
      otherwiseReason: '',
    }
    rib.setPeer({ ...b, exportPolicy })
    settle(rib)
    listener.drain(rib, b.name)
    expect([[...listener.routes.keys()].sort(), listener.messages - before]).toEqual([[X, '10.2.0.0/16'], 1])
    expect(rib.page({ noexport: b.name }, undefined, 9).rows.map((row) => [row.prefix, row.reason])).toEqual([
      ['10.1.0.0/16', 'not this one'],
    ])
  })

  test('a policy changed and changed back before anything was done about it', () => {
    const rib = ribWith(a, b)
    announce(rib, a, [X], learned)
    const listener = new Listener(b).drain(rib, b.name)
    rib.setPeer({ ...b, exportPolicy: REJECT_ALL })
    rib.setPeer(b)
    settle(rib)
    expect(listener.drain(rib, b.name).routes.size).toBe(1)
    for (const peer of [a, b]) rib.removePeer(peer.name)
    settle(rib)
    expect(rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
  })

  test('a withdrawal that follows an announcement which only some have read', () => {
    const c = neighbor(3)
    const rib = ribWith(a, b, c)
    const [first, second] = [new Listener(b).drain(rib, b.name), new Listener(c).drain(rib, c.name)]
    announce(rib, a, [X], learned)
    // The sender reads first: it makes the chunk and gets nothing of it.
    expect(new Listener(a).drain(rib, a.name).routes.size).toBe(0)
    send(rib, a, withdrawal([X]))
    expect(first.drain(rib, b.name).routes.size).toBe(0)
    expect(second.drain(rib, c.name).routes.size).toBe(0)
  })

  test('what another policy refuses before it was told is never told', () => {
    const rib = ribWith(a, b)
    heard(rib, b)
    announce(rib, a, [X], learned)
    rib.setPeer({ ...b, exportPolicy: REJECT_ALL })
    settle(rib)
    expect(new Listener(b).drain(rib, b.name).messages).toBe(0)
  })

  test('[68] a refresh tells everything again, between BoRR and EoRR where both know them', () => {
    const rib = ribWith(a)
    rib.originate([originatedRoute(X)], 0)
    settle(rib)
    heard(rib, a)
    rib.refreshOut(a.name, 'ipv4', true)
    settle(rib)
    const types: number[] = []
    for (let told = rib.pull(a.name, 1); told !== undefined; told = rib.pull(a.name, 1)) {
      types.push(told.bytes[18] ?? 0, told.bytes[18] === 5 ? (told.bytes[21] ?? 0) : 0)
    }
    expect(types).toEqual([5, 1, 2, 0, 5, 2])
  })

  longTest.each([
    ['IPv4', (index: number) => `10.${index >> 8}.${index & 255}.0/24`, '2001:db8:1::/48'],
    ['IPv6', (index: number) => `2001:db8:1:${index.toString(16)}::/64`, X],
  ])(
    'a neighbor that is never done with %s is told of the other family all the same, and so is a kernel',
    (_, nth, other) => {
      const rib = ribWith(a)
      rib.trackForKernel()
      rib.takeBest(1_000)
      const change = (turn: number) => {
        rib.originate(
          Array.from({ length: 2_000 }, (__, index) => ({
            ...originatedRoute(nth(index)),
            communities: [[65_000, turn]],
          })),
          0,
        )
        settle(rib)
      }
      change(0)
      rib.originate([originatedRoute(other)], 0)
      settle(rib)
      const listener = new Listener(a)
      const kernel: string[] = []
      for (let turn = 1; turn < 4; turn++) {
        const told = rib.pull(a.name, 4_096)
        if (told !== undefined) listener.take(told.bytes)
        kernel.push(...rib.takeBest(100).map(({ prefix: { text } }) => text))
        change(turn)
      }
      expect([...listener.routes.keys()]).toContain(other)
      expect(listener.routes.size).toBeLessThan(2_000)
      expect(kernel).toContain(other)
    },
  )

  test('what waits for a kernel that is not read counts as memory of the tables', () => {
    const tables = (follows: boolean): number => {
      const rib = ribWith(a)
      if (follows) rib.trackForKernel()
      const routes = Array.from({ length: 2_000 }, (_, index) =>
        originatedRoute(`10.${index >> 8}.${index & 255}.0/24`),
      )
      rib.originate(routes, 0)
      settle(rib)
      return rib.memory()[0]?.bytes ?? 0
    }
    // Its number in the queue, and a mark that it is there.
    expect(tables(true) - tables(false)).toBeGreaterThanOrEqual(2_000 * 5)
  })

  test('who has been fed reads with the others, though nobody asks it in vain', () => {
    const rib = ribWith(a)
    rib.originate([originatedRoute(X)], 0)
    settle(rib)
    heard(rib, a)
    rib.addPeer(b)
    settle(rib)
    while (rib.pending(b.name)) rib.pull(b.name, 65_536)
    expect(rib.isQuiet).toBe(true)
    rib.originate([originatedRoute('10.1.0.0/16')], 0)
    settle(rib)
    expect(rib.isQuiet).toBe(false)
    const first = rib.pull(a.name, 65_536)?.bytes
    expect(first).toBeDefined()
    expect(rib.pull(b.name, 65_536)?.bytes).toBe(first)
    expect(rib.isQuiet).toBe(true)
  })

  test('a neighbor that comes into a group of one that moved there is told everything', () => {
    const rib = ribWith(a)
    rib.originate([originatedRoute(X)], 0)
    settle(rib)
    const exportPolicy: Policy = { ...ACCEPT_ALL, name: 'another' }
    rib.setPeer({ ...a, exportPolicy })
    settle(rib)
    heard(rib, a)
    const late = { ...b, exportPolicy }
    rib.addPeer(late)
    settle(rib)
    expect([...heard(rib, late).keys()]).toEqual([X])
  })

  test('one encoding serves all neighbors in step', () => {
    const peers = Array.from({ length: 20 }, (_, index) => neighbor(index + 2))
    const rib = ribWith(a, ...peers)
    for (const peer of peers) heard(rib, peer)
    announce(rib, a, [X], learned)
    const told = peers.map((peer) => rib.pull(peer.name, 65_536)?.bytes)
    expect(told[0]?.length).toBeGreaterThan(19)
    expect(new Set(told).size).toBe(1)
  })

  test('a neighbor that reads nothing costs at most one entry per prefix, and gets the last state', () => {
    const rib = new Rib({ logLimit: 2000 })
    for (const peer of [a, b, neighbor(3)]) rib.addPeer(peer)
    settle(rib)
    const quick = new Listener(b).drain(rib, b.name)
    const slow = new Listener(neighbor(3)).drain(rib, 'peer-3')
    let high = 0
    for (let round = 0; round < 300; round++) {
      announce(rib, a, [`10.0.${round % 20}.0/24`], { ...path(a.remoteAs), med: round, communities: [[1, round]] })
      quick.drain(rib, b.name)
      const bytes = rib.memory().reduce((sum, { bytes }) => sum + bytes, 0)
      if (round === 100) high = bytes
    }
    expect(rib.memory().reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(high * 1.1)
    const before = slow.messages
    slow.drain(rib, 'peer-3')
    expect(slow.messages - before).toBe(20)
    expect([...slow.routes].sort()).toEqual([...quick.routes].sort())
  })
})

describe('looking', () => {
  test('paths of a prefix: the best first, each with the step that settled it', () => {
    const rib = ribWith(a, b, internal)
    announce(rib, a, [X], path(a.remoteAs, 7))
    announce(rib, b, [X], path(b.remoteAs))
    announce(rib, internal, [X], { ...path(7), localPref: 50 })
    const { rows } = rib.page({}, undefined, 9)
    expect(rows.map((row) => [row.peer, row.best, row.reason])).toEqual([
      [b.name, true, 'won at step 3, shorter AS path'],
      [internal.name, false, 'lost at step 2, higher local preference'],
      [a.name, false, 'lost at step 3, shorter AS path'],
    ])
    expect(rows[0]?.exportedTo).toEqual([])
    heard(rib, a)
    expect(rib.page({}, undefined, 9).rows[0]?.exportedTo).toEqual([a.name])
  })

  test('for an address: the longest match; for a prefix: itself; in a prefix: all inside', () => {
    const rib = ribWith(a)
    rib.originate(
      [X, '10.1.0.0/16', '10.1.2.0/24', '11.0.0.0/8', '2001:db8::/32'].map((text) => originatedRoute(text)),
      0,
    )
    settle(rib)
    const texts = (query: Parameters<Rib['page']>[0]) => rib.page(query, undefined, 9).rows.map((row) => row.prefix)
    expect(texts({ for: prefix('10.1.9.9/32') })).toEqual(['10.1.0.0/16'])
    expect(texts({ for: prefix('10.1.0.0/16') })).toEqual(['10.1.0.0/16'])
    expect(texts({ for: prefix('10.1.0.0/17') })).toEqual([])
    expect(texts({ in: prefix('10.1.0.0/16') })).toEqual(['10.1.0.0/16', '10.1.2.0/24'])
    expect(texts({ family: 'ipv6' })).toEqual(['2001:db8::/32'])
    expect(countAll(rib)).toEqual({ ipv4: { prefixes: 4, paths: 4 }, ipv6: { prefixes: 1, paths: 1 } })
  })

  test('page after page, all rows once', () => {
    const rib = ribWith(a)
    rib.originate(
      Array.from({ length: 50 }, (_, index) => originatedRoute(`10.0.${index}.0/24`)),
      0,
    )
    rib.originate(
      Array.from({ length: 50 }, (_, index) => originatedRoute(`2001:db8:${index}::/48`)),
      0,
    )
    settle(rib)
    const texts: string[] = []
    let pages = 0
    for (let next = undefined as number | undefined; pages === 0 || next !== undefined; pages++) {
      const page = rib.page({}, next, 7)
      texts.push(...page.rows.map((row) => row.prefix))
      next = page.next
    }
    expect([texts.length, new Set(texts).size]).toEqual([100, 100])
    expect(pages).toBe(15)
  })

  test('as told to a neighbor: with the attributes that were sent', () => {
    const rib = ribWith(a, b)
    announce(rib, a, [X], learned)
    expect(rib.page({ export: b.name }, undefined, 9).rows).toEqual([])
    heard(rib, b)
    const [row] = rib.page({ export: b.name }, undefined, 9).rows
    expect([row?.nextHops, row?.attributes.asPath, row?.attributes.med]).toEqual([
      [OUR_V4],
      path(65000, a.remoteAs, 7).asPath,
      undefined,
    ])
    expect(rib.page({ noexport: a.name }, undefined, 9).rows[0]?.reason).toBe('learned from this neighbor')
  })

  test('counts as birdc has them', () => {
    const rib = ribWith(a, b)
    announce(rib, a, [X, '10.1.0.0/16'], learned)
    announce(rib, a, [X], learned)
    send(rib, a, withdrawal(['10.1.0.0/16', '10.9.0.0/16']))
    heard(rib, b)
    const from = rib.counts(a.name, 'ipv4')
    expect([from.received, from.accepted, from.preferred]).toEqual([1, 1, 1])
    expect(from.importUpdates).toEqual({ received: 3, rejected: 0, filtered: 0, ignored: 1, accepted: 2 })
    expect(from.importWithdraws).toEqual({ received: 2, rejected: 0, ignored: 1, accepted: 1 })
    expect(rib.counts(b.name, 'ipv4')).toMatchObject({ advertised: 1, exportUpdates: { accepted: 1 } })
  })
})

test('the loss of a neighbor is work in slices, and its routes are withdrawn', () => {
  const rib = ribWith(a, b)
  const listener = new Listener(b)
  for (let index = 0; index < 500; index++) announce(rib, a, [`10.${index >> 8}.${index & 255}.0/24`], learned)
  listener.drain(rib, b.name)
  expect(listener.routes.size).toBe(500)
  rib.removePeer(a.name)
  let turns = 0
  for (; rib.busy; turns++) rib.advance(50, 0)
  expect(turns).toBeGreaterThan(10)
  listener.drain(rib, b.name)
  expect([listener.routes.size, listener.needless]).toEqual([0, 0])
  expect(rib.usage()).toMatchObject({ prefixes: 0, paths: 0, attributes: 0, blocks: 0 })
})
