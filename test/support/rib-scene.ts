/** What is so at the end of a history, and a RIB with those who read from it. */
import { formatAddress } from '../../src/base/address.ts'
import { FAMILIES, type Family } from '../../src/base/family.ts'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { Straying } from '../../src/bgp/rib/straying.ts'
import type { Reachability, RibPeer, RouteCursor } from '../../src/bgp/rib/types.ts'
import { Listener, settle } from './rib.ts'
import { at, DECISIONS, NODE_ADDRESSES, PODS, RANGES, REACHES } from './rib-changes.ts'

export type Mark = 'present' | 'stale' | 'long-lived'

export interface Held {
  readonly text: string
  readonly family: Family
  readonly update: Uint8Array
  readonly isNoLongLived: boolean
  mark: Mark
}

/** A neighbor that is up, or lost and its routes kept. */
export interface Known {
  peer: RibPeer
  kept: Set<Family> | undefined
  /** By prefix and path ID. */
  readonly routes: Map<string, Held>
  readonly cycle: Record<Family, 'fresh' | 'refreshing' | 'stale'>
  readonly hasLongLived: Record<Family, boolean>
}

export class Facts {
  readonly known = new Map<string, Known>()
  readonly own = new Map<string, readonly [communities: readonly (readonly number[])[], named: readonly string[]]>()
  readonly reach = new Map<string, Reachability>()
  readonly served = new Set<string>()
  readonly straying = new Map<string, Straying>()
  decision = at(DECISIONS, 0)
  ranges = at(RANGES, 0)
  pods = at(PODS, 0)
  nodeAddresses = at(NODE_ADDRESSES, 0)
  isUnread = false
  defers = false

  judge = (nextHop: Uint8Array): Reachability =>
    this.reach.get(formatAddress(nextHop, 0, nextHop.length === 4 ? 4 : 16)) ?? at(REACHES, 0)
}

/** A RIB as the engine runs it, with those who read from it. */
export class Scene {
  readonly rib: Rib
  readonly listeners = new Map<string, Listener>()
  /** What a kernel that follows would hold. */
  readonly kernel = new Map<string, unknown>()
  readonly #facts: Facts

  constructor(facts: Facts, logLimit: number) {
    this.#facts = facts
    this.rib = new Rib({ logLimit })
    this.rib.trackForKernel()
  }

  join(peer: RibPeer, keep: readonly Family[] = []): void {
    this.rib.addPeer(peer, keep)
    this.listeners.set(peer.name, new Listener(peer))
  }

  lose(name: string, keep: readonly Family[]): void {
    this.rib.losePeer(name, keep)
    this.listeners.delete(name)
  }

  advance(budget: number): void {
    this.rib.resolveNextHops(this.#facts.judge, [])
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
      this.rib.resolveNextHops(this.#facts.judge, [])
      settle(this.rib, 100_000)
      for (const [name, listener] of this.listeners) listener.drain(this.rib, name)
    } while (this.rib.busy || this.rib.hasNextHopsToResolve)
    this.takeBest(1_000_000)
  }

  /** All it says at rest; which ID a path has depends on what came before. */
  says() {
    const neighbors = [...this.listeners].sort(([a], [b]) => (a < b ? -1 : 1))
    const names = [...this.#facts.known.keys()].sort()
    return {
      told: neighbors.map(([name, { routes }]) => [
        name,
        [...routes].map(([key, text]) => `${key.split(' ')[0]} ${text}`).sort(),
      ]),
      counts: names.flatMap((name) =>
        FAMILIES.map((family) => {
          const { received, accepted, preferred, advertised, memory } = this.rib.counts(name, family)
          return [name, family, received, accepted, preferred, advertised, memory.octets]
        }),
      ),
      kernel: [...this.kernel].sort(([a], [b]) => (a < b ? -1 : 1)),
      rows: [...this.#rows(false), ...this.#rows(true)],
    }
  }

  /** Of all pages: how much fits into one depends on what came before too. */
  #rows(filtered: boolean): string[] {
    const rows: string[] = []
    let from: RouteCursor | undefined
    do {
      const page = this.rib.page({ filtered }, from, 100_000)
      for (const { since, exportedTo, ...row } of page.rows)
        rows.push(JSON.stringify({ ...row, exportedTo: [...exportedTo].sort() }))
      from = page.next
    } while (from !== undefined)
    return rows.sort()
  }
}

/** Brings a neighbor to the state that it has at the end, in the shortest way. */
export function bringUp(scene: Scene, { peer, kept, routes }: Known): void {
  const { rib } = scene
  const say = (isAsked: (mark: Mark) => boolean): void => {
    for (const { mark, update } of routes.values())
      if (isAsked(mark)) rib.receive(peer.name, update, 0, update.length, 0)
  }
  scene.join(peer)
  say((mark) => mark === 'long-lived')
  scene.lose(peer.name, FAMILIES)
  rib.beginLongLived(peer.name, FAMILIES)
  scene.join(peer, FAMILIES)
  say((mark) => mark !== 'long-lived')
  if (kept !== undefined) scene.lose(peer.name, [...kept])
}
