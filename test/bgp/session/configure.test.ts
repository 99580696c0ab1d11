import { describe, expect, test } from 'vitest'
import { ourOpen } from '../../../src/bgp/session/negotiate.ts'
import type { PeerConfig } from '../../../src/bgp/session/types.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import type { Capability } from '../../../src/bgp/wire/message.ts'
import { encodeOpen } from '../../../src/bgp/wire/open.ts'
import { concat, LonePeer, theirOpen } from '../../support/lone-peer.ts'
import { config, only, otherConfig } from '../../support/wire-pair.ts'

const change = (lone: LonePeer, over: Partial<PeerConfig>) => lone.hand({ kind: 'configure', config: config(over) })

const RESETS: readonly [string, Partial<PeerConfig>][] = [
  ['local AS', { localAs: 64600 }],
  ['remote AS', { remoteAs: 64999 }],
  ['remote AS', { remoteAs: 'internal' }],
  ['router ID', { routerId: 5 }],
  ['address families', { families: ['ipv6'] }],
  ['remote address', { remote: { address: '192.0.2.9', port: 179 } }],
  ['local address', { localAddress: '192.0.2.77' }],
  ['role', { role: 'customer' }],
  ['extended next hop', { extendedNextHop: true }],
  ['add path', { addPath: { receive: ['ipv4'], send: [] } }],
]

/** After each of these the neighbor is another one, or the same with other terms: no route may be kept. */
const ENDS = RESETS.filter(([what]) => !['address families', 'extended next hop', 'add path'].includes(what))

const PEER: Capability = { kind: 'role', role: 4 }

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

/** What the neighbor has in its OPEN beside the usual. */
const PROVIDER: Capability = { kind: 'role', role: 0 }
const IN_ONE_AS = { localAs: 64512, remoteAs: 64512 } as const

/** [the words before, the words after], of one session. */
const SAME: readonly [string, Partial<PeerConfig>, Partial<PeerConfig>, (readonly Capability[])?][] = [
  ['any external AS in place of its number', { remoteAs: 64513 }, { remoteAs: 'external' }],
  ['the number in place of any external AS', { remoteAs: 'external' }, { remoteAs: 64513 }],
  ['our own AS by a word', IN_ONE_AS, { ...IN_ONE_AS, remoteAs: 'internal' }],
  ['our own AS by its number', { ...IN_ONE_AS, remoteAs: 'internal' }, IN_ONE_AS],
  ['the address it runs from', {}, { localAddress: '192.0.2.1' }],
  ['any address', { localAddress: '192.0.2.1' }, {}],
  ['a role inside an AS', IN_ONE_AS, { ...IN_ONE_AS, role: 'peer' }],
  ['a role that both have, strictly', { role: 'customer' }, { role: 'customer', strictRole: true }, [PROVIDER]],
  ['a role that the neighbor need not have any more', { role: 'peer', strictRole: true }, { role: 'peer' }, [PEER]],
  ['IPv6 next hops of IPv4 without IPv4', { families: ['ipv6'] }, { families: ['ipv6'], extendedNextHop: true }],
  [
    'several paths of another family',
    { families: ['ipv6'] },
    { families: ['ipv6'], addPath: { receive: ['ipv4'], send: [] } },
  ],
]

describe.each(SAME)('%s means the same session', (_, before, after, said = []) => {
  const asn = before.localAs ?? 64513
  const of = { ...otherConfig({ hostName: 'two', localAs: asn, remoteAs: 64512, restartTime: 120 }) }
  const theirs = encodeOpen({ ...ourOpen(of), capabilities: [...ourOpen(of).capabilities, ...said] })
  const up = () => new LonePeer({ restartTime: 120, ...before }).reach('OpenSent').receive(theirs).receive(KEEPALIVE)

  test('a running one stays', () => {
    const lone = up()
    expect(lone.peer.state).toBe('Established')
    change(lone, { restartTime: 120, ...after })
    expect([lone.actions, lone.peer.state]).toEqual([[], 'Established'])
  })

  test('routes of the last one are kept, and the next one is agreed on by the new words', () => {
    const lone = change(up().closed('Connection reset by peer'), { restartTime: 120, ...after })
    expect(lone.peer.hasStaleRoutes).toBe(true)
    for (let left = 3; lone.peer.state !== 'Connect' && left > 0; left--) lone.pass(60_000 / 3)
    lone.connect().receive(theirs).receive(KEEPALIVE)
    expect(lone.peer.state).toBe('Established')
  })

  test('and back', () => {
    const lone = change(up(), { restartTime: 120, ...after })
    change(lone, { restartTime: 120, ...before })
    expect(lone.peer.state).toBe('Established')
  })
})

test('strictRole ends a session with a neighbor that has no role', () => {
  const lone = new LonePeer({ role: 'customer' }).reach('Established')
  expect(change(lone, { role: 'customer', strictRole: true }).lastError).toBe('Error: Configuration changed: role')
})

test('a number that the neighbor does not have ends a session with any external one', () => {
  const lone = new LonePeer({ remoteAs: 'external' }).reach('Established')
  expect(change(lone, { remoteAs: 64999 }).lastError).toBe('Error: Configuration changed: remote AS')
})

test('an attempt that another neighbor has begun meanwhile does not become the session', () => {
  const lone = new LonePeer({ remoteAs: 'external', restartTime: 120 }).reach('OpenSent')
  lone.receive(theirOpen({ capabilities: ourOpen(otherConfig({ restartTime: 120 })).capabilities })).receive(KEEPALIVE)
  lone.closed('Connection reset by peer').accept()
  const other = otherConfig({ localAs: 64999 })
  lone.receive(encodeOpen(ourOpen(other)), lone.accepted)
  expect(lone.peer.state).toBe('OpenConfirm')
  change(lone, { restartTime: 120, remoteAs: 64513 })
  expect([lone.said, lone.peer.hasStaleRoutes]).toEqual([['notification 06 06'], true])
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
    ['remote AS', { remoteAs: 'internal' as const }],
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
