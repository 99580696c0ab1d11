/**
 * What a real API server asks of a write, kind by kind: whose version it must name, what a subresource may change, how a
 * patch is read, and what is no Event and no Lease. Messages are shaped as its own are.
 */
import { type Manifest, Refusal, type StoredObject } from './store.ts'

type Fields = Readonly<Record<string, unknown>>

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}

/** Kinds whose status is written apart from the rest. */
const WITH_STATUS: ReadonlySet<string> = new Set([
  'Node',
  'Service',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'BGPAdvertisement',
  'IPPool',
])
/** Kinds of which a write without a version is no write: custom resources and Leases. */
const NEEDS_VERSION = /^(?:BGP|IPPool$|Lease$)/

const invalid = (text: string): Refusal => new Refusal(422, 'Invalid', text)

/** The new object, before it is stored. */
export function created(manifest: Manifest, namespace: string | undefined): Manifest {
  const { metadata, kind } = manifest
  if (metadata.resourceVersion !== undefined)
    throw new Refusal(500, 'InternalError', 'resourceVersion should not be set on objects to be created')
  checkPlace(manifest, namespace)
  checkContent(manifest)
  if (!WITH_STATUS.has(kind) || kind === 'Node' || kind === 'Service') return manifest
  const { status: _, ...rest } = manifest
  return rest as Manifest
}

/** What stands after a PUT. `part`: the subresource. */
export function replaced(before: StoredObject, manifest: Manifest, part: string | undefined): Manifest {
  const { kind, metadata } = before
  if (manifest.metadata.name !== metadata.name)
    throw new Refusal(400, 'BadRequest', 'the name of the object does not match the name on the URL')
  if (NEEDS_VERSION.test(kind) && manifest.metadata.resourceVersion === undefined)
    throw invalid(`metadata.resourceVersion: Invalid value: 0x0: must be specified for an update`)
  checkPlace(manifest, metadata.namespace)
  checkContent(manifest)
  checkImmutable(before, manifest)
  return onlyPart(before, manifest, part)
}

function onlyPart(before: StoredObject, manifest: Manifest, part: string | undefined): Manifest {
  if (!WITH_STATUS.has(before.kind)) {
    if (part !== undefined) throw new Refusal(404, 'NotFound', 'the server could not find the requested resource')
    return manifest
  }
  const { resourceVersion } = manifest.metadata
  if (part === 'status')
    return { ...before, status: manifest.status, metadata: { ...before.metadata, resourceVersion } }
  return { ...manifest, ...(before.status !== undefined && { status: before.status }) }
}

const PATCHES: Readonly<Record<string, (target: unknown, change: unknown) => unknown>> = {
  'application/merge-patch+json': mergePatch,
  'application/strategic-merge-patch+json': strategicPatch,
}

export function patched(before: StoredObject, type: string, change: unknown, part: string | undefined): Manifest {
  const apply = PATCHES[type]
  const isCustom = before.apiVersion.includes('godwit.dev')
  if (apply === undefined || (isCustom && type.includes('strategic')))
    throw new Refusal(415, 'UnsupportedMediaType', `the body of the request was in an unknown format: ${type}`)
  const { resourceVersion: _, ...metadata } = before.metadata
  const target = { ...before, metadata }
  const wanted = apply(target, change) as Manifest
  checkContent(wanted)
  checkImmutable(before, wanted)
  return onlyPart(before, wanted, part)
}

/** RFC 7386. */
function mergePatch(target: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change
  const result: Record<string, unknown> = { ...fields(target) }
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete result[name]
    else result[name] = mergePatch(result[name], value)
  }
  return result
}

/** The same, but conditions are merged by their type. */
function strategicPatch(target: unknown, change: unknown): unknown {
  const result = { ...fields(mergePatch(target, change)) }
  const [before, wanted] = [target, change].map((one) => fields(fields(one).status).conditions)
  if (!Array.isArray(wanted)) return result
  const kept = (Array.isArray(before) ? before : []).filter((one) => !wanted.some(({ type }) => type === one.type))
  return { ...result, status: { ...fields(result.status), conditions: [...kept, ...wanted] } }
}

function checkPlace({ metadata }: Manifest, namespace: string | undefined): void {
  if (namespace !== undefined && metadata.namespace !== undefined && metadata.namespace !== namespace)
    throw new Refusal(400, 'BadRequest', 'the namespace of the provided object does not match the namespace sent')
}

function checkContent(manifest: Manifest): void {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(manifest.metadata.name) || manifest.metadata.name.length > 253)
    throw invalid(`metadata.name: Invalid value: "${manifest.metadata.name}": a lowercase RFC 1123 subdomain`)
  if (manifest.kind === 'Event') checkEvent(manifest)
  if (manifest.kind === 'Lease') checkLease(manifest)
}

/** ValidateEventCreate of events.k8s.io/v1. */
function checkEvent(event: Manifest): void {
  const { regarding, series } = event
  const { namespace = 'default' } = fields(regarding)
  const text = (name: string) => (typeof event[name] === 'string' ? event[name] : '')
  if (event.metadata.namespace !== namespace)
    throw invalid('involvedObject.namespace: Invalid value: does not match event.namespace')
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(text('eventTime'))) throw invalid('eventTime: Required value')
  for (const name of ['reportingController', 'reportingInstance', 'action', 'reason']) {
    if (text(name) === '' || text(name).length > 128) throw invalid(`${name}: Invalid value: can have at most 128`)
  }
  if (!['Normal', 'Warning'].includes(text('type'))) throw invalid('type: Invalid value')
  if (Buffer.byteLength(text('note')) > 1024) throw invalid('note: Invalid value: can have at most 1024 characters')
  if (series !== undefined && Number(fields(series).count) < 2) throw invalid('series.count: should be at least 2')
}

function checkLease({ spec }: Manifest): void {
  const { leaseDurationSeconds, leaseTransitions, renewTime, acquireTime } = fields(spec)
  if (Number(leaseDurationSeconds) <= 0) throw invalid('spec.leaseDurationSeconds: must be greater than 0')
  if (Number(leaseTransitions) < 0) throw invalid('spec.leaseTransitions: must be greater than or equal to 0')
  for (const time of [renewTime, acquireTime])
    if (time !== undefined && !/\.\d{6}Z$/.test(String(time)))
      throw new Refusal(400, 'BadRequest', `cannot parse ${time} as MicroTime`)
}

/** Of an Event only the series may change. */
function checkImmutable(before: StoredObject, after: Manifest): void {
  if (before.kind !== 'Event') return
  for (const name of ['regarding', 'reason', 'note', 'type', 'action', 'eventTime', 'reportingController'])
    if (JSON.stringify(before[name]) !== JSON.stringify(after[name])) throw invalid(`${name}: field is immutable`)
}
