/** Conditions of objects: what they depend on. */
import { expect, test, vi } from 'vitest'
import { finish } from '../../src/base/work.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { allObjectConditions, conditionsRevision } from '../../src/status/object-conditions.ts'
import { bgpAdvertisement, bgpConfiguration, bgpFilter, bgpPeer, ipPool, node, upsert } from '../support/objects.ts'

test('a change of each kind that they read increases their revision', () => {
  const store = new ObjectStore()
  const objects = [
    node('worker-1', { addresses: ['10.0.0.1'] }),
    bgpConfiguration({ asNumber: 64512 }),
    bgpConfiguration({}, 'node.worker-1'),
    bgpPeer('rack', { peerIP: '10.0.0.9', asNumber: 1, filters: ['none'], nodeSelector: 'has(rack)' }),
    bgpFilter('some', {}),
    ipPool('pods', { cidr: '10.244.0.0/16' }),
    bgpAdvertisement('all', { peers: ['rack'], routes: [{ pools: { names: ['pods'] } }] }),
  ]
  store.apply(objects.map((object) => upsert(object)))
  expect(store.problems()).toEqual([])
  const readers = (['table', 'get', 'exists', 'keys', 'slicesOf'] as const).map((name) => vi.spyOn(store, name))
  const revisions = vi.spyOn(store, 'revisionOf')
  finish(allObjectConditions(store))
  expect(conditionsRevision(store)).toBe(store.revision)
  const read = new Set(readers.flatMap(({ mock }) => mock.calls.map(([kind]) => kind)))
  expect(read).toContain('FelixConfiguration')
  expect(revisions.mock.calls.map(([kind]) => kind)).toEqual(expect.arrayContaining([...read]))
})
