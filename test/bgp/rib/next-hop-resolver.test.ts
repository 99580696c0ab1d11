/** Next hops that are new to a kernel that has not been read, or of which there are very many. */
import { expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { type ChangedPrefixes, NextHopResolver } from '../../../src/bgp/rib/next-hop-resolver.ts'
import { KNOWN_KEY } from '../../../src/bgp/route/hash.ts'
import { NextHopTable, REACH } from '../../../src/bgp/route/next-hop-table.ts'

const AT_ONCE = 1_024
const prefixOf = (text: string) => parsePrefix(text) as Prefix
const octets = (index: number): Uint8Array => Uint8Array.of(10, 0, index >> 8, index & 255)

function followed() {
  const table = new NextHopTable(KNOWN_KEY)
  const changed = new Set<number>()
  const resolver = new NextHopResolver(table, (id) => changed.add(id))
  resolver.trackChanges()
  let asked = 0
  const seen = new Set<string>()
  /** Returns for how many next hops the kernel was asked. */
  const resolve = (changed: ChangedPrefixes): number => {
    asked = 0
    seen.clear()
    resolver.resolve((nextHop) => {
      asked++
      seen.add(nextHop.join('.'))
      return { reach: 'none', metric: 0 }
    }, changed)
    return asked
  }
  return { table, changed, resolver, resolve, seen }
}

test('a next hop that comes and goes while the kernel is not known is noted once, and not at all when it is gone', () => {
  const { table, resolve } = followed()
  for (let flap = 0; flap < 5_000; flap++) {
    table.release(table.intern(octets(7)))
    table.release(table.intern(octets(8)))
  }
  expect(table.fresh?.size).toBe(0)
  table.intern(octets(7))
  expect([table.fresh?.size, resolve([]), resolve([])]).toEqual([1, 1, 0])
})

test('a turn resolves a bounded number of new ones; those of later turns are decided again', () => {
  const { table, changed, resolver, resolve } = followed()
  const ids = Array.from({ length: 2_500 }, (_, index) => table.intern(octets(index)))
  const turns: number[] = []
  do turns.push(resolve([]))
  while (resolver.isBusy)
  expect(turns).toEqual([AT_ONCE, AT_ONCE, 2_500 - 2 * AT_ONCE])
  expect(ids.every((id) => table.reach[id] === REACH.none)).toBe(true)
  // Paths over those of the first turn are decided behind it.
  expect([...changed]).toEqual(ids.slice(AT_ONCE))
})

test('the first reading of the kernel is no longer turn than others', () => {
  const { table, changed, resolver, resolve } = followed()
  const ids = Array.from({ length: 2_500 }, (_, index) => table.intern(octets(index)))
  const turns = [resolve('all')]
  while (resolver.isBusy) turns.push(resolve([]))
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * AT_ONCE)
  expect(changed).toEqual(new Set(ids))
})

test('a change of the kernel concerns the next hops inside it alone', () => {
  const { table, resolver, resolve, seen } = followed()
  for (let index = 0; index < 2_500; index++) table.intern(octets(index))
  const global = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
  const linkLocal = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
  table.intern(Uint8Array.of(...global, ...linkLocal))
  table.intern(linkLocal)
  do resolve([])
  while (resolver.isBusy)
  table.release(table.intern(octets(2_900)))
  expect([resolve([prefixOf('10.0.1.6/31'), prefixOf('10.0.1.7/32'), prefixOf('10.0.11.0/24')]), [...seen]]).toEqual([
    2,
    ['10.0.1.6', '10.0.1.7'],
  ])
  expect([resolve([prefixOf('2001:db8::/64'), prefixOf('fe80::/10')]), resolver.isBusy]).toEqual([1, false])
  expect([resolve([prefixOf('10.0.0.0/16')]), resolver.isBusy]).toEqual([AT_ONCE, true])
})

test('changes that keep coming keep no next hop from being resolved again', () => {
  const { table, resolver, resolve, seen } = followed()
  for (let index = 0; index < 2_500; index++) table.intern(octets(index))
  do resolve([])
  while (resolver.isBusy)
  const all = new Set<string>()
  for (let turn = 0; turn < 3; turn++) {
    expect(resolve('all')).toBe(AT_ONCE)
    for (const one of seen) all.add(one)
  }
  expect(all.size).toBe(2_500)
  let turns = 0
  for (; resolver.isBusy; turns++) resolve([])
  expect(turns).toBe(2)
})

test('a round reaches every next hop there was, whatever comes while it goes on', () => {
  const { table, resolver, resolve, seen } = followed()
  let made = 0
  const make = (count: number) => {
    for (const end = made + count; made < end; made++) table.intern(octets(made))
  }
  make(2_500)
  do resolve([])
  while (resolver.isBusy)
  for (let round = 0; round < 3; round++) {
    const old = new Set(Array.from({ length: made }, (_, index) => octets(index).join('.')))
    for (let asked = resolve('all'); asked > 0; asked = resolve([])) {
      for (const nextHop of seen) old.delete(nextHop)
      if (old.size > 0) make(300)
    }
    expect(old.size).toBe(0)
  }
})

test('the order by address counts as memory', () => {
  const { table } = followed()
  const plain = new NextHopTable(KNOWN_KEY)
  for (const one of [table, plain]) for (let index = 0; index < 1_000; index++) one.intern(octets(index))
  expect(table.memory() - plain.memory()).toBeGreaterThan(40 * 1_000)
})
