/** A node with many neighbors leaves: some of them enter each stage in a turn, and none is left out. */
import { expect, test } from 'vitest'
import { Rig } from '../support/rig.ts'

const NEIGHBORS = 150
/** Far below `NEIGHBORS`: what a turn may do does not grow with them. */
const MOST = 40
/** From the first stage to the end of all sessions. */
const FAREWELL = 30_000

function begin() {
  const rig = new Rig({ neighbors: NEIGHBORS })
  for (const neighbor of rig.neighbors) neighbor.establish()
  const view = () => rig.engine.view(rig.now)
  const established = (): number => [...view().eachProtocol()].filter(({ peer }) => peer.state === 'Established').length
  return { rig, view, established }
}

test('sessions end some in each turn, and all of them', () => {
  const { rig, view, established } = begin()
  expect(established()).toBe(NEIGHBORS)
  view().leave('new rack')
  rig.work()
  const ended: number[] = []
  const handle = rig.engine.handle.bind(rig.engine)
  rig.engine.handle = (input, now) => {
    const effects = handle(input, now)
    ended.push(effects.filter(({ kind }) => kind === 'close').length)
    return effects
  }
  rig.pass(FAREWELL)
  expect(Math.max(...ended)).toBeLessThanOrEqual(MOST)
  expect(ended.reduce((sum, some) => sum + some)).toBe(NEIGHBORS)
  expect(established()).toBe(0)
})

test('where it returns before all have entered a stage, none stays behind', () => {
  const { rig, view, established } = begin()
  view().leave('new rack')
  view().stay()
  rig.work()
  rig.pass(FAREWELL)
  expect(established()).toBe(NEIGHBORS)
  expect(view().leaving().stage).toBe('here')
})
