/** `aggregationLength`: which covering prefixes are advertised, and which more specific routes beside them. */
import { describe, expect, test } from 'vitest'
import { previewNode } from '../../src/preview/node.ts'
import { storeOf } from '../support/cluster.ts'
import { cluster, PEERS, POOLS, serviceAt, told, WORKER } from '../support/covering.ts'
import { type ApiObject, bgpAdvertisement } from '../support/objects.ts'

const SERVICES = [
  ...serviceAt('a', '192.0.2.17', 'Cluster'),
  ...serviceAt('b', '192.0.2.18', 'Local'),
  ...serviceAt('c', '192.0.2.65', 'Cluster'),
]
const ALL = [WORKER, ...POOLS, ...PEERS, cluster(), ...SERVICES]
const adv = (spec: object, name = 'sum') =>
  bgpAdvertisement(name, { routes: [{ podCIDRs: true }, { services: {} }], ...spec })
const LENGTHS = { aggregationLength: { ipv4: 28, ipv6: 48 } }
const whyNot = (objects: readonly ApiObject[], peer: string, prefix: string) =>
  previewNode(storeOf(objects), 'worker')
    .peers.find(({ intent }) => intent.object === peer)
    ?.refused.find((one) => one.prefix === prefix)?.reason
const problems = (...objects: readonly ApiObject[]) =>
  previewNode(storeOf([...ALL, ...objects]), 'worker').intent.problems.map(({ text }) => text)

const PODS = ['10.244.17.0/24', 'fd00:244:11::/64']
const SINGLE = ['192.0.2.17/32', '192.0.2.18/32', '192.0.2.65/32']

describe('services', () => {
  const sum = adv({ routes: [{ services: {} }], aggregationLength: { ipv4: 28 } })

  test('those of the policy Cluster are advertised by their covering prefixes, those of the policy Local beside them', () => {
    expect(told([...ALL, sum], 'tor')).toEqual([...PODS, '192.0.2.16/28', '192.0.2.18/32', '192.0.2.64/28'].sort())
    expect(whyNot([...ALL, sum], 'tor', '192.0.2.17/32')).toBe(
      'BGPAdvertisement/sum advertises the covering prefix in its place',
    )
  })

  test('a covering prefix goes with the last route inside it', () => {
    const without = (...names: readonly string[]) =>
      [...ALL, sum].filter(({ metadata, kind }) => kind !== 'Service' || !names.includes(metadata.name))
    expect(told(without('a'), 'tor')).toContain('192.0.2.16/28')
    expect(told(without('a', 'b'), 'tor')).not.toContain('192.0.2.16/28')
    expect(told(without('a', 'b'), 'tor')).toContain('192.0.2.64/28')
  })

  test('never wider than the range: what lies beyond is somebody else’s', () => {
    const wide = adv({ routes: [{ services: {} }], aggregationLength: { ipv4: 20 } })
    expect(told([...ALL, wide], 'tor')).toEqual([...PODS, ...SINGLE].sort())
    expect(problems(wide)).toContain(
      'BGPAdvertisement/sum spec.aggregationLength.ipv4: 20 is shorter than the prefix length of every range of serviceLoadBalancerIPs: its addresses are advertised without a covering prefix',
    )
  })

  test('a range that is advertised anyhow stays with whom it was with', () => {
    const objects = [...ALL, cluster({ serviceLoadBalancerAggregation: 'Enabled' })]
    const exact = adv({ routes: [{ services: {} }], peers: ['border'], aggregationLength: { ipv4: 24 }, med: 5 })
    expect(told([...objects, exact], 'tor')).toContain('192.0.2.0/24')
    expect(told([...objects, exact], 'border')).toContain('192.0.2.0/24')
    expect(told([...objects, exact], 'tor')).not.toContain('192.0.2.18/32')
  })
})

describe('pods', () => {
  test('the covering prefix is advertised, and the pod CIDR beside it: its pods are here and nowhere else', () => {
    const sum = adv({ routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 20, ipv6: 40 } })
    expect(told([...ALL, sum], 'tor')).toEqual([...PODS, '10.244.16.0/20', 'fd00:244::/40', ...SINGLE].sort())
  })

  test('never wider than the pool', () => {
    const wide = adv({ routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 8, ipv6: 32 } })
    expect(told([...ALL, wide], 'tor')).toEqual([...PODS, 'fd00:244::/32', ...SINGLE].sort())
    expect(problems(wide)).toContain(
      'BGPAdvertisement/sum spec.aggregationLength.ipv4: 8 is shorter than the prefix length of every IPPool: pod CIDRs are advertised without a covering prefix',
    )
  })

  test('the covering prefix to one, and what is inside it to another', () => {
    const covering = adv({ routes: [{ podCIDRs: true }], peers: ['border'], aggregationLength: { ipv4: 16 } })
    const inside = adv({ routes: [{ podCIDRs: true }], peers: ['tor'], communities: ['65535:65281'] }, 'rack')
    expect(told([...ALL, covering, inside], 'tor')).toEqual([...PODS, ...SINGLE].sort())
    expect(told([...ALL, covering, inside], 'border')).toContain('10.244.0.0/16')
  })

  test('without a pool that contains it, nothing is covered', () => {
    const sum = adv({ routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 20 } })
    expect(told([WORKER, ...PEERS, cluster(), sum], 'tor')).toEqual(PODS)
  })
})

describe('several objects', () => {
  test('each decides for its own peers', () => {
    const border = adv({ ...LENGTHS, peers: ['border'] })
    const tor = adv({ routes: [{ services: {} }], peers: ['tor'] }, 'tor')
    const objects = [...ALL, border, tor]
    expect(told(objects, 'tor')).toEqual(SINGLE)
    expect(told(objects, 'border')).toEqual(
      [
        '10.244.17.0/24',
        'fd00:244:11::/48',
        'fd00:244:11::/64',
        '192.0.2.16/28',
        '192.0.2.18/32',
        '192.0.2.64/28',
      ].sort(),
    )
  })

  test('for one peer: what one of them advertises by itself is advertised', () => {
    expect(told([...ALL, adv(LENGTHS), adv({ routes: [{ services: {} }] }, 'plain')], 'tor')).toEqual(
      [...PODS, 'fd00:244:11::/48', '192.0.2.16/28', '192.0.2.64/28', ...SINGLE].sort(),
    )
  })

  test('two lengths are two covering prefixes', () => {
    const sixteen = adv({ routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 16 } }, 'wide')
    const twenty = adv({ routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 20 } }, 'narrow')
    expect(told([...ALL, sixteen, twenty], 'tor')).toEqual(
      [...PODS, '10.244.0.0/16', '10.244.16.0/20', ...SINGLE].sort(),
    )
  })

  test('of one with errors nothing is advertised, covering or covered', () => {
    expect(told([...ALL, adv({ ...LENGTHS, med: -1 })], 'tor')).toEqual([])
  })
})
