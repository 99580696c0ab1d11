/** `npm run sim:large`: 500 nodes in full mesh and 1,000 behind two routers, three seeds each, with the time they took. */
import { type RunOptions, run } from './simulation.ts'
import { commandOf, LARGE } from './sizes.ts'

const SEEDS = [1, 2, 3]
const SIZES: readonly Pick<RunOptions, 'topology' | 'nodes'>[] = [
  { topology: 'mesh', nodes: 500 },
  { topology: 'routers', nodes: 1_000 },
]

for (const size of SIZES) {
  for (const seed of SEEDS) {
    const options = { ...LARGE, ...size, seed }
    const begun = performance.now()
    let wrong: readonly string[]
    try {
      const result = run(options)
      wrong = result.wrong
      const { sessions, routes, turns, virtualMillis } = result
      const seconds = ((performance.now() - begun) / 1000).toFixed(0)
      const memory = Math.round(process.memoryUsage().rss / (1 << 20))
      console.log(
        `${size.topology} of ${size.nodes}, seed ${seed}: ${sessions} sessions, ${routes} routes, ${turns} turns, ` +
          `${Math.round(virtualMillis / 1000)} s of the cluster in ${seconds} s, ${memory} MiB: ` +
          (wrong.length === 0 ? 'all right' : `${wrong.length} wrong`),
      )
    } catch (error) {
      wrong = [error instanceof Error ? error.message : String(error)]
    }
    if (wrong.length === 0) continue
    process.exitCode = 1
    console.log(`${wrong.slice(0, 20).join('\n')}\n${commandOf(options)} --large`)
  }
}
