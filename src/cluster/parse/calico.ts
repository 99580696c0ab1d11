/**
 * Calico's own objects, read as Calico reads them where its API takes more than ours: an empty text or a number of 0 is none, a
 * time is rounded to seconds, and where the old word for the next hop stands beside the new one, the new one counts. In
 * `crd.projectcalico.org/v1` Calico keeps the labels and annotations of an object in one annotation.
 */
import type { Findings } from '../problem.ts'
import { isRecord } from './fields.ts'
import { annotationPath } from './node.ts'

const TIMES: readonly string[] = ['nodeMeshMaxRestartTime', 'maxRestartTime', 'keepaliveTime']
/** Of pools as Calico kept them before v3: nothing reads these any more. */
const LEFT_OVER: readonly string[] = ['ipip', 'nat-outgoing']
/** Further in stands nothing that is read. */
const DEEPEST = 8

export function asCalicoReads(stored: Record<string, unknown>, findings: Findings): Record<string, unknown> {
  const object = stored.apiVersion === STORAGE ? withCalicoMetadata(stored, findings) : stored
  if (!isRecord(object.spec)) return object
  const spec = withoutEmpty(object.spec) as Record<string, unknown>
  for (const field of TIMES) if (typeof spec[field] === 'string') spec[field] = rounded(spec[field])
  if (spec.localASNumber === 0) delete spec.localASNumber
  if (spec.keepaliveTime === '0s') delete spec.keepaliveTime
  if (Array.isArray(spec.prefixAdvertisements)) spec.prefixAdvertisements = spec.prefixAdvertisements.filter(hasCidr)
  if (typeof spec.nextHopMode === 'string') delete spec.keepOriginalNextHop
  for (const field of LEFT_OVER) delete spec[field]
  return { ...object, spec }
}

const STORAGE = 'crd.projectcalico.org/v1'
/** Written by calicoctl, and by Calico's API server for what is set in `projectcalico.org/v3`: JSON. */
export const CALICO_METADATA = 'projectcalico.org/metadata'

/** What is kept comes before labels and annotations of the stored object itself. */
function withCalicoMetadata(object: Record<string, unknown>, findings: Findings): Record<string, unknown> {
  const { metadata } = object
  const text = isRecord(metadata) && isRecord(metadata.annotations) ? metadata.annotations[CALICO_METADATA] : undefined
  if (!isRecord(metadata) || typeof text !== 'string') return object
  const kept = recordIn(text)
  if (kept === undefined) {
    const says = 'is not JSON of an object; the labels and annotations that Calico keeps there are ignored'
    findings.say('labels-unreadable', annotationPath(CALICO_METADATA), says)
    return object
  }
  const both = (name: string) => ({ ...fieldsOf(metadata[name]), ...fieldsOf(kept[name]) })
  return { ...object, metadata: { ...metadata, labels: both('labels'), annotations: both('annotations') } }
}

const fieldsOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {})

function recordIn(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function withoutEmpty(value: unknown, depth = 1): unknown {
  if (depth > DEEPEST) return value
  if (Array.isArray(value)) return value.map((one) => withoutEmpty(one, depth + 1))
  if (!isRecord(value)) return value
  const entries = Object.entries(value).filter(([field, one]) => one !== '' && !saysNoLength(field, one))
  return Object.fromEntries(entries.map(([field, one]) => [field, withoutEmpty(one, depth + 1)]))
}

/** Calico passes over an entry that names no routes. */
const hasCidr = (entry: unknown): boolean => !isRecord(entry) || entry.cidr !== undefined

const saysNoLength = (field: string, value: unknown): boolean =>
  field === 'prefixLength' && isRecord(value) && Object.keys(value).length === 0

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 }
const PARTS = /([0-9]{1,9}(?:\.[0-9]{0,9})?)(h|ms|m|s|us|µs|ns)/g

/** `1m30.5s` is `91s`. What is no time stays as it is, and is refused where it is read. */
function rounded(text: string): string {
  const parts = [...text.matchAll(PARTS)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return text
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (SECONDS[unit ?? ''] ?? 0), 0)
  return `${Math.round(seconds)}s`
}
