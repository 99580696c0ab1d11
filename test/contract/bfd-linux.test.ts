/** BFD on the sockets of the real kernel, between namespaces. Root only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeControl } from '../../src/bfd/packet.ts'
import type { BfdCounters, BfdInput, BfdIntent, BfdNews, BfdView } from '../../src/bfd/types.ts'
import { control, intent } from '../bfd/support.ts'
import type { Block, Throw } from '../support/bfd-host.ts'
import { until } from '../support/loopback.ts'
import { isRoot, Namespace } from '../support/namespace.ts'

const HOST = fileURLToPath(new URL('../support/bfd-host.ts', import.meta.url))

class Host {
  readonly news: BfdNews[] = []
  readonly #child: ChildProcess
  #ready: () => void = () => {}
  readonly ready = new Promise<void>((resolve) => {
    this.#ready = resolve
  })

  constructor({ enter }: Namespace) {
    const [program = '', ...words] = [...enter, process.execPath, HOST]
    this.#child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#ready()
      this.news.push(...(JSON.parse(line) as BfdNews[]))
    })
  }

  order(order: BfdInput | Throw | Block): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  run(...intents: Partial<BfdIntent>[]): void {
    this.order({ kind: 'sessions', sessions: intents.map((change) => intent({ local: undefined, ...change })) })
  }

  async ask(): Promise<{ sessions: readonly BfdView[]; counters: BfdCounters }> {
    const from = this.news.length
    const answer = () => this.news.slice(from).find((news) => news.kind === 'answer')
    this.order({ kind: 'ask', id: from })
    await until('an answer', () => answer() !== undefined)
    return answer() as Extract<BfdNews, { kind: 'answer' }>
  }

  /** Asks until the counters hold what is waited for, or for a few seconds. */
  async counters(holds: (counters: BfdCounters) => boolean): Promise<BfdCounters> {
    for (let tries = 0; tries < 200; tries++) {
      const { counters } = await this.ask()
      if (holds(counters)) return counters
      await sleep(20)
    }
    return (await this.ask()).counters
  }

  /** As it was last reported. */
  session(remote: string): BfdView | undefined {
    return this.reports.findLast(({ session }) => session.remote === remote)?.session
  }

  state(remote: string): string | undefined {
    return this.session(remote)?.state
  }

  error(remote: string): string | undefined {
    return this.session(remote)?.error
  }

  get reports() {
    return this.news.filter((news) => news.kind === 'report')
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

describe.skipIf(!isRoot)('BFD on a cable, and behind a router', () => {
  // left - router - right; left and near share a link.
  const spaces: Record<string, Namespace> = {}
  const hosts: Host[] = []
  const space = (name: string): Namespace => spaces[name] as Namespace

  const start = async (name: string): Promise<Host> => {
    const host = new Host(space(name))
    hosts.push(host)
    await host.ready
    return host
  }

  beforeAll(() => {
    for (const name of ['left', 'router', 'right']) spaces[name] = new Namespace(name)
    space('left').connect('e0', space('router'), 'e0')
    space('right').connect('e0', space('router'), 'e1')
    space('left').address('e0', '10.1.0.1/24', 'fd01::1/64', 'fe80::1/64')
    space('router').address('e0', '10.1.0.9/24', 'fd01::9/64', 'fe80::9/64')
    space('router').address('e1', '10.2.0.9/24', 'fd02::9/64')
    space('right').address('e0', '10.2.0.2/24', 'fd02::2/64')
    space('router').run('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    for (const [name, four, six] of [
      ['left', '10.1.0.9', 'fd01::9'],
      ['right', '10.2.0.9', 'fd02::9'],
    ] as const) {
      space(name).ip(`route add default via ${four}`)
      space(name).ip(`-6 route add default via ${six}`)
    }
  })
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.end()
  })
  afterAll(() => {
    for (const one of Object.values(spaces)) one.remove()
  })

  test.each([
    ['IPv4', '10.1.0.1', '10.1.0.9'],
    ['IPv6', 'fd01::1', 'fd01::9'],
    ['link-local', 'fe80::1%e0', 'fe80::9%e0'],
  ])('single hop, %s: both come up, and one that is killed is missed (RFC 5881 §4, §6)', async (_name, left, right) => {
    const [a, b] = [await start('left'), await start('router')]
    a.run({ remote: right, interface: 'e0' })
    b.run({ remote: left, interface: 'e0' })
    await until('both up', () => a.state(right) === 'Up' && b.state(left) === 'Up', 10_000)
    await b.end()
    await until('down', () => a.state(right) === 'Down')
    const report = a.reports.findLast(({ from }) => from === 'Up')
    expect(report).toMatchObject({ session: { diagnostic: 1, detectionTime: 300_000 } })
  })

  test.each([
    ['10.1.0.5', '10.1.0.55'],
    ['fd01::5', 'fd01::55'],
  ])(
    'of two links with one network that is used which it is bound to, and a new one of that name (%s)',
    async (here, there) => {
      spaces.far = new Namespace('far')
      const connect = () => {
        space('left').connect('e2', space('far'), 'e0')
        space('left').run('sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.e2.rp_filter=0')
        space('left').address('e2', '10.1.0.5/24', 'fd01::5/64')
        space('far').address('e0', '10.1.0.55/24', 'fd01::55/64')
      }
      connect()
      const [a, b] = [await start('left'), await start('far')]
      a.run({ remote: there, local: here, interface: 'e2', isBound: true })
      b.run({ remote: here, interface: 'e0' })
      await until('both up', () => a.state(there) === 'Up' && b.state(here) === 'Up', 10_000)
      space('left').ip('link del e2')
      await until('down', () => a.state(there) === 'Down' && b.state(here) === 'Down')
      connect()
      await until('both up again', () => a.state(there) === 'Up' && b.state(here) === 'Up', 10_000)
      space('far').remove()
      delete spaces.far
    },
  )

  test.each([
    ['IPv4', '10.1.0.1', '10.2.0.2'],
    ['IPv6', 'fd01::1', 'fd02::2'],
  ])('several hops, %s: the router takes one from the TTL (RFC 5883 §5)', async (_name, left, right) => {
    const [a, b] = [await start('left'), await start('right')]
    a.run({ remote: right, hops: 'multi', minimumTtl: 254 })
    b.run({ remote: left, hops: 'multi', minimumTtl: 254 })
    await until('both up', () => a.state(right) === 'Up' && b.state(left) === 'Up', 10_000)
    a.run({ remote: right, hops: 'multi', minimumTtl: 255 })
    await until('a minimum it does not reach ends it', () => a.state(right) !== 'Up')
    expect((await a.ask()).counters.dropped.ttl).toBeGreaterThan(0)
  })

  test('[80] RFC 5881 §5, RFC 5880 §9: what has crossed a router is dropped in the kernel and counted', async () => {
    const [a, b] = [await start('left'), await start('right')]
    a.run({ remote: '10.1.0.9' }, { remote: 'fd01::9' })
    await until('it listens', () => a.state('fd01::9') !== undefined)
    const hex = Buffer.from(encodeControl(control())).toString('hex')
    for (const [to, from] of [
      ['10.1.0.1', '10.2.0.2'],
      ['fd01::1', 'fd02::2'],
    ] as const) {
      b.order({ kind: 'throw', hex, to, from, port: 3784, ttl: 255, count: 10 })
    }
    // Some are lost while the router asks for our hardware address.
    const { dropped, received } = await a.counters(({ dropped }) => (dropped.ttl ?? 0) > 10)
    expect(Object.keys(dropped)).toEqual(['ttl'])
    expect(received).toBe(0)
  })

  test('a flood of strangers on the link is dropped in the kernel, and no session ends', async () => {
    const [a, b] = [await start('left'), await start('router')]
    a.run({ remote: '10.1.0.9' })
    b.run({ remote: '10.1.0.1' })
    await until('both up', () => a.state('10.1.0.9') === 'Up' && b.state('10.1.0.1') === 'Up', 10_000)
    space('router').address('e0', '10.1.0.66/24')
    const thrower = await start('router')
    const hex = Buffer.from(encodeControl(control())).toString('hex')
    thrower.order({ kind: 'throw', hex, to: '10.1.0.1', from: '10.1.0.66', port: 3784, ttl: 255, count: 200_000 })
    const seen = ({ dropped }: BfdCounters) => (dropped.stranger ?? 0) + (dropped.flood ?? 0)
    const counters = await a.counters((now) => seen(now) >= 200_000)
    expect(seen(counters)).toBeGreaterThanOrEqual(190_000)
    expect(counters.dropped.stranger).toBeLessThan(20_000)
    expect(a.news.filter((news) => news.kind === 'dropped')).toEqual([
      { kind: 'dropped', from: '10.1.0.66', reason: 'stranger' },
    ])
    expect([...a.reports, ...b.reports].filter(({ from }) => from === 'Up')).toEqual([])
  })

  test('[85] a main thread that stands still for five seconds ends no session of 3 × 100 ms', async () => {
    const [a, b] = [await start('left'), await start('router')]
    a.run({ remote: '10.1.0.9' })
    b.run({ remote: '10.1.0.1' })
    await until('both up', () => a.state('10.1.0.9') === 'Up' && b.state('10.1.0.1') === 'Up', 10_000)
    const before = b.session('10.1.0.1')?.received ?? 0
    a.order({ kind: 'block', millis: 5_000 })
    a.order({ kind: 'ask', id: 0 })
    await until('it is back', () => a.news.some((news) => news.kind === 'answer'), 20_000)
    expect([...a.reports, ...b.reports].filter(({ from }) => from === 'Up')).toEqual([])
    const { sessions } = await b.ask()
    // 100 ms less jitter, all the while.
    expect((sessions[0]?.received ?? 0) - before).toBeGreaterThan(45)
  })

  test('another program on the port: said for the session, and taken when it has gone', async () => {
    const [first, second] = [await start('left'), await start('left')]
    first.run({ remote: '10.1.0.9' })
    await first.ask()
    second.run({ remote: '10.1.0.9' })
    await until('error', () => second.error('10.1.0.9') !== undefined)
    expect(second.error('10.1.0.9')).toBe('cannot listen on UDP port 3784: Address already in use')
    await first.end()
    await until('no error', () => second.error('10.1.0.9') === undefined)
  })

  test('an address that is not ours yet: said, and used once it is there', async () => {
    const host = await start('left')
    host.run({ remote: '10.1.0.9', local: '10.1.0.77' })
    await until('error', () => host.error('10.1.0.9') === 'Cannot assign requested address')
    space('left').address('e0', '10.1.0.77/24')
    await until('no error', () => host.error('10.1.0.9') === undefined)
  })

  test('RFC 5881 §4, §5: source ports from 49152 on, one for a session, TTL 255', async () => {
    const a = await start('left')
    a.run({ remote: '10.1.0.9' }, { remote: 'fd01::9' }, { remote: '10.2.0.2', hops: 'multi' })
    const lines = () => space('left').run('ss -Huan').split('\n')
    const ports = () => lines().flatMap((line) => /:(\d+)\s+\S+:\*/.exec(line)?.[1] ?? [])
    await until('sockets', () => ports().filter((port) => Number(port) >= 49_152).length === 3)
    expect(
      ports()
        .filter((port) => Number(port) < 49_152)
        .sort(),
    ).toEqual(['3784', '3784', '4784'])
  })
})
