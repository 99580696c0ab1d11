// A neighbor that says what it is told to: one session, kept alive every second, ended by nobody but the other side.

import { createConnection, type Socket } from 'node:net'
import { Framer, KEEPALIVE, open, TYPE } from '../../test/bench/peers/wire.ts'

export const HOLD_TIME = 9

interface NeighborSpec {
  readonly local: string
  readonly remote: string
  readonly as: number
}

interface Session {
  readonly socket: Socket
  /** Settles when the other side has said KEEPALIVE. */
  readonly up: Promise<void>
}

const DEAF: (bytes: Uint8Array, start: number, end: number) => void = () => {}

export const speak = (
  { local, remote, as }: NeighborSpec,
  onUpdate: (bytes: Uint8Array, start: number, end: number) => void = DEAF,
): Session => {
  const socket = createConnection({ host: remote, port: 179, localAddress: local, noDelay: true })
  const framer = new Framer()
  const up = new Promise<void>((resolve, reject) => {
    const lost = (why: string): void => {
      console.log(`lost ${local}: ${why}`)
      reject(new Error(why))
    }
    socket.on('connect', () => socket.write(open(as, local, ['v4', 'v6'], HOLD_TIME)))
    socket.on('data', (chunk: Buffer) => {
      framer.push(chunk, (bytes, start, end) => {
        const type = bytes[start + 18]
        if (type === TYPE.open) socket.write(KEEPALIVE)
        else if (type === TYPE.keepalive) resolve()
        else if (type === TYPE.update) onUpdate(bytes, start, end)
        else if (type === TYPE.notification) lost(`NOTIFICATION ${bytes[start + 19]}/${bytes[start + 20]}`)
      })
    })
    socket.on('error', (error) => lost(error.message))
    socket.on('close', () => lost('closed'))
  })
  const beat = setInterval(() => socket.write(KEEPALIVE), 1_000)
  socket.on('close', () => clearInterval(beat))
  return { socket, up }
}
