/**
 * Passes on the objects of one list, page by page. The reflector hands in only those that have changed: to parse ten thousand
 * objects again would delay all sessions.
 *
 * The first list of a kind replaces what was known of it. Its first page does so, so that a long list is never held whole;
 * but where objects may be known from another selection (`whole`: pods, whose selection changes), those of later pages would
 * be missing until they arrive:
 * there all pages do it together, up to a bound.
 */
import type { ObjectChange, ObjectRef } from '../../cluster/source.ts'
import type { Resource } from '../resources.ts'

export interface NamedObject {
  readonly ref: ObjectRef
  readonly object: unknown
  readonly from: undefined
}

/** With so many objects a list is passed on before its last page: no node has so many pods. */
export const MOST_HELD = 10_000

export class ListReport {
  readonly #resource: Resource
  readonly #pass: (change: ObjectChange) => void
  /** Objects of a first list until they replace what was known; undefined: objects are passed on one by one. */
  #held: NamedObject[] | undefined

  constructor(resource: Resource, pass: (change: ObjectChange) => void, isFirst: boolean) {
    this.#resource = resource
    this.#pass = pass
    this.#held = isFirst ? [] : undefined
  }

  page(fresh: readonly NamedObject[], isLast: boolean): void {
    if (this.#held === undefined) {
      for (const named of fresh) this.#pass({ kind: 'upsert', ...named })
      return
    }
    for (const named of fresh) this.#held.push(named)
    if (this.#resource.whole === true && !isLast && this.#held.length < MOST_HELD) return
    this.#pass({ kind: 'replace', of: this.#resource.kind, objects: this.#held })
    this.#held = undefined
  }
}
