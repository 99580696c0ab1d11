/** What of Calico's FelixConfiguration an agent in its place needs. */
import { describe, expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { problemsOf, storeOf } from '../support/cluster.ts'
import { bgpConfiguration, ipPool, node } from '../support/objects.ts'

const HERE = node('here', { addresses: ['10.0.0.1'] })
const PLAIN = ipPool('a', { cidr: '10.244.0.0/16', natOutgoing: true })
const OWN = ipPool('b', {
  cidr: '10.245.0.0/16',
  natOutgoing: true,
  nat: { address: '192.0.2.7', portRange: '5000:5999' },
})
const SIX = ipPool('c', { cidr: 'fd00:244::/48', natOutgoing: true })

const felix = (name: string, spec: object): ObjectChange => ({
  kind: 'upsert',
  ref: { kind: 'FelixConfiguration', namespace: '', name },
  object: { apiVersion: 'crd.projectcalico.org/v1', kind: 'FelixConfiguration', metadata: { name }, spec },
  from: undefined,
})

function natOf(changes: readonly ObjectChange[], configuration: object = {}) {
  const store = storeOf([HERE, PLAIN, OWN, SIX, bgpConfiguration(configuration)])
  store.apply(changes)
  const intent = new IntentBuilder({ node: 'here' }).build(store)
  const pools = intent.dataplane?.pools.map(({ name, nat }) => [name, nat.address, nat.ports?.first, nat.ports?.last])
  return { pools, sparesHosts: intent.dataplane?.natSparesHosts, problems: problemsOf(intent) }
}

describe('how outgoing packets are translated', () => {
  const all = felix('default', {
    natPortRange: '32768:60999',
    natOutgoingAddress: '192.0.2.1',
    natOutgoingExclusions: 'IPPoolsAndHostIPs',
  })

  test('counts for pools that say nothing themselves, an address for those of its family', () => {
    expect(natOf([all])).toEqual({
      pools: [
        ['a', '192.0.2.1', 32768, 60999],
        ['b', '192.0.2.7', 5000, 5999],
        ['c', undefined, 32768, 60999],
      ],
      sparesHosts: true,
      problems: [],
    })
  })

  test('each field of one node before that of all', () => {
    const { pools, sparesHosts } = natOf([
      all,
      felix('node.here', { natPortRange: 4000 }),
      felix('node.other', { natPortRange: '1:2' }),
    ])
    expect(pools?.[0]).toEqual(['a', '192.0.2.1', 4000, 4000])
    expect(sparesHosts).toBe(true)
  })

  test('one port may be text, and how loops are prevented in any case of letters', () => {
    const store = storeOf([HERE, PLAIN])
    store.apply([felix('default', { natPortRange: '4000', serviceLoopPrevention: 'reject' })])
    const { dataplane, problems } = new IntentBuilder({ node: 'here' }).build(store)
    expect(problems).toEqual([])
    expect(dataplane?.pools[0]?.nat.ports).toEqual({ first: 4000, last: 4000 })
    expect(dataplane?.serviceLoopPrevention).toBe('Reject')
  })

  test('our own configuration before both', () => {
    expect(natOf([all], { natOutgoingExclusions: 'IPPoolsOnly' }).sparesHosts).toBe(false)
  })

  test.each([
    [{ natPortRange: '9:1' }, 'spec.natPortRange: "9:1" is not a range of ports, as in 1024:65535'],
    [{ natPortRange: '0' }, 'spec.natPortRange: "0" is not a port, as in 1024, or a range of ports, as in 1024:65535'],
    [{ serviceLoopPrevention: 'no' }, 'spec.serviceLoopPrevention: "no" is none of Drop, Reject, Disabled'],
    [{ natOutgoingAddress: '0.0.0.0' }, 'spec.natOutgoingAddress: "0.0.0.0" belongs to no host (0.0.0.0/8)'],
    [{ natOutgoingExclusions: 'None' }, 'spec.natOutgoingExclusions: "None" is none of IPPoolsOnly, IPPoolsAndHostIPs'],
  ])('a wrong field is named: %j', (spec, words) => {
    expect(natOf([felix('default', spec)]).problems).toEqual([
      `FelixConfiguration/default ${words}; the object is ignored`,
    ])
  })
})

test.each([
  [{ programClusterRoutes: 'Disabled', ipv4NormalRoutePriority: 1024, ipv6NormalRoutePriority: 1024 }, []],
  [{ programClusterRoutes: 'Enabled' }, []],
  [{ ipv4NormalRoutePriority: 100 }, [/ipv4NormalRoutePriority: has no effect: routes are written with metric 1024/]],
  [
    { logSeverityScreen: 'Debug', ignoredInterfaces: ['eth9'] },
    [/ignoredInterfaces: .*no routes of interfaces/, /logSeverityScreen: .*--log-level/],
  ],
  [{ localWorkloadPeeringIPV4: '169.254.1.1' }, [/needs Felix/]],
])(
  'what makes no sense without Calico’s dataplane is named once with the reason, and what asks for what is so is not: %j',
  (spec, words) => {
    expect(natOf([], spec).problems).toEqual(words.map((one) => expect.stringMatching(one)))
  },
)
