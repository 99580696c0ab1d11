// What we write as next hop of the family that a session does not run over: an address of the link the router is on, one
// that stays, and another one as soon as it does not.

import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import type { Host } from '../lab/lab.ts'
import { bgpPeer, kubeNode, Manifests } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import type { Router } from '../speakers/speaker.ts'
import { type Case, expect, routerHolds } from './case.ts'
import { GODWIT } from './fabric.ts'
import { agentSessionsUp, CLUSTER_AS, Cluster, configuration, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

const UPLINKS = [1, 2] as const
const ours = (uplink: number) => ({ ipv4: `10.78.${uplink}.1`, ipv6: `fd78:${uplink}::1` })
const theirs = (uplink: number) => ({ ipv4: `10.78.${uplink}.2`, ipv6: `fd78:${uplink}::2` })
const withLength = ({ ipv4, ipv6 }: ReturnType<typeof ours>) => [`${ipv4}/24`, `${ipv6}/64`]
const PODS = ['10.244.1.0/24', 'fd00:244:1::/64']

/** The node is known by addresses that no router can reach: each is told those of its own link. */
const uplinks: Case = {
  name: 'next hops: two uplinks in networks of their own',
  speakers: 'each',
  async run({ lab, speaker }) {
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    const node = await lab.host('node-1', 11)
    const peers = UPLINKS.map((uplink) =>
      bgpPeer(`router-${uplink}`, theirs(uplink).ipv4, ROUTER_AS + uplink, { sourceAddress: 'None' }),
    )
    await manifests.put(configuration(), ...POOLS, kubeNode(node, PODS), ...peers)
    const routers: Router[] = []
    for (const uplink of UPLINKS) {
      const host = await lab.bare(`router-${uplink}`, theirs(uplink))
      await wire(
        { host: node, name: `up${uplink}`, addresses: withLength(ours(uplink)) },
        { host, name: 'eth0', addresses: withLength(theirs(uplink)) },
      )
      const neighbors = [{ address: ours(uplink).ipv4, asn: CLUSTER_AS }]
      routers.push(await speaker.start(host, { asn: ROUTER_AS + uplink, neighbors, networks: [] }))
    }
    const agent = new Agent(node, manifests)
    await agent.start()
    await agentSessionsUp(agent, UPLINKS.length)
    const toldBy = ({ ipv4, ipv6 }: ReturnType<typeof ours>) =>
      podRoutes(node, 1, { transport: 'ipv4' }).map((route) => ({
        ...route,
        from: ipv4,
        nextHop: route.prefix.includes(':') ? ipv6 : ipv4,
      }))
    for (const [index, router] of routers.entries()) await routerHolds(router, toldBy(ours(UPLINKS[index] ?? 0)))
    // The address of one link is another now: its router hears of it, and the session stays.
    await ip(node, ['address add fd78:2::77/64 dev up2 nodad', 'address del fd78:2::1/64 dev up2'])
    await routerHolds(routers[1] as Router, toldBy({ ...ours(2), ipv6: 'fd78:2::77' }))
    await routerHolds(routers[0] as Router, toldBy(ours(1)))
    for (const protocol of await agent.protocols()) {
      expect(protocol.timesEstablished === 1, `${protocol.name} was established ${protocol.timesEstablished} times`)
    }
  },
}

/** A VIP is there before all else, and the Node names no IPv6 address. */
const vip: Case = {
  name: 'next hops: a VIP is never advertised as next hop, and without an address of a family its routes are withdrawn until one is back',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const known = { ...kubeNode(host, PODS), status: { addresses: [{ type: 'InternalIP', address: host.ipv4 }] } }
    await cluster.manifests.put(configuration(), ...POOLS, known, bgpPeer('router', router.ipv4, ROUTER_AS))
    await ip(host, ['address add fd77::1:100/128 dev eth0 nodad', 'address add 10.77.0.200/32 dev eth0'])
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: [] })
    await agent.start()
    const all = podRoutes(host, 1, { transport: 'ipv4' })
    await routerHolds(side, all)
    await ip(host, [`address del ${host.ipv6}/64 dev eth0`])
    await routerHolds(
      side,
      all.filter(({ prefix }) => !prefix.includes(':')),
    )
    const words = await agent.act('show', 'protocols', 'all')
    expect(words.includes('fd77::1:100/128 is a single address'), `nothing is said of the VIP:\n${words}`)
    await ip(host, [`address add ${host.ipv6}/64 dev eth0 nodad`])
    await routerHolds(side, all)
    const [protocol] = await agent.protocols()
    expect(protocol?.timesEstablished === 1, `the session was established ${protocol?.timesEstablished} times`)
    // A link that is switched off ends the session at once. Its IPv6 addresses go, and a person puts them back.
    await ip(host, ['link set eth0 down', 'link set eth0 up', `address replace ${host.ipv6}/64 dev eth0 nodad`])
    await routerHolds(side, all)
  },
}

/** Routers write their link-local address as well: it is of no use on a link where this node has no IPv6. */
const oneWithoutIpv6: Case = {
  name: 'next hops: the IPv6 routes of an uplink without IPv6 on our side are not chosen, however good they are',
  speakers: 'each',
  async run({ lab, speaker }) {
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    const node = await lab.bare('node-1', ours(1))
    const network = 'fd00:244:201::/64'
    const peers = UPLINKS.map((uplink) => bgpPeer(`router-${uplink}`, theirs(uplink).ipv4, ROUTER_AS + uplink))
    await manifests.put(configuration(), ...POOLS, kubeNode(node, PODS), ...peers)
    for (const uplink of UPLINKS) {
      const host = await lab.bare(`router-${uplink}`, theirs(uplink))
      const addresses = uplink === 1 ? [`${ours(1).ipv4}/24`] : withLength(ours(uplink))
      await wire(
        { host: node, name: `up${uplink}`, addresses },
        { host, name: 'eth0', addresses: withLength(theirs(uplink)) },
      )
      const neighbors = [{ address: ours(uplink).ipv4, asn: CLUSTER_AS }]
      const networks = [{ prefix: network, nextHop: theirs(uplink).ipv6 }]
      await speaker.start(host, { asn: ROUTER_AS + uplink, neighbors, networks })
    }
    await node.must(['sysctl', '-qw', 'net.ipv6.conf.up1.disable_ipv6=1'])
    const agent = new Agent(node, manifests, { linux: true })
    await agent.start()
    await agentSessionsUp(agent, UPLINKS.length)
    const goesOver = (uplink: number) =>
      eventually(async () => {
        const line = (await kernelRoutes(node, GODWIT)).find((route) => route.startsWith(network)) ?? 'none'
        expect(line.includes(` dev up${uplink} `), `the route of ${network} is ${line}`)
      })
    await goesOver(2)
    await node.must(['sysctl', '-qw', 'net.ipv6.conf.up2.disable_ipv6=1', 'net.ipv6.conf.up1.disable_ipv6=0'])
    await ip(node, [`address replace ${ours(1).ipv6}/64 dev up1 nodad`])
    await goesOver(1)
  },
}

/** The node is known by the address of one subnet, the router is in the other: its own next hop says so. */
const twoSubnets: Case = {
  name: 'next hops: of two subnets on one link, the address in the subnet of the router',
  speakers: 'each',
  async run({ lab, speaker }) {
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    const node = await lab.bare('node-1', ours(1))
    const host = await lab.bare('router', theirs(2))
    await manifests.put(configuration(), ...POOLS, kubeNode(node, PODS), bgpPeer('router', theirs(2).ipv4, ROUTER_AS))
    await wire(
      { host: node, name: 'uplink', addresses: UPLINKS.flatMap((uplink) => withLength(ours(uplink))) },
      { host, name: 'eth0', addresses: withLength(theirs(2)) },
    )
    const networks = [{ prefix: 'fd00:244:201::/64', nextHop: theirs(2).ipv6 }]
    const neighbors = [{ address: ours(2).ipv4, asn: CLUSTER_AS }]
    const router = await speaker.start(host, { asn: ROUTER_AS, neighbors, networks })
    const agent = new Agent(node, manifests)
    await agent.start()
    await agentSessionsUp(agent, 1)
    const { ipv4, ipv6 } = ours(2)
    const told = podRoutes(node, 1, { transport: 'ipv4' }).map((route) => ({
      ...route,
      from: ipv4,
      nextHop: route.prefix.includes(':') ? ipv6 : ipv4,
    }))
    await routerHolds(router, told)
  },
}

/** Two racks with one router between them: the nodes are a mesh through it, and one of them passes on what it learns. */
const overTheRouter: Case = {
  name: 'next hops: a route that leads back over the router is not told to it',
  speakers: 'each',
  async run({ lab, speaker }) {
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    const nodes = await Promise.all(UPLINKS.map((uplink) => lab.bare(`node-${uplink}`, ours(uplink))))
    const [border, worker] = nodes as [Host, Host]
    const host = await lab.bare('router', theirs(1))
    await forward(host)
    await manifests.put(
      configuration({ nodeToNodeMeshEnabled: true }),
      ...POOLS,
      kubeNode(border, PODS),
      kubeNode(worker, ['10.244.2.0/24', 'fd00:244:2::/64']),
      bgpPeer('router', theirs(1).ipv4, ROUTER_AS, { node: border.name, advertiseLearned: true }),
    )
    for (const [index, node] of nodes.entries()) {
      const uplink = index + 1
      await wire(
        { host: node, name: 'eth0', addresses: withLength(ours(uplink)) },
        { host, name: `rack${uplink}`, addresses: withLength(theirs(uplink)) },
      )
      await defaultRoutes(node, Object.values(theirs(uplink)))
    }
    const neighbors = [{ address: ours(1).ipv4, asn: CLUSTER_AS }]
    const router = await speaker.start(host, { asn: ROUTER_AS, neighbors, networks: [] })
    const agents = nodes.map((node) => new Agent(node, manifests, { linux: true }))
    for (const agent of agents) await agent.start()
    await eventually(async () => {
      const routes = await kernelRoutes(border, GODWIT)
      for (const wanted of [`10.244.2.0/24 via ${theirs(1).ipv4} `, `fd00:244:2::/64 via ${theirs(1).ipv6} `])
        expect(
          routes.some((route) => route.startsWith(wanted)),
          `the border node has no route ${wanted}:\n${routes.join('\n')}`,
        )
    })
    await routerHolds(router, podRoutes(border, 1, { transport: 'ipv4' }))
    const why = await agents[0]?.act('show', 'route', 'noexport', 'Node_10_78_1_2')
    expect(why?.includes('through a gateway on the link of this neighbor') === true, `no reason is given:\n${why}`)
  },
}

export const cases: readonly Case[] = [uplinks, vip, oneWithoutIpv6, twoSubnets, overTheRouter]
