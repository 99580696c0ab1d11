/** Our own graceful restart (RFC 4724 §4.1), between agents. Numbers in brackets: pitfalls. */
import { describe, expect, test } from 'vitest'
import { FAMILIES, type Family } from '../../src/base/family.ts'
import type { RouterId } from '../../src/base/units.ts'
import type { Session } from '../../src/bgp/session/types.ts'
import { RangeMembers } from '../../src/engine/range-members.ts'
import { Restart, readRestart } from '../../src/engine/restart.ts'
import { firstOf, longTest } from '../support/long.ts'
import { bgpAdvertisement, bgpFilter, bgpPeer, node, upsert } from '../support/objects.ts'
import type { Host } from '../support/world.ts'
import { POD, RestartLab } from './restart-lab.ts'

describe('the agent is killed', () => {
  test.each(firstOf(1, ['SIGKILL', 'SIGTERM']))(
    '[71] %s, 60 s, and a new one: no router lacks a route, no NOTIFICATION is sent',
    (how) => {
      const lab = new RestartLab()
      lab.sent.length = 0
      if (how === 'SIGKILL') lab.world.crash(lab.worker)
      else {
        lab.world.feed(lab.worker, { kind: 'stop', reason: 'SIGTERM', how: 'restart' })
        lab.world.pass(1_000)
        expect(lab.worker.done).toBe(true)
        lab.world.crash(lab.worker)
      }
      expect(lab.lacks(60_000)).toBe(0)
      lab.start()
      expect(lab.lacks(60_000)).toBe(0)
      expect(lab.said(3)).toBe(0)
      expect(lab.routers.flatMap((router) => router.told('stale-routes-dropped'))).toEqual([])
      expect(lab.worker.told('restarted')).toHaveLength(1)
    },
  )

  test('§4.1: the Restart State bit MUST be set after a restart, Forwarding State only for what is still delivered', () => {
    const lab = new RestartLab()
    expect(lab.opensOf(lab.routers[0] as Host)).not.toContain('Restart recovery')
    lab.world.crash(lab.worker)
    lab.start()
    expect(lab.world.until(() => lab.opensOf(lab.routers[0] as Host).includes('Restart recovery'))).toBe(true)
    expect(lab.opensOf(lab.routers[0] as Host)).toContain('AF preserved: ipv4 ipv6')
  })

  test('§4.1: a family that this node does not forward any more is not claimed, and routers drop it at once', () => {
    const lab = new RestartLab()
    lab.world.crash(lab.worker)
    lab.start(undefined, ['ipv6'])
    const router = lab.routers[0] as Host
    expect(lab.world.until(() => lab.opensOf(router).includes('AF preserved: ipv6'))).toBe(true)
    const text = lab.world.ask(router, 'show route')
    expect([text.includes(POD), text.includes('fd00:244:1::/64')]).toEqual([false, true])
    expect(lab.worker.told('restarted')[0]?.text).toContain('except for ipv4: this node does not forward it')
  })

  test('§4.1: no learned route before every router has sent its End-of-RIB, and ours comes behind all routes', () => {
    // One that never comes, so that selection is deferred for as long as may be.
    const peers = [1, 2, 3].map((number) =>
      bgpPeer(`tor-${number}`, { peerIP: `10.0.0.${number}`, asNumber: 65000 + number, filters: ['pass-all'] }),
    )
    const lab = new RestartLab({}, peers)
    const [, two] = lab.routers as [Host, Host]
    const has = () => lab.world.ask(two, 'show route').includes('10.250.1.0/24')
    expect(has()).toBe(true)
    lab.world.crash(lab.worker)
    // It has nothing of the run before, and so what it has was said since.
    lab.world.crash(two, 'power')
    lab.addRouter(2)
    lab.sent.length = 0
    lab.start()
    const again = lab.world.hosts.get('tor-2') as Host
    expect(lab.world.until(() => lab.has(again))).toBe(true)
    lab.world.pass(10_000)
    expect(lab.world.ask(lab.worker, 'show route')).toContain('10.250.1.0/24')
    const heard = () => lab.world.ask(again, 'show route').includes('10.250.1.0/24')
    expect([heard(), lab.endsOfRib, lab.worker.told('selected').length]).toEqual([false, 0, 0])
    expect(lab.world.until(() => lab.worker.told('selected').length === 1)).toBe(true)
    lab.world.pass(5_000)
    expect(heard()).toBe(true)
    const updates = lab.sent.filter(({ type }) => type === 2)
    expect(updates.filter(({ isEndOfRib }) => isEndOfRib)).toHaveLength(4)
    expect(updates.at(-1)?.isEndOfRib).toBe(true)
  })

  test('§4.1: a router that does not come is waited for 20 s, and no longer', () => {
    const lab = new RestartLab()
    lab.world.crash(lab.routers[1] as Host)
    lab.world.crash(lab.worker)
    lab.sent.length = 0
    const at = lab.world.now
    lab.start()
    lab.world.pass(19_000)
    expect([lab.endsOfRib, lab.has(lab.routers[0] as Host)]).toEqual([0, true])
    lab.world.pass(2_000)
    expect(lab.endsOfRib).toBe(2)
    expect(lab.worker.told('selected')[0]?.text).toContain('20 s after the restart')
    expect(lab.world.now - at).toBe(21_000)
  })

  test('§3, §4.1: a router that has restarted itself is not waited for', () => {
    const lab = new RestartLab()
    for (const router of lab.routers) lab.world.crash(router)
    lab.world.crash(lab.worker)
    lab.addRouter(1)
    lab.addRouter(2)
    lab.start()
    expect(lab.world.until(() => lab.worker.told('selected').length === 1, 5_000)).toBe(true)
  })

  test.each([
    { ended: false, routes: 1, after: 3_150 },
    // FRR says for two minutes that it has restarted, and may wait for 10 s before it sends the first route.
    { ended: false, routes: 0, after: 12_100 },
    { ended: true, routes: 1, after: 50 },
  ])(
    '§4.1: one that says it has restarted gets time for its routes ($routes); its End-of-RIB has come: $ended',
    ({ ended, routes, after }) => {
      const session = { conn: 1, families: ['ipv4'], restart: { restarted: true } } as unknown as Session
      const restart = new Restart('boot', {
        neighbors: () => [{ name: 'tor', isStopped: false, session }],
        hasEnded: () => ended,
        received: () => routes,
        isReady: () => true,
        areOriginatedReady: () => true,
        leading: () => undefined,
        relays: () => false,
      })
      restart.take({ boot: 'boot', routerId: 1 as RouterId, families: ['ipv4'] }, ['ipv4'])
      expect(restart.begin(1 as RouterId, false, 0)?.code).toBe('restarted')
      const overAt = [50, 1_000, 3_000, 3_150, 11_900, 12_100].find((now) => restart.look(now) !== undefined)
      expect(overAt).toBe(after)
    },
  )

  test('what this run did not reach goes over to the next one, once, until no neighbor keeps routes any more', () => {
    const rooms = {
      neighbors: () => [],
      hasEnded: () => true,
      received: () => 0,
      isReady: () => true,
      areOriginatedReady: () => false,
      leading: () => 8,
      relays: () => false,
    }
    const restart = new Restart('boot', rooms)
    const routerId = 1 as RouterId
    const callers = ['10.0.0.5', '10.0.0.6']
    const before = { boot: 'boot', routerId, families: FAMILIES, callers, relayed: { ipv6: 8 } }
    restart.take(before, FAMILIES)
    restart.begin(routerId, false, 0)
    const members = new RangeMembers()
    const remember = (now: number) => restart.remember({ routerId, families: new Set<Family>(['ipv4']), members }, now)
    expect(remember(0)).toBeUndefined()
    restart.look(0)
    members.add('10.0.0.6')
    const known = { boot: 'boot', routerId, families: FAMILIES }
    const carried = { callers: ['10.0.0.5'], relayed: { ipv6: 8 } }
    expect(remember(1_000)).toEqual({ ...known, callers: ['10.0.0.6'], carried })
    // One that was back and has gone is not expected.
    members.delete('10.0.0.6')
    const last = remember(2_000)
    expect(last).toEqual({ ...known, carried })
    expect(remember(4_095_000)).toEqual(known)
    const next = new Restart('boot', rooms)
    next.take(readRestart(JSON.parse(JSON.stringify(last))), FAMILIES)
    next.begin(routerId, false, 0)
    expect(next.callers).toEqual(['10.0.0.5'])
    next.look(0)
    expect(next.remember({ routerId, families: new Set(), members: new RangeMembers() }, 1_000)).toEqual(known)
  })

  test('of another boot nothing goes over to the next run', () => {
    const rooms = { neighbors: () => [], hasEnded: () => true, received: () => 0, isReady: () => true }
    const restart = new Restart('boot', {
      ...rooms,
      areOriginatedReady: () => false,
      leading: () => 0,
      relays: () => false,
    })
    const routerId = 1 as RouterId
    restart.take({ boot: 'another', routerId, families: FAMILIES, callers: ['10.0.0.5'] }, FAMILIES)
    restart.begin(routerId, false, 0)
    const known = { routerId, families: new Set<Family>(['ipv4']), members: new RangeMembers() }
    expect(restart.remember(known, 0)).toEqual({ boot: 'boot', routerId, families: ['ipv4'] })
  })

  test('the document for the next run is not written anew where a table changes back and forth', () => {
    let leading = 0
    const restart = new Restart('boot', {
      neighbors: () => [],
      hasEnded: () => true,
      received: () => 0,
      isReady: () => true,
      areOriginatedReady: () => false,
      leading: () => leading,
      relays: (family) => family === 'ipv4',
    })
    const written = [5, 1_023, 1_024, 1_023, 1_024, 3_100, 2_047, 2_048, 2_047, 1_000, 1_100, 3].map((count) => {
      leading = count
      const known = { routerId: 1 as RouterId, families: new Set<Family>(['ipv4']), members: new RangeMembers() }
      return restart.remember(known, 0)?.relayed?.ipv4
    })
    const none = undefined
    expect(written).toEqual([4, 512, none, none, none, 2_048, 1_024, none, none, 512, none, 2])
  })

  test('§4.1: nor is one that does not announce graceful restart', () => {
    const lab = new RestartLab({ maxRestartTime: '0s' })
    lab.world.crash(lab.worker)
    lab.start()
    expect(lab.world.until(() => lab.worker.told('selected').length === 1, 5_000)).toBe(true)
  })

  test('§4.1: routers that call from a range are waited for, and get the Restart State bit', () => {
    const lab = new RestartLab({}, [bgpPeer('tors', { peerRange: '10.0.0.0/28', remoteAS: 'external' })])
    lab.world.crash(lab.worker)
    lab.sent.length = 0
    lab.world.pause(lab.routers[1] as Host, 6_000)
    lab.start()
    expect(lab.world.until(() => lab.worker.up === 1)).toBe(true)
    lab.world.pass(500)
    expect([lab.endsOfRib, lab.worker.told('selected').length]).toEqual([0, 0])
    expect(lab.world.until(() => lab.worker.told('selected').length === 1, 18_000)).toBe(true)
    for (const router of lab.routers) expect(lab.opensOf(router)).toContain('Restart recovery')
    lab.world.pass(1_000)
    expect(lab.lacks(5_000)).toBe(0)
  })

  test.each([
    [
      'a passive neighbor',
      [1, 2].map((n) => bgpPeer(`tor-${n}`, { peerIP: `10.0.0.${n}`, asNumber: 65000 + n, passive: true })),
    ],
    ['one that called from a range', [bgpPeer('tors', { peerRange: '10.0.0.0/28', remoteAS: 'external' })]],
  ])('%s that waits for us, as FRR does, is dialled, and lacks no route', (_, peers) => {
    const lab = new RestartLab({}, peers)
    for (const router of lab.routers) lab.world.change(router, [upsert(lab.peerOf({ passive: true }))])
    lab.world.pass(1_000)
    lab.world.crash(lab.worker)
    expect(lab.lacks(3_000)).toBe(0)
    lab.start()
    expect(lab.lacks(5_000)).toBe(0)
    expect(lab.worker.up).toBe(2)
    expect(lab.lacks(240_000)).toBe(0)
  })

  test('one that called from a range is dialled once the range is no longer held', () => {
    const late = bgpFilter('late', {})
    const range = bgpPeer('tors', { peerRange: '10.0.0.0/28', remoteAS: 'external', filters: ['late'] })
    const objects = [range, late]
    const lab = new RestartLab({}, objects)
    for (const router of lab.routers) lab.world.change(router, [upsert(lab.peerOf({ passive: true }))])
    lab.world.crash(lab.worker)
    objects.pop()
    lab.start()
    lab.world.pass(3_000)
    expect(lab.worker.up).toBe(0)
    lab.world.change(lab.worker, [upsert(late)])
    expect(lab.lacks(5_000)).toBe(0)
    expect(lab.worker.up).toBe(2)
  })

  test('one that called from a range and is gone for good is forgotten, also where it sent no routes', () => {
    const lab = new RestartLab({}, [bgpPeer('tors', { peerRange: '10.0.0.0/28', remoteAS: 'external' })])
    lab.world.crash(lab.worker)
    lab.world.crash(lab.routers[1] as Host)
    lab.start()
    const known = () => lab.world.ask(lab.worker, 'show protocols').match(/Global_10_0_0_\d+ /g)
    lab.world.pass(30_000)
    expect(known()).toEqual(['Global_10_0_0_1 ', 'Global_10_0_0_2 '])
    lab.world.pass(210_000)
    expect(known()).toEqual(['Global_10_0_0_1 '])
  })

  test.each<[string, object, string[]]>([
    ['takes no place where it is not dialled', { maxRestartTime: '0s' }, []],
    ['does not push out the one before it where the limit is lower now', { peerRangeLimit: 1 }, ['Global_10_0_0_1 ']],
  ])('one that called from a range %s', (_, spec, expected) => {
    const range = { peerRange: '10.0.0.0/28', remoteAS: 'external' }
    const objects = [bgpPeer('tors', range)]
    const lab = new RestartLab({}, objects)
    for (const host of [lab.worker, ...lab.routers]) lab.world.crash(host)
    objects[0] = bgpPeer('tors', { ...range, ...spec })
    lab.start()
    lab.world.pass(500)
    const known = lab.world.ask(lab.worker, 'show protocols').match(/Global_10_0_0_\d+ /g) ?? []
    expect(known).toEqual(expected)
  })

  test('again and again, while it is still restarting', () => {
    const lab = new RestartLab()
    for (const pause of [3_000, 200, 1_000]) {
      lab.world.crash(lab.worker)
      expect(lab.lacks(pause)).toBe(0)
      lab.start()
      expect(lab.lacks(pause)).toBe(0)
    }
    expect(lab.lacks(30_000)).toBe(0)
  })

  longTest('§4.2: SIGTERM while it still waits for a router: the others get its routes before the session ends', () => {
    const lab = new RestartLab()
    lab.world.crash(lab.routers[1] as Host)
    lab.world.crash(lab.worker)
    lab.sent.length = 0
    lab.start()
    expect(lab.lacks(5_000)).toBe(0)
    expect(lab.endsOfRib).toBe(0)
    lab.world.feed(lab.worker, { kind: 'stop', reason: 'SIGTERM', how: 'restart' })
    lab.world.pass(100)
    expect(lab.worker.done).toBe(true)
    lab.world.crash(lab.worker)
    expect(lab.lacks(10_000)).toBe(0)
    lab.start()
    expect(lab.lacks(60_000)).toBe(0)
    expect(lab.said(3)).toBe(0)
  })

  longTest('SIGTERM amid a change: all of it is advertised before the session ends, and measured then', () => {
    const lab = new RestartLab()
    const addresses = Array.from({ length: 2_000 }, (_, index) => `203.0.${113 + (index >> 8)}.${index & 255}/32`)
    const lists = [0, 500, 1_000, 1_500].map((from) => ({ prefixes: addresses.slice(from, from + 500) }))
    lab.sent.length = 0
    lab.measured.length = 0
    lab.world.change(lab.worker, [upsert(bgpAdvertisement('many', { routes: lists }))])
    lab.world.feed(lab.worker, { kind: 'stop', reason: 'SIGTERM', how: 'restart' })
    lab.world.pass(2_500)
    expect(lab.worker.done).toBe(true)
    const [router] = lab.routers as [Host]
    expect(lab.world.ask(router, 'show route count')).toContain('Total: 2003 of 2003 routes')
    expect(lab.said(3)).toBe(0)
    expect(lab.measured).toEqual([lab.said(2)])
  })

  longTest('what it no longer originates is gone with its End-of-RIB', () => {
    const lab = new RestartLab()
    lab.world.crash(lab.worker)
    lab.world.pass(1_000)
    lab.start()
    lab.world.change(lab.worker, [
      upsert(node('worker-1', { addresses: ['10.0.0.11', 'fd00:10::11'], podCIDRs: [POD] })),
    ])
    lab.world.pass(25_000)
    const text = lab.world.ask(lab.routers[0] as Host, 'show route')
    expect([text.includes(POD), text.includes('fd00:244:1::/64')]).toEqual([true, false])
  })
})

describe('a change of configuration that needs a new session', () => {
  const change = (lab: RestartLab, spec: object) => {
    lab.sent.length = 0
    const peer = { peerIP: '10.0.0.1', asNumber: 65001 }
    lab.world.change(lab.worker, [upsert(bgpPeer('tor-1', { ...peer, ...spec }))])
  }
  const OPEN = 1
  const NOTIFICATION = 3

  longTest.each([
    ['several paths', { addPath: { send: true } }],
    ['IPv6 next hops for IPv4', { extendedNextHop: true }],
    ['IPv4 alone', { addressFamilies: ['ipv4'] }],
  ])('RFC 4724 §4: %s: the connection is closed without NOTIFICATION, and routes are kept on both sides', (_, spec) => {
    const lab = new RestartLab()
    change(lab, spec)
    const has = (text: string) => lab.world.ask(lab.routers[0] as Host, 'show route').includes(text)
    let lacks = 0
    for (let passed = 0; passed < 10_000; passed += 5) {
      lab.world.pass(5)
      if (!has(POD)) lacks++
    }
    expect([lacks, lab.said(OPEN), lab.said(NOTIFICATION)]).toEqual([0, 1, 0])
    expect(lab.worker.told('session-down').at(-1)?.text).toContain('its ipv4 and ipv6 routes are kept')
    // A family that is no longer spoken of goes with the new session.
    expect(has('fd00:244:1::/64')).toBe(!('addressFamilies' in spec))
  })

  test.each([
    ['another AS', { localASNumber: 64999 }],
    ['no graceful restart', { maxRestartTime: '0s' }],
    ['IPv6 next hops for IPv4, and no graceful restart', { extendedNextHop: true, maxRestartTime: '0s' }],
    ['IPv4 alone, and a role', { addressFamilies: ['ipv4'], role: 'provider' }],
  ])('RFC 4486 §4: %s: Cease', (_, spec) => {
    const lab = new RestartLab()
    change(lab, spec)
    lab.world.pass(5)
    expect(lab.said(NOTIFICATION)).toBe(1)
  })

  test('RFC 4486 §4: … and so where one of the two does not take part in graceful restart', () => {
    const lab = new RestartLab({ maxRestartTime: '0s' })
    change(lab, { maxRestartTime: '0s', addPath: { send: true } })
    lab.world.pass(5)
    expect(lab.said(NOTIFICATION)).toBe(1)
  })
})

describe('long-lived graceful restart, as it is asked for (RFC 9494)', () => {
  const stale = (lab: RestartLab, router: Host) => lab.world.ask(router, 'show route all').includes('(65535,6)')
  const [hour, minute] = [3_600_000, 60_000]

  test('§4.2: routers keep the routes for the time it was asked for, as routes of last resort, and no longer', () => {
    const lab = new RestartLab({ maxRestartTime: '60s', longLivedStaleTime: '1h' })
    expect(lab.opensOf(lab.routers[0] as Host)).toContain('LL stale time: 3600')
    lab.world.crash(lab.worker)
    expect(lab.lacks(50_000)).toBe(0)
    expect(lab.routers.map((router) => stale(lab, router))).toEqual([false, false])
    lab.world.pass(15_000)
    expect(lab.routers.map((router) => stale(lab, router) && lab.has(router))).toEqual([true, true])
    lab.world.pass(hour - 2 * minute)
    expect(lab.routers.every((router) => lab.has(router))).toBe(true)
    lab.world.pass(3 * minute)
    expect(lab.routers.some((router) => lab.has(router))).toBe(false)
  })

  test('§4.2: an agent that comes back meanwhile finds its routes there, and they are as ever', () => {
    const lab = new RestartLab({ maxRestartTime: '60s', longLivedStaleTime: '1h' })
    lab.world.crash(lab.worker)
    expect(lab.lacks(2 * minute)).toBe(0)
    lab.start()
    expect(lab.lacks(minute / 2)).toBe(0)
    expect(lab.routers.map((router) => stale(lab, router))).toEqual([false, false])
  })

  test('§5: unless it is asked for, nobody keeps them so long', () => {
    const lab = new RestartLab({ maxRestartTime: '60s' })
    lab.world.crash(lab.worker)
    lab.world.pass(2 * minute)
    expect(lab.routers.some((router) => lab.has(router))).toBe(false)
  })

  test('without graceful restart it is ignored, and that is said', () => {
    const lab = new RestartLab({ maxRestartTime: '0s', longLivedStaleTime: '1h' })
    const said = lab.worker.told('object-problem').map(({ text }) => text)
    expect(said[0]).toContain('spec.longLivedStaleTime: needs graceful restart, which maxRestartTime turns off')
    lab.world.crash(lab.worker)
    lab.world.pass(1_000)
    expect(lab.routers.some((router) => lab.has(router))).toBe(false)
  })
})

describe('no restart is claimed', () => {
  test('[71] of another boot: routers drop at once what the machine does not deliver any more', () => {
    const lab = new RestartLab()
    lab.world.crash(lab.worker, 'power')
    lab.start()
    expect(lab.worker.told('started')[0]?.text).toContain('the machine has rebooted since')
    lab.world.pass(60_000)
    expect(lab.lacks(1_000)).toBe(0)
    expect(lab.opensOf(lab.routers[0] as Host)).toMatch(/Graceful restart\n(?!.*Restart recovery)/)
    expect(lab.opensOf(lab.routers[0] as Host)).not.toContain('Restart recovery')
    expect(lab.opensOf(lab.routers[0] as Host)).not.toContain('AF preserved: ipv4')
  })

  test('after it left on purpose, which says Cease and is final', () => {
    const lab = new RestartLab()
    lab.world.feed(lab.worker, { kind: 'stop', reason: 'leaving', how: 'leave' })
    lab.world.pass(1_000)
    expect(lab.routers.some((router) => lab.has(router))).toBe(false)
    lab.world.crash(lab.worker)
    lab.start()
    lab.world.pass(10_000)
    expect(lab.worker.told('restarted')).toEqual([])
  })

  test.each([
    undefined,
    null,
    'text',
    7,
    {},
    { boot: 'b' },
    { boot: 1, routerId: 1, families: [] },
    { boot: 'b', routerId: 1 },
    { boot: 'b', routerId: 1, families: 'ipv4', relayed: { ipv4: 1 } },
  ])('of what cannot be read: %j', (value) => {
    expect(readRestart(value)).toBeUndefined()
  })
})
