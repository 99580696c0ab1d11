/** What `show explain` says of the kernel and of NAT, by a view made of plain values. */
import { expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import type { PoolObject } from '../../src/cluster/pool.ts'
import { answer, newClient } from '../../src/show/answer.ts'
import { encodeReply } from '../../src/show/line-protocol.ts'
import type { View } from '../../src/show/view.ts'
import { fakeView } from '../support/fake-view.ts'

const said = (line: string, view: View): string =>
  [...answer(line, view, newClient())].flatMap((one) => (one === undefined ? [] : [encodeReply(one)])).join('')

const pool = (name: string, cidr: string, rest: Partial<PoolObject> = {}): PoolObject => ({
  name,
  prefix: parsePrefix(cidr) as Prefix,
  disabled: false,
  labels: {},
  disableBgpExport: false,
  natOutgoing: false,
  loadBalancerOnly: false,
  nat: { exclude: [], address: undefined, ports: undefined, fullyRandom: false },
  ...rest,
})

test.each<[string, string, Partial<View>, RegExp]>([
  [
    'calico#7345: why does the pod get SNAT?',
    '10.1.0.5',
    { pools: () => [pool('pods', '10.1.0.0/16', { natOutgoing: true })] },
    /NAT +IPPool\/pods: translated \(natOutgoing is on: packets to destinations outside all pools leave with the address of the interface/,
  ],
  [
    'calico#7446: with which address?',
    '10.1.0.5',
    {
      pools: () => [
        pool('pods', '10.1.0.0/16', {
          natOutgoing: true,
          nat: { exclude: [], address: '192.0.2.1', ports: undefined, fullyRandom: false },
        }),
      ],
    },
    /leave with 192\.0\.2\.1/,
  ],
  [
    'calico#2222: why not? the pool inside says no, and the longest match decides',
    '10.1.2.5',
    { pools: () => [pool('all', '10.0.0.0/8', { natOutgoing: true }), pool('lab', '10.1.2.0/24')] },
    /NAT +IPPool\/lab: not translated \(natOutgoing is off/,
  ],
  [
    'a pool for LoadBalancer addresses decides nothing, though it is the longest match',
    '10.1.2.5',
    {
      pools: () => [
        pool('pods', '10.1.0.0/16', { natOutgoing: true }),
        pool('services', '10.1.2.0/24', { loadBalancerOnly: true }),
      ],
    },
    /NAT +IPPool\/pods: translated/,
  ],
  [
    'of pools with one CIDR the first by name decides',
    '10.1.2.5',
    { pools: () => [pool('a', '10.1.0.0/16'), pool('b', '10.1.0.0/16', { natOutgoing: true })] },
    /NAT +IPPool\/a: not translated/,
  ],
  [
    'calico#7489: which destinations are left out?',
    '10.1.2.5',
    {
      pools: () => [
        pool('pods', '10.1.0.0/16', {
          natOutgoing: true,
          nat: {
            exclude: ['172.16.0.0/12', '192.168.0.0/16'].map((text) => parsePrefix(text) as Prefix),
            address: undefined,
            ports: undefined,
            fullyRandom: false,
          },
        }),
      ],
    },
    /destinations outside all pools and 172\.16\.0\.0\/12, 192\.168\.0\.0\/16 leave with/,
  ],
  [
    'calico#2457: what does the kernel do with it?',
    '10.2.0.5',
    {
      kernelWay: () => ({
        routes: [],
        lookup: '10.2.0.0/24 via 10.0.0.9 dev eth0 metric 1024 of Godwit',
        isOwn: false,
        keptOut: undefined,
      }),
    },
    /kernel +10\.2\.0\.0\/24 via 10\.0\.0\.9 dev eth0 metric 1024 of Godwit \(the route that packets to it take here\)/,
  ],
  [
    'an address of this node, though a default route is there',
    '192.0.2.9',
    { kernelWay: () => ({ routes: [], lookup: 'local 192.0.2.9 dev lo', isOwn: true, keptOut: undefined }) },
    /kernel +local 192\.0\.2\.9 dev lo \(an address of this node: packets to it end here\)/,
  ],
  [
    'kube-router#1392: our route is kept out of the kernel',
    '10.2.0.0/24',
    {
      kernelWay: () => ({ routes: [], lookup: undefined, isOwn: false, keptOut: 'the table has another, which stays' }),
    },
    /kernel +not written \(the table has another, which stays\)/,
  ],
  [
    'the route that an address has is kept out of the kernel',
    '10.2.0.7',
    {
      kernelWay: ({ text }) => ({
        routes: [],
        lookup: undefined,
        isOwn: false,
        keptOut: text === '10.2.0.0/24' ? 'the table has another, which stays' : undefined,
      }),
    },
    /kernel +not written \(10\.2\.0\.0\/24: the table has another, which stays\)/,
  ],
])('%s', (_, subject, rest, words) => {
  expect(said(`show explain ${subject}`, fakeView(undefined, rest))).toMatch(words)
})
