// BIRD's own client against our control socket: every show command answers as a BIRD would.

import { bgpPeer } from '../lab/manifests.ts'
import { must, run } from '../lab/run.ts'
import { type Case, expect } from './case.ts'
import {
  agentHolds,
  agentSessionsUp,
  CLUSTER_AS,
  Cluster,
  configuration,
  learnedRoutes,
  POOLS,
  ROUTER_AS,
  routerNetworks,
} from './rack.ts'

const PEER = 'Global_10_77_0_1'

/** Command, and what its answer must show. */
const ROWS: readonly (readonly [string, readonly RegExp[]])[] = [
  ['show status', [/^BIRD \S+/m, /^Router ID is 10\.77\.0\.11$/m, /^Daemon is up and running$/m]],
  [
    'show protocols',
    [/^Name +Proto +Table +State +Since +Info$/m, new RegExp(`^${PEER} BGP +--- +up +\\S+ +Established`, 'm')],
  ],
  ['s p', [new RegExp(`^${PEER} BGP`, 'm')]],
  [
    'show protocols all',
    [
      /BGP state: +Established/,
      /Neighbor address: 10\.77\.0\.1$/m,
      /Neighbor AS: +65001/,
      /Local AS: +64512/,
      /Channel ipv6/,
    ],
  ],
  [
    `show protocols all ${PEER}`,
    [
      /AF announced: ipv4 ipv6/,
      /Hold timer: +[\d.]+\/\d+/,
      /Routes: +1 imported, 1 filtered, 1 exported/,
      /Import updates:/,
      /BGP Next hop: +10\.77\.0\.11/,
    ],
  ],
  [
    'show route',
    [
      /^Table master4:$/m,
      /^10\.244\.201\.0\/24 +unicast \[Global_10_77_0_1 \S+( from \S+)?\] \* \(100.*\) \[AS65001i\]$/m,
      /^\tvia 10\.77\.0\.1 on eth0$/m,
      /^Table master6:$/m,
    ],
  ],
  [
    'show route all',
    [
      /BGP\.origin: IGP/,
      /BGP\.as_path: 65001/,
      /BGP\.next_hop: 10\.77\.0\.1/,
      /BGP\.community: \(65001,100\) \(65001,200\)/,
      /BGP\.large_community: \(65001, 1, 2\)/,
      /BGP\.med: 7/,
    ],
  ],
  ['show route for 10.244.201.9', [/^10\.244\.201\.0\/24/m]],
  ['show route for fd00:244:201::9', [/^fd00:244:201::\/64/m]],
  [`show route protocol ${PEER}`, [/^10\.244\.201\.0\/24/m]],
  [`show route export ${PEER}`, [/^10\.244\.1\.0\/24/m, /^fd00:244:1::\/64/m]],
  ['show route filtered', [/^172\.20\.0\.0\/24/m]],
  [
    'show route count',
    [
      /^\d+ of \d+ routes for \d+ networks in table master4$/m,
      /^Total: \d+ of \d+ routes for \d+ networks in 2 tables$/m,
    ],
  ],
  ['show interfaces', [/^eth0 up/m, /10\.77\.0\.11\/24/]],
  ['show interfaces summary', [/^eth0 +up/m]],
  ['show memory', [/Routing tables/, /Total/]],
]

const birdcl: Case = {
  name: "birdcl: BIRD's own client reads every show command",
  speakers: 'bird',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    const networks = [...routerNetworks(1), { prefix: '172.20.0.0/24' }, { prefix: '2001:db8:dead::/64' }]
    await speaker.start(router, { asn: ROUTER_AS, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }], networks })
    await agent.start()
    await agentSessionsUp(agent, 1)
    await agentHolds(agent, learnedRoutes(router, routerNetworks(1), ROUTER_AS, { transport: 'ipv4' }))

    const birdcl = (...words: readonly string[]): readonly string[] =>
      speaker.place.inside(host, ['birdcl', '-s', agent.socket, ...words])
    const faults: string[] = []
    for (const mode of [[], ['-r']]) {
      for (const [command, patterns] of ROWS) {
        const text = await must(birdcl(...mode, ...command.split(' ')))
        for (const pattern of patterns) {
          if (!pattern.test(text))
            faults.push(`${[...mode, command].join(' ')} lacks ${pattern}: ${text.slice(0, 1_500)}`)
        }
      }
    }
    const denied = await run(birdcl('-r', 'disable', PEER))
    if (!/Access denied/.test(denied.stdout)) faults.push(`disable for a restricted client: ${denied.stdout}`)
    const nonsense = await run(birdcl('show', 'nonsense'))
    if (!/syntax error|No such command/i.test(nonsense.stdout)) faults.push(`show nonsense: ${nonsense.stdout}`)
    expect(faults.length === 0, faults.join('\n'))

    // A word that acts, from the same client.
    await must(birdcl('disable', PEER))
    await agentHolds(agent, [])
    await must(birdcl('enable', PEER))
    await agentSessionsUp(agent, 1)
  },
}

export const cases: readonly Case[] = [birdcl]
