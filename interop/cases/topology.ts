// More than one of something: two routers in a rack, two sessions to one router, three nodes in a mesh.

import { bgpPeer } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { ip, wire } from '../lab/wire.ts'
import { type Case, expect, expectRoutes, routerHolds, sessionsUp } from './case.ts'
import {
  agentHolds,
  agentSessionsUp,
  CLUSTER_AS,
  Cluster,
  configuration,
  learnedRoutes,
  POOLS,
  podRoutes,
  RESTART_TIME,
  ROUTER_AS,
  routerNetworks,
} from './rack.ts'

const twoRouters: Case = {
  name: 'rack: two routers, one is lost',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const hosts = [await lab.host('router-1', 1), await lab.host('router-2', 2)] as const
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router-1', hosts[0].ipv4, ROUTER_AS),
      bgpPeer('router-2', hosts[1].ipv4, ROUTER_AS + 1),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const one = await speaker.start(hosts[0], { asn: ROUTER_AS, neighbors, networks: routerNetworks(1) })
    const two = await speaker.start(hosts[1], { asn: ROUTER_AS + 1, neighbors, networks: routerNetworks(2) })
    await agent.start()
    const session = { transport: 'ipv4' } as const
    const ours = podRoutes(host, 1, session)
    const first = learnedRoutes(hosts[0], routerNetworks(1), ROUTER_AS, session)
    const second = learnedRoutes(hosts[1], routerNetworks(2), ROUTER_AS + 1, session)
    await agentSessionsUp(agent, 2)
    await agentHolds(agent, [...first, ...second])
    // Nothing learned from one router is told to the other.
    await routerHolds(one, ours)
    await routerHolds(two, ours)
    await two.kill()
    await agentHolds(agent, first)
    await routerHolds(one, ours)
  },
}

/** The node's address is on another link: a router that knows us by ours of its own link would refuse it. */
const ownLink: Case = {
  name: 'rack: a second uplink in a subnet of its own, sourceAddress unset and UseNodeIP, its link lost',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const [address, ours] = ['10.78.0.2', '10.78.0.1']
    const router = await lab.bare('uplink', { ipv4: address, ipv6: '' })
    await wire(
      { host, name: 'up1', addresses: [`${ours}/24`] },
      { host: router, name: 'eth0', addresses: [`${address}/24`] },
    )
    // It would answer the node's address, and knows no neighbor there.
    await ip(router, [`route add ${host.ipv4}/32 via ${ours}`])
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('uplink', address, ROUTER_AS))
    const neighbors = [{ address: ours, asn: CLUSTER_AS, passive: true, families: ['ipv4'] as const }]
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: [{ prefix: '10.244.99.0/24' }] })
    await agent.start()
    await sessionsUp(side, 1)
    await cluster.manifests.put(bgpPeer('uplink', address, ROUTER_AS, { sourceAddress: 'UseNodeIP' }))
    await eventually(async () => {
      const words = await agent.lastErrors()
      expect(words.includes(`called from ${host.ipv4} to ${address}`), `our last error is “${words}”`)
    })
    await cluster.manifests.put(bgpPeer('uplink', address, ROUTER_AS))
    await sessionsUp(side, 1)
    // Fast external failover: the hold time of 90 s is not waited for, nor a pause once the link is back.
    await ip(host, ['link set up1 down'])
    await eventually(async () => {
      const words = await agent.lastErrors()
      expect(words.includes('Link lost: up1 is down'), `our last error is “${words}”`)
    })
    await ip(host, ['link set up1 up'])
    await agentSessionsUp(agent, 1)
  },
}

const familyEach: Case = {
  name: 'rack: one router over ipv4 and ipv6, a family each',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router-v4', router.ipv4, ROUTER_AS),
      bgpPeer('router-v6', router.ipv6, ROUTER_AS),
    )
    const side = await speaker.start(router, {
      asn: ROUTER_AS,
      neighbors: [
        { address: host.ipv4, asn: CLUSTER_AS },
        { address: host.ipv6, asn: CLUSTER_AS },
      ],
      networks: routerNetworks(1),
    })
    await agent.start()
    const session = { transport: undefined }
    await sessionsUp(side, 2)
    await agentSessionsUp(agent, 2)
    await routerHolds(side, podRoutes(host, 1, session))
    await agentHolds(agent, learnedRoutes(router, routerNetworks(1), ROUTER_AS, session))
  },
}

const familyTakenBack: Case = {
  name: 'rack: one router over ipv4 and ipv6 by remoteAS, one session is lost and comes back',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const asked = { asNumber: undefined, remoteAS: 'external' }
    const six = bgpPeer('router-v6', router.ipv6, ROUTER_AS, asked)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router-v4', router.ipv4, ROUTER_AS, asked), six)
    const side = await speaker.start(router, {
      asn: ROUTER_AS,
      neighbors: [
        { address: host.ipv4, asn: CLUSTER_AS },
        { address: host.ipv6, asn: CLUSTER_AS },
      ],
      networks: routerNetworks(1),
    })
    await agent.start()
    const [each, four] = [{ transport: undefined }, { transport: 'ipv4' }] as const
    const holds = async (session: typeof each | typeof four) => {
      await routerHolds(side, podRoutes(host, 1, session))
      await agentHolds(agent, learnedRoutes(router, routerNetworks(1), ROUTER_AS, session))
    }
    await agentSessionsUp(agent, 2)
    await holds(each)
    await cluster.manifests.remove(six)
    await holds(four)
    await cluster.manifests.put(six)
    await agentSessionsUp(agent, 2)
    await holds(each)
  },
}

/** Routers of one AS are not one router, and one that nobody has heard of is none. */
const oneAsTwoRouters: Case = {
  name: 'rack: two routers of one AS, one over ipv4 and one over ipv6, and one that does not exist',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const hosts = [await lab.host('router-1', 1), await lab.host('router-2', 2)] as const
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router-1', hosts[0].ipv4, ROUTER_AS))
    const config = { asn: ROUTER_AS, networks: [] }
    const one = await speaker.start(hosts[0], { ...config, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }] })
    const two = await speaker.start(hosts[1], { ...config, neighbors: [{ address: host.ipv6, asn: CLUSTER_AS }] })
    await agent.start()
    const [byFour, bySix] = [{ transport: 'ipv4' }, { transport: 'ipv6' }] as const
    await routerHolds(one, podRoutes(host, 1, byFour))
    await cluster.manifests.put(
      bgpPeer('router-2', hosts[1].ipv6, ROUTER_AS),
      bgpPeer('nobody', hosts[1].ipv6.replace(/[0-9a-f]+$/, '99'), ROUTER_AS),
    )
    await routerHolds(two, podRoutes(host, 1, bySix))
    await routerHolds(one, podRoutes(host, 1, byFour))
    const first = (await agent.protocols()).find(({ peer }) => peer === hosts[0].ipv4)
    expect(first?.timesEstablished === 1, `the first session was established ${first?.timesEstablished} times`)
  },
}

const mesh: Case = {
  name: 'mesh: three nodes and a router',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(
      configuration({ nodeToNodeMeshEnabled: true, nodeMeshMaxRestartTime: RESTART_TIME }),
      ...POOLS,
      bgpPeer('router', router.ipv4, ROUTER_AS, { maxRestartTime: RESTART_TIME }),
    )
    const numbers = [1, 2, 3] as const
    const nodes = []
    for (const number of numbers) nodes.push({ number, ...(await cluster.node(number)) })
    const neighbors = nodes.map(({ host }) => ({ address: host.ipv4, asn: CLUSTER_AS }))
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: routerNetworks(1) })
    await Promise.all(nodes.map(({ agent }) => agent.start()))
    const external = { transport: 'ipv4' } as const
    const own = nodes.map(({ host, number }) => podRoutes(host, number, external))
    await sessionsUp(side, 3)
    await routerHolds(side, own.flat())
    for (const { agent, number } of nodes) {
      const protocols = await agent.protocols()
      const meshed = protocols.filter(({ name }) => name.startsWith('Mesh_'))
      expect(meshed.length === 2, `${agent.host.name} has ${meshed.length} mesh sessions`)
      const others = nodes.filter((other) => other.number !== number)
      // iBGP towards eBGP routers nothing; the router's pool routes towards the mesh yes, so each path is there three times.
      await agentHears(
        agent,
        others.flatMap(({ host, number: theirs }) =>
          podRoutes(host, theirs, { transport: 'ipv4', internal: true }).map(({ prefix, nextHop }) => ({
            prefix,
            nextHop,
          })),
        ),
      )
    }
    await nodes[2]?.agent.kill()
    await routerHolds(side, own.slice(0, 2).flat())
    const left = podRoutes(nodes[1]?.host ?? router, 2, external).map(({ prefix, nextHop }) => ({ prefix, nextHop }))
    await agentHears(nodes[0]?.agent, left)
  },
}

/** The other nodes' pod routes on a node, whatever the router adds to them. */
const agentHears = async (
  agent: Parameters<typeof agentHolds>[0] | undefined,
  expected: Parameters<typeof agentHolds>[1],
): Promise<void> => {
  if (agent === undefined) throw new Error('no such node')
  await eventually(
    async () => {
      const routes = (await agent.routes()).filter(({ prefix }) => /^10\.244\.[123]\.|^fd00:244:[123]::/.test(prefix))
      const once = [...new Map(routes.map((route) => [`${route.prefix} ${route.nextHop}`, route])).values()]
      expectRoutes(`pod routes on ${agent.host.name}`, once, expected)
    },
    { every: 500 },
  )
}

export const cases: readonly Case[] = [twoRouters, ownLink, familyEach, familyTakenBack, oneAsTwoRouters, mesh]
