/**
 * Long work in steps, so that sockets are read in between. A step yields what it cost, in about microseconds; whoever
 * drives it stops when a turn has had enough, and goes on in the next one.
 */
export type Work<Result = void> = Generator<number, Result, void>

/** All of it at once. */
export function finish<Result>(work: Work<Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** Steps until they cost `share`; the result, where that was the end. */
export function proceed<Result>(work: Work<Result>, share: number): { readonly result: Result } | undefined {
  for (let cost = 0; cost < share; ) {
    const step = work.next()
    if (step.done === true) return { result: step.value }
    cost += step.value
  }
  return undefined
}

/** Sums the cost of small steps, so that many are yielded as one: to yield each would cost more than the step. */
export class CostMeter {
  #sum = 0

  add(cost: number): void {
    this.#sum += cost
  }

  /** Whether the sum is large enough to yield. */
  get isDue(): boolean {
    return this.#sum >= WORTH_A_STEP
  }

  /** The sum, which starts again at 0. */
  take(): number {
    const sum = this.#sum
    this.#sum = 0
    return sum
  }
}

/** Microseconds. */
const WORTH_A_STEP = 50
