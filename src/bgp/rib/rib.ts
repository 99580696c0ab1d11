/**
 * The RIB: which routes exist, which is best and why, what is advertised to each neighbor.
 *
 * In: UPDATEs of Established neighbors (`receive`), routes that this node originates (`originate`, `withdraw`), and changes
 * of neighbors. Out: UPDATEs, when the network has room (`pull`), and rows and counts for `show`. Decision and all long
 * work are done in `advance`, a bounded part at a time.
 *
 *   receive ──► UpdateDecoder ──► attribute and next hop tables ──► one FamilyRib per family ──► pull
 *
 * Everything about a route is a number in a typed array: a full table has no object per route.
 */

import { writeU32 } from '../../base/bytes.ts'
import { ADDRESS_BYTES, AFI, FAMILIES, type Family, SAFI_UNICAST } from '../../base/family.ts'
import { type Prefix, packPrefix } from '../../base/prefix.ts'
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'
import type { Policy, PrefixMatch } from '../policy/rule.ts'
import { AttributeTable } from '../route/attribute-table.ts'
import { ByteTable, LONGEST } from '../route/byte-table.ts'
import { type HashKey, KNOWN_KEY } from '../route/hash.ts'
import { NextHopTable, REACH, withoutGlobal } from '../route/next-hop-table.ts'
import { ownAttributes } from '../wire/attribute.ts'
import { type MessageError, messageError, type UpdateProblem } from '../wire/error.ts'
import { CEASE } from '../wire/notification.ts'
import { UpdateDecoder } from '../wire/update.ts'
import type { Member } from './adj-out.ts'
import { emptyAnnouncement, emptyRange, NO_BYTES } from './announcement.ts'
import type { DecisionSettings } from './decide.ts'
import { FamilyRib, MOST_TAKEN } from './family-rib.ts'
import { newImportCounters } from './import-counters.ts'
import { MemoryLimit, memoryOf, NEAR } from './memory-limit.ts'
import { isAt, type PeerSlot, Peers } from './peers.ts'
import { ASK } from './review.ts'
import { RouteRows } from './rows.ts'
import type {
  BestRoute,
  FamilyCounts,
  LocalRoute,
  MemoryNews,
  OwnPodCidrs,
  Reachability,
  ReceiveResult,
  RibPeer,
  RouteCount,
  RouteCursor,
  RoutePage,
  RouteQuery,
} from './types.ts'
import { LOG_LIMIT } from './update-log.ts'

const NO_PODS: OwnPodCidrs = { own: [], lent: [] }

/** The result of most turns, shared to avoid an allocation. */
const NONE_DUE: readonly never[] = []

export interface RibOptions {
  /** The secret key of the hash tables, so that no neighbor can choose prefixes that collide. */
  readonly hashKey?: HashKey
  /** Limit for all tables in octets. */
  readonly memoryLimit?: number | undefined
  /** Octets kept for neighbors that read slowly, for each update group and family. */
  readonly logLimit?: number
}

export class Rib {
  readonly #attributes: AttributeTable
  readonly #nextHops: NextHopTable
  readonly #blocks: ByteTable
  readonly #peers = new Peers()
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #rows: RouteRows
  readonly #memory: MemoryLimit
  #turns = 0
  /**
   * When unused memory is given back. Not at once, because a neighbor that flaps would need it again soon.
   */
  #tidyAt: Millis | undefined
  #isTidying = false
  readonly #decoder = new UpdateDecoder()
  readonly #announcement = emptyAnnouncement()
  readonly #nextHopBytes = emptyRange()
  /** Next hops still to be resolved again after a change of the kernel; `isAsked`: whether the change concerns one. */
  #toResolve: { readonly ids: Iterator<number>; readonly isAsked: (nextHop: Uint8Array) => boolean } | undefined
  readonly #copied = new Map<number, Uint8Array>()
  /** Removed neighbors: the number of families in which their paths are still being removed. */
  readonly #retired = new Map<PeerSlot, number>()
  /** Neighbors that are down and expected back, with the families whose routes are kept. */
  readonly #lost = new Map<PeerSlot, Set<Family>>()
  readonly #deferral: { isOn: boolean } = { isOn: false }
  #serviceRanges: readonly PrefixMatch[] = []
  #ownPods: OwnPodCidrs = NO_PODS

  constructor({ hashKey = KNOWN_KEY, logLimit = LOG_LIMIT, memoryLimit }: RibOptions = {}) {
    this.#memory = new MemoryLimit(memoryLimit)
    this.#attributes = new AttributeTable(hashKey)
    this.#nextHops = new NextHopTable(hashKey)
    this.#blocks = new ByteTable(hashKey)
    const shared = {
      attributes: this.#attributes,
      nextHops: this.#nextHops,
      blocks: this.#blocks,
      peers: this.#peers,
      memory: this.#memory,
      deferral: this.#deferral,
      logLimit,
    }
    this.#ribs = { ipv4: new FamilyRib('ipv4', hashKey, shared), ipv6: new FamilyRib('ipv6', hashKey, shared) }
    this.#rows = new RouteRows(this.#ribs, this.#attributes, this.#nextHops, this.#blocks, this.#peers)
  }

  /**
   * The session is up: everything is advertised, and End-of-RIB follows. If `losePeer` kept routes of the neighbor, those of
   * the families in `keep` stay stale until its End-of-RIB, and the others are removed at once. Returns true if it is another
   * router than before, so that all kept routes are removed.
   */
  addPeer(peer: RibPeer, keep: readonly Family[] = []): boolean {
    const before = this.#peers.get(peer.name)
    const slot = this.#rejoin(peer) ?? this.#peers.add(peer)
    for (const family of FAMILIES) if (!keep.includes(family)) this.#ribs[family].dropStale(slot)
    for (const family of peer.families) this.#ribs[family].addPeer(slot)
    this.#noteOwnAddresses()
    return before !== undefined && before !== slot
  }

  /** The slot of a lost neighbor that is back. Its AS number and IDs must be the same, since decision has used them. */
  #rejoin(peer: RibPeer): PeerSlot | undefined {
    const slot = this.#peers.get(peer.name)
    if (slot === undefined) return undefined
    if (!this.#lost.delete(slot)) throw new Error(`${peer.name} is there already`)
    const { peerType, remoteAs, remoteRouterId } = slot.peer
    if (peerType === peer.peerType && remoteAs === peer.remoteAs && remoteRouterId === peer.remoteRouterId) {
      this.#change(slot, peer)
      return slot
    }
    this.removePeer(peer.name)
    return undefined
  }

  /**
   * The session is down, and the neighbor is expected back (RFC 4724 §4.2): keeps its routes of these families as stale.
   */
  losePeer(name: string, keep: readonly Family[]): void {
    const slot = this.#slot(name)
    this.#lost.set(slot, new Set(keep))
    for (const family of FAMILIES) this.#ribs[family].losePeer(slot, keep.includes(family))
  }

  /** Removes stale routes of these families. A neighbor that is down is removed with its last family. */
  dropStale(name: string, families: readonly Family[] = FAMILIES): void {
    const slot = this.#peers.get(name)
    if (slot === undefined) return
    const kept = this.#lost.get(slot)
    for (const family of families) kept?.delete(family)
    if (kept?.size === 0) this.removePeer(name)
    else for (const family of families) this.#ribs[family].dropStale(slot)
  }

  /**
   * The Restart Time is over: stale routes of these families are still kept, as the last choice (RFC 9494).
   */
  beginLongLived(name: string, families: readonly Family[]): void {
    const slot = this.#slot(name)
    for (const family of families) this.#ribs[family].beginLongLived(slot)
  }

  /** The session is down: removes its routes and its Adj-RIB-Out. */
  removePeer(name: string): void {
    const slot = this.#slot(name)
    this.#lost.delete(slot)
    this.#peers.retire(slot)
    this.#retired.set(slot, FAMILIES.length)
    for (const family of FAMILIES) this.#ribs[family].removePeer(slot, () => this.#countDown(slot))
    this.#noteOwnAddresses()
  }

  /** Policies, next hops or limits have changed without a reset. */
  setPeer(peer: RibPeer): void {
    const slot = this.#slot(peer.name)
    this.#change(slot, peer)
    for (const family of peer.families) this.#ribs[family].adjOut.change(slot)
    this.#noteOwnAddresses()
  }

  #change(slot: PeerSlot, peer: RibPeer): void {
    const { importPolicy, peer: before } = slot
    this.#peers.change(slot, peer)
    const asks =
      (slot.importPolicy !== importPolicy || changesEligibility(before, peer) ? ASK.import : 0) |
      // RFC 4456 §6: routes of a client are reflected to all.
      (before.reflection?.client !== peer.reflection?.client || before.interface !== peer.interface ? ASK.export : 0) |
      (before.lacksLink !== peer.lacksLink ? ASK.decision : 0)
    for (const family of FAMILIES) {
      if (asks !== 0) this.#ribs[family].review().notePeer(slot.index, asks)
      this.#ribs[family].memoryFreed()
    }
  }

  /** Sets the addresses of this node, in addition to those that it advertises as next hops: no route over them is used. */
  setNodeAddresses(addresses: readonly Uint8Array[]): void {
    this.#peers.setNodeAddresses(addresses)
    this.#noteOwnAddresses()
  }

  /** RFC 4271 §5.1.3: a route must not be used over an address of our own. Evaluates routes again when our addresses change. */
  #noteOwnAddresses(): void {
    const changes = this.#peers.takeOwnChanges()
    if (changes.length === 0) return
    for (const address of changes) this.#ribs[address.length === 4 ? 'ipv4' : 'ipv6'].reviewAddress(address)
    const { bytes } = this.#nextHops
    for (const id of this.#nextHops.ids()) {
      const global = bytes.length(id) === 4 ? 4 : 16
      if (!changes.some((address) => isAt(address, bytes.segment(id), bytes.offset(id), global))) continue
      for (const family of FAMILIES) this.#ribs[family].review().noteNextHop(id, ASK.import)
    }
  }

  /**
   * The neighbor requests all routes again (RFC 2918); with BoRR and EoRR around them if both support it (RFC 7313).
   */
  refreshOut(name: string, family: Family, enhanced = false): void {
    this.#ribs[family].adjOut.refresh(this.#slot(name), enhanced)
  }

  /** The neighbor begins to advertise everything again (RFC 7313, BoRR). */
  beginRefresh(name: string, family: Family, now: Millis): void {
    this.#ribs[family].beginRefresh(this.#slot(name), now)
  }

  /** The neighbor has sent its whole table: routes that it did not advertise again are removed. */
  endRefresh(name: string, family: Family): void {
    this.#ribs[family].endRefresh(this.#slot(name))
  }

  /** Neighbors to be asked for their routes again: some were rejected, and there is room now. */
  takeRefreshRequests(now: Millis): readonly { readonly name: string; readonly family: Family }[] {
    if (!this.#isDue(now)) return NONE_DUE
    return FAMILIES.flatMap((family) =>
      this.#ribs[family].takeRefreshRequests(now).map(({ peer }) => ({ name: peer.name, family })),
    )
  }

  /** When `notice`, `endLateRefreshes` or `takeRefreshRequests` has something to do. */
  deadline(): Millis | undefined {
    return earlier(this.#tidyAt, earlier(this.#ribs.ipv4.refreshDeadline(), this.#ribs.ipv6.refreshDeadline()))
  }

  #isDue(now: Millis): boolean {
    const due = this.deadline()
    return due !== undefined && due <= now
  }

  /** Ends refreshes that have lasted too long. Returns their neighbors. */
  endLateRefreshes(now: Millis): readonly { readonly name: string; readonly family: Family }[] {
    if (!this.#isDue(now)) return NONE_DUE
    return FAMILIES.flatMap((family) =>
      this.#ribs[family].endLateRefreshes(now).map(({ peer }) => ({ name: peer.name, family })),
    )
  }

  /** Changes the settings of decision, and decides all prefixes again. */
  setDecision(settings: DecisionSettings): void {
    for (const family of FAMILIES) {
      const { decision } = this.#ribs[family]
      const { paths, relax, preferOldest } = decision.settings
      if (paths === settings.paths && relax === settings.relax && preferOldest === settings.preferOldest) continue
      decision.settings = settings
      this.#ribs[family].review().noteAll(ASK.decision)
    }
  }

  /** One UPDATE, header included, in [start, end). Nothing of `bytes` is kept. */
  receive(name: string, bytes: Uint8Array, start: number, end: number, now: Millis): ReceiveResult {
    const slot = this.#slot(name)
    const decoder = this.#decoder
    const error = decoder.decode(bytes, start, end, slot.peer.receive)
    if (error !== undefined) return { ...ALL_WELL, error }
    // RFC 4271 §3.1, §4.3: a prefix both withdrawn and announced is announced.
    this.#takeWithdrawn(slot)
    const isTooLong = decoder.attributesLength > LONGEST
    if (decoder.treatAsWithdraw || isTooLong) this.#takeBack(slot)
    else if (decoder.attributesLength > 0) this.#takeAnnounced(slot, now)
    const { endOfRib } = decoder
    const problems = isTooLong ? [...decoder.problems, tooLong(decoder.attributesLength)] : decoder.problems
    if (endOfRib !== undefined) this.#ribs[endOfRib].endOfRib(slot)
    const limits = this.#askLimits(slot)
    const crowded = this.#askCrowded(slot)
    const memory = this.#askMemory(slot)
    if (
      limits === undefined &&
      crowded === undefined &&
      memory === undefined &&
      problems.length === 0 &&
      endOfRib === undefined
    )
      return ALL_WELL
    return { ...ALL_WELL, ...limits, crowded, memory, problems, endOfRib }
  }

  /** Adds or changes routes of our own, one for each prefix. */
  originate(routes: readonly LocalRoute[], now: Millis): void {
    for (const route of routes) {
      const attributes = this.#attributes.encode(ownAttributes(route.communities))
      this.#ribs[route.prefix.family].originate(route, attributes, now)
      this.#attributes.release(attributes)
    }
  }

  withdraw(prefixes: readonly Prefix[]): void {
    for (const { family, bytes, length } of prefixes) this.#ribs[family].withdrawOwn(bytes, length)
  }

  /**
   * The configured service ranges: learned routes inside them are advertised with their own next hop, or not at all.
   */
  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    if (sameMatches(ranges, this.#serviceRanges)) return
    this.#serviceRanges = ranges
    for (const family of FAMILIES) this.#ribs[family].setServiceRanges(ranges)
  }

  /** Sets the pod CIDRs of this node: no learned route inside them is used, except to lent addresses. */
  setOwnPods(pods: OwnPodCidrs): void {
    if (samePrefixes(pods.own, this.#ownPods.own) && samePrefixes(pods.lent, this.#ownPods.lent)) return
    this.#ownPods = pods
    for (const family of FAMILIES) this.#ribs[family].setOwnPods(pods.own, pods.lent)
  }

  /** Service addresses, as /32 and /128, were added and removed. They are treated as the ranges are. */
  setServiceAddresses(added: readonly Prefix[], removed: readonly Prefix[]): void {
    for (const address of removed) this.#ribs[address.family].setServiceAddress(address, false)
    for (const address of added) this.#ribs[address.family].setServiceAddress(address, true)
  }

  /**
   * Does work for about `budget` prefixes: decision, and the rest of refreshes, policy changes and lost neighbors.
   */
  advance(budget: number, now: Millis): void {
    const left = this.#ribs.ipv4.advance(this.#ribs.ipv6.busy ? Math.ceil(budget / 2) : budget, now)
    this.#ribs.ipv6.advance(this.#ribs.ipv6.busy ? Math.max(left, budget >> 1, 1) : left, now)
    this.#reclaim()
    if (this.#isTidying) this.#tidy(TIDY_BUDGET)
    else if (this.#tidyAt === undefined && this.#isUntidy) this.#tidyAt = now + TIDY_AFTER
    this.#countMemory()
    for (const family of FAMILIES) this.#ribs[family].memoryFreed()
  }

  /** `advance` has work left. */
  get busy(): boolean {
    return this.#isTidying || FAMILIES.some((family) => this.#ribs[family].busy)
  }

  /** Whether neighbors were ever told a learned route of this family with this node as its next hop. */
  relays(family: Family): boolean {
    return this.#ribs[family].relaying.began
  }

  /** `defers`: only our own routes are advertised. When that is over, the others follow. */
  deferLearned(defers: boolean): void {
    if (this.#deferral.isOn === defers) return
    this.#deferral.isOn = defers
    for (const family of FAMILIES) this.#ribs[family].review().noteAll(ASK.export)
  }

  /** `withholds`: routes are advertised but End-of-RIB is not, since more routes of the first table follow. */
  withholdEnd(withholds: boolean): void {
    for (const family of FAMILIES) this.#ribs[family].adjOut.withholdEnd(withholds)
  }

  /**
   * The next whole messages for a neighbor, about `maxBytes` octets and at least one message; undefined when nothing is due.
   * After a long run the other family is next, so that it does not wait for the end of a large table.
   */
  pull(name: string, maxBytes: number): { bytes: Uint8Array; messages: number } | undefined {
    const slot = this.#slot(name)
    const { families } = slot.peer
    for (let count = 0; count < families.length; count++) {
      const family = families[(slot.turn + count) % families.length] as Family
      const updates = this.#ribs[family].adjOut.pull(slot, maxBytes)
      if (updates === undefined) continue
      slot.turn = 2 * updates.bytes.length < maxBytes ? 0 : slot.turn + count + 1
      return updates
    }
    slot.turn = 0
    return undefined
  }

  /** Nothing is due for any neighbor: `pending` would be false for all. */
  get isQuiet(): boolean {
    return FAMILIES.every((family) => this.#ribs[family].adjOut.isQuiet)
  }

  /** Changes whenever UPDATEs may have become due. */
  get revision(): number {
    return this.#ribs.ipv4.revision + this.#ribs.ipv6.revision
  }

  /** Whether `pull` may return something. If true, it may still return nothing. */
  pending(name: string): boolean {
    const slot = this.#slot(name)
    return slot.peer.families.some((family) => this.#ribs[family].adjOut.pending(slot))
  }

  /** Names of all neighbors for which `pending` is true, and of a few others, without a look at each neighbor. */
  pendingPeers(): Set<string> {
    const names = new Set<string>()
    for (const family of FAMILIES) this.#ribs[family].adjOut.visitPending(({ peer }) => names.add(peer.name))
    return names
  }

  /** From now on, changes are kept for `takeBest` and `resolveNextHops`: routes are written into the kernel. */
  follow(): void {
    this.#nextHops.fresh ??= [...this.#nextHops.ids()]
    for (const family of FAMILIES) this.#ribs[family].follow()
  }

  /**
   * At most `limit` prefixes whose best route, or the paths that share its traffic, may have changed since the last call.
   * Routes with the same next hop share its octets.
   */
  takeBest(limit: number): BestRoute[] {
    const found: BestRoute[] = []
    this.#copied.clear()
    const { ipv4, ipv6 } = this.#ribs
    const take = (rib: FamilyRib, most: number) => {
      while (rib.news > 0 && found.length < most)
        rib.takeNews((prefix, best) => found.push(this.#bestOf(rib, prefix, best)))
    }
    // Half for each family, so that neither waits for a large table of the other.
    take(ipv4, ipv6.news > 0 ? Math.ceil(limit / 2) : limit)
    take(ipv6, limit)
    take(ipv4, limit)
    return found
  }

  get hasNewBest(): boolean {
    return FAMILIES.some((family) => this.#ribs[family].news > 0)
  }

  /**
   * Resolves next hops by `resolve`. `new`: those that decision has not seen yet. After a change of the kernel, all of them or
   * those that the change concerns, a bounded number in each call. Only paths over next hops that now resolve differently are
   * decided again.
   */
  resolveNextHops(resolve: ResolveNextHop, which: 'new' | 'all' | ((nextHop: Uint8Array) => boolean)): void {
    const table = this.#nextHops
    for (const id of table.fresh ?? []) {
      const isElsewhere = table.bytes.refs[id] !== 0 && this.#resolveNextHop(id, resolve)
      // A path over a new next hop is dirty already.
      if (isElsewhere && which !== 'new') this.#reviewNextHop(id)
    }
    if (table.fresh !== undefined) table.fresh = []
    if (which !== 'new') {
      // Not all next hops that an earlier change concerns are resolved yet: now all are resolved.
      const isAsked = this.hasNextHopsToResolve || which === 'all' ? () => true : which
      this.#toResolve = { ids: table.ids()[Symbol.iterator](), isAsked }
    }
    for (let looked = 0; looked < NEXT_HOPS_AT_ONCE && this.#toResolve !== undefined; looked++) {
      const { ids, isAsked } = this.#toResolve
      const { done, value: id } = ids.next()
      if (done === true) this.#toResolve = undefined
      else if (isAsked(table.bytes.copy(id)) && this.#resolveNextHop(id, resolve)) this.#reviewNextHop(id)
    }
  }

  /** `resolveNextHops` has not looked at all of them yet. */
  get hasNextHopsToResolve(): boolean {
    return this.#toResolve !== undefined
  }

  /** Resolves one next hop. Returns whether the result differs from the previous one. */
  #resolveNextHop(id: number, resolve: ResolveNextHop): boolean {
    const table = this.#nextHops
    const found = resolve(table.bytes.copy(id))
    const { reach, metric, withoutLink = found } = found
    const isSame =
      table.metric[id] === metric &&
      table.reach[id] === REACH[reach] &&
      table.globalMetric[id] === withoutLink.metric &&
      table.globalReach[id] === REACH[withoutLink.reach]
    if (!isSame) table.setReach(id, REACH[reach], metric, REACH[withoutLink.reach], withoutLink.metric)
    return !isSame
  }

  #reviewNextHop(id: number): void {
    for (const family of FAMILIES) this.#ribs[family].review().noteNextHop(id, ASK.decision)
  }

  /** Next hops in use that could not be resolved: at most `most` of them, and their number. */
  unreachableNextHops(most: number): { readonly first: readonly Uint8Array[]; readonly count: number } {
    const { bytes, unreachable } = this.#nextHops
    const first: Uint8Array[] = []
    for (const id of unreachable) {
      if (first.length === most) break
      first.push(bytes.copy(id))
    }
    return { first, count: unreachable.size }
  }

  counts(name: string, family: Family): FamilyCounts {
    const slot = this.#slot(name)
    const rib = this.#ribs[family]
    const counters = rib.countersOf(slot) ?? newImportCounters()
    const members = rib.adjOut.membersOf(slot)
    const sum = (count: (member: Member) => number) => members.reduce((total, member) => total + count(member), 0)
    const rejected = sum(({ group, rejectedBefore }) => group.exporter.rejected - rejectedBefore)
    const filtered = sum(({ group, filteredBefore }) => group.exporter.filtered - filteredBefore)
    const announced = sum((member) => member.announced)
    const withdrawn = sum((member) => member.withdrawn)
    return {
      received: counters.held,
      accepted: counters.usable,
      preferred: rib.loc.preferred[slot.index] ?? 0,
      advertised: sum(({ advertised }) => advertised),
      memory: { octets: counters.octets, limit: memoryOf(slot.peer, family), refuses: counters.memoryRefused !== 'no' },
      importUpdates: { ...counters.updates },
      importWithdraws: { ...counters.withdraws },
      exportUpdates: { received: announced + rejected + filtered, rejected, filtered, accepted: announced },
      exportWithdraws: { received: withdrawn, accepted: withdrawn },
      endOfRibReceived: counters.endOfRib,
      endOfRibSent: rib.adjOut.hasFinished(slot),
    }
  }

  /** The neighbor has sent its End-of-RIB of this family. */
  hasEnded(name: string, family: Family): boolean {
    return this.#ribs[family].countersOf(this.#slot(name))?.endOfRib === true
  }

  /** How often each rule applied; the last number: how often none decided. A route counts once for an update group. */
  hits(policy: Policy): readonly number[] | undefined {
    return this.#peers.policies.hits(policy)
  }

  page(query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage {
    return this.#rows.page(query, from, limit)
  }

  count(query: RouteQuery, from: RouteCursor | undefined): RouteCount {
    return this.#rows.count(query, from)
  }

  memory(): readonly { what: string; bytes: number }[] {
    const [v4, v6] = [this.#ribs.ipv4.memory(), this.#ribs.ipv6.memory()]
    return [
      { what: 'Routing tables', bytes: v4.tables + v6.tables + v4.paths + v6.paths },
      { what: 'Route attributes', bytes: this.#attributes.memory() + this.#nextHops.memory() },
      { what: 'Routes advertised', bytes: this.#blocks.memory() + v4.out + v6.out },
    ]
  }

  /** The number of entries in use, by kind: all 0 without routes and neighbors. */
  usage(): { prefixes: number; paths: number; attributes: number; nextHops: number; blocks: number } {
    const { ipv4, ipv6 } = this.#ribs
    return {
      prefixes: ipv4.prefixes.size + ipv6.prefixes.size,
      paths: ipv4.paths.size + ipv6.paths.size,
      attributes: this.#attributes.size,
      nextHops: this.#nextHops.size,
      blocks: this.#blocks.size,
    }
  }

  #bestOf(rib: FamilyRib, prefix: number, best: number): BestRoute {
    const { prefixes, paths, family, decision } = rib
    const address = new Uint8Array(ADDRESS_BYTES[family])
    prefixes.writeAddress(prefix, address)
    const shared = decision.sharing(paths.first[prefix] as number, best)
    const [first, ...others] = shared.flatMap((path) => {
      const peer = this.#peers.slots[paths.peer[path] as number]?.peer.name
      return peer === undefined ? [] : [{ peer, nextHop: this.#copyOf(paths.nextHop[path] as number) }]
    })
    const learned = first && { ...first, others }
    return { prefix: packPrefix(address, prefixes.lengths[prefix] as number), learned }
  }

  #copyOf(nextHop: number): Uint8Array {
    const known = this.#copied.get(nextHop)
    if (known !== undefined) return known
    const bytes = this.#nextHops.bytes.copy(nextHop)
    this.#copied.set(nextHop, bytes)
    return bytes
  }

  #slot(name: string): PeerSlot {
    const slot = this.#peers.get(name)
    if (slot === undefined) throw new Error(`no neighbor ${name}`)
    return slot
  }

  #takeWithdrawn(slot: PeerSlot): void {
    const { bytes, withdrawnStart, withdrawnEnd, unreachFamily, unreachStart, unreachEnd } = this.#decoder
    if (withdrawnStart < withdrawnEnd) this.#ribs.ipv4.withdraw(slot, bytes, withdrawnStart, withdrawnEnd)
    if (unreachFamily !== undefined) this.#ribs[unreachFamily].withdraw(slot, bytes, unreachStart, unreachEnd)
  }

  /** RFC 7606 §2, treat-as-withdraw. */
  #takeBack(slot: PeerSlot): void {
    const { bytes, nlriStart, nlriEnd, reachFamily, reachStart, reachEnd } = this.#decoder
    if (nlriStart < nlriEnd) this.#ribs.ipv4.withdraw(slot, bytes, nlriStart, nlriEnd)
    if (reachFamily !== undefined) this.#ribs[reachFamily].withdraw(slot, bytes, reachStart, reachEnd)
  }

  #takeAnnounced(slot: PeerSlot, now: Millis): void {
    const decoder = this.#decoder
    const { bytes, nlriStart, nlriEnd, nextHopStart, reachFamily, reachStart, reachEnd } = decoder
    const announcement = this.#announcement
    const nextHop = this.#nextHopBytes
    announcement.bytes = bytes
    nextHop.bytes = bytes
    announcement.attributes = this.#attributes.intern(decoder.attributes, 0, decoder.attributesLength)
    if (nlriStart < nlriEnd && nextHopStart >= 0) {
      announcement.start = nlriStart
      announcement.end = nlriEnd
      nextHop.start = nextHopStart
      nextHop.length = 4
      this.#announce(slot, 'ipv4', now)
    }
    if (reachFamily !== undefined && reachStart < reachEnd) {
      const { reachNextHopStart: at, reachNextHopLength: length } = decoder
      const skip = withoutGlobal(bytes, at, length)
      announcement.start = reachStart
      announcement.end = reachEnd
      nextHop.start = at + skip
      nextHop.length = length - skip
      this.#announce(slot, reachFamily, now)
    }
    this.#attributes.release(announcement.attributes)
    announcement.bytes = nextHop.bytes = NO_BYTES
  }

  /** Announces the routes in `#announcement`, with the next hop in `#nextHopBytes`. */
  #announce(slot: PeerSlot, family: Family, now: Millis): void {
    const announcement = this.#announcement
    const nextHop = this.#nextHopBytes
    const rib = this.#ribs[family]
    announcement.refused = rib.whyNotUsable(slot, announcement.attributes, nextHop)
    announcement.nextHop = this.#nextHops.intern(nextHop.bytes, nextHop.start, nextHop.start + nextHop.length)
    rib.announce(slot, announcement, now)
    this.#nextHops.release(announcement.nextHop)
  }

  #askLimits(slot: PeerSlot): Partial<ReceiveResult> | undefined {
    const { families, maxPrefixes, warnPrefixes } = slot.peer
    let near: Partial<ReceiveResult> | undefined
    for (const family of families) {
      const limit = maxPrefixes[family]
      const counters = this.#ribs[family].countersOf(slot)
      if (limit === undefined || counters === undefined) continue
      // A path that is advertised anew counts once: the old ones go at the end of the refresh. But they are bounded as
      // well.
      const fresh = counters.held - counters.old
      if (fresh > limit || counters.old > limit) {
        return { error: tooMany(family, Math.max(fresh, counters.old), limit), tooMany: family }
      }
      const isNear = fresh >= (warnPrefixes?.[family] ?? limit + 1)
      if (!isNear) counters.warned = false
      // One UPDATE gives one warning: that of the other family comes with the next UPDATE.
      if (!isNear || counters.warned || near !== undefined) continue
      counters.warned = true
      near = { nearLimit: { family, held: fresh, limit } }
    }
    return near
  }

  #askCrowded(slot: PeerSlot): ReceiveResult['crowded'] {
    for (const family of slot.peer.receive.addPath) {
      const counters = this.#ribs[family].countersOf(slot)
      if (counters?.crowded === undefined) continue
      const prefix = counters.crowded
      counters.crowded = undefined
      return { family, prefix, most: MOST_TAKEN }
    }
    return undefined
  }

  /** Does what is due at `now`: gives memory back. */
  notice(now: Millis): void {
    if (this.#tidyAt === undefined || this.#tidyAt > now) return
    this.#tidyAt = undefined
    this.#isTidying = true
  }

  get #tidied(): readonly { readonly isUntidy: boolean; tidy(budget: number): number }[] {
    return [this.#attributes.blocks, this.#nextHops.bytes, this.#blocks, this.#ribs.ipv4, this.#ribs.ipv6]
  }

  get #isUntidy(): boolean {
    return this.#tidied.some(({ isUntidy }) => isUntidy)
  }

  #tidy(budget: number): void {
    let left = budget
    for (const table of this.#tidied) if (left > 0 && table.isUntidy) left = table.tidy(left)
    this.#isTidying = this.#isUntidy
  }

  #askMemory(slot: PeerSlot): MemoryNews | undefined {
    for (const family of slot.peer.families) {
      const counters = this.#ribs[family].countersOf(slot)
      if (counters === undefined) continue
      const { octets } = counters
      const own = memoryOf(slot.peer, family)
      const isNear = octets >= own * NEAR
      const isNews = isNear && !counters.memoryWarned
      counters.memoryWarned = isNear
      if (counters.memoryRefused === 'since now') {
        counters.memoryRefused = 'logged'
        const { isTooLarge, tables, limit } = this.#memory
        return isTooLarge && limit !== undefined
          ? { family, state: 'refused', whose: 'agent', octets: tables, limit }
          : { family, state: 'refused', whose: 'neighbor', octets, limit: own }
      }
      if (isNews) return { family, state: 'near', whose: 'neighbor', octets, limit: own }
    }
    return undefined
  }

  /** Counts the memory of all tables. Not in every turn: counting costs time, and tables grow little in one turn. */
  #countMemory(): void {
    if (this.#memory.limit === undefined || (this.busy && this.#turns++ % TURNS_PER_COUNT !== 0)) return
    this.#memory.tables = this.memory().reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #countDown(slot: PeerSlot): void {
    this.#retired.set(slot, (this.#retired.get(slot) ?? 0) - 1)
  }

  /** Frees the numbers of removed neighbors that no path and no best route refers to. */
  #reclaim(): void {
    if (this.#retired.size === 0 || FAMILIES.some((family) => !this.#ribs[family].isSettled)) return
    for (const [slot, left] of this.#retired) {
      if (left > 0) continue
      this.#peers.reclaim(slot)
      this.#retired.delete(slot)
    }
  }
}

const tooLong = (octets: number): UpdateProblem => ({
  kind: 'update-problem',
  action: 'withdraw',
  attribute: undefined,
  text: `${octets} octets of path attributes, ${LONGEST} are taken`,
})

/** How long unused memory is kept. */
const TIDY_AFTER: Millis = 20_000
/** The most ids and slots that one turn looks at to give memory back. */
const TIDY_BUDGET = 16_384
/** The most next hops that one turn resolves again because the kernel has changed. */
const NEXT_HOPS_AT_ONCE = 1_024

type ResolveNextHop = (nextHop: Uint8Array) => Reachability

/** Turns from one count of all memory to the next. */
const TURNS_PER_COUNT = 16

const ALL_WELL: ReceiveResult = {
  error: undefined,
  problems: [],
  endOfRib: undefined,
  tooMany: undefined,
  nearLimit: undefined,
  memory: undefined,
  crowded: undefined,
}

/** RFC 4486 §4: Maximum Number of Prefixes Reached, with the family and the limit. */
function tooMany(family: Family, held: number, limit: number): MessageError {
  const data = Uint8Array.of(0, AFI[family], SAFI_UNICAST, 0, 0, 0, 0)
  writeU32(data, 3, limit)
  return messageError(CEASE.code, CEASE.maxPrefixes, `${held} ${family} routes, ${limit} allowed`, data)
}

const sameMatches = (a: readonly PrefixMatch[], b: readonly PrefixMatch[]): boolean =>
  a === b ||
  (a.length === b.length &&
    a.every(
      ({ prefix, minLength }, index) => prefix.text === b[index]?.prefix.text && minLength === b[index]?.minLength,
    ))

const samePrefixes = (a: readonly Prefix[], b: readonly Prefix[]): boolean =>
  a === b || (a.length === b.length && a.every(({ text }, index) => text === b[index]?.text))

/** Whether the change of the neighbor can make usable paths unusable, or the other way round (eligible.ts). */
const changesEligibility = (before: RibPeer, after: RibPeer): boolean =>
  before.localAs !== after.localAs ||
  before.localRouterId !== after.localRouterId ||
  before.role !== after.role ||
  before.interface !== after.interface ||
  before.allowedOwnAs !== after.allowedOwnAs ||
  before.nodeAs !== after.nodeAs ||
  before.reflection?.clusterId !== after.reflection?.clusterId
