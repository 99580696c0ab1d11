/**
 * All routes of one family, from Adj-RIB-In to Adj-RIB-Out:
 *
 *   announce, withdraw ──► adj-in ──► dirty ──► decide ──► loc-rib ──► planes
 *     ──► every group's exporter ──► adj-out ──► pull
 *
 * Long work (a first feed, the loss of a neighbor, another policy) is a queue of sweeps; `advance` does a part of it.
 */
import { readU32 } from '../../base/bytes.ts'
import { ADDRESS_BYTES, type Family } from '../../base/family.ts'
import { makePrefix, type Prefix } from '../../base/prefix.ts'
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'
import type { PrefixMatch } from '../policy/rule.ts'
import { type AttributeTable, CARRIES } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import type { HashKey } from '../route/hash.ts'
import { type NextHopTable, SELF } from '../route/next-hop-table.ts'
import { AdjIn } from './adj-in.ts'
import { type Announcement, type ByteRange, emptyRange } from './announcement.ts'
import { Decision } from './decide.ts'
import { DirtyQueue } from './dirty.ts'
import { REFUSED, whyNotUsable } from './eligible.ts'
import type { Deferral } from './export.ts'
import { Importer } from './import.ts'
import { type ImportCounters, newImportCounters, renewedCounters } from './import-counters.ts'
import { LOST, LocRib, NO_PEER } from './loc-rib.ts'
import { costOf, type MemoryLimit, memoryOf } from './memory-limit.ts'
import { OwnPods } from './own-pods.ts'
import { PathLimit } from './path-limit.ts'
import { OWN, type PeerSlot, type Peers } from './peers.ts'
import { Planes } from './planes.ts'
import { PrefixTable } from './prefix-table.ts'
import { Removal } from './removal.ts'
import { ASK, Review } from './review.ts'
import { ServiceAddresses } from './service-addresses.ts'
import { type Straying, StrayingPrefixes } from './straying.ts'
import { Sweep } from './sweep.ts'
import type { LocalRoute } from './types.ts'

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
  readonly local = new Map<number, LocalRoute>()
  readonly relaying = { began: false }
  /** Destinations that kube-proxy handles on this node. */
  readonly #serviceAddresses: ServiceAddresses
  readonly #straying: StrayingPrefixes
  readonly #shared: SharedTables
  readonly #counters = new Map<PeerSlot, ImportCounters>()
  /** Neighbors between BoRR and EoRR, and until when that may last. */
  readonly #refreshing = new Map<PeerSlot, Millis>()
  /** Neighbors whose stale routes are still being removed. */
  readonly #purges = new Map<PeerSlot, Sweep>()
  readonly #pathLimit = new PathLimit()
  readonly #dirty: DirtyQueue
  readonly #sweeps: Sweep[] = []
  /** The last one: until it begins, others join. */
  #removal: Removal | undefined
  /** The last review: until its sweep begins, further changes are added to it. */
  #review: Review | undefined
  #swept = 0
  /** The time of this turn, in units of SINCE_UNIT. */
  #since = 0
  /** Prefixes whose best route changed since the last call; undefined if changes are not kept. */
  #news: DirtyQueue | undefined
  readonly #address = new Uint8Array(16)
  readonly #nextHopBytes = emptyRange()
  readonly #ownPods: OwnPods
  readonly #importer: Importer

  constructor(family: Family, key: HashKey, shared: SharedTables) {
    this.family = family
    this.#shared = shared
    this.prefixes = new PrefixTable(family, key, (capacity) => this.#grow(capacity))
    this.paths = new AdjIn(this.prefixes, shared.attributes, shared.nextHops)
    this.#dirty = new DirtyQueue(this.prefixes)
    this.decision = new Decision(this.paths, shared.attributes, shared.nextHops, shared.peers)
    this.#ownPods = new OwnPods(family)
    this.#importer = new Importer(family, shared.attributes, shared.peers, this.#ownPods)
    this.#serviceAddresses = new ServiceAddresses(family)
    this.#straying = new StrayingPrefixes(family)
    const tables = {
      prefixes: this.prefixes,
      paths: this.paths,
      serviceAddresses: this.#serviceAddresses,
      straying: this.#straying,
      local: this.local,
      relaying: this.relaying,
      ...shared,
    }
    const schedule = (sweep: Sweep) => this.#sweeps.push(sweep)
    this.adjOut = new Planes(tables, this.loc, this.decision, shared.logLimit, schedule)
  }

  // ── From neighbors ───────────────────────────────────────────────────────────────────────────────────────────────

  announce(slot: PeerSlot, { bytes, start, end, attributes, nextHop, refused }: Announcement, now: Millis): void {
    const counters = this.#counters.get(slot)
    if (counters === undefined) return
    const addPath = slot.peer.receive.addPath.includes(this.family)
    const since = Math.floor(now / SINCE_UNIT)
    const { paths, prefixes } = this
    const importer = this.#importer
    const { memory, attributes: attributeTable } = this.#shared
    const ceiling = memory.ceiling(counters, memoryOf(slot.peer, this.family))
    const cost = costOf(attributeTable, attributes, attributes)
    importer.begin(slot, attributes, refused)
    for (let at = start; at < end; ) {
      const pathId = addPath ? readU32(bytes, at) : 0
      if (addPath) at += 4
      const length = bytes[at] as number
      const address = at + 1
      at = address + ((length + 7) >> 3)
      counters.updates.received++
      const prefix = prefixes.insert(bytes, address, length)
      let path = paths.find(prefix, slot.index, pathId)
      // The path is unchanged: nothing to decide or advertise.
      if (path !== 0 && paths.received[path] === attributes && paths.nextHop[path] === nextHop) {
        counters.updates.ignored++
        if (this.#renew(path, counters)) {
          // Evaluation goes through the importer, so it ends the run.
          importer.end()
          this.#askAgain(path, ASK.import)
          importer.begin(slot, attributes, refused)
        }
        continue
      }
      // Paths of a prefix are searched one by one: no neighbor may make that list long.
      if (path === 0 && addPath && paths.countOf(prefix, slot.index) >= MOST_TAKEN) {
        counters.updates.rejected++
        if (this.#pathLimit.reject(slot.index, prefix)) counters.crowded = this.#textOf(prefix)
        continue
      }
      const before = path === 0 ? 0 : this.#costOf(path)
      if (counters.octets + cost - before > ceiling && cost > before && length > 0) {
        this.#refuseForMemory(slot, counters, prefix, path)
        continue
      }
      importer.evaluate(bytes, address, length)
      memory.charge(counters, costOf(attributeTable, attributes, importer.attributes) - before)
      if (path === 0) {
        path = paths.add(prefix, slot.index, pathId)
        counters.held++
        paths.noteGeneration(path, counters.generations.present)
      } else {
        if (paths.refused[path] === 0) counters.usable--
        this.#renew(path, counters)
      }
      paths.set(path, attributes, importer.attributes, nextHop, importer.refused)
      paths.since[path] = since
      if (importer.attributes !== attributes) this.#shared.attributes.release(importer.attributes)
      countUpdate(counters, importer.refused)
      this.#dirty.add(prefix)
    }
    importer.end()
  }

  /** The neighbor has announced a path again. True: it was long-lived stale, and its present result is for such a path. */
  #renew(path: number, counters: ImportCounters): boolean {
    const { present } = counters.generations
    const before = this.paths.generationOf(path)
    if (before === present) return false
    this.paths.noteGeneration(path, present)
    counters.old--
    return counters.generations.isLongLived(before)
  }

  /** Rejects a route for lack of memory. The path that was there before is no longer valid, so it is removed too. */
  #refuseForMemory(slot: PeerSlot, counters: ImportCounters, prefix: number, path: number): void {
    counters.updates.rejected++
    this.#pathLimit.rejectForMemory(slot.index)
    if (counters.memoryRefused === 'no') counters.memoryRefused = 'since now'
    // A new prefix has no holder yet.
    this.prefixes.hold(prefix)
    if (path !== 0) this.#removePath(path, counters)
    this.prefixes.release(prefix)
  }

  #costOf(path: number): number {
    return costOf(this.#shared.attributes, this.paths.received[path] as number, this.paths.attributes[path] as number)
  }

  /** Memory was freed: routes that were rejected for lack of it may be requested again. */
  memoryFreed(): void {
    if (!this.#pathLimit.isShort) return
    this.#pathLimit.memoryFreed((peer) => {
      const slot = this.#shared.peers.slots[peer]
      const counters = slot === undefined ? undefined : this.#counters.get(slot)
      if (slot === undefined || counters === undefined) return false
      const hasRoom = this.#shared.memory.hasRoom(counters, memoryOf(slot.peer, this.family))
      if (hasRoom) counters.memoryRefused = 'no'
      return hasRoom
    })
  }

  withdraw(slot: PeerSlot, bytes: Uint8Array, start: number, end: number): void {
    const counters = this.#counters.get(slot)
    if (counters === undefined) return
    const addPath = slot.peer.receive.addPath.includes(this.family)
    for (let at = start; at < end; ) {
      const pathId = addPath ? readU32(bytes, at) : 0
      if (addPath) at += 4
      const length = bytes[at] as number
      const prefix = this.prefixes.find(bytes, at + 1, length)
      at += 1 + ((length + 7) >> 3)
      counters.withdraws.received++
      const path = prefix === 0 ? 0 : this.paths.find(prefix, slot.index, pathId)
      if (path === 0) {
        counters.withdraws.ignored++
        continue
      }
      counters.withdraws.accepted++
      this.#removePath(path, counters)
    }
  }

  /** Why no route with these attributes and next hop may be used; 0: they may. */
  whyNotUsable(slot: PeerSlot, attributes: number, nextHop: ByteRange): number {
    const { peers, attributes: table } = this.#shared
    return whyNotUsable(slot, peers, table, attributes, nextHop)
  }

  /** BoRR (RFC 7313 §4): routes that the neighbor does not announce again from here on are stale. */
  beginRefresh(slot: PeerSlot, now: Millis): void {
    const counters = this.#counters.get(slot)
    if (counters === undefined) return
    counters.generations.beginRefresh()
    counters.old = counters.held
    if (!this.#refreshing.has(slot)) this.#refreshing.set(slot, now + STALE_TIME)
  }

  /** EoRR: stale routes are removed. Without a BoRR before it there are none. */
  endRefresh(slot: PeerSlot): void {
    if (this.#refreshing.delete(slot)) this.dropStale(slot)
  }

  /** The neighbor's End-of-RIB (RFC 4724 §4.2): routes that it did not announce again are removed. */
  endOfRib(slot: PeerSlot): void {
    const counters = this.#counters.get(slot)
    if (counters === undefined) return
    counters.endOfRib = true
    if (counters.generations.freshness !== 'refreshing') this.dropStale(slot)
  }

  /** Removes the routes that are still stale when a refresh or a restart has ended, or its time has run out. */
  dropStale(slot: PeerSlot): void {
    const counters = this.#counters.get(slot)
    if (counters?.generations.end()) this.#purge(slot, counters)
  }

  /** RFC 9494 §4.2, §4.3: stale routes become the last choice; those with NO_LLGR are removed. */
  beginLongLived(slot: PeerSlot): void {
    const counters = this.#counters.get(slot)
    if (counters?.generations.beginLongLived() !== true) return
    const { paths } = this
    const { attributes } = this.#shared
    const visit = (path: number): boolean => {
      if (paths.prefix[path] === 0 || paths.peer[path] !== slot.index) return false
      if (!counters.generations.isLongLived(paths.generationOf(path))) return false
      const flags = attributes.flags[paths.received[path] as number] as number
      if ((flags & CARRIES.noLongLived) !== 0) this.#removePath(path, this.#counters.get(slot))
      else this.#askAgain(path, ASK.import)
      return true
    }
    this.#sweeps.push(new Sweep(() => paths.end, visit))
  }

  /** Removes the paths of a neighbor below its lowest valid generation. */
  #purge(slot: PeerSlot, { generations }: ImportCounters): void {
    const { paths } = this
    const visit = (path: number): boolean => {
      if (paths.prefix[path] === 0 || paths.peer[path] !== slot.index) return false
      if (paths.generationOf(path) >= generations.lowest) return false
      this.#removePath(path, this.#counters.get(slot))
      return true
    }
    // Paths that an earlier purge has not reached are stale for this one too, so many purges cost one walk.
    this.#purges.get(slot)?.cancel()
    const sweep = new Sweep(
      () => paths.end,
      visit,
      () => {
        this.#purges.delete(slot)
      },
    )
    this.#purges.set(slot, sweep)
    this.#sweeps.push(sweep)
  }

  /** When the next refresh has lasted too long, or a neighbor is to be asked for one. */
  refreshDeadline(): Millis | undefined {
    let first = this.#pathLimit.deadline()
    if (this.#refreshing.size === 0) return first
    for (const until of this.#refreshing.values()) first = earlier(first, until)
    return first
  }

  /** RFC 7313 §4: stale routes are not kept for ever. Gives the neighbors whose EoRR has not come. */
  endLateRefreshes(now: Millis): PeerSlot[] {
    const late = [...this.#refreshing].filter(([, until]) => until <= now).map(([slot]) => slot)
    for (const slot of late) this.endRefresh(slot)
    return late
  }

  /** Neighbors whose routes were rejected and for which there is room now. */
  takeRefreshRequests(now: Millis): PeerSlot[] {
    return this.#pathLimit.takeDue(now).flatMap((index) => this.#shared.peers.slots[index] ?? [])
  }

  // ── Our own ──────────────────────────────────────────────────────────────────────────────────────────────────────

  originate(route: LocalRoute, attributes: number, now: Millis): void {
    const { paths, prefixes } = this
    const prefix = prefixes.insert(route.prefix.bytes, 0, route.prefix.length)
    const path = paths.find(prefix, OWN, 0) || paths.add(prefix, OWN, 0)
    const before = this.local.get(path)
    this.local.set(path, route)
    if (paths.received[path] === attributes) {
      // The path is the same, but export policy may decide otherwise.
      if (before?.named?.join() !== route.named?.join()) this.#askAgain(path, ASK.export)
      return
    }
    paths.set(path, attributes, attributes, SELF, 0)
    paths.since[path] = Math.floor(now / SINCE_UNIT)
    this.#dirty.add(prefix)
  }

  withdrawOwn(bytes: Uint8Array, length: number): void {
    const prefix = this.prefixes.find(bytes, 0, length)
    const path = prefix === 0 ? 0 : this.paths.find(prefix, OWN, 0)
    if (path === 0) return
    this.local.delete(path)
    this.#removePath(path, undefined)
  }

  // ── Services ─────────────────────────────────────────────────────────────────────────────────────────────────────

  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    this.review().noteRanges(this.#serviceAddresses.setRanges(ranges), ASK.export)
  }

  /** `address`: the /32 or /128 of a service address that was added or removed. */
  setServiceAddress(address: Prefix, isThere: boolean): void {
    if (isThere) this.#serviceAddresses.add(address)
    else this.#serviceAddresses.remove(address)
    this.#askOf(address, ASK.export)
  }

  /** Undefined: this node forwards packets to the prefix by the route that it learned. */
  setStraying(prefix: Prefix, straying: Straying | undefined): void {
    if (this.#straying.set(prefix, straying)) this.#askOf(prefix, ASK.export)
  }

  setOwnPods(own: readonly Prefix[], lent: readonly Prefix[]): void {
    this.review().noteRanges(this.#ownPods.set(own, lent), ASK.import)
  }

  /** An address was added to this node or removed from it: routes to this very address are evaluated again. */
  reviewAddress(address: Uint8Array): void {
    this.#askOf({ bytes: address, length: address.length * 8 }, ASK.import)
  }

  /** Asks for new results of all paths to one prefix. */
  #askOf({ bytes, length }: Pick<Prefix, 'bytes' | 'length'>, asks: number): void {
    const prefix = this.prefixes.find(bytes, 0, length)
    if (prefix === 0) return
    const { paths } = this
    for (let path = paths.first[prefix] as number; path !== 0; path = paths.next[path] as number)
      this.#askAgain(path, asks)
  }

  // ── Neighbors ────────────────────────────────────────────────────────────────────────────────────────────────────

  addPeer(slot: PeerSlot): void {
    const before = this.#counters.get(slot)
    this.#counters.set(slot, before === undefined ? newImportCounters() : renewedCounters(before))
    this.adjOut.add(slot)
  }

  /** The session is down: drops its Adj-RIB-Out, and keeps its paths as stale or removes them. */
  losePeer(slot: PeerSlot, keep: boolean): void {
    this.adjOut.remove(slot)
    this.#pathLimit.forget(slot.index)
    this.#refreshing.delete(slot)
    const counters = this.#counters.get(slot)
    if (counters === undefined) return
    const isPurgeDue = counters.generations.lose()
    counters.old = counters.held
    if (!keep) this.dropStale(slot)
    else if (isPurgeDue) this.#purge(slot, counters)
  }

  /** `done` is called when no path of this neighbor is left. */
  removePeer(slot: PeerSlot, done: () => void): void {
    this.adjOut.remove(slot)
    const counters = this.#counters.get(slot)
    if (counters !== undefined) this.#shared.memory.forget(counters)
    this.#counters.delete(slot)
    this.#pathLimit.forget(slot.index)
    this.#refreshing.delete(slot)
    this.#purges.get(slot)?.cancel()
    this.#purges.delete(slot)
    const held = counters?.held ?? 0
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
        this.#removePath(path, undefined)
        return true
      },
    )
    this.#removal = removal
    this.#sweeps.push(removal.sweep)
    return removal
  }

  /** Undefined if the family was not negotiated. */
  countersOf(slot: PeerSlot): ImportCounters | undefined {
    return this.#counters.get(slot)
  }

  // ── Work ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  get busy(): boolean {
    return this.#dirty.size > 0 || this.#sweeps.length > 0
  }

  get isSettled(): boolean {
    return this.#dirty.size === 0
  }

  /** Changes whenever UPDATEs may have become due. */
  get revision(): number {
    return this.#swept + this.adjOut.revision
  }

  /** Decides and sweeps; returns what is left of the budget. A part of it is kept for sweeps, whatever is dirty. */
  advance(budget: number, now: Millis): number {
    this.#since = Math.floor(now / SINCE_UNIT)
    let left = budget
    while (left > 0 && this.busy) {
      const share = this.#sweeps.length === 0 ? left : Math.max(1, left >> 1)
      left -= this.#decideSome(share)
      if (left > 0) left = this.#sweepSome(left)
    }
    return left
  }

  /** Some memory can be given back. */
  get isUntidy(): boolean {
    return this.prefixes.isUntidy || (this.paths.isUntidy && this.#sweeps.length === 0)
  }

  /** Gives unused memory back, a part at a time. Returns what is left of the budget. */
  tidy(budget: number): number {
    // Sweeps go by ids: while one runs, paths must not move.
    if (this.paths.isUntidy && this.#sweeps.length === 0) this.paths.tidy()
    return this.prefixes.isUntidy ? this.prefixes.tidy(budget) : budget
  }

  memory(): { tables: number; paths: number; out: number } {
    return {
      tables: this.prefixes.memory() + this.loc.memory(this.prefixes.end) + this.#dirty.memory(),
      paths: this.paths.memory(),
      out: this.adjOut.memory(),
    }
  }

  #grow(capacity: number): void {
    this.paths.grow(capacity)
    this.loc.grow(capacity)
    this.#dirty.grow(capacity)
    this.adjOut.grow(capacity)
    this.#news?.grow(capacity)
  }

  /** From now on `takeNews` reports changes, beginning with every present best route. */
  follow(): void {
    if (this.#news !== undefined) return
    this.#news = new DirtyQueue(this.prefixes)
    this.#news.grow(this.prefixes.capacity)
    for (let prefix = 1; prefix < this.prefixes.end; prefix++) {
      if (this.prefixes.holds[prefix] !== 0 && this.loc.best[prefix] !== 0) this.#news.add(prefix)
    }
  }

  get news(): number {
    return this.#news?.size ?? 0
  }

  /**
   * The next prefix whose best route, or the paths that share its traffic, may have changed, with that route, 0 for none. There
   * must be one. A prefix that has lost its best route and is not decided yet is not reported: it is reported after decision,
   * and until then its kernel route must not be removed.
   */
  takeNews(visit: (prefix: number, best: number) => void): void {
    if (this.#news === undefined) return
    const prefix = this.#news.take()
    const best = this.loc.best[prefix] as number
    if (best !== LOST) visit(prefix, best)
    this.prefixes.release(prefix)
  }

  /** Note changes in the returned review: the results that depend on them are computed again. */
  review(): Review {
    if (this.#review?.sweep.hasBegun !== false) {
      const { paths } = this
      const visit = (path: number): false | number => {
        if (paths.prefix[path] === 0) return false
        const asks = review.asks(paths.peer[path] as number, paths.nextHop[path] as number)
        const all = review.ranges.length > 0 ? asks | this.#asksOfRanges(path, review) : asks
        return all === 0 ? false : this.#askAgain(path, all)
      }
      const review = new Review(new Sweep(() => paths.end, visit))
      this.#review = review
      this.#sweeps.push(review.sweep)
    }
    return this.#review
  }

  #asksOfRanges(path: number, { ranges }: Review): number {
    const prefix = this.paths.prefix[path] as number
    this.prefixes.writeAddress(prefix, this.#address)
    const length = this.prefixes.lengths[prefix] as number
    let all = 0
    for (const { set, asks } of ranges) if (set.contains(this.#address, length)) all |= asks
    return all
  }

  /** `asks`: bits of ASK. Returns for how many visits it counts: a policy may have thousands of rules. */
  #askAgain(path: number, asks: number): number {
    const { paths } = this
    let visits = 1
    if ((asks & ASK.import) !== 0) {
      const slot = this.#shared.peers.slots[paths.peer[path] as number]
      if (slot !== undefined) {
        this.#evaluateAgain(slot, path)
        visits += slot.importPolicy.asked / RULES_PER_VISIT
      }
    }
    if ((asks & ASK.export) !== 0) paths.changed[path] = 1
    if ((asks & (ASK.export | ASK.decision)) !== 0) this.#dirty.add(paths.prefix[path] as number)
    return visits
  }

  #decideSome(budget: number): number {
    const { decision } = this
    let spent = 0
    while (spent < budget && this.#dirty.size > 0) {
      const before = decision.looks
      this.#decide(this.#dirty.take())
      // With add-path, or in a large mesh, a prefix may have hundreds of paths.
      spent += 1 + (decision.looks - before) / PATHS_PER_PREFIX
    }
    return Math.ceil(spent)
  }

  #decide(prefix: number): void {
    const { paths, loc } = this
    const before = loc.best[prefix] as number
    const best = this.decision.best(paths.first[prefix] as number, before)
    if (best !== before || (best !== 0 && paths.changed[best] === 1)) {
      const from = best === 0 ? NO_PEER : (paths.peer[best] as number)
      const moved = loc.from[prefix] !== from
      loc.set(prefix, best, from)
      this.adjOut.advertiseBest(prefix, best, from, moved)
    }
    // Even if the best path stays: the paths that share its traffic may have changed.
    this.#news?.add(prefix)
    if (this.adjOut.hasPlanes) this.#chooseSeveral(prefix)
    paths.changed[best] = 0
    this.prefixes.release(prefix)
  }

  #chooseSeveral(prefix: number): void {
    const { paths } = this
    this.adjOut.choose(prefix)
    for (let path = paths.first[prefix] as number; path !== 0; path = paths.next[path] as number)
      paths.changed[path] = 0
  }

  #sweepSome(budget: number): number {
    if (this.#sweeps.length > 0) this.#swept++
    let left = budget
    for (let sweep = this.#sweeps[0]; sweep !== undefined && left > 0; sweep = this.#sweeps[0]) {
      left = sweep.run(left)
      if (!sweep.isOver) break
      this.#sweeps.shift()
      sweep.finish()
    }
    return left
  }

  #removePath(path: number, counters: ImportCounters | undefined): void {
    const { paths, loc } = this
    const prefix = paths.prefix[path] as number
    if (counters !== undefined) {
      this.#shared.memory.charge(counters, -this.#costOf(path))
      counters.held--
      if (paths.refused[path] === 0) counters.usable--
      if (paths.generationOf(path) < counters.generations.present) counters.old--
    }
    this.#pathLimit.pathGone(paths.peer[path] as number, prefix)
    this.#dirty.add(prefix)
    if (loc.best[prefix] === path) loc.best[prefix] = LOST
    if (this.adjOut.hasPlanes) this.adjOut.lose(prefix, path)
    paths.remove(path)
  }

  #textOf(prefix: number): string {
    this.prefixes.writeAddress(prefix, this.#address)
    return makePrefix(this.#address.slice(0, ADDRESS_BYTES[this.family]), this.prefixes.lengths[prefix] as number).text
  }

  #evaluateAgain(slot: PeerSlot, path: number): void {
    const { paths, prefixes } = this
    const importer = this.#importer
    const counters = this.#counters.get(slot)
    if (counters === undefined) return
    const { bytes } = this.#shared.nextHops
    const prefix = paths.prefix[path] as number
    const received = paths.received[path] as number
    const nextHop = paths.nextHop[path] as number
    const range = this.#nextHopBytes
    range.bytes = bytes.segment(nextHop)
    range.start = bytes.offset(nextHop)
    range.length = bytes.length(nextHop)
    const refused = this.whyNotUsable(slot, received, range)
    prefixes.writeAddress(prefix, this.#address)
    importer.begin(slot, received, refused)
    importer.evaluate(this.#address, 0, prefixes.lengths[prefix] as number)
    if (counters.generations.isLongLived(paths.generationOf(path))) importer.markLongLived()
    const same = paths.attributes[path] === importer.attributes && paths.refused[path] === importer.refused
    if (!same) {
      if (paths.refused[path] === 0) counters.usable--
      if (importer.refused === 0) counters.usable++
      const cost = costOf(this.#shared.attributes, received, importer.attributes)
      this.#shared.memory.charge(counters, cost - this.#costOf(path))
      paths.set(path, received, importer.attributes, nextHop, importer.refused)
      paths.since[path] = this.#since
      this.#dirty.add(prefix)
    }
    if (importer.attributes !== received) this.#shared.attributes.release(importer.attributes)
  }
}

/** `since` counts tenths of a second: thirteen years in 32 bits. */
export const SINCE_UNIT = 100

/** The most paths to one prefix that are accepted from one neighbor (RFC 7911 leaves the number to us). */
export const MOST_TAKEN = 64

/** What counts as one prefix of a turn's work: so many paths that a step of decision looks at. */
const PATHS_PER_PREFIX = 32
/** The same for rules that are asked one after the other. */
const RULES_PER_VISIT = 64

/** How long after BoRR routes are kept that were not announced again. */
const STALE_TIME: Millis = 600_000

function countUpdate(counters: ImportCounters, refused: number): void {
  if (refused === 0) {
    counters.usable++
    counters.updates.accepted++
  } else if (refused === REFUSED.policy) counters.updates.filtered++
  else counters.updates.rejected++
}
