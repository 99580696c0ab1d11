/** Long work in slices: visits every id of a column, a part of them in each turn. */
export class Sweep {
  /** Ids below it have been visited. */
  next = 1
  /** The sweep has started, even if it has visited no id yet: later changes may concern ids that it has passed. */
  hasBegun = false
  #cancelled = false
  readonly #end: () => number
  readonly #visit: (id: number) => boolean | number
  readonly #done: (() => void) | undefined

  /**
   * `visit` returns whether there was something to do, or how many visits it counts for. If there was nothing, the visit
   * was cheap and counts for less.
   */
  constructor(end: () => number, visit: (id: number) => boolean | number, done?: () => void) {
    this.#end = end
    this.#visit = visit
    this.#done = done
  }

  /** Makes about `budget` visits. Returns what is left of the budget: 0 unless the end was reached. */
  run(budget: number): number {
    this.hasBegun = true
    let left = budget * LOOKS_PER_VISIT
    const end = this.#cancelled ? 0 : this.#end()
    while (this.next < end && left > 0) left -= looksOf(this.#visit(this.next++))
    return this.next < end ? 0 : Math.max(0, Math.floor(left / LOOKS_PER_VISIT))
  }

  get isOver(): boolean {
    return this.#cancelled || this.next >= this.#end()
  }

  /** To be called once `isOver`. */
  finish(): void {
    if (!this.#cancelled) this.#done?.()
  }

  cancel(): void {
    this.#cancelled = true
  }
}

/** What counts as one visit: so many rules of a policy, which are compared one after the other. */
export const RULES_PER_VISIT = 64

/** So many looks count as one visit; a visit where there was nothing to do is one look. */
const LOOKS_PER_VISIT = 16

const looksOf = (visits: boolean | number): number => (visits === false ? 1 : Number(visits) * LOOKS_PER_VISIT)
