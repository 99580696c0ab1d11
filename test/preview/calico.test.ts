/** Each difference from Calico that would change routes is listed where objects have it, and not where they do not. */
import { expect, test } from 'vitest'
import { calicoDifferences } from '../../src/preview/calico.ts'
import { storeOf } from '../support/cluster.ts'
import {
  type ApiObject,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  node,
  type ServiceOptions,
  service,
} from '../support/objects.ts'

const calico = (address: string) => ({ 'projectcalico.org/IPv4Address': `${address}/24` })
const NODE = node('n1', { addresses: ['10.0.0.11'], annotations: calico('10.0.0.11') })
const OTHER = node('n2', { addresses: ['10.0.0.12'], annotations: calico('10.0.0.12') })
const OF_ANOTHER_AS = node('n3', {
  addresses: ['10.0.0.13'],
  annotations: { ...calico('10.0.0.13'), 'projectcalico.org/ASNumber': '64513' },
})
const RANGES = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceExternalIPs: [{ cidr: '198.51.100.0/24' }, { cidr: '198.51.101.1/32' }],
  serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '192.0.3.1/32' }],
}
const CLUSTER = bgpConfiguration({ asNumber: 64512, ...RANGES })
const SINGLY = bgpConfiguration({ asNumber: 64512, ...RANGES, serviceLoadBalancerAggregation: 'Disabled' })
const ACCEPT = [{ action: 'Accept' }]
const ALL = bgpFilter('all', { importV4: ACCEPT, importV6: ACCEPT, exportV4: ACCEPT, exportV6: ACCEPT })
const SOME = bgpFilter('all', {
  importV4: [{ action: 'Reject', cidr: '0.0.0.0/0', matchOperator: 'Equal' }],
  exportV4: [{ action: 'Reject', cidr: '10.9.0.0/16', matchOperator: 'In' }],
})
const LEARNED = bgpFilter('all', { importV4: ACCEPT, exportV4: [{ action: 'Reject', source: 'RemotePeers' }] })
const tor = (spec: object = {}, name = 'tor') => bgpPeer(name, { peerIP: '10.0.0.1', asNumber: 65000, ...spec })
const FILTERED = tor({ filters: ['all'] })
const web = (options: ServiceOptions) =>
  service('shop/web', { type: 'LoadBalancer', clusterIPs: ['10.96.0.1'], ...options })
const othersProxy = (object: ApiObject): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, labels: { 'service.kubernetes.io/service-proxy-name': 'other' } },
})
const IDLE = endpointSlice('shop/web', 'IPv4', [{ node: 'n1', ready: false }])
const BUSY = endpointSlice('shop/web', 'IPv4', [{ node: 'n1', ready: true }])
const LOCAL = { externalTrafficPolicy: 'Local' } as const
const marked = (value: string) => ({ 'node.kubernetes.io/exclude-from-external-load-balancers': value })
const ADVERTISING = bgpConfiguration({
  asNumber: 64512,
  prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['64512:1'] }],
})
const inWords = (object: ApiObject, fields: Record<string, string>): ApiObject => {
  const annotations = Object.fromEntries(Object.entries(fields).map(([name, text]) => [`godwit.dev/${name}`, text]))
  return { ...object, metadata: { ...object.metadata, annotations } }
}
/** A node in a rack with an AS of its own, and one with addresses of both families. */
const RACK = node('n3', { labels: { rack: 'a' }, annotations: { 'projectcalico.org/ASNumber': '64600' } })
const FAR = node('n3', { addresses: ['10.0.0.13'], annotations: { 'projectcalico.org/ASNumber': '64600' } })
const DUAL = node('n1', {
  addresses: ['10.0.0.11', 'fd00::11'],
  annotations: { ...calico('10.0.0.11'), 'projectcalico.org/IPv6Address': 'fd00::11/64' },
})
const LISTENING = bgpConfiguration({ listenPort: 1790 }, 'node.n2')
const NAMING = bgpConfiguration({ asNumber: 64512, communities: [{ name: 'pods', value: '64512:1' }] })
const onNode = (community: string, spec: object = {}) =>
  bgpConfiguration({ prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: [community] }], ...spec }, 'node.n1')
const ON_NODE = bgpConfiguration({ prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['1:1'] }] }, 'node.n1')

/** Words of the topic, whom it concerns, objects that have it, and some that do not. */
const TABLE: readonly (readonly [RegExp, string, readonly ApiObject[], readonly (readonly ApiObject[])[]])[] = [
  [
    /^learned routes to eBGP/,
    'BGPPeer/tor',
    [tor()],
    [[tor({ asNumber: 64512 })], [tor({ advertiseLearned: true })], [FILTERED, ALL], [FILTERED, LEARNED]],
  ],
  [/^learned routes to eBGP/, 'BGPPeer/tor', [FILTERED, SOME], []],
  [
    /^learned routes to eBGP/,
    'BGPPeer/tor',
    [tor({ asNumber: 64512 }), node('n3', { annotations: { 'projectcalico.org/ASNumber': '64600' } })],
    [[tor({ asNumber: 64512, node: 'n1' }), node('n3', { annotations: { 'projectcalico.org/ASNumber': '64600' } })]],
  ],
  [
    /^learned routes to eBGP/,
    'BGPPeer/racks',
    [bgpPeer('racks', { peerSelector: 'has(rack)' }), RACK],
    [
      [bgpPeer('racks', { peerSelector: '!has(rack)' })],
      [bgpPeer('racks', { peerSelector: 'has(rack)', node: 'n3' }), RACK],
      [inWords(bgpPeer('racks', { peerSelector: 'has(rack)' }), { advertiseLearned: 'true' }), RACK],
    ],
  ],
  [
    /^learned routes to eBGP/,
    'BGPPeer/tor',
    [tor({ peerIP: '10.0.0.13', asNumber: undefined }), FAR],
    [[tor({ peerIP: '10.0.0.12', asNumber: undefined })]],
  ],
  [
    /^routes outside the IP pools/,
    'BGPPeer/tor',
    [tor()],
    [[FILTERED, ALL], [FILTERED, LEARNED], [tor({ peerIP: '10.0.0.12' })], [bgpPeer('all', { peerSelector: 'all()' })]],
  ],
  [/^routes outside the IP pools/, 'BGPPeer/tor', [FILTERED, SOME], []],
  [/^routes outside the IP pools/, 'BGPPeer/tor', [tor({ asNumber: 64512 })], []],
  [/^more than 100,000/, 'BGPPeer/tor', [tor()], [[tor({ maxPrefixes: { ipv4: 1_000_000, ipv6: 1_000_000 } })]]],
  [/^own routes of the node/, 'BGPPeer/tor', [tor({ asNumber: 64512 })], [[tor()], [tor({ peerIP: '10.0.0.12' })]]],
  [/^own routes of the node/, 'BGPPeer/tor', [OF_ANOTHER_AS, tor({ asNumber: 64512 })], [[OF_ANOTHER_AS, tor()]]],
  [
    /^two BGPPeers for one neighbor/,
    'BGPPeer/tor',
    [tor(), tor({ nodeSelector: 'has(rack)' }, 'rack')],
    [
      [tor(), tor({ peerIP: '10.0.0.2', node: 'n1' }, 'rack')],
      [tor({ node: 'n1' }), tor({ node: 'n2' }, 'rack')],
    ],
  ],
  [
    /^two BGPPeers for one neighbor/,
    'BGPPeer/tor',
    [tor({ peerIP: '10.0.0.1' }), tor({ peerIP: '10.0.0.1:179', node: 'n1' }, 'rack')],
    [[tor({ peerIP: '10.0.0.1' }), tor({ peerIP: '10.0.0.1:1790', node: 'n1' }, 'rack')]],
  ],
  [
    /^two BGPPeers for one neighbor/,
    'BGPPeer/tor',
    [LISTENING, tor({ peerIP: '10.0.0.12' }), tor({ peerIP: '10.0.0.12:1790', node: 'n1' }, 'rack')],
    [[LISTENING, tor({ peerIP: '10.0.0.12' }), tor({ peerIP: '10.0.0.12:179', node: 'n1' }, 'rack')]],
  ],
  ...(
    [
      [{ peerSelector: 'all()' }, { peerSelector: "rack == 'a'" }, { peerSelector: "rack == 'b'" }],
      [{ peerSelector: 'all()' }, { peerIP: '10.0.0.12', asNumber: 64512 }, { peerIP: '10.0.0.9', asNumber: 64512 }],
      [{ peerIP: '10.0.0.12', asNumber: 64512 }, { peerSelector: 'all()' }, { peerSelector: 'has(rack)' }],
    ] as const
  ).map(
    ([all, one, other]) =>
      [
        /^two BGPPeers for one neighbor/,
        'BGPPeer/all',
        [bgpPeer('all', all), bgpPeer('one', { ...one, node: 'n1' }), RACK],
        [[bgpPeer('all', all), bgpPeer('one', { ...other, node: 'n1' }), RACK]],
      ] as const,
  ),
  [
    /^neighbors that have the address of the node itself/,
    'BGPPeer/tor',
    [tor({ peerIP: '10.0.0.11:1790' })],
    [
      [tor({ peerIP: '10.0.0.11:179' })],
      [tor({ peerIP: '10.0.0.11' })],
      [tor({ peerIP: '10.0.0.11:1790', node: 'n2' })],
      [tor({ peerIP: '10.0.0.11:1790' }), bgpConfiguration({ listenPort: 1790 }, 'node.n1')],
    ],
  ],
  [
    /^routes of the node that an export rule accepts/,
    'BGPPeer/tor',
    [FILTERED, ALL, ADVERTISING],
    [
      [FILTERED, ALL],
      [FILTERED, LEARNED, ADVERTISING],
      [tor(), ADVERTISING],
    ],
  ],
  [/^prefixAdvertisements of one node/, 'BGPConfiguration/node.n1', [ON_NODE], [[ADVERTISING]]],
  [
    /^names in the prefixAdvertisements/,
    'BGPConfiguration/node.n1',
    [NAMING, onNode('pods')],
    [
      [NAMING, onNode('pods', { communities: [{ name: 'pods', value: '64512:2' }] })],
      [NAMING, onNode('64512:1')],
      [NAMING, onNode('other')],
    ],
  ],
  [
    /^routes of the other family/,
    'BGPPeer/tor',
    [tor(), DUAL],
    [
      [tor()],
      [tor(), DUAL, tor({ peerIP: 'fd00::1' }, 'tor6')],
      [inWords(tor(), { addressFamilies: '["ipv4"]' }), DUAL],
      [tor({ peerIP: '10.0.0.12' }), DUAL],
    ],
  ],
  [/^routes of the other family/, 'BGPPeer/tor', [tor(), DUAL, tor({ peerIP: 'fd00::1', node: 'n2' }, 'tor6')], []],
  [
    /^nodes with the label/,
    'Node/n1',
    [node('n1', { addresses: [], labels: marked('') })],
    [[node('n1', { addresses: [], labels: marked('true') })], [NODE]],
  ],
  [
    /^addresses of Nodes/,
    'Node/n1',
    [node('n1', { addresses: ['10.0.0.11', 'fd00::11'], annotations: calico('10.0.0.11') })],
    [[NODE]],
  ],
  [
    /^addresses of both families/,
    'Service/shop/web',
    [web({ clusterIPs: ['10.96.0.1', 'fd00:96::1'], ...LOCAL })],
    [[web({ clusterIPs: ['10.96.0.1', 'fd00:96::1'] })], [web({ loadBalancerIPs: ['2001:db8::1'], ...LOCAL })]],
  ],
  [/^addresses of both families/, 'Service/shop/web', [SINGLY, web({ clusterIPs: ['10.96.0.1', 'fd00:96::1'] })], []],
  [
    /^cluster IPs of a service with internalTrafficPolicy/,
    'Service/shop/web',
    [web({ internalTrafficPolicy: 'Local' })],
    [
      [web({ internalTrafficPolicy: 'Local', clusterIPs: ['10.97.0.1'] })],
      [web({ internalTrafficPolicy: 'Local', ...LOCAL })],
      [web({})],
    ],
  ],
  [
    /^cluster IPs outside/,
    'Service/shop/web',
    [web({ clusterIPs: ['10.97.0.1'], ...LOCAL })],
    [[web({ clusterIPs: ['10.97.0.1'] })], [web(LOCAL)], [bgpConfiguration({}), web(LOCAL)]],
  ],
  [/^cluster IPs outside/, 'Service/shop/web', [SINGLY, web({ clusterIPs: ['10.97.0.1'] })], []],
  [
    /range of its own$/,
    'Service/shop/web',
    [web({ loadBalancerIPs: ['192.0.3.1'] })],
    [
      [web({ loadBalancerIPs: ['192.0.2.1'] })],
      [web({ loadBalancerIPs: ['192.0.3.1'], ...LOCAL })],
      [SINGLY, web({ loadBalancerIPs: ['192.0.3.1'] })],
    ],
  ],
  [
    /while it has no ready endpoint/,
    'Service/shop/web',
    [SINGLY, web({ loadBalancerIPs: ['192.0.3.1', '192.0.2.1'] }), IDLE],
    [
      [SINGLY, web({ loadBalancerIPs: ['192.0.3.1', '192.0.2.1'] }), BUSY],
      [SINGLY, web({ loadBalancerIPs: ['192.0.3.1', '192.0.2.1'] })],
      [SINGLY, web({ loadBalancerIPs: ['192.0.2.1'] }), IDLE],
      [web({ loadBalancerIPs: ['192.0.3.1', '192.0.2.1'] }), IDLE],
    ],
  ],
  [/range of its own$/, 'Service/shop/web', [web({ externalIPs: ['198.51.101.1'] })], []],
  [
    /^addresses with ipMode/,
    'Service/shop/web',
    [web({ loadBalancerIPs: ['192.0.2.1'], ipMode: 'Proxy', ...LOCAL })],
    [
      [web({ loadBalancerIPs: ['192.0.2.1'], ipMode: 'VIP', ...LOCAL })],
      [web({ loadBalancerIPs: ['192.0.2.1'], ipMode: 'Proxy' })],
      [web({ loadBalancerIPs: ['203.0.113.1'], ipMode: 'Proxy', ...LOCAL })],
    ],
  ],
  [
    /^services with the label/,
    'Service/shop/web',
    [othersProxy(web(LOCAL))],
    [[web(LOCAL)], [othersProxy(web({}))], [bgpConfiguration({}), othersProxy(web(LOCAL))]],
  ],
  [
    /^services with the policy Local whose last endpoints/,
    'Service/shop/web',
    [web(LOCAL), endpointSlice('shop/web', 'IPv4', [{ node: 'n1', ready: false, serving: true, terminating: true }])],
    [
      [web(LOCAL), endpointSlice('shop/web', 'IPv4', [{ node: 'n1', ready: true }])],
      [web({}), endpointSlice('shop/web', 'IPv4', [{ node: 'n1', ready: false, serving: true, terminating: true }])],
    ],
  ],
]

function concerned(topic: RegExp, objects: readonly ApiObject[]): readonly string[] {
  const names = new Set(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
  const base = [NODE, OTHER, CLUSTER].filter(({ kind, metadata }) => !names.has(`${kind}/${metadata.name}`))
  return calicoDifferences(storeOf([...base, ...objects])).find((one) => topic.test(one.topic))?.objects ?? []
}

test.each(TABLE)('%s is listed for %s where it is, and not where it is not', (topic, object, having, lacking) => {
  expect(concerned(topic, having)).toEqual([object])
  for (const objects of lacking) expect(concerned(topic, objects)).toEqual([])
})

test('of objects that Calico reads alike, nothing is listed', () => {
  expect(calicoDifferences(storeOf([NODE, OTHER, CLUSTER]))).toEqual([])
  expect(calicoDifferences(storeOf([]))).toEqual([])
})

test('every difference is tried', () => {
  const topics = new Set(
    TABLE.flatMap(([topic, , having]) => {
      const names = new Set(having.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
      const base = [NODE, OTHER, CLUSTER].filter(({ kind, metadata }) => !names.has(`${kind}/${metadata.name}`))
      return calicoDifferences(storeOf([...base, ...having])).flatMap((one) => (topic.test(one.topic) ? one.topic : []))
    }),
  )
  expect(topics.size).toBe(20)
})
