// npm run interop:traffic [-- WORD …]: what faults and changes cost under traffic, with our agent on the nodes and with BIRD as
// Calico configures it. Runs the scenarios whose name or speaker contains every word, and writes what came of them
// into TRAFFIC.md.

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Lab } from '../lab/lab.ts'
import { within } from '../lab/wait.ts'
import { SPEAKERS } from '../speakers/all.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import { type NodeKind, Street } from './scene.ts'
import { type Loss, Streams } from './streams.ts'

const FILE = fileURLToPath(new URL('../TRAFFIC.md', import.meta.url))
const LIMIT = 600_000
const NAMES = { godwit: 'Godwit', bird: 'BIRD', frr: 'FRR' } as const
const COLUMNS = ['godwit', 'bird'] as const

/** Of the flows that a scenario counts. */
interface Result {
  readonly flows: number
  readonly sent: number
  readonly lost: number
  /** Milliseconds without some of the packets, of the flow that was worst off. */
  readonly dark: number
}

const resultOf = (losses: readonly Loss[]): Result => ({
  flows: losses.length,
  sent: losses.reduce((sum, { sent }) => sum + sent, 0),
  lost: losses.reduce((sum, { lost }) => sum + lost, 0),
  dark: Math.max(0, ...losses.map(({ dark }) => dark)),
})

const runScenario = async ({ act, shape, routers, counts = () => true }: Scenario, kind: NodeKind): Promise<Result> => {
  const [frr, bird] = (['frr', 'bird'] as const).map((name) => SPEAKERS.find((speaker) => speaker.kind === name))
  if (frr === undefined || bird === undefined) throw new Error('FRR or BIRD is not here')
  const lab = await Lab.open()
  try {
    const street = await Street.build(lab, { frr, ...(routers === 'bird' && { routers: [bird, bird] }) }, kind, shape)
    const streams = await Streams.start(street.flows())
    await act(street, kind)
    const losses = await streams.stop()
    for (const [{ name }, { lost, dark }] of losses)
      if (lost > 0) console.log(`      ${name}: ${lost} lost in ${dark} ms`)
    return resultOf([...losses].flatMap(([flow, loss]) => (counts(flow.name) ? loss : [])))
  } finally {
    await lab.close()
  }
}

const cell = ({ lost, dark }: Result): string => (lost === 0 ? '0' : `${lost} in ${(dark / 1_000).toFixed(1)} s`)

/** By scenario and speaker. */
type Cells = Map<string, string>

const keyOf = ({ name }: Scenario, kind: NodeKind): string => `${name} · ${NAMES[kind]}`

/** Of the runs before: a run of some scenarios renews their cells and leaves the others. */
const readCells = async (): Promise<Cells> => {
  const text = await readFile(FILE, 'utf8').catch(() => '')
  const cells: Cells = new Map()
  for (const scenario of SCENARIOS) {
    const row = text.split('\n').find((line) => line.startsWith(`| ${scenario.name} |`))
    const [, , godwit, bird] = row?.split('|').map((part) => part.trim()) ?? []
    if (godwit !== undefined) cells.set(keyOf(scenario, 'godwit'), godwit)
    if (bird !== undefined) cells.set(keyOf(scenario, 'bird'), bird)
  }
  return cells
}

const render = (cells: Cells, versions: string): string =>
  [
    '# Packets lost under traffic',
    '',
    'Written by `npm run interop:traffic`. The network: a client behind a core router, two routers, and nodes with a cable to each of them;',
    'eBGP everywhere, with a hold time of 9 s, and graceful restart with the defaults of each speaker. A thousand datagrams a second are sent each way between',
    'client and pods and between pods, in both families, and from the client to an address that both pods serve. A cell has the number of datagrams',
    'lost in all flows whose two ends still exist, and the time from the first to the last loss in the flow with the longest. Routers are FRR unless',
    "the row says BIRD. BIRD on the nodes has Calico's configuration. Losses of two minutes are routes kept for a neighbor whose connection",
    'broke as in a restart (RFC 4724): without BFD, a restarting neighbor and a dead one look the same.',
    '',
    'With BFD, all sessions are watched at 3 × 100 ms: for Godwit by a process of its own (`godwit bfd`), for BIRD by lines that Calico does not',
    'write. With reflectors, nodes learn routes of other nodes only from them. A password is changed on the nodes first and on the router a second',
    'later: FRR and BIRD then reset the session with a NOTIFICATION, and datagrams from the client are lost until the core uses the',
    'other router. A router that was drained before (`godwit drain`) carries no traffic to lose.',
    '',
    `| | ${COLUMNS.map((kind) => NAMES[kind]).join(' | ')} |`,
    '| --- | --- | --- |',
    ...SCENARIOS.map((scenario) => {
      const row = COLUMNS.map((kind) => cells.get(keyOf(scenario, kind)) ?? '–')
      return `| ${scenario.name} | ${row.join(' | ')} |`
    }),
    '',
    versions,
    '',
  ].join('\n')

const versionsOf = async (): Promise<string> => {
  const found = SPEAKERS.filter(({ place, kind }) => place.name === 'netns' && (kind === 'frr' || kind === 'bird'))
  const texts = await Promise.all(found.map(async (speaker) => `${speaker.name} ${await speaker.version()}`))
  return `${new Date().toISOString().slice(0, 10)}: ${texts.join(', ')}, on one machine, which did other work at the same time.`
}

const main = async (words: readonly string[]): Promise<number> => {
  if (process.getuid?.() !== 0) {
    console.error('needs root')
    return 1
  }
  let failed = 0
  for (const scenario of SCENARIOS) {
    for (const kind of scenario.kinds) {
      const label = keyOf(scenario, kind)
      if (!words.every((word) => label.toLowerCase().includes(word.toLowerCase()))) continue
      try {
        const result = await within(LIMIT, label, runScenario(scenario, kind))
        console.log(`${label}: ${cell(result)} (${result.sent} sent in ${result.flows} flows)`)
        const cells = (await readCells()).set(label, cell(result))
        await writeFile(FILE, render(cells, await versionsOf()))
      } catch (error) {
        failed += 1
        console.log(`${label}: FAILED: ${error instanceof Error ? error.message : error}`)
      }
    }
  }
  return failed === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
process.exit(await main(process.argv.slice(2)))
