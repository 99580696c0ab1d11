/**
 * Whole clusters at rest, with a router: whatever the objects say, no packet goes in a circle; pods and services that are advertised
 * are reached. GODWIT_RUNS sets how many clusters are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contains } from '../../src/base/prefix.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  endpointSlice,
  ipPool,
  service,
} from '../support/objects.ts'
import { NODES, type NodeName, prefixOf, ROUTERS, type Served, toRouter, WalkLab, workerOf } from '../support/walk.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 60)
const bare = (value: object): object => JSON.parse(JSON.stringify(value)) as object

const cidrs = fc.constantFrom<readonly string[]>(
  ['10.244.1.0/24'],
  ['10.244.2.0/24', 'fd00:244:2::/64'],
  ['10.244.3.0/24'],
  ['10.244.1.128/25'],
  [],
  ['10.244.0.0/20'],
  ['10.96.3.0/24'],
)
const ofEach = fc.record({ a: cidrs, b: cidrs, c: cidrs })
const block = fc.record({
  at: fc.constantFrom(1, 2, 3),
  of: fc.constantFrom(...NODES),
  state: fc.constantFrom('confirmed', 'confirmed', 'pending'),
  borrower: fc.constantFrom(undefined, ...NODES),
  /** The pod that has borrowed an address is gone, and the block does not say so. */
  isLeft: fc.boolean(),
})
const pool = fc.record({
  name: fc.constantFrom('p', 'q'),
  cidr: fc.constantFrom('10.244.0.0/16', '10.245.0.0/16', '10.244.0.0/20', '10.0.0.0/8', '10.96.0.0/12'),
  disableBGPExport: fc.constantFrom(undefined, undefined, true),
  allowedUses: fc.constantFrom(undefined, undefined, ['LoadBalancer']),
})
const ROUTES = [{ podCIDRs: true }, { services: {} }, { serviceRanges: {} }, { nodeAddresses: true }]
const advertisement = fc.record({
  name: fc.constantFrom('x', 'y'),
  nodeSelector: fc.constantFrom(undefined, "name == 'a'", "name != 'a'"),
  routes: fc.subarray(ROUTES, { minLength: 1, maxLength: 3 }),
  peers: fc.constantFrom(undefined, undefined, ROUTERS),
  aggregationLength: fc.constantFrom(undefined, { ipv4: 20 }, { ipv4: 16 }, { ipv4: 28 }),
})
const policy = fc.constantFrom('Local' as const, 'Cluster' as const)
const served = fc.record({
  name: fc.constantFrom('shop/web', 'shop/api'),
  clusterIPs: fc.constantFrom(['10.96.0.1'], ['10.96.0.2']),
  externalIPs: fc.constantFrom<string[]>([], ['198.51.100.1'], ['192.0.2.2']),
  loadBalancerIPs: fc.constantFrom<string[]>([], ['192.0.2.1'], ['192.0.2.2']),
  externalTrafficPolicy: policy,
  internalTrafficPolicy: policy,
  nodes: fc.subarray([...NODES]),
})
const range = (...texts: readonly string[]) => texts.map((cidr) => ({ cidr }))
const clusters = fc.record({
  pods: ofEach,
  listed: ofEach,
  source: fc.constantFrom('Node', 'Node', 'CalicoIPAM', 'Static'),
  nodeRoutes: fc.constantFrom(undefined, 'Direct'),
  mesh: fc.constantFrom(true, true, false),
  aggregation: fc.constantFrom('Enabled', 'Disabled'),
  cluster: fc.constantFrom(range('10.96.0.0/16'), []),
  balancer: fc.constantFrom(range('192.0.2.0/24'), range('192.0.2.1/32'), range('0.0.0.0/0'), []),
  external: fc.constantFrom(range('198.51.100.0/24'), []),
  advertiseLearned: fc.constantFrom(undefined, true),
  blocks: fc.uniqueArray(block, { selector: ({ at }) => at, maxLength: 3 }),
  pools: fc.uniqueArray(pool, { selector: ({ name }) => name, maxLength: 2 }),
  advertisements: fc.uniqueArray(advertisement, { selector: ({ name }) => name, maxLength: 2 }),
  services: fc.uniqueArray(served, { selector: ({ name }) => name, maxLength: 2 }),
  hasDefault: fc.boolean(),
  isApart: fc.boolean(),
})
type Cluster = typeof clusters extends fc.Arbitrary<infer One> ? One : never

/** Addresses of pods, of services, and of nobody. */
const ADDRESSES = [
  ...['10.244.1.5', '10.244.1.77', '10.244.1.133', '10.244.2.5', '10.244.3.5', '10.244.7.7', 'fd00:244:2::5'],
  ...['10.245.1.5', '10.245.1.9', '10.245.1.40', '10.245.2.5', '10.245.2.40', '10.245.3.40'],
  ...['10.96.0.1', '10.96.0.2', '10.96.3.5', '10.96.7.7', '192.0.2.1', '192.0.2.2', '192.0.2.77', '198.51.100.1'],
  ...['198.51.100.77', '203.0.113.7', '10.0.0.2', '10.0.1.4'],
]

/** The fifth address of a pod CIDR. */
const podIn = (cidr: string): string =>
  cidr.includes(':') ? cidr.replace(/\/.*/, '5') : cidr.replace(/(\d+)\/\d+$/, (_, last) => `${Number(last) + 5}`)

function podsOf({ source, pods, listed, blocks }: Cluster, name: NodeName): string[] {
  if (source !== 'CalicoIPAM') return (source === 'Static' ? listed : pods)[name].map(podIn)
  return blocks.flatMap(({ at, of, state, borrower, isLeft }) => [
    ...(of === name && state === 'confirmed' ? [`10.245.${at}.5`] : []),
    ...(borrower === name && of !== name && !isLeft ? [`10.245.${at}.40`] : []),
  ])
}

const ofCalico = (kind: ApiObject['kind'], name: string, spec: object): ApiObject => ({
  apiVersion: 'crd.projectcalico.org/v1',
  kind,
  metadata: { name },
  spec,
})

function objectsOf(one: Cluster): ApiObject[] {
  const spec = {
    nodeToNodeMeshEnabled: one.mesh,
    serviceClusterIPs: one.cluster,
    serviceLoadBalancerIPs: one.balancer,
    serviceExternalIPs: one.external,
    serviceLoadBalancerAggregation: one.aggregation,
    podCIDRSource: one.source,
    nodeRoutes: one.nodeRoutes,
  }
  return [
    ...NODES.map((name) => workerOf(name, one.isApart, one.pods[name])),
    ...NODES.map((name) => bgpConfiguration({ podCIDRs: one.listed[name] }, `node.${name}`)),
    bgpConfiguration(bare(spec)),
    ...toRouter(one.isApart, bare({ advertiseLearned: one.advertiseLearned })),
    ...one.pools.map(({ name, ...rest }) => ipPool(name, bare(rest))),
    ...one.advertisements.map(({ name, ...rest }) => bgpAdvertisement(name, bare(rest))),
    ...one.services.map(({ name, nodes: _, ...rest }) => service(name, { ...rest, type: 'LoadBalancer' })),
    ...one.services.map(({ name, nodes }) => {
      const endpoints = nodes.map((node) => ({ node, ready: true }))
      return endpointSlice(name, 'IPv4', endpoints, `${name}-x`)
    }),
    ...one.blocks.flatMap(({ at, of, state, borrower }) => {
      const [name, cidr] = [`block-${at}`, `10.245.${at}.0/26`]
      const attributes = borrower === undefined ? [] : [{ secondary: { node: borrower, pod: 'web' } }]
      const allocations = [...Array<null>(40).fill(null), borrower === undefined ? null : 0]
      return [
        ofCalico('BlockAffinity', name, { cidr, node: of, state, deleted: 'false' }),
        ofCalico('IPAMBlock', name, { cidr, affinity: `host:${of}`, allocations, attributes }),
      ]
    }),
  ]
}

const servedOf = ({ services }: Cluster): Served[] =>
  services.map((one) => {
    const isLocal = one.externalTrafficPolicy === 'Local'
    const outer = [...one.externalIPs, ...one.loadBalancerIPs].map((address) => [address, isLocal] as const)
    const inner = one.clusterIPs.map((address) => [address, one.internalTrafficPolicy === 'Local'] as const)
    return { addresses: new Map([...inner, ...outer]), nodes: one.nodes }
  })

/** Nothing is kept back from some neighbors. */
const isOpen = ({ pools, advertisements }: Cluster): boolean =>
  pools.every((one) => one.disableBGPExport === undefined) && advertisements.every((one) => one.peers === undefined)

/** Pods of one node lie in no range of another node or of services. */
function arePodsApart({ source, pods, listed, balancer }: Cluster): boolean {
  const lists = source === 'Static' ? listed : pods
  const all = source === 'CalicoIPAM' ? [] : NODES.flatMap((name) => lists[name])
  const ranges = [...all, '10.96.0.0/16'].map(prefixOf)
  return (
    balancer.every(({ cidr }) => cidr !== '0.0.0.0/0') &&
    ranges.every((outer, at) => !ranges.some((inner, other) => at !== other && contains(outer, inner)))
  )
}

/** Addresses in a range that are advertised for one service with endpoints. */
function reachable({ services, cluster, external, balancer }: Cluster): string[] {
  const inside = (ranges: readonly { readonly cidr: string }[], addresses: readonly string[]) =>
    addresses.filter((one) => ranges.some(({ cidr }) => contains(prefixOf(cidr), prefixOf(one))))
  const allOf = (one: Cluster['services'][number]) => [...one.clusterIPs, ...one.externalIPs, ...one.loadBalancerIPs]
  return services.flatMap((one) => {
    const others = services.filter((other) => other !== one).flatMap(allOf)
    const found = [
      ...inside(cluster, one.clusterIPs),
      ...inside(external, one.externalIPs),
      ...inside(balancer, one.loadBalancerIPs),
    ]
    return one.nodes.length === 0 ? [] : found.filter((address) => !others.includes(address))
  })
}

test('no packet goes in a circle, and what is advertised is reached', () => {
  const property = fc.property(clusters, (one) => {
    const pods = { a: podsOf(one, 'a'), b: podsOf(one, 'b'), c: podsOf(one, 'c') }
    const lab = new WalkLab({ ...one, objects: objectsOf(one), pods, services: servedOf(one) })
    const loops = ADDRESSES.map((address) => [address, ...lab.ends(address).filter((end) => end.startsWith('loop'))])
    expect(loops.filter(([, ...ends]) => ends.length > 0)).toEqual([])
    if (!isOpen(one)) return
    const toPods = one.mesh && arePodsApart(one) ? NODES.flatMap((name) => pods[name].map((pod) => [pod, name])) : []
    for (const [pod = '', name] of toPods) expect([pod, lab.ends(pod)]).toEqual([pod, [`pod ${name}`]])
    for (const address of reachable(one)) {
      const ends = lab.ends(address, ['router']).map((end) => end.split(' ')[0])
      expect([address, [...new Set(ends)]]).toEqual([address, ['service']])
    }
  })
  fc.assert(property, { numRuns: RUNS })
})
