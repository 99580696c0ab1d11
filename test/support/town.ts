/**
 * One agent with a kernel, and neighbors of many kinds (`town-speaker.ts`), on a clock that is a number. `picture` is all that
 * can be seen of it from outside and from `show`: two of them are compared line by line.
 */
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'
import type { LogLine } from '../../src/engine/log-line.ts'
import { ENGINE_OPTIONS } from './engine-options.ts'
import { FakeKernel } from './fake-kernel.ts'
import { type ApiObject, upsert } from './objects.ts'
import { linesOf } from './town-picture.ts'
import { Speaker, type SpeakerOptions } from './town-speaker.ts'

/** Effects of which the last one stands. */
const STANDING = [
  'listen',
  'protect',
  'secrets',
  'pods',
  'cni',
  'discover',
  'follow-default-routes',
  'health',
  'bfd',
  'remember',
  'remember-restart',
] as const
type Standing = (typeof STANDING)[number]
const isStanding = (kind: Effect['kind']): kind is Standing => STANDING.some((one) => one === kind)

export interface TownOptions {
  readonly objects: readonly ApiObject[]
  readonly speakers: readonly SpeakerOptions[]
  /** The objects are of a group of Calico's. */
  readonly calico?: boolean
  /** Addresses of its links. */
  readonly links: Readonly<Record<string, readonly string[]>>
  /** Where its default routes lead. */
  readonly gateways: readonly string[]
  /** Addresses of pods, to each of which its network plugin has written a route. */
  readonly hosts: readonly string[]
  /** Routers that advertise themselves on a link. */
  readonly routers: Readonly<Record<string, string>>
}

const STEP = 5_000
/** Within that time, every session that can be up is up: more than the longest back-off. */
const PATIENCE = 300_000

export class Town {
  now = 0
  readonly engine: Engine
  readonly kernel: FakeKernel
  readonly speakers: readonly Speaker[]
  readonly lines: LogLine[] = []
  readonly standing = new Map<Standing, Effect>()
  readonly #options: TownOptions
  readonly #queue: (() => void)[] = []

  constructor(options: TownOptions) {
    this.#options = options
    const { calico = false } = options
    const more = { dataplane: 'linux', cni: 'bridge', boot: 'first', keepsLastGood: true } as const
    this.engine = new Engine({ ...ENGINE_OPTIONS, ...more, calico })
    this.kernel = new FakeKernel({ feed: (input) => this.feed(input), later: (work) => this.#queue.push(work) })
    for (const [name, addresses] of Object.entries(options.links)) this.kernel.addLink(name, ...addresses)
    for (const via of options.gateways) this.kernel.addForeign(via.includes(':') ? '::/0' : '0.0.0.0/0', via)
    for (const prefix of options.hosts) this.kernel.addOther(prefix, 'eth1', 'unicast', 0)
    const street = {
      feed: (input: Input) => this.feed(input),
      later: (work: () => void) => void this.#queue.push(work),
      agreed: (conn: number) => {
        const session = this.#session(conn)
        return session && { peerType: session.peerType, send: session.send, receives: session.receive.addPath }
      },
    }
    this.speakers = options.speakers.map((one) => new Speaker(one, street))
    this.feed({ kind: 'restarted', document: undefined, forwards: ['ipv4', 'ipv6'] })
    this.kernel.open()
    this.#work()
    this.feed({ kind: 'objects', changes: options.objects.map((object) => upsert(object)) })
    this.feed({ kind: 'synced' })
    this.settle()
  }

  feed(input: Input): void {
    for (const effect of this.engine.handle(input, this.now)) this.#perform(effect)
  }

  /** Objects change, and all that follows has happened. */
  change(...changes: readonly ObjectChange[]): void {
    this.tell(...changes)
    this.settle()
  }

  tell(...changes: readonly ObjectChange[]): void {
    this.feed({ kind: 'objects', changes })
    this.#work()
  }

  /** Neighbors call until nothing comes of it any more. */
  settle(): void {
    this.pass(STEP)
    for (let waited = 0; waited < PATIENCE && this.#isOwed(); waited += STEP) this.pass(STEP)
    this.pass(4 * STEP)
  }

  pass(millis: number): void {
    const end = this.now + millis
    while (this.now < end) {
      for (const speaker of this.speakers) {
        speaker.keepAlive()
        speaker.call()
      }
      this.#hearRouters()
      this.#advance(Math.min(end, this.now + STEP))
    }
  }

  picture(): readonly string[] {
    return linesOf(this)
  }

  #session(conn: number) {
    for (const { peer } of this.engine.view(this.now).eachProtocol())
      if (peer.session?.conn === conn) return peer.session
    return undefined
  }

  /** A neighbor that may be up is not. */
  #isOwed(): boolean {
    const reachable = new Set(this.speakers.filter(({ away }) => !away).map(({ options }) => options.address))
    const down = [...this.engine.view(this.now).eachProtocol()].filter(
      ({ peer, held }) =>
        peer.state !== 'Established' && held === undefined && reachable.has(peer.config.remote.address),
    )
    return down.length > 0
  }

  #hearRouters(): void {
    const asked = this.standing.get('discover')
    for (const name of asked?.kind === 'discover' ? asked.interfaces : []) {
      this.feed({ kind: 'link', interface: name, error: undefined })
      const address = this.#options.routers[name]
      if (address !== undefined) this.feed({ kind: 'router', interface: name, address })
    }
    const health = this.standing.get('health')
    if (health?.kind === 'health' && health.check !== undefined) this.feed({ kind: 'health', error: undefined })
    this.#work()
  }

  #advance(end: number): void {
    for (let due = this.engine.deadline(); due !== undefined && due <= end; due = this.engine.deadline()) {
      this.now = Math.max(this.now, due)
      this.feed({ kind: 'polled', until: this.now, unread: [] })
      this.#work()
    }
    this.now = end
  }

  /** All that is to be done at once. */
  #work(): void {
    for (;;) {
      const next = this.#queue.shift()
      const due = this.engine.deadline()
      if (next !== undefined) next()
      else if (due !== undefined && due <= this.now) this.feed({ kind: 'polled', until: this.now, unread: [] })
      else return
    }
  }

  #perform(effect: Effect): void {
    if (isStanding(effect.kind)) this.standing.set(effect.kind, effect)
    switch (effect.kind) {
      case 'log':
        this.lines.push(effect.line)
        return
      case 'routes':
      case 'nft':
        this.kernel.perform(effect)
        return
      case 'dial':
        this.#queue.push(() => this.feed({ kind: 'dial-failed', conn: effect.conn, reason: 'Connection refused' }))
        return
      case 'send':
      case 'close':
      case 'refuse':
        this.speakers.find(({ conn }) => conn === effect.conn)?.hear(effect)
        return
      case 'cni':
        this.#queue.push(() => this.feed({ kind: 'cni', path: '/cni', config: effect.config, error: undefined }))
        return
    }
  }
}
