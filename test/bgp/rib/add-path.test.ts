/** RFC 7911. Numbers in brackets: reference list of what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import { REJECT_ALL } from '../../../src/bgp/policy/defaults.ts'
import type { Policy } from '../../../src/bgp/policy/rule.ts'
import { MOST_PATHS } from '../../../src/bgp/rib/planes.ts'
import { MOST_TAKEN } from '../../../src/bgp/rib/rejected-routes.ts'
import { context } from '../../support/messages.ts'
import { neighbor, originatedRoute, path, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const X = '10.0.0.0/8'
const Y = '2001:db8::/32'
const both = { addPath: ['ipv4', 'ipv6'] } as const
const [a, b, c] = [neighbor(1), neighbor(2), neighbor(3)]
/** Is told several paths. */
const many = neighbor(9, { send: context('external', both) })
const several = (number: number) => neighbor(number, { receive: context('external', both) })
const keys = (room: Room, peer = many) => [...room.heard(peer).routes.keys()].sort()

describe('several paths to one who wants them', () => {
  test('every usable one, and only the best to the others', () => {
    const room = new Room(a, b, c, many)
    room.say(a, [X], path(a.remoteAs))
    room.say(b, [X], path(b.remoteAs, 7))
    expect(keys(room)).toEqual([`${X} #1`, `${X} #2`])
    expect(keys(room, c)).toEqual([X])
    expect(room.heard(many).endOfRib).toEqual(['ipv4', 'ipv6'])
    expect(room.rib.counts(many.name, 'ipv4').advertised).toBe(2)
  })

  test('a path keeps its ID while others come and go, and a free one is used again', () => {
    const room = new Room(a, b, c, many)
    for (const [peer, med] of [
      [a, 1],
      [b, 2],
      [c, 3],
    ] as const)
      room.say(peer, [X], { ...path(peer.remoteAs), med })
    const before = new Map(room.heard(many).routes)
    room.unsay(b, [X])
    expect(keys(room)).toEqual([`${X} #1`, `${X} #3`])
    for (const [key, value] of room.heard(many).routes) expect(before.get(key)).toBe(value)
    room.say(b, [X], path(b.remoteAs, 8))
    expect(keys(room)).toEqual([`${X} #1`, `${X} #2`, `${X} #3`])
    expect(room.heard(many).needless).toBe(0)
  })

  test('whoever comes later is told what there is, before End-of-RIB', () => {
    const room = new Room(a, b)
    for (const text of [X, Y]) {
      const hop = text === Y ? '2001:db8::9' : undefined
      for (const peer of [a, b]) room.say(peer, [text], path(peer.remoteAs), hop)
    }
    room.rib.originate([originatedRoute(X)], 0)
    settle(room.rib)
    room.join(many)
    expect(keys(room)).toEqual([`${X} #1`, `${X} #2`, `${X} #3`, `${Y} #1`, `${Y} #2`])
    expect(room.heard(many).endOfRib).toEqual(['ipv4', 'ipv6'])
  })

  test('its own path is not told to the neighbor, the others are', () => {
    const one = neighbor(1, { send: context('external', both) })
    const two = neighbor(2, { send: context('external', both) })
    const room = new Room(one, two)
    room.say(one, [X], path(one.remoteAs))
    room.say(two, [X], path(two.remoteAs, 5))
    expect([keys(room, one).length, keys(room, two).length]).toEqual([1, 1])
    expect([...room.heard(one).routes.values()][0]).toContain(String(two.remoteAs))
  })

  test('policy judges each path by itself', () => {
    const exportPolicy: Policy = {
      name: 'no sevens',
      rules: [{ name: 'seven', match: { asPathPrefix: [b.remoteAs] }, action: 'reject', operations: [] }],
      otherwise: 'accept',
      otherwiseReason: '',
    }
    const picky = { ...many, exportPolicy }
    const room = new Room(a, b, picky)
    room.say(a, [X], path(a.remoteAs))
    room.say(b, [X], path(b.remoteAs))
    expect(keys(room, picky)).toHaveLength(1)
    room.rib.setPeer({ ...picky, exportPolicy: REJECT_ALL })
    settle(room.rib)
    expect(keys(room, picky)).toEqual([])
  })

  test(`of more than ${MOST_PATHS} the best ones, the best of all among them`, () => {
    const peers = Array.from({ length: MOST_PATHS + 4 }, (_, index) => neighbor(20 + index))
    const room = new Room(...peers, many)
    for (const [index, peer] of peers.entries()) {
      room.say(peer, [X], path(peer.remoteAs, ...Array.from({ length: peers.length - index }, () => 7)))
    }
    expect(keys(room)).toHaveLength(MOST_PATHS)
    const told = [...room.heard(many).routes.values()]
    for (const peer of peers.slice(4)) expect(told.some((text) => text.includes(`[65000,${peer.remoteAs},`))).toBe(true)
  })

  test('a refresh tells all of them again, between BoRR and EoRR', () => {
    const room = new Room(a, b, many)
    room.say(a, [X], path(a.remoteAs))
    room.say(b, [X], path(b.remoteAs))
    const before = room.heard(many).messages
    room.rib.refreshOut(many.name, 'ipv4', true)
    settle(room.rib)
    expect(keys(room)).toEqual([`${X} #1`, `${X} #2`])
    expect(room.heard(many).refreshes).toEqual([1, 2])
    expect(room.heard(many).messages - before).toBe(4)
  })

  test('rows say to whom each path was told', () => {
    const room = new Room(a, b, c, many)
    room.say(a, [X], path(a.remoteAs))
    room.say(b, [X], path(b.remoteAs, 7))
    keys(room)
    keys(room, c)
    keys(room, b)
    expect(room.rows().map(({ exportedTo }) => exportedTo)).toEqual([[b.name, c.name, many.name], [many.name]])
    expect(room.rib.page({ export: many.name }, undefined, 9).rows).toHaveLength(2)
  })

  test('the revision never falls, also when the last neighbor that accepts several is gone', () => {
    const room = new Room(a, b, many)
    const revisions = [room.rib.revision]
    const note = () => revisions.push(room.rib.revision)
    for (const peer of [a, b]) {
      room.say(peer, [X, '10.1.0.0/16'], path(peer.remoteAs))
      keys(room)
      note()
    }
    room.leave(many)
    note()
    room.say(a, ['10.2.0.0/16'], path(a.remoteAs))
    room.heard(a)
    note()
    expect(revisions).toEqual(revisions.toSorted((one, two) => one - two))
    expect(revisions.at(-1)).toBeGreaterThan(revisions.at(-2) as number)
  })

  test('when all is gone nothing is left', () => {
    const room = new Room(a, b, many)
    for (const peer of [a, b]) room.say(peer, [X, '10.1.0.0/16'], path(peer.remoteAs))
    keys(room)
    for (const peer of [a, many, b]) room.leave(peer)
    expect(room.rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
    expect(room.rib.isQuiet).toBe(true)
  })
})

describe('several paths from one', () => {
  test('each ID is a path; another announcement of it replaces it, a withdrawal takes it alone', () => {
    const from = several(4)
    const room = new Room(from, b)
    room.say(from, [X], path(from.remoteAs, 7), '192.0.2.50', 1)
    room.say(from, [X], path(from.remoteAs), '192.0.2.51', 2)
    expect(room.rows().map(({ nextHops }) => nextHops[0])).toEqual(['192.0.2.51', '192.0.2.50'])
    room.say(from, [X], path(from.remoteAs, 8), '192.0.2.52', 1)
    room.unsay(from, [X], 2)
    expect(room.rows().map(({ nextHops }) => nextHops[0])).toEqual(['192.0.2.52'])
    expect(room.heard(b).routes.has(X)).toBe(true)
  })

  test('a withdrawal of an ID that was never announced is nothing', () => {
    const from = several(4)
    const room = new Room(from)
    room.say(from, [X], path(from.remoteAs), '192.0.2.50', 1)
    expect(room.unsay(from, [X], 9).error).toBeUndefined()
    expect(room.rows()).toHaveLength(1)
    expect(room.rib.counts(from.name, 'ipv4').importWithdraws.ignored).toBe(1)
  })

  test(`more than ${MOST_TAKEN} to one prefix are not taken; those that are may change and go`, () => {
    const from = several(4)
    const room = new Room(from, b)
    for (let id = 0; id < MOST_TAKEN + 9; id++) room.say(from, [X], path(from.remoteAs), `192.0.2.${id + 100}`, id)
    expect(room.rib.counts(from.name, 'ipv4')).toMatchObject({ received: MOST_TAKEN, importUpdates: { rejected: 9 } })
    room.say(from, [X], path(from.remoteAs), '192.0.2.99', 1)
    room.unsay(from, [X], 0)
    room.unsay(from, [X], MOST_TAKEN + 1)
    expect(room.rib.counts(from.name, 'ipv4').received).toBe(MOST_TAKEN - 1)
    expect(room.say(from, ['10.1.0.0/16'], path(from.remoteAs), '192.0.2.99', 1).error).toBeUndefined()
    expect(room.rows()).toHaveLength(MOST_TAKEN)
  })

  test('NLRI without an ID from one who agreed to send them is broken and ends the session', () => {
    const room = new Room(several(4))
    expect(room.say(several(4), ['10.1.2.0/24'], path(65_004)).error).toMatchObject({ code: 3 })
  })
})

describe('paths that were turned away', () => {
  const from = several(4)
  /** All IDs below MOST_TAKEN are taken, and so many more were not. */
  function crowded(more: number): Room {
    const room = new Room(from, b)
    for (let id = 0; id < MOST_TAKEN + more; id++) room.say(from, [X], path(from.remoteAs), `192.0.2.${id + 100}`, id)
    return room
  }
  const asked = (room: Room, now: number) =>
    room.rib.takeRefreshRequests(now).map(({ name, family }) => `${name} ${family}`)

  test('the first is said, once', () => {
    const room = crowded(0)
    const say = (id: number) => room.say(from, [X], path(from.remoteAs), `192.0.2.${id + 100}`, id)
    expect(say(MOST_TAKEN).crowded).toEqual({ family: 'ipv4', prefix: X, most: MOST_TAKEN })
    expect(say(MOST_TAKEN + 1).crowded).toBeUndefined()
  })

  test('after all that were full had room, the next is said again', () => {
    const room = crowded(1)
    const say = (text: string, id: number) => room.say(from, [text], path(from.remoteAs), `192.0.2.${id + 100}`, id)
    const other = '10.1.0.0/16'
    for (let id = 0; id < MOST_TAKEN; id++) say(other, id)
    expect(say(other, MOST_TAKEN).crowded).toBeUndefined()
    room.unsay(from, [X], 0)
    expect(say(X, 0).crowded).toBeUndefined()
    // The other prefix is still full.
    expect(say(X, MOST_TAKEN).crowded).toBeUndefined()
    for (const text of [X, other]) {
      room.unsay(from, [text], 0)
      say(text, 0)
    }
    expect(say(other, MOST_TAKEN).crowded).toEqual({ family: 'ipv4', prefix: other, most: MOST_TAKEN })
  })

  test('are asked for once there is room, and not before; then again after a minute', () => {
    const room = crowded(2)
    expect([asked(room, 0), room.rib.deadline()]).toEqual([[], undefined])
    room.unsay(from, [X], 0)
    expect(room.rib.deadline()).toBe(0)
    expect(asked(room, 5_000)).toEqual([`${from.name} ipv4`])
    expect([asked(room, 5_000), room.rib.deadline()]).toEqual([[], undefined])
    // The answer: one of the two finds room.
    for (const id of [MOST_TAKEN, MOST_TAKEN + 1]) room.say(from, [X], path(from.remoteAs), `192.0.2.${id + 100}`, id)
    expect(room.rib.counts(from.name, 'ipv4').received).toBe(MOST_TAKEN)
    room.unsay(from, [X], 1)
    expect(room.rib.deadline()).toBe(65_000)
    expect(asked(room, 64_999)).toEqual([])
    expect(asked(room, 65_000)).toEqual([`${from.name} ipv4`])
  })

  test('where none was, nobody is asked', () => {
    const room = crowded(0)
    room.unsay(from, [X], 0)
    expect(room.rib.deadline()).toBeUndefined()
  })

  test('of one who is gone nothing is asked', () => {
    const room = crowded(1)
    room.unsay(from, [X], 0)
    room.leave(from)
    expect([asked(room, 0), room.rib.deadline()]).toEqual([[], undefined])
  })
})
