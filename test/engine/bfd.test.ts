/** What BFD does to BGP: nothing, but when a neighbor that was there is lost (RFC 5882 §3.2, §3.3, §4.3; RFC 9384). */
import { describe, expect, test } from 'vitest'
import type { BfdState } from '../../src/bfd/packet.ts'
import type { BfdIntent, BfdView } from '../../src/bfd/types.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { bfdView } from '../bfd/support.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const [HERE, THERE] = ['10.0.0.1', '10.0.0.2'] as const

function speak(world: World, name: string, address: string, as: number, peer: object): Host {
  const objects = [
    node(name, { addresses: [address], podCIDRs: [`10.244.${as - 65000}.0/24`] }),
    bgpConfiguration({ asNumber: as, nodeToNodeMeshEnabled: false }),
    bgpPeer('peer', peer),
  ]
  return world.add(
    name,
    [address],
    objects.map((object) => upsert(object)),
  )
}

function scene(bfd: object | 'none' = {}) {
  const asked: (readonly BfdIntent[])[] = []
  const watch = (host: Host, _: unknown, effects: readonly Effect[]) => {
    for (const effect of effects) if (effect.kind === 'bfd' && host.name === 'one') asked.push(effect.sessions)
  }
  const world = new World({ watch })
  const spec = { peerIP: THERE, asNumber: 65002, ...(bfd !== 'none' && { bfd }) }
  const one = speak(world, 'one', HERE, 65001, spec)
  const two = speak(world, 'two', THERE, 65002, { peerIP: HERE, asNumber: 65001 })
  world.pass(10_000)
  const change = (changed: object) => world.change(one, [upsert(bgpPeer('peer', { ...spec, ...changed }))])
  return { world, one, two, asked, change }
}

const view = (state: BfdState, change: Partial<BfdView> = {}): BfdView =>
  bfdView({ remote: THERE, local: HERE, state, remoteState: state, ...change })

const report = (world: World, host: Host, from: BfdState | undefined, session: BfdView) =>
  world.feed(host, { kind: 'bfd', news: [{ kind: 'report', session, from }] })

interface Protocol {
  readonly state: string
  readonly lastError: string | null
  readonly timesEstablished: number
  readonly bfd: string | null
}
const protocolOf = (world: World, host: Host): Protocol =>
  world.askJson<Protocol[]>(host, 'show protocols')[0] as Protocol

const DEFAULTS = {
  receive: 300_000,
  transmit: 300_000,
  multiplier: 3,
  minimumTtl: 1,
  passive: false,
  hops: 'single',
  interface: 'eth0',
}

describe('which neighbors are watched', () => {
  test('those that ask for it, by the address of the node; nobody else', () => {
    expect(scene().asked).toEqual([[{ remote: THERE, local: HERE, ...DEFAULTS }]])
    // A process that outlives agents must know that nobody is.
    expect(scene('none').asked).toEqual([[]])
  })

  test('a neighbor that is disabled, held or removed is not, so that its router learns that this is on purpose', () => {
    const { world, one, asked } = scene()
    world.ask(one, 'disable all')
    expect(asked.at(-1)).toEqual([])
    world.ask(one, 'enable all')
    expect(asked.at(-1)).toHaveLength(1)
    world.change(one, [remove(bgpPeer('peer', {}))])
    expect(asked.at(-1)).toEqual([])
  })

  test('an agent that ends says so too', () => {
    const { world, one, asked } = scene()
    world.feed(one, { kind: 'stop', reason: 'test', how: 'leave' })
    expect(asked.at(-1)).toEqual([])
  })

  test('… but one that ends to come back says nothing, or routers would drop what graceful restart keeps', () => {
    const { world, one, asked } = scene()
    const before = asked.length
    world.feed(one, { kind: 'stop', reason: 'test', how: 'restart' })
    world.pass(5_000)
    expect(asked).toHaveLength(before)
  })

  test('other intervals, and BFD itself, come and go without a word to BGP', () => {
    const { world, one, two, asked, change } = scene('none')
    asked.length = 0
    for (const bfd of [{}, { transmitInterval: 50 }, { minimumTTL: 200 }, undefined, {}]) {
      change({ bfd })
      world.pass(5_000)
    }
    expect(asked.map(([first]) => first?.transmit)).toEqual([300_000, 50_000, 300_000, undefined, 300_000])
    expect([one, two].map((host) => protocolOf(world, host).timesEstablished)).toEqual([1, 1])
  })

  test('two neighbors at one address are watched by one session, the one that tells sooner (RFC 5882 §4.4, RFC 5883 §4.1)', () => {
    const { world, one, asked } = scene()
    const other = { peerIP: `${THERE}:1790`, asNumber: 65002, bfd: { receiveInterval: 50, transmitInterval: 50 } }
    world.change(one, [upsert(bgpPeer('second', other))])
    expect(asked.at(-1)).toEqual([{ remote: THERE, local: HERE, ...DEFAULTS, receive: 50_000, transmit: 50_000 }])
  })
})

describe('how far a neighbor is', () => {
  const links = (world: World, one: Host, ...addresses: string[]) => {
    const present = addresses.map((address, at) => linkOf(at + 2, `eth${at}`, true, [address]))
    world.feed(one, { kind: 'links', change: { full: true, gone: [], present } })
  }

  test('on our link', () => {
    expect(scene().asked.at(-1)).toMatchObject([{ hops: 'single', interface: 'eth0', minimumTtl: 1 }])
  })

  test('told to be several hops away', () => {
    const [last] = scene({ minimumTTL: 200 }).asked.at(-1) ?? []
    expect(last).toMatchObject({ hops: 'multi', interface: undefined, minimumTtl: 200 })
  })

  test('nowhere on our links, and on one again', () => {
    const { world, one, asked } = scene()
    links(world, one, '10.7.0.1/24')
    expect(asked.at(-1)).toMatchObject([{ hops: 'multi', interface: undefined, local: HERE }])
    links(world, one, '10.7.0.1/24', '10.0.0.1/24')
    expect(asked.at(-1)).toMatchObject([{ hops: 'single', interface: 'eth1' }])
  })

  test('on a network of two links its packets may come in on either', () => {
    const { world, one, asked } = scene()
    links(world, one, '10.0.0.1/24', '10.0.0.7/24')
    expect(asked.at(-1)).toMatchObject([{ hops: 'single', interface: undefined }])
  })

  test('on a network of two links, of which sourceInterface names one, it is over that one alone', () => {
    const { world, one, asked, change } = scene()
    links(world, one, '10.0.0.1/24', '10.0.0.7/24')
    change({ sourceInterface: 'eth1' })
    const last = () => asked.at(-1)
    expect(last()).toMatchObject([{ hops: 'single', interface: 'eth1', local: '10.0.0.7', isBound: true }])
    links(world, one, '10.0.0.1/24', '10.5.0.7/24')
    expect(last()).toMatchObject([{ hops: 'single', interface: 'eth0', local: '10.5.0.7' }])
    expect(last()?.[0]).not.toHaveProperty('isBound')
  })

  test('RFC 5881 §6: on a link that the node’s address is not on, the kernel chooses ours', () => {
    const { world, one, asked } = scene()
    links(world, one, '10.0.0.7/24')
    expect(asked.at(-1)).toMatchObject([{ hops: 'single', local: undefined }])
  })

  test('… unless BGP keeps to the node’s address, as objects may say', () => {
    const { world, one, asked, change } = scene()
    links(world, one, '10.0.0.7/24')
    const found = ['UseNodeIP', undefined].map((sourceAddress) => {
      change({ sourceAddress })
      return asked.at(-1)?.[0]?.local
    })
    expect(found).toEqual([HERE, undefined])
    expect(Object.keys(asked.at(-1)?.[0] ?? {})).not.toContain('localMayYield')
  })

  test('one that is Up stays on its way while addresses change; one that is not follows them', () => {
    const { world, one, asked } = scene()
    const before = asked.length
    report(world, one, 'Init', view('Up'))
    links(world, one, '10.7.0.1/24')
    expect(asked).toHaveLength(before)
    report(world, one, 'Up', view('Down'))
    expect(asked.at(-1)).toMatchObject([{ hops: 'multi' }])
    links(world, one, '10.7.0.1/24', '10.0.0.1/24')
    expect(asked.at(-1)).toMatchObject([{ hops: 'single' }])
  })

  test('a loss that BFD tells of after it stood still ends nothing: BGP has gone on without it', () => {
    const { world, one } = scene()
    report(world, one, 'Init', view('Up'))
    world.feed(one, { kind: 'bfd-error', text: 'it stands still' })
    world.feed(one, { kind: 'bfd-error', text: undefined })
    report(world, one, 'Up', view('Down', { diagnostic: 0, remoteState: 'Down' }))
    world.pass(1_000)
    expect(protocolOf(world, one)).toMatchObject({ state: 'Established', timesEstablished: 1, lastError: null })
    report(world, one, 'Init', view('Up'))
    report(world, one, 'Up', view('Down', { diagnostic: 1, remoteState: 'Down' }))
    expect(protocolOf(world, one).lastError).toBe('Error: BFD session down')
  })

  test('one that was Up when its thread ended is asked for anew, on its way of now', () => {
    const { world, one, asked } = scene()
    report(world, one, 'Init', view('Up'))
    links(world, one, '10.7.0.1/24')
    expect(asked.at(-1)).toMatchObject([{ hops: 'single' }])
    world.feed(one, { kind: 'bfd-error', text: 'its thread has ended' })
    expect(asked.at(-1)).toMatchObject([{ hops: 'multi', interface: undefined }])
  })

  test('one that is Up goes on from another address where the session does', () => {
    const { world, one, asked, change } = scene()
    report(world, one, 'Init', view('Up'))
    change({ sourceAddress: 'None' })
    expect(asked.at(-1)).toMatchObject([{ local: undefined }])
    change({ sourceAddress: 'UseNodeIP' })
    expect(asked.at(-1)).toMatchObject([{ local: HERE }])
  })

  test('one whose neighbor is restarted by hand is still known: it is asked for all the time', () => {
    const { world, one, asked } = scene()
    const before = asked.length
    report(world, one, 'Init', view('Up'))
    world.ask(one, 'restart all')
    expect(asked).toHaveLength(before)
    expect(protocolOf(world, one).bfd).toBe('Up')
    world.ask(one, 'disable all')
    world.ask(one, 'enable all')
    expect(protocolOf(world, one).bfd).not.toBe('Up')
  })
})

describe('what BFD says', () => {
  test('[82] RFC 9384 §3: a neighbor that is lost ends the session with Cease/10, and is tried again', () => {
    const { world, one, two } = scene()
    report(world, one, 'Init', view('Up'))
    report(world, one, 'Up', view('Down', { diagnostic: 1, remoteState: 'Down' }))
    expect(protocolOf(world, one)).toMatchObject({ lastError: 'Error: BFD session down', bfd: 'Down' })
    expect(protocolOf(world, one).state).not.toBe('Established')
    expect(one.told('notification-sent')).toMatchObject([{ fields: { code: 6, subcode: 10 } }])
    expect(one.told('bfd-transition').at(-1)).toMatchObject({
      level: 'warn',
      text: 'Global_10_0_0_2: BFD Up to Down: the detection time expired',
      fields: { peer: 'Global_10_0_0_2', from: 'Up', to: 'Down', reason: 'the detection time expired' },
    })
    world.pass(30_000)
    expect([one, two].map((host) => protocolOf(world, host).timesEstablished)).toEqual([2, 2])
  })

  test.each<[string, BfdState | undefined, BfdView]>([
    ['[83] RFC 5882 §3.3: it has not come up yet', undefined, view('Down')],
    ['it comes up late', 'Init', view('Up')],
    ['it never came further than Init', 'Init', view('Down', { diagnostic: 1 })],
    [
      '[81] RFC 5882 §3.2, §4.1: the neighbor has disabled it',
      'Up',
      view('Down', { diagnostic: 3, remoteState: 'AdminDown' }),
    ],
    ['we have disabled it (RFC 5882 §4.1)', 'Up', view('AdminDown', { diagnostic: 7 })],
    ['it cannot be sent', undefined, view('Down', { error: 'Network is unreachable' })],
    ['it is of somebody else', 'Up', view('Down', { remote: '10.0.0.9', diagnostic: 1 })],
  ])('the session stays: %s', (_name, from, session) => {
    const { world, one, two } = scene()
    report(world, one, from, session)
    world.pass(30_000)
    expect([one, two].map((host) => protocolOf(world, host).timesEstablished)).toEqual([1, 1])
  })

  test.each([
    ['RFC 5882 §4.3.1: … where BFD is independent on both sides, they go', true, 1],
    ['RFC 5882 §4.3.2: … where it is not, they stay: it goes down with what restarts', false, 0],
  ])('routes kept for a neighbor that restarts: %s', (_name, independent, dropped) => {
    const { world, one, two } = scene()
    report(world, one, 'Init', view('Up', { independent }))
    world.crash(two)
    world.pass(100)
    expect(protocolOf(world, one).state).not.toBe('Established')
    report(world, one, 'Up', view('Down', { diagnostic: 1, remoteState: 'Down', independent }))
    expect(one.told('stale-routes-dropped')).toHaveLength(dropped)
  })

  describe('a node that dies, the N bit on both sides (RFC 8538)', () => {
    const POD = '10.244.2.0/24'
    const isHeld = (world: World, host: Host) => world.ask(host, 'show route').includes(POD)

    function dying(): { world: World; one: Host; two: Host } {
      const world = new World()
      const all = bgpFilter('all', { importV4: [{ action: 'Accept' }] })
      const spec = { asNumber: 65002, bfd: {}, filters: ['all'], maxRestartTime: '60s' }
      const one = speak(world, 'one', HERE, 65001, { ...spec, peerIP: THERE })
      const two = speak(world, 'two', THERE, 65002, { ...spec, peerIP: HERE, asNumber: 65001 })
      for (const host of [one, two]) world.change(host, [upsert(all)])
      expect(world.until(() => isHeld(world, one))).toBe(true)
      world.pass(1_000)
      expect(world.ask(one, 'show protocols all').match(/Restart time/g)).toHaveLength(2)
      return { world, one, two }
    }

    test.each([true, false])('BFD ends its routes at once; independent of the control plane: %s', (independent) => {
      const { world, one, two } = dying()
      report(world, one, 'Init', view('Up', { independent }))
      world.crash(two, 'power')
      world.pass(1_000)
      expect(isHeld(world, one)).toBe(true)
      report(world, one, 'Up', view('Down', { diagnostic: 1, remoteState: 'Up', independent }))
      world.pass(10)
      expect(isHeld(world, one)).toBe(false)
    })

    test('where BFD never came up they are kept for the hold time and the restart time, and no longer', () => {
      const { world, one, two } = dying()
      world.crash(two, 'power')
      world.pass(95_000)
      expect(protocolOf(world, one).state).not.toBe('Established')
      expect(isHeld(world, one)).toBe(true)
      world.pass(60_000)
      expect(isHeld(world, one)).toBe(false)
    })
  })

  test('its engine is gone: that is no reason to end a session, and is named', () => {
    const { world, one } = scene()
    report(world, one, 'Init', view('Up'))
    world.feed(one, { kind: 'bfd-error', text: 'its thread has ended' })
    expect(world.ask(one, 'configure check')).toContain('BFD: does not run: its thread has ended')
    report(world, one, undefined, view('Down'))
    world.feed(one, { kind: 'bfd-error', text: undefined })
    expect(world.ask(one, 'configure check')).not.toContain('BFD')
    expect(protocolOf(world, one).timesEstablished).toBe(1)
    expect(one.told('bfd-gone')).toHaveLength(1)
  })

  test('a session that is down for want of a way is named as a problem', () => {
    const { world, one } = scene()
    report(world, one, undefined, view('Down', { error: 'cannot listen on UDP port 3784: Address already in use' }))
    expect(world.ask(one, 'configure check')).toContain(
      'Global_10_0_0_2: BFD cannot be sent: cannot listen on UDP port 3784: Address already in use',
    )
  })

  test('intervals that cannot be kept are a problem where somebody asks for shorter ones', () => {
    const { world, one, change } = scene()
    world.feed(one, { kind: 'bfd', news: [{ kind: 'least-interval', least: 50_000 }] })
    expect(world.ask(one, 'configure check')).not.toContain('BFD')
    change({ bfd: { transmitInterval: 20 } })
    expect(world.ask(one, 'configure check')).toContain('no interval is shorter than 50 ms')
  })

  test('a stranger’s packet is told of with its reason', () => {
    const { world, one } = scene()
    world.feed(one, { kind: 'bfd', news: [{ kind: 'dropped', from: '10.0.0.66', reason: 'stranger' }] })
    expect(one.told('bfd-dropped')).toMatchObject([
      { level: 'warn', text: 'BFD packet of 10.0.0.66 dropped: its sender is not a neighbor with BFD' },
    ])
  })
})
