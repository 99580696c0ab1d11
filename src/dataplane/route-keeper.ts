/**
 * What the kernel's routing table should hold of ours, what it holds, and the changes between.
 *
 * In: best routes as BGP finds them, routes to pods of nodes on our links, own prefixes that want a blackhole, what the kernel
 * says, and what became of the changes. Of a prefix that several want, a blackhole comes first, then the node on our link, then
 * what BGP teaches: one row of the kernel has one owner, and changes hands in place.
 * Out: changes, as many as asked for, and why something is kept out.
 *
 * Routes that a former run left are taken over as they are; until `sweep`, one that nobody wants or that goes another way
 * stays, so that a restart moves no packet. Of another speaker before us, `inheritance` knows.
 */

import { addressBytes } from '../base/address.ts'
import { hostPrefix, isHostPrefix, makePrefix, type Prefix } from '../base/prefix.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import type { NodeRoute } from '../cluster/intent.ts'
import { Contest } from './contest.ts'
import { blackhole, type Conflict, keyIn, ownKey, planRoute, prefixOfKey, unicast, whyNotBeside } from './fib.ts'
import { Inheritance } from './inheritance.ts'
import { joinHops } from './join-hops.ts'
import {
  type Failure,
  GODWIT_PROTOCOL,
  type Hop,
  type KernelChange,
  type KernelRoute,
  MAIN_TABLE,
  type RouteChange,
  sameRoute,
} from './kernel.ts'
import { KernelTable } from './kernel-table.ts'
import { LearnedWays } from './learned-ways.ts'
import type { LinkTable, TouchedLinks } from './links.ts'
import { LongestMatch } from './longest-match.ts'
import { formatResolution, type NextHop, type Resolution } from './next-hop.ts'
import { NextHops, type UsedNextHop } from './next-hops.ts'
import { type Ending, endingOf } from './own-prefix.ts'

interface Learned {
  readonly prefix: Prefix
  readonly nextHops: readonly UsedNextHop[]
}

/** To pods of another node, from its objects alone (`nodeRoutes: Direct`). */
interface Direct {
  readonly route: NodeRoute
  readonly nextHop: UsedNextHop
  /** No object wants it any more: it stays until BGP has taught another, or `releaseDirect`. */
  leaving: boolean
}

/** Why a wanted route is not in the kernel. */
export type KeptOut =
  | { readonly kind: 'unresolved'; readonly prefix: Prefix; readonly reason: string }
  | { readonly kind: 'conflict'; readonly prefix: Prefix; readonly conflict: Conflict }
  | { readonly kind: 'failed'; readonly prefix: Prefix; readonly reason: string }
  | { readonly kind: 'contested'; readonly prefix: Prefix; readonly reason: string }
  /** Felix is to write it, and has not. */
  | { readonly kind: 'left'; readonly prefix: Prefix; readonly reason: string }

/** Who has a user of next hops by this key wants the prefix that it begins with. */
const DIRECT = ' direct'

/** After a failure everything that failed is tried again, later each time. */
const FIRST_RETRY: Millis = 1_000
const LAST_RETRY: Millis = 60_000

export class RouteKeeper {
  readonly table: KernelTable
  readonly nextHops: NextHops
  readonly #ways = new LearnedWays()
  /** Where learned routes stand. */
  readonly #home: number
  /** By prefix. */
  readonly keptOut = new Map<string, KeptOut>()
  readonly #learned = new Map<string, Learned>()
  readonly #blackholes = new Map<string, Prefix>()
  readonly #direct = new Map<string, Direct>()
  /** Ranges whose routes somebody else writes. */
  readonly #left = new LongestMatch<Prefix>()
  /** Ours in the kernel, by `ownKey`: as last read, and as written since. */
  readonly #present = new Map<string, KernelRoute>()
  /** Left by a former run, and not yet wanted just so. */
  readonly #adopted = new Set<string>()
  /** To be compared: own keys. */
  readonly #dirty = new Set<string>()
  /** What was different in the kernel since `takeTouched`: next hops inside may lead elsewhere. */
  #touched: Prefix[] = []
  readonly #failed = new Set<string>()
  /** By prefix: those whose routes in the kernel have changed. */
  readonly #moved = new Map<string, Prefix>()
  readonly #contest = new Contest()
  readonly #inheritance: Inheritance
  #retryAt: Millis | undefined
  #retryDelay = FIRST_RETRY
  #known = false
  #swept = false

  /** `adoptFrom`: protocol numbers of the speaker before us. */
  constructor(links: LinkTable, home = MAIN_TABLE, adoptFrom: readonly number[] = []) {
    this.#inheritance = new Inheritance(adoptFrom)
    this.table = new KernelTable(links)
    this.nextHops = new NextHops(this.table, this.#ways)
    this.#home = home
  }

  /** The kernel has been read once. */
  get isKnown(): boolean {
    return this.#known
  }

  get isSwept(): boolean {
    return this.#swept
  }

  /** Routes of the speaker before us that still stand. */
  get inherited(): number {
    return this.#inheritance.size
  }

  get size(): { readonly wanted: number; readonly present: number } {
    let alone = 0
    for (const prefix of this.#direct.keys()) if (!this.#learned.has(prefix)) alone++
    return { wanted: this.#learned.size + this.#blackholes.size + alone, present: this.#present.size }
  }

  // ── What is wanted ───────────────────────────────────────────────────────────────────────────────────────────────

  learn(prefix: Prefix, nextHops: readonly NextHop[]): void {
    const before = this.#learned.get(prefix.text)
    // Used before the others are left: most are the same.
    const used = this.nextHops.useAll(nextHops, prefix.text)
    for (const nextHop of before?.nextHops ?? []) if (!used.includes(nextHop)) this.nextHops.leave(nextHop, prefix.text)
    this.#learned.set(prefix.text, { prefix: before?.prefix ?? prefix, nextHops: used })
    this.#updateLearnedWay(prefix)
    this.#touch(prefix.text)
  }

  forget(prefix: string): void {
    const before = this.#learned.get(prefix)
    if (before === undefined) return
    this.#learned.delete(prefix)
    for (const nextHop of before.nextHops) this.nextHops.leave(nextHop, prefix)
    this.#updateLearnedWay(before.prefix)
    this.#touch(prefix)
  }

  /** A route to pods of another node: written while the node is on a link of ours, before what BGP teaches for the prefix. */
  setDirect(route: NodeRoute): void {
    const { text } = route.prefix
    const before = this.#direct.get(text)
    const bytes = addressBytes(route.gateway)
    const [nextHop] = this.nextHops.useAll([{ bytes, interface: undefined }], text + DIRECT)
    if (nextHop === undefined) return
    if (before !== undefined && before.nextHop !== nextHop) this.nextHops.leave(before.nextHop, text + DIRECT)
    this.#direct.set(text, { route, nextHop, leaving: false })
    this.#updateLearnedWay(route.prefix)
    this.#touch(text)
  }

  dropDirect(prefix: string): void {
    const before = this.#direct.get(prefix)
    if (before === undefined) return
    this.#direct.delete(prefix)
    this.nextHops.leave(before.nextHop, prefix + DIRECT)
    this.#updateLearnedWay(before.route.prefix)
    this.#touch(prefix)
  }

  /** It yields to what BGP teaches from now on, and stays until then. */
  retireDirect(prefix: string): void {
    const direct = this.#direct.get(prefix)
    if (direct === undefined || direct.leaving) return
    direct.leaving = true
    this.#touch(prefix)
  }

  /** The way of a direct route now: undefined where its node is on no link of ours, or there is none. */
  directWay(prefix: string): readonly Hop[] | undefined {
    const direct = this.#direct.get(prefix)
    if (direct === undefined) return undefined
    const { resolution } = direct.nextHop
    return resolution.kind === 'resolved' && isOnLink(resolution) ? resolution.hops : undefined
  }

  /**
   * What lies inside is written by somebody else. A route of ours that stands there stays until theirs does: of two that
   * hand over, one always has it.
   */
  leaveTo(ranges: readonly Prefix[]): void {
    const before = [...this.#left.values()]
    if (before.map(({ text }) => text).join() === ranges.map(({ text }) => text).join()) return
    this.#left.clear()
    for (const range of ranges) this.#left.set(range, range)
    for (const prefix of [...this.#learned.keys(), ...this.#direct.keys()]) this.#touch(prefix)
  }

  /** Whether next hops may be reached by routes that BGP taught us, where no other leads there. */
  allowLearnedWays(allowed: boolean): void {
    if (this.#ways.isAllowed === allowed) return
    this.#ways.isAllowed = allowed
    for (const { prefix } of this.#learned.values()) this.#updateLearnedWay(prefix)
    for (const { route } of this.#direct.values()) this.#updateLearnedWay(route.prefix)
  }

  /** Resolves again what leads over learned ways that have changed since the last call. */
  resolveChangedWays(): void {
    for (const prefix of this.#ways.takeChanged()) this.#resolveInside(prefix)
  }

  /** Next hops of other routes may be resolved by this route if its own next hop is reached without BGP. */
  #updateLearnedWay(prefix: Prefix): void {
    if (!this.#ways.isAllowed && this.#ways.isEmpty) return
    const nextHops = this.#learned.get(prefix.text)?.nextHops ?? []
    const hops = nextHops.flatMap(({ resolution: found }) =>
      found.kind === 'resolved' && !found.learned ? found.hops : [],
    )
    this.#ways.set(prefix, this.directWay(prefix.text) ?? hops)
  }

  #resolveInside(prefix: Prefix): void {
    this.#touched.push(prefix)
    this.#follow(this.nextHops.resolveInside(prefix))
  }

  /** Routes of these prefixes go elsewhere now. */
  #follow(prefixes: Iterable<string>): void {
    for (const key of prefixes) {
      const text = prefixOfKey(key)
      const prefix = this.#learned.get(text)?.prefix ?? this.#direct.get(text)?.route.prefix
      if (prefix !== undefined) this.#updateLearnedWay(prefix)
      this.#touch(text)
    }
  }

  /** Prefixes of the kernel, and ways, that are different since this was last asked. */
  takeTouched(): readonly Prefix[] {
    const touched = this.#touched
    this.#touched = []
    return touched
  }

  get hasTouched(): boolean {
    return this.#touched.length > 0 || this.#ways.hasChanged
  }

  /** A single address never gets a blackhole: it is somebody's. */
  holdBlackhole(prefix: Prefix): void {
    if (isHostPrefix(prefix) || this.#blackholes.has(prefix.text)) return
    this.#blackholes.set(prefix.text, prefix)
    this.#touch(prefix.text)
  }

  dropBlackhole(prefix: Prefix): void {
    if (this.#blackholes.delete(prefix.text)) this.#touch(prefix.text)
  }

  /** Where packets to a prefix of ours end that no pod takes; a single address is somebody's. */
  endingOf(prefix: Prefix): Ending {
    if (isHostPrefix(prefix)) return { kind: 'here' }
    return endingOf(blackhole(prefix), this.#present.get(prefix.text), this.table.at(prefix), this.table.links)
  }

  // ── What is there ────────────────────────────────────────────────────────────────────────────────────────────────

  /** In the kernel: everybody's routes of exactly this prefix. */
  at(prefix: Prefix): readonly KernelRoute[] {
    const keys = new Set([prefix.text, keyIn(prefix.text, this.#home)])
    const own = [...keys].flatMap((key) => this.#present.get(key) ?? [])
    return own.length === 0 ? this.table.at(prefix) : [...own, ...this.table.at(prefix)]
  }

  /** The route that packets to an address take: the longest match among everybody's, the lowest metric of it. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    const other = this.table.lookup(address)
    for (let length = address.length * 8; length >= (other?.prefix.length ?? 0); length--) {
      const [first] = [...this.at(makePrefix(address, length))].sort((a, b) => a.metric - b.metric)
      if (first !== undefined) return first
    }
    return other
  }

  /** In the kernel, all of everybody's. */
  *all(): Iterable<KernelRoute> {
    yield* this.#present.values()
    yield* this.table.routes()
  }

  leadsOn({ type, hops }: KernelRoute): boolean {
    return type === 'unicast' && hops.some((hop) => this.table.links.isUp(hop.interface))
  }

  /** Prefixes whose routes in the kernel have changed since last asked. */
  takeMoved(): readonly Prefix[] {
    const moved = [...this.#moved.values()]
    this.#moved.clear()
    return moved
  }

  takeKernel(change: KernelChange, now: Millis): void {
    if (change.full) this.#startOver()
    const foreign = new Map<string, Prefix>()
    const lost = change.gone.flatMap((route) => this.#takeGone(route, foreign) ?? [])
    for (const route of change.present) this.#takePresent(route, foreign)
    for (const prefix of foreign.values()) this.#resolveInside(prefix)
    for (const route of lost) this.#noteLoss(route, now)
    if (!change.more) this.#known = true
  }

  /** Links and their addresses are different: what leads over them, and who has an address. */
  takeLinks({ names, addresses }: TouchedLinks): void {
    const touched = new Map<string, Prefix>()
    for (const name of names) {
      for (const prefix of this.table.over(name)) touched.set(prefix.text, prefix)
      this.#follow(this.nextHops.resolveOver(name))
    }
    for (const address of addresses) {
      const host = hostPrefix(address)
      if (host !== undefined) touched.set(host.text, host)
    }
    for (const prefix of touched.values()) {
      this.#moved.set(prefix.text, prefix)
      this.#resolveInside(prefix)
    }
  }

  /** It went though it should be there as it was, and nothing stands in its place. */
  #noteLoss(route: KernelRoute, now: Millis): void {
    const key = ownKey(route)
    if (this.#present.has(key)) return
    const target = this.#target(key)
    if (target !== undefined && sameRoute(target, route)) this.#contest.lost(key, now)
  }

  /** By table: how many routes of ours stand where none is written by this run. */
  elsewhere(): Map<number, number> {
    const counts = new Map<number, number>()
    for (const { table, type } of this.#present.values()) {
      const home = type === 'unicast' ? this.#home : MAIN_TABLE
      if (table !== home) counts.set(table, (counts.get(table) ?? 0) + 1)
    }
    return counts
  }

  /** All that BGP had to say after the start has been said: what is left of a former run goes. */
  sweep(): void {
    this.#swept = true
    for (const key of this.#adopted) this.#dirty.add(key)
    this.#adopted.clear()
    this.#inheritance.releaseAll()
  }

  // ── Changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** At most `limit` changes; the next ones only after `applied`. */
  take(limit: number): RouteChange[] {
    const changes: RouteChange[] = []
    if (!this.#known) return changes
    for (const key of this.#dirty) {
      if (changes.length >= limit) break
      this.#dirty.delete(key)
      const change = this.#plan(key)
      if (change !== undefined) changes.push(change)
    }
    changes.push(...this.#inheritance.removals(limit - changes.length))
    return changes.sort((a, b) => ORDER[a.action] - ORDER[b.action])
  }

  applied(changes: readonly RouteChange[], failures: readonly Failure[], now: Millis): void {
    const reasons = new Map(failures.map(({ index, reason }) => [index, reason]))
    for (const [index, { action, route }] of changes.entries()) {
      const key = ownKey(route)
      const reason = reasons.get(index)
      if (route.protocol !== GODWIT_PROTOCOL) this.#inheritance.applied(route, reason !== undefined)
      else if (reason !== undefined) this.#fail(key, route, reason)
      else {
        this.#failed.delete(key)
        if (this.keptOut.get(route.prefix.text)?.kind === 'failed') this.keptOut.delete(route.prefix.text)
        this.#removePresent(key)
        if (action !== 'remove') {
          this.#setPresent(key, route)
          this.#inheritance.release(route)
        }
      }
    }
    if (failures.length === 0) {
      if (this.#failed.size === 0) this.#retryDelay = FIRST_RETRY
      return
    }
    this.#retryAt ??= now + this.#retryDelay
    this.#retryDelay = Math.min(this.#retryDelay * 2, LAST_RETRY)
  }

  /** When what failed, or was left alone, is tried again. */
  deadline(): Millis | undefined {
    return earlier(this.#retryAt, this.#contest.deadline())
  }

  retry(now: Millis): void {
    for (const key of this.#contest.release(now)) this.#dirty.add(key)
    if (this.#retryAt === undefined || this.#retryAt > now) return
    this.#retryAt = undefined
    for (const key of this.#failed) this.#dirty.add(key)
    this.#inheritance.retry()
  }

  get isBusy(): boolean {
    return this.#known && (this.#dirty.size > 0 || this.#inheritance.isBusy)
  }

  #touch(prefix: string): void {
    this.#dirty.add(prefix)
    if (this.#home !== MAIN_TABLE) this.#dirty.add(keyIn(prefix, this.#home))
  }

  #startOver(): void {
    for (const key of this.#present.keys()) this.#dirty.add(key)
    for (const { prefix } of this.all()) this.#moved.set(prefix.text, prefix)
    this.#present.clear()
    this.table.clear()
    this.#inheritance.startOver()
    for (const prefix of [...this.#learned.keys(), ...this.#direct.keys(), ...this.#blackholes.keys()])
      this.#touch(prefix)
  }

  /** The route, where it was ours. */
  #takeGone(told: KernelRoute, foreign: Map<string, Prefix>): KernelRoute | undefined {
    if (told.protocol !== GODWIT_PROTOCOL) {
      if (this.#inheritance.gone(told)) return undefined
      const gone = this.table.remove(told)
      if (gone !== undefined) this.#touchForeign(gone, foreign)
      return undefined
    }
    const key = ownKey(told)
    const route = this.#present.get(key)
    if (route === undefined || !sameRoute(route, told)) return undefined
    this.#removePresent(key)
    this.#adopted.delete(key)
    this.#dirty.add(key)
    return route
  }

  #touchForeign({ prefix }: KernelRoute, foreign: Map<string, Prefix>): void {
    foreign.set(prefix.text, prefix)
    this.#moved.set(prefix.text, prefix)
    this.#touch(prefix.text)
  }

  #takePresent(route: KernelRoute, foreign: Map<string, Prefix>): void {
    if (this.#inheritance.take(route, !this.#known)) return
    if (route.protocol !== GODWIT_PROTOCOL) {
      this.table.add(route)
      this.#touchForeign(route, foreign)
      return
    }
    const key = ownKey(route)
    this.#removePresent(key)
    this.#setPresent(key, route)
    if (!this.#known) this.#adopted.add(key)
    this.#dirty.add(key)
  }

  #setPresent(key: string, route: KernelRoute): void {
    this.#present.set(key, route)
    this.#moved.set(route.prefix.text, route.prefix)
  }

  #removePresent(key: string): void {
    const route = this.#present.get(key)
    if (route === undefined) return
    this.#present.delete(key)
    this.#moved.set(route.prefix.text, route.prefix)
  }

  #plan(key: string): RouteChange | undefined {
    const target = this.#target(key)
    const change = planRoute(target, this.#present.get(key))
    if (change === undefined && target !== undefined) this.#inheritance.release(target)
    if (!this.#adopted.has(key)) {
      const isTaken = change?.action === 'add' && this.#inheritance.isInPlaceOf(change.route)
      return isTaken ? { ...change, action: 'replace' } : change
    }
    // Wanted just as it is there: from now on it is like one we wrote.
    if (change === undefined) this.#adopted.delete(key)
    return undefined
  }

  /** What should stand under this key, which is that of one table. */
  #target(key: string): KernelRoute | undefined {
    const prefix = prefixOfKey(key)
    if (this.keptOut.get(prefix)?.kind !== 'failed') this.keptOut.delete(prefix)
    const wanted = this.#wanted(prefix)
    const isNobodys = !this.#learned.has(prefix) && !this.#blackholes.has(prefix) && !this.#direct.has(prefix)
    if (wanted === undefined && isNobodys) {
      this.keptOut.delete(prefix)
      this.#failed.delete(key)
      this.#contest.forget(key)
    }
    if (wanted !== undefined && this.#isLeft(wanted)) return undefined
    return wanted !== undefined && this.#isFree(wanted) && ownKey(wanted) === key ? wanted : undefined
  }

  /** Somebody else is to write it; what stands of ours stays until theirs is there. */
  #isLeft(wanted: KernelRoute): boolean {
    const { prefix } = wanted
    if (this.#left.size === 0 || wanted.type !== 'unicast' || this.#left.around(prefix) === undefined) return false
    const isTheirs = this.table.at(prefix).some(({ table }) => table === wanted.table)
    if (isTheirs) this.keptOut.delete(prefix.text)
    if (isTheirs || this.#present.has(ownKey(wanted))) return isTheirs
    this.#noteLeft(prefix)
    return true
  }

  #noteLeft(prefix: Prefix): void {
    this.keptOut.set(prefix.text, { kind: 'left', prefix, reason: 'it is left to Felix (programClusterRoutes)' })
  }

  /** Nobody else's route is in the way, and nobody removes it again and again; else it is said. */
  #isFree(wanted: KernelRoute): boolean {
    const { prefix } = wanted
    const key = ownKey(wanted)
    const conflict = whyNotBeside(wanted, this.table.at(prefix))
    const contested = this.#present.has(key) ? undefined : this.#contest.whyHeld(key)
    if (conflict !== undefined) this.keptOut.set(prefix.text, { kind: 'conflict', prefix, conflict })
    else if (contested !== undefined) this.keptOut.set(prefix.text, { kind: 'contested', prefix, reason: contested })
    else return true
    return false
  }

  #wanted(key: string): KernelRoute | undefined {
    const own = this.#blackholes.get(key)
    if (own !== undefined) return blackhole(own)
    const learned = this.#learned.get(key)
    const direct = this.#direct.get(key)
    const prefix = direct?.route.prefix ?? learned?.prefix
    if (prefix === undefined) return undefined
    const ways: (readonly Hop[])[] = []
    let reason = 'it has no next hop'
    for (const { resolution } of learned?.nextHops ?? []) {
      if (resolution.kind === 'resolved') ways.push(resolution.hops)
      else reason = formatResolution(resolution)
    }
    const way = this.directWay(key)
    // One that nobody wants any more yields to what BGP teaches; any other comes before it.
    if (way !== undefined && !(direct?.leaving === true && ways.length > 0)) ways.splice(0, ways.length, way)
    else if (direct !== undefined && ways.length === 0) reason = whyNotDirect(direct, this.table.links)
    const covered = ways.length === 0 ? undefined : this.nextHops.coveredGateway(prefix)
    if (covered !== undefined) reason = `it would cover the route to the gateway ${covered}`
    if (ways.length > 0 && covered === undefined) return unicast(prefix, joinHops(ways), this.#home)
    if (this.#left.around(prefix) === undefined) this.keptOut.set(key, { kind: 'unresolved', prefix, reason })
    else if (this.table.at(prefix).length === 0) this.#noteLeft(prefix)
    return undefined
  }

  #fail(key: string, { prefix }: KernelRoute, reason: string): void {
    this.#failed.add(key)
    this.keptOut.set(prefix.text, { kind: 'failed', prefix, reason })
  }
}

/** Reached without a router. */
const isOnLink = ({ metric, learned }: Extract<Resolution, { kind: 'resolved' }>): boolean => metric === 0 && !learned

function whyNotDirect({ route, nextHop: { resolution } }: Direct, links: LinkTable): string {
  const whose = `Node/${route.node} (${route.gateway})`
  if (links.isOwn(route.gateway)) return `the address of ${whose} is an address of this node`
  const why = resolution.kind === 'resolved' ? '' : `: ${resolution.reason}`
  return `${whose} is on no link of this node${why}; only BGP can teach a route to its pods`
}

const ORDER = { remove: 0, replace: 1, add: 2 } as const
