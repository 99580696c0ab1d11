// The scene of the packet cases: two racks behind two spines, eBGP on every link, three nodes with pods, and an outside
// client and server. Leaves and spines are FRR and forward with what BGP taught them; so do our nodes.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { answer } from '../lab/ask.ts'
import { FAMILIES, type Family, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, ipPool, kubeNode, Manifests } from '../lab/manifests.ts'
import { addPod, type Pod, whyNoPlugins } from '../lab/pod.ts'
import { has } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { bridge, defaultRoutes, forward, kernelRoutes, wire } from '../lab/wire.ts'
import type { Router, Speaker } from '../speakers/speaker.ts'
import { type Bench, Skip } from './case.ts'
import { type FabricNeighbor, renderFabricRouter } from './fabric-frr.ts'
import { CLUSTER_AS, configuration } from './rack.ts'

/** Ten hosts, four routers and three agents take a while to start on a small machine. */
export const FABRIC_LIMIT = 300_000
export const GODWIT = 171
const RACKS = [1, 2] as const
const SPINES = [1, 2] as const
type Rack = (typeof RACKS)[number]

const leafAs = (rack: number): number => 65100 + rack
const spineAs = (spine: number): number => 65200 + spine

export interface FabricShape {
  /** Families of the nodes' own network. */
  readonly underlay: readonly Family[]
  /** Families of pods and services. */
  readonly pods: readonly Family[]
  /** How pods are connected. */
  readonly plugin?: 'ptp' | 'bridge'
  /** A folder whose programs the agents take before this machine's. */
  readonly programs?: string
  /** What goes into the BGPConfiguration. */
  readonly configuration?: Readonly<Record<string, unknown>>
  /** What goes into each BGPPeer. */
  readonly peers?: Readonly<Record<string, unknown>>
}

export const DUAL: FabricShape = { underlay: FAMILIES, pods: FAMILIES }

export interface FabricNode {
  readonly host: Host
  readonly agent: Agent
  readonly rack: Rack
  readonly number: number
}

const only = (families: readonly Family[], ipv4: string, ipv6: string): readonly string[] =>
  families.map((family) => (family === 'ipv4' ? ipv4 : ipv6))

export const podCidr = (number: number, family: Family): string =>
  family === 'ipv4' ? `10.244.${number}.0/24` : `fd00:244:${number}::/64`

export const pool = (family: Family, spec: Readonly<Record<string, unknown>> = {}) =>
  family === 'ipv4' ? ipPool('pods-v4', '10.244.0.0/16', spec) : ipPool('pods-v6', 'fd00:244::/32', spec)

/** Routers of the fabric choose their ways by these: see `forward`. */
const HASH_FIELDS = '/proc/sys/net/ipv4/fib_multipath_hash_fields'

/** Skips the case where this machine lacks what it needs. */
export const needs = async (bench: Bench, ...programs: readonly string[]): Promise<void> => {
  if (bench.speaker.kind !== 'frr') throw new Skip('the fabric is built of FRR, which is not here')
  const why = await whyNoPlugins()
  if (why !== undefined) throw new Skip(why)
  if (!existsSync(HASH_FIELDS)) throw new Skip(`the kernel has no ${HASH_FIELDS}: it came with 5.13`)
  for (const program of ['nft', 'bash', 'timeout', ...programs]) {
    if (!(await has(program))) throw new Skip(`${program} is not installed`)
  }
}

export class Fabric {
  readonly manifests: Manifests
  readonly nodes: FabricNode[] = []
  readonly leaves: Host[] = []
  readonly spines: Host[] = []
  readonly routers: Router[] = []
  readonly shape: FabricShape
  private readonly lab: Lab
  private outsiders: { readonly client: Host; readonly server: Host } | undefined

  constructor(lab: Lab, shape: FabricShape) {
    this.lab = lab
    this.shape = shape
    this.manifests = new Manifests(join(lab.directory, 'cluster'))
  }

  /** Behind the first spine. */
  get client(): Host {
    return this.outsiders?.client ?? missing('client')
  }

  /** Behind the second spine; answers. */
  get server(): Host {
    return this.outsiders?.server ?? missing('server')
  }

  node(number: number): FabricNode {
    return this.nodes[number - 1] ?? missing(`node-${number}`)
  }

  /** Everything wired, started, and every node with a route to the pods of all others. */
  static async build({ lab, speaker }: Bench, shape: FabricShape = DUAL): Promise<Fabric> {
    const fabric = new Fabric(lab, shape)
    await fabric.wireRouters()
    await fabric.wireOutside()
    for (const [index, rack] of [1, 1, 2].entries()) await fabric.wireNode(index + 1, rack as Rack)
    await fabric.describe()
    await fabric.startRouters(speaker)
    await Promise.all(fabric.nodes.map(({ agent }) => agent.start()))
    await fabric.settled()
    return fabric
  }

  pod(number: number, name = `pod-${number}`): Promise<Pod> {
    return addPod(this.lab, this.node(number).agent, name)
  }

  async answeringPod(number: number, name?: string): Promise<Pod> {
    const pod = await this.pod(number, name)
    await answer(pod.host)
    return pod
  }

  /** Each node has routes to the pods of the others, and the spines to all. */
  async settled(): Promise<void> {
    const { nodes, shape, spines } = this
    const lacking = async (host: Host, protocol: number | string, numbers: readonly number[]): Promise<void> => {
      const routes = await kernelRoutes(host, protocol)
      for (const family of shape.pods) {
        for (const number of numbers) {
          const prefix = podCidr(number, family)
          if (!routes.some((line) => line.includes(`${prefix} `))) throw new Error(`${host.name} lacks ${prefix}`)
        }
      }
    }
    const numbers = nodes.map(({ number }) => number)
    await eventually(
      async () => {
        for (const { host } of nodes) await lacking(host, GODWIT, numbers)
        for (const host of spines) await lacking(host, 'bgp', numbers)
      },
      { within: 90_000, every: 500 },
    )
  }

  private async wireRouters(): Promise<void> {
    for (const spine of SPINES) this.spines.push(await this.router(`spine-${spine}`, `10.70.0.${spine}`))
    for (const rack of RACKS) {
      const leaf = await this.router(`leaf-${rack}`, `10.71.${rack}.1`)
      this.leaves.push(leaf)
      await bridge(leaf, 'rack', only(this.shape.underlay, `10.71.${rack}.1/24`, `fd71:${rack}::1/64`))
      for (const spine of SPINES) {
        const ends = (last: number) =>
          only(this.shape.underlay, `10.70.${rack}${spine}.${last}/24`, `fd70:${rack}:${spine}::${last}/64`)
        await wire(
          { host: leaf, name: `spine-${spine}`, addresses: ends(2) },
          { host: this.spines[spine - 1] ?? missing('spine'), name: `leaf-${rack}`, addresses: ends(1) },
        )
      }
    }
  }

  private async router(name: string, ipv4: string): Promise<Host> {
    const host = await this.lab.bare(name, { ipv4, ipv6: '' })
    await forward(host, name.startsWith('leaf'))
    return host
  }

  private async wireOutside(): Promise<void> {
    const outside = async (name: string, subnet: number): Promise<Host> => {
      const addresses = { ipv4: `198.18.${subnet}.10`, ipv6: `2001:db8:18:${subnet}::10` }
      const host = await this.lab.bare(name, addresses)
      const spine = this.spines[subnet - 1] ?? missing('spine')
      const both = (v4: string, v6: string) => only(this.shape.pods, `${v4}/24`, `${v6}/64`)
      const gateways = { ipv4: `198.18.${subnet}.1`, ipv6: `2001:db8:18:${subnet}::1` }
      await wire(
        { host, name: 'eth0', addresses: both(addresses.ipv4, addresses.ipv6) },
        { host: spine, name: 'outside', addresses: both(gateways.ipv4, gateways.ipv6) },
      )
      await defaultRoutes(host, only(this.shape.pods, gateways.ipv4, gateways.ipv6))
      return host
    }
    this.outsiders = { client: await outside('client', 1), server: await outside('server', 2) }
    await answer(this.server)
  }

  private async wireNode(number: number, rack: Rack): Promise<void> {
    const { underlay, plugin = 'ptp' } = this.shape
    const has = (family: Family) => underlay.includes(family)
    const addresses = {
      ipv4: has('ipv4') ? `10.71.${rack}.${10 + number}` : '',
      ipv6: has('ipv6') ? `fd71:${rack}::${10 + number}` : '',
    }
    const host = await this.lab.bare(`node-${number}`, addresses)
    await forward(host)
    await wire(
      { host, name: 'eth0', addresses: only(underlay, `${addresses.ipv4}/24`, `${addresses.ipv6}/64`) },
      { host: this.leaves[rack - 1] ?? missing('leaf'), name: `node-${number}`, bridge: 'rack' },
    )
    await this.wayOut(host, rack)
    const { programs } = this.shape
    const agent = new Agent(host, this.manifests, { linux: true, cni: plugin, ...(programs && { programs }) })
    this.nodes.push({ host, agent, rack, number })
  }

  /** Out of the rack by its leaf; IPv4 over an IPv6 gateway where there is no other. */
  private async wayOut(host: Host, rack: Rack): Promise<void> {
    const { underlay, pods } = this.shape
    const v4 = underlay.includes('ipv4') ? `10.71.${rack}.1` : `inet6 fd71:${rack}::1`
    await defaultRoutes(host, only(pods, v4, `fd71:${rack}::1`))
  }

  private async describe(): Promise<void> {
    const { underlay, pods } = this.shape
    await this.manifests.put(
      configuration(this.shape.configuration),
      ...pods.map((family) => pool(family)),
      ...this.nodes.map(({ host, rack, number }) =>
        kubeNode(
          host,
          pods.map((family) => podCidr(number, family)),
          { rack: `${rack}` },
        ),
      ),
      ...RACKS.flatMap((rack) =>
        only(underlay, `10.71.${rack}.1`, `fd71:${rack}::1`).map((address) =>
          bgpPeer(`rack-${rack}-${address.includes(':') ? 'v6' : 'v4'}`, address, leafAs(rack), {
            nodeSelector: `rack == '${rack}'`,
            // All nodes share one AS: what comes from the other rack has it in its path.
            numAllowedLocalASNumbers: 1,
            ...this.shape.peers,
          }),
        ),
      ),
    )
  }

  private async startRouters(speaker: Speaker): Promise<void> {
    const { underlay, pods } = this.shape
    const start = async (host: Host, asn: number, neighbors: readonly FabricNeighbor[]): Promise<void> => {
      const raw = renderFabricRouter({ name: host.name, id: host.ipv4, asn, neighbors, underlay, families: pods })
      this.routers.push(await speaker.start(host, { asn, neighbors: [], raw, kernel: true }))
    }
    for (const [index, host] of this.spines.entries()) {
      const spine = index + 1
      const neighbors = RACKS.flatMap((rack) =>
        only(underlay, `10.70.${rack}${spine}.2`, `fd70:${rack}:${spine}::2`).map((address) => ({
          address,
          asn: leafAs(rack),
        })),
      )
      await start(host, spineAs(spine), neighbors)
    }
    for (const [index, host] of this.leaves.entries()) {
      const rack = index + 1
      const up = SPINES.flatMap((spine) =>
        only(underlay, `10.70.${rack}${spine}.1`, `fd70:${rack}:${spine}::1`).map((address) => ({
          address,
          asn: spineAs(spine),
        })),
      )
      const down = this.nodes
        .filter((node) => node.rack === rack)
        .flatMap((node) => underlay.map((family) => ({ address: node.host.address(family), asn: CLUSTER_AS })))
      await start(host, leafAs(rack), [...up, ...down])
    }
  }
}

const missing = (what: string): never => {
  throw new Error(`the fabric has no ${what}`)
}
