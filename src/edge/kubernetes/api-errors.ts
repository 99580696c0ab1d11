/**
 * Reports errors of the Kubernetes API once: a server that cannot be reached fails every kind alike, and is one problem
 * instead of one for each kind. The problem is over when the last kind succeeds.
 */
import type { ObjectChange } from '../../cluster/source.ts'

/** The key of an error that concerns the whole server. */
const SERVER = 'Kubernetes'

export class ApiErrors {
  readonly #change: (change: ObjectChange) => void
  /** The current error of each kind. */
  readonly #texts = new Map<string, Map<string, string>>()
  /** The error that was last reported, by kind. */
  readonly #reported = new Map<string, string>()

  constructor(change: (change: ObjectChange) => void) {
    this.#change = change
  }

  /**
   * Sets the error of this kind; undefined: it has none. `kind`: `BGPPeer`, or `Secret/bgp` for one of those that are read one
   * by one.
   */
  set(kind: string, error: { readonly text: string; readonly ofServer: boolean } | undefined): void {
    const place = error?.ofServer === true ? SERVER : `${SERVER}/${kind}`
    for (const [at, texts] of this.#texts) if (at !== place || error === undefined) texts.delete(kind)
    if (error !== undefined) this.#at(place).set(kind, error.text)
    for (const at of this.#texts.keys()) this.#report(at)
  }

  #at(place: string): Map<string, string> {
    const known = this.#texts.get(place)
    if (known !== undefined) return known
    const texts = new Map<string, string>()
    this.#texts.set(place, texts)
    return texts
  }

  /** Kinds may fail for different reasons: the first one is reported until that kind succeeds. */
  #report(at: string): void {
    const [text] = this.#texts.get(at)?.values() ?? []
    if (text === this.#reported.get(at)) return
    if (text === undefined) this.#reported.delete(at)
    else this.#reported.set(at, text)
    this.#change({ kind: 'source-problem', at, text })
  }
}
