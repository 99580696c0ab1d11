/** Next hops that are new to a kernel that has not been read, or of which there are very many. */
import { expect, test } from 'vitest'
import { NextHopResolver } from '../../../src/bgp/rib/next-hop-resolver.ts'
import { KNOWN_KEY } from '../../../src/bgp/route/hash.ts'
import { NextHopTable, REACH } from '../../../src/bgp/route/next-hop-table.ts'

const AT_ONCE = 1_024
const octets = (index: number): Uint8Array => Uint8Array.of(10, 0, index >> 8, index & 255)

function followed() {
  const table = new NextHopTable(KNOWN_KEY)
  const changed = new Set<number>()
  const resolver = new NextHopResolver(table, (id) => changed.add(id))
  resolver.trackChanges()
  let asked = 0
  /** Returns for how many next hops the kernel was asked. */
  const resolve = (which: 'new' | 'all'): number => {
    asked = 0
    resolver.resolve(() => {
      asked++
      return { reach: 'none', metric: 0 }
    }, which)
    return asked
  }
  return { table, changed, resolver, resolve }
}

test('a next hop that comes and goes while the kernel is not known is noted once, and not at all when it is gone', () => {
  const { table, resolve } = followed()
  for (let flap = 0; flap < 5_000; flap++) {
    table.release(table.intern(octets(7)))
    table.release(table.intern(octets(8)))
  }
  expect(table.fresh?.size).toBe(0)
  table.intern(octets(7))
  expect([table.fresh?.size, resolve('new'), resolve('new')]).toEqual([1, 1, 0])
})

test('a turn resolves a bounded number of new ones; those of later turns are decided again', () => {
  const { table, changed, resolver, resolve } = followed()
  const ids = Array.from({ length: 2_500 }, (_, index) => table.intern(octets(index)))
  const turns: number[] = []
  do turns.push(resolve('new'))
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
  while (resolver.isBusy) turns.push(resolve('new'))
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * AT_ONCE)
  expect(changed).toEqual(new Set(ids))
})
