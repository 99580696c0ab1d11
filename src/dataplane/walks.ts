/**
 * Walks over tables that may be full, one after the other, of which each turn takes only so many steps. A walk yields
 * after each thing that it has looked at; tables may change while it waits.
 */
export class Walks {
  readonly #waiting: Iterator<unknown>[] = []
  /** Of the walk that goes on now, in `#waiting`. */
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
