/** Neighbors that differ only in which address of ours they see as next hop: one stream, each with its own address in it. */
import { expect, test } from 'vitest'
import { addressBytes } from '../../../src/base/address.ts'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../../src/bgp/rib/types.ts'
import {
  announcement,
  attributes,
  Listener,
  neighbor,
  OUR_V6,
  path,
  describe as route,
  settle,
  withdrawal,
} from '../../support/rib.ts'

const seenAs = (number: number): RibPeer =>
  neighbor(number, {
    nextHops: { ipv4: addressBytes(`198.51.100.${number}`), ipv6: addressBytes(`2001:db8::${number}`) },
  })
const source = neighbor(1)
const listeners = [2, 3, 4].map(seenAs)
const PREFIXES = { ipv4: ['10.0.0.0/8', '10.1.0.0/16'], ipv6: ['2001:db8:1::/48'] }
const carried = attributes(path(source.remoteAs, 7))
const told = attributes(path(65000, source.remoteAs, 7))

function start(): { rib: Rib; ears: Listener[] } {
  const rib = new Rib()
  for (const peer of [source, ...listeners]) rib.addPeer(peer)
  settle(rib)
  return { rib, ears: listeners.map((peer) => new Listener(peer).drain(rib, peer.name)) }
}

function feed(rib: Rib): void {
  for (const [prefixes, nextHop] of [
    [PREFIXES.ipv4, '192.0.2.99'],
    [PREFIXES.ipv6, '2001:db8::99'],
  ] as const) {
    const update = announcement(prefixes, carried, nextHop)
    expect(rib.receive(source.name, update, 0, update.length, 0).error).toBeUndefined()
  }
  settle(rib)
}

const wanted = (number: number) =>
  new Map([
    ...PREFIXES.ipv4.map((text) => [text, route(`198.51.100.${number}`, told)] as const),
    ...PREFIXES.ipv6.map((text) => [text, route(`2001:db8::${number}`, told)] as const),
  ])

test('each neighbor is told the address that it sees, and what one was handed does not change for another', () => {
  const { rib } = start()
  feed(rib)
  const kept = listeners.map(({ name }) => {
    const parts: Uint8Array[] = []
    for (let part = rib.pull(name, 65_536); part !== undefined; part = rib.pull(name, 65_536)) parts.push(part.bytes)
    return parts
  })
  for (const [index, peer] of listeners.entries()) {
    const ear = new Listener(peer)
    for (const bytes of kept[index] ?? []) ear.take(bytes)
    expect(ear.routes).toEqual(wanted(index + 2))
  }
})

test('neighbors that see the same address are handed the same bytes', () => {
  const rib = new Rib()
  const [one, other] = [neighbor(2), neighbor(3)]
  for (const peer of [source, one, other]) rib.addPeer(peer)
  settle(rib)
  for (const peer of [one, other]) new Listener(peer).drain(rib, peer.name)
  feed(rib)
  expect(rib.pull(one.name, 65_536)?.bytes).toBe(rib.pull(other.name, 65_536)?.bytes)
})

test('another address of ours is told for every route, to the neighbor that sees it and to no other', () => {
  const { rib, ears } = start()
  feed(rib)
  for (const [index, { name }] of listeners.entries()) ears[index]?.drain(rib, name)
  const before = ears[1]?.messages
  rib.setPeer({ ...(listeners[0] as RibPeer), nextHops: seenAs(9).nextHops })
  settle(rib)
  for (const [index, { name }] of listeners.entries()) ears[index]?.drain(rib, name)
  expect(ears[0]?.routes).toEqual(wanted(9))
  expect(ears[1]?.routes).toEqual(wanted(3))
  expect(ears[1]?.messages).toBe(before)
})

test('looking shows the address each was told', () => {
  const { rib } = start()
  feed(rib)
  for (const peer of listeners) {
    new Listener(peer).drain(rib, peer.name)
    const { rows } = rib.page({ export: peer.name, family: 'ipv4' }, undefined, 9)
    expect(rows.map(({ nextHops }) => nextHops)).toEqual(
      PREFIXES.ipv4.map(() => [`198.51.100.${listeners.indexOf(peer) + 2}`]),
    )
  }
})

test('who gave the routes is told nothing, and a withdrawal reaches the others', () => {
  const { rib, ears } = start()
  feed(rib)
  expect(new Listener(source).drain(rib, source.name).routes.size).toBe(0)
  const update = withdrawal(PREFIXES.ipv4)
  rib.receive(source.name, update, 0, update.length, 0)
  settle(rib)
  const ear = new Listener(source).drain(rib, source.name)
  expect([ear.routes.size, ear.needless]).toEqual([0, 0])
  for (const [index, { name }] of listeners.entries()) {
    expect([...(ears[index]?.drain(rib, name).routes.keys() ?? [])]).toEqual(PREFIXES.ipv6)
  }
})

test.each<[string, string, string]>([
  ['a global address goes on as it came', '2001:db8::99', '2001:db8::99'],
  ['a link-local one does not leave its link: RFC 2545 §3', 'fe80::99', OUR_V6],
])('to internal neighbors %s', (_, nextHop, expected) => {
  const rib = new Rib()
  const internal = neighbor(5, { peerType: 'internal' })
  for (const peer of [source, internal]) rib.addPeer(peer)
  settle(rib)
  const update = announcement(PREFIXES.ipv6, carried, nextHop)
  rib.receive(source.name, update, 0, update.length, 0)
  settle(rib)
  const ear = new Listener(internal).drain(rib, internal.name)
  expect(ear.routes.get('2001:db8:1::/48')).toMatch(`via ${expected} `)
})

test.each([
  ['alone', 'fe80::99'],
  ['twice, as FRR writes it', 'fe80::99 fe80::99'],
  ['behind no address, as BIRD writes it', ':: fe80::99'],
])('[41] a link-local next hop %s is one, and can be used', (_, nextHop) => {
  const rib = new Rib()
  rib.addPeer({ ...source, remoteAddress: 'fe80::1%eth7' })
  const update = announcement(PREFIXES.ipv6, carried, nextHop)
  expect(rib.receive(source.name, update, 0, update.length, 0).error).toBeUndefined()
  settle(rib)
  const { rows } = rib.page({ family: 'ipv6' }, undefined, 9)
  expect(rows).toMatchObject([{ nextHops: ['fe80::99%eth7'], best: true }])
})

test.each([
  ['no address twice', ':: ::'],
  ['no address and a global one', ':: 2001:db8::99'],
])('[41] %s is no next hop', (_, nextHop) => {
  const rib = new Rib()
  rib.addPeer(source)
  const update = announcement(PREFIXES.ipv6, carried, nextHop)
  expect(rib.receive(source.name, update, 0, update.length, 0).error).toBeUndefined()
  settle(rib)
  const { rows } = rib.page({ family: 'ipv6', filtered: true }, undefined, 9)
  expect(rows).toMatchObject([{ best: false, reason: 'the next hop is a loopback, multicast or reserved address' }])
})
