import { describe, expect, test } from 'vitest'
import { messageError } from '../../../src/bgp/wire/error.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { concat, LonePeer, message, say, theirOpen, UPDATE } from '../../support/lone-peer.ts'
import { config, only, otherConfig, WirePair } from '../../support/wire-pair.ts'

const HOUR = 3_600_000

describe('hold timer', () => {
  test.each([
    ['[15] four minutes for the OPEN', 'OpenSent', 240_000],
    ['as negotiated for the KEEPALIVE', 'OpenConfirm', 90_000],
    ['as negotiated from then on', 'Established', 90_000],
  ] as const)('%s', (_, state, after) => {
    const lone = new LonePeer().reach(state)
    const ends = lone.pass(after).filter(({ action }) => action.kind === 'notification')
    expect(ends).toMatchObject([{ at: after, action: { direction: 'sent', code: 4, subcode: 0 } }])
    expect(lone.lastError).toBe('BGP Error: Hold timer expired')
    expect(lone.closes).toEqual([2])
  })

  test.each([
    ['[15] KEEPALIVE restarts it', KEEPALIVE, true],
    ['[15] UPDATE restarts it', UPDATE, true],
    ['[15] ROUTE-REFRESH does not', message('route-refresh', 0, 1, 0, 1), false],
    ['[15] half a message does not', UPDATE.subarray(0, 20), false],
  ])('%s', (_, bytes, restarts) => {
    const lone = new LonePeer().reach('Established')
    lone.pass(60_000)
    lone.receive(bytes)
    lone.pass(31_000)
    expect(lone.peer.state === 'Established').toBe(restarts)
  })

  test('[17] what was read before the timer is looked at counts, however late the turn', () => {
    const lone = new LonePeer().reach('Established')
    lone.now = 200_000
    lone.receive(KEEPALIVE).hand({ kind: 'timer' })
    expect(lone.peer.state).toBe('Established')
    expect(lone.peer.snapshot(lone.now).holdTimer?.left).toBe(90_000)
  })

  test('[6] hold time 0: no timer, no KEEPALIVE, for ever (RFC 4271 §4.4)', () => {
    const lone = new LonePeer().reach('OpenSent').receive(concat(theirOpen({ holdTime: 0 }), KEEPALIVE))
    expect(lone.peer.session).toMatchObject({ holdTime: 0, keepaliveTime: 0 })
    expect(lone.peer.deadline()).toBeUndefined()
    // RFC 9687 §4.3: nor does the SendHoldTimer run.
    expect(lone.hand({ kind: 'updates-sent', count: 1 }).peer.deadline()).toBeUndefined()
    expect(lone.hand({ kind: 'drained', conn: lone.own }).peer.deadline()).toBeUndefined()
    expect(lone.receive(KEEPALIVE).peer.deadline()).toBeUndefined()
  })
})

describe('send hold timer (RFC 9687)', () => {
  const minute = 60_000
  /** The neighbor keeps talking, so that its hold timer never ends the session. */
  const talk = (lone: LonePeer, span: number, drains: boolean) => {
    for (let passed = 0; passed < span && lone.peer.state === 'Established'; passed += minute / 2) {
      lone.pass(minute / 2)
      if (lone.peer.state !== 'Established') return
      lone.receive(KEEPALIVE)
      if (drains) lone.hand({ kind: 'drained', conn: lone.own })
    }
  }

  test.each([
    ['[24] eight minutes', 90, 8 * minute],
    ['[24] twice the hold time where that is more', 300, 10 * minute],
  ])('%s without progress: NOTIFICATION 8 and the close', (_, holdTime, after) => {
    const lone = new LonePeer({ holdTime }).reach('OpenSent').receive(concat(theirOpen({ holdTime }), KEEPALIVE))
    lone.hand({ kind: 'updates-sent', count: 1 })
    const began = lone.now
    talk(lone, after - minute / 2, false)
    expect(lone.peer.state).toBe('Established')
    expect(lone.peer.snapshot(lone.now).sendHoldTimer?.total).toBe(after / 1000)
    const ends = lone.pass(minute / 2).filter(({ action }) => action.kind === 'notification')
    expect(ends).toMatchObject([{ at: began + after, action: { direction: 'sent', code: 8, subcode: 0 } }])
    expect(lone.closes).toEqual([2])
    expect(lone.lastError).toBe('BGP Error: Send hold timer expired')
  })

  test('[24] a network that takes what is sent keeps the session for hours', () => {
    const lone = new LonePeer().reach('Established')
    talk(lone, HOUR, true)
    expect(lone.peer.state).toBe('Established')
    expect(lone.peer.snapshot(lone.now).sendHoldTimer).toBeUndefined()
  })

  test('[24] more that is sent meanwhile is no progress', () => {
    const lone = new LonePeer().reach('Established').hand({ kind: 'updates-sent', count: 1 })
    lone.pass(minute)
    lone.receive(KEEPALIVE).hand({ kind: 'updates-sent', count: 1 })
    expect(lone.peer.snapshot(lone.now).sendHoldTimer?.left).toBe(7 * minute)
  })

  test('[24] what another connection has taken does not count', () => {
    const lone = new LonePeer().reach('Established').hand({ kind: 'updates-sent', count: 1 })
    expect(lone.hand({ kind: 'drained', conn: 99 }).peer.snapshot(0).sendHoldTimer?.left).toBe(8 * minute)
  })
})

describe('too many routes', () => {
  const error = messageError(6, 1, '11 ipv4 routes, 10 allowed', Uint8Array.of(0, 1, 1, 0, 0, 0, 10))
  const tooMany = (holdDown: number | undefined) =>
    new LonePeer().reach('Established').hand({ kind: 'too-many', conn: 2, error, holdDown })

  test('[75] Cease/1 with family and limit, then nothing, neither way, until the hold-down is over', () => {
    const lone = tooMany(600)
    expect(lone.said).toEqual(['notification 06 01 00 01 01 00 00 00 0a'])
    expect(lone.peer.state).toBe('Idle')
    expect(lone.peer.snapshot(0)).toMatchObject({ stopped: error.text, holdDownTimer: { left: 600_000, total: 600 } })
    expect(lone.pass(599_000)).toEqual([])
    expect(lone.accept().said).toEqual(['notification 06 05'])
    expect(lone.pass(1_000).map(({ action }) => action.kind)).toContain('dial')
    expect(lone.peer.snapshot(lone.now).stopped).toBeUndefined()
  })

  test('[75] without a restart time it waits for a person', () => {
    const lone = tooMany(undefined)
    expect(lone.pass(HOUR)).toEqual([])
    expect(lone.start().peer.state).toBe('Idle')
    expect(lone.hand({ kind: 'lift-hold-down' }).start().peer.state).toBe('Connect')
  })

  test('[75] a person may end the hold-down; a stop outlasts it, but does not shorten it', () => {
    expect(tooMany(600).hand({ kind: 'lift-hold-down' }).start().peer.state).toBe('Connect')
    const stopped = tooMany(600).hand({ kind: 'stop', subcode: 2, text: '', reason: 'disabled' })
    expect(stopped.pass(500_000)).toEqual([])
    expect(stopped.start().peer.state).toBe('Idle')
    expect(stopped.peer.snapshot(stopped.now)).toMatchObject({ stopped: error.text, holdDownTimer: { left: 100_000 } })
    expect(stopped.pass(100_000).map(({ action }) => action.kind)).toContain('dial')
    const longer = tooMany(600).hand({ kind: 'stop', subcode: 2, text: '', reason: 'disabled' })
    expect(longer.pass(HOUR)).toEqual([])
    expect(longer.start().peer.state).toBe('Connect')
  })
})

describe('keepalives', () => {
  test('[16] an hour of them: each after three quarters to the whole of a third of the hold time (RFC 4271 §10)', () => {
    const pair = new WirePair(config(), otherConfig({ passive: true })).start().pass(1_000)
    const before = pair.one.peer.snapshot(pair.now).sent.keepalive
    pair.pass(HOUR)
    const { sent, received, state } = pair.one.peer.snapshot(pair.now)
    expect(state).toBe('Established')
    expect(sent.keepalive - before).toBeGreaterThanOrEqual(HOUR / 30_000)
    expect(sent.keepalive - before).toBeLessThanOrEqual(HOUR / 22_500)
    expect(received.keepalive).toBeGreaterThanOrEqual(HOUR / 30_000)
  })

  test('[16] the pause is drawn afresh each time', () => {
    const lone = new LonePeer({ holdTime: 90 }).reach('Established')
    const sent = lone.pass(89_000).filter(({ action }) => action.kind === 'send')
    const pauses = sent.map(({ at }, index) => at - (sent[index - 1]?.at ?? 0))
    expect(pauses.length).toBeGreaterThanOrEqual(2)
    for (const pause of pauses) expect(pause).toBeGreaterThanOrEqual(22_500)
    for (const pause of pauses) expect(pause).toBeLessThanOrEqual(30_000)
    expect(new Set(pauses).size).toBe(pauses.length)
  })

  test.each([3, 4, 5])('never two within a second, whatever the jitter (RFC 4271 §4.4): hold time %i', (holdTime) => {
    const lone = new LonePeer({ holdTime }).reach('Established')
    const sent: number[] = []
    for (let second = 0; second < 60; second++) {
      for (const { at, action } of lone.pass(1_000)) if (action.kind === 'send') sent.push(at)
      lone.receive(KEEPALIVE)
    }
    const pauses = sent.slice(1).map((at, index) => at - (sent[index] as number))
    expect(pauses.length).toBeGreaterThan(40)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000)
  })

  test('[16] UPDATEs that were sent take their place', () => {
    const lone = new LonePeer().reach('Established')
    for (let second = 0; second < 80; second += 20) {
      const sent = lone.pass(20_000).filter(({ action }) => action.kind === 'send')
      expect(sent).toEqual([])
      lone.hand({ kind: 'updates-sent', count: 1 })
    }
    expect(lone.peer.snapshot(lone.now).sent).toMatchObject({ update: 4, keepalive: 1 })
  })

  test('in OpenConfirm too', () => {
    const lone = new LonePeer().reach('OpenConfirm')
    const sent = lone.pass(30_000).flatMap(({ action }) => (action.kind === 'send' ? say(action.bytes) : []))
    expect(sent).toEqual(['keepalive'])
  })
})

/** Times at which it dials within `span`, if every dial fails at once. */
function dials(lone: LonePeer, span: number): number[] {
  const end = lone.now + span
  const times: number[] = []
  for (let due = lone.peer.deadline(); due !== undefined && due <= end; due = lone.peer.deadline()) {
    lone.now = due
    if (only(lone.hand({ kind: 'timer' }).actions, 'dial').length === 0) continue
    times.push(due)
    lone.hand({ kind: 'dial-failed', conn: lone.own, reason: 'Connection refused' })
  }
  lone.now = end
  return times
}

describe('connect retry', () => {
  test('[18] the pause doubles from connectRetryTime to a minute, less up to a quarter', () => {
    const lone = new LonePeer().reach('Active')
    const times = [0, ...dials(lone, 600_000)]
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    for (const [index, pause] of pauses.entries()) {
      const whole = Math.min(60_000, 1_000 * 2 ** index)
      expect(pause).toBeGreaterThanOrEqual(whole * 0.75)
      expect(pause).toBeLessThanOrEqual(whole)
    }
    expect(pauses.length).toBeGreaterThan(12)
    expect(lone.lastError).toBe('Socket: Connection refused')
  })

  test('a dial that nobody answers is given up and made again', () => {
    const lone = new LonePeer().start()
    const seen = lone.pass(4_000).map(({ action }) => action)
    expect(only(seen, 'dial').map(({ conn }) => conn)).toEqual([4, 6])
    expect(only(seen, 'close').map(({ conn }) => conn)).toEqual([2, 4])
    expect(lone.peer.state).toBe('Connect')
    expect(lone.lastError).toBe('Socket: Connection timed out')
  })

  test.each([
    ['an address that is insisted on is named, and the neighbor', false, ', called from 192.0.2.1 to 192.0.2.2'],
    ['one that may yield to another is not', true, ''],
  ])('where nobody answers, %s', (_, localMayYield, called) => {
    const lone = new LonePeer({ localAddress: '192.0.2.1', localMayYield }).start()
    lone.pass(4_000)
    expect(lone.lastError).toBe(`Socket: Connection timed out${called}`)
  })

  test('[18] a neighbor that refuses every OPEN is not asked in a loop', () => {
    const pair = new WirePair(config({ remoteAs: 65000 }), otherConfig({ remoteAs: 65000 })).start().pass(60_000)
    expect(only(pair.one.actions, 'dial').length).toBeLessThan(9)
  })

  test.each([
    ['a good session', 60_000, message('notification', 6, 2), 1],
    ['a short one', 59_000, message('notification', 6, 2), 16],
    ['[19] a short one, ended by administrative reset', 1_000, message('notification', 6, 4), 1],
    ['[19] a short one, ended by configuration change', 1_000, message('notification', 6, 6), 1],
    ['[19] a short one, ended by collision', 1_000, message('notification', 6, 7), 1],
  ])('after %s', (_, lasted, end, seconds) => {
    const lone = new LonePeer().reach('Active')
    // The fifth dial succeeds.
    for (let dial = 2; dial <= 5; dial++) {
      lone.pass((lone.peer.deadline() ?? 0) - lone.now)
      if (dial < 5) lone.hand({ kind: 'dial-failed', conn: lone.own, reason: 'Connection refused' })
    }
    lone.connect().receive(concat(theirOpen(), KEEPALIVE))
    lone.pass(lasted)
    lone.receive(end)
    const left = (lone.peer.deadline() ?? 0) - lone.now
    expect(left).toBeGreaterThanOrEqual(seconds * 750)
    expect(left).toBeLessThanOrEqual(seconds * 1_000)
  })

  test('the first dial waits for dialDelay, and so does every later one', () => {
    const lone = new LonePeer({ dialDelay: 5_000 }).start()
    expect(lone.peer.state).toBe('Active')
    expect(lone.peer.deadline()).toBe(5_000)
    const [first, second] = dials(lone, 20_000)
    expect(first).toBe(5_000)
    expect(second).toBeGreaterThanOrEqual(10_750)
    expect(lone.peer.snapshot(20_000).connectTimer?.left).toBeGreaterThan(0)
  })
})

test('[20] a passive neighbor that calls and says nothing is given up after four minutes', () => {
  const lone = new LonePeer({ passive: true }).start().accept()
  lone.pass(240_000)
  expect(lone.closes).toEqual([1])
  expect(lone.peer.state).toBe('Active')
})
