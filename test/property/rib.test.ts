/**
 * The RIB against the plain model, over anything that may happen in any order.
 * GODWIT_CASES sets how many decisions are tried, GODWIT_RUNS how many histories.
 */
import fc from 'fast-check'
import { expect, describe as group, test } from 'vitest'
import { ACCEPT_ALL, REJECT_ALL } from '../../src/bgp/policy/defaults.ts'
import type { Policy, Rule } from '../../src/bgp/policy/rule.ts'
import { AdjIn } from '../../src/bgp/rib/adj-in.ts'
import { Decision } from '../../src/bgp/rib/decide.ts'
import { ORIGINATED, Peers } from '../../src/bgp/rib/peers.ts'
import { PrefixTable } from '../../src/bgp/rib/prefix-table.ts'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../src/bgp/rib/types.ts'
import { AttributeTable } from '../../src/bgp/route/attribute-table.ts'
import { KNOWN_KEY } from '../../src/bgp/route/hash.ts'
import { NextHopTable } from '../../src/bgp/route/next-hop-table.ts'
import { encodeAttributes, type PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { context } from '../support/messages.ts'
import {
  announcement,
  attributes,
  Listener,
  neighbor,
  originatedRoute,
  path,
  prefix,
  settle,
  withdrawal,
} from '../support/rib.ts'
import { bestOf, type ModelPath, RibModel } from '../support/rib-model.ts'

const CASES = Number(process.env.GODWIT_CASES ?? 20_000)
const RUNS = Number(process.env.GODWIT_RUNS ?? 400)
/** A million of them take a while. */
const SLOW = 120_000 + CASES * 2

group('decision', () => {
  const peers = new Peers()
  const neighbors = [1, 2, 3, 4, 5, 6].map((number) => {
    const peerType = number > 4 ? 'internal' : 'external'
    // Two of them with the same router ID, so that the address decides.
    return neighbor(number, { peerType, remoteRouterId: 0x0a000000 + (number % 5) })
  })
  const slots = neighbors.map((peer) => peers.add(peer).index)

  const anyPath = fc.record({
    from: fc.nat(6),
    localPref: fc.constantFrom(undefined, 50, 100, 200),
    asns: fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 }),
    set: fc.boolean(),
    origin: fc.constantFrom('IGP', 'EGP', 'Incomplete') as fc.Arbitrary<PathAttributes['origin']>,
    med: fc.constantFrom(undefined, 0, 1, 2),
    originatorId: fc.constantFrom(undefined, 0x0a000001, 0x0a000009),
    clusters: fc.nat(2),
  })

  test(
    '[58–61] the winner is the naive one, in every order of arrival',
    () => {
      const property = fc.property(
        fc.uniqueArray(anyPath, { selector: ({ from }) => from, maxLength: 6 }),
        fc.nat(),
        (all, turn) => {
          const model = all.map((one): ModelPath => {
            const own = one.from === 0
            const segments = path(...one.asns).asPath
            const carried = attributes({
              origin: own ? 'IGP' : one.origin,
              localPref: own ? undefined : one.localPref,
              med: own ? undefined : one.med,
              asPath: own ? [] : one.set ? [...segments, { kind: 'set', asns: [7, 8] }] : segments,
              originatorId: own ? undefined : one.originatorId,
              clusterList: own ? [] : Array.from({ length: one.clusters }, (_, index) => index + 1),
            })
            return { peer: own ? undefined : neighbors[one.from - 1], nextHop: undefined, attributes: carried }
          })
          const shift = all.length === 0 ? 0 : turn % all.length
          for (const order of [all, [...all].reverse(), [...all.slice(shift), ...all.slice(0, shift)]]) {
            const table = new AttributeTable(KNOWN_KEY)
            const prefixes: PrefixTable = new PrefixTable('ipv4', KNOWN_KEY, (capacity) => paths.grow(capacity))
            const nextHops = new NextHopTable(KNOWN_KEY)
            const paths = new AdjIn(prefixes, table, nextHops)
            const at = prefixes.insert(prefix('10.0.0.0/8').bytes, 0, 8)
            const ids = new Map<number, ModelPath>()
            for (const one of order) {
              const expected = model[all.indexOf(one)] as ModelPath
              const id = paths.add(at, one.from === 0 ? ORIGINATED : (slots[one.from - 1] as number), 0)
              const block = table.intern(encodeAttributes(expected.attributes))
              paths.set(id, block, block, 0, 0)
              ids.set(id, expected)
            }
            const decision = new Decision(paths, table, nextHops, peers)
            const best = decision.best(paths.first[at] ?? 0)
            expect(ids.get(best)).toBe(bestOf(model))
            const explained = decision.explain(paths.first[at] ?? 0)
            expect(explained.best).toBe(best)
            expect(explained.lostAt.size).toBe(Math.max(0, all.length - 1))
          }
        },
      )
      fc.assert(property, { numRuns: CASES })
    },
    SLOW,
  )
})

const PREFIXES = [
  ...[
    '10.0.0.0/8',
    '10.1.0.0/16',
    '10.1.2.0/24',
    '10.1.2.3/32',
    '0.0.0.0/0',
    '2001:db8::/32',
    '2001:db8:1::/48',
    '::/0',
  ],
  ...Array.from({ length: 12 }, (_, index) => `10.${index}.${index}.0/24`),
]

const rule = (name: string, over: Partial<Rule>): Rule => ({
  name,
  match: {},
  action: 'accept',
  operations: [],
  ...over,
})
const inside = (text: string, longest: number) => [{ prefix: prefix(text), minLength: 0, maxLength: longest }]
const policy = (name: string, ...rules: Rule[]): Policy => ({ name, rules, otherwise: 'accept', otherwiseReason: '' })

const POLICIES: readonly Policy[] = [
  ACCEPT_ALL,
  REJECT_ALL,
  policy('no 10.1', rule('deny', { match: { prefixes: inside('10.1.0.0/16', 32) }, action: 'reject' })),
  policy(
    'edits',
    rule('mark', { action: 'next', operations: [{ kind: 'add-community', community: [65000, 1] }] }),
    rule('med', { match: { prefixes: inside('10.0.0.0/8', 32) }, operations: [{ kind: 'set-med', value: 7 }] }),
  ),
  policy(
    'prefer',
    rule('lp', { match: { communities: [[65000, 2]] }, operations: [{ kind: 'set-local-pref', value: 300 }] }),
  ),
]

/** Neighbors 1 to 3 are external and alike, 1 and 2 even in the same AS, 4 is an old one with short messages, 5 and 6 are internal. */
const NEIGHBORS: readonly RibPeer[] = [1, 2, 3, 4, 5, 6].map((number) => {
  const peerType = number > 4 ? 'internal' : 'external'
  const over = number === 2 ? { remoteAs: 65_001 } : {}
  return neighbor(number, { ...over, peerType, send: context(peerType, number === 4 ? { fourOctetAs: false } : {}) })
})

const carriedBy = (peer: RibPeer, kind: number): PathAttributes => {
  const head = peer.peerType === 'external' ? [peer.remoteAs] : []
  const localPref = peer.peerType === 'internal' ? 100 : undefined
  const base = attributes({ ...path(...head, 70_000), localPref })
  const variants: readonly Partial<PathAttributes>[] = [
    {},
    { med: 10 },
    path(...head, 3, 4),
    { communities: [[0xffff, 0xff01]] },
    { communities: [[0xffff, 0xff02]] },
    { communities: [[65000, 2]] },
    path(...head, peer.localAs),
    path(9, ...head),
    { localPref: localPref === undefined ? undefined : 200 },
    { largeCommunities: [[1, 2, 3]], unknown: [{ type: 99, flags: 0xe0, value: Uint8Array.of(1, 2) }] },
  ]
  return { ...base, ...variants[kind % variants.length] }
}

type Step = readonly [kind: string, peer: number, a: number, b: number]

/** A RIB, the model, and six neighbors that come and go. */
class World {
  readonly rib: Rib
  readonly model = new RibModel()
  readonly listeners = new Map<string, Listener>()

  constructor(logLimit: number) {
    this.rib = new Rib({ logLimit })
  }

  step([kind, number, a, b]: Step): void {
    const peer = NEIGHBORS[number] as RibPeer
    const up = this.model.peers.get(peer.name)
    switch (kind) {
      case 'up':
        if (up === undefined) this.#up(peer, a, b)
        return
      case 'down':
        if (up !== undefined) this.#down(peer.name)
        return
      case 'bounce':
        if (up === undefined) return
        this.#down(peer.name)
        this.#up(peer, a, b)
        return
      case 'announce':
        if (up !== undefined) this.#announce(up, a, b)
        return
      case 'withdraw':
        if (up !== undefined) this.#withdraw(up, a)
        return
      case 'policy':
        if (up !== undefined) this.#change({ ...up, importPolicy: at(POLICIES, a), exportPolicy: at(POLICIES, b) })
        return
      case 'refresh':
        if (up !== undefined) this.rib.refreshOut(peer.name, a % 2 === 0 ? 'ipv4' : 'ipv6', b % 2 === 0)
        return
      case 'own':
        this.#own(a, b)
        return
      case 'disown':
        this.model.own.delete(at(PREFIXES, a))
        this.rib.withdraw([prefix(at(PREFIXES, a))])
        return
      case 'advance':
        this.rib.advance(1 + (a % 3), 0)
        return
      case 'pull':
        if (up !== undefined) this.#pull(peer.name, a % 2 === 0 ? 1 : 65_536)
    }
  }

  settle(): void {
    // A refresh that waited for a first feed begins when that is told.
    do {
      settle(this.rib, 3)
      for (const [name, listener] of this.listeners) listener.drain(this.rib, name)
    } while (this.rib.busy)
  }

  #up(peer: RibPeer, a: number, b: number): void {
    const configured = { ...peer, importPolicy: at(POLICIES, a % 3), exportPolicy: at(POLICIES, b) }
    this.rib.addPeer(configured)
    this.model.peers.set(peer.name, configured)
    this.model.received.set(peer.name, new Map())
    this.listeners.set(peer.name, new Listener(configured))
  }

  #down(name: string): void {
    this.rib.removePeer(name)
    this.model.peers.delete(name)
    this.model.received.delete(name)
    this.listeners.delete(name)
  }

  #change(peer: RibPeer): void {
    this.rib.setPeer(peer)
    this.model.peers.set(peer.name, peer)
  }

  #announce(peer: RibPeer, a: number, b: number): void {
    const texts = someOf(a)
    const carried = carriedBy(peer, b)
    const nextHop = texts[0]?.includes(':') ? `2001:db8:ffff::${10 + (b % 3)}` : `192.0.2.${[50, 51, 15, 16][b % 4]}`
    const update = announcement(texts, carried, nextHop)
    const { error, problems } = this.rib.receive(peer.name, update, 0, update.length, 0)
    expect([error, problems]).toEqual([undefined, []])
    for (const text of texts) this.model.received.get(peer.name)?.set(text, { peer, nextHop, attributes: carried })
  }

  #withdraw(peer: RibPeer, a: number): void {
    const texts = someOf(a)
    const update = withdrawal(texts)
    this.rib.receive(peer.name, update, 0, update.length, 0)
    for (const text of texts) this.model.received.get(peer.name)?.delete(text)
  }

  #own(a: number, b: number): void {
    const route = originatedRoute(at(PREFIXES, a), [[], [[65000, 2]], [[0xffff, 0xff01]]][b % 3])
    this.rib.originate([route], 0)
    this.model.own.set(route.prefix.text, route)
  }

  #pull(name: string, maxBytes: number): void {
    const told = this.rib.pull(name, maxBytes)
    if (told !== undefined) this.listeners.get(name)?.take(told.bytes)
  }
}

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T

/** One to four prefixes of one family. */
function someOf(bits: number): string[] {
  const family = PREFIXES.filter((text) => text.includes(':') === (bits % 3 === 0))
  return [...new Set([at(family, bits), at(family, bits >> 2), at(family, bits >> 4), at(family, bits >> 5)])]
}

type Weights = Readonly<Record<string, number>>

const USUAL: Weights = {
  announce: 6,
  withdraw: 3,
  pull: 5,
  advance: 4,
  up: 2,
  policy: 2,
  down: 1,
  bounce: 1,
  refresh: 1,
  own: 1,
  disown: 1,
}

const stepsOf = (weights: Weights): fc.Arbitrary<Step[]> => {
  const kinds = Object.entries(weights).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))
  return fc.array(fc.tuple(fc.oneof(...kinds), fc.nat(5), fc.nat(255), fc.nat(255)), { maxLength: 120, size: 'max' })
}

/** Without routes of our own a table runs empty; where nobody reads, neighbors leave with everything untold. */
const anyHistory = fc.oneof(
  stepsOf(USUAL),
  stepsOf({ announce: 4, withdraw: 4, pull: 2, advance: 6, up: 2, down: 2, policy: 4 }),
  stepsOf({ announce: 4, withdraw: 2, advance: 6, up: 3, down: 3, bounce: 3, policy: 1, refresh: 1 }),
)

group('histories', () => {
  test('[49–56] at rest every neighbor has been told what the model says, and nothing is left when all is gone', () => {
    const property = fc.property(anyHistory, fc.boolean(), fc.boolean(), (steps, patient, crowded) => {
      const world = new World(patient ? 1 << 20 : 600)
      for (const number of crowded ? [0, 1, 2, 4] : []) world.step(['up', number, 0, 0])
      for (const step of steps) world.step(step)
      world.settle()
      for (const [name, listener] of world.listeners) {
        const sorted = (routes: Map<string, string>) => [...routes].sort()
        expect(sorted(listener.routes), name).toEqual(sorted(world.model.expected(name)))
        expect([...listener.endOfRib].sort(), name).toEqual(['ipv4', 'ipv6'])
        expect(listener.needless, name).toBe(0)
        expect(world.rib.pending(name), name).toBe(false)
        const advertised = world.rib.counts(name, 'ipv4').advertised + world.rib.counts(name, 'ipv6').advertised
        expect(advertised, name).toBe(listener.routes.size)
      }
      world.rib.withdraw(PREFIXES.map(prefix))
      for (const name of [...world.listeners.keys()]) world.step(['down', Number(name.slice(-1)) - 1, 0, 0])
      settle(world.rib)
      expect(world.rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
    })
    fc.assert(property, { numRuns: RUNS })
  })
})
