import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isOnLink, type Link, LinkTable, networksOf } from '../../src/dataplane/links.ts'
import { linkOf, pointToPoint } from '../support/fake-kernel.ts'

const ETH0 = linkOf(2, 'eth0', true, ['10.0.0.2/24', 'fd00::2/64', 'fe80::2/64', '10.0.0.200/32'])
const ETH1 = linkOf(3, 'eth1', true, ['10.1.0.2/24', 'fe80::2/64'])
const WIDE = linkOf(4, 'eth2', true, ['10.2.0.2/24', '10.3.0.2/24', '192.0.2.1/32'])

const tableOf = (...links: readonly Link[]): LinkTable => {
  const table = new LinkTable()
  table.take({ full: true, gone: [], present: links })
  return table
}

describe('who has an address', () => {
  test('the link it is on; with a zone that one alone', () => {
    const table = tableOf(ETH0, ETH1)
    expect(table.holder('10.1.0.2')?.name).toBe('eth1')
    expect(table.holder('fe80::2%eth1')?.name).toBe('eth1')
    expect(table.holder('fe80::2%eth9')).toBeUndefined()
    expect(table.holder('10.9.9.9')).toBeUndefined()
    expect([table.isOwn('10.0.0.200'), table.isOwn('10.0.0.3')]).toEqual([true, false])
  })

  test('of two links with the same address, the one that is up', () => {
    const [down, up] = [linkOf(4, 'a', false, ['10.5.0.1/24']), linkOf(5, 'b', true, ['10.5.0.1/24'])]
    expect(tableOf(down, up).holder('10.5.0.1')?.name).toBe('b')
    const table = tableOf(down, up)
    table.take({ full: false, gone: [5], present: [] })
    expect(table.holder('10.5.0.1')?.name).toBe('a')
  })

  test('of point-to-point links that share an address, the one whose other end is asked for, even while it is down', () => {
    const [a, b] = [pointToPoint(4, 'a', '10.5.0.1', '10.5.0.2'), pointToPoint(5, 'b', '10.5.0.1', '10.5.0.3')]
    const names = (table: LinkTable) =>
      ['10.5.0.2', '10.5.0.3', '10.9.9.9', undefined].map((remote) => table.holder('10.5.0.1', remote)?.name)
    expect(names(tableOf(a, b))).toEqual(['a', 'b', 'a', 'a'])
    expect(names(tableOf({ ...a, up: false }, b))).toEqual(['a', 'b', 'b', 'b'])
    expect(names(tableOf(a, { ...b, up: false }))).toEqual(['a', 'b', 'a', 'a'])
    expect(tableOf(a, { ...b, up: false }, { ...b, index: 6, name: 'c' }).holder('10.5.0.1', '10.5.0.3')?.name).toBe(
      'c',
    )
  })
})

describe('what a change touches', () => {
  test('links, and addresses that came or went: not those that stayed', () => {
    const table = tableOf(ETH0, ETH1)
    const now = linkOf(3, 'eth1', false, ['10.1.0.2/24', '10.1.0.3/24'])
    const touched = table.take({ full: false, gone: [], present: [now] })
    expect([...touched.names]).toEqual(['eth1'])
    // fe80::2 is on eth0 as well.
    expect([...touched.addresses].sort()).toEqual(['10.1.0.3', 'fe80::2'])
    expect(table.isOwn('fe80::2')).toBe(true)
  })

  test('an address that stands twice on a link stays with the one that is left', () => {
    const twice = linkOf(3, 'eth1', true, ['10.1.0.2/24', '10.1.0.2/32'])
    const table = tableOf(twice)
    const once = table.take({ full: false, gone: [], present: [linkOf(3, 'eth1', true, ['10.1.0.2/32'])] })
    expect([[...once.addresses], table.isOwn('10.1.0.2')]).toEqual([[], true])
    const again = table.take({ full: false, gone: [], present: [twice] })
    expect([...again.addresses]).toEqual([])
  })

  test('any change of a link comes to the same as all links anew', () => {
    const some = fc.subarray(['10.1.0.1/24', '10.1.0.1/32', '10.1.0.2/24', '10.1.0.3/32', 'fe80::1/64', 'fd00::1/64'])
    const any = fc.tuple(
      some,
      some.chain((texts) => fc.shuffledSubarray(texts, { minLength: texts.length })),
    )
    const run = fc.property(any, some, ([before, after], other) => {
      const table = tableOf(linkOf(3, 'eth1', true, before), linkOf(4, 'eth2', true, other))
      const touched = table.take({ full: false, gone: [], present: [linkOf(3, 'eth1', true, after)] })
      const addressesOf = (texts: readonly string[]) => new Set(texts.map((text) => text.replace(/\/.*/, '')))
      const [old, now] = [addressesOf(before), addressesOf(after)]
      const all = [...new Set([...old, ...now, ...addressesOf(other)])]
      expect([...touched.addresses].sort()).toEqual(all.filter((one) => old.has(one) !== now.has(one)).sort())
      for (const address of all) {
        expect(table.isOwn(address)).toBe(now.has(address) || addressesOf(other).has(address))
        expect(table.holder(`${address}%eth1`) !== undefined).toBe(now.has(address))
      }
    })
    fc.assert(run)
  })

  test('every address that other links have after a change of several', () => {
    const some = fc.subarray(['10.1.0.1/24', '10.1.0.2/24', 'fe80::1/64'])
    const state = fc.record({ eth1: fc.option(some), eth2: fc.option(some) })
    const run = fc.property(state, state, fc.boolean(), (before, after, full) => {
      const linksOf = ({ eth1, eth2 }: typeof before) => [
        ...(eth1 === null ? [] : [linkOf(3, 'eth1', true, eth1)]),
        ...(eth2 === null ? [] : [linkOf(4, 'eth2', true, eth2)]),
      ]
      const table = tableOf(...linksOf(before))
      const gone = full ? [] : [...(after.eth1 === null ? [3] : []), ...(after.eth2 === null ? [4] : [])]
      const touched = table.take({ full, gone, present: linksOf(after) })
      const differs = (text: string) =>
        [before.eth1, before.eth2].map((all) => all?.includes(text) === true).join() !==
        [after.eth1, after.eth2].map((all) => all?.includes(text) === true).join()
      const expected = ['10.1.0.1/24', '10.1.0.2/24', 'fe80::1/64']
        .filter(differs)
        .map((text) => text.replace(/\/.*/, ''))
      expect([...touched.addresses].sort()).toEqual(expected)
    })
    fc.assert(run)
  })

  test('both names of one that is called otherwise now', () => {
    const table = tableOf(ETH0)
    const touched = table.take({ full: false, gone: [], present: [{ ...ETH0, name: 'lan0' }] })
    expect([...touched.names].sort()).toEqual(['eth0', 'lan0'])
    expect([...touched.addresses]).toEqual([])
    expect(table.get('eth0')).toBeUndefined()
  })

  test('all that is not there any more, when all is told anew', () => {
    const table = tableOf(ETH0, ETH1)
    const touched = table.take({ full: true, gone: [], present: [ETH0] })
    expect(table.all()).toEqual([ETH0])
    expect(touched.names).toContain('eth1')
    expect(touched.addresses).toContain('10.1.0.2')
  })
})

describe('who is on a link', () => {
  test('its networks, without single and link-local ones', () => {
    expect(networksOf(ETH0).map(({ text }) => text)).toEqual(['10.0.0.0/24', 'fd00::/64'])
  })

  test.each([
    ['10.0.0.9', true],
    ['fd00::9', true],
    ['10.0.1.9', false],
    ['fe80::9%eth0', true],
  ])('%s: %s', (address, expected) => {
    expect(isOnLink(ETH0, address)).toBe(expected)
  })
})

test.each([
  ['an address of the link that the neighbor is on', '10.0.0.2', '10.0.0.9', false],
  ['another address, while the neighbor is on a link of ours', '10.0.0.2', '10.1.0.9', true],
  ['an address of another subnet on the link of the neighbor', '10.2.0.2', '10.3.0.9', true],
  ['an address of the subnet, beside others on its link', '10.3.0.2', '10.3.0.9', false],
  ['a single address of the link', '192.0.2.1', '10.3.0.9', false],
  ['a neighbor beyond a router: the usual address is as good as any', '10.0.0.2', '203.0.113.9', false],
  ['a neighbor that only its link knows', 'fe80::1%eth0', 'fe80::2%eth0', false],
])('called from %s', (_, local, remote, expected) => {
  expect(tableOf(ETH0, ETH1, WIDE).isBesideSubnet(local, remote)).toBe(expected)
})
