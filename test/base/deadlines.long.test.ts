import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deadlines } from '../../src/base/deadlines.ts'

const owner = fc.nat(6)
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), owner, at: fc.option(fc.nat(20), { nil: undefined }) }),
  fc.record({ kind: fc.constant('take' as const), now: fc.nat(20) }),
)

test('the earliest is the earliest of all, whatever was set before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const deadlines = new Deadlines<number>()
      const model = new Map<number, number>()
      for (const one of steps) {
        if (one.kind === 'set') {
          deadlines.set(one.owner, one.at)
          if (one.at === undefined) model.delete(one.owner)
          else model.set(one.owner, one.at)
        } else {
          const due = [...model].filter(([, at]) => at <= one.now)
          const taken = deadlines.take(one.now)
          expect([...taken].sort()).toEqual(due.map(([name]) => name).sort())
          expect(taken.map((name) => model.get(name))).toEqual(due.map(([, at]) => at).sort((a, b) => a - b))
          for (const name of taken) model.delete(name)
        }
        expect(deadlines.first()).toBe(model.size === 0 ? undefined : Math.min(...model.values()))
      }
    }),
    { numRuns: 300 },
  )
})

test('who comes and goes without end leaves no entries behind', () => {
  const deadlines = new Deadlines<number>()
  let most = 0
  for (let time = 0; time < 50_000; time++) {
    const one = time % 100
    // Connected, and gone again before anything was due.
    deadlines.set(one, time + 240_000)
    if (time % 3 > 0) deadlines.set(one, undefined)
    most = Math.max(most, deadlines.size)
  }
  expect(most).toBeGreaterThan(100)
  expect(most).toBeLessThan(500)
})
