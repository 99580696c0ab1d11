import { expect, test } from 'vitest'
import { parseInSteps } from '../../src/cluster/parse/object.ts'
import { bgpConfiguration } from '../support/objects.ts'

const costOf = (spec: object): number => {
  const ref = { kind: 'BGPConfiguration', namespace: '', name: 'default' } as const
  return [...parseInSteps(ref, bgpConfiguration(spec))].reduce((sum, cost) => sum + cost, 0)
}

test('a list that is read at once is charged, also where one behind it is read in steps', () => {
  const loadBalancerClasses = Array.from({ length: 1_000 }, (_, index) => `example.com/${index}`)
  const prefixAdvertisements = Array.from({ length: 500 }, (_, index) => ({
    cidr: `10.0.${index >> 8}.${index & 255}/32`,
  }))
  const both = costOf({ loadBalancerClasses, prefixAdvertisements })
  expect(both).toBeGreaterThan(0.95 * (costOf({ loadBalancerClasses }) + costOf({ prefixAdvertisements })))
})
