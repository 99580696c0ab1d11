import { describe, expect, test } from 'vitest'
import {
  addressBytes,
  familyOfAddress,
  formatAddress,
  isLinkLocal,
  parseAddress,
  parseAddressBytes,
  whyNotOfHost,
} from '../../src/base/address.ts'

describe('an address as a person writes it', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:a00:1', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['FE80:0::1%eth0.100', 'fe80::1%eth0.100'],
  ])('%s is %s', (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical)
    expect(parseAddress(canonical)).toBe(canonical)
  })
})

describe('RFC 5952 §4', () => {
  test.each([
    ['no leading zeros', '2001:0db8::0001', '2001:db8::1'],
    ['one zero group is written out', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['… also where somebody shortened it', '2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['the longest run is shortened', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['the first of two equals', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['a run at the front', '0:0:0:1:0:0:1:1', '::1:0:0:1:1'],
    ['a run at the end', '1:0:0:1:0:0:0:0', '1:0:0:1::'],
  ])('%s', (_, text, canonical) => {
    expect(parseAddress(text)).toBe(canonical)
  })
})

describe('no address', () => {
  test.each([
    '',
    ' ',
    '10.0.0',
    '10.0.0.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.1 ',
    ' 10.0.0.1',
    '10.0.0.-1',
    '10.0.0.1e1',
    '0x0a.0.0.1',
    '10..0.1',
    '10.0.0.1%eth0',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    ':::',
    ':',
    ':1',
    '1:',
    '1:2:3:4:5:6:7:',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '1:2:3:4:5:6:7:1.2.3.4',
    'fe80::1%',
    '%eth0',
    '10.0.0.1/32',
    '[::1]',
  ])('%j', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })
})

test('bytes of an address leave the zone out', () => {
  expect(addressBytes('fe80::1%eth0')).toEqual(parseAddressBytes('fe80::1'))
  expect([...addressBytes('10.1.2.3')]).toEqual([10, 1, 2, 3])
  expect(() => addressBytes('10.1.2')).toThrow('not an address: 10.1.2')
})

test('an address inside a longer array', () => {
  const bytes = Uint8Array.from([9, 10, 1, 2, 3, 9])
  expect(formatAddress(bytes, 1, 4)).toBe('10.1.2.3')
  expect(formatAddress(Uint8Array.from([9, ...addressBytes('2001:db8::1')]), 1)).toBe('2001:db8::1')
})

test('the family of an address', () => {
  expect([familyOfAddress('10.0.0.1'), familyOfAddress('::1')]).toEqual(['ipv4', 'ipv6'])
})

test.each([
  ['fe8::1', false],
  ['fe80::1', true],
  ['febf::1%eth0', true],
  ['fec0::1', false],
  ['fe7f::1', false],
  ['2001:db8::1', false],
  ['169.254.0.1', false],
])('%s is link-local: %s', (address, yes) => {
  expect(isLinkLocal(address)).toBe(yes)
})

test.each([
  ['10.0.0.1', undefined],
  ['127.0.0.1', undefined],
  ['240.0.0.1', undefined],
  ['255.255.255.254', undefined],
  ['fe80::1%eth0', undefined],
  ['::1', undefined],
  ['::a00:1', undefined],
  ['0.1.2.3', 'belongs to no host (0.0.0.0/8)'],
  ['::', 'belongs to no host (::)'],
  ['224.0.0.5', 'is a multicast address'],
  ['239.255.255.255', 'is a multicast address'],
  ['ff02::1%eth0', 'is a multicast address'],
  ['255.255.255.255', 'is the broadcast address'],
  ['::ffff:10.0.0.1', 'is an IPv4 address inside IPv6; write 10.0.0.1'],
])('whether a host may have %s for itself', (text, why) => {
  expect(whyNotOfHost(parseAddress(text) ?? '')).toBe(why)
})
