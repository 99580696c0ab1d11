/** What is removed from an object before it is stored changes nothing of what is read in it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseObject } from '../../../src/cluster/parse/object.ts'
import { trimObject } from '../../../src/edge/kubernetes/trim.ts'
import { resourcesOf } from '../../../src/edge/resources.ts'

const SLICES = resourcesOf('godwit.dev').find(({ kind }) => kind === 'EndpointSlice')

const flag = fc.option(fc.constantFrom<unknown>(true, false, null, 'true', 1), { nil: undefined })
const conditions = fc.option(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ ready: flag, serving: flag, terminating: flag, other: flag }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(null, 'ready', [], [true]) },
  ),
  { nil: undefined },
)
const nodeName = fc.constantFrom<unknown>('n1', 'n2', 'true n1', '', null, undefined, 7)
const endpoint = fc.record({ addresses: fc.constant(['10.0.0.1']), conditions, nodeName, hints: fc.anything() })

test('the endpoints of a slice', () => {
  if (SLICES === undefined) throw new Error('EndpointSlices are not read')
  const resource = SLICES
  fc.assert(
    fc.property(fc.array(endpoint, { maxLength: 6 }), (endpoints) => {
      const metadata = { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } }
      const { apiVersion, kind } = resource
      const slice = { apiVersion, kind, metadata, addressType: 'IPv4', endpoints, ports: [{ port: 80 }] }
      const ref = { kind: 'EndpointSlice', namespace: 'shop', name: 'web-1' } as const
      const trimmed = trimObject(resource, slice)
      const [before, after] = [parseObject(ref, slice), parseObject(ref, trimmed)]
      expect(after.value).toEqual(before.value)
      expect(after.problems.length > 0).toBe(before.problems.length > 0)
      expect((trimmed.endpoints as unknown[]).length).toBeLessThanOrEqual(endpoints.length)
    }),
  )
})
