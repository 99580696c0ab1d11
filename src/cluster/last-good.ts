/**
 * The last good version of the objects that a node needs, so that a restart with a faulty source does not lose
 * configuration. It is saved beyond the process, and used where the source has no valid version of an object. The
 * objects are kept as the source served them, without fields that are not read and without keys.
 */

import { objectName } from './objects.ts'
import { isRecord } from './parse/fields.ts'
import { KINDS, type Kind, type ObjectRef } from './source.ts'

export interface KeptObject {
  readonly ref: ObjectRef
  readonly object: unknown
}

/** Kinds that people write. Of Nodes only this one; what controllers write needs no second look. */
const KEPT: readonly Kind[] = ['BGPConfiguration', 'BGPPeer', 'BGPFilter', 'BGPAdvertisement', 'IPPool']

export class LastGood {
  readonly #node: string
  /** From an earlier run, until a good version is seen or the object is known to be gone. */
  readonly #remembered = new Map<string, KeptObject>()
  readonly #now = new Map<string, KeptObject>()
  /** Grows with every change of what is to be kept. */
  revision = 0

  constructor(node: string) {
    this.#node = node
  }

  remember(objects: readonly KeptObject[]): void {
    for (const kept of objects) this.#remembered.set(objectName(kept.ref), kept)
  }

  remembered(): Iterable<KeptObject> {
    return this.#remembered.values()
  }

  get(ref: ObjectRef): unknown {
    return this.#remembered.get(objectName(ref))?.object
  }

  /** A version that is good. */
  note(ref: ObjectRef, object: unknown): void {
    if (!this.#isKept(ref)) return
    const name = objectName(ref)
    this.#remembered.delete(name)
    this.#now.set(name, { ref, object: bare(object) })
    this.revision++
  }

  /** There is no such object. */
  forget(ref: ObjectRef): void {
    if (!this.#isKept(ref)) return
    const name = objectName(ref)
    const knew = [this.#remembered.delete(name), this.#now.delete(name)]
    if (knew.includes(true)) this.revision++
  }

  #isKept({ kind, name }: ObjectRef): boolean {
    return KEPT.includes(kind) || (kind === 'Node' && name === this.#node)
  }

  /** What the next run should know: what is good now, and what is still used from before. */
  all(): readonly KeptObject[] {
    return [...this.#now.values(), ...this.#remembered.values()]
  }
}

const ANNOTATIONS = /^(?:godwit\.dev|projectcalico\.org)\//

function bare(object: unknown): unknown {
  if (!isRecord(object)) return object
  const { apiVersion, kind, metadata, spec, status } = object
  const { name, labels, annotations } = isRecord(metadata) ? metadata : {}
  const ours = Object.entries(isRecord(annotations) ? annotations : {}).filter(([key]) => ANNOTATIONS.test(key))
  return {
    apiVersion,
    kind,
    metadata: { name, labels, annotations: Object.fromEntries(ours) },
    spec: isRecord(spec) ? withoutKeys(spec) : spec,
    ...(kind === 'Node' && isRecord(status) && { status: { addresses: status.addresses } }),
  }
}

/** A password is a reference to a Secret; whatever else stands there may be the key itself. */
export function withoutKeys(fields: Record<string, unknown>): Record<string, unknown> {
  const bareValue = (field: string, value: unknown): unknown => {
    if (/password/i.test(field)) return secretReference(value)
    return isRecord(value) ? withoutKeys(value) : value
  }
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, bareValue(field, value)]))
}

function secretReference(value: unknown): unknown {
  const reference = isRecord(value) && isRecord(value.secretKeyRef) ? value.secretKeyRef : {}
  const { name, key, optional } = reference
  return { secretKeyRef: { name, key, optional } }
}

/** What an earlier run kept, as far as it can be understood. */
export function readKept(value: unknown): KeptObject[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((one): KeptObject[] => {
    if (!isRecord(one) || !isRecord(one.ref)) return []
    const { kind, namespace, name } = one.ref
    const known = KINDS.find((word) => word === kind)
    if (known === undefined || typeof namespace !== 'string' || typeof name !== 'string') return []
    return [{ ref: { kind: known, namespace, name }, object: one.object }]
  })
}
