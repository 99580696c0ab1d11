/**
 * The decision process (RFC 4271 §9.1.2): of all usable paths to a prefix, the best, and at which step each other lost.
 *
 * Each step removes paths from the set and none adds any, so the winner does not depend on the order in which the paths
 * came. MED is the reason for doing it so: it removes within each neighbor AS, and is no order between pairs.
 *
 * Usable are paths whose next hop is reached without BGP; where there is none, those whose next hop lies behind a route of
 * BGP's. A path that others are reached by so never yields to one of those: the choice could not come to rest.
 */
import type { AttributeTable } from '../route/attribute-table.ts'
import { CARRIES } from '../route/attribute-table.ts'
import { type NextHopTable, REACH, type Reach } from '../route/next-hop-table.ts'
import type { AdjIn } from './adj-in.ts'
import { KIND, type Peers } from './peers.ts'

/** The steps in their order, named by what wins. `show` counts them from 1. */
export const STEPS: readonly string[] = [
  'own route',
  'higher local preference',
  'shorter AS path',
  'lower origin',
  'lower MED',
  'external over internal',
  'lower metric to next hop',
  'older, and was the best',
  'lower router ID',
  'shorter cluster list',
  'lower neighbor address',
  'lower path ID',
]
const MED_STEP = 4
/** RFC 5004. */
const OLDEST_STEP = 7

export interface DecisionSettings {
  /** So many equally good paths share traffic. */
  readonly paths: number
  /** AS paths of one length are equal; otherwise only the same path is. */
  readonly relax: boolean
  /** RFC 5004. */
  readonly preferOldest: boolean
}

export interface Explained {
  readonly best: number
  /** By path: the index in STEPS at which it left. */
  readonly lostAt: ReadonlyMap<number, number>
}

export class Decision {
  readonly #paths: AdjIn
  readonly #attributes: AttributeTable
  readonly #nextHops: NextHopTable
  readonly #peers: Peers
  /** Paths still in the race: the first `#count`. */
  #race = new Uint32Array(16)
  #count = 0
  /** By neighbor AS. */
  readonly #lowestMed = new Map<number, number>()
  /** The best path until now, for RFC 5004. */
  #before = 0
  settings: DecisionSettings = { paths: 1, relax: false, preferOldest: false }

  constructor(paths: AdjIn, attributes: AttributeTable, nextHops: NextHopTable, peers: Peers) {
    this.#paths = paths
    this.#attributes = attributes
    this.#nextHops = nextHops
    this.#peers = peers
  }

  /** The best of the chain that begins with `first`, 0 for none; `before` was it until now. */
  best(first: number, before = 0): number {
    if (first === 0) return 0
    this.#before = before
    if (this.#paths.next[first] === 0) return this.#isUsable(first) ? first : 0
    this.#lineUp(first)
    for (let step = 0; step < STEPS.length && this.#count > 1; step++) this.#run(step)
    return this.#count === 0 ? 0 : (this.#race[0] as number)
  }

  /** The usable paths of a chain, at most so many: the best ones, in no order. */
  several(first: number, most: number): number[] {
    this.#lineUp(first)
    const all = Array.from(this.#race.subarray(0, this.#count))
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
    this.#count = 0
    this.#before = 0
    for (const path of some) this.#race[this.#count++] = path
    for (let step = 0; step < STEPS.length && this.#count > 1; step++) this.#run(step)
    return this.#race[0] as number
  }

  #attributesOf(path: number): number {
    return this.#paths.attributes[path] as number
  }

  /**
   * Who shares traffic with the best path, itself first: all that are as good through the metric to the next hop (steps a
   * to e of RFC 4271 §9.1.2.2), each with another next hop, and with the same AS path unless `relax` says that its length
   * will do.
   */
  sharing(first: number, best: number): readonly number[] {
    const { paths: most, relax } = this.settings
    if (best === 0 || most < 2 || this.#paths.next[first] === 0) return best === 0 ? [] : [best]
    this.#lineUp(first)
    for (let step = 0; step < OLDEST_STEP && this.#count > 1; step++) this.#run(step)
    const equal = Array.from(this.#race.subarray(0, this.#count)).filter(
      (path) =>
        path !== best && (relax || this.#attributes.samePath(this.#attributesOf(path), this.#attributesOf(best))),
    )
    const shared = [best]
    const nextHops = new Set([this.#wayOf(best)])
    while (equal.length > 0 && shared.length < most) {
      const next = this.#bestAmong(equal)
      equal.splice(equal.indexOf(next), 1)
      const way = this.#wayOf(next)
      if (!nextHops.has(way)) shared.push(next)
      nextHops.add(way)
    }
    return shared
  }

  /** Two next hops are one way when they are the same; a link-local one is another on every link. */
  #wayOf(path: number): number | string {
    const nextHop = this.#paths.nextHop[path] as number
    return this.#nextHops.isLinkOnly(nextHop) ? `${nextHop} of ${this.#paths.peer[path]}` : nextHop
  }

  explain(first: number, before = 0): Explained {
    this.#before = before
    const lostAt = new Map<number, number>()
    this.#lineUp(first)
    for (let step = 0; step < STEPS.length && this.#count > 1; step++) {
      const before = this.#race.slice(0, this.#count)
      this.#run(step)
      const left = new Set(this.#race.subarray(0, this.#count))
      for (const path of before) if (!left.has(path)) lostAt.set(path, step)
    }
    return { best: this.#count === 0 ? 0 : (this.#race[0] as number), lostAt }
  }

  #isUsable(path: number): boolean {
    return this.#paths.refused[path] === 0 && this.#reachOf(path) !== REACH.none
  }

  #reachOf(path: number): number {
    return this.#nextHops.reach[this.#paths.nextHop[path] as number] as number
  }

  #lineUp(first: number): void {
    this.#lineUpOver(first, REACH.direct)
    if (this.#count === 0) this.#lineUpOver(first, REACH.learned)
  }

  /** RFC 9494 §4.3: what is long-lived stale comes behind all that is not. */
  #lineUpOver(first: number, reach: Reach): void {
    this.#lineUpThose(first, reach, 0)
    if (this.#count === 0) this.#lineUpThose(first, reach, CARRIES.longLivedStale)
  }

  #lineUpThose(first: number, reach: Reach, stale: number): void {
    this.#count = 0
    for (let path = first; path !== 0; path = this.#paths.next[path] as number) {
      if (this.#paths.refused[path] !== 0 || this.#reachOf(path) !== reach) continue
      if (((this.#attributes.flags[this.#attributesOf(path)] as number) & CARRIES.longLivedStale) !== stale) continue
      if (this.#count === this.#race.length) {
        const longer = new Uint32Array(this.#race.length * 2)
        longer.set(this.#race)
        this.#race = longer
      }
      this.#race[this.#count++] = path
    }
  }

  #run(step: number): void {
    if (step === MED_STEP) this.#leaveByMed()
    else if (step === OLDEST_STEP) this.#keepBefore()
    else this.#keepLowest(step)
  }

  /** RFC 5004 §2: the external path that was the best stays it. Then the order of arrival counts, so it is off by default. */
  #keepBefore(): void {
    if (!this.settings.preferOldest) return
    const at = this.#race.subarray(0, this.#count).indexOf(this.#before)
    if (at < 0 || this.#peers.kind[this.#paths.peer[this.#before] as number] !== KIND.external) return
    this.#race[0] = this.#before
    this.#count = 1
  }

  #keepLowest(step: number): void {
    const race = this.#race
    let lowest = Number.POSITIVE_INFINITY
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const path = race[index] as number
      const weight = this.#weigh(step, path)
      if (weight < lowest) {
        lowest = weight
        kept = 0
      }
      if (weight === lowest) race[kept++] = path
    }
    this.#count = kept
  }

  /** RFC 4271 §9.1.2.2 c: out goes every path of which another from the same neighbor AS has a lower MED. */
  #leaveByMed(): void {
    const race = this.#race
    const { med, neighborAs } = this.#attributes
    const idAt = (index: number): number => this.#paths.attributes[race[index] as number] as number
    let differ = false
    for (let index = 1; index < this.#count && !differ; index++) differ = med[idAt(index)] !== med[idAt(0)]
    if (!differ) return
    // One look at each: a thousand nodes may announce the same range.
    const lowest = this.#lowestMed
    lowest.clear()
    for (let index = 0; index < this.#count; index++) {
      const [id, as] = [idAt(index), neighborAs[idAt(index)] as number]
      lowest.set(as, Math.min(med[id] as number, lowest.get(as) ?? Number.POSITIVE_INFINITY))
    }
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const id = idAt(index)
      if (med[id] === lowest.get(neighborAs[id] as number)) race[kept++] = race[index] as number
    }
    this.#count = kept
  }

  /** What a step compares: the lower the better. */
  #weigh(step: number, path: number): number {
    const id = this.#paths.attributes[path] as number
    const peer = this.#paths.peer[path] as number
    switch (step) {
      case 0:
        return this.#peers.kind[peer] === KIND.own ? 0 : 1
      case 1:
        return -(this.#attributes.localPref[id] as number)
      case 2:
        return this.#attributes.pathLength[id] as number
      case 3:
        return this.#attributes.origin[id] as number
      case 5:
        return this.#peers.kind[peer] === KIND.external ? 0 : 1
      case 6:
        return this.#nextHops.metric[this.#paths.nextHop[path] as number] as number
      case 8:
        // RFC 4456 §9: a reflected route stands for the router that it came from.
        return ((this.#attributes.flags[id] as number) & CARRIES.originatorId) !== 0
          ? (this.#attributes.originatorId[id] as number)
          : (this.#peers.routerId[peer] as number)
      case 9:
        return this.#attributes.clusterLength[id] as number
      case 10:
        return this.#peers.rank[peer] as number
      default:
        return this.#paths.idOf(path)
    }
  }
}
