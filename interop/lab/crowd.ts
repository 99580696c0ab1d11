// Several peers in one process, who know nothing of hold timers of their own: they dial an agent, keep the session alive
// every second, and announce their routes at SIGUSR2. Who was ended is said at SIGTERM.
// node crowd.ts ADDRESS ASN HOLD-TIME ROUTES FROM …: ROUTES is the sum.

import { connect, type Socket } from 'node:net'

const MARKER = 'ff'.repeat(16)
const KEEPALIVE = Buffer.from(`${MARKER}001304`, 'hex')

/** Of five octets each, 20.x.y.z/32, so many as fit into one UPDATE. */
const PER_UPDATE = 700

const open = (asn: number, holdTime: number, from: string): Buffer => {
  const id = from.split('.').map(Number)
  return Buffer.from([...Buffer.from(`${MARKER}001d0104`, 'hex'), asn >> 8, asn & 255, 0, holdTime, ...id, 0])
}

const update = (asn: number, from: string, first: number, count: number): Buffer => {
  const path = [0x40, 2, 4, 2, 1, asn >> 8, asn & 255]
  const attributes = [0x40, 1, 1, 0, ...path, 0x40, 3, 4, ...from.split('.').map(Number)]
  const nlri = Array.from({ length: count }, (_, index) => {
    const number = first + index
    return [32, 20, (number >> 16) & 255, (number >> 8) & 255, number & 255]
  })
  const body = [0, 0, 0, attributes.length, ...attributes, ...nlri.flat()]
  return Buffer.concat([
    Buffer.from(MARKER, 'hex'),
    Buffer.from([(body.length + 19) >> 8, (body.length + 19) & 255, 2, ...body]),
  ])
}

interface Member {
  readonly from: string
  readonly socket: Socket
  ended: string
}

if (import.meta.main) {
  const [address = '', asnText = '', holdTime = '', routes = '', ...froms] = process.argv.slice(2)
  const asn = Number(asnText)
  const members = froms.map((from): Member => {
    const socket = connect({ host: address, port: 179, localAddress: from })
    const member: Member = { from, socket, ended: '' }
    socket.on('connect', () => socket.write(Buffer.concat([open(asn, Number(holdTime), from), KEEPALIVE])))
    socket.on('data', (bytes: Buffer) => {
      const at = bytes.indexOf(Buffer.from(`${MARKER}001503`, 'hex'))
      if (at >= 0) member.ended = `NOTIFICATION ${bytes[at + 19]}/${bytes[at + 20]}`
    })
    socket.on('error', (error) => {
      member.ended ||= error.message
    })
    socket.on('close', () => {
      member.ended ||= 'closed'
    })
    return member
  })
  const beat = setInterval(() => {
    for (const { socket, ended } of members) if (ended === '') socket.write(KEEPALIVE)
  }, 1_000)
  const share = Math.floor(Number(routes) / members.length)
  process.on('SIGUSR2', () => {
    for (const [index, { from, socket }] of members.entries()) {
      for (let at = 0; at < share; at += PER_UPDATE) {
        socket.write(update(asn, from, index * share + at, Math.min(PER_UPDATE, share - at)))
      }
    }
  })
  process.on('SIGTERM', () => {
    clearInterval(beat)
    for (const { from, ended } of members) console.log(`${from} ${ended === '' ? 'stands' : ended}`)
    process.exit(0)
  })
}
