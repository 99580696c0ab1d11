/** Which destinations belong to services, where service ranges and the pools of pods overlap. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contains, makePrefix } from '../../src/base/prefix.ts'
import type { PoolObject } from '../../src/cluster/pool.ts'
import { PrefixIndex } from '../../src/cluster/prefix-index.ts'
import { podRangeProblems, serviceRangeAround, serviceRanges } from '../../src/cluster/service-ranges.ts'
import { prefix } from '../support/rib.ts'

type Ranges = Partial<Record<'cluster' | 'external' | 'load-balancer', readonly string[]>>

const settings = (ranges: Ranges, loadBalancerAggregation = true) => ({
  serviceCidrs: {
    cluster: (ranges.cluster ?? []).map(prefix),
    external: (ranges.external ?? []).map(prefix),
    'load-balancer': (ranges['load-balancer'] ?? []).map(prefix),
  },
  loadBalancerAggregation,
})

const pool = (text: string, loadBalancerOnly = false): PoolObject => ({
  name: text,
  labels: {},
  prefix: prefix(text),
  disabled: false,
  disableBgpExport: false,
  natOutgoing: false,
  loadBalancerOnly,
  nat: { exclude: [], address: undefined, ports: undefined, fullyRandom: false },
})

describe('a prefix belongs to services', () => {
  const cases: readonly [string, Ranges, readonly PoolObject[], boolean, Readonly<Record<string, boolean>>][] = [
    ['inside a range', { external: ['10.9.0.0/16'] }, [], true, { '10.9.1.0/24': true, '10.8.0.0/16': false }],
    [
      'outside of a pool of pods in that range',
      { cluster: ['10.0.0.0/8'] },
      [pool('10.244.0.0/16')],
      true,
      { '10.244.2.0/24': false, '10.244.0.0/16': false, '10.96.0.10/32': true, '10.245.0.0/16': true },
    ],
    [
      'not where a pool of pods is the range itself',
      { 'load-balancer': ['10.244.0.0/16', 'fd00:244::/32'] },
      [pool('10.244.0.0/16'), pool('fd00:244::/32')],
      true,
      { '10.244.2.0/24': false, 'fd00:244:2::/64': false },
    ],
    [
      'in a range inside a pool, and in that one inside a wider range',
      { cluster: ['10.0.0.0/8'], external: ['10.244.250.0/24'] },
      [pool('10.244.0.0/16')],
      true,
      { '10.244.250.7/32': true, '10.244.251.7/32': false, '10.1.0.0/16': true },
    ],
    [
      'in a pool that is for load balancers alone',
      { 'load-balancer': ['192.0.2.0/24'] },
      [pool('192.0.2.0/24', true)],
      true,
      { '192.0.2.7/32': true },
    ],
    [
      'as a single address only, where the range is not advertised as a whole',
      { 'load-balancer': ['0.0.0.0/0', '::/0'] },
      [pool('10.244.0.0/16')],
      false,
      {
        '0.0.0.0/0': false,
        '10.9.0.0/16': false,
        '192.0.2.7/32': true,
        '2001:db8::7/128': true,
        'fd00:244:2::/64': false,
        '10.244.2.9/32': false,
      },
    ],
  ]
  test.each(cases)('%s', (_, ranges, pools, isWhole, expected) => {
    const found = serviceRanges(settings(ranges, isWhole), pools)
    for (const [text, is] of Object.entries(expected))
      expect([text, serviceRangeAround(found, prefix(text)) !== undefined]).toEqual([text, is])
  })

  test('for an address, as the longest of all ranges and pools says', () => {
    // Eight bits of which each may be the border of something.
    const some = fc.array(
      fc
        .record({ value: fc.nat(255), length: fc.integer({ min: 0, max: 8 }) })
        .map(({ value, length }) => makePrefix(Uint8Array.of(10, 0, 0, value), 24 + length)),
      { maxLength: 6 },
    )
    const property = fc.property(some, some, (ranges, pools) => {
      const found = serviceRanges(
        settings({ cluster: ranges.map(({ text }) => text) }),
        pools.map(({ text }) => pool(text)),
      )
      const wrong: string[] = []
      for (let value = 0; value < 256; value++) {
        const address = makePrefix(Uint8Array.of(10, 0, 0, value), 32)
        const longest = (all: readonly (typeof address)[]) =>
          Math.max(-1, ...all.filter((one) => contains(one, address)).map(({ length }) => length))
        if ((serviceRangeAround(found, address) !== undefined) !== longest(ranges) > longest(pools))
          wrong.push(address.text)
      }
      expect(wrong).toEqual([])
    })
    fc.assert(property, { numRuns: 200 })
  })
})

test('pods are reported if, and only if, routes to them are not written', () => {
  const some = fc.array(
    fc
      .record({ value: fc.nat(255), length: fc.integer({ min: 0, max: 5 }) })
      .map(({ value, length }) => makePrefix(Uint8Array.of(10, 0, 0, value), 24 + length)),
    { maxLength: 3 },
  )
  fc.assert(
    fc.property(some, some, some, some, fc.boolean(), (cluster, balanced, pools, podCidrs, isWhole) => {
      const pods = new PrefixIndex()
      for (const cidr of podCidrs) pods.add(cidr, 'node-1')
      const ranges = settings({ cluster: cluster.map(textOf), 'load-balancer': balanced.map(textOf) }, isWhole)
      const all = pools.map(({ text }) => pool(text))
      const found = serviceRanges(ranges, all)
      const isRefused = podCidrs.some((cidr) => serviceRangeAround(found, cidr) !== undefined)
      expect(podRangeProblems(ranges, all, pods).length > 0).toBe(isRefused)
    }),
    { numRuns: 200 },
  )
})

const textOf = ({ text }: { readonly text: string }): string => text

test('pods in a service range that no pool names are named, one for each kind of range', () => {
  const pods = new PrefixIndex()
  for (const number of [1, 2]) pods.add(prefix(`10.244.${number}.0/24`), `node-${number}`)
  const problems = (ranges: Ranges, pools: readonly PoolObject[] = [], isWhole = true) =>
    podRangeProblems(settings(ranges, isWhole), pools, pods).map(({ field, value }) => `${field} ${value}`)
  expect(problems({ external: ['10.244.0.0/16'], cluster: ['10.96.0.0/12'] })).toEqual([
    'spec.serviceExternalIPs 10.244.1.0/24',
  ])
  expect(problems({ external: ['10.0.0.0/8'] }, [pool('10.244.0.0/16')])).toEqual([])
  expect(problems({ external: ['10.0.0.0/8'] }, [pool('10.244.1.0/24')])).toEqual([
    'spec.serviceExternalIPs 10.244.2.0/24',
  ])
  expect(problems({ 'load-balancer': ['0.0.0.0/0'] }, [], false)).toEqual([])
  // Ranges that are joined, of one kind and of two.
  expect(problems({ external: ['10.244.0.0/17', '10.244.128.0/17'] })).toEqual([
    'spec.serviceExternalIPs 10.244.1.0/24',
  ])
  expect(problems({ external: ['10.244.0.0/16'], cluster: ['10.245.0.0/16'] })).toEqual([
    'spec.serviceExternalIPs 10.244.1.0/24',
  ])
  expect(problems({ external: ['10.244.2.0/25'], cluster: ['10.244.2.128/25'] })).toEqual([
    'spec.serviceClusterIPs 10.244.2.0/24',
    'spec.serviceExternalIPs 10.244.2.0/24',
  ])
  expect(problems({ cluster: ['10.244.0.0/16'], 'load-balancer': ['0.0.0.0/0'] }, [], false)).toEqual([
    'spec.serviceClusterIPs 10.244.1.0/24',
  ])
  pods.add(prefix('10.244.9.7/32'), 'node-1')
  expect(problems({ 'load-balancer': ['0.0.0.0/0'] }, [], false)).toEqual(['spec.serviceLoadBalancerIPs 10.244.9.7/32'])
})
