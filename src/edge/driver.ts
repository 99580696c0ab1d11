/**
 * Turns the engine: hands it one input after the other, carries out the effects in their order, and keeps the one
 * real timer for its deadline.
 *
 * In: inputs from all edges, whenever they happen, also out of the middle of an effect. Out: effects, to `perform`.
 *
 * Never two turns at once: what arrives during a turn waits in a queue.
 *
 * Time is told as `polled`, with how far the sockets have been heard: between two calls of `setImmediate` Node looks at all
 * of them, so at the second everything has been handed in that had come by the first, however long the process stood
 * still in between. A hold timer therefore never runs out while the neighbor's KEEPALIVE lies unread.
 *
 * The engine's own fault is not survived: half a state is worse than a restart.
 */
import type { Millis } from '../base/units.ts'
import type { ConnId } from '../bgp/session/types.ts'
import type { Effect } from '../engine/effect.ts'
import type { Input } from '../engine/input.ts'
import type { Clock } from './clock.ts'
import { sayLastWords } from './standard-streams.ts'

/** What the driver needs of an engine. */
export interface Turns {
  handle(input: Input, now: Millis): readonly Effect[]
  /** When it wants a turn though nothing happens; not later than now while it has work left. */
  deadline(): Millis | undefined
}

export interface DriverOptions {
  readonly engine: Turns
  readonly clock: Clock
  readonly perform: (effect: Effect) => void
  /** Connections that were not read to their end when they were last looked at. */
  readonly unread?: () => readonly ConnId[]
  /** Called once, with what the engine threw; must not come back to life after. */
  readonly crash?: (error: unknown) => void
}

/** So long inputs are taken from the queue before sockets get their chance again. */
const BURST: Millis = 10
/** The longest a Node timer can wait. */
const LONGEST_WAIT: Millis = 2 ** 31 - 1

export class Driver {
  readonly #engine: Turns
  readonly #clock: Clock
  readonly #perform: (effect: Effect) => void
  readonly #unread: () => readonly ConnId[]
  readonly #crash: (error: unknown) => void
  #queue: Input[] = []
  #turning = false
  #ended = false
  #turns = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt: Millis = Number.POSITIVE_INFINITY
  #soon: NodeJS.Immediate | undefined
  /** When `#soon` last came: the next time it does, all that had come by then has been handed in. */
  #lookedAt: Millis = Number.NEGATIVE_INFINITY

  constructor(options: DriverOptions) {
    this.#engine = options.engine
    this.#clock = options.clock
    this.#perform = options.perform
    this.#unread = options.unread ?? (() => [])
    this.#crash = options.crash ?? crashLoudly
  }

  /** Turns that were completed: it grows as long as the engine lives. */
  get turns(): number {
    return this.#turns
  }

  /** Hands in what happened. Inside a turn it waits for its end; order is kept. */
  feed(input: Input): void {
    if (this.#ended) return
    const waits = this.#turning || this.#queue.length > 0
    this.#queue.push(waits ? keepable(input) : input)
    if (!this.#turning) this.#drain()
  }

  /** No turn after this one, and no timer left. */
  stop(): void {
    this.#ended = true
    this.#queue = []
    this.#clearTimer()
    if (this.#soon !== undefined) clearImmediate(this.#soon)
    this.#soon = undefined
  }

  #drain(): void {
    this.#turning = true
    try {
      this.#takeTurns()
    } catch (error) {
      this.stop()
      this.#crash(error)
      return
    } finally {
      this.#turning = false
    }
    this.#arm()
  }

  #takeTurns(): void {
    const until = this.#clock.now() + BURST
    let taken = 0
    while (taken < this.#queue.length) {
      const now = this.#clock.now()
      if (taken > 0 && now >= until) break
      const input = this.#queue[taken++]
      if (input !== undefined) this.#turn(input, now)
    }
    if (taken === this.#queue.length) this.#queue = []
    else this.#queue.splice(0, taken)
  }

  #turn(input: Input, now: Millis): void {
    for (const effect of this.#engine.handle(input, now)) this.#perform(effect)
    this.#turns++
  }

  /** One timer or one immediate for whatever comes first. A timer that is early only leads to being set again. */
  #arm(): void {
    if (this.#ended) return
    const now = this.#clock.now()
    const deadline = this.#queue.length > 0 ? now : this.#engine.deadline()
    if (deadline === undefined) this.#clearTimer()
    else if (deadline <= now) this.#armSoon()
    else if (deadline < this.#timerAt) this.#armAt(deadline, now)
  }

  #armAt(deadline: Millis, now: Millis): void {
    this.#clearTimer()
    this.#timerAt = deadline
    this.#timer = setTimeout(this.#onTimer, Math.min(Math.ceil(deadline - now), LONGEST_WAIT))
  }

  #armSoon(): void {
    this.#soon ??= setImmediate(this.#onSoon)
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  readonly #onTimer = (): void => {
    this.#clearTimer()
    this.#armSoon()
  }

  readonly #onSoon = (): void => {
    this.#soon = undefined
    if (this.#ended) return
    const now = this.#clock.now()
    const until = this.#lookedAt
    this.#lookedAt = now
    const deadline = this.#engine.deadline()
    if (deadline !== undefined && deadline <= now) this.#queue.push({ kind: 'polled', until, unread: this.#unread() })
    this.#drain()
  }
}

/** An input that is taken later must not rest on bytes that the sender uses again. */
const keepable = (input: Input): Input => (input.kind === 'received' ? { ...input, bytes: input.bytes.slice() } : input)

/** The last resort: words on stderr, and an exit that a supervisor sees. `kept`: what is left to look into it. */
export function crashLoudly(error: unknown, kept?: string): never {
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const more = kept === undefined ? '' : `godwit: ${kept}\n`
  sayLastWords(`godwit: internal error in the engine, cannot continue: ${words}\n${more}`)
  process.exit(70)
}
