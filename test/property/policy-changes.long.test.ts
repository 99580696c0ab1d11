/**
 * Objects that say what is told to whom change in random batches, on an agent with so many neighbors that a change takes
 * several turns. After each batch every neighbor holds what a fresh agent with the same objects would tell it. In between
 * it is told nothing of a prefix but what it was told before or is told after: no leak, and no gap.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { context } from '../support/messages.ts'
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
import { Listener } from '../support/rib.ts'
import { type Host, World } from '../support/world.ts'

const AS = 64512
const REMOTES = { e1: 65001, e2: 65002, i1: AS, i2: AS } as const
type Remote = keyof typeof REMOTES
const NAMES = Object.keys(REMOTES) as Remote[]
const addressesOf = (name: Remote): string[] => {
  const number = NAMES.indexOf(name) + 1
  return [`10.0.0.${number}`, `fd00:10::${number}`]
}
const UPDATE = 2

// ── Objects ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type Kind = 'advertisement' | 'filter' | 'peer' | 'pool' | 'node'
/** `spec` undefined: the object is deleted. */
interface Change {
  readonly kind: Kind
  readonly name: string
  readonly spec: object | undefined
  readonly labels?: Readonly<Record<string, string>>
}

const some = <Value>(...values: readonly Value[]) => fc.constantFrom(...values)
/** Undefined as often as not. */
const perhaps = <Value>(...values: readonly Value[]) => fc.option(some(...values), { nil: undefined })
const optional = fc.option

const route = some<object>(
  { podCIDRs: true },
  { prefixes: ['198.51.100.0/24', '2001:db8:7::/48'] },
  { prefixes: ['192.0.2.0/24'] },
  { nodeAddresses: true },
  { pools: { names: ['p1'] } },
)
const advertisement: fc.Arbitrary<Change> = fc.record({
  kind: fc.constant('advertisement' as const),
  name: some('a', 'b', 'c'),
  spec: optional(
    fc.record({
      routes: fc.array(route, { minLength: 1, maxLength: 2 }),
      peers: perhaps(['e1'], ['e2'], ['i1', 'e1']),
      peerSelector: perhaps("tier == 'a'"),
      nodeSelector: perhaps("lab == 'yes'"),
      communities: perhaps(['5:5'], ['6:6']),
      med: perhaps(1, 2),
      aggregationLength: perhaps({ ipv4: 20 }),
      localPreference: perhaps(0, 200),
      prependASPath: perhaps([65100]),
    }),
    { nil: undefined, freq: 2 },
  ),
})
const rule = fc.record({
  action: some('Accept', 'Accept', 'Reject'),
  cidr: some('198.51.100.0/24', '10.245.0.0/16', '10.241.0.0/24', '0.0.0.0/0'),
  matchOperator: some('In', 'Equal', 'NotIn'),
  source: perhaps('RemotePeers'),
  peerType: perhaps('eBGP', 'iBGP'),
  communities: perhaps({ values: ['1:2'] }, { values: ['9:9'] }),
  operations: perhaps(
    [{ addCommunity: { value: '9:9' } }],
    [{ prependASPath: { prefix: [65100] } }],
    [{ setPriority: { value: 77 } }],
    [{ removeMED: true }],
    [{ addCommunity: { value: '65535:65281' } }],
  ),
})
const rules = fc
  .array(rule, { maxLength: 3 })
  .map((all) =>
    all.map(
      ({ operations, ...one }) =>
        JSON.parse(JSON.stringify(one.action === 'Accept' ? { ...one, operations } : one)) as object,
    ),
  )
const filterSpec = fc.record({ exportV4: rules, importV4: rules })
const filter: fc.Arbitrary<Change> = fc.record({
  kind: fc.constant('filter' as const),
  name: some('f1', 'f2'),
  spec: optional(filterSpec, { nil: undefined, freq: 3 }),
})
const peerSpec = fc.record({
  filters: some<string[]>([], ['f1'], ['f2'], ['f1', 'f2']),
  advertiseLearned: fc.boolean(),
  nextHopMode: perhaps('Self', 'Keep'),
  drain: perhaps(true),
  numAllowedLocalASNumbers: perhaps(1),
})
const tier = some<Record<string, string>>({}, { tier: 'a' })
const peer: fc.Arbitrary<Change> = fc.record({
  kind: fc.constant('peer' as const),
  name: some(...NAMES),
  spec: peerSpec,
  labels: tier,
})
const pool: fc.Arbitrary<Change> = fc.record({
  kind: fc.constant('pool' as const),
  name: some('p1', 'p2'),
  spec: optional(
    fc.record({
      cidr: some('10.0.0.0/8', '10.240.0.0/12', '198.51.100.0/24'),
      disableBGPExport: some(false, false, true),
    }),
    { nil: undefined, freq: 3 },
  ),
})
const labels: fc.Arbitrary<Change> = fc.record({
  kind: fc.constant('node' as const),
  name: fc.constant('dut'),
  spec: some<object>({}, {}, { cluster: '244.0.0.1' }, { cluster: '244.0.0.2' }),
  labels: some<Record<string, string>>({}, { lab: 'yes' }),
})
const batch = fc.array(
  fc.oneof({ weight: 4, arbitrary: advertisement }, { weight: 2, arbitrary: filter }, peer, pool, labels),
  { minLength: 1, maxLength: 3 },
)

function objectOf({ kind, name, spec = {}, labels: given = {} }: Change): ApiObject {
  switch (kind) {
    case 'advertisement':
      return bgpAdvertisement(name, spec)
    case 'filter':
      return bgpFilter(name, spec)
    case 'pool':
      return ipPool(name, spec)
    case 'node':
      return node(name, {
        addresses: OWN,
        podCIDRs: ['10.245.0.0/24', 'fd00:245::/64'],
        labels: given,
        ...annotationsOf(spec),
      })
    case 'peer': {
      const remote = name as Remote
      const who = { peerIP: addressesOf(remote)[0], asNumber: REMOTES[remote] }
      return bgpPeer(name, { ...who, ...spec }, { labels: given })
    }
  }
}

const annotationsOf = (spec: object) =>
  'cluster' in spec ? { annotations: { 'godwit.dev/routeReflectorClusterID': spec.cluster as string } } : {}

const OWN = ['10.0.0.9', 'fd00:10::9']
const ACCEPT = { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }
/** Neighbors that never connect, each of which takes its part of a turn when policies change. */
const silent = (count: number): ApiObject[] =>
  Array.from({ length: count }, (_, index) =>
    bgpPeer(`silent-${index}`, { peerIP: `10.9.0.${index + 1}`, asNumber: 65500, passive: true }),
  )

/** The objects that are in force, and of each peer the filters that it last had whole. */
class Cluster {
  readonly #now = new Map<string, Change>()
  readonly #good = new Map<string, readonly object[]>()

  take(changes: readonly Change[]): readonly ObjectChange[] {
    const told = changes.map((change) => this.#takeOne(change))
    for (const { kind, name, spec } of this.#now.values()) {
      if (kind !== 'peer') continue
      const specs = filtersOf(spec).map((one) => this.#now.get(`filter ${one}`)?.spec)
      if (specs.every((one) => one !== undefined)) this.#good.set(name, specs)
    }
    return told
  }

  #takeOne(change: Change): ObjectChange {
    const key = `${change.kind} ${change.name}`
    if (change.spec !== undefined) this.#now.set(key, change)
    else this.#now.delete(key)
    return change.spec === undefined ? remove(objectOf(change)) : upsert(objectOf(change))
  }

  /** A peer whose filters are missing has those that it had. */
  *inForce(): Iterable<ObjectChange> {
    for (const change of this.#now.values()) {
      if (change.kind !== 'peer') {
        yield upsert(objectOf(change))
        continue
      }
      const good = (this.#good.get(change.name) ?? []).map((spec, index) => bgpFilter(`${change.name}-${index}`, spec))
      for (const one of good) yield upsert(one)
      yield upsert(
        objectOf({ ...change, spec: { ...change.spec, filters: good.map(({ metadata }) => metadata.name) } }),
      )
    }
  }
}

const filtersOf = (spec: object | undefined): readonly string[] =>
  spec !== undefined && 'filters' in spec ? (spec.filters as string[]) : []

// ── The agent and its neighbors ──────────────────────────────────────────────────────────────────────────────────────

type Told = ReadonlyMap<string, string>

class Scene {
  readonly world = new World({ seed: 3, watch: (host, _input, effects) => this.#watch(host, effects) })
  readonly dut: Host
  readonly #listeners = new Map<Remote, Listener>()
  readonly #conns = new Map<Remote, number>()
  /** What each neighbor held after each UPDATE since `begin`. */
  #seen: { readonly name: Remote; readonly held: Told }[] = []

  constructor(changes: Iterable<ObjectChange>, neighbors: number) {
    for (const name of NAMES) this.world.add(name, addressesOf(name), [...remoteObjects(name)])
    const fixed = [bgpConfiguration({ asNumber: AS, nodeToNodeMeshEnabled: false }), ...silent(neighbors)]
    this.dut = this.world.add('dut', OWN, [...fixed.map((object) => upsert(object)), ...changes])
    this.world.pass(20_000)
  }

  #watch(host: Host, effects: readonly Effect[]): void {
    if (host.name !== 'dut') return
    for (const effect of effects) {
      if (effect.kind !== 'send' || effect.bytes[18] !== UPDATE) continue
      const name = host.ends.get(effect.conn)?.other?.station.name as Remote | undefined
      if (name === undefined) continue
      const listener = this.#listenerOf(name, effect.conn)
      listener.take(effect.bytes)
      this.#seen.push({ name, held: new Map(listener.routes) })
    }
  }

  #listenerOf(name: Remote, conn: number): Listener {
    const known = this.#listeners.get(name)
    if (known !== undefined && this.#conns.get(name) === conn) return known
    const peerType = REMOTES[name] === AS ? 'internal' : 'external'
    const { extendedNextHop: _, ...rest } = context(peerType)
    const listener = new Listener({ peerType, send: { ...rest, extendedNextHop: false } })
    this.#listeners.set(name, listener)
    this.#conns.set(name, conn)
    return listener
  }

  told(): Record<Remote, Told> {
    const of = (name: Remote): Told => new Map([...(this.#listeners.get(name)?.routes ?? [])].sort())
    return { e1: of('e1'), e2: of('e2'), i1: of('i1'), i2: of('i2') }
  }

  /** What neighbors held while the changes were carried out that is neither of before nor of after. */
  change(changes: readonly ObjectChange[]): string[] {
    const before = this.told()
    this.#seen = []
    this.world.change(this.dut, changes)
    this.world.pass(3_000)
    const after = this.told()
    return this.#seen.flatMap(({ name, held }) =>
      strays(held, before[name], after[name]).map((one) => `${name} ${one}`),
    )
  }
}

function strays(held: Told, before: Told, after: Told): string[] {
  const prefixes = new Set([...held.keys(), ...before.keys(), ...after.keys()])
  return [...prefixes].flatMap((prefix) => {
    const [now, was, is] = [held, before, after].map((all) => all.get(prefix))
    return now === was || now === is ? [] : [`${prefix}: ${was} became ${now} before ${is}`]
  })
}

function* remoteObjects(name: Remote): Iterable<ObjectChange> {
  const number = NAMES.indexOf(name) + 1
  const asNumber = REMOTES[name]
  yield upsert(node(name, { addresses: addressesOf(name), podCIDRs: [`10.24${number}.0.0/24`] }))
  yield upsert(bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }))
  yield upsert(bgpFilter('any', ACCEPT))
  yield upsert(bgpPeer('dut', { peerIP: OWN[0], asNumber: AS, filters: ['any'] }))
  yield upsert(bgpAdvertisement('all', { routes: [{ prefixes: ['10.50.0.0/16'] }], communities: ['1:2'] }))
}

// ── The property ─────────────────────────────────────────────────────────────────────────────────────────────────────

const start = fc
  .tuple(
    filterSpec,
    filterSpec,
    fc.tuple(...NAMES.map(() => fc.tuple(peerSpec, tier))),
    fc.array(advertisement, { maxLength: 2 }),
    labels,
  )
  .map(([f1, f2, peers, advertisements, own]): Change[] => [
    own,
    { kind: 'filter', name: 'f1', spec: f1 },
    { kind: 'filter', name: 'f2', spec: f2 },
    { kind: 'pool', name: 'p1', spec: { cidr: '10.0.0.0/8' } },
    ...peers.map(([spec, given], index) => ({ kind: 'peer', name: NAMES[index] ?? '', spec, labels: given }) as const),
    ...advertisements.filter(({ spec }) => spec !== undefined),
  ])
const history = fc.array(batch, { minLength: 4, maxLength: 8 })

test('a neighbor is told what the objects say, and on the way nothing else', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(start, history, fc.integer({ min: 20, max: 110 }), (first, batches, neighbors) => {
      const cluster = new Cluster()
      const scene = new Scene(cluster.take(first), neighbors)
      for (const changes of batches) {
        expect(scene.change(cluster.take(changes))).toEqual([])
        const fresh = new Scene(cluster.inForce(), 0)
        expect(scene.told()).toEqual(fresh.told())
      }
      expect(scene.dut.told('session-down')).toEqual([])
    }),
    { numRuns: Number(process.env.GODWIT_RUNS ?? 25) },
  )
})
