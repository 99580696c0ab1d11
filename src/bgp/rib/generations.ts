/**
 * Marks stale routes of one neighbor and family, for an enhanced route refresh (RFC 7313) and for a restart of the
 * neighbor (RFC 4724) alike. Every path has the generation in which it was last advertised. A cycle begins by raising
 * the current generation, which makes all older paths stale at once, and ends by raising the lowest valid generation,
 * below which paths are removed. So marking takes the same time for every size of table, and only the removal walks
 * over it.
 */

/**
 *   fresh       no path is stale
 *   refreshing  between BoRR and EoRR; the session is up
 *   stale       the session was lost and the routes are kept: until End-of-RIB, or until a timer ends
 */
export type Freshness = 'fresh' | 'refreshing' | 'stale'

export class Generations {
  /** The generation of routes announced now; 0 until the first cycle begins. */
  present = 0
  /** Paths of a lower generation are being removed. */
  lowestValid = 0
  freshness: Freshness = 'fresh'
  /**
   * Stale paths of a lower generation are long-lived stale: any other path is better (RFC 9494). It outlives the cycle, as
   * those paths do until they have been removed, and is then not above the lowest valid generation.
   */
  #longLivedBelow = 0

  /** BoRR. After a second BoRR, only routes announced after it count. */
  beginRefresh(): void {
    this.present++
    if (this.freshness === 'fresh') this.freshness = 'refreshing'
  }

  /**
   * RFC 4724 §4.2: the session is lost. Routes that are stale since an earlier loss are removed; true: there may be some.
   */
  lose(): boolean {
    // RFC 9494 §4.2: long-lived stale routes survive further losses, so nothing is removed while there may be some.
    const again = this.freshness === 'stale' && this.#longLivedBelow <= this.lowestValid
    if (again) this.lowestValid = this.present
    this.present++
    this.freshness = 'stale'
    return again
  }

  /** RFC 9494 §4.2: the Restart Time is over. True: there may be stale routes. */
  beginLongLived(): boolean {
    if (this.freshness !== 'stale') return false
    this.#longLivedBelow = this.present
    return true
  }

  /** Whether a path of this generation is long-lived stale. */
  isLongLived(generation: number): boolean {
    return generation < this.#longLivedBelow
  }

  /** EoRR, End-of-RIB, or a timeout: stale routes are removed. True: there may be some. */
  endCycle(): boolean {
    if (this.freshness === 'fresh') return false
    this.freshness = 'fresh'
    this.lowestValid = this.present
    return true
  }
}
