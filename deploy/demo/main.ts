/**
 * The main job on one machine, without root and without a cluster: two nodes of a dual-stack cluster and a router, three
 * agents on loopback. Shows sessions coming up and routes arriving, takes an endpoint away and shows the withdrawal.
 *
 * `npm run demo` stays up until Ctrl-C; `npm run demo -- --once` ends by itself, with 0 only if every route was seen.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Millis } from '../../src/base/units.ts'
import { type DemoAgent, endAll, layOut, protocolsOf, routesOf, startAgent } from './agents.ts'
import { AT_ROUTER, MESH_PODS, REMOVED, routeLine } from './expected.ts'

const PATIENCE: Millis = 45_000
const LOOK_EVERY: Millis = 50

const once = process.argv.includes('--once')
const started = performance.now()
const say = (text: string) => console.log(`${((performance.now() - started) / 1000).toFixed(2).padStart(6)} s  ${text}`)

const folder = await layOut()
const agents = [
  startAgent(folder, 'tor-1', 'router'),
  startAgent(folder, 'worker-1', 'cluster'),
  startAgent(folder, 'worker-2', 'cluster'),
] as const
const [router, worker] = agents

const interrupted = new Promise<void>((resolve) => {
  process.once('SIGINT', resolve)
  process.once('SIGTERM', resolve)
})

async function tell(): Promise<'seen' | 'missing'> {
  console.log('Three agents on loopback: worker-1 and worker-2 (AS 64512) and tor-1, the router (AS 65000)\n')
  const sessions = new Set<string>()
  const routes = new Set<string>()
  const arrived = await until(async () => {
    await showSessions(sessions)
    await showRoutes(router, routes)
    return same(routes, AT_ROUTER) && contains(await linesOf(worker), MESH_PODS)
  })
  if (!arrived) return missing(AT_ROUTER, routes)
  say(`tor-1 holds exactly the ${AT_ROUTER.length} paths the manifests mean, and worker-1 its neighbor's pods\n`)

  say('removing the IPv4 endpoint of service shop/web on worker-2')
  await removeEndpoint()
  const left = AT_ROUTER.filter((line) => !REMOVED.includes(line))
  const withdrawn = await until(async () => {
    await showRoutes(router, routes)
    return same(routes, left)
  })
  if (!withdrawn) return missing(left, routes)
  say('worker-2 no longer attracts IPv4 traffic of shop/web; its IPv6 endpoint and worker-1 go on')
  return 'seen'
}

async function showSessions(known: Set<string>): Promise<void> {
  for (const agent of agents) {
    for (const { name, peer, state } of await protocolsOf(agent)) {
      const line = `${agent.name}: session ${name} with ${peer} is ${state}`
      if (state !== 'Established' || known.has(line)) continue
      known.add(line)
      say(line)
    }
  }
}

async function showRoutes(agent: DemoAgent, known: Set<string>): Promise<void> {
  const lines = await linesOf(agent)
  for (const line of lines) {
    if (known.has(line)) continue
    known.add(line)
    say(`${agent.name}: + ${line}`)
  }
  for (const line of known) {
    if (lines.includes(line)) continue
    known.delete(line)
    say(`${agent.name}: - ${line}`)
  }
}

/** What an agent learned from neighbors. */
async function linesOf(agent: DemoAgent): Promise<string[]> {
  const learned = (await routesOf(agent)).filter(({ from }) => from !== null)
  return learned.map(({ prefix, nextHop }) => routeLine(prefix, nextHop)).sort()
}

/** As an editor or `kubectl apply` into a mounted folder would: a new file takes the old one's place at once. */
async function removeEndpoint(): Promise<void> {
  const file = join(folder, 'cluster', 'endpoints.yaml')
  const text = await readFile(file, 'utf8')
  const lines = text.split('\n').filter((line) => !line.includes('10.244.2.5'))
  await writeFile(`${file}.new`, lines.join('\n'))
  await rename(`${file}.new`, file)
}

async function until(seen: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + PATIENCE
  while (performance.now() < deadline) {
    if (await seen()) return true
    await pause(LOOK_EVERY)
  }
  return false
}

const contains = (found: readonly string[], wanted: readonly string[]) => wanted.every((line) => found.includes(line))

const same = (found: ReadonlySet<string>, wanted: readonly string[]) =>
  found.size === wanted.length && wanted.every((line) => found.has(line))

function missing(wanted: readonly string[], found: ReadonlySet<string>): 'missing' {
  for (const line of wanted) if (!found.has(line)) console.error(`missing: ${line}`)
  for (const line of found) if (!wanted.includes(line)) console.error(`not expected: ${line}`)
  for (const agent of agents) console.error(`\n${agent.name} logged last:\n${agent.log.slice(-20).join('')}`)
  return 'missing'
}

async function stay(): Promise<void> {
  console.log(`\nAll three stay up until Ctrl-C. Look around from another terminal, in this folder:\n`)
  console.log(`  npm run --silent godwit -- -s ${router.socket} show protocols`)
  console.log(`  npm run --silent godwit -- -s ${router.socket} show route all`)
  console.log(`  npm run --silent godwit -- -s ${worker.socket}\n`)
  await interrupted
}

try {
  process.exitCode = (await Promise.race([tell(), interrupted.then(() => 'interrupted' as const)])) === 'seen' ? 0 : 1
  if (process.exitCode === 0 && !once) await stay()
} finally {
  await endAll(agents, folder)
}
