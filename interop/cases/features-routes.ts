// Additions that show in the routes: refreshes, several paths, reflection, other next hops, long messages.

import type { Agent } from '../lab/agent.ts'
import { bgpPeer, type KubeObject, kubeNode } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { protocolName } from '../speakers/bird.ts'
import { featureOf, lacks } from '../speakers/features.ts'
import type { Neighbor, Network, Router, Speaker } from '../speakers/speaker.ts'
import { type Bench, type Case, type Expected, expect, expectRoutes, routerHolds, sessionsUp } from './case.ts'
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
  RESTART_TIME,
  ROUTER_AS,
  routerNetworks,
  type SessionKind,
} from './rack.ts'

const TRANSPORT = { transport: 'ipv4' } as const

interface Shape {
  readonly networks?: readonly Network[]
  readonly neighbor?: Partial<Neighbor>
  /** Of the BGPPeer. */
  readonly spec?: Readonly<Record<string, unknown>>
  readonly session?: SessionKind & { readonly transport: 'ipv4' | 'ipv6' }
}

interface Scene extends Node {
  readonly cluster: Cluster
  readonly router: Router
  readonly peer: (spec: Readonly<Record<string, unknown>>) => KubeObject
  readonly theirs: readonly Expected[]
  readonly ours: readonly Expected[]
}

const scene = async ({ lab, speaker }: Bench, shape: Shape): Promise<Scene> => {
  const { networks = routerNetworks(1), neighbor = {}, spec = {}, session = TRANSPORT } = shape
  const cluster = new Cluster(lab)
  const node = await cluster.node(1)
  const host = await lab.host('router', 1)
  const peer: Scene['peer'] = (fields) => bgpPeer('router', host.address(session.transport), ROUTER_AS, fields)
  await cluster.manifests.put(configuration(), ...POOLS, peer(spec))
  const address = node.host.address(session.transport)
  const neighbors = [{ address, asn: CLUSTER_AS, ...neighbor }]
  const router = await speaker.start(host, { asn: ROUTER_AS, neighbors, networks })
  await node.agent.start()
  const theirs = learnedRoutes(host, networks, ROUTER_AS, session)
  return { ...node, cluster, router, peer, theirs, ours: podRoutes(node.host, 1, session) }
}

const counted = async (agent: Agent, way: 'received' | 'sent', kind: string): Promise<number> =>
  (await agent.protocols())[0]?.messages[way][kind] ?? 0

/** Waits until at least so many messages of a kind went by since. */
const passed = (agent: Agent, way: 'received' | 'sent', kind: string, before: number, atLeast: number): Promise<void> =>
  eventually(async () => {
    const now = await counted(agent, way, kind)
    expect(now >= before + atLeast, `${way} ${now - before} of ${atLeast} ${kind} messages`)
  })

const PROTOCOL = 'Global_10_77_0_1'
const REFRESH = 'route-refresh'

const weRefresh: Case = {
  name: 'features: we ask for a refresh, with its begin and end where the router has them',
  speakers: 'each',
  lacking: ({ kind }, version) => {
    if (kind === 'frr' && version.startsWith('8.'))
      return 'it puts the answer off until its End-of-RIB, which only neighbors with graceful restart get'
    if (kind === 'openbgpd' && version.startsWith('7.')) return 'it sends only what has changed, which is nothing'
    return undefined
  },
  async run(bench) {
    const { agent, router, theirs, ours } = await scene(bench, {})
    await agentHolds(agent, theirs)
    await routerHolds(router, ours)
    const [asked, marks, updates] = await Promise.all([
      counted(agent, 'sent', REFRESH),
      counted(agent, 'received', REFRESH),
      counted(agent, 'received', 'update'),
    ])
    await agent.act('reload', 'in', PROTOCOL)
    await passed(agent, 'sent', REFRESH, asked, 2)
    // RFC 7313: begin and end for each family. GoBGP has none, OpenBGPD only for neighbors with graceful restart.
    if (!['gobgp', 'openbgpd'].includes(bench.speaker.kind)) await passed(agent, 'received', REFRESH, marks, 4)
    await agentHolds(agent, theirs)
    await passed(agent, 'received', 'update', updates, 2)
    const told = await counted(agent, 'sent', 'update')
    await agent.act('reload', 'out', PROTOCOL)
    await passed(agent, 'sent', 'update', told, 2)
    await routerHolds(router, ours)
  },
}

const askedBy = async ({ kind, version }: Speaker, router: Router, neighbor: string): Promise<void> => {
  if (kind === 'bird') {
    const verb = (await version()).startsWith('2.') ? 'reload in' : 'reload bgp in'
    await router.say(`${verb} ${protocolName({ address: neighbor })}`)
  }
  if (kind === 'openbgpd') await router.say('neighbor', neighbor, 'refresh')
  if (kind !== 'frr') return
  // With a copy of what it received it would not ask.
  const forget = ['ipv4', 'ipv6'].flatMap((family) => [
    `address-family ${family} unicast`,
    `no neighbor ${neighbor} soft-reconfiguration inbound`,
    'exit-address-family',
  ])
  await router.say('configure terminal', `router bgp ${ROUTER_AS}`, ...forget)
  for (const family of ['ipv4', 'ipv6']) await router.say(`clear bgp ${family} unicast ${neighbor} soft in`)
}

const theyRefresh: Case = {
  name: 'features: the router asks for a refresh, and gets it with begin and end',
  speakers: 'each',
  lacking: lacks('asksForRefresh'),
  async run(bench) {
    const { agent, router, host, theirs, ours } = await scene(bench, {})
    await agentHolds(agent, theirs)
    await routerHolds(router, ours)
    const [asked, marks, updates] = await Promise.all([
      counted(agent, 'received', REFRESH),
      counted(agent, 'sent', REFRESH),
      counted(agent, 'sent', 'update'),
    ])
    await askedBy(bench.speaker, router, host.ipv4)
    await passed(agent, 'received', REFRESH, asked, 2)
    await passed(agent, 'sent', REFRESH, marks, 4)
    await passed(agent, 'sent', 'update', updates, 2)
    await routerHolds(router, ours)
  },
}

/** RFC 8326. */
const gracefulShutdown: Case = {
  name: 'features: a route marked GRACEFUL_SHUTDOWN has local preference 0',
  speakers: 'each',
  async run(bench) {
    const [first, second] = routerNetworks(1)
    if (first === undefined || second === undefined) throw new Error('two networks are needed')
    const marked = { ...first, communities: [...(first.communities ?? []), '65535:0'] }
    const { agent, router } = await scene(bench, { networks: [marked, second] })
    const heldAs = ([one, two]: readonly Expected[], localPref: number | undefined): readonly Expected[] => [
      { ...(one as Expected), localPref },
      two as Expected,
    ]
    await agentHolds(agent, heldAs(learnedRoutes(router.host, [marked, second], ROUTER_AS, TRANSPORT), 0))
    await router.announce(first)
    await agentHolds(agent, heldAs(learnedRoutes(router.host, [first, second], ROUTER_AS, TRANSPORT), undefined))
  },
}

const ownAs: Case = {
  name: 'features: our own AS in the path, refused and then allowed',
  speakers: 'each',
  lacking: lacks('neighborInPath'),
  async run(bench) {
    const networks = routerNetworks(1).map((network) => ({ ...network, asPath: [CLUSTER_AS] }))
    const { agent, cluster, peer, theirs, ours } = await scene(bench, { networks })
    await agentSessionsUp(agent, 1)
    await eventually(async () => {
      const families = (await agent.protocols())[0]?.families
      const seen = [families?.ipv4, families?.ipv6].map((counts) => `${counts?.received}/${counts?.accepted}`)
      expect(
        seen.every((text) => /^[12]\/0$/.test(text)),
        `received/accepted: ${seen.join(' ')}`,
      )
    })
    await agentHolds(agent, [])
    await cluster.manifests.put(peer({ numAllowedLocalASNumbers: 1 }))
    const allowed = theirs.map((route) => ({ ...route, asPath: `${ROUTER_AS} ${CLUSTER_AS}` }))
    await eventually(async () => {
      // FRR sends our own routes back, and those are allowed too.
      const held = (await agent.routes()).filter(({ prefix }) => !ours.some((route) => route.prefix === prefix))
      expectRoutes('routes with our AS', held, allowed)
    })
  },
}

/** RFC 8950. */
const extendedNextHop: Case = {
  name: 'features: IPv4 routes with IPv6 next hops, both ways',
  speakers: 'each',
  lacking: lacks('extendedNextHop'),
  async run(bench) {
    const { agent, router, host, theirs, ours } = await scene(bench, {
      session: { transport: 'ipv6' },
      networks: routerNetworks(1).map((network) => ({ ...network, nextHop: 'fd77::1' })),
      spec: { extendedNextHop: true },
      neighbor: { features: [featureOf(bench.speaker, 'extendedNextHop')] },
    })
    await agentHolds(
      agent,
      theirs.map((route) => ({ ...route, nextHop: router.host.ipv6 })),
    )
    await routerHolds(
      router,
      ours.map((route) => ({ ...route, nextHop: host.ipv6 })),
    )
  },
}

const CLUSTER_ID = '244.0.0.1'

const reflectorNode = (node: KubeObject): KubeObject => ({
  ...node,
  metadata: { ...node.metadata, annotations: { 'godwit.dev/routeReflectorClusterID': CLUSTER_ID } } as never,
})

/** What an internal router learned of another by way of `from`. */
const reflected = (origin: Router, number: number, from: string): readonly Expected[] =>
  learnedRoutes(origin.host, routerNetworks(number), CLUSTER_AS, { ...TRANSPORT, internal: true }).map((route) => ({
    ...route,
    from,
    localPref: 100,
  }))

const reflectedBy = async ({ kind }: Speaker, router: Router, prefix: string): Promise<string> => {
  if (kind === 'frr') return router.say(`show bgp ipv4 unicast ${prefix} json`)
  if (kind === 'bird') return router.say(`show route ${prefix} all`)
  if (kind === 'openbgpd') return router.say('show', 'rib', 'detail', prefix)
  return router.say('global', 'rib', prefix)
}

/** RFC 4456. */
const weReflect: Case = {
  name: 'features: we reflect between two clients',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const hosts = [await lab.host('router-1', 1), await lab.host('router-2', 2)] as const
    await cluster.manifests.put(
      reflectorNode(kubeNode(host, ['10.244.1.0/24', 'fd00:244:1::/64'])),
      configuration(),
      ...POOLS,
      bgpPeer('router-1', hosts[0].ipv4, CLUSTER_AS),
      bgpPeer('router-2', hosts[1].ipv4, CLUSTER_AS),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const one = await speaker.start(hosts[0], { asn: CLUSTER_AS, neighbors, networks: routerNetworks(1) })
    const two = await speaker.start(hosts[1], { asn: CLUSTER_AS, neighbors, networks: routerNetworks(2) })
    await agent.start()
    const ours = podRoutes(host, 1, { ...TRANSPORT, internal: true })
    await routerHolds(one, [...ours, ...reflected(two, 2, host.ipv4)])
    await routerHolds(two, [...ours, ...reflected(one, 1, host.ipv4)])
    const said = await reflectedBy(speaker, two, '10.244.201.0/24')
    expect(said.includes(hosts[0].ipv4) && said.includes(CLUSTER_ID), `originator and cluster list: ${said}`)
    await one.kill()
    await routerHolds(two, ours)
  },
}

const theyReflect: Case = {
  name: 'features: the router reflects between two nodes',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const nodes = [await cluster.node(1), await cluster.node(2)] as const
    const hub = await lab.host('router', 1)
    const spec = { maxRestartTime: RESTART_TIME }
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', hub.ipv4, CLUSTER_AS, spec))
    const features = [featureOf(speaker, 'client')]
    const router = await speaker.start(hub, {
      asn: CLUSTER_AS,
      neighbors: nodes.map(({ host }) => ({ address: host.ipv4, asn: CLUSTER_AS, features })),
      passesOn: true,
    })
    for (const { agent } of nodes) await agent.start()
    await sessionsUp(router, 2)
    const internal = { ...TRANSPORT, internal: true }
    const from = (number: 0 | 1): readonly Expected[] =>
      podRoutes(nodes[number].host, number + 1, internal).map((route) => ({ ...route, from: hub.ipv4 }))
    await agentHolds(nodes[0].agent, from(1))
    await agentHolds(nodes[1].agent, from(0))
    await nodes[1].agent.kill()
    await agentHolds(nodes[0].agent, [])
  },
}

/** Two routers with one network: several paths for whoever hears both. */
const SHARED: readonly Network[] = [{ prefix: '10.244.230.0/24' }, { prefix: 'fd00:244:230::/64' }]

const sharedBy = async ({ lab, speaker }: Bench, neighbors: readonly Neighbor[]): Promise<readonly Router[]> => {
  const hosts = [await lab.host('edge-2', 2), await lab.host('edge-3', 3)]
  const starts = hosts.map((host, at) => speaker.start(host, { asn: 65002 + at, neighbors, networks: SHARED }))
  return Promise.all(starts)
}

type Paths = readonly { readonly prefix: string; readonly asPath: string }[]

const pathsTo = (routes: Paths, shared: readonly Network[]): readonly string[] =>
  shared.map(({ prefix }) => {
    const paths = routes.filter((route) => route.prefix === prefix).map(({ asPath }) => asPath)
    // A path that shares its traffic with others has a row for each of their next hops.
    return [...new Set(paths)].sort().join(', ')
  })

const hearsPaths = (who: () => Promise<Paths>, paths: string, shared = SHARED): Promise<void> =>
  eventually(async () => {
    const seen = pathsTo(await who(), shared)
    expect(
      seen.every((text) => text === paths),
      `paths: ${seen.join(' | ')} instead of ${paths}`,
    )
  })

/** RFC 7911. */
const theySendPaths: Case = {
  name: 'features: all paths of a router with ADD-PATH',
  speakers: 'each',
  async run(bench) {
    const { lab, speaker } = bench
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const hub = await lab.host('router', 1)
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router', hub.ipv4, ROUTER_AS, { addPath: { receive: true } }),
    )
    await speaker.start(hub, {
      asn: ROUTER_AS,
      neighbors: [
        { address: host.ipv4, asn: CLUSTER_AS, features: [featureOf(speaker, 'addPath')] },
        { address: '10.77.0.2', asn: 65002, passive: true },
        { address: '10.77.0.3', asn: 65003, passive: true },
      ],
      passesOn: true,
    })
    const [edge] = await sharedBy(bench, [{ address: hub.ipv4, asn: ROUTER_AS }])
    // GoBGP tells IPv6 routes of others over an IPv4 session with its IPv4 address as next hop, which is no route at all.
    const shared = speaker.kind === 'gobgp' ? SHARED.slice(0, 1) : SHARED
    const hears = (paths: string) => hearsPaths(() => agent.routes(), paths, shared)
    await agent.start()
    await hears('65001 65002, 65001 65003')
    await edge?.kill()
    await hears('65001 65003')
    await edge?.restart()
    await hears('65001 65002, 65001 65003')
  },
}

const weSendPaths: Case = {
  name: 'features: all paths of ours with ADD-PATH',
  speakers: 'each',
  async run(bench) {
    const { lab, speaker } = bench
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const hub = await lab.host('router', 1)
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router', hub.ipv4, ROUTER_AS, { addPath: { send: true }, advertiseLearned: true }),
      bgpPeer('edge-2', '10.77.0.2', 65002),
      bgpPeer('edge-3', '10.77.0.3', 65003),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS, features: [featureOf(speaker, 'addPath')] }]
    const router = await speaker.start(hub, { asn: ROUTER_AS, neighbors })
    const [edge] = await sharedBy(bench, [{ address: host.ipv4, asn: CLUSTER_AS }])
    await agent.start()
    const all = async () => [...(await router.routes('ipv4')), ...(await router.routes('ipv6'))]
    await hearsPaths(all, '64512 65002, 64512 65003')
    await edge?.kill()
    await hearsPaths(all, '64512 65003')
    await edge?.restart()
    await hearsPaths(all, '64512 65002, 64512 65003')
  },
}

/** More than 4,096 octets in one route. */
const MANY: readonly string[] = Array.from({ length: 1_100 }, (_, at) => `65001:${10_000 + at}`)

/** RFC 8654: BIRD can be told to send such a route; whoever is asked gets it from us. */
const longMessages: Case = {
  name: 'features: a message of more than 4,096 octets comes in and goes out',
  speakers: 'each',
  lacking: lacks('extendedMessages'),
  limit: 180_000,
  async run({ lab, speaker, present }) {
    const source = present.find(({ kind }) => kind === 'bird') as Speaker
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const [from, to] = [await lab.host('source', 1), await lab.host('router', 2)]
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('source', from.ipv4, ROUTER_AS),
      bgpPeer('router', to.ipv4, ROUTER_AS + 1, { advertiseLearned: true }),
    )
    const long: Network = { prefix: '10.244.231.0/24', communities: MANY, med: 7 }
    const neighborFor = (which: Speaker) => [
      { address: host.ipv4, asn: CLUSTER_AS, features: [featureOf(which, 'extendedMessages')] },
    ]
    await source.start(from, { asn: ROUTER_AS, neighbors: neighborFor(source), networks: [long] })
    const router = await speaker.start(to, { asn: ROUTER_AS + 1, neighbors: neighborFor(speaker) })
    await agent.start()
    await agentHolds(agent, learnedRoutes(from, [long], ROUTER_AS, TRANSPORT))
    await eventually(async () => {
      const route = (await router.routes('ipv4')).find(({ prefix }) => prefix === long.prefix)
      expect(route?.communities.length === MANY.length, `${route?.communities.length} of ${MANY.length} communities`)
    })
    await sessionsUp(router, 1)
  },
}

export const cases: readonly Case[] = [
  weRefresh,
  theyRefresh,
  gracefulShutdown,
  ownAs,
  extendedNextHop,
  weReflect,
  theyReflect,
  theySendPaths,
  weSendPaths,
  longMessages,
]
