/** The Loc-RIB of one family: the best path of each prefix, and the neighbor it came from. */
import type { Octets } from '../../base/units.ts'
import { grownSize, growU16, growU32, usedBytes } from '../route/columns.ts'

/** In `from`: no best path. */
export const NO_PEER = 0xffff
/** In `best`: the best path was removed, and decision has not run since. */
export const LOST = 0xffffffff

export class LocRib {
  /** By prefix: the number of the best path; 0: none, or `LOST`. */
  best = new Uint32Array(0)
  /**
   * By prefix: the peer number of the best path at the last decision. It stays when that path is lost, so that the next
   * decision knows whose path was advertised. Meaningless where `best` is 0.
   */
  from = new Uint16Array(0)
  /** By peer number: how many of its paths are the best. */
  preferred = new Uint32Array(1)

  grow(capacity: number): void {
    this.best = growU32(this.best, capacity)
    this.from = growU16(this.from, capacity)
  }

  /** `path`: the best path, from the neighbor with the number `peer`; 0 and `NO_PEER`: there is none. */
  set(prefix: number, path: number, peer: number): void {
    const before = this.best[prefix] === 0 ? NO_PEER : (this.from[prefix] as number)
    if (before !== NO_PEER) this.preferred[before] = (this.preferred[before] as number) - 1
    if (peer !== NO_PEER) {
      if (peer >= this.preferred.length) this.preferred = growU32(this.preferred, grownSize(peer, peer + 1))
      this.preferred[peer] = (this.preferred[peer] as number) + 1
    }
    this.best[prefix] = path
    this.from[prefix] = peer
  }

  /** In octets. `end`: one more than the highest prefix number in use. */
  memory(end: number): Octets {
    return usedBytes(end, this.best, this.from) + this.preferred.byteLength
  }
}
