/**
 * Connects the kernel's routing table with the RIB:
 *
 * - best routes → the routes that the kernel should hold → effects
 * - the routes that the kernel holds → reachability of next hops → decision
 * - originated prefixes → blackholes → advertised (`originated-prefixes`)
 *
 * In a turn `resolveNextHops` runs before decision, and `flush` after it.
 */

import { type Address, addressBytes, formatAddress } from '../base/address.ts'
import { counted } from '../base/counted.ts'
import type { Family } from '../base/family.ts'
import { isHostPrefix, type Prefix } from '../base/prefix.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import type { Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { DataplaneIntent, Problem, RouteIntent } from '../cluster/intent.ts'
import { isInsideOne } from '../cluster/prefix-index.ts'
import { same } from '../cluster/same.ts'
import { describeKeptOut } from '../dataplane/kept-out.ts'
import { describeRoute, type Failure, type KernelChange, ownerOf, type RouteChange } from '../dataplane/kernel.ts'
import { IFF_UP, type LinkTable, type TouchedLinks } from '../dataplane/links.ts'
import { NodeRouteWriter, type StillThere } from '../dataplane/node-routes.ts'
import { RouteKeeper } from '../dataplane/route-keeper.ts'
import type { KernelWay } from '../show/view.ts'
import { FirstSync, type Syncing, type SyncingNeighbor } from './first-sync.ts'
import type { Input } from './input.ts'
import { KernelLoops } from './kernel-loops.ts'
import { KernelNft } from './kernel-nft.ts'
import { kernelProblems, tooMany } from './kernel-problems.ts'
import { LearnedRoutes } from './learned-routes.ts'
import { logLine } from './log-line.ts'
import { isStopped, type Neighbors } from './neighbors.ts'
import { NextHopReach } from './next-hop-reach.ts'
import { NodeRouteRows } from './node-route-rows.ts'
import type { Objects } from './objects.ts'
import { OriginatedPrefixes } from './originated-prefixes.ts'
import type { Outbox } from './outbox.ts'

export type RouteInput = Extract<Input, { kind: 'kernel' | 'nft-table' | 'applied' | 'kernel-error' }>

/** The most route changes in one effect; the next effect follows when these have been applied. */
const CHANGES = 512
/** Best routes taken from the RIB in one turn. */
const SLICE = 512

export interface KernelRooms {
  readonly rib: Rib
  readonly neighbors: Neighbors
  readonly objects: Objects
  readonly out: Outbox
  readonly links: LinkTable
  /** Table of learned routes; default: main. */
  readonly table?: number | undefined
  /** Protocol numbers of the previous BGP speaker. */
  readonly adopt?: readonly number[] | undefined
  /** Whether the CNI configuration is in place. */
  readonly arePodsReady: () => boolean
  /** No Secret that holds a key waits to be read: sessions that have no key will get none. */
  readonly areKeysRead: () => boolean
  /** Hosts of ranges that were neighbors of the run before, and may call again. */
  readonly expected: () => Iterable<Pick<SyncingNeighbor, 'name' | 'session'>>
}

export class Kernel {
  readonly #rooms: KernelRooms
  readonly #routes: RouteKeeper
  readonly #nodeRoutes: NodeRouteWriter
  readonly #nft: KernelNft
  readonly #loops: KernelLoops
  #intent: DataplaneIntent | undefined
  readonly #own: OriginatedPrefixes
  readonly #learned: LearnedRoutes
  readonly #reach: NextHopReach
  #inFlight: { readonly seq: number; readonly changes: readonly RouteChange[] } | undefined
  #seq = 0
  /**
   * Route selection is deferred (RFC 4724 §4.1): learned routes stay in the kernel as the previous run wrote them. Those that
   * it lacks, because somebody flushed them while no agent ran, are written as they are learned.
   */
  defers = false
  /** Undefined before objects are known. */
  #firstSync: FirstSync | undefined
  /** While direct routes to other nodes (`nodeRoutes: Direct`) are being replaced by routes learned over BGP. */
  #handover: FirstSync | undefined
  /** Routes of an earlier run that are still there are being removed. */
  #handoverIsOver = false
  #error: string | undefined
  /** Routes of other programs that are not known, as there are too many. */
  #leftOut = 0
  #isStale = true
  #problems: readonly Problem[] = []

  constructor(rooms: KernelRooms) {
    this.#rooms = rooms
    this.#routes = new RouteKeeper(rooms.links, rooms.table, rooms.adopt)
    this.#nodeRoutes = new NodeRouteWriter(this.#routes.wanted)
    this.#nft = new KernelNft(rooms.out, this.#routes.table)
    this.#loops = new KernelLoops(this.#routes, this.#nft)
    this.#own = new OriginatedPrefixes(this.#routes, rooms.objects, rooms.arePodsReady)
    this.#learned = new LearnedRoutes(this.#routes.wanted, rooms.neighbors)
    this.#reach = new NextHopReach(rooms.rib, rooms.links, this.#routes)
    rooms.rib.trackForKernel()
  }

  get nft(): KernelNft {
    return this.#nft
  }

  /** Another speaker left routes to us; false before the kernel has been read. */
  get takesOver(): boolean {
    return this.#routes.inherited > 0
  }

  /** How many of our routes in the kernel lead to a next hop; 0 before the kernel has been read. */
  leading(family: Family): number {
    return this.#routes.leading(family)
  }

  // ── Desired state ────────────────────────────────────────────────────────────────────────────────────────────────

  /** `intent` is undefined while this node is not known: NAT then stays as it is. */
  *setIntent(intent: DataplaneIntent | undefined, now: Millis): Work {
    this.#firstSync ??= new FirstSync(this.#syncing, now)
    if (intent === undefined || intent === this.#intent) return
    this.#intent = intent
    this.#routes.wanted.allowLearnedWays(intent.recursiveNextHops)
    if (yield* this.#nodeRoutes.set(intent.nodeRoutes, stillThere(intent), now))
      this.#handover = new FirstSync(this.#syncing, now)
    yield* this.#nft.want(intent, now)
    this.#loops.setIntent(intent)
    this.#isStale = true
  }

  /**
   * In the step in which the RIB hears of them: it then hands over again what lies inside, which this compares with the ranges
   * once.
   */
  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    this.#learned.setServiceRanges(ranges)
  }

  /** Originated routes: advertised as soon as their packets end here. */
  changeRoutes(announce: readonly RouteIntent[], withdraw: readonly Prefix[], now: Millis): void {
    this.#loops.change(announce, withdraw)
    this.#own.change(announce, withdraw, now)
    this.#isStale = true
  }

  /** Nothing waits for the kernel before it is advertised: no originated prefix, and no learned route. */
  get isReady(): boolean {
    return this.#routes.isKnown && this.#own.isReady
  }

  // ── Actual state ─────────────────────────────────────────────────────────────────────────────────────────────────

  take(input: RouteInput, now: Millis): void {
    switch (input.kind) {
      case 'kernel':
        this.#takeRoutes(input.change, now)
        break
      case 'nft-table':
        this.#nft.takeTable(input.table, now)
        break
      case 'applied':
        this.#applied(input, now)
        break
      case 'kernel-error':
        if (input.what === 'nft') this.#nft.setError(input.text)
        else this.#error = input.text
        break
    }
    this.#isStale = true
  }

  #takeRoutes(change: KernelChange, now: Millis): void {
    const wasKnown = this.#routes.isKnown
    this.#routes.takeKernel(change, now)
    this.#leftOut = change.leftOut ?? this.#leftOut
    this.#own.kernelChanged()
    if (wasKnown || !this.#routes.isKnown) return
    if (this.#rooms.adopt !== undefined && this.#rooms.adopt.length > 0) this.#logInheritance(this.#rooms.adopt)
    for (const [table, count] of this.#routes.kernel.elsewhere()) {
      const text = `table ${table} holds ${counted(count, 'route', 'routes')} of an earlier run, removed when all neighbors have sent their routes`
      this.#rooms.out.log(logLine('info', 'kernel-routes-elsewhere', text, { table, routes: count }))
    }
  }

  /** Links or their addresses have changed. */
  takeLinks(touched: TouchedLinks): void {
    this.#routes.takeLinks(touched)
    this.#own.kernelChanged()
    this.#isStale = true
  }

  #logInheritance(adopt: readonly number[]): void {
    const { inherited } = this.#routes
    const text = `${counted(inherited, 'kernel route', 'kernel routes')} of ${adopt.map(ownerOf).join(', ')} taken over: each is removed when our route is installed`
    this.#rooms.out.log(logLine('info', 'kernel-routes-adopted', text, { routes: inherited }))
  }

  /** Runs before decision: resolves new next hops, and those that a change in the kernel may affect. */
  resolveNextHops(): void {
    if (this.#routes.isKnown) this.#reach.resolve()
  }

  /** Runs after decision and sending. `quiet`: no UPDATE is due for any neighbor. */
  flush(quiet: boolean, now: Millis): void {
    const best = this.#rooms.rib.takeBest(SLICE)
    for (const one of best) this.#learned.set(one)
    if (best.length > 0) this.#isStale = true
    if (quiet) this.#own.dropBlackholes()
    if (!this.#routes.isSwept && this.#isTimeToSweep(now)) this.#sweep()
    this.#handOver(now)
    if (this.#own.withdrawStrayed(now)) this.#isStale = true
    if (this.#own.announceReady(now)) this.#isStale = true
    this.#routes.retry(now)
    if (this.#loops.advance(this.#rooms.rib.busy, now)) this.#isStale = true
    if (this.#nft.retry(now)) this.#isStale = true
    this.#emit()
    for (const prefix of this.#routes.keptOut.takeTouched(SLICE)) {
      this.#rooms.rib.setStraying(prefix, this.#routes.straying(prefix))
    }
  }

  deadline(now: Millis): Millis | undefined {
    if (this.#rooms.rib.hasNewBest) return now
    if (this.#routes.isKnown && (this.#routes.wanted.hasTouched || this.#rooms.rib.hasNextHopsToResolve)) return now
    if (this.#routes.isBusy && this.#inFlight === undefined) return now
    if (this.#routes.keptOut.hasTouched) return now
    const cannotSweep = this.#routes.isSwept || !this.#routes.isKnown || this.defers
    const sweep = cannotSweep ? undefined : this.#firstSync?.deadline
    if (this.#handoverIsOver) return now
    const sync = earlier(sweep, this.#handover?.deadline)
    const rules = earlier(this.#nft.deadline(now), this.#loops.deadline(now))
    return earlier(earlier(this.#routes.deadline(), rules), sync)
  }

  /** The kernel's routes for a prefix, for `show explain`; undefined until the kernel has been read. */
  wayTo(prefix: Prefix): KernelWay | undefined {
    if (!this.#routes.isKnown) return undefined
    const own = this.#ownAddress(prefix)
    const lookup = this.#routes.kernel.lookup(prefix.bytes)
    const kept = this.#routes.keptOut.get(prefix.text)
    return {
      routes: this.#routes.kernel.at(prefix).map(describeRoute),
      lookup: own ?? (lookup && describeRoute(lookup)),
      isOwn: own !== undefined,
      keptOut: kept === undefined ? this.#learned.whyNotWritten(prefix) : describeKeptOut(kept),
    }
  }

  /**
   * The kernel looks up the addresses of this node in a table of its own, before any other. We do not read that one: it has
   * what the links that are switched on have.
   */
  #ownAddress(prefix: Prefix): string | undefined {
    const address = formatAddress(prefix.bytes)
    const link = isHostPrefix(prefix) ? this.#rooms.links.holder(address) : undefined
    return link === undefined || (link.flags & IFF_UP) === 0 ? undefined : `local ${address} dev ${link.name}`
  }

  /** Routes to pods of other nodes that objects want (`nodeRoutes: Direct`), in the order of their prefixes. */
  get nodeRoutes(): NodeRouteRows {
    return new NodeRouteRows(this.#nodeRoutes, this.#routes)
  }

  /** The kernel's routes have been read once. */
  get isKnown(): boolean {
    return this.#routes.isKnown
  }

  /** Whether the route to an address leads over this link alone, without a gateway; false until the kernel has been read. */
  isBeside(link: string, address: Address): boolean {
    return this.#routes.isKnown && this.#routes.table.isBeside(link, addressBytes(address))
  }

  /** The current problems; the same array while they have not changed. */
  problems(): readonly Problem[] {
    if (this.#isStale) {
      this.#isStale = false
      const found = [
        ...kernelProblems(this.#routes, this.#error, this.#own.waiting, this.#reach.unresolved()),
        ...tooMany(this.#leftOut),
        ...this.#nft.problems(),
      ]
      if (!same(found, this.#problems)) this.#problems = found
    }
    return this.#problems
  }

  #applied({ what, seq, failed }: Extract<RouteInput, { kind: 'applied' }>, now: Millis): void {
    if (what === 'nft') {
      this.#nft.applied(seq, failed, now)
      return
    }
    if (this.#inFlight?.seq !== seq) return
    const { changes } = this.#inFlight
    this.#inFlight = undefined
    this.#routes.applied(changes, failed, now)
    this.#own.written(changes)
    this.#logApplied(changes, failed)
  }

  #logApplied(changes: readonly RouteChange[], failed: readonly Failure[]): void {
    const written = changes.length - failed.length
    const fields = { written, failed: failed.length }
    const [first] = failed
    if (first === undefined) {
      this.#rooms.out.log(
        logLine('debug', 'routes-written', `${counted(written, 'kernel route', 'kernel routes')} changed`, fields),
      )
      return
    }
    const which = changes[first.index]?.route.prefix.text ?? ''
    const text = `${failed.length} of ${changes.length} kernel routes could not be changed; ${which}: ${first.reason}`
    this.#rooms.out.log(logLine('warn', 'routes-failed', text, fields))
  }

  // ── The first full sync ──────────────────────────────────────────────────────────────────────────────────────────

  readonly #syncing: Syncing = {
    neighbors: () => [...this.#syncingNeighbors()],
    counts: (name, family) => this.#rooms.rib.counts(name, family),
    areKeysRead: () => this.#rooms.areKeysRead(),
  }

  #isTimeToSweep(now: Millis): boolean {
    if (this.defers || !this.#routes.isKnown || this.#rooms.rib.busy || this.#rooms.rib.hasNewBest) return false
    return this.#firstSync?.isOver(now) === true
  }

  *#syncingNeighbors(): Iterable<SyncingNeighbor> {
    const { neighbors, expected, objects } = this.#rooms
    for (const neighbor of neighbors.all()) {
      yield { name: neighbor.name, session: neighbor.peer.session, isStopped: isStopped(neighbor) }
    }
    for (const caller of expected()) yield { ...caller, isStopped: false }
    for (const name of objects.silentRanges()) yield { name, session: undefined, isStopped: false }
  }

  #sweep(): void {
    this.#routes.sweep()
    this.#rooms.out.log(
      logLine('info', 'kernel-swept', 'all neighbors have sent their routes: kernel routes now follow them'),
    )
  }

  /** Each direct route stays until a neighbor has advertised it, or all neighbors have sent their routes. */
  #handOver(now: Millis): void {
    if (this.#handover === undefined) return
    if (this.#nodeRoutes.isLeaving && (this.#rooms.rib.busy || this.#rooms.rib.hasNewBest)) return
    if (this.#nodeRoutes.isLeaving && !this.#handoverIsOver && !this.#handover.isOver(now)) return
    this.#nodeRoutes.release()
    this.#isStale = true
    this.#handoverIsOver = this.#nodeRoutes.isLeaving
    if (!this.#handoverIsOver) this.#handover = undefined
  }

  #emit(): void {
    if (this.#inFlight !== undefined) return
    const changes = this.#routes.take(CHANGES)
    if (changes.length === 0) return
    this.#seq++
    this.#inFlight = { seq: this.#seq, changes }
    this.#rooms.out.push({ kind: 'routes', seq: this.#seq, changes })
  }
}

function stillThere({ nodeAddresses, podCidrs }: DataplaneIntent): StillThere {
  let addresses: ReadonlySet<string> | undefined
  return {
    hasAddress: (address) => {
      addresses ??= new Set(nodeAddresses)
      return addresses.has(address)
    },
    hasPods: ({ prefix }) => isInsideOne(prefix, podCidrs),
  }
}
