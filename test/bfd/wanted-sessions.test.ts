/** Which sessions a BFD process of its own runs, while agents come, die young, and go. */
import { describe, expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import type { BfdIntent } from '../../src/bfd/types.ts'
import { WantedSessions } from '../../src/bfd/wanted-sessions.ts'

const to = (remote: string): BfdIntent => ({
  remote,
  local: undefined,
  hops: 'single',
  interface: undefined,
  transmit: 300_000,
  receive: 300_000,
  multiplier: 3,
  minimumTtl: 1,
  passive: false,
})
const FIXED = to('10.0.0.1')
/** Its router calls: an agent knows of it when the session is there. */
const CALLER = to('10.0.0.2')
const remotes = (wanted: WantedSessions) => wanted.all.map(({ remote }) => remote).sort()

/** An agent that knew both, and the next one, which does not know the caller yet. */
function restarted(): WantedSessions {
  const wanted = new WantedSessions()
  wanted.connect(0)
  wanted.set([FIXED, CALLER], 0)
  wanted.disconnect()
  wanted.connect(10_000)
  wanted.set([FIXED], 10_000)
  expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2'], 70_000])
  return wanted
}

describe('an agent that does not know all neighbors yet', () => {
  test('what the one before it asked for goes when it has been there for a minute', () => {
    const wanted = restarted()
    wanted.settle()
    expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1'], undefined])
  })

  test('it dies: the sessions stay until the next one has been there for a minute', () => {
    const wanted = restarted()
    wanted.disconnect()
    expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2'], undefined])
    wanted.connect(500_000)
    wanted.set([FIXED], 500_100)
    expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2'], 560_100])
    wanted.set([FIXED, CALLER], 503_000)
    expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2'], undefined])
  })

  test('it dies before it asks for anything, and so does the next one', () => {
    const wanted = restarted()
    for (const now of [20_000, 30_000]) {
      wanted.disconnect()
      wanted.connect(now)
      expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2'], undefined])
    }
  })

  test('another connects before the end of this one is seen', () => {
    const wanted = restarted()
    wanted.connect(60_000)
    expect(wanted.settleAt).toBeUndefined()
    wanted.set([FIXED], 65_000)
    expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2'], 125_000])
  })
})

test('an agent that has been there for a minute is obeyed at once', () => {
  const wanted = restarted()
  wanted.set([FIXED, CALLER], 69_000)
  wanted.set([FIXED], 71_000)
  expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1'], undefined])
})

test('an agent that asks again while it may still report neighbors keeps that time', () => {
  const wanted = restarted()
  wanted.set([FIXED], 60_000)
  for (const now of [75_000, 119_999]) {
    wanted.set([FIXED, to('10.0.0.3')], now)
    expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1', '10.0.0.2', '10.0.0.3'], 120_000])
  }
  wanted.set([FIXED], 120_000)
  expect([remotes(wanted), wanted.settleAt]).toEqual([['10.0.0.1'], undefined])
})

test('whatever agents do: no session goes but by one that is connected, and has been for a minute', () => {
  for (let seed = 0; seed < 200; seed++) {
    const chance = new Chance(seed)
    const wanted = new WantedSessions()
    let [now, since]: [number, number | undefined] = [0, undefined]
    for (let step = 0; step < 60; step++) {
      const before = new Set(remotes(wanted))
      now += Math.floor(chance.next() * 40_000)
      const act = Math.floor(chance.next() * 4)
      if (wanted.settleAt !== undefined && wanted.settleAt <= now) wanted.settle()
      else if (act === 0) {
        wanted.connect(now)
        since = now
      } else if (act === 1) {
        wanted.disconnect()
        since = undefined
      } else if (since !== undefined)
        wanted.set(
          [1, 2, 3].filter(() => chance.next() < 0.5).map((at) => to(`10.0.0.${at}`)),
          now,
        )
      const lost = [...before].filter((remote) => !remotes(wanted).includes(remote))
      if (lost.length > 0) expect([seed, step, now - (since ?? now) >= 60_000]).toEqual([seed, step, true])
    }
  }
})
