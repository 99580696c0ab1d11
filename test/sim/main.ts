/**
 * Runs simulations by hand: `npm run sim -- --topology mesh --nodes 40 --seed 17 [--seeds 10] [--large] [--log]`.
 * `--save node-3 --to lost-route` keeps what that agent saw as a story in test/golden/stories.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Recorder } from '../golden/story.ts'
import type { Host } from '../support/world.ts'
import { type RunOptions, run } from './simulation.ts'
import { commandOf, LARGE, small } from './sizes.ts'
import type { TopologyName } from './topology.ts'

const { values } = parseArgs({
  options: {
    topology: { type: 'string', default: 'mesh' },
    nodes: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    large: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
    save: { type: 'string' },
    to: { type: 'string', default: 'saved' },
  },
})
const [nodes, first, seeds] = [values.nodes, values.seed, values.seeds].map(Number) as [number, number, number]

function isRight(options: RunOptions): boolean {
  const begun = performance.now()
  const recording = new Recording()
  try {
    const { turns, virtualMillis, sessions, routes, wrong, log } = run({ ...options, ...recording.hooks })
    const took = (performance.now() - begun).toFixed(0)
    const verdict = wrong.length === 0 ? 'all right' : `${wrong.length} wrong`
    const span = (virtualMillis / 1000).toFixed(0)
    console.log(
      `seed ${options.seed}: ${sessions} sessions, ${routes} routes, ${turns} turns, ${span} s in ${took} ms: ${verdict}`,
    )
    if (values.log) console.log(log.join('\n'))
    for (const line of wrong.slice(0, 20)) console.log(`  ${line}`)
    return wrong.length === 0
  } catch (error) {
    console.log(`seed ${options.seed}: ${error instanceof Error ? error.stack : error}`)
    for (let cause = error; cause instanceof Error; cause = cause.cause)
      if (cause.cause === undefined) console.log(cause.stack)
    return false
  } finally {
    recording.save(options)
  }
}

/** Of one agent, from its last start. */
class Recording {
  #recorder = new Recorder()
  #host: Host | undefined

  get hooks(): Pick<RunOptions, 'before' | 'after'> {
    if (values.save === undefined) return {}
    return {
      before: (host, input, now) => {
        if (host.name !== values.save) return
        if (host !== this.#host) this.#recorder = new Recorder()
        this.#host = host
        this.#recorder.begin(input, now)
      },
      after: (host, effects) => {
        if (host === this.#host) this.#recorder.end(effects)
      },
    }
  }

  save(options: RunOptions): void {
    if (this.#host === undefined) return
    const file = new URL(`../golden/stories/${values.to}.jsonl`, import.meta.url)
    const story = `${values.save} of: ${commandOf(options)}`
    writeFileSync(file, this.#recorder.text(story, this.#host.options))
    console.log(`  saved: test/golden/stories/${values.to}.jsonl`)
  }
}

for (let seed = first; seed < first + seeds; seed++) {
  const topology = values.topology as TopologyName
  const options = { ...(values.large ? LARGE : small(topology)), topology, nodes, seed }
  if (!isRight(options)) {
    process.exitCode = 1
    console.log(`  again: ${commandOf(options)}${values.large ? ' --large' : ''}`)
  }
}
