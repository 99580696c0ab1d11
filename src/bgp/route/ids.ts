/** Ids of rows in columns: given out again when free, the lowest first once somebody has put them in order. */

/** Rows that are not worth a thought. */
const MODEST = 1 << 13

export class FreeIds {
  /** How many were in use when they were put in order last; a new id at the end makes that void. */
  #ordered = Number.POSITIVE_INFINITY

  /** Few of many ids are in use, and it is new that so few are. */
  isSparse(size: number, end: number): boolean {
    return end > MODEST && size * 4 < end && size * 2 < this.#ordered
  }

  noteNew(): void {
    this.#ordered = Number.POSITIVE_INFINITY
  }

  /**
   * Chains the free ids anew, so that the lowest is used next and the columns are filled from the front. Gives the first of
   * them, 0 for none, and one more than the highest id in use: those behind are forgotten.
   */
  order(size: number, end: number, isFree: (id: number) => boolean, chain: (id: number, next: number) => void) {
    this.#ordered = size
    let last = end
    while (last > 1 && isFree(last - 1)) last--
    let first = 0
    for (let id = last - 1; id > 0; id--) {
      if (!isFree(id)) continue
      chain(id, first)
      first = id
    }
    return { first, end: last }
  }
}

/** The size of columns of which so little is used that another one is better; undefined where it is not. */
export const shrunkSize = (capacity: number, end: number): number | undefined =>
  capacity > MODEST * 4 && end * 4 <= capacity ? Math.max(end * 2, MODEST) : undefined
