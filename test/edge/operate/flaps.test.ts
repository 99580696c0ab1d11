import { expect, test } from 'vitest'
import { Flaps } from '../../../src/edge/operate/flaps.ts'

const MINUTE = 60_000

test('a session flaps from the fourth time within 15 minutes on', () => {
  const flaps = new Flaps()
  const minutes = [0, 1, 2, 3, 4, 16, 18, 30, 60]
  expect(minutes.map((minute) => flaps.isFlap('rack', minute * MINUTE))).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})

test('each session is judged by itself', () => {
  const flaps = new Flaps()
  for (let peer = 0; peer < 100; peer++) expect(flaps.isFlap(`Mesh_${peer}`, peer)).toBe(false)
})

test('callers without end are forgotten', () => {
  const flaps = new Flaps()
  for (let time = 0; time < 3; time++) flaps.isFlap('first', time)
  for (let peer = 0; peer < 16_384; peer++) flaps.isFlap(`caller_${peer}`, 3)
  expect(flaps.isFlap('first', 4)).toBe(false)
})
