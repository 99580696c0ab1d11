/**
 * Neighbors crash and return, as the agent does, send more routes than they may, are disabled, drained and held, and their objects change while
 * they are away: once all are there and nothing is asked by hand any more, an agent holds and tells what an agent does that
 * starts with the same objects.
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  node,
  upsert,
} from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 40)

const AS = 64512
const REMOTES = { e1: 65001, e2: 65002, i1: AS } as const
type Remote = keyof typeof REMOTES
const NAMES = Object.keys(REMOTES) as Remote[]
const OWN = ['10.0.0.9', 'fd00:10::9']
const addressesOf = (name: Remote): string[] => {
  const number = NAMES.indexOf(name) + 1
  return [`10.0.0.${number}`, `fd00:10::${number}`]
}

// ── Objects ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const FILTERS = [
  bgpFilter('any', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }),
  bgpFilter('none', { importV4: [{ action: 'Reject' }], importV6: [{ action: 'Reject' }] }),
  bgpFilter('mark', {
    importV4: [{ action: 'Accept', operations: [{ addCommunity: { value: '9:9' } }] }],
    exportV4: [{ action: 'Accept', operations: [{ prependASPath: { prefix: [65100] } }] }],
  }),
]

/** What an object says of a neighbor. */
interface Wanted {
  readonly filters: readonly string[]
  readonly limit: number | undefined
  readonly longLived: string | undefined
  readonly restart: string | undefined
  readonly drain: boolean
}

const PLAIN: Wanted = { filters: ['any'], limit: undefined, longLived: undefined, restart: undefined, drain: false }

function peerOf(name: Remote, { filters, limit, longLived, restart, drain }: Wanted): ApiObject {
  return bgpPeer(name, {
    peerIP: addressesOf(name)[0],
    asNumber: REMOTES[name],
    filters,
    advertiseLearned: true,
    drain,
    ...(limit !== undefined && { maxPrefixes: { ipv4: { limit, restartMinutes: 1 } } }),
    ...(longLived !== undefined && { longLivedStaleTime: longLived }),
    ...(restart !== undefined && { maxRestartTime: restart }),
  })
}

const routesOf = (count: number): ApiObject =>
  bgpAdvertisement('routes', {
    routes: [
      { prefixes: Array.from({ length: count }, (_, index) => `10.50.${index}.0/24`).concat('2001:db8:5::/48') },
    ],
  })

function* remoteObjects(name: Remote, routes: number): Iterable<ObjectChange> {
  const asNumber = REMOTES[name]
  yield upsert(node(name, { addresses: addressesOf(name), podCIDRs: [`10.24${NAMES.indexOf(name)}.0.0/24`] }))
  yield upsert(bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }))
  for (const filter of FILTERS) yield upsert(filter)
  yield upsert(
    bgpPeer('dut', {
      peerIP: OWN[0],
      asNumber: AS,
      filters: ['any'],
      maxRestartTime: '60s',
      longLivedStaleTime: '300s',
    }),
  )
  yield upsert(routesOf(routes))
}

// ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────────────

const remote = fc.constantFrom(...NAMES)
const some = <Value>(...values: readonly Value[]) => fc.constantFrom(...values)
const wanted: fc.Arbitrary<Wanted> = fc.record({
  filters: some<string[]>(['any'], ['any'], ['none'], ['mark']),
  limit: some(undefined, undefined, 3, 6, 100),
  longLived: some(undefined, '300s'),
  restart: some(undefined, '20s', '0s'),
  drain: some(false, false, true),
})
const COMMANDS = ['disable', 'enable', 'drain', 'undrain', 'restart', 'reload in', 'reload out', 'reload']
const step = fc.oneof(
  fc.record({ kind: fc.constant('crash' as const), name: remote, how: some('process' as const, 'power' as const) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('start' as const), name: remote }) },
  fc.record({ kind: fc.constant('agent' as const), how: some('process' as const, 'power' as const) }),
  fc.record({ kind: fc.constant('routes' as const), name: remote, count: some(1, 3, 5, 8) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('peer' as const), name: remote, wanted }) },
  fc.record({ kind: fc.constant('command' as const), name: remote, words: some(...COMMANDS) }),
  fc.record({ kind: fc.constant('node' as const), words: some('leave', 'leave cancel', 'leave cancel') }),
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), millis: some(10, 500, 5_000, 30_000, 130_000) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

class Scene {
  readonly world = new World({ seed: 5 })
  dut: Host
  readonly remotes = new Map<Remote, Host>()
  readonly routes = new Map<Remote, number>(NAMES.map((name) => [name, 3]))
  readonly wanted = new Map<Remote, Wanted>(NAMES.map((name) => [name, PLAIN]))

  constructor(routes?: ReadonlyMap<Remote, number>, peers?: ReadonlyMap<Remote, Wanted>) {
    for (const name of NAMES) {
      this.routes.set(name, routes?.get(name) ?? 3)
      this.wanted.set(name, peers?.get(name) ?? PLAIN)
      this.start(name)
    }
    this.dut = this.#startAgent()
    this.world.pass(20_000)
  }

  #startAgent(): Host {
    const own = node('dut', { addresses: OWN, podCIDRs: ['10.245.0.0/24', 'fd00:245::/64'] })
    const objects = [own, bgpConfiguration({ asNumber: AS, nodeToNodeMeshEnabled: false }), ...FILTERS]
    const wants = NAMES.map((name) => peerOf(name, this.wanted.get(name) ?? PLAIN))
    const changes = [...objects, ...wants].map((object) => upsert(object))
    return this.world.add('dut', OWN, changes)
  }

  start(name: Remote): void {
    if (this.remotes.has(name)) return
    const host = this.world.add(name, addressesOf(name), [...remoteObjects(name, this.routes.get(name) ?? 3)])
    this.remotes.set(name, host)
  }

  step(one: Step): void {
    switch (one.kind) {
      case 'crash': {
        const host = this.remotes.get(one.name)
        if (host !== undefined) this.world.crash(host, one.how)
        this.remotes.delete(one.name)
        return
      }
      case 'start':
        this.start(one.name)
        return
      case 'agent':
        this.world.crash(this.dut, one.how)
        this.dut = this.#startAgent()
        return
      case 'routes': {
        this.routes.set(one.name, one.count)
        const host = this.remotes.get(one.name)
        if (host !== undefined) this.world.change(host, [upsert(routesOf(one.count))])
        return
      }
      case 'peer':
        this.want(one.name, one.wanted)
        return
      case 'command': {
        const [verb, ...rest] = one.words.split(' ')
        this.world.ask(this.dut, [verb, ...rest, one.name].join(' '))
        return
      }
      case 'node':
        this.world.ask(this.dut, one.words)
        return
      case 'pass':
        this.world.pass(one.millis)
    }
  }

  want(name: Remote, what: Wanted): void {
    this.wanted.set(name, what)
    this.world.change(this.dut, [upsert(peerOf(name, what))])
  }

  /** All are there, and nothing is asked by hand. */
  end(): void {
    this.world.ask(this.dut, 'leave cancel')
    for (const name of NAMES) {
      this.start(name)
      this.world.ask(this.dut, `enable ${name}`)
      this.world.ask(this.dut, `undrain ${name}`)
      this.want(name, { ...(this.wanted.get(name) ?? PLAIN), limit: undefined })
    }
    this.world.pass(400_000)
  }

  says() {
    const rows = (host: Host): string[] =>
      this.world
        .askJson<{ readonly exportedTo: readonly string[] }[]>(host, 'show route')
        .map((row) => JSON.stringify({ ...row, age: 0, since: '', exportedTo: [...row.exportedTo].sort() }))
        .sort()
    return [this.dut, ...NAMES.map((name) => this.remotes.get(name) as Host)].map((host) => [host.name, rows(host)])
  }
}

test('once all neighbors are there, nothing tells that they were away', { timeout: 600_000 }, () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), (steps) => {
      const scene = new Scene()
      for (const one of steps) scene.step(one)
      scene.end()
      expect(scene.says()).toEqual(new Scene(scene.routes, new Map([...scene.wanted])).says())
    }),
    { numRuns: RUNS },
  )
})
