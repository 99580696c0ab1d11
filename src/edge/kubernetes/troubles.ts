/**
 * Trouble with the Kubernetes API, said once: a server that cannot be reached fails every kind alike, and is one line,
 * not one for each kind. It is over when the last kind is through.
 */
import type { ObjectChange } from '../../cluster/source.ts'

/** The place of trouble that is the server's own. */
const SERVER = 'Kubernetes'

export class KubernetesTroubles {
  readonly #change: (change: ObjectChange) => void
  /** By place: what each kind says of it. */
  readonly #texts = new Map<string, Map<string, string>>()
  /** By place: what was reported. */
  readonly #told = new Map<string, string>()

  constructor(change: (change: ObjectChange) => void) {
    this.#change = change
  }

  /** What is wrong for this kind now; undefined: nothing. */
  /** `kind`: `BGPPeer`, or `Secret/bgp` for one of those that are read one by one. */
  set(kind: string, trouble: { readonly text: string; readonly ofServer: boolean } | undefined): void {
    const place = trouble?.ofServer === true ? SERVER : `${SERVER}/${kind}`
    for (const [at, texts] of this.#texts) if (at !== place || trouble === undefined) texts.delete(kind)
    if (trouble !== undefined) this.#at(place).set(kind, trouble.text)
    for (const at of this.#texts.keys()) this.#report(at)
  }

  #at(place: string): Map<string, string> {
    const known = this.#texts.get(place)
    if (known !== undefined) return known
    const texts = new Map<string, string>()
    this.#texts.set(place, texts)
    return texts
  }

  /** Kinds may fail for reasons that differ: what the first says stands until it is through. */
  #report(at: string): void {
    const [text] = this.#texts.get(at)?.values() ?? []
    if (text === this.#told.get(at)) return
    if (text === undefined) this.#told.delete(at)
    else this.#told.set(at, text)
    this.#change({ kind: 'trouble', at, text })
  }
}
