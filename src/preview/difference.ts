import type { ObjectStore } from '../cluster/store.ts'

/** A deliberate difference from Calico that would change routes of the given objects. */
export interface Difference {
  readonly topic: string
  readonly calico: string
  readonly godwit: string
  /** What of these objects it concerns; never empty. */
  readonly objects: readonly string[]
}

export interface DifferenceRule extends Omit<Difference, 'objects'> {
  readonly concerns: (store: ObjectStore) => readonly string[]
}
