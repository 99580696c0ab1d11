/** Places of the source that cannot be read now, and the kinds of the objects that each may hold. */
import { same } from './same.ts'
import type { Kind } from './source.ts'

export class UnreadPlaces {
  readonly #kinds = new Map<string, readonly Kind[]>()

  /** The first place that may hold an object of this kind. */
  placeOf(kind: Kind): string | undefined {
    for (const [at, kinds] of this.#kinds) if (kinds.includes(kind)) return at
    return undefined
  }

  /** No kinds: the place is read. Returns the kinds about which it said something before, or does now. */
  set(at: string, kinds: readonly Kind[]): Iterable<Kind> {
    const before = this.#kinds.get(at) ?? []
    if (same(before, kinds)) return []
    if (kinds.length === 0) this.#kinds.delete(at)
    else this.#kinds.set(at, kinds)
    return new Set([...before, ...kinds])
  }
}
