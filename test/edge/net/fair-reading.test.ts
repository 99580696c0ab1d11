import type { Socket } from 'node:net'
import { setImmediate as looked } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { bufferFor, FairReading, newReading } from '../../../src/edge/net/fair-reading.ts'

function setUp() {
  const connection = { socket: { resume: () => {} } as Socket, reading: newReading() }
  const fair = new FairReading<typeof connection>()
  onTestFinished(() => fair.stop())
  return { connection, fair, take: (length: number, pass = () => {}) => fair.take(connection, length, pass) }
}

/** More than the two milliseconds that a socket has in one look at all. */
function slowly(): void {
  for (const end = performance.now() + 3; performance.now() < end; );
}

test('a short read that takes long makes the next one smaller', () => {
  const { connection, take } = setUp()
  const sizes = [16_000, 8_000, 4_000, 2_000, 2_000].map((length) => {
    expect(take(length, slowly)).toBe(true)
    return bufferFor(connection.reading)?.length
  })
  expect(sizes).toEqual([8_192, 4_096, 2_048, 2_048, 2_048])
})

test('a short read that takes no time makes the next one no larger', () => {
  const { connection, take } = setUp()
  take(16_000, slowly)
  take(100)
  expect(connection.reading.chunk).toBe(8_192)
})

test('a share is no larger where its pieces grow', () => {
  const { connection, take } = setUp()
  take(16_000, slowly)
  expect(connection.reading.chunk).toBe(8_192)
  let share = 0
  for (let isMore = true; isMore; ) {
    const { chunk } = connection.reading
    share += chunk
    isMore = take(chunk)
  }
  expect(share).toBeLessThanOrEqual(65_536)
})

test('who has had another share since is unread once', async () => {
  const { connection, fair, take } = setUp()
  while (take(connection.reading.chunk));
  expect(fair.unread()).toEqual([connection])
  await looked()
  expect(fair.unread()).toEqual([connection])
  while (take(connection.reading.chunk));
  expect(fair.unread()).toEqual([connection])
})

test('who was read to its end since has nothing unread', async () => {
  const { connection, fair, take } = setUp()
  while (take(connection.reading.chunk));
  await looked()
  take(1)
  expect(fair.unread()).toEqual([])
})
