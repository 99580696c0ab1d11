/** How much all agents of a cluster write together, by counting: 5,000 of the keepers that stand in the engine, on one clock. */
import { beforeAll, describe, expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { logLine } from '../../src/engine/log-line.ts'
import { Outbox } from '../../src/engine/outbox.ts'
import { StatusKeeper } from '../../src/engine/status.ts'
import type { ProtocolView, View } from '../../src/show/view.ts'
import { Agenda } from '../support/agenda.ts'
import { fakeView } from '../support/fake-view.ts'
import { node, upsert } from '../support/objects.ts'

const NODES = 5_000
const SECOND = 1_000
const MINUTE = 60 * SECOND
const ROUTERS = ['Global_10_0_0_1', 'Global_10_0_0_2']
const TEMPLATE = [...fakeView().eachProtocol()][0] as ProtocolView

/** One agent: what it says of its two routers is a matter of two words. */
class Agent {
  readonly out = new Outbox()
  readonly keeper: StatusKeeper
  readonly #up = new Set(ROUTERS)
  readonly #cluster: Cluster
  #since = 0

  constructor(cluster: Cluster, name: string, seed: number) {
    this.#cluster = cluster
    const usual = fakeView()
    const view: View = {
      ...usual,
      get now() {
        return cluster.now
      },
      problems: () => [],
      status: () => ({ ...usual.status(), node: name }),
      eachProtocol: () => ROUTERS.map((router) => this.#protocol(router)),
    }
    this.keeper = new StatusKeeper(
      { conditions: true },
      { view, store: cluster.store, out: this.out, chance: new Chance(seed) },
    )
  }

  #protocol(name: string): ProtocolView {
    const state = this.#up.has(name) ? 'Established' : 'Active'
    return { ...TEMPLATE, name, peer: { ...TEMPLATE.peer, state, since: this.#since } }
  }

  sessions(code: 'session-up' | 'session-down', names: readonly string[] = ROUTERS): void {
    for (const peer of names) {
      if (code === 'session-up') this.#up.add(peer)
      else this.#up.delete(peer)
      this.out.log(logLine('info', code, peer, { peer, class: 'Socket', error: 'lost' }))
    }
    this.#since = this.#cluster.now
    this.turn()
  }

  turn(): void {
    this.keeper.step(this.#cluster.now)
    for (const { kind } of this.out.take()) if (kind === 'status' || kind === 'events') this.#cluster.count(kind)
    const due = this.keeper.deadline()
    if (due !== undefined) this.#cluster.agenda.push(Math.max(due, this.#cluster.now), () => this.#wake())
  }

  #wake(): void {
    const due = this.keeper.deadline()
    if (due !== undefined && due <= this.#cluster.now) this.turn()
  }
}

class Cluster {
  now = 0
  readonly store = new ObjectStore()
  readonly agenda = new Agenda<() => void>()
  readonly agents: readonly Agent[]
  /** By second. */
  readonly writes = { status: new Map<number, number>(), events: new Map<number, number>() }

  constructor() {
    const names = Array.from({ length: NODES }, (_, index) => `node-${index}`)
    this.store.apply(names.map((name) => upsert(node(name))))
    this.agents = names.map((name, index) => new Agent(this, name, index))
  }

  count(kind: 'status' | 'events'): void {
    const second = Math.floor(this.now / SECOND)
    this.writes[kind].set(second, (this.writes[kind].get(second) ?? 0) + 1)
  }

  /** At the same moment on every node, or within so long of it. */
  everywhere(within: number, what: (agent: Agent) => void): void {
    this.agents.forEach((agent, index) => {
      this.agenda.push(this.now + ((index * 7_919) % NODES) * (within / NODES), () => what(agent))
    })
  }

  pass(millis: number): void {
    const end = this.now + millis
    for (let next = this.agenda.next; next !== undefined && next <= end; next = this.agenda.next) {
      this.now = Math.max(this.now, next)
      this.agenda.pop()?.()
    }
    this.now = end
  }

  /** Of status and Events together, between two times: the most in a second, and all. */
  between(from: number, to: number): { most: number; sum: number; events: number } {
    const seconds = Array.from({ length: Math.floor((to - from) / SECOND) }, (_, index) => from / SECOND + index)
    const of = (kind: 'status' | 'events') => seconds.map((second) => this.writes[kind].get(second) ?? 0)
    const [status, events] = [of('status'), of('events')]
    const all = status.map((count, index) => count + (events[index] ?? 0))
    const sum = (list: readonly number[]) => list.reduce((one, other) => one + other, 0)
    return { most: Math.max(...all), sum: sum(all), events: sum(events) }
  }
}

describe('5,000 agents', () => {
  let cluster: Cluster
  beforeAll(() => {
    cluster = new Cluster()
  })

  test('a whole cluster that starts at once: under 100 a second, each one status and one Event', () => {
    cluster.everywhere(SECOND, (agent) => agent.sessions('session-up'))
    cluster.pass(6 * MINUTE)
    const { most, sum, events } = cluster.between(0, 6 * MINUTE)
    expect(most).toBeLessThan(100)
    expect({ status: sum - events, events }).toEqual({ status: NODES, events: NODES })
  })

  test('at rest: 8 a second at most on average, spread, and none longer than twenty minutes without a sign of life', () => {
    cluster.pass(54 * MINUTE)
    const { most, sum } = cluster.between(20 * MINUTE, 60 * MINUTE)
    expect(sum / (40 * 60)).toBeLessThan(NODES / 600)
    expect(sum / (40 * 60)).toBeGreaterThan(NODES / 1_200)
    expect(most).toBeLessThan(30)
  })

  test('every session of the fabric is reset and comes back: under 100 a second', () => {
    const from = cluster.now
    cluster.everywhere(0, (agent) => agent.sessions('session-down'))
    cluster.pass(5 * SECOND)
    cluster.everywhere(30 * SECOND, (agent) => agent.sessions('session-up'))
    cluster.pass(9 * MINUTE + 55 * SECOND)
    const { most, sum } = cluster.between(from, cluster.now)
    expect(most).toBeLessThan(100)
    expect(sum).toBeGreaterThan(NODES)
  })

  test('one router of each node flaps every ten seconds for four minutes: under 100 a second', () => {
    const from = cluster.now
    for (let count = 0; count < 12; count++) {
      cluster.everywhere(0, (agent) => agent.sessions('session-down', ROUTERS.slice(1)))
      cluster.pass(10 * SECOND)
      cluster.everywhere(0, (agent) => agent.sessions('session-up', ROUTERS.slice(1)))
      cluster.pass(10 * SECOND)
    }
    const { most } = cluster.between(from, cluster.now)
    expect(most).toBeLessThan(100)
  })
})
