/** The runs of `npm run test:all`: so many seeds of one kind of cluster. */
import { expect, test } from 'vitest'
import { run } from './simulation.ts'
import { commandOf, small } from './sizes.ts'
import type { TopologyName } from './topology.ts'

const SEEDS = Number(process.env.GODWIT_SEEDS ?? 50)
const FIRST = Number(process.env.GODWIT_SEED ?? 1)

export function trySeeds(topology: TopologyName, nodes: number, share = 1): void {
  const seeds = Array.from({ length: Math.ceil(SEEDS * share) }, (_, index) => FIRST + index)
  test.each(seeds)(`${nodes} nodes, seed %i`, { timeout: 120_000 }, (seed) => {
    const again = commandOf({ topology, nodes, seed })
    try {
      const { wrong } = run({ ...small(topology), topology, nodes, seed })
      expect(wrong, again).toEqual([])
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${again}`, { cause: error })
    }
  })
}
