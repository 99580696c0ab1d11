import { describe, expect, test } from 'vitest'
import {
  contains,
  hostPrefix,
  isHostPrefix,
  makePrefix,
  type Prefix,
  packPrefix,
  parsePrefix,
} from '../../src/base/prefix.ts'

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(text)
  return parsed
}

test.each([
  ['10.1.2.3/16', '10.1.0.0/16'],
  ['10.1.255.255/23', '10.1.254.0/23'],
  ['10.1.2.3/32', '10.1.2.3/32'],
  ['255.255.255.255/1', '128.0.0.0/1'],
  ['2001:DB8:0:0::1/64', '2001:db8::/64'],
  ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['::/0', '::/0'],
  ['::1/128', '::1/128'],
])('%s is read as %s', (text, canonical) => {
  const parsed = prefix(text)
  expect(parsed.text).toBe(canonical)
  expect(prefix(canonical)).toEqual(parsed)
})

test.each([
  '',
  '/',
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/08',
  '10.0.0.0/ 8',
  '10.0.0.0/8/8',
  '10.0.0/8',
  '::/129',
  '::/1000',
  'fe80::1%eth0/64',
])('%j is no prefix', (text) => {
  expect(parsePrefix(text)).toBeUndefined()
})

test('an address is its own longest prefix', () => {
  expect(hostPrefix('10.1.2.3')?.text).toBe('10.1.2.3/32')
  expect(hostPrefix('2001:db8::1')?.text).toBe('2001:db8::1/128')
  expect(hostPrefix('10.1.2.3/32')).toBeUndefined()
  expect(['10.0.0.0/32', '10.0.0.0/31', '::/128', '::/32'].map((text) => isHostPrefix(prefix(text)))).toEqual([
    true,
    false,
    true,
    false,
  ])
})

test('the bytes handed in stay as they are', () => {
  const bytes = Uint8Array.of(10, 1, 2, 3)
  expect([...makePrefix(bytes, 12).bytes]).toEqual([10, 0, 0, 0])
  expect([...bytes]).toEqual([10, 1, 2, 3])
})

describe('containing', () => {
  test.each([
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.1.0.0/16', '10.0.0.0/8', false],
    ['10.0.0.0/9', '10.128.0.0/9', false],
    ['10.128.0.0/9', '10.200.0.0/16', true],
    ['0.0.0.0/0', '10.0.0.0/8', true],
    ['0.0.0.0/0', '::/0', false],
    ['::/0', '10.0.0.0/8', false],
    ['2001:db8::/33', '2001:db8:7fff::/48', true],
    ['2001:db8::/33', '2001:db8:8000::/48', false],
    ['::1/128', '::1/128', true],
  ])('%s contains %s: %s', (outer, inner, yes) => {
    expect(contains(prefix(outer), prefix(inner))).toBe(yes)
  })
})

test.each([
  ['10.1.2.3', 16],
  ['255.255.255.255', 32],
  ['0.0.0.0', 0],
  ['2001:db8:ffff:1:2:3:4:5', 33],
  ['::1', 128],
  ['::', 0],
])('%s/%i is the same prefix when it is packed', (address, length) => {
  const bytes = hostPrefix(address)?.bytes ?? new Uint8Array()
  const [whole, packed] = [makePrefix(bytes, length), packPrefix(bytes, length)]
  const fieldsOf = (one: Prefix) => [one.family, one.length, one.text, [...one.bytes]]
  expect(fieldsOf(packed)).toEqual(fieldsOf(whole))
  expect(contains(packed, whole) && contains(whole, packed)).toBe(true)
})
