/**
 * The last good version of the objects that a node needs, so that a restart with a faulty source does not lose
 * configuration. It is saved beyond the process, and used where the source has no valid version of an object. The
 * objects are kept as the source served them, without fields that are not read and without keys.
 */

import { finish, type Work } from '../base/work.ts'
import { objectName } from './objects.ts'
import { KEPT_METADATA } from './parse/calico.ts'
import { isRecord } from './parse/fields.ts'
import { isPeerValue } from './parse/node.ts'
import { keepSame } from './same.ts'
import { KINDS, type Kind, type ObjectRef } from './source.ts'

export interface KeptObject {
  readonly ref: ObjectRef
  readonly object: unknown
}

/** The kinds that people write, and the Node of this node. What controllers write is not kept. */
const KEPT: readonly Kind[] = ['BGPConfiguration', 'BGPPeer', 'BGPFilter', 'BGPAdvertisement', 'IPPool']

/** An unknown object of these kinds may forbid what would be advertised without it. */
export const RESTRICTING = ['BGPConfiguration', 'BGPAdvertisement', 'IPPool'] as const
export type Restricting = (typeof RESTRICTING)[number]

/** A marker among the kept objects: the kept ones of this kind are all that there were. */
const noOthers = (kind: Restricting): KeptObject => ({ ref: { kind, namespace: '', name: '' }, object: null })
const noOthersName = (kind: Restricting): string => objectName(noOthers(kind).ref)
const NO_OTHERS_NAMES: ReadonlySet<string> = new Set(RESTRICTING.map(noOthersName))

const isRestricting = (kind: Kind): kind is Restricting => RESTRICTING.some((one) => one === kind)

export class LastGood {
  readonly #node: string
  /** Names of the objects that an earlier run kept. */
  readonly #before = new Set<string>()
  /** Objects of an earlier run, each until a good version is seen or the object is known to be deleted. */
  readonly #remembered = new Map<string, KeptObject>()
  readonly #now = new Map<string, KeptObject>()
  /** Increases with every change of what is to be kept. */
  revision = 0

  constructor(node: string) {
    this.#node = node
  }

  remember(objects: readonly KeptObject[]): void {
    for (const kept of objects) {
      const name = objectName(kept.ref)
      this.#before.add(name)
      if (!NO_OTHERS_NAMES.has(name)) this.#remembered.set(name, kept)
    }
  }

  /** An earlier run kept every object of the kind that there was. */
  keptAll(kind: Kind): boolean {
    return isRestricting(kind) && this.#before.has(noOthersName(kind))
  }

  /** An earlier run saw that this object does not exist. */
  wasAbsent(ref: ObjectRef): boolean {
    return this.keptAll(ref.kind) && !this.#before.has(objectName(ref))
  }

  has(ref: ObjectRef): boolean {
    const name = objectName(ref)
    return this.#now.has(name) || this.#remembered.has(name)
  }

  /** `all`: the kept ones of this kind are all that exist, readable or not. */
  setComplete(kind: Restricting, all: boolean): void {
    const name = noOthersName(kind)
    if (this.#now.has(name) === all) return
    if (all) this.#now.set(name, noOthers(kind))
    else this.#now.delete(name)
    this.revision++
  }

  remembered(): Iterable<KeptObject> {
    return this.#remembered.values()
  }

  get(ref: ObjectRef): unknown {
    return this.#remembered.get(objectName(ref))?.object
  }

  /** A good version of the object was seen. */
  *note(ref: ObjectRef, object: unknown): Work {
    if (!this.#isKept(ref)) return
    const name = objectName(ref)
    const kept = { ref, object: yield* bare(object) }
    const wasRemembered = this.#remembered.delete(name)
    // A list that is read again, or a Node whose status is written all the time, leaves nothing new to keep.
    const before = this.#now.get(name)
    const isKnown = (yield* keepSame(before?.object, kept.object)) === before?.object
    if (!wasRemembered && before !== undefined && isKnown) return
    this.#now.set(name, kept)
    this.revision++
  }

  /** The object does not exist. */
  forget(ref: ObjectRef): void {
    if (!this.#isKept(ref)) return
    const name = objectName(ref)
    const knew = [this.#remembered.delete(name), this.#now.delete(name)]
    if (knew.includes(true)) this.revision++
  }

  #isKept({ kind, name }: ObjectRef): boolean {
    return KEPT.includes(kind) || (kind === 'Node' && name === this.#node)
  }

  /** The objects to keep for the next run: good versions, and those of an earlier run that are still in use. */
  all(): readonly KeptObject[] {
    return [...this.#now.values(), ...this.#remembered.values()]
  }
}

/** Items of a list that are copied in one step, and about what one takes, in microseconds. */
const ITEMS_PER_STEP = 32
const ITEM_COST = 2

const ANNOTATIONS = /^(?:godwit\.dev|projectcalico\.org)\//

function* bare(object: unknown): Work<unknown> {
  if (!isRecord(object)) return object
  const { apiVersion, kind, metadata, spec, status } = object
  const { name, labels, annotations } = isRecord(metadata) ? metadata : {}
  const ours = Object.entries(isRecord(annotations) ? annotations : {})
    .filter(([key, text]) => ANNOTATIONS.test(key) || (kind === 'Node' && isPeerValue(text)))
    .map(([key, text]) => [key, annotationText(key, text)])
  return {
    apiVersion,
    kind,
    metadata: { name, labels, annotations: Object.fromEntries(ours) },
    spec: isRecord(spec) ? yield* withoutKeysInSteps(spec) : spec,
    ...(kind === 'Node' && isRecord(status) && { status: { addresses: status.addresses } }),
  }
}

/** Keeps only references to Secrets in passwords and key chains: anything else there may be the key itself. */
export const withoutKeys = (fields: Record<string, unknown>): Record<string, unknown> =>
  finish(withoutKeysInSteps(fields))

function* withoutKeysInSteps(fields: Record<string, unknown>): Work<Record<string, unknown>> {
  const bareOnes: [string, unknown][] = []
  for (const [field, value] of Object.entries(fields)) bareOnes.push([field, yield* withoutKeysIn(field, value)])
  return Object.fromEntries(bareOnes)
}

function* withoutKeysIn(field: string, value: unknown): Work<unknown> {
  if (/password/i.test(field)) return secretReference(value)
  if (/keyChain$/i.test(field)) return chainReferences(value)
  if (!Array.isArray(value)) return withoutKeysInside(value)
  const items: unknown[] = []
  for (const item of value) {
    items.push(withoutKeysInside(item))
    if (items.length % ITEMS_PER_STEP === 0) yield ITEMS_PER_STEP * ITEM_COST
  }
  return items
}

function withoutKeysInside(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutKeysInside)
  return isRecord(value) ? withoutKeys(value) : value
}

/** An annotation without keys. */
export function annotationText(key: string, text: unknown): unknown {
  if (/password/i.test(key)) return ''
  if (/keyChain$/i.test(key)) return chainText(text)
  return key === KEPT_METADATA ? metadataText(text) : text
}

function metadataText(text: unknown): string {
  try {
    const { annotations, labels } = JSON.parse(String(text)) as Record<string, unknown>
    const bareOnes = Object.entries(isRecord(annotations) ? annotations : {}).map(([key, one]) => [
      key,
      annotationText(key, one),
    ])
    return JSON.stringify({ labels, annotations: Object.fromEntries(bareOnes) })
  } catch {
    return ''
  }
}

/** The same for a key chain in an annotation, which is JSON. */
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

/** Reads the objects that an earlier run kept; what has another shape is left out. */
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
