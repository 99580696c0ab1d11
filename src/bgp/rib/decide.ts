/**
 * The decision process (RFC 4271 §9.1.2): selects the best of all usable paths to a prefix, and explains at which step
 * each other path was eliminated.
 *
 * Each step removes candidates and none adds any, so the best path does not depend on the order in which the paths
 * arrived. A comparison of pairs would not do: MED compares only paths of one neighbor AS, and is no order between all.
 *
 * Candidates are the paths whose next hop is reachable without BGP routes. Only if there is none, the paths whose next
 * hop is reached over a BGP route are candidates: otherwise such a path could replace the path that its own next hop is
 * resolved over, and the selection would oscillate.
 */
import type { AttributeTable } from '../route/attribute-table.ts'
import { CARRIES } from '../route/attribute-table.ts'
import { type NextHopTable, REACH, type Reach } from '../route/next-hop-table.ts'
import type { AdjIn } from './adj-in.ts'
import { KIND, type Peers } from './peers.ts'

/** The steps in their order. */
const STEP = {
  originated: 0,
  localPreference: 1,
  pathLength: 2,
  origin: 3,
  med: 4,
  external: 5,
  metric: 6,
  /** RFC 5004. */
  oldest: 7,
  routerId: 8,
  clusterLength: 9,
  address: 10,
  pathId: 11,
} as const

const STEP_NAMES: Readonly<Record<keyof typeof STEP, string>> = {
  originated: 'own route',
  localPreference: 'higher local preference',
  pathLength: 'shorter AS path',
  origin: 'lower origin',
  med: 'lower MED',
  external: 'external over internal',
  metric: 'lower metric to next hop',
  oldest: 'older, and was the best',
  routerId: 'lower router ID',
  clusterLength: 'shorter cluster list',
  address: 'lower neighbor address',
  pathId: 'lower path ID',
}
/** The steps in their order, named after the property that wins. `show` numbers them from 1. */
export const STEPS: readonly string[] = Object.values(STEP_NAMES)

export interface DecisionSettings {
  /** The most paths that share traffic (multipath). */
  readonly paths: number
  /** Paths share traffic when their AS paths have the same length; otherwise only when the AS paths are the same. */
  readonly relax: boolean
  /** RFC 5004. */
  readonly preferOldest: boolean
  /**
   * Paths share traffic only when their CLUSTER_LISTs have the same length. A node that reflects routes with itself as next hop
   * needs it: two of the kind that share traffic over each other's paths send packets back and forth.
   */
  readonly sameClusterLength?: boolean
}

export interface Explained {
  readonly best: number
  /** By path: the index in STEPS of the step that eliminated it. */
  readonly lostAt: ReadonlyMap<number, number>
}

export class Decision {
  readonly #paths: AdjIn
  readonly #attributes: AttributeTable
  readonly #nextHops: NextHopTable
  readonly #peers: Peers
  /** The paths that no step has eliminated: the first `#count`. */
  #candidates = new Uint32Array(16)
  #count = 0
  /** Paths that steps have looked at since the start: callers charge the difference. */
  looks = 0
  /** By neighbor AS; filled anew by each MED step. */
  readonly #lowestMed = new Map<number, number>()
  /** The best path of the previous decision, for RFC 5004. */
  #previous = 0
  settings: DecisionSettings = { paths: 1, relax: false, preferOldest: false }

  constructor(paths: AdjIn, attributes: AttributeTable, nextHops: NextHopTable, peers: Peers) {
    this.#paths = paths
    this.#attributes = attributes
    this.#nextHops = nextHops
    this.#peers = peers
  }

  /** The best path of the chain that begins with `first`, 0 for none. `previous`: the best path until now. */
  best(first: number, previous = 0): number {
    if (first === 0) return 0
    this.#previous = previous
    if (this.#paths.next[first] === 0) return this.#isUsable(first) ? first : 0
    this.#collect(first)
    this.#runSteps(STEPS.length)
    return this.#count === 0 ? 0 : (this.#candidates[0] as number)
  }

  /** The candidates of a chain; where there are more than `most`, the best ones. In no order. */
  chooseSeveral(first: number, most: number): number[] {
    this.#collect(first)
    const all = Array.from(this.#candidates.subarray(0, this.#count))
    if (all.length <= most) return all
    const found: number[] = []
    while (found.length < most) {
      const best = this.#bestAmong(all)
      all.splice(all.indexOf(best), 1)
      found.push(best)
    }
    return found
  }

  #bestAmong(some: readonly number[]): number {
    this.looks += some.length
    this.#count = 0
    this.#previous = 0
    for (const path of some) this.#candidates[this.#count++] = path
    this.#runSteps(STEPS.length)
    return this.#candidates[0] as number
  }

  #attributesOf(path: number): number {
    return this.#paths.attributes[path] as number
  }

  /**
   * The paths that share traffic, the best one first: those that equal it in all steps up to the metric to the next hop
   * (a to e of RFC 4271 §9.1.2.2), each with a next hop of its own, and with the same AS path (with `relax`, an AS path
   * of the same length).
   */
  sharing(first: number, best: number): readonly number[] {
    const { paths: most } = this.settings
    if (best === 0) return []
    if (most < 2 || this.#paths.next[first] === 0) return [best]
    this.#collect(first)
    this.#runSteps(STEP.oldest)
    const equal = Array.from(this.#candidates.subarray(0, this.#count)).filter(
      (path) => path !== best && this.#mayShare(this.#attributesOf(path), this.#attributesOf(best)),
    )
    const shared = [best]
    // Each round drops all paths with the next hop of the last one: of many paths, few may have one of their own.
    let others = this.#withoutNextHop(equal, best)
    while (others.length > 0 && shared.length < most) {
      const next = this.#bestAmong(others)
      shared.push(next)
      others = this.#withoutNextHop(others, next)
    }
    return shared
  }

  #mayShare(one: number, best: number): boolean {
    const { relax, sameClusterLength = false } = this.settings
    const { clusterLength } = this.#attributes
    if (sameClusterLength && clusterLength[one] !== clusterLength[best]) return false
    return relax || this.#attributes.samePath(one, best)
  }

  #withoutNextHop(some: readonly number[], path: number): number[] {
    const key = this.#nextHopKey(path)
    return some.filter((other) => this.#nextHopKey(other) !== key)
  }

  /** A link-local address is another next hop on every link: the neighbor stands for the link. */
  #nextHopKey(path: number): number | string {
    const nextHop = this.#paths.nextHop[path] as number
    return this.#nextHops.isLinkOnly(nextHop) ? `${nextHop} of ${this.#paths.peer[path]}` : nextHop
  }

  explain(first: number, previous = 0): Explained {
    this.#previous = previous
    const lostAt = new Map<number, number>()
    this.#collect(first)
    for (let step = 0; step < STEPS.length && this.#count > 1; step++) {
      const before = this.#candidates.slice(0, this.#count)
      this.#run(step)
      const left = new Set(this.#candidates.subarray(0, this.#count))
      for (const path of before) if (!left.has(path)) lostAt.set(path, step)
    }
    return { best: this.#count === 0 ? 0 : (this.#candidates[0] as number), lostAt }
  }

  #isUsable(path: number): boolean {
    return this.#paths.refused[path] === 0 && this.reachOf(path) !== REACH.none
  }

  /** One of `REACH`. */
  reachOf(path: number): number {
    const { reach, globalReach } = this.#nextHops
    const lacksLink = this.#peers.lacksLink[this.#paths.peer[path] as number] !== 0
    return (lacksLink ? globalReach : reach)[this.#paths.nextHop[path] as number] as number
  }

  #metricOf(path: number, peer: number): number {
    const { metric, globalMetric } = this.#nextHops
    const lacksLink = this.#peers.lacksLink[peer] !== 0
    return (lacksLink ? globalMetric : metric)[this.#paths.nextHop[path] as number] as number
  }

  #collect(first: number): void {
    this.#collectReached(first, REACH.direct)
    if (this.#count === 0) this.#collectReached(first, REACH.learned)
  }

  /**
   * RFC 9494 §4.3: long-lived stale paths are candidates only where there is no other with the same reach. Among all, a fresh
   * path with a learned reach could replace the stale one that its own next hop is resolved over: see above.
   */
  #collectReached(first: number, reach: Reach): void {
    this.#collectThose(first, reach, 0)
    if (this.#count === 0) this.#collectThose(first, reach, CARRIES.longLivedStale)
  }

  #collectThose(first: number, reach: Reach, stale: number): void {
    this.#count = 0
    for (let path = first; path !== 0; path = this.#paths.next[path] as number) {
      this.looks++
      if (this.#paths.refused[path] !== 0 || this.reachOf(path) !== reach) continue
      if (((this.#attributes.flags[this.#attributesOf(path)] as number) & CARRIES.longLivedStale) !== stale) continue
      if (this.#count === this.#candidates.length) {
        const longer = new Uint32Array(this.#candidates.length * 2)
        longer.set(this.#candidates)
        this.#candidates = longer
      }
      this.#candidates[this.#count++] = path
    }
  }

  /** Runs the steps before `end` until one candidate is left. */
  #runSteps(end: number): void {
    for (let step = 0; step < end && this.#count > 1; step++) this.#run(step)
  }

  #run(step: number): void {
    if (step === STEP.med) this.#keepLowestMed()
    else if (step === STEP.oldest) this.#keepPrevious()
    else this.#keepLowest(step)
  }

  /**
   * RFC 5004: an external path that was the best stays the best. The order of arrival then decides: off by default. Paths of
   * parallel sessions with the same router stay candidates beside it: between these, the lowest address decides as ever.
   */
  #keepPrevious(): void {
    if (!this.settings.preferOldest) return
    const candidates = this.#candidates
    if (!candidates.subarray(0, this.#count).includes(this.#previous)) return
    const { kind, routerId } = this.#peers
    const previous = this.#paths.peer[this.#previous] as number
    if (kind[previous] !== KIND.external) return
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const path = candidates[index] as number
      if (routerId[this.#paths.peer[path] as number] === routerId[previous]) candidates[kept++] = path
    }
    this.#count = kept
  }

  #keepLowest(step: number): void {
    const candidates = this.#candidates
    this.looks += this.#count
    let lowest = Number.POSITIVE_INFINITY
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const path = candidates[index] as number
      const weight = this.#weigh(step, path)
      if (weight < lowest) {
        lowest = weight
        kept = 0
      }
      if (weight === lowest) candidates[kept++] = path
    }
    this.#count = kept
  }

  /** RFC 4271 §9.1.2.2 c: keeps the paths with the lowest MED of each neighbor AS. */
  #keepLowestMed(): void {
    // About four passes.
    this.looks += 4 * this.#count
    const candidates = this.#candidates
    const { med, neighborAs } = this.#attributes
    const idAt = (index: number): number => this.#attributesOf(candidates[index] as number)
    let differ = false
    for (let index = 1; index < this.#count && !differ; index++) differ = med[idAt(index)] !== med[idAt(0)]
    if (!differ) return
    // One pass, not a comparison of pairs: a thousand nodes may advertise the same range.
    const lowest = this.#lowestMed
    lowest.clear()
    for (let index = 0; index < this.#count; index++) {
      const [id, as] = [idAt(index), neighborAs[idAt(index)] as number]
      lowest.set(as, Math.min(med[id] as number, lowest.get(as) ?? Number.POSITIVE_INFINITY))
    }
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const id = idAt(index)
      if (med[id] === lowest.get(neighborAs[id] as number)) candidates[kept++] = candidates[index] as number
    }
    this.#count = kept
  }

  /** The value that a step compares; the lowest wins. */
  #weigh(step: number, path: number): number {
    const id = this.#attributesOf(path)
    const peer = this.#paths.peer[path] as number
    switch (step) {
      case STEP.originated:
        return this.#peers.kind[peer] === KIND.originated ? 0 : 1
      case STEP.localPreference:
        return -(this.#attributes.localPref[id] as number)
      case STEP.pathLength:
        return this.#attributes.pathLength[id] as number
      case STEP.origin:
        return this.#attributes.origin[id] as number
      case STEP.external:
        return this.#peers.kind[peer] === KIND.external ? 0 : 1
      case STEP.metric:
        return this.#metricOf(path, peer)
      case STEP.routerId:
        // RFC 4456 §9: ORIGINATOR_ID takes the place of the router ID of a reflected route.
        return ((this.#attributes.flags[id] as number) & CARRIES.originatorId) !== 0
          ? (this.#attributes.originatorId[id] as number)
          : (this.#peers.routerId[peer] as number)
      case STEP.clusterLength:
        return this.#attributes.clusterLength[id] as number
      case STEP.address:
        return this.#peers.rank[peer] as number
      default:
        return this.#paths.pathIdOf(path)
    }
  }
}
