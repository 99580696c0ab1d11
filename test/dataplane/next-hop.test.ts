import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../src/base/address.ts'
import { parsePrefix } from '../../src/base/prefix.ts'
import { formatHop, type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { KernelTable } from '../../src/dataplane/kernel-table.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { resolveNextHop } from '../../src/dataplane/next-hop.ts'
import { linkOf } from '../support/fake-kernel.ts'

function route(
  text: string,
  hops: readonly [string | undefined, string][],
  rest: Partial<KernelRoute> = {},
): KernelRoute {
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(text)
  const value = {
    prefix,
    type: 'unicast',
    protocol: 2,
    metric: 0,
    table: MAIN_TABLE,
    hops: hops.map(([gateway, name]) => ({ gateway, interface: name, onlink: false, weight: 1 })),
    ...rest,
  }
  return value
}

const ETH0: [undefined, string] = [undefined, 'eth0']

function tableOf(...routes: readonly KernelRoute[]): KernelTable {
  const links = new LinkTable()
  const present = [
    linkOf(1, 'lo', true, ['127.0.0.1/8']),
    linkOf(2, 'eth0', true, ['10.0.0.11/24', 'fd00:10::11/64', 'fe80::11/64']),
    linkOf(3, 'eth1', true, ['fe80::12/64']),
    linkOf(4, 'eth2', true, ['10.2.0.11/24']),
    linkOf(5, 'down0', false, []),
  ]
  links.take({ full: true, gone: [], present })
  const table = new KernelTable(links)
  for (const one of routes) table.add(one)
  return table
}

const LINK = [route('10.0.0.0/24', [ETH0]), route('fd00:10::/64', [ETH0], { metric: 256 })]
const bytesOf = (...addresses: readonly string[]) =>
  Uint8Array.from(addresses.flatMap((text) => [...addressBytes(text)]))

const told = (table: KernelTable, addresses: readonly string[], name?: string): string => {
  const found = resolveNextHop({ bytes: bytesOf(...addresses), interface: name }, table)
  return found.kind === 'resolved' ? `${found.hops.map(formatHop).join(', ')} at ${found.metric}` : found.reason
}

describe('where a next hop leads', () => {
  test.each<[string, KernelRoute[], string, string]>([
    ['on the link, IPv4', LINK, '10.0.0.1', 'via 10.0.0.1 dev eth0 at 0'],
    ['on the link, IPv6', LINK, 'fd00:10::1', 'via fd00:10::1 dev eth0 at 0'],
    [
      'behind a static route: by its gateway',
      [...LINK, route('10.9.0.0/16', [['10.0.0.254', 'eth0']], { protocol: 4, metric: 20 })],
      '10.9.0.5',
      'via 10.0.0.254 dev eth0 at 21',
    ],
    [
      'behind the default route of DHCP',
      [...LINK, route('0.0.0.0/0', [['10.0.0.1', 'eth0']], { protocol: 16, metric: 100 })],
      '192.0.2.1',
      'via 10.0.0.1 dev eth0 at 101',
    ],
    [
      'behind the default route of an advertisement, by a link-local gateway',
      [...LINK, route('::/0', [['fe80::1', 'eth0']], { protocol: 9, metric: 1024 })],
      '2001:db8::1',
      'via fe80::1 dev eth0 at 1025',
    ],
    [
      'behind the default route of the router that prefers itself, whichever was first',
      [
        ...LINK,
        route('::/0', [['fe80::3', 'eth0']], { protocol: 9, metric: 1024, preference: 'low' }),
        route('::/0', [['fe80::2', 'eth0']], { protocol: 9, metric: 1024 }),
        route('::/0', [['fe80::1', 'eth0']], { protocol: 9, metric: 1024, preference: 'high' }),
        route('::/0', [['fe80::4', 'eth0']], { protocol: 9, metric: 1024, preference: 'high' }),
      ],
      '2001:db8::1',
      'via fe80::1 dev eth0 at 1025',
    ],
    [
      'by the longest match, not the lowest metric',
      [...LINK, route('10.0.0.0/25', [['10.0.0.200', 'eth0']], { protocol: 4, metric: 500 })],
      '10.0.0.1',
      'via 10.0.0.200 dev eth0 at 501',
    ],
    [
      'by the lower metric of two for one prefix',
      [route('10.0.0.0/24', [ETH0], { metric: 200 }), route('10.0.0.0/24', [[undefined, 'eth1']], { metric: 100 })],
      '10.0.0.1',
      'via 10.0.0.1 dev eth1 at 0',
    ],
    [
      'by the higher metric, where the link of the lower one has no carrier',
      [
        ...LINK,
        route('0.0.0.0/0', [['10.8.0.1', 'down0']], { protocol: 16, metric: 100 }),
        route('0.0.0.0/0', [['10.0.0.1', 'eth0']], { protocol: 16, metric: 200 }),
      ],
      '192.0.2.1',
      'via 10.0.0.1 dev eth0 at 201',
    ],
    [
      'not so past a blackhole, nor by a wider route',
      [
        ...LINK,
        route('10.9.0.0/16', [['10.8.0.1', 'down0']], { protocol: 4, metric: 1 }),
        route('10.9.0.0/16', [], { protocol: 4, metric: 2, type: 'blackhole' }),
        route('10.9.0.0/16', [['10.0.0.1', 'eth0']], { protocol: 4, metric: 3 }),
        route('0.0.0.0/0', [['10.0.0.1', 'eth0']], { protocol: 16, metric: 200 }),
      ],
      '10.9.0.5',
      'the next hop 10.9.0.5 is reached by blackhole 10.9.0.0/16 of a static route (protocol 4), which leads nowhere',
    ],
    [
      'by every way of a route that has several',
      [
        ...LINK,
        route(
          '10.9.0.0/16',
          [
            ['10.0.0.3', 'eth0'],
            ['10.1.0.3', 'eth1'],
          ],
          { protocol: 11, metric: 20 },
        ),
      ],
      '10.9.0.5',
      'via 10.0.0.3 dev eth0, via 10.1.0.3 dev eth1 at 21',
    ],
    ['an address of this node', LINK, '10.0.0.11', 'the next hop 10.0.0.11 is an address of this node'],
    ['nowhere', LINK, '192.0.2.1', 'no route of this node leads to the next hop 192.0.2.1'],
    [
      'into a blackhole',
      [...LINK, route('192.0.2.0/24', [], { type: 'blackhole', protocol: 12 })],
      '192.0.2.1',
      'the next hop 192.0.2.1 is reached by blackhole 192.0.2.0/24 of BIRD (protocol 12), which leads nowhere',
    ],
    [
      'over a link that is down, and no other way is taken',
      [route('10.0.0.0/24', [[undefined, 'down0']]), route('0.0.0.0/0', [['10.1.0.1', 'eth1']])],
      '10.0.0.1',
      'the next hop 10.0.0.1 is reached by 10.0.0.0/24 dev down0 of the kernel (protocol 2), which is down',
    ],
    [
      'by one way of two: the link of the other has no IPv6',
      [
        ...LINK,
        route('fd00:9::/64', [
          ['fd00:10::3', 'eth0'],
          ['fd00:12::3', 'eth2'],
        ]),
      ],
      'fd00:9::5',
      'via fd00:10::3 dev eth0 at 1',
    ],
    [
      'over a link without IPv6 alone',
      [route('10.9.0.0/16', [['fe80::3', 'eth2']])],
      '10.9.0.5',
      'the next hop 10.9.0.5 is reached by 10.9.0.0/16 via fe80::3 dev eth2 of the kernel (protocol 2), over a link without IPv6',
    ],
    [
      'by a next hop object of which the kernel says nothing',
      [route('10.9.0.0/16', [])],
      '10.9.0.5',
      'the next hop 10.9.0.5 is reached by 10.9.0.0/16 of the kernel (protocol 2), by a next hop object that is not shown: set net.ipv4.nexthop_compat_mode to 1',
    ],
    [
      'over the loopback',
      [route('192.0.2.0/24', [[undefined, 'lo']])],
      '192.0.2.1',
      'the next hop 192.0.2.1 is reached by 192.0.2.0/24 dev lo of the kernel (protocol 2), which does not leave this node',
    ],
  ])('%s', (_, routes, address, expected) => {
    expect(told(tableOf(...routes), [address])).toBe(expected)
  })

  test.each<[string, string[], string | undefined, string]>([
    ['[27] goes over the interface of its session', ['fe80::1'], 'eth1', 'via fe80::1 dev eth1 at 0'],
    ['[27] needs to know it', ['fe80::1'], undefined, 'the interface of the link-local next hop fe80::1 is not known'],
    [
      'and needs an address there',
      ['fe80::1'],
      'eth2',
      'the interface eth2 of the next hop fe80::1 has no IPv6 address',
    ],
    ['and needs it to be up', ['fe80::1'], 'down0', 'the interface down0 of the next hop fe80::1 is down'],
    [
      'beside a global one on the link, is not needed',
      ['fd00:10::1', 'fe80::1'],
      'eth1',
      'via fd00:10::1 dev eth0 at 0',
    ],
    [
      'beside a global one that leads nowhere, is taken',
      ['2001:db8::1', 'fe80::1'],
      'eth1',
      'via fe80::1 dev eth1 at 0',
    ],
  ])('a link-local next hop %s', (_, addresses, name, expected) => {
    expect(told(tableOf(...LINK), addresses, name)).toBe(expected)
  })
})
