/** How much memory the routes of neighbors may take. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ACCEPT_ALL } from '../../../src/bgp/policy/defaults.ts'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { countAll } from '../../support/count.ts'
import { announcement, attributes, Listener, neighbor, path, settle } from '../../support/rib.ts'
import { Site } from '../../support/rib-site.ts'

const LARGE = 600
const net = (index: number): string => `10.${index >> 8}.${index & 255}.0/24`
const long = (of: RibPeer, index: number, communities = LARGE): PathAttributes =>
  attributes({
    ...path(of.remoteAs),
    communities: Array.from({ length: communities }, (_, at) => [index, at] as const) as PathAttributes['communities'],
  })

const firstsRoutes: Uint8Array[] = []
/** A large route of the first neighbor, as an UPDATE: many tests fill a table with the same ones, so each is made once. */
const firstsRoute = (first: RibPeer, index: number): Uint8Array => {
  firstsRoutes[index] ??= announcement([net(index)], long(first, index), first.remoteAddress)
  return firstsRoutes[index]
}

const wide = { receive: { ...neighbor(1).receive, messageSize: 65_535 } } as const
const MIB = 1024 * 1024

describe('the limit of a neighbor', () => {
  const a = neighbor(1, { ...wide, maxRouteMemory: MIB })
  const b = neighbor(2, wide)

  function full(): { site: Site; news: string[] } {
    const site = new Site([a, b])
    const news: string[] = []
    for (let index = 0; index < 450; index++) {
      const { memory } = site.receive(a, firstsRoute(a, index))
      if (memory !== undefined) news.push(`${memory.state} for ${memory.whose}`)
    }
    return { site, news }
  }

  test('is warned of at three quarters, and routes above the limit are rejected: the session stays', () => {
    const { site, news } = full()
    expect(news).toEqual(['near for neighbor', 'refused for neighbor'])
    const { octets, limit, refuses } = site.memory(a)
    expect(octets).toBeLessThanOrEqual(limit)
    expect(octets).toBeGreaterThan(limit - 4096)
    expect(refuses).toBe(true)
    expect(site.held(a)).toBeGreaterThan(300)
    expect(site.rib.counts(a.name, 'ipv4').importUpdates.rejected).toBe(450 - site.held(a))
  })

  test('never refuses the default route, and is no matter of other neighbors', () => {
    const { site } = full()
    const before = site.held(a)
    site.say(a, '0.0.0.0/0', long(a, 9))
    expect(site.held(a)).toBe(before + 1)
    site.say(b, net(700), long(b, 9))
    expect(site.held(b)).toBe(1)
  })

  test('a route that grew beyond it is withdrawn: what was told before is not so any more', () => {
    const { site } = full()
    const before = site.held(a)
    site.say(a, net(0), long(a, 0, LARGE * 4))
    expect(site.held(a)).toBe(before - 1)
    expect(countAll(site.rib, { protocol: a.name }).ipv4.paths).toBe(before - 1)
  })

  test('nor do routes grow beyond it where the import policy edits them', () => {
    const edits = {
      name: 'edits',
      match: {},
      action: 'next',
      operations: [{ kind: 'set-local-pref', value: 7 }],
    } as const
    const edited = neighbor(1, { ...wide, maxRouteMemory: MIB, importPolicy: { ...ACCEPT_ALL, rules: [edits] } })
    const site = new Site([edited])
    for (const communities of [100, 190, 360, 690, 1_300, 2_500])
      for (let index = 0; index < 450; index++) site.say(edited, net(index), long(edited, index, communities))
    // One block beside the limit: what a route is charged with is known when it has been evaluated.
    expect(site.memory(edited).octets).toBeLessThan(MIB + 16_384)
  })

  test('a route that shrinks is taken', () => {
    const { site } = full()
    const before = site.held(a)
    site.say(a, net(0), long(a, 0, 1))
    expect(site.held(a)).toBe(before)
    expect(site.memory(a).octets).toBeLessThan(MIB - 2000)
  })

  test('when there is room, the neighbor is asked for its routes; again after a minute at the earliest', () => {
    const { site } = full()
    const asked = () => site.rib.takeRefreshRequests(site.now).map(({ name }) => name)
    expect(asked()).toEqual([])
    for (let index = 0; index < 100; index++) site.unsay(a, net(index))
    expect(site.rib.deadline()).toBeLessThanOrEqual(site.now)
    expect(asked()).toEqual([a.name])
    for (let index = 0; index < 450; index++) site.say(a, net(index), long(a, index))
    for (let index = 0; index < 100; index++) site.unsay(a, net(index))
    expect(asked()).toEqual([])
    site.now += 60_000
    expect(asked()).toEqual([a.name])
  })
})

describe('the limit of all tables', () => {
  const [large, small] = [neighbor(1, wide), neighbor(2, wide)]
  const LIMIT = 2 * MIB

  function full(): Site {
    const site = new Site([large, small], LIMIT)
    for (let index = 0; index < 10; index++) site.say(small, net(2000 + index), long(small, index))
    for (let index = 0; index < 700; index++) site.receive(large, firstsRoute(large, index))
    return site
  }

  test('the neighbor that takes most is refused first', { timeout: 30_000 }, () => {
    const site = full()
    expect(site.held(large)).toBeLessThan(700)
    expect(site.memory(large).refuses).toBe(true)
    site.say(small, net(3000), long(small, 11))
    expect([site.held(small), site.memory(small).refuses]).toEqual([11, false])
  })

  test('tables stay near it, whoever goes on, and the default route is taken', { timeout: 30_000 }, () => {
    const site = full()
    for (let index = 0; index < 700; index++) site.say(small, net(4000 + index), long(small, index))
    const taken = site.rib.memory().reduce((sum, { bytes }) => sum + bytes, 0)
    expect(taken).toBeLessThan(LIMIT * 1.5)
    const before = site.held(large)
    site.say(large, '0.0.0.0/0', long(large, 5))
    expect(site.held(large)).toBe(before + 1)
  })

  test('memory that a neighbor frees by reading is noticed though nothing else happens', { timeout: 30_000 }, () => {
    const [quick, slow] = [neighbor(3, wide), neighbor(4, wide)]
    const site = new Site([large, quick, slow], MIB)
    const [first, last] = [new Listener(quick), new Listener(slow)]
    last.drain(site.rib, slow.name)
    // Both have all there is. From here on, what the quick one reads is kept for the slow one.
    for (let turn = 0; turn < 300; turn++) {
      first.drain(site.rib, quick.name)
      site.say(large, net(turn % 60), long(large, turn))
    }
    site.say(large, net(100), long(large, 0))
    expect([site.held(large), site.memory(large).refuses]).toEqual([60, true])
    expect(site.rib.takeRefreshRequests(site.now)).toEqual([])
    first.drain(site.rib, quick.name)
    last.drain(site.rib, slow.name)
    const asked: string[] = []
    for (let turn = 0; turn < 60 && asked.length === 0; turn++) {
      const due = site.rib.deadline()
      if (due === undefined) break
      site.now = Math.max(site.now, due)
      asked.push(...site.rib.takeRefreshRequests(site.now).map(({ name }) => name))
      site.rib.notice(site.now)
      while (site.rib.busy) site.rib.advance(1_000, site.now)
    }
    expect(asked).toEqual([large.name])
    expect(site.now).toBeLessThan(60_000)
    // Nothing waits any more: the RIB does not ask to be called.
    expect(site.rib.deadline() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(site.now + 1_000)
  })
})

test('what is charged follows every history, and is never below what the tables hold', () => {
  const peers = [neighbor(1, wide), neighbor(2, wide)] as const
  const step = fc.record({
    peer: fc.nat(1),
    net: fc.nat(6),
    size: fc.constantFrom(0, 1, 40, 300),
    what: fc.constantFrom('say', 'say', 'say', 'unsay', 'lose', 'restart'),
  })
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const site = new Site(peers)
    const empty = site.rib.memory()[1]?.bytes ?? 0
    for (const { peer, net: index, size, what } of steps) {
      const of = peers[peer] as RibPeer
      if (what === 'say') site.say(of, net(index), long(of, index, size))
      else if (what === 'unsay') site.unsay(of, net(index))
      else if (what === 'restart') {
        // Routes kept as stale are charged for like others.
        site.rib.losePeer(of.name, ['ipv4'])
        settle(site.rib)
        site.rib.addPeer(of, ['ipv4'])
        settle(site.rib)
      } else {
        site.rib.removePeer(of.name)
        settle(site.rib)
        site.rib.addPeer(of)
        settle(site.rib)
      }
      const charged = peers.reduce((sum, one) => sum + site.memory(one).octets, 0)
      const held = peers.reduce((sum, one) => sum + site.held(one), 0)
      expect(charged === 0).toBe(held === 0)
      // Arenas and columns begin with some room.
      expect(charged + 32_768).toBeGreaterThan((site.rib.memory()[1]?.bytes ?? 0) - empty)
    }
  })
  fc.assert(property, { numRuns: 30 })
})
