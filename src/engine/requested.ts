/**
 * Objects that a source reads only when they are asked for: Secrets that hold keys, and Pods of this node. Kubernetes answers a
 * moment after all others are known. Until then they are not missing: a restart waits for them, as it waits for neighbors.
 */
import type { ObjectChange } from '../cluster/source.ts'

export class Requested {
  /** A folder of manifests is read as a whole: there is nothing to wait for. */
  readonly #isAnswered: boolean
  /** Names of Secrets that were asked for and not answered yet. */
  readonly #secrets = new Set<string>()
  /** Names of all Secrets that are asked for. */
  #names: readonly string[] = []
  /** Pods were asked for and are not listed yet. */
  #pods = false

  constructor(source: 'kubernetes' | 'manifests') {
    this.#isAnswered = source === 'manifests'
  }

  get awaitsSecrets(): boolean {
    return this.#secrets.size > 0
  }

  get awaitsPods(): boolean {
    return this.#pods
  }

  askSecrets(names: readonly string[]): void {
    if (this.#isAnswered) return
    for (const name of this.#secrets) if (!names.includes(name)) this.#secrets.delete(name)
    for (const name of names) if (!this.#names.includes(name)) this.#secrets.add(name)
    this.#names = names
  }

  askPods(isAsked: boolean): void {
    this.#pods = isAsked && !this.#isAnswered
  }

  /** A Secret is there, or is said not to be; Pods are listed. */
  take(changes: readonly ObjectChange[]): void {
    if (!this.#pods && this.#secrets.size === 0) return
    for (const change of changes) {
      if (change.kind === 'replace' && change.of === 'Pod') this.#pods = false
      else if ('ref' in change && change.ref.kind === 'Secret') this.#secrets.delete(change.ref.name)
    }
  }
}
