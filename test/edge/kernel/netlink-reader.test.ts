/** A kernel that never stops telling of changes keeps nobody else waiting. */
import { setImmediate as soon } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { NetlinkReader } from '../../../src/edge/kernel/netlink-reader.ts'
import type { NetlinkSocket } from '../../../src/edge/kernel/netlink-socket.ts'

/** An event without content, of this many octets. */
function eventOf(octets: number): Uint8Array {
  const event = new Uint8Array(octets)
  new DataView(event.buffer).setUint32(0, octets, true)
  event[4] = 24
  return event
}

class Endless implements NetlinkSocket {
  readonly port = 1
  readonly #event: Uint8Array
  received = 0
  isClosed = false
  call = () => {}

  constructor(octets: number) {
    this.#event = eventOf(octets)
  }

  receive(): ReturnType<NetlinkSocket['receive']> {
    this.received++
    return this.#event
  }

  onReadable(call: () => void): void {
    this.call = call
  }

  close(): void {
    this.isClosed = true
  }

  send(): void {}
  async sendApart(): Promise<void> {}
}

function read(socket: Endless) {
  const seen = { events: 0, pieces: 0 }
  const reader = new NetlinkReader({
    socket,
    onEvent: () => seen.events++,
    onPiece: () => seen.pieces++,
    onOverrun: () => {},
    onFailure: (error) => {
      throw error
    },
  })
  return { reader, seen }
}

test.each([
  ['many small events', 120, 64],
  ['large ones', 8_192, 4],
])('a round ends: %s', (_, octets, most) => {
  const socket = new Endless(octets)
  const { seen } = read(socket)
  socket.call()
  expect(seen).toEqual({ events: most, pieces: 1 })
})

test('reading what is queued ends where more is queued all the time, and lets others have their turn after each round', async () => {
  const socket = new Endless(8_192)
  const { reader } = read(socket)
  let [isOver, turns] = [false, 0]
  const caughtUp = reader.catchUp().then(() => {
    isOver = true
  })
  while (!isOver) {
    const before = socket.received
    await soon()
    expect(socket.received - before).toBeLessThanOrEqual(4)
    turns++
  }
  await caughtUp
  // The kernel's queue has room for 4 MiB.
  expect(socket.received).toBe(512)
  expect(turns).toBeGreaterThan(100)
})

test('it ends when the reader is closed', async () => {
  const socket = new Endless(120)
  const { reader } = read(socket)
  const caughtUp = reader.catchUp()
  reader.close()
  await caughtUp
  expect([socket.isClosed, socket.received]).toEqual([true, 64])
})

test('messages of netlink itself are no events', () => {
  const seen: number[] = []
  const queue = [1, 4, 15, 16, 24].map((type) => {
    const event = eventOf(16)
    event[4] = type
    return event
  })
  const socket = new Endless(120)
  socket.receive = () => queue.shift() ?? 'nothing'
  new NetlinkReader({
    socket,
    onEvent: ({ type }) => seen.push(type),
    onPiece: () => {},
    onOverrun: () => {},
    onFailure: (error) => {
      throw error
    },
  })
  socket.call()
  expect(seen).toEqual([16, 24])
})
