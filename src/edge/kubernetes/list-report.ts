/**
 * Passes on the objects of one list, page by page. The reflector hands in only those that have changed: to parse ten thousand
 * objects again would delay all sessions.
 *
 * The first list of a kind replaces what was known of it. Usually its first page does that, and later pages add to it, so that
 * no long list is kept in memory. Where objects may be known from another selection (`whole`: pods, whose selection changes),
 * those of later pages would be missing in the meantime: there all pages replace it together, up to a bound.
 */
import type { ObjectChange, ObjectRef } from '../../cluster/source.ts'
import type { Resource } from '../resources.ts'

export interface NamedObject {
  readonly ref: ObjectRef
  readonly object: unknown
  readonly from: undefined
}

/** A list of more objects than this is passed on before its last page: no node has so many pods. */
export const MOST_COLLECTED = 10_000

export class ListReport {
  readonly #resource: Resource
  readonly #pass: (change: ObjectChange) => void
  /** Objects of a first list until they replace what was known; undefined: objects are passed on one by one. */
  #collected: NamedObject[] | undefined

  constructor(resource: Resource, pass: (change: ObjectChange) => void, isFirst: boolean) {
    this.#resource = resource
    this.#pass = pass
    this.#collected = isFirst ? [] : undefined
  }

  /** A page of the list has arrived. */
  page(fresh: readonly NamedObject[], isLast: boolean): void {
    if (this.#collected === undefined) {
      for (const named of fresh) this.#pass({ kind: 'upsert', ...named })
      return
    }
    for (const named of fresh) this.#collected.push(named)
    if (this.#resource.whole === true && !isLast && this.#collected.length < MOST_COLLECTED) return
    this.#pass({ kind: 'replace', of: this.#resource.kind, objects: this.#collected })
    this.#collected = undefined
  }
}
