/**
 * Inputs to one engine at the size that the budget of a turn names, each with what its worst turn costs: counted
 * in blocks of code that ran, so that no loop is forgotten and a busy machine changes nothing, or in CPU time.
 */
import koffi from 'koffi'
import type { Prefix } from '../../src/base/prefix.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { KernelChange, KernelRoute } from '../../src/dataplane/kernel.ts'
import type { Link } from '../../src/dataplane/links.ts'
import type { WorkCounter } from '../fuzz/work.ts'

export interface Size {
  readonly nodes: number
  readonly services: number
  readonly routes: number
}

export interface Cost {
  readonly name: string
  readonly turns: number
  /** Blocks that ran in the turn that was the worst, or its milliseconds of CPU where none are counted. */
  readonly worst: number
}

/** 1 for what the budget names. */
export const sizeOf = (share: number): Size => ({
  nodes: 5_000 * share,
  services: 10_000 * share,
  routes: 100_000 * share,
})

/** Octets that are copied at once count as one block each 64: no block tells of them. */
let copied = 0
for (const type of [Uint8Array, Uint16Array, Uint32Array, Int32Array] as const) {
  const { set } = type.prototype as Uint32Array
  Object.assign(type.prototype, {
    set(this: Uint32Array, from: ArrayLike<number>, at?: number) {
      copied += from.length * this.BYTES_PER_ELEMENT
      set.call(this, from, at)
    },
  })
}

/** What the edge hands in of the kernel's routes at once: a buffer of its answers, or a piece of a walk. */
const KERNEL_PIECE = 512
/** Of BFD, in one Input (`edge/net/bfd`). */
const NEWS_AT_ONCE = 64

/**
 * Of this thread, in milliseconds. `process.threadCpuUsage` would count in ticks of the kernel, of which one takes four
 * milliseconds.
 */
const CLOCK_THREAD_CPUTIME_ID = 3
const clockGettime = koffi.load(null).func('int clock_gettime(int clock, void *time)')
const time = new BigInt64Array(2)
const cpu = (): number => {
  clockGettime(CLOCK_THREAD_CPUTIME_ID, time)
  return Number(time[0]) * 1_000 + Number(time[1]) / 1e6
}

/** Start `counter` before this: blocks are told of what is compiled afterwards. */
export async function makeInputs(
  counter: WorkCounter | undefined,
): Promise<(size: Size, only?: string) => Generator<Cost>> {
  const { Rig } = await import('../support/rig.ts')
  const objects = await import('../support/objects.ts')
  const { ipv4Feed, ipv6Feed } = await import('../support/feed.ts')
  const { linkOf } = await import('../support/fake-kernel.ts')
  const { attribute, update } = await import('../support/messages.ts')
  const { bfdView } = await import('../bfd/support.ts')
  const { parsePrefix } = await import('../../src/base/prefix.ts')
  type Rig = InstanceType<typeof Rig>

  function costOf(turn: () => void): number {
    copied = 0
    if (counter !== undefined) return counter.count(turn) + (copied >>> 6)
    const begun = cpu()
    turn()
    return cpu() - begun
  }

  function measure(rig: Rig, name: string, happens: () => void): Cost {
    const { engine } = rig
    const handle = engine.handle.bind(engine)
    let [turns, worst] = [0, 0]
    engine.handle = (input, now) => {
      turns++
      let effects: ReturnType<typeof handle> = []
      const cost = costOf(() => {
        effects = handle(input, now)
      })
      worst = Math.max(worst, cost)
      return effects
    }
    happens()
    engine.handle = handle
    return { name, turns, worst }
  }

  /** Of the kernel itself or an administrator, over the link of `Rig`. */
  function kernelRoute(text: string, gateway: string | undefined): KernelRoute {
    const hops = [{ gateway, interface: 'eth0', onlink: false, weight: 1 }]
    const protocol = gateway === undefined ? 2 : 4
    return { prefix: parsePrefix(text) as Prefix, type: 'unicast', protocol, metric: 0, table: 254, hops }
  }
  const theirs = (route: KernelRoute): KernelRoute => ({ ...route, protocol: 4 })

  const nodeName = (index: number): string => `node-${index}`
  const aNode = (index: number, labels: Readonly<Record<string, string>> = {}) =>
    objects.node(nodeName(index), {
      addresses: [`10.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`],
      podCIDRs: [`10.${100 + (index >> 8)}.${index & 255}.0/24`, `fd00:244:${index.toString(16)}::/64`],
      labels,
    })
  const serviceName = (index: number): string => `shop/s${index}`
  const aService = (index: number) =>
    objects.service(serviceName(index), {
      clusterIPs: [`10.96.${index >> 8}.${index & 255}`, `fd00:96::${index.toString(16)}`],
      internalTrafficPolicy: 'Local',
    })
  const slices = (index: number) =>
    (['IPv4', 'IPv6'] as const).map((type) =>
      objects.endpointSlice(serviceName(index), type, [{ node: 'worker-1', ready: true }]),
    )
  type Neighbor = Rig['neighbors'][number]

  function look(rig: Rig, line: string): void {
    rig.feed({ kind: 'client-opened', client: 1, restricted: false })
    rig.feed({ kind: 'client-drained', client: 1 })
    rig.feed({ kind: 'command', client: 1, line })
    rig.feed({ kind: 'client-drained', client: 1 })
    rig.work()
    rig.feed({ kind: 'client-closed', client: 1 })
  }

  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

  const OUR_NODE = objects.node('worker-1', {
    addresses: ['10.0.0.100', 'fd00:10::100'],
    podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
  })
  const RANGES = { serviceClusterIPs: [{ cidr: '10.96.0.0/12' }, { cidr: 'fd00:96::/64' }] }
  const allSlices = (services: number) => upTo(services).flatMap(slices)

  function tell(rig: Rig, ...changes: ObjectChange[]): void {
    rig.feed({ kind: 'objects', changes })
    rig.work()
  }

  /** Objects of a large cluster in mesh, with what the kernel has to know of them. */
  function* ofObjects({ nodes, services }: Size): Generator<Cost> {
    const all = { nodes: upTo(nodes).map((index) => aNode(index)), services: upTo(services).map(aService) }
    const mesh = { nodeToNodeMeshEnabled: true, nodeMeshFilters: ['mesh'], ...RANGES }
    const more = [
      objects.bgpFilter('mesh', {}),
      objects.bgpPeer('rack', { nodeSelector: 'rack == "2"', peerIP: '10.0.0.254', asNumber: 65_000 }),
      objects.ipPool('pods', { cidr: '10.64.0.0/10' }),
      objects.ipPool('pods6', { cidr: 'fd00:244::/32' }),
    ]
    const rig = new Rig({ neighbors: 0, configuration: mesh, objects: more, more: { dataplane: 'linux' } })
    rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present: [] } })
    yield measure(rig, 'first list of nodes', () => tell(rig, objects.replace('Node', [OUR_NODE, ...all.nodes])))
    yield measure(rig, 'first list of services', () =>
      tell(rig, objects.replace('Service', all.services), objects.replace('EndpointSlice', allSlices(services))),
    )
    yield measure(rig, 'a label of a node', () => tell(rig, objects.upsert(aNode(7, { zone: '1' }))))
    yield measure(rig, 'a label of a node that a selector names', () =>
      tell(rig, objects.upsert(aNode(7, { rack: '1' }))),
    )
    yield measure(rig, 'a node comes', () => tell(rig, objects.upsert(aNode(nodes + 1))))
    yield measure(rig, 'a node goes', () => tell(rig, objects.remove(aNode(nodes + 1))))
    yield measure(rig, 'an endpoint of a service', () =>
      tell(rig, objects.upsert(objects.endpointSlice(serviceName(3), 'IPv4', [{ node: 'worker-1', ready: false }]))),
    )
    yield measure(rig, 'relist of nodes', () => tell(rig, objects.replace('Node', [OUR_NODE, ...all.nodes])))
    yield measure(rig, 'relist of services', () => tell(rig, objects.replace('Service', all.services)))
    yield measure(rig, 'policy of the whole mesh', () =>
      tell(rig, objects.upsert(objects.bgpFilter('mesh', { importV4: [{ action: 'Reject' }] }))),
    )
    yield measure(rig, 'other service ranges', () => {
      const spec = { serviceClusterIPs: [{ cidr: '10.96.0.0/13' }], nodeMeshFilters: ['mesh'] }
      tell(rig, objects.upsert(objects.bgpConfiguration(spec)))
    })
    yield measure(rig, 'the mesh ends', () =>
      tell(rig, objects.upsert(objects.bgpConfiguration({ nodeToNodeMeshEnabled: false }))),
    )
  }

  /** Objects as large as a server takes, of which all or nearly all is refused, and many that want one address. */
  function* ofHostileObjects({ services, nodes }: Size): Generator<Cost> {
    const external = { serviceExternalIPs: [{ cidr: '20.0.0.0/8' }], serviceLoadBalancerIPs: [{ cidr: '20.0.0.0/8' }] }
    const rig = new Rig({ neighbors: 1, configuration: external })
    const addresses = (count: number) =>
      upTo(count).map((index) => `20.${index >> 16}.${(index >> 8) & 255}.${index & 255}`)
    const large = (count: number) =>
      objects.service('shop/large', {
        ...{ type: 'LoadBalancer', ipMode: 'Proxy', clusterIPs: ['10.96.0.1'], externalTrafficPolicy: 'Local' },
        ...{ externalIPs: addresses(count), loadBalancerIPs: addresses(count) },
      })
    const ready = (isReady: boolean) =>
      objects.endpointSlice('shop/large', 'IPv4', [{ node: 'worker-1', ready: isReady }])
    yield measure(rig, 'a service with 50,000 addresses', () => tell(rig, objects.upsert(large(50_000))))
    yield measure(rig, 'a service with as many as are taken', () => tell(rig, objects.upsert(large(256))))
    yield measure(rig, 'its endpoint comes and goes', () => {
      for (const isReady of [true, false, true]) tell(rig, objects.upsert(ready(isReady)))
    })
    const few = upTo(services / 10).map((index) =>
      objects.service(serviceName(index), { clusterIPs: [`10.96.1.${index & 255}`], externalIPs: ['20.0.0.1'] }),
    )
    yield measure(rig, 'services that want one address', () => tell(rig, ...few.map((one) => objects.upsert(one))))
    yield measure(rig, 'and no longer do', () => tell(rig, ...few.map((one) => objects.remove(one))))
    yield measure(rig, 'a node with 50,000 addresses and labels', () => {
      const labels = Object.fromEntries(upTo(50_000).map((index) => [`label-${index}`, '']))
      tell(rig, objects.upsert(objects.node('large', { addresses: addresses(50_000), labels })))
      tell(rig, objects.upsert(objects.node('large', { podCIDRs: addresses(50_000).map((one) => `${one}/32`) })))
    })
    tell(
      rig,
      objects.replace('Node', [OUR_NODE, ...upTo(nodes / 5).map((index) => aNode(index, { rack: `${index}` }))]),
    )
    yield measure(rig, 'a long selector', () => {
      const peerSelector = upTo(1_000)
        .map((index) => `rack == "r${index}"`)
        .join('||')
      tell(rig, objects.upsert(objects.bgpPeer('long', { nodeSelector: 'all()', peerSelector })))
    })
    // As many as are taken; the neighbor names the filter.
    const rule = (index: number, value: number) => ({
      ...{ action: 'Accept', matchOperator: 'In', cidr: `20.${(index >> 8) & 255}.${index & 255}.0/24` },
      operations: [{ addCommunity: { value: `64512:${value}` } }],
    })
    const rules = (value: number) => ({ importV4: upTo(10_000).map((index) => rule(index, value)) })
    yield measure(rig, 'a filter of 10,000 rules', () =>
      tell(rig, objects.upsert(objects.bgpFilter('take-all', rules(1)))),
    )
    yield measure(rig, 'such a filter changes in every rule', () =>
      tell(rig, objects.upsert(objects.bgpFilter('take-all', rules(2)))),
    )
    yield measure(rig, 'such a filter is served again', () =>
      tell(rig, objects.upsert(objects.bgpFilter('take-all', rules(2)))),
    )
    const communities = upTo(50).map((index) => `64512:${index}`)
    const prefixAdvertisements = addresses(500).map((one) => ({ cidr: `${one}/32`, communities }))
    yield measure(rig, 'communities for 500 prefixes', () =>
      tell(rig, objects.upsert(objects.bgpConfiguration({ ...external, prefixAdvertisements }))),
    )
  }

  /** BGPAdvertisements as large and as many as they come, and the pods that they name. */
  function* ofAdvertisements({ nodes, services, routes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: 2, configuration: RANGES })
    for (const neighbor of rig.neighbors) neighbor.establish()
    const others = upTo(nodes / 5).map((index) => aNode(index))
    tell(rig, objects.replace('Node', [OUR_NODE, ...others]))
    tell(rig, objects.replace('Service', upTo(services / 5).map(aService)))
    tell(rig, objects.replace('EndpointSlice', allSlices(services / 5)))
    const advertise = (name: string, spec: object) => objects.upsert(objects.bgpAdvertisement(name, spec))
    const names = (choice: number, count: number) => upTo(count).map((index) => `n${choice}x${index}`)
    const selector = (choice: number) =>
      names(choice, 800)
        .map((name) => `app == "${name}"`)
        .join('||')
    // As many choices as are taken, each with as many of these as are taken.
    const choices = (choose: (choice: number) => object) => upTo(64).map(choose)
    // Fewer where each is long.
    const some = (choose: (choice: number) => object) => upTo(16).map(choose)
    const prefixes = (choice: number) =>
      upTo(routes / 100).map((index) => `20.${choice}.${index >> 8}.${index & 255}/32`)
    const many = { routes: choices((choice) => ({ prefixes: prefixes(choice) })) }
    yield measure(rig, 'many prefixes advertised', () => tell(rig, advertise('many', many)))
    yield measure(rig, 'and with a community', () =>
      tell(rig, advertise('many', { ...many, communities: ['64512:1'] })),
    )
    yield measure(rig, 'and no longer', () => tell(rig, objects.remove(objects.bgpAdvertisement('many', {}))))
    yield measure(rig, 'namespaces advertised', () =>
      tell(
        rig,
        advertise('many', { routes: choices((choice) => ({ services: { namespaces: names(choice, 1_000) } })) }),
      ),
    )
    yield measure(rig, 'services advertised by long selectors', () =>
      tell(rig, advertise('many', { routes: some((choice) => ({ services: { selector: selector(choice) } })) })),
    )
    yield measure(rig, 'pools advertised by long selectors', () =>
      tell(
        rig,
        ...upTo(5).map((index) =>
          advertise(`pools-${index}`, { routes: some((choice) => ({ pools: { selector: selector(choice) } })) }),
        ),
      ),
    )
    yield measure(rig, 'pools for them', () =>
      tell(
        rig,
        ...upTo(200).map((index) => objects.upsert(objects.ipPool(`p${index}`, { cidr: `10.244.${index >> 1}.0/24` }))),
      ),
    )
    tell(rig, objects.replace('BGPAdvertisement', []), objects.replace('IPPool', []))
    yield measure(rig, 'many advertisements, with many peers', () =>
      tell(
        rig,
        ...upTo(services / 50).map((index) =>
          advertise(`a${index}`, { routes: [{ services: {} }], peers: names(0, 1_000) }),
        ),
      ),
    )
    yield measure(rig, 'one more', () => tell(rig, advertise('b', { routes: [{ services: {} }], peers: ['peer-0'] })))
    tell(rig, objects.replace('BGPAdvertisement', []))
    const lengths = { ipv4: 24, ipv6: 112 }
    const aggregating = upTo(100).map((index) =>
      advertise(`c${index}`, { routes: [{ services: { types: ['ClusterIP'] } }], aggregationLength: lengths }),
    )
    yield measure(rig, 'services covered by many advertisements', () => tell(rig, ...aggregating))
    yield measure(rig, 'and by none', () => tell(rig, objects.replace('BGPAdvertisement', [])))
    const pods = upTo(services).map((index) =>
      objects.pod(`shop/p${index}`, {
        ...{ node: 'worker-1', ready: true },
        addresses: [`10.244.${1 + (index >> 8)}.${index & 255}`],
      }),
    )
    tell(rig, objects.replace('Pod', pods))
    yield measure(rig, 'pods advertised', () => tell(rig, advertise('pods', { routes: [{ pods: {} }] })))
  }

  /** Calico's blocks, of which pods of other nodes have borrowed addresses, and nodes with many pod CIDRs. */
  function* ofBlocks({ nodes }: Size): Generator<Cost> {
    const calico = { apiGroup: 'crd.projectcalico.org' } as const
    const configuration = { podCIDRSource: 'CalicoIPAM', nodeRoutes: 'Direct' }
    const rig = new Rig({ neighbors: 1, configuration, more: { dataplane: 'linux', ...calico } })
    const tellAndPass = (...changes: ObjectChange[]) => {
      tell(rig, ...changes)
      rig.pass(1_000)
    }
    const ipam = (kind: 'BlockAffinity' | 'IPAMBlock', name: string, spec: object) =>
      ({ apiVersion: 'crd.projectcalico.org/v1', kind, metadata: { name }, spec }) as const
    const cidr = (index: number) => `100.${index >> 10}.${(index >> 2) & 255}.${(index & 3) * 64}/26`
    const affinity = (index: number, node: string) =>
      ipam('BlockAffinity', `b${index}`, { cidr: cidr(index), node, state: 'confirmed' })
    const ofAll = upTo(nodes * 2)
    tell(rig, objects.replace('Node', [OUR_NODE, ...upTo(nodes).map((index) => aNode(index))]))
    rig.feed({
      kind: 'kernel',
      change: { full: true, more: false, gone: [], present: [kernelRoute('10.0.0.0/8', undefined)] },
    })
    yield measure(rig, 'blocks of all nodes', () =>
      tellAndPass(
        objects.replace(
          'BlockAffinity',
          ofAll.map((index) => affinity(index, nodeName(index % nodes))),
        ),
      ),
    )
    yield measure(rig, 'all blocks are ours', () =>
      tellAndPass(
        objects.replace(
          'BlockAffinity',
          ofAll.map((index) => affinity(index, 'worker-1')),
        ),
      ),
    )
    yield measure(rig, 'one block more', () => tellAndPass(objects.upsert(affinity(nodes * 2, 'worker-1'))))
    const borrowed = (block: number) => {
      const attributes = upTo(4_096).map((index) => ({ secondary: { node: nodeName(index % nodes), pod: 'p' } }))
      const spec = { cidr: `102.0.${block * 16}.0/20`, affinity: 'host:other', allocations: upTo(4_096), attributes }
      return ipam('IPAMBlock', `k${block}`, spec)
    }
    yield measure(rig, 'blocks whose addresses all others have', () =>
      tellAndPass(...upTo(5).map((block) => objects.upsert(borrowed(block)))),
    )
    yield measure(rig, 'and they are released', () => tellAndPass(objects.replace('IPAMBlock', [])))
    tellAndPass(objects.upsert(objects.bgpConfiguration({ asNumber: 64_512, nodeToNodeMeshEnabled: false, ...RANGES })))
    const podCIDRs = (index: number) => upTo(64).map((number) => `100.${index >> 2}.${(index & 3) * 64 + number}.0/24`)
    yield measure(rig, 'as many pod CIDRs of each node as are taken', () =>
      tellAndPass(
        objects.replace('Node', [
          OUR_NODE,
          ...upTo(nodes / 5).map((index) => objects.node(nodeName(index), { podCIDRs: podCIDRs(index) })),
        ]),
      ),
    )
    yield measure(rig, 'and none', () => tellAndPass(objects.replace('Node', [OUR_NODE])))
    yield measure(rig, 'long selectors of many peers', () =>
      tellAndPass(
        ...upTo(100).map((index) => {
          const alternatives = upTo(800).map((number) => `rack == "${index}x${number}"`)
          return objects.upsert(objects.bgpPeer(`long-${index}`, { peerSelector: alternatives.join('||') }))
        }),
      ),
    )
  }

  /** Full tables of three neighbors. */
  function* ofRoutes({ routes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: 3, spec: { maxPrefixes: 1_000_000 } })
    const [teller, hearer, other] = rig.neighbors as [Neighbor, Neighbor, Neighbor]
    yield measure(rig, 'a session', () => teller.establish())
    hearer.establish()
    for (const ipv6 of [false, true]) {
      yield measure(rig, `routes learned, ${ipv6 ? 'IPv6' : 'IPv4'}`, () => {
        for (const bytes of ipv6 ? ipv6Feed(0, routes) : ipv4Feed(0, routes)) teller.send(bytes)
      })
    }
    yield measure(rig, 'a neighbor comes to a full table', () => other.establish())
    yield measure(rig, 'a question that finds nothing', () => look(rig, 'show route where net ~ 203.0.113.0/24'))
    yield measure(rig, 'a count that finds nothing', () => look(rig, 'show route count protocol pod_cidr'))
    yield measure(rig, 'policy of all neighbors', () => {
      const importV4 = [{ action: 'Accept', cidr: '64.0.0.0/3', matchOperator: 'In' }]
      tell(rig, objects.upsert(objects.bgpFilter('take-all', { importV4, importV6: [{ action: 'Accept' }] })))
    })
    yield measure(rig, 'the neighbor that told all is lost', () => teller.hangUp('lost'))
  }

  /** Routes with attributes as long as a message can be, and questions that ask of every part of them. */
  function* ofQuestions({ routes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: 1 })
    const [teller] = rig.neighbors as [Neighbor]
    teller.establish()
    const many = (count: number, octets: (index: number) => number[]) => upTo(count).flatMap(octets)
    const longest = (route: number) => {
      const path = [2, 250, 0, 0, 0xfd, 0xe9, ...many(249, (index) => [0, 1, route & 255, index])]
      const communities = many(700, (index) => [index >> 8, index & 255, route >> 8, route & 255])
      const others = [attribute(0x40, 1, 0), attribute(0x50, 2, ...path), attribute(0x40, 3, 10, 0, 0, 1)]
      return update({
        attributes: [...others, attribute(0xd0, 8, ...communities)],
        nlri: [24, 20, route >> 8, route & 255],
      })
    }
    yield measure(rig, 'routes with long attributes', () => {
      for (const route of upTo(Math.ceil(routes / 100))) teller.send(longest(route))
    })
    const communities = upTo(32).map((index) => `(${index},65535)`)
    const questions = {
      'all routes with long attributes': 'show route all',
      'many communities asked for': `show route where ${communities.map((one) => `bgp_community ~ ${one}`).join(' || ')}`,
      'a set of communities asked for': `show route count where bgp_community ~ [${communities.slice(1).join(', ')}]`,
      'a mask asked for': `show route where bgp_path ~ [= ${'* 9 '.repeat(15)}=]`,
      'a set of AS numbers asked for': `show route where bgp_path ~ [${upTo(31).join(', ')}]`,
    }
    for (const [name, line] of Object.entries(questions)) yield measure(rig, name, () => look(rig, line))
  }

  /** As many paths to each prefix as are taken, of which neighbors are told the best ones. */
  function* ofPaths({ routes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: 2, spec: { maxPrefixes: 1_000_000, addPath: { receive: true, send: true } } })
    const [teller, hearer] = rig.neighbors as [Neighbor, Neighbor]
    for (const neighbor of [teller, hearer]) {
      neighbor.capabilities = [...neighbor.capabilities, { kind: 'add-path', families: [{ afi: 1, safi: 1, mode: 3 }] }]
      neighbor.establish()
    }
    const paths = 64
    const told = (id: number, first: number) =>
      update({
        attributes: [
          attribute(0x40, 1, 0),
          attribute(0x40, 2, 2, 1, 0, 0, 0xfd, 0xe9),
          attribute(0x40, 3, 10, 0, 0, 1),
          attribute(0x80, 4, 0, 0, 0, id),
        ],
        nlri: upTo(200).flatMap((index) => [0, 0, 0, id + 1, 24, 20, (first + index) >> 8, (first + index) & 255]),
      })
    yield measure(rig, 'many paths to each prefix', () => {
      for (const id of upTo(paths)) for (let at = 0; at < routes / paths; at += 200) teller.send(told(id, at))
    })
    yield measure(rig, 'their neighbor is lost', () => teller.hangUp('lost'))
  }

  /** A filter of thousands of rules, as Calico's have one for each CIDR. */
  function* ofFilters({ routes, services }: Size): Generator<Cost> {
    const rules = (count: number) =>
      upTo(count).map((index) => ({
        ...{ action: 'Accept', matchOperator: 'In' },
        cidr: `${30 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`,
      }))
    const filter = (count: number) =>
      objects.bgpFilter('take-all', { importV4: [...rules(count), { action: 'Accept' }] })
    const rig = new Rig({ neighbors: 1, spec: { maxPrefixes: 1_000_000 } })
    const [teller] = rig.neighbors as [Neighbor]
    teller.establish()
    tell(rig, objects.upsert(filter(services / 5)))
    yield measure(rig, 'routes through a filter of many rules', () => {
      for (const bytes of ipv4Feed(0, routes / 2)) teller.send(bytes)
    })
    yield measure(rig, 'such a filter changes', () => tell(rig, objects.upsert(filter(services / 5 - 1))))
  }

  /** As many sessions as the size has nodes, of which each has a route. */
  function* ofSessions({ nodes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: nodes })
    for (const neighbor of rig.neighbors) neighbor.establish()
    yield measure(rig, 'policy of all sessions', () =>
      tell(rig, objects.upsert(objects.bgpFilter('take-all', { importV4: [{ action: 'Reject' }] }))),
    )
    yield measure(rig, 'a look at all sessions', () => look(rig, 'show protocols'))
    yield measure(rig, 'filters of all sessions', () => look(rig, 'show filters'))
    yield measure(rig, 'a summary of all sessions', () => look(rig, 'show summary'))
    yield measure(rig, 'what is advertised to all sessions', () => look(rig, 'show services'))
    yield measure(rig, 'all routes, with whom they are advertised to', () => look(rig, 'show route all'))
  }

  /** As many neighbors as one Input names are lost by BFD, and all when their hold timers expire. */
  function* ofLosses({ nodes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: nodes / 5, spec: { bfd: {} } })
    for (const neighbor of rig.neighbors) neighbor.establish()
    const report = (remote: string, state: 'Up' | 'Down', from: 'Up' | 'Down' | undefined) => {
      return {
        kind: 'report',
        session: bfdView({ remote, local: '10.0.0.100', state, remoteState: state }),
        from,
      } as const
    }
    const all = (state: 'Up' | 'Down', from: 'Up' | 'Down') =>
      rig.neighbors.map(({ address }) => report(address, state, from))
    rig.feed({ kind: 'bfd', news: all('Up', 'Down') })
    yield measure(rig, 'BFD loses neighbors', () => {
      rig.feed({ kind: 'bfd', news: all('Down', 'Up').slice(0, NEWS_AT_ONCE) })
      rig.work()
    })
    for (const neighbor of rig.neighbors) neighbor.establish()
    yield measure(rig, 'all hold timers expire', () => rig.pass(200_000))
  }

  /** Commands that name all neighbors. */
  function* ofCommands({ nodes }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: nodes / 5 })
    const establish = (): void => {
      for (const neighbor of rig.neighbors) neighbor.establish()
    }
    establish()
    for (const line of ['drain all', 'undrain all', 'reload all', 'restart all']) {
      yield measure(rig, line, () => look(rig, line))
    }
    establish()
    for (const line of ['disable all', 'enable all']) yield measure(rig, line, () => look(rig, line))
    establish()
    yield measure(rig, 'this node leaves', () => {
      look(rig, 'leave')
      rig.pass(60_000)
    })
    yield measure(rig, 'and returns', () => look(rig, 'leave cancel'))
  }

  /**
   * Links of a node with thousands of pods, and one with the addresses of all services, as kube-proxy has it in its mode
   * IPVS.
   */
  function* ofLinks({ nodes, services }: Size): Generator<Cost> {
    const rig = new Rig({ neighbors: nodes / 50, more: { dataplane: 'linux' } })
    rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present: [] } })
    for (const neighbor of rig.neighbors) neighbor.establish()
    const change = (...present: Link[]) => {
      rig.feed({ kind: 'links', change: { full: false, gone: [], present } })
      rig.work()
    }
    const addresses = upTo(services * 2).map(
      (index) => `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32`,
    )
    const [all, fewer] = [addresses, addresses.slice(1)].map((some) => linkOf(7, 'kube-ipvs0', false, some)) as [
      Link,
      Link,
    ]
    yield measure(rig, 'a link with the addresses of all services', () => change(all))
    yield measure(rig, 'one of its addresses goes and comes', () => {
      for (const link of [fewer, all, fewer]) change(link)
    })
    const pods = upTo(nodes / 5).map((index) => linkOf(100 + index, `veth${index}`, true, ['fe80::ecee/64']))
    yield measure(rig, 'links of many pods', () => change(...pods))
    yield measure(rig, 'a link of one pod goes and comes', () => {
      for (const up of [false, true]) change({ ...(pods[7] as Link), up })
    })
    yield measure(rig, 'the link of all neighbors has another MTU', () => change({ ...rig.link, mtu: 9_000 }))
  }

  /** Routes of a full table in the kernel, all by one next hop, and routes of other programs. */
  function* ofKernel({ routes, services }: Size): Generator<Cost> {
    const filter = { importV4: [{ action: 'Accept' }] }
    const rig = new Rig({
      neighbors: 1,
      spec: { maxPrefixes: 1_000_000 },
      configuration: { ...RANGES, serviceLoopPrevention: 'Drop' },
      objects: [objects.bgpFilter('take-all', filter), objects.ipPool('pods', { cidr: '10.244.0.0/16' })],
      more: { dataplane: 'linux' },
    })
    const [teller] = rig.neighbors as [Neighbor]
    const onLink = [kernelRoute('10.0.0.0/24', undefined), kernelRoute('fd00:10::/64', undefined)]
    const other = (index: number) =>
      kernelRoute(`172.${16 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32`, '10.0.0.9')
    const kernel = (change: Partial<KernelChange>) => {
      rig.feed({ kind: 'kernel', change: { full: false, more: false, gone: [], present: [], ...change } })
      rig.work()
    }
    const inPieces = (all: readonly KernelRoute[], take: (piece: readonly KernelRoute[]) => void) => {
      for (let at = 0; at < all.length; at += KERNEL_PIECE) take(all.slice(at, at + KERNEL_PIECE))
    }
    const others = upTo(routes / 2).map(other)
    yield measure(rig, "the kernel's routes, for the first time", () => {
      kernel({ full: true, more: true, present: onLink })
      inPieces(others, (present) => kernel({ more: true, present }))
      kernel({})
      rig.feed({ kind: 'nft-table', table: undefined })
    })
    teller.holdTime = 0
    teller.establish()
    yield measure(rig, 'routes into the kernel', () => {
      for (const bytes of ipv4Feed(0, routes)) teller.send(bytes)
    })
    rig.pass(20_000)
    const pod = kernelRoute('10.244.1.7/32', undefined)
    yield measure(rig, 'the route of one pod', () => kernel({ present: [pod] }))
    const isUp = (up: boolean) =>
      rig.feed({ kind: 'links', change: { full: false, gone: [], present: [{ ...rig.link, up }] } })
    yield measure(rig, 'a next hop is lost', () => kernel({ gone: [onLink[0] as KernelRoute] }))
    yield measure(rig, 'a next hop is back', () => kernel({ present: [onLink[0] as KernelRoute] }))
    yield measure(rig, 'a link is lost', () => {
      isUp(false)
      kernel({ gone: onLink })
      inPieces(others, (gone) => kernel({ gone }))
    })
    yield measure(rig, 'a link is back', () => {
      isUp(true)
      kernel({ present: onLink })
      inPieces(others, (present) => kernel({ present }))
    })
    teller.hangUp()
    teller.establish()
    for (const bytes of ipv4Feed(0, routes)) teller.send(bytes)
    rig.pass(5_000)
    const besides = [...rig.written].map(theirs)
    const ofOnePrefix = upTo(routes / 10).flatMap((index) =>
      ['172.31.0.0/16', '0.0.0.0/0'].map((text) => ({ ...kernelRoute(text, '10.0.0.9'), metric: index + 1 })),
    )
    yield measure(rig, 'many routes of others to one prefix', () =>
      inPieces(ofOnePrefix, (present) => kernel({ present })),
    )
    yield measure(rig, 'and one after the other they go', () => inPieces(ofOnePrefix, (gone) => kernel({ gone })))
    yield measure(rig, 'routes of others in the place of all of ours', () =>
      inPieces(besides, (present) => kernel({ present })),
    )
    yield measure(rig, 'and they go again', () => inPieces(besides, (gone) => kernel({ gone })))
    yield measure(rig, 'another program removes all of ours', () => {
      for (let time = 0; time < 6; time++) inPieces([...rig.written], (gone) => kernel({ gone }))
      rig.pass(60_000)
    })
    yield measure(rig, 'no route can be written', () => {
      rig.refuses = 'no buffer space available'
      inPieces([...rig.written], (gone) => kernel({ gone }))
      rig.pass(120_000)
      rig.refuses = undefined
      rig.pass(120_000)
    })
    yield measure(rig, 'services advertised, of which packets may loop', () => {
      const all = upTo(services).map(aService)
      tell(rig, objects.replace('Service', all), objects.replace('EndpointSlice', allSlices(services)))
      rig.pass(5_000)
    })
    yield measure(rig, 'one service more', () => {
      tell(rig, objects.upsert(aService(services)), ...slices(services).map((slice) => objects.upsert(slice)))
      rig.pass(5_000)
    })
    yield measure(rig, 'learned ways are allowed', () => {
      tell(rig, objects.upsert(objects.bgpConfiguration({ ...RANGES, asNumber: 64_512, recursiveNextHops: true })))
      rig.pass(5_000)
    })
    yield measure(rig, 'all is withdrawn from the kernel', () => {
      teller.hangUp('lost')
      rig.pass(200_000)
    })
  }

  /** Routes to the pods of all nodes, made of objects; and nodes that keep their addresses in NAT. */
  function* ofNodeRoutes({ nodes }: Size): Generator<Cost> {
    const pools = [objects.ipPool('pods', { cidr: '10.64.0.0/10', natOutgoing: true })]
    const configuration = { natOutgoingExclusions: 'IPPoolsAndHostIPs', ...RANGES }
    const rig = new Rig({ neighbors: 0, configuration, objects: pools, more: { dataplane: 'linux' } })
    rig.feed({
      kind: 'kernel',
      change: { full: true, more: false, gone: [], present: [kernelRoute('10.0.0.0/8', undefined)] },
    })
    rig.feed({ kind: 'nft-table', table: undefined })
    const all = upTo(nodes).map((index) => aNode(index))
    const set = (spec: object): void => {
      tell(
        rig,
        objects.upsert(
          objects.bgpConfiguration({ asNumber: 64_512, nodeToNodeMeshEnabled: false, ...configuration, ...spec }),
        ),
      )
      rig.pass(5_000)
    }
    yield measure(rig, 'addresses of nodes that NAT spares', () => {
      tell(rig, objects.replace('Node', [OUR_NODE, ...all]))
      rig.pass(5_000)
    })
    yield measure(rig, 'one node more that NAT spares', () => {
      tell(rig, objects.upsert(aNode(nodes)))
      rig.pass(5_000)
    })
    yield measure(rig, 'routes to all nodes', () => set({ nodeRoutes: 'Direct' }))
    yield measure(rig, 'a route to one node more', () => {
      tell(rig, objects.upsert(aNode(nodes + 1)))
      rig.pass(5_000)
    })
    yield measure(rig, 'a label of a node with a route', () => tell(rig, objects.upsert(aNode(7, { zone: '1' }))))
    yield measure(rig, 'routes to nodes by BGP again', () => {
      set({ nodeRoutes: 'BGP' })
      rig.pass(120_000)
    })
  }

  /** What the holder of the Lease judges, and the status of this node. */
  function* ofStatus({ nodes }: Size): Generator<Cost> {
    const status = { conditions: true, startupTaint: 'godwit.dev/starting' }
    const rig = new Rig({ neighbors: 0, more: { status } })
    const peers = upTo(nodes).map((index) =>
      objects.bgpPeer(`rack-${index}`, {
        nodeSelector: `rack == "${index}"`,
        peerIP: '10.0.0.254',
        asNumber: 65_000,
        filters: [`f${index % 7}`],
      }),
    )
    yield measure(rig, 'objects of people', () => {
      tell(
        rig,
        objects.replace('Node', [OUR_NODE, ...upTo(nodes).map((index) => aNode(index))]),
        objects.replace('BGPPeer', peers),
      )
      rig.pass(60_000)
    })
    const ofNodes = upTo(nodes / 5).map((index) =>
      objects.bgpConfiguration({ asNumber: 64_512 }, `node.${nodeName(index)}`),
    )
    tell(rig, ...ofNodes.map((object) => objects.upsert(object)))
    yield measure(rig, 'the Lease is ours', () => {
      rig.feed({ kind: 'lease', held: true })
      rig.pass(60_000)
    })
    yield measure(rig, 'one object of people', () => {
      tell(rig, objects.upsert(objects.bgpFilter('f3', {})))
      rig.pass(60_000)
    })
  }

  const groups = {
    ofObjects,
    ofHostileObjects,
    ofAdvertisements,
    ofBlocks,
    ofRoutes,
    ofPaths,
    ofFilters,
    ofQuestions,
    ofSessions,
    ofLosses,
    ofCommands,
    ofLinks,
    ofKernel,
    ofNodeRoutes,
    ofStatus,
  }

  /** `only`: a part of the name of some group. */
  function* costs(size: Size, only = ''): Generator<Cost> {
    for (const [name, group] of Object.entries(groups)) if (name.includes(only)) yield* group(size)
  }

  return costs
}
