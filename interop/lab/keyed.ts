// A neighbor on a plain Linux socket, whose TCP-MD5 key is changed while the session is up: at SIGUSR2 it is read anew from its file. It says
// `up`, and `lost …` if the session ends.
// node keyed.ts REMOTE LOCAL ASN KEY-FILE

import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { bindSocket, openSocket } from '../../src/edge/libc.ts'
import { hostOf } from '../../src/edge/net/protection.ts'
import { signConnection } from '../../src/edge/net/signing.ts'
import { Framer, KEEPALIVE, open, TYPE } from '../../test/bench/peers/wire.ts'

if (import.meta.main) {
  const [remote = '', local = '', as = '', file = ''] = process.argv.slice(2)
  const fd = openSocket('ipv4')
  const putKey = (): void => {
    const signature = { kind: 'md5', name: 'key', bytes: readFileSync(file) } as const
    signConnection({ fd, isIpv6: false }, hostOf(remote), signature, undefined)
  }
  putKey()
  bindSocket(fd, { address: local, port: 0 })
  const socket = new Socket({ fd })
  const framer = new Framer()
  socket.on('connect', () => socket.write(open(Number(as), local, ['v4'], 9)))
  socket.on('data', (chunk: Buffer) => {
    framer.push(chunk, (bytes, start) => {
      const type = bytes[start + 18]
      if (type === TYPE.open) socket.write(KEEPALIVE)
      else if (type === TYPE.keepalive) console.log('up')
      else if (type === TYPE.notification) console.log(`lost by NOTIFICATION ${bytes[start + 19]}/${bytes[start + 20]}`)
    })
  })
  socket.on('error', (error) => console.log(`lost: ${error.message}`))
  socket.on('close', () => process.exit(0))
  socket.connect({ host: remote, port: 179 })
  setInterval(() => socket.write(KEEPALIVE), 1_000)
  process.on('SIGUSR2', putKey)
}
