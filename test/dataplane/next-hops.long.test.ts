/** Next hops follow the kernel, and only those are looked at that a change concerns. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../src/base/address.ts'
import { contains, hostPrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { KernelTable } from '../../src/dataplane/kernel-table.ts'
import { LearnedWays } from '../../src/dataplane/learned-ways.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { formatResolution, type NextHop, resolveNextHop } from '../../src/dataplane/next-hop.ts'
import { NextHops, type UsedNextHop } from '../../src/dataplane/next-hops.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { settle, written } from '../support/settle.ts'

const prefix = (text: string): Prefix => {
  const found = parsePrefix(text) ?? hostPrefix(text)
  if (found === undefined) throw new Error(text)
  return found
}
function route(text: string, gateway: string | undefined, name: string, metric = 0): KernelRoute {
  const hops = [{ gateway, interface: name, onlink: false, weight: 1 }]
  const whole = { prefix: prefix(text), type: 'unicast', protocol: 4, metric, table: MAIN_TABLE, hops }
  return whole
}
const nextHop = (address: string): NextHop => ({ bytes: addressBytes(address), interface: undefined })

describe('the work', () => {
  const NODES = 5_000
  /** A node behind a reflector: every other node is a next hop on the link, with a route for its pods. */
  const build = (): RouteKeeper => {
    const links = new LinkTable()
    const keeper = new RouteKeeper(links)
    keeper.takeLinks(links.take({ full: true, gone: [], present: [linkOf(2, 'eth0', true, ['10.0.0.1/16'])] }))
    const present = [route('10.0.0.0/16', undefined, 'eth0'), route('0.0.0.0/0', '10.0.255.254', 'eth0')]
    keeper.takeKernel({ full: true, more: false, gone: [], present }, 0)
    for (let node = 0; node < NODES; node++) {
      const [high, low] = [1 + (node >> 8), node & 255]
      keeper.wanted.learn(prefix(`10.${128 + (node >> 8)}.${low}.0/24`), [nextHop(`10.0.${high}.${low}`)])
    }
    return keeper
  }
  const looksAt = (keeper: RouteKeeper, work: () => void): number => {
    settle(keeper)
    const before = keeper.wanted.nextHops.looks
    work()
    settle(keeper)
    return keeper.wanted.nextHops.looks - before
  }

  test('to write a route for each of 5,000 nodes grows with their number alone', () => {
    const keeper = build()
    const looks = looksAt(keeper, () => {
      written(keeper)
    })
    expect(keeper.size).toEqual({ wanted: NODES, present: NODES })
    expect(looks).toBeLessThanOrEqual(NODES)
  })

  // What comes goes again, so one table serves them all.
  const all = written(build())
  test.each<[string, string, number]>([
    ["one pod's route", '10.128.0.5/32', 0],
    ['a range without a next hop', '172.16.0.0/12', 0],
    ['the way to one of them', '10.0.3.7/32', 2],
    ['the way to 256 of them', '10.0.3.0/24', 512],
  ])('%s comes and goes: only next hops and gateways inside are looked at', (_, text, most) => {
    const one = route(text, '10.0.255.1', 'eth0')
    const change = { full: false, more: false }
    expect(looksAt(all, () => all.takeKernel({ ...change, gone: [], present: [one] }, 0))).toBeLessThanOrEqual(most)
    expect(looksAt(all, () => all.takeKernel({ ...change, gone: [one], present: [] }, 0))).toBeLessThanOrEqual(most)
    all.take(2 * NODES)
  })

  test('a default route that changes resolves none anew that lies in a longer one', () => {
    const keeper = written(build())
    const one = route('0.0.0.0/0', '10.0.255.1', 'eth0', 5)
    keeper.takeKernel({ full: false, more: false, gone: [], present: [one] }, 0)
    expect(settle(keeper).take(2 * NODES)).toEqual([])
  })
})

describe('whatever changes in whatever order', () => {
  const GATEWAYS = ['10.0.0.1', '10.0.1.9', '10.1.0.1', 'fd00::1', 'fd01::9']
  const HOPS = ['10.0.0.5', '10.0.1.5', '10.1.0.7', '10.9.0.1', 'fd00::5', 'fd01::7', 'fd09::1']
  const PREFIXES = [
    '10.0.0.0/24',
    '10.0.0.0/16',
    '10.0.1.0/24',
    '10.1.0.0/24',
    '10.9.0.1/32',
    '0.0.0.0/0',
    '10.8.0.0/15',
  ]
  const PREFIXES6 = ['fd00::/64', 'fd01::/64', 'fd00::/8', '::/0', 'fd09::1/128']
  const step = fc.oneof(
    fc.record({
      kind: fc.constantFrom('add', 'remove'),
      text: fc.constantFrom(...PREFIXES, ...PREFIXES6),
      gateway: fc.option(fc.constantFrom(...GATEWAYS), { nil: undefined }),
      link: fc.constantFrom('eth0', 'eth1'),
      metric: fc.constantFrom(0, 10),
    }),
    fc.record({
      kind: fc.constantFrom('use', 'leave'),
      address: fc.constantFrom(...HOPS),
      user: fc.constantFrom('a', 'b'),
    }),
    fc.record({
      kind: fc.constant('link'),
      index: fc.constantFrom(2, 3),
      up: fc.boolean(),
      addresses: fc.subarray(['10.0.0.5/24', '10.9.0.1/32', 'fd00::5/64']),
    }),
    fc.record({ kind: fc.constant('way'), text: fc.constantFrom(...PREFIXES, ...PREFIXES6), is: fc.boolean() }),
  )

  test('each leads where it would if it were asked for the first time, and so do gateways', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const links = new LinkTable()
        const present = [linkOf(2, 'eth0', true, []), linkOf(3, 'eth1', true, [])]
        links.take({ full: true, gone: [], present })
        const table = new KernelTable(links)
        const ways = new LearnedWays()
        ways.isAllowed = true
        const all = new NextHops(table, ways)
        const used = new Map<string, Set<string>>()
        const handles = new Map<string, UsedNextHop>()
        const settle = (changed: Iterable<Prefix>) => {
          for (const one of changed) for (const _ of all.resolveInside(one));
        }
        for (const one of steps) {
          if (one.kind === 'add' || one.kind === 'remove') {
            if (!('gateway' in one)) continue
            const its = route(one.text, one.gateway, one.link, one.metric)
            if (one.kind === 'add') table.add(its)
            else table.remove(its)
            settle([its.prefix])
          } else if (one.kind === 'link' && 'up' in one) {
            const name = one.index === 2 ? 'eth0' : 'eth1'
            const touched = links.take({
              full: false,
              gone: [],
              present: [linkOf(one.index, name, one.up, one.addresses)],
            })
            for (const link of touched.names) settle(table.over(link))
            settle([...touched.addresses].map(prefix))
          } else if (one.kind === 'way' && 'is' in one) {
            const way = { gateway: '10.0.0.1', interface: 'eth0', onlink: false, weight: 1 }
            ways.set(prefix(one.text), one.is ? [way] : [])
            settle(ways.takeChanged())
          } else if ('address' in one) {
            const users = used.get(one.address) ?? new Set()
            if (one.kind === 'use') {
              const [handle] = all.useAll([nextHop(one.address)], { key: one.user })
              if (handle !== undefined) handles.set(one.address, handle)
              used.set(one.address, users.add(one.user))
            } else if (users.delete(one.user)) all.leave(handles.get(one.address) as UsedNextHop, { key: one.user })
            if (users.size === 0) used.delete(one.address)
          }
        }
        expect(all.size).toBe(used.size)
        for (const address of HOPS) {
          const fresh = resolveNextHop(nextHop(address), table, ways)
          expect(formatResolution(all.resolution(nextHop(address)))).toBe(formatResolution(fresh))
        }
        const gateways = [...used.keys()].flatMap((address) => {
          const found = resolveNextHop(nextHop(address), table, ways)
          return found.kind === 'resolved' ? found.hops.flatMap(({ gateway }) => gateway ?? []) : []
        })
        for (const text of [...PREFIXES, ...PREFIXES6, '10.0.0.0/30', '10.0.1.9/32', 'fd00::/120']) {
          const covered = gateways.some((gateway) => {
            const link = table.lookup(addressBytes(gateway))?.prefix.length ?? 0
            return prefix(text).length > link && contains(prefix(text), prefix(gateway))
          })
          expect(all.coveredGateway(prefix(text)) !== undefined).toBe(covered)
        }
      }),
      { numRuns: 300 },
    )
  })
})
