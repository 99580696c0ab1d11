import { expect, test } from 'vitest'
import { earlier, Timers } from '../../src/base/timers.ts'

test('the deadline is the earliest of all', () => {
  const timers = new Timers<'hold' | 'keepalive'>()
  expect(timers.deadline()).toBeUndefined()
  timers.set('hold', 90)
  timers.set('keepalive', 30)
  expect(timers.deadline()).toBe(30)
  timers.clear('keepalive')
  expect(timers.deadline()).toBe(90)
})

test('what is due comes out once, the earliest first', () => {
  const timers = new Timers<'a' | 'b' | 'c'>()
  timers.set('a', 20)
  timers.set('b', 10)
  timers.set('c', 21)
  expect(timers.due(9)).toEqual([])
  expect(timers.due(20)).toEqual(['b', 'a'])
  expect(timers.due(20)).toEqual([])
  expect(timers.deadline()).toBe(21)
})

test('setting a timer again moves it', () => {
  const timers = new Timers<'hold'>()
  timers.set('hold', 10)
  timers.set('hold', 50)
  expect(timers.due(49)).toEqual([])
  expect(timers.at('hold')).toBe(50)
  timers.clearAll()
  expect(timers.due(1000)).toEqual([])
  expect(timers.at('hold')).toBeUndefined()
})

test.each([
  [1, 2, 1],
  [2, 1, 1],
  [undefined, 2, 2],
  [1, undefined, 1],
  [undefined, undefined, undefined],
  [0, 5, 0],
])('the earlier of %s and %s is %s', (a, b, expected) => {
  expect(earlier(a, b)).toBe(expected)
})
