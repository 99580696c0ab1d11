// The neighbor is whoever the default route leads to, with the AS number that the Node says: it moves with the route, and
// nobody else is reset.

import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { FAMILIES, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, kubeNode, Manifests } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, ip } from '../lab/wire.ts'
import type { Router } from '../speakers/speaker.ts'
import { type Bench, type Case, expect, sessionsUp } from './case.ts'
import { podCidr } from './fabric.ts'
import { CLUSTER_AS, configuration, POOLS, ROUTER_AS } from './rack.ts'

const RACK_AS = 'example.com/rack-as'
const SIX = 'Global_DefaultGateway_ipv6'
const FOUR = 'Global_DefaultGateway_ipv4'
const NODE_LINK_LOCAL = 'fe80::11'
const LOOPBACK = '10.99.0.11'

/** It has a link-local address that is the same whatever its hardware is called. */
const withLinkLocal = async (host: Host, address: string): Promise<void> => {
  const [, auto] = /inet6 (fe80:\S+)/.exec(await host.must(['ip', '-6', 'address', 'show', 'dev', 'eth0'])) ?? []
  await ip(host, [
    ...(auto === undefined ? [] : [`address del ${auto} dev eth0`]),
    `address add ${address}/64 dev eth0 scope link nodad`,
  ])
}

/** Calls from any address of the node are taken. */
const startRouter = ({ speaker }: Bench, host: Host, node: Host): Promise<Router> =>
  speaker.start(host, {
    asn: ROUTER_AS,
    neighbors: [
      { address: node.ipv4, asn: CLUSTER_AS, passive: true },
      { address: node.ipv6, asn: CLUSTER_AS, passive: true },
      { address: NODE_LINK_LOCAL, asn: CLUSTER_AS, passive: true, features: [{ session: ['interface eth0'] }] },
    ],
  })

interface Shown {
  readonly name: string
  readonly peer: string | null
  readonly state: string
  readonly remoteAs: number | null
  readonly timesEstablished: number
}

/** What each neighbor is, in one line, and how often it came up. */
const neighbors = async (agent: Agent): Promise<ReadonlyMap<string, Shown>> =>
  new Map((await agent.show<readonly Shown[]>('protocols')).map((one) => [one.name, one]))

const established = (agent: Agent, expected: Readonly<Record<string, string>>): Promise<void> =>
  eventually(
    async () => {
      const all = await neighbors(agent)
      for (const [name, address] of Object.entries(expected)) {
        const one = all.get(name)
        const isRight = one?.state === 'Established' && one.peer === address && one.remoteAs === ROUTER_AS
        expect(isRight, `${name}, expected at ${address}: ${JSON.stringify(one)}`)
      }
      expect(all.size === Object.keys(expected).length, `neighbors: ${[...all.keys()].join(', ')}`)
    },
    { within: 90_000, every: 500 },
  )

const scene = async (lab: Lab) => {
  const node = await lab.host('node-1', 11)
  await withLinkLocal(node, NODE_LINK_LOCAL)
  const [first, second] = [await lab.host('router-1', 1), await lab.host('router-2', 2)]
  const [third, fourth] = [await lab.host('router-3', 3), await lab.host('router-4', 4)]
  for (const [index, router] of [first, second, third, fourth].entries())
    await withLinkLocal(router, `fe80::${index + 1}`)
  return { node, first, second, third, fourth }
}

const nameOf = (host: Host): string => `Global_${host.ipv4.replaceAll('.', '_')}`

const follows = (linux: boolean): Case => ({
  name: `default gateway: the neighbor moves with the default route, --dataplane ${linux ? 'linux' : 'none'}`,
  speakers: 'frr',
  limit: 300_000,
  async run(bench) {
    const { lab } = bench
    const { node, first, second, third, fourth } = await scene(lab)
    for (const router of [first, second, third]) await startRouter(bench, router, node)
    await ip(fourth, [`route add ${LOOPBACK}/32 via ${node.ipv4}`])
    const far = { address: LOOPBACK, asn: CLUSTER_AS, passive: true, features: [{ session: ['ebgp-multihop 2'] }] }
    const side = await bench.speaker.start(fourth, { asn: ROUTER_AS, neighbors: [far] })
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    const cidrs = FAMILIES.map((family) => podCidr(1, family))
    const gateway = bgpPeer('gateway', 'DefaultGateway', 0, { asNumberFrom: { label: RACK_AS } })
    await manifests.put(
      configuration(),
      ...POOLS,
      { ...gateway, spec: { peerIP: 'DefaultGateway', asNumberFrom: { label: RACK_AS } } },
      bgpPeer('other', third.ipv4, ROUTER_AS),
      kubeNode(node, cidrs, { [RACK_AS]: `${ROUTER_AS}` }),
    )
    const agent = new Agent(node, manifests, { linux })
    await agent.start()
    const other = nameOf(third)
    await eventually(async () => {
      const said = await agent.act('show', 'protocols', FOUR)
      expect(/Held: this node has no IPv4 default route/.test(said), `without a default route: ${said}`)
    })

    await defaultRoutes(node, [first.ipv4, first.ipv6])
    await established(agent, { [FOUR]: first.ipv4, [SIX]: first.ipv6, [other]: third.ipv4 })
    // The gateway of one family is another router: the other family, and others, stay as they are.
    await ip(node, [`route replace default via ${second.ipv4}`])
    await established(agent, { [FOUR]: second.ipv4, [SIX]: first.ipv6, [other]: third.ipv4 })
    // A link-local gateway, as router advertisements make it.
    await ip(node, ['route replace ::/0 via fe80::2 dev eth0'])
    await established(agent, { [FOUR]: second.ipv4, [SIX]: 'fe80::2%eth0', [other]: third.ipv4 })
    const all = await neighbors(agent)
    expect(all.get(other)?.timesEstablished === 1, `${other} was reset: ${JSON.stringify(all.get(other))}`)
    expect(all.get(FOUR)?.timesEstablished === 2, `${FOUR}: ${JSON.stringify(all.get(FOUR))}`)
    // No default route for a while moves nobody.
    await ip(node, ['route del default'])
    await ip(node, [`route add default via ${second.ipv4} metric 50`])
    await established(agent, { [FOUR]: second.ipv4, [SIX]: 'fe80::2%eth0', [other]: third.ipv4 })
    expect(
      (await neighbors(agent)).get(FOUR)?.timesEstablished === 2,
      'the route went and came back, and so did the session',
    )

    // The fourth knows the node by an address of its loopback and by no other: held until that is there.
    await manifests.put(bgpPeer('loopback', fourth.ipv4, ROUTER_AS, { sourceInterface: 'lo' }))
    await eventually(async () => {
      const said = await agent.act('show', 'protocols', 'all', nameOf(fourth))
      expect(/sourceInterface lo has no permanent IPv4 address/.test(said), said)
    })
    await ip(node, [`address add ${LOOPBACK}/32 dev lo`])
    await sessionsUp(side, 1, { within: 60_000 })
  },
})

export const cases: readonly Case[] = [follows(true), follows(false)]
