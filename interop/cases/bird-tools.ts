// What the ecosystem's tools ask of a BIRD, asked of a real BIRD and of our agent beside it: both must be understood alike.
// The commands are those that birdwatcher 2, bird-lg-go, Alice's BIRD source and prometheus-bird-exporter send.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '../lab/lab.ts'
import { bgpPeer } from '../lab/manifests.ts'
import { has, must, run } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import type { Network } from '../speakers/speaker.ts'
import { type Case, expect, Skip } from './case.ts'
import { agentSessionsUp, CLUSTER_AS, Cluster, configuration, POOLS, ROUTER_AS } from './rack.ts'

/** The name our agent gives the router; the BIRD beside it is told the same name. */
const PEER = 'Global_10_77_0_1'

const NETWORKS: readonly Network[] = [
  { prefix: '10.244.201.0/24', communities: ['65001:100'], largeCommunities: ['65001:1:2'], med: 7 },
  { prefix: '10.244.202.0/25', communities: ['65001:200'], asPath: [65010, 65020] },
  { prefix: '10.244.203.0/24', asPath: [65010, 65030] },
  { prefix: 'fd00:244:201::/64', largeCommunities: ['65001:3:4'], med: 9 },
  { prefix: 'fd00:244:202::/64', communities: ['65001:100'], asPath: [65020] },
]

/** Questions about routes: which prefixes come back, or that nobody takes the question. */
const ROUTES: readonly string[] = [
  // birdwatcher, with names and tables in single quotes and a condition on the family.
  `route 10.244.201.0/24 all where net.type = NET_IP4`,
  `route all protocol '${PEER}' where net.type = NET_IP4`,
  `route all protocol '${PEER}' where net.type = NET_IP6`,
  `route all where from=10.77.0.1`,
  `route table 'master4' all where from=10.77.0.1`,
  `route protocol '${PEER}' count where net.type = NET_IP4`,
  `route primary protocol '${PEER}' count where net.type = NET_IP6`,
  `route table 'master4' all where net.type = NET_IP4`,
  `route table 'master6' count where net.type = NET_IP6`,
  `route for 10.244.201.9 table 'master4' all where net.type = NET_IP4`,
  `route for 10.244.202.9 protocol '${PEER}' all where net.type = NET_IP4`,
  `route all filtered protocol '${PEER}' where net.type = NET_IP4`,
  `route all export '${PEER}' where net.type = NET_IP4`,
  `route all noexport '${PEER}' where net.type = NET_IP6`,
  // bird-lg-go.
  `route protocol '${PEER}'`,
  `route protocol '${PEER}' all primary`,
  `route filtered protocol '${PEER}' all`,
  'route where bgp_path.last = 65030',
  'route where bgp_path.last = 65020 all',
  'route where bgp_path.last = 65020 all primary',
  'route for 10.244.203.77',
  'route for fd00:244:202::1 all',
  'route where net ~ [ 10.244.0.0/16+ ]',
  'route where net ~ [ 10.244.0.0/16{25,32} ] all',
  // What people type.
  'route table all',
  'route table all count',
  'route where bgp_community ~ [(65001, 100)]',
  'route where bgp_large_community ~ [(65001, 3, *)]',
  'route where bgp_path ~ [= 65001 65010 * =] && net.len = 24',
  'route where bgp_path ~ [65030] || bgp_med > 8',
  'route where !(net ~ 10.244.0.0/16) && source = RTS_BGP',
  'route where defined(bgp_med)',
  `route where proto = "${PEER}" stats`,
  'route where bgp_origin = ORIGIN_IGP && bgp_path.len >= 2',
  'route where source ~ [RTS_BGP, RTS_OSPF] && net.len = 64',
  'route where from ~ [10.77.0.1..10.77.0.9] && bgp_community.len = 1',
  'route where bgp_next_hop ~ [10.77.0.2..10.77.0.9]',
  'route where bgp_large_community.len = 0 all',
  'route in 10.244.202.0/24',
]

/** Questions that a BIRD of this configuration refuses, by the kind of its refusal. */
const REFUSED: readonly string[] = [
  'route where net > 5',
  'route where foo = 1',
  'route protocol nobody',
  'route table nowhere',
  'protocols "nobody*"',
  'ospf',
  'ospf neighbors',
  'rip interfaces',
  'babel entries',
  'bfd sessions',
]

/** The prefixes of an answer, as every reader of BIRD's text finds them; numbers of `count` as they stand. */
const prefixesOf = (text: string): string => {
  const found = new Set<string>()
  for (const line of text.split('\n')) {
    const prefix = /^ ?(?:1007-)?([0-9a-f.:]+\/\d+) +\S+ \[/.exec(line)?.[1]
    if (prefix !== undefined) found.add(prefix)
    const count = /(\d+) of \d+ routes for \d+ networks in table (\w+)/.exec(line)
    if (count !== null) found.add(`${count[1]} in ${count[2]}`)
  }
  return [...found].sort().join(', ')
}

/** A BIRD in the place of the agent: the same session with the router, under the same name. */
const observer = (host: Host): string => `
router id ${host.ipv4};
protocol device { }
protocol bgp ${PEER} {
  local ${host.ipv4} as ${CLUSTER_AS};
  neighbor 10.77.0.1 as ${ROUTER_AS};
  connect delay time 1; connect retry time 2;
  ipv4 { import all; import keep filtered; export none; };
  ipv6 { import all; import keep filtered; export none; };
}
`

const sameAnswers: Case = {
  name: "tools: a looking glass's questions find the same routes as in a BIRD beside it",
  speakers: 'bird',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const beside = await lab.host('beside', 50)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    const neighbors = [host, beside].map(({ ipv4 }) => ({ address: ipv4, asn: CLUSTER_AS }))
    await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: NETWORKS })
    const file = (name: string) => join(beside.directory, name)
    await writeFile(file('bird.conf'), observer(beside))
    const files = ['-c', file('bird.conf'), '-s', file('bird.ctl'), '-P', file('bird.pid')]
    speaker.place.start(beside, 'bird', ['bird', '-f', ...files])
    await agent.start()
    await agentSessionsUp(agent, 1)

    /** As the tools do: in restricted mode, by BIRD's own client. */
    const ask = async (where: Host, socket: string, words: string): Promise<string> => {
      const { stdout } = await run(speaker.place.inside(where, ['birdcl', '-r', '-s', socket, `show ${words}`]))
      return stdout
    }
    const both = async (words: string): Promise<readonly [string, string]> => [
      await ask(host, agent.socket, words),
      await ask(beside, file('bird.ctl'), words),
    ]
    await eventually(async () => {
      const [ours, theirs] = await both('route where source = RTS_BGP')
      expect(prefixesOf(theirs).split(', ').length === NETWORKS.length, `the BIRD beside has ${prefixesOf(theirs)}`)
      expect(prefixesOf(ours) === prefixesOf(theirs), `${prefixesOf(ours)} against ${prefixesOf(theirs)}`)
    })

    const faults: string[] = []
    for (const words of ROUTES) {
      const [ours, theirs] = await both(words)
      // Our own pod CIDRs are routes of ours alone.
      const found = prefixesOf(ours)
      const mine = found
        .split(', ')
        .filter((one) => !/^(?:10\.244\.1\.0\/24|fd00:244:1::\/64)$/.test(one))
        .join(', ')
      const isCount = / in master/.test(found) && !/source|proto/.test(words) && !words.includes('protocol')
      if (!isCount && mine !== prefixesOf(theirs)) {
        faults.push(`show ${words}: ${mine} against ${prefixesOf(theirs)}\n${ours}\n${theirs}`)
      }
      if (/syntax error|CF_SYM|not supported/i.test(ours)) faults.push(`show ${words}: ${ours}`)
    }
    for (const words of REFUSED) {
      const [ours, theirs] = await both(words)
      // The last line says why; of a syntax error only that it is one.
      const why = (text: string) => (text.trim().split('\n').at(-1) ?? '').replace(/^(?:syntax error|Arg).*/, 'refused')
      const refuses = /refused|error|no |No /
      if (!refuses.test(why(ours)) || !refuses.test(why(theirs)))
        faults.push(`show ${words}: ${ours} against ${theirs}`)
      if (/^There is no/.test(why(theirs)) && why(ours) !== why(theirs)) faults.push(`show ${words}: ${ours}`)
    }
    expect(faults.length === 0, faults.join('\n'))
  },
}

/** Names and labels of what an exporter found; values that depend on the moment are left out. */
const seriesOf = (page: string): readonly string[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('bird_protocol') && line.includes(PEER))
    .filter((line) => !/uptime|changes_/.test(line))
    // Ours advertises its pod CIDRs, the other nothing.
    .map((line) => (/export_count/.test(line) ? line.replace(/ \S+$/, '') : line))
    .map((line) => line.replaceAll(/(?:export_filter|import_filter)="[^"]*"/g, ''))
    .sort()

const exporter: Case = {
  name: 'tools: prometheus-bird-exporter finds the same session and numbers as in a BIRD beside it',
  speakers: 'bird',
  async run({ lab, speaker }) {
    if (!(await has('prometheus-bird-exporter'))) throw new Skip('prometheus-bird-exporter is not installed')
    if (!(await has('curl'))) throw new Skip('curl is not installed')
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const beside = await lab.host('beside', 50)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    const neighbors = [host, beside].map(({ ipv4 }) => ({ address: ipv4, asn: CLUSTER_AS }))
    await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: NETWORKS })
    const file = (name: string) => join(beside.directory, name)
    await writeFile(file('bird.conf'), observer(beside))
    speaker.place.start(beside, 'bird', [
      ...['bird', '-f', '-c', file('bird.conf'), '-s', file('bird.ctl'), '-P', file('bird.pid')],
    ])
    await agent.start()
    await agentSessionsUp(agent, 1)
    const scrape = async (where: Host): Promise<readonly string[]> =>
      seriesOf(
        await must(where.inside(['curl', '-s', '--max-time', '5', 'http://127.0.0.1:9324/metrics'])).catch(() => ''),
      )
    const sockets = [
      [host, agent.socket],
      [beside, file('bird.ctl')],
    ] as const
    for (const [where, socket] of sockets) {
      where.start('exporter', [
        ...['prometheus-bird-exporter', '-bird.v2', '-bird.socket', socket, '-web.listen-address', '127.0.0.1:9324'],
      ])
    }
    await eventually(async () => {
      const [ours, theirs] = await Promise.all(sockets.map(([where]) => scrape(where)))
      expect((theirs?.length ?? 0) > 4, `the exporter finds ${theirs?.length} series in BIRD`)
      expect(ours?.join('\n') === theirs?.join('\n'), `${ours?.join('\n')}\nagainst\n${theirs?.join('\n')}`)
    })
  },
}

export const cases: readonly Case[] = [sameAnswers, exporter]
