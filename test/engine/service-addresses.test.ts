/** A border node, and services that other nodes serve: whole agents. */
import { describe, expect, test } from 'vitest'
import { bgpConfiguration, bgpFilter, bgpPeer, endpointSlice, node, service, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const BORDER = node('border', { addresses: ['10.0.0.11', 'fd00:10::11'], podCIDRs: ['10.244.1.0/24'] })
const WORKER = node('worker', { addresses: ['10.0.0.12', 'fd00:10::12'], podCIDRs: ['10.244.2.0/24'] })
const GIVE_ALL = bgpFilter('give-all', { exportV4: [{ action: 'Accept' }], exportV6: [{ action: 'Accept' }] })
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const WEB = service('shop/web', {
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.10', 'fd00:96::10'],
  loadBalancerIPs: ['192.0.2.10', '2001:db8:2::10'],
  externalTrafficPolicy: 'Local',
})
const SLICES = (['IPv4', 'IPv6'] as const).map((family) =>
  endpointSlice('shop/web', family, [{ node: 'worker', ready: true }]),
)
const VIPS = ['192.0.2.10/32', '2001:db8:2::10/128']

/** `far`: the router is a hop away, in a network of its own. */
function begin(how: object, far: boolean) {
  const world = new World()
  const router = far ? ['10.9.0.1', 'fd00:9::1'] : ['10.0.0.1', 'fd00:10::1']
  const tor = world.add('tor', router, [
    upsert(node('tor', { addresses: router })),
    upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
    upsert(TAKE_ALL),
    upsert(bgpPeer('border', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
  ])
  const cluster = [
    BORDER,
    WORKER,
    GIVE_ALL,
    WEB,
    ...SLICES,
    bgpConfiguration({
      asNumber: 64512,
      serviceLoadBalancerIPs: [{ cidr: '192.0.2.10/32' }, { cidr: '2001:db8:2::10/128' }],
    }),
    bgpPeer('tor', { node: 'border', peerIP: router[0], asNumber: 65000, ...how }),
  ].map((object) => upsert(object))
  const border = world.add('border', ['10.0.0.11', 'fd00:10::11'], cluster)
  const worker = world.add('worker', ['10.0.0.12', 'fd00:10::12'], cluster)
  world.pass(30_000)
  return { world, tor, border, worker }
}

interface Row {
  readonly prefix: string
  readonly nextHop: string
  readonly reason: string
}

const ask = (world: World, host: Host, what: string): Row[] => world.askJson<Row[]>(host, what)

const heard = (world: World, tor: Host): string[] =>
  ask(world, tor, 'show route')
    .filter(({ prefix }) => VIPS.includes(prefix))
    .map(({ prefix, nextHop }) => `${prefix} via ${nextHop}`)
    .sort()

describe.each([
  ['advertiseLearned', { advertiseLearned: true }],
  ['an export filter', { filters: ['give-all'] }],
  ['next hop mode Self', { filters: ['give-all'], nextHopMode: 'Self' }],
])('with %s', (_, how) => {
  test('a router on the link is told the node that serves the address', () => {
    const { world, tor } = begin(how, false)
    expect(heard(world, tor)).toEqual(['192.0.2.10/32 via 10.0.0.12', '2001:db8:2::10/128 via fd00:10::12'])
  })

  test('a router further away is not told it, and the border node says why', () => {
    const { world, tor, border } = begin(how, true)
    expect(heard(world, tor)).toEqual([])
    const refused = ask(world, border, 'show route noexport Node_10_9_0_1').filter(({ prefix }) =>
      VIPS.includes(prefix),
    )
    expect(refused.map(({ prefix }) => prefix).sort()).toEqual(VIPS)
    for (const { reason } of refused) expect(reason).toMatch(/does not forward/)
  })

  test('an endpoint on the border node makes the address its own', () => {
    const { world, tor, border, worker } = begin(how, false)
    const both = endpointSlice('shop/web', 'IPv4', [
      { node: 'worker', ready: true },
      { node: 'border', ready: true },
    ])
    for (const host of [border, worker]) world.change(host, [upsert(both)])
    world.pass(1_000)
    expect(heard(world, tor)).toEqual(['192.0.2.10/32 via 10.0.0.11', '2001:db8:2::10/128 via fd00:10::12'])
  })
})
