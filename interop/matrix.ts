// MATRIX.md: cases down, speakers across. No dates and no times in it, so that it changes only when a result does.

import { readFile, writeFile } from 'node:fs/promises'
import type { Case } from './cases/case.ts'
import { QUIRKS } from './quirks.ts'
import type { Speaker } from './speakers/speaker.ts'

export interface Outcome {
  readonly test: string
  readonly speaker: string
  readonly label: string
  readonly state: 'passed' | 'failed' | 'skipped'
  readonly reason: string
}

/** Of the speakers that are here, in the order of the matrix. */
export type Versions = ReadonlyMap<Speaker, string>

/** Why a speaker has no part in a case: it lacks what the case is about. */
export const whyNotIn = (test: Case, speaker: Speaker, versions: Versions): string | undefined => {
  const version = versions.get(speaker)
  return version === undefined ? undefined : test.lacking?.(speaker, version)
}

const MARKS = { passed: 'yes', failed: '**no**', skipped: '–' } as const

/** A matrix that was written before: the cells by case and column, and the lines of its lists by heading. */
interface Earlier {
  readonly cells: ReadonlyMap<string, string>
  readonly lines: ReadonlyMap<string, readonly string[]>
}

const cellKey = (test: string, column: string): string => `${test} | ${column}`

const readEarlier = (text: string): Earlier => {
  const cells = new Map<string, string>()
  const lines = new Map<string, string[]>()
  let columns: readonly string[] | undefined
  let heading: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) {
      heading = []
      columns = undefined
      lines.set(line.slice(3), heading)
    } else if (line.startsWith('- ')) heading.push(line.slice(2))
    else if (line.startsWith('| ') && !line.startsWith('| ---')) {
      const [test = '', ...marks] = line.slice(2, -2).split(' | ')
      if (columns === undefined) columns = marks
      else for (const [index, mark] of marks.entries()) cells.set(cellKey(test, columns[index] ?? ''), mark)
    }
  }
  return { cells, lines }
}

interface Results {
  readonly versions: Versions
  readonly outcomes: readonly Outcome[]
  readonly earlier: Earlier
}

const columnOf = (speaker: Speaker, versions: Versions): string => `${speaker.name} ${versions.get(speaker)}`

/** Of this run; else of an earlier one with the same version of the speaker. */
const cell = (test: Case, speaker: Speaker, { versions, outcomes, earlier }: Results): string => {
  const own = outcomes.find((outcome) => outcome.test === test.name && outcome.speaker === speaker.name)
  if (own !== undefined) return MARKS[own.state]
  if (whyNotIn(test, speaker, versions) !== undefined) return 'lacks it'
  return earlier.cells.get(cellKey(test.name, columnOf(speaker, versions))) ?? ''
}

/** Lines of an earlier run about cases that this one did not run, and that still exist. */
const linesBefore = (heading: string, cases: readonly Case[], { outcomes, earlier }: Results): readonly string[] =>
  (earlier.lines.get(heading) ?? []).filter(
    (line) => cases.some(({ name }) => line.startsWith(name)) && !outcomes.some(({ label }) => line.startsWith(label)),
  )

/** One line for each case that speakers have no part in: who, and why. */
const lackLines = (cases: readonly Case[], versions: Versions): readonly string[] =>
  cases.flatMap((test) => {
    const byReason = Map.groupBy(versions.keys(), (speaker) => whyNotIn(test, speaker, versions))
    const words = [...byReason].flatMap(([reason, speakers]) =>
      reason === undefined ? [] : [`${speakers.map(({ name }) => name).join(', ')}: ${reason}`],
    )
    return words.length === 0 ? [] : [`${test.name}. ${words.join('; ')}`]
  })

/** One line for a speaker whose cases were all skipped for one reason, else one for each case. */
const skipLines = (outcomes: readonly Outcome[]): readonly string[] => {
  const lines = outcomes.flatMap(({ state, speaker, label, reason }) => {
    if (state !== 'skipped') return []
    const same = outcomes.every((other) => other.speaker !== speaker || other.reason === reason)
    return [same ? `${speaker}, all cases: ${reason}` : `${label}: ${reason}`]
  })
  return [...new Set(lines)].sort()
}

const ONCE = 'result'

/** The same for a case that runs once, with speakers of its own choice. */
const resultOf = (test: Case, { outcomes, earlier }: Results): string => {
  const own = outcomes.find((outcome) => outcome.test === test.name)
  return own === undefined ? (earlier.cells.get(cellKey(test.name, ONCE)) ?? '') : MARKS[own.state]
}

const renderMatrix = (cases: readonly Case[], results: Results): string => {
  const { versions, outcomes } = results
  const columns = [...versions.keys()]
  const lacks = lackLines(cases, versions)
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const failed = outcomes.filter(({ state }) => state === 'failed').map(({ label }) => label)
  const failures = [...linesBefore('Failed', cases, results), ...failed].sort()
  const skips = [...new Set([...linesBefore('Skipped here', cases, results), ...skipLines(outcomes)])].sort()
  return [
    '# Interop matrix',
    '',
    'Written by `npm run interop`: each run writes the cells of the cases that it ran. A case starts the agent and a router',
    'written by others as hosts of a lab and compares the exact sets of routes on both sides.',
    '',
    'yes: passed. **no**: failed. –: skipped on this machine, for the reason below. lacks it: the speaker does not have what',
    'the case is about. Empty: not run with this version, or the case is written for other speakers.',
    '',
    row(['case', ...columns.map((speaker) => columnOf(speaker, versions))]),
    row(['---', ...columns.map(() => '---')]),
    ...cases
      .filter((test) => test.speakers !== 'once')
      .map((test) => row([test.name, ...columns.map((speaker) => cell(test, speaker, results))])),
    '',
    '## Once, with speakers that the case chooses itself',
    '',
    row(['case', ONCE]),
    row(['---', '---']),
    ...cases.filter((test) => test.speakers === 'once').map((test) => row([test.name, resultOf(test, results)])),
    '',
    ...(failures.length === 0 ? [] : ['## Failed', '', ...failures.map((line) => `- ${line}`), '']),
    ...(skips.length === 0 ? [] : ['## Skipped here', '', ...skips.map((line) => `- ${line}`), '']),
    ...(lacks.length === 0 ? [] : ['## What a speaker lacks', '', ...lacks.map((line) => `- ${line}`), '']),
    '## Quirks of the others',
    '',
    ...QUIRKS.map((quirk) => `- ${quirk}`),
    '',
  ].join('\n')
}

const FILE = new URL('MATRIX.md', import.meta.url)

export const writeMatrix = async (
  versions: Versions,
  cases: readonly Case[],
  outcomes: readonly Outcome[],
): Promise<void> => {
  const earlier = readEarlier(await readFile(FILE, 'utf8').catch(() => ''))
  await writeFile(FILE, renderMatrix(cases, { versions, outcomes, earlier }))
}
