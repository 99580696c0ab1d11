/** Callers that are no neighbors (10.4): counted, the recent ones remembered, and no more of them however many there are. */
import { expect, test } from 'vitest'
import { Callers } from '../../src/engine/callers.ts'
import { Rig } from '../support/rig.ts'

test('a caller from an unknown address is counted, with its reason, and shown to those who look', () => {
  const rig = new Rig({ neighbors: 1 })
  const local = { address: '10.0.0.100', port: 179 }
  for (const conn of [1, 3]) rig.feed({ kind: 'accepted', conn, local, remote: { address: '10.0.0.77', port: 4_000 } })
  rig.now += 1_000
  rig.feed({ kind: 'turned-away', address: '10.0.0.78', reason: 'no file descriptor is left' })
  expect(rig.engine.view(rig.now).callers()).toEqual({
    refused: 3,
    recent: [
      { address: '10.0.0.78', reason: 'no file descriptor is left', calls: 1, last: 1_000 },
      { address: '10.0.0.77', reason: 'no neighbor has this address', calls: 2, last: 0 },
    ],
  })
})

test('a flood of callers takes no memory, and the last are the ones that are known', () => {
  const callers = new Callers()
  for (let count = 0; count < 100_000; count++) callers.note(`fd00::${count.toString(16)}`, 'nobody', count)
  expect(callers.refused).toBe(100_000)
  expect(callers.recent()).toHaveLength(32)
  expect(callers.recent()[0]).toMatchObject({ address: 'fd00::1869f', last: 99_999 })
})
