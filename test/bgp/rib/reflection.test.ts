/** RFC 4456. Numbers in brackets: reference list of what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import { context } from '../../support/messages.ts'
import { attributes, neighbor, path, describe as route } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const X = '10.0.0.0/8'
const CLUSTER = 0xf4000001
const inside = (number: number, client: boolean, over: Partial<RibPeer> = {}): RibPeer =>
  neighbor(number, { peerType: 'internal', reflection: { clusterId: CLUSTER, client }, ...over })
const [client, client2, other, other2] = [inside(1, true), inside(2, true), inside(3, false), inside(4, false)]
const external = neighbor(5)
const carried = { ...path(7, 8), localPref: 200, med: 5, communities: [[65000, 9]] } as const

describe('what a reflector hands on (RFC 4456 §6, §8)', () => {
  test.each<[string, RibPeer, RibPeer[]]>([
    ['[53] from a client: to all, but not back', client, [client2, other, other2, external]],
    ['[53] from a non-client: to clients and outside', other, [client, client2, external]],
    ['from outside: to all', external, [client, client2, other, other2]],
  ])('%s', (_, from, expected) => {
    const all = [client, client2, other, other2, external]
    const room = new Room(...all)
    room.say(from, [X], from === external ? path(from.remoteAs) : carried)
    expect(all.filter((peer) => room.heard(peer).routes.has(X))).toEqual(expected)
  })

  test('[53] ORIGINATOR_ID and CLUSTER_LIST come to it, and nothing else changes', () => {
    const room = new Room(client, other)
    room.say(client, [X], carried)
    const added = { originatorId: client.remoteRouterId, clusterList: [CLUSTER] }
    expect(room.heard(other).routes.get(X)).toBe(route('192.0.2.99', attributes({ ...carried, ...added })))
  })

  test('[53] an ORIGINATOR_ID that is there stays, and our cluster goes in front', () => {
    const room = new Room(client, other)
    room.say(client, [X], { ...carried, originatorId: 77, clusterList: [5, 6] })
    const expected = { ...carried, originatorId: 77, clusterList: [CLUSTER, 5, 6] }
    expect(room.heard(other).routes.get(X)).toBe(route('192.0.2.99', attributes(expected)))
  })

  test('equal attributes of two clients leave with two originators', () => {
    const room = new Room(client, client2, other)
    room.say(client, [X], carried)
    room.say(client2, ['10.1.0.0/16'], carried)
    const originators = [...room.heard(other).routes.values()].map((text) => /"originatorId":(\d+)/.exec(text)?.[1])
    expect(originators.sort()).toEqual([String(client.remoteRouterId), String(client2.remoteRouterId)])
  })

  test('a cluster list of a hundred grows by one, with a length of two octets', () => {
    const room = new Room(client, other)
    const clusterList = Array.from({ length: 100 }, (_, index) => index + 1)
    room.say(client, [X], { ...carried, originatorId: 77, clusterList })
    const expected = { ...carried, originatorId: 77, clusterList: [CLUSTER, ...clusterList] }
    expect(room.heard(other).routes.get(X)).toBe(route('192.0.2.99', attributes(expected)))
  })

  test('what comes from outside is not reflected: no ORIGINATOR_ID', () => {
    const room = new Room(external, client)
    room.say(external, [X], path(external.remoteAs))
    expect(room.heard(client).routes.get(X)).toBe(
      route('192.0.2.99', attributes({ ...path(external.remoteAs), localPref: 100 })),
    )
  })

  test('several paths are reflected, each with its originator', () => {
    const many = inside(6, true, { send: context('internal', { addPath: ['ipv4'] }) })
    const room = new Room(client, client2, many)
    for (const from of [client, client2]) room.say(from, [X], carried)
    expect([...room.heard(many).routes.keys()].sort()).toEqual([`${X} #1`, `${X} #2`])
  })

  test('why a route stays untold is said', () => {
    const room = new Room(other, other2)
    room.say(other, [X], carried)
    expect(room.heard(other2).routes.size).toBe(0)
    expect(room.rib.page({ noexport: other2.name }, undefined, 9).rows[0]?.reason).toBe(
      'it was learned over iBGP: neither the neighbor that sent it nor this one is a route reflector client',
    )
  })
})

describe('loops (RFC 4456 §8)', () => {
  test.each([
    ['[53] our cluster ID', { clusterList: [5, CLUSTER] }, 'our cluster ID is in its CLUSTER_LIST'],
    ['[53] our router ID', { originatorId: 0x01010101 }, 'this node originated it (ORIGINATOR_ID is our router ID)'],
  ])('%s in a route from inside: kept, not used', (_, over, reason) => {
    const room = new Room(client, other)
    room.say(client, [X], { ...carried, ...over })
    expect(room.rows()).toEqual([])
    expect(room.rows(true)[0]?.reason).toBe(reason)
    expect(room.heard(other).routes.size).toBe(0)
  })

  test('a node that reflects nothing has no cluster: its router ID may be the cluster ID of reflectors', () => {
    const reflector = neighbor(1, { peerType: 'internal' })
    const room = new Room(reflector)
    room.say(reflector, [X], { ...carried, originatorId: 77, clusterList: [reflector.localRouterId] })
    expect(room.rows()).toHaveLength(1)
  })

  test('[35] from outside both attributes are dropped and the route is used', () => {
    const room = new Room(external)
    const result = room.say(external, [X], {
      ...path(external.remoteAs),
      originatorId: 0x01010101,
      clusterList: [CLUSTER],
    })
    expect(result.problems.map(({ action }) => action)).toEqual(['discard', 'discard'])
    expect(room.rows()).toHaveLength(1)
  })
})
