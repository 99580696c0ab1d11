/**
 * `show explain` answers what users asked in the trackers of others: each row names the report it comes from, what is
 * asked, and words that its answer must have.
 */
import { describe, expect, test } from 'vitest'
import { MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { linkOf } from '../support/fake-kernel.ts'
import {
  type ApiObject,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  service,
  upsert,
} from '../support/objects.ts'
import { prefix } from '../support/rib.ts'
import { Rig } from '../support/rig.ts'
import { type Host, World } from '../support/world.ts'

const N1 = node('n1', { addresses: ['10.0.0.11', 'fd00:10::11'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })
const N2 = node('n2', { addresses: ['10.0.0.12', 'fd00:10::12'], podCIDRs: ['10.244.2.0/24'] })
const CLUSTER = bgpConfiguration({
  asNumber: 64512,
  nodeToNodeMeshEnabled: false,
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
  serviceExternalIPs: [{ cidr: '198.51.100.0/24' }],
  serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:2::/64' }],
})
const TOR = (spec: object = {}) => bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, ...spec })
const PODS = ipPool('pods', { cidr: '10.244.0.0/16' })

const local = (name: string, more: object = {}) =>
  service(`shop/${name}`, {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.10'],
    loadBalancerIPs: ['192.0.2.10'],
    externalTrafficPolicy: 'Local',
    ...more,
  })
const on = (name: string, nodeName: string, more: object = { ready: true }) =>
  endpointSlice(`shop/${name}`, 'IPv4', [{ node: nodeName, ...more }])

/** What the router tells; it takes everything. */
const ROUTER_OBJECTS = (networks: readonly string[]): readonly ApiObject[] => [
  node('tor', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: networks }),
  bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false }),
  bgpFilter('all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }),
  bgpPeer('n1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['all'] }),
]

interface Scene {
  readonly objects: readonly ApiObject[]
  /** The router is there, and tells these networks. */
  readonly router?: readonly string[]
}

function answerTo(question: string, { objects, router }: Scene): string {
  const world = new World()
  const one: Host = world.add(
    'n1',
    ['10.0.0.11', 'fd00:10::11'],
    objects.map((object) => upsert(object)),
  )
  if (router !== undefined) {
    world.add(
      'tor',
      ['10.0.0.1', 'fd00:10::1'],
      ROUTER_OBJECTS(router).map((object) => upsert(object)),
    )
    world.pass(10_000)
  }
  return world.ask(one, `show explain ${question}`)
}

const BASE = [N1, N2, CLUSTER, PODS]

describe('what users asked', () => {
  test.each<[report: string, question: string, scene: Scene, words: readonly RegExp[]]>([
    [
      'whose pod is it, and why is there no route to it? there is no session with its node',
      '10.244.2.7',
      { objects: [...BASE, TOR()], router: [] },
      [/object +Node\/n2: owns it \(10\.244\.2\.0\/24 is its pod CIDR; no neighbor has the address of this node/],
    ],
    [
      'the session with the node of the pod is down',
      '10.244.2.7',
      { objects: [N1, N2, bgpConfiguration({}), PODS], router: [] },
      [/Node\/n2: owns it \(10\.244\.2\.0\/24 is its pod CIDR; Mesh_10_0_0_12 is /],
    ],
    [
      'the block of the address is not advertised',
      '10.244.1.7',
      {
        objects: [
          N1,
          bgpConfiguration({ prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['internall'] }] }),
          TOR(),
          PODS,
        ],
      },
      [/own route +not advertised \(10\.244\.1\.0\/24: .*internall/],
    ],
    [
      'a pod of the node that is asked',
      '10.244.1.7',
      { objects: [...BASE, TOR()], router: [] },
      [/^(?!.*owns it).*own route +Node\/n1: advertised/s],
    ],
    [
      'what was rejected is another route, the default route',
      '8.8.8.8',
      { objects: [...BASE, TOR()], router: ['0.0.0.0/0'] },
      [/import +Global_10_0_0_1: rejected \(0\.0\.0\.0\/0: /],
    ],
    [
      'calico#3564: why is this VIP not advertised here?',
      '192.0.2.10',
      { objects: [...BASE, TOR(), local('web'), on('web', 'n2')], router: [] },
      [
        /not advertised \(Service\/shop\/web: externalTrafficPolicy is Local and no IPv4 endpoint on this node is ready/,
      ],
    ],
    [
      'calico#5235: which node has it, then? the range still brings it here',
      'shop/web',
      { objects: [...BASE, TOR(), local('web'), on('web', 'n2')], router: [] },
      [/own route +BGPConfiguration\/default: advertised \(192\.0\.2\.0\/24/],
    ],
    [
      'calico#6074: it is advertised, by whom and to whom?',
      '192.0.2.10',
      { objects: [...BASE, TOR(), local('web'), on('web', 'n1')], router: [] },
      [/Service\/shop\/web: advertised \(192\.0\.2\.10\/32 as service\)/, /peer +Global_10_0_0_1: advertised/],
    ],
    [
      'calico#13255: only endpoints that are not ready',
      'shop/web',
      { objects: [...BASE, TOR(), local('web'), on('web', 'n1', { ready: false })] },
      [/no IPv4 endpoint on this node is ready/],
    ],
    [
      'calico#11917: a LoadBalancer address outside of what is allowed',
      '203.0.113.9',
      { objects: [...BASE, TOR(), local('web', { loadBalancerIPs: ['203.0.113.9'] }), on('web', 'n1')] },
      [/outside serviceLoadBalancerIPs of BGPConfiguration\/default/],
    ],
    [
      'calico#3365: the node is excluded from load balancers',
      '192.0.2.10',
      {
        objects: [
          node('n1', {
            addresses: ['10.0.0.11'],
            podCIDRs: ['10.244.1.0/24'],
            labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' },
          }),
          CLUSTER,
          TOR(),
          local('web'),
          on('web', 'n1'),
        ],
      },
      [/has the label node\.kubernetes\.io\/exclude-from-external-load-balancers/],
    ],
    [
      'calico#8375: a service that has no address at all',
      'shop/none',
      { objects: [...BASE, TOR()] },
      [/Service\/shop\/none: not advertised \(there is no such Service, or it has no address/],
    ],
    [
      'calico#1604: which filter dropped it on export?',
      '10.244.1.0/24',
      {
        objects: [
          ...BASE,
          bgpFilter('lab', { exportV4: [{ action: 'Reject', matchOperator: 'In', cidr: '10.244.0.0/16' }] }),
          TOR({ filters: ['lab'] }),
        ],
        router: [],
      },
      [/peer +Global_10_0_0_1: not advertised \(rejected by BGPFilter\/lab exportV4\[0\]\)/],
    ],
    [
      'calico#1138: which filter dropped it on import?',
      '10.99.0.0/16',
      {
        objects: [
          ...BASE,
          bgpFilter('in', { importV4: [{ action: 'Reject', matchOperator: 'In', cidr: '10.99.0.0/16' }] }),
          TOR({ filters: ['in'] }),
        ],
        router: ['10.99.0.0/16'],
      },
      [/import +Global_10_0_0_1: rejected \(rejected by BGPFilter\/in importV4\[0\]\)/],
    ],
    [
      'cilium#34296: the router tells it, why do I not have it?',
      '172.20.0.5',
      { objects: [...BASE, TOR()], router: ['172.20.0.0/24'] },
      [
        /import +Global_10_0_0_1: rejected \(172\.20\.0\.0\/24: outside this cluster's IP pools, pod CIDRs and service ranges \(with/,
      ],
    ],
    [
      'cilium#20652: nobody tells a route to it',
      '172.31.9.9',
      { objects: [...BASE, TOR()], router: [] },
      [/path +none \(no object of this node contains it, and no neighbor has advertised a route to it\)/],
    ],
    [
      "the node's own address: nobody is told a route to it",
      '10.0.0.11',
      { objects: [...BASE, TOR()], router: [] },
      [
        /address +of this node, on \S+ \(as an address of the node it is advertised only where a BGPAdvertisement names/,
      ],
    ],
    [
      'calico#6704: the pool is not exported',
      '10.244.1.0/24',
      {
        objects: [N1, N2, CLUSTER, ipPool('pods', { cidr: '10.244.0.0/16', disableBGPExport: true }), TOR()],
        router: [],
      },
      [
        /IPPool\/pods: not exported/,
        /not advertised \(inside 10\.244\.0\.0\/16, and IPPool\/pods disableBGPExport is set\)/,
      ],
    ],
    [
      'metallb#1715: the session is not up, and why',
      '10.244.1.0/24',
      { objects: [...BASE, TOR()] },
      [/peer +Global_10_0_0_1: cannot be advertised \(the session is /],
    ],
    [
      'FRRouting/frr#23381: the session is held, and why',
      '10.244.1.0/24',
      { objects: [...BASE, TOR({ filters: ['missing'] })] },
      [/cannot be advertised \(the session is Down: .*missing/],
    ],
    [
      'projectcalico/node#279: a learned route is not passed on to the rack',
      '10.244.7.0/24',
      {
        objects: [...BASE, TOR(), bgpPeer('other', { peerIP: '10.0.0.2', asNumber: 65002 })],
        router: ['10.244.7.0/24'],
      },
      [/path +Global_10_0_0_1: best via 10\.0\.0\.1/, /Global_10_0_0_2: cannot be advertised/],
    ],
    [
      'calico#7253: which of several ranges does an address belong to?',
      '192.0.2.77',
      { objects: [...BASE, TOR()], router: [] },
      [/192\.0\.2\.77\/32, by 192\.0\.2\.0\/24/, /BGPConfiguration\/default: advertised/],
    ],
    [
      'calico#3049: with which communities?',
      '10.244.1.0/24',
      {
        objects: [
          N1,
          bgpConfiguration({
            asNumber: 64512,
            nodeToNodeMeshEnabled: false,
            prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['64512:7'] }],
          }),
          TOR(),
        ],
        router: [],
      },
      [/Node\/n1: advertised \(10\.244\.1\.0\/24 as pod-cidr, communities 64512:7\)/],
    ],
    [
      'metallb#1736: which next hop is told for the other family?',
      'fd00:244:1::/64',
      { objects: [...BASE, TOR()], router: [] },
      [/peer +Global_10_0_0_1: advertised \(fd00:244:1::\/64, next hop fd00:10::11\)/],
    ],
    [
      'calico#10544: a service of another kind',
      'shop/plain',
      { objects: [...BASE, TOR(), service('shop/plain', { type: 'ExternalName', clusterIPs: [] })] },
      [/Service\/shop\/plain: not advertised/],
    ],
    [
      'calico#4277: an ExternalIP outside of what is allowed',
      '198.18.0.1',
      {
        objects: [
          ...BASE,
          TOR(),
          service('shop/ext', { clusterIPs: ['10.96.0.20'], externalIPs: ['198.18.0.1'] }),
          on('ext', 'n1'),
        ],
      },
      [/outside serviceExternalIPs of BGPConfiguration\/default/],
    ],
    [
      'kube-router#846: the node has no pod CIDR yet',
      '10.244.1.0/24',
      { objects: [node('n1', { addresses: ['10.0.0.11'] }), CLUSTER, TOR()], router: [] },
      [/path +none/],
    ],
  ])('%s', (_report, question, scene, words) => {
    const answer = answerTo(question, scene)
    for (const each of words) expect(answer).toMatch(each)
    // One screen.
    expect(answer.split('\n').length).toBeLessThan(24)
  })
})

test('the same as JSON, in the shape that ARCHITECTURE.md fixes', () => {
  const world = new World()
  const host = world.add(
    'n1',
    ['10.0.0.11'],
    [...BASE, TOR(), local('web'), on('web', 'n1')].map((object) => upsert(object)),
  )
  expect(world.askJson(host, 'show explain 192.0.2.10')).toEqual([
    {
      subject: '192.0.2.10/32',
      steps: expect.arrayContaining([
        { step: 'own route', object: 'Service/shop/web', verdict: 'advertised', reason: '192.0.2.10/32 as service' },
      ]),
      peers: [{ peer: 'Global_10_0_0_1', told: null, reason: expect.stringContaining('the session is') }],
      kernel: null,
    },
  ])
})

test.each(['nonsense', 'a/b/c', '10.0.0.0/33', '10.0.0'])('%s is no subject', (text) => {
  const world = new World()
  const host = world.add('n1', ['10.0.0.11'], [upsert(N1)])
  expect(world.ask(host, `show explain ${text}`)).toMatch(/^9001 syntax error, unexpected/)
})

describe('an own route that nobody is told yet is not said to be advertised', () => {
  test('a service that flaps', () => {
    const ranges = { serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }], serviceLoadBalancerAggregation: 'Disabled' }
    const objects = [N1, bgpConfiguration({ ...ranges, serviceDamping: {} })]
    const [web, ready] = [local('web'), (isReady: boolean) => on('web', 'n1', { ready: isReady })]
    const world = new World()
    const host = world.add(
      'n1',
      ['10.0.0.11'],
      [...objects, web, ready(true)].map((object) => upsert(object)),
    )
    const answer = () => world.ask(host, 'show explain shop/web')
    expect(answer()).toMatch(/own route +Service\/shop\/web: advertised \(192/)
    for (let flap = 0; flap < 10; flap++)
      for (const isReady of [false, true]) world.change(host, [upsert(ready(isReady))])
    world.pass(100)
    expect(answer()).toMatch(
      /own route +Service\/shop\/web: not advertised \(192\.0\.2\.10\/32: it flaps: serviceDamping suppresses it/,
    )
    expect(answer()).not.toMatch(/: advertised/)
  })

  test('a pod CIDR whose packets the kernel does not end here yet, or cannot', () => {
    const world = new World()
    const host = world.add('n1', ['10.0.0.11'], [upsert(N1)], { dataplane: 'linux' })
    const answer = () => world.ask(host, 'show explain 10.244.1.7')
    expect(answer()).toMatch(
      /Node\/n1: not advertised \(10\.244\.1\.0\/24: it waits until the kernel ends its packets on this node\)/,
    )
    world.feed(host, { kind: 'kernel', change: { full: true, more: false, gone: [], present: [] } })
    world.feed(host, { kind: 'kernel-error', what: 'routes', text: 'no right' })
    world.pass(100)
    expect(answer()).toMatch(
      /Node\/n1: not advertised \(10\.244\.1\.0\/24: .* is not advertised until the kernel has its blackhole route\)/,
    )
  })
})

test('packets to an address of this node end here, whatever routes there are, while its link is switched on', () => {
  const rig = new Rig({ more: { dataplane: 'linux' } })
  const hops = [{ gateway: '10.0.0.1', interface: 'eth0', onlink: false, weight: 1 }]
  const all = { prefix: prefix('0.0.0.0/0'), type: 'unicast', protocol: 16, metric: 100, table: MAIN_TABLE, hops }
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present: [all] } })
  const lookup = (text: string) => rig.engine.view(rig.now).kernelWay(prefix(text))?.lookup
  const lo = linkOf(1, 'lo', true, ['192.0.2.8/32'])
  for (const [link, words] of [
    [lo, 'local 192.0.2.8 dev lo'],
    [{ ...lo, up: false, flags: 0 }, '0.0.0.0/0 via 10.0.0.1 dev eth0 metric 100 of DHCP (protocol 16)'],
  ] as const) {
    rig.feed({ kind: 'links', change: { full: false, gone: [], present: [link] } })
    expect(lookup('192.0.2.8/32')).toBe(words)
    expect(lookup('192.0.2.8/31')).toMatch(/^0\.0\.0\.0\/0 via/)
  }
})
