/**
 * What the kubelet hears from this agent's liveness probe. A pod that fails it gets SIGTERM and is not deleted: seen from
 * the API alone that is a machine that shuts down. Only the probe's answers tell the two apart.
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

  /** Notes the answer to one probe: undefined, or why the agent is not live. */
  note(whyNot: string | undefined): string | undefined {
    if (whyNot === undefined) this.#lastGood = this.#now()
    return whyNot
  }

  /** The kubelet may have given up: no probe had a good answer for a while, or none came. */
  get isInDoubt(): boolean {
    return this.#now() - this.#lastGood > DOUBT
  }
}
