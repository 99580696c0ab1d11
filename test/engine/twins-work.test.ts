import { expect, test } from 'vitest'
import type { Family } from '../../src/base/family.ts'
import { FED_AFTER } from '../../src/engine/left-families.ts'
import type { Neighbor } from '../../src/engine/neighbors.ts'
import { Twins } from '../../src/engine/twins.ts'

const ROUTERS = 1_000

/** A router with a session over each family: all that `Twins` reads of their neighbors. */
function sessionsOf(number: number): Neighbor[] {
  return (['10.0.0.1', 'fd00::1'] as const).map((address) => {
    const remote = { address, port: 179 }
    const families: Family[] = ['ipv4', 'ipv6']
    const session = { remote, families, remoteAs: 64_512, remoteRouterId: `10.9.${number >> 8}.${number & 255}` }
    const intent = { yields: true }
    return { name: `${number} ${address}`, intent, leftFamilies: {}, peer: { session } } as unknown as Neighbor
  })
}

test('a turn looks at those alone whose twin has sent all, or whose time is over', () => {
  let asked = 0
  const ended = new Set<string>()
  const twins = new Twins((name) => {
    asked++
    return { endOfRibSent: ended.has(name), endOfRibReceived: ended.has(name) }
  })
  const neighbors = Array.from({ length: ROUTERS }, (_, number) => sessionsOf(number))
  for (const neighbor of neighbors.flat()) twins.add(neighbor, 0)
  const [one] = neighbors[7] as [Neighbor, Neighbor]
  ended.add(one.name)
  asked = 0
  expect(twins.settle([], 1_000)).toEqual([])
  expect(asked).toBe(0)
  expect(twins.settle([one.name], 1_000).map(({ neighbor }) => neighbor.name)).toEqual(['7 fd00::1'])
  expect(asked).toBeLessThanOrEqual(2)
  expect(twins.deadline()).toBe(FED_AFTER)
  expect(twins.settle([], FED_AFTER).length).toBeGreaterThan(ROUTERS)
  expect(twins.deadline()).toBeUndefined()
})

test('the loss of a session takes back from those alone that left a family to it', () => {
  const twins = new Twins(() => ({ endOfRibSent: true, endOfRibReceived: true }))
  const neighbors = Array.from({ length: ROUTERS }, (_, number) => sessionsOf(number))
  for (const neighbor of neighbors.flat()) twins.add(neighbor, 0)
  twins.settle(
    neighbors.flat().map(({ name }) => name),
    0,
  )
  for (const [one] of neighbors as [Neighbor, Neighbor][]) twins.remove(one, ['ipv4', 'ipv6'], 1_000)
  const [away, twin] = neighbors[7] as [Neighbor, Neighbor]
  expect(Object.keys(away.leftFamilies)).toEqual(['ipv6'])
  expect(twins.remove(twin, [], 2_000).map(({ neighbor }) => neighbor.name)).toEqual([away.name])
  expect(away.leftFamilies).toEqual({})
})
