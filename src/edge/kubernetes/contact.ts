/**
 * The state of the server that all reflectors of one agent share. While it cannot be reached only one reflector tries
 * at a time, so that a server that is lost or comes back gets one request per agent and not one per kind. After each
 * failed try and its pause, the next reflector has the turn: where only one kind gets no answer, the others do not wait
 * for it. When one succeeds, all continue; those that must list spread themselves.
 */
import type { Millis } from '../../base/units.ts'

/**
 * One agent tries a lost server this often, for each node of the cluster: all agents together ask at a bounded rate.
 */
const PAUSE_PER_NODE: Millis = 6
const SHORTEST_LONGEST: Millis = 3_000
/**
 * After a loss, agents list again within this time for each node of the cluster: 5,000 lists of 8 MB, packed, are
 * then a third of a gigabyte a second, at most 0.8 (test/sim/returning-api.test.ts).
 */
const SPREAD_PER_NODE: Millis = 20

export class Contact {
  /** How many nodes, and so agents, the cluster has; 0 until they are known. */
  nodes = 0
  #lost = false
  /** The reflector that tries for all, also while it pauses between two tries. */
  #asker: object | undefined
  /** The reflectors that wait for their turn, the first one first. */
  readonly #waiting = new Map<object, () => void>()
  /** Tries that failed since the server was last heard, of whichever reflector. */
  #failures = 0
  /** The resourceVersion that the server has reached, as it last answered, and when it was asked. */
  #version: { readonly askedAt: Millis; readonly answer: Promise<string | undefined> } | undefined

  get isLost(): boolean {
    return this.#lost
  }

  /** The longest pause between two tries. */
  get longestPause(): Millis {
    return Math.max(SHORTEST_LONGEST, this.nodes * PAUSE_PER_NODE)
  }

  /** Pauses grow with these: whoever tries, the server is asked no more often. */
  get failures(): number {
    return this.#failures
  }

  /** A list that must be repeated is delayed by at most this long. */
  get spread(): Millis {
    return this.nodes * SPREAD_PER_NODE
  }

  /** Another reflector is trying for all: its result is what can be reported. */
  mustWait(who: object): boolean {
    return this.#lost && this.#asker !== undefined && this.#asker !== who
  }

  /**
   * Waits for permission to ask: at once while the server is reached; otherwise one reflector may ask, and the others
   * wait for its result.
   * @returns true: others found the server again.
   */
  async awaitTurn(who: object, signal: AbortSignal): Promise<boolean> {
    this.#passOn(who)
    let waited = false
    while (this.mustWait(who) && !signal.aborted) {
      waited = true
      await this.#next(who, signal)
    }
    if (this.#lost && !signal.aborted) this.#asker = who
    return waited && !this.#lost
  }

  /** The server has answered, whatever the answer. Returns whether it had been lost. */
  heard(): boolean {
    const wasLost = this.#lost
    this.#lost = false
    this.#asker = undefined
    this.#failures = 0
    this.#wake()
    return wasLost
  }

  /**
   * The resourceVersion that the server had at `time` (by `performance.now`) or later: one answer is enough for all watches that
   * ended before `time`. `ask` is called where there is no such answer yet.
   */
  async versionAfter(time: Millis, ask: () => Promise<string | undefined>): Promise<string | undefined> {
    const others = this.#version
    // Where another kind is refused, this one may not be.
    if (others !== undefined && others.askedAt >= time) {
      const version = await others.answer.catch(() => undefined)
      if (version !== undefined) return version
    }
    this.#version = { askedAt: performance.now(), answer: ask() }
    return this.#version.answer
  }

  /** The try failed: after the pause of this reflector, the next one that waits tries. */
  failed(who: object): void {
    this.#lost = true
    // It may come back with an older state.
    this.#version = undefined
    this.#asker ??= who
    if (this.#asker === who) this.#failures++
  }

  /** A reflector has ended: if it was the one that tries, another may. */
  left(who: object): void {
    if (this.#asker !== who) return
    this.#asker = undefined
    this.#wake()
  }

  /** The reflector that tried last is back from its pause. */
  #passOn(who: object): void {
    if (!this.#lost || this.#asker !== who) return
    const [next] = this.#waiting
    if (next === undefined) return
    const [reflector, wake] = next
    this.#asker = reflector
    wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiting.values()]) wake()
  }

  #next(who: object, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(who)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.set(who, wake)
      signal.addEventListener('abort', wake)
    })
  }
}
