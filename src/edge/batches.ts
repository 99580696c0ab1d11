import type { ObjectChange } from '../cluster/source.ts'

/** Changes of services in one Input. */
const MOST_AT_ONCE = 256

/**
 * One turn of the engine takes a batch. What neighbors and policies depend on changes at once; of services so many at a
 * time that sessions have their turns in between.
 */
export function batchesOf(changes: readonly ObjectChange[]): readonly (readonly ObjectChange[])[] {
  const ofServices = changes.filter(isOfService)
  const batches = ofServices.length <= MOST_AT_ONCE ? [changes] : [changes.filter((change) => !isOfService(change))]
  const left = ofServices.length <= MOST_AT_ONCE ? [] : ofServices
  for (let at = 0; at < left.length; at += MOST_AT_ONCE) batches.push(left.slice(at, at + MOST_AT_ONCE))
  return batches.filter(({ length }) => length > 0)
}

const isOfService = (change: ObjectChange): boolean =>
  'ref' in change && (change.ref.kind === 'Service' || change.ref.kind === 'EndpointSlice')
