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

/** Of the speakers that are here, in the order of the matrix. */
export type Versions = ReadonlyMap<Speaker, string>

/** Why a speaker has no part in a case: it lacks what the case is about. */
export const whyNotIn = (test: Case, speaker: Speaker, versions: Versions): string | undefined => {
  const version = versions.get(speaker)
  return version === undefined ? undefined : test.lacking?.(speaker, version)
}

const MARKS = { passed: 'yes', failed: '**no**', skipped: '–' } as const

const cell = (test: Case, speaker: Speaker, versions: Versions, outcomes: readonly Outcome[]): string => {
  const own = outcomes.find((outcome) => outcome.test === test.name && outcome.speaker === speaker.name)
  if (own !== undefined) return MARKS[own.state]
  return whyNotIn(test, speaker, versions) === undefined ? '' : 'lacks it'
}

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

const renderMatrix = (versions: Versions, cases: readonly Case[], outcomes: readonly Outcome[]): string => {
  const columns = [...versions]
  const lacks = lackLines(cases, versions)
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
    ...cases.map((test) => row([test.name, ...columns.map(([speaker]) => cell(test, speaker, versions, outcomes))])),
    '',
    ...(failures.length === 0 ? [] : ['## Failed', '', ...failures.map(({ label }) => `- ${label}`).sort(), '']),
    ...(skips.length === 0 ? [] : ['## Skipped here', '', ...skips.map((line) => `- ${line}`), '']),
    ...(lacks.length === 0 ? [] : ['## What a speaker lacks', '', ...lacks.map((line) => `- ${line}`), '']),
    '## Quirks of the others',
    '',
    ...QUIRKS.map((quirk) => `- ${quirk}`),
    '',
  ].join('\n')
}

export const writeMatrix = (versions: Versions, cases: readonly Case[], outcomes: readonly Outcome[]): Promise<void> =>
  writeFile(new URL('MATRIX.md', import.meta.url), renderMatrix(versions, cases, outcomes))
