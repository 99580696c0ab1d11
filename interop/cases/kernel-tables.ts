// What stands where in the kernel: shares of the underlay's ways, routes that people add, and a table of our own.

import { Agent, MAIN } from '../lab/agent.ts'
import { FAMILIES, type Host } from '../lab/lab.ts'
import { bgpPeer, kubeNode } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { ip, kernelRoutes } from '../lab/wire.ts'
import type { Speaker } from '../speakers/speaker.ts'
import { type Case, expect } from './case.ts'
import { GODWIT } from './fabric.ts'
import { CLUSTER_AS, Cluster, configuration, POOLS, ROUTER_AS, routerNetworks } from './rack.ts'

const PODS = ['10.244.1.0/24', 'fd00:244:1::/64']
const LEARNED = routerNetworks(1).map(({ prefix }) => prefix)

const ours = async (host: Host, prefix: string): Promise<string> =>
  (await kernelRoutes(host, GODWIT)).find((line) => line.startsWith(`${prefix} `)) ?? ''

const shares: Case = {
  name: 'kernel: the shares of the ways to a next hop are kept',
  speakers: 'gobgp',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, CLUSTER_AS))
    await ip(host, [
      'route add 10.79.5.0/24 nexthop via 10.77.0.2 weight 9 nexthop via 10.77.0.3 weight 1',
      'route add fd79:5::/64 nexthop via fd77::2 weight 9 nexthop via fd77::3 weight 1',
    ])
    const nextHops = ['10.79.5.9', 'fd79:5::9']
    const networks = LEARNED.map((prefix, index) => ({ prefix, nextHop: nextHops[index] ?? '' }))
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    await speaker.start(router, { asn: CLUSTER_AS, neighbors, networks })
    await new Agent(host, cluster.manifests, { linux: true }).start()
    for (const prefix of LEARNED) {
      await eventually(async () => {
        const line = await ours(host, prefix)
        const found = [...line.matchAll(/via (\S+) dev eth0 weight (\d+)/g)].map(([, , weight]) => weight).sort()
        expect(found.join() === '1,9', `${prefix} has shares of ${found.join() || 'none'}: ${line}`)
      })
    }
  },
}

/** `ip -6 route add` says no metric, and the kernel takes 1024 for it. */
const besideOurs: Case = {
  name: 'kernel: a route that a person adds is not refused for ours, which stands back and comes again',
  speakers: 'once',
  async run({ lab, present }) {
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    await (present[0] as Speaker).start(router, { asn: ROUTER_AS, neighbors, networks: routerNetworks(1) })
    await new Agent(host, cluster.manifests, { linux: true }).start()
    for (const [index, prefix] of LEARNED.entries()) {
      await eventually(async () => expect((await ours(host, prefix)) !== '', `${prefix} is not in the kernel`))
      const gateway = index === 0 ? '10.77.0.3' : 'fd77::3'
      await ip(host, [`route add ${prefix} via ${gateway}`])
      await eventually(async () => expect((await ours(host, prefix)) === '', `${prefix} does not stand back`))
      await ip(host, [`route del ${prefix} via ${gateway}`])
      await eventually(async () => expect((await ours(host, prefix)) !== '', `${prefix} has not come again`))
    }
  },
}

const TABLE = 100

/** The rule comes before main: what stands in the table must not hide the way to the node's own pods. */
const tableFirst: Case = {
  name: 'kernel: a table of our own before main hides no pod, whatever is learned, and routes of a former run elsewhere are swept',
  speakers: 'once',
  async run({ lab, present }) {
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      kubeNode(host, PODS),
      bgpPeer('router', router.ipv4, ROUTER_AS),
    )
    await ip(host, [
      ...['link add pods type bridge', 'link set pods up'],
      ...['address add 169.254.7.1/32 dev pods', 'route add 10.244.1.7 dev pods', 'route add fd00:244:1::7 dev pods'],
      // What a run without --table, and one with another, have left.
      `route add 10.244.199.0/24 via ${router.ipv4} proto ${GODWIT} metric 1024`,
      `route add 10.244.198.0/24 via ${router.ipv4} proto ${GODWIT} metric 1024 table 99`,
      `route add blackhole 10.244.1.0/24 proto ${GODWIT} metric 1024 table 99`,
    ])
    for (const flag of ['-4', '-6']) await host.must(['ip', flag, 'rule', 'add', 'pref', '100', 'lookup', `${TABLE}`])
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    // Half of the pod CIDR, a pod of it, and all of it: none is a way to anywhere.
    const hijacks = ['10.244.1.0/25', '10.244.1.7/32', ...PODS, 'fd00:244:1::7/128'].map((prefix) => ({ prefix }))
    const networks = [...routerNetworks(1), ...hijacks]
    await (present[0] as Speaker).start(router, { asn: ROUTER_AS, neighbors, networks })
    const agent = new Agent(host, cluster.manifests, { linux: true, table: TABLE })
    await agent.start()
    const wayTo = async (address: string) => {
      const { stdout, stderr } = await host.run(['ip', 'route', 'get', address])
      return stdout + stderr
    }
    const inTable = async (table: number | string): Promise<string> =>
      (
        await Promise.all(
          FAMILIES.map((family) =>
            host.run([
              'ip',
              family === 'ipv4' ? '-4' : '-6',
              'route',
              'show',
              'proto',
              `${GODWIT}`,
              'table',
              `${table}`,
            ]),
          ),
        )
      )
        .map(({ stdout }) => stdout)
        .join('')
    await eventually(async () => {
      const table = await inTable(TABLE)
      for (const prefix of LEARNED) expect(table.includes(`${prefix} via`), `${prefix} is not in table ${TABLE}`)
      expect(!/^(10\.244\.1\.|fd00:244:1:)/m.test(table), `table ${TABLE} has a way into our pod CIDRs:\n${table}`)
      expect(!table.includes('blackhole'), `table ${TABLE} has a blackhole:\n${table}`)
      const main = await inTable('main')
      for (const prefix of PODS) expect(main.includes(`blackhole ${prefix} `), `main lacks the blackhole of ${prefix}`)
      expect(!main.includes(' via '), `main has routes that were learned:\n${main}`)
      expect((await inTable(99)) === '', 'table 99 has routes of a former run')
    })
    const aside = (await agent.show<readonly { prefix: string; reason: string }[]>('route', 'filtered')).filter(
      ({ reason }) => reason === 'it is inside a pod CIDR of this node',
    )
    expect(aside.length === hijacks.length, `kept aside: ${aside.map(({ prefix }) => prefix).join()}`)
    for (const pod of ['10.244.1.7', 'fd00:244:1::7']) {
      expect((await wayTo(pod)).includes('dev pods'), `${pod} is not reached: ${await wayTo(pod)}`)
    }
    // Another table before ours, of a daemon that the agent does not look at: doctor asks the kernel itself.
    const doctor = async () => (await host.run([process.execPath, MAIN, 'doctor', '-s', agent.socket])).stdout
    expect(!(await doctor()).includes('pod CIDR'), 'doctor finds a stray pod CIDR where there is none')
    const hidden = FAMILIES.map((family) => (family === 'ipv4' ? '-4' : '-6'))
    await ip(host, [
      `route add 10.244.0.0/16 via ${router.ipv4} table 77`,
      `route add fd00:244::/32 via ${router.ipv6} table 77`,
    ])
    for (const flag of hidden) await host.must(['ip', flag, 'rule', 'add', 'pref', '50', 'lookup', '77'])
    const said = await doctor()
    for (const prefix of PODS) expect(said.includes(`pod CIDR: ${prefix} belongs to this node`), `doctor says ${said}`)
    for (const flag of hidden) await host.must(['ip', flag, 'rule', 'del', 'pref', '50'])
    for (const nobody of ['10.244.1.9', 'fd00:244:1::9']) {
      expect(/Invalid argument|blackhole/.test(await wayTo(nobody)), `${nobody} goes ${await wayTo(nobody)}`)
    }
    for (const [far, gateway] of [
      ['10.244.201.9', router.ipv4],
      ['fd00:244:201::9', router.ipv6],
    ] as const) {
      expect((await wayTo(far)).includes(`via ${gateway}`), `${far} goes ${await wayTo(far)}`)
    }
  },
}

export const cases: readonly Case[] = [shares, besideOurs, tableFirst]
