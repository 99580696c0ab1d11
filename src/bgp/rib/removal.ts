/** The removal of all paths of neighbors that are gone: one walk over all paths for all of them. */
import { Sweep } from './sweep.ts'

export class Removal {
  readonly sweep: Sweep
  /** By the number of a neighbor, which has 16 bits. */
  readonly #isGone = new Uint8Array(0x10000)
  readonly #whenDone: (() => void)[] = []
  /** Paths of these neighbors that are still there. */
  #left = 0

  /** `visit` removes a path of one of these neighbors; false: it is of another. */
  constructor(end: () => number, visit: (path: number) => boolean) {
    const remove = (path: number): boolean => {
      if (!visit(path)) return false
      this.#left--
      return true
    }
    const done = (): void => {
      for (const call of this.#whenDone) call()
    }
    this.sweep = new Sweep(() => (this.#left === 0 ? 0 : end()), remove, done)
  }

  /**
   * Only before the sweep has begun: it does not go back to paths that it has passed. `paths`: how many the neighbor has;
   * `done` is called when none is left.
   */
  add(neighbor: number, paths: number, done: () => void): void {
    this.#isGone[neighbor] = 1
    this.#left += paths
    this.#whenDone.push(done)
  }

  has(neighbor: number): boolean {
    return this.#isGone[neighbor] === 1
  }
}
