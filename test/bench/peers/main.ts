/**
 * Peer benchmark: Godwit, BIRD, FRR, OpenBGPD and GoBGP at the same work in one run, each in a network namespace of its own.
 * Needs Linux and root. Who is not installed is left out by name.
 *
 *   npm run bench:peers -- [--quick] [--runs 3] [--contestants ours,bird] [--scenarios ingest,churn] [--out FOLDER] [--keep]
 *
 * CPU seconds (user and system, all threads and processes) come first: wall time suffers from whatever else runs. A full run
 * writes the table of test/bench/PEERS.md; every run writes results.json and results.md into `--out`.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { flagsAsShipped } from '../as-shipped.ts'
import { contestants } from './contestants.ts'
import { cpuOf, machineBusy, now } from './host.ts'
import type { Contestant, Measurement, Metrics, Results } from './job.ts'
import { fullReport, summary } from './report.ts'
import { type Scenario, scenarios, Trial } from './scenarios.ts'

const { values: words } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    timeout: { type: 'string', default: '180' },
    contestants: { type: 'string', default: '' },
    scenarios: { type: 'string', default: '' },
    out: { type: 'string', default: join(tmpdir(), 'godwit-bench-peers') },
  },
})

const PAGE = new URL('../PEERS.md', import.meta.url)
const [BEGIN, END] = ['<!-- bench:peers -->', '<!-- /bench:peers -->']

/** As it ships: one file, without source maps. */
async function bundle(folder: string): Promise<string> {
  const outfile = join(folder, 'ours.mjs')
  await build({
    entryPoints: [new URL('ours.ts', import.meta.url).pathname],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    define: { GODWIT_VERSION: JSON.stringify('bench') },
    banner: {
      js: "import { createRequire as godwitRequire } from 'node:module'; const require = godwitRequire(import.meta.url)",
    },
    logLevel: 'warning',
  })
  // The native part of koffi is looked for beside the bundle.
  const modules = join(folder, 'node_modules')
  if (!existsSync(modules)) symlinkSync(new URL('../../../node_modules', import.meta.url).pathname, modules)
  return outfile
}

function installed(all: readonly Contestant[]): (Contestant & { readonly found: string })[] {
  const wanted = words.contestants === '' ? all.map(({ id }) => id) : words.contestants.split(',')
  return all.flatMap((contestant) => {
    if (!wanted.includes(contestant.id)) return []
    const found = contestant.version()
    if (found === undefined) console.error(`left out: ${contestant.label} is not installed`)
    return found === undefined ? [] : [{ ...contestant, found }]
  })
}

/** Kernel routes are for those who write some; one that is no daemon does nothing else. */
const takesPart = ({ kernelProtocol, writes }: Contestant, { kernel }: Scenario): boolean =>
  kernel === 'written' ? kernelProtocol !== undefined || writes !== undefined : writes === undefined

let trial: Trial | undefined
let isStopped = false

async function end(): Promise<void> {
  const ending = trial
  trial = undefined
  await ending?.end()
}

async function measure(contestant: Contestant, scenario: Scenario, run: number, work: string): Promise<Measurement> {
  const name = { scenario: scenario.id, contestant: contestant.id, run }
  const dir = join(work, `${scenario.id}-${contestant.id}-${run}`)
  const [startedAt, busy, own] = [now(), machineBusy(), cpuOf([String(process.pid)])]
  try {
    trial = new Trial(contestant, scenario.neighbors, dir, Number(words.timeout) * 1000)
    const metrics = await scenario.go(trial)
    const mine = trial.daemon.sample().cpu + trial.feeder.cpu + cpuOf([String(process.pid)]) - own
    return { ...name, metrics, otherCores: Math.max(0, (machineBusy() - busy - mine) / (now() - startedAt)) }
  } catch (error) {
    return { ...name, error: `${(error as Error).message}\n${trial?.logTail ?? ''}` }
  } finally {
    await end()
    if (!words.keep) rmSync(dir, { recursive: true, force: true })
  }
}

function tell({ scenario, contestant, run, metrics, otherCores = 0, error }: Measurement): void {
  const said = (found: Metrics) =>
    Object.entries(found)
      .flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${Number(value.toFixed(3))}`]))
      .join(', ')
  const text = metrics === undefined ? `failed: ${error}` : `${said(metrics)}; others ${otherCores.toFixed(2)} cores`
  console.error(`${scenario}, run ${run}, ${contestant}: ${text}`)
}

function writeReadme(results: Results): void {
  const text = readFileSync(PAGE, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`test/bench/PEERS.md has no place for the table: ${BEGIN} … ${END}`)
  const table = `${text.slice(0, begin + BEGIN.length)}\n\n${summary(results)}\n\n${text.slice(end)}`
  writeFileSync(PAGE, table)
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('network namespaces need root')
  const work = mkdtempSync(join(tmpdir(), 'peerbench-'))
  const command = [process.execPath, ...flagsAsShipped(), await bundle(work)]
  const taking = installed(contestants(command, 'this tree'))
  const wanted = words.scenarios.split(',')
  const doing = scenarios(words.quick).filter(({ id }) => wanted.some((word) => id.startsWith(word)))
  const results: Results = {
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryMb: Math.round(totalmem() / 2 ** 20),
      kernel: release(),
      node: process.version,
      date: new Date().toISOString(),
    },
    contestants: Object.fromEntries(taking.map(({ id, label, found }) => [id, { label, version: found }])),
    scenarios: Object.fromEntries(doing.map(({ id, title }) => [id, title])),
    runs: Number(words.runs),
    measurements: [],
  }
  mkdirSync(words.out, { recursive: true })
  for (const scenario of doing) {
    for (let run = 1; run <= results.runs; run++) {
      // In turn, so that a noisy minute is everybody's.
      for (const contestant of taking.filter((one) => takesPart(one, scenario))) {
        const measurement = await measure(contestant, scenario, run, work)
        if (isStopped) return
        results.measurements.push(measurement)
        tell(measurement)
        writeFileSync(join(words.out, 'results.json'), `${JSON.stringify(results, undefined, 1)}\n`)
        writeFileSync(join(words.out, 'results.md'), fullReport(results))
      }
    }
  }
  if (!words.keep) rmSync(work, { recursive: true, force: true })
  const isFull = !words.quick && words.contestants === '' && words.scenarios === ''
  if (isFull) writeReadme(results)
  console.log(fullReport(results))
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isStopped = true
    console.error(`stopped by ${signal}`)
    void end().finally(() => process.exit(130))
  })
}
await main()
