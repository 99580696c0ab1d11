import { describe, expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { Bench } from './support.ts'

const gaps = (bench: Bench): number[] =>
  bench.sent.slice(1).map(({ at }, index) => Math.round((at - (bench.sent[index]?.at ?? 0)) * 1000))

describe('coming up', () => {
  test('from Down over Init to Up, each told at once (RFC 5880 §6.8.7)', () => {
    const bench = new Bench()
    bench.receive({ yourDiscriminator: 0 })
    expect(bench.last).toMatchObject({ state: 'Init', myDiscriminator: 5, yourDiscriminator: 7 })
    bench.receive({ state: 'Up' })
    expect(bench.last).toMatchObject({ state: 'Up', diagnostic: 0 })
    expect(bench.states).toEqual(['Init', 'Up'])
    expect(bench.now).toBe(0)
  })

  test('§6.8.1: at first Down, without a diagnostic, and knowing nothing of the neighbor but a Required Min RX of 1', () => {
    expect(new Bench().view).toMatchObject({
      state: 'Down',
      remoteState: 'Down',
      diagnostic: 0,
      remoteDiscriminator: 0,
      remoteMinRx: 1,
      desiredMinTx: 1_000_000,
    })
  })

  test('[77] §6.1, §6.8.3: while it is not Up, Desired Min TX is no less than a second', () => {
    const bench = new Bench().runTo(5_000)
    expect(bench.sent.length).toBeGreaterThan(3)
    expect(bench.sent.every(({ packet }) => packet.desiredMinTx === 1_000_000)).toBe(true)
    expect(Math.min(...gaps(bench))).toBeGreaterThanOrEqual(750_000)
    expect(new Bench({ transmit: 3_000_000 }).runTo(5_000).last.desiredMinTx).toBe(3_000_000)
  })

  test('§6.1, §6.8.7: a passive side MUST NOT transmit until it has heard the neighbor', () => {
    const bench = new Bench({ passive: true }).runTo(60_000)
    expect(bench.sent).toEqual([])
    expect(bench.session.deadline()).toBeUndefined()
    bench.receive({ yourDiscriminator: 0 })
    expect(bench.last.state).toBe('Init')
  })

  test('… nor after it has lost it, RemoteDiscr being zero again', () => {
    const bench = Bench.up({ passive: true })
    const { length } = bench.sent
    bench.runTo(250)
    expect(bench.sent.length).toBeGreaterThan(length)
    bench.runTo(60_000)
    expect(bench.states.at(-1)).toBe('Down')
    expect(bench.last.state).toBe('Up')
  })
})

describe('detection', () => {
  test('[76] §6.8.4: the neighbor’s multiplier times the larger of what we require and it desires', () => {
    const bench = Bench.up({ receive: 50_000 }, { multiplier: 4, desiredMinTx: 70_000 })
    expect(bench.view.detectionTime).toBe(280_000)
    bench.runTo(279.9)
    expect(bench.view.state).toBe('Up')
    bench.runTo(280)
    expect(bench.view).toMatchObject({ state: 'Down', diagnostic: 1 })
    expect(bench.last).toMatchObject({ state: 'Down', diagnostic: 1 })
  })

  test('our own multiplier has no part in it', () => {
    expect(Bench.up({ multiplier: 50 }).view.detectionTime).toBe(300_000)
  })

  test('every packet that is not discarded counts as heard', () => {
    const bench = Bench.up()
    for (let at = 250; at < 5_000; at += 250) bench.runTo(at).receive({ state: 'Up', desiredMinTx: 100_000 })
    expect(bench.view.state).toBe('Up')
  })

  test('[84] §6.8.1: RemoteDiscr MUST be zero after a Detection Time without a packet, in Down too', () => {
    const bench = Bench.up().receive({ state: 'Down', desiredMinTx: 1_000_000 })
    expect(bench.view).toMatchObject({ state: 'Down', remoteDiscriminator: 7, diagnostic: 3 })
    bench.runTo(2_999)
    expect(bench.view.remoteDiscriminator).toBe(7)
    bench.runTo(3_000)
    expect(bench.view.remoteDiscriminator).toBe(0)
    expect(bench.runTo(5_000).last.yourDiscriminator).toBe(0)
  })

  test('§6.8.1: after a Detection Time without a packet what the neighbor required is forgotten with it', () => {
    const bench = Bench.up().receive({ state: 'Up', desiredMinTx: 100_000, requiredMinRx: 0 }).runTo(300)
    expect(bench.view).toMatchObject({ state: 'Down', interval: 1_000_000, detectionTime: 300_000 })
    const { length } = bench.sent
    // A neighbor that only answers would never be found again.
    expect(bench.runTo(5_000).sent.length).toBeGreaterThan(length + 3)
  })

  test('in microseconds: 3 × 10.001 ms', () => {
    const bench = Bench.up({ receive: 10_001 }, { desiredMinTx: 10_000 })
    expect(bench.runTo(30.002).view.state).toBe('Up')
    expect(bench.runTo(30.003).view.state).toBe('Down')
  })
})

describe('the neighbor says', () => {
  test('Down: Neighbor Signaled Session Down', () => {
    expect(Bench.up().receive({ state: 'Down' }).view).toMatchObject({ state: 'Down', diagnostic: 3 })
  })

  test('AdminDown: the session is down, and the report says that it is so on purpose (RFC 5882 §3.2)', () => {
    const bench = Bench.up().receive({ state: 'AdminDown', diagnostic: 7 })
    expect(bench.view).toMatchObject({ state: 'Down', remoteState: 'AdminDown', remoteDiagnostic: 7 })
  })

  test('Down after a restart of its own: the session comes up again with its new discriminator', () => {
    const bench = Bench.up().receive({ state: 'Down', myDiscriminator: 99, yourDiscriminator: 0 })
    expect(bench.last).toMatchObject({ state: 'Down', yourDiscriminator: 99 })
    bench.receive({ state: 'Init', myDiscriminator: 99 })
    expect(bench.view).toMatchObject({ state: 'Up', remoteDiscriminator: 99 })
  })
})

describe('intervals', () => {
  test('§6.8.7: no packet comes earlier than 75 % of the agreed interval, nor later than all of it', () => {
    const bench = Bench.up({}, { requiredMinRx: 40_000, multiplier: 255 })
    bench.sent.length = 0
    const spans = gaps(bench.runTo(20_000))
    expect(Math.min(...spans)).toBeGreaterThanOrEqual(75_000)
    expect(Math.max(...spans)).toBeLessThanOrEqual(100_000)
    expect(Math.max(...spans) - Math.min(...spans)).toBeGreaterThan(15_000)
  })

  test('§6.8.7: with a Detect Mult of 1, nor later than 90 % of it', () => {
    const bench = Bench.up({ multiplier: 1 }, { multiplier: 255 })
    bench.sent.length = 0
    const spans = gaps(bench.runTo(20_000))
    expect(Math.min(...spans)).toBeGreaterThanOrEqual(75_000)
    expect(Math.max(...spans)).toBeLessThanOrEqual(90_000)
  })

  test('§6.8.7: the slower of the two sides determines the rate', () => {
    expect(Bench.up({}, { requiredMinRx: 400_000 }).view.interval).toBe(400_000)
    expect(Bench.up({ transmit: 500_000 }, { requiredMinRx: 400_000 }).view.interval).toBe(500_000)
  })

  test('§6.8.3: a neighbor that requires less is sent to at the new rate at once', () => {
    const bench = Bench.up({}, { requiredMinRx: 900_000, multiplier: 255 })
    const at = bench.sent.at(-1)?.at ?? 0
    bench.receive({ state: 'Up', requiredMinRx: 100_000, multiplier: 255 })
    expect(bench.session.deadline()).toBeLessThanOrEqual(at + 100)
  })

  test('§6.8.7: a neighbor that requires nothing (0) gets no periodic packets, but its Poll is answered', () => {
    const bench = Bench.up({}, { multiplier: 255 }).receive({ state: 'Up', requiredMinRx: 0, multiplier: 255 })
    const { length } = bench.sent
    expect(bench.runTo(2_000).sent.length).toBe(length)
    bench.receive({ state: 'Up', requiredMinRx: 0, poll: true, multiplier: 255 })
    expect(bench.last).toMatchObject({ final: true, poll: false })
  })

  test('no interval is shorter than the least', () => {
    const bench = Bench.up().configure({}, 250_000)
    expect(bench.runTo(50).last).toMatchObject({ desiredMinTx: 100_000 })
    expect(bench.runTo(100).last).toMatchObject({ desiredMinTx: 250_000, requiredMinRx: 250_000, poll: true })
  })
})

describe('Poll Sequences', () => {
  test('§6.5, §6.8.7: a Poll is answered at once with Final, in whatever state, and never with both bits', () => {
    for (const bench of [new Bench(), Bench.up()]) {
      const { length } = bench.sent
      bench.receive({ state: bench.view.state === 'Up' ? 'Up' : 'AdminDown', poll: true })
      expect(bench.sent.length).toBe(length + 1)
      expect(bench.last).toMatchObject({ final: true, poll: false })
    }
  })

  test('a flood of Polls does not shift the periodic packets', () => {
    const bench = Bench.up({}, { multiplier: 255 })
    const due = bench.session.deadline()
    for (let at = 1; at < 50; at++) bench.runTo(at).receive({ state: 'Up', poll: true, multiplier: 255 })
    expect(bench.session.deadline()).toBe(due)
  })

  test('§6.8.6: going Up takes one, as the interval changes; Final ends it', () => {
    const bench = new Bench()
    bench.receive({ yourDiscriminator: 0 }).receive({ state: 'Init' })
    expect(bench.last).toMatchObject({ state: 'Up', poll: true, desiredMinTx: 100_000 })
    expect(bench.runTo(100).last.poll).toBe(true)
    bench.receive({ state: 'Up', final: true })
    expect(bench.runTo(200).last.poll).toBe(false)
  })

  test('§6.8.3: a change of an interval MUST begin one, also while the session is not Up', () => {
    const bench = new Bench().runTo(2_000)
    expect(bench.last.poll).toBe(false)
    bench.configure({ receive: 300_000 }).runTo(4_000)
    expect(bench.last).toMatchObject({ state: 'Down', requiredMinRx: 300_000, poll: true })
    bench.receive({ state: 'AdminDown', yourDiscriminator: 5, final: true }).runTo(6_000)
    expect(bench.last).toMatchObject({ state: 'Down', poll: false })
  })

  test('§6.8.3, §7: a loss begins one, as the interval grows to a second; Up again begins the next', () => {
    const bench = Bench.up().receive({ state: 'Down', desiredMinTx: 1_000_000 })
    expect(bench.last).toMatchObject({ state: 'Down', desiredMinTx: 1_000_000, poll: true })
    bench.receive({ state: 'Init', desiredMinTx: 1_000_000 })
    expect(bench.last).toMatchObject({ state: 'Up', desiredMinTx: 100_000, poll: true })
    expect(bench.view.interval).toBe(100_000)
  })

  test('§6.5: it goes with the periodic packets; none is sent for it', () => {
    const bench = Bench.up()
    const { length } = bench.sent
    bench.configure({ transmit: 200_000 })
    expect(bench.sent.length).toBe(length)
    expect(bench.runTo(100).sent.length).toBe(length + 1)
    expect(bench.last).toMatchObject({ poll: true, desiredMinTx: 200_000 })
  })

  test('[78] §6.8.3: an increased Desired Min TX MUST NOT be used until it has ended', () => {
    const bench = Bench.up({}, { multiplier: 255 }).configure({ transmit: 2_000_000 })
    expect(bench.view).toMatchObject({ interval: 100_000, desiredMinTx: 2_000_000 })
    bench.runTo(500).receive({ state: 'Up', final: true, multiplier: 255 })
    expect(bench.view.interval).toBe(2_000_000)
  })

  test('§6.8.3: … a reduced one MUST be used at once', () => {
    expect(Bench.up().configure({ transmit: 20_000, receive: 100_000 }).view.interval).toBe(100_000)
    const bench = Bench.up({}, { requiredMinRx: 10_000 }).configure({ transmit: 20_000 })
    expect(bench.view.interval).toBe(20_000)
  })

  test('§6.8.3: for a reduced Required Min RX the previous value MUST be used until it has ended', () => {
    const bench = Bench.up({}, { desiredMinTx: 10_000 }).configure({ receive: 20_000 })
    expect(bench.view).toMatchObject({ detectionTime: 300_000, requiredMinRx: 20_000 })
    bench.receive({ state: 'Up', desiredMinTx: 10_000, final: true })
    expect(bench.view.detectionTime).toBe(60_000)
  })

  test('§6.8.3: … an increased one counts at once', () => {
    expect(Bench.up().configure({ receive: 400_000 }).view.detectionTime).toBe(1_200_000)
  })

  test('§6.8.3: a second begins only after a packet without Final has come', () => {
    const bench = Bench.up({}, { multiplier: 255 })
    bench.configure({ transmit: 200_000 }).configure({ transmit: 300_000 })
    expect(bench.runTo(100).last).toMatchObject({ poll: true, desiredMinTx: 200_000 })
    bench.receive({ state: 'Up', final: true, multiplier: 255 })
    expect(bench.runTo(300).last).toMatchObject({ poll: false, desiredMinTx: 200_000 })
    bench.receive({ state: 'Up', multiplier: 255 })
    expect(bench.runTo(500).last).toMatchObject({ poll: true, desiredMinTx: 300_000 })
  })

  test('changed intervals and multipliers never change the state', () => {
    const bench = Bench.up()
    for (let at = 50; at < 4_000; at += 50) {
      const transmit = 50_000 + (at % 7) * 100_000
      bench.runTo(at).configure({ transmit, receive: 900_000 - transmit, multiplier: 1 + (at % 5) })
      bench.receive({ state: 'Up', desiredMinTx: 100_000, final: at % 200 === 0 })
    }
    expect(bench.states).toEqual(['Init', 'Up'])
  })
})

describe('Demand mode', () => {
  test('§6.6, §6.8.7: we never ask for it', () => {
    const bench = Bench.up().runTo(2_000)
    expect(bench.sent.some(({ packet }) => packet.demand)).toBe(false)
  })

  test('§6.6, §6.8.6: a neighbor in it gets no periodic packets, but in a Poll Sequence', () => {
    const bench = Bench.up({}, { multiplier: 255 }).receive({ state: 'Up', demand: true, multiplier: 255 })
    const { length } = bench.sent
    expect(bench.runTo(2_000).sent.length).toBe(length)
    bench.configure({ transmit: 200_000 })
    expect(bench.runTo(2_200).last).toMatchObject({ poll: true, desiredMinTx: 200_000 })
  })

  test('§6.8.14: … and gets them again when it ends that', () => {
    const bench = Bench.up({}, { multiplier: 255 }).receive({ state: 'Up', demand: true, multiplier: 255 }).runTo(2_000)
    bench.receive({ state: 'Up', demand: false, multiplier: 255 })
    const { length } = bench.sent
    expect(bench.runTo(4_000).sent.length).toBeGreaterThan(length + 3)
  })

  test('§6.8.6, §6.8.7: … only while both sides are Up', () => {
    const bench = new Bench().receive({ demand: true, multiplier: 255, yourDiscriminator: 0 })
    const { length } = bench.sent
    expect(bench.runTo(2_000).sent.length).toBeGreaterThan(length)
  })
})

describe('an end on purpose (§6.8.16)', () => {
  test('AdminDown with a diagnostic at once, and for a Detection Time more', () => {
    const bench = Bench.up().runTo(50).handle({ kind: 'disable' })
    expect(bench.last).toMatchObject({ state: 'AdminDown', diagnostic: 7 })
    expect(bench.session.isOver(1_049)).toBe(false)
    expect(bench.session.isOver(1_050)).toBe(true)
  })

  test('… the Detection Time of the neighbor, which waits for as long as our last packet said', () => {
    const bench = Bench.up().configure({ transmit: 2_000_000 }).runTo(150)
    expect(bench.last).toMatchObject({ state: 'Up', poll: true, desiredMinTx: 2_000_000 })
    bench.handle({ kind: 'disable' })
    expect(bench.session.isOver(6_149)).toBe(false)
    expect(bench.session.isOver(6_150)).toBe(true)
  })

  test('§6.8.1: session state MUST be preserved for a Detection Time behind the last packet', () => {
    const bench = Bench.up({}, { desiredMinTx: 10_000_000 }).runTo(50).handle({ kind: 'disable' })
    expect(bench.session.isOver(29_999)).toBe(false)
    expect(bench.session.isOver(30_000)).toBe(true)
  })

  test.each([
    ['desired', { desiredMinTx: 4e9, multiplier: 255 }],
    ['required', { requiredMinRx: 4e9 }],
  ])('… but no longer than a minute, whatever the neighbor %s', (_, announced) => {
    const bench = Bench.up({}, announced).runTo(50).handle({ kind: 'disable' })
    expect(bench.session.isOver(60_049)).toBe(false)
    expect(bench.session.isOver(60_050)).toBe(true)
  })

  test('whoever was never heard needs no farewell', () => {
    expect(new Bench().handle({ kind: 'disable' }).session.isOver(0)).toBe(true)
  })

  test('packets in AdminDown change nothing', () => {
    const bench = Bench.up().handle({ kind: 'disable' })
    for (const state of ['Down', 'Init', 'Up'] as const) bench.receive({ state })
    expect(bench.view.state).toBe('AdminDown')
  })

  test('[84] §6.8.1: RemoteDiscr is zero after a Detection Time, whatever was heard in AdminDown before it was enabled', () => {
    const bench = Bench.up({ passive: true }).runTo(50).handle({ kind: 'disable' }).runTo(500)
    expect(bench.view.remoteDiscriminator).toBe(0)
    bench.receive({ state: 'Down' }).handle({ kind: 'enable' })
    expect(bench.view).toMatchObject({ state: 'Down', remoteDiscriminator: 7 })
    expect(bench.runTo(500 + 3_000).view.remoteDiscriminator).toBe(0)
  })

  test('enabled again it comes up from Down', () => {
    const bench = Bench.up().handle({ kind: 'disable' }).handle({ kind: 'enable' })
    expect(bench.last.state).toBe('Down')
    expect(bench.receive({ state: 'Init' }).view.state).toBe('Up')
    expect(bench.session.isOver(1e9)).toBe(false)
  })
})

test('§4.1: Required Min Echo RX is 0, as nothing is looped back', () => {
  expect(Bench.up().last.requiredMinEchoRx).toBe(0)
})

describe('a Poll Sequence that ends with the session', () => {
  test('[78] §6.8.3: a session that is not Up uses what it advertises, also where the sequence was not answered', () => {
    const bench = Bench.up({}, { multiplier: 3 }).configure({ transmit: 1_000_000, receive: 50_000 })
    expect(bench.view.interval).toBe(100_000)
    bench.runTo(2_000)
    expect(bench.view).toMatchObject({ state: 'Down', desiredMinTx: 1_000_000, interval: 1_000_000 })
    bench.receive({ state: 'Down', desiredMinTx: 10_000 })
    expect(bench.view.detectionTime).toBe(150_000)
  })

  test('… after any events', () => {
    const chance = new Chance(5)
    const pick = <Item>(...items: Item[]): Item => items[Math.floor(chance.next() * items.length)] as Item
    const seen = new Set<string>()
    for (let run = 0; run < 200; run++) {
      const bench = Bench.up({}, { multiplier: 3 })
      for (let count = 0; count < 20; count++) {
        const state = pick('Down', 'Init', 'Up', 'Up', 'AdminDown' as const)
        pick<() => unknown>(
          () => bench.configure({ transmit: pick(50_000, 300_000, 1_000_000), receive: pick(50_000, 1_000_000) }),
          () => bench.receive({ state, final: pick(true, false), requiredMinRx: 1, desiredMinTx: 1, multiplier: 3 }),
          () => bench.runTo(bench.now + pick(10, 100, 4_000)),
          () => bench.handle({ kind: pick('disable', 'enable', 'enable') }),
          () => bench.handle({ kind: 'lengthen', away: pick(0, 30_000_000) }),
        )()
        const { view } = bench
        seen.add(view.state)
        if (view.state === 'Up') continue
        expect(view.interval).toBe(Math.max(view.desiredMinTx, view.remoteMinRx))
        const theirs = Math.max(view.requiredMinRx, view.remoteDesiredMinTx)
        expect(view.detectionTime).toBe(view.remoteMultiplier * theirs)
      }
    }
    expect([...seen].sort()).toEqual(['AdminDown', 'Down', 'Init', 'Up'])
  })
})
