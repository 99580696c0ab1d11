// Additions that show in how a session comes about and how it ends: who may be a neighbor, limits, roles, words at the end.

import { bgpPeer } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { protocolName } from '../speakers/bird.ts'
import { featureOf, lacks } from '../speakers/features.ts'
import type { Router, RouterConfig, Speaker } from '../speakers/speaker.ts'
import { type Bench, type Case, expect, routerHolds, sessionsUp } from './case.ts'
import {
  agentHolds,
  agentSessionsUp,
  CLUSTER_AS,
  Cluster,
  configuration,
  learnedRoutes,
  type Node,
  POOLS,
  podRoutes,
  ROUTER_AS,
  routerNetworks,
} from './rack.ts'

const TRANSPORT = { transport: 'ipv4' } as const

interface Shape {
  /** Of the BGPPeer. */
  readonly spec?: Readonly<Record<string, unknown>>
  readonly routerAs?: number
  /** What the router takes our AS for. */
  readonly ourAs?: number
  readonly features?: NonNullable<RouterConfig['neighbors'][number]['features']>
}

const scene = async ({ lab, speaker }: Bench, shape: Shape): Promise<Node & { readonly router: Router }> => {
  const { spec = {}, routerAs = ROUTER_AS, ourAs = CLUSTER_AS, features = [] } = shape
  const cluster = new Cluster(lab)
  const node = await cluster.node(1)
  const host = await lab.host('router', 1)
  await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', host.ipv4, routerAs, spec))
  const router = await speaker.start(host, {
    asn: routerAs,
    neighbors: [{ address: node.host.ipv4, asn: ourAs, features }],
    networks: routerNetworks(1),
  })
  await node.agent.start()
  return { ...node, router }
}

const protocolOf = ({ host }: Router): string => `Global_${host.ipv4.replaceAll('.', '_')}`

const theySaw = (router: Router, neighbor: string, words: RegExp): Promise<void> =>
  eventually(async () => {
    const said = await router.errors(neighbor)
    expect(words.test(said), `their last error is “${said}”`)
  })

const weSaw = ({ agent }: Node, words: RegExp): Promise<void> =>
  eventually(async () => {
    const said = await agent.lastErrors()
    expect(words.test(said), `our last error is “${said}”`)
  })

const WORDS = 'spine is replaced, back at six'

/** RFC 9003, from our side. */
const ourWords: Case = {
  name: 'features: our shutdown message reaches the router (RFC 9003)',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, {})
    const { agent, router, host } = all
    await sessionsUp(router, 1)
    await agentSessionsUp(agent, 1)
    await agent.act('disable', protocolOf(router), WORDS)
    await theySaw(router, host.ipv4, new RegExp(WORDS))
    await routerHolds(router, [])
    await agent.act('enable', protocolOf(router))
    await routerHolds(router, podRoutes(host, 1, TRANSPORT))
  },
}

const shutDown = (router: Router, { kind }: Speaker, neighbor: string): Promise<string> => {
  if (kind === 'frr') {
    const lines = [`router bgp ${ROUTER_AS}`, `neighbor ${neighbor} shutdown message ${WORDS}`]
    return router.say('configure terminal', ...lines)
  }
  if (kind === 'bird') return router.say(`disable ${protocolName({ address: neighbor })} "${WORDS}"`)
  if (kind === 'openbgpd') return router.say('neighbor', neighbor, 'down', WORDS)
  return router.say('neighbor', neighbor, 'shutdown', '--reason', WORDS)
}

/** RFC 9003, from theirs. */
const theirWords: Case = {
  name: "features: the router's shutdown message reaches us (RFC 9003)",
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, {})
    const { agent, router, host } = all
    await sessionsUp(router, 1)
    await agentSessionsUp(agent, 1)
    await shutDown(router, bench.speaker, host.ipv4)
    await weSaw(all, new RegExp(WORDS))
    await agentHolds(agent, [])
  },
}

const tooMany: Case = {
  name: 'features: more routes than maxPrefixes end the session, and the router is told why',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, { spec: { maxPrefixes: { ipv4: 2 } } })
    const { agent, router, host } = all
    await agentHolds(agent, learnedRoutes(router.host, routerNetworks(1), ROUTER_AS, TRANSPORT))
    // One of the two may be a route of ours, sent back by FRR.
    await router.announce({ prefix: '10.244.222.0/24' })
    await router.announce({ prefix: '10.244.223.0/24' })
    await theySaw(router, host.ipv4, /maximum number of prefixes|max-prefix exceeded|"?code"?:6.*subcode"?:1|0601/i)
    await agentHolds(agent, [])
    await routerHolds(router, [])
  },
}

const range: Case = {
  name: 'features: neighbors from a range',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const spec = { peerIP: undefined, asNumber: undefined, peerRange: '10.77.0.0/29', remoteAS: 'external' }
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('rack', '', 0, spec))
    await agent.start()
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const hosts = [await lab.host('router-1', 1), await lab.host('router-2', 2)] as const
    const one = await speaker.start(hosts[0], { asn: ROUTER_AS, neighbors, networks: routerNetworks(1) })
    const two = await speaker.start(hosts[1], { asn: ROUTER_AS + 1, neighbors, networks: routerNetworks(2) })
    const first = learnedRoutes(hosts[0], routerNetworks(1), ROUTER_AS, TRANSPORT)
    const second = learnedRoutes(hosts[1], routerNetworks(2), ROUTER_AS + 1, TRANSPORT)
    await agentHolds(agent, [...first, ...second])
    for (const router of [one, two]) await routerHolds(router, podRoutes(host, 1, TRANSPORT))
    await two.kill()
    await agentHolds(agent, first)
    await two.restart()
    await agentHolds(agent, [...first, ...second])
  },
}

const remoteAs = (word: 'internal' | 'external'): Case => ({
  name: `features: remoteAS ${word}`,
  speakers: 'each',
  async run(bench) {
    const internal = word === 'internal'
    const routerAs = internal ? CLUSTER_AS : ROUTER_AS
    const { agent, router, host } = await scene(bench, { routerAs, spec: { asNumber: undefined, remoteAS: word } })
    const session = { ...TRANSPORT, internal }
    await agentHolds(agent, learnedRoutes(router.host, routerNetworks(1), routerAs, session))
    await routerHolds(router, podRoutes(host, 1, session))
  },
})

const OTHER_AS = 64900

const localAs: Case = {
  name: 'features: another AS of ours for one neighbor',
  speakers: 'each',
  async run(bench) {
    const { agent, router, host } = await scene(bench, { ourAs: OTHER_AS, spec: { localASNumber: OTHER_AS } })
    await agentHolds(agent, learnedRoutes(router.host, routerNetworks(1), ROUTER_AS, TRANSPORT))
    const ours = podRoutes(host, 1, TRANSPORT).map((route) => ({ ...route, asPath: String(OTHER_AS) }))
    await routerHolds(router, ours)
  },
}

const roles: Case = {
  name: 'features: roles that fit, and OTC is there',
  speakers: 'each',
  lacking: lacks('provider'),
  async run(bench) {
    const features = [featureOf(bench.speaker, 'provider')]
    const { agent, router, host } = await scene(bench, { features, spec: { role: 'customer', strictRole: true } })
    await agentHolds(agent, learnedRoutes(router.host, routerNetworks(1), ROUTER_AS, TRANSPORT))
    await routerHolds(router, podRoutes(host, 1, TRANSPORT))
    const said = await agent.act('show', 'route', 'all')
    expect(said.includes(`BGP.otc: ${ROUTER_AS}`), `no OTC of the provider in ${said}`)
  },
}

const rolesAtOdds: Case = {
  name: 'features: roles at odds are refused by both sides',
  speakers: 'each',
  lacking: lacks('customer'),
  async run(bench) {
    const all = await scene(bench, { features: [featureOf(bench.speaker, 'customer')], spec: { role: 'customer' } })
    await weSaw(all, /role mismatch/i)
    await theySaw(all.router, all.host.ipv4, /role mismatch|020B/i)
  },
}

export const cases: readonly Case[] = [
  ourWords,
  theirWords,
  tooMany,
  range,
  remoteAs('internal'),
  remoteAs('external'),
  localAs,
  roles,
  rolesAtOdds,
]
