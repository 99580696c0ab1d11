/** Each number of `support/pitfalls.ts` is carried by the tests it names; no test carries one that is not there. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PITFALLS } from './support/pitfalls.ts'

const HERE = new URL('.', import.meta.url).pathname
/** A name of a test or of a row of one: text that begins with its numbers. */
const NAMES = /(?<=['"`])\[(\d{1,2}(?:, \d{1,2})*)\] ([^\n]+)/g

const namesByNumber = new Map<number, string[]>()
for (const path of readdirSync(HERE, { recursive: true, encoding: 'utf8' })) {
  if (!path.endsWith('.ts') || path.endsWith('pitfalls.ts')) continue
  for (const [, numbers = '', name = ''] of readFileSync(HERE + path, 'utf8').matchAll(NAMES)) {
    for (const number of numbers.split(', ').map(Number)) {
      namesByNumber.set(number, [...(namesByNumber.get(number) ?? []), name])
    }
  }
}

const has = (number: number, beginning: string): boolean =>
  namesByNumber.get(number)?.some((name) => name.startsWith(beginning)) === true

const rows = Object.entries(PITFALLS).map(([number, row]) => ({ number: Number(number), ...row }))

test('the table has 85 rows, and tests carry no other number', () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 85 }, (_, index) => index + 1))
  expect([...namesByNumber.keys()].filter((number) => !(number in PITFALLS))).toEqual([])
})

const claims = rows.flatMap(({ number, about, done, breach, notHere }) => [
  ...(notHere === undefined ? [{ number, about, what: 'done', name: done ?? 'no name' }] : []),
  ...(breach === undefined ? [] : [{ number, about, what: 'its breach answered', name: breach }]),
])

test.each(claims)('$number, $about: a test shows it $what', ({ number, name }) => {
  expect(has(number, name), `no test is named “[${number}] ${name}…”`).toBe(true)
})

test('what is not here has no test that says it is', () => {
  const claimed = rows.filter(({ number, notHere }) => notHere !== undefined && namesByNumber.has(number))
  expect(claimed.map(({ number }) => number)).toEqual([])
})
