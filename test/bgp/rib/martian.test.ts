/** Destinations that no learned route may lead to. */
import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../../src/base/address.ts'
import type { Family } from '../../../src/base/family.ts'
import { isMartianPrefix } from '../../../src/base/martian.ts'
import { contains, makePrefix } from '../../../src/base/prefix.ts'
import { neighbor, path, prefix, settle } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const source = neighbor(1)
const listener = neighbor(2)

const hops = { ipv4: '192.0.2.99', ipv6: '2001:db8::99' }
const say = (room: Room, text: string) =>
  room.say(source, [text], path(source.remoteAs), hops[text.includes(':') ? 'ipv6' : 'ipv4'])

const taken = (room: Room): string[] => room.rows().map((row) => row.prefix)

test.each([
  '0.0.0.0/8',
  '0.1.2.0/24',
  '0.0.0.0/32',
  '127.0.0.0/8',
  '127.0.0.53/32',
  '224.0.0.0/4',
  '232.0.0.0/8',
  '239.255.255.255/32',
  '255.255.255.255/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'fe80::/64',
  'febf::1/128',
  'ff00::/8',
  'ff02::1/128',
])('%s is kept aside with its reason, and goes no further', (text) => {
  const room = new Room(source, listener)
  say(room, text)
  expect(taken(room)).toEqual([])
  expect(room.rows(true)).toMatchObject([
    {
      prefix: text,
      best: false,
      reason: expect.stringMatching(/^the prefix is loopback, link-local, multicast or otherwise reserved$/),
    },
  ])
  expect(room.heard(listener).routes.size).toBe(0)
})

test.each([
  '0.0.0.0/0',
  '0.0.0.0/1',
  '1.0.0.0/8',
  '100.64.0.0/10',
  '126.0.0.0/7',
  '169.254.169.254/32',
  '128.0.0.0/8',
  '192.0.0.0/3',
  '223.255.255.0/24',
  '240.0.0.0/4',
  '255.255.255.254/32',
  '255.255.255.0/24',
  '::/0',
  '::/8',
  '::/127',
  '::2/128',
  '::ffff:0.0.0.0/96',
  'fc00::/7',
  'fe00::/9',
  'fec0::/10',
  'fe40::/10',
])('%s is a route as any other', (text) => {
  const room = new Room(source, listener)
  say(room, text)
  expect(taken(room)).toEqual([text])
  expect([...room.heard(listener).routes.keys()]).toEqual([text])
})

test('one among others of one UPDATE leaves them as they are', () => {
  const room = new Room(source, listener)
  room.say(source, ['10.0.0.0/8', '224.0.0.0/4', '10.1.0.0/16'], path(source.remoteAs))
  expect(taken(room)).toEqual(['10.0.0.0/8', '10.1.0.0/16'])
  expect(room.rib.counts(source.name, 'ipv4').importUpdates).toMatchObject({ accepted: 2, rejected: 1 })
})

describe.each<Family>(['ipv4', 'ipv6'])('our own address, %s', (family) => {
  const address = { ipv4: '198.51.100.7', ipv6: '2001:db8:7::7' }[family]
  const host = `${address}/${family === 'ipv4' ? 32 : 128}`

  test('as a host route is ignored while it is ours', () => {
    const room = new Room(source, listener)
    say(room, host)
    expect(taken(room)).toEqual([host])
    room.rib.setNodeAddresses([addressBytes(address)])
    settle(room.rib)
    expect(taken(room)).toEqual([])
    expect(room.rows(true)).toMatchObject([{ reason: 'it is an address of this node' }])
    expect(room.heard(listener).routes.size).toBe(0)
    room.rib.setNodeAddresses([])
    settle(room.rib)
    expect(taken(room)).toEqual([host])
    expect([...room.heard(listener).routes.keys()]).toEqual([host])
  })

  test('as next hop of a neighbor as well', () => {
    const room = new Room({ ...source, nextHops: { [family]: addressBytes(address) } }, listener)
    say(room, host)
    expect(taken(room)).toEqual([])
  })

  test('counts from the time when it became or ceased to be ours, however long nothing happened before', () => {
    const room = new Room(source, listener)
    say(room, host)
    const sinceAt = (now: number, addresses: readonly string[]) => {
      room.rib.setNodeAddresses(addresses.map(addressBytes))
      while (room.rib.busy) room.rib.advance(1_000, now)
      return room.rows(addresses.length > 0)[0]?.since
    }
    expect([sinceAt(50_000, [address]), sinceAt(90_000, [])]).toEqual([50_000, 90_000])
  })

  test('inside a longer prefix is no reason', () => {
    const room = new Room(source, listener)
    room.rib.setNodeAddresses([addressBytes(address)])
    const around = family === 'ipv4' ? '198.51.100.0/24' : '2001:db8:7::/64'
    say(room, around)
    expect(taken(room)).toEqual([around])
  })
})

test('whatever its length, a prefix counts where one of the ranges contains it', () => {
  const texts = [
    '0.0.0.0/8',
    '127.0.0.0/8',
    '224.0.0.0/4',
    '255.255.255.255/32',
    '::/128',
    '::1/128',
    'fe80::/10',
    'ff00::/8',
  ]
  const ranges = texts.map(prefix)
  for (const { bytes, family } of [...ranges, ...['10.0.0.0/8', '2001:db8::/32', 'fe00::/8'].map(prefix)]) {
    for (let length = 0; length <= bytes.length * 8; length++) {
      const one = makePrefix(bytes, length)
      const expected = ranges.some((range) => contains(range, one))
      expect([one.text, isMartianPrefix(family, one.bytes, 0, length)]).toEqual([one.text, expected])
    }
  }
})
