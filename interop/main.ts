// npm run interop [-- [--minutes N] WORD …]: runs the cases whose name or speaker contains every word, and writes their cells of
// MATRIX.md. What has not begun after so many minutes is skipped by name; each kind of speaker comes before its other versions.

import { parseArgs } from 'node:util'
import { CASES } from './cases/all.ts'
import type { Case } from './cases/case.ts'
import { Skip } from './cases/case.ts'
import { Lab } from './lab/lab.ts'
import { has, run } from './lab/run.ts'
import { within } from './lab/wait.ts'
import { type Outcome, type Versions, whyNotIn, writeMatrix } from './matrix.ts'
import { SPEAKERS } from './speakers/all.ts'
import type { Speaker } from './speakers/speaker.ts'

const CASE_LIMIT = 120_000
/** Cases run side by side; each has namespaces of its own. */
const LANES = 2

interface Job {
  readonly test: Case
  readonly speaker: Speaker
  readonly label: string
}

const speakersOf = ({ speakers: wanted }: Case, all: readonly Speaker[]): readonly Speaker[] => {
  if (wanted === 'each') return all
  if (wanted === 'once') return all.slice(0, 1)
  return all.filter(({ kind }) => [wanted].flat().includes(kind))
}

const jobsOf = (speakers: readonly Speaker[], versions: Versions): readonly Job[] =>
  CASES.flatMap((test) => {
    const chosen = speakersOf(test, speakers).filter((speaker) => whyNotIn(test, speaker, versions) === undefined)
    return chosen.map((speaker) => ({
      test,
      speaker,
      label: test.speakers === 'once' ? test.name : `${test.name} · ${speaker.name}`,
    }))
  })

const runJob = async (job: Job, absent: ReadonlyMap<Speaker, string>): Promise<Outcome> => {
  const { test, speaker, label } = job
  const outcome = (state: Outcome['state'], reason = ''): Outcome => ({
    test: test.name,
    speaker: speaker.name,
    label,
    state,
    reason,
  })
  const missing = absent.get(speaker)
  if (missing !== undefined) return outcome('skipped', missing)
  const lab = await Lab.open()
  const present = SPEAKERS.filter((each) => !absent.has(each))
  let failed = false
  try {
    await within(test.limit ?? CASE_LIMIT, label, test.run({ lab, speaker, present }))
    return outcome('passed')
  } catch (error) {
    if (error instanceof Skip) return outcome('skipped', error.message)
    failed = true
    return outcome('failed', `${error instanceof Error ? error.message : String(error)} [logs: ${lab.directory}]`)
  } finally {
    await lab.close(failed)
  }
}

const WORDS = { passed: 'pass', failed: 'FAIL', skipped: 'skip' } as const

const print = (outcome: Outcome, millis: number): void => {
  const time = outcome.state === 'skipped' ? '' : ` (${(millis / 1000).toFixed(1)} s)`
  console.log(`${WORDS[outcome.state]}  ${outcome.label}${time}${outcome.reason === '' ? '' : `: ${outcome.reason}`}`)
}

const whyNotAtAll = async (): Promise<string | undefined> => {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!(await has('ip'))) return 'iproute2 is not installed'
  const probe = `gw${process.pid.toString(36)}-probe`
  const made = await run(['ip', 'netns', 'add', probe])
  if (made.code !== 0) return 'network namespaces cannot be made here'
  const veth = await run(['ip', '-n', probe, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1'])
  const bridge = await run(['ip', '-n', probe, 'link', 'add', 'br0', 'type', 'bridge'])
  await run(['ip', 'netns', 'del', probe])
  if (veth.code !== 0 || bridge.code !== 0) return 'the kernel has no veth or bridge'
  return undefined
}

const absentSpeakers = async (): Promise<ReadonlyMap<Speaker, string>> => {
  const absent = new Map<Speaker, string>()
  for (const speaker of SPEAKERS) {
    const reason = await speaker.whyNot()
    if (reason !== undefined) absent.set(speaker, reason)
  }
  return absent
}

const versionsOf = async (speakers: readonly Speaker[]): Promise<Versions> =>
  new Map(await Promise.all(speakers.map(async (speaker) => [speaker, await speaker.version()] as const)))

const main = async (args: readonly string[]): Promise<number> => {
  const { values, positionals: words } = parseArgs({
    args: [...args],
    options: { minutes: { type: 'string' } },
    allowPositionals: true,
  })
  const end =
    values.minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(values.minutes) * 60_000
  const fault = await whyNotAtAll()
  const absent = fault === undefined ? await absentSpeakers() : new Map(SPEAKERS.map((speaker) => [speaker, fault]))
  const usable = SPEAKERS.filter((speaker) => !absent.has(speaker))
  const ordered = [...usable, ...SPEAKERS.filter((speaker) => absent.has(speaker))]
  const versions = await versionsOf(usable)
  const isOther = ({ speaker }: Job): boolean => ordered.find(({ kind }) => kind === speaker.kind) !== speaker
  const jobs = jobsOf(ordered, versions)
    .filter(({ label }) => words.every((word) => label.toLowerCase().includes(word.toLowerCase())))
    .sort((a, b) => Number(isOther(a)) - Number(isOther(b)))
  const tooLate = `not begun after ${values.minutes} minutes`
  const outcomes: Outcome[] = []
  const again: Job[] = []
  const runTimed = async (job: Job, until = Number.POSITIVE_INFINITY): Promise<Outcome> => {
    const start = performance.now()
    const { test, speaker, label } = job
    const outcome: Outcome =
      start < until
        ? await runJob(job, absent)
        : {
            test: test.name,
            speaker: speaker.name,
            label,
            state: 'skipped',
            reason: tooLate,
          }
    print(outcome, performance.now() - start)
    return outcome
  }
  const queue = [...jobs]
  const lane = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const outcome = await runTimed(job, end)
      if (outcome.state === 'failed') again.push(job)
      else outcomes.push(outcome)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  // Side by side on a small machine one case may starve another: what failed is tried once more, alone, and said so.
  if (again.length > 0) console.log(`once more, alone: ${again.length}`)
  for (const job of again) outcomes.push(await runTimed(job))
  const ran = outcomes.filter(({ reason }) => reason !== tooLate)
  if (usable.length > 0) await writeMatrix(versions, CASES, ran)
  const count = (state: Outcome['state']): number => outcomes.filter((outcome) => outcome.state === state).length
  console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
  return count('failed') === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
process.exit(await main(process.argv.slice(2)))
