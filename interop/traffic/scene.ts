// The street of the traffic table: a client behind a core router, two routers below it, and three nodes with a cable to each.
// The nodes run our agent, or BIRD as Calico configures it. The core is FRR, routers are FRR or BIRD; every session is eBGP but those
// with reflectors.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startBfdd } from '../cases/bfd.ts'
import { expect } from '../cases/case.ts'
import { podCidr, pool } from '../cases/fabric.ts'
import { CLUSTER_AS, configuration } from '../cases/rack.ts'
import { Agent, MAIN } from '../lab/agent.ts'
import { FAMILIES, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, endpointSlice, kubeNode, Manifests, secret, service } from '../lab/manifests.ts'
import type { Daemon } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import type { Router, Speaker } from '../speakers/speaker.ts'
import { birdNode, frrNode } from './node-words.ts'
import {
  at,
  CLIENT_NET,
  NUMBERS,
  type Number_,
  nodeOn,
  podOf,
  ROUTERS,
  reflectorOn,
  routerAs,
  type StreetShape,
  sessionsOfNode,
  single,
  VIP,
  withLength,
} from './plan.ts'
import { birdRouter, frrReflector, frrRouter, toNodes } from './router-words.ts'
import type { Flow } from './streams.ts'

/** A hold time, and then the time for which routes of a neighbor that may be restarting are kept. */
const LATE = { within: 300_000, every: 500 }
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

const FAST = { receiveInterval: 100, transmitInterval: 100, detectMultiplier: 3 }

export type NodeKind = 'godwit' | 'bird' | 'frr'

export interface StreetNode {
  readonly number: Number_
  readonly host: Host
  readonly pod: Host
  readonly agent: Agent
  /** BIRD or FRR, where one of them runs. */
  other: Pick<Router, 'stop' | 'kill'> | undefined
  /** `godwit bfd`, where it runs. */
  bfd: Daemon | undefined
}

const bfdSocket = (host: Host): string => join(host.directory, 'bfd.sock')
const startBfd = (host: Host): Daemon =>
  host.start('bfd', [process.execPath, MAIN, 'bfd', '--control', bfdSocket(host)])

export interface Speakers {
  /** The core, and what else is FRR. */
  readonly frr: Speaker
  /** The routers below the core, by their order; FRR unless said. */
  readonly routers?: readonly Speaker[]
}

export class Street {
  readonly nodes: StreetNode[] = []
  readonly routers: Router[] = []
  readonly reflectors: Host[] = []
  readonly manifests: Manifests
  private readonly lab: Lab
  private readonly speakers: Speakers
  private readonly shape: StreetShape
  private keys: readonly string[]
  private client_: Host | undefined

  private constructor(lab: Lab, speakers: Speakers, shape: StreetShape) {
    this.lab = lab
    this.speakers = speakers
    this.shape = shape
    this.keys = shape.keys ?? []
    this.manifests = new Manifests(join(lab.directory, 'cluster'))
  }

  /** Two nodes begin with a speaker, and the third without. */
  static async build(lab: Lab, speakers: Speakers, kind: NodeKind, shape: StreetShape = {}): Promise<Street> {
    const street = new Street(lab, speakers, shape)
    const running = [1, 2] as const
    const core = await lab.bare('core', at(0, 1))
    await forward(core)
    const hosts = [core]
    for (const router of ROUTERS) hosts.push(await street.wireRouter(router, core))
    street.client_ = await street.wireClient(core)
    for (const number of NUMBERS) await street.wireNode(number, hosts)
    await street.describe(running)
    for (const [index, host] of hosts.entries()) await street.startRouter(index, host)
    for (const router of shape.reflectors === true ? ROUTERS : []) await street.putReflector(router)
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
      if (this.shape.bfd === true && node.bfd?.running !== true) node.bfd = startBfd(node.host)
      await agent.start()
      return
    }
    if (kind === 'frr') {
      const shape = { asn: CLUSTER_AS, neighbors: [], raw: frrNode(node), kernel: true }
      node.other = await this.speakers.frr.start(node.host, shape)
      return
    }
    await this.writeBird(number)
    const { directory } = node.host
    const place = ['-c', join(directory, 'calico.conf'), '-s', join(directory, 'calico.ctl')]
    node.other = node.host.start('calico-bird', ['bird', '-f', '-R', ...place, '-P', join(directory, 'calico.pid')])
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
      await this.manifests.put(filter('more', { exportV4: rules, importV4: rules }), ...this.peers(['more']))
      return
    }
    await this.writeBird(number, 'if net ~ [ 192.0.2.0/24+ ] then reject;')
    await this.readBird(number)
  }

  async drain(number: Number_, router: number, word: 'drain' | 'undrain'): Promise<void> {
    const { agent } = this.node(number)
    const addresses = Object.values(at(router, 1))
    for (const { name, peer } of await agent.protocols()) if (addresses.includes(peer)) await agent.act(word, name)
  }

  /** Of the sessions of one router: first on the nodes, and a moment later on the router. */
  async changeKey(router: 1 | 2, kind: NodeKind, key: string): Promise<void> {
    this.keys = this.keys.map((old, index) => (index === router - 1 ? key : old))
    if (kind === 'godwit') await this.putKeys()
    else {
      for (const number of [1, 2] as const) {
        await this.writeBird(number)
        await this.readBird(number)
      }
    }
    await pause(1_000)
    await this.changeRouterKey(router, key)
  }

  private async changeRouterKey(router: number, key: string): Promise<void> {
    const shape = { ...this.shape, keys: this.keys }
    const sessions = toNodes(router, shape)
    if (this.routerSpeaker(router).kind === 'frr') {
      const lines = sessions.map(({ address }) => `neighbor ${address} password ${key}`)
      await this.router(router).say('configure terminal', `router bgp ${routerAs(router)}`, ...lines)
      return
    }
    const { host } = this.router(router)
    await writeFile(join(host.directory, 'bird.conf'), birdRouter(router, host, shape).raw ?? '')
    await this.router(router).say('configure')
  }

  private async writeBird(number: Number_, rule?: string): Promise<void> {
    const node = this.node(number)
    const words = birdNode(node, { ...this.shape, keys: this.keys }, rule)
    await writeFile(join(node.host.directory, 'calico.conf'), words)
  }

  private readBird(number: Number_): Promise<string> {
    const { host } = this.node(number)
    return host.must(['birdcl', '-s', join(host.directory, 'calico.ctl'), 'configure'])
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

  /** The program that speaks BGP stands still, and its kernel does not. */
  async freeze(router: number, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const name = this.routerSpeaker(router).kind === 'frr' ? 'bgpd.pid' : 'bird.pid'
    process.kill(Number(await readFile(join(this.router(router).host.directory, name), 'utf8')), signal)
  }

  // ── The state that is waited for ───────────────────────────────────────────────────────────────────────────────

  /** All sessions are up; core and routers have all of these nodes' pods and the service by every way there is. */
  settled(numbers: readonly Number_[]): Promise<void> {
    return eventually(
      async () => {
        await this.haveSessions(numbers)
        for (const [index, { host }] of this.routers.entries()) {
          const lines = await kernelRoutes(host, this.protocolOf(index))
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

  /** A router that was restarted no longer holds to what its kernel had before. */
  async recovered(router: number): Promise<void> {
    if (this.routerSpeaker(router).kind !== 'bird') return
    await eventually(async () => {
      const said = await this.router(router).say('show status')
      expect(!said.includes('recovery in progress'), `router-${router} says: ${said}`)
    }, LATE)
  }

  /** Until a router (the core is number 0) has such routes to a node's pods; undefined: none. A little longer, to be sure. */
  async until(router: number, number: Number_, holds: (line: string | undefined) => boolean): Promise<void> {
    const { host } = this.router(router)
    await eventually(async () => {
      const lines = await kernelRoutes(host, this.protocolOf(router))
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

  /** Until the way from one node to the pods of another leads over no such link. */
  podsLeave(number: Number_, other: Number_, link: string): Promise<void> {
    const { host } = this.node(number)
    return eventually(async () => {
      const all = (await host.must(['ip', '-o', 'route'])) + (await host.must(['ip', '-6', '-o', 'route']))
      const left = FAMILIES.map((family) => podCidr(other, family)).flatMap((prefix) =>
        all.split('\n').filter((line) => line.startsWith(`${prefix} `) && line.includes(` dev ${link} `)),
      )
      expect(left.length === 0, `${host.name} still has ${left.join('; ')}`)
    }, LATE)
  }

  private router(router: number): Router {
    const found = this.routers[router]
    if (found === undefined) throw new Error(`no router ${router}`)
    return found
  }

  private routerSpeaker(index: number): Speaker {
    const { frr, routers } = this.speakers
    return (index === 0 ? undefined : routers?.[index - 1]) ?? frr
  }

  /** Of the routes that it writes. */
  private protocolOf(index: number): string {
    return this.routerSpeaker(index).kind === 'frr' ? 'bgp' : 'bird'
  }

  sessionsUp(numbers: readonly Number_[]): Promise<void> {
    return eventually(() => this.haveSessions(numbers), { within: 120_000, every: 500 })
  }

  private async haveSessions(numbers: readonly Number_[]): Promise<void> {
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

  private async startRouter(index: number, host: Host): Promise<void> {
    const speaker = this.routerSpeaker(index)
    const words = speaker.kind === 'frr' ? frrRouter(index, host, this.shape) : birdRouter(index, host, this.shape)
    this.routers.push(await speaker.start(host, words))
    if (this.shape.bfd === true && speaker.kind === 'frr') await startBfdd(host, speaker)
  }

  private async putReflector(router: number): Promise<void> {
    const host = await this.lab.bare(`reflector-${router}`, reflectorOn(router))
    await wire(
      { host, name: 'eth0', addresses: withLength(reflectorOn(router)) },
      { host: this.router(router).host, name: host.name, bridge: 'rack' },
    )
    this.reflectors.push(host)
    await this.speakers.frr.start(host, frrReflector(router, host))
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
    const agent = new Agent(host, this.manifests, {
      linux: true,
      ...(this.shape.bfd === true && { bfd: bfdSocket(host) }),
    })
    this.nodes.push({ number, host, pod, agent, other: undefined, bfd: undefined })
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

  private peers(more: readonly string[] = []) {
    const { bfd, reflectors, keys } = this.shape
    const filters = [...more, ...(reflectors === true ? ['no-pods'] : []), 'outside']
    return [
      ...sessionsOfNode(this.shape).map(({ router, family, address, asn }) =>
        bgpPeer(`router-${router}-${family}`, address, asn, {
          numAllowedLocalASNumbers: 1,
          filters,
          ...(bfd === true && { bfd: FAST }),
          ...(keys !== undefined && { password: { secretKeyRef: { name: 'bgp', key: `router-${router}` } } }),
        }),
      ),
      ...(reflectors === true ? ROUTERS : []).flatMap((router) =>
        FAMILIES.map((family) => bgpPeer(`reflector-${router}-${family}`, reflectorOn(router)[family], CLUSTER_AS)),
      ),
    ]
  }

  private putKeys(): Promise<void> {
    const values = this.keys.map((key, index) => [`router-${index + 1}`, key] as const)
    return this.manifests.put(secret('bgp', Object.fromEntries(values)))
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
    if (this.shape.reflectors === true) {
      const reject = (cidr: string) => [{ action: 'Reject', matchOperator: 'In', cidr }]
      const rules = { importV4: reject('10.244.0.0/16'), importV6: reject('fd00:244::/32') }
      await this.manifests.put(filter('no-pods', rules))
    }
    if (this.shape.keys !== undefined) await this.putKeys()
    for (const number of running) await this.putNode(number)
  }

  putNode(number: Number_): Promise<void> {
    const cidrs = FAMILIES.map((family) => podCidr(number, family))
    return this.manifests.put(kubeNode(this.node(number).host, cidrs))
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
