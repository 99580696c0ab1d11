import { describe, expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { REJECT_ALL } from '../../src/bgp/policy/defaults.ts'
import { evaluate } from '../../src/bgp/policy/evaluate.ts'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { joinPrefixes } from '../../src/cluster/pools.ts'
import { originatedRoute, route } from '../bgp/policy/support.ts'
import { intentOf, problemsOf, storeOf } from '../support/cluster.ts'
import { bgpAdvertisement, bgpConfiguration, bgpPeer, ipPool, node, remove, upsert } from '../support/objects.ts'

const prefixes = (...texts: string[]): Prefix[] => texts.flatMap((text) => parsePrefix(text) ?? [])

test.each<[string, string[], string[]]>([
  ['nothing', [], []],
  ['one', ['10.0.0.0/8'], ['10.0.0.0/8']],
  ['the same twice', ['10.0.0.0/8', '10.0.0.0/8'], ['10.0.0.0/8']],
  ['one inside another', ['10.1.0.0/16', '10.0.0.0/8'], ['10.0.0.0/8']],
  ['two halves', ['10.0.1.0/24', '10.0.0.0/24'], ['10.0.0.0/23']],
  ['halves of halves', ['10.0.3.0/24', '10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24'], ['10.0.0.0/22']],
  ['neighbours that are no halves', ['10.0.1.0/24', '10.0.2.0/24'], ['10.0.1.0/24', '10.0.2.0/24']],
  ['a half and two quarters', ['10.0.0.0/24', '10.0.1.0/25', '10.0.1.128/25'], ['10.0.0.0/23']],
  ['everything', ['0.0.0.0/1', '128.0.0.0/1'], ['0.0.0.0/0']],
  ['both families', ['fd00::/64', '10.0.0.0/8', 'fd00:0:0:1::/64'], ['10.0.0.0/8', 'fd00::/63']],
])('cover of %s', (_name, given, expected) => {
  expect(joinPrefixes(prefixes(...given)).map(({ text }) => text)).toEqual(expected)
})

const a = node('a', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })
const rack = bgpPeer('rack', { peerIP: '10.0.0.254', asNumber: 65000 })
const peerOf = (...objects: Parameters<typeof intentOf>[1]) =>
  intentOf('a', [a, rack, ...objects]).peers.get('Global_10_0_0_254')

test('imports are accepted inside pools, pod CIDRs of all nodes and service ranges', () => {
  const peer = peerOf(
    node('b', { podCIDRs: ['10.244.2.0/24'] }),
    ipPool('lb', { cidr: '198.51.100.0/24', disabled: true }),
    bgpConfiguration({
      serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
      serviceExternalIPs: [{ cidr: '192.0.2.10/32' }],
    }),
  )
  const accepting = peer?.importPolicy.rules.filter(({ action }) => action === 'accept') ?? []
  expect(accepting.flatMap(({ match }) => match.prefixes?.map(({ prefix }) => prefix.text))).toEqual([
    '10.96.0.0/16',
    '10.244.1.0/24',
    '10.244.2.0/24',
    '192.0.2.10/32',
    '198.51.100.0/24',
    'fd00:244:1::/64',
  ])
  expect(peer?.importPolicy.otherwise).toBe('reject')
})

describe("of a LoadBalancer range that is not advertised as a whole, only single addresses are the cluster's:", () => {
  const ranges = [{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }]
  const spec = { serviceClusterIPs: [{ cidr: '10.96.0.0/16' }], serviceLoadBalancerIPs: ranges }
  /** Is accepted from the rack, and advertised further to the mesh. */
  const isTheirs = (aggregation: string, text: string) => {
    const peer = peerOf(bgpConfiguration({ ...spec, serviceLoadBalancerAggregation: aggregation }))
    const policies = [peer?.importPolicy, peer?.exportPolicy].map((policy) => policy ?? REJECT_ALL)
    return policies.map((policy) => evaluate(policy, route(text), 'internal').kind)
  }
  test.each([
    ['0.0.0.0/0', 'reject'],
    ['203.0.113.0/24', 'reject'],
    ['203.0.113.254/31', 'reject'],
    ['203.0.113.7/32', 'accept'],
    ['::/0', 'reject'],
    ['2001:db8::/127', 'reject'],
    ['2001:db8::7/128', 'accept'],
    ['10.96.4.0/24', 'accept'],
    ['10.244.1.0/26', 'accept'],
  ])('%s %s', (text, expected) => {
    expect(isTheirs('Disabled', text)).toEqual([expected, expected])
    expect(isTheirs('disabled', text)).toEqual([expected, expected])
    expect(isTheirs('Enabled', text)).toEqual(['accept', 'accept'])
  })
})

test('of such a range, the lengths too that a BGPAdvertisement of any node asks for', () => {
  const covering = (length: object, kinds: string[]) =>
    bgpAdvertisement(kinds.join('-').toLowerCase(), {
      nodeSelector: 'name == "other"',
      aggregationLength: length,
      routes: [{ services: { kinds } }],
    })
  const ranges = [{ cidr: '203.0.0.0/16' }, { cidr: '2001:db8::/48' }]
  const peer = peerOf(
    bgpConfiguration({ serviceLoadBalancerIPs: ranges, serviceLoadBalancerAggregation: 'Disabled' }),
    covering({ ipv4: 24, ipv6: 64 }, ['LoadBalancerIP']),
    covering({ ipv4: 25 }, ['ExternalIP']),
    covering({ ipv4: 12 }, ['ExternalIP', 'LoadBalancerIP']),
  )
  const accepted = (text: string) =>
    evaluate(peer?.importPolicy ?? REJECT_ALL, route(text), 'internal').kind === 'accept'
  const tried = [
    '203.0.113.0/24',
    '203.0.113.7/32',
    '2001:db8:0:1::/64',
    '203.0.0.0/16',
    '203.0.0.0/12',
    '203.0.113.0/25',
  ]
  expect(tried.filter(accepted)).toEqual(['203.0.113.0/24', '203.0.113.7/32', '2001:db8:0:1::/64'])
})

test('a pool with disableBGPExport closes its range before own routes are let out', () => {
  const peer = peerOf(
    ipPool('lab', { cidr: '10.244.0.0/16', disableBGPExport: true }),
    ipPool('open', { cidr: '10.245.0.0/16' }),
  )
  expect(peer?.exportPolicy.rules[0]).toMatchObject({
    name: 'IPPool/lab disableBGPExport',
    action: 'reject',
    match: { prefixes: [{ prefix: { text: '10.244.0.0/16' }, minLength: 16, maxLength: 32 }] },
  })
})

describe('a pool whose cidr cannot be read, and never could be', () => {
  const services = bgpConfiguration({ serviceExternalIPs: [{ cidr: '203.0.113.0/24' }] })
  const open = ipPool('open', { cidr: '10.245.0.0/16' })
  const advertised = (spec: object) => {
    const { exportPolicy = REJECT_ALL } = peerOf(services, open, ipPool('lab', spec)) ?? {}
    const own = ['10.244.1.0/24', '10.245.1.0/24', '203.0.113.7/32', 'fd00:244:1::/64'].map((text) =>
      originatedRoute(text),
    )
    return own.map((one) => evaluate(exportPolicy, one, 'external').kind).join(' ')
  }

  test.each<[string, object, string]>([
    ['closes nothing by default', { cidr: '10.244.0.0/33' }, 'accept accept accept accept'],
    ['closes its family', { cidr: '10.244.0.0/33', disableBGPExport: true }, 'reject accept accept accept'],
    ['closes IPv6 alone', { cidr: 'fd00:244::/129', disableBGPExport: true }, 'accept accept accept reject'],
    ['closes what is no CIDR at all', { cidr: 7, disableBGPExport: true }, 'reject accept accept reject'],
    ['closes where it says none', { disableBGPExport: true }, 'reject accept accept reject'],
    ['closes a reserved range', { cidr: '169.254.0.0/16', disableBGPExport: true }, 'reject accept accept accept'],
    ['may close', { cidr: '10.244.0.0/33', disableBGPExport: 'yes' }, 'reject accept accept accept'],
  ])('%s', (_, spec, expected) => {
    expect(advertised(spec)).toEqual(expected)
  })

  test('is named, and opens again', () => {
    const store = storeOf([a, rack, ipPool('lab', { cidr: '10.244.0.0/33', disableBGPExport: true })])
    const builder = new IntentBuilder({ node: 'a' })
    expect(problemsOf(builder.build(store))).toContainEqual(
      'IPPool/lab spec.cidr: sets disableBGPExport, and its cidr cannot be read: no IPv4 route is advertised that is in no other IPPool and no service range',
    )
    const told = () => {
      const { exportPolicy = REJECT_ALL } = builder.build(store).peers.get('Global_10_0_0_254') ?? {}
      return evaluate(exportPolicy, originatedRoute('10.244.1.0/24'), 'external')
    }
    expect(told()).toMatchObject({
      reason: 'IPPool/lab sets disableBGPExport for a cidr that cannot be read: it may lie there',
    })
    store.apply([upsert(ipPool('lab', { cidr: '10.246.0.0/16', disableBGPExport: true }))])
    expect(told().kind).toBe('accept')
    expect(problemsOf(builder.build(store)).join()).not.toMatch(/IPPool/)
    // Still without a good version, it closes nothing any more.
    store.apply([remove(ipPool('lab', {})), upsert(ipPool('lab', { cidr: 'x', disableBGPExport: true }))])
    expect(told().kind).toBe('reject')
    store.apply([upsert(ipPool('lab', { cidr: 'x' }))])
    expect(told().kind).toBe('accept')
    expect(problemsOf(builder.build(store))).toContainEqual(
      expect.stringMatching(/"x" is not a CIDR; the object is ignored/),
    )
    store.apply([upsert(ipPool('lab', { cidr: '10.246.0.0/16' }))])
    // What was good once stays in force.
    store.apply([upsert(ipPool('lab', { cidr: '10.244.0.0/33', disableBGPExport: true }))])
    expect(told().kind).toBe('accept')
  })
})

test('pools that overlap are named on both, with who decides', () => {
  const pools = [
    ipPool('wide', { cidr: '10.0.0.0/8', natOutgoing: true }),
    ipPool('narrow', { cidr: '10.244.0.0/16' }),
    ipPool('again', { cidr: '10.244.0.0/16', natOutgoing: true }),
    ipPool('apart', { cidr: '10.244.0.0/24', natOutgoing: true }),
    ipPool('other', { cidr: '192.168.0.0/16' }),
    ipPool('six', { cidr: 'fd00::/8' }),
  ]
  expect(problemsOf(intentOf('a', [node('a', { addresses: ['10.0.0.1'] }), ...pools]))).toEqual([
    'IPPool/again spec.cidr: "10.244.0.0/16" is also the CIDR of IPPool/narrow; IPPool/again, the first by name, sets natOutgoing',
    'IPPool/again spec.cidr: "10.244.0.0/16" is inside IPPool/wide (10.0.0.0/8); the more specific pool sets natOutgoing',
    'IPPool/apart spec.cidr: "10.244.0.0/24" is inside IPPool/narrow (10.244.0.0/16); the more specific pool sets natOutgoing',
    'IPPool/narrow spec.cidr: "10.244.0.0/16" contains IPPool/apart (10.244.0.0/24); for its addresses the more specific pool sets natOutgoing',
    'IPPool/narrow spec.cidr: "10.244.0.0/16" is also the CIDR of IPPool/again; IPPool/again, the first by name, sets natOutgoing',
    'IPPool/wide spec.cidr: "10.0.0.0/8" contains IPPool/again (10.244.0.0/16); for its addresses the more specific pool sets natOutgoing',
  ])
})

test('of three pools with one CIDR all name the one that decides', () => {
  const pools = ['c', 'a', 'b'].map((name) => ipPool(name, { cidr: '10.244.0.0/16' }))
  const problems = problemsOf(intentOf('n', [node('n', { addresses: ['10.0.0.1'] }), ...pools]))
  expect(problems).toHaveLength(4)
  for (const text of problems) expect(text).toMatch(/; IPPool\/a, the first by name, sets natOutgoing$/)
})

test('a pool for LoadBalancer addresses only decides nothing, and no overlap says that it does', () => {
  const reserved = { allowedUses: ['LoadBalancer'], natOutgoing: true }
  const pools = [
    ipPool('wide', { cidr: '10.0.0.0/8', natOutgoing: true }),
    ipPool('balanced', { cidr: '10.244.0.0/16', ...reserved }),
    ipPool('pods', { cidr: '10.244.0.0/16' }),
    ipPool('six', { cidr: 'fd00::/64' }),
    ipPool('six-balanced', { cidr: 'fd00::/80', ...reserved }),
  ]
  const only =
    'for LoadBalancer addresses only: an address could be given out twice, and natOutgoing there has no effect'
  expect(problemsOf(intentOf('a', [node('a', { addresses: ['192.0.2.1'] }), ...pools]))).toEqual([
    `IPPool/balanced spec.cidr: "10.244.0.0/16" is also the CIDR of IPPool/pods; IPPool/balanced is ${only}`,
    `IPPool/balanced spec.cidr: "10.244.0.0/16" is inside IPPool/wide (10.0.0.0/8); IPPool/balanced is ${only}`,
    `IPPool/pods spec.cidr: "10.244.0.0/16" is also the CIDR of IPPool/balanced; IPPool/balanced is ${only}`,
    'IPPool/pods spec.cidr: "10.244.0.0/16" is inside IPPool/wide (10.0.0.0/8); the more specific pool sets natOutgoing',
    `IPPool/six spec.cidr: "fd00::/64" contains IPPool/six-balanced (fd00::/80); IPPool/six-balanced is ${only}`,
    `IPPool/six-balanced spec.cidr: "fd00::/80" is inside IPPool/six (fd00::/64); IPPool/six-balanced is ${only}`,
    `IPPool/wide spec.cidr: "10.0.0.0/8" contains IPPool/balanced (10.244.0.0/16); IPPool/balanced is ${only}`,
    'IPPool/wide spec.cidr: "10.0.0.0/8" contains IPPool/pods (10.244.0.0/16); for its addresses the more specific pool sets natOutgoing',
  ])
})

test('a thousand pools in one cost a bounded number of words', () => {
  const inner = Array.from({ length: 1000 }, (_, index) =>
    ipPool(`p${index}`, { cidr: `10.${index >> 8}.${index & 255}.0/24` }),
  )
  const all = [node('a', { addresses: ['10.0.0.1'] }), ipPool('wide', { cidr: '10.0.0.0/8' }), ...inner]
  expect(problemsOf(intentOf('a', all))).toHaveLength(20)
})
