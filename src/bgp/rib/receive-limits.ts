/**
 * What an UPDATE has exceeded: the number of routes that a neighbor may advertise, of paths to one prefix, and the memory
 * that its routes may take. Each warning is given once, and again only after the figure was below.
 */
import { writeU32 } from '../../base/bytes.ts'
import { AFI, type Family, SAFI_UNICAST } from '../../base/family.ts'
import { type MessageError, messageError } from '../wire/error.ts'
import { CEASE } from '../wire/notification.ts'
import type { FamilyRib } from './family-rib.ts'
import { type MemoryLimit, NEAR, routeMemoryLimit } from './memory-limit.ts'
import type { PeerSlot } from './peers.ts'
import { MOST_TAKEN } from './rejected-routes.ts'
import type { MemoryLimitReport, PrefixLimitReport, ReceiveResult } from './types.ts'

export class ReceiveLimits {
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #memory: MemoryLimit

  constructor(ribs: Readonly<Record<Family, FamilyRib>>, memory: MemoryLimit) {
    this.#ribs = ribs
    this.#memory = memory
  }

  /** Too many routes, or nearly so; undefined: neither. */
  takePrefixLimitReport(slot: PeerSlot): PrefixLimitReport | undefined {
    const { families, maxPrefixes, warnPrefixes } = slot.peer
    let near: Pick<ReceiveResult, 'nearLimit'> | undefined
    for (const family of families) {
      const limit = maxPrefixes[family]
      const state = this.#ribs[family].importStateOf(slot)
      if (limit === undefined || state === undefined) continue
      // A path that is advertised anew counts once, so old paths are counted apart: they go at the end of the refresh or the
      // restart. They are bounded as well: by the present limit, or by a wider one under which they were taken, as a lower
      // one may be set while the neighbor is away.
      const fresh = state.total - state.old
      if (fresh > limit || state.old > Math.max(limit, state.oldLimit)) {
        return { error: tooMany(family, Math.max(fresh, state.old), limit), tooMany: family }
      }
      const isNear = fresh >= (warnPrefixes?.[family] ?? limit + 1)
      if (!isNear) state.warned = false
      // One UPDATE gives one warning: that of the other family comes with the next UPDATE.
      if (!isNear || state.warned || near !== undefined) continue
      state.warned = true
      near = { nearLimit: { family, routes: fresh, limit } }
    }
    return near
  }

  /** A prefix with more paths than are accepted from one neighbor. */
  takeCrowded(slot: PeerSlot): ReceiveResult['crowded'] {
    for (const family of slot.peer.receive.addPath) {
      const state = this.#ribs[family].importStateOf(slot)
      if (state?.crowded === undefined) continue
      const prefix = state.crowded
      state.crowded = undefined
      return { family, prefix, most: MOST_TAKEN }
    }
    return undefined
  }

  /**
   * Its routes take nearly all of the memory that they may, or some were rejected for lack of it: the latter says all that
   * the former would.
   */
  takeMemoryLimitReport(slot: PeerSlot): MemoryLimitReport | undefined {
    for (const family of slot.peer.families) {
      const state = this.#ribs[family].importStateOf(slot)
      if (state === undefined) continue
      const { octets } = state
      const neighborLimit = routeMemoryLimit(slot.peer, family)
      const isNear = octets >= neighborLimit * NEAR
      const isFirst = isNear && !state.memoryWarned
      state.memoryWarned = isNear
      if (state.memoryRejected === 'since now') {
        state.memoryRejected = 'logged'
        return this.#rejectedReport(family, octets, neighborLimit)
      }
      if (isFirst) return { family, state: 'near', whose: 'neighbor', octets, limit: neighborLimit }
    }
    return undefined
  }

  /** While all tables take too much, that is the reason to give, even where the neighbor is at its own limit too. */
  #rejectedReport(family: Family, octets: number, neighborLimit: number): MemoryLimitReport {
    const { isTooLarge, tables, limit } = this.#memory
    return isTooLarge && limit !== undefined
      ? { family, state: 'refused', whose: 'agent', octets: tables, limit }
      : { family, state: 'refused', whose: 'neighbor', octets, limit: neighborLimit }
  }
}

/** RFC 4486 §4: Maximum Number of Prefixes Reached, with the family and the limit. */
function tooMany(family: Family, routes: number, limit: number): MessageError {
  const data = Uint8Array.of(0, AFI[family], SAFI_UNICAST, 0, 0, 0, 0)
  writeU32(data, 3, limit)
  return messageError(CEASE.code, CEASE.maxPrefixes, `${routes} ${family} routes, ${limit} allowed`, data)
}
