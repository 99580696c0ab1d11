/** RFC 2918 and RFC 7313. Numbers in brackets: reference list of what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import { ACCEPT_ALL } from '../../../src/bgp/policy/defaults.ts'
import { announcement, attributes, neighbor, originatedRoute, path, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const [X, Y, Z] = ['10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16']
const [a, b] = [neighbor(1), neighbor(2)]
const held = (room: Room) => room.rows().map(({ prefix }) => prefix)

function begun(): Room {
  const room = new Room(a, b)
  room.say(a, [X, Y], path(a.remoteAs))
  room.heard(b)
  room.rib.beginRefresh(a.name, 'ipv4', 0)
  return room
}

test('long-lived stale routes of a removed neighbor are no routes of the one that gets its number (RFC 9494)', () => {
  const room = new Room(a)
  // A walk over these is begun, and what comes later waits behind it.
  for (let at = 0; at < 64; at++) room.say(a, [`10.${at}.0.0/16`], path(a.remoteAs))
  room.rib.addPeer(b)
  settle(room.rib)
  room.rib.setPeer({ ...a, importPolicy: { ...ACCEPT_ALL, name: 'another' } })
  room.rib.advance(1, 0)
  room.rib.losePeer(b.name, ['ipv4'])
  room.rib.beginLongLived(b.name, ['ipv4'])
  room.rib.dropStale(b.name)
  room.rib.advance(1, 0)
  const c = neighbor(3)
  room.rib.addPeer(c)
  const noLongLived = attributes({ ...path(c.remoteAs), communities: [[65_535, 7]] })
  const update = announcement([Z], noLongLived, c.remoteAddress)
  room.rib.receive(c.name, update, 0, update.length, 0)
  expect(room.rib.busy).toBe(true)
  settle(room.rib)
  expect(room.rib.page({ protocol: c.name }, undefined, 10).rows.map(({ prefix }) => prefix)).toEqual([Z])
})

describe('a neighbor refreshes', () => {
  test('[68] what it did not announce again is gone at EoRR, and not before (RFC 7313 §4)', () => {
    const room = begun()
    room.say(a, [X, Z], path(a.remoteAs))
    expect(held(room)).toEqual([X, Y, Z])
    room.rib.endRefresh(a.name, 'ipv4')
    settle(room.rib)
    expect(held(room)).toEqual([X, Z])
    expect([...room.heard(b).routes.keys()].sort()).toEqual([X, Z])
    expect(room.rib.counts(a.name, 'ipv4').received).toBe(2)
  })

  test('[68] announced again with other attributes counts, and a withdrawal in between does too', () => {
    const room = begun()
    room.say(a, [X], path(a.remoteAs, 9))
    room.unsay(a, [Y])
    room.rib.endRefresh(a.name, 'ipv4')
    settle(room.rib)
    expect(held(room)).toEqual([X])
  })

  test('EoRR without BoRR takes nothing', () => {
    const room = new Room(a)
    room.say(a, [X], path(a.remoteAs))
    room.rib.endRefresh(a.name, 'ipv4')
    settle(room.rib)
    expect(held(room)).toEqual([X])
  })

  test('a second BoRR begins anew: only what comes behind it counts', () => {
    const room = begun()
    room.say(a, [X], path(a.remoteAs))
    room.rib.beginRefresh(a.name, 'ipv4', 0)
    room.say(a, [Y], path(a.remoteAs))
    room.rib.endRefresh(a.name, 'ipv4')
    settle(room.rib)
    expect(held(room)).toEqual([Y])
  })

  test('a BoRR while the last EoRR is still being carried out loses nothing of that refresh', () => {
    const room = begun()
    room.say(a, [X], path(a.remoteAs))
    room.rib.endRefresh(a.name, 'ipv4')
    room.rib.beginRefresh(a.name, 'ipv4', 0)
    settle(room.rib)
    expect(held(room)).toEqual([X])
  })

  test('the other family, other neighbors and our own routes stay', () => {
    const room = begun()
    room.say(b, [Z], path(b.remoteAs))
    room.say(a, ['2001:db8::/32'], path(a.remoteAs), '2001:db8::9')
    room.rib.originate([originatedRoute('10.9.0.0/16')], 0)
    room.rib.endRefresh(a.name, 'ipv4')
    settle(room.rib)
    expect(held(room).sort()).toEqual(['10.9.0.0/16', Z, '2001:db8::/32'].sort())
  })

  test('[68] stale routes are kept ten minutes at most; another BoRR does not lengthen that', () => {
    const room = begun()
    expect(room.rib.deadline()).toBe(600_000)
    room.rib.beginRefresh(a.name, 'ipv4', 300_000)
    expect(room.rib.deadline()).toBe(600_000)
    expect(room.rib.endLateRefreshes(599_999)).toEqual([])
    expect(room.rib.endLateRefreshes(600_000)).toEqual([{ name: a.name, family: 'ipv4' }])
    settle(room.rib)
    expect(held(room)).toEqual([])
    expect(room.rib.deadline()).toBeUndefined()
  })

  test('300 refreshes, the last one whole', () => {
    const room = begun()
    for (let round = 0; round < 300; round++) {
      room.rib.beginRefresh(a.name, 'ipv4', 0)
      room.say(a, [X], path(a.remoteAs))
      room.rib.endRefresh(a.name, 'ipv4')
      settle(room.rib)
    }
    expect(held(room)).toEqual([X])
  })

  test('a flood of refreshes before the first is carried out ends as one', () => {
    const room = begun()
    for (let round = 0; round < 100; round++) {
      room.rib.beginRefresh(a.name, 'ipv4', 0)
      room.rib.endRefresh(a.name, 'ipv4')
    }
    room.say(a, [Y], path(a.remoteAs))
    settle(room.rib)
    expect(held(room)).toEqual([Y])
    expect(room.rib.busy).toBe(false)
  })

  test('one that is lost in between takes its refresh with it', () => {
    const room = begun()
    room.leave(a)
    expect(room.rib.deadline()).toBeUndefined()
    expect(held(room)).toEqual([])
  })
})

describe('a neighbor is lost and expected back', () => {
  test('[65] what is kept of a lost neighbor is the best as it was, and a fresh path does not win for being fresh (RFC 4724 §4.2)', () => {
    const room = new Room(a, b)
    room.say(a, [X], path(a.remoteAs))
    room.say(b, [X], path(b.remoteAs))
    room.rib.losePeer(a.name, ['ipv4'])
    settle(room.rib)
    expect(room.rows().map(({ peer, best }) => [peer, best])).toEqual([
      [a.name, true],
      [b.name, false],
    ])
    room.rib.dropStale(a.name)
    settle(room.rib)
    expect(room.rows().map(({ peer, best }) => [peer, best])).toEqual([[b.name, true]])
  })
})
