// A cluster as Calico's users have it: nodes on one link with blocks of Calico's IPAM, BIRD by Calico's templates on each, and FRR
// as the router that leads out. Its objects are Calico's own.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Bench, expect } from '../cases/case.ts'
import { FABRIC_LIMIT, GODWIT } from '../cases/fabric.ts'
import { renderFabricRouter } from '../cases/fabric-frr.ts'
import { CLUSTER_AS, ROUTER_AS } from '../cases/rack.ts'
import { Agent } from '../lab/agent.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { type KubeObject, kubeNode, Manifests } from '../lab/manifests.ts'
import type { Daemon } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import type { Router } from '../speakers/speaker.ts'
import { type CalicoNode, type CalicoShape, calicoBird } from './calico-words.ts'
import { single } from './plan.ts'
import type { Flow } from './streams.ts'

type Pair = Readonly<Record<Family, string>>

export const CALICO_LIMIT = 3 * FABRIC_LIMIT
const BIRD = 12
const FELIX = 80
const POOLS: Pair = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/48' }
const SERVICES: Pair = { ipv4: '10.96.0.0/16', ipv6: 'fd00:96::/112' }
const OUTSIDE: Pair = { ipv4: '198.18.1.10', ipv6: '2001:db8:18:1::10' }
const GATEWAY: Pair = { ipv4: '198.18.1.1', ipv6: '2001:db8:18:1::1' }
const CLUSTER_ID = '244.0.0.1'
/** Of the block of the first node, an address that a pod of the second has. */
const BORROWED: Pair = { ipv4: '10.244.1.40', ipv6: 'fd00:244:0:1::28' }
const BORROWED_ORDINAL = 40
const LENDER = 1
const BORROWER = 2

const blockOf = (number: number): Pair => ({ ipv4: `10.244.${number}.0/26`, ipv6: `fd00:244:0:${number}::/122` })
const podOf = (number: number): Pair => ({ ipv4: `10.244.${number}.2`, ipv6: `fd00:244:0:${number}::2` })

export interface CalicoSeat {
  readonly number: number
  readonly host: Host
  readonly pod: Host
  readonly agent: Agent
  bird: Daemon | undefined
}

const GROUP = 'crd.projectcalico.org'
const calico = (kind: string, name: string, spec: object, annotations?: Readonly<Record<string, string>>) => ({
  apiVersion: `${GROUP}/v1`,
  kind,
  metadata: { name, ...(annotations && { annotations }) },
  spec,
})

export class CalicoCluster {
  readonly seats: CalicoSeat[] = []
  readonly manifests: Manifests
  private readonly bench: Bench
  /** Numbers of the nodes that reflect; none: a mesh. */
  private readonly reflectors: readonly number[]
  private router_: Router | undefined
  private outside_: Host | undefined

  private constructor(bench: Bench, reflectors: readonly number[]) {
    this.bench = bench
    this.reflectors = reflectors
    this.manifests = new Manifests(join(bench.lab.directory, 'cluster'))
  }

  static async build(bench: Bench, nodes: number, reflectors: readonly number[] = []): Promise<CalicoCluster> {
    const cluster = new CalicoCluster(bench, reflectors)
    const router = await bench.lab.host('router', 1)
    await forward(router)
    const outside = await bench.lab.bare('outside', OUTSIDE)
    await wire(
      { host: outside, name: 'eth0', addresses: [`${OUTSIDE.ipv4}/24`, `${OUTSIDE.ipv6}/64`] },
      { host: router, name: 'outside', addresses: [`${GATEWAY.ipv4}/24`, `${GATEWAY.ipv6}/64`] },
    )
    await defaultRoutes(outside, [GATEWAY.ipv4, GATEWAY.ipv6])
    cluster.outside_ = outside
    for (let number = 1; number <= nodes; number += 1) await cluster.seat(number, router)
    await cluster.describe()
    const neighbors = cluster.seats.flatMap(({ host }) =>
      FAMILIES.map((family) => ({ address: host.address(family), asn: CLUSTER_AS })),
    )
    const shape = { name: 'router', id: router.ipv4, asn: ROUTER_AS, neighbors, underlay: FAMILIES, families: FAMILIES }
    const raw = renderFabricRouter(shape)
    cluster.router_ = await bench.speaker.start(router, { asn: ROUTER_AS, neighbors: [], raw, kernel: true })
    for (const seat of cluster.seats) await cluster.startBird(seat)
    await cluster.settled()
    return cluster
  }

  get router(): Host {
    if (this.router_ === undefined) throw new Error('no router')
    return this.router_.host
  }

  get outside(): Host {
    if (this.outside_ === undefined) throw new Error('no outside')
    return this.outside_
  }

  of(number: number): CalicoSeat {
    const seat = this.seats[number - 1]
    if (seat === undefined) throw new Error(`no node ${number}`)
    return seat
  }

  flows(): readonly Flow[] {
    return FAMILIES.flatMap((family): Flow[] => {
      const flow = (name: string, from: Host, to: string, at: Host): Flow => ({
        name: `${name} ${family}`,
        family,
        from,
        to,
        at: [at],
      })
      const [lender, borrower, last] = [this.of(LENDER), this.of(BORROWER), this.of(this.seats.length)]
      return [
        flow('outside to pod 1', this.outside, podOf(1)[family], lender.pod),
        flow('pod 1 to outside', lender.pod, OUTSIDE[family], this.outside),
        flow('pod 2 to pod 1', borrower.pod, podOf(1)[family], lender.pod),
        flow('pod 1 to the last pod', lender.pod, podOf(last.number)[family], last.pod),
        flow('pod 1 to the borrowed address', lender.pod, BORROWED[family], borrower.pod),
        flow('outside to the borrowed address', this.outside, BORROWED[family], borrower.pod),
      ]
    })
  }

  // ── Speakers ───────────────────────────────────────────────────────────────────────────────────────────────────

  private async startBird(seat: CalicoSeat): Promise<void> {
    const { directory } = seat.host
    const file = (name: string) => join(directory, `calico.${name}`)
    await writeFile(file('conf'), calicoBird(this.node(seat), this.shapeOf(seat)))
    const place = ['-c', file('conf'), '-s', file('ctl'), '-P', file('pid')]
    // Calico starts it with -R: it takes up what the one before it left.
    seat.bird = seat.host.start('calico-bird', ['bird', '-f', '-R', ...place])
  }

  /** Agents beside BIRD, one of them ended and started again: BIRD keeps its sessions. */
  async agentsWait(): Promise<void> {
    const sessions = async () => {
      const said = await Promise.all(this.seats.map((seat) => this.birdSays(seat, 'show', 'protocols')))
      return said.flatMap((text) => text.split('\n').filter((line) => / BGP /.test(line)))
    }
    let before: readonly string[] = []
    await eventually(
      async () => {
        const last = before
        before = await sessions()
        const moving = before.filter((line) => !line.includes('Established') || !last.includes(line))
        expect(moving.length === 0, `sessions of BIRD come up: ${moving.join('; ')}`)
      },
      { within: 60_000, every: 5_000 },
    )
    const began = timeOfDay()
    for (const { agent } of this.seats) await agent.start()
    const [first] = this.seats
    await first?.agent.stop()
    expect(first?.agent.running === false, 'an agent that waits does not end')
    await first?.agent.start()
    const isOld = (line: string) => {
      const since = /up +([0-9:.]+) +Established/.exec(line)?.[1]
      return since !== undefined && since < began
    }
    const changed = (await sessions()).filter((line) => !before.includes(line) && !isOld(line))
    expect(changed.length === 0, `sessions of BIRD were other ones before: ${changed.join('; ')}`)
  }

  private birdSays({ host }: CalicoSeat, ...words: readonly string[]): Promise<string> {
    return host.must(['birdcl', '-s', join(host.directory, 'calico.ctl'), ...words])
  }

  /** The guide: BIRD ends without a NOTIFICATION, and the agent follows. */
  async toGodwit(number: number): Promise<void> {
    const seat = this.of(number)
    await seat.bird?.kill()
    if (!seat.agent.running) await seat.agent.start()
    await this.settled()
    await this.nothingLeft(seat, BIRD)
  }

  /** And back, by the guide: Calico's BGP is on again, without a port to listen on; the agent ends, and calico-node is replaced. */
  async toBird(number: number): Promise<void> {
    const seat = this.of(number)
    await this.startBird(seat)
    await eventually(async () => {
      const said = await this.birdSays(seat, 'show', 'protocols')
      expect(said.includes('No listening socket'), `BIRD beside an agent says ${said}`)
    })
    await seat.agent.stop()
    await seat.bird?.kill()
    await this.startBird(seat)
    await this.settled()
    await this.birdWrites(seat)
    for (const flag of ['-4', '-6']) await seat.host.must(['ip', flag, 'route', 'flush', 'proto', `${GODWIT}`])
    await seat.host.run(['nft', 'delete', 'table', 'inet', 'godwit'])
    await this.settled()
  }

  /** All that the others have. */
  private birdWrites({ host }: CalicoSeat): Promise<void> {
    return eventually(
      async () => {
        const lines = await kernelRoutes(host, BIRD)
        const others = FAMILIES.flatMap((family) => this.owned(family)).filter(([, owner]) => owner.host !== host)
        const lacking = others.filter(([prefix]) => !lines.some((line) => isTo(line, prefix)))
        expect(lacking.length === 0, `BIRD on ${host.name} has not written ${lacking.map(([prefix]) => prefix).join()}`)
      },
      { within: 60_000, every: 500 },
    )
  }

  private nothingLeft({ host }: CalicoSeat, protocol: number): Promise<void> {
    return eventually(
      async () => {
        const left = await kernelRoutes(host, protocol)
        expect(left.length === 0, `${host.name} still has ${left.slice(0, 3).join('; ')}`)
      },
      { within: 150_000, every: 1_000 },
    )
  }

  // ── What must be ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Every node and the router have a route to every block and to the borrowed address. */
  settled(): Promise<void> {
    return eventually(
      async () => {
        const faults = await this.faults()
        expect(faults.length === 0, faults.slice(0, 6).join('; '))
      },
      { within: 60_000, every: 500 },
    )
  }

  /** Of routes that are not there, and of those that lead elsewhere. */
  async faults(): Promise<readonly string[]> {
    const all = await Promise.all(
      [...this.seats.map(({ host }) => host), this.router].map((host) => this.faultsOf(host)),
    )
    return all.flat()
  }

  private async faultsOf(host: Host): Promise<readonly string[]> {
    const faults: string[] = []
    const text = (await Promise.all(['-4', '-6'].map((flag) => host.must(['ip', flag, '-o', 'route', 'show'])))).join(
      '\n',
    )
    const lines = text.split('\n').map((line) => line.trim())
    for (const family of FAMILIES) {
      for (const [prefix, owner] of this.owned(family)) {
        if (owner.host === host) continue
        const found = lines.filter((line) => isTo(line, prefix))
        if (found.length === 0) faults.push(`${host.name} lacks ${prefix}`)
        // To the router every node may lead, since BIRD tells it what it learned from the others.
        if (host === this.router) continue
        const astray = found.filter((line) => !line.includes(` via ${owner.host.address(family)} `))
        faults.push(...astray.map((line) => `${host.name} goes astray: ${line}`))
      }
    }
    return faults
  }

  private owned(family: Family): readonly (readonly [string, CalicoSeat])[] {
    const blocks = this.seats.map((seat) => [blockOf(seat.number)[family], seat] as const)
    return [...blocks, [single(BORROWED[family]), this.of(BORROWER)]]
  }

  // ── Wires and objects ──────────────────────────────────────────────────────────────────────────────────────────

  private node({ number, host }: CalicoSeat): CalicoNode {
    return { name: host.name, address: { ipv4: host.ipv4, ipv6: host.ipv6 }, block: blockOf(number) }
  }

  private shapeOf(seat: CalicoSeat): CalicoShape {
    const reflects = this.reflectors.includes(seat.number)
    const others = this.seats.filter((other) => other !== seat)
    const iBgp =
      this.reflectors.length === 0 ? [] : others.filter(({ number }) => reflects || this.reflectors.includes(number))
    const routers = FAMILIES.map((family) => ({
      name: 'Node_router',
      address: this.router.address(family),
      asn: ROUTER_AS,
    }))
    const inside = iBgp.flatMap(({ number, host }) =>
      FAMILIES.map((family) => ({
        name: `Node_${host.name}`,
        address: host.address(family),
        asn: CLUSTER_AS,
        client: reflects && !this.reflectors.includes(number),
      })),
    )
    return {
      asn: CLUSTER_AS,
      pools: POOLS,
      services: SERVICES,
      mesh: this.reflectors.length === 0 ? this.seats.map((other) => this.node(other)) : [],
      neighbors: [...routers, ...inside],
      ...(reflects && { clusterId: CLUSTER_ID }),
    }
  }

  private async seat(number: number, router: Host): Promise<void> {
    const { lab } = this.bench
    const host = await lab.host(`node-${number}`, 10 + number)
    await forward(host)
    await defaultRoutes(host, [router.ipv4, router.ipv6])
    const pod = await lab.bare(`pod-${number}`, podOf(number))
    await this.wirePod(number, host, pod)
    const agent = new Agent(host, this.manifests, { linux: true, apiGroup: GROUP, adopt: 'bird' })
    this.seats.push({ number, host, pod, agent, bird: undefined })
  }

  /** As Calico does it: single addresses, and routes to the device, which Felix writes with its number. */
  private async wirePod(number: number, host: Host, pod: Host): Promise<void> {
    await wire({ host, name: 'cali0' }, { host: pod, name: 'eth0' })
    await host.must(['sysctl', '-qw', 'net.ipv4.conf.cali0.proxy_arp=1'])
    await ip(host, ['address add fe80::1/64 dev cali0 nodad'])
    await ip(pod, ['route add 169.254.1.1 dev eth0 scope link'])
    for (const family of FAMILIES) {
      const [all, gateway] = family === 'ipv4' ? ['0.0.0.0/0', '169.254.1.1'] : ['::/0', 'fe80::1']
      const addresses = [podOf(number)[family], ...(number === BORROWER ? [BORROWED[family]] : [])].map(single)
      const nodad = family === 'ipv6' ? ' nodad' : ''
      await ip(
        pod,
        addresses.map((address) => `address add ${address} dev eth0${nodad}`),
      )
      await ip(pod, [`route add ${all} via ${gateway} dev eth0 src ${podOf(number)[family]}`])
      await ip(
        host,
        addresses.map((address) => `route add ${address} dev cali0 proto ${FELIX}`),
      )
    }
  }

  private async describe(): Promise<void> {
    const isMesh = this.reflectors.length === 0
    const cidrs = FAMILIES.map((family) => ({ cidr: SERVICES[family] }))
    await this.manifests.put(
      calico('BGPConfiguration', 'default', {
        asNumber: CLUSTER_AS,
        nodeToNodeMeshEnabled: isMesh,
        serviceClusterIPs: cidrs,
      }),
      ...FAMILIES.map((family) =>
        calico('IPPool', `pool-${family}`, { cidr: POOLS[family], ipipMode: 'Never', vxlanMode: 'Never' }),
      ),
      ...FAMILIES.map((family) =>
        calico('BGPPeer', `router-${family}`, { peerIP: this.routerAddress(family), asNumber: ROUTER_AS }),
      ),
      ...(isMesh
        ? []
        : [calico('BGPPeer', 'reflectors', { nodeSelector: 'all()', peerSelector: 'has(route-reflector)' })]),
      ...this.seats.map((seat) => this.nodeObject(seat)),
      ...this.seats.flatMap(({ number, host }) =>
        FAMILIES.map((family) =>
          calico('BlockAffinity', `${host.name}-${family}`, {
            cidr: blockOf(number)[family],
            node: host.name,
            state: 'confirmed',
            deleted: 'false',
            type: 'host',
          }),
        ),
      ),
      ...FAMILIES.map((family) =>
        calico('IPAMBlock', `lent-${family}`, {
          cidr: blockOf(LENDER)[family],
          affinity: `host:node-${LENDER}`,
          allocations: Array.from({ length: 64 }, (_, at) => (at === BORROWED_ORDINAL ? 0 : null)),
          attributes: [
            { handle_id: 'k8s-pod-network.1', secondary: { node: `node-${BORROWER}`, pod: 'web', namespace: 'shop' } },
          ],
        }),
      ),
    )
  }

  private routerAddress(family: Family): string {
    return family === 'ipv4' ? '10.77.0.1' : 'fd77::1'
  }

  private nodeObject({ number, host }: CalicoSeat): KubeObject {
    const reflects = this.reflectors.includes(number)
    const node = kubeNode(host, [], reflects ? { 'route-reflector': 'true' } : {})
    const annotations = {
      'projectcalico.org/IPv4Address': `${host.ipv4}/24`,
      'projectcalico.org/IPv6Address': `${host.ipv6}/64`,
      ...(reflects && { 'projectcalico.org/RouteReflectorClusterID': CLUSTER_ID }),
    }
    return { ...node, metadata: { ...node.metadata, annotations } }
  }
}

/** Single addresses are printed without their length. */
const isTo = (line: string, prefix: string): boolean =>
  [prefix, prefix.replace(/\/(32|128)$/, '')].includes(line.split(' ')[0] ?? '')

/** As BIRD writes it, in local time: `16:15:21.396`. */
const timeOfDay = (): string => new Date().toTimeString().slice(0, 8)
