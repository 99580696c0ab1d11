/**
 * Commands about neighbors, which a pattern may name by thousands: a bounded number of them in each turn. A command goes on
 * when its client has gone, and the next one begins when it is over: of two that contradict each other the later one holds.
 */

import { matchesPattern } from '../show/pattern.ts'
import type { Action, ActionResult, ActionRun } from '../show/view.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'

/** Neighbors that are acted on in one turn: each costs about a thousand blocks of code (`test/work`). */
const ACTS_AT_ONCE = 32
/** Neighbors whose names are compared with the pattern in one turn. */
const LOOKS_AT_ONCE = 2_048
/** Commands that may wait for each other. */
export const MOST_RUNS = 64

interface Run {
  readonly action: Action
  /** As they were when the command came. */
  readonly neighbors: readonly Neighbor[]
  next: number
  readonly results: ActionResult[]
  isOver: boolean
}

export class CommandRuns {
  readonly #neighbors: Neighbors
  readonly #act: (neighbor: Neighbor, action: Action) => ActionResult
  /** The first is being carried out, the others wait. */
  readonly #runs: Run[] = []

  constructor(neighbors: Neighbors, act: (neighbor: Neighbor, action: Action) => ActionResult) {
    this.#neighbors = neighbors
    this.#act = act
  }

  /** Some command can go on at once. */
  get isBusy(): boolean {
    return this.#runs.length > 0
  }

  /** Carries out the first part at once, unless other commands come before. */
  begin(action: Action): ActionRun {
    const run: Run = { action, neighbors: this.#neighbors.all(), next: 0, results: [], isOver: false }
    if (this.#runs.length === MOST_RUNS) {
      run.results.push({ name: action.pattern, outcome: 'failed', reason: `${MOST_RUNS} commands wait already` })
      run.isOver = true
      return run
    }
    this.#runs.push(run)
    if (this.#runs[0] === run) this.advance()
    return run
  }

  /** The part of one turn. */
  advance(): void {
    const [run] = this.#runs
    if (run === undefined) return
    const end = Math.min(run.next + LOOKS_AT_ONCE, run.neighbors.length)
    for (let acts = 0; run.next < end && acts < ACTS_AT_ONCE; run.next++) {
      const neighbor = run.neighbors[run.next] as Neighbor
      if (!matchesPattern(run.action.pattern, neighbor.name)) continue
      // Objects may have removed it meanwhile.
      if (this.#neighbors.get(neighbor.name) !== neighbor) continue
      run.results.push(this.#act(neighbor, run.action))
      acts++
    }
    if (run.next < run.neighbors.length) return
    run.isOver = true
    this.#runs.shift()
  }
}
