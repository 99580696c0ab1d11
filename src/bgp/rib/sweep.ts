/** Long work cut in slices: something done to every id of a column, a part of it per turn. */
export class Sweep {
  /** Ids below it have been visited. */
  next = 1
  /** It has had a turn, even if there was no id to visit: what comes now may lie behind it. */
  hasBegun = false
  #cancelled = false
  readonly #end: () => number
  readonly #visit: (id: number) => boolean
  readonly #done: (() => void) | undefined

  /** `visit` says whether there was something to do; looking in vain is cheap and counts for less. */
  constructor(end: () => number, visit: (id: number) => boolean, done?: () => void) {
    this.#end = end
    this.#visit = visit
    this.#done = done
  }

  /** Goes on for about `budget` visits; returns what is left of it, 0 unless the end was reached. */
  run(budget: number): number {
    this.hasBegun = true
    let left = budget * LOOKS_PER_VISIT
    const end = this.#cancelled ? 0 : this.#end()
    while (this.next < end && left > 0) left -= this.#visit(this.next++) ? LOOKS_PER_VISIT : 1
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

const LOOKS_PER_VISIT = 16
