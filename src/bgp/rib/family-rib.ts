/**
 * All routes of one family, from Adj-RIB-In to Adj-RIB-Out:
 *
 *   announce, withdraw ──► neighbor-paths ──► selection (decide ──► loc-rib) ──► planes
 *     ──► every group's exporter ──► adj-out ──► pull
 *
 * Long work (a first feed, the loss of a neighbor, another policy) is a queue of sweeps; `advance` does a part of it.
 */
import type { Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'
import type { PrefixMatch } from '../policy/rule.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import type { HashKey } from '../route/hash.ts'
import { type NextHopTable, SELF } from '../route/next-hop-table.ts'
import { AdjIn, sinceOf } from './adj-in.ts'
import type { Announcement, ByteRange } from './announcement.ts'
import { Decision } from './decide.ts'
import type { Deferral } from './export-view.ts'
import { Importer } from './import.ts'
import type { ImportState } from './import-state.ts'
import { LocRib } from './loc-rib.ts'
import type { MemoryLimit } from './memory-limit.ts'
import { NeighborPaths } from './neighbor-paths.ts'
import { OwnPods } from './own-pods.ts'
import { ORIGINATED, type PeerSlot, type Peers } from './peers.ts'
import { Planes } from './planes.ts'
import { PrefixTable } from './prefix-table.ts'
import { Removal } from './removal.ts'
import { ASK, type Review } from './review.ts'
import { Reviewer } from './reviewer.ts'
import { Selection } from './selection.ts'
import { ServiceAddresses } from './service-addresses.ts'
import { StaleRoutes } from './stale-routes.ts'
import { type Straying, StrayingPrefixes } from './straying.ts'
import { Sweeps } from './sweeps.ts'
import type { OriginatedRoute } from './types.ts'

/** The tables that both families share. */
export interface SharedTables {
  readonly attributes: AttributeTable
  readonly nextHops: NextHopTable
  readonly blocks: ByteTable
  readonly peers: Peers
  readonly memory: MemoryLimit
  readonly deferral: Deferral
  /** How many bytes an update group keeps for its slowest member (adj-out.ts). */
  readonly logLimit: number
}

export class FamilyRib {
  readonly family: Family
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly loc = new LocRib()
  readonly decision: Decision
  readonly adjOut: Planes
  /** By path: the routes that we originate. */
  readonly originated = new Map<number, OriginatedRoute>()
  /** Whether a learned route was ever advertised with this node as its next hop: all exporters share it. */
  readonly relaying = { began: false }
  /** With how many rules routes were compared for export: all exporters share it. */
  readonly asked = { rules: 0 }
  readonly #peers: Peers
  /** Destinations that kube-proxy handles on this node. */
  readonly #serviceAddresses: ServiceAddresses
  readonly #straying: StrayingPrefixes
  readonly #ownPods: OwnPods
  readonly #importer: Importer
  readonly #neighbors: NeighborPaths
  readonly #stale: StaleRoutes
  readonly #selection: Selection
  readonly #reviewer: Reviewer
  readonly #sweeps = new Sweeps()
  /** The latest removal: until its sweep begins, further neighbors join it. */
  #removal: Removal | undefined

  constructor(family: Family, key: HashKey, shared: SharedTables) {
    const { attributes, nextHops, peers } = shared
    this.family = family
    this.#peers = peers
    this.prefixes = new PrefixTable(family, key, (capacity) => this.#grow(capacity))
    this.paths = new AdjIn(this.prefixes, attributes, nextHops)
    this.decision = new Decision(this.paths, attributes, nextHops, peers)
    this.#ownPods = new OwnPods(family)
    this.#serviceAddresses = new ServiceAddresses(family)
    this.#straying = new StrayingPrefixes(family)
    const tables = { ...shared, prefixes: this.prefixes, paths: this.paths }
    const exported = {
      ...tables,
      serviceAddresses: this.#serviceAddresses,
      straying: this.#straying,
      originated: this.originated,
      relaying: this.relaying,
      asked: this.asked,
    }
    this.adjOut = new Planes(exported, this.loc, this.decision, shared.logLimit, (sweep) => this.#sweeps.add(sweep))
    this.#selection = new Selection(this)
    this.#importer = new Importer(family, attributes, peers, this.#ownPods)
    this.#neighbors = new NeighborPaths(family, tables, this.#importer, this.#selection)
    this.#reviewer = new Reviewer(tables, this.#neighbors, this.#selection, this.#sweeps)
    this.#stale = new StaleRoutes(this.paths, attributes, this.#neighbors, this.#reviewer, this.#sweeps)
  }

  // ── From neighbors ───────────────────────────────────────────────────────────────────────────────────────────────

  announce(slot: PeerSlot, announcement: Announcement, now: Millis): void {
    this.#neighbors.announce(slot, announcement, now)
  }

  withdraw(slot: PeerSlot, bytes: Uint8Array, start: number, end: number): void {
    this.#neighbors.withdraw(slot, bytes, start, end)
  }

  /**
   * Why no route with these attributes (an id) and this next hop may be used, as an index of REFUSED_TEXTS (eligible.ts); 0:
   * such routes may be used.
   */
  whyNotEligible(slot: PeerSlot, attributes: number, nextHop: ByteRange): number {
    return this.#neighbors.whyNotEligible(slot, attributes, nextHop)
  }

  /** Routes were rejected for lack of memory. */
  get awaitsMemory(): boolean {
    return this.#neighbors.rejected.awaitsMemory
  }

  /** Where there is memory again, `takeRefreshRequests` will give neighbors whose routes were rejected for lack of it. */
  retryRejected(): void {
    this.#neighbors.retryRejected()
  }

  /** BoRR, EoRR, End-of-RIB, and the end of the time of stale routes. */
  get stale(): StaleRoutes {
    return this.#stale
  }

  /** When `stale.endLateRefreshes` or `takeRefreshRequests` has a neighbor next. */
  refreshDeadline(): Millis | undefined {
    return earlier(this.#neighbors.rejected.deadline(), this.#stale.deadline())
  }

  /** Neighbors to ask for a refresh now: their routes were rejected, and there is room again. */
  takeRefreshRequests(now: Millis): PeerSlot[] {
    return this.#neighbors.rejected.takeDue(now).flatMap((index) => this.#peers.slots[index] ?? [])
  }

  // ── Our own ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `attributes`: an id that the caller retains during the call; the path retains it for itself. */
  originate(route: OriginatedRoute, attributes: number, now: Millis): void {
    const { paths, prefixes } = this
    const prefix = prefixes.insert(route.prefix.bytes, 0, route.prefix.length)
    const path = paths.find(prefix, ORIGINATED, 0) || paths.add(prefix, ORIGINATED, 0)
    const before = this.originated.get(path)
    this.originated.set(path, route)
    if (paths.received[path] === attributes) {
      // The path is the same, but export policy may decide otherwise.
      if (before?.named?.join() !== route.named?.join()) this.#reviewer.askAgain(path, ASK.export)
      return
    }
    paths.set(path, attributes, attributes, SELF, 0)
    paths.since[path] = sinceOf(now)
    this.#selection.add(prefix)
  }

  withdrawOriginated(bytes: Uint8Array, length: number): void {
    const prefix = this.prefixes.find(bytes, 0, length)
    const path = prefix === 0 ? 0 : this.paths.find(prefix, ORIGINATED, 0)
    if (path === 0) return
    this.originated.delete(path)
    this.#selection.removePath(path)
  }

  // ── What results depend on ───────────────────────────────────────────────────────────────────────────────────────

  /** Note changes in the returned review: the results that depend on them are computed again. */
  review(): Review {
    return this.#reviewer.review()
  }

  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    this.review().noteRanges(this.#serviceAddresses.setRanges(ranges), ASK.export)
  }

  /** `address`: the /32 or /128 of a service address that was added or removed. */
  setServiceAddress(address: Prefix, isThere: boolean): void {
    if (isThere) this.#serviceAddresses.add(address)
    else this.#serviceAddresses.remove(address)
    this.#reviewer.exportAgain(address)
  }

  /** Undefined: this node forwards packets to the prefix by the route that it learned. */
  setStraying(prefix: Prefix, straying: Straying | undefined): void {
    if (this.#straying.set(prefix, straying)) this.#reviewer.exportAgain(prefix)
  }

  setOwnPods(own: readonly Prefix[], lent: readonly Prefix[]): void {
    this.review().noteRanges(this.#ownPods.set(own, lent), ASK.import)
  }

  /** An address was added to this node or removed from it: routes to this very address are evaluated again. */
  reviewAddress(address: Uint8Array): void {
    this.#reviewer.evaluate({ bytes: address, length: address.length * 8 })
  }

  // ── Neighbors ────────────────────────────────────────────────────────────────────────────────────────────────────

  addPeer(slot: PeerSlot): void {
    this.#neighbors.add(slot)
    this.adjOut.add(slot)
  }

  /** The session is down: drops its Adj-RIB-Out, and keeps its paths as stale or removes them. */
  losePeer(slot: PeerSlot, keep: boolean): void {
    this.adjOut.remove(slot)
    this.#neighbors.rejected.forget(slot.index)
    // The limit that its paths were taken under: the next session may come with a lower one.
    this.#stale.lose(slot, keep, slot.peer.maxPrefixes[this.family])
  }

  /** `done` is called when no path of this neighbor is left. */
  removePeer(slot: PeerSlot, done: () => void): void {
    this.adjOut.remove(slot)
    const held = this.#neighbors.forget(slot)
    this.#stale.forget(slot)
    if (held === 0) done()
    else this.#nextRemoval().add(slot.index, held, done)
  }

  /** Neighbors that go while another removal waits join it: a flood of sessions must not queue a walk for each. */
  #nextRemoval(): Removal {
    if (this.#removal?.sweep.hasBegun === false) return this.#removal
    const { paths } = this
    const removal: Removal = new Removal(
      () => paths.end,
      (path) => {
        if (paths.prefix[path] === 0 || !removal.has(paths.peer[path] as number)) return false
        this.#neighbors.remove(path, undefined)
        return true
      },
    )
    this.#removal = removal
    this.#sweeps.add(removal.sweep)
    return removal
  }

  /** Undefined if the family was never negotiated with this neighbor, or the neighbor is removed. */
  importStateOf(slot: PeerSlot): ImportState | undefined {
    return this.#neighbors.importStateOf(slot)
  }

  // ── Best routes ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** From now on `takeChangedBest` reports changes, beginning with every present best route. */
  trackBest(): void {
    this.#selection.trackBest()
  }

  /** How many prefixes `takeChangedBest` has to report. */
  get changedBestCount(): number {
    return this.#selection.changedBestCount
  }

  /**
   * Takes the next of the changed prefixes, of which there must be one, and visits it with its best route, 0 for none. One that
   * has lost its best route and is not decided yet is taken without a visit: it is reported after the decision.
   */
  takeChangedBest(visit: (prefix: number, best: number) => void): void {
    this.#selection.takeChangedBest(visit)
  }

  // ── Work ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  get busy(): boolean {
    return !this.#selection.isSettled || !this.#sweeps.isEmpty || this.#reviewer.isBusy
  }

  /** Stands for all prefixes that wait now to be decided. */
  get mark(): number {
    return this.#selection.mark
  }

  hasDecided(mark: number): boolean {
    return this.#selection.hasDecided(mark)
  }

  /** Changes whenever UPDATEs may have become due. */
  get revision(): number {
    return this.#sweeps.runs + this.adjOut.revision
  }

  /**
   * Decides and sweeps, for about `budget` prefixes; returns what is left of it, below 0 where a prefix with many paths took
   * more. A part is kept for sweeps, however many prefixes are dirty.
   */
  advance(budget: number, now: Millis): number {
    this.#reviewer.begin(now)
    let left = budget
    while (left > 0 && this.busy) {
      const share = this.#sweeps.isEmpty ? left : Math.max(1, left >> 1)
      left -= this.#selection.decide(share)
      if (left > 0) left = this.#sweeps.run(left)
    }
    return left
  }

  /** Some memory can be given back. */
  get isUntidy(): boolean {
    return this.prefixes.isUntidy || (this.paths.isUntidy && this.#sweeps.isEmpty)
  }

  /** Gives unused memory back, a part at a time. Returns what is left of the budget. */
  tidy(budget: number): number {
    // This lowers the highest id, which a running sweep relies on. No path gets another id.
    if (this.paths.isUntidy && this.#sweeps.isEmpty) this.paths.tidy()
    return this.prefixes.isUntidy ? this.prefixes.tidy(budget) : budget
  }

  /** In octets. */
  memory(): { tables: number; paths: number; out: number } {
    return {
      tables: this.prefixes.memory() + this.loc.memory(this.prefixes.end) + this.#selection.memory(),
      paths: this.paths.memory() + this.#importer.memory(),
      out: this.adjOut.memory(),
    }
  }

  #grow(capacity: number): void {
    this.paths.grow(capacity)
    this.loc.grow(capacity)
    this.#selection.grow(capacity)
    this.adjOut.grow(capacity)
  }
}
