import { expect, test } from 'vitest'
import { Restraint } from '../../../src/edge/operate/restraint.ts'
import type { LogLine } from '../../../src/engine/log-line.ts'

const lost = (peer: string, level: LogLine['level'] = 'warn'): LogLine => ({
  level,
  code: 'session-down',
  text: `${peer}: hold timer expired`,
  fields: { peer },
})

/** How many of so many lines in one minute are written. */
const written = (restraint: Restraint, line: LogLine, times: number, at = 0): number =>
  Array.from({ length: times }, (_, index) => restraint.admit(line, at + index)).filter(
    (admitted) => admitted !== undefined,
  ).length

test('one neighbor that flaps writes twenty lines a minute of one kind, others write theirs (9.C13)', () => {
  const restraint = new Restraint()
  expect(written(restraint, lost('a'), 1_000)).toBe(20)
  expect(written(restraint, lost('b'), 10)).toBe(10)
  expect(written(restraint, { ...lost('a'), code: 'session-up' }, 10)).toBe(10)
})

test('the next line says how many were left out', () => {
  const restraint = new Restraint()
  written(restraint, lost('a'), 50)
  expect(restraint.admit(lost('a'), 61_000)?.fields).toEqual({ peer: 'a', leftOut: 30 })
  expect(restraint.admit(lost('a'), 61_001)?.fields).toEqual({ peer: 'a' })
})

test('where no next line comes, the count gets one of its own when the minute is over', () => {
  const restraint = new Restraint()
  written(restraint, lost('a'), 25)
  written(restraint, lost('b'), 5)
  expect(restraint.takeLeftOut(59_000)).toEqual([])
  expect(restraint.takeLeftOut(61_000).map(({ text }) => text)).toEqual(['5 more lines like: a: hold timer expired'])
  expect(restraint.takeLeftOut(62_000)).toEqual([])
})

test('an error is always written', () => {
  expect(written(new Restraint(), lost('a', 'error'), 100)).toBe(100)
})

test('however many things are told of, what is kept is bounded', () => {
  const restraint = new Restraint()
  for (let index = 0; index < 100_000; index++) restraint.admit(lost(`peer-${index}`), 0)
  // The first were forgotten, the last are still counted.
  expect(written(restraint, lost('peer-0'), 30)).toBe(20)
  expect(written(restraint, lost('peer-99999'), 30)).toBe(19)
})
