/**
 * Ids of rows in columns. Free ids are used again, the lowest first once they have been sorted. A row at the end of the
 * columns stays there until it is withdrawn; new rows are then placed in front, so that the columns can be shortened.
 */

/** Columns with fewer rows are never shrunk. */
const MODEST = 1 << 13

export class FreeIds {
  /** How many ids have become free since they were last sorted. */
  #freed = 0

  /** Whether sorting is worthwhile: few ids are in use, and at least an eighth have become free since the last time. */
  isSparse(size: number, end: number): boolean {
    return end > MODEST && size * 4 < end && this.#freed * 8 > size
  }

  noteFree(): void {
    this.#freed++
  }

  /**
   * Sorts the free ids, so that the lowest is used next and the columns are filled from the front. Returns the first of them,
   * 0 for none, and one more than the highest id in use; free ids beyond it are dropped.
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

/** A smaller size for columns of which little is used; undefined: the present size is good. */
export const shrunkSize = (capacity: number, end: number): number | undefined =>
  capacity > MODEST * 4 && end * 4 <= capacity ? Math.max(end * 2, MODEST) : undefined
