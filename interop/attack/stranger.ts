// Who is no neighbor, and no friend. Says `up` when it has begun, and `done` when it has nothing more to do.
// node stranger.ts syn|connect|bfd REMOTE COUNT, or stranger.ts http PORT, or stranger.ts clients SOCKET LINE

import { createSocket } from 'node:dgram'
import { createConnection, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { openSocket, SOCK_RAW, sendTo } from '../../src/edge/libc.ts'

const IPPROTO_RAW = 255
const BFD_PORT = 3784
/** Packets between two looks at what else there is to do. */
const BURST = 64
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

const sum16 = (bytes: Buffer): number => {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const random = (): number => (Math.random() * 2 ** 32) >>> 0

/** A SYN from anywhere to port 179: the kernel fills in the checksum of the IP header, and not that of TCP. */
const makeSyn = (remote: readonly number[]): Buffer => {
  const packet = Buffer.alloc(40)
  packet.set([0x45, 0, 0, 40], 0)
  packet.writeUInt16BE(random() & 0xffff, 4)
  packet.set([255, 6], 8)
  // 11.0.0.0/8: nobody of the lab.
  packet.writeUInt32BE(0x0b000000 + (random() & 0xffffff), 12)
  packet.set(remote, 16)
  packet.writeUInt16BE(1024 + (random() & 0x7fff), 20)
  packet.writeUInt16BE(179, 22)
  packet.writeUInt32BE(random(), 24)
  packet.set([0x50, 2, 0xff, 0xff], 32)
  const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 6, 0, 20]), packet.subarray(20)])
  packet.writeUInt16BE(sum16(pseudo), 36)
  return packet
}

const syn = async (remote: string, count: number): Promise<void> => {
  const fd = openSocket('ipv4', SOCK_RAW, IPPROTO_RAW)
  const octets = remote.split('.').map(Number)
  for (let sent = 0; sent < count; sent += BURST) {
    for (let one = 0; one < BURST; one++) {
      try {
        sendTo(fd, makeSyn(octets), remote, 0)
      } catch {
        // The interface has no room for it.
      }
    }
    await turn()
  }
}

const connect = async (remote: string, count: number): Promise<void> => {
  const most = 500
  const open = new Set<Socket>()
  for (let made = 0; made < count; ) {
    while (open.size < most && made < count) {
      made++
      const socket = createConnection({ host: remote, port: 179 })
      open.add(socket)
      // Where its SYN is dropped unseen, nothing comes.
      const timer = setTimeout(() => socket.destroy(), 50)
      socket.on('error', () => {})
      socket.on('close', () => {
        clearTimeout(timer)
        open.delete(socket)
      })
    }
    await pause(1)
  }
}

/** Good packets, but of nobody; for a session that is not there. */
const bfd = async (remote: string, count: number): Promise<void> => {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(49_200, resolve))
  socket.setTTL(255)
  const packet = Buffer.alloc(24)
  packet.set([0x20, 0xc0, 3, 24])
  for (let sent = 0; sent < count; sent += BURST) {
    for (let one = 0; one < BURST; one++) {
      packet.writeUInt32BE(random(), 4)
      packet.writeUInt32BE(one % 2 === 0 ? 0 : random(), 8)
      socket.send(Buffer.from(packet), BFD_PORT, remote)
    }
    await turn()
  }
}

/** Half a request each, and answers that nobody reads; each that is closed is made anew. */
const http = async (remote: string, port: number): Promise<void> => {
  let alive = 0
  for (;;) {
    while (alive < 200) {
      alive++
      const isHalf = alive % 2 === 0
      const socket = createConnection({ host: remote, port })
      socket.on('connect', () =>
        socket.write(isHalf ? 'GET /metrics HTTP/1.1\r\nHost: ' : 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'),
      )
      socket.pause()
      socket.on('error', () => {})
      socket.on('close', () => alive--)
      // A socket that is never read tells nothing of its end either.
      setTimeout(() => socket.destroy(), 2_000)
    }
    await pause(5)
  }
}

/** They ask for much, again and again, and read none of it. */
const clients = async (path: string, line: string): Promise<void> => {
  let alive = 0
  for (;;) {
    while (alive < 100) {
      alive++
      const socket = createConnection(path)
      socket.pause()
      socket.on('connect', () => {
        for (let count = 0; count < 50; count++) socket.write(`${line}\n`)
      })
      socket.on('error', () => {})
      socket.on('close', () => alive--)
      setTimeout(() => socket.destroy(), 2_000)
    }
    await pause(5)
  }
}

if (import.meta.main) {
  const [word, target = '', second = ''] = process.argv.slice(2)
  console.log('up')
  if (word === 'syn') await syn(target, Number(second))
  else if (word === 'connect') await connect(target, Number(second))
  else if (word === 'bfd') await bfd(target, Number(second))
  else if (word === 'http') await http(target, Number(second))
  else await clients(target, second)
  console.log('done')
  process.exit(0)
}
