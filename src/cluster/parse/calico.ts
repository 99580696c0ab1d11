/**
 * Calico's own objects, read as Calico reads them where its API takes more than ours: an empty text or a number of 0 is none, a
 * time is rounded to seconds, and where the old word for the next hop stands beside the new one, the new one counts.
 */
import { isRecord } from './fields.ts'

const TIMES: readonly string[] = ['nodeMeshMaxRestartTime', 'maxRestartTime', 'keepaliveTime']
/** Further in stands nothing that is read. */
const DEEPEST = 8

export function asCalicoReads(object: Record<string, unknown>): Record<string, unknown> {
  if (!isRecord(object.spec)) return object
  const spec = withoutEmpty(object.spec) as Record<string, unknown>
  for (const field of TIMES) if (typeof spec[field] === 'string') spec[field] = rounded(spec[field])
  if (spec.localASNumber === 0) delete spec.localASNumber
  if (spec.keepaliveTime === '0s') delete spec.keepaliveTime
  if (Array.isArray(spec.prefixAdvertisements)) spec.prefixAdvertisements = spec.prefixAdvertisements.filter(hasCidr)
  if (typeof spec.nextHopMode === 'string') delete spec.keepOriginalNextHop
  return { ...object, spec }
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
