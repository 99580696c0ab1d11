/**
 * Objects without what the agent never looks at: for 10,000 services that is most of the memory. Also gone is what
 * changes without meaning anything here, so that a Node's heartbeat is no change.
 */
import type { Resource } from '../resources.ts'

type Fields = Readonly<Record<string, unknown>>

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}

function without(value: unknown, ...names: readonly string[]): Fields {
  const rest: Record<string, unknown> = { ...fields(value) }
  for (const name of names) delete rest[name]
  return rest
}

/** The object as the store needs it; items of a list get the kind and version they lack there. */
export function trimObject({ kind, apiVersion }: Resource, object: unknown): Fields {
  const whole = { ...fields(object), apiVersion, kind, metadata: trimMetadata(fields(object).metadata) }
  if (kind === 'Service')
    return { ...whole, spec: without(fields(object).spec, 'ports', 'selector', 'sessionAffinityConfig') }
  if (kind === 'EndpointSlice') return trimSlice(whole)
  if (kind === 'Node') return { ...whole, status: { addresses: fields(fields(object).status).addresses } }
  return whole
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

function trimMetadata(metadata: unknown): Fields {
  const rest = without(
    metadata,
    ...['managedFields', 'resourceVersion', 'ownerReferences', 'selfLink'],
    ...['uid', 'generation', 'creationTimestamp'],
  )
  return rest.annotations === undefined ? rest : { ...rest, annotations: without(rest.annotations, LAST_APPLIED) }
}

/** Of endpoints it matters on which nodes they are and how they are; those that are alike in both are one. */
function trimSlice(slice: Fields): Fields {
  const { endpoints } = slice
  const rest = without(slice, 'ports')
  if (!Array.isArray(endpoints)) return rest
  const kept = new Map<string, Fields>()
  for (const endpoint of endpoints) {
    const { conditions, nodeName } = fields(endpoint)
    const one = { ...(conditions !== undefined && { conditions }), ...(nodeName !== undefined && { nodeName }) }
    kept.set(JSON.stringify(one), one)
  }
  return { ...rest, endpoints: [...kept.values()] }
}
