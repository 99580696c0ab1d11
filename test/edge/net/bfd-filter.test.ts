/** The filters as the kernel would run them, by a machine of their few instructions. */
import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../../src/base/address.ts'
import type { Family } from '../../../src/base/family.ts'
import { type FilterOptions, MOST_SENDERS, makeFilter } from '../../../src/edge/net/bfd-filter.ts'
import { passes } from '../../support/bpf.ts'

function header(family: Family, ttl: number, source: string): Uint8Array {
  const bytes = new Uint8Array(40)
  bytes[family === 'ipv4' ? 8 : 7] = ttl
  bytes.set(addressBytes(source), family === 'ipv4' ? 12 : 8)
  return bytes
}

const addresses: Readonly<Record<Family, (number: number) => string>> = {
  ipv4: (number) => `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
  ipv6: (number) =>
    `fd00:${(number % 7).toString(16)}::${(number >> 16).toString(16)}:${(number & 0xffff).toString(16)}`,
}

describe.each<Family>(['ipv4', 'ipv6'])('%s', (family) => {
  const run = (wish: Partial<FilterOptions>, ttl: number, source: string) =>
    passes(makeFilter({ family, oneHop: true, senders: undefined, ...wish }), header(family, ttl, source))

  test('on a single hop only a TTL of 255 passes, from whomever', () => {
    const source = addresses[family](1)
    expect([255, 254, 64, 1, 0].map((ttl) => run({}, ttl, source))).toEqual([true, false, false, false, false])
    expect([255, 64].map((ttl) => run({ oneHop: false }, ttl, source))).toEqual([true, true])
  })

  test.each([0, 1, 7, 8, 9, 17, 100, 300, MOST_SENDERS])('of %i senders each passes, and nobody else', (count) => {
    const senders = Array.from({ length: count }, (_, index) => addresses[family](index * 2 + 2))
    const filter = makeFilter({ family, oneHop: true, senders })
    const through = (number: number) => passes(filter, header(family, 255, addresses[family](number)))
    for (let index = 0; index < count; index++) {
      expect(through(index * 2 + 2), `sender ${index}`).toBe(true)
      expect(through(index * 2 + 3), `beside ${index}`).toBe(false)
    }
    expect(passes(filter, header(family, 254, senders[0] ?? addresses[family](2)))).toBe(false)
  })

  test('more senders than fit cannot be told apart: all pass that have the TTL', () => {
    const senders = Array.from({ length: MOST_SENDERS + 1 }, (_, index) => addresses[family](index))
    expect([255, 254].map((ttl) => run({ senders }, ttl, addresses[family](999_999)))).toEqual([true, false])
  })

  test('a sender that is named many times is one', () => {
    const senders = Array.from({ length: MOST_SENDERS + 1 }, (_, index) => addresses[family](index % 9))
    expect([8, 9].map((number) => run({ senders }, 255, addresses[family](number)))).toEqual([true, false])
  })
})
