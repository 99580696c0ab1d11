/**
 * Advertises the routes of one family: the best path of each prefix or, if add-path was negotiated (RFC 7911), all usable
 * paths up to `MOST_PATHS`. Also sends End-of-RIB, BoRR and EoRR.
 *
 * A path keeps its path ID as long as it is advertised. Path ID k + 1 is plane k: a Loc-RIB and feeds of its own, in which
 * every prefix has at most one path, as without add-path. A plane is made when a prefix has that many paths, and only while
 * some neighbor accepts several.
 */

import type { Family } from '../../base/family.ts'
import type { Octets } from '../../base/units.ts'
import { encodeRouteRefresh, REFRESH } from '../wire/route-refresh.ts'
import { encodeEndOfRib } from '../wire/update-encode.ts'
import type { Member } from './adj-out.ts'
import type { Updates } from './chunk.ts'
import type { Decision } from './decide.ts'
import type { ExportTables } from './export-view.ts'
import { Feeds } from './feeds.ts'
import { LOST, LocRib, NO_PEER } from './loc-rib.ts'
import type { PeerSlot } from './peers.ts'
import { RULES_PER_VISIT, Sweep } from './sweep.ts'

/** At most this many paths to one prefix are advertised. */
export const MOST_PATHS = 16
/** So many looks of a decision at a path (`Decision.looks`) count as one visit. */
const PATH_LOOKS_PER_VISIT = 32

interface Plane {
  readonly chosen: LocRib
  readonly feeds: Feeds
}

/** The state of End-of-RIB and route refresh of a neighbor. */
interface Progress {
  readonly acceptsSeveral: boolean
  /** The first feed is in progress: End-of-RIB follows it. */
  initial: boolean
  /** RFC 7313: `later`, after the first feed; `begin`, BoRR is due; `end`, EoRR is due after what is pending. */
  refresh: 'none' | 'later' | 'begin' | 'end'
}

export class Planes {
  readonly #family: Family
  readonly #tables: ExportTables
  readonly #decision: Decision
  readonly #logLimit: number
  readonly #schedule: (sweep: Sweep) => void
  readonly #loc: LocRib
  /** The feeds of the best paths. */
  readonly #best: Feeds
  #planes: Plane[] = []
  readonly #progress = new Map<PeerSlot, Progress>()
  /** Neighbors that End-of-RIB was sent to since that was asked last. */
  readonly #ended = new Set<PeerSlot>()
  /** Neighbors to which End-of-RIB or EoRR must still be sent. */
  readonly #busy = new Set<PeerSlot>()
  /** Sweeps that still choose paths for new planes. */
  #builds = 0
  #withholdsEnd = false
  /** How often End-of-RIB became due for those that waited for it. */
  #released = 0
  /** The sum of the revisions of planes that were removed: `revision` never decreases. */
  #removed = 0

  constructor(
    tables: ExportTables,
    loc: LocRib,
    decision: Decision,
    logLimit: number,
    schedule: (sweep: Sweep) => void,
  ) {
    this.#family = tables.prefixes.family
    this.#tables = tables
    this.#decision = decision
    this.#logLimit = logLimit
    this.#schedule = schedule
    this.#loc = loc
    this.#best = new Feeds(tables, loc, 1, logLimit, schedule)
  }

  /** Whether some neighbor accepts several paths. */
  get hasPlanes(): boolean {
    return this.#planes.length > 0
  }

  add(slot: PeerSlot): void {
    const acceptsSeveral = slot.peer.send.addPath.includes(this.#family)
    if (acceptsSeveral && !this.hasPlanes) this.#begin()
    this.#progress.set(slot, { acceptsSeveral, initial: true, refresh: 'none' })
    this.#busy.add(slot)
    for (const feeds of this.#feedsOf(slot)) feeds.add(slot)
  }

  /** Drops the Adj-RIB-Out of a neighbor. */
  remove(slot: PeerSlot): void {
    for (const feeds of this.#feedsOf(slot)) feeds.remove(slot)
    this.#progress.delete(slot)
    this.#busy.delete(slot)
    if (![...this.#progress.values()].some(({ acceptsSeveral }) => acceptsSeveral)) this.#removePlanes()
  }

  #removePlanes(): void {
    this.#removed = this.#planes.reduce((sum, { feeds }) => sum + feeds.revision, this.#removed)
    this.#planes = []
  }

  /** Policy or next hop may have changed. */
  change(slot: PeerSlot): void {
    for (const feeds of this.#feedsOf(slot)) feeds.change(slot)
  }

  refresh(slot: PeerSlot, enhanced: boolean): void {
    const progress = this.#progress.get(slot)
    if (progress === undefined) return
    // RFC 7313 §4: a refresh begins with BoRR, and BoRR does not come before the first feed is over.
    if (enhanced && progress.initial) {
      progress.refresh = 'later'
      return
    }
    if (enhanced) {
      progress.refresh = 'begin'
      this.#busy.add(slot)
    }
    for (const feeds of this.#feedsOf(slot)) feeds.refresh(slot)
  }

  /** The best path of a prefix has changed; 0: there is none. `moved`: it is from another neighbor than before. */
  advertiseBest(prefix: number, best: number, from: number, moved: boolean): void {
    this.#best.advertise(prefix, best, from, moved)
  }

  /** Chooses the paths of a prefix that are advertised to neighbors that accept several. */
  choose(prefix: number): void {
    // `left`: chosen paths that have no plane yet; `places`: by plane, the path that it gets, or 0.
    const left = this.#decision.chooseSeveral(this.#tables.paths.first[prefix] as number, MOST_PATHS)
    const places: number[] = []
    for (const { chosen } of this.#planes) {
      const kept = left.indexOf(chosen.best[prefix] as number)
      places.push(kept < 0 ? 0 : (left[kept] as number))
      if (kept >= 0) left.splice(kept, 1)
    }
    for (const path of left) {
      const free = places.indexOf(0)
      if (free >= 0) places[free] = path
      else places.push(path)
    }
    while (this.#planes.length < places.length) this.#addPlane()
    for (const [index, path] of places.entries()) this.#place(this.#planes[index] as Plane, prefix, path)
  }

  /** A path was removed, and decision has not run yet. */
  lose(prefix: number, path: number): void {
    for (const { chosen } of this.#planes) if (chosen.best[prefix] === path) chosen.best[prefix] = LOST
  }

  pull(slot: PeerSlot, maxBytes: number): Updates | undefined {
    const progress = this.#progress.get(slot)
    if (progress === undefined) return undefined
    if (progress.refresh === 'begin') {
      progress.refresh = 'end'
      return { bytes: encodeRouteRefresh(this.#family, REFRESH.begin), messages: 1 }
    }
    for (const feeds of this.#feedsOf(slot)) {
      const updates = feeds.pull(slot, maxBytes)
      if (updates !== undefined) return updates
    }
    if (!this.#hasFedAll(slot, progress)) return undefined
    // RFC 4724 §2: after the last route of the first feed, also if there was none.
    if (progress.initial) {
      if (this.#withholdsEnd) return undefined
      progress.initial = false
      this.#ended.add(slot)
      this.#busy.delete(slot)
      if (progress.refresh === 'later') this.refresh(slot, true)
      return { bytes: encodeEndOfRib(this.#family), messages: 1 }
    }
    if (progress.refresh === 'end') {
      progress.refresh = 'none'
      this.#busy.delete(slot)
      return { bytes: encodeRouteRefresh(this.#family, REFRESH.end), messages: 1 }
    }
    return undefined
  }

  /** No neighbor has an UPDATE due: the caller need not ask for each. */
  get isQuiet(): boolean {
    return this.#busy.size === 0 && this.#best.isQuiet && this.#planes.every(({ feeds }) => feeds.isQuiet)
  }

  /** `withholds`: more routes of the first table follow, so End-of-RIB is not sent yet. */
  withholdEnd(withholds: boolean): void {
    if (this.#withholdsEnd && !withholds) this.#released++
    this.#withholdsEnd = withholds
  }

  /** Increases with every path that must be advertised or withdrawn, and when End-of-RIB is no longer withheld. */
  get revision(): number {
    const others = this.#best.revision + this.#released + this.#removed
    return this.#planes.reduce((sum, { feeds }) => sum + feeds.revision, others)
  }

  pending(slot: PeerSlot): boolean {
    const progress = this.#progress.get(slot)
    if (progress === undefined) return false
    if (progress.refresh === 'begin' || this.#feedsOf(slot).some((feeds) => feeds.hasFor(slot))) return true
    const isDue = (progress.initial && !this.#withholdsEnd) || progress.refresh === 'end'
    return isDue && this.#hasFedAll(slot, progress)
  }

  /** Visits at least all neighbors for which `pending` is true; a neighbor may be visited twice. */
  visitPending(visit: (slot: PeerSlot) => void): void {
    for (const slot of this.#busy) visit(slot)
    this.#best.visitPending(visit)
    for (const { feeds } of this.#planes) feeds.visitPending(visit)
  }

  /** The neighbors that End-of-RIB was sent to since this was asked last; the session of one may be down since. */
  takeEnded(): readonly PeerSlot[] {
    const ended = [...this.#ended]
    this.#ended.clear()
    return ended
  }

  /** End-of-RIB has been sent. */
  hasFinished(slot: PeerSlot): boolean {
    return this.#progress.get(slot)?.initial === false
  }

  /** Whether a route of this prefix is advertised to any neighbor. */
  advertises(prefix: number): boolean {
    return this.#best.advertises(prefix) || this.#planes.some(({ feeds }) => feeds.advertises(prefix))
  }

  slots(): Iterable<PeerSlot> {
    return this.#progress.keys()
  }

  /** The members of a neighbor: one in each plane that it gets. */
  membersOf(slot: PeerSlot): readonly Member[] {
    return this.#feedsOf(slot).flatMap((feeds) => feeds.members.get(slot) ?? [])
  }

  /** The member that a path is advertised to; undefined: the path is not chosen for that neighbor. */
  memberFor(slot: PeerSlot, prefix: number, path: number): Member | undefined {
    if (this.#progress.get(slot)?.acceptsSeveral !== true) {
      return this.#loc.best[prefix] === path ? this.#best.members.get(slot) : undefined
    }
    return this.#planes.find(({ chosen }) => chosen.best[prefix] === path)?.feeds.members.get(slot)
  }

  grow(capacity: number): void {
    this.#best.grow(capacity)
    for (const { chosen, feeds } of this.#planes) {
      chosen.grow(capacity)
      feeds.grow(capacity)
    }
  }

  memory(): Octets {
    const { end } = this.#tables.prefixes
    return this.#planes.reduce(
      (sum, { chosen, feeds }) => sum + chosen.memory(end) + feeds.memory(),
      this.#best.memory(),
    )
  }

  #feedsOf(slot: PeerSlot): readonly Feeds[] {
    return this.#progress.get(slot)?.acceptsSeveral === true ? this.#planes.map(({ feeds }) => feeds) : [this.#best]
  }

  /** Whether all routes that existed when the feed began have been sent. */
  #hasFedAll(slot: PeerSlot, { acceptsSeveral }: Progress): boolean {
    if (acceptsSeveral && this.#builds > 0) return false
    return this.#feedsOf(slot).every((feeds) => feeds.hasFedAll(slot))
  }

  /** The first neighbor that accepts several paths: paths are chosen for all prefixes before it is fed. */
  #begin(): void {
    this.#addPlane()
    const planes = this.#planes
    const { prefixes, paths, asked } = this.#tables
    const decision = this.#decision
    const visit = (prefix: number): false | number => {
      if (planes !== this.#planes || prefixes.refs[prefix] === 0 || paths.first[prefix] === 0) return false
      const before = decision.looks / PATH_LOOKS_PER_VISIT + asked.rules / RULES_PER_VISIT
      this.choose(prefix)
      return 1 + decision.looks / PATH_LOOKS_PER_VISIT + asked.rules / RULES_PER_VISIT - before
    }
    this.#builds++
    this.#schedule(
      new Sweep(
        () => prefixes.end,
        visit,
        () => {
          this.#builds--
        },
      ),
    )
  }

  #addPlane(): void {
    const chosen = new LocRib()
    chosen.grow(this.#tables.prefixes.capacity)
    const feeds = new Feeds(this.#tables, chosen, this.#planes.length + 1, this.#logLimit, this.#schedule)
    this.#planes.push({ chosen, feeds })
    for (const [slot, { acceptsSeveral }] of this.#progress) if (acceptsSeveral) feeds.add(slot)
  }

  #place({ chosen, feeds }: Plane, prefix: number, path: number): void {
    const { paths } = this.#tables
    if (chosen.best[prefix] === path && (path === 0 || paths.changed[path] === 0)) return
    const from = path === 0 ? NO_PEER : (paths.peer[path] as number)
    const moved = chosen.from[prefix] !== from
    chosen.set(prefix, path, from)
    feeds.advertise(prefix, path, from, moved)
  }
}
