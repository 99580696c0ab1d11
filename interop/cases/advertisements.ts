// BGPAdvertisement: of two routers each is told what is meant for it, with what goes with it; and the objects change while
// sessions stay.

import { bgpAdvertisement, bgpPeer, endpointSlice, service } from '../lab/manifests.ts'
import { ip } from '../lab/wire.ts'
import { type Case, expect, routerHolds } from './case.ts'
import { CLUSTER_AS, Cluster, configuration, originatedRoute, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

const TRANSPORT = { transport: 'ipv4' } as const
const single = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`

const VIPS = ['203.0.113.10', '2001:db8:f::10']
const ANYCAST = '198.51.100.0/24'

const two: Case = {
  name: 'advertisements: services to one router with attributes of their own, a prefix to the other',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const hosts = [await lab.host('router-1', 1), await lab.host('router-2', 2)] as const
    const allowed = VIPS.map((address) => ({ cidr: single(address) }))
    await cluster.manifests.put(
      configuration({ serviceLoadBalancerIPs: allowed, communities: [{ name: 'gold', value: '64512:7' }] }),
      ...POOLS,
      bgpPeer('router-1', hosts[0].ipv4, ROUTER_AS),
      bgpPeer('router-2', hosts[1].ipv4, ROUTER_AS + 1),
      service({
        name: 'web',
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.10', 'fd96::10'],
        loadBalancerIPs: VIPS,
        externalTrafficPolicy: 'Local',
      }),
      endpointSlice('web', 'IPv4', [{ address: '10.244.1.5', node: host.name }]),
      endpointSlice('web', 'IPv6', [{ address: 'fd00:244:1::5', node: host.name }]),
    )
    const services = (peers: readonly string[], more: Readonly<Record<string, unknown>> = {}) =>
      bgpAdvertisement('services', { routes: [{ services: { kinds: ['LoadBalancerIP'] } }], peers, ...more })
    const attributes = { communities: ['gold', '64512:1:2'], med: 30, prependASPath: [CLUSTER_AS] }
    const prefix = bgpAdvertisement('anycast', { routes: [{ prefixes: [ANYCAST] }], peers: ['router-2'] })
    await cluster.manifests.put(services(['router-1'], attributes), prefix)
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const one = await speaker.start(hosts[0], { asn: ROUTER_AS, neighbors, networks: [] })
    const other = await speaker.start(hosts[1], { asn: ROUTER_AS + 1, neighbors, networks: [] })
    await agent.start()
    const pods = podRoutes(host, 1, TRANSPORT)
    const plain = allowed.map(({ cidr }) => originatedRoute(host, cidr, TRANSPORT))
    const told = plain.map((route) => ({
      ...route,
      asPath: `${CLUSTER_AS} ${CLUSTER_AS}`,
      med: 30,
      communities: ['64512:7'],
      largeCommunities: ['64512:1:2'],
    }))
    const anycast = originatedRoute(host, ANYCAST, TRANSPORT)
    await routerHolds(one, [...pods, ...told])
    await routerHolds(other, [...pods, anycast])
    await cluster.manifests.put(services(['router-2']))
    await routerHolds(one, pods)
    await routerHolds(other, [...pods, ...plain, anycast])
    await cluster.manifests.remove(services([]))
    await cluster.manifests.remove(prefix)
    await routerHolds(one, [...pods, ...plain])
    await routerHolds(other, [...pods, ...plain])
    for (const { peer, timesEstablished } of await agent.protocols()) {
      expect(timesEstablished === 1, `${peer} was established ${timesEstablished} times`)
    }
  },
}

const LOOPBACK = ['198.51.100.11', '2001:db8:11::11']

const loopback: Case = {
  name: 'advertisements: the addresses of a loopback, as they come and go',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await ip(
      host,
      LOOPBACK.map((address) => `address add ${single(address)} dev lo`),
    )
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router', router.ipv4, ROUTER_AS),
      bgpAdvertisement('loopbacks', { routes: [{ interfaces: ['lo'] }] }),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: [] })
    await agent.start()
    const pods = podRoutes(host, 1, TRANSPORT)
    const [ipv4, ipv6] = LOOPBACK.map((address) => originatedRoute(host, single(address), TRANSPORT))
    if (ipv4 === undefined || ipv6 === undefined) throw new Error('two families')
    await routerHolds(side, [...pods, ipv4, ipv6])
    await ip(host, [`address del ${LOOPBACK[0]}/32 dev lo`])
    await routerHolds(side, [...pods, ipv6])
    await ip(host, [`address add ${LOOPBACK[0]}/32 dev lo`])
    await routerHolds(side, [...pods, ipv4, ipv6])
    await cluster.manifests.remove(bgpAdvertisement('loopbacks', {}))
    await routerHolds(side, pods)
  },
}

/** Packets to the pods go to a host that translates addresses one to one, and not to the node. */
const byHand: Case = {
  name: 'advertisements: a next hop set by hand is another host on the link, until the object says none',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const translator = await lab.host('translator', 2)
    const hops = { ipv4: translator.ipv4, ipv6: translator.ipv6 }
    const advertisement = (more: Readonly<Record<string, unknown>>) =>
      bgpAdvertisement('pods', { routes: [{ podCIDRs: true }], ...more })
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router', router.ipv4, ROUTER_AS),
      advertisement({ nextHop: hops }),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: [] })
    await agent.start()
    const pods = podRoutes(host, 1, TRANSPORT)
    const led = pods.map((route) => ({ ...route, nextHop: route.prefix.includes(':') ? hops.ipv6 : hops.ipv4 }))
    await routerHolds(side, led)
    await cluster.manifests.put(advertisement({ nextHop: { ipv4: hops.ipv4 } }))
    await routerHolds(
      side,
      [led, pods].flatMap((routes, index) => routes.filter(({ prefix }) => prefix.includes(':') === (index === 1))),
    )
    await cluster.manifests.put(advertisement({}))
    await routerHolds(side, pods)
    await cluster.manifests.put(advertisement({ nextHop: hops }))
    await routerHolds(side, led)
    for (const { peer, timesEstablished } of await agent.protocols()) {
      expect(timesEstablished === 1, `${peer} was established ${timesEstablished} times`)
    }
  },
}

export const cases: readonly Case[] = [two, loopback, byHand]
