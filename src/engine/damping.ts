/**
 * Damping of service addresses that flap, where it is configured: as in RFC 2439 for routes of neighbors, but at the
 * source. Each withdrawal adds to an address's penalty, which decays with a half-life. An address whose penalty is too
 * high is not advertised again before the penalty has decayed. A withdrawal is never delayed.
 *
 * In: the routes to advertise and to withdraw. Out: those of them that may be advertised now, and later those that are
 * released.
 */
import { isHostPrefix, type Prefix } from '../base/prefix.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import type { DampingSettings, RouteIntent } from '../cluster/intent.ts'

interface Flapping {
  /** Penalty in withdrawals, at the time `at`. */
  penalty: number
  at: Millis
  /** The route to announce when it is released; undefined: it is not wanted, or is announced. */
  held: RouteIntent | undefined
  /** When it may be announced again; undefined: it is not suppressed. */
  until: Millis | undefined
}

/** The penalty at which an address is released, as a share of the one that suppresses it. */
const REUSE = 0.5
/** After this many half-lives without a flap it is released, however often it flapped before. */
const LONGEST = 4
/** An entry with less penalty is forgotten. */
const NOTHING = 0.1

export class Damping {
  #settings: DampingSettings | undefined
  readonly #flapping = new Map<string, Flapping>()
  /** The earliest time at which an entry may be released or forgotten. */
  #next: Millis | undefined
  /** Why they are suppressed, by prefix. */
  readonly refusals = new Map<string, string>()

  /** Sets other settings, or none: suppressed routes are then released by the next `takeDue`. */
  set(settings: DampingSettings | undefined, now: Millis): void {
    const { suppressAfter, halfLife } = this.#settings ?? {}
    if (suppressAfter === settings?.suppressAfter && halfLife === settings?.halfLife) return
    this.#settings = settings
    for (const one of this.#flapping.values()) if (one.until !== undefined) one.until = now
    if (this.#flapping.size > 0) this.#next = now
  }

  /** The routes among these that may be announced now. */
  announce(routes: readonly RouteIntent[], now: Millis): readonly RouteIntent[] {
    if (this.#flapping.size === 0) return routes
    return routes.filter((route) => {
      const one = this.#flapping.get(route.prefix.text)
      if (one?.until === undefined || one.until <= now) {
        // What is held is older than this route.
        if (one !== undefined) one.held = undefined
        this.refusals.delete(route.prefix.text)
        return true
      }
      one.held = route
      this.refusals.set(route.prefix.text, why(one.until - now))
      return false
    })
  }

  /** These are withdrawn. A suppressed route needs no withdrawal, but another one does no harm. */
  withdraw(prefixes: readonly Prefix[], now: Millis): void {
    const settings = this.#settings
    for (const prefix of prefixes) {
      const one = this.#flapping.get(prefix.text)
      const wasHeld = one?.held !== undefined
      if (one !== undefined) one.held = undefined
      this.refusals.delete(prefix.text)
      if (settings !== undefined && isHostPrefix(prefix) && !wasHeld) this.#punish(prefix.text, settings, now)
    }
  }

  /** Suppressed routes that may be announced now. */
  takeDue(now: Millis): readonly RouteIntent[] {
    if (this.#next === undefined || now < this.#next) return NONE
    const due: RouteIntent[] = []
    this.#next = undefined
    for (const [text, one] of this.#flapping) {
      if (one.until !== undefined && one.until <= now) {
        if (one.held !== undefined) due.push(one.held)
        one.held = undefined
        one.until = undefined
        this.refusals.delete(text)
      }
      if (one.until === undefined && this.#penalty(one, now) < NOTHING) this.#flapping.delete(text)
      // Entries that are only deleted are not urgent: they are deleted together, at intervals.
      else this.#next = earlier(this.#next, one.until ?? now + this.#halfLife)
    }
    return due
  }

  deadline(): Millis | undefined {
    return this.#next
  }

  #punish(text: string, settings: DampingSettings, now: Millis): void {
    const one = this.#flapping.get(text) ?? { penalty: 0, at: now, held: undefined, until: undefined }
    const { suppressAfter } = settings
    const most = suppressAfter * REUSE * 2 ** LONGEST
    one.penalty = Math.min(this.#penalty(one, now) + 1, most)
    one.at = now
    // The penalty has decayed since the entry was made.
    if (one.penalty > suppressAfter - 0.5) {
      one.until = now + Math.ceil(Math.log2(one.penalty / (suppressAfter * REUSE)) * this.#halfLife)
    }
    this.#flapping.set(text, one)
    this.#next = earlier(this.#next, one.until ?? now + this.#halfLife)
  }

  #penalty({ penalty, at }: Flapping, now: Millis): number {
    return this.#settings === undefined ? 0 : penalty * 2 ** (-(now - at) / this.#halfLife)
  }

  get #halfLife(): Millis {
    return (this.#settings?.halfLife ?? 0) * 1_000
  }
}

const NONE: readonly RouteIntent[] = []

const why = (millis: Millis): string => `it flaps: serviceDamping suppresses it for ${Math.ceil(millis / 1_000)} s`
