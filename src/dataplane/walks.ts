/**
 * A queue of walks over large tables; each turn does a bounded number of steps. A walk yields after each element that it
 * has looked at. Tables may change between the steps.
 */
export class Walks {
  readonly #waiting: Iterator<unknown>[] = []
  /** The index of the current walk in `#waiting`. */
  #at = 0

  get isEmpty(): boolean {
    return this.#at === this.#waiting.length
  }

  add(walk: Iterable<unknown>): void {
    this.#waiting.push(walk[Symbol.iterator]())
  }

  advance(steps: number): void {
    for (let taken = 0; taken < steps && !this.isEmpty; taken++) {
      const step = this.#waiting[this.#at]?.next()
      if (step?.done === true) this.#at++
    }
    if (!this.isEmpty) return
    this.#waiting.length = 0
    this.#at = 0
  }
}
