/** The bound on the changes that a store keeps for its readers. */
import { expect, test } from 'vitest'
import { storeOf } from '../support/cluster.ts'
import { bgpPeer, upsert } from '../support/objects.ts'

const good = bgpPeer('rack-1', { peerIP: '10.0.0.254', asNumber: 65000 })
const better = bgpPeer('rack-1', { peerIP: '10.0.0.254', asNumber: 65001 })

test('a reader too far behind is told so', () => {
  const store = storeOf([good])
  const first = store.revision
  for (let round = 0; round < 10_000; round++) store.apply([upsert(round % 2 === 0 ? better : good)])
  expect(store.changedSince(first)).toBeUndefined()
  expect(store.changedSince(store.revision - 1)).toHaveLength(1)
  expect(store.changedSince(store.revision)).toEqual([])
})
