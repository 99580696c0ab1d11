/** RFC 9234 §5, own AS in paths, and IPv6 next hops (RFC 8950). */
import { describe, expect, test } from 'vitest'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import type { Role } from '../../../src/bgp/wire/role.ts'
import { context } from '../../support/messages.ts'
import { neighbor, originatedRoute, path, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const X = '10.0.0.0/8'
const plain = neighbor(8)
const LOCAL_AS = plain.localAs
const to = (number: number, role: Role): RibPeer => neighbor(number, { role })
const otc = (room: Room, peer: RibPeer): number | undefined => {
  const text = room.heard(peer).routes.get(X)
  const found = text === undefined ? undefined : /"onlyToCustomer":(\d+)/.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

describe('ONLY_TO_CUSTOMER of what comes in (RFC 9234 §5)', () => {
  test.each<[string, Role, number | undefined, string]>([
    ['from a customer with it: a leak', 'provider', 4711, 'leaked'],
    ['from a customer with 0 in it: a leak', 'provider', 0, 'leaked'],
    ['from a customer without it', 'provider', undefined, 'as it is'],
    ['from a client of our route server with it: a leak', 'rs-server', 4711, 'leaked'],
    ['from a peer with another AS in it: a leak', 'peer', 4711, 'leaked'],
    ['from a peer with its own', 'peer', 65_001, 'as it is'],
    ['from a peer without it: it gets that of the peer', 'peer', undefined, 'marked'],
    ['from a provider without it: it gets that of the provider', 'customer', undefined, 'marked'],
    ['from a provider with it', 'customer', 4711, 'as it is'],
    ['from a route server without it', 'rs-client', undefined, 'marked'],
  ])('%s', (_, role, onlyToCustomer, outcome) => {
    const from = to(1, role)
    const room = new Room(from)
    room.say(from, [X], { ...path(from.remoteAs), ...(onlyToCustomer !== undefined && { onlyToCustomer }) })
    if (outcome === 'leaked') {
      expect(room.rows()).toEqual([])
      expect(room.rows(true)[0]?.reason).toMatch(/^it is a route leak/)
    } else {
      const expected = outcome === 'marked' ? from.remoteAs : onlyToCustomer
      expect(room.rows()[0]?.attributes.onlyToCustomer).toBe(expected)
    }
    room.leave(from)
    expect(room.rib.usage().attributes).toBe(0)
  })
})

describe('ONLY_TO_CUSTOMER of what goes out (RFC 9234 §5)', () => {
  test.each<[string, Role, boolean, number | undefined | 'untold']>([
    ['to a customer: marked with our AS', 'provider', false, LOCAL_AS],
    ['to a customer, marked already: as it is', 'provider', true, 4711],
    ['to a peer: marked with our AS', 'peer', false, LOCAL_AS],
    ['to a peer, marked: never', 'peer', true, 'untold'],
    ['to a provider: not marked', 'customer', false, undefined],
    ['to a provider, marked: never', 'customer', true, 'untold'],
    ['to a route server, marked: never', 'rs-client', true, 'untold'],
    ['to a client of our route server: marked', 'rs-server', false, LOCAL_AS],
  ])('%s', (_, role, marked, expected) => {
    const neighborOf = to(2, role)
    const room = new Room(plain, neighborOf)
    room.say(plain, [X], { ...path(plain.remoteAs), ...(marked && { onlyToCustomer: 4711 }) })
    if (expected === 'untold') {
      expect(room.heard(neighborOf).routes.size).toBe(0)
      expect(room.rib.page({ noexport: neighborOf.name }, undefined, 9).rows[0]?.reason).toMatch(/ONLY_TO_CUSTOMER/)
    } else {
      expect(room.heard(neighborOf).routes.size).toBe(1)
      expect(otc(room, neighborOf)).toBe(expected)
    }
  })

  test('our own routes are marked too, and inside the AS the mark stays', () => {
    const customer = to(2, 'provider')
    const internal = neighbor(5, { peerType: 'internal' })
    const room = new Room(customer, internal)
    room.rib.originate([originatedRoute(X)], 0)
    settle(room.rib)
    expect([otc(room, customer), otc(room, internal)]).toEqual([LOCAL_AS, undefined])
    const provider = to(3, 'customer')
    room.join(provider).say(provider, ['10.1.0.0/16'], path(provider.remoteAs))
    expect(room.heard(internal).routes.get('10.1.0.0/16')).toContain(`"onlyToCustomer":${provider.remoteAs}`)
  })
})

describe('our own AS in a path', () => {
  test.each<[string, Partial<RibPeer>, number[], boolean]>([
    ['[58] once: not used', {}, [LOCAL_AS], false],
    ['[58] once, where once is allowed', { allowedOwnAs: 1 }, [LOCAL_AS], true],
    ['twice, where once is allowed', { allowedOwnAs: 1 }, [LOCAL_AS, 7, LOCAL_AS], false],
    ['the AS of the node, where the session shows another', { localAs: 64_999, nodeAs: LOCAL_AS }, [LOCAL_AS], false],
    ['the AS that the session shows', { localAs: 64_999, nodeAs: LOCAL_AS }, [64_999], false],
    [
      'both together, where two are allowed',
      { localAs: 64_999, nodeAs: LOCAL_AS, allowedOwnAs: 2 },
      [64_999, LOCAL_AS],
      true,
    ],
    ['both together, where one is', { localAs: 64_999, nodeAs: LOCAL_AS, allowedOwnAs: 1 }, [64_999, LOCAL_AS], false],
  ])('%s', (_, over, asns, used) => {
    const from = neighbor(1, over)
    const room = new Room(from)
    room.say(from, [X], path(from.remoteAs, ...asns))
    expect(room.rows()).toHaveLength(used ? 1 : 0)
    if (!used) expect(room.rows(true)[0]?.reason).toBe('our own AS is in the AS path')
  })

  test.each<[string, Partial<RibPeer>, Partial<RibPeer>, boolean]>([
    ['allowed once more', {}, { allowedOwnAs: 1 }, true],
    ['no longer allowed', { allowedOwnAs: 1 }, {}, false],
    ['the node takes that AS', { localAs: 64_999 }, { localAs: 64_999, nodeAs: LOCAL_AS }, false],
    ['the node leaves that AS', { localAs: 64_999, nodeAs: LOCAL_AS }, { localAs: 64_999 }, true],
  ])('what has come already is judged again: %s', (_, before, after, used) => {
    const from = neighbor(1, before)
    const room = new Room(from)
    room.say(from, [X], path(from.remoteAs, LOCAL_AS))
    expect(room.rows()).toHaveLength(used ? 0 : 1)
    room.rib.setPeer(neighbor(1, after))
    settle(room.rib)
    expect(room.rows()).toHaveLength(used ? 1 : 0)
  })

  test('towards such a neighbor our path begins with the AS that it sees', () => {
    const shown = neighbor(2, { localAs: 64_999, nodeAs: LOCAL_AS })
    const room = new Room(shown)
    room.rib.originate([originatedRoute(X)], 0)
    settle(room.rib)
    expect(room.heard(shown).routes.get(X)).toContain('"asns":[64999]')
  })

  test('a route server may leave its own AS out', () => {
    const server = to(1, 'rs-client')
    const room = new Room(server)
    room.say(server, [X], path(4711))
    expect(room.rows()).toHaveLength(1)
  })
})

describe('IPv4 by IPv6 next hops (RFC 8950)', () => {
  const agreed = { extendedNextHop: true } as const
  const six = Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 7)

  test('[51] both agreed: told in MP_REACH_NLRI with an IPv6 next hop of ours', () => {
    const over = neighbor(2, { send: context('external', agreed), nextHops: { ipv4: six } })
    const room = new Room(over)
    room.rib.originate([originatedRoute(X)], 0)
    settle(room.rib)
    expect(room.heard(over).routes.get(X)).toMatch(/^via 2001:db8::7 /)
  })

  test.each([
    ['global', '2001:db8::9', undefined],
    ['without the agreement it ends the session', '2001:db8::9', { code: 3, subcode: 9 }],
  ])('[41] taken: %s', (_, nextHop, error) => {
    const from = neighbor(1, error === undefined ? { receive: context('external', agreed) } : {})
    const room = new Room(from)
    const result = room.say(from, [X], path(from.remoteAs), nextHop)
    if (error === undefined) expect(room.rows()[0]?.nextHops).toEqual([nextHop])
    else expect(result.error).toMatchObject(error)
  })

  test('[51] a learned one is not told inside the AS to one who did not agree, and told to one who did', () => {
    const from = neighbor(1, { receive: context('external', agreed) })
    const old = neighbor(5, { peerType: 'internal' })
    const fresh = neighbor(6, { peerType: 'internal', send: context('internal', agreed) })
    const room = new Room(from, old, fresh)
    room.say(from, [X], path(from.remoteAs), '2001:db8::9')
    expect(room.heard(old).routes.size).toBe(0)
    expect(room.heard(fresh).routes.get(X)).toMatch(/^via 2001:db8::9 /)
    expect(room.rib.page({ noexport: old.name }, undefined, 9).rows[0]?.reason).toMatch(/^its next hop is an IPv6/)
  })
})
