/**
 * Keeps the results of this agent's liveness probe. A pod that fails it gets SIGTERM and is not deleted: in the API
 * that looks like a machine that shuts down. Only the results of the probe distinguish the two.
 */
import type { Millis } from '../../base/units.ts'

/** Two periods of the probe in `deploy/daemonset.yaml` and its timeout; the kubelet gives up after three. */
const DOUBT: Millis = 25_000

export class Liveness {
  readonly #now: () => Millis
  #lastGood: Millis

  constructor(now: () => Millis) {
    this.#now = now
    this.#lastGood = now()
  }

  /** Notes the answer to one probe, and returns it: undefined, or why the agent is not live. */
  note(whyNot: string | undefined): string | undefined {
    if (whyNot === undefined) this.#lastGood = this.#now()
    return whyNot
  }

  /** The kubelet may have given up: no probe succeeded for a while, or none came. */
  get isInDoubt(): boolean {
    return this.#now() - this.#lastGood > DOUBT
  }
}
