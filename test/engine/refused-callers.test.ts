/** RefusedCallers that are no neighbors: counted, the recent ones remembered, and no more of them however many there are. */
import { expect, test } from 'vitest'
import { RefusedCallers } from '../../src/engine/refused-callers.ts'
import { Rig } from '../support/rig.ts'

test('a caller from an unknown address is counted, with its reason, and shown to those who look', () => {
  const rig = new Rig({ neighbors: 1 })
  const local = { address: '10.0.0.100', port: 179 }
  for (const conn of [1, 3]) rig.feed({ kind: 'accepted', conn, local, remote: { address: '10.0.0.77', port: 4_000 } })
  rig.now += 1_000
  rig.feed({ kind: 'turned-away', address: '10.0.0.78', reason: 'no file descriptor is left' })
  expect(rig.engine.view(rig.now).callers()).toEqual({
    refused: 3,
    dropped: 0,
    isFiltering: false,
    recent: [
      { address: '10.0.0.78', reason: 'no file descriptor is left', calls: 1, last: 1_000 },
      { address: '10.0.0.77', reason: 'no neighbor has this address', calls: 2, last: 0 },
    ],
  })
})

test('a flood of callers takes no memory, and the last are the ones that are known', () => {
  const callers = new RefusedCallers()
  for (let count = 0; count < 100_000; count++) callers.note(`fd00::${count.toString(16)}`, 'nobody', count)
  const { refused, recent } = callers.view()
  expect(refused).toBe(100_000)
  expect(recent).toHaveLength(32)
  expect(recent[0]).toMatchObject({ address: 'fd00::1869f', last: 99_999 })
})

test('that strangers are dropped unseen is told when it begins and when it ends, and counted between', () => {
  const rig = new Rig({ neighbors: 1 })
  const codes = ([isOn, dropped]: readonly [boolean, number]) => {
    const before = rig.lines.length
    rig.feed({ kind: 'callers-filtered', isOn, dropped })
    return rig.lines.slice(before).map(({ code }) => code)
  }
  const steps = [
    [true, 0],
    [true, 5_000],
    [true, 700],
    [false, 0],
  ] as const
  expect(steps.map(codes)).toEqual([['callers-filtered'], [], [], ['callers-seen']])
  expect(rig.engine.view(rig.now).callers()).toMatchObject({ refused: 0, dropped: 5_700, isFiltering: false })
})
