/** Clusters to try: who is there, what the objects say, who peers with whom. */
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, ipPool, node } from '../support/objects.ts'
import { Api, type Site, type Stage } from './site.ts'

export type TopologyName = 'mesh' | 'routers' | 'fabric' | 'reflectors'

export interface Topology {
  /** Of the cluster, where services live. */
  readonly api: Api
  /** The nodes that are in the cluster now. */
  readonly nodes: Site[]
  /** A node joins; its machine is not running yet. */
  join(): Site
  leave(site: Site): void
  /** Objects that name filters, so that filters can be given to them. */
  readonly filtered: readonly { readonly api: Api; withFilters(filters: readonly string[]): ApiObject }[]
}

const NODE_AS = 64512
const hex = (value: number): string => value.toString(16)
const POOLS = [ipPool('pods-v4', { cidr: '10.64.0.0/10' }), ipPool('pods-v6', { cidr: 'fd00:244::/32' })]
const RANGES = {
  serviceClusterIPs: [{ cidr: '10.200.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '198.18.0.0/16' }],
}
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })

export function build(name: TopologyName, stage: Stage, size: number): Topology {
  const topology = TOPOLOGIES[name](stage)
  for (let index = 0; index < size; index++) topology.join()
  return topology
}

abstract class Cluster implements Topology {
  readonly api: Api
  readonly nodes: Site[] = []
  protected readonly stage: Stage
  #count = 0

  constructor(stage: Stage) {
    this.stage = stage
    this.api = new Api(stage)
  }

  abstract readonly filtered: Topology['filtered']
  protected abstract describe(index: number): Partial<ApiObject['metadata']>
  protected sees(_object: ApiObject, _name: string): boolean {
    return true
  }
  protected joined(_site: Site, _index: number): void {}
  protected left(_site: Site): void {}

  join(): Site {
    const index = this.#count++
    const name = `node-${index}`
    const addresses = [`10.1.${index >> 8}.${index & 255}`, `fd00:10::${hex(index + 1)}`]
    const podCIDRs = [`10.${64 + (index >> 8)}.${index & 255}.0/24`, `fd00:244:${hex(index)}::/64`]
    this.api.put(node(name, { ...this.describe(index), addresses, podCIDRs }))
    const site = this.stage.place({ name, addresses, api: this.api, sees: (object) => this.sees(object, name) })
    this.nodes.push(site)
    this.joined(site, index)
    return site
  }

  leave(site: Site): void {
    this.nodes.splice(this.nodes.indexOf(site), 1)
    this.api.delete(node(site.name))
    this.left(site)
    this.stage.displace(site, 'process')
  }
}

/** Every node peers with every other, over iBGP. */
class Mesh extends Cluster {
  readonly filtered

  constructor(stage: Stage) {
    super(stage)
    const configuration = (filters: readonly string[]) =>
      bgpConfiguration({ asNumber: NODE_AS, nodeMeshFilters: filters, ...RANGES })
    this.api.put(...POOLS, configuration([]))
    this.filtered = [{ api: this.api, withFilters: configuration }]
  }

  protected describe() {
    return {}
  }
}

/**
 * Nodes without a mesh behind two of their kind that reflect routes (RFC 4456), over iBGP. The two are one cluster, or two
 * that are each other's clients: then a node can learn by a way over both.
 */
class Reflectors extends Cluster {
  readonly filtered

  constructor(stage: Stage) {
    super(stage)
    this.api.put(...POOLS, bgpConfiguration({ asNumber: NODE_AS, nodeToNodeMeshEnabled: false, ...RANGES }))
    const toReflectors = { peerSelector: "role == 'reflector'" }
    // The nodes alone say whom they want; the reflectors peer back.
    const upwards = (filters: readonly string[]) =>
      bgpPeer('upwards', { nodeSelector: "role == 'node'", ...toReflectors, filters })
    // No filters between the two: where each prefers what the other says, they may never agree (RFC 4264 §2).
    this.api.put(upwards([]), bgpPeer('between', { nodeSelector: "role == 'reflector'", ...toReflectors }))
    this.filtered = [{ api: this.api, withFilters: upwards }]
    const clusters = stage.world.chance.next() < 0.5 ? 1 : 2
    for (const index of [0, 1]) this.#reflector(index, `244.0.0.${1 + (index % clusters)}`)
  }

  #reflector(index: number, clusterId: string): void {
    const name = `reflector-${index}`
    const addresses = [routerAddress(index), `fd00:11::${hex(index + 1)}`]
    const annotations = { 'projectcalico.org/RouteReflectorClusterID': clusterId }
    this.api.put(node(name, { addresses, labels: { role: 'reflector' }, annotations }))
    this.stage.place({ name, addresses, api: this.api })
  }

  protected describe() {
    return { labels: { role: 'node' } }
  }

  /** Of the others a node has to know the reflectors. */
  protected override sees({ kind, metadata }: ApiObject, name: string): boolean {
    return kind !== 'Node' || metadata.name === name || metadata.labels?.role === 'reflector'
  }
}

/** Nodes without a mesh, each with the same routers, over eBGP. */
class Routers extends Cluster {
  readonly filtered
  readonly #routers: Site[] = []

  constructor(stage: Stage, count: number) {
    super(stage)
    this.api.put(...POOLS, bgpConfiguration({ asNumber: NODE_AS, nodeToNodeMeshEnabled: false, ...RANGES }))
    const peers = Array.from({ length: count }, (_, index) => {
      this.#routers.push(router(stage, index, 65_000 + index))
      return { api: this.api, withFilters: toRouter(`router-${index}`, index, 65_000 + index) }
    })
    this.api.put(...peers.map(({ withFilters }) => withFilters([])))
    this.filtered = peers
  }

  protected describe() {
    return {}
  }

  /** Without a mesh no node has to know the others. */
  protected override sees({ kind, metadata }: ApiObject, name: string): boolean {
    return kind !== 'Node' || metadata.name === name
  }

  protected override joined({ name, addresses: [address] }: Site): void {
    for (const { api } of this.#routers) {
      api.put(bgpPeer(name, { peerIP: address, asNumber: NODE_AS, filters: ['take-all'] }))
    }
  }

  protected override left({ name }: Site): void {
    for (const { api } of this.#routers) api.delete(bgpPeer(name, {}))
  }
}

/** Two racks, an AS for each node and each router, and the routers pass on what they learn. */
class Fabric extends Cluster {
  readonly filtered
  readonly #tors: readonly Site[]

  constructor(stage: Stage) {
    super(stage)
    this.api.put(...POOLS, bgpConfiguration({ asNumber: NODE_AS, nodeToNodeMeshEnabled: false, ...RANGES }))
    const ours = [0, 1].map((rack) => ({
      api: this.api,
      withFilters: toRouter(`rack-${rack}`, rack, 65_000 + rack, { nodeSelector: `rack == '${rack}'` }),
    }))
    this.api.put(...ours.map(({ withFilters }) => withFilters([])))
    this.#tors = [0, 1].map((rack) => router(stage, rack, 65_000 + rack))
    const between = this.#tors.map(({ api }, rack) => ({
      api,
      withFilters: toRouter('other', 1 - rack, 65_001 - rack, { advertiseLearned: true }),
    }))
    for (const { api, withFilters } of between) api.put(...POOLS, withFilters([]))
    this.filtered = [...ours, ...between]
  }

  protected describe(index: number) {
    return {
      labels: { rack: `${index % 2}` },
      annotations: { 'projectcalico.org/ASNumber': `${4_200_000_000 + index}` },
    }
  }

  protected override sees({ kind, metadata }: ApiObject, name: string): boolean {
    return kind !== 'Node' || metadata.name === name
  }

  protected override joined({ name, addresses: [address] }: Site, index: number): void {
    const asNumber = 4_200_000_000 + index
    const spec = { peerIP: address, asNumber, advertiseLearned: true, filters: ['take-all'] }
    this.#tors[index % 2]?.api.put(bgpPeer(name, spec))
  }

  protected override left({ name }: Site): void {
    for (const { api } of this.#tors) api.delete(bgpPeer(name, {}))
  }
}

const TOPOLOGIES: Readonly<Record<TopologyName, (stage: Stage) => Cluster>> = {
  mesh: (stage) => new Mesh(stage),
  routers: (stage) => new Routers(stage, 2),
  fabric: (stage) => new Fabric(stage),
  reflectors: (stage) => new Reflectors(stage),
}

const routerAddress = (index: number): string => `10.0.0.${index + 1}`

function router(stage: Stage, index: number, asNumber: number): Site {
  const name = `router-${index}`
  const addresses = [routerAddress(index), `fd00:11::${hex(index + 1)}`]
  const api = new Api(stage)
  api.put(node(name, { addresses }), bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }), TAKE_ALL)
  return stage.place({ name, addresses, api })
}

const toRouter =
  (name: string, index: number, asNumber: number, more: object = {}) =>
  (filters: readonly string[]): ApiObject =>
    bgpPeer(name, { peerIP: routerAddress(index), asNumber, filters, ...more })
