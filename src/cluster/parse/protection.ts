/** What protects a session: a key of TCP-MD5 (RFC 2385), by name and never by value, and the distance a packet may come from. */
import type { SecretKeyRef } from '../objects.ts'
import type { Fields } from './fields.ts'

export interface Password {
  readonly ref: SecretKeyRef | undefined
  /** Why no session may start: a key is asked for, and which one cannot be read. */
  readonly held: string | undefined
}

const NONE: Password = { ref: undefined, held: undefined }

/** `password: {secretKeyRef: {name, key}}`. The value at fault stays untold: it may be the key itself. */
export function parsePassword(spec: Fields, field: string, whose: string): Password {
  if (!spec.has(field)) return NONE
  const raw = spec.raw(field)
  const ref = isRecord(raw) && isRecord(raw.secretKeyRef) ? raw.secretKeyRef : {}
  const { name, key } = ref
  if (isText(name) && isText(key)) return { ref: { name, key }, held: undefined }
  const held = `${field} does not name a Secret and its key`
  spec.findings.holds(spec.at(field), `needs secretKeyRef with name and key; ${whose} is held down`)
  return { ref: undefined, held }
}

/** Hops that a packet of the neighbor may have come over (RFC 5082), as Calico has it: 1 for one on the link. */
export function parseTtlSecurity(spec: Fields): number | undefined {
  // No hops are no TTL security.
  return spec.whole('ttlSecurity', 0, 255) || undefined
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
