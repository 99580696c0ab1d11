/**
 * Runs the engine: passes it one input after the other, performs the effects in their order, and keeps one timer for
 * its deadline.
 *
 * In: inputs from all edges, at any time, also while an effect is performed. Out: effects, to `perform`.
 *
 * Turns never overlap: an input that arrives during a turn waits in a queue.
 *
 * Timers expire by the input `polled`, which says up to which time all sockets have been read. Node polls all sockets
 * between two calls of `setImmediate`: at the second call, everything has been passed in that had arrived by the first,
 * however long the process was suspended in between. A hold timer therefore never expires while the neighbor's
 * KEEPALIVE is unread in a socket.
 *
 * The engine is told the wall clock before each command and after each status: it may have been set meanwhile, or the machine
 * slept.
 *
 * An exception from the engine ends the process: a restart is safer than a state that is half changed.
 */
import type { Millis } from '../base/units.ts'
import type { ConnId } from '../bgp/session/types.ts'
import type { Effect } from '../engine/effect.ts'
import type { Input } from '../engine/input.ts'
import type { Clock } from './clock.ts'
import { writeLastLine } from './standard-streams.ts'

/** What the driver uses of an engine. */
export interface DrivenEngine {
  handle(input: Input, now: Millis): readonly Effect[]
  /** When the next turn is due if no input arrives; not later than now while work is left. */
  deadline(): Millis | undefined
}

export interface DriverOptions {
  readonly engine: DrivenEngine
  readonly clock: Clock
  readonly perform: (effect: Effect) => void
  /** Connections that still had unread bytes when they were last polled. */
  readonly unread?: () => readonly ConnId[]
  /** Called once, with the exception that the engine threw. The driver is stopped then. */
  readonly crash?: (error: unknown) => void
}

/** The longest time that queued inputs are handled before sockets are polled again. */
const BURST: Millis = 10
/** The longest a Node timer can wait. */
const LONGEST_WAIT: Millis = 2 ** 31 - 1

export class Driver {
  readonly #engine: DrivenEngine
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
  /** When `#soon` last ran: when it runs next, everything that had arrived by this time has been passed in. */
  #lookedAt: Millis = Number.NEGATIVE_INFINITY

  constructor(options: DriverOptions) {
    this.#engine = options.engine
    this.#clock = options.clock
    this.#perform = options.perform
    this.#unread = options.unread ?? (() => [])
    this.#crash = options.crash ?? crashLoudly
  }

  /** The number of completed turns: it grows as long as the engine runs. */
  get turns(): number {
    return this.#turns
  }

  /** Passes an input to the engine. During a turn it is queued; the order is kept. */
  feed(input: Input): void {
    if (this.#ended) return
    // Its answer shows times.
    if (input.kind === 'command') this.#queue.push(this.#wallClock())
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
    this.#endOnError(() => {
      this.#turning = true
      try {
        this.#takeTurns()
      } finally {
        this.#turning = false
      }
      this.#arm()
    })
  }

  /** Whoever feeds an input may catch exceptions of its own, and must not take one of the engine for one. */
  #endOnError(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.stop()
      this.#crash(error)
    }
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
    for (const effect of this.#engine.handle(input, now)) {
      this.#perform(effect)
      // The moments at which a node writes its status follow the clock that all nodes share.
      if (effect.kind === 'status') this.#queue.push(this.#wallClock())
    }
    this.#turns++
  }

  #wallClock(): Input {
    return { kind: 'wall-clock', epoch: this.#clock.epoch }
  }

  /** Sets one timer or one immediate for the next deadline. A timer that fires early is only set again. */
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
    this.#endOnError(() => {
      const deadline = this.#engine.deadline()
      if (deadline !== undefined && deadline <= now) this.#queue.push({ kind: 'polled', until, unread: this.#unread() })
    })
    this.#drain()
  }
}

/** A queued input needs its own copy of the bytes: the sender reuses its buffer. */
const keepable = (input: Input): Input => (input.kind === 'received' ? { ...input, bytes: input.bytes.slice() } : input)

/** The last resort: a message on stderr and exit code 70. `kept`: a line that says where the inputs were saved. */
export function crashLoudly(error: unknown, kept?: string): never {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const more = kept === undefined ? '' : `godwit: ${kept}\n`
  writeLastLine(`godwit: internal error in the engine, cannot continue: ${text}\n${more}`)
  process.exit(70)
}
