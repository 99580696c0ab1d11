/** How many Events there are, and what they say. */
import { describe, expect, test } from 'vitest'
import { EventBook } from '../../src/status/events.ts'

const MINUTE = 60_000

describe('Events', () => {
  test('what repeats counts on the one that stands', () => {
    const book = new EventBook('worker-1')
    const told = [0, 10, 20].flatMap((minute) => {
      book.noteLost('a', 'Socket: lost')
      return book.take(minute * MINUTE)
    })
    expect(told.map(({ count, first }) => [count, first])).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
    ])
  })

  test('after an hour it begins anew', () => {
    const book = new EventBook('worker-1')
    book.noteLost('a', 'x')
    book.take(0)
    book.noteLost('a', 'x')
    expect(book.take(61 * MINUTE)).toMatchObject([{ count: 1, first: 61 * MINUTE }])
  })

  test('many sessions are one Event that names ten', () => {
    const book = new EventBook('worker-1')
    for (let index = 0; index < 40; index++) book.noteLost(`Global_${index}`, 'Socket: lost')
    const [event, ...rest] = book.take(0)
    expect(rest).toEqual([])
    expect(event?.note).toMatch(/^Global_0: Socket: lost; .*Global_9: Socket: lost; 30 more$/)
  })

  test.each([
    [63, '53 more'],
    [5_000, 'at least 54 more'],
  ])('of %i sessions that were lost the Event says: %s', (count, more) => {
    const book = new EventBook('worker-1')
    for (let index = 0; index < count; index++) book.noteLost(`Mesh_${index}`, 'x')
    expect(book.take(0)[0]?.note.endsWith(`; ${more}`)).toBe(true)
  })

  test('a thousand faults an hour are ten at first, then one in two minutes; and memory is bounded', () => {
    const book = new EventBook('worker-1')
    let told = 0
    for (let count = 0; count < 1_000; count++) {
      book.nodeProblem(`fault ${count}`)
      told += book.take((count * 60 * MINUTE) / 1_000).length
    }
    expect(told).toBeGreaterThan(30)
    expect(told).toBeLessThanOrEqual(10 + 30)
    for (let count = 0; count < 1_000; count++) book.objectProblem({ kind: 'BGPPeer', name: `p${count}` }, 'x')
    expect(book.take(2_000 * MINUTE)).toHaveLength(10)
  })

  test('a note is a kilobyte at most, whatever is in it', () => {
    const book = new EventBook('worker-1')
    book.nodeProblem(`\u001b\u202e${'\u{1f4a5}ö'.repeat(3_000)}`)
    const [event] = book.take(0)
    expect(Buffer.byteLength(event?.note ?? '')).toBeLessThanOrEqual(1_024)
    expect(event?.note).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })

  test('what is told once is not told again', () => {
    const book = new EventBook('worker-1')
    const told = [0, 1].flatMap((minute) => {
      book.objectProblem({ kind: 'BGPPeer', name: 'a' }, 'x')
      return book.take(minute * MINUTE)
    })
    expect(told).toHaveLength(1)
  })
})
