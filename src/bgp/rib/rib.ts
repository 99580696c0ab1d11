/**
 * The RIB: which routes exist, which is best and why, what is advertised to each neighbor.
 *
 * In: UPDATEs of Established neighbors (`receive`), routes that this node originates (`originate`, `withdraw`), and changes
 * of neighbors. Out: UPDATEs, when the network has room (`pull`), and rows and counts for `show`. Decision and all long
 * work are done in `advance`, a bounded part at a time.
 *
 *   receive ──► UpdateReader ──► attribute and next hop tables ──► one FamilyRib per family ──► pull
 *
 * Everything about a route is a number in a typed array: a full table has no object per route.
 */

import { FAMILIES, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import { earlier } from '../../base/timers.ts'
import type { Millis } from '../../base/units.ts'
import type { Policy, PrefixMatch } from '../policy/rule.ts'
import { AttributeTable } from '../route/attribute-table.ts'
import { ByteTable } from '../route/byte-table.ts'
import { type HashKey, KNOWN_KEY } from '../route/hash.ts'
import { NextHopTable } from '../route/next-hop-table.ts'
import { originatedAttributes } from '../wire/attribute.ts'
import { BestRoutes } from './best-routes.ts'
import type { DecisionSettings } from './decide.ts'
import { familyCounts } from './family-counts.ts'
import { FamilyRib } from './family-rib.ts'
import { MemoryLimit } from './memory-limit.ts'
import { type ChangedPrefixes, NextHopResolver, type ResolveNextHop } from './next-hop-resolver.ts'
import { NodeSettings } from './node-settings.ts'
import { PeerSessions } from './peer-sessions.ts'
import { type HeardNextHops, NOTHING_HEARD, Peers } from './peers.ts'
import { ReceiveLimits } from './receive-limits.ts'
import { RouteRows } from './rows.ts'
import { Sending } from './sending.ts'
import type { Straying } from './straying.ts'
import { TableMemory } from './table-memory.ts'
import type {
  BestRoute,
  FamilyCounts,
  ImportSide,
  OriginatedRoute,
  OwnPodCidrs,
  PrefixLimitReport,
  ReceiveResult,
  RibPeer,
  RouteCount,
  RouteCursor,
  RoutePage,
  RouteQuery,
} from './types.ts'
import { LOG_LIMIT } from './update-log.ts'
import { UpdateReader } from './update-reader.ts'

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
  readonly #peers = new Peers()
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #sessions: PeerSessions
  readonly #sending: Sending
  readonly #reader: UpdateReader
  readonly #limits: ReceiveLimits
  readonly #resolver: NextHopResolver
  readonly #best: BestRoutes
  readonly #rows: RouteRows
  readonly #memory: TableMemory
  readonly #settings: NodeSettings

  constructor({ hashKey = KNOWN_KEY, logLimit = LOG_LIMIT, memoryLimit }: RibOptions = {}) {
    const attributes = new AttributeTable(hashKey)
    const nextHops = new NextHopTable(hashKey)
    const blocks = new ByteTable(hashKey)
    const memory = new MemoryLimit(memoryLimit)
    const peers = this.#peers
    const deferral = { isOn: false, isUnread: false, revision: 0 }
    const shared = { attributes, nextHops, blocks, peers, memory, deferral, logLimit }
    const ribs = { ipv4: new FamilyRib('ipv4', hashKey, shared), ipv6: new FamilyRib('ipv6', hashKey, shared) }
    this.#attributes = attributes
    this.#ribs = ribs
    this.#sessions = new PeerSessions(peers, ribs, nextHops)
    this.#settings = new NodeSettings(ribs, deferral)
    this.#sending = new Sending(ribs)
    this.#reader = new UpdateReader(attributes, nextHops, ribs)
    this.#limits = new ReceiveLimits(ribs, memory)
    this.#resolver = new NextHopResolver(nextHops, (id, asks) => this.#reviewNextHop(id, asks))
    this.#best = new BestRoutes(ribs, nextHops, peers)
    this.#rows = new RouteRows(ribs, attributes, nextHops, blocks, peers)
    this.#memory = new TableMemory(shared, ribs)
  }

  /**
   * The session is up: everything is advertised, and End-of-RIB follows. If `losePeer` kept routes of the neighbor, those of
   * the families in `keep` stay stale until its End-of-RIB, and the others are removed at once. Returns true if it is another
   * router than before, so that all kept routes are removed.
   */
  addPeer(peer: RibPeer, keep: readonly Family[] = []): boolean {
    return this.#sessions.add(peer, keep).isAnotherRouter
  }

  /**
   * The session is down, and the neighbor is expected back (RFC 4724 §4.2): keeps its routes of these families as stale.
   */
  losePeer(name: string, keep: readonly Family[]): void {
    this.#sessions.lose(name, keep)
  }

  /** Removes stale routes of these families. A neighbor that is down is removed with its last family. */
  dropStale(name: string, families: readonly Family[] = FAMILIES): void {
    this.#sessions.dropStale(name, families)
  }

  /**
   * The Restart Time is over: stale routes of these families are still kept, as the last choice (RFC 9494).
   */
  beginLongLived(name: string, families: readonly Family[]): void {
    const slot = this.#sessions.slot(name)
    for (const family of families) this.#ribs[family].stale.beginLongLived(slot)
  }

  /** Down for good: removes its routes and its Adj-RIB-Out. */
  removePeer(name: string): void {
    this.#sessions.remove(name)
  }

  /** The neighbor has another name, and is the same. */
  renamePeer(from: string, name: string): void {
    this.#sessions.rename(from, name)
  }

  /** Policies, next hops or limits have changed without a reset. */
  setPeer(peer: RibPeer): void {
    this.#sessions.set(peer)
  }

  /** The same for a neighbor that is down and whose routes are kept: they are evaluated again. */
  setImportSide(name: string, side: ImportSide): void {
    this.#sessions.setImportSide(name, side)
  }

  /** The limits of a neighbor may have changed: whether it has too many routes for them, or nearly so. */
  takePrefixLimitReport(name: string): PrefixLimitReport | undefined {
    return this.#limits.takePrefixLimitReport(this.#sessions.slot(name))
  }

  /** Sets the addresses of this node, in addition to those that it advertises as next hops: no route over them is used. */
  setNodeAddresses(addresses: readonly Uint8Array[]): void {
    this.#sessions.setNodeAddresses(addresses)
  }

  /**
   * The neighbor requests all routes again (RFC 2918); with BoRR and EoRR around them if both support it (RFC 7313).
   */
  refreshOut(name: string, family: Family, enhanced = false): void {
    this.#ribs[family].adjOut.refresh(this.#sessions.slot(name), enhanced)
  }

  /** The neighbor begins to advertise everything again (RFC 7313, BoRR). */
  beginRefresh(name: string, family: Family, now: Millis): void {
    this.#ribs[family].stale.beginRefresh(this.#sessions.slot(name), now)
  }

  /** The neighbor has sent its whole table: routes that it did not advertise again are removed. */
  endRefresh(name: string, family: Family): void {
    this.#ribs[family].stale.endRefresh(this.#sessions.slot(name))
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
    return earlier(this.#memory.deadline, earlier(this.#ribs.ipv4.refreshDeadline(), this.#ribs.ipv6.refreshDeadline()))
  }

  #isDue(now: Millis): boolean {
    const due = this.deadline()
    return due !== undefined && due <= now
  }

  /** Ends refreshes that have lasted too long. Returns their neighbors. */
  endLateRefreshes(now: Millis): readonly { readonly name: string; readonly family: Family }[] {
    if (!this.#isDue(now)) return NONE_DUE
    return FAMILIES.flatMap((family) =>
      this.#ribs[family].stale.endLateRefreshes(now).map(({ peer }) => ({ name: peer.name, family })),
    )
  }

  /** Changes the settings of decision, and decides all prefixes again. */
  setDecision(settings: DecisionSettings): void {
    this.#settings.setDecision(settings)
  }

  /** One UPDATE, header included, in [start, end). Nothing of `bytes` is kept. */
  receive(name: string, bytes: Uint8Array, start: number, end: number, now: Millis): ReceiveResult {
    const slot = this.#sessions.slot(name)
    const error = this.#reader.read(slot, bytes, start, end, now)
    if (error !== undefined) return { ...ALL_WELL, error }
    const { problems, endOfRib } = this.#reader
    const exceeded = this.#limits.takePrefixLimitReport(slot)
    const crowded = this.#limits.takeCrowded(slot)
    const memory = this.#limits.takeMemoryLimitReport(slot)
    const isExceeded = exceeded !== undefined || crowded !== undefined || memory !== undefined
    if (!isExceeded && problems.length === 0 && endOfRib === undefined) return ALL_WELL
    return { ...ALL_WELL, ...exceeded, crowded, memory, problems, endOfRib }
  }

  /** By family: a next hop on the link of an external neighbor that it sent. Another value whenever something was added. */
  heardOnLink(name: string): HeardNextHops {
    return this.#peers.get(name)?.heard ?? NOTHING_HEARD
  }

  /** Adds or changes routes of our own, one for each prefix. */
  originate(routes: readonly OriginatedRoute[], now: Millis): void {
    for (const route of routes) {
      const attributes = this.#attributes.encode(originatedAttributes(route.communities))
      this.#ribs[route.prefix.family].originate(route, attributes, now)
      this.#attributes.release(attributes)
    }
  }

  withdraw(prefixes: readonly Prefix[]): void {
    for (const { family, bytes, length } of prefixes) this.#ribs[family].withdrawOriginated(bytes, length)
  }

  /**
   * The configured service ranges: learned routes inside them are advertised with their own next hop, or not at all.
   */
  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    this.#settings.setServiceRanges(ranges)
  }

  /** Sets the pod CIDRs of this node: no learned route inside them is used, except to lent addresses. */
  setOwnPods(pods: OwnPodCidrs): void {
    this.#settings.setOwnPods(pods)
  }

  /** Service addresses, as /32 and /128, were added and removed. They are treated as the ranges are. */
  setServiceAddresses(added: readonly Prefix[], removed: readonly Prefix[]): void {
    for (const address of removed) this.#ribs[address.family].setServiceAddress(address, false)
    for (const address of added) this.#ribs[address.family].setServiceAddress(address, true)
  }

  /** Where packets to a learned prefix go instead, if this node does not forward them by the route that it learned. */
  setStraying(prefix: Prefix, straying: Straying | undefined): void {
    this.#ribs[prefix.family].setStraying(prefix, straying)
  }

  /**
   * Does work for about `budget` prefixes: decision, and the rest of refreshes, policy changes and lost neighbors.
   */
  advance(budget: number, now: Millis): void {
    const left = this.#ribs.ipv4.advance(this.#ribs.ipv6.busy ? Math.ceil(budget / 2) : budget, now)
    this.#ribs.ipv6.advance(this.#ribs.ipv6.busy ? Math.max(left, budget >> 1, 1) : left, now)
    this.#sessions.reclaim()
    this.#memory.advance(now)
    for (const family of FAMILIES) this.#ribs[family].retryRejected()
  }

  /** `advance` has work left. */
  get busy(): boolean {
    return this.#memory.isBusy || FAMILIES.some((family) => this.#ribs[family].busy)
  }

  /** Whether neighbors were ever told a learned route of this family with this node as its next hop. */
  relays(family: Family): boolean {
    return this.#ribs[family].relaying.began
  }

  /** `defers`: only originated routes are advertised. When that is over, the others follow. */
  deferLearned(defers: boolean): void {
    this.#settings.deferLearned(defers)
  }

  /** `isUnread`: the kernel's routes are not known, so that no learned route is advertised with this node as its next hop. */
  awaitKernel(isUnread: boolean): void {
    this.#settings.awaitKernel(isUnread)
  }

  /** `withholds`: routes are advertised but End-of-RIB is not, since more routes of the first table follow. */
  withholdEnd(withholds: boolean): void {
    this.#sending.withholdEnd(withholds)
  }

  /**
   * The next whole messages for a neighbor, about `maxBytes` octets and at least one message; undefined when nothing is due.
   * After a long run the other family is next, so that it does not wait for the end of a large table.
   */
  pull(name: string, maxBytes: number): { bytes: Uint8Array; messages: number } | undefined {
    return this.#sending.pull(this.#sessions.slot(name), maxBytes)
  }

  /** Nothing is due for any neighbor: `pending` would be false for all. */
  get isQuiet(): boolean {
    return this.#sending.isQuiet
  }

  /** Changes whenever UPDATEs may have become due. */
  get revision(): number {
    return this.#ribs.ipv4.revision + this.#ribs.ipv6.revision
  }

  /** Whether `pull` may return something. If true, it may still return nothing. */
  pending(name: string): boolean {
    return this.#sending.pending(this.#sessions.slot(name))
  }

  /** Names of all neighbors for which `pending` is true, and of a few others, without a look at each neighbor. */
  pendingPeers(): Set<string> {
    return this.#sending.pendingPeers()
  }

  /** From now on, changes are kept for `takeBest` and `resolveNextHops`: routes are written into the kernel. */
  trackForKernel(): void {
    this.#resolver.trackChanges()
    for (const family of FAMILIES) this.#ribs[family].trackBest()
  }

  /**
   * At most `limit` prefixes whose best route, or the paths that share its traffic, may have changed since the last call.
   * Routes with the same next hop share its octets.
   */
  takeBest(limit: number): BestRoute[] {
    return this.#best.take(limit)
  }

  get hasNewBest(): boolean {
    return this.#best.hasChanges
  }

  /**
   * Resolves by `resolve` the next hops that decision has not seen yet, and those that a change of the kernel concerns, a
   * bounded number in each call. Only paths over next hops that now resolve differently are decided again.
   */
  resolveNextHops(resolve: ResolveNextHop, changed: ChangedPrefixes): void {
    this.#resolver.resolve(resolve, changed)
  }

  /** `resolveNextHops` has not looked at all of them yet. */
  get hasNextHopsToResolve(): boolean {
    return this.#resolver.isBusy
  }

  #reviewNextHop(id: number, asks: number): void {
    for (const family of FAMILIES) this.#ribs[family].review().noteNextHop(id, asks)
  }

  /** Next hops in use that could not be resolved: at most `most` of them, and their number. */
  unreachableNextHops(most: number): { readonly first: readonly Uint8Array[]; readonly count: number } {
    return this.#resolver.unreachable(most)
  }

  counts(name: string, family: Family): FamilyCounts {
    return familyCounts(this.#ribs[family], this.#sessions.slot(name))
  }

  /** The neighbors that End-of-RIB was sent to or received from since this was asked last. */
  takeEnded(): ReadonlySet<string> {
    const names = new Set<string>()
    for (const family of FAMILIES) {
      const { adjOut, stale } = this.#ribs[family]
      for (const { peer } of [...adjOut.takeEnded(), ...stale.takeEnded()]) names.add(peer.name)
    }
    return names
  }

  /** The neighbor has sent its End-of-RIB of this family. */
  hasEnded(name: string, family: Family): boolean {
    return this.#ribs[family].importStateOf(this.#sessions.slot(name))?.endOfRib === true
  }

  /** How often each rule applied; the last number: how often none decided. A route counts once for an update group. */
  hits(policy: Policy): readonly number[] | undefined {
    return this.#peers.policies.hits(policy)
  }

  /** Those of removed neighbors too, until nothing refers to them. */
  get numbersInUse(): number {
    return this.#peers.numbersInUse
  }

  page(query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage {
    return this.#rows.page(query, from, limit)
  }

  count(query: RouteQuery, from: RouteCursor | undefined): RouteCount {
    return this.#rows.count(query, from)
  }

  memory(): readonly { what: string; bytes: number }[] {
    return this.#memory.byKind()
  }

  /** The number of entries in use, by kind: all 0 without routes and neighbors. */
  usage(): { prefixes: number; paths: number; attributes: number; nextHops: number; blocks: number } {
    return this.#memory.entries()
  }

  /** Does what is due at `now`: counts memory, and gives it back. */
  notice(now: Millis): void {
    this.#memory.notice(now)
  }
}

const ALL_WELL: ReceiveResult = {
  error: undefined,
  problems: [],
  endOfRib: undefined,
  tooMany: undefined,
  nearLimit: undefined,
  memory: undefined,
  crowded: undefined,
}
