/** The work, and what is measured of it. One `Trial` owns the namespaces, the daemon and the feeder of one measurement. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BuildWords, ChurnSpec, Report, SessionSpec } from './feeder.ts'
import { address, Daemon, Feeder, Net, now, type Sample } from './host.ts'
import type { Contestant, Family, Job, Metrics } from './job.ts'
import { RouteSet } from './routes.ts'

const DAEMON_AS = 65_000
const FEEDER_AS = 65_001
const PORT = 179
const NEXT_HOP: Readonly<Record<Family, readonly number[]>> = {
  v4: [10, 77, 0, 2],
  v6: [0xfd, 0x77, 0, 1, ...new Array<number>(11).fill(0), 2],
}

export interface Scenario {
  readonly id: string
  readonly kernel?: 'written'
  readonly title: string
  /** Neighbors the namespaces must have addresses for. */
  readonly neighbors: number
  go(trial: Trial): Promise<Metrics>
}

interface Party {
  readonly number: number
  readonly family: Family
  readonly as: number
  readonly originated?: boolean
}

const feedTo = (family: Family): Party => ({ number: 0, family, as: FEEDER_AS })
const collectAt = (number: number, family: Family): Party => ({ number, family, as: 65_100 + number })

export class Trial {
  readonly timeout: number
  readonly feeder: Feeder
  readonly #contestant: Contestant
  readonly #dir: string
  readonly #net: Net
  #daemon: Daemon | undefined
  #feeds: readonly Party[] = []
  #collectors: readonly Party[] = []

  constructor(contestant: Contestant, neighbors: number, dir: string, timeout: number) {
    this.#contestant = contestant
    this.#dir = dir
    this.timeout = timeout
    this.#net = new Net(neighbors)
    this.feeder = new Feeder(this.#net)
  }

  get daemon(): Daemon {
    if (this.#daemon === undefined) throw new Error('no daemon was started')
    return this.#daemon
  }

  get logTail(): string {
    return this.#daemon?.logTail ?? ''
  }

  get contestant(): Contestant {
    return this.#contestant
  }

  async build(feed: readonly { family: Family; size: number }[], more: Partial<BuildWords> = {}): Promise<void> {
    const specs = feed.map(({ family, size }) => ({ family, size, as: FEEDER_AS, nextHop: NEXT_HOP[family] }))
    await this.feeder.call('build', { feed: specs, expect: [{ family: 'v4', size: 1 }], churn: undefined, ...more })
  }

  async start(
    feeds: readonly Party[],
    collectors: readonly Party[],
    originate: Job['originate'] = NOTHING,
    kernel = false,
  ) {
    this.#feeds = feeds
    this.#collectors = collectors
    const neighbors = [...feeds, ...collectors].map(({ number, family, as }) => ({
      name: `p${number}`,
      address: address(family, 'peer', number),
      localAddress: address(family, 'daemon', number),
      port: PORT,
      as,
      family,
      passive: true,
    }))
    const listen = ['0.0.0.0', '::']
    const job = {
      as: DAEMON_AS,
      routerId: '10.77.255.1',
      port: PORT,
      listen,
      neighbors,
      originate,
      kernel,
      dir: this.#dir,
    }
    this.#daemon = new Daemon(this.#net, this.#contestant, job)
    await this.#load(job)
  }

  async #load(job: Job): Promise<void> {
    for (const end = now() + 30_000; ; await sleep(100)) {
      this.daemon.checkAlive()
      try {
        this.#contestant.load?.(job, this.daemon.run)
        return
      } catch (error) {
        if (now() > end) throw error
      }
    }
  }

  /** Opens all sessions, then lets the daemon come to rest. */
  async connect(rest = 1500): Promise<number> {
    const session = ({ number, family, as, originated = false }: Party): SessionSpec => ({
      family,
      as,
      originated,
      local: address(family, 'peer', number),
      remote: address(family, 'daemon', number),
      port: PORT,
      routerId: `10.77.${number}.2`,
      daemonAs: DAEMON_AS,
    })
    const words = { feed: this.#feeds.map(session), collect: this.#collectors.map(session) }
    const ended = this.daemon.exited.then(() => Promise.reject(new Error('the daemon ended')))
    const { established } = await Promise.race([this.feeder.call('connect', words), ended])
    ended.catch(() => {})
    if (rest > 0) {
      await sleep(rest)
      await this.daemon.settle(now() + 10_000)
    }
    return established
  }

  async end(): Promise<void> {
    try {
      await this.#daemon?.stop()
      await this.feeder.stop()
    } finally {
      this.#net.destroy()
    }
  }
}

const NOTHING: Job['originate'] = { v4: [], v6: [] }

const memoryOf = ({ rss, peak, pss }: Sample): Metrics => ({ rss, peak, pss })

function checkReports({ complete, collectors }: { complete: boolean; collectors: readonly Report[] }): void {
  if (!complete) throw new Error(`not all routes at the deadline: ${JSON.stringify(collectors)}`)
  const bad = collectors.find(({ strangers, wrong }) => strangers + wrong > 0)
  if (bad !== undefined) throw new Error(`wrong routes or attributes: ${JSON.stringify(bad)}`)
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** First byte sent → at rest with all routes in its table. */
async function ingest(trial: Trial, family: Family, size: number): Promise<Metrics> {
  await trial.build([{ family, size }])
  await trial.start([feedTo(family)], [])
  await trial.connect()
  const before = trial.daemon.sample()
  const { start } = await trial.feeder.call('feed', { timeout: trial.timeout })
  for (;;) {
    const restAt = await trial.daemon.settle(start + trial.timeout)
    const after = trial.daemon.sample()
    const count = trial.daemon.count(family)
    if (restAt === undefined) throw new Error(`${count} of ${size} routes at the deadline`)
    if (count !== undefined && count !== size) continue
    return {
      cpu: (after.cpu - before.cpu) / 1000,
      wall: (restAt - start) / 1000,
      perRoute: (after.rss - before.rss) / size,
      ...memoryOf(after),
    }
  }
}

/**
 * First byte sent → at rest with all routes of both families in the kernel; then the neighbor is lost, and they are gone
 * again. `bare`: the same without the kernel, to be taken off.
 */
async function kernel(trial: Trial, size: number, isWritten: boolean): Promise<Metrics> {
  const families = ['v4', 'v6'] as const
  const { kernelProtocol: protocol, writes } = trial.contestant
  await trial.build(families.map((family) => ({ family, size })))
  const feeds = families.map((family, number) => ({ number, family, as: FEEDER_AS }))
  await trial.start(feeds, [], NOTHING, isWritten)
  if (writes !== undefined) return trial.daemon.writeRoutes(writes, routeLines(size))
  await trial.connect()
  const before = trial.daemon.sample()
  const { start } = await trial.feeder.call('feed', { timeout: trial.timeout })
  const all = isWritten && protocol !== undefined ? size : undefined
  const written = await atRest(trial, start + trial.timeout, all)
  const wall = (now() - start) / 1000
  await trial.feeder.stop()
  await atRest(trial, now() + trial.timeout, all === undefined ? undefined : 0)
  return {
    cpu: (written.cpu - before.cpu) / 1000,
    wall,
    clear: (trial.daemon.sample().cpu - written.cpu) / 1000,
    ...memoryOf(written),
  }
}

/** Nothing to do any more, and so many routes of each family in the kernel. */
async function atRest(trial: Trial, deadline: number, size: number | undefined): Promise<Sample> {
  const { daemon } = trial
  for (;;) {
    const restAt = await daemon.settle(deadline, 1000)
    const sample = daemon.sample()
    if (size === undefined) return sample
    const counts = daemon.kernelRoutes(trial.contestant.kernelProtocol as number)
    if (counts.every((count) => count === size)) return sample
    if (restAt === undefined) throw new Error(`${counts.join(' and ')} of ${size} routes in the kernel at the deadline`)
  }
}

const routeLines = (size: number): readonly string[] =>
  (['v4', 'v6'] as const).flatMap((family) =>
    new RouteSet(family, size)
      .texts()
      .map((prefix) => `route add ${prefix} via ${address(family, 'peer', 0)} proto 4 metric 1025`),
  )

/** First byte sent → last route at the last collector. */
async function transit(trial: Trial, family: Family, size: number, collectors: number): Promise<Metrics> {
  await trial.build([{ family, size }])
  await trial.start(
    [feedTo(family)],
    Array.from({ length: collectors }, (_, index) => collectAt(index + 1, family)),
  )
  await trial.connect()
  const before = trial.daemon.sample()
  const fed = await trial.feeder.call('feed', { timeout: trial.timeout })
  checkReports(fed)
  await trial.daemon.settle(now() + 20_000, 500)
  const after = trial.daemon.sample()
  return {
    cpu: (after.cpu - before.cpu) / 1000,
    wall: (Math.max(...fed.collectors.map(({ last }) => last)) - fed.start) / 1000,
    most: (Math.max(...fed.collectors.map(({ most }) => most)) - fed.start) / 1000,
    outBytes: mean(fed.collectors.map(({ bytes }) => bytes / size)),
    outMessages: mean(fed.collectors.map(({ messages }) => messages)),
    ...memoryOf(after),
  }
}

/** Session Established → last route at its collector, of the slower family. */
async function originate(trial: Trial, size: number): Promise<Metrics> {
  const families = ['v4', 'v6'] as const
  await trial.build([], { expect: families.map((family) => ({ family, size })) })
  const collectors = families.map((family, number) => ({ ...collectAt(number, family), originated: true }))
  const [v4, v6] = families.map((family) => new RouteSet(family, size).texts())
  await trial.start([], collectors, { v4: v4 ?? [], v6: v6 ?? [] })
  const load = await loaded(trial, size)
  await trial.daemon.settle(now() + 10_000)
  const before = trial.daemon.sample()
  await trial.connect(0)
  const got = await trial.feeder.call('collect', { timeout: trial.timeout })
  checkReports(got)
  await trial.daemon.settle(now() + 20_000, 500)
  const after = trial.daemon.sample()
  const took = (key: 'last' | 'most') => got.collectors.map((report) => (report[key] - report.established) / 1000)
  return {
    cpu: (after.cpu - before.cpu) / 1000,
    wall: Math.max(...took('last')),
    most: Math.max(...took('most')),
    load: load / 1000,
    loadCpu: before.cpu / 1000,
    ...memoryOf(after),
  }
}

/** All routes in its own table, where it can tell; otherwise three seconds of quiet. */
async function loaded(trial: Trial, size: number): Promise<number> {
  const { daemon } = trial
  for (const end = daemon.startedAt + trial.timeout; now() < end; await sleep(100)) {
    daemon.checkAlive()
    const counts = [daemon.count('v4'), daemon.count('v6')]
    if (counts.includes(undefined)) return ((await daemon.settle(end, 3000)) ?? end) - daemon.startedAt
    if (counts.every((count) => count !== undefined && count >= size)) return now() - daemon.startedAt
  }
  throw new Error('its own routes were not loaded')
}

/** Per route: change sent → received. */
async function churn(trial: Trial, spec: ChurnSpec): Promise<Metrics> {
  const size = spec.stable + spec.batches * spec.batchSize
  await trial.build([{ family: 'v4', size }], { churn: spec })
  await trial.start([feedTo('v4')], [collectAt(1, 'v4')])
  await trial.connect()
  checkReports(await trial.feeder.call('feed', { timeout: trial.timeout }))
  await trial.daemon.settle(now() + 20_000, 1000)
  const before = trial.daemon.sample()
  const { wrong, p50, p99, longest, missed } = await trial.feeder.call('churn', spec)
  await trial.daemon.settle(now() + 10_000, 500)
  const after = trial.daemon.sample()
  if (wrong > 0) throw new Error(`${wrong} routes in the wrong state afterwards`)
  return { cpu: (after.cpu - before.cpu) / 1000, p50, p99, longest, missed, ...memoryOf(after) }
}

/** Process start → Established, and three seconds of nothing. */
async function footprint(trial: Trial): Promise<Metrics> {
  await trial.build([])
  await trial.start([], [collectAt(0, 'v4')])
  const established = await trial.connect(0)
  await sleep(3000)
  const sample = trial.daemon.sample()
  return { cpu: sample.cpu / 1000, wall: (established - trial.daemon.startedAt) / 1000, ...memoryOf(sample) }
}

export function scenarios(quick: boolean): readonly Scenario[] {
  const thousands = quick ? 100 : 500
  const size = thousands * 1000
  const duration = quick ? 6000 : 20_000
  const change: ChurnSpec = { stable: 100_000, batches: 20, batchSize: 1000, interval: 100, duration }
  const passing = (family: Family, name: string): Scenario => ({
    id: `transit-${family}`,
    title: `pass on ${thousands}k ${name} routes`,
    neighbors: 2,
    go: (trial) => transit(trial, family, size, 1),
  })
  return [
    {
      id: 'ingest-v4',
      title: `take in ${thousands}k IPv4 routes`,
      neighbors: 1,
      go: (trial) => ingest(trial, 'v4', size),
    },
    {
      id: 'ingest-v6',
      title: `take in ${thousands}k IPv6 routes`,
      neighbors: 1,
      go: (trial) => ingest(trial, 'v6', size),
    },
    passing('v4', 'IPv4'),
    passing('v6', 'IPv6'),
    {
      id: 'fan-out',
      title: 'tell 50k IPv4 routes to 20 neighbors',
      neighbors: 21,
      go: (trial) => transit(trial, 'v4', 50_000, 20),
    },
    {
      id: 'churn',
      title: `1,000 changes every 100 ms for ${duration / 1000} s, over 100k routes`,
      neighbors: 2,
      go: (trial) => churn(trial, change),
    },
    {
      id: 'originate',
      title: 'tell 10k IPv4 + 10k IPv6 of our own',
      neighbors: 2,
      go: (trial) => originate(trial, 10_000),
    },
    ...[10, quick ? 30 : 95].flatMap((routes): Scenario[] => [
      {
        id: `bare-${routes}k`,
        title: `take in ${routes}k IPv4 + ${routes}k IPv6 routes`,
        neighbors: 2,
        go: (trial) => kernel(trial, routes * 1000, false),
      },
      {
        id: `kernel-${routes}k`,
        title: `write ${routes}k IPv4 + ${routes}k IPv6 routes into the kernel`,
        kernel: 'written',
        neighbors: 2,
        go: (trial) => kernel(trial, routes * 1000, true),
      },
    ]),
    { id: 'idle', title: 'one neighbor, nothing to do', neighbors: 1, go: footprint },
  ]
}
