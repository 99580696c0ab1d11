// A neighbor that means harm, one kind of it for each word. Says `up` when it has begun.
// node villain.ts WORD REMOTE LOCAL ASN COUNT

import { createConnection, type Socket } from 'node:net'
import { announce, u32s } from '../../test/bench/peers/wire.ts'
import { speak } from './neighbor.ts'

const PER_UPDATE = 200
const FLOOD_ROUTES = 20_000
const CALLS = 1_000
const COMMUNITIES = 900

interface Villain {
  readonly remote: string
  readonly local: string
  readonly as: number
  readonly count: number
}

const drained = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('drain', resolve))

const writeAll = async (socket: Socket, chunks: Iterable<Buffer>): Promise<void> => {
  for (const chunk of chunks) if (!socket.write(chunk)) await drained(socket)
}

/** 20.x.y.z/32 */
const host = (number: number): number[] => [32, 20, (number >> 16) & 255, (number >> 8) & 255, number & 255]

const attributes = ({ as, local }: Villain, communities: readonly number[]) => ({
  asPath: [as],
  nextHop: local.split('.').map(Number),
  communities,
})

/** All routes of one round in one piece. */
const round = (villain: Villain, number: number): Buffer => {
  const updates: Buffer[] = []
  for (let first = 0; first < FLOOD_ROUTES; first += PER_UPDATE) {
    const nlri = Array.from({ length: PER_UPDATE }, (_, index) => host(first + index)).flat()
    updates.push(announce('v4', nlri, attributes(villain, [first * 16 + number])))
  }
  return Buffer.concat(updates)
}

/** 20,000 routes, each changed in each round, as fast as they are taken. */
const flood = async (villain: Villain): Promise<void> => {
  const rounds = [0, 1, 2, 3].map((number) => round(villain, number))
  const { socket, up } = speak(villain)
  await up
  console.log('up')
  for (;;) await writeAll(socket, rounds)
}

/** Beside a flood of a neighbor of its own kind, it reads nothing of what it is told. */
const deaf = async (villain: Villain): Promise<void> => {
  const { socket, up } = speak(villain)
  await up
  socket.pause()
  console.log('up')
}

/** Each route has 3.6 KB of communities of its own. */
const memory = async (villain: Villain): Promise<void> => {
  const { socket, up } = speak(villain)
  await up
  console.log('up')
  const bombs = function* (): Iterable<Buffer> {
    const one = announce('v4', host(0), attributes(villain, new Array(COMMUNITIES).fill(0)))
    // The communities and the prefix are its end.
    const first = one.length - 5 - COMMUNITIES * 4
    for (let number = 0; number < villain.count; number++) {
      const bomb = Buffer.from(one)
      for (let index = 0; index < COMMUNITIES; index++) bomb.writeUInt32BE(number * 4096 + index, first + index * 4)
      bomb.set(host(number), one.length - 5)
      yield bomb
    }
  }
  await writeAll(socket, bombs())
  console.log('done')
}

/**
 * What meets in hashes that are not keyed, whatever they start with: pairs of words that differ by 2^31 and by 0x80010000
 * (xor), at each of the four places a word can begin at; and /64 whose first word undoes the second.
 */
const collide = async (villain: Villain): Promise<void> => {
  const blocks = function* (): Iterable<Buffer> {
    let route = 0
    for (let shift = 0; shift < 4; shift++) {
      for (let number = 0; number < 4_096; number++) {
        const words = Array.from({ length: 24 }, (_, index) => {
          const base = 0x10000 + index * 0x01000193
          return (((number >> (index >> 1)) & 1) === 0 ? base : base ^ (index % 2 ? 0x80010000 : 1 << 31)) >>> 0
        })
        const filler = Array.from({ length: shift }, (_, index) => index + 1)
        yield announce('v4', host(route++), attributes(villain, [...filler, ...words]))
      }
    }
  }
  const all = [...prefixes(villain), ...blocks()]
  const { socket, up } = speak(villain)
  await up
  console.log('up')
  await writeAll(socket, all)
  console.log('done')
}

function* prefixes({ as, count }: Villain): Iterable<Buffer> {
  const nextHop = [...[0xfd, 0x77], ...new Array(13).fill(0), 5]
  let nlri: number[] = []
  let found = 0
  for (let number = 0; found < count; number++) {
    const low = (number << 4) >>> 0
    const hash = Math.imul(low, 0x27d4eb2f)
    const high = (hash ^ (hash >>> 15)) >>> 0
    // Global unicast: others are refused before they are stored.
    if (high >>> 29 !== 1) continue
    found++
    nlri.push(64, ...u32s(high, low))
    if (nlri.length < PER_UPDATE * 9) continue
    yield announce('v6', nlri, { asPath: [as], nextHop, communities: [1] })
    nlri = []
  }
}

/** It connects again and again, and never says OPEN. */
const calls = async ({ remote, local }: Villain): Promise<void> => {
  console.log('up')
  const sockets = new Set<Socket>()
  for (;;) {
    while (sockets.size < CALLS) {
      const socket = createConnection({ host: remote, port: 179, localAddress: local })
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const WORDS: Readonly<Record<string, (villain: Villain) => Promise<void>>> = { flood, deaf, memory, collide, calls }

if (import.meta.main) {
  const [word = '', remote = '', local = '', as = '', count = ''] = process.argv.slice(2)
  // The session's end is the end of it all, and no fault of this process.
  process.on('unhandledRejection', () => process.exit(0))
  await WORDS[word]?.({ remote, local, as: Number(as), count: Number(count) })
}
