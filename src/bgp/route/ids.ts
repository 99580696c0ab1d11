/**
 * Ids of rows in columns. Free ids are used again, the lowest first once they have been sorted. A row at the end of the
 * columns stays there until it is withdrawn; new rows are then placed in front, so that the columns can be shortened.
 */

/** Rows that are not worth a thought. */
const MODEST = 1 << 13

export class FreeIds {
  /** How many have become free since they were put in order. */
  #freed = 0

  /** Few of many ids are in use, and another eighth as many have become free since the last time. */
  isSparse(size: number, end: number): boolean {
    return end > MODEST && size * 4 < end && this.#freed * 8 > size
  }

  noteFree(): void {
    this.#freed++
  }

  /**
   * Chains the free ids anew, so that the lowest is used next and the columns are filled from the front. Gives the
   * first of them, 0 for none, and one more than the highest id in use: those behind are forgotten.
   */
  order(end: number, isFree: (id: number) => boolean, chain: (id: number, next: number) => void) {
    this.#freed = 0
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
