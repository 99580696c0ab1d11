/**
 * What an agent costs in a large cluster, and how soon it knows: `npm run bench:watch [-- --nodes 1000,5000 --away 120]`.
 *
 * In namespaces of its own (root, unshare). The agent as it ships is a process of its own, as in a pod; the API server of the tests and a router are this one. Times are of this
 * machine now, with what else runs on it. `--away`: so many seconds the server is away; 0 leaves that row out.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ApiServer } from '../../support/api-server/server.ts'
import { AgentProcess } from './agent.ts'
import { aNode, NODE_ADDRESS_6, objectsOf, routesOf, slices } from './objects.ts'
import { Router } from './router.ts'

const { values: words } = parseArgs({
  options: {
    services: { type: 'string', default: '10050' },
    nodes: { type: 'string', default: '1000,5000' },
    changes: { type: 'string', default: '600' },
    away: { type: 'string', default: '120' },
    /** Words for Node, such as --cpu-prof. */
    node: { type: 'string', default: '' },
  },
})

const ACCOUNT = '/run/secrets/kubernetes.io/serviceaccount'
const TOKEN = `${ACCOUNT}/token`
/** On which in-cluster clients expect no certificate. */
const API_PORT = 8080
const PATIENCE = 120_000
const PAUSE = 50
const SETTLED = 12_000

interface Row {
  readonly what: string
  readonly value: string
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`
const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`
const mib = (value: number): string => `${value.toFixed(0)} MiB`

async function measure(nodes: number): Promise<Row[]> {
  const services = Number(words.services)
  const [api, router] = [new ApiServer(API_PORT), await Router.listen()]
  await api.start()
  for (const object of objectsOf({ services, nodes }, router.port, 30_000 + (process.pid % 20_000))) api.apply(object)
  writeFileSync(TOKEN, 'first')
  api.token = 'first'
  const agent = new AgentProcess(API_PORT, words.node === '' ? [] : words.node.split(' '))
  const rows: Row[] = []
  const tell = (what: string, value: string): void => {
    rows.push({ what, value })
    console.error(`${nodes} nodes: ${what}: ${value}`)
  }
  try {
    const ofServices = routesOf(services)
    const allAt = await router.until('all routes', () => router.routes.size >= ofServices, PATIENCE)
    const firstAt = router.firstAt ?? allAt
    tell('start → first route', seconds(firstAt - agent.startedAt))
    tell('first route → all of them', `${seconds(allAt - firstAt)} (${router.routes.size})`)
    tell('bytes read at the start', `${(api.sent.packed / 1e6).toFixed(1)} MB of ${(api.sent.plain / 1e6).toFixed(1)}`)
    tell('CPU of the start', `${agent.cpu.toFixed(1)} s`)
    await sleep(SETTLED)
    const started = agent.memory
    const all = router.routes.size
    tell('resident after the start', mib(started.resident))
    tell('peak', mib(started.peak))
    const cpuBefore = agent.cpu
    const took = await changes(api, router, { services, nodes }, all)
    took.sort((a, b) => a - b)
    const at = (share: number): number => took[Math.floor(took.length * share)] as number
    tell('event → UPDATE, p50 / p99', `${ms(at(0.5))} / ${ms(at(0.99))}`)
    tell('CPU of a change', ms(((agent.cpu - cpuBefore) * 1000) / took.length))
    await sleep(SETTLED)
    tell(`resident after ${took.length} changes`, mib(agent.memory.resident))
    if (Number(words.away) > 0) {
      const resets = router.sessions
      const before = router.withdrawn
      await api.stop()
      away(api, nodes)
      await sleep(Number(words.away) * 1000)
      await api.start()
      const readyAt = performance.now()
      const exactAt = await router.until('exact', () => router.routes.size === all - AWAY, PATIENCE)
      tell(`API away for ${words.away} s → exact`, seconds(exactAt - readyAt))
      tell(
        'sessions reset, routes withdrawn beyond the real changes',
        `${router.sessions - resets}, ${router.withdrawn - before - AWAY}`,
      )
      await sleep(SETTLED)
      tell('resident then; peak', `${mib(agent.memory.resident)}; ${mib(agent.memory.peak)}`)
    }
    const last = router.routes.size
    api.token = 'second'
    api.dropWatches('end')
    await sleep(2_000)
    writeFileSync(TOKEN, 'second')
    const renewedAt = performance.now()
    for (const slice of slices(services - 1, nodes, false)) api.apply(slice)
    const knownAt = await router.until('renewed', () => router.routes.size < last, PATIENCE)
    tell('credentials voided, renewed after 2 s → known', seconds(knownAt - renewedAt))
    return rows
  } catch (error) {
    console.error(agent.said.slice(-3_000))
    throw error
  } finally {
    await agent.end()
    router.close()
    await api.stop()
  }
}

/** A service in turn loses its endpoint on the node, or gets it back; heartbeats of Nodes come in between. */
async function changes(
  api: ApiServer,
  router: Router,
  { services, nodes }: { services: number; nodes: number },
  all: number,
): Promise<number[]> {
  const took: number[] = []
  for (let change = 0; change < Number(words.changes); change++) {
    const index = ((((change >> 1) * 7) % services) | 1) % services
    const isHere = change % 2 === 1
    for (let beat = 0; beat < 3; beat++) {
      const at = 1 + ((change * 3 + beat) % (nodes - 1))
      api.apply(aNode(at, change + 1))
    }
    await sleep(PAUSE)
    const [slice] = slices(index, nodes, isHere)
    if (slice === undefined) throw new Error('no slice')
    const before = router.routes.size
    const at = performance.now()
    api.apply(slice)
    await router.until('a change', () => router.routes.size !== before, PATIENCE)
    took.push(performance.now() - at)
    if (isHere && router.routes.size !== all) throw new Error(`${router.routes.size} routes, not ${all}`)
  }
  return took
}

/** Services that lose their endpoint on the node while the server is away. */
const AWAY = 100
function away(api: ApiServer, nodes: number): void {
  for (let index = 1; index <= AWAY; index++) {
    const [slice] = slices(index * 5 + 1, nodes, false)
    if (slice !== undefined) api.apply(slice)
  }
  api.store.compact()
}

/** As in a pod; and the router shares a link with the node in both families. */
for (const command of [
  'mount -t tmpfs tmpfs /run',
  'ip link set lo up',
  `ip addr add ${NODE_ADDRESS_6}/64 dev lo nodad`,
]) {
  const [program = '', ...rest] = command.split(' ')
  execFileSync(program, rest)
}
mkdirSync(ACCOUNT, { recursive: true })

const columns = words.nodes.split(',').map(Number)
const results: Row[][] = []
for (const nodes of columns) results.push(await measure(nodes))
console.log(`|  | ${columns.map((nodes) => `${nodes} nodes`).join(' | ')} |`)
console.log(`| --- |${' --- |'.repeat(columns.length)}`)
for (const [index, { what }] of (results[0] ?? []).entries())
  console.log(`| ${what} | ${results.map((rows) => rows[index]?.value).join(' | ')} |`)
process.exit(0)
