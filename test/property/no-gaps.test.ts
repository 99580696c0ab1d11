/**
 * Policies, next hops, links and settings of decision change, each again before the work of the change before is done;
 * neighbors ask for everything again, come and go, and the one that tells all restarts or refreshes. As long as every route stays accepted, no neighbor is told that one is gone, and at the
 * end each holds what a fresh RIB tells it.
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressBytes } from '../../src/base/address.ts'
import { FAMILIES } from '../../src/base/family.ts'
import { ACCEPT_ALL } from '../../src/bgp/policy/defaults.ts'
import { within } from '../../src/bgp/policy/prefix-set.ts'
import type { Operation, Policy, RuleMatch } from '../../src/bgp/policy/rule.ts'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../src/bgp/rib/types.ts'
import { encodeEndOfRib } from '../../src/bgp/wire/update-encode.ts'
import { announcement, attributes, Listener, originatedRoute, path, prefix, settle } from '../support/rib.ts'
import { at, DECISIONS, HOPS, neighborOf, netsOf } from '../support/rib-changes.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 100)

const HALF = { prefixes: [within(prefix('10.0.0.0/12')), within(prefix('2001:db8:8::/45'))] }
const editing = (match: RuleMatch, ...operations: Operation[]): Policy => ({
  name: 'edits',
  rules: [{ name: 'rule', match, action: 'next', operations }],
  otherwise: 'accept',
  otherwiseReason: '',
})
const IMPORTS: readonly Policy[] = [
  ACCEPT_ALL,
  editing({}),
  editing(HALF, { kind: 'set-local-pref', value: 300 }),
  editing({}, { kind: 'add-community', community: [7, 7] }),
]
const EXPORTS: readonly Policy[] = [
  ACCEPT_ALL,
  editing({}),
  editing({}, { kind: 'set-next-hop', address: 'self' }),
  editing({ source: 'peer' }, { kind: 'set-next-hop', address: 'unchanged' }),
  editing(HALF, { kind: 'set-med', value: 5 }),
  editing({ communities: [[7, 7]] }, { kind: 'prepend', path: [65_000] }),
]

const NETS = [...netsOf('10.0.0.0', 24, 40), ...netsOf('2001:db8:8::', 64, 15)]
/** The first tells routes, the others hear of them. */
const [TELLER, ...HEARERS] = [1, 2, 3, 4, 5, 6].map(neighborOf) as [RibPeer, ...RibPeer[]]

function shaped(peer: RibPeer, a: number, b: number, c: number): RibPeer {
  return {
    ...peer,
    importPolicy: at(IMPORTS, a),
    exportPolicy: at(EXPORTS, b),
    nextHops: {
      ipv4: addressBytes(at(HOPS.ipv4, c % 2)),
      ipv6: addressBytes(at(HOPS.ipv6, (c >> 1) % 2)),
    },
    ...(c % 3 > 0 && { interface: `eth${c % 3}` }),
  }
}

const tell = (rib: Rib, texts: readonly string[], kind: number): void => {
  for (const family of FAMILIES) {
    const some = texts.filter((text) => text.includes(':') === (family === 'ipv6'))
    if (some.length === 0) continue
    const carried = attributes({ ...path(TELLER.remoteAs, 70_000 + (kind % 3)), med: kind % 2 })
    const update = announcement(some, carried, at(HOPS[family], 3))
    rib.receive(TELLER.name, update, 0, update.length, 0)
  }
}

type Kind = 'change' | 'tell' | 'own' | 'refresh' | 'decision' | 'advance' | 'pull' | 'bounce' | 'restart' | 'renew'
type Step = readonly [kind: Kind, ...numbers: number[]]
const kinds = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Kind>('change', 'advance') },
  { weight: 4, arbitrary: fc.constantFrom<Kind>('tell', 'own', 'refresh', 'decision', 'pull', 'bounce') },
  { weight: 1, arbitrary: fc.constantFrom<Kind>('restart', 'renew') },
)
const steps = fc.array(fc.tuple(kinds, fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), {
  maxLength: 80,
  size: 'max',
})

class Scene {
  readonly rib: Rib
  readonly peers = new Map<string, RibPeer>()
  readonly listeners = new Map<string, Listener>()
  /** By prefix, how it was told last. */
  readonly told = new Map<string, number>()
  readonly own = new Map<string, number>()

  constructor(logLimit: number) {
    this.rib = new Rib({ logLimit })
  }

  join(peer: RibPeer): void {
    this.rib.addPeer(peer)
    this.peers.set(peer.name, peer)
    if (peer.name !== TELLER.name) this.listeners.set(peer.name, new Listener(peer))
  }

  tell(texts: readonly string[], kind: number): void {
    for (const text of texts) this.told.set(text, kind)
    tell(this.rib, texts, kind)
  }

  originate(text: string, kind: number): void {
    this.own.set(text, kind)
    this.rib.originate([originatedRoute(text, kind % 2 === 0 ? [] : [[7, 7]])], 0)
  }

  step([kind, a = 0, b = 0, c = 0, d = 0]: Step): void {
    const peer = at([...this.peers.values()], a)
    const hearer = at(HEARERS, a)
    switch (kind) {
      case 'change':
        this.peers.set(peer.name, shaped(peer, b, c, d))
        this.rib.setPeer(shaped(peer, b, c, d))
        return
      case 'tell':
        this.tell(NETS.slice(b % NETS.length, (b % NETS.length) + 1 + (c % 20)), d)
        return
      case 'own':
        // Of a prefix that is told too our own route is the best, and goes to everybody.
        this.originate(at(NETS, b), c)
        return
      case 'refresh':
        this.rib.refreshOut(hearer.name, at(FAMILIES, b), c % 2 === 0)
        return
      case 'decision':
        this.rib.setDecision(at(DECISIONS, b))
        return
      case 'bounce':
        this.rib.removePeer(hearer.name)
        this.join(this.peers.get(hearer.name) ?? hearer)
        return
      case 'restart':
        this.rib.losePeer(TELLER.name, FAMILIES)
        this.#advance(b)
        this.rib.addPeer(shaped(TELLER, c, d, d), FAMILIES)
        this.peers.set(TELLER.name, shaped(TELLER, c, d, d))
        this.#advance(b)
        this.#tellAll(b)
        this.#receive(...FAMILIES.map(encodeEndOfRib))
        return
      case 'renew':
        for (const family of FAMILIES) this.rib.beginRefresh(TELLER.name, family, 0)
        this.#tellAll(b)
        for (const family of FAMILIES) this.rib.endRefresh(TELLER.name, family)
        return
      case 'advance':
        this.rib.advance(1 + (a % 30), 0)
        return
      case 'pull': {
        const told = this.rib.pull(hearer.name, b % 2 === 0 ? 1 : 65_536)
        if (told !== undefined) this.listeners.get(hearer.name)?.take(told.bytes)
      }
    }
  }

  #advance(number: number): void {
    if (number % 3 > 0) this.rib.advance(1 + (number % 60), 0)
    if (number % 3 === 2) for (const [name, listener] of this.listeners) listener.drain(this.rib, name)
  }

  /** Some as before, some otherwise, in two parts. */
  #tellAll(number: number): void {
    const half = number % NETS.length
    for (const some of [NETS.slice(half), NETS.slice(0, half)]) {
      for (const text of some) this.tell([text], number % 2 === 0 ? (this.told.get(text) ?? 0) : number)
      this.#advance(number)
    }
  }

  #receive(...updates: readonly Uint8Array[]): void {
    for (const update of updates) this.rib.receive(TELLER.name, update, 0, update.length, 0)
  }

  rest(): this {
    do {
      settle(this.rib)
      for (const [name, listener] of this.listeners) listener.drain(this.rib, name)
    } while (this.rib.busy)
    return this
  }

  says() {
    return [...this.listeners].map(([name, { routes }]) => [
      name,
      [...routes].map(([key, text]) => `${key.split(' ')[0]} ${text}`).sort(),
    ])
  }
}

test('as long as all routes are accepted, none is withdrawn in between', () => {
  const property = fc.property(steps, fc.constantFrom(600, 1 << 20), (all, logLimit) => {
    const scene = new Scene(logLimit)
    for (const peer of [TELLER, ...HEARERS]) scene.join(peer)
    scene.tell(NETS, 0)
    scene.rest()
    for (const step of all) scene.step(step)
    scene.rest()
    const fresh = new Scene(1 << 20)
    for (const peer of scene.peers.values()) fresh.join(peer)
    for (const [text, kind] of scene.told) fresh.tell([text], kind)
    for (const [text, kind] of scene.own) fresh.originate(text, kind)
    expect(scene.says()).toEqual(fresh.rest().says())
    for (const [name, { withdrawn, routes }] of scene.listeners) {
      expect(routes.size, name).toBeGreaterThanOrEqual(NETS.length)
      // Of several paths one may go: our own route comes before all that were told.
      expect([name, [...withdrawn].filter((key) => !key.includes('#'))]).toEqual([name, []])
    }
  })
  fc.assert(property, { numRuns: RUNS })
})
