/**
 * Feeder and collectors: one process, any number of BGP sessions, all opened by us towards the daemon under test. Driven over
 * Node's channel between processes: {id, call, words} → {id, result} or {id, error}. Times are milliseconds of the
 * monotonic clock, which both processes share.
 */
import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family } from './job.ts'
import { GROUP_AS, RouteSet } from './routes.ts'
import { END_OF_RIB, Framer, KEEPALIVE, open, TYPE, type UpdateSink, walkUpdate } from './wire.ts'

const now = (): number => Number(process.hrtime.bigint()) / 1e6

export interface SessionSpec {
  readonly family: Family
  readonly local: string
  readonly remote: string
  readonly port: number
  readonly as: number
  readonly routerId: string
  readonly daemonAs: number
  /** The daemon originates what this one is to collect. */
  readonly originated: boolean
}

export interface FeedSpec {
  readonly family: Family
  readonly size: number
  readonly as: number
  readonly nextHop: readonly number[]
}

export interface ChurnSpec {
  readonly stable: number
  readonly batches: number
  readonly batchSize: number
  readonly interval: number
  readonly duration: number
}

class Session {
  readonly spec: SessionSpec
  established = 0
  error: string | undefined
  bytes = 0
  messages = 0
  /** When the last bytes came. */
  at = 0
  onProgress: (() => void) | undefined
  onClosed: (() => void) | undefined
  socket: Socket | undefined
  #ticker: NodeJS.Timeout | undefined

  constructor(spec: SessionSpec) {
    this.spec = spec
  }

  async connect(deadline: number): Promise<void> {
    for (;;) {
      this.error = undefined
      await this.#attempt(deadline)
      if (this.established > 0) return
      if (now() > deadline) throw new Error(`${this.spec.remote}: not established: ${this.error}`)
      await sleep(20)
    }
  }

  #attempt(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const { remote, local, port, as, routerId, family } = this.spec
      const socket = createConnection({ host: remote, port, localAddress: local, noDelay: true })
      this.socket = socket
      const framer = new Framer()
      const timer = setTimeout(() => socket.destroy(new Error('too late')), Math.max(1, deadline - now()))
      const up = (): void => {
        this.established = this.at
        clearTimeout(timer)
        this.#ticker = setInterval(() => socket.write(KEEPALIVE), 20_000)
        resolve()
      }
      socket.on('connect', () => socket.write(open(as, routerId, [family])))
      socket.on('data', (chunk: Buffer) => {
        this.at = now()
        this.bytes += chunk.length
        try {
          framer.push(chunk, (bytes, start, end) => this.#take(bytes, start, end, up))
        } catch (error) {
          socket.destroy(error as Error)
        }
        this.onProgress?.()
      })
      socket.on('error', (error) => {
        this.error = error.message
      })
      socket.on('close', () => {
        clearTimeout(timer)
        clearInterval(this.#ticker)
        this.error ??= 'connection closed'
        resolve()
        if (this.established > 0) this.onClosed?.()
      })
    })
  }

  #take(bytes: Uint8Array, start: number, end: number, up: () => void): void {
    const type = bytes[start + 18]
    if (type === TYPE.update) {
      this.messages++
      this.update(bytes, start, end)
    } else if (type === TYPE.open) this.socket?.write(KEEPALIVE)
    else if (type === TYPE.notification) this.error = `NOTIFICATION ${bytes[start + 19]}/${bytes[start + 20]}`
    else if (type === TYPE.keepalive && this.established === 0) up()
  }

  update(_bytes: Uint8Array, _start: number, _end: number): void {}
}

/** Holds what arrives against what should, and notes when. */
class Collector extends Session implements UpdateSink {
  readonly set: RouteSet
  readonly seen: Uint8Array
  count = 0
  first = 0
  /** When 95% of the routes were there. */
  most = 0
  last = 0
  eor = 0
  repeats = 0
  strangers = 0
  wrong = 0
  /** By route, when its last change was sent, and whether it was a withdrawal. Undefined outside of churn. */
  pending: { readonly sent: Float64Array; readonly withdrawn: Uint8Array } | undefined
  readonly latencies: number[] = []
  readonly #mostCount: number
  #pathFits = false
  #origin = 0

  constructor(spec: SessionSpec, set: RouteSet) {
    super(spec)
    this.set = set
    this.seen = new Uint8Array(set.size)
    this.#mostCount = Math.ceil(set.size * 0.95)
  }

  get isComplete(): boolean {
    return this.count === this.set.size
  }

  override update(bytes: Uint8Array, start: number, end: number): void {
    walkUpdate(bytes, start, end, this)
  }

  path(firstAs: number, originAs: number): void {
    this.#pathFits = firstAs === this.spec.daemonAs
    this.#origin = originAs
  }

  endOfRib(): void {
    this.eor ||= this.at
  }

  route(family: Family, high: number, low: number, length: number, withdrawn: boolean): void {
    const index = family === this.set.family ? this.set.find(high, low, length) : -1
    if (index < 0) {
      this.strangers++
      return
    }
    if (!withdrawn) this.#announced(index)
    else if (this.seen[index] === 1) {
      this.seen[index] = 0
      this.count--
    }
    this.first ||= this.at
    const { pending } = this
    if (pending === undefined || pending.sent[index] === 0 || pending.withdrawn[index] !== Number(withdrawn)) return
    this.latencies.push(this.at - (pending.sent[index] as number))
    pending.sent[index] = 0
  }

  #announced(index: number): void {
    if (this.seen[index] === 1) this.repeats++
    else {
      this.seen[index] = 1
      this.count++
      if (this.count === this.#mostCount) this.most = this.at
      if (this.isComplete) this.last = this.at
    }
    const { originated, daemonAs } = this.spec
    const origin = originated ? daemonAs : GROUP_AS + (this.set.group[index] as number)
    if (!this.#pathFits || this.#origin !== origin) this.wrong++
  }

  report() {
    const { established, first, most, last, eor, count, repeats, strangers, wrong, bytes, messages } = this
    return { established, first, most, last, eor, count, repeats, strangers, wrong, bytes, messages }
  }
}
export type Report = ReturnType<Collector['report']>

interface Tick {
  readonly from: number
  readonly to: number
  readonly withdrawn: boolean
  readonly data: Buffer
}

const sets: Partial<Record<Family, RouteSet>> = {}
let feeds: readonly Buffer[] = []
let ticks: readonly Tick[] = []
let feeders: readonly Session[] = []
let collectors: readonly Collector[] = []

function setOf(family: Family): RouteSet {
  const set = sets[family]
  if (set === undefined) throw new Error(`no ${family} routes were asked for`)
  return set
}

/** True when all collectors hold exactly their set, false at the deadline. */
function allComplete(deadline: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const done = (complete: boolean): void => {
      clearTimeout(timer)
      for (const collector of collectors) collector.onProgress = collector.onClosed = undefined
      resolve(complete)
    }
    const check = (): void => {
      if (collectors.every(({ isComplete }) => isComplete)) done(true)
    }
    const timer = setTimeout(() => done(false), Math.max(1, deadline - now()))
    for (const collector of collectors) {
      collector.onProgress = check
      collector.onClosed = () => reject(new Error(`collector ${collector.spec.local}: ${collector.error}`))
    }
    check()
  })
}

function churnTicks(feed: FeedSpec, churn: ChurnSpec): Tick[] {
  return Array.from({ length: churn.duration / churn.interval }, (_, tick) => {
    const round = Math.floor(tick / churn.batches)
    const from = churn.stable + (tick % churn.batches) * churn.batchSize
    const to = from + churn.batchSize
    // Changed, withdrawn, announced again.
    const withdrawn = round % 3 === 1
    const data = Buffer.concat(setOf(feed.family).encode(from, to, { ...feed, variant: round + 1 }, withdrawn))
    return { from, to, withdrawn, data }
  })
}

async function runChurn(churn: ChurnSpec): Promise<{ sent: number; missed: number; lag: number }> {
  const [collector, feeder] = [collectors[0] as Collector, feeders[0] as Session]
  const pending = {
    sent: new Float64Array(collector.set.size),
    withdrawn: new Uint8Array(collector.set.size),
  }
  collector.pending = pending
  const start = now()
  let [sent, missed, lag] = [0, 0, 0]
  for (const [index, { from, to, withdrawn, data }] of ticks.entries()) {
    const wait = start + index * churn.interval - now()
    if (wait > 0) await sleep(wait)
    lag = Math.max(lag, -wait)
    missed += pending.sent.subarray(from, to).reduce((sum, at) => sum + (at > 0 ? 1 : 0), 0)
    pending.sent.fill(now(), from, to)
    pending.withdrawn.fill(Number(withdrawn), from, to)
    feeder.socket?.write(data)
    sent += to - from
    const lost = collector.error ?? feeder.error
    if (lost !== undefined) throw new Error(`session lost: ${lost}`)
  }
  for (const end = now() + 5000; now() < end && pending.sent.some((at) => at > 0); ) await sleep(20)
  collector.pending = undefined
  return { sent, missed: missed + pending.sent.reduce((sum, at) => sum + (at > 0 ? 1 : 0), 0), lag }
}

/** The last rounds may have ended in withdrawals. */
function wrongAfterChurn(): number {
  const { set, seen } = collectors[0] as Collector
  const wanted = new Uint8Array(set.size).fill(1)
  for (const { from, to, withdrawn } of ticks) wanted.fill(withdrawn ? 0 : 1, from, to)
  return wanted.reduce((sum, state, index) => sum + (state === seen[index] ? 0 : 1), 0)
}

export interface BuildWords {
  readonly feed: readonly FeedSpec[]
  readonly expect: readonly { readonly family: Family; readonly size: number }[]
  readonly churn: ChurnSpec | undefined
}

const calls = {
  /** Before anything is timed. */
  build({ feed, expect, churn }: BuildWords) {
    for (const { family, size } of [...feed, ...expect]) sets[family] ??= new RouteSet(family, size)
    feeds = feed.map((spec) => Buffer.concat([setOf(spec.family).feed(spec), END_OF_RIB[spec.family]]))
    if (churn !== undefined && feed[0] !== undefined) ticks = churnTicks(feed[0], churn)
    return {}
  },

  async connect({ feed, collect }: { feed: readonly SessionSpec[]; collect: readonly SessionSpec[] }) {
    const deadline = now() + 60_000
    feeders = feed.map((spec) => new Session(spec))
    collectors = collect.map((spec) => new Collector(spec, setOf(spec.family)))
    const all = [...feeders, ...collectors]
    await Promise.all(all.map((session) => session.connect(deadline)))
    return { established: Math.max(...all.map(({ established }) => established)) }
  },

  /** Sends every feed and waits until all collectors have everything. */
  async feed({ timeout }: { timeout: number }) {
    const start = now()
    const sent = feeders.map(
      (feeder, index) =>
        new Promise<void>((resolve, reject) => {
          feeder.onClosed = () => reject(new Error(`feeder: ${feeder.error}`))
          feeder.socket?.write(feeds[index] as Buffer, () => resolve())
        }),
    )
    const late = sleep(timeout, undefined, { ref: false }).then(() =>
      Promise.reject(new Error('the feed is not taken')),
    )
    await Promise.race([Promise.all(sent), late])
    const complete = await allComplete(start + timeout)
    return { start, complete, collectors: collectors.map((collector) => collector.report()) }
  },

  async collect({ timeout }: { timeout: number }) {
    const complete = await allComplete(now() + timeout)
    return { complete, collectors: collectors.map((collector) => collector.report()) }
  },

  async churn(churn: ChurnSpec) {
    const done = await runChurn(churn)
    const sorted = Float64Array.from(collectors[0]?.latencies ?? []).sort()
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
    return { ...done, p50: at(0.5), p99: at(0.99), longest: at(1), wrong: wrongAfterChurn() }
  },
}
export type Calls = typeof calls

if (process.send !== undefined) {
  process.on('message', ({ id, call, words }: { id: number; call: keyof Calls; words: never }) => {
    Promise.resolve()
      .then(() => calls[call](words))
      .then(
        (result) => process.send?.({ id, result }),
        (error: Error) => process.send?.({ id, error: error.message }),
      )
  })
  process.on('disconnect', () => process.exit(0))
  // Whoever asked is gone.
  process.on('error', () => process.exit(1))
}
