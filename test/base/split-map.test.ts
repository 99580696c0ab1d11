import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SplitMap } from '../../src/base/split-map.ts'
import { keyIn } from '../../src/dataplane/fib.ts'
import { longTest } from '../support/long.ts'

const prefixes = (count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => `10.${(from + at) >> 8}.${(from + at) & 255}.0/24`)

function filled(keys: readonly string[]): SplitMap<number> {
  const map = new SplitMap<number>()
  for (const [at, key] of keys.entries()) map.set(key, at)
  return map
}

test('it holds what a Map holds, on both sides of the bound of its first part', () => {
  const before = prefixes(1_015)
  const step = fc.record({ key: fc.constantFrom(...prefixes(40, 1_000)), value: fc.option(fc.nat()) })
  fc.assert(
    fc.property(fc.array(step, { size: 'max', maxLength: 100 }), (steps) => {
      const [map, model] = [filled(before), new Map(before.map((key, at) => [key, at]))]
      for (const { key, value } of steps) {
        if (value === null) expect(map.delete(key)).toBe(model.delete(key))
        else {
          map.set(key, value)
          model.set(key, value)
        }
        expect([map.size, map.get(key), map.has(key)]).toEqual([model.size, model.get(key), model.has(key)])
      }
      expect(new Map(map)).toEqual(model)
      expect([...map.keys()].length).toBe(model.size)
    }),
    { numRuns: 5 },
  )
})

longTest('what one step may have to move does not grow with the table', () => {
  const keys = prefixes(60_000)
  const map = filled(keys)
  expect(map.largest).toBeLessThan(6_000)
  expect([...map.values()].length).toBe(60_000)
  for (const key of keys) map.delete(key)
  expect([map.size, map.largest, [...map.values()]]).toEqual([0, 0, []])
})

const address = (at: number): string => `10.${96 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}/32`
const hex = (number: number): string => number.toString(16)
longTest.each<[string, (at: number) => string]>([
  ['IPv4, /24', (at) => `${64 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}.0/24`],
  ['IPv4, /16', (at) => `${1 + (at >> 8)}.${at & 255}.0.0/16`],
  ['addresses of services', address],
  ['IPv6, /64', (at) => `2001:db8:${hex(at >> 8)}:${hex(at & 255)}::/64`],
  ['IPv6, /48', (at) => `2a0${(at >> 12) & 7}:${hex(at & 0xfff)}00::/48`],
  ['IPv6, addresses', (at) => `fd00:96::${hex(at)}/128`],
  ['in another table', (at) => keyIn(`${64 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}.0/24`, 100)],
  ['addresses in another table', (at) => keyIn(address(at), 100)],
  ['addresses in another table with another metric', (at) => `${keyIn(address(at), 100)} metric 20`],
  ['addresses as the kernel has them, with metric and table', (at) => `${address(at)} 1024 100`],
  ['IPv6, addresses in another table', (at) => keyIn(`fd00:96::${hex(at)}/128`, 4_000_000_000)],
  ['IPv6, with metric and table', (at) => `2001:db8:${hex(at >> 8)}:${hex(at & 255)}::/64 1024 254`],
  ['packed, IPv4', (at) => String.fromCharCode(0x4000 + (at >> 8), (at & 255) << 8)],
  ['packed, IPv6', (at) => String.fromCharCode(0x2001, 0xdb8, at >> 8, at & 255, 0, 0, 0, 0)],
])('keys as they are spread evenly: %s', (_, keyOf) => {
  const map = filled(Array.from({ length: 32_000 }, (__, at) => keyOf(at)))
  // Sixteen parts.
  expect(map.largest).toBeLessThan(1.6 * (map.size / 16))
})

test('entries deleted and added while it is walked do not confuse the walk', () => {
  const map = filled(prefixes(1_024))
  const seen = new Set<string>()
  for (const key of map.keys()) {
    seen.add(key)
    map.delete(key)
    if (seen.size <= 200) map.set(`fd00:${seen.size}::/64`, 0)
  }
  expect(seen.size).toBeGreaterThanOrEqual(1_024)
  expect(prefixes(1_024).every((key) => seen.has(key))).toBe(true)
})

test('some are taken at a time, until none is left, also while the table is spread', () => {
  const map = new SplitMap<number>()
  for (let index = 0; index < 3_000; index++) map.set(`10.${index >> 8}.${index & 255}.0/24`, index)
  const taken = [map.take(1_000), map.take(1_500), map.take(1_000), map.take(1)]
  expect(taken.map(({ length }) => length)).toEqual([1_000, 1_500, 500, 0])
  expect([new Set(taken.flat()).size, map.size]).toEqual([3_000, 0])
})
