/** One run: a cluster comes up, things befall it, it is left alone, and then everything must be right. */

import { Chance } from '../../src/base/chance.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'
import { countAll } from '../support/count.ts'
import { type Host, World } from '../support/world.ts'
import { expectedSessions, intentsOf, whatIsWrong } from './check.ts'
import { Stage } from './site.ts'
import { build, type TopologyName } from './topology.ts'
import { TurnChecks } from './turn-checks.ts'
import { Workload } from './workload.ts'

export interface RunOptions {
  readonly topology: TopologyName
  readonly nodes: number
  readonly seed: number
  /** Things that befall the cluster, and in how much time. */
  readonly operations: number
  readonly spanMillis: number
  readonly services: number
  /** A kernel takes up to so long with what it is handed; by the seed unless said. */
  readonly drainMillis?: number
  /** Machines that may stay without power at the end. */
  readonly lost?: number
  /** Share of sessions whose sender is asked what it told. */
  readonly viewed?: number
  /** For who records a run. */
  readonly before?: (host: Host, input: Input, now: number) => void
  readonly after?: (host: Host, effects: readonly Effect[]) => void
}

export interface RunResult {
  readonly turns: number
  readonly virtualMillis: number
  readonly sessions: number
  readonly routes: number
  readonly wrong: readonly string[]
  readonly log: readonly string[]
}

/** Backoff, hold time and what lies between: by then everything must be up. */
const LIMIT = 600_000
const MEMORY_LIMIT = 256 << 20

export function run(options: RunOptions): RunResult {
  const chance = new Chance(options.seed * 2 + 1)
  const checks = new TurnChecks(MEMORY_LIMIT)
  const world: World = new World({
    seed: options.seed,
    delay: [0.2, 1 + 60 * chance.next()],
    loss: chance.next() < 0.5 ? 0 : 0.05 * chance.next(),
    chunk: 'any',
    ...((options.drainMillis !== undefined || chance.next() < 0.5) && { drain: [0, options.drainMillis ?? 20] }),
    window: chance.next() < 0.5 ? 1 << 18 : 2_048,
    forgetLines: true,
    before: (host, input) => options.before?.(host, input, world.now),
    watch: (host, input, effects) => {
      checks.check(world, host, input, effects)
      options.after?.(host, effects)
    },
  })
  const stage = new Stage(world)
  const topology = build(options.topology, stage, options.nodes)
  const workload = new Workload(stage, topology, chance)
  try {
    workload.begin(options.services)
    for (const site of [...stage.sites.values()]) world.at(3_000 * chance.next(), () => stage.boot(site))
    const start = 8_000
    for (let count = 0; count < options.operations; count++) {
      world.at(start + options.spanMillis * chance.next(), () => workload.step())
    }
    world.pass(start + options.spanMillis)
    workload.mend(options.lost ?? 1)
    world.pass(Math.max(0, workload.busyUntil - world.now) + 1_000)
    workload.mend(options.lost ?? 1)
    return settle(options, stage, workload, chance)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new Error([`${text} (at ${world.now} ms)`, ...workload.log.slice(-8)].join('\n  '), { cause: error })
  }
}

function settle(options: RunOptions, stage: Stage, workload: Workload, chance: Chance): RunResult {
  const { world } = stage
  world.pass(2_000)
  const intents = intentsOf(stage)
  const expected = expectedSessions(intents)
  const isUp = () => stage.running().every(({ name, host }) => host?.up === expected.get(name))
  for (let waited = 0; !isUp() && waited < LIMIT; waited += 1_000) world.pass(1_000)
  const wrong = stage
    .running()
    .filter(({ name, host }) => host?.up !== expected.get(name))
    .map(({ name, host }) => `${name}: ${host?.up} sessions are up, not ${expected.get(name)}`)
  world.pass(10_000)
  // Routes of neighbors that were lost and do not come back are kept for a while (RFC 4724).
  const keeps = () => stage.running().some(({ host }) => host?.engine.keepsStale === true)
  for (let waited = 0; keeps() && waited < LIMIT; waited += 10_000) world.pass(10_000)
  const { viewed = 1 } = options
  wrong.push(...whatIsWrong(stage, intents, () => viewed >= 1 || chance.next() < viewed))
  const sessions = [...expected.values()].reduce((sum, count) => sum + count, 0) / 2
  const routes = stage.running().reduce((sum, { host }) => {
    const { ipv4, ipv6 } =
      host === undefined ? { ipv4: { paths: 0 }, ipv6: { paths: 0 } } : countAll(host.engine.view(world.now))
    return sum + ipv4.paths + ipv6.paths
  }, 0)
  return { turns: world.turns, virtualMillis: world.now, sessions, routes, wrong, log: workload.log }
}
