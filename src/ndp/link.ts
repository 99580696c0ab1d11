/**
 * Decides which router of a link is the neighbor. A link between neighbors is a cable: one router at its other end.
 * Where several advertise themselves, the first one stays the neighbor as long as its session is up or it advertises
 * itself; the others are remembered for show commands. When the link goes down all of them are forgotten; where it was down
 * for a moment only, the first one stays until another advertises itself, as the cable may lead to another router now.
 */
import type { Address } from '../base/address.ts'
import type { Millis } from '../base/units.ts'

/** A router without a session gives way to another after this long without an advertisement. */
export const SILENCE: Millis = 35_000
/** The most other routers that are remembered. */
const MOST_OTHERS = 8

export interface HeardRouter {
  /** Link-local, with the interface as its zone. */
  readonly address: Address
  readonly at: Millis
}

export class DiscoveryLink {
  /** Why no router can be found; undefined: the link is up, and we send router advertisements on it. */
  #error: string | undefined
  #router: HeardRouter | undefined
  #others: HeardRouter[] = []
  /** The link was down since the neighbor advertised itself last. */
  #isInDoubt = false

  constructor(error: string) {
    this.#error = error
  }

  get error(): string | undefined {
    return this.#error
  }

  /** The neighbor. */
  get router(): HeardRouter | undefined {
    return this.#router
  }

  /** The router that advertised itself last comes last. */
  get others(): readonly HeardRouter[] {
    return this.#others
  }

  setError(error: string | undefined): void {
    this.#error = error
    if (error === undefined) return
    this.#router = undefined
    this.#others = []
  }

  /** The link is down, perhaps for too short a time for an error. */
  noteDown(): void {
    this.#isInDoubt = this.#router !== undefined
  }

  /** A router advertised itself. `hasSession`: the neighbor has a session, whatever it has advertised since. */
  hear(address: Address, hasSession: boolean, now: Millis): void {
    if (this.#error !== undefined) return
    const heard = { address, at: now }
    const before = this.#router
    const gaveWay = before !== undefined && !hasSession && (this.#isInDoubt || now - before.at > SILENCE)
    this.#others = this.#others.filter((one) => one.address !== address && now - one.at <= SILENCE)
    if (before === undefined || gaveWay || before.address === address) {
      this.#router = heard
      this.#isInDoubt = false
    } else this.#others = [...this.#others.slice(1 - MOST_OTHERS), heard]
  }
}
