// One router, one node: both families over one session, in every way a session can come about, and after every way it can end.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import type { Family } from '../lab/lab.ts'
import { bgpPeer, kubeNode } from '../lab/manifests.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { forward, ip, kernelRoutes } from '../lab/wire.ts'
import type { Route, Router, Words } from '../speakers/speaker.ts'
import { type Bench, type Case, expect, expectRoutes, routerHolds, Skip, sessionsUp } from './case.ts'
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
  type SessionKind,
} from './rack.ts'

type Dial = 'we dial' | 'they dial' | 'both dial'

interface Scene extends Node {
  readonly cluster: Cluster
  readonly router: Router
  readonly session: SessionKind
  readonly ours: ReturnType<typeof podRoutes>
  readonly theirs: ReturnType<typeof learnedRoutes>
}

const scene = async (
  { lab, speaker }: Bench,
  transport: Family,
  internal: boolean,
  dial: Dial,
  spec: object = {},
  globals: readonly string[] = [],
  features: readonly Words[] = [],
): Promise<Scene> => {
  const asn = internal ? CLUSTER_AS : ROUTER_AS
  const session: SessionKind = { transport, internal }
  const cluster = new Cluster(lab)
  const node = await cluster.node(1)
  const host = await lab.host('router', 1)
  const passive = dial === 'they dial' ? { passive: true } : {}
  await cluster.manifests.put(
    configuration(),
    ...POOLS,
    bgpPeer('router', host.address(transport), asn, { ...passive, ...spec }),
  )
  const neighbor = { address: node.host.address(transport), asn: CLUSTER_AS, passive: dial === 'we dial', features }
  const networks = routerNetworks(1)
  // OpenBGPD dials again only after two minutes: whom it is to reach is there first.
  if (dial === 'they dial') await node.agent.start()
  const router = await speaker.start(host, { asn, neighbors: [neighbor], networks, globals })
  if (dial !== 'they dial') await node.agent.start()
  return {
    ...node,
    cluster,
    router,
    session,
    ours: podRoutes(node.host, 1, session),
    theirs: learnedRoutes(host, networks, asn, session),
  }
}

const settled = async ({ agent, router, ours, theirs }: Scene): Promise<void> => {
  await sessionsUp(router, 1)
  await agentSessionsUp(agent, 1)
  await routerHolds(router, ours)
  await agentHolds(agent, theirs)
}

const sessionCase = (transport: Family, internal: boolean, dial: Dial): Case => ({
  name: `session: ${internal ? 'iBGP' : 'eBGP'} over ${transport}, ${dial}`,
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, transport, internal, dial)
    await settled(all)
    const [first, second] = routerNetworks(1)
    if (first === undefined || second === undefined) throw new Error('two networks are needed')
    await all.router.withdraw(first.prefix)
    await agentHolds(all.agent, all.theirs.slice(1))
    await all.router.announce(first)
    await all.router.withdraw(second.prefix)
    await agentHolds(all.agent, all.theirs.slice(0, 1))
    await all.router.announce(second)
    await agentHolds(all.agent, all.theirs)
    await routerHolds(all.router, all.ours)
  },
})

const steady: Case = {
  name: 'session: both dial at once, one session stays',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial')
    await settled(all)
    await throughout(4_000, async () => {
      expectRoutes('the router', [...(await all.router.routes('ipv4')), ...(await all.router.routes('ipv6'))], all.ours)
    })
  },
}

const podChange: Case = {
  name: 'objects: a pod CIDR comes and goes',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial')
    await settled(all)
    await all.cluster.manifests.put(kubeNode(all.host, ['10.244.1.0/24']))
    await routerHolds(all.router, all.ours.slice(0, 1))
    await all.cluster.manifests.put(kubeNode(all.host, ['10.244.1.0/24', 'fd00:244:1::/64']))
    await routerHolds(all.router, all.ours)
  },
}

const routerKilled: Case = {
  name: 'restart: the router is killed and comes back',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial')
    await settled(all)
    await all.router.kill()
    await agentHolds(all.agent, [])
    await all.router.restart()
    await settled(all)
  },
}

const agentKilled: Case = {
  name: 'restart: the agent is killed and comes back',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial')
    await settled(all)
    await all.agent.kill()
    await all.agent.start()
    await settled(all)
  },
}

/** RFC 4724: these help unless told otherwise. */
const HELPERS = ['frr', 'bird'] as const
type Helper = (typeof HELPERS)[number]

/** The router is asked again and again: its routes are those of before, whatever becomes of the agent. */
const restartUnseen = (
  helper: Helper,
  how: 'killed' | 'stopped',
  transport: Family,
  times: number,
  dial: Dial = 'both dial',
): Case => ({
  name: `graceful restart: ${helper}, the agent is ${how} ${times === 1 ? 'once' : `${times} times`}, ${dial === 'both dial' ? '' : `${dial}, `}and no route is lacking`,
  speakers: helper,
  async run(bench) {
    const all = await scene(bench, transport, false, dial)
    await settled(all)
    const holds = async (millis: number) =>
      await throughout(millis, async () => {
        const held = [...(await all.router.routes('ipv4')), ...(await all.router.routes('ipv6'))]
        expectRoutes('the router', held, all.ours)
      })
    for (let time = 0; time < times; time++) {
      if (how === 'killed') await all.agent.kill()
      else await all.agent.stop()
      await holds(4_000)
      await all.agent.start()
      await holds(6_000)
      await settled(all)
    }
    await holds(15_000)
  },
})

const leaves = (helper: Helper): Case => ({
  name: `graceful restart: ${helper}, an agent that leaves takes its routes along at once`,
  speakers: helper,
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial')
    await settled(all)
    await all.agent.leave()
    await routerHolds(all.router, [])
    await all.agent.start()
    await settled(all)
  },
})

/** A router that keeps routes for an agent's restart must not take a restart for the end of its maintenance. */
const stillDrained = (helper: Helper): Case => ({
  name: `graceful restart: ${helper}, drained by hand, then left: both still hold after the agent is killed`,
  speakers: helper,
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial')
    await settled(all)
    const held = async () => [...(await all.router.routes('ipv4')), ...(await all.router.routes('ipv6'))]
    const isDrained = ({ communities }: Route) => communities.some((one) => GRACEFUL_SHUTDOWN.test(one))
    const allDrained = async () => {
      const drained = (await held()).filter(isDrained).length
      expect(drained === all.ours.length, `${drained} of ${all.ours.length} routes are drained`)
    }
    const [protocol] = await all.agent.protocols()
    await all.agent.act('drain', protocol?.name ?? '', 'line card')
    await eventually(allDrained)
    await all.agent.kill()
    await throughout(2_000, allDrained)
    await all.agent.start()
    await throughout(10_000, allDrained)
    await agentSessionsUp(all.agent, 1)
    await all.agent.act('undrain', protocol?.name ?? '')
    await settled(all)
    await all.agent.act('leave', 'new kernel')
    await routerHolds(all.router, [])
    await eventually(async () => {
      const [left] = await all.agent.protocols()
      expect(left?.state === 'Idle', `the session is ${left?.state}`)
    })
    await all.agent.kill()
    await all.agent.start()
    await throughout(10_000, async () => expectRoutes('the router', await held(), []))
    await all.agent.act('leave', 'cancel')
    await settled(all)
  },
})

/** RFC 8326 §5: the community as BIRD and as FRR show it. */
const GRACEFUL_SHUTDOWN = /^(65535:0|graceful-?shutdown)$/i

/** RFC 9494 §4.2: the community as BIRD and as FRR show it. */
const LLGR_STALE = /^(65535:6|llgr-?stale)$/i

const longAway = (helper: Helper): Case => ({
  name: `graceful restart: ${helper}, an agent that is long away: its routes stay as routes of last resort (RFC 9494)`,
  speakers: helper,
  async run(bench) {
    // BIRD helps unless told otherwise; FRR as long as it is told to, and not at all unless.
    const lines = [`router bgp ${ROUTER_AS}`, ' bgp long-lived-graceful-restart stale-time 600', 'exit']
    const globals = helper === 'frr' ? lines : []
    const times = { maxRestartTime: '5s', longLivedStaleTime: '10m' }
    const all = await scene(bench, 'ipv4', false, 'both dial', times, globals)
    await settled(all)
    const held = async () => [...(await all.router.routes('ipv4')), ...(await all.router.routes('ipv6'))]
    const isStale = ({ communities }: Route) => communities.some((community) => LLGR_STALE.test(community))
    await all.agent.kill()
    await eventually(async () => {
      const routes = await held()
      const stale = routes.filter(isStale).length
      expect(stale === all.ours.length, `${stale} of ${routes.length} routes are long-lived stale`)
    })
    await throughout(5_000, async () => {
      const { length } = await held()
      expect(length === all.ours.length, `the router has ${length} of ${all.ours.length} routes`)
    })
    await all.agent.start()
    await settled(all)
  },
})

const KUBE_ROUTER = 17
const GOBGP_HELP = {
  session: ['[neighbors.graceful-restart.config]', '  enabled = true', '  restart-time = 120'],
  family: ['[neighbors.afi-safis.mp-graceful-restart.config]', '  enabled = true'],
}

/** As kube-router does it: GoBGP speaks, and its routes are in the kernel. BIRD notes each route that comes or goes. */
const takenOver: Case = {
  name: 'graceful restart: a router that helps loses no route where the agent takes over from GoBGP and its kernel routes',
  speakers: 'bird',
  async run({ lab, speaker, present }) {
    const gobgp = present.find(({ kind }) => kind === 'gobgp')
    if (gobgp === undefined) throw new Skip('GoBGP is not here')
    const cluster = new Cluster(lab)
    const { host: node } = await cluster.node(1)
    const host = await lab.host('router', 1)
    await forward(node)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', host.ipv4, ROUTER_AS))
    const neighbors = [{ address: node.ipv4, asn: CLUSTER_AS }]
    const globals = ['debug protocols { routes };']
    const router = await speaker.start(host, { asn: ROUTER_AS, neighbors, networks: routerNetworks(1), globals })
    const own = podRoutes(node, 1, { transport: 'ipv4' }).map(({ prefix }) => prefix)
    const before = await gobgp.start(node, {
      asn: CLUSTER_AS,
      networks: own.map((prefix) => ({ prefix })),
      neighbors: [{ address: host.ipv4, asn: ROUTER_AS, features: [GOBGP_HELP] }],
    })
    const holds = async () => {
      const held = [...(await router.routes('ipv4')), ...(await router.routes('ipv6'))].map(({ prefix }) => prefix)
      expect(held.sort().join() === [...own].sort().join(), `the router has ${held.join()}`)
    }
    await eventually(holds)
    await ip(node, [`route add 10.244.201.0/24 via ${host.ipv4} proto ${KUBE_ROUTER}`])
    await before.kill()
    const agent = new Agent(node, cluster.manifests, { linux: true, adopt: String(KUBE_ROUTER) })
    await agent.start()
    await sessionsUp(router, 1)
    await eventually(async () => {
      const left = await kernelRoutes(node, KUBE_ROUTER)
      expect(left.length === 0, `the kernel still has ${left.join('; ')}`)
    })
    await throughout(5_000, holds)
    const log = await readFile(join(host.directory, 'events.log'), 'utf8')
    const gone = log.split('\n').filter((line) => / removed .*(10\.244\.1\.0|fd00:244:1::)/.test(line))
    expect(log.includes(' added ') && gone.length === 0, `the router says: ${gone.join(' · ')}`)
  },
}

/** Three seconds to come back in, then ten as routes of last resort. FRR says them for all of its neighbors. */
const LONG_AWAY: Readonly<
  Record<Helper, { readonly globals: readonly string[]; readonly session: readonly string[] }>
> = {
  frr: {
    globals: [
      `router bgp ${ROUTER_AS}`,
      ' bgp graceful-restart',
      ' bgp graceful-restart restart-time 3',
      ' bgp long-lived-graceful-restart stale-time 10',
      'exit',
    ],
    session: [],
  },
  bird: {
    globals: [],
    session: [
      'graceful restart on;',
      'graceful restart time 3;',
      'long lived graceful restart on;',
      'long lived stale time 10;',
    ],
  },
}

const routerLongAway: Case = {
  name: 'graceful restart: a router that is long away: its routes stay here as routes of last resort, as long as it asked for',
  speakers: HELPERS,
  async run(bench) {
    const { globals, session } = LONG_AWAY[bench.speaker.kind === 'frr' ? 'frr' : 'bird']
    const all = await scene(bench, 'ipv4', false, 'both dial', {}, globals, [{ session }])
    await settled(all)
    await all.router.kill()
    await eventually(async () => {
      const routes = await all.agent.routes()
      const stale = routes.filter(({ communities }) => communities.includes('65535:6')).length
      expect(stale === all.theirs.length, `${stale} of ${routes.length} routes are long-lived stale`)
    })
    await agentHolds(all.agent, [])
    await all.router.restart()
    await settled(all)
  },
}

const cableCut: Case = {
  name: 'restart: the cable is cut until the hold time is over, and joined again',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, 'ipv4', false, 'both dial', { holdTime: 3 })
    await settled(all)
    await all.router.host.cable('down')
    // The next try to connect brings an error of its own, so the words are looked for at once.
    await eventually(async () => {
      const said = await all.agent.lastErrors()
      expect(/hold timer/i.test(said), `our last error is “${said}”`)
    })
    await agentHolds(all.agent, [])
    await routerHolds(all.router, [])
    await all.router.host.cable('up')
    await settled(all)
  },
}

const agentStopped: Case = {
  name: 'restart: the agent is stopped in order and comes back',
  speakers: 'each',
  async run(bench) {
    const all = await scene(bench, 'ipv6', false, 'both dial')
    await settled(all)
    await all.agent.stop()
    await all.agent.start()
    await settled(all)
  },
}

export const cases: readonly Case[] = [
  sessionCase('ipv4', false, 'we dial'),
  sessionCase('ipv4', false, 'they dial'),
  sessionCase('ipv6', false, 'both dial'),
  sessionCase('ipv4', true, 'both dial'),
  sessionCase('ipv6', true, 'we dial'),
  steady,
  podChange,
  routerKilled,
  agentKilled,
  cableCut,
  agentStopped,
  ...HELPERS.flatMap((helper) => [
    restartUnseen(helper, 'killed', 'ipv4', 2),
    restartUnseen(helper, 'stopped', 'ipv6', 1),
    // FRR does not dial while it keeps routes.
    restartUnseen(helper, 'killed', 'ipv4', 1, 'they dial'),
    leaves(helper),
    stillDrained(helper),
    longAway(helper),
  ]),
  routerLongAway,
  takenOver,
]
