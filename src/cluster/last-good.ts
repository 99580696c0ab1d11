/**
 * The last good version of the objects that a node needs, so that a restart with a faulty source does not lose
 * configuration. It is saved beyond the process, and used where the source has no valid version of an object. The
 * objects are kept as the source served them, but only the fields that are read, and no keys (`kept-fields.ts`).
 */
import type { Work } from '../base/work.ts'
import { keptFields } from './kept-fields.ts'
import { objectName } from './objects.ts'
import { isRecord } from './parse/fields.ts'
import { keepSame } from './same.ts'
import { KINDS, type Kind, type ObjectRef } from './source.ts'

export interface KeptObject {
  readonly ref: ObjectRef
  readonly object: unknown
}

/** The kinds that people write. The Node of this node is kept too; what controllers write is not. */
const KEPT: readonly Kind[] = ['BGPConfiguration', 'BGPPeer', 'BGPFilter', 'BGPAdvertisement', 'IPPool']

/** An object of these kinds that cannot be read may forbid what would be advertised without it. */
export const RESTRICTING = ['BGPConfiguration', 'BGPAdvertisement', 'IPPool'] as const
export type Restricting = (typeof RESTRICTING)[number]

/** An entry without a name among the kept objects: those of this kind are all that there were. */
const completeMark = (kind: Restricting): KeptObject => ({ ref: { kind, namespace: '', name: '' }, object: null })
const completeMarkName = (kind: Restricting): string => objectName(completeMark(kind).ref)
const COMPLETE_MARK_NAMES: ReadonlySet<string> = new Set(RESTRICTING.map(completeMarkName))

const isRestricting = (kind: Kind): kind is Restricting => RESTRICTING.some((one) => one === kind)

export class LastGood {
  readonly #node: string
  /** Names of all entries that an earlier run kept. */
  readonly #keptBefore = new Set<string>()
  /** The objects among them, each until a good version is seen or the object is known to be deleted. */
  readonly #restored = new Map<string, KeptObject>()
  /** Good versions that this run has seen. */
  readonly #good = new Map<string, KeptObject>()
  /** Increases with every change of what is to be kept. */
  revision = 0

  constructor(node: string) {
    this.#node = node
  }

  /** What an earlier run has kept. */
  restore(objects: readonly KeptObject[]): void {
    for (const kept of objects) {
      const name = objectName(kept.ref)
      this.#keptBefore.add(name)
      if (!COMPLETE_MARK_NAMES.has(name)) this.#restored.set(name, kept)
    }
  }

  /** An earlier run kept all objects of the kind that there were. */
  wasComplete(kind: Kind): boolean {
    return isRestricting(kind) && this.#keptBefore.has(completeMarkName(kind))
  }

  /** An earlier run saw that this object does not exist. */
  wasAbsent(ref: ObjectRef): boolean {
    return this.wasComplete(ref.kind) && !this.#keptBefore.has(objectName(ref))
  }

  /** Whether a version of the object is kept, of this run or an earlier one. */
  has(ref: ObjectRef): boolean {
    const name = objectName(ref)
    return this.#good.has(name) || this.#restored.has(name)
  }

  /** `isComplete`: of each object of this kind that exists, a version is kept. */
  setComplete(kind: Restricting, isComplete: boolean): void {
    const name = completeMarkName(kind)
    if (this.#good.has(name) === isComplete) return
    if (isComplete) this.#good.set(name, completeMark(kind))
    else this.#good.delete(name)
    this.revision++
  }

  /** Objects of an earlier run of which this run has seen no good version yet. */
  restored(): Iterable<KeptObject> {
    return this.#restored.values()
  }

  /** The version of an earlier run, while there is no newer good one. */
  restoredObject(ref: ObjectRef): unknown {
    return this.#restored.get(objectName(ref))?.object
  }

  /** A good version of the object was seen. */
  *noteGood(ref: ObjectRef, object: unknown): Work {
    if (!this.#isKept(ref)) return
    const name = objectName(ref)
    const kept = { ref, object: yield* keptFields(object) }
    const wasRemembered = this.#restored.delete(name)
    // A list that is read again, or a Node whose status is written all the time, leaves nothing new to keep.
    const before = this.#good.get(name)
    const isKnown = (yield* keepSame(before?.object, kept.object)) === before?.object
    if (!wasRemembered && before !== undefined && isKnown) return
    this.#good.set(name, kept)
    this.revision++
  }

  /** The object does not exist, or its good version means nothing to this node. */
  drop(ref: ObjectRef): void {
    if (!this.#isKept(ref)) return
    const name = objectName(ref)
    const knew = [this.#restored.delete(name), this.#good.delete(name)]
    if (knew.includes(true)) this.revision++
  }

  #isKept({ kind, name }: ObjectRef): boolean {
    return KEPT.includes(kind) || (kind === 'Node' && name === this.#node)
  }

  /** The objects to keep for the next run: good versions, and those of an earlier run that are still in use. */
  toKeep(): readonly KeptObject[] {
    return [...this.#good.values(), ...this.#restored.values()]
  }
}

/** Reads the objects that an earlier run kept; one that has another shape is left out. Undefined where the value is no list. */
export function readKept(value: unknown): KeptObject[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.flatMap((one): KeptObject[] => {
    if (!isRecord(one) || !isRecord(one.ref)) return []
    const { kind, namespace, name } = one.ref
    const known = KINDS.find((word) => word === kind)
    if (known === undefined || typeof namespace !== 'string' || typeof name !== 'string') return []
    return [{ ref: { kind: known, namespace, name }, object: one.object }]
  })
}
