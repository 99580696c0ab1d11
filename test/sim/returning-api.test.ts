/**
 * What all agents of a cluster ask of an API server that returns, by counting: requests and octets a second of 5,000. The
 * reflectors are the real ones, on a clock of the test. Agents do not know of each other, so each of 500 stands for
 * ten.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { type Api, ApiError } from '../../src/edge/kubernetes/api.ts'
import { Contact } from '../../src/edge/kubernetes/contact.ts'
import { Reflector, USUAL_TIMING } from '../../src/edge/kubernetes/reflector.ts'
import { resourcesOf } from '../../src/edge/resources.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const AGENTS = 500
/** Of `npm run bench:watch` with 5,000 nodes: all pages of all kinds are 82.8 MB, a tenth of that on the wire. */
const PACKED = 8_300_000
const PAGE = USUAL_TIMING.pageSize
const OBJECTS: Readonly<Record<string, number>> = { Node: 5_000, Service: 10_050, EndpointSlice: 20_101 }
const ALL = Object.values(OBJECTS).reduce((sum, count) => sum + count, 0)

/** A server that is there or not, may have forgotten the past, and counts. */
class Server {
  isUp = true
  /** Before this version nothing is known. */
  oldest = 0
  version = 1
  /** How many agents each of ours stands for. */
  readonly weight: number
  /** By second. */
  readonly requests = new Map<number, number>()
  readonly bytes = new Map<number, number>()
  readonly #watches = new Set<(error: Error) => void>()

  constructor(nodes: number) {
    this.weight = nodes / AGENTS
  }

  stop(): void {
    this.isUp = false
    for (const end of this.#watches) end(lost())
    this.#watches.clear()
  }

  #count(bytes: number): void {
    const second = Math.floor(performance.now() / SECOND)
    for (const [counts, by] of [
      [this.requests, 1],
      [this.bytes, bytes],
    ] as const)
      counts.set(second, (counts.get(second) ?? 0) + by * this.weight)
    if (!this.isUp) throw lost()
  }

  /** Where the agent's reflector of a kind asks. */
  apiOf(kind: string, onKnown: (version: number) => void): Pick<Api, 'list' | 'follow' | 'server'> {
    const pages = Math.ceil((OBJECTS[kind] ?? 1) / PAGE)
    return {
      server: 'https://10.96.0.1',
      list: async (_path, query) => {
        if (query.limit === 1) {
          this.#count(2_000)
          return { metadata: { resourceVersion: String(this.version) } }
        }
        this.#count(((OBJECTS[kind] ?? 0) / ALL / pages) * PACKED)
        const page = Number(query.continue ?? 0) + 1
        if (page === pages) onKnown(this.version)
        return { metadata: { resourceVersion: String(this.version), continue: page < pages ? String(page) : '' } }
      },
      follow: async (_path, query, _wait, onOpen) => {
        this.#count(200)
        if (Number(query.resourceVersion) < this.oldest)
          throw new ApiError(410, '410 too old resource version', undefined)
        onKnown(this.version)
        onOpen()
        await new Promise<void>((_resolve, reject) => this.#watches.add(reject))
      },
    }
  }

  /** Of a time: the most in a second, and all. */
  between(counts: ReadonlyMap<number, number>, from: number, to: number): { most: number; sum: number } {
    const seconds = Array.from({ length: Math.ceil((to - from) / SECOND) }, (_, at) => Math.floor(from / SECOND) + at)
    const found = seconds.map((second) => counts.get(second) ?? 0)
    return { most: Math.max(...found), sum: found.reduce((one, other) => one + other, 0) }
  }
}

const lost = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

class Cluster {
  readonly server: Server
  /** By agent and kind: the version that is known. */
  readonly #known = new Map<string, number>()
  readonly #reflectors: Reflector[] = []

  constructor(nodes: number) {
    this.server = new Server(nodes)
    for (let agent = 0; agent < AGENTS; agent++) {
      const contact = new Contact()
      // The lists here are without items.
      Object.defineProperty(contact, 'nodes', { get: () => nodes, set: () => {} })
      for (const resource of resourcesOf('godwit.dev')) {
        const key = `${agent} ${resource.kind}`
        const api = this.server.apiOf(resource.kind, (version) => this.#known.set(key, version)) as Api
        const sink = { change: () => {}, listed: () => {}, error: () => {} }
        this.#reflectors.push(new Reflector(resource, api, sink, USUAL_TIMING, contact))
      }
    }
  }

  get isExact(): boolean {
    return [...this.#known.values()].every((version) => version === this.server.version)
  }

  /** Until each agent knows what the server knows; the time it took. */
  async untilExact(): Promise<number> {
    const from = performance.now()
    while (!this.isExact) {
      await vi.advanceTimersByTimeAsync(100)
      if (performance.now() - from > 10 * MINUTE) throw new Error('never exact')
    }
    return performance.now() - from
  }

  async stop(): Promise<void> {
    this.server.stop()
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()))
  }
}

let cluster: Cluster
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const chance = new Chance(11)
  vi.spyOn(Math, 'random').mockImplementation(() => chance.next())
})
afterEach(async () => {
  await cluster.stop()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** The server goes away for so long, and returns with everything changed. */
async function returned(nodes: number, away: number, forgets: boolean) {
  cluster = new Cluster(nodes)
  const { server } = cluster
  await vi.advanceTimersByTimeAsync(MINUTE)
  server.stop()
  const goneAt = performance.now()
  await vi.advanceTimersByTimeAsync(away)
  const [backAt, tried] = [performance.now(), server.between(server.requests, goneAt + 30 * SECOND, performance.now())]
  server.isUp = true
  server.version++
  if (forgets) server.oldest = server.version
  const took = await cluster.untilExact()
  const end = performance.now()
  const [requests, bytes] = [server.requests, server.bytes].map((counts) => server.between(counts, backAt, end))
  return { tried, took, requests, bytes }
}

describe('an API server that was away', () => {
  test('for two minutes: 5,000 agents begin their watches where they were, and read no list', async () => {
    const { tried, took, requests, bytes } = await returned(5_000, 2 * MINUTE, false)
    // While it is away each agent has one that asks.
    expect(tried.most).toBeLessThan(500)
    expect(took).toBeLessThanOrEqual(31 * SECOND)
    // Each agent has eight kinds, and compares versions once.
    expect(requests?.most).toBeLessThan(4_000)
    expect(bytes?.sum).toBeLessThan(20_000_000)
  })

  test('and has forgotten the past: 5,000 agents list anew, spread so that it sends less than a gigabyte a second', async () => {
    const { took, requests, bytes } = await returned(5_000, 6 * MINUTE, true)
    expect(took).toBeLessThanOrEqual(140 * SECOND)
    expect(requests?.most).toBeLessThan(10_000)
    expect(bytes?.most).toBeLessThan(1_000_000_000)
  })

  test('that forgot the past, returned and went away again: nobody waits for a list that waits for others', async () => {
    cluster = new Cluster(5_000)
    const { server } = cluster
    await vi.advanceTimersByTimeAsync(MINUTE)
    server.stop()
    server.version++
    server.oldest = server.version
    await vi.advanceTimersByTimeAsync(2 * MINUTE)
    server.isUp = true
    // All agents have been told that their versions are too old, and few have listed.
    await vi.advanceTimersByTimeAsync(40 * SECOND)
    server.stop()
    await vi.advanceTimersByTimeAsync(3 * MINUTE)
    const tried = server.between(server.requests, performance.now() - MINUTE, performance.now())
    expect(tried.most).toBeLessThan(500)
    const backAt = performance.now()
    server.isUp = true
    server.version++
    expect(await cluster.untilExact()).toBeLessThanOrEqual(140 * SECOND)
    const [requests, bytes] = [server.requests, server.bytes].map((counts) =>
      server.between(counts, backAt, performance.now()),
    )
    expect(requests?.most).toBeLessThan(10_000)
    expect(bytes?.most).toBeLessThan(1_000_000_000)
  })

  test.each([true, false])('ten agents are exact within five seconds (all forgotten: %s)', async (forgets) => {
    expect((await returned(10, 2 * MINUTE, forgets)).took).toBeLessThanOrEqual(5 * SECOND)
  })
})
