// A peer made of a few bytes: dials an agent, sends one OPEN, prints in hex what it hears until the agent closes.
// node probe.ts ADDRESS ASN HOLD-TIME ROUTER-ID [quiet | HEX …]; without `quiet` it answers a KEEPALIVE once, and says HEX.

import { connect } from 'node:net'

const KEEPALIVE = Buffer.from(`${'ff'.repeat(16)}001304`, 'hex')

const open = (asn: number, holdTime: number, routerId: string): Buffer => {
  const bytes = Buffer.alloc(29, 0xff)
  bytes.writeUInt16BE(29, 16)
  bytes.writeUInt8(1, 18)
  bytes.writeUInt8(4, 19)
  bytes.writeUInt16BE(asn, 20)
  bytes.writeUInt16BE(holdTime, 22)
  for (const [index, part] of routerId.split('.').entries()) bytes.writeUInt8(Number(part), 24 + index)
  bytes.writeUInt8(0, 28)
  return bytes
}

if (import.meta.main) {
  const [address = '', asn = '', holdTime = '', routerId = '', ...rest] = process.argv.slice(2)
  const quiet = rest[0] === 'quiet'
  const answer = Buffer.concat([KEEPALIVE, ...(quiet ? [] : rest.map((text) => Buffer.from(text, 'hex')))])
  const heard: Buffer[] = []
  const socket = connect(179, address, () => socket.write(open(Number(asn), Number(holdTime), routerId)))
  socket.once('data', () => quiet || socket.write(answer))
  socket.on('data', (bytes: Buffer) => heard.push(bytes))
  socket.on('error', (error) => console.error(error.message))
  socket.on('close', () => console.log(Buffer.concat(heard).toString('hex')))
}
