/**
 * `npm run sim:large`: 500 nodes in full mesh and 1,000 behind two reflectors, three seeds each. Says what time it took:
 * of a processor, and by the clock. `-- --topology mesh --seed 2` is one of the six, `-- --quick` one seed at a tenth of the size.
 */
import { parseArgs } from 'node:util'
import { type RunOptions, run } from './simulation.ts'
import { commandOf, LARGE } from './sizes.ts'

const { values } = parseArgs({
  options: { topology: { type: 'string' }, seed: { type: 'string' }, quick: { type: 'boolean', default: false } },
})
const SEEDS = [1, 2, 3].slice(0, values.quick ? 1 : 3).filter((seed) => `${seed}` === (values.seed ?? `${seed}`))
const SIZES = (
  [
    { topology: 'mesh', nodes: 500 },
    { topology: 'reflectors', nodes: 1_000 },
  ] as const
)
  .filter(({ topology }) => topology === (values.topology ?? topology))
  .map(({ topology, nodes }) => ({ topology, nodes: values.quick ? nodes / 10 : nodes }))

/** What is wrong, in lines. */
function tryOne(options: RunOptions): readonly string[] {
  const [begun, before] = [performance.now(), process.cpuUsage()]
  try {
    const { sessions, routes, turns, virtualMillis, wrong } = run(options)
    const { user, system } = process.cpuUsage(before)
    const took = `${((user + system) / 1e6).toFixed(0)} s CPU (${((performance.now() - begun) / 1000).toFixed(0)} s)`
    const memory = Math.round(process.memoryUsage().rss / (1 << 20))
    console.log(
      `${options.topology} of ${options.nodes}, seed ${options.seed}: ${sessions} sessions, ${routes} routes, ` +
        `${turns} turns, ${Math.round(virtualMillis / 1000)} s of the cluster in ${took}, ${memory} MiB: ` +
        (wrong.length === 0 ? 'all right' : `${wrong.length} wrong`),
    )
    return wrong
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

for (const size of SIZES) {
  for (const seed of SEEDS) {
    const options = { ...LARGE, ...size, seed }
    const wrong = tryOne(options)
    if (wrong.length === 0) continue
    process.exitCode = 1
    console.log(`${wrong.slice(0, 20).join('\n')}\n${commandOf(options)} --large`)
  }
}
