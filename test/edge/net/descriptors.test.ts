/** A shortage of descriptors is error with a name: strangers are turned away, neighbors come in by the reserve. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort, until } from '../../support/loopback.ts'

const HOST = fileURLToPath(new URL('../../support/short-of-files.ts', import.meta.url))
const MOST = 64
const FRIEND = '127.0.0.2'
const STRANGER = '127.0.0.3'

describe('without descriptors', () => {
  let host: ChildProcess
  let inputs: { kind: string; [field: string]: unknown }[]
  let sockets: Socket[]
  let server: Server
  let port: number
  let closed: number

  const of = (kind: string) => inputs.filter((input) => input.kind === kind)
  const tell = (line: string) => host.stdin?.write(`${line}\n`)

  function call(from: string): Socket {
    const socket = createConnection({ host: '127.0.0.1', port, localAddress: from })
    socket.on('error', () => {})
    socket.on('close', () => closed++)
    sockets.push(socket)
    return socket
  }

  beforeEach(async () => {
    inputs = []
    sockets = []
    closed = 0
    port = await freePort()
    server = createServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const limits = `ulimit -n ${MOST} && exec "$0" "$@"`
    host = spawn('sh', ['-c', limits, process.execPath, HOST, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (host.stdout === null) throw new Error('no way to hear the host')
    createInterface({ input: host.stdout }).on('line', (line) => inputs.push(JSON.parse(line)))
    await until('the host listens', () => of('listening').length > 0, 20_000)
    tell('fill')
    await until('no descriptor left', () => of('filled').length > 0)
  })

  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    host.stdin?.end()
    await until('the host ended', () => host.exitCode !== null)
    expect(host.exitCode).toBe(0)
  })

  test('strangers are turned away at once, and it is told once, with the reason', async () => {
    for (let count = 0; count < 100; count++) call(STRANGER)
    await until('all are gone', () => closed === 100)
    expect(of('descriptors')).toEqual([{ kind: 'descriptors', error: 'Too many open files' }])
    expect(of('received')).toEqual([])
  })

  test("this machine's probes are answered by what is held back, and others are turned away", async () => {
    const { port: http } = of('http')[0] as unknown as { port: number }
    const probe = (localAddress: string) =>
      new Promise<string>((resolve) => {
        const socket = createConnection({ host: '127.0.0.1', port: http, localAddress })
        sockets.push(socket)
        let text = ''
        socket.on('data', (chunk) => {
          text += String(chunk)
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve(text))
        socket.write('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      })
    for (let round = 0; round < 10; round++) {
      expect(await probe(STRANGER)).toBe('')
      expect(await probe('127.0.0.1')).toMatch(/^HTTP\/1\.1 200 OK/)
    }
  })

  test('neighbors come in and are called by the reserve; when it is spent, they are turned away and counted', async () => {
    const { port: theirs } = server.address() as { port: number }
    for (let count = 0; count < 3; count++) tell(`dial ${theirs}`)
    await until('three calls', () => of('connected').length === 3)
    for (let count = 0; count < 10; count++) call(FRIEND)
    await until('all are answered', () => of('accepted').length + of('turned-away').length === 10)
    expect(of('turned-away').length).toBeGreaterThanOrEqual(4)
    await until('those are gone', () => closed === of('turned-away').length)
    expect(of('turned-away')[0]).toEqual({ kind: 'turned-away', address: FRIEND, reason: 'no file descriptor is left' })
    tell(`dial ${theirs}`)
    await until('a call that cannot be', () => of('dial-failed').length === 1)
    expect(of('dial-failed')[0]?.reason).toBe('Too many open files')
    tell('free')
    const before = of('accepted').length
    call(FRIEND)
    await until('in again', () => of('accepted').length > before)
    tell(`dial ${theirs}`)
    await until('and out', () => of('connected').length === 4)
  })
})
