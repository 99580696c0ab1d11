/**
 * The state of the server that all reflectors of one agent share. While it cannot be reached only one reflector tries,
 * so that a server that comes back gets one request per agent and not one per kind. When one succeeds, all continue at
 * once.
 */
import type { Millis } from '../../base/units.ts'

/**
 * One agent tries a lost server this often, for each node of the cluster: all agents together ask at a bounded rate.
 */
const PAUSE_PER_NODE: Millis = 6
const SHORTEST_LONGEST: Millis = 3_000
/** After a loss, agents list again within this time for each node of the cluster. */
const SPREAD_PER_NODE: Millis = 1

export class Contact {
  /** How many nodes, and so agents, the cluster has; 0 until they are known. */
  nodes = 0
  #lost = false
  /** One reflector is trying for all. */
  #asking = false
  readonly #waiting = new Set<() => void>()

  /** The longest pause between two tries. */
  get longestPause(): Millis {
    return Math.max(SHORTEST_LONGEST, this.nodes * PAUSE_PER_NODE)
  }

  /** A list that must be repeated is delayed by at most this long. */
  get spread(): Millis {
    return this.nodes * SPREAD_PER_NODE
  }

  /** Another reflector is trying for all: its result is what can be reported. */
  get mustWait(): boolean {
    return this.#lost && this.#asking
  }

  /**
   * Waits for permission to ask: at once while the server is reached; otherwise one reflector may ask, and the others
   * wait for its result. Returns whether the server has come back meanwhile.
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

  /** The server has answered, whatever the answer. */
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

  /** The reflector that was trying has ended: another may try. */
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
