/** Service addresses that flap are kept back until they are quiet. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import type { RouteIntent } from '../../src/cluster/intent.ts'
import { Damping } from '../../src/engine/damping.ts'
import { longTest, runs } from '../support/long.ts'
import {
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  node,
  remove,
  service,
  upsert,
} from '../support/objects.ts'
import { World } from '../support/world.ts'

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix
const route = (text: string): RouteIntent => ({
  prefix: prefix(text),
  origin: 'service',
  objects: ['Service/shop/web'],
  communities: [],
  named: [],
})
const VIP = '192.0.2.10/32'
const SETTINGS = { suppressAfter: 3, halfLife: 60 }

/** Withdrawn and announced again, so often at once; what came of the last announcement. */
function flap(damping: Damping, times: number, now: number, text = VIP): readonly RouteIntent[] {
  let out: readonly RouteIntent[] = []
  for (let time = 0; time < times; time++) {
    damping.withdraw([route(text)], now)
    out = damping.announce([route(text)], now).now
  }
  return out
}

test('two flaps are nothing, the third keeps the address back for a half-life', () => {
  const damping = new Damping()
  damping.set(SETTINGS, 0)
  expect(flap(damping, 2, 0)).toHaveLength(1)
  expect(flap(damping, 1, 0)).toEqual([])
  expect(damping.refusals.get(VIP)).toBe('it flaps: serviceDamping suppresses it for 60 s')
  expect(damping.takeDue(59_999)).toEqual([])
  expect(damping.deadline()).toBe(60_000)
  expect(damping.takeDue(60_000)).toEqual([route(VIP)])
  expect(damping.refusals.size).toBe(0)
})

longTest('a turn releases a bounded number of addresses, and the next one is due at once', () => {
  const [damping, many] = [new Damping(), 3_000]
  damping.set(SETTINGS, 0)
  const texts = Array.from({ length: many }, (_, at) => `10.0.${at >> 8}.${at & 255}/32`)
  for (const text of texts) expect(flap(damping, 3, 0, text)).toEqual([])
  const releasedAt = (now: number): number[] => {
    const counts: number[] = []
    for (let due = damping.deadline(); due !== undefined && due <= now; due = damping.deadline()) {
      counts.push(damping.takeDue(now).length)
    }
    return counts
  }
  const all = { of: (counts: number[]) => counts.reduce((sum, count) => sum + count, 0) }
  const byTime = releasedAt(60_000)
  expect([Math.max(...byTime), all.of(byTime), damping.refusals.size]).toEqual([512, many, 0])
  for (const text of texts) flap(damping, 2, 60_000, text)
  expect(damping.refusals.size).toBe(many)
  damping.set(undefined, 61_000)
  const bySettings = releasedAt(61_000)
  expect([Math.max(...bySettings), all.of(bySettings), damping.refusals.size]).toEqual([512, many, 0])
  expect(damping.deadline()).toBeUndefined()
})

test('a route that is announced under other settings replaces the one that was held', () => {
  const damping = new Damping()
  damping.set(SETTINGS, 0)
  expect(flap(damping, 3, 0)).toEqual([])
  damping.set({ ...SETTINGS, suppressAfter: 4 }, 1)
  const changed = { ...route(VIP), communities: [[64_512, 1]] }
  expect(damping.announce([changed], 1).now).toEqual([changed])
  expect([damping.takeDue(1), damping.refusals.size]).toEqual([[], 0])
})

test('three within an hour are forgotten in between', () => {
  const damping = new Damping()
  damping.set(SETTINGS, 0)
  for (const now of [0, 1_200_000, 2_400_000]) expect(flap(damping, 1, now)).toHaveLength(1)
  damping.takeDue(10_000_000)
  expect(damping.deadline()).toBeUndefined()
})

test('however often it flaps, four half-lives of quiet are enough', () => {
  const damping = new Damping()
  damping.set(SETTINGS, 0)
  damping.announce([route(VIP)], 0)
  for (let time = 0; time < 1_000; time++) {
    damping.withdraw([route(VIP)], 0)
    damping.takeDue(0)
  }
  damping.announce([route(VIP)], 0)
  expect(damping.takeDue(240_000)).toEqual([route(VIP)])
})

test('what is withdrawn while it is kept back does not come out, and costs nothing more', () => {
  const damping = new Damping()
  damping.set(SETTINGS, 0)
  flap(damping, 3, 0)
  damping.withdraw([route(VIP)], 0)
  expect(damping.refusals.size).toBe(0)
  expect(damping.takeDue(60_000)).toEqual([])
  expect(damping.announce([route(VIP)], 60_000).now).toHaveLength(1)
})

test.each<RouteIntent['origin']>(['pod-cidr', 'service-cidr', 'pod', 'interface', 'advertisement'])(
  'single addresses of origin %s are never kept back, nor what replaces a service there',
  (origin) => {
    const damping = new Damping()
    damping.set(SETTINGS, 0)
    const other = { ...route(VIP), origin }
    for (let time = 0; time < 20; time++) {
      damping.withdraw([other], time)
      expect(damping.announce([other], time)).toEqual({ now: [other], suppressed: [] })
    }
    flap(damping, 3, 100)
    expect(damping.announce([other], 200).now).toEqual([other])
    expect(damping.refusals.size).toBe(0)
    // The service is held as before, and what is advertised for the other reason goes.
    expect(damping.announce([route(VIP)], 300)).toEqual({ now: [], suppressed: [prefix(VIP)] })
  },
)

test('without the setting nothing is kept back, and what was comes out at once', () => {
  const damping = new Damping()
  damping.set(SETTINGS, 0)
  flap(damping, 3, 0)
  damping.set(undefined, 1_000)
  expect(damping.takeDue(1_000)).toEqual([route(VIP)])
  expect(flap(damping, 20, 2_000)).toHaveLength(1)
  damping.takeDue(3_000)
  expect(damping.deadline()).toBeUndefined()
})

test('whatever happens, in the end what is wanted is out, what is not is not, and nothing is remembered', () => {
  const texts = [VIP, '192.0.2.11/32', '2001:db8::1/128']
  const step = fc.record({
    text: fc.constantFrom(...texts),
    wanted: fc.boolean(),
    wait: fc.constantFrom(0, 100, 5_000, 90_000),
  })
  const property = fc.property(fc.array(step, { maxLength: 80 }), (history) => {
    const damping = new Damping()
    damping.set(SETTINGS, 0)
    const [wanted, out] = [new Set<string>(), new Set<string>()]
    let now = 0
    const settle = () => {
      for (const { prefix: one } of damping.takeDue(now)) {
        expect(out.has(one.text)).toBe(false)
        out.add(one.text)
      }
    }
    for (const { text, wanted: is, wait } of history) {
      if (is && !wanted.has(text)) {
        wanted.add(text)
        for (const { prefix: one } of damping.announce([route(text)], now).now) out.add(one.text)
      }
      if (!is && wanted.delete(text)) {
        damping.withdraw([route(text)], now)
        out.delete(text)
      }
      for (const one of out) expect(wanted.has(one)).toBe(true)
      now += wait
      settle()
    }
    for (let due = damping.deadline(); due !== undefined; due = damping.deadline()) {
      expect(due).toBeGreaterThan(now)
      now = due
      settle()
    }
    expect([...out].sort()).toEqual([...wanted].sort())
    expect(damping.refusals.size).toBe(0)
  })
  fc.assert(property, { numRuns: runs(50, 500) })
})

const WORKER = node('worker', { addresses: ['10.0.0.11'], podCIDRs: ['10.244.1.0/24'] })
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }] })
const WEB = service('shop/web', {
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.10'],
  loadBalancerIPs: ['192.0.2.10'],
  externalTrafficPolicy: 'Local',
})
const slice = (ready: boolean) => endpointSlice('shop/web', 'IPv4', [{ node: 'worker', ready }])

function scene(spec: object) {
  const world = new World()
  const tor = world.add(
    'tor',
    ['10.0.0.1'],
    [
      upsert(node('tor', { addresses: ['10.0.0.1'] })),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(TAKE_ALL),
      upsert(bgpPeer('worker', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
    ],
  )
  const cluster = { asNumber: 64512, serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }], ...spec }
  const objects = [
    WORKER,
    WEB,
    slice(true),
    bgpConfiguration(cluster),
    bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 }),
  ]
  const worker = world.add(
    'worker',
    ['10.0.0.11'],
    objects.map((object) => upsert(object)),
  )
  world.pass(5_000)
  const heard = (): string[] =>
    world
      .askJson<{ prefix: string; from: string | null }[]>(tor, 'show route')
      .filter(({ from }) => from !== null)
      .map(({ prefix: one }) => one)
      .sort()
  return { world, tor, worker, heard }
}

const POD = '10.244.1.0/24'
const RANGE = '192.0.2.0/24'

test('an agent keeps an address back that flaps, says why, and brings it back by itself', () => {
  const { world, worker, heard } = scene({ serviceDamping: {} })
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
  for (let time = 0; time < 3; time++) {
    world.change(worker, [upsert(slice(false))])
    world.pass(100)
    world.change(worker, [upsert(slice(true))])
    world.pass(100)
  }
  expect(heard()).toEqual([POD, RANGE].sort())
  expect(world.ask(worker, 'show services')).toMatch(/192\.0\.2\.10\/32.*flaps/)
  world.pass(70_000)
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
})

test('an agent advertises a single address that is no service as often as it is asked to', () => {
  const { world, worker, heard } = scene({ serviceDamping: {} })
  const single = bgpAdvertisement('single', { routes: [{ prefixes: ['203.0.113.7/32'] }] })
  for (let time = 0; time < 5; time++) {
    world.change(worker, [upsert(single)])
    world.pass(1_000)
    expect(heard()).toContain('203.0.113.7/32')
    world.change(worker, [remove(single)])
    world.pass(1_000)
    expect(heard()).not.toContain('203.0.113.7/32')
  }
})

test('an address that flaps is advertised while a BGPAdvertisement names it too, whatever its service does', () => {
  const { world, worker, heard } = scene({ serviceDamping: {} })
  const single = bgpAdvertisement('single', { routes: [{ prefixes: [VIP, '203.0.113.7/32'] }] })
  const change = (...changes: Parameters<World['change']>[1]) => {
    world.change(worker, changes)
    world.pass(100)
    return heard().includes(VIP)
  }
  for (let time = 0; time < 3; time++) {
    change(upsert(slice(false)))
    change(upsert(slice(true)))
  }
  expect(heard()).not.toContain(VIP)
  expect(change(upsert(single))).toBe(true)
  expect(world.ask(worker, 'show services')).not.toContain('flaps')
  for (let time = 0; time < 3; time++) {
    expect(change(upsert(slice(false)))).toBe(true)
    expect(change(upsert(slice(true)))).toBe(true)
  }
  expect(change(remove(single))).toBe(false)
  expect(world.ask(worker, 'show services')).toMatch(/192\.0\.2\.10\/32.*flaps/)
  world.pass(70_000)
  expect(heard()).toContain(VIP)
})

test('whatever flaps beside BGPAdvertisements and other settings: at rest a neighbor is told what a fresh agent tells it', () => {
  const single = bgpAdvertisement('single', { routes: [{ prefixes: [VIP, '203.0.113.7/32'] }], communities: ['5:5'] })
  const named = bgpAdvertisement('named', { routes: [{ services: {} }], communities: ['6:6'] })
  const damped = (serviceDamping: object | undefined) =>
    bgpConfiguration({
      asNumber: 64512,
      serviceLoadBalancerIPs: [{ cidr: RANGE }],
      ...(serviceDamping && { serviceDamping }),
    })
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(slice(true), slice(false)) },
    fc.constantFrom(single, named),
    fc.constantFrom(damped(undefined), damped({}), damped({ suppressAfter: 2 })),
  )
  const told = ({ world, tor }: ReturnType<typeof scene>) =>
    world
      .askJson<{ prefix: string; from: string | null; communities: string[] }[]>(tor, 'show route')
      .filter(({ from }) => from !== null)
      .map(({ prefix: one, communities }) => `${one} ${communities}`)
      .sort()
  const property = fc.property(
    fc.array(fc.tuple(step, fc.boolean(), fc.constantFrom(0, 100, 100, 20_000)), { maxLength: 80, size: 'max' }),
    (steps) => {
      const one = scene({ serviceDamping: {} })
      const objects = new Map([slice(true), damped({})].map((object) => [object.metadata.name + object.kind, object]))
      for (const [object, isThere, wait] of steps) {
        const isRemoved = object.kind === 'BGPAdvertisement' && !isThere
        if (isRemoved) objects.delete(object.metadata.name + object.kind)
        else objects.set(object.metadata.name + object.kind, object)
        one.world.change(one.worker, [isRemoved ? remove(object) : upsert(object)])
        one.world.pass(wait)
        // What something else than services wants is never kept back.
        if (wait > 0 && objects.has('singleBGPAdvertisement')) expect(one.heard()).toContain(VIP)
      }
      one.world.pass(600_000)
      const fresh = scene({ serviceDamping: {} })
      fresh.world.change(
        fresh.worker,
        [...objects.values()].map((object) => upsert(object)),
      )
      fresh.world.pass(600_000)
      expect(told(one)).toEqual(told(fresh))
    },
  )
  fc.assert(property, { numRuns: runs(5, 100) })
})

test('services wait for the first good answer of the health endpoint, and go after three bad ones; pods do not care', () => {
  const { world, worker, heard } = scene({ serviceHealthCheck: {} })
  expect(heard()).toEqual([POD])
  expect(world.ask(worker, 'show services')).toMatch(/has not answered yet/)
  const answer = (error?: string) => {
    world.feed(worker, { kind: 'health', error })
    world.pass(1_000)
  }
  answer('connection refused')
  expect(heard()).toEqual([POD])
  expect(world.ask(worker, 'show services')).toMatch(/has not answered yet/)
  answer('it answers 503')
  answer('it answers 503')
  expect(world.ask(worker, 'show services')).toMatch(/unhealthy: it answers 503/)
  expect(worker.told('services-unhealthy')).toHaveLength(1)
  answer()
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
  answer('it answers 503')
  answer('it answers 503')
  answer()
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
  for (let time = 0; time < 3; time++) answer('it answers 503')
  expect(heard()).toEqual([POD])
  expect(world.ask(worker, 'show services')).toMatch(/port 10256\/healthz, is unhealthy: it answers 503/)
  expect(worker.told('services-unhealthy')).toHaveLength(2)
  answer()
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
  world.change(worker, [upsert(bgpConfiguration({ asNumber: 64512, serviceLoadBalancerIPs: [{ cidr: RANGE }] }))])
  world.pass(1_000)
  world.feed(worker, { kind: 'health', error: 'late' })
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
})

test('a health check that is edited keeps its verdict, unless another endpoint is asked', () => {
  const { world, worker, heard } = scene({ serviceHealthCheck: {} })
  const edit = (serviceHealthCheck: object) => {
    const configuration = { asNumber: 64512, serviceLoadBalancerIPs: [{ cidr: RANGE }], serviceHealthCheck }
    world.change(worker, [upsert(bgpConfiguration(configuration))])
    world.pass(1_000)
  }
  world.feed(worker, { kind: 'health', error: undefined })
  world.pass(1_000)
  edit({ failures: 2, interval: '20s' })
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
  for (let time = 0; time < 2; time++) world.feed(worker, { kind: 'health', error: 'it answers 503' })
  world.pass(1_000)
  edit({ failures: 4 })
  expect(world.ask(worker, 'show services')).toMatch(/unhealthy: it answers 503/)
  edit({ failures: 4, port: 9_879 })
  expect(world.ask(worker, 'show services')).toMatch(/port 9879\/healthz, has not answered yet/)
  expect(heard()).toEqual([POD])
})

test('a health check that is added or moved withdraws nothing before its endpoint has answered', () => {
  const { world, worker, heard } = scene({})
  const set = (serviceHealthCheck?: object) => {
    const configuration = { asNumber: 64512, serviceLoadBalancerIPs: [{ cidr: RANGE }], serviceHealthCheck }
    world.change(worker, [upsert(bgpConfiguration(configuration))])
    world.pass(1_000)
  }
  const answer = (error?: string) => {
    world.feed(worker, { kind: 'health', error })
    world.pass(1_000)
  }
  const all = [POD, RANGE, VIP].sort()
  set({})
  expect(heard()).toEqual(all)
  answer()
  expect(heard()).toEqual(all)
  set({ port: 9_879 })
  for (let time = 0; time < 2; time++) answer('connection refused')
  expect(heard()).toEqual(all)
  answer('connection refused')
  expect(heard()).toEqual([POD])
  set()
  expect(heard()).toEqual(all)
})

test('before the first answer no service is advertised, not for one turn: that would count as a flap', () => {
  const { world, worker, heard } = scene({ serviceHealthCheck: {}, serviceDamping: { suppressAfter: 2 } })
  world.feed(worker, { kind: 'health', error: undefined })
  for (const isReady of [false, true]) {
    world.change(worker, [upsert(slice(isReady))])
    world.pass(1_000)
  }
  expect(heard()).toEqual([POD, RANGE, VIP].sort())
})
