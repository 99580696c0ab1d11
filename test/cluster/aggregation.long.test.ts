/** `aggregationLength`, whatever advertisements and services there are. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contains, parsePrefix } from '../../src/base/prefix.ts'
import { cluster, PEERS, POOLS, serviceAt, told, WORKER } from '../support/covering.ts'
import { bgpAdvertisement } from '../support/objects.ts'

/** With lengths no address that was advertised is missing, and nothing beyond the cluster's ranges is added. */
test('a covering prefix loses no address, and adds none from outside', () => {
  const length = fc.option(fc.integer({ min: 1, max: 32 }), { nil: undefined })
  const one = fc.record({
    routes: fc.subarray([{ podCIDRs: true }, { services: {} }, { pools: { names: ['v4'] } }], { minLength: 1 }),
    peers: fc.option(fc.subarray(['tor', 'border']), { nil: undefined }),
    ipv4: length,
  })
  const addresses = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 254 }), fc.constantFrom('Cluster', 'Local')), {
    maxLength: 6,
    selector: ([last]) => last,
  })
  const RANGES = ['10.244.0.0/16', 'fd00:244::/32', '192.0.2.0/24', '2001:db8:2::/64'].map((text) => parsePrefix(text))
  const json = (value: unknown) => JSON.parse(JSON.stringify(value)) as object
  fc.assert(
    fc.property(
      fc.array(one, { minLength: 1, maxLength: 3 }),
      addresses,
      fc.boolean(),
      (specs, services, aggregated) => {
        const objects = [
          ...[WORKER, ...POOLS, ...PEERS],
          cluster({ serviceLoadBalancerAggregation: aggregated ? 'Enabled' : 'Disabled' }),
          ...services.flatMap(([last, policy]) => serviceAt(`s${last}`, `192.0.2.${last}`, policy as 'Local')),
        ]
        const withLengths = specs.map(({ ipv4, ...spec }, at) =>
          bgpAdvertisement(`a${at}`, json({ ...spec, ...(ipv4 !== undefined && { aggregationLength: { ipv4 } }) })),
        )
        const without = specs.map(({ ipv4: _, ...spec }, at) => bgpAdvertisement(`a${at}`, json(spec)))
        for (const peer of ['tor', 'border']) {
          const now = told([...objects, ...withLengths], peer).map((text) => parsePrefix(text))
          const before = told([...objects, ...without], peer).map((text) => parsePrefix(text))
          const covers = (ranges: typeof now, prefix: (typeof now)[number]) =>
            prefix !== undefined && ranges.some((range) => range !== undefined && contains(range, prefix))
          expect(before.filter((prefix) => !covers(now, prefix)).map((prefix) => prefix?.text)).toEqual([])
          expect(now.filter((prefix) => !covers(RANGES, prefix)).map((prefix) => prefix?.text)).toEqual([])
        }
      },
    ),
    { numRuns: 60 },
  )
})
