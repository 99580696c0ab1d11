/**
 * Objects come, go, are wrong for a while and are mended, other programs change the kernel, the agent is killed and starts again,
 * in any order and with any pause: at rest an agent tells its neighbors, and writes into its kernel, what an agent does that
 * starts with the same objects and the same kernel.
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { parseObject } from '../../src/cluster/parse/object.ts'
import { FakeKernel } from '../support/fake-kernel.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  pod,
  remove,
  replace,
  secret,
  service,
  upsert,
} from '../support/objects.ts'
import {
  type Disturbance,
  disturbances,
  effectOf,
  lastRoutes,
  OtherPrograms,
  POD_LINK,
} from '../support/other-programs.ts'
import { type Host, World } from '../support/world.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 60)

const CALICO = 'crd.projectcalico.org/v1'
const ofCalico = (kind: ApiObject['kind'], name: string, spec: object): ApiObject => ({
  apiVersion: CALICO,
  kind,
  metadata: { name },
  spec,
})
const bare = (value: object): object => JSON.parse(JSON.stringify(value)) as object

const OWN = '10.0.0.11'
/** The Node of the agent: what of it may change while it runs. */
const own = fc
  .record({
    rack: fc.constantFrom('1', '2', undefined),
    pods: fc.constantFrom(['10.244.1.0/24', 'fd00:244:1::/64'], ['10.244.1.0/24'], []),
    excluded: fc.boolean(),
    asNumber: fc.constantFrom(undefined, undefined, '64600'),
    calicoctl: fc.constantFrom(undefined, '{"zone":"x"}', 'no JSON'),
  })
  .map(({ rack, pods, excluded, asNumber, calicoctl }) =>
    node('here', {
      addresses: [OWN, 'fd00:10::11'],
      podCIDRs: pods,
      labels: {
        ...(rack !== undefined && { rack }),
        ...(excluded && { 'node.kubernetes.io/exclude-from-external-load-balancers': 'false' }),
      },
      annotations: {
        ...(asNumber !== undefined && { 'godwit.dev/asNumber': asNumber }),
        ...(calicoctl !== undefined && { 'projectcalico.org/labels': calicoctl }),
      },
    }),
  )
/** The routers are nodes to the agent at times: with `peerSelector`, and in the mesh. */
const others = fc
  .record({ last: fc.constantFrom(1, 2), zone: fc.constantFrom('x', 'y'), reflects: fc.boolean() })
  .map(({ last, zone, reflects }) =>
    node(`tor-${last}`, {
      addresses: [`10.0.0.${last}`],
      podCIDRs: [`10.244.10${last}.0/24`],
      labels: { zone },
      annotations: {
        'godwit.dev/asNumber': `${65000 + last}`,
        ...(reflects && { 'godwit.dev/routeReflectorClusterID': '244.0.0.1' }),
      },
    }),
  )
const configurations = fc
  .record({
    mesh: fc.boolean(),
    aggregation: fc.constantFrom('Enabled', 'Disabled', 'enabled'),
    cluster: fc.constantFrom(
      [{ cidr: '10.96.0.0/16' }],
      [{ cidr: '10.96.0.1/32' }, { cidr: 'fd00:96::/112' }],
      undefined,
    ),
    balancer: fc.constantFrom([{ cidr: '192.0.2.0/24' }], [{ cidr: '192.0.2.1/32' }], [{ cidr: 'none' }]),
    alias: fc.constantFrom('gold', 'silver', '64512:3'),
    source: fc.constantFrom(undefined, undefined, 'Node', 'CalicoIPAM'),
    routes: fc.constantFrom(undefined, undefined, 'Direct'),
    optIn: fc.constantFrom(undefined, undefined, true),
    filters: fc.constantFrom(undefined, undefined, ['f']),
  })
  .map(({ mesh, aggregation, cluster, balancer, alias, source, routes, optIn, filters }) =>
    bgpConfiguration(
      bare({
        nodeToNodeMeshEnabled: mesh,
        serviceClusterIPs: cluster,
        serviceLoadBalancerIPs: balancer,
        serviceExternalIPs: [{ cidr: '198.51.100.0/24' }],
        serviceLoadBalancerAggregation: aggregation,
        communities: [{ name: 'gold', value: '64512:9' }],
        prefixAdvertisements: [{ cidr: '192.0.2.0/24', communities: [alias] }],
        podCIDRSource: source,
        nodeRoutes: routes,
        serviceOptIn: optIn,
        nodeMeshFilters: filters,
      }),
    ),
  )
const ofNode = fc
  .record({ alias: fc.constantFrom('gold', 'silver', 7), port: fc.constantFrom(undefined, 1790, 'x') })
  .map(({ alias, port }) =>
    bgpConfiguration(
      bare({ listenPort: port, prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: [alias] }] }),
      'node.here',
    ),
  )
const peers = fc
  .record({
    name: fc.constantFrom('one', 'two', 'both'),
    to: fc.constantFrom<object>(
      { peerIP: '10.0.0.1', asNumber: 65001 },
      { peerIP: '10.0.0.2', asNumber: 65002 },
      { peerIP: '10.0.0.2', asNumber: 65002 },
      { peerIP: '10.0.0.300', asNumber: 65002 },
      { peerSelector: "zone == 'x'" },
      { peerSelector: 'zone = x' },
    ),
    at: fc.constantFrom<object>(
      {},
      {},
      { node: 'here' },
      { nodeSelector: "rack == '1'" },
      { nodeSelector: "zone == 'x'" },
    ),
    filters: fc.constantFrom(undefined, undefined, ['f'], ['f', 'g']),
    nextHopMode: fc.constantFrom(undefined, undefined, 'Self', 'Keep'),
    learned: fc.constantFrom(undefined, true),
    password: fc.constantFrom(undefined, undefined, undefined, { secretKeyRef: { name: 'bgp', key: 'a' } }),
    drain: fc.constantFrom(undefined, undefined, true),
    localASNumber: fc.constantFrom(undefined, undefined, undefined, 64999),
  })
  .map(({ name, to, at, learned, ...rest }) =>
    bgpPeer(name, bare({ ...to, ...at, ...rest, advertiseLearned: learned }), { labels: { kind: name } }),
  )
const RULES = [
  { action: 'Reject', cidr: '10.244.0.0/16', matchOperator: 'In' },
  { action: 'Accept', cidr: '192.0.2.0/24', matchOperator: 'In', operations: [{ addCommunity: { value: '1:2' } }] },
  { action: 'Accept', source: 'RemotePeers', operations: [{ prependASPath: { prefix: [65100] } }] },
  { action: 'Accept', peerType: 'eBGP', operations: [{ setPriority: { value: 7 } }] },
  { action: 'Perhaps' },
]
const filters = fc
  .record({
    name: fc.constantFrom('f', 'g'),
    exportV4: fc.subarray(RULES, { maxLength: 2 }),
    importV4: fc.constantFrom(undefined, [{ action: 'Accept', operations: [{ setPriority: { value: 100 } }] }]),
  })
  .map(({ name, ...spec }) => bgpFilter(name, bare(spec)))
const advertisements = fc
  .record({
    name: fc.constantFrom('a', 'b'),
    nodeSelector: fc.constantFrom(undefined, "rack == '1'"),
    routes: fc.subarray(
      [
        { podCIDRs: true },
        { services: { kinds: ['LoadBalancerIP'] } },
        { services: { namespaces: ['shop'], selector: "tier == 'gold'" } },
        { serviceRanges: {} },
        { prefixes: ['203.0.113.0/24'] },
        { prefixes: ['10.244.0.0/20'] },
        { nodeAddresses: true },
        { pods: { selector: "app == 'dns'" } },
        { pools: { names: ['p'] } },
      ],
      { minLength: 1, maxLength: 3 },
    ),
    peers: fc.constantFrom(undefined, undefined, ['one'], ['none']),
    peerSelector: fc.constantFrom(undefined, undefined, "kind == 'two'"),
    communities: fc.constantFrom(undefined, ['64512:1'], ['gold'], ['brass']),
    med: fc.constantFrom(undefined, 5, -1),
    aggregationLength: fc.constantFrom(undefined, { ipv4: 20 }, { ipv4: 28 }),
  })
  .map(({ name, ...spec }) => bgpAdvertisement(name, bare(spec)))
const pools = fc
  .record({
    name: fc.constantFrom('p', 'q'),
    cidr: fc.constantFrom('10.244.0.0/16', '10.244.0.0/20', '10.244.1.0/24', 'x'),
    disableBGPExport: fc.boolean(),
    allowedUses: fc.constantFrom(undefined, ['Workload'], ['LoadBalancer']),
    natOutgoing: fc.boolean(),
  })
  .map(({ name, ...spec }) => ipPool(name, bare(spec)))
const address = fc.constantFrom('192.0.2.1', '192.0.2.2', '198.51.100.1')
const services = fc
  .record({
    name: fc.constantFrom('shop/web', 'shop/api', 'lab/web'),
    clusterIPs: fc.constantFrom(['10.96.0.1'], ['10.96.0.2', 'fd00:96::2'], ['None'], []),
    externalIPs: fc.uniqueArray(address, { maxLength: 2 }),
    loadBalancerIPs: fc.uniqueArray(address, { maxLength: 2 }),
    externalTrafficPolicy: fc.constantFrom('Local' as const, 'Cluster' as const),
    internalTrafficPolicy: fc.constantFrom('Local' as const, 'Cluster' as const),
    type: fc.constantFrom('ClusterIP' as const, 'LoadBalancer' as const),
    tier: fc.constantFrom('gold', 'tin'),
    advertise: fc.constantFrom(undefined, undefined, 'true', 'false', 'maybe'),
    ipMode: fc.constantFrom(undefined, undefined, 'Proxy' as const),
  })
  .map(({ name, tier, advertise, ipMode, ...options }) => {
    const made = service(name, { ...options, ...(ipMode && { ipMode }) })
    const labels = { tier, ...(advertise !== undefined && { 'godwit.dev/advertise': advertise }) }
    return { ...made, metadata: { ...made.metadata, labels } }
  })
const slices = fc
  .record({
    name: fc.constantFrom('shop/x', 'shop/y', 'lab/x'),
    of: fc.constantFrom('web', 'api'),
    type: fc.constantFrom('IPv4' as const, 'IPv6' as const),
    endpoints: fc.array(
      fc.record({
        node: fc.constantFrom('here', 'tor-1'),
        ready: fc.option(fc.boolean()),
        serving: fc.option(fc.boolean()),
        terminating: fc.option(fc.boolean()),
      }),
      { maxLength: 2 },
    ),
  })
  .map(({ name, of, type, endpoints }) => endpointSlice(`${name.split('/')[0]}/${of}`, type, endpoints, name))
const pods = fc
  .record({
    name: fc.constantFrom('infra/a', 'infra/b'),
    app: fc.constantFrom('dns', 'web'),
    on: fc.constantFrom('here', 'tor-1'),
    ready: fc.boolean(),
    terminating: fc.boolean(),
    hostNetwork: fc.constantFrom(false, false, true),
    // One may have an address of a service.
    addresses: fc.constantFrom(['10.244.1.9'], ['10.244.9.9'], ['198.51.100.1']),
  })
  .map(({ name, app, on, ...options }) => pod(name, { labels: { app }, node: on, ...options }))
const affinities = fc
  .record({
    at: fc.constantFrom(1, 2),
    of: fc.constantFrom('here', 'here', 'tor-1'),
    state: fc.constantFrom('confirmed', 'confirmed', 'pending', ''),
    deleted: fc.constantFrom('false', 'false', 'true'),
  })
  .map(({ at, of, ...rest }) => ofCalico('BlockAffinity', `b${at}`, { cidr: `10.245.${at}.0/26`, node: of, ...rest }))
const blocks = fc
  .record({
    at: fc.constantFrom(1, 2),
    affinity: fc.constantFrom('host:here', 'host:tor-1', undefined),
    of: fc.constantFrom('here', 'tor-1'),
    ordinal: fc.constantFrom(0, 5, 63),
    releasedAt: fc.constantFrom(undefined, undefined, '2026-01-01T00:00:00Z'),
  })
  .map(({ at, affinity, of, ordinal, releasedAt }) =>
    ofCalico(
      'IPAMBlock',
      `b${at}`,
      bare({
        cidr: `10.245.${at}.0/26`,
        affinity,
        allocations: [...Array<null>(ordinal).fill(null), 0],
        attributes: [{ secondary: { node: of, pod: 'p' }, releasedAt }],
      }),
    ),
  )
const felix = fc
  .record({
    programClusterRoutes: fc.constantFrom(undefined, 'Enabled', 'Disabled', 'EnabledIPIPOnly', 'x'),
    natOutgoingExclusions: fc.constantFrom(undefined, 'IPPoolsAndHostIPs'),
    serviceLoopPrevention: fc.constantFrom(undefined, 'Reject'),
  })
  .map((spec) => ofCalico('FelixConfiguration', 'default', bare(spec)))
const SECRET: ApiObject = { ...secret('godwit/bgp', {}), keys: { a: { version: 1 } } }
const secrets = fc.constantFrom(SECRET, { ...SECRET, keys: { a: { version: 2, error: 'is empty' } } })

const object = fc.oneof(
  own,
  others,
  configurations,
  configurations,
  ofNode,
  peers,
  peers,
  peers,
  filters,
  advertisements,
  advertisements,
  pools,
  services,
  services,
  slices,
  slices,
  pods,
  affinities,
  blocks,
  felix,
  secrets,
)
const keyOf = ({ kind, metadata }: ApiObject): string => `${kind} ${metadata.namespace ?? ''} ${metadata.name}`

type Step =
  | { readonly kind: 'put' | 'remove'; readonly objects: readonly ApiObject[] }
  | { readonly kind: 'list'; readonly objects: readonly ApiObject[] }
  | { readonly kind: 'pause'; readonly millis: number }
  /** After so long a time. `forgets`: its run directory is empty. */
  | { readonly kind: 'restart'; readonly millis: number; readonly forgets: boolean }
  | { readonly kind: 'disturb'; readonly by: readonly Disturbance[] }
const several = fc.uniqueArray(object, { selector: keyOf, minLength: 1, maxLength: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: several.map((objects): Step => ({ kind: 'put', objects })) },
  { weight: 3, arbitrary: several.map((objects): Step => ({ kind: 'remove', objects })) },
  { weight: 1, arbitrary: several.map((objects): Step => ({ kind: 'list', objects })) },
  {
    weight: 1,
    arbitrary: fc
      .record({ millis: fc.constantFrom(10, 5_000, 60_000), forgets: fc.boolean() })
      .map((one): Step => ({ kind: 'restart', ...one })),
  },
  {
    weight: 3,
    arbitrary: fc.array(disturbances, { minLength: 1, maxLength: 3 }).map((by): Step => ({ kind: 'disturb', by })),
  },
  { weight: 3, arbitrary: fc.constantFrom(10, 900, 20_000).map((millis): Step => ({ kind: 'pause', millis })) },
)
const isGood = (one: ApiObject): boolean =>
  parseObject({ kind: one.kind, namespace: one.metadata.namespace ?? '', name: one.metadata.name }, one).value !==
  undefined

/** Where Felix is to write the routes to pods, a route of ours stays until Felix's is there. */
const leavesToFelix = ({ kind, spec }: ApiObject): boolean =>
  kind === 'FelixConfiguration' && (spec as Record<string, unknown>).programClusterRoutes === 'Enabled'

const histories = fc.record({
  before: fc.array(step, { maxLength: 12, size: 'max' }),
  // What is wrong at the end has a last good version, which a fresh start does not know.
  end: fc.uniqueArray(
    object.filter((one) => isGood(one) && one.kind !== 'Secret' && !leavesToFelix(one)),
    { selector: keyOf, minLength: 4, maxLength: 18, size: 'max' },
  ),
  calico: fc.boolean(),
  /** Beside what is told, routes and blackholes in the kernel are compared. */
  kernel: fc.boolean(),
  /** Routes of other programs that are there in the end. */
  others: lastRoutes,
  /** In which the last changes come. */
  order: fc.nat(),
})

const LAST_WORD = [
  'Node',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'BGPAdvertisement',
  'IPPool',
  'Service',
  'EndpointSlice',
  'Pod',
  'Secret',
  'FelixConfiguration',
  'BlockAffinity',
  'IPAMBlock',
] as const

const HERE = node('here', { addresses: [OWN, 'fd00:10::11'], podCIDRs: ['10.244.1.0/24'], labels: { rack: '1' } })

/** A router that takes everything, and tells two networks. */
function router(world: World, last: number): Host {
  const objects = [
    node(`r${last}`, { addresses: [`10.0.0.${last}`, `fd00:10::${last}`], podCIDRs: [`10.200.${last}.0/24`] }),
    bgpConfiguration({ asNumber: 65000 + last, nodeToNodeMeshEnabled: false }),
    bgpFilter('all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }),
    bgpPeer('any', { peerRange: '10.0.0.0/24', remoteAS: 'external', filters: ['all'] }),
  ]
  return world.add(
    `r${last}`,
    [`10.0.0.${last}`, `fd00:10::${last}`],
    objects.map((one) => upsert(one)),
  )
}

interface Seen {
  readonly [what: string]: unknown
}

class Scene {
  readonly world: World
  host: Host
  readonly #options: Parameters<World['add']>[3]
  /** What was put, and not removed. */
  readonly #there = new Map<string, ApiObject>()
  readonly #kernel: FakeKernel | undefined
  readonly #others: OtherPrograms | undefined

  /** `others`: routes of other programs that are there from the start. */
  constructor(objects: readonly ApiObject[], calico: boolean, hasKernel: boolean, others: readonly number[]) {
    this.world = new World({
      watch: (host, _, effects) => {
        for (const effect of host.name === 'here' ? effects : [])
          if (effect.kind === 'routes' || effect.kind === 'nft') this.#kernel?.perform(effect)
      },
    })
    router(this.world, 1)
    router(this.world, 2)
    this.#options = { calico, namespace: 'godwit', ...(hasKernel && { dataplane: 'linux' as const }) }
    if (hasKernel) {
      this.#kernel = this.#makeKernel()
      this.#others = new OtherPrograms(this.#kernel, `${OWN}/24`)
      this.#others.settle(others)
    }
    this.host = this.#start(objects)
  }

  #makeKernel(): FakeKernel {
    const kernel = new FakeKernel({
      feed: (input) => this.world.feed(this.host, input),
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    kernel.addLink('eth0', `${OWN}/24`, 'fd00:10::11/64')
    kernel.addLink(POD_LINK)
    return kernel
  }

  #start(objects: readonly ApiObject[]): Host {
    this.host = this.world.add('here', [OWN, 'fd00:10::11'], undefined, this.#options)
    this.#kernel?.open()
    this.world.change(
      this.host,
      LAST_WORD.map((kind) =>
        replace(
          kind,
          objects.filter((one) => one.kind === kind),
        ),
      ),
    )
    this.world.feed(this.host, { kind: 'synced' })
    return this.host
  }

  /** The agent is killed. What was under way in the kernel ends without it. */
  #restart({ millis, forgets }: Extract<Step, { kind: 'restart' }>): void {
    this.world.crash(this.host)
    if (forgets) this.world.forget('here')
    this.world.pass(millis)
    this.#start([...new Map([HERE, ...this.#there.values()].map((one) => [keyOf(one), one])).values()])
  }

  take(one: Step): void {
    if (one.kind === 'pause') this.world.pass(one.millis)
    else if (one.kind === 'restart') this.#restart(one)
    else if (one.kind === 'disturb') for (const by of one.by) this.#others?.take(by)
    else this.#change(one)
  }

  #change(one: Extract<Step, { readonly objects: readonly ApiObject[] }>): void {
    const objects = one.objects.filter(
      ({ kind, metadata }) => one.kind === 'put' || kind !== 'Node' || metadata.name !== 'here',
    )
    const listed = new Set<ApiObject['kind']>(
      one.kind === 'list' ? objects.map(({ kind }) => kind).filter((kind) => kind !== 'Node') : [],
    )
    for (const [key, { kind }] of this.#there) if (listed.has(kind)) this.#there.delete(key)
    for (const object of objects)
      if (one.kind === 'remove') this.#there.delete(keyOf(object))
      else if (one.kind === 'put' || listed.has(object.kind)) this.#there.set(keyOf(object), object)
    const ofKind = (kind: ApiObject['kind']) => objects.filter((object) => object.kind === kind)
    if (one.kind === 'list')
      this.world.change(
        this.host,
        [...listed].map((kind) => replace(kind, ofKind(kind))),
      )
    else
      this.world.change(
        this.host,
        objects.map((object) => (one.kind === 'put' ? upsert(object) : remove(object))),
      )
  }

  /** These and no others are there in the end: one after the other. */
  end(objects: readonly ApiObject[], order: number, others: readonly number[]): void {
    this.#others?.settle(others)
    const wanted = new Set(objects.map(keyOf))
    const gone = [...this.#there.values()].filter((one) => !wanted.has(keyOf(one))).map(remove)
    const chance = new Chance(order)
    const inOrder = [...gone, ...objects.map((one) => upsert(one))].map((one) => [chance.next(), one] as const)
    for (const [, change] of inOrder.sort(([a], [b]) => a - b)) this.world.change(this.host, [change])
  }

  /** A long answer takes several turns. */
  #ask(host: Host, line: string): string {
    const client = this.world.look(host, true)
    this.world.take(host, client)
    const said = () => host.clients.get(client)?.text ?? ''
    const greeting = said().length
    this.world.feed(host, { kind: 'command', client, line })
    for (let turn = 0; turn < 1_000 && !/^\d{4} .*\n$/m.test(said().slice(greeting)); turn++) {
      this.world.take(host, client)
      this.world.pass(1)
    }
    const answer = said().slice(greeting)
    this.world.leave(host, client)
    return answer
  }

  /** Everything at rest. */
  seen(): Seen {
    this.world.pass(400_000)
    const ask = (host: Host, line: string): unknown => {
      // Of several prefixes with one fault, the kernel names the one that had it first.
      const answer = this.#ask(host, `json ${line}`).replace(/\S+ and (\d+ more has no route)/g, 'one and $1')
      const whole = answer.replace(/^(?:\d{4}[- ]| )/gm, '')
      // Behind the problems stands how many there are.
      const text = /^\{.*\}\n/.exec(whole)?.[0] ?? whole
      // Where nothing is found, the reason stands in place of it.
      return /^[[{]/.test(text) && /[\]}]\s*$/.test(text) ? stripped(JSON.parse(text)) : text
    }
    const names = (ask(this.host, 'show protocols') as { name: string; state: string }[]).map(({ name }) => name).sort()
    return {
      protocols: ask(this.host, 'show summary'),
      routes: ask(this.host, 'show route'),
      told: names.map((name) => [name, ask(this.host, `show route export ${name}`)]),
      heard: ['r1', 'r2'].map((name) => ask(this.world.hosts.get(name) as Host, 'show route all')),
      services: ask(this.host, 'show services'),
      kernel: this.#kernel?.own,
      rules: effectOf(this.#kernel?.table),
      status: ask(this.host, 'configure check'),
    }
  }
}

/** Without what tells only of the time, rows in an order of their own. */
function stripped(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(stripped)
    const isRows = items.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one))
    return isRows ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items
  }
  if (typeof value !== 'object' || value === null) return value
  const { age: _age, since: _since, stateSeconds: _seconds, ...rest } = value as Record<string, unknown>
  const sets = Object.entries(rest).map(([key, one]) => [
    key,
    key === 'exportedTo' ? [...(one as string[])].sort() : one,
  ])
  return Object.fromEntries(sets.map(([key, one]) => [key, stripped(one)]))
}

/** A session whose filter or Secret goes keeps the last good one, while one that starts is held: at the end all are there. */
function whole(end: readonly ApiObject[]): readonly ApiObject[] {
  const there = new Set(end.map(keyOf))
  return [...[HERE, bgpFilter('f', {}), bgpFilter('g', {}), SECRET].filter((one) => !there.has(keyOf(one))), ...end]
}

const leavesNothing = fc.property(histories, ({ before, end, calico, kernel, others, order }) => {
  const objects = whole(end)
  const lived = new Scene([HERE], calico, kernel, [])
  for (const one of before) lived.take(one)
  lived.end(objects, order, others)
  const fresh = new Scene(objects, calico, kernel, others)
  expect(lived.seen()).toEqual(fresh.seen())
})

const PEER = bgpPeer('one', { peerIP: '10.0.0.1', asNumber: 65001 })
const CLUSTER = bgpConfiguration({ serviceExternalIPs: [{ cidr: '198.51.100.0/24' }] })
const SHARED = service('shop/web', {
  clusterIPs: ['10.96.0.1'],
  externalIPs: ['198.51.100.1'],
  externalTrafficPolicy: 'Local',
})
const covering = (ipv4: number | undefined) =>
  bgpAdvertisement('a', bare({ routes: [{ podCIDRs: true }], aggregationLength: ipv4 && { ipv4 } }))
const put = (...objects: readonly ApiObject[]): readonly Step[] => [
  { kind: 'put', objects },
  { kind: 'pause', millis: 20_000 },
]
/** Two claims on one prefix, of which one goes: chance seldom finds that. */
const SHARES: readonly (readonly [before: readonly Step[], end: readonly ApiObject[]])[] = [
  [
    put(covering(20)),
    [
      PEER,
      CLUSTER,
      covering(undefined),
      bgpAdvertisement('b', { routes: [{ prefixes: ['10.244.0.0/20'] }] }),
      ipPool('p', { cidr: '10.244.0.0/16' }),
    ],
  ],
  [
    put(PEER, CLUSTER, SHARED),
    [
      PEER,
      CLUSTER,
      endpointSlice('shop/web', 'IPv4', [{ node: 'here', ready: true }], 'shop/x'),
      bgpAdvertisement('a', { routes: [{ pods: {} }] }),
      pod('infra/a', { node: 'here', addresses: ['198.51.100.1'], ready: true }),
    ],
  ],
]

test('a history leaves nothing behind but its end', () => {
  const shares = SHARES.flatMap(([before, end]) =>
    [0, 1, 2, 3].map((order) => ({
      before: [...put(...end), ...before],
      end: [...end],
      calico: false,
      kernel: true,
      others: [],
      order,
    })),
  )
  fc.assert(leavesNothing, { numRuns: RUNS, examples: shares.map((one) => [one]) })
})
