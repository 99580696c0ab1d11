/** The filter of a flood as the kernel would run it: neighbors always pass, and nobody else as long as it fits. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../../src/base/address.ts'
import { contains, hostPrefix, makePrefix, type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import type { FilterRow } from '../../../src/edge/libc.ts'
import { MOST_INSTRUCTIONS } from '../../../src/edge/net/bpf.ts'
import { makeCallerFilter } from '../../../src/edge/net/caller-filter.ts'
import { passes } from '../../support/bpf.ts'

function header(source: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(40)
  bytes[0] = source.length === 4 ? 0x45 : 0x60
  bytes.set(source, source.length === 4 ? 12 : 8)
  return bytes
}

const from = (rows: readonly FilterRow[], source: string): boolean => passes(rows, header(addressBytes(source)))
const prefix = (text: string): Prefix => (text.includes('/') ? parsePrefix(text) : hostPrefix(text)) as Prefix
const some = (count: number, make: (index: number) => string): Prefix[] =>
  Array.from({ length: count }, (_, index) => prefix(make(index)))
const word = (index: number): number => Math.imul(index + 1, 0x9e3779b1) >>> 0
const scattered: Readonly<Record<string, (index: number) => string>> = {
  ipv4: (index) => [24, 16, 8, 0].map((shift) => (word(index) >>> shift) & 255).join('.'),
  ipv6: (index) => `fd00::${(word(index) >>> 16).toString(16)}:0:${(word(index) & 0xffff).toString(16)}`,
}

describe('a filter of callers', () => {
  test('without neighbors nobody passes', () => {
    expect(['10.0.0.1', 'fd00::1'].map((source) => from(makeCallerFilter([]), source))).toEqual([false, false])
  })

  test('the ends of ranges and single addresses, of both families', () => {
    const all = ['10.0.0.0/24', '10.0.0.7', '10.0.1.0/25', '255.255.255.255', 'fd00:1::/47', 'fd00:1::5', 'fe80::1']
    const rows = makeCallerFilter(all.map(prefix))
    const inside = ['10.0.0.0', '10.0.0.7', '10.0.1.127', '255.255.255.255', 'fd00:1::', 'fd00:1:1:ffff::', 'fe80::1']
    const outside = [
      '9.255.255.255',
      '10.0.1.128',
      '0.0.0.0',
      '255.255.255.254',
      'fd00:1:2::',
      'fe80::',
      'fe80::2',
      '::',
    ]
    for (const source of inside) expect(from(rows, source), source).toBe(true)
    for (const source of outside) expect(from(rows, source), source).toBe(false)
  })

  test('everything is a range too', () => {
    const rows = makeCallerFilter(['0.0.0.0/0', '::/0', '10.0.0.1', 'fd00::1'].map(prefix))
    expect(rows).toHaveLength(6)
    expect(['0.0.0.0', '255.255.255.255', '::', 'ffff::'].every((source) => from(rows, source))).toBe(true)
  })

  test.each([
    ['ipv4', 450],
    ['ipv6', 450],
    ['ipv4', 20_000],
    ['ipv6', 20_000],
  ] as const)('%s, %i neighbors far from each other: it fits, and all pass', (family, count) => {
    const make = scattered[family] as (index: number) => string
    const rows = makeCallerFilter(some(count, make))
    expect(rows.length).toBeLessThanOrEqual(MOST_INSTRUCTIONS)
    for (let index = 0; index < count; index++) expect(from(rows, make(index)), make(index)).toBe(true)
    if (count < 1_000) for (let index = 0; index < 999; index++) expect(from(rows, make(count + index))).toBe(false)
  })

  test('a mesh in one block costs a few instructions', () => {
    const rows = makeCallerFilter(some(5_120, (index) => `10.4.${index >> 8}.${index & 255}`))
    expect(rows.length).toBeLessThan(20)
    expect(['10.4.0.0', '10.4.19.255', '10.4.20.0', '10.3.255.255'].map((source) => from(rows, source))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  const octets = (size: number) =>
    fc
      .array(fc.constantFrom(0, 1, 127, 128, 255), { minLength: size, maxLength: size })
      .map((all) => Uint8Array.from(all))
  const address = fc.oneof(octets(4), octets(16))

  test('whoever lies in a prefix passes, and whoever does not is dropped', () => {
    const prefixes = fc.array(
      fc.tuple(address, fc.nat(128)).map(([bytes, length]) => makePrefix(bytes, length % (bytes.length * 8 + 1))),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(prefixes, fc.array(address, { minLength: 20, maxLength: 20 }), (all, sources) => {
        const rows = makeCallerFilter(all)
        for (const source of [...sources, ...all.map(({ bytes }) => bytes)]) {
          const host = makePrefix(source, source.length * 8)
          expect(passes(rows, header(source))).toBe(all.some((one) => contains(one, host)))
        }
      }),
      { numRuns: 300 },
    )
  })
})
