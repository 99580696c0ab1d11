// The street of the traffic table: a client behind a core router, two routers below it, and three nodes with a cable to each.
// The nodes run our agent, or BIRD as Calico configures it. Routers are FRR; every session is eBGP.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from '../cases/case.ts'
import { podCidr, pool } from '../cases/fabric.ts'
import { renderFabricRouter } from '../cases/fabric-frr.ts'
import { CLUSTER_AS, configuration } from '../cases/rack.ts'
import { Agent } from '../lab/agent.ts'
import { FAMILIES, type Family, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, endpointSlice, kubeNode, Manifests, service } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import type { Router, Speaker } from '../speakers/speaker.ts'
import type { Flow } from './streams.ts'

type Pair = Readonly<Record<Family, string>>

/** Subnets by their third number: of a router and its nodes, of a router and the core, of the client. */
const at = (net: number, last: number): Pair => ({ ipv4: `10.75.${net}.${last}`, ipv6: `fd75:${net}::${last}` })
const withLength = ({ ipv4, ipv6 }: Pair): readonly string[] => [`${ipv4}/24`, `${ipv6}/64`]
const single = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`

/** A hold time, and then the time for which routes of a neighbor that may be restarting are kept. */
const LATE = { within: 300_000, every: 500 }
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

const ROUTERS = [1, 2] as const
export const NUMBERS = [1, 2, 3] as const
type Number_ = (typeof NUMBERS)[number]
const CLIENT_NET = 9
const CORE_AS = 65300
const routerAs = (router: number): number => 65100 + router
const nodeOn = (router: number, number: number): Pair => at(router, 10 + number)
const podOf = (number: number): Pair => ({ ipv4: `10.244.${number}.2`, ipv6: `fd00:244:${number}::2` })
const VIP: Pair = { ipv4: '203.0.113.80', ipv6: '2001:db8:f::80' }

export type NodeKind = 'godwit' | 'bird' | 'frr'

export interface StreetNode {
  readonly number: Number_
  readonly host: Host
  readonly pod: Host
  readonly agent: Agent
  /** BIRD or FRR, where one of them runs. */
  other: Pick<Router, 'stop' | 'kill'> | undefined
}

export class Street {
  readonly nodes: StreetNode[] = []
  readonly routers: Router[] = []
  readonly manifests: Manifests
  private readonly lab: Lab
  private readonly frr: Speaker
  private client_: Host | undefined

  private constructor(lab: Lab, frr: Speaker) {
    this.lab = lab
    this.frr = frr
    this.manifests = new Manifests(join(lab.directory, 'cluster'))
  }

  /** `running`: nodes that begin with a speaker. */
  static async build(lab: Lab, frr: Speaker, kind: NodeKind, running: readonly Number_[] = [1, 2]): Promise<Street> {
    const street = new Street(lab, frr)
    const core = await lab.bare('core', at(0, 1))
    await forward(core)
    const hosts = [core]
    for (const router of ROUTERS) hosts.push(await street.wireRouter(router, core))
    street.client_ = await street.wireClient(core)
    for (const number of NUMBERS) await street.wireNode(number, hosts)
    await street.describe(running)
    for (const [index, host] of hosts.entries()) {
      const asn = index === 0 ? CORE_AS : routerAs(index)
      const raw = street.routerConfig(index, host)
      street.routers.push(await frr.start(host, { asn, neighbors: [], raw, kernel: true }))
    }
    await Promise.all(running.map((number) => street.start(number, kind)))
    await street.settled(running)
    return street
  }

  get client(): Host {
    if (this.client_ === undefined) throw new Error('no client')
    return this.client_
  }

  node(number: Number_): StreetNode {
    const node = this.nodes[number - 1]
    if (node === undefined) throw new Error(`no node ${number}`)
    return node
  }

  /** Client and pods one and two, each to each, and the client to the address that both pods serve. */
  flows(): readonly Flow[] {
    const [one, two] = [this.node(1), this.node(2)]
    return FAMILIES.flatMap((family): Flow[] => {
      const client = at(CLIENT_NET, 9)[family]
      const flow = (name: string, from: Host, to: string, ...hosts: readonly Host[]): Flow => ({
        name: `${name} ${family}`,
        family,
        from,
        to,
        at: hosts,
      })
      return [
        flow('client to pod 1', this.client, podOf(1)[family], one.pod),
        flow('pod 1 to client', one.pod, client, this.client),
        flow('pod 1 to pod 2', one.pod, podOf(2)[family], two.pod),
        flow('pod 2 to pod 1', two.pod, podOf(1)[family], one.pod),
        { ...flow('client to service', this.client, VIP[family], one.pod, two.pod), sockets: 32 },
      ]
    })
  }

  // ── Speakers of nodes ──────────────────────────────────────────────────────────────────────────────────────────

  async start(number: Number_, kind: NodeKind, agent = this.node(number).agent): Promise<void> {
    const node = this.node(number)
    if (kind === 'godwit') {
      await agent.start()
      return
    }
    if (kind === 'frr') {
      const shape = { asn: CLUSTER_AS, neighbors: [], raw: this.frrConfig(node), kernel: true }
      node.other = await this.frr.start(node.host, shape)
      return
    }
    const file = join(node.host.directory, 'calico.conf')
    await writeFile(file, this.birdConfig(node, ''))
    const place = ['-s', join(node.host.directory, 'calico.ctl'), '-P', join(node.host.directory, 'calico.pid')]
    node.other = node.host.start('calico-bird', ['bird', '-f', '-R', '-c', file, ...place])
  }

  /** An agent that takes over what another speaker left. */
  adopting(number: Number_, adopt: string): Agent {
    return new Agent(this.node(number).host, this.manifests, { linux: true, adopt })
  }

  async kill(number: Number_, kind: NodeKind): Promise<void> {
    const node = this.node(number)
    await (kind === 'godwit' ? node.agent.kill() : node.other?.kill())
    // While zebra lives, it writes again what is taken from it.
    if (kind === 'frr') process.kill(Number(await readFile(join(node.host.directory, 'zebra.pid'), 'utf8')), 'SIGKILL')
  }

  async stop(number: Number_, kind: NodeKind): Promise<void> {
    const node = this.node(number)
    await (kind === 'godwit' ? node.agent.stop() : node.other?.stop())
  }

  /** One more rule of a filter, for all neighbors, that none of these routes meets. */
  async changeFilter(number: Number_, kind: NodeKind): Promise<void> {
    if (kind === 'godwit') {
      const rules = [{ action: 'Reject', matchOperator: 'In', cidr: '192.0.2.0/24' }]
      await this.manifests.put(filter('more', { exportV4: rules, importV4: rules }), ...this.peers(['more', 'outside']))
      return
    }
    const node = this.node(number)
    await writeFile(
      join(node.host.directory, 'calico.conf'),
      this.birdConfig(node, 'if net ~ [ 192.0.2.0/24+ ] then reject;'),
    )
    await node.host.must(['birdcl', '-s', join(node.host.directory, 'calico.ctl'), 'configure'])
  }

  // ── Faults ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** As if power were gone: nothing comes in and nothing goes out, and both ends of the cables stay up. */
  silence(host: Host, links: readonly string[]): Promise<string> {
    const names = links.map((name) => `"${name}"`).join(', ')
    const chain = (hook: string, word: string) =>
      `chain ${hook} { type filter hook ${hook} priority -300; ${word} { ${names} } drop\n }`
    const body = ['prerouting', 'input'].map((hook) => chain(hook, 'iifname'))
    body.push(...['output', 'postrouting'].map((hook) => chain(hook, 'oifname')))
    return host.must(['nft', '-f', '-'], { input: `table inet silence {\n${body.join('\n')}\n}\n` })
  }

  // ── The state that is waited for ───────────────────────────────────────────────────────────────────────────────

  /** All sessions are up; core and routers have all of these nodes' pods and the service by every way there is. */
  settled(numbers: readonly Number_[]): Promise<void> {
    return eventually(
      async () => {
        await this.sessionsUp(numbers)
        for (const [index, { host }] of this.routers.entries()) {
          const lines = await kernelRoutes(host, 'bgp')
          const ways = index === 0 ? ROUTERS.length : undefined
          for (const family of FAMILIES) {
            for (const number of numbers) await hasWays(host, lines, podCidr(number, family), ways ?? 1)
            const serving = numbers.filter((number) => number !== 3).length
            await hasWays(host, lines, VIP[family], ways ?? serving)
          }
        }
        for (const number of numbers) {
          const { host } = this.node(number)
          const all = (await host.must(['ip', 'route'])) + (await host.must(['ip', '-6', 'route']))
          const others = numbers.filter((one) => one !== number)
          for (const family of FAMILIES) {
            const outside = family === 'ipv4' ? '10.75.9.0/24' : 'fd75:9::/64'
            for (const prefix of [...others.map((other) => podCidr(other, family)), outside])
              expect(all.includes(`${prefix} `), `${host.name} lacks ${prefix}`)
          }
        }
      },
      { within: 120_000, every: 500 },
    )
  }

  /** Until a router (the core is number 0) has such routes to a node's pods; undefined: none. A little longer, to be sure. */
  async until(router: number, number: Number_, holds: (line: string | undefined) => boolean): Promise<void> {
    const host = this.routers[router]?.host
    if (host === undefined) throw new Error(`no router ${router}`)
    await eventually(async () => {
      const lines = await kernelRoutes(host, 'bgp')
      for (const family of FAMILIES) {
        const line = lines.find((one) => one.startsWith(`${podCidr(number, family)} `))
        expect(holds(line), `${host.name} still goes to the pods of node-${number} by ${line}`)
      }
    }, LATE)
    await pause(2_000)
  }

  /** Until no route of a node leads over this link but the link's own. */
  nodeLeaves(number: Number_, link: string): Promise<void> {
    const { host } = this.node(number)
    return eventually(async () => {
      const all = (await host.must(['ip', '-o', 'route'])) + (await host.must(['ip', '-6', '-o', 'route']))
      const left = all.split('\n').find((line) => line.includes(` dev ${link} `) && !line.includes(' proto kernel'))
      expect(left === undefined, `${host.name} still has ${left}`)
    }, LATE)
  }

  private async sessionsUp(numbers: readonly Number_[]): Promise<void> {
    for (const router of ROUTERS) {
      const sessions = (await this.routers[router]?.sessions()) ?? []
      for (const number of numbers) {
        for (const address of Object.values(nodeOn(router, number))) {
          const up = sessions.some(({ neighbor, established }) => neighbor === address && established)
          expect(up, `the session of router-${router} with ${address} is not up`)
        }
      }
    }
  }

  // ── Wires and words ────────────────────────────────────────────────────────────────────────────────────────────

  private async wireRouter(router: number, core: Host): Promise<Host> {
    const host = await this.lab.bare(`router-${router}`, at(router, 1))
    await forward(host, true)
    await ip(host, ['link add rack type bridge', 'link set rack up'])
    for (const address of withLength(at(router, 1)))
      await ip(host, [`address add ${address} dev rack${address.includes(':') ? ' nodad' : ''}`])
    const net = 20 + router
    await wire(
      { host: core, name: host.name, addresses: withLength(at(net, 1)) },
      { host, name: 'core', addresses: withLength(at(net, 2)) },
    )
    return host
  }

  private async wireClient(core: Host): Promise<Host> {
    const client = await this.lab.bare('client', at(CLIENT_NET, 9))
    await wire(
      { host: core, name: 'client', addresses: withLength(at(CLIENT_NET, 1)) },
      { host: client, name: 'eth0', addresses: withLength(at(CLIENT_NET, 9)) },
    )
    await defaultRoutes(client, Object.values(at(CLIENT_NET, 1)))
    return client
  }

  private async wireNode(number: Number_, hosts: readonly Host[]): Promise<void> {
    const host = await this.lab.bare(`node-${number}`, nodeOn(1, number))
    await forward(host)
    for (const router of ROUTERS) {
      const other = hosts[router]
      if (other === undefined) throw new Error(`no router ${router}`)
      await wire(
        { host, name: `up${router}`, addresses: withLength(nodeOn(router, number)) },
        { host: other, name: host.name, bridge: 'rack' },
      )
    }
    const pod = await this.wirePod(number, host)
    const agent = new Agent(host, this.manifests, { linux: true })
    this.nodes.push({ number, host, pod, agent, other: undefined })
  }

  /** As Calico and the plugin ptp do it: a route to each single address, and no network of pods on the node. */
  private async wirePod(number: number, host: Host): Promise<Host> {
    const pod = await this.lab.bare(`pod-${number}`, podOf(number))
    const cable = (last: number): readonly string[] => [`192.168.250.${last}/30`, `fd99::${last}/126`]
    await wire({ host, name: 'pod0', addresses: cable(1) }, { host: pod, name: 'eth0', addresses: cable(2) })
    for (const [family, near, far] of [
      ['ipv4', '192.168.250.2', '192.168.250.1'],
      ['ipv6', 'fd99::2', 'fd99::1'],
    ] as const) {
      const addresses = [podOf(number)[family], ...(number === 3 ? [] : [VIP[family]])]
      await ip(
        pod,
        addresses.map((address) => `address add ${single(address)} dev lo${family === 'ipv6' ? ' nodad' : ''}`),
      )
      const all = family === 'ipv4' ? '0.0.0.0/0' : '::/0'
      await ip(pod, [`route add ${all} via ${far} src ${podOf(number)[family]}`])
      await ip(
        host,
        addresses.map((address) => `route add ${single(address)} via ${near}`),
      )
    }
    return pod
  }

  private peers(filters: readonly string[] = ['outside']) {
    return ROUTERS.flatMap((router) =>
      FAMILIES.map((family) =>
        bgpPeer(`router-${router}-${family}`, at(router, 1)[family], routerAs(router), {
          numAllowedLocalASNumbers: 1,
          filters,
        }),
      ),
    )
  }

  private async describe(running: readonly Number_[]): Promise<void> {
    const ranges = [{ cidr: '203.0.113.0/24' }, { cidr: '2001:db8:f::/64' }]
    await this.manifests.put(
      configuration({ serviceLoadBalancerIPs: ranges }),
      ...FAMILIES.map((family) => pool(family)),
      // Where the client is, is told by the routers: when one is lost, the other is left.
      filter('outside', {
        importV4: [{ action: 'Accept', matchOperator: 'In', cidr: '10.75.9.0/24' }],
        importV6: [{ action: 'Accept', matchOperator: 'In', cidr: 'fd75:9::/64' }],
      }),
      ...this.peers(),
      service({
        name: 'local',
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.80', 'fd96::80'],
        loadBalancerIPs: FAMILIES.map((family) => VIP[family]),
        externalTrafficPolicy: 'Local',
      }),
      ...FAMILIES.map((family) =>
        endpointSlice(
          'local',
          family === 'ipv4' ? 'IPv4' : 'IPv6',
          [1, 2].map((number) => ({ address: podOf(number)[family], node: `node-${number}` })),
        ),
      ),
    )
    for (const number of running) await this.putNode(number)
  }

  putNode(number: Number_): Promise<void> {
    const cidrs = FAMILIES.map((family) => podCidr(number, family))
    return this.manifests.put(kubeNode(this.node(number).host, cidrs))
  }

  /** The core is number 0. */
  private routerConfig(index: number, host: Host): string {
    const neighbors =
      index === 0
        ? ROUTERS.flatMap((router) =>
            FAMILIES.map((family) => ({ address: at(20 + router, 2)[family], asn: routerAs(router) })),
          )
        : [
            ...FAMILIES.map((family) => ({ address: at(20 + index, 1)[family], asn: CORE_AS })),
            ...NUMBERS.flatMap((number) =>
              FAMILIES.map((family) => ({ address: nodeOn(index, number)[family], asn: CLUSTER_AS })),
            ),
          ]
    const asn = index === 0 ? CORE_AS : routerAs(index)
    return renderFabricRouter({
      name: host.name,
      id: host.ipv4,
      asn,
      neighbors,
      underlay: FAMILIES,
      families: FAMILIES,
    })
  }

  /** Its own prefixes, and what keeps packets going while it is gone. */
  private frrConfig({ number, host }: StreetNode): string {
    const neighbors = ROUTERS.flatMap((router) =>
      FAMILIES.map((family) => ({ address: at(router, 1)[family], asn: routerAs(router) })),
    )
    const id = nodeOn(1, number).ipv4
    const shape = { name: host.name, id, asn: CLUSTER_AS, neighbors, underlay: FAMILIES, families: FAMILIES }
    const own = (family: Family) => [podCidr(number, family), ...(number === 3 ? [] : [single(VIP[family])])]
    return renderFabricRouter(shape)
      .replace(
        ' no bgp ebgp',
        ' bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n no bgp network import-check\n no bgp ebgp',
      )
      .replaceAll('  redistribute connected\n', '')
      .replaceAll(/ address-family (ipv[46]) unicast\n/g, (line, family: Family) =>
        [
          line.trimEnd(),
          ...own(family).map((prefix) => `  network ${prefix}`),
          ...neighbors
            .filter(({ address }) => address.includes(':') === (family === 'ipv6'))
            .map(({ address }) => `  neighbor ${address} allowas-in 1`),
          '',
        ].join('\n'),
      )
  }

  /** The lines that Calico's templates come to on BIRD 2, for these neighbors. */
  private birdConfig({ number }: StreetNode, rule: string): string {
    const mine = FAMILIES.map((family) => ({ family, cidr: podCidr(number, family), vip: single(VIP[family]) }))
    return [
      `router id ${nodeOn(1, number).ipv4};`,
      ...mine.map(({ family, cidr, vip }) => {
        const accept = `if net = ${cidr} || net = ${vip} then accept;`
        return `filter to_peers_${family} { ${rule} ${accept} reject; }`
      }),
      ...mine.map(({ family, cidr }) => `protocol static block_${family} { ${family}; route ${cidr} blackhole; }`),
      ...mine.map(({ family, vip }) =>
        number === 3 ? '' : `protocol static service_${family} { ${family}; route ${vip} blackhole; }`,
      ),
      ...FAMILIES.map((family) =>
        [
          `protocol kernel kernel_${family} {`,
          '  learn; persist; scan time 2; graceful restart; merge paths on;',
          `  ${family} { import all; export filter { if source = RTS_BGP || proto = "block_${family}" then accept; reject; }; };`,
          '}',
        ].join('\n'),
      ),
      'protocol device { scan time 2; }',
      'protocol direct { ipv4; ipv6; interface -"cali*", -"pod*", -"kube-ipvs*", "*"; }',
      ...ROUTERS.flatMap((router) =>
        FAMILIES.map((family) =>
          [
            `protocol bgp router_${router}_${family} {`,
            `  local ${nodeOn(router, number)[family]} as ${CLUSTER_AS};`,
            `  neighbor ${at(router, 1)[family]} as ${routerAs(router)};`,
            '  multihop; graceful restart; allow local as 1;',
            '  connect delay time 2; connect retry time 5; error wait time 5,30;',
            `  ${family} { import all; export filter to_peers_${family}; gateway recursive; add paths on; };`,
            '}',
          ].join('\n'),
        ),
      ),
      '',
    ].join('\n')
  }
}

const filter = (name: string, spec: Readonly<Record<string, unknown>>) => ({
  apiVersion: 'godwit.dev/v1',
  kind: 'BGPFilter',
  metadata: { name },
  spec,
})

const hasWays = async (host: Host, lines: readonly string[], prefix: string, ways: number): Promise<void> => {
  const wanted = lines.findIndex((line) => line.startsWith(`${prefix} `))
  expect(wanted >= 0, `${host.name} has no route to ${prefix}`)
  const found = (lines[wanted]?.match(/ via |nexthop/g) ?? []).length
  const hops = lines[wanted]?.includes('nexthop') ? (lines[wanted]?.match(/nexthop/g) ?? []).length : found
  expect(hops >= ways, `${host.name} has ${hops} of ${ways} ways to ${prefix}: ${lines[wanted]}`)
}
