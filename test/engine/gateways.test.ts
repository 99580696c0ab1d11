/** `peerIP: DefaultGateway`: whole agents, a kernel whose default routes change, and nobody else is reset. */
import { describe, expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { FakeKernel } from '../support/fake-kernel.ts'
import { bgpConfiguration, bgpPeer, node, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const ME = ['10.0.0.11', 'fd00:10::11']
const GATEWAY = bgpPeer('gateway', { peerIP: 'DefaultGateway', asNumber: 65000 })
const OTHER = bgpPeer('other', { peerIP: '10.0.0.3', asNumber: 65000 })

class Lab {
  readonly world: World
  readonly kernel: FakeKernel
  readonly worker: Host
  readonly asked: Extract<Effect, { kind: 'follow-default-routes' }>[] = []

  constructor(objects: readonly ReturnType<typeof bgpPeer>[], dataplane: 'linux' | 'none' = 'linux') {
    this.world = new World({
      watch: (host, _, effects) => {
        if (host.name !== 'worker-1') return
        for (const effect of effects) {
          if (effect.kind === 'routes' || effect.kind === 'nft') this.kernel.perform(effect)
          if (effect.kind === 'follow-default-routes') this.asked.push(effect)
        }
      },
    })
    for (const number of [1, 2, 3]) this.#addRouter(number)
    this.kernel = new FakeKernel({
      feed: (input) => this.world.feed(this.worker, input),
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    this.kernel.addLink('eth0', '10.0.0.11/24', 'fd00:10::11/64')
    const all: ObjectChange[] = [
      node('worker-1', { addresses: ME, podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] }),
      bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }),
      ...objects,
    ].map((object) => upsert(object))
    this.worker = this.world.add('worker-1', ME, all, { dataplane })
  }

  #addRouter(number: number): void {
    const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
    const name = `tor-${number}`
    this.world.add(name, addresses, [
      upsert(node(name, { addresses })),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(bgpPeer('w4', { peerIP: '10.0.0.11', asNumber: 64512 })),
      upsert(bgpPeer('w6', { peerIP: 'fd00:10::11', asNumber: 64512 })),
    ])
  }

  defaultVia(gateway: string, metric = 0): void {
    this.kernel.addForeign(gateway.includes(':') ? '::/0' : '0.0.0.0/0', gateway, 4, metric)
  }

  noDefault(family: 'ipv4' | 'ipv6'): void {
    this.kernel.remove(family === 'ipv6' ? '::/0' : '0.0.0.0/0', 4)
  }

  peers(): Record<string, string> {
    const all = this.world.askJson<{ name: string; peer: string | null; state: string; held: string | null }[]>(
      this.worker,
      'show protocols',
    )
    return Object.fromEntries(all.map(({ name, peer, state, held }) => [name, `${peer} ${held ?? state}`]))
  }

  times(name: string): number {
    return (
      this.world.hosts
        .get('worker-1')
        ?.lines.filter(({ code, fields }) => code === 'session-up' && fields.peer === name).length ?? 0
    )
  }

  change(...changes: ObjectChange[]): void {
    this.world.change(this.worker, changes)
    this.world.pass(20_000)
  }
}

const V4 = 'Global_DefaultGateway_ipv4'
const V6 = 'Global_DefaultGateway_ipv6'

describe.each(['linux', 'none'] as const)('peerIP: DefaultGateway, dataplane %s', (dataplane) => {
  const lab = (...objects: ReturnType<typeof bgpPeer>[]) => {
    const made = new Lab(objects, dataplane)
    made.defaultVia('10.0.0.1')
    made.defaultVia('fd00:10::1')
    made.kernel.open()
    made.world.pass(20_000)
    return made
  }

  test('is one neighbor for each family, and two sessions with one router carry a family each', () => {
    const made = lab(GATEWAY)
    expect(made.peers()).toEqual({ [V4]: '10.0.0.1 Established', [V6]: 'fd00:10::1 Established' })
    expect(made.asked).toEqual([{ kind: 'follow-default-routes', wanted: true }])
    const said = made.world.ask(made.worker, `show protocols all ${V4}`)
    expect(said).toMatch(/Default gateway: +IPv4/)
    expect(said).toMatch(/Neighbor address: +10\.0\.0\.1/)
  })

  test('moves when the gateway does, and nobody else is reset', () => {
    const made = lab(GATEWAY, OTHER)
    made.noDefault('ipv4')
    made.world.pass(5_000)
    expect(made.peers()[V4]).toBe('10.0.0.1 Established')
    made.defaultVia('10.0.0.2')
    made.world.pass(20_000)
    expect(made.peers()).toEqual({
      [V4]: '10.0.0.2 Established',
      [V6]: 'fd00:10::1 Established',
      Global_10_0_0_3: '10.0.0.3 Established',
    })
    expect([made.times(V4), made.times(V6), made.times('Global_10_0_0_3')]).toEqual([2, 1, 1])
    made.defaultVia('10.0.0.3', 500)
    made.world.pass(20_000)
    expect(made.times(V4)).toBe(2)
  })

  test('without a default route it is held, with the reason, until there is one', () => {
    const made = new Lab([GATEWAY], dataplane)
    made.world.pass(1_000)
    expect(made.peers()[V4]).toBe('null the routes of this node are not known yet')
    made.kernel.open()
    made.world.pass(5_000)
    expect(made.peers()).toEqual({
      [V4]: 'null this node has no IPv4 default route',
      [V6]: 'null this node has no IPv6 default route',
    })
    made.defaultVia('10.0.0.2')
    made.world.pass(20_000)
    expect(made.peers()[V4]).toBe('10.0.0.2 Established')
  })

  test('gatewayFamilies chooses, and a node without an address of a family has no neighbor there', () => {
    const only = bgpPeer('gateway', { peerIP: 'DefaultGateway', asNumber: 65000, gatewayFamilies: ['ipv6'] })
    expect(lab(only).peers()).toEqual({ [V6]: 'fd00:10::1 Established' })
    const made = lab(GATEWAY)
    made.change(upsert(node('worker-1', { addresses: ['10.0.0.11'] })))
    expect(Object.keys(made.peers())).toEqual([V4])
  })

  test('whoever names the gateway by its address has it, whichever comes first; it comes back when that goes', () => {
    const named = bgpPeer('named', { peerIP: '10.0.0.1', asNumber: 65000 })
    const made = lab(GATEWAY)
    made.change(upsert(named))
    expect(made.peers()).toMatchObject({
      Global_10_0_0_1: '10.0.0.1 Established',
      [V4]: '10.0.0.1 the default gateway 10.0.0.1 is the neighbor Global_10_0_0_1 already',
    })
    made.change({ kind: 'delete', ref: { kind: 'BGPPeer', namespace: '', name: 'named' } })
    expect(made.peers()).toEqual({ [V4]: '10.0.0.1 Established', [V6]: 'fd00:10::1 Established' })
    const both = lab(GATEWAY, named)
    expect(both.peers().Global_10_0_0_1).toBe('10.0.0.1 Established')
  })

  test('a change of its object is no reset, and its end ends it', () => {
    const made = lab(GATEWAY)
    made.change(upsert(bgpPeer('gateway', { peerIP: 'DefaultGateway', asNumber: 65000, advertiseLearned: true })))
    expect([made.times(V4), made.times(V6)]).toEqual([1, 1])
    made.change({ kind: 'delete', ref: { kind: 'BGPPeer', namespace: '', name: 'gateway' } })
    expect(made.peers()).toEqual({})
    expect(made.asked.at(-1)).toEqual({ kind: 'follow-default-routes', wanted: false })
  })
})
