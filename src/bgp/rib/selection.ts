/**
 * Route selection of one family (RFC 4271 §9.1.2): prefixes whose paths have changed wait here, each once, and are decided a
 * bounded number in each turn. The best path goes into Loc-RIB and to the planes that advertise it, and its prefix is
 * reported as changed, for the kernel's routes.
 */
import type { Octets } from '../../base/units.ts'
import type { AdjIn } from './adj-in.ts'
import type { Decision } from './decide.ts'
import { LOST, type LocRib, NO_PEER } from './loc-rib.ts'
import type { Planes } from './planes.ts'
import { PrefixQueue } from './prefix-queue.ts'
import type { PrefixTable } from './prefix-table.ts'
import { RULES_PER_VISIT } from './sweep.ts'

/** What counts as one prefix of a turn's work: so many paths that a step of decision looks at. */
const PATHS_PER_PREFIX = 32

interface SelectionTables {
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly decision: Decision
  readonly loc: LocRib
  readonly adjOut: Planes
  /** Counts the rules that routes are compared with for export. */
  readonly asked: { readonly rules: number }
}

export class Selection {
  readonly #prefixes: PrefixTable
  readonly #paths: AdjIn
  readonly #decision: Decision
  readonly #loc: LocRib
  readonly #adjOut: Planes
  readonly #asked: { readonly rules: number }
  readonly #dirty: PrefixQueue
  /** Prefixes that were decided since they were taken; undefined if nobody takes them. */
  #changedBest: PrefixQueue | undefined

  constructor({ prefixes, paths, decision, loc, adjOut, asked }: SelectionTables) {
    this.#prefixes = prefixes
    this.#paths = paths
    this.#decision = decision
    this.#loc = loc
    this.#adjOut = adjOut
    this.#asked = asked
    this.#dirty = new PrefixQueue(prefixes)
  }

  grow(capacity: number): void {
    this.#dirty.grow(capacity)
    this.#changedBest?.grow(capacity)
  }

  /** In octets. */
  memory(): Octets {
    return this.#dirty.memory() + (this.#changedBest?.memory() ?? 0)
  }

  /** Every prefix is decided. */
  get isSettled(): boolean {
    return this.#dirty.size === 0
  }

  /** Stands for all prefixes that wait now: `hasDecided` says whether they are decided, however many wait since. */
  get mark(): number {
    return this.#dirty.added
  }

  hasDecided(mark: number): boolean {
    return this.#dirty.hasTaken(mark)
  }

  /** The prefix is to be decided: its paths have changed, or what decision knows of them. */
  add(prefix: number): void {
    this.#dirty.add(prefix)
  }

  /** Removes a path. Its prefix is to be decided. */
  removePath(path: number): void {
    const paths = this.#paths
    const prefix = paths.prefix[path] as number
    this.#dirty.add(prefix)
    if (this.#loc.best[prefix] === path) this.#loc.best[prefix] = LOST
    if (this.#adjOut.hasPlanes) this.#adjOut.lose(prefix, path)
    paths.remove(path)
  }

  /** Decides about `budget` prefixes. Returns how many it counts for. */
  decide(budget: number): number {
    const decision = this.#decision
    const asked = this.#asked
    let spent = 0
    while (spent < budget && this.#dirty.size > 0) {
      const before = decision.looks / PATHS_PER_PREFIX + asked.rules / RULES_PER_VISIT
      this.#decideOne(this.#dirty.take())
      // With add-path, or in a large mesh, a prefix may have hundreds of paths; and the policies of all groups hundreds of rules.
      spent += 1 + decision.looks / PATHS_PER_PREFIX + asked.rules / RULES_PER_VISIT - before
    }
    return Math.ceil(spent)
  }

  #decideOne(prefix: number): void {
    const paths = this.#paths
    const loc = this.#loc
    const before = loc.best[prefix] as number
    const best = this.#decision.best(paths.first[prefix] as number, before)
    if (best !== before || (best !== 0 && paths.changed[best] === 1)) {
      const from = best === 0 ? NO_PEER : (paths.peer[best] as number)
      const moved = loc.from[prefix] !== from
      loc.set(prefix, best, from)
      this.#adjOut.advertiseBest(prefix, best, from, moved)
    }
    // Even if the best path stays: the paths that share its traffic may have changed.
    this.#changedBest?.add(prefix)
    if (this.#adjOut.hasPlanes) this.#chooseSeveral(prefix)
    paths.changed[best] = 0
    this.#prefixes.release(prefix)
  }

  #chooseSeveral(prefix: number): void {
    const paths = this.#paths
    this.#adjOut.choose(prefix)
    for (let path = paths.first[prefix] as number; path !== 0; path = paths.next[path] as number)
      paths.changed[path] = 0
  }

  /** From now on `takeChangedBest` reports changes, beginning with every present best route. */
  trackBest(): void {
    if (this.#changedBest !== undefined) return
    const prefixes = this.#prefixes
    this.#changedBest = new PrefixQueue(prefixes)
    this.#changedBest.grow(prefixes.capacity)
    for (let prefix = 1; prefix < prefixes.end; prefix++) {
      if (prefixes.refs[prefix] !== 0 && this.#loc.best[prefix] !== 0) this.#changedBest.add(prefix)
    }
  }

  get changedBestCount(): number {
    return this.#changedBest?.size ?? 0
  }

  /**
   * The next prefix whose best route, or the paths that share its traffic, may have changed, with that route, 0 for none. There
   * must be one. A prefix that has lost its best route and is not decided yet is not reported: it is reported after decision,
   * and until then its kernel route must not be removed.
   */
  takeChangedBest(visit: (prefix: number, best: number) => void): void {
    if (this.#changedBest === undefined) return
    const prefix = this.#changedBest.take()
    const best = this.#loc.best[prefix] as number
    if (best !== LOST) visit(prefix, best)
    this.#prefixes.release(prefix)
  }
}
