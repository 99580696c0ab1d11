/**
 * The BFD sessions of neighbors. Owns the session list that is sent to the BFD engine and the last report of each
 * session. Only one event reaches BGP: a BFD session that was Up is lost. A BFD session that does not come up, comes up
 * late or is disabled never affects a BGP session (RFC 5882 §3.2, §3.3).
 */

import { type Address, isLinkLocal } from '../base/address.ts'
import { microsInMillis } from '../base/units.ts'
import { DROP_TEXTS, isFailure, reasonOf } from '../bfd/text.ts'
import type { BfdCounters, BfdIntent, BfdNews, BfdView, Priority } from '../bfd/types.ts'
import { type BfdSettings, type Problem, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import { same } from '../cluster/same.ts'
import { isOnLink, type Link, type LinkTable, type TouchedLinks } from '../dataplane/links.ts'
import type { BfdSummary } from '../show/view.ts'
import { logLine } from './log-line.ts'
import type { Neighbor } from './neighbors.ts'
import type { Outbox } from './outbox.ts'

/** A neighbor whose path is lost, and how BFD found out. */
export interface BfdLoss {
  readonly neighbor: Neighbor
  readonly reason: string
  /** The path is lost, or the whole neighbor: not only its control plane (RFC 5882 §4.3). */
  readonly independent: boolean
}

interface Wanted extends BfdSettings {
  readonly remote: Address
  /** The node's address for the session, where there is one. */
  readonly local: Address | undefined
  /** Where `local` is on no link to the neighbor, an address of that link is used instead, as for BGP. */
  readonly localMayYield: boolean
  /** Of several links to the neighbor this one is used (`sourceInterface`). */
  readonly over: string | undefined
}

type Way = Pick<BfdIntent, 'hops' | 'interface' | 'local' | 'isBound'>

/** Any TTL is accepted if no minimum is configured. */
const NO_MINIMUM = 1

type Report = Extract<BfdNews, { readonly kind: 'report' }>

export class BfdStates {
  readonly #links: LinkTable
  readonly #out: Outbox
  readonly #wanted = new Map<Neighbor, Wanted>()
  /** By remote address: one router may be several neighbors, on different ports. */
  readonly #neighbors = new Map<Address, Set<Neighbor>>()
  readonly #sessions = new Map<Address, BfdView>()
  /** The sessions last asked for, by remote address, and what for. */
  readonly #asked = new Map<Address, BfdIntent>()
  readonly #askedFor = new Map<Address, Wanted>()
  /** Remote addresses for which another session may be asked for; undefined: all. */
  #touched: Set<Address> | undefined = new Set()
  #counters: BfdCounters | undefined
  #priority: Priority | undefined
  /** No interval of BFD is shorter at present, in microseconds; 0: all are as configured. */
  #least = 0
  /** Why BFD does not run at all. */
  #error: string | undefined
  #isFrozen = false
  /** All neighbors that objects name are known. */
  #isComplete = false
  #hasAsked = false

  constructor(links: LinkTable, out: Outbox) {
    this.#links = links
    this.#out = out
  }

  /** Called after everything that may start, stop or change a neighbor. */
  note(neighbor: Neighbor): void {
    const before = this.#wanted.get(neighbor)
    if (neighbor.intent.bfd === undefined && before === undefined) return
    const wanted = wantedFor(neighbor)
    if (before === wanted || (before !== undefined && wanted !== undefined && isSame(before, wanted))) return
    if (before !== undefined) this.#forget(neighbor, before)
    if (wanted === undefined) return
    this.#wanted.set(neighbor, wanted)
    this.#touched?.add(wanted.remote)
    const others = this.#neighbors.get(wanted.remote)
    if (others === undefined) this.#neighbors.set(wanted.remote, new Set([neighbor]))
    else others.add(neighbor)
  }

  #forget(neighbor: Neighbor, { remote }: Wanted): void {
    this.#wanted.delete(neighbor)
    this.#touched?.add(remote)
    const others = this.#neighbors.get(remote)
    others?.delete(neighbor)
    if (others?.size !== 0) return
    this.#neighbors.delete(remote)
  }

  /** Neighbors may be on a link now, or no longer. Links of pods come and go without any effect on BFD. */
  takeLinks({ addresses }: TouchedLinks): void {
    if (addresses.size > 0 && this.#wanted.size > 0) this.#touched = undefined
  }

  /** Objects have been carried out: where they want no session, those that the agent before us asked for must go. */
  objectsKnown(): void {
    if (this.#isComplete) return
    this.#isComplete = true
    this.#touched = undefined
  }

  /** The agent ends for a restart: BFD sessions continue, or routers would drop the routes that the restart keeps. */
  freeze(): void {
    this.#isFrozen = true
  }

  /** Sends the wanted sessions where they have changed; not before our links are known. */
  flush(): void {
    if (this.#touched?.size === 0 || this.#isFrozen || (this.#wanted.size > 0 && !this.#links.isKnown)) return
    const touched =
      this.#touched ?? new Set([...this.#neighbors.keys(), ...this.#asked.keys(), ...this.#sessions.keys()])
    this.#touched = new Set()
    const links = this.#links.all()
    let isChanged = false
    for (const remote of touched) if (this.#ask(remote, links)) isChanged = true
    if (!isChanged && (this.#hasAsked || !this.#isComplete)) return
    this.#hasAsked = true
    this.#out.push({ kind: 'bfd', sessions: [...this.#asked.values()] })
  }

  /** Returns whether another session than before, or none, is asked for. */
  #ask(remote: Address, links: readonly Link[]): boolean {
    const before = this.#asked.get(remote)
    const wanted = this.#tightest(remote)
    if (wanted === undefined) {
      this.#asked.delete(remote)
      this.#askedFor.delete(remote)
      // Not earlier: one that is stopped and started in one turn is asked for all the time, and nothing new is reported.
      this.#sessions.delete(remote)
      return before !== undefined
    }
    const intent = this.#intentFor(wanted, links)
    this.#askedFor.set(remote, wanted)
    if (before !== undefined && same(before, intent)) return false
    this.#asked.set(remote, intent)
    return true
  }

  /** One router may be several neighbors: it gets the session that all of them are content with. */
  #tightest(remote: Address): Wanted | undefined {
    let tightest: Wanted | undefined
    for (const neighbor of this.#neighbors.get(remote) ?? []) {
      const wanted = this.#wanted.get(neighbor)
      if (wanted !== undefined && (tightest === undefined || isTighter(wanted, tightest))) tightest = wanted
    }
    return tightest
  }

  /** A session that is Up stays on its way, as long as the node's address for it is the same. */
  #intentFor(wanted: Wanted, links: readonly Link[]): BfdIntent {
    const { localMayYield, over, ...settings } = wanted
    const { remote, minimumTtl = NO_MINIMUM } = settings
    const asked = this.#sessions.get(remote)?.state === 'Up' ? this.#asked.get(remote) : undefined
    const before = this.#askedFor.get(remote)
    const isFromHere = before !== undefined && isOneWay(before, wanted)
    const isAsked = asked !== undefined && isFromHere && (wanted.minimumTtl === undefined || asked.hops === 'multi')
    const { hops, interface: link, local, isBound } = isAsked ? asked : this.#wayTo(wanted, links)
    return { ...settings, minimumTtl, hops, interface: link, local, ...(isBound === true && { isBound }) }
  }

  /** RFC 5881 if the neighbor is on a link of ours; else, and where configured, RFC 5883. */
  #wayTo({ remote, local, localMayYield, minimumTtl, over }: Wanted, links: readonly Link[]): Way {
    if (isLinkLocal(remote)) return { hops: 'single', interface: remote.split('%')[1], local }
    const around = minimumTtl === undefined ? links.filter((link) => isOnLink(link, remote)) : []
    if (around.length === 0) return { hops: 'multi', interface: undefined, local }
    if (around.some(({ name }) => name === over)) return { hops: 'single', interface: over, local, isBound: true }
    // On a network that two of our links share, its packets may arrive on either.
    const only = around.length === 1 ? around[0]?.name : undefined
    const isElsewhere = localMayYield && local !== undefined && this.#links.isBesideSubnet(local, remote)
    return { hops: 'single', interface: only, local: isElsewhere ? undefined : local }
  }

  /** Neighbors that are lost by this report. */
  take(all: readonly BfdNews[]): readonly BfdLoss[] {
    return all.flatMap((news) => this.#take(news))
  }

  #take(news: BfdNews): readonly BfdLoss[] {
    switch (news.kind) {
      case 'report':
        return this.#report(news)
      case 'answer':
        this.#counters = news.counters
        this.#least = news.counters.leastInterval
        for (const session of news.sessions) this.#keep(session)
        return []
      case 'priority':
        // A thread begins with it, and has said nothing of its intervals yet.
        this.#priority = news.priority
        this.#least = 0
        this.#logPriority(news.priority)
        return []
      case 'least-interval':
        this.#least = news.least
        this.#out.log(logLine('info', 'bfd-least-interval', `BFD: ${leastText(news.least)}`, { micros: news.least }))
        return []
      case 'handed-over':
      case 'keep':
        return []
      case 'dropped': {
        const text = `BFD packet of ${news.from} dropped: ${DROP_TEXTS[news.reason]}`
        this.#out.log(logLine('warn', 'bfd-dropped', text, { address: news.from, reason: news.reason }))
        return []
      }
    }
  }

  /** Ignores a report about a session that is no longer wanted. */
  #keep(session: BfdView): boolean {
    if (!this.#neighbors.has(session.remote)) return false
    this.#sessions.set(session.remote, session)
    return true
  }

  #report({ session, from }: Report): readonly BfdLoss[] {
    const before = this.#sessions.get(session.remote)
    if (!this.#keep(session)) return []
    // While it was Up it stayed on its way, whatever became of our links.
    if (before?.state === 'Up' && session.state !== 'Up') this.#touched?.add(session.remote)
    const lost: BfdLoss[] = []
    for (const neighbor of this.#neighbors.get(session.remote) ?? []) {
      if (session.error !== before?.error) this.#logError(neighbor.name, session.error)
      if (from === undefined) continue
      const reason = reasonOf(session)
      const isLost = isFailure(from, session)
      const text = `${neighbor.name}: BFD ${from} to ${session.state}: ${reason}`
      const fields = { peer: neighbor.name, address: session.remote, from, to: session.state, reason }
      this.#out.log(logLine(isLost ? 'warn' : 'info', 'bfd-transition', text, fields))
      // BFD that stood still or was away tells late what BGP has gone on without.
      if (isLost && before?.state === 'Up') lost.push({ neighbor, reason, independent: session.independent })
    }
    return lost
  }

  #logError(peer: string, error: string | undefined): void {
    if (error === undefined) this.#out.log(logLine('info', 'bfd-trouble-gone', `${peer}: BFD can be sent`, { peer }))
    else this.#out.log(logLine('warn', 'bfd-trouble', `${peer}: BFD cannot be sent: ${error}`, { peer, reason: error }))
  }

  #logPriority({ kind, error }: Priority): void {
    const why = error === undefined ? '' : ` (real time: ${error})`
    const fields = { priority: kind, reason: error ?? null }
    this.#out.log(logLine('info', 'bfd-priority', `BFD runs with priority: ${kind}${why}`, fields))
  }

  /** The thread or process of BFD has ended or stands still, or runs again. Its earlier reports no longer count. */
  setError(error: string | undefined): void {
    if (error === this.#error) return
    this.#error = error
    if (error === undefined) this.#out.log(logLine('info', 'bfd-there', 'BFD runs again'))
    else {
      this.#sessions.clear()
      // Those that were Up had stayed on their way, whatever became of our links.
      this.#touched = undefined
      this.#out.log(logLine('error', 'bfd-gone', `BFD does not run: ${error}`, { reason: error }))
    }
  }

  // ---- for show commands

  summary(): BfdSummary | undefined {
    if (this.#wanted.size === 0) return undefined
    const sessions = [...this.#neighbors].flatMap(([remote, neighbors]) => {
      const session = this.#sessions.get(remote)
      return session === undefined ? [] : [{ session, peers: [...neighbors].map(({ name }) => name).sort() }]
    })
    return { sessions, counters: this.#counters, priority: this.#priority }
  }

  of(neighbor: Neighbor): BfdView | undefined {
    const wanted = this.#wanted.get(neighbor)
    return wanted === undefined ? undefined : this.#sessions.get(wanted.remote)
  }

  problems(): readonly Problem[] {
    if (this.#wanted.size === 0) return []
    const problems: Problem[] = []
    if (this.#error !== undefined) {
      problems.push(makeProblem({ code: 'bfd-gone', object: 'BFD', says: `does not run: ${this.#error}` }))
    }
    const fastest = Math.min(...[...this.#wanted.values()].map(({ transmit, receive }) => Math.min(transmit, receive)))
    if (fastest < this.#least) {
      problems.push(
        makeProblem({ code: 'bfd-least-interval', object: 'BFD', says: leastText(this.#least), level: 'warning' }),
      )
    }
    for (const [neighbor, { remote }] of this.#wanted) {
      const error = this.#sessions.get(remote)?.error
      if (error === undefined) continue
      problems.push(makeProblem({ code: 'bfd-trouble', object: neighbor.name, says: `BFD cannot be sent: ${error}` }))
    }
    return problems
  }
}

const leastText = (least: number): string =>
  least === 0
    ? 'intervals are as configured'
    : `no interval is shorter than ${microsInMillis(least)} ms, because priority is missing or because there are many sessions`

/**
 * Undefined: it has no BFD session. A neighbor that is stopped has none: the session ends with AdminDown, so that the
 * router sees that it is on purpose.
 */
function wantedFor({ intent, peer }: Neighbor): Wanted | undefined {
  const { bfd, address, sourceAddress, sourceMayYield, sourceInterface } = intent
  if (bfd === undefined || !peer.started || address === UNKNOWN_ADDRESS) return undefined
  return { ...bfd, remote: address, local: sourceAddress, localMayYield: sourceMayYield, over: sourceInterface }
}

/** Whether both ask for packets from one address, over one link. */
const isOneWay = (a: Wanted, b: Wanted): boolean =>
  a.local === b.local && a.localMayYield === b.localMayYield && a.over === b.over

const isSame = (a: Wanted, b: Wanted): boolean =>
  a.remote === b.remote &&
  isOneWay(a, b) &&
  a.transmit === b.transmit &&
  a.receive === b.receive &&
  a.multiplier === b.multiplier &&
  a.minimumTtl === b.minimumTtl &&
  a.passive === b.passive

const isTighter = (a: Wanted, b: Wanted): boolean => a.receive * a.multiplier < b.receive * b.multiplier
