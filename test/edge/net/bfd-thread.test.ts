/** The thread of BFD after its end. */
import { closeSync, readSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { BfdInput } from '../../../src/bfd/types.ts'
import { Bell } from '../../../src/edge/net/bfd-poll.ts'
import { startBfdThread } from '../../../src/edge/net/bfd-thread.ts'

/** Whether somebody has rung since the last time. */
function isRung({ fd }: Bell): boolean {
  try {
    return readSync(fd, new Uint8Array(8)) > 0
  } catch {
    return false
  }
}

test('a thread with nothing to do says again and again that it is alive', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let times = 0
  const thread = startBfdThread(false)(
    (news) => {
      if (news.length === 0 && ++times === 2) resolve()
    },
    () => {},
  )
  await promise
  await thread.stop()
})

test('a thread that has died gets no order: its descriptor is another’s by now', async () => {
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  const thread = startBfdThread(false)(() => {}, resolve)
  // No order at all: the thread dies of it.
  thread.post(null as unknown as BfdInput)
  await ended
  // The kernel gives the lowest free descriptor: one of these is the old one.
  const bells = Array.from({ length: 64 }, () => new Bell())
  try {
    thread.post({ kind: 'ask', id: 1 })
    await thread.stop()
    expect(bells.filter(isRung)).toEqual([])
  } finally {
    for (const { fd } of bells) closeSync(fd)
  }
})
