import { describe, expect, test } from 'vitest'
import { Seats } from '../../../src/edge/operate/seats.ts'

const LIMITS = { most: 4, mostPerCaller: 2, reserved: 1 }
const stranger = (name: string) => ({ name, privileged: false })
const PROBE = { name: 'here', privileged: true }

describe('a door with four seats, one of them reserved, two for each caller', () => {
  test('seats are free again when guests leave', () => {
    const seats = new Seats<string>(LIMITS)
    expect([seats.take('a', stranger('1')), seats.take('b', stranger('2'))]).toEqual([undefined, undefined])
    seats.leave('a')
    seats.leave('a')
    expect([seats.taken, seats.turnedAway]).toEqual([1, 0])
  })

  test('a newcomer takes the seat of the one that has been idle longest', () => {
    const seats = new Seats<string>(LIMITS)
    for (const name of ['a', 'b', 'c']) seats.take(name, stranger(name))
    seats.setBusy('a')
    seats.setIdle('a')
    expect(seats.take('d', stranger('d'))).toBe('b')
    expect([seats.taken, seats.turnedAway]).toEqual([3, 1])
  })

  test('one that is being answered keeps its seat, and a newcomer is turned away where all are', () => {
    const seats = new Seats<string>(LIMITS)
    for (const name of ['a', 'b', 'c']) {
      seats.take(name, stranger(name))
      seats.setBusy(name)
    }
    expect(seats.take('d', stranger('d'))).toBe('d')
    expect(seats.take('probe', PROBE)).toBeUndefined()
  })

  test('who has had its share gives up its own seat, not that of others', () => {
    const seats = new Seats<string>(LIMITS)
    seats.take('other', stranger('2'))
    seats.take('a1', stranger('1'))
    seats.take('a2', stranger('1'))
    expect(seats.take('a3', stranger('1'))).toBe('a1')
  })

  test('strangers never take the reserved seat, and give up theirs for a probe', () => {
    const seats = new Seats<string>(LIMITS)
    seats.take('probe1', PROBE)
    for (const name of ['a', 'b', 'c', 'd', 'e']) seats.take(name, stranger(name))
    expect(seats.taken).toBe(4)
    expect(seats.take('probe2', PROBE)).toBe('c')
    expect(seats.take('probe3', PROBE)).toBe('probe1')
  })

  test('what a guest does after it left changes nothing', () => {
    const seats = new Seats<string>(LIMITS)
    seats.take('a', stranger('1'))
    seats.leave('a')
    seats.setIdle('a')
    expect(seats.take('b', stranger('2'))).toBeUndefined()
    expect(seats.taken).toBe(1)
  })
})
