/**
 * The fields of an object that are kept beyond the process: those that are read. Passwords and key chains are kept only as
 * references to Secrets.
 */
import { finish, type Work } from '../base/work.ts'
import { CALICO_METADATA } from './parse/calico.ts'
import { isRecord } from './parse/fields.ts'
import { isPeerValue } from './parse/node.ts'

/** Items of a list that are copied in one step, and about what one takes, in microseconds. */
const ITEMS_PER_STEP = 32
const ITEM_COST = 2

/** The annotations that are read; of a Node also those with a value that BGPPeers may refer to (`isPeerValue`). */
const ANNOTATIONS = /^(?:godwit\.dev|projectcalico\.org)\//

export function* keptFields(object: unknown): Work<unknown> {
  if (!isRecord(object)) return object
  const { apiVersion, kind, metadata, spec, status } = object
  const { name, labels, annotations } = isRecord(metadata) ? metadata : {}
  const ours = Object.entries(isRecord(annotations) ? annotations : {})
    .filter(([key, text]) => ANNOTATIONS.test(key) || (kind === 'Node' && isPeerValue(text)))
    .map(([key, text]) => [key, annotationWithoutKeys(key, text)])
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
  const kept: [string, unknown][] = []
  for (const [field, value] of Object.entries(fields)) kept.push([field, yield* withoutKeysIn(field, value)])
  return Object.fromEntries(kept)
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
export function annotationWithoutKeys(key: string, text: unknown): unknown {
  if (/password/i.test(key)) return ''
  if (/keyChain$/i.test(key)) return chainWithoutKeys(text)
  return key === CALICO_METADATA ? metadataWithoutKeys(text) : text
}

/** The annotation in which Calico keeps labels and annotations of its own objects. */
function metadataWithoutKeys(text: unknown): string {
  try {
    const { annotations, labels } = JSON.parse(String(text)) as Record<string, unknown>
    const kept = Object.entries(isRecord(annotations) ? annotations : {}).map(([key, one]) => [
      key,
      annotationWithoutKeys(key, one),
    ])
    return JSON.stringify({ labels, annotations: Object.fromEntries(kept) })
  } catch {
    return ''
  }
}

/** A key chain in an annotation, which is JSON. */
function chainWithoutKeys(text: unknown): string {
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
