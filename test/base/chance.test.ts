import { expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'

const draws = (seed: number, count: number) => {
  const chance = new Chance(seed)
  return Array.from({ length: count }, () => chance.next())
}

test('the same seed gives the same run, another one another', () => {
  expect(draws(7, 100)).toEqual(draws(7, 100))
  expect(draws(7, 100)).not.toEqual(draws(8, 100))
})

test('draws lie in [0, 1) and are spread evenly', () => {
  const numbers = draws(1, 10_000)
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...numbers)).toBeLessThan(1)
  const tenths = new Array<number>(10).fill(0)
  for (const number of numbers) tenths[Math.floor(number * 10)] = (tenths[Math.floor(number * 10)] ?? 0) + 1
  for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150)
})

test('[16] jitter keeps three quarters and takes up to the whole, anew each time (RFC 4271 §10)', () => {
  const chance = new Chance(3)
  const lengths = Array.from({ length: 1000 }, () => chance.jitter(1000))
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(750)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(1000)
  expect(new Set(lengths).size).toBeGreaterThan(990)
  expect(Math.max(...lengths) - Math.min(...lengths)).toBeGreaterThan(240)
})
