/**
 * Whatever an answer of the RIB rests on may change at any time: at rest, a RIB with a history says what a fresh one says
 * that saw only the end of it. Neighbors leave and return unread, reflection, decision, next hops, reachability and
 * services change, and routes of our own are there or not.
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressBytes, formatAddress } from '../../src/base/address.ts'
import type { Family } from '../../src/base/family.ts'
import { ACCEPT_ALL, REJECT_ALL } from '../../src/bgp/policy/defaults.ts'
import { within } from '../../src/bgp/policy/prefix-set.ts'
import type { Policy } from '../../src/bgp/policy/rule.ts'
import type { DecisionSettings } from '../../src/bgp/rib/decide.ts'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { Reachability, RibPeer } from '../../src/bgp/rib/types.ts'
import { encodeEndOfRib } from '../../src/bgp/wire/update-encode.ts'
import {
  announcement,
  attributes,
  Listener,
  neighbor,
  ownRoute,
  path,
  prefix,
  settle,
  withdrawal,
} from '../support/rib.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 400)

const V4 = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.9.9.9/32']
const V6 = ['2001:db8::/32', '2001:db8:1::/48', '2001:db8:9::9/128']
const PREFIXES = [...V4, ...V6]

/** The first two of each family are addresses of ours at times, the last of IPv4 those of neighbors. */
const HOPS = {
  ipv4: ['192.0.2.1', '192.0.2.2', '192.0.2.50', '192.0.2.51', '192.0.2.14', '192.0.2.15'],
  ipv6: ['2001:db8:ffff::1', '2001:db8:ffff::2', '2001:db8:ffff::50', '2001:db8:ffff::51'],
}

const policy = (name: string, over: Partial<Policy>): Policy => ({
  name,
  rules: [],
  otherwise: 'accept',
  otherwiseReason: '',
  ...over,
})
const IMPORTS: readonly Policy[] = [
  ACCEPT_ALL,
  REJECT_ALL,
  policy('prefer', {
    rules: [
      {
        name: 'lp',
        match: { prefixes: [{ prefix: prefix('10.1.0.0/16'), minLength: 16, maxLength: 32 }] },
        action: 'accept',
        operations: [{ kind: 'set-local-pref', value: 300 }],
      },
    ],
  }),
]
const EXPORTS: readonly Policy[] = [ACCEPT_ALL, REJECT_ALL, policy('another', {})]
const REFLECTIONS: readonly RibPeer['reflection'][] = [
  undefined,
  { clusterId: 1, client: false },
  { clusterId: 1, client: true },
  { clusterId: 2, client: true },
]
const DECISIONS: readonly DecisionSettings[] = [
  { paths: 1, relax: false, preferOldest: false },
  { paths: 4, relax: false, preferOldest: false },
  { paths: 4, relax: true, preferOldest: false },
  { paths: 1, relax: false, preferOldest: true },
  { paths: 4, relax: true, preferOldest: true },
]
const REACHES: readonly Reachability[] = [
  { reach: 'direct', metric: 0 },
  { reach: 'direct', metric: 9 },
  { reach: 'none', metric: 0 },
  { reach: 'learned', metric: 0 },
  { reach: 'direct', metric: 0, withoutLink: { reach: 'none', metric: 0 } },
  { reach: 'direct', metric: 0, withoutLink: { reach: 'direct', metric: 9 } },
]
const RANGES = [[], ['10.1.0.0/16'], ['10.0.0.0/8', '2001:db8:1::/48']].map((texts) => texts.map(prefix))

const PODS = [
  { own: [], lent: [] },
  { own: ['10.1.0.0/16', '2001:db8:9::/48'], lent: [] },
  { own: ['10.0.0.0/8', '2001:db8::/32'], lent: ['10.1.0.0/16', '2001:db8:9::9/128'] },
  { own: ['10.0.0.0/8', '10.1.2.0/24'], lent: ['10.1.0.0/16', '10.9.9.9/32'] },
].map(({ own, lent }) => ({ own: own.map(prefix), lent: lent.map(prefix) }))
const NODE_ADDRESSES = [[], ['10.9.9.9', '192.0.2.50'], ['2001:db8:9::9', '192.0.2.2']].map((all) =>
  all.map(addressBytes),
)

/** 1 to 3 are external, 4 to 6 internal. */
const NEIGHBORS = [1, 2, 3, 4, 5, 6].map((number) =>
  neighbor(number, { peerType: number > 3 ? 'internal' : 'external' }),
)

const KEEPS: readonly (readonly Family[])[] = [['ipv4', 'ipv6'], ['ipv4', 'ipv6'], ['ipv4'], []]

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T
const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))

type Step = readonly [kind: string, peer: number, a: number, b: number]

/** What is so, whatever was before. */
class Facts {
  readonly peers = new Map<string, RibPeer>()
  /** By neighbor and prefix: the UPDATE. */
  readonly received = new Map<string, Map<string, Uint8Array>>()
  /** By neighbor: prefixes that it has not announced again since it was lost. */
  readonly stale = new Map<string, Set<string>>()
  /** Neighbors that had long-lived stale routes. */
  readonly longLived = new Set<string>()
  /** Neighbors that are down, and whose routes are kept. */
  readonly lost = new Set<string>()
  readonly own = new Set<string>()
  readonly reach = new Map<string, Reachability>()
  decision = at(DECISIONS, 0)
  ranges = at(RANGES, 0)
  pods = at(PODS, 0)
  nodeAddresses = at(NODE_ADDRESSES, 0)
  readonly served = new Set<string>()

  judge = (nextHop: Uint8Array): Reachability =>
    this.reach.get(formatAddress(nextHop, 0, nextHop.length === 4 ? 4 : 16)) ?? at(REACHES, 0)
}

/** A RIB as the engine runs it, with those who read from it. */
class Scene {
  readonly rib: Rib
  readonly facts: Facts
  readonly listeners = new Map<string, Listener>()
  /** What a kernel that follows would hold. */
  readonly kernel = new Map<string, unknown>()

  constructor(facts: Facts, logLimit: number) {
    this.facts = facts
    this.rib = new Rib({ logLimit })
    this.rib.trackForKernel()
  }

  join(peer: RibPeer, keep: readonly Family[] = []): void {
    this.rib.addPeer(peer, keep)
    this.listeners.set(peer.name, new Listener(peer))
  }

  receive(name: string, update: Uint8Array): void {
    expect(this.rib.receive(name, update, 0, update.length, 0).error).toBeUndefined()
  }

  advance(budget: number): void {
    this.rib.resolveNextHops(this.facts.judge, [])
    this.rib.advance(budget, 0)
  }

  takeBest(limit: number): void {
    for (const { prefix, learned } of this.rib.takeBest(limit)) {
      if (learned === undefined) this.kernel.delete(prefix.text)
      else this.kernel.set(prefix.text, learned)
    }
  }

  settle(): void {
    do {
      this.rib.resolveNextHops(this.facts.judge, [])
      settle(this.rib, 3)
      for (const [name, listener] of this.listeners) listener.drain(this.rib, name)
    } while (this.rib.busy)
    this.takeBest(1000)
  }

  /** All it says at rest. Which of equal next hops is the first of those that share is decision's. */
  says() {
    const neighbors = [...this.listeners].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      told: neighbors.map(([name, { routes }]) => [name, sorted(routes)]),
      counts: neighbors.map(([name]) =>
        (['ipv4', 'ipv6'] as const).map((family) => {
          const { received, accepted, preferred, advertised } = this.rib.counts(name, family)
          return [name, family, received, accepted, preferred, advertised]
        }),
      ),
      kernel: sorted(this.kernel),
      rows: this.#rows(false),
      filtered: this.#rows(true),
    }
  }

  #rows(filtered: boolean): string[] {
    return this.rib
      .page({ filtered }, undefined, 1000)
      .rows.map(({ since, exportedTo, ...row }) => JSON.stringify({ ...row, exportedTo: [...exportedTo].sort() }))
      .sort()
  }
}

class History {
  readonly facts = new Facts()
  readonly scene: Scene

  constructor(logLimit: number) {
    this.scene = new Scene(this.facts, logLimit)
  }

  step([kind, number, a, b]: Step): void {
    const { facts, scene } = this
    const configured = at(NEIGHBORS, number)
    const up = facts.peers.get(configured.name)
    switch (kind) {
      case 'up':
        if (up === undefined) this.#up(shaped(configured, a, b))
        return
      case 'down':
        if (up !== undefined) this.#down(up)
        return
      case 'lose':
        if (up !== undefined) this.#lose(up, at(KEEPS, a))
        return
      case 'return':
        if (up === undefined) this.#return(shaped(configured, a, b), at(KEEPS, b))
        return
      case 'long-lived':
        // Long-lived stale routes are other routes: what was told with LLGR_STALE is checked by their end (RFC 9494).
        if (!facts.lost.has(configured.name)) return
        scene.rib.beginLongLived(configured.name, ['ipv4', 'ipv6'])
        facts.longLived.add(configured.name)
        return
      case 'drop':
        this.dropStale(configured.name)
        return
      case 'end-of-rib':
        if (up !== undefined) this.#endOfRib(up, a % 2 === 0 ? 'ipv4' : 'ipv6')
        return
      case 'bounce':
        if (up !== undefined) this.#down(up)
        this.#up(shaped(configured, a, b))
        return
      case 'announce':
        if (up !== undefined) this.#announce(up, a, b)
        return
      case 'withdraw':
        if (up === undefined) return
        scene.receive(up.name, withdrawal([at(PREFIXES, a)]))
        facts.received.get(up.name)?.delete(at(PREFIXES, a))
        facts.stale.get(up.name)?.delete(at(PREFIXES, a))
        return
      case 'change':
        if (up !== undefined) this.#change(shaped(configured, a, b))
        return
      case 'own':
        facts.own.add(at(PREFIXES, a))
        scene.rib.originate([ownRoute(at(PREFIXES, a))], 0)
        return
      case 'disown':
        facts.own.delete(at(PREFIXES, a))
        scene.rib.withdraw([prefix(at(PREFIXES, a))])
        return
      case 'decision':
        this.decide(at(DECISIONS, a))
        return
      case 'reach':
        facts.reach.set(at([...HOPS.ipv4, ...HOPS.ipv6], a), at(REACHES, b))
        scene.rib.resolveNextHops(facts.judge, 'all')
        return
      case 'ranges':
        facts.ranges = at(RANGES, a)
        scene.rib.setServiceRanges(facts.ranges.map((range) => within(range)))
        return
      case 'pods':
        facts.pods = at(PODS, a)
        scene.rib.setOwnPods(facts.pods)
        return
      case 'node':
        facts.nodeAddresses = at(NODE_ADDRESSES, a)
        scene.rib.setNodeAddresses(facts.nodeAddresses)
        return
      case 'served':
        this.#serve(at(['10.9.9.9/32', '2001:db8:9::9/128'], a))
        return
      case 'advance':
        scene.advance(1 + (a % 3))
        return
      case 'best':
        scene.takeBest(1 + (a % 3))
        return
      case 'refresh':
        if (up !== undefined) scene.rib.refreshOut(up.name, a % 2 === 0 ? 'ipv4' : 'ipv6', b % 2 === 0)
        return
      case 'pull': {
        const told = up && scene.rib.pull(up.name, a % 2 === 0 ? 1 : 65_536)
        if (up !== undefined && told !== undefined) scene.listeners.get(up.name)?.take(told.bytes)
      }
    }
  }

  decide(settings: DecisionSettings): void {
    this.facts.decision = settings
    this.scene.rib.setDecision(settings)
  }

  /** One that has seen nothing but the end. */
  fresh(): Scene {
    const { facts } = this
    const scene = new Scene(facts, 1 << 20)
    scene.rib.setDecision(facts.decision)
    scene.rib.setServiceRanges(facts.ranges.map((range) => within(range)))
    scene.rib.setOwnPods(facts.pods)
    scene.rib.setNodeAddresses(facts.nodeAddresses)
    scene.rib.setServiceAddresses([...facts.served].map(prefix), [])
    for (const peer of facts.peers.values()) scene.join(peer)
    scene.rib.originate(
      [...facts.own].map((text) => ownRoute(text)),
      0,
    )
    for (const [name, updates] of facts.received) for (const update of updates.values()) scene.receive(name, update)
    return scene
  }

  #up(peer: RibPeer): void {
    if (this.facts.lost.has(peer.name)) return
    this.facts.peers.set(peer.name, peer)
    this.facts.received.set(peer.name, new Map())
    this.facts.stale.set(peer.name, new Set())
    this.scene.join(peer)
  }

  #forget(name: string, gone: (text: string) => boolean): void {
    for (const text of this.facts.received.get(name)?.keys() ?? []) {
      if (!gone(text)) continue
      this.facts.received.get(name)?.delete(text)
      this.facts.stale.get(name)?.delete(text)
    }
  }

  #lose({ name }: RibPeer, keep: readonly Family[]): void {
    const { facts, scene } = this
    const before = facts.stale.get(name)
    this.#forget(name, (text) => before?.has(text) === true || !keep.includes(prefix(text).family))
    facts.stale.set(name, new Set(facts.received.get(name)?.keys()))
    facts.peers.delete(name)
    facts.lost.add(name)
    scene.rib.losePeer(name, keep)
    scene.listeners.delete(name)
  }

  #return(peer: RibPeer, keep: readonly Family[]): void {
    const { facts, scene } = this
    if (!facts.lost.delete(peer.name)) return
    this.#forget(peer.name, (text) => !keep.includes(prefix(text).family))
    facts.peers.set(peer.name, peer)
    scene.join(peer, keep)
  }

  dropStale(name: string): void {
    const { facts, scene } = this
    if (facts.lost.delete(name)) facts.received.delete(name)
    else this.#forget(name, (text) => facts.stale.get(name)?.has(text) === true)
    scene.rib.dropStale(name)
  }

  #endOfRib({ name }: RibPeer, family: Family): void {
    const { stale } = this.facts
    this.#forget(name, (text) => stale.get(name)?.has(text) === true && prefix(text).family === family)
    this.scene.receive(name, encodeEndOfRib(family))
  }

  #down({ name }: RibPeer): void {
    this.facts.peers.delete(name)
    this.facts.received.delete(name)
    this.scene.rib.removePeer(name)
    this.scene.listeners.delete(name)
  }

  #change(peer: RibPeer): void {
    this.facts.peers.set(peer.name, peer)
    this.scene.rib.setPeer(peer)
  }

  #announce(peer: RibPeer, a: number, b: number): void {
    const text = at(PREFIXES, a)
    const head = peer.peerType === 'external' ? [peer.remoteAs] : []
    const localPref = peer.peerType === 'internal' ? 100 : undefined
    const carried = [
      attributes({ ...path(...head, 70_000), localPref }),
      attributes({ ...path(...head, 70_000), localPref, med: 5 }),
      attributes({ ...path(...head, 70_001), localPref }),
      attributes({ ...path(...head, 65_000), localPref }),
      attributes({
        ...path(...head, 70_000),
        localPref,
        ...(localPref && { clusterList: [2], originatorId: 0x0a00_0063 }),
      }),
    ]
    const update = announcement([text], at(carried, b), at(HOPS[prefix(text).family], b >> 3))
    this.scene.receive(peer.name, update)
    this.facts.received.get(peer.name)?.set(text, update)
    this.facts.stale.get(peer.name)?.delete(text)
  }

  #serve(text: string): void {
    const { served } = this.facts
    if (served.delete(text)) this.scene.rib.setServiceAddresses([], [prefix(text)])
    else {
      served.add(text)
      this.scene.rib.setServiceAddresses([prefix(text)], [])
    }
  }
}

/** A neighbor as objects may have it: policies, next hops, reflection, loops allowed. */
function shaped(peer: RibPeer, a: number, b: number): RibPeer {
  const reflection = peer.peerType === 'internal' ? at(REFLECTIONS, a >> 2) : undefined
  return {
    ...peer,
    importPolicy: at(IMPORTS, a >> 4),
    exportPolicy: at(EXPORTS, a >> 5),
    nextHops: {
      ipv4: addressBytes(at(HOPS.ipv4, b % 3 === 0 ? 1 : 0)),
      ...(b % 5 !== 0 && { ipv6: addressBytes(at(HOPS.ipv6, b % 7 === 0 ? 1 : 0)) }),
    },
    ...(b % 4 === 0 && { allowedOwnAs: 1 }),
    ...(b % 6 < 2 && { lacksLink: true }),
    ...(reflection !== undefined && { reflection }),
  }
}

type Weights = Readonly<Record<string, number>>

/** `peers`, `most`: the highest neighbor and the highest first value. */
const stepsOf = (weights: Weights, peers = 5, most = 255): fc.Arbitrary<Step[]> => {
  const kinds = Object.entries(weights).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))
  return fc.array(fc.tuple(fc.oneof(...kinds), fc.nat(peers), fc.nat(most), fc.nat(255)), {
    maxLength: 120,
    size: 'max',
  })
}

const SETTINGS: Weights = { decision: 1, reach: 2, ranges: 1, served: 1, pods: 1, node: 1 }
const CHANGES: Weights = { ...SETTINGS, change: 4, advance: 6, best: 1, announce: 8 }
const anyHistory = fc.oneof(
  stepsOf({ ...CHANGES, up: 3, down: 1, bounce: 1, withdraw: 2, pull: 4, refresh: 1, own: 1, disown: 1 }),
  stepsOf({ ...CHANGES, up: 3, down: 1, bounce: 1, withdraw: 2, pull: 4, refresh: 1 }),
  stepsOf({ ...CHANGES, up: 3, down: 2, bounce: 2, withdraw: 2 }),
  stepsOf({
    ...CHANGES,
    up: 3,
    down: 1,
    withdraw: 2,
    pull: 4,
    lose: 3,
    return: 4,
    drop: 1,
    'end-of-rib': 2,
    'long-lived': 2,
  }),
  // One neighbor with two prefixes: what follows one thing after the other is all of it about the same paths.
  stepsOf(
    { change: 1, advance: 3, announce: 8, withdraw: 1, up: 1, lose: 3, return: 6, 'end-of-rib': 1, 'long-lived': 4 },
    0,
    1,
  ),
)

test('at rest a RIB says what a fresh one says, and nothing is left when all is gone', () => {
  const property = fc.property(anyHistory, fc.constantFrom(600, 1 << 20), (steps, logLimit) => {
    const history = new History(logLimit)
    for (const step of steps) history.step(step)
    // RFC 5004 keeps what was there first: two histories may differ for good. Switched off, they do not.
    if (history.facts.decision.preferOldest) history.decide({ ...history.facts.decision, preferOldest: false })
    // Routes of neighbors that are back compete as equals, stale or not (RFC 4724 §4.2).
    for (const name of history.facts.lost) history.dropStale(name)
    for (const name of history.facts.longLived) history.dropStale(name)
    history.scene.settle()
    const fresh = history.fresh()
    fresh.settle()
    expect(history.scene.says()).toEqual(fresh.says())
    for (const listener of history.scene.listeners.values()) expect(listener.needless).toBe(0)
    history.scene.rib.withdraw(PREFIXES.map(prefix))
    for (const name of [...history.facts.peers.keys()]) history.step(['down', Number(name.slice(-1)) - 1, 0, 0])
    history.scene.settle()
    expect(history.scene.rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
    expect(history.scene.kernel.size).toBe(0)
  })
  fc.assert(property, { numRuns: RUNS })
})
