import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent } from '../../src/cluster/intent.ts'
import { KINDS, type ObjectChange } from '../../src/cluster/source.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { diffIntent } from '../support/diff-intent.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  remove,
  replace,
  service,
  upsert,
} from '../support/objects.ts'

const flag = fc.boolean()
const nodeName = fc.constantFrom('a', 'b', 'c')
const label = 'node.kubernetes.io/exclude-from-external-load-balancers'
const policy = fc.constantFrom('Local' as const, 'Cluster' as const)
const address = fc.constantFrom('10.96.0.1', '10.96.0.2', '192.0.2.1', '192.0.2.2', 'fd00:96::1', '203.0.113.1')

const nodes = fc
  .record({
    name: nodeName,
    six: flag,
    four: flag,
    excluded: flag,
    rack: fc.constantFrom('1', '2', undefined),
    zone: fc.constantFrom('x', 'y'),
    asNumber: fc.constantFrom(undefined, undefined, '64999'),
    reflector: fc.constantFrom(undefined, undefined, '244.0.0.1'),
    pods: fc.constantFrom('10.244.1.0/24', '10.244.2.0/24', 'fd00:1::/64'),
  })
  .map(({ name, six, four, excluded, rack, zone, asNumber, reflector, pods }) => {
    const last = name.charCodeAt(0)
    const addresses = [...(four ? [`10.0.0.${last}`] : []), ...(six ? [`fd00::${last}`] : [])]
    const labels = { zone, ...(rack !== undefined && { rack }), ...(excluded && { [label]: '' }) }
    const annotations = {
      ...(asNumber !== undefined && { 'godwit.dev/asNumber': asNumber }),
      ...(reflector !== undefined && { 'godwit.dev/routeReflectorClusterID': reflector }),
    }
    return node(name, { addresses, podCIDRs: [pods], labels, annotations })
  })
const services = fc
  .record({
    name: fc.constantFrom('shop/web', 'shop/api', 'lab/web'),
    clusterIPs: fc.uniqueArray(address, { maxLength: 2 }),
    externalIPs: fc.uniqueArray(address, { maxLength: 2 }),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    type: fc.constantFrom('ClusterIP' as const, 'LoadBalancer' as const, 'ExternalName' as const),
  })
  .map(({ name, ...options }) => service(name, { ...options, loadBalancerIPs: options.externalIPs }))
const slices = fc
  .record({
    name: fc.constantFrom('shop/one', 'shop/two', 'lab/one'),
    of: fc.constantFrom('web', 'api'),
    type: fc.constantFrom('IPv4' as const, 'IPv6' as const),
    endpoints: fc.array(
      fc.record({ node: nodeName, ready: fc.option(flag), serving: fc.option(flag), terminating: fc.option(flag) }),
      { maxLength: 3 },
    ),
  })
  .map(({ name, of, type, endpoints }) => endpointSlice(`${name.split('/')[0]}/${of}`, type, endpoints, name))
const configurations = fc
  .record({
    mesh: flag,
    disabled: flag,
    wide: flag,
    alias: fc.constantFrom('gold', 'silver', '65000:1'),
    wrong: fc.integer({ min: 0, max: 5 }),
    source: fc.constantFrom(undefined, undefined, 'Node', 'CalicoIPAM', 'Static'),
    port: fc.constantFrom(undefined, undefined, 1790),
    name: fc.constantFrom('default', 'default', 'node.a'),
  })
  .map(({ mesh, disabled, wide, alias, wrong, source, port, name }) =>
    bgpConfiguration(
      {
        nodeToNodeMeshEnabled: mesh,
        serviceClusterIPs: [{ cidr: wide ? '10.96.0.0/16' : '10.96.0.1/32' }, { cidr: 'fd00:96::/112' }],
        serviceExternalIPs: [{ cidr: '192.0.2.0/24' }],
        serviceLoadBalancerIPs: [{ cidr: wide ? '192.0.2.0/24' : '192.0.2.1/32' }],
        serviceLoadBalancerAggregation: disabled ? 'Disabled' : 'Enabled',
        communities: [{ name: 'gold', value: '65000:9' }],
        prefixAdvertisements: [{ cidr: '192.0.2.0/24', communities: [alias] }],
        ...(port !== undefined && { listenPort: port }),
        ...(source !== undefined && name === 'default' && { podCIDRSource: source }),
        ...(source === 'Static' && name !== 'default' && { podCIDRs: ['10.250.0.0/24'] }),
        ...(wrong === 0 && { listenPort: 'x' }),
      },
      name,
    ),
  )
const peers = fc
  .record({
    name: fc.constantFrom('rack-1', 'rack-2'),
    peerIP: fc.constantFrom('10.0.0.254', '2001:db8::1', '10.0.0.98', 'wrong'),
    asNumber: fc.constantFrom(65000, 64512),
    filters: fc.constantFrom([], ['f']),
    node: fc.option(nodeName),
  })
  .map(({ name, ...spec }) => bgpPeer(name, spec))
const selecting = fc
  .record({
    name: fc.constantFrom('select-1', 'select-2', 'rack-1'),
    nodeSelector: fc.constantFrom(undefined, 'rack == "1"', 'has(rack)', 'all()'),
    peerSelector: fc.constantFrom('rack == "2"', '!has(rack)', 'zone == "x"'),
    filters: fc.constantFrom([], ['f']),
    reversePeering: fc.constantFrom(undefined, 'Auto', 'Manual'),
  })
  .map(({ name, ...spec }) => bgpPeer(name, JSON.parse(JSON.stringify(spec)) as object))
const advertisements = fc
  .record({
    name: fc.constantFrom('adv-1', 'adv-2'),
    on: fc.constantFrom('rack == "1"', 'all()'),
    routes: fc.subarray([{ prefixes: ['203.0.113.0/24'] }, { podCIDRs: true }, { services: {} }], { minLength: 1 }),
    aggregationLength: fc.constantFrom(undefined, { ipv4: 16 }, { ipv4: 24 }, { ipv4: 28, ipv6: 112 }, { ipv4: 24.5 }),
  })
  .map(({ name, on, ...spec }) =>
    bgpAdvertisement(name, JSON.parse(JSON.stringify({ nodeSelector: on, ...spec })) as object),
  )
const affinities = fc
  .record({ at: fc.constantFrom(1, 2, 3), node: nodeName, state: fc.constantFrom('confirmed', 'pending') })
  .map(({ at, node: owner, state }) => ipam('BlockAffinity', `block-${at}`, affinityOf(at, owner, state)))
const affinityOf = (at: number, owner: string, state: string) => ({
  cidr: `10.251.${at}.0/26`,
  node: owner,
  state,
  deleted: 'false',
})
const ipam = (kind: 'BlockAffinity', name: string, spec: object): ApiObject => ({
  apiVersion: 'crd.projectcalico.org/v1',
  kind,
  metadata: { name },
  spec,
})
const filters = fc.boolean().map((good) => bgpFilter('f', { exportV4: [{ action: good ? 'Reject' : 'Maybe' }] }))
const pools = fc.boolean().map((disableBGPExport) => ipPool('p', { cidr: '10.244.0.0/16', disableBGPExport }))

const object = fc.oneof(
  nodes,
  nodes,
  selecting,
  advertisements,
  affinities,
  services,
  services,
  slices,
  slices,
  configurations,
  peers,
  filters,
  pools,
)
const change: fc.Arbitrary<ObjectChange> = fc.oneof(
  { weight: 6, arbitrary: object.map((one) => upsert(one)) },
  { weight: 2, arbitrary: object.map(remove) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...KINDS), fc.array(object, { maxLength: 4 })).map(([kind, objects]) =>
      replace(
        kind,
        objects.filter((one: ApiObject) => one.kind === kind),
      ),
    ),
  },
)
const batches = fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 12, size: 'max' })

const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
const plain = ({ node: own, peers: neighbors, routes, serviceAddresses, refusals, problems, dataplane }: Intent) => ({
  own,
  dataplane,
  serviceAddresses: sorted(serviceAddresses),
  peers: sorted(neighbors),
  routes: sorted(routes),
  refusals: sorted(refusals),
  problems,
})

test('step by step comes to the same as all at once, and the steps lead there', () => {
  fc.assert(
    fc.property(batches, flag, (history, calico) => {
      const store = new ObjectStore()
      const builder = new IntentBuilder({ node: 'a', calico })
      let before: Intent | undefined
      for (const batch of history) {
        store.apply(batch)
        const { intent, diff } = builder.next(store)
        const fresh = new IntentBuilder({ node: 'a', calico }).build(store)
        expect(plain(intent)).toEqual(plain(fresh))
        const direct = diffIntent(before, fresh)
        expect(diff.node).toEqual(direct.node)
        expect(diff.peers).toEqual(direct.peers)
        expect(byPrefix(diff.routes.announce.map(({ prefix, ...rest }) => [prefix.text, rest]))).toEqual(
          byPrefix(direct.routes.announce.map(({ prefix, ...rest }) => [prefix.text, rest])),
        )
        expect(diff.routes.withdraw.map(({ prefix }) => prefix.text).sort()).toEqual(
          direct.routes.withdraw.map(({ prefix }) => prefix.text).sort(),
        )
        before = fresh
      }
    }),
    { numRuns: 400 },
  )
})

const byPrefix = (rows: readonly (readonly [string, unknown])[]) => [...rows].sort(([a], [b]) => (a < b ? -1 : 1))

test('the order in which good objects arrive does not matter', () => {
  const key = ({ kind, metadata }: ApiObject) => `${kind} ${metadata.namespace} ${metadata.name}`
  const objects = fc.uniqueArray(object, { selector: key, maxLength: 12 })
  const shuffled = objects.chain((given) =>
    fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length })),
  )
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      const [first, second] = [one, other].map((given) => {
        const store = new ObjectStore()
        const builder = new IntentBuilder({ node: 'a' })
        for (const each of given) {
          store.apply([upsert(each)])
          builder.next(store)
        }
        return plain(builder.build(store))
      })
      expect(first).toEqual(second)
    }),
    { numRuns: 1000 },
  )
})

test('nothing the API serves makes the store throw', () => {
  const ref = fc.record({ kind: fc.constantFrom(...KINDS), namespace: fc.constantFrom('', 'shop'), name: fc.string() })
  const anything = fc.oneof(
    fc.anything(),
    fc.record({ spec: fc.anything(), metadata: fc.anything(), status: fc.anything(), endpoints: fc.anything() }),
    fc.record({
      spec: fc.dictionary(
        fc.constantFrom(
          'peerIP',
          'asNumber',
          'filters',
          'clusterIPs',
          'podCIDRs',
          'prefixAdvertisements',
          'communities',
          'maxPrefixes',
          '__proto__',
        ),
        fc.anything(),
      ),
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(ref, anything)), (given) => {
      const store = new ObjectStore()
      store.apply(given.map(([one, object]) => ({ kind: 'upsert', ref: one, object, from: undefined })))
      store.apply([upsert(node('a', { addresses: ['10.0.0.1'] }))])
      const { problems } = new IntentBuilder({ node: 'a' }).build(store)
      for (const { text } of problems) expect(text).not.toMatch(/\p{Cc}/u)
    }),
    { numRuns: 500 },
  )
})
