/**
 * Which objects have changed, in order, so that a reader looks at these alone: one endpoint among ten thousand services
 * costs one service. A revision is a place in the log.
 */
import type { Kind } from './source.ts'

/** An object whose value has changed. A change of an EndpointSlice counts as a change of its service. */
export interface Touched {
  readonly kind: Kind
  /** `default`, `shop/web`. */
  readonly key: string
}

/** The most changes that are remembered; a reader further behind must look at everything. */
const REMEMBERED = 4096

export class ChangeLog {
  #touched: Touched[] = []
  /** How many changes were forgotten. */
  #forgotten = 0
  /** By kind: the revision of its last change. */
  readonly #revisions = new Map<Kind, number>()

  /** Increases with every change. */
  get revision(): number {
    return this.#forgotten + this.#touched.length
  }

  revisionOf(kind: Kind): number {
    return this.#revisions.get(kind) ?? 0
  }

  /** Undefined: the revision is too old; anything may have changed. */
  since(revision: number): readonly Touched[] | undefined {
    return revision < this.#forgotten ? undefined : this.#touched.slice(revision - this.#forgotten)
  }

  note(kind: Kind, key: string): void {
    this.#touched.push({ kind, key })
    this.#revisions.set(kind, this.revision)
  }

  /** Forgets the oldest changes, once there are twice as many as are remembered: seldom, because it copies the rest. */
  trim(): void {
    const surplus = this.#touched.length - REMEMBERED
    if (surplus < REMEMBERED) return
    this.#touched = this.#touched.slice(surplus)
    this.#forgotten += surplus
  }
}
