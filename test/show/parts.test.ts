import { describe, expect, test } from 'vitest'
import { formatExtendedCommunity } from '../../src/show/attributes.ts'
import { capabilityRows } from '../../src/show/capabilities.ts'
import { addressScope, gatewaysOf, interfaceFinder } from '../../src/show/gateway.ts'
import { matchesPattern } from '../../src/show/pattern.ts'
import { formatRfc3339, formatTime } from '../../src/show/time.ts'

describe('patterns', () => {
  test.each([
    ['*', '', true],
    ['*', 'Mesh_1', true],
    ['Mesh_*', 'Mesh_1', true],
    ['Mesh_*', 'mesh_1', false],
    ['*_1', 'Mesh_1_1', true],
    ['M?sh', 'Mesh', true],
    ['M?sh', 'Msh', false],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'aXbYbZ', false],
    ['.*', 'x', false],
    ['', '', true],
    ['', 'x', false],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(matchesPattern(pattern, name)).toBe(expected)
  })

  test('a hostile pattern takes no longer than its text', () => {
    expect(matchesPattern(`${'*a'.repeat(200)}b`, 'a'.repeat(2000))).toBe(false)
  })
})

test('roles have the names that BIRD gives them', () => {
  expect([...capabilityRows([1, 2].map((role) => ({ kind: 'role', role }) as const))]).toEqual([
    '      Role: rs_server',
    '      Role: rs_client',
  ])
})

describe('times', () => {
  test('agree with the calendar', () => {
    for (let at = Date.UTC(1999, 11, 25, 13, 4, 5, 67); at < Date.UTC(2105, 0, 1); at += 29 * 86_400_000 + 12_345_678) {
      expect(formatRfc3339(at)).toBe(new Date(at).toISOString())
    }
    expect(formatRfc3339(Date.UTC(2000, 1, 29))).toBe('2000-02-29T00:00:00.000Z')
    expect(formatRfc3339(Date.UTC(2100, 1, 28, 23, 59, 59, 999))).toBe('2100-02-28T23:59:59.999Z')
  })

  const now = Date.UTC(2026, 10, 21, 1, 30, 0)
  test.each([
    ['now', now, 'short', 3, '01:30:00.000'],
    ['an hour ago', now - 3_600_000, 'short', 0, '00:30:00'],
    ['yesterday', now - 86_400_000, 'short', 3, '2026-11-20'],
    ['with a date', now, 'long', 6, '2026-11-21 01:30:00.000000'],
    ['a fraction of a millisecond', now + 0.7, 'long', 3, '2026-11-21 01:30:00.000'],
  ] as const)('%s', (_name, at, length, digits, text) => {
    expect(formatTime(at, now, { length, digits })).toBe(text)
  })
})

describe('ways and scopes', () => {
  test.each([
    ['a pair is one way', ['2001:db8::1', 'fe80::1%eth1'], undefined, ['2001:db8::1']],
    ['a link-local one in both halves is one way', ['fe80::1%eth1', 'fe80::1%eth1'], undefined, ['fe80::1%eth1']],
    [
      'each path that shares has a way, with a global address or without',
      ['2001:db8::1', 'fe80::1%eth1'],
      [['fe80::2%eth1'], ['2001:db8::3', 'fe80::3%eth1']],
      ['2001:db8::1', 'fe80::2%eth1', '2001:db8::3'],
    ],
    ['a way of two paths is one', ['10.0.0.1'], [['10.0.0.2'], ['10.0.0.1']], ['10.0.0.1', '10.0.0.2']],
  ])('%s', (_name, nextHops, alsoVia, ways) => {
    expect(gatewaysOf({ nextHops, ...(alsoVia && { alsoVia }) })).toEqual(ways)
  })

  const interfaces = [
    { name: 'eth0', up: true, addresses: ['10.0.0.1/8', 'fe80::1/64'] },
    { name: 'eth1', up: true, addresses: ['10.1.0.1/16', '2001:db8::1/64'] },
  ]
  test.each([
    ['10.2.0.9', 'eth0'],
    ['10.1.0.9', 'eth1'],
    ['192.0.2.1', undefined],
    ['2001:db8::9', 'eth1'],
    ['fe80::9', undefined],
    ['fe80::9%eth7', 'eth7'],
  ])('%s leaves over %s', (gateway, name) => {
    expect(interfaceFinder(interfaces)(gateway)).toBe(name)
  })

  test('the addresses of an interface are read once for all routes', () => {
    let reads = 0
    const ipvs = {
      name: 'kube-ipvs0',
      up: true,
      get addresses() {
        reads++
        return ['10.96.0.1/32']
      },
    }
    const interfaceOf = interfaceFinder([ipvs, ...interfaces])
    expect(['10.2.0.9', '10.1.0.9', '10.2.0.9'].map(interfaceOf)).toEqual(['eth0', 'eth1', 'eth0'])
    expect(reads).toBe(1)
  })

  test.each([
    ['127.0.0.1', 'host'],
    ['::1', 'host'],
    ['169.254.1.1', 'link'],
    ['fe80::1', 'link'],
    ['172.20.0.1', 'site'],
    ['172.32.0.1', 'univ'],
    ['fd00::1', 'site'],
    ['192.0.2.1', 'univ'],
  ])('%s reaches %s', (address, scope) => {
    expect(addressScope(address)).toBe(scope)
  })
})

test.each([
  ['two octets of AS', [0x0002fdea, 9], '(rt, 65002, 9)'],
  ['an address', [0x01030a00, 0x00090007], '(ro, 10.0.0.9, 7)'],
  ['four octets of AS', [0x02020001, 0x00000007], '(rt, 65536, 7)'],
  ['something else', [0x80060000, 0xffffffff], '(generic, 0x80060000, 0xffffffff)'],
] as const)('extended community: %s', (_name, words, text) => {
  expect(formatExtendedCommunity([words[0], words[1]])).toBe(text)
})
