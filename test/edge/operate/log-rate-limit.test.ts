import { expect, test } from 'vitest'
import { LogRateLimit } from '../../../src/edge/operate/log-rate-limit.ts'
import type { LogLine } from '../../../src/engine/log-line.ts'

const lost = (peer: string, level: LogLine['level'] = 'warn'): LogLine => ({
  level,
  code: 'session-down',
  text: `${peer}: hold timer expired`,
  fields: { peer },
})

/** How many of so many lines in one minute are written. */
const written = (limit: LogRateLimit, line: LogLine, times: number, at = 0): number =>
  Array.from({ length: times }, (_, index) => limit.admit(line, at + index)).filter(
    (admitted) => admitted !== undefined,
  ).length

test('one neighbor that flaps writes twenty lines a minute of one kind, others write theirs', () => {
  const limit = new LogRateLimit()
  expect(written(limit, lost('a'), 1_000)).toBe(20)
  expect(written(limit, lost('b'), 10)).toBe(10)
  expect(written(limit, { ...lost('a'), code: 'session-up' }, 10)).toBe(10)
})

test('the next line says how many were left out', () => {
  const limit = new LogRateLimit()
  written(limit, lost('a'), 50)
  expect(limit.admit(lost('a'), 61_000)?.fields).toEqual({ peer: 'a', leftOut: 30 })
  expect(limit.admit(lost('a'), 61_001)?.fields).toEqual({ peer: 'a' })
})

test('where no next line comes, the count gets one of its own when the minute is over', () => {
  const limit = new LogRateLimit()
  written(limit, lost('a'), 25)
  written(limit, lost('b'), 5)
  expect(limit.takeLeftOut(59_000)).toEqual([])
  expect(limit.takeLeftOut(61_000).map(({ text }) => text)).toEqual(['5 more lines like: a: hold timer expired'])
  expect(limit.takeLeftOut(62_000)).toEqual([])
})

test('an error is always written', () => {
  expect(written(new LogRateLimit(), lost('a', 'error'), 100)).toBe(100)
})

test('lines of one kind about ever other things are bounded in number, and counted', () => {
  const limit = new LogRateLimit()
  const admitted = Array.from({ length: 50_000 }, (_, index) => limit.admit(lost(`caller-${index}`, 'info'), index))
  expect(admitted.filter((line) => line !== undefined)).toHaveLength(6_000)
  expect(limit.takeLeftOut(50_000).map(({ text }) => text)).toEqual([
    '44000 more lines about different neighbors, objects and callers',
  ])
  expect(limit.admit(lost('caller-0', 'info'), 60_000)).toBeDefined()
})

test('however many things are told of, what is kept is bounded', () => {
  const limit = new LogRateLimit()
  const lineOf = (index: number) => ({ ...lost(`peer-${index}`), code: `code-${index % 20}` })
  written(limit, lineOf(0), 50)
  for (let index = 1; index < 100_000; index++) limit.admit(lineOf(index), 0)
  expect(limit.takeLeftOut(0).map(({ text }) => text)).toEqual([
    '30 more lines about different neighbors, objects and callers',
  ])
  // The first were forgotten, the last are still counted.
  expect(written(limit, lineOf(0), 30)).toBe(20)
  expect(written(limit, lineOf(99_999), 30)).toBe(19)
})
