/**
 * Runs the BFD engine: reads the sockets, passes in what arrived, carries out the effects. The thread that BFD runs in
 * calls `round`. Time advances only after the sockets have been read, so that a session never ends while its packets
 * are unread, however long the process was suspended.
 *
 * In: `BfdInput` from the owner of the sessions. Out: all effects except those on sockets, for the owner.
 */
import type { Millis } from '../../base/units.ts'
import type { BfdEngine } from '../../bfd/engine.ts'
import type { BfdInput, BfdNews } from '../../bfd/types.ts'
import type { Clock } from '../clock.ts'
import { BfdSockets } from './bfd-socket.ts'

export interface BfdDriverOptions {
  readonly engine: BfdEngine
  readonly clock: Pick<Clock, 'now'>
  /** The reports of one turn, in order; none, once a second: it is alive. */
  readonly report: (news: readonly BfdNews[]) => void
}

/** How often the kernel's drop counters are read, floods that are over end, and the owner hears that this runs. */
const FLOOD_CHECK: Millis = 1_000
/** Rounds of reading before time advances: more than the receive buffers of all sockets hold. What is left then is a flood. */
const MOST_ROUNDS = 64

export class BfdDriver {
  readonly #engine: BfdEngine
  readonly #clock: Pick<Clock, 'now'>
  readonly #report: (news: readonly BfdNews[]) => void
  readonly #sockets: BfdSockets
  readonly #queue: BfdInput[] = []
  #checkedAt: Millis

  constructor({ engine, clock, report }: BfdDriverOptions) {
    this.#engine = engine
    this.#clock = clock
    this.#report = report
    this.#checkedAt = clock.now()
    this.#sockets = new BfdSockets({ feed: (input) => this.feed(input), now: () => clock.now() })
  }

  /** Descriptors to poll. */
  get descriptors(): readonly number[] {
    return this.#sockets.descriptors
  }

  /** The time until the next timer. */
  wait(): Millis {
    const now = this.#clock.now()
    return Math.max(
      0,
      Math.min(this.#engine.deadline() ?? Number.POSITIVE_INFINITY, this.#checkedAt + FLOOD_CHECK) - now,
    )
  }

  /**
   * An input that arrives inside a turn waits for the end of the turn: a socket that cannot be opened reports it during
   * an effect.
   */
  feed(input: BfdInput): void {
    // The reply includes the kernel's drop counters.
    if (input.kind === 'ask') this.#sockets.checkFloods()
    // A sign of life at once: with the first an agent begins to watch for the next.
    if (input.kind === 'sessions') this.#report([])
    this.#queue.push(input)
    if (this.#queue.length > 1) return
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      this.#turn(first)
      this.#queue.shift()
    }
  }

  round(): void {
    for (let count = 0; count < MOST_ROUNDS && this.#sockets.read(); count++);
    const now = this.#clock.now()
    if ((this.#engine.deadline() ?? Number.POSITIVE_INFINITY) <= now) this.feed({ kind: 'tick' })
    if (this.#checkedAt + FLOOD_CHECK > now) return
    this.#checkedAt = now
    this.#sockets.checkFloods()
    this.#report([])
  }

  stop(): void {
    this.#sockets.stop()
  }

  #turn(input: BfdInput): void {
    const news: BfdNews[] = []
    for (const effect of this.#engine.handle(input, this.#clock.now())) {
      if (effect.kind === 'open') this.#sockets.open(effect)
      else if (effect.kind === 'close') this.#sockets.close(effect.session)
      else if (effect.kind === 'send') this.#sockets.send(effect.session, effect.bytes)
      else news.push(effect)
    }
    if (news.length > 0) this.#report(news)
  }
}
