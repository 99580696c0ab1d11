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

/** What small steps cost, gathered: a step of its own for each would cost more than it does. */
export class Toll {
  #owed = 0

  add(cost: number): void {
    this.#owed += cost
  }

  /** It is worth a step. */
  get isDue(): boolean {
    return this.#owed >= WORTH_A_STEP
  }

  take(): number {
    const owed = this.#owed
    this.#owed = 0
    return owed
  }
}

const WORTH_A_STEP = 50
