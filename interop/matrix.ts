// MATRIX.md: cases down, speakers across. No dates and no times in it, so that it changes only when a result does.

import { writeFile } from 'node:fs/promises'
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

const MARKS = { passed: 'yes', failed: '**no**', skipped: '–' } as const

const cell = (test: Case, speaker: Speaker, outcomes: readonly Outcome[]): string => {
  const own = outcomes.find((outcome) => outcome.test === test.name && outcome.speaker === speaker.name)
  return own === undefined ? '' : MARKS[own.state]
}

/** One line for a speaker whose cases were all skipped for one reason, else one for each case. */
const skipLines = (outcomes: readonly Outcome[]): readonly string[] => {
  const lines = outcomes.flatMap(({ state, speaker, label, reason }) => {
    if (state !== 'skipped') return []
    const same = outcomes.every((other) => other.speaker !== speaker || other.reason === reason)
    return [same ? `${speaker}, all cases: ${reason}` : `${label}: ${reason}`]
  })
  return [...new Set(lines)].sort()
}

const renderMatrix = (
  columns: readonly (readonly [Speaker, string])[],
  cases: readonly Case[],
  outcomes: readonly Outcome[],
): string => {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const failures = outcomes.filter((outcome) => outcome.state === 'failed')
  const skips = skipLines(outcomes)
  return [
    '# Interop matrix',
    '',
    'Written by `npm run interop`. Each case starts the agent and a router written by others as hosts of a lab and compares',
    'the exact sets of routes on both sides.',
    '',
    row(['case', ...columns.map(([speaker, version]) => `${speaker.name} ${version}`)]),
    row(['---', ...columns.map(() => '---')]),
    ...cases.map((test) => row([test.name, ...columns.map(([speaker]) => cell(test, speaker, outcomes))])),
    '',
    ...(failures.length === 0 ? [] : ['## Failed', '', ...failures.map(({ label }) => `- ${label}`).sort(), '']),
    ...(skips.length === 0 ? [] : ['## Skipped here', '', ...skips.map((line) => `- ${line}`), '']),
    '## Quirks of the others',
    '',
    ...QUIRKS.map((quirk) => `- ${quirk}`),
    '',
  ].join('\n')
}

export const writeMatrix = async (
  speakers: readonly Speaker[],
  absent: ReadonlyMap<Speaker, string>,
  cases: readonly Case[],
  outcomes: readonly Outcome[],
): Promise<void> => {
  const present = speakers.filter((speaker) => !absent.has(speaker))
  const columns = await Promise.all(present.map(async (speaker) => [speaker, await speaker.version()] as const))
  await writeFile(new URL('MATRIX.md', import.meta.url), renderMatrix(columns, cases, outcomes))
}
