/** Who holds the Lease: judged on one's own clock, whatever other clocks say. */
import { describe, expect, test } from 'vitest'
import { LEASE_DURATION, LeaseWatch } from '../../src/status/lease.ts'
import { longTest } from '../support/long.ts'

const SECOND = 1_000
const WALL = 1.7e12

/** A Lease in an API that several agents look at. */
class Api {
  now = 0
  version = 0
  holder: string | undefined
  renewedAt: number | undefined

  /** One look of an agent; what it waits for then. `skew`: of its wall clock. */
  look(watch: LeaseWatch, me: string, nodes = 3, skew = 0): number {
    const { holder, renewedAt } = this
    const record = holder === undefined ? undefined : { holder, renewedAt, version: String(this.version) }
    const step = watch.look(record, nodes, this.now, WALL + this.now + skew, 0.5)
    if (step.kind === 'wait') return step.millis
    this.holder = me
    this.version++
    this.renewedAt = WALL + this.now + skew
    return watch.held(this.now)
  }
}

/** Runs agents for a while; answers who held it at the end and how many looks there were. */
function run(
  api: Api,
  agents: Map<string, { watch: LeaseWatch; next: number; skew: number }>,
  until: number,
  nodes = 3,
) {
  let looks = 0
  let most = 0
  while (api.now < until) {
    const [name, agent] = [...agents].reduce((a, b) => (b[1].next < a[1].next ? b : a))
    api.now = Math.max(api.now, agent.next)
    agent.next = api.now + api.look(agent.watch, name, nodes, agent.skew)
    looks++
    const holders = [...agents.values()].filter(({ watch }) => watch.isHeld(api.now)).length
    most = Math.max(most, holders)
  }
  expect(most).toBeLessThanOrEqual(1)
  return looks
}

const agents = (count: number, skew = (_index: number) => 0) =>
  new Map(
    Array.from({ length: count }, (_, index) => {
      const name = `node-${index}`
      return [name, { watch: new LeaseWatch(name), next: index * 100, skew: skew(index) }]
    }),
  )

describe('the Lease', () => {
  test('the first takes it and renews it, the others wait', () => {
    const api = new Api()
    run(api, agents(3), 600 * SECOND)
    expect(api.holder).toBe('node-0')
    expect(api.version).toBeGreaterThan(600 / 20)
  })

  test('a holder that is gone is followed by another, and not before its time is over', () => {
    const api = new Api()
    const all = agents(3)
    run(api, all, 100 * SECOND)
    all.delete('node-0')
    const since = api.now
    while (api.holder === 'node-0') run(api, all, api.now + SECOND)
    expect(api.now - since).toBeGreaterThan(LEASE_DURATION - 20 * SECOND)
    expect(api.now - since).toBeLessThan(2 * LEASE_DURATION + 30 * SECOND)
  })

  test('one that was given back is taken at the next look', () => {
    const api = new Api()
    api.holder = ''
    run(api, agents(1), SECOND)
    expect(api.holder).toBe('node-0')
  })

  test('a holder that could not renew stops before another begins', () => {
    const watch = new LeaseWatch('a')
    watch.held(0)
    expect(watch.isHeld(44 * SECOND)).toBe(true)
    expect(watch.isHeld(45 * SECOND)).toBe(false)
    expect(watch.isHeld(LEASE_DURATION)).toBe(false)
  })

  longTest('clocks that are hours apart take nothing from a holder that lives, and cost few looks', () => {
    const api = new Api()
    const looks = run(
      api,
      agents(50, (index) => (index === 0 ? -7 * 3_600 * SECOND : 0)),
      3_600 * SECOND,
      50,
    )
    expect(api.holder).toBe('node-0')
    const usual = run(new Api(), agents(50), 3_600 * SECOND, 50)
    expect(looks).toBeLessThan(usual * 1.5)
  })

  test('5,000 agents look ten times a second together', () => {
    const watch = new LeaseWatch('me')
    const record = { holder: 'other', renewedAt: WALL, version: '1' }
    const step = (chance: number) => watch.look(record, 5_000, 0, WALL, chance)
    expect([step(0), step(1)]).toEqual([
      { kind: 'wait', millis: 250 * SECOND },
      { kind: 'wait', millis: 750 * SECOND },
    ])
  })
})
