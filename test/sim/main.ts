/** Runs simulations by hand: `npm run sim -- --topology mesh --nodes 40 --seed 17`. */
import { parseArgs } from 'node:util'
import { run } from './simulation.ts'
import { commandOf, SMALL } from './sizes.ts'
import type { TopologyName } from './topology.ts'

const { values } = parseArgs({
  options: {
    topology: { type: 'string', default: 'mesh' },
    nodes: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    log: { type: 'boolean', default: false },
  },
})
const [nodes, seed, seeds] = [values.nodes, values.seed, values.seeds].map(Number) as [number, number, number]
let failed = 0
for (let number = seed; number < seed + seeds; number++) {
  const options = { ...SMALL, topology: values.topology as TopologyName, nodes, seed: number }
  const begun = performance.now()
  try {
    const { turns, virtualMillis, sessions, routes, wrong, log } = run(options)
    const took = (performance.now() - begun).toFixed(0)
    console.log(
      `seed ${number}: ${sessions} sessions, ${routes} routes, ${turns} turns, ${(virtualMillis / 1000).toFixed(0)} s in ${took} ms: ${wrong.length === 0 ? 'all right' : `${wrong.length} wrong`}`,
    )
    if (values.log) console.log(log.join('\n'))
    if (wrong.length === 0) continue
    console.log(wrong.slice(0, 20).join('\n'))
  } catch (error) {
    console.log(`seed ${number}: ${error instanceof Error ? error.message : error}`)
    if (error instanceof Error && error.cause instanceof Error)
      console.log(((error.cause.cause as Error) ?? error.cause).stack)
  }
  failed++
  console.log(commandOf(options))
}
process.exitCode = failed === 0 ? 0 : 1
