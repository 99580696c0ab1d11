/**
 * Policies, roles, reflection, limits and next hops of neighbors change while earlier changes are still being carried out over
 * a table, and UPDATEs, losses, returns and refreshes come in between: at rest a RIB says what a fresh one says that has seen
 * the end alone. Some neighbors send and take several paths (RFC 7911), some are away and their routes are stale (RFC 4724) or
 * long-lived stale (RFC 9494), some are in the midst of a refresh (RFC 7313).
 * GODWIT_RUNS sets how many histories are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NESTED } from '../support/rib-changes.ts'
import { History, type Step } from '../support/rib-history.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 60)

type Weights = Readonly<Record<string, number>>

const SESSIONS: Weights = {
  up: 3,
  down: 1,
  bounce: 1,
  lose: 3,
  return: 4,
  other: 2,
  drop: 1,
  'end-of-rib': 2,
  again: 2,
  'long-lived': 2,
}
const REFRESHES: Weights = { 'begin-refresh': 2, 'end-refresh': 2, refresh: 1 }
const SETTINGS: Weights = {
  reach: 2,
  ranges: 1,
  served: 1,
  pods: 1,
  node: 1,
  decision: 1,
  stray: 1,
  unread: 1,
  defer: 1,
}
const TABLE: Weights = { announce: 8, mixed: 3, broken: 1, withdraw: 2, own: 1, disown: 1 }
const WORK: Weights = { advance: 8, pull: 4, best: 1 }

const stepsOf = (weights: Weights, peers = 5, length = { minLength: 30, maxLength: 160 }): fc.Arbitrary<Step[]> => {
  const kinds = Object.entries(weights).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))
  const numbers = [fc.nat(peers), fc.nat(4095), fc.nat(4095), fc.nat(4095)] as const
  return fc.array(fc.tuple(fc.oneof(...kinds), ...numbers), { ...length, size: 'max' })
}

const anyHistory = fc.oneof(
  stepsOf({ ...SESSIONS, ...REFRESHES, ...SETTINGS, ...TABLE, ...WORK, change: 5, away: 2 }),
  stepsOf({ ...TABLE, ...WORK, up: 2, change: 8 }),
  // Neighbors that stay: what is left of a setting is not made good by a session that begins.
  stepsOf({
    ranges: 3,
    served: 2,
    pods: 2,
    node: 2,
    decision: 2,
    reach: 3,
    up: 2,
    announce: 8,
    withdraw: 2,
    advance: 6,
  }),
  stepsOf({ ...WORK, announce: 8, change: 2, unread: 4, defer: 2 }),
  stepsOf({ ...SESSIONS, ...REFRESHES, ...TABLE, ...WORK, change: 2, away: 2 }, 1),
  // A short history of one neighbor: what goes wrong is not made good by what follows.
  stepsOf({ announce: 6, lose: 4, 'long-lived': 6, return: 6, again: 3, advance: 8 }, 0, {
    minLength: 8,
    maxLength: 30,
  }),
)

const SIZES = [
  // Whatever an answer rests on changes here all the time, while few paths are there that hide it.
  { what: 'few prefixes, one in the other', prefixes: NESTED, budget: 3, runs: 10 * RUNS },
  { what: '6 prefixes', prefixes: 6, budget: 3, runs: RUNS },
  { what: '60 prefixes', prefixes: 60, budget: 40, runs: RUNS },
  { what: '1_500 prefixes', prefixes: 1_500, budget: 1_024, runs: Math.ceil(RUNS / 4) },
]

const HASTE = { timeout: 600_000 }

test.each(SIZES)('at rest a RIB of $what says what a fresh one says', HASTE, ({ prefixes, budget, runs }) => {
  const property = fc.property(anyHistory, fc.constantFrom(600, 1 << 20), (steps, logLimit) => {
    const history = new History({ prefixes, budget, logLimit })
    for (const number of [0, 1, 4]) history.step(['up', number, 0, 0, 0])
    for (const step of steps) history.step(step)
    history.rest()
    const fresh = history.fresh()
    expect(history.scene.says()).toEqual(fresh.says())
    for (const [name, { needless, endOfRib, refreshes }] of history.scene.listeners) {
      expect(needless).toBe(0)
      expect([...endOfRib].sort()).toEqual([...history.familiesOf(name)].sort())
      // A refresh that is asked for again while it lasts begins anew, and ends once.
      expect(refreshes.at(-1) ?? 2).toBe(2)
      expect(history.scene.rib.pending(name)).toBe(false)
    }
    expect([history.scene.rib.isQuiet, history.scene.rib.busy]).toEqual([true, false])
    history.endAll()
    expect(history.scene.rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
    expect(history.scene.kernel.size).toBe(0)
  })
  fc.assert(property, { numRuns: runs })
})
