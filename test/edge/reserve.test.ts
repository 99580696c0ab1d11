/** What a reserve of descriptors takes for a shortage, and what not. */
import { expect, test } from 'vitest'
import { Reserve } from '../../src/edge/reserve.ts'

const failWith = (code: string) => (): number => {
  throw Object.assign(new Error(code), { code })
}

test.each(['EMFILE', 'ENFILE'])('%s is a shortage: it is told, and the reserve is spent', (code) => {
  const told: (string | undefined)[] = []
  const reserve = new Reserve((error) => told.push(error), 2, failWith(code))
  expect([reserve.isSpent, told.length]).toEqual([true, 1])
  reserve.close()
})

test.each(['ENOENT', 'EACCES', 'EPERM'])('%s is none: nothing is told, and callers are not turned away', (code) => {
  const told: (string | undefined)[] = []
  const reserve = new Reserve((error) => told.push(error), 2, failWith(code))
  expect([reserve.isSpent, told]).toEqual([false, []])
  expect(reserve.lend(() => 'opened')).toBe('opened')
  reserve.close()
})

test('it is made of what every root folder has', () => {
  const told: (string | undefined)[] = []
  const reserve = new Reserve((error) => told.push(error))
  expect([reserve.isSpent, told]).toEqual([false, []])
  reserve.close()
})
