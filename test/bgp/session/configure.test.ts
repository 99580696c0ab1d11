import { describe, expect, test } from 'vitest'
import { ourOpen } from '../../../src/bgp/session/negotiate.ts'
import type { PeerConfig } from '../../../src/bgp/session/types.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { concat, LonePeer, theirOpen } from '../../support/lone-peer.ts'
import { config, only, otherConfig } from '../../support/wire-pair.ts'

const change = (lone: LonePeer, over: Partial<PeerConfig>) => lone.hand({ kind: 'configure', config: config(over) })

const RESETS: readonly [string, Partial<PeerConfig>][] = [
  ['local AS', { localAs: 64600 }],
  ['remote AS', { remoteAs: 'external' }],
  ['router ID', { routerId: 5 }],
  ['address families', { families: ['ipv6'] }],
  ['remote address', { remote: { address: '192.0.2.9', port: 179 } }],
  ['local address', { localAddress: '192.0.2.1' }],
  ['role', { role: 'customer' }],
  ['extended next hop', { extendedNextHop: true }],
  ['add path', { addPath: { receive: ['ipv4'], send: [] } }],
]

/** After each of these the neighbor is another one, or the same with other terms: no route may be kept. */
const ENDS = RESETS.filter(([what]) => !['address families', 'extended next hop', 'add path'].includes(what))

const STAYS: readonly [string, Partial<PeerConfig>][] = [
  ['nothing', {}],
  ['name', { name: 'Global_192_0_2_2' }],
  ['port', { remote: { address: '192.0.2.2', port: 1179 } }],
  ['order of families', { families: ['ipv6', 'ipv4'] }],
  ['hold time', { holdTime: 30 }],
  ['keepalive time', { keepaliveTime: 5 }],
  ['connect retry time', { connectRetryTime: 20 }],
  ['passive', { passive: true }],
  ['dial delay', { dialDelay: 3_000 }],
  ['host name', { hostName: 'other' }],
]

describe.each(['OpenSent', 'OpenConfirm', 'Established'] as const)('in %s', (state) => {
  test.each(RESETS)('another %s ends the session with Cease/6 and begins anew at once', (what, over) => {
    const lone = change(new LonePeer().reach(state), over)
    expect(lone.said).toEqual(['notification 06 06'])
    expect(lone.closes).toEqual([2])
    expect(only(lone.actions, 'down')).toHaveLength(state === 'Established' ? 1 : 0)
    expect(lone.lastError).toBe(`Error: Configuration changed: ${what}`)
    expect(only(lone.actions, 'dial')).toMatchObject([{ remote: config(over).remote }])
    expect(lone.peer.state).toBe('Connect')
  })

  test.each(STAYS)('%s leaves it alone', (_, over) => {
    const lone = change(new LonePeer().reach(state), over)
    expect(lone.actions).toEqual([])
    expect(lone.peer.snapshot(0).config).toEqual(config(over))
  })
})

test.each([
  ['it is another than the one we called from: reset', '192.0.2.77', ['notification 06 06']],
  ['it is the one we called from: nothing', '192.0.2.1', []],
])('an address that might yield is insisted on, and %s', (_, localAddress, said) => {
  const usual = { localAddress, localMayYield: true }
  const lone = change(new LonePeer(usual).reach('Established'), { localAddress, localMayYield: false })
  expect(lone.said).toEqual(said)
})

test.each(ENDS)('both sides keep routes over other families: with another %s beside them they do not', (what, over) => {
  const both = { restartTime: 120, families: ['ipv4', 'ipv6'] } as const
  const lone = () => new LonePeer(both).reach('OpenSent').receive(theirs).receive(KEEPALIVE)
  const theirs = theirOpen({ capabilities: ourOpen(otherConfig({ restartTime: 120 })).capabilities })
  const fewer = { ...both, families: ['ipv4'] } as const
  expect(change(lone(), fewer).said).toEqual([])
  const changed = change(lone(), { ...fewer, ...over })
  expect([changed.said, changed.lastError]).toEqual([['notification 06 06'], `Error: Configuration changed: ${what}`])
})

test.each(RESETS)('stopped, %s is taken in silence', (_, over) => {
  const lone = change(new LonePeer(), over)
  expect(lone.actions).toEqual([])
  expect(lone.peer.snapshot(0).config).toEqual(config(over))
})

test('a session the neighbor opened is reset too, and we dial', () => {
  const lone = new LonePeer({ dialDelay: 5_000 }).start().accept()
  lone.receive(concat(theirOpen(), KEEPALIVE), lone.accepted)
  change(lone, { routerId: 5 })
  expect(lone.said).toEqual(['notification 06 06'])
  expect(lone.peer.state).toBe('Connect')
})

describe('routes that are kept while the neighbor is away', () => {
  const away = () => {
    const lone = new LonePeer({ restartTime: 120 }).reach('OpenSent')
    lone
      .receive(theirOpen({ capabilities: ourOpen(otherConfig({ restartTime: 120 })).capabilities }))
      .receive(KEEPALIVE)
    return lone.closed('Connection reset by peer')
  }

  test.each([
    ['remote AS', { remoteAs: 'external' as const }],
    ['local AS', { localAs: 64600 }],
    ['role', { role: 'customer' as const }],
  ])('are given up with another %s', (what, over) => {
    const lone = away()
    expect(lone.peer.hasStaleRoutes).toBe(true)
    change(lone, { restartTime: 120, ...over })
    expect(lone.peer.hasStaleRoutes).toBe(false)
    expect(only(lone.actions, 'stale-over')).toMatchObject([{ reason: `Configuration changed: ${what}` }])
  })

  test('stay with another key', () => {
    const lone = change(away(), { restartTime: 120, families: ['ipv4'] })
    expect(lone.peer.hasStaleRoutes).toBe(true)
  })
})

test('another keepalive time holds at once, another hold time from the next session on', () => {
  const lone = change(new LonePeer().reach('Established'), { keepaliveTime: 5, holdTime: 30 })
  expect(lone.peer.session).toMatchObject({ keepaliveTime: 5, holdTime: 90 })
  expect(lone.peer.deadline()).toBeLessThanOrEqual(5_000)
})

describe('while dialling', () => {
  test('another port is dialled at once', () => {
    const lone = change(new LonePeer().start(), { remote: { address: '192.0.2.2', port: 1179 } })
    expect(lone.closes).toEqual([2])
    expect(only(lone.actions, 'dial')).toMatchObject([{ remote: { port: 1179 } }])
  })

  test('passive from now on: the dial is dropped and none follows', () => {
    const lone = change(new LonePeer().start(), { passive: true })
    expect(lone.closes).toEqual([2])
    expect(lone.peer.state).toBe('Active')
    expect(lone.peer.deadline()).toBeUndefined()
  })

  test('no longer passive: we dial', () => {
    const lone = change(new LonePeer({ passive: true }).start(), {})
    expect(only(lone.actions, 'dial')).toHaveLength(1)
  })

  test('what has nothing to do with dialling leaves the dial alone', () => {
    const lone = change(new LonePeer().start(), { holdTime: 30, keepaliveTime: 3, hostName: 'x', name: 'y' })
    expect(lone.actions).toEqual([])
  })

  test('a passive neighbor whose session ends waits, and does not dial', () => {
    const lone = change(new LonePeer().reach('Established'), { passive: true }).closed()
    expect(lone.peer.state).toBe('Active')
    expect(lone.peer.deadline()).toBeUndefined()
  })
})
