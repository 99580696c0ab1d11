// npm run attack [-- --quick] [-- WORD …]: floods, collisions, stalls, shortages and hostile objects against a running agent with good
// neighbors, and the same against BIRD for what BIRD can be asked. Ends with a table; a whole run writes it into ATTACK.md. `--quick`
// attacks our agent alone and in small, in about a minute, and judges only whether a session was lost; a whole run fails too where an
// attack has moved a good neighbor's changes further than `criterion` allows.

import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Lab } from '../lab/lab.ts'
import { within } from '../lab/wait.ts'
import { ATTACKS, type Attack } from './attacks.ts'
import { FLOOR, isMissed } from './criterion.ts'
import { favorThisSession, type Kind, Scene, speakerOf } from './scene.ts'

const FILE = fileURLToPath(new URL('../ATTACK.md', import.meta.url))
const LIMIT = 600_000
const KINDS: readonly Kind[] = ['godwit', 'bird']

interface Times {
  /** How long a good neighbor's changes are looked at: before, and during. */
  readonly idle: number
  readonly during: number
}

const WHOLE: Times = { idle: 3_000, during: 6_000 }
const QUICK: Times = { idle: 600, during: 1_200 }

interface Result {
  readonly idle: number
  readonly during: number
  readonly longest: number
  readonly memory: number
  readonly routes: number
  readonly lost: readonly string[]
}

const now = (): number => Number(process.hrtime.bigint()) / 1e6
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

const p99 = (all: readonly number[]): number => {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.NaN
}

const look = async (scene: Scene, millis: number): Promise<readonly number[]> => {
  const from = now()
  await pause(millis)
  return scene.latencies(from, from + millis)
}

const run = async (scene: Scene, attack: Attack, times: Times, isQuick: boolean): Promise<Result> => {
  const idle = await look(scene, times.idle)
  let memory = 0
  const watch = setInterval(() => {
    memory = Math.max(memory, scene.memory().now)
  }, 100)
  try {
    const end = await attack.start(scene, isQuick)
    const during = await look(scene, times.during)
    const isDead = scene.kind === 'godwit' && (await scene.livez()) !== 'ok'
    const routes = attack.routes === true ? await scene.routes() : 0
    await end()
    const lost = [...(await scene.lost()), ...(isDead ? ['the liveness probe'] : [])]
    return { idle: p99(idle), during: p99(during), longest: Math.max(...during), memory, routes, lost }
  } finally {
    clearInterval(watch)
  }
}

/** What the attack left, neighbors' routes above all, is gone. */
const settle = async (scene: Scene): Promise<void> => {
  for (let tries = 0; tries < 20; tries++) {
    const quiet = p99(await look(scene, 500))
    if (quiet < 20) return
  }
}

const attackAll = async (kind: Kind, attacks: readonly Attack[], isQuick: boolean): Promise<Map<Attack, Result>> => {
  const results = new Map<Attack, Result>()
  const lab = await Lab.open()
  try {
    const scene = await Scene.build(lab, kind)
    await settle(scene)
    for (const attack of attacks) {
      if (!attack.kinds.includes(kind)) continue
      const result = await run(scene, attack, isQuick ? QUICK : WHOLE, isQuick)
      results.set(attack, result)
      console.log(`${kind}: ${attack.name}: ${words(result)}${result.lost.map((one) => `; LOST ${one}`).join('')}`)
      if (result.lost.length > 0) await scene.begin()
      await settle(scene)
    }
    return results
  } finally {
    await lab.close()
  }
}

const words = ({ idle, during, longest, memory, routes }: Result): string =>
  `p99 ${idle.toFixed(1)} → ${during.toFixed(1)} ms, longest ${longest.toFixed(0)} ms, ${memory.toFixed(0)} MiB${routes === 0 ? '' : `, ${routes} routes`}`

const cells = (result: Result | undefined): string => {
  if (result === undefined) return '– | – | –'
  const { idle, during, longest, memory, lost } = result
  if (lost.length > 0) return `lost ${lost.join(', ').replaceAll('|', '/')} | – | ${memory.toFixed(0)}`
  const delay = `${idle.toFixed(1)} → ${during.toFixed(1)}`
  return `${isMissed(result) ? `**${delay}**` : delay} | ${longest.toFixed(0)} | ${memory.toFixed(0)}`
}

const render = (results: ReadonlyMap<Kind, ReadonlyMap<Attack, Result>>, versions: string): string => {
  const rows = ATTACKS.map((attack) => {
    const of = (kind: Kind): string => cells(results.get(kind)?.get(attack))
    return `| ${attack.name} | ${of('godwit')} | ${of('bird')} |`
  })
  return [
    '# Under attack',
    '',
    'Written by `npm run attack`. Two good neighbors, FRR and BIRD (with BFD, 3 × 300 ms), have sessions with a hold time of 9 s. Two more',
    'neighbors measure: one changes a route every 20 ms, the other receives the change. Each attack lasts 6 s. “p99” is the time in ms within which',
    '99 of 100 changes arrived, in the three seconds before the attack and during it; “longest” is that of the slowest change; “MiB” is the highest',
    'resident memory. In rows with figures no session of a good neighbor was lost, and the liveness probe was answered. BIRD has the same',
    'configuration and the same attacks, where they are possible. BIRD has no limit for the memory of routes here; Godwit accepts 64 MiB of them by',
    'default. The attacked speaker and the measuring neighbors have priority over other work of the machine, the attackers have not.',
    '',
    `During an attack p99 may be at most twice its value before it, or ${FLOOR} ms if that is more: in quiet seconds p99 is a few`,
    "milliseconds, and other work of the machine changes it by as much. A figure above this is bold, and makes the run fail if it is Godwit's.",
    '',
    '| | Godwit: p99 | longest | MiB | BIRD: p99 | longest | MiB |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    versions,
    '',
  ].join('\n')
}

const main = async (argv: readonly string[]): Promise<number> => {
  if (process.getuid?.() !== 0) {
    console.error('needs root')
    return 1
  }
  for (const kind of ['frr', 'bird'] as const) {
    const why = await speakerOf(kind).whyNot()
    if (why === undefined) continue
    console.error(`cannot run: ${why}`)
    return 1
  }
  favorThisSession()
  const isQuick = argv.includes('--quick')
  const wanted = argv.filter((word) => !word.startsWith('--')).map((word) => word.toLowerCase())
  const attacks = ATTACKS.filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)))
  const results = new Map<Kind, Map<Attack, Result>>()
  for (const kind of isQuick ? KINDS.slice(0, 1) : KINDS) {
    results.set(kind, await within(LIMIT, kind, attackAll(kind, attacks, isQuick)))
  }
  const versions = await Promise.all((['frr', 'bird'] as const).map((kind) => speakerOf(kind).version()))
  const text = render(
    results,
    `${new Date().toISOString().slice(0, 10)}: FRR ${versions[0]}, BIRD ${versions[1]}, on one machine with two cores, which did other work at the same time.`,
  )
  console.log(text)
  if (!isQuick && wanted.length === 0) await writeFile(FILE, text)
  const ours = [...(results.get('godwit')?.values() ?? [])]
  const lost = ours.flatMap((result) => result.lost)
  const all = attacks.filter(({ kinds }) => kinds.includes('godwit')).length
  console.log(lost.length > 0 ? `lost: ${lost.join('; ')}` : `${ours.length} attacks, no good neighbor lost`)
  const missed = isQuick ? [] : [...(results.get('godwit') ?? [])].filter(([, result]) => isMissed(result))
  for (const [{ name }, { idle, during }] of missed)
    console.log(`missed: ${name}: p99 ${idle.toFixed(1)} → ${during.toFixed(1)} ms`)
  return lost.length === 0 && ours.length === all && missed.length === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
process.exit(await main(process.argv.slice(2)))
