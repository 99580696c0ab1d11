/** How much happens in a run, and how to have it again. */
import type { RunOptions } from './simulation.ts'

/** For many seeds in a minute. */
export const SMALL = { operations: 40, spanMillis: 60_000, services: 8 } as const

export const commandOf = ({ topology, nodes, seed }: Pick<RunOptions, 'topology' | 'nodes' | 'seed'>): string =>
  `npm run sim -- --topology ${topology} --nodes ${nodes} --seed ${seed}`
