/** What somebody who listens to a source of objects knows, and a way to wait until they know it. */

import type { ObjectChange, ObjectRef } from '../../src/cluster/source.ts'
import type { Input } from '../../src/engine/input.ts'

export class KnownObjects {
  /** `Service/shop/web` → the object. */
  readonly objects = new Map<string, unknown>()
  readonly origins = new Map<string, string | undefined>()
  readonly problems = new Map<string, string>()
  changes: ObjectChange[] = []
  /** Inputs by kind, in order. */
  readonly inputs: Input['kind'][] = []
  synced = false
  readonly #waiting = new Set<() => void>()

  readonly feed = (input: Input): void => {
    this.inputs.push(input.kind)
    if (input.kind === 'synced') this.synced = true
    if (input.kind === 'objects') for (const change of input.changes) this.#apply(change)
    for (const look of this.#waiting) look()
  }

  /** Changes of objects since the last call; problems left out. */
  takeChanges(): ObjectChange[] {
    const taken = this.changes.filter((change) => change.kind !== 'source-problem')
    this.changes = []
    return taken
  }

  async until(what: string, holds: () => boolean, patience = 20_000): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!holds()) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(look)
        const known = `${[...this.objects.keys()].slice(0, 20)} / ${[...this.problems]}`
        reject(new Error(`never: ${what}; known: ${known}`))
      }, patience)
      this.#waiting.add(look)
    })
  }

  #apply(change: ObjectChange): void {
    this.changes.push(change)
    if (change.kind === 'upsert') this.#put(change)
    else if (change.kind === 'delete') this.objects.delete(nameOf(change.ref))
    else if (change.kind === 'replace') {
      for (const key of [...this.objects.keys()]) if (key.startsWith(`${change.of}/`)) this.objects.delete(key)
      for (const one of change.objects) this.#put(one)
    } else if (change.text === undefined) this.problems.delete(change.at)
    else this.problems.set(change.at, change.text)
  }

  #put({ ref, object, from }: { ref: ObjectRef; object: unknown; from: string | undefined }): void {
    this.objects.set(nameOf(ref), object)
    this.origins.set(nameOf(ref), from)
  }
}

const nameOf = ({ kind, namespace, name }: ObjectRef): string =>
  namespace === '' ? `${kind}/${name}` : `${kind}/${namespace}/${name}`
