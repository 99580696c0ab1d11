// Two hundred services on a router: ranges, ExternalIPs and LoadBalancer IPs, some with policy Local; and one endpoint that goes.

import { bgpPeer, endpointSlice, type KubeObject, type ServiceShape, service } from '../lab/manifests.ts'
import { throughout } from '../lab/wait.ts'
import { familyOf } from '../speakers/speaker.ts'
import { type Case, type Expected, expect, expectRoutes, routerHolds } from './case.ts'
import { CLUSTER_AS, Cluster, configuration, originatedRoute, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

const COUNT = 200
const CIDRS = {
  serviceClusterIPs: ['10.96.0.0/16', 'fd96::/112'],
  serviceExternalIPs: ['198.51.100.0/24', '2001:db8:e::/64'],
  serviceLoadBalancerIPs: ['203.0.113.0/24', '2001:db8:f::/64'],
}

const hex = (number: number): string => number.toString(16)

interface Shop {
  readonly shape: ServiceShape
  /** Policy Local, so that its addresses are announced one by one where endpoints are. */
  readonly local: boolean
  readonly here: boolean
  /** Is its IPv6 endpoint ready? */
  readonly six: boolean
}

const shop = (index: number): Shop => {
  const number = index + 1
  const kind = index % 4
  const name = `shop-${number}`
  const clusterIPs = [`10.96.${number >> 8}.${number & 255}`, `fd96::${hex(number)}`]
  const at = { here: index % 3 !== 0, six: index % 5 !== 0 }
  const external = { externalIPs: [`198.51.100.${number}`, `2001:db8:e::${hex(number)}`] }
  const balanced = { loadBalancerIPs: [`203.0.113.${number}`, `2001:db8:f::${hex(number)}`] }
  if (kind === 0) {
    const local = index % 8 === 0
    return {
      shape: { name, type: 'ClusterIP', clusterIPs, internalTrafficPolicy: local ? 'Local' : 'Cluster' },
      local,
      ...at,
    }
  }
  if (kind === 1) return { shape: { name, type: 'NodePort', clusterIPs, ...external }, local: false, ...at }
  if (kind === 2)
    return {
      shape: { name, type: 'NodePort', clusterIPs, ...external, externalTrafficPolicy: 'Local' },
      local: true,
      ...at,
    }
  return {
    shape: { name, type: 'LoadBalancer', clusterIPs, ...balanced, externalTrafficPolicy: 'Local' },
    local: true,
    ...at,
  }
}

const shops = Array.from({ length: COUNT }, (_, index) => shop(index))

const slices = ({ shape, here, six }: Shop, number: number): readonly KubeObject[] => {
  const node = here ? 'node-1' : 'node-2'
  return [
    endpointSlice(shape.name, 'IPv4', [{ address: `10.244.1.${number}`, node }]),
    endpointSlice(shape.name, 'IPv6', [{ address: `fd00:244:1::${hex(number)}`, node, ready: six }]),
  ]
}

/** Addresses announced one by one from node-1: each family by its own ready endpoints. */
const addresses = ({ shape, local, here, six }: Shop): readonly string[] =>
  local && here
    ? [...shape.clusterIPs, ...(shape.externalIPs ?? []), ...(shape.loadBalancerIPs ?? [])].filter(
        (address) => six || familyOf(address) === 'ipv4',
      )
    : []

const single = (address: string): string => `${address}/${familyOf(address) === 'ipv4' ? 32 : 128}`

const manyServices: Case = {
  name: `services: ${COUNT} of them appear exactly, a lost endpoint takes exactly its addresses`,
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const entries = Object.fromEntries(
      Object.entries(CIDRS).map(([field, cidrs]) => [field, cidrs.map((cidr) => ({ cidr }))]),
    )
    await cluster.manifests.put(configuration(entries), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    for (const [index, each] of shops.entries())
      await cluster.manifests.put(service(each.shape), ...slices(each, index + 1))
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }] })
    await agent.start()

    const session = { transport: 'ipv4' } as const
    const own = (prefixes: readonly string[]): readonly Expected[] =>
      prefixes.map((prefix) => originatedRoute(host, prefix, session))
    const fixed = [...podRoutes(host, 1, session), ...own(Object.values(CIDRS).flat())]
    const everything = [...fixed, ...own(shops.flatMap(addresses).map(single))]
    await routerHolds(side, everything)

    // The IPv6 endpoint of one LoadBalancer service goes; its IPv4 one stays.
    const index = shops.findIndex((each) => each.local && each.here && each.six && each.shape.type === 'LoadBalancer')
    const victim = shops[index]
    if (victim === undefined) throw new Error('no service fits')
    const [four, six] = slices(victim, index + 1)
    if (four === undefined || six === undefined) throw new Error('two slices are needed')
    const lost = (family: 'ipv4' | 'ipv6'): ReadonlySet<string> =>
      new Set(
        addresses(victim)
          .filter((address) => familyOf(address) === family)
          .map(single),
      )
    expect(lost('ipv6').size === 2, 'the service has two IPv6 addresses')
    await cluster.manifests.put(endpointSlice(victim.shape.name, 'IPv6', []))
    const withoutSix = everything.filter(({ prefix }) => !lost('ipv6').has(prefix))
    await routerHolds(side, withoutSix)
    await cluster.manifests.remove(four)
    const without = withoutSix.filter(({ prefix }) => !lost('ipv4').has(prefix))
    await routerHolds(side, without)
    await throughout(1_500, async () => {
      expectRoutes('afterwards', [...(await side.routes('ipv4')), ...(await side.routes('ipv6'))], without)
    })
    await cluster.manifests.put(four, six)
    await routerHolds(side, everything)
  },
}

export const cases: readonly Case[] = [manyServices]
