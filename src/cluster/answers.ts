/**
 * Cached answers with their dependencies. An answer is valid while its dependencies are the same values. If a new answer
 * is equal to the previous one, the previous value is returned, so that answers that depend on it stay valid as well.
 */
import { CostMeter, type Work } from '../base/work.ts'
import { same } from './same.ts'

interface Kept<Value> {
  readonly restsOn: readonly unknown[]
  readonly value: Value
}

/** Approximate cost of checking that a cached answer is still valid, in microseconds. */
const LOOK_COST = 0.2

export class Answers<Value> {
  readonly #kept = new Map<string, Kept<Value>>()
  readonly #saysTheSame: (a: Value, b: Value) => boolean

  constructor(saysTheSame: (a: Value, b: Value) => boolean = same) {
    this.#saysTheSame = saysTheSame
  }

  /** `cost`: approximate cost of `compute` in microseconds; added to `meter` if `compute` has to run. */
  ask(question: string, restsOn: readonly unknown[], meter: CostMeter, cost: number, compute: () => Value): Value {
    const known = this.#kept.get(question)
    if (known !== undefined && sameDependencies(known.restsOn, restsOn)) {
      meter.add(LOOK_COST)
      return known.value
    }
    meter.add(cost)
    return this.#keep(question, restsOn, compute())
  }

  /** The same for an answer that is computed in steps. */
  *askLong(question: string, restsOn: readonly unknown[], compute: () => Work<Value>): Work<Value> {
    const known = this.#kept.get(question)
    if (known !== undefined && sameDependencies(known.restsOn, restsOn)) return known.value
    return this.#keep(question, restsOn, yield* compute())
  }

  /** Removes the answers to all questions that are not in `asked`. All of `asked` have answers: equal sizes are equal sets. */
  *forgetAllBut(asked: { readonly size: number; has(question: string): boolean }): Work {
    if (asked.size === this.#kept.size) return
    const meter = new CostMeter()
    for (const question of this.#kept.keys()) {
      if (!asked.has(question)) this.#kept.delete(question)
      meter.add(LOOK_COST)
      if (meter.isDue) yield meter.take()
    }
  }

  #keep(question: string, restsOn: readonly unknown[], found: Value): Value {
    const before = this.#kept.get(question)
    const value = before !== undefined && this.#saysTheSame(before.value, found) ? before.value : found
    this.#kept.set(question, { restsOn, value })
    return value
  }
}

/** Whether two lists of dependencies are the same values, so that an answer stays valid. */
export const sameDependencies = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((one, index) => Object.is(one, b[index]))
