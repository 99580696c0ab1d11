/** Two BFD engines and a wire that delays and loses: what RFC 5880 promises whatever the wire does. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { encodeControl } from '../../src/bfd/packet.ts'
import { alone, answerOf, control, packet, Wire } from '../bfd/support.ts'

const side = fc.record({
  transmit: fc.integer({ min: 10, max: 2_000 }).map((ms) => ms * 1_000),
  receive: fc.integer({ min: 10, max: 2_000 }).map((ms) => ms * 1_000),
  multiplier: fc.integer({ min: 2, max: 10 }),
})
const seed = fc.nat()

test('over a wire that loses nothing both come Up, agree, and stay so whatever settings change', () => {
  const changes = fc.array(fc.record({ who: fc.boolean(), to: side }), { maxLength: 8 })
  fc.assert(
    fc.property(side, side, changes, seed, (a, b, steps, number) => {
      const wire = new Wire(a, b, number)
      const chance = new Chance(number)
      // Less than the shortest jitter room: no packet is later than a Detection Time. And none overtakes another, as on a
      // cable: BFD has no order of its own, and settings that arrive last are taken for the newest (RFC 5880 §6.8.6).
      const delay = chance.next() * 4
      wire.travel = () => delay
      wire.runTo(10_000)
      for (const { who, to } of steps) {
        wire.change(who ? wire.a : wire.b, to)
        wire.runTo(wire.now + chance.next() * 3_000)
      }
      wire.runTo(wire.now + 30_000)
      const [left, right] = [wire.a.view(wire.now), wire.b.view(wire.now)]
      expect([...wire.a.changes, ...wire.b.changes].filter(({ diagnostic }) => diagnostic !== 0)).toEqual([])
      expect([left?.state, right?.state]).toEqual(['Up', 'Up'])
      expect(left?.interval).toBe(Math.max(wire.a.intent.transmit, wire.b.intent.receive))
      expect(right?.detectionTime).toBe((left?.interval ?? 0) * wire.a.intent.multiplier)
      expect(left?.detectionTime).toBe((right?.interval ?? 0) * wire.b.intent.multiplier)
    }),
    { numRuns: 60 },
  )
})

test('a cut is noticed by both within the Detection Time, and healed after it ends', () => {
  fc.assert(
    fc.property(side, side, seed, (a, b, number) => {
      const wire = new Wire(a, b, number).runTo(20_000)
      const cutAt = wire.now
      const times = [wire.a, wire.b].map((end) => (end.view(wire.now)?.detectionTime ?? 0) / 1_000)
      wire.travel = () => undefined
      wire.runTo(cutAt + 60_000)
      for (const [index, end] of [wire.a, wire.b].entries()) {
        const down = end.changes.at(-1)
        expect(down).toMatchObject({ state: 'Down', diagnostic: 1 })
        expect((down?.at ?? 0) - cutAt).toBeLessThanOrEqual((times[index] ?? 0) + 1)
      }
      wire.travel = () => 1
      wire.runTo(wire.now + 20_000)
      expect([wire.a, wire.b].map((end) => end.view(wire.now)?.state)).toEqual(['Up', 'Up'])
    }),
    { numRuns: 40 },
  )
})

test('a cut of one direction ends the session on both sides, and keeps it down', () => {
  fc.assert(
    fc.property(side, side, seed, (a, b, number) => {
      const wire = new Wire(a, b, number).runTo(20_000)
      wire.travel = (from) => (from === 'a' ? undefined : 1)
      wire.runTo(wire.now + 60_000)
      expect(wire.b.changes.find(({ at }) => at > 20_000)).toMatchObject({ state: 'Down', diagnostic: 1 })
      expect([wire.a, wire.b].map((end) => end.view(wire.now)?.state)).not.toContain('Up')
    }),
    { numRuns: 40 },
  )
})

test('whatever is lost and delayed: never both Up for longer than a Detection Time without a packet, and Up again after', () => {
  fc.assert(
    fc.property(side, side, seed, fc.double({ min: 0, max: 0.6, noNaN: true }), (a, b, number, loss) => {
      const wire = new Wire(a, b, number)
      const chance = new Chance(number)
      wire.travel = () => (chance.next() < loss ? undefined : chance.next() * 50)
      wire.runTo(60_000)
      // RFC 5880 §6.2: nobody goes from Down to Up but by what it has heard.
      for (const { changes } of [wire.a, wire.b]) {
        for (const [index, { state }] of changes.entries()) {
          if (state === 'Up') expect(['Init', 'Down', undefined]).toContain(changes[index - 1]?.state)
        }
      }
      wire.travel = () => 1
      wire.runTo(wire.now + 30_000)
      expect([wire.a, wire.b].map((end) => end.view(wire.now)?.state)).toEqual(['Up', 'Up'])
    }),
    { numRuns: 60 },
  )
})

test('the same seed and the same inputs send the same packets', () => {
  const run = () => {
    const wire = new Wire({}, { transmit: 30_000 }, 42).runTo(30_000)
    return [wire.a.sentAt, wire.b.sentAt]
  }
  expect(run()).toEqual(run())
})

test('killed at any moment and away for any time, nothing is lost for us, and both are Up in the end', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(4_000), fc.nat(50), (at, away, seed) => {
      const wire = new Wire({}, {}, seed).runTo(at)
      const { length } = wire.a.changes
      wire.killA(away)
      wire.runTo(wire.now + 6_000)
      const states = wire.a.changes.slice(length).map(({ state }) => state)
      expect(states).not.toContain('Down')
      expect(wire.a.view(wire.now)?.state).toBe('Up')
      expect(wire.b.view(wire.now)?.state).toBe('Up')
    }),
    { numRuns: 300 },
  )
})

test('a million packets of strangers: each is counted, few are told of, nothing grows', () => {
  const { engine } = alone()
  let effects = 0
  for (let count = 0; count < 1_000_000; count++) {
    effects += engine.handle(
      { ...packet(), bytes: STRANGE, from: `10.1.${(count >> 8) & 255}.${count & 255}` },
      0,
    ).length
  }
  expect(effects).toBe(64)
  expect(answerOf(engine, 0).counters.dropped).toEqual({ 'your-discriminator': 1_000_000 })
})
const STRANGE = encodeControl(control({ state: 'Up', yourDiscriminator: 1 }))
