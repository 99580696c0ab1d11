/** Keys of TCP-MD5 and TTL security on real sockets: listening and dialling, both families, single neighbors and ranges. */
import { execFileSync } from 'node:child_process'
import { createConnection, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostPrefix, type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { Keys } from '../../../src/edge/keys.ts'
import { MOST } from '../../../src/edge/net/flood.ts'
import { Tcp } from '../../../src/edge/net/tcp.ts'
import type { Protection } from '../../../src/engine/effect.ts'
import type { Input } from '../../../src/engine/input.ts'
import { freePort, until } from '../../support/loopback.ts'

const SECRET = 'bgp'

/** One host of its own with the keys it was told. */
class Side {
  readonly inputs: Input[] = []
  onAccepted: (input: Extract<Input, { readonly kind: 'accepted' }>) => void = () => {}
  readonly keys = new Keys()
  readonly tcp: Tcp

  constructor() {
    const feed = (input: Input): void => {
      this.inputs.push(input.kind === 'received' ? { ...input, bytes: input.bytes.slice() } : input)
      if (input.kind === 'accepted') this.onAccepted(input)
    }
    this.tcp = new Tcp({ feed, keys: this.keys, linger: 100, dialTimeout: 1_500 })
  }

  /** As a source would: the Secret changes, and what it protects is told again. */
  learn(values: Readonly<Record<string, string>>, neighbors: readonly Protection[] = []): void {
    const ref = { kind: 'Secret', namespace: 'godwit', name: SECRET } as const
    const object = { apiVersion: 'v1', kind: 'Secret', metadata: ref, stringData: values }
    this.keys.redact({ kind: 'objects', changes: [{ kind: 'upsert', ref, object, from: undefined }] })
    this.tcp.perform({ kind: 'protect', neighbors })
  }

  of<Kind extends Input['kind']>(kind: Kind): Extract<Input, { readonly kind: Kind }>[] {
    return this.inputs.filter((input): input is Extract<Input, { readonly kind: Kind }> => input.kind === kind)
  }

  get heard(): string {
    return Buffer.concat(this.of('received').map(({ bytes }) => bytes)).toString()
  }
}

const prefixOf = (text: string): Prefix => (text.includes('/') ? parsePrefix(text) : hostPrefix(text)) as Prefix
const keyed = (where: string, key = 'k', minTtl?: number): Protection => ({
  prefix: prefixOf(where),
  zone: undefined,
  signing: { kind: 'md5', key: { secret: SECRET, key, version: 1 } },
  minTtl,
})
const distant = (where: string, minTtl: number): Protection => ({
  prefix: prefixOf(where),
  zone: undefined,
  signing: undefined,
  minTtl,
})

describe('what protects a session', () => {
  let one: Side
  let two: Side
  let port: number
  let strangers: Socket[]

  beforeEach(async () => {
    one = new Side()
    two = new Side()
    strangers = []
    port = await freePort()
  })
  afterEach(async () => {
    for (const socket of strangers) socket.destroy()
    await Promise.all([one.tcp.stop(), two.tcp.stop()])
  })

  function listen(addresses: readonly string[] = []): void {
    two.tcp.perform({ kind: 'listen', port, addresses })
    expect(two.of('listen-failed')).toEqual([])
  }

  let conn = 0
  function dial(address: string, localAddress?: string): void {
    conn += 2
    one.tcp.perform({ kind: 'dial', conn, remote: { address, port }, localAddress })
  }

  const say = (side: Side, text: string): void => {
    const id = side.of('connected').at(-1)?.conn ?? side.of('accepted').at(-1)?.conn ?? 0
    side.tcp.perform({ kind: 'send', conn: id, bytes: new TextEncoder().encode(text) })
  }

  async function talk(words: string): Promise<void> {
    say(one, words)
    say(two, words.toUpperCase())
    await until(`${words} on both sides`, () => two.heard.endsWith(words) && one.heard.endsWith(words.toUpperCase()))
  }

  test.each([
    ['IPv4, at a socket for both families', '127.0.0.1', []],
    ['IPv4, at a socket of its own', '127.0.0.1', ['127.0.0.1']],
    ['IPv6, at a socket for both families', '::1', []],
    ['IPv6, at a socket of its own', '::1', ['::1']],
  ])('[26] one key on both sides (RFC 2385 §2.0): %s', async (_, address, addresses) => {
    one.learn({ k: 'hunter2' }, [keyed(address)])
    two.learn({ k: 'hunter2' }, [keyed(address)])
    listen(addresses)
    dial(address)
    await until('a connection', () => one.of('connected').length === 1 && two.of('accepted').length === 1)
    await talk('hello')
  })

  test.each([
    ['127.0.0.1', 'tos:0xc0'],
    ['::1', 'tclass:0xc0'],
  ])('both ends of a connection to %s send as network control (DSCP CS6)', async (address, says) => {
    for (const side of [one, two]) side.tcp.perform({ kind: 'protect', neighbors: [] })
    listen()
    dial(address)
    await until('a connection', () => one.of('connected').length === 1 && two.of('accepted').length === 1)
    const sockets = execFileSync('ss', ['-Htn', '--tos', `( sport = :${port} or dport = :${port} )`])
    const ends = sockets.toString().trim().split('\n')
    expect(ends).toEqual([expect.stringContaining(says), expect.stringContaining(says)])
  })

  test.each([
    ['another key', { k: 'hunter3' }, true],
    ['no key', { k: 'hunter2' }, false],
  ])('[26] with %s nobody gets in (RFC 2385 §2.0), and the reason says what it may be', async (_, values, asks) => {
    one.learn(values, asks ? [keyed('127.0.0.1')] : [])
    two.learn({ k: 'hunter2' }, [keyed('127.0.0.1')])
    listen()
    dial('127.0.0.1')
    await until('the end of trying', () => one.of('dial-failed').length === 1)
    const hint = asks ? '; it may have another key' : ''
    expect(one.of('dial-failed')[0]?.reason).toBe(`Connection timed out${hint}`)
    expect(two.of('accepted')).toEqual([])
  })

  test('a neighbor that has a key does not get in to one that has none (RFC 2385 §2.0)', async () => {
    one.learn({ k: 'hunter2' }, [keyed('127.0.0.1')])
    listen()
    dial('127.0.0.1')
    await until('the end of trying', () => one.of('dial-failed').length === 1)
  })

  test.each([
    ['alone', 0],
    ['beside 300 hosts with its key, half of them inside', 300],
  ])(
    'a range asks for its key, but for a neighbor inside that has none, and one that has another: %s',
    async (_, crowd) => {
      const values = { k: 'hunter2', other: 'hunter3' }
      two.learn(values, [
        keyed('127.0.0.0/24'),
        ...Array.from({ length: crowd }, (_host, index) => keyed(`127.0.${index % 2}.${10 + (index >> 1)}`)),
        keyed('127.0.0.6', 'other'),
        { ...distant('127.0.0.5', 1), minTtl: undefined },
      ])
      listen(['127.0.0.1'])
      one.learn(values, [keyed('127.0.0.1')])
      dial('127.0.0.1', '127.0.0.9')
      await until('one of the range', () => two.of('accepted').length === 1)
      one.learn(values, [keyed('127.0.0.1', 'other')])
      dial('127.0.0.1', '127.0.0.6')
      await until('one with a key of its own', () => two.of('accepted').length === 2)
      const plain = createConnection({ host: '127.0.0.1', port, localAddress: '127.0.0.5' })
      strangers.push(plain)
      await until('one without', () => two.of('accepted').length === 3)
    },
  )

  test('a key that is not known lets nobody out and nobody in', async () => {
    two.tcp.perform({ kind: 'protect', neighbors: [keyed('127.0.0.1')] })
    listen()
    one.tcp.perform({ kind: 'protect', neighbors: [keyed('127.0.0.1')] })
    dial('127.0.0.1')
    expect(one.of('dial-failed')[0]?.reason).toBe('its TCP-MD5 key is not known yet')
    const caller = createConnection({ host: '127.0.0.1', port })
    caller.on('error', () => {})
    strangers.push(caller)
    await until('turned away', () => two.of('turned-away').length === 1)
    expect(two.of('turned-away')[0]?.reason).toBe('its TCP-MD5 key is not known yet')
  })

  test('another key on both sides ends nothing, and new connections need it', async () => {
    for (const side of [one, two]) side.learn({ k: 'hunter2' }, [keyed('127.0.0.1')])
    listen()
    dial('127.0.0.1')
    await until('a connection', () => one.of('connected').length === 1)
    await talk('before')
    two.learn({ k: 'hunter3' }, [keyed('127.0.0.1')])
    // Under way while the two differ: it is sent again until both have the key.
    say(one, 'between')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(two.heard).toBe('before')
    one.learn({ k: 'hunter3' }, [keyed('127.0.0.1')])
    await until('what was sent between', () => two.heard === 'beforebetween')
    await talk('after')
    expect([...one.of('closed'), ...two.of('closed')]).toEqual([])
    dial('127.0.0.1')
    await until('a new connection', () => one.of('connected').length === 2)
  })

  test('a connection without a key stays without one when its neighbor gets one, so that its NOTIFICATION arrives', async () => {
    for (const side of [one, two]) side.tcp.perform({ kind: 'protect', neighbors: [] })
    listen()
    dial('127.0.0.1')
    await until('a connection', () => one.of('connected').length === 1)
    await talk('before')
    two.learn({ k: 'hunter2' }, [keyed('127.0.0.0/24')])
    one.learn({ k: 'hunter2' }, [keyed('127.0.0.1')])
    await talk('after')
  })

  /** One that sends with the usual 64. */
  function callFromAfar(address: string): Socket {
    const far = createConnection({ host: address, port })
    far.on('error', () => {})
    strangers.push(far)
    return far
  }

  test.each(['127.0.0.1', '::1'])(
    '[25] TTL security (RFC 5082 §3): both send 255, and who comes from further away does not even begin: %s',
    async (address) => {
      one.learn({}, [distant(address, 255)])
      two.learn({}, [distant(address, 255)])
      listen()
      const far = callFromAfar(address)
      dial(address)
      await until('a connection', () => one.of('connected').length === 1)
      await talk('near')
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(two.of('accepted')).toHaveLength(1)
      expect(far.pending).toBe(true)
    },
  )

  test.each(['127.0.0.1', '::1'])(
    '[25] where another neighbor may come from afar (RFC 5082 §3), each is judged by its SYN before a byte of it is read: %s',
    async (address) => {
      const other = distant(address.includes(':') ? 'fd00::9' : '127.0.0.9', 1)
      one.learn({}, [distant(address, 255)])
      two.learn({}, [distant(address, 255), other, { ...other, prefix: prefixOf('127.0.0.8'), minTtl: undefined }])
      listen()
      callFromAfar(address).write('from afar')
      await until('turned away', () => two.of('turned-away').length === 1)
      expect(two.of('turned-away')[0]?.reason).toBe('its packets arrive with a TTL of 64, and ttlSecurity asks for 255')
      dial(address)
      await until('a connection', () => one.of('connected').length === 1)
      await talk('near')
      expect(two.of('accepted')).toHaveLength(1)
    },
  )

  test('strangers that call too often are dropped unseen, and neighbors are not', async () => {
    two.learn({ k: 'hunter2' }, [keyed('127.0.0.1'), { ...distant('127.0.1.0/24', 1), minTtl: undefined }])
    two.onAccepted = ({ conn, remote }) => {
      if (remote.address.startsWith('127.0.2.')) two.tcp.perform({ kind: 'refuse', conn })
    }
    one.learn({ k: 'hunter2' }, [keyed('127.0.0.1')])
    listen()
    const from = (localAddress: string): Socket => {
      const socket = createConnection({ host: '127.0.0.1', port, localAddress })
      socket.on('error', () => {})
      strangers.push(socket)
      return socket
    }
    for (let count = 0; count <= MOST; count++) from('127.0.2.7')
    await until('the filter', () => two.of('callers-filtered').length === 1)
    expect(two.of('callers-filtered')[0]).toMatchObject({ isOn: true, dropped: 0 })
    const before = two.of('accepted').length
    const unseen = from('127.0.2.7')
    from('127.0.1.77')
    dial('127.0.0.1', '127.0.0.1')
    await until('both neighbors', () => two.of('accepted').length === before + 2)
    await talk('while it is on')
    await until('that it is told', () => two.of('callers-filtered').some(({ dropped }) => dropped > 0))
    expect(unseen.pending).toBe(true)
    // Another neighbor: the filter follows.
    two.learn({ k: 'hunter2' }, [keyed('127.0.0.1'), { ...distant('127.0.2.0/24', 1), minTtl: undefined }])
    const now = two.of('accepted').length
    from('127.0.2.8')
    await until('the new neighbor', () => two.of('accepted').length > now)
  })
})
