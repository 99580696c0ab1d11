/** Neighbors on a link alone: by interface, found by router advertisements, and by link-local address. */
import { describe, expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
/** Both hosts call their end of the cable eth0: in this world an address and its interface are one name. */
const [A, B, C] = ['fe80::a%eth0', 'fe80::b%eth0', 'fe80::c%eth0'] as const
const UNNUMBERED = { interface: 'eth0', remoteAS: 'external' }

interface Speaker {
  readonly name: string
  readonly address: string
  readonly as: number
  readonly spec?: object
}

function speak(world: World, { name, address, as, spec = UNNUMBERED }: Speaker): Host {
  const number = as - 65000
  const objects = [
    node(name, { addresses: [`10.0.0.${number}`], podCIDRs: [`10.244.${number}.0/24`, `fd00:244:${number}::/64`] }),
    bgpConfiguration({ asNumber: as, nodeToNodeMeshEnabled: false }),
    TAKE_ALL,
    bgpPeer('peer', { filters: ['take-all'], ...spec }),
  ]
  return world.add(
    name,
    [address],
    objects.map((object) => upsert(object)),
  )
}

interface Protocol {
  readonly name: string
  readonly peer: string | null
  readonly state: string
  readonly held: string | null
  readonly otherRouters: readonly string[]
}
const protocolOf = (world: World, host: Host): Protocol =>
  world.askJson<Protocol[]>(host, 'show protocols')[0] as Protocol
const routesOf = (world: World, host: Host) =>
  world
    .askJson<{ prefix: string; nextHop: string; from: string | null }[]>(host, 'show route')
    .filter(({ from }) => from !== null)
const linkIs = (world: World, host: Host, error: string | undefined) =>
  world.feed(host, { kind: 'link', interface: 'eth0', error })
const hear = (world: World, host: Host, address: string) =>
  world.feed(host, { kind: 'router', interface: 'eth0', address })

function pair(one: object = UNNUMBERED, two: object = UNNUMBERED) {
  const asked: [string, Effect][] = []
  const watch = (host: Host, _: unknown, effects: readonly Effect[]) => {
    for (const effect of effects) if (effect.kind === 'discover') asked.push([host.name, effect])
  }
  const world = new World({ watch })
  const hosts = [
    speak(world, { name: 'one', address: A, as: 65001, spec: one }),
    speak(world, { name: 'two', address: B, as: 65002, spec: two }),
  ] as const
  return { world, one: hosts[0], two: hosts[1], asked }
}

/** Both hear each other. */
function meet({ world, one, two }: ReturnType<typeof pair>): void {
  for (const host of [one, two]) linkIs(world, host, undefined)
  hear(world, one, B)
  hear(world, two, A)
}

const up = (world: World, host: Host) => protocolOf(world, host).state === 'Established'

describe('by interface', () => {
  test.each([
    ['of one node', { node: 'one' }],
    ['of selected nodes', { nodeSelector: 'all()' }],
  ])('a BGPPeer for all nodes that becomes one %s finds its router at once', (_, scope) => {
    const scene = pair()
    const { world, one } = scene
    meet(scene)
    expect(world.until(() => up(world, one))).toBe(true)
    world.change(one, [upsert(bgpPeer('peer', { filters: ['take-all'], ...UNNUMBERED, ...scope }))])
    world.pass(60_000)
    expect(protocolOf(world, one)).toMatchObject({ name: 'Node_eth0', state: 'Established', held: null })
    expect(scene.asked).toHaveLength(2)
  })

  test('[27] two that hear each other exchange both families, with link-local next hops', () => {
    const scene = pair()
    const { world, one, two, asked } = scene
    const discover = { kind: 'discover', interfaces: ['eth0'] }
    expect(asked).toEqual([
      ['one', discover],
      ['two', discover],
    ])
    meet(scene)
    expect(world.until(() => routesOf(world, one).length === 2 && routesOf(world, two).length === 2)).toBe(true)
    expect(protocolOf(world, one)).toMatchObject({ name: 'Global_eth0', peer: B, held: null })
    expect(routesOf(world, one)).toMatchObject([
      { prefix: '10.244.2.0/24', nextHop: B },
      { prefix: 'fd00:244:2::/64', nextHop: B },
    ])
    expect(world.ask(one, 'show protocols all')).toMatch(
      /Interface: +eth0\n.* Neighbor address: fe80::b%eth0\n.* Advertised: +\d+ s ago\n/,
    )
  })

  test('until then it is held, each time with the reason', () => {
    const { world, one } = pair()
    const why = () => [protocolOf(world, one).peer, protocolOf(world, one).held]
    expect(why()).toEqual([null, 'the state of eth0 is not known yet'])
    linkIs(world, one, 'there is no interface eth0')
    expect(why()).toEqual([null, 'there is no interface eth0'])
    expect(one.told('link-trouble')).toMatchObject([{ level: 'warn', fields: { interface: 'eth0' } }])
    linkIs(world, one, undefined)
    expect(why()).toEqual([null, 'no router advertisement has arrived on eth0 yet'])
    hear(world, one, B)
    expect(why()).toEqual([B, null])
  })

  test('without its link a session ends at once, and its routes with it; with the link it comes back', () => {
    const scene = pair()
    const { world, one } = scene
    meet(scene)
    expect(world.until(() => routesOf(world, one).length === 2)).toBe(true)
    linkIs(world, one, 'eth0 is down')
    world.pass(1)
    expect(protocolOf(world, one)).toMatchObject({ state: 'Idle', peer: null, held: 'eth0 is down' })
    expect(routesOf(world, one)).toEqual([])
    meet(scene)
    expect(world.until(() => routesOf(world, one).length === 2)).toBe(true)
  })

  test('a second router changes nothing, is said once, and is shown', () => {
    const scene = pair()
    const { world, one } = scene
    meet(scene)
    expect(world.until(() => up(world, one))).toBe(true)
    for (let time = 0; time < 5; time++) {
      hear(world, one, C)
      world.pass(10_000)
    }
    expect(protocolOf(world, one)).toMatchObject({ peer: B, state: 'Established', otherRouters: [C] })
    expect(one.told('router-second').map(({ text }) => text)).toEqual([
      'eth0: fe80::c%eth0 sends router advertisements too; fe80::b%eth0 was first and remains the neighbor',
    ])
    expect(world.ask(one, 'show protocols all')).toMatch(
      /Second router: +fe80::c%eth0, \d+ s ago: the first router remains the neighbor/,
    )
  })

  test('another router takes the place of one that is lost and silent', () => {
    const scene = pair()
    const { world, one, two } = scene
    meet(scene)
    expect(world.until(() => up(world, one))).toBe(true)
    world.crash(two, 'power')
    const three = speak(world, { name: 'three', address: C, as: 65003 })
    linkIs(world, three, undefined)
    for (let time = 0; time < 12; time++) {
      hear(world, one, C)
      hear(world, three, A)
      world.pass(10_000)
    }
    expect(world.until(() => up(world, one))).toBe(true)
    expect(protocolOf(world, one)).toMatchObject({ peer: C, held: null })
    expect(routesOf(world, one).map(({ prefix }) => prefix)).toEqual(['10.244.3.0/24', 'fd00:244:3::/64'])
  })

  test('another router takes the place of the first at once where the link was down for a moment', () => {
    const scene = pair()
    const { world, one, two } = scene
    const set = (isUp: boolean) =>
      world.feed(one, {
        kind: 'links',
        change: { full: false, gone: [], present: [linkOf(2, 'eth0', isUp, ['fe80::a/64'])] },
      })
    set(true)
    meet(scene)
    expect(world.until(() => up(world, one))).toBe(true)
    const three = speak(world, { name: 'three', address: C, as: 65003 })
    linkIs(world, three, undefined)
    world.crash(two, 'power')
    set(false)
    set(true)
    expect(one.told('session-down').map(({ text }) => text)).toEqual([
      expect.stringContaining('Link lost: eth0 is down'),
    ])
    // The same router, too, may be the one at the other end.
    expect(protocolOf(world, one).peer).toBe(B)
    hear(world, one, C)
    hear(world, three, A)
    expect(world.until(() => up(world, one), 20_000)).toBe(true)
    expect(protocolOf(world, one)).toMatchObject({ peer: C, held: null })
    expect(one.told('router-second')).toEqual([])
  })

  test('nobody is taken in who has not advertised itself', () => {
    const { world, one, two } = pair()
    for (const host of [one, two]) linkIs(world, host, undefined)
    hear(world, one, B)
    world.pass(60_000)
    expect(protocolOf(world, one).state).not.toBe('Established')
    hear(world, two, A)
    expect(world.until(() => up(world, one) && up(world, two))).toBe(true)
  })

  test('the AS must be right, as anywhere', () => {
    const scene = pair({ interface: 'eth0', asNumber: 65009 })
    const { world, one } = scene
    meet(scene)
    world.pass(30_000)
    expect(up(world, one)).toBe(false)
    expect(world.ask(one, 'show protocols')).toContain('Bad peer AS')
  })

  test('disabled by hand, it stays so whatever the link does', () => {
    const scene = pair()
    const { world, one } = scene
    meet(scene)
    expect(world.until(() => up(world, one))).toBe(true)
    world.ask(one, 'disable Global_eth0')
    linkIs(world, one, 'eth0 is down')
    meet(scene)
    world.pass(30_000)
    expect(protocolOf(world, one).state).toBe('Idle')
    world.ask(one, 'enable Global_eth0')
    expect(world.until(() => up(world, one))).toBe(true)
  })

  test('an object that goes takes the advertisements along; one that changes asks for no new ones', () => {
    const scene = pair()
    const { world, one, asked } = scene
    meet(scene)
    expect(world.until(() => up(world, one))).toBe(true)
    const change = (object: ReturnType<typeof upsert>) => world.feed(one, { kind: 'objects', changes: [object] })
    asked.length = 0
    change(upsert(bgpPeer('peer', { ...UNNUMBERED, filters: ['take-all'], advertiseLearned: true })))
    expect([asked, up(world, one)]).toEqual([[], true])
    change(remove(bgpPeer('peer', {})))
    expect(asked).toEqual([['one', { kind: 'discover', interfaces: [] }]])
    // What still comes from the edge concerns nobody.
    hear(world, one, B)
    expect(world.askJson(one, 'show protocols')).toEqual([])
  })

  test('an object that forbids it is the reason shown, link or not', () => {
    const scene = pair({ ...UNNUMBERED, filters: ['missing'] })
    const { world, one } = scene
    meet(scene)
    expect(protocolOf(world, one).held).toContain('missing')
  })
})

describe('by link-local address', () => {
  test('[27] a session with its interface in the name, both families by IPv6 next hops', () => {
    const { world, one, two, asked } = pair(
      { peerIP: B, asNumber: 65002 },
      { peerIP: 'fe80::a', interface: 'eth0', asNumber: 65001 },
    )
    expect(world.until(() => routesOf(world, one).length === 2 && routesOf(world, two).length === 2)).toBe(true)
    expect(protocolOf(world, one)).toMatchObject({ name: 'Global_fe80__b_eth0', peer: B })
    expect(routesOf(world, two).map(({ nextHop }) => nextHop)).toEqual([A, A])
    // Nobody has to be found.
    expect(asked).toEqual([])
  })

  test('one side by address, the other by interface', () => {
    const { world, one, two } = pair({ peerIP: B, asNumber: 65002 })
    linkIs(world, two, undefined)
    hear(world, two, A)
    expect(world.until(() => up(world, one) && up(world, two))).toBe(true)
  })
})

describe('one router that several objects name is one neighbor', () => {
  const named = bgpPeer('mine', { node: 'one', peerIP: B, asNumber: 65002, filters: ['take-all'] })
  const gateway = bgpPeer('gateway', {
    peerIP: 'DefaultGateway',
    gatewayFamilies: ['ipv6'],
    remoteAS: 'external',
    filters: ['take-all'],
  })
  const states = (world: World, host: Host) =>
    Object.fromEntries(
      world.askJson<Protocol[]>(host, 'show protocols').map(({ name, state, held }) => [name, held ?? state]),
    )
  const BY_NAME = {
    Node_fe80__b_eth0: 'Established',
    Global_eth0: `the router ${B} is the neighbor Node_fe80__b_eth0 already`,
  }
  const hour = (world: World) => world.pass(3_600_000)

  test.each(['before', 'after'])('its address, which is known %s its advertisement', (when) => {
    const scene = pair()
    const { world, one } = scene
    if (when === 'before') world.change(one, [upsert(named)])
    meet(scene)
    hour(world)
    if (when === 'after') world.change(one, [upsert(named)])
    hour(world)
    expect(states(world, one)).toEqual(BY_NAME)
    const ended = when === 'before' ? 0 : 1
    expect(one.told('session-down')).toHaveLength(ended)
    world.change(one, [remove(named)])
    world.pass(60_000)
    expect(states(world, one)).toEqual({ Global_eth0: 'Established' })
  })

  test('the default gateway yields to its link, whichever comes first', () => {
    const scene = pair()
    const { world, one, two } = scene
    world.change(one, [upsert(node('one', { addresses: ['10.0.0.1', 'fd00::1'] })), upsert(gateway)])
    const hops = [{ gateway: 'fe80::b', interface: 'eth0', weight: 1, onlink: false }]
    const route = { type: 'unicast', protocol: 3, table: 254, metric: 1024, scope: 0, hops } as const
    const present = [{ ...route, prefix: parsePrefix('::/0') as Prefix }]
    world.feed(one, { kind: 'kernel', change: { full: true, more: false, gone: [], present } })
    linkIs(world, two, undefined)
    hear(world, two, A)
    world.pass(60_000)
    const name = 'Global_DefaultGateway_ipv6'
    expect(states(world, one)[name]).toBe('Established')
    linkIs(world, one, undefined)
    hear(world, one, B)
    hour(world)
    expect(states(world, one)).toEqual({
      Global_eth0: 'Established',
      [name]: `the default gateway ${B} is the neighbor Global_eth0 already`,
    })
    expect(one.told('session-down')).toHaveLength(1)
  })
})
