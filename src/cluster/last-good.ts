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

/** Kept beside the others: there is no further BGPConfiguration, seen or unseen. */
const NO_OTHERS: KeptObject = { ref: { kind: 'BGPConfiguration', namespace: '', name: '' }, object: null }
const NO_OTHERS_NAME = objectName(NO_OTHERS.ref)

export class LastGood {
  readonly #node: string
  /** Names of what an earlier run kept. */
  readonly #before = new Set<string>()
  /** From an earlier run, until a good version is seen or the object is known to be gone. */
  readonly #remembered = new Map<string, KeptObject>()
  readonly #now = new Map<string, KeptObject>()
  /** Grows with every change of what is to be kept. */
  revision = 0

  constructor(node: string) {
    this.#node = node
  }

  remember(objects: readonly KeptObject[]): void {
    for (const kept of objects) {
      const name = objectName(kept.ref)
      this.#before.add(name)
      if (name !== NO_OTHERS_NAME) this.#remembered.set(name, kept)
    }
  }

  /** An earlier run kept every BGPConfiguration that there was. */
  get keptAllConfigurations(): boolean {
    return this.#before.has(NO_OTHERS_NAME)
  }

  /** An earlier run saw that there is no such BGPConfiguration. */
  wasAbsent(ref: ObjectRef): boolean {
    return ref.kind === NO_OTHERS.ref.kind && this.keptAllConfigurations && !this.#before.has(objectName(ref))
  }

  has(ref: ObjectRef): boolean {
    const name = objectName(ref)
    return this.#now.has(name) || this.#remembered.has(name)
  }

  /** `all`: every BGPConfiguration that there is, seen or unseen, is among those kept. */
  keepAllConfigurations(all: boolean): void {
    if (this.#now.has(NO_OTHERS_NAME) === all) return
    if (all) this.#now.set(NO_OTHERS_NAME, NO_OTHERS)
    else this.#now.delete(NO_OTHERS_NAME)
    this.revision++
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
  const ours = Object.entries(isRecord(annotations) ? annotations : {})
    .filter(([key]) => ANNOTATIONS.test(key))
    .map(([key, text]) => [key, /keyChain$/i.test(key) ? chainText(text) : text])
  return {
    apiVersion,
    kind,
    metadata: { name, labels, annotations: Object.fromEntries(ours) },
    spec: isRecord(spec) ? withoutKeys(spec) : spec,
    ...(kind === 'Node' && isRecord(status) && { status: { addresses: status.addresses } }),
  }
}

/** A password is a reference to a Secret, and so is a key of a chain; whatever else stands there may be the key itself. */
export function withoutKeys(fields: Record<string, unknown>): Record<string, unknown> {
  const bareValue = (field: string, value: unknown): unknown => {
    if (/password/i.test(field)) return secretReference(value)
    if (/keyChain$/i.test(field)) return chainReferences(value)
    return isRecord(value) ? withoutKeys(value) : value
  }
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, bareValue(field, value)]))
}

/** Of an annotation, which is JSON. */
function chainText(text: unknown): string {
  try {
    return JSON.stringify(chainReferences(JSON.parse(String(text))))
  } catch {
    return ''
  }
}

const chainReferences = (value: unknown): unknown => (Array.isArray(value) ? value.map(chainReference) : [])

function chainReference(value: unknown): unknown {
  const { sendID, receiveID, algorithm } = isRecord(value) ? value : {}
  return { sendID, receiveID, algorithm, ...secretReference(value) }
}

function secretReference(value: unknown) {
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
