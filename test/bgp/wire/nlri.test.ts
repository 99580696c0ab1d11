import { describe, expect, test } from 'vitest'
import type { Family } from '../../../src/base/family.ts'
import { checkNlri, formatNlri } from '../../../src/bgp/wire/nlri.ts'
import { fromHex } from '../../support/messages.ts'

describe('prefixes in words', () => {
  test.each<[string, Family, string]>([
    ['00', 'ipv4', '0.0.0.0/0'],
    ['18 0a0102', 'ipv4', '10.1.2.0/24'],
    ['20 0a010203', 'ipv4', '10.1.2.3/32'],
    ['09 0aff', 'ipv4', '10.128.0.0/9'],
    ['00', 'ipv6', '::/0'],
    ['20 20010db8', 'ipv6', '2001:db8::/32'],
    ['03 ff', 'ipv6', 'e000::/3'],
    ['80 20010db8000000000000000000000001', 'ipv6', '2001:db8::1/128'],
  ])('%s (%s) is %s', (bytes, family, text) => {
    expect(formatNlri(Uint8Array.from([9, ...fromHex(bytes)]), 1, family)).toBe(text)
  })
})

describe('[40] where the faulty prefix begins', () => {
  test.each<[string, string, Family, boolean, number]>([
    ['nothing at all', '', 'ipv4', false, -1],
    ['every length', '00 01 80 08 0a 09 0a80 20 0a010203', 'ipv4', false, -1],
    ['33 bits', '08 0a 21 0a01020304', 'ipv4', false, 2],
    ['33 bits in IPv6', '21 0a01020304', 'ipv6', false, -1],
    ['129 bits', '81 0000000000000000000000000000000000', 'ipv6', false, 0],
    ['past the end', '08 0a 18 0a01', 'ipv4', false, 2],
    ['a length alone', '08 0a 01', 'ipv4', false, 2],
    ['with identifiers', '00000001 08 0a 00000002 00', 'ipv4', true, -1],
    ['an identifier alone', '00000001 08 0a 00000002', 'ipv4', true, 6],
    ['an identifier cut', '00000001 08 0a 0000', 'ipv4', true, 6],
  ])('%s', (_, bytes, family, addPath, at) => {
    const nlri = fromHex(bytes)
    expect(checkNlri(Uint8Array.from(nlri), 0, nlri.length, family, addPath)).toBe(at)
    // What lies behind the end is never looked at.
    const longer = Uint8Array.from([7, ...nlri, ...new Array<number>(40).fill(0)])
    expect(checkNlri(longer, 1, 1 + nlri.length, family, addPath)).toBe(at < 0 ? at : at + 1)
  })
})
