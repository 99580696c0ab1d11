/**
 * The state of the server that all reflectors of one agent share. While it cannot be reached only one reflector tries,
 * so that a server that comes back gets one request per agent and not one per kind. When one succeeds, all continue at
 * once.
 */
import type { Millis } from '../../base/units.ts'

/**
 * One agent looks for a lost server this often, for each node of the cluster: all of them together ask at a bounded
 * rate.
 */
const PAUSE_PER_NODE: Millis = 6
const SHORTEST_LONGEST: Millis = 3_000
/** Agents list anew within so long of each other, for each node of the cluster. */
const SPREAD_PER_NODE: Millis = 1

export class Contact {
  /** How many nodes, and so agents, the cluster has; 0 until they are known. */
  nodes = 0
  #lost = false
  /** One is asking for all. */
  #asking = false
  readonly #waiting = new Set<() => void>()

  /** The longest pause between two tries. */
  get longestPause(): Millis {
    return Math.max(SHORTEST_LONGEST, this.nodes * PAUSE_PER_NODE)
  }

  /** So long, at most, a list that is asked for anew is put off. */
  get spread(): Millis {
    return this.nodes * SPREAD_PER_NODE
  }

  /** Another one is asking for all: what it hears is what there is to say. */
  get mustWait(): boolean {
    return this.#lost && this.#asking
  }

  /**
   * Waits for one's turn: at once while the server is reached; else one is let in to ask, and the others wait until it
   * was heard. Answers whether the server has come back meanwhile.
   */
  async turn(signal: AbortSignal): Promise<boolean> {
    let waited = false
    while (this.mustWait && !signal.aborted) {
      waited = true
      await this.#next(signal)
    }
    if (this.#lost) this.#asking = true
    return waited && !this.#lost
  }

  /** The server answered, whatever it said. */
  heard(): void {
    this.#lost = false
    this.#asking = false
    this.#wake()
  }

  /** The try failed: the next one may be made by any reflector. */
  failed(): void {
    this.#lost = true
    this.#asking = false
  }

  /** Whoever was asking has ended: another may. */
  left(): void {
    this.#asking = false
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }
}
