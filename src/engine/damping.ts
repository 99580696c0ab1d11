/**
 * Damping of service addresses that flap, where it is configured: as in RFC 2439 for routes of neighbors, but at the
 * source. Each withdrawal of a service's route adds to an address's penalty, which decays with a half-life. An address whose
 * penalty is too high is not advertised again before the penalty has decayed. A withdrawal is never delayed.
 *
 * Routes of other origins, such as single pods, pass. So does an address that another object wants too, such as a
 * BGPAdvertisement: it is not withdrawn when its services go.
 *
 * In: the routes to advertise and to withdraw. Out: those of them that may be advertised now, and later those that are
 * released.
 */
import { Deadlines } from '../base/deadlines.ts'
import type { Prefix } from '../base/prefix.ts'
import { inMillis, inSeconds, type Millis } from '../base/units.ts'
import type { DampingSettings, RouteIntent } from '../cluster/intent.ts'

interface Flapping {
  /** Penalty in withdrawals, at the time `at`. */
  penalty: number
  at: Millis
  /** When it may be announced again; undefined: it is not suppressed. */
  until: Millis | undefined
}

interface Announced {
  readonly now: readonly RouteIntent[]
  readonly suppressed: readonly Prefix[]
}

/** The penalty at which an address is released, as a share of the one that suppresses it. */
const REUSE = 0.5
/** After this many half-lives without a flap it is released, however often it flapped before. */
const LONGEST = 4
/** An entry with less penalty is forgotten. */
const NOTHING = 0.1
/** Addresses that one turn releases or forgets. */
const AT_ONCE = 512

export class Damping {
  #settings: DampingSettings | undefined
  #flapping = new Map<string, Flapping>()
  /** When each of them is released, or forgotten. */
  #ends = new Deadlines<string>()
  /** Routes of suppressed addresses. */
  #held = new Map<string, RouteIntent>()
  /** Those that other settings have released. */
  #freed = new Map<string, RouteIntent>()
  #freedAt: Millis = 0
  /** Why they are suppressed, by prefix. */
  readonly refusals = new Map<string, string>()

  /** Sets other settings, or none: all penalties are forgotten, and `takeDue` releases what is suppressed. */
  set(settings: DampingSettings | undefined, now: Millis): void {
    const { suppressAfter, halfLife } = this.#settings ?? {}
    if (suppressAfter === settings?.suppressAfter && halfLife === settings?.halfLife) return
    this.#settings = settings
    this.#flapping = new Map()
    this.#ends = new Deadlines()
    if (this.#freed.size === 0) this.#freed = this.#held
    else for (const [text, route] of this.#held) this.#freed.set(text, route)
    this.#held = new Map()
    this.#freedAt = now
  }

  /** Which of these routes may be announced now, and which are suppressed: the address may be advertised for a pod. */
  announce(routes: readonly RouteIntent[], now: Millis): Announced {
    if (this.#flapping.size + this.#freed.size === 0) return { now: routes, suppressed: [] }
    const suppressed: Prefix[] = []
    const passing = routes.filter((route) => {
      const { prefix } = route
      const { text } = prefix
      const { until = now } = this.#flapping.get(text) ?? {}
      // What is held is older than this route.
      this.#drop(text)
      if (!isOfServicesAlone(route) || until <= now) return true
      this.#held.set(text, route)
      this.refusals.set(text, why(until - now))
      suppressed.push(prefix)
      return false
    })
    return { now: passing, suppressed }
  }

  /** These are withdrawn. A suppressed route needs no withdrawal, but another one does no harm. */
  withdraw(routes: readonly RouteIntent[], now: Millis): void {
    for (const route of routes) {
      const { text } = route.prefix
      const wasHeld = this.#drop(text)
      if (this.#settings !== undefined && isOfServicesAlone(route) && !wasHeld) this.#punish(text, this.#settings, now)
    }
  }

  /** Suppressed routes that may be announced now, or some of them: the deadline then stays. */
  takeDue(now: Millis): readonly RouteIntent[] {
    const due: RouteIntent[] = []
    const release = (text: string, route: RouteIntent | undefined): void => {
      if (route !== undefined) due.push(route)
      this.#drop(text)
    }
    for (const [text, route] of this.#freed) {
      if (due.length === AT_ONCE) return due
      release(text, route)
    }
    for (const text of this.#ends.take(now, AT_ONCE - due.length)) {
      release(text, this.#held.get(text))
      const one = this.#flapping.get(text)
      if (one === undefined) continue
      one.until = undefined
      if (this.#penalty(one, now) < NOTHING) this.#flapping.delete(text)
      else this.#ends.set(text, this.#end(one))
    }
    return due
  }

  deadline(): Millis | undefined {
    return this.#freed.size > 0 ? this.#freedAt : this.#ends.first()
  }

  /** Returns whether a route of this prefix was held. */
  #drop(text: string): boolean {
    if (!this.refusals.delete(text)) return false
    this.#held.delete(text)
    this.#freed.delete(text)
    return true
  }

  #punish(text: string, settings: DampingSettings, now: Millis): void {
    const one = this.#flapping.get(text) ?? { penalty: 0, at: now, until: undefined }
    const { suppressAfter } = settings
    const most = suppressAfter * REUSE * 2 ** LONGEST
    one.penalty = Math.min(this.#penalty(one, now) + 1, most)
    one.at = now
    // Earlier withdrawals have decayed a little: after `suppressAfter` of them the penalty is less than that number.
    if (one.penalty > suppressAfter - 0.5) {
      one.until = now + Math.ceil(Math.log2(one.penalty / (suppressAfter * REUSE)) * this.#halfLife)
    }
    this.#flapping.set(text, one)
    this.#ends.set(text, this.#end(one))
  }

  /** When the entry is released, or else has decayed to nothing. */
  #end({ penalty, at, until }: Flapping): Millis {
    return until ?? at + Math.ceil(Math.log2(penalty / NOTHING) * this.#halfLife) + 1
  }

  #penalty({ penalty, at }: Flapping, now: Millis): number {
    return penalty * 2 ** (-(now - at) / this.#halfLife)
  }

  get #halfLife(): Millis {
    return inMillis(this.#settings?.halfLife ?? 0)
  }
}

/** The origin of a route that several objects want is that of the one which says most: the others count too. */
const isOfServicesAlone = ({ origin, objects }: RouteIntent): boolean =>
  origin === 'service' && objects.every((object) => object.startsWith('Service/'))

const why = (millis: Millis): string => `it flaps: serviceDamping suppresses it for ${Math.ceil(inSeconds(millis))} s`
