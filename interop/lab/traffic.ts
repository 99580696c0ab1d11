// The other end of every question: answers with the address the question came from.
// node traffic.ts: TCP and UDP 8080 say who asks and who answers; TCP 8081 says it slowly; TCP 8082 listens
// to lines until it is told `done`, and says then who told how many; UDP 53 is a DNS server.
// node traffic.ts dns SERVER NAME: asks a DNS server for an address.

import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { createServer, type Socket } from 'node:net'

const LINES = 40
const PAUSE = 100

const plain = (address = ''): string => address.replace(/^::ffff:/, '')

const introduce = (socket: Socket): string => `${plain(socket.remoteAddress)} ${plain(socket.localAddress)}\n`

/** A download of some seconds, whole only if its last line says so. */
const trickle = (socket: Socket): void => {
  let lines = 0
  socket.write(introduce(socket))
  const timer = setInterval(() => {
    lines += 1
    if (lines < LINES) socket.write(`line ${lines}\n`)
    else socket.end('done\n')
  }, PAUSE)
  socket.on('close', () => clearInterval(timer))
}

/** An upload, whole only if the number of its lines is what was sent. */
const collect = (socket: Socket): void => {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text.endsWith('done\n')) socket.end(`${plain(socket.remoteAddress)} ${text.split('\n').length - 2}\n`)
  })
}

const listen = (port: number, serve: (socket: Socket) => void): void => {
  createServer((socket) => {
    socket.on('error', () => {})
    serve(socket)
  }).listen(port, '::')
}

/** The question again, and 192.0.2.53 (or 2001:db8::53) as its one answer. */
const answerDns = (query: Buffer): Buffer => {
  const end = query.indexOf(0, 12) + 5
  const six = query.readUInt16BE(end - 4) === 28
  const head = Buffer.from(query.subarray(0, 12))
  head.writeUInt16BE(0x8180, 2)
  for (const [offset, count] of [1, 1, 0, 0].entries()) head.writeUInt16BE(count, 4 + 2 * offset)
  const address = six ? '20010db8000000000000000000000053' : 'c0000235'
  const record = `c00c${six ? '001c' : '0001'}00010000001e${six ? '0010' : '0004'}${address}`
  return Buffer.concat([head, query.subarray(12, end), Buffer.from(record, 'hex')])
}

const serve = (): void => {
  listen(8080, (socket) => socket.end(introduce(socket)))
  listen(8081, trickle)
  listen(8082, collect)
  const echo = createSocket('udp6')
  echo.on('message', (_, from) => echo.send(`${plain(from.address)}\n`, from.port, from.address))
  echo.bind(8080, '::')
  const dns = createSocket('udp6')
  dns.on('message', (query, from) => dns.send(answerDns(query), from.port, from.address))
  dns.bind(53, '::', () => console.log('ready'))
}

const [word, server = '', name = ''] = process.argv.slice(2)
if (word === 'dns') {
  const resolver = new Resolver({ timeout: 1_000, tries: 3 })
  resolver.setServers([server])
  console.log((await resolver.resolve4(name)).join(' '))
} else serve()
