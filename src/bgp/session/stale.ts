/**
 * The families of a lost neighbor whose routes are kept, each with its own timers: while the neighbor is away, and until its
 * End-of-RIB (RFC 4724 §4.2, RFC 9494 §4.2). This file only keeps the times; `peer.ts` acts when one is over.
 */
import { FAMILIES, type Family } from '../../base/family.ts'
import { earlier } from '../../base/timers.ts'
import { inSeconds, type Millis } from '../../base/units.ts'
import { absenceOf, LONGEST_RETURN, longLivedTimeOf, mayStay } from './restart.ts'
import type { PeerRestart } from './types.ts'

interface Kept {
  /** Away: the end of the Restart Time, or of the Long-lived Stale Time. Back: when End-of-RIB must have come. */
  readonly until: Millis
  /** The duration that ends at `until`. */
  readonly duration: Millis
  readonly isLongLived: boolean
  /** The end of the Long-lived Stale Time, once it has begun. Neither a return nor a further loss changes it. */
  readonly longLivedUntil: Millis | undefined
}

/** Families whose time is over. */
interface Expired {
  /** Families whose routes are now long-lived stale. */
  readonly longLived: readonly Family[]
  readonly over: readonly Family[]
  /** The longest duration among `over`. */
  readonly duration: Millis
}

export class Stale {
  readonly #kept = new Map<Family, Kept>()
  /** What the neighbor announced in the session that was lost last. */
  #lost: PeerRestart | undefined

  get families(): readonly Family[] {
    return FAMILIES.filter((family) => this.#kept.has(family))
  }

  /** When the next time is over, and its whole duration. */
  next(): Pick<Kept, 'until' | 'duration'> | undefined {
    let first: Kept | undefined
    for (const kept of this.#kept.values()) if (first === undefined || kept.until < first.until) first = kept
    return first
  }

  deadline(): Millis | undefined {
    let first: Millis | undefined
    for (const { until } of this.#kept.values()) first = earlier(first, until)
    return first
  }

  /** The session is lost; routes of these families are kept. */
  lose(families: readonly Family[], restart: PeerRestart | undefined, now: Millis): void {
    this.#lost = restart
    for (const family of FAMILIES) {
      const longLivedUntil = this.#kept.get(family)?.longLivedUntil
      this.#kept.delete(family)
      if (!families.includes(family) || restart === undefined) continue
      const until = Math.min(now + absenceOf(restart, family), longLivedUntil ?? Infinity)
      this.#kept.set(family, { until, duration: until - now, isLongLived: false, longLivedUntil })
    }
  }

  /** The neighbor is back. Returns the families whose routes stay until its End-of-RIB; others are removed (RFC 4724 §4.2). */
  comeBack(restart: PeerRestart | undefined, now: Millis): readonly Family[] {
    for (const [family, kept] of this.#kept) {
      const { longLivedUntil } = kept
      if (!mayStay(family, restart, longLivedUntil !== undefined)) this.#kept.delete(family)
      else {
        const until = longLivedUntil ?? now + LONGEST_RETURN
        this.#kept.set(family, { ...kept, until, duration: until - now })
      }
    }
    return this.families
  }

  /** End-of-RIB of the neighbor. */
  forget(family: Family): void {
    this.#kept.delete(family)
  }

  clear(): void {
    this.#kept.clear()
  }

  /** `isBack`: the neighbor's session is up. */
  expire(now: Millis, isBack: boolean): Expired {
    const longLived: Family[] = []
    const over: Family[] = []
    let longest = 0
    for (const family of this.families) {
      const kept = this.#kept.get(family)
      if (kept === undefined || kept.until > now) continue
      const longLivedUntil = kept.longLivedUntil ?? now + longLivedTimeOf(this.#lost, family)
      if (!isBack && !kept.isLongLived && longLivedUntil > now) {
        longLived.push(family)
        this.#kept.set(family, {
          until: longLivedUntil,
          duration: longLivedUntil - now,
          isLongLived: true,
          longLivedUntil,
        })
      } else {
        over.push(family)
        longest = Math.max(longest, kept.duration)
        this.#kept.delete(family)
      }
    }
    return { longLived, over, duration: longest }
  }
}

/** Why stale routes are removed, in words. */
export function whyOver(families: readonly Family[], duration: Millis, isBack: boolean): string {
  const what = isBack ? `End-of-RIB for ${families.join(' and ')}` : 'the neighbor'
  return `${what} has not arrived for ${Math.ceil(inSeconds(duration))} s`
}
