/**
 * Computes results of paths again: those that a review asks for by one sweep over all paths, and those of the paths to one
 * prefix without one.
 */
import type { Prefix } from '../../base/prefix.ts'
import type { Millis } from '../../base/units.ts'
import { type AdjIn, sinceOf } from './adj-in.ts'
import type { NeighborPaths } from './neighbor-paths.ts'
import type { Peers } from './peers.ts'
import type { PrefixTable } from './prefix-table.ts'
import { ASK, Review } from './review.ts'
import type { Selection } from './selection.ts'
import { RULES_PER_VISIT, Sweep } from './sweep.ts'
import type { Sweeps } from './sweeps.ts'

interface ReviewedTables {
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly peers: Peers
}

export class Reviewer {
  readonly #prefixes: PrefixTable
  readonly #paths: AdjIn
  readonly #peers: Peers
  readonly #neighbors: NeighborPaths
  readonly #selection: Selection
  readonly #sweeps: Sweeps
  /** The last review: until its sweep begins, further changes are added to it. */
  #review: Review | undefined
  /**
   * Prefixes whose paths the next `advance` evaluates first of all: only `advance` gets the time. Their paths are not counted
   * as visits: these prefixes are addresses that this node has or had, and a neighbor has at most MOST_TAKEN paths to each.
   */
  #toEvaluate: Pick<Prefix, 'bytes' | 'length'>[] = []
  /** The time of this `advance`, as `sinceOf` has it. */
  #since = 0
  readonly #address = new Uint8Array(16)

  constructor(tables: ReviewedTables, neighbors: NeighborPaths, selection: Selection, sweeps: Sweeps) {
    this.#prefixes = tables.prefixes
    this.#paths = tables.paths
    this.#peers = tables.peers
    this.#neighbors = neighbors
    this.#selection = selection
    this.#sweeps = sweeps
  }

  /** Paths wait for their evaluation. */
  get isBusy(): boolean {
    return this.#toEvaluate.length > 0
  }

  /** Work begins: from here on results are of this time. */
  begin(now: Millis): void {
    this.#since = sinceOf(now)
    if (this.#toEvaluate.length === 0) return
    for (const prefix of this.#toEvaluate) this.#askOf(prefix, ASK.import)
    this.#toEvaluate = []
  }

  /**
   * To be called for each change, and the change noted in what it returns: the results that depend on it are computed again.
   * A review whose sweep has begun takes no more changes: it has passed paths already.
   */
  review(): Review {
    if (this.#review?.sweep.hasBegun !== false) {
      const paths = this.#paths
      const visit = (path: number): false | number => {
        if (paths.prefix[path] === 0) return false
        const asks = review.asks(paths.peer[path] as number, paths.nextHop[path] as number)
        const all = review.ranges.length > 0 ? asks | this.#asksOfRanges(path, review) : asks
        return all === 0 ? false : this.askAgain(path, all)
      }
      const review = new Review(new Sweep(() => paths.end, visit))
      this.#review = review
      this.#sweeps.add(review.sweep)
    }
    return this.#review
  }

  /** All paths to one prefix are evaluated again. */
  evaluate(prefix: Pick<Prefix, 'bytes' | 'length'>): void {
    if (this.#prefixes.find(prefix.bytes, 0, prefix.length) !== 0) this.#toEvaluate.push(prefix)
  }

  /** All paths to one prefix are advertised anew. */
  exportAgain(prefix: Pick<Prefix, 'bytes' | 'length'>): void {
    this.#askOf(prefix, ASK.export)
  }

  #askOf({ bytes, length }: Pick<Prefix, 'bytes' | 'length'>, asks: number): void {
    const prefix = this.#prefixes.find(bytes, 0, length)
    if (prefix === 0) return
    const paths = this.#paths
    // To compute results again neither removes a path nor moves it in this list.
    for (let path = paths.first[prefix] as number; path !== 0; path = paths.next[path] as number)
      this.askAgain(path, asks)
  }

  /**
   * `asks`: bits of ASK; `ASK.import` only within `advance`, which sets the time. Returns for how many visits it counts: a
   * policy may have thousands of rules.
   */
  askAgain(path: number, asks: number): number {
    const paths = this.#paths
    let visits = 1
    if ((asks & ASK.import) !== 0) {
      const slot = this.#peers.slots[paths.peer[path] as number]
      if (slot !== undefined) {
        this.#neighbors.evaluateAgain(slot, path, this.#since)
        visits += slot.importPolicy.comparisons / RULES_PER_VISIT
      }
    }
    if ((asks & ASK.export) !== 0) paths.changed[path] = 1
    if ((asks & (ASK.export | ASK.decision)) !== 0) this.#selection.add(paths.prefix[path] as number)
    return visits
  }

  #asksOfRanges(path: number, { ranges }: Review): number {
    const prefix = this.#paths.prefix[path] as number
    this.#prefixes.writeAddress(prefix, this.#address)
    const length = this.#prefixes.lengths[prefix] as number
    let all = 0
    for (const { set, asks } of ranges) if (set.contains(this.#address, length)) all |= asks
    return all
  }
}
