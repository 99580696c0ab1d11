/** How much happens in a run, and how to have it again. */
import type { RunOptions } from './simulation.ts'
import type { TopologyName } from './topology.ts'

type Size = Pick<RunOptions, 'operations' | 'spanMillis' | 'services' | 'viewed' | 'drainMillis'>

/** For many seeds in a minute. */
const SMALL: Size = { operations: 24, spanMillis: 30_000, services: 8, viewed: 0.2 }
/** A hundred nodes hold forty thousand routes: less happens to them. */
const FEWER: Size = { ...SMALL, operations: 12, spanMillis: 15_000, services: 4 }
export const small = (topology: TopologyName): Size => (topology === 'reflectors' ? FEWER : SMALL)
export const LARGE: Size = { operations: 30, spanMillis: 30_000, services: 20, viewed: 0.002, drainMillis: 50 }

export const commandOf = ({ topology, nodes, seed }: Pick<RunOptions, 'topology' | 'nodes' | 'seed'>): string =>
  `npm run sim -- --topology ${topology} --nodes ${nodes} --seed ${seed}`
