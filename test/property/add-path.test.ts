/**
 * Several paths (RFC 7911) over anything that may happen in any order: at rest, whoever wants them holds every usable path,
 * each under an ID of its own, whatever else came and went.
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../src/bgp/rib/types.ts'
import { context } from '../support/messages.ts'
import { announcement, attributes, Listener, neighbor, path, settle, withdrawal } from '../support/rib.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 400)
const both = { addPath: ['ipv4', 'ipv6'] } as const

/** 1 to 3 send one path each, 4 sends several; 5 and 6 want several, and 6 sends some itself. */
const SENDERS: readonly RibPeer[] = [
  neighbor(1),
  neighbor(2),
  neighbor(3),
  neighbor(4, { receive: context('external', both) }),
]
const LISTENERS: readonly RibPeer[] = [5, 6].map((number) => neighbor(number, { send: context('external', both) }))
const PREFIXES = ['10.0.0.0/8', '10.1.0.0/16', '10.2.3.0/24']

type Step = readonly [kind: string, a: number, b: number, c: number]

const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('announce', 'announce', 'announce', 'withdraw', 'advance', 'pull', 'listen', 'leave', 'refresh'),
  fc.nat(7),
  fc.nat(7),
  fc.nat(7),
)

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T

class History {
  readonly rib = new Rib({ logLimit: 500 })
  readonly listeners = new Map<string, Listener>()
  /** By neighbor, prefix and path ID: the AS that ends the path. */
  readonly live = new Map<string, { readonly from: RibPeer; readonly prefix: string; readonly last: number }>()

  constructor() {
    for (const peer of SENDERS) this.rib.addPeer(peer)
  }

  step([kind, a, b, c]: Step): void {
    const listener = at(LISTENERS, a)
    const known = this.listeners.get(listener.name)
    if (kind === 'announce' || kind === 'withdraw') this.#say(kind, a, b, c)
    else if (kind === 'advance') this.rib.advance(1 + b, 0)
    else if (kind === 'listen' && known === undefined) {
      this.rib.addPeer(listener)
      this.listeners.set(listener.name, new Listener(listener))
    } else if (kind === 'leave' && known !== undefined) {
      this.rib.removePeer(listener.name)
      this.listeners.delete(listener.name)
      for (const [key, { from }] of this.live) if (from.name === listener.name) this.live.delete(key)
    } else if (kind === 'refresh' && known !== undefined) this.rib.refreshOut(listener.name, 'ipv4', b % 2 === 0)
    else if (kind === 'pull' && known !== undefined) {
      const told = this.rib.pull(listener.name, b % 2 === 0 ? 1 : 65_536)
      if (told !== undefined) known.take(told.bytes)
    }
  }

  #say(kind: string, a: number, b: number, c: number): void {
    const both = this.listeners.has('peer-6') ? [...SENDERS, LISTENERS[1] as RibPeer] : SENDERS
    const from = at(both, a)
    const prefix = at(PREFIXES, b)
    const pathId = from.name === 'peer-4' ? 1 + (c % 4) : undefined
    const key = `${from.name} ${prefix} ${pathId}`
    const update =
      kind === 'withdraw'
        ? withdrawal([prefix], pathId)
        : announcement([prefix], attributes(path(from.remoteAs, 100 + c)), '192.0.2.99', pathId)
    expect(this.rib.receive(from.name, update, 0, update.length, 0).error).toBeUndefined()
    if (kind === 'withdraw') this.live.delete(key)
    else this.live.set(key, { from, prefix, last: 100 + c })
  }

  settle(): void {
    // A refresh that waited for a first feed begins when that is told.
    do {
      settle(this.rib, 2)
      for (const [name, listener] of this.listeners) listener.drain(this.rib, name)
    } while (this.rib.busy)
  }

  /** `prefix: AS of the neighbor, last AS` of everything a listener should hold. */
  expected(name: string): string[] {
    const all = [...this.live.values()].filter(({ from }) => from.name !== name)
    return all.map(({ prefix, from, last }) => `${prefix}: ${from.remoteAs},${last}`).sort()
  }
}

const held = (listener: Listener): string[] =>
  [...listener.routes]
    .map(([key, text]) => `${key.split(' ')[0]}: ${/"asns":\[65000,([\d,]+)\]/.exec(text)?.[1]}`)
    .sort()

test('[50–55] at rest each listener holds every path but its own, and nothing is left when all is gone', () => {
  const property = fc.property(fc.array(anyStep, { maxLength: 100, size: 'max' }), (steps) => {
    const history = new History()
    history.step(['listen', 0, 0, 0])
    for (const step of steps) history.step(step)
    history.settle()
    for (const [name, listener] of history.listeners) {
      expect(held(listener), name).toEqual(history.expected(name))
      expect([...listener.endOfRib].sort(), name).toEqual(['ipv4', 'ipv6'])
      expect(listener.needless, name).toBe(0)
      expect(history.rib.pending(name), name).toBe(false)
      expect(history.rib.counts(name, 'ipv4').advertised, name).toBe(listener.routes.size)
    }
    for (const name of [...history.listeners.keys(), ...SENDERS.map((peer) => peer.name)]) history.rib.removePeer(name)
    settle(history.rib)
    expect(history.rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
  })
  fc.assert(property, { numRuns: RUNS })
})
