/** `peerIP: DefaultGateway`: whole agents, a kernel whose default routes change, and nobody else is reset. */
import { describe, expect, test } from 'vitest'
import { GATEWAY, GatewayLab, OTHER, V4, V6 } from '../support/gateway-lab.ts'
import { firstOf } from '../support/long.ts'
import { bgpPeer, node, upsert } from '../support/objects.ts'

describe.each(firstOf(1, ['linux', 'none'] as const))('peerIP: DefaultGateway, dataplane %s', (dataplane) => {
  const lab = (...objects: ReturnType<typeof bgpPeer>[]) => {
    const made = new GatewayLab(objects, dataplane)
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
    const made = new GatewayLab([GATEWAY], dataplane)
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

  test('it keeps its session where an object names its address instead, and the other way round', () => {
    const made = lab(GATEWAY)
    const named = ['10.0.0.1', 'fd00:10::1'].map((peerIP, index) =>
      bgpPeer(`named-${index}`, { peerIP, asNumber: 65000 }),
    )
    const gone = ({ metadata: { name } }: ReturnType<typeof bgpPeer>) =>
      ({ kind: 'delete', ref: { kind: 'BGPPeer', namespace: '', name } }) as const
    const ups = () => made.worker.lines.filter(({ code }) => code === 'session-up').length
    made.change(gone(GATEWAY), ...named.map((one) => upsert(one)))
    expect(made.peers()).toEqual({
      Global_10_0_0_1: '10.0.0.1 Established',
      Global_fd00_10__1: 'fd00:10::1 Established',
    })
    expect(ups()).toBe(2)
    // The address stands in the object now: another default gateway is none of its business.
    made.defaultVia('10.0.0.2')
    made.world.pass(5_000)
    expect(made.peers().Global_10_0_0_1).toBe('10.0.0.1 Established')
    made.defaultVia('10.0.0.1')
    made.world.pass(5_000)
    made.change(upsert(GATEWAY), ...named.map((one) => gone(one)))
    made.world.pass(20_000)
    expect(made.peers()).toEqual({ [V4]: '10.0.0.1 Established', [V6]: 'fd00:10::1 Established' })
    expect(ups()).toBe(2)
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
