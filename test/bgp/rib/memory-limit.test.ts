/** How much memory the routes of neighbors may take (9.B7). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import type { ReceiveResult, RibPeer } from '../../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { countAll } from '../../support/count.ts'
import { ipv4Feed } from '../../support/feed.ts'
import { announcement, attributes, neighbor, path, prefix, settle, withdrawal } from '../../support/rib.ts'

const LARGE = 600
const net = (index: number): string => `10.${index >> 8}.${index & 255}.0/24`
const long = (of: RibPeer, index: number, communities = LARGE): PathAttributes =>
  attributes({
    ...path(of.remoteAs),
    communities: Array.from({ length: communities }, (_, at) => [index, at] as const) as PathAttributes['communities'],
  })

class Site {
  readonly rib: Rib
  now = 0

  constructor(peers: readonly RibPeer[], memoryLimit?: number) {
    this.rib = new Rib({ memoryLimit })
    for (const peer of peers) this.rib.addPeer(peer)
    settle(this.rib)
  }

  say(of: RibPeer, what: string, carried: PathAttributes): ReceiveResult {
    return this.receive(of, announcement([what], carried, of.remoteAddress))
  }

  receive(of: RibPeer, bytes: Uint8Array): ReceiveResult {
    const { error, ...rest } = this.rib.receive(of.name, bytes, 0, bytes.length, this.now)
    if (error !== undefined) throw new Error(error.text)
    settle(this.rib)
    return { error, ...rest }
  }

  unsay(of: RibPeer, what: string): void {
    const bytes = withdrawal([what])
    this.rib.receive(of.name, bytes, 0, bytes.length, this.now)
    settle(this.rib)
  }

  held(of: RibPeer): number {
    return this.rib.counts(of.name, 'ipv4').received
  }

  memory(of: RibPeer) {
    return this.rib.counts(of.name, 'ipv4').memory
  }
}

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

describe('what is not used any more is given back', () => {
  const a = neighbor(1)
  const COUNT = 35_000
  const fed = (index: number): string => `${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`
  const total = (site: Site): number => site.rib.memory().reduce((sum, { bytes }) => sum + bytes, 0)

  const work = (site: Site): void => {
    while (site.rib.busy) site.rib.advance(1000, site.now)
  }

  function feed(site: Site, first: number, count: number): void {
    for (const chunk of ipv4Feed(first, count))
      for (let at = 0; at < chunk.length; ) {
        const end = at + ((chunk[at + 16] as number) << 8) + (chunk[at + 17] as number)
        site.rib.receive(a.name, chunk, at, end, site.now)
        at = end
      }
    work(site)
  }

  function unsay(site: Site, indexes: readonly number[]): void {
    for (let at = 0; at < indexes.length; at += 500) {
      const bytes = withdrawal(indexes.slice(at, at + 500).map(fed))
      site.rib.receive(a.name, bytes, 0, bytes.length, site.now)
    }
    work(site)
  }

  /** Time passes, and the RIB does what it asks to be called for. */
  function pass(site: Site, millis: number): void {
    site.now += millis
    for (let due = site.rib.deadline(); due !== undefined && due <= site.now; due = site.rib.deadline()) {
      site.rib.notice(due)
      while (site.rib.busy) site.rib.advance(1000, due)
    }
  }

  const spike = new Site([a])
  const empty = total(spike)
  const all = Array.from({ length: COUNT }, (_, index) => index)

  test('within a minute: what stays is the same, and churn brings it to the front of columns that are cut', () => {
    feed(spike, 0, COUNT)
    unsay(
      spike,
      all.filter((index) => index % 35 !== 7),
    )
    const before = countAll(spike.rib)
    expect(before.ipv4.paths).toBe(COUNT / 35)
    pass(spike, 60_000)
    expect(spike.rib.deadline()).toBeUndefined()
    expect(countAll(spike.rib)).toEqual(before)
    for (let index = 7; index < COUNT; index += 3_500)
      expect(spike.rib.page({ for: prefix(fed(index)) }, undefined, 1).rows).toHaveLength(1)
    const held = total(spike)
    feed(spike, 100_002, 3_500)
    unsay(
      spike,
      all.filter((index) => index % 35 === 7),
    )
    pass(spike, 60_000)
    expect(spike.held(a)).toBe(3_500)
    expect(total(spike) - empty).toBeLessThan((held - empty) / 2)
  })

  test('all of it when the neighbor is lost, and not before twenty seconds: one that flaps has its memory again', () => {
    feed(spike, 0, COUNT)
    spike.rib.removePeer(a.name)
    work(spike)
    const before = total(spike)
    pass(spike, 19_000)
    expect(total(spike)).toBe(before)
    pass(spike, 60_000)
    expect(total(spike)).toBeLessThan(before / 2)
    expect(total(spike) - empty).toBeLessThan(500_000)
    spike.rib.addPeer(a)
    feed(spike, 0, 7)
    expect(spike.held(a)).toBe(7)
  })
})
