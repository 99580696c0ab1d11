/**
 * Removes from objects what the agent never reads: for 10,000 Services that is most of the memory. Fields that change
 * without any effect here are removed too, so that the heartbeat of a Node is not a change.
 */
import type { Resource } from '../resources.ts'

export type ApiFields = Readonly<Record<string, unknown>>

export const fields = (value: unknown): ApiFields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ApiFields) : {}

/** A copy: an object from which a field is deleted is slow to read from then on, for the whole of its life. */
function without(value: unknown, ...names: readonly string[]): ApiFields {
  const rest: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields(value))) if (!names.includes(name)) rest[name] = field
  return rest
}

/** The object as the store needs it; items of a list get the kind and version they lack there, where events have them. */
export function trimObject({ kind, apiVersion, custom }: Resource, object: unknown): ApiFields {
  const { generation, uid, ...metadata } = fields(fields(object).metadata)
  const head = { apiVersion, kind, metadata: trimMetadata(metadata) }
  const whole = { ...head, ...fields(object), ...head }
  if (custom) return trimCustom(whole, generation, uid)
  if (kind === 'Service')
    return { ...whole, spec: without(fields(object).spec, 'ports', 'selector', 'sessionAffinityConfig') }
  if (kind === 'EndpointSlice') return trimSlice(whole)
  if (kind === 'Pod') return trimPod(whole)
  if (kind === 'Node') return { ...whole, status: { addresses: fields(fields(object).status).addresses } }
  return whole
}

/**
 * Status that an agent wrote does not matter to the others; `generation` says to which version conditions belong, and `uid` to
 * which object: one that is deleted and created again has no status.
 */
function trimCustom(object: ApiFields, generation: unknown, uid: unknown): ApiFields {
  const metadata = {
    ...fields(object.metadata),
    ...(typeof generation === 'number' && { generation }),
    ...(typeof uid === 'string' && { uid }),
  }
  return { ...without(object, 'status'), metadata }
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

function trimMetadata(metadata: unknown): ApiFields {
  const rest = without(metadata, 'managedFields', 'resourceVersion', 'ownerReferences', 'selfLink', 'creationTimestamp')
  return rest.annotations === undefined ? rest : { ...rest, annotations: without(rest.annotations, LAST_APPLIED) }
}

/** Keeps of a Pod only its node, addresses and readiness: the rest is large and changes often. */
function trimPod(pod: ApiFields): ApiFields {
  const { nodeName, hostNetwork } = fields(pod.spec)
  const { podIP, podIPs, conditions } = fields(pod.status)
  const { name, namespace, labels, deletionTimestamp } = fields(pod.metadata)
  const ready = (Array.isArray(conditions) ? conditions : [])
    .map(fields)
    .filter(({ type }) => type === 'Ready')
    .map(({ type, status }) => ({ type, status }))
  return {
    ...{ apiVersion: pod.apiVersion, kind: pod.kind },
    metadata: { name, namespace, labels, deletionTimestamp },
    spec: { nodeName, hostNetwork },
    status: { podIP, podIPs, conditions: ready },
  }
}

/** Keeps of endpoints only nodes and conditions; endpoints with equal nodes and conditions become one. */
function trimSlice(slice: ApiFields): ApiFields {
  const { endpoints } = slice
  const rest = without(slice, 'ports')
  if (!Array.isArray(endpoints)) return rest
  const kept = new Map<string, ApiFields>()
  for (const endpoint of endpoints) {
    const { conditions, nodeName } = fields(endpoint)
    const key = endpointKey(conditions, nodeName)
    if (kept.has(key)) continue
    kept.set(key, { ...(conditions !== undefined && { conditions }), ...(nodeName !== undefined && { nodeName }) })
  }
  return { ...rest, endpoints: [...kept.values()] }
}

/**
 * Equal for endpoints that the agent cannot tell apart. A hundred thousand have one: where all is as it should be, it is put
 * together.
 */
function endpointKey(conditions: unknown, nodeName: unknown): string {
  const { ready, serving, terminating } = fields(conditions)
  const isUsual = typeof nodeName === 'string' && [ready, serving, terminating].every(isFlag) && isObject(conditions)
  return isUsual ? `${ready} ${serving} ${terminating} ${nodeName}` : JSON.stringify([conditions, nodeName])
}

const isFlag = (value: unknown): boolean => value === undefined || typeof value === 'boolean'
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)
