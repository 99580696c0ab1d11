// Numbers and lists that go through us: AS numbers of four octets, communities of every kind, an OPEN in its long form.

import { bgpPeer } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { featureOf, lacks } from '../speakers/features.ts'
import type { Network, Route, Speaker } from '../speakers/speaker.ts'
import { type Case, type Expected, expect, routerHolds } from './case.ts'
import {
  agentHolds,
  CLUSTER_AS,
  Cluster,
  configuration,
  learnedRoutes,
  POOLS,
  podRoutes,
  ROUTER_AS,
  routerNetworks,
} from './rack.ts'

const TRANSPORT = { transport: 'ipv4' } as const
const OUR_LONG_AS = 4_200_000_900
const THEIR_LONG_AS = 4_200_000_001

/** RFC 6793. */
const longAs: Case = {
  name: 'features: AS numbers of four octets, theirs and ours',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const other = await lab.host('router', 1)
    const peer = bgpPeer('router', other.ipv4, THEIR_LONG_AS, { localASNumber: OUR_LONG_AS })
    await cluster.manifests.put(configuration(), ...POOLS, peer)
    const neighbors = [{ address: host.ipv4, asn: OUR_LONG_AS }]
    const router = await speaker.start(other, { asn: THEIR_LONG_AS, neighbors, networks: routerNetworks(1) })
    await agent.start()
    await agentHolds(agent, learnedRoutes(other, routerNetworks(1), THEIR_LONG_AS, TRANSPORT))
    const ours = podRoutes(host, 1, TRANSPORT).map((route) => ({ ...route, asPath: String(OUR_LONG_AS) }))
    await routerHolds(router, ours)
  },
}

const NO_EXPORT = '65535:65281'

/** RFC 1997, RFC 4360, RFC 8092: BIRD says them, we hand them on. */
const communities: Case = {
  name: 'features: communities of every kind go on as they came, and NO_EXPORT stays',
  speakers: 'each',
  async run({ lab, speaker, present }) {
    const source = present.find(({ kind }) => kind === 'bird') as Speaker
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const [from, to] = [await lab.host('source', 1), await lab.host('router', 2)]
    await cluster.manifests.put(
      configuration({ prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: [NO_EXPORT] }] }),
      ...POOLS,
      bgpPeer('source', from.ipv4, ROUTER_AS),
      bgpPeer('router', to.ipv4, ROUTER_AS + 1, { advertiseLearned: true }),
    )
    const lists = {
      communities: ['65001:100'],
      largeCommunities: ['65001:1:2'],
      routeTargets: ['65001:7', '65001:8'],
    } as const
    const open: Network = { prefix: '10.244.231.0/24', ...lists, med: 7 }
    const kept: Network = { prefix: '10.244.232.0/24', ...lists, med: 7, communities: [NO_EXPORT, '65001:100'] }
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    await source.start(from, { asn: ROUTER_AS, neighbors, networks: [open, kept] })
    const router = await speaker.start(to, { asn: ROUTER_AS + 1, neighbors })
    await agent.start()
    await agentHolds(agent, learnedRoutes(from, [open, kept], ROUTER_AS, TRANSPORT))
    const nextHop = { nextHop: host.ipv4, from: host.ipv4 }
    const handedOn = { prefix: open.prefix, asPath: `${CLUSTER_AS} ${ROUTER_AS}`, ...lists, ...nextHop }
    // On a route of the node it is for the neighbor to obey.
    const pods = podRoutes(host, 1, TRANSPORT).map((route) => {
      const own = route.prefix.startsWith('10.244.') ? [NO_EXPORT] : []
      return { ...route, communities: own, largeCommunities: [] }
    })
    await routerHolds(router, [...pods, handedOn])
  },
}

/** RFC 9072. FRR can be told to use the extended form too, but then takes our short one for it and refuses that. */
const longOpen: Case = {
  name: 'features: an OPEN of more than 255 octets of parameters',
  speakers: 'each',
  lacking: lacks('hostName'),
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const other = await lab.host('router', 1)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', other.ipv4, ROUTER_AS))
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS, features: [featureOf(speaker, 'hostName')] }]
    const hostName = 'r'.repeat(230)
    const router = await speaker.start(other, { asn: ROUTER_AS, neighbors, networks: routerNetworks(1), hostName })
    await agent.start()
    await agentHolds(agent, learnedRoutes(other, routerNetworks(1), ROUTER_AS, TRANSPORT))
    await routerHolds(router, podRoutes(host, 1, TRANSPORT))
    const said = await agent.act('show', 'protocols', 'all')
    expect(said.includes(hostName), 'its host name is not among its capabilities')
  },
}

/** RFC 6793, section 4.2: what a neighbor without longer AS numbers cannot read goes through it in AS4_PATH, both ways. */
const oldNeighbor: Case = {
  name: 'features: AS numbers of four octets come through a neighbor that knows two',
  speakers: 'each',
  lacking: lacks('twoOctetAs'),
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const [between, beyond] = [await lab.host('router', 1), await lab.host('far', 2)]
    // BIRD then takes no neighbor with a longer number, and FRR does not read our AS4_PATH.
    const ours = speaker.kind === 'openbgpd' ? OUR_LONG_AS : CLUSTER_AS
    const peer = bgpPeer('router', between.ipv4, ROUTER_AS, { localASNumber: ours })
    await cluster.manifests.put(configuration(), ...POOLS, peer)
    const features = [featureOf(speaker, 'twoOctetAs')]
    await speaker.start(between, {
      asn: ROUTER_AS,
      neighbors: [
        { address: host.ipv4, asn: ours, families: ['ipv4'], features },
        { address: beyond.ipv4, asn: THEIR_LONG_AS, passive: true },
      ],
      passesOn: true,
    })
    const neighbors = [{ address: between.ipv4, asn: ROUTER_AS }]
    const far = await speaker.start(beyond, { asn: THEIR_LONG_AS, neighbors, networks: routerNetworks(1) })
    await agent.start()
    const path = (routes: readonly Route[], { prefix }: Pick<Route, 'prefix'>): string | undefined =>
      routes.find((route) => route.prefix === prefix)?.asPath
    await eventually(async () => {
      const here = path(await agent.routes(), routerNetworks(1)[0] as Network)
      const there = path(await far.routes('ipv4'), podRoutes(host, 1, TRANSPORT)[0] as Expected)
      expect(here === `${ROUTER_AS} ${THEIR_LONG_AS}`, `we hold the path ${here}`)
      expect(there === `${ROUTER_AS} ${ours}`, `they hold the path ${there}`)
    })
  },
}

export const cases: readonly Case[] = [longAs, oldNeighbor, communities, longOpen]
