// The second scene of the packet cases, unlike the fabric in all that it can be: rack A has two FRR leaves, each with a subnet
// of its own, and nodes with an uplink to both; rack B has one BIRD router, a border node with a router of its own beyond it,
// and a node that has IPv6 and nothing else. One session to each router carries both families, and the nodes are a mesh.

import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { answer } from '../lab/ask.ts'
import { type Served, serve } from '../lab/kube-proxy.ts'
import { FAMILIES, type Family, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, endpointSlice, kubeNode, Manifests, service } from '../lab/manifests.ts'
import { addPod, type Pod } from '../lab/pod.ts'
import { defaultRoutes, forward, ip, wire } from '../lab/wire.ts'
import type { Router } from '../speakers/speaker.ts'
import { type Bench, Skip } from './case.ts'
import { podCidr, pool } from './fabric.ts'
import { renderFabricRouter } from './fabric-frr.ts'
import { CLUSTER_AS, configuration } from './rack.ts'

/** Subnets: of leaf 1, leaf 2, the router of rack B, the router beyond the border, and two cables between the racks. */
type Net = 1 | 2 | 3 | 9 | 13 | 23

/** A dual-stack address there. */
export const at = (net: Net, last: number): Readonly<Record<Family, string>> => ({
  ipv4: `10.74.${net}.${last}`,
  ipv6: `fd74:${net}::${last}`,
})

const withLength = ({ ipv4, ipv6 }: Readonly<Record<Family, string>>): readonly string[] => [
  ...(ipv4 === '' ? [] : [`${ipv4}/24`]),
  `${ipv6}/64`,
]

export const ROUTERS = { 'leaf-1': 1, 'leaf-2': 2, 'tor-b': 3, beyond: 9 } as const
export type RouterName = keyof typeof ROUTERS
const AS: Readonly<Record<RouterName, number>> = { 'leaf-1': 65101, 'leaf-2': 65102, 'tor-b': 65103, beyond: 65200 }

export const NODES = ['a1', 'a2', 'b1', 'b2'] as const
export type NodeName = (typeof NODES)[number]
/** The border node, and the one without IPv4. */
export const BORDER: NodeName = 'b1'
export const ONLY_IPV6: NodeName = 'b2'

const numberOf = (name: NodeName): number => NODES.indexOf(name) + 1
export const lastOf = (name: NodeName): number => 10 + numberOf(name)
export const familiesOf = (name: NodeName): readonly Family[] => (name === ONLY_IPV6 ? ['ipv6'] : FAMILIES)
export const podsOf = (name: NodeName, family: Family): string => podCidr(numberOf(name), family)

const RANGES = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd96::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }, { cidr: '2001:db8:f::/64' }],
}
export const CLUSTER_RANGE = { ipv4: '10.96.0.0/16', ipv6: 'fd96::/112' }
export const LB_RANGE = { ipv4: '203.0.113.0/24', ipv6: '2001:db8:f::/64' }
/** Served by every node: a cluster address, and one of load balancers. */
export const WEB = { ipv4: '10.96.0.80', ipv6: 'fd96::80' }
export const SHARED = { ipv4: '203.0.113.90', ipv6: '2001:db8:f::90' }
/** Policy Local: its address of load balancers, and its cluster address. */
export const LOCAL = { ipv4: '203.0.113.80', ipv6: '2001:db8:f::80' }
export const LOCAL_CLUSTER = { ipv4: '10.96.0.81', ipv6: 'fd96::81' }

export interface RackNode {
  readonly name: NodeName
  readonly host: Host
  readonly agent: Agent
}

export class Racks {
  readonly nodes = new Map<NodeName, RackNode>()
  readonly routers = new Map<RouterName, Router>()
  readonly pods = new Map<NodeName, Pod>()
  readonly manifests: Manifests
  private readonly hosts = new Map<RouterName, Host>()
  private readonly lab: Lab

  private constructor(lab: Lab) {
    this.lab = lab
    this.manifests = new Manifests(join(lab.directory, 'cluster'))
  }

  static async build({ lab, present }: Bench): Promise<Racks> {
    const [frr, bird] = (['frr', 'bird'] as const).map((kind) => present.find((one) => one.kind === kind))
    if (frr === undefined || bird === undefined) throw new Skip('FRR and BIRD are not both here')
    const racks = new Racks(lab)
    await racks.wireRouters()
    for (const name of NODES) await racks.wireNode(name)
    await racks.describe()
    for (const name of ['leaf-1', 'leaf-2', 'beyond'] as const) {
      const raw = racks.frrConfig(name)
      racks.routers.set(name, await frr.start(racks.router(name), { asn: AS[name], neighbors: [], raw, kernel: true }))
    }
    const neighbors = racks.neighborsOf('tor-b')
    const raw = racks.birdConfig()
    racks.routers.set('tor-b', await bird.start(racks.router('tor-b'), { asn: AS['tor-b'], neighbors, raw }))
    await Promise.all([...racks.nodes.values()].map(({ agent }) => agent.start()))
    for (const name of NODES) {
      const pod = await addPod(lab, racks.node(name).agent, `pod-${name}`)
      await answer(pod.host)
      racks.pods.set(name, pod)
    }
    return racks
  }

  node(name: NodeName): RackNode {
    return this.nodes.get(name) ?? missing(name)
  }

  pod(name: NodeName): Pod {
    return this.pods.get(name) ?? missing(`pod of ${name}`)
  }

  router(name: RouterName): Host {
    return this.hosts.get(name) ?? missing(name)
  }

  /** The Node object, with other InternalIPs where those are given. */
  putNode(name: NodeName, addresses: Readonly<Record<Family, string>> = this.node(name).host): Promise<void> {
    const cidrs = familiesOf(name).map((family) => podsOf(name, family))
    return this.manifests.put(kubeNode({ name, ...addresses }, cidrs, { rack: name[0] ?? '' }))
  }

  /** Services `web` and `shared` with policy Cluster on all nodes, and `local` with policy Local and endpoints on these. */
  async serve(local: readonly NodeName[]): Promise<void> {
    const both = (addresses: Readonly<Record<Family, string>>) => FAMILIES.map((family) => addresses[family])
    const type = 'LoadBalancer' as const
    await this.manifests.put(
      service({ name: 'web', type: 'ClusterIP', clusterIPs: both(WEB) }),
      service({ name: 'shared', type, clusterIPs: ['10.96.0.90', 'fd96::90'], loadBalancerIPs: both(SHARED) }),
      service({
        name: 'local',
        type,
        clusterIPs: both(LOCAL_CLUSTER),
        loadBalancerIPs: both(LOCAL),
        externalTrafficPolicy: 'Local',
      }),
      ...(['web', 'shared', 'local'] as const).flatMap((name) =>
        FAMILIES.map((family) =>
          endpointSlice(
            name,
            family === 'ipv4' ? 'IPv4' : 'IPv6',
            (name === 'local' ? local : NODES).flatMap((node) =>
              familiesOf(node).includes(family) ? { address: this.pod(node)[family], node } : [],
            ),
          ),
        ),
      ),
    )
    for (const { name, host } of this.nodes.values()) {
      await serve(
        host,
        FAMILIES.flatMap((family) => this.servedOn(name, family, local)),
      )
    }
  }

  /** What is for a service is answered by this very node's pod, where it has one, so that no second way is walked. */
  private servedOn(name: NodeName, family: Family, local: readonly NodeName[]): readonly Served[] {
    const nearest = familiesOf(name).includes(family) ? [name] : NODES.filter((one) => familiesOf(one).includes(family))
    const endpoints = nearest.map((one) => this.pod(one)[family])
    const common = { protocol: 'tcp', port: 80, targetPort: 8080, endpoints } as const
    const isLocal = local.includes(name) && familiesOf(name).includes(family)
    return [
      { ...common, address: WEB[family], masquerade: true },
      { ...common, address: SHARED[family], masquerade: true },
      ...(isLocal ? [LOCAL, LOCAL_CLUSTER] : []).map((address) => ({
        ...common,
        address: address[family],
        masquerade: false,
      })),
    ]
  }

  private async wireRouters(): Promise<void> {
    for (const [name, net] of Object.entries(ROUTERS) as [RouterName, Net][]) {
      const host = await this.lab.bare(name, at(net, 1))
      await forward(host, name !== 'beyond')
      await ip(host, ['link add rack type bridge', 'link set rack up'])
      for (const address of withLength(at(net, 1)))
        await ip(host, [`address add ${address} dev rack${address.includes(':') ? ' nodad' : ''}`])
      this.hosts.set(name, host)
    }
    for (const [leaf, net] of [
      ['leaf-1', 13],
      ['leaf-2', 23],
    ] as const) {
      await wire(
        { host: this.router(leaf), name: 'tor-b', addresses: withLength(at(net, 1)) },
        { host: this.router('tor-b'), name: leaf, addresses: withLength(at(net, 2)) },
      )
    }
  }

  private async wireNode(name: NodeName): Promise<void> {
    const inA = name.startsWith('a')
    const own = at(inA ? 1 : 3, lastOf(name))
    const host = await this.lab.bare(name, name === ONLY_IPV6 ? { ...own, ipv4: '' } : own)
    await forward(host)
    const uplinks: readonly RouterName[] = inA
      ? ['leaf-1', 'leaf-2']
      : name === BORDER
        ? ['tor-b', 'beyond']
        : ['tor-b']
    for (const router of uplinks) {
      const net = ROUTERS[router]
      const addresses = at(net, lastOf(name))
      await wire(
        { host, name: router, addresses: withLength(name === ONLY_IPV6 ? { ...addresses, ipv4: '' } : addresses) },
        { host: this.router(router), name, bridge: 'rack' },
      )
    }
    await this.wayOut(host, name)
    this.nodes.set(name, { name, host, agent: new Agent(host, this.manifests, { linux: true, cni: 'ptp' }) })
  }

  /** By both leaves in rack A. */
  private async wayOut(host: Host, name: NodeName): Promise<void> {
    if (!name.startsWith('a')) {
      const { ipv4, ipv6 } = at(3, 1)
      await defaultRoutes(host, name === ONLY_IPV6 ? [ipv6] : [ipv4, ipv6])
      return
    }
    for (const family of FAMILIES) {
      const hops = [1, 2].map((net) => `nexthop via ${at(net as Net, 1)[family]} dev leaf-${net}`)
      await ip(host, [`route add ${family === 'ipv4' ? '0.0.0.0/0' : '::/0'} ${hops.join(' ')}`])
    }
  }

  private async describe(): Promise<void> {
    const spec = { numAllowedLocalASNumbers: 1 }
    const inRack = (rack: string) => ({ ...spec, nodeSelector: `rack == '${rack}'` })
    const on = (name: NodeName) => ({ ...spec, node: name })
    await this.manifests.put(
      configuration({ nodeToNodeMeshEnabled: true, ...RANGES }),
      ...FAMILIES.map((family) => pool(family)),
      bgpPeer('leaf-1', at(1, 1).ipv4, AS['leaf-1'], inRack('a')),
      bgpPeer('leaf-2', at(2, 1).ipv4, AS['leaf-2'], inRack('a')),
      bgpPeer('tor-b', at(3, 1).ipv4, AS['tor-b'], on(BORDER)),
      bgpPeer('tor-b-v6', at(3, 1).ipv6, AS['tor-b'], on(ONLY_IPV6)),
      bgpPeer('beyond', at(9, 1).ipv4, AS.beyond, { ...on(BORDER), advertiseLearned: true }),
    )
    for (const name of NODES) await this.putNode(name)
  }

  /** Nodes and routers that a router speaks to. */
  private neighborsOf(router: RouterName): readonly { readonly address: string; readonly asn: number }[] {
    const net = ROUTERS[router]
    const nodes = router === 'tor-b' || router === 'beyond' ? [BORDER] : NODES.filter((name) => name.startsWith('a'))
    const found = nodes.map((name) => ({ address: at(net, lastOf(name)).ipv4, asn: CLUSTER_AS }))
    if (router === 'beyond') return found
    if (router !== 'tor-b') {
      const cable = router === 'leaf-1' ? 13 : 23
      return [...found, ...FAMILIES.map((family) => ({ address: at(cable, 2)[family], asn: AS['tor-b'] }))]
    }
    const leaves = ([13, 23] as const).flatMap((cable, index) =>
      FAMILIES.map((family) => ({ address: at(cable, 1)[family], asn: AS[index === 0 ? 'leaf-1' : 'leaf-2'] })),
    )
    return [...found, { address: at(3, lastOf(ONLY_IPV6)).ipv6, asn: CLUSTER_AS }, ...leaves]
  }

  /** Sessions over IPv4 carry both families with nodes; between routers each carries its own. */
  private frrConfig(name: RouterName): string {
    const shape = { name, id: at(ROUTERS[name], 1).ipv4, asn: AS[name], families: FAMILIES }
    const neighbors = this.neighborsOf(name)
    const text = renderFabricRouter({ ...shape, neighbors, underlay: FAMILIES })
    const both = neighbors.filter(({ asn }) => asn === CLUSTER_AS)
    const more = both.map(({ address }) => `  neighbor ${address} activate`)
    return text.replace(' address-family ipv6 unicast\n', ` address-family ipv6 unicast\n${more.join('\n')}\n`)
  }

  private birdConfig(): string {
    const sides = this.neighborsOf('tor-b').map(({ address, asn }) => {
      const six = address.includes(':')
      const local = this.localAddress(address)
      const families = asn === CLUSTER_AS && !six ? FAMILIES : [six ? 'ipv6' : 'ipv4']
      return [
        `protocol bgp n_${address.replaceAll(/[.:%]/g, '_')} {`,
        `  local ${local} as ${AS['tor-b']}; neighbor ${address} as ${asn}; direct; hold time 9;`,
        '  connect delay time 1; connect retry time 1; error wait time 1, 2;',
        ...families.map(
          (family) => `  ${family} { import all; export where source ~ [RTS_BGP, RTS_STATIC, RTS_DEVICE]; };`,
        ),
        '}',
      ].join('\n')
    })
    return [
      `log "${join(this.router('tor-b').directory, 'events.log')}" all;`,
      `router id ${at(3, 1).ipv4};`,
      'protocol device { scan time 1; }',
      'protocol direct { ipv4; ipv6; interface "rack", "leaf-1", "leaf-2"; }',
      // The subnet beyond the border, for answers.
      ...FAMILIES.map((family) => {
        const subnet = family === 'ipv4' ? '10.74.9.0/24' : 'fd74:9::/64'
        return `protocol static { ${family}; route ${subnet} via ${at(3, lastOf(BORDER))[family]}; }`
      }),
      ...FAMILIES.map((family) => `protocol kernel { ${family} { export all; }; merge paths on; }`),
      ...sides,
      '',
    ].join('\n')
  }

  private localAddress(neighbor: string): string {
    const net = /^(?:10\.74\.|fd74:)(\d+)/.exec(neighbor)?.[1]
    const last = net === '3' ? 1 : 2
    return at(Number(net) as Net, last)[neighbor.includes(':') ? 'ipv6' : 'ipv4']
  }
}

const missing = (what: string): never => {
  throw new Error(`the racks have no ${what}`)
}
