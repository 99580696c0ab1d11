import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { describeInterfaces, interfaceOf, listInterfaces, sharesLink } from '../../../src/edge/net/interfaces.ts'

test('the interface of a loopback address is the one that has it', () => {
  const [name] =
    Object.entries(networkInterfaces()).find(([, rows]) => rows?.some((row) => row.address === '127.0.0.1')) ?? []
  expect(interfaceOf('127.0.0.1')).toMatchObject({ name, addresses: { ipv4: '127.0.0.1' } })
})

test('a host talking to itself has no address of the other family to offer', () => {
  const other = interfaceOf('127.0.0.1')?.addresses.ipv6
  expect(other).not.toBe('::1')
})

test('an address that is not here has no interface', () => {
  expect(interfaceOf('198.51.100.7')).toBeUndefined()
})

test.each([
  ['an address of the link that the neighbor is on', '127.0.0.1', '127.0.0.9', true],
  ['another address, while the neighbor is on a link of ours', '198.51.100.7', '127.0.0.9', false],
  ['a neighbor beyond a router: the usual address is as good as any', '198.51.100.7', '203.0.113.9', true],
  ['a neighbor that only its link knows', 'fe80::1%lo', 'fe80::2%lo', true],
])('%s', (_name, local, remote, shared) => {
  expect(sharesLink(local, remote)).toBe(shared)
})

test('the loopback interface has index 1 and is up, and comes first', () => {
  expect(describeInterfaces()[0]).toMatchObject({ name: 'lo', up: true, link: { index: 1 } })
  expect(describeInterfaces()[0]?.addresses).toContain('127.0.0.1/8')
})

test('all interfaces are listed with their prefixes', () => {
  expect(listInterfaces().flatMap(({ addresses }) => addresses)).toContain('127.0.0.1/8')
})
