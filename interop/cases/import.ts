// What a router tells us: inside the cluster's pools it is taken in, anything else is kept apart with a reason.

import type { AgentRoute } from '../lab/agent.ts'
import { bgpPeer } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect } from './case.ts'
import {
  agentHolds,
  CLUSTER_AS,
  Cluster,
  configuration,
  learnedRoutes,
  POOLS,
  ROUTER_AS,
  routerNetworks,
} from './rack.ts'

const OUTSIDE = ['0.0.0.0/0', '172.20.0.0/24', '2001:db8:dead::/64']

const pools: Case = {
  name: 'import: pools are taken in, the rest is refused with a reason',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    const networks = [...routerNetworks(1), ...OUTSIDE.map((prefix) => ({ prefix }))]
    await speaker.start(router, { asn: ROUTER_AS, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }], networks })
    await agent.start()
    await agentHolds(agent, learnedRoutes(router, routerNetworks(1), ROUTER_AS, { transport: 'ipv4' }))
    await eventually(async () => {
      const filtered = await agent.show<readonly AgentRoute[]>('route', 'filtered')
      const seen = filtered.map(({ prefix }) => prefix).sort()
      // FRR and GoBGP may send our own routes back; those are refused for the loop.
      const foreign = seen.filter((prefix) => !/^10\.244\.1\.|^fd00:244:1:/.test(prefix))
      expect(foreign.join() === [...OUTSIDE].sort().join(), `filtered: ${seen.join(', ')}`)
      for (const { prefix, reason } of filtered) expect((reason ?? '') !== '', `${prefix} is filtered without a reason`)
    })
    const [protocol] = await agent.protocols()
    const { ipv4, ipv6 } = protocol?.families ?? {}
    expect(ipv4?.accepted === 1 && ipv6?.accepted === 1, `counts: ${JSON.stringify(protocol?.families)}`)
    expect(ipv4?.advertised === 1 && ipv6?.advertised === 1, `counts: ${JSON.stringify(protocol?.families)}`)
  },
}

export const cases: readonly Case[] = [pools]
