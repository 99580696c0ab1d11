import { expect, test } from 'vitest'
import { PrefixSet, wordAt } from '../../../src/bgp/policy/prefix-set.ts'
import type { PrefixMatch } from '../../../src/bgp/policy/rule.ts'
import { longTest } from '../../support/long.ts'
import { prefix, range } from './support.ts'

function has(matches: readonly PrefixMatch[], text: string): boolean {
  const { family, bytes, length } = prefix(text)
  const [w0, w1, w2, w3] = [0, 1, 2, 3].map((index) => wordAt(bytes, 0, bytes.length, index))
  return new PrefixSet(matches, family).has(w0 as number, w1 as number, w2 as number, w3 as number, length)
}

const TEN = [range('10.0.0.0/8', 16, 24)]
const TWICE = [range('10.0.0.0/8', 9, 10), range('10.0.0.0/8', 20, 22), range('10.0.0.0/8', 11, 12)]
const APART = [range('10.0.0.0/8', 12, 13), range('10.0.0.0/8', 9, 10)]
const NESTED = [range('10.0.0.0/8', 9, 20), range('10.0.0.0/8', 10, 11)]
const V6 = [range('2001:db8::/32', 48, 64), range('2001:db8:1:2::/64', 128, 128)]

test.each([
  ['an empty set', [], '10.0.0.0/8', false],
  ['inside and of a wanted length', TEN, '10.1.0.0/16', true],
  ['the longest wanted length', TEN, '10.1.2.0/24', true],
  ['too short', TEN, '10.0.0.0/15', false],
  ['too long', TEN, '10.1.2.0/25', false],
  ['outside', TEN, '11.1.0.0/16', false],
  ['the other family', TEN, '2001:db8::/32', false],
  ['shorter than the prefix, though the range says so', [range('10.0.0.0/16', 8, 32)], '10.0.0.0/8', false],
  ['a range that is empty', [range('10.0.0.0/8', 24, 20)], '10.0.0.0/22', false],
  ['the default route', [range('0.0.0.0/0', 0, 0)], '0.0.0.0/0', true],
  ['only the default route', [range('0.0.0.0/0', 0, 0)], '0.0.0.0/1', false],
  ['everything', [range('0.0.0.0/0', 0, 32)], '255.255.255.255/32', true],
  ['the first of several ranges', TWICE, '10.0.0.0/9', true],
  ['ranges side by side', TWICE, '10.0.0.0/12', true],
  ['between ranges', TWICE, '10.0.0.0/15', false],
  ['the one length between ranges', APART, '10.0.0.0/11', false],
  ['beyond a range inside another', NESTED, '10.0.0.0/15', true],
  ['the last of several ranges', TWICE, '10.0.0.0/22', true],
  ['the highest bit', [range('128.0.0.0/1', 1, 32)], '192.168.0.0/16', true],
  ['IPv6 in the first word', V6, '2001:db8:ffff::/48', true],
  ['IPv6 in the second word', V6, '2001:db8:1:2::1/128', true],
  ['IPv6, the neighbor of that', V6, '2001:db8:1:3::1/128', false],
  ['IPv6 whole', [range('2001:db8::1/128', 128, 128)], '2001:db8::1/128', true],
  ['IPv6, the last bit differs', [range('2001:db8::1/128', 128, 128)], '2001:db8::2/128', false],
] as const)('%s', (_, matches, text, expected) => {
  expect(has(matches, text)).toBe(expected)
})

longTest('twenty thousand prefixes are told apart', () => {
  const matches = Array.from({ length: 20_000 }, (_, index) => range(`10.${index >> 8}.${index & 255}.0/24`, 24, 24))
  const { bytes } = prefix('10.0.0.0/24')
  const set = new PrefixSet(matches, 'ipv4')
  expect(set.size).toBe(20_000)
  const found = Array.from({ length: 30_000 }, (_, index) =>
    set.has(wordAt(bytes, 0, 4, 0) + (index << 8), 0, 0, 0, 24),
  )
  expect(found.filter(Boolean)).toHaveLength(20_000)
  expect(found.lastIndexOf(true)).toBe(19_999)
})

test.each([
  ['a whole word', [1, 2, 3, 4], 0, 4, 0, 0x01020304],
  ['a word with the highest bit', [255, 0, 0, 1], 0, 4, 0, -16777215],
  ['behind an offset', [9, 1, 2, 3, 4], 1, 4, 0, 0x01020304],
  ['three octets present', [1, 2, 3, 99], 0, 3, 0, 0x01020300],
  ['none present', [99], 0, 0, 0, 0],
  ['a second word in part', [1, 2, 3, 4, 5, 99], 0, 5, 1, 0x05000000],
] as const)('wordAt: %s', (_, bytes, offset, octets, index, word) => {
  expect(wordAt(new Uint8Array(bytes), offset, octets, index)).toBe(word)
})
