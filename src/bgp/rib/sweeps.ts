/** Long work of one family, one sweep after the other, a part in each turn. */
import type { Sweep } from './sweep.ts'

export class Sweeps {
  readonly #waiting: Sweep[] = []
  /** How often `run` had something to do. */
  runs = 0

  add(sweep: Sweep): void {
    this.#waiting.push(sweep)
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Makes about `budget` visits. Returns what is left of the budget. */
  run(budget: number): number {
    if (this.#waiting.length > 0) this.runs++
    let left = budget
    for (let sweep = this.#waiting[0]; sweep !== undefined && left > 0; sweep = this.#waiting[0]) {
      left = sweep.run(left)
      if (!sweep.isOver) break
      this.#waiting.shift()
      sweep.finish()
    }
    return left
  }
}
