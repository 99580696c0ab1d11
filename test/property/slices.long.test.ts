/**
 * The RIB works in slices, and everything may come in between: neighbors announce and withdraw, crash and return, filters,
 * pools and neighbors change, and change again before the work of the change before is done. Once all neighbors are there, an
 * agent holds, tells and writes into its kernel what an agent does that starts with the same objects.
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { Engine } from '../../src/engine/engine.ts'
import { FakeKernel } from '../support/fake-kernel.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  ipPool,
  node,
  remove,
  upsert,
} from '../support/objects.ts'
import { differences } from '../support/town-picture.ts'
import { type Host, World } from '../support/world.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 25)

const AS = 64512
/** Two of them are in one AS, one sends and takes several paths. */
const REMOTES = { e1: 65001, e2: 65001, e3: 65003, i1: AS, i2: AS } as const
type Remote = keyof typeof REMOTES
const NAMES = Object.keys(REMOTES) as Remote[]
const OWN = ['10.0.0.9', 'fd00:10::9']
const addressesOf = (name: Remote): string[] => {
  const number = NAMES.indexOf(name) + 1
  return [`10.0.0.${number}`, `fd00:10::${number}`]
}
const ALL = { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }

// ── The work is slow ─────────────────────────────────────────────────────────────────────────────────────────────────

const SLICE = 3

/** A turn does little of the work of a RIB, and the next turn is a millisecond later: what is on its way comes in between. */
beforeEach(() => {
  const { advance } = Rib.prototype
  vi.spyOn(Rib.prototype, 'advance').mockImplementation(function (this: Rib, budget, now) {
    advance.call(this, Math.min(budget, SLICE), now)
  })
  const { deadline } = Engine.prototype
  vi.spyOn(Engine.prototype, 'deadline').mockImplementation(function (this: Engine) {
    const due = deadline.call(this)
    return due === undefined ? undefined : due + 1
  })
})
afterEach(() => {
  vi.restoreAllMocks()
})

// ── Objects ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const some = <Value>(...values: readonly Value[]) => fc.constantFrom(...values)

interface Told {
  readonly first: number
  readonly count: number
  readonly communities: readonly string[] | undefined
  readonly med: number | undefined
  readonly prependASPath: readonly number[] | undefined
}

const bare = <Value extends object>(value: Value): Value => JSON.parse(JSON.stringify(value)) as Value

/** Both families, of which neighbors announce the same. */
function routesOf(which: string, { first, count, ...rest }: Told): ApiObject {
  const numbers = Array.from({ length: count }, (_, index) => (first + index) % 40)
  const prefixes = numbers.flatMap((number) => [
    `10.50.${number}.0/24`,
    ...(number % 3 === 0 ? [`2001:db8:${number + 1}::/48`] : []),
  ])
  return bgpAdvertisement(which, bare({ routes: [{ prefixes }], ...rest }))
}

const told: fc.Arbitrary<Told> = fc.record({
  first: fc.nat(39),
  count: some(1, 10, 25, 40),
  communities: some(undefined, undefined, ['1:2'], ['65535:65281'], ['65535:65282'], ['65535:7'], ['1:2', '1:2:3']),
  med: some(undefined, 1, 2),
  prependASPath: some(undefined, undefined, [65100], [AS], [65100, 65200]),
})
const FIRST: Told = { first: 0, count: 12, communities: undefined, med: undefined, prependASPath: undefined }

const rule = fc
  .record({
    action: some('Accept', 'Accept', 'Reject'),
    cidr: some('10.50.0.0/16', '10.50.0.0/20', '10.50.16.0/20', '10.50.3.0/24', '0.0.0.0/0'),
    matchOperator: some('In', 'NotIn'),
    source: some(undefined, 'RemotePeers'),
    communities: some(undefined, undefined, { values: ['1:2'] }),
    operations: some(
      undefined,
      [{ addCommunity: { value: '1:2' } }],
      [{ setPriority: { value: 77 } }],
      [{ prependASPath: { prefix: [65100] } }],
      [{ addCommunity: { value: '65535:65281' } }],
    ),
  })
  .map(({ operations, ...one }) => bare(one.action === 'Accept' ? { ...one, operations } : one))
const rules = fc.array(rule, { maxLength: 2 })
const filterSpec = fc.record({ exportV4: rules, importV4: rules })
type FilterSpec = typeof filterSpec extends fc.Arbitrary<infer Value> ? Value : never

const peerSpec = fc
  .record({
    filters: some(['all'], ['all'], ['f1', 'all'], ['f2'], ['f1', 'f2', 'all'], undefined),
    advertiseLearned: some(true, true, undefined),
    nextHopMode: some(undefined, 'Self', 'Keep', 'Auto'),
    drain: some(undefined, undefined, true),
    numAllowedLocalASNumbers: some(undefined, 1),
    maxPrefixes: some(undefined, undefined, undefined, { ipv4: { limit: 20, restartMinutes: 1 } }),
    longLivedStaleTime: some(undefined, '300s'),
    maxRestartTime: some(undefined, '20s', '0s'),
    addPath: some(undefined, undefined, { receive: ['ipv4'], send: ['ipv4', 'ipv6'] }),
    extendedNextHop: some(undefined, undefined, true),
    localASNumber: some(undefined, undefined, undefined, 64999),
  })
  .map(bare)
type PeerSpec = typeof peerSpec extends fc.Arbitrary<infer Value> ? Value : never
const PLAIN: PeerSpec = { filters: ['all'], advertiseLearned: true } as unknown as PeerSpec

const peerOf = (name: Remote, spec: object): ApiObject =>
  bgpPeer(name, {
    peerIP: addressesOf(name)[0],
    asNumber: REMOTES[name],
    nextHopMode: undefined,
    ...(REMOTES[name] === AS ? { ...spec, localASNumber: undefined } : spec),
  })

const twinOf = (name: Remote): ApiObject =>
  bgpPeer(`${name}-twin`, {
    peerIP: addressesOf(name)[1],
    asNumber: REMOTES[name],
    filters: ['all'],
    advertiseLearned: true,
  })
const configOf = (spec: object): ApiObject => bgpConfiguration({ asNumber: AS, nodeToNodeMeshEnabled: false, ...spec })
const ownNode = (reflects: boolean): ApiObject =>
  node('dut', {
    addresses: OWN,
    podCIDRs: ['10.245.0.0/24', 'fd00:245::/64'],
    ...(reflects && { annotations: { 'godwit.dev/routeReflectorClusterID': '244.0.0.1' } }),
  })

const CONFIGS: readonly object[] = [
  {},
  { multipath: { paths: 4 } },
  { multipath: { paths: 4, relax: false } },
  { multipath: { paths: 1 } },
  { recursiveNextHops: true },
  { serviceExternalIPs: [{ cidr: '10.50.8.0/21' }] },
]
const POOLS: readonly (object | undefined)[] = [undefined, { cidr: '10.50.0.0/16' }, { cidr: '10.50.0.0/19' }]
const OWN_ROUTES: readonly (readonly string[] | undefined)[] = [
  undefined,
  ['10.50.3.0/24'],
  ['10.50.4.0/24', '10.50.5.0/24', '2001:db8:4::/48'],
]

// ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────────────

const kind = <Kind extends string, Rest extends object>(
  name: Kind,
  rest: { [Key in keyof Rest]: fc.Arbitrary<Rest[Key]> },
) => fc.record({ kind: fc.constant(name), ...rest }) as unknown as fc.Arbitrary<{ kind: Kind } & Rest>
const remote = some(...NAMES)
const COMMANDS = ['disable', 'enable', 'drain', 'undrain', 'restart', 'reload in', 'reload out', 'reload']
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: kind('routes', { name: remote, which: some('a', 'b'), told: fc.option(told, { nil: undefined }) }),
  },
  {
    weight: 3,
    arbitrary: kind('filter', { name: some('f1', 'f2'), spec: fc.option(filterSpec, { nil: undefined, freq: 3 }) }),
  },
  { weight: 4, arbitrary: kind('peer', { name: remote, spec: peerSpec }) },
  { weight: 2, arbitrary: kind('crash', { name: remote, how: some('process' as const, 'power' as const) }) },
  { weight: 3, arbitrary: kind('start', { name: remote }) },
  { weight: 1, arbitrary: kind('agent', {}) },
  { weight: 2, arbitrary: kind('command', { name: remote, words: some(...COMMANDS) }) },
  { weight: 1, arbitrary: kind('pool', { spec: some(...POOLS) }) },
  { weight: 1, arbitrary: kind('config', { spec: some(...CONFIGS) }) },
  { weight: 1, arbitrary: kind('own', { prefixes: some(...OWN_ROUTES) }) },
  { weight: 1, arbitrary: kind('reflects', { reflects: fc.boolean() }) },
  { weight: 1, arbitrary: kind('foreign', { number: fc.nat(39), isThere: fc.boolean() }) },
  { weight: 1, arbitrary: kind('way', { name: remote, how: some('detour' as const, 'nowhere' as const, undefined) }) },
  { weight: 1, arbitrary: kind('flush', { number: fc.nat(39) }) },
  { weight: 1, arbitrary: kind('carrier', { isUp: fc.boolean() }) },
  { weight: 1, arbitrary: kind('twin', { name: remote, isThere: fc.boolean() }) },
  { weight: 10, arbitrary: kind('pass', { millis: some(0, 1, 2, 3, 5, 10, 500, 30_000, 130_000) }) },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

/** What is so, whatever was before. */
class Facts {
  readonly routes = new Map<Remote, Map<string, Told>>(NAMES.map((name) => [name, new Map([['a', FIRST]])]))
  readonly peers = new Map<Remote, PeerSpec>(NAMES.map((name) => [name, PLAIN]))
  /** The last specification of each, also of one that is deleted. */
  readonly filters = new Map<string, FilterSpec>([
    ['f1', { exportV4: [], importV4: [] }],
    ['f2', { exportV4: [], importV4: [] }],
  ])
  pool: object | undefined = undefined
  config: object = {}
  own: readonly string[] | undefined = undefined
  readonly foreign = new Set<number>()
  /** Other programs' routes to the address of a neighbor. */
  readonly ways = new Map<Remote, 'detour' | 'nowhere'>()
  /** With these there is a session over IPv6 too. */
  readonly twins = new Set<Remote>()
  reflects = false;

  *objects(): Iterable<ApiObject> {
    yield ownNode(this.reflects)
    yield configOf(this.config)
    yield bgpFilter('all', ALL)
    for (const [name, spec] of this.filters) yield bgpFilter(name, spec)
    if (this.pool !== undefined) yield ipPool('pool', this.pool)
    if (this.own !== undefined) yield bgpAdvertisement('own', { routes: [{ prefixes: this.own }, { podCIDRs: true }] })
    for (const [name, spec] of this.peers) yield peerOf(name, spec)
    for (const name of this.twins) yield twinOf(name)
  }
}

class Scene {
  readonly world: World
  readonly facts: Facts
  readonly #kernel: FakeKernel
  readonly #remotes = new Map<Remote, Host>()
  #dut!: Host

  constructor(facts: Facts) {
    this.facts = facts
    this.world = new World({
      seed: 5,
      watch: (host, _, effects) => {
        for (const effect of host.name === 'dut' ? effects : [])
          if (effect.kind === 'routes' || effect.kind === 'nft') this.#kernel.perform(effect)
      },
    })
    this.#kernel = new FakeKernel({
      feed: (input) => this.world.feed(this.#dut, input),
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    this.#kernel.addLink('eth0', ...OWN.map((address) => `${address}/${address.includes(':') ? 64 : 24}`))
    for (const name of NAMES) this.#start(name)
    for (const number of facts.foreign) this.#kernel.addForeign(`10.50.${number}.0/24`, '10.0.0.200')
    for (const [name, how] of [...facts.ways]) this.#setWay(name, how)
    this.#dut = this.#startAgent()
    this.world.pass(20_000)
  }

  #startAgent(): Host {
    const changes = [...this.facts.objects()].map((object) => upsert(object))
    this.#dut = this.world.add('dut', OWN, undefined, { dataplane: 'linux' })
    this.#kernel.open()
    this.world.change(this.#dut, changes)
    this.world.feed(this.#dut, { kind: 'synced' })
    return this.#dut
  }

  *#remoteObjects(name: Remote): Iterable<ObjectChange> {
    const asNumber = REMOTES[name]
    yield upsert(node(name, { addresses: addressesOf(name), podCIDRs: [`10.24${NAMES.indexOf(name)}.0.0/24`] }))
    yield upsert(bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false, multipath: { paths: 1 } }))
    yield upsert(bgpFilter('all', ALL))
    const isExternal = asNumber !== AS
    yield upsert(
      bgpPeer('dut', {
        peerIP: OWN[0],
        remoteAS: isExternal ? 'external' : 'internal',
        filters: ['all'],
        maxRestartTime: '60s',
        longLivedStaleTime: '300s',
        extendedNextHop: true,
        addPath: { receive: ['ipv4', 'ipv6'], send: ['ipv4'] },
      }),
    )
    yield upsert(
      bgpPeer('dut-twin', { peerIP: OWN[1], remoteAS: isExternal ? 'external' : 'internal', filters: ['all'] }),
    )
    for (const [which, told] of this.facts.routes.get(name) ?? []) yield upsert(routesOf(which, told))
  }

  #start(name: Remote): void {
    if (!this.#remotes.has(name))
      this.#remotes.set(name, this.world.add(name, addressesOf(name), [...this.#remoteObjects(name)]))
  }

  step(one: Step): void {
    const { facts, world } = this
    switch (one.kind) {
      case 'routes':
        this.#tell(one.name, one.which, one.told)
        return
      case 'filter':
        if (one.spec === undefined) world.change(this.#dut, [remove(bgpFilter(one.name, {}))])
        else {
          facts.filters.set(one.name, one.spec)
          world.change(this.#dut, [upsert(bgpFilter(one.name, one.spec))])
        }
        return
      case 'peer':
        this.#want(one.name, one.spec)
        return
      case 'crash': {
        const host = this.#remotes.get(one.name)
        if (host !== undefined) world.crash(host, one.how)
        this.#remotes.delete(one.name)
        return
      }
      case 'start':
        this.#start(one.name)
        return
      case 'agent':
        world.crash(this.#dut)
        // What it has asked of the kernel is done, or not, when the next one reads.
        world.pass(2)
        this.#startAgent()
        return
      case 'command':
        world.ask(this.#dut, `${one.words} ${one.name}`)
        return
      case 'pool':
        facts.pool = one.spec
        world.change(this.#dut, [
          one.spec === undefined ? remove(ipPool('pool', {})) : upsert(ipPool('pool', one.spec)),
        ])
        return
      case 'config':
        facts.config = one.spec
        world.change(this.#dut, [upsert(configOf(one.spec))])
        return
      case 'own': {
        facts.own = one.prefixes
        const object = bgpAdvertisement('own', { routes: [{ prefixes: one.prefixes ?? [] }, { podCIDRs: true }] })
        world.change(this.#dut, [one.prefixes === undefined ? remove(object) : upsert(object)])
        return
      }
      case 'reflects':
        facts.reflects = one.reflects
        world.change(this.#dut, [upsert(ownNode(one.reflects))])
        return
      case 'foreign':
        if (one.isThere === facts.foreign.has(one.number)) return
        if (one.isThere) this.#kernel.addForeign(`10.50.${one.number}.0/24`, '10.0.0.200')
        else this.#kernel.remove(`10.50.${one.number}.0/24`, 4)
        if (one.isThere) facts.foreign.add(one.number)
        else facts.foreign.delete(one.number)
        return
      case 'way':
        this.#setWay(one.name, one.how)
        return
      case 'flush':
        this.#kernel.remove(`10.50.${one.number}.0/24`, 171)
        return
      case 'carrier':
        this.#kernel.setCarrier('eth0', one.isUp)
        return
      case 'twin':
        if (one.isThere) facts.twins.add(one.name)
        else facts.twins.delete(one.name)
        world.change(this.#dut, [one.isThere ? upsert(twinOf(one.name)) : remove(twinOf(one.name))])
        return
      case 'pass':
        world.pass(one.millis)
    }
  }

  #setWay(name: Remote, how: 'detour' | 'nowhere' | undefined): void {
    const host = `${addressesOf(name)[0]}/32`
    this.#kernel.remove(host, 4)
    this.facts.ways.delete(name)
    if (how === undefined) return
    this.facts.ways.set(name, how)
    if (how === 'detour') this.#kernel.addForeign(host, '10.0.0.200')
    else this.#kernel.addOther(host, undefined, 'unreachable', 0)
  }

  #tell(name: Remote, which: string, what: Told | undefined): void {
    const routes = this.facts.routes.get(name)
    if (what === undefined) routes?.delete(which)
    else routes?.set(which, what)
    const host = this.#remotes.get(name)
    const object = routesOf(which, what ?? FIRST)
    if (host !== undefined) this.world.change(host, [what === undefined ? remove(object) : upsert(object)])
  }

  #want(name: Remote, spec: PeerSpec): void {
    this.facts.peers.set(name, spec)
    this.world.change(this.#dut, [upsert(peerOf(name, spec))])
  }

  /** All are there, and nothing is asked by hand. */
  end(): void {
    this.#kernel.setCarrier('eth0', true)
    for (const [name, spec] of this.facts.filters) this.world.change(this.#dut, [upsert(bgpFilter(name, spec))])
    for (const name of NAMES) {
      this.#start(name)
      this.world.ask(this.#dut, `enable ${name}`)
      this.world.ask(this.#dut, `undrain ${name}`)
      this.#want(name, { ...(this.facts.peers.get(name) ?? PLAIN), maxPrefixes: undefined } as PeerSpec)
    }
    this.world.pass(400_000)
  }

  /** One line for each thing that is so. Which of several paths a neighbor prefers may depend on their IDs. */
  says(): readonly string[] {
    const rows = (host: Host, words: string): string[] =>
      this.world
        .askJson<Row[]>(host, words)
        .map(({ age: _age, since: _since, exportedTo, best, reason, ...row }) =>
          JSON.stringify(host === this.#dut ? { ...row, best, reason, exportedTo: [...exportedTo].sort() } : row),
        )
        .map((text) => `${host.name} ${words} ${text}`)
    return [
      ...rows(this.#dut, 'show route'),
      ...rows(this.#dut, 'show route filtered'),
      ...NAMES.flatMap((name) => rows(this.#remotes.get(name) as Host, 'show route')),
      ...this.#kernel.own.map((text) => `kernel ${text}`),
    ]
  }
}

interface Row {
  readonly age: number
  readonly since: string
  readonly exportedTo: readonly string[]
  readonly best: boolean
  readonly reason: string
}

test('once all neighbors are there, nothing tells what came in between', { timeout: 900_000 }, () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 8, maxLength: 50, size: 'max' }), (steps) => {
      const scene = new Scene(new Facts())
      for (const one of steps) scene.step(one)
      scene.end()
      expect(differences(new Scene(scene.facts).says(), scene.says())).toEqual([])
    }),
    { numRuns: RUNS },
  )
})
