/** What only real sockets can do wrong. The rest is in the contract of networks. */
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostPrefix, type Prefix } from '../../../src/base/prefix.ts'
import { Tcp, type TcpOptions } from '../../../src/edge/net/tcp.ts'
import type { Input } from '../../../src/engine/input.ts'
import { freePort, until } from '../../support/loopback.ts'

describe('TCP', () => {
  let inputs: Input[]
  let networks: Tcp[]
  let others: (Socket | Server)[]
  let port: number

  beforeEach(async () => {
    inputs = []
    networks = []
    others = []
    port = await freePort()
  })
  afterEach(async () => {
    for (const other of others) {
      if ('destroy' in other) other.destroy()
      else other.close()
    }
    await Promise.all(networks.map((network) => network.stop()))
  })

  function open(options: Partial<TcpOptions> = {}): Tcp {
    const tcp = new Tcp({ feed: (input) => inputs.push(input), linger: 200, ...options })
    networks.push(tcp)
    return tcp
  }

  const has = (kind: Input['kind'], count = 1) =>
    until(`${count} ${kind}`, () => inputs.filter((input) => input.kind === kind).length >= count)
  const first = <Kind extends Input['kind']>(kind: Kind) =>
    inputs.find((input): input is Extract<Input, { readonly kind: Kind }> => input.kind === kind)

  async function listening(tcp: Tcp): Promise<void> {
    tcp.perform({ kind: 'listen', port, addresses: ['127.0.0.1'] })
    await has('listening')
  }

  /** A plain socket that connects to us. */
  function stranger(host = '127.0.0.1'): Socket {
    const socket = createConnection({ host, port, allowHalfOpen: true })
    socket.on('error', () => {})
    others.push(socket)
    return socket
  }

  test('an IPv4 neighbor at a socket for both families has an IPv4 address', async () => {
    open().perform({ kind: 'listen', port, addresses: [] })
    await has('listening')
    stranger()
    await has('accepted')
    expect(first('accepted')).toMatchObject({ local: { address: '127.0.0.1', port }, remote: { address: '127.0.0.1' } })
  })

  test('bytes come as plain views, without what Buffer adds', async () => {
    await listening(open())
    stranger().write('hello')
    await has('received')
    const bytes = first('received')?.bytes
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
    expect(new TextDecoder().decode(bytes)).toBe('hello')
  })

  test('drained waits for a neighbor that does not read', async () => {
    const tcp = open()
    await listening(tcp)
    const socket = stranger().pause()
    await has('accepted')
    // More than the kernel holds for both sides.
    tcp.perform({ kind: 'send', conn: 1, bytes: new Uint8Array(16_000_000) })
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(first('drained')).toBeUndefined()
    socket.resume()
    await has('drained')
  })

  test('a neighbor that never reads does not take all memory', async () => {
    const tcp = open()
    await listening(tcp)
    stranger().pause()
    await has('accepted')
    for (let count = 0; count < 6; count++) tcp.perform({ kind: 'send', conn: 1, bytes: new Uint8Array(10_000_000) })
    await has('closed')
    expect(first('closed')?.reason).toBe('Neighbor does not read from the connection')
  })

  test('a reset by the neighbor is told in words', async () => {
    await listening(open())
    const socket = stranger()
    await has('accepted')
    socket.resetAndDestroy()
    await has('closed')
    expect(first('closed')).toEqual({ kind: 'closed', conn: 1, reason: 'Connection reset by peer' })
  })

  test('keys that change in the turn that refuses a connection do not reach its descriptor, which may be another one by now', async () => {
    const tcp = open()
    await listening(tcp)
    stranger()
    await has('accepted')
    const prefix = hostPrefix('127.0.0.1') as Prefix
    const protect = (minTtl: number | undefined) =>
      tcp.perform({ kind: 'protect', neighbors: [{ prefix, zone: undefined, signing: undefined, minTtl }] })
    protect(1)
    tcp.perform({ kind: 'refuse', conn: 1 })
    protect(2)
    await has('closed')
    expect(first('closed')?.reason).toBeUndefined()
  })

  test('a neighbor that ends in order is told without a reason, after its last bytes', async () => {
    await listening(open())
    stranger().end('bye')
    await has('closed')
    expect(inputs.map((input) => input.kind)).toEqual(['listening', 'accepted', 'received', 'closed'])
    expect(first('closed')?.reason).toBeUndefined()
  })

  test('[23] the last message arrives though the neighbor reads late and sends meanwhile', async () => {
    const tcp = open({ linger: 5_000 })
    await listening(tcp)
    const socket = stranger().pause()
    await has('accepted')
    tcp.perform({ kind: 'send', conn: 1, bytes: new Uint8Array(12_000_000) })
    tcp.perform({ kind: 'send', conn: 1, bytes: new TextEncoder().encode('farewell') })
    tcp.perform({ kind: 'close', conn: 1 })
    const keepTalking = setInterval(() => socket.write('still here'), 1)
    let tail = ''
    let ended = false
    socket.on('data', (chunk) => {
      tail = (tail + chunk.subarray(-8).toString('latin1')).slice(-8)
    })
    socket.on('end', () => {
      ended = true
    })
    socket.resume()
    await until('the end of what we sent', () => ended)
    clearInterval(keepTalking)
    socket.end()
    await has('closed')
    expect(tail).toBe('farewell')
  })

  test('of many connections closed in one turn only so many wait for their last message', async () => {
    const silent = createServer({ allowHalfOpen: true }, (socket) => {
      others.push(socket.on('error', () => {}))
    })
    others.push(silent)
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve))
    const tcp = open({ linger: 60_000 })
    const conns = Array.from({ length: 256 + 10 }, (_, index) => 2 * index + 2)
    for (const conn of conns)
      tcp.perform({ kind: 'dial', conn, remote: { address: '127.0.0.1', port }, localAddress: undefined })
    await has('connected', conns.length)
    for (const conn of conns) tcp.perform({ kind: 'close', conn })
    await has('closed', 10)
    expect(inputs.filter(({ kind }) => kind === 'closed').length).toBe(10)
  })

  test('our close ends though the neighbor never does', async () => {
    const tcp = open({ linger: 30 })
    await listening(tcp)
    stranger()
    await has('accepted')
    tcp.perform({ kind: 'close', conn: 1 })
    await has('closed')
    expect(first('closed')).toEqual({ kind: 'closed', conn: 1, reason: undefined })
  })

  test('a taken port is told once, and tried until it is free', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve))
    open({ listenRetry: 5 }).perform({ kind: 'listen', port, addresses: ['127.0.0.1'] })
    await has('listen-failed')
    await new Promise((resolve) => setTimeout(resolve, 30))
    await new Promise((resolve) => taken.close(resolve))
    await has('listening')
    const reason = 'Address already in use'
    expect(inputs).toEqual([
      { kind: 'listen-failed', address: '127.0.0.1', port, reason },
      { kind: 'listening', address: '127.0.0.1', port },
    ])
  })

  test('a wish taken back leaves no listener', async () => {
    const tcp = open()
    tcp.perform({ kind: 'listen', port, addresses: ['127.0.0.1'] })
    tcp.perform({ kind: 'listen', port, addresses: ['::1'] })
    const socket = stranger()
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
    expect(inputs).toEqual([
      { kind: 'listening', address: '127.0.0.1', port },
      { kind: 'listen-ended', address: '127.0.0.1', port },
      { kind: 'listening', address: '::1', port },
    ])
  })

  test('connections nobody speaks on are bounded, and room comes back', async () => {
    const tcp = open({ mostUnanswered: 2 })
    await listening(tcp)
    const [one, two] = [stranger(), stranger()]
    await has('accepted', 2)
    const three = stranger()
    let ended = false
    three.on('close', () => {
      ended = true
    })
    three.on('end', () => three.end())
    three.resume()
    await until('the third is sent away', () => ended)
    expect(inputs.filter(({ kind }) => kind === 'accepted')).toHaveLength(2)
    tcp.perform({ kind: 'send', conn: 1, bytes: new Uint8Array(1) })
    two.destroy()
    await has('closed')
    stranger()
    stranger()
    await has('accepted', 4)
    expect(one.destroyed).toBe(false)
  })

  test('one socket hands in no more than its share before all others have been looked at', async () => {
    const perLook: number[] = []
    let unread: readonly number[] = []
    let taken = 0
    const tcp = open({
      feed: (input) => {
        inputs.push(input)
        if (input.kind !== 'received') return
        if (taken === 0) {
          setImmediate(() => {
            perLook.push(taken)
            if (unread.length === 0) unread = tcp.unread()
            taken = 0
          })
        }
        taken += input.bytes.length
      },
    })
    await listening(tcp)
    const flooder = stranger()
    await has('accepted')
    for (let count = 0; count < 32; count++) flooder.write(new Uint8Array(1 << 18))
    await until('all of it', () => perLook.reduce((sum, bytes) => sum + bytes, 0) === 1 << 23)
    expect(Math.max(...perLook)).toBeLessThanOrEqual(65_536)
    expect(unread).toEqual([1])
    await until('a look at which it had nothing more', () => tcp.unread().length === 0)
  })

  test('whose bytes take long are read in smaller pieces, and in large ones again when they do not', async () => {
    let isSlow = true
    const sizes: number[] = []
    const feed = (input: Input): void => {
      inputs.push(input)
      if (input.kind !== 'received') return
      sizes.push(input.bytes.length)
      // More than the two milliseconds that a socket has in one look at all.
      for (const end = performance.now() + 3; isSlow && performance.now() < end; );
    }
    await listening(open({ feed }))
    const socket = stranger()
    await has('accepted')
    socket.write(new Uint8Array(100_000))
    await until('all', () => sizes.reduce((sum, size) => sum + size, 0) === 100_000)
    expect(sizes.slice(0, 6)).toEqual([16_384, 8_192, 4_096, 2_048, 2_048, 2_048])
    isSlow = false
    await until('large pieces again', () => {
      if (socket.writableLength === 0) socket.write(new Uint8Array(100_000))
      return sizes.slice(10).includes(16_384)
    })
  })

  test('a dial that cannot even be tried is dial-failed', async () => {
    open().perform({ kind: 'dial', conn: 2, remote: { address: '127.0.0.1', port: 70_000 }, localAddress: undefined })
    await has('dial-failed')
    expect(first('dial-failed')?.reason).toContain('70000')
  })

  test('from one family to the other is dial-failed', async () => {
    const remote = { address: '127.0.0.1', port }
    open().perform({ kind: 'dial', conn: 2, remote, localAddress: '::1' })
    await has('dial-failed')
    expect(inputs).toHaveLength(1)
  })
})
