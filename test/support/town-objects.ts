/** A cluster in which every kind of object has a part, and one node of it with neighbors of every kind. */
import type { Kind } from '../../src/cluster/source.ts'
import { asCalicos, CALICOS } from './as-calicos.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  pod,
  secret,
  service,
} from './objects.ts'
import { Town } from './town.ts'
import { AS, OWN, SPEAKERS } from './town-speakers.ts'

export type Home = 'own' | 'calico'

export const secretKey = (name: string) => ({ secretKeyRef: { name, key: 'key' } })
/** As the edge tells it. */
const covered = (name: string): ApiObject => ({ ...secret(`godwit/${name}`, {}), keys: { key: { version: 1 } } })

const PASSIVE = { passive: true, filters: ['open'] }

/** By name; each has a neighbor in `SPEAKERS`, but for `down` and `held`. */
const PEERS: Readonly<Record<string, object>> = {
  plain: { peerIP: '10.0.0.1', asNumber: 65001, ...PASSIVE, filters: ['open', 'some'] },
  six: { peerIP: 'fd00:10::2', asNumber: 65002, ...PASSIVE, advertiseLearned: true, nextHopMode: 'Self' },
  inner: { peerIP: '10.0.0.5', asNumber: AS, ...PASSIVE, advertiseLearned: true },
  rich: {
    peerIP: '10.0.0.6',
    asNumber: 65006,
    ...PASSIVE,
    addPath: { receive: ['ipv4'], send: ['ipv4', 'ipv6'] },
    advertiseLearned: true,
    extendedNextHop: true,
    role: 'provider',
    holdTime: '30s',
    bfd: { receiveInterval: 300 },
    longLivedStaleTime: '1h',
    ttlSecurity: 1,
    maxPrefixes: { ipv4: { limit: 500 } },
  },
  range: { peerRange: '10.0.0.64/28', asNumber: 65064, filters: ['open'] },
  'twin-4': { peerIP: '10.0.0.7', asNumber: 65007, ...PASSIVE },
  'twin-6': { peerIP: 'fd00:10::7', asNumber: 65007, ...PASSIVE },
  keyed: { peerIP: '10.0.0.8', asNumber: 65008, ...PASSIVE, password: secretKey('one') },
  chained: { peerIP: '10.0.0.18', asNumber: 65018, ...PASSIVE, keyChain: [{ sendID: 1, ...secretKey('one') }] },
  chosen: { nodeSelector: "role == 'here'", peerSelector: "rack in {'2', '3'}", filters: ['some'] },
  gateway: { peerIP: 'DefaultGateway', asNumber: 65009, ...PASSIVE },
  link: { interface: 'eth1', remoteAS: 'external', ...PASSIVE },
  held: { peerIP: '10.0.0.11', asNumber: 65011, ...PASSIVE, filters: ['missing'] },
  down: { peerIP: '10.0.0.12', asNumber: 65012, ...PASSIVE },
  local: { peerIP: '10.0.0.13', asNumber: 65013, ...PASSIVE, localASNumber: 64999, numAllowedLocalASNumbers: 1 },
  far: { peerIP: '10.9.0.1', asNumber: 65019, ...PASSIVE, bfd: { minimumTTL: 253 }, ttlSecurity: 3 },
  from: { peerIPFrom: { annotation: 'router' }, asNumberFrom: { label: 'rack-as' }, ...PASSIVE },
  drained: { peerIP: '10.0.0.21', asNumber: 65021, ...PASSIVE, drain: true },
  elsewhere: { node: 'worker-2', peerIP: '10.0.0.22', asNumber: 65022 },
}

const CONFIGURATION = {
  asNumber: AS,
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceExternalIPs: [{ cidr: '192.0.2.0/24' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }, { cidr: '203.0.113.7/32' }],
  communities: [{ name: 'gold', value: '64512:9' }],
  prefixAdvertisements: [{ cidr: '192.0.2.0/24', communities: ['gold', '64512:1:2'] }],
  nodeMeshFilters: ['some'],
  nodeMeshBFD: { receiveInterval: 400 },
}

const FILTERS: Readonly<Record<string, object>> = {
  open: { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] },
  some: {
    exportV4: [
      { cidr: '192.0.2.0/24', matchOperator: 'In', action: 'Reject' },
      {
        cidr: '10.244.0.0/16',
        matchOperator: 'In',
        prefixLength: { min: 20, max: 26 },
        action: 'Accept',
        operations: [{ addCommunity: { value: '64512:77' } }],
      },
    ],
    importV4: [{ cidr: '10.244.200.0/24', matchOperator: 'Equal', action: 'Reject' }],
    exportV6: [{ cidr: 'fd00:96::/112', matchOperator: 'In', action: 'Accept' }],
    importV6: [
      { cidr: '2001:db8::/32', matchOperator: 'In', action: 'Accept', operations: [{ setPriority: { value: 50 } }] },
    ],
  },
}

const ADVERTISEMENTS: Readonly<Record<string, object>> = {
  pods: { routes: [{ podCIDRs: true }], communities: ['gold'], peers: ['plain', 'six'], med: 5 },
  wide: {
    routes: [{ services: {} }],
    aggregationLength: { ipv4: 26 },
    communities: ['64512:6'],
    peerSelector: "tier == 'a'",
  },
  extra: {
    nodeSelector: "role == 'here'",
    routes: [{ prefixes: ['192.168.77.0/24', '2001:db8:77::/48'] }, { nodeAddresses: true }],
  },
  single: { routes: [{ pods: { selector: "app == 'dns'" } }, { interfaces: ['eth1'] }], localPreference: 200 },
}

const POOLS: Readonly<Record<string, object>> = {
  pods: { cidr: '10.244.0.0/16', natOutgoing: true },
  'pods-6': { cidr: 'fd00:244::/32' },
  part: { cidr: '10.244.192.0/18', natOutgoing: true, nat: { excludeCIDRs: ['10.9.0.0/16'], portRange: '2000:3000' } },
  hidden: { cidr: '10.245.0.0/16', disableBGPExport: true },
  balanced: { cidr: '198.51.100.0/25', allowedUses: ['LoadBalancer'] },
}

const HERE = node('worker-1', {
  addresses: OWN,
  podCIDRs: ['10.244.100.0/24', 'fd00:244:100::/64'],
  labels: { role: 'here', rack: '1', 'rack-as': '65020' },
  annotations: { router: '10.0.0.20' },
})
const NODES = [
  HERE,
  node('worker-2', { addresses: ['10.0.0.3', 'fd00:10::3'], podCIDRs: ['10.244.3.0/24', 'fd00:244:3::/64'] }),
  node('worker-3', { addresses: ['10.0.0.4', 'fd00:10::4'], podCIDRs: ['10.244.4.0/24'], labels: { rack: '2' } }),
  node('worker-4', {
    addresses: ['10.0.0.30'],
    podCIDRs: ['10.244.30.0/24'],
    annotations: { 'projectcalico.org/ASNumber': '64530' },
  }),
  node('worker-5', {
    addresses: ['10.0.0.31'],
    podCIDRs: ['10.244.31.0/24'],
    labels: { rack: '3' },
    annotations: { 'godwit.dev/routeReflectorClusterID': '244.0.0.1' },
  }),
]

const LOCAL = { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } as const
const SERVICES = [
  service('shop/web', {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.10', 'fd00:96::10'],
    externalIPs: ['192.0.2.10'],
    loadBalancerIPs: ['198.51.100.10'],
    ...LOCAL,
  }),
  endpointSlice('shop/web', 'IPv4', [
    { node: 'worker-1', ready: true },
    { node: 'worker-2', ready: true },
  ]),
  endpointSlice('shop/web', 'IPv6', [{ node: 'worker-1', ready: false, serving: true, terminating: true }]),
  service('shop/api', {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.11'],
    loadBalancerIPs: ['198.51.100.11', '203.0.113.7'],
  }),
  endpointSlice('shop/api', 'IPv4', [{ node: 'worker-2', ready: true }]),
]
const PODS = [
  pod('infra/dns-1', { labels: { app: 'dns' }, node: 'worker-1', addresses: ['10.244.100.53'], ready: true }),
  pod('infra/web-1', { labels: { app: 'web' }, node: 'worker-1', addresses: ['10.244.100.80'], ready: true }),
]

const LABELS: Readonly<Record<string, Readonly<Record<string, string>>>> = { plain: { tier: 'a' }, rich: { tier: 'a' } }

const ipam = (kind: Kind, name: string, spec: object): ApiObject => ({
  apiVersion: CALICOS,
  kind,
  metadata: { name },
  spec,
})
const affinity = (at: string, cidr: string, owner: string, state = 'confirmed') =>
  ipam('BlockAffinity', `block-${at}`, { cidr, node: owner, state, deleted: 'false' })
const IPAM = [
  affinity('1', '10.244.100.0/26', 'worker-1'),
  affinity('2', 'fd00:244:100::/122', 'worker-1'),
  affinity('3', '10.244.3.0/26', 'worker-2'),
  affinity('4', '10.244.100.64/26', 'worker-1', 'pending'),
  ipam('IPAMBlock', '10-244-3-0-26', {
    cidr: '10.244.3.0/26',
    affinity: 'host:worker-2',
    allocations: [null, 0, 1, ...Array.from({ length: 61 }, () => null)],
    attributes: [{ secondary: { node: 'worker-2', pod: 'web-2' } }, { secondary: { node: 'worker-1', pod: 'web-3' } }],
    deleted: false,
  }),
  ipam('FelixConfiguration', 'default', { natPortRange: '10000:20000' }),
]

const mapped = (objects: Readonly<Record<string, object>>, make: (name: string, spec: object) => ApiObject) =>
  Object.entries(objects).map(([name, spec]) => make(name, spec))

const OWN_OBJECTS: readonly ApiObject[] = [
  ...NODES,
  bgpConfiguration(CONFIGURATION),
  bgpConfiguration(
    { prefixAdvertisements: [{ cidr: '10.244.100.0/24', communities: ['64512:100'] }] },
    'node.worker-1',
  ),
  ...mapped(PEERS, (name, spec) => bgpPeer(name, spec, { labels: LABELS[name] ?? {} })),
  ...mapped(FILTERS, bgpFilter),
  ...mapped(ADVERTISEMENTS, bgpAdvertisement),
  ...mapped(POOLS, ipPool),
  ...SERVICES,
  ...PODS,
  ...['one', 'two'].map(covered),
]

/** As they are in our own group: `inHome` makes them Calico's. */
export const objectsOf = (home: Home): readonly ApiObject[] =>
  home === 'own' ? OWN_OBJECTS : [...OWN_OBJECTS, ...IPAM]

export const inHome = (home: Home, object: ApiObject): ApiObject => (home === 'own' ? object : asCalicos(object))

export const townOf = (home: Home, objects: readonly ApiObject[] = objectsOf(home)): Town =>
  new Town({
    objects: objects.map((object) => inHome(home, object)),
    speakers: SPEAKERS,
    calico: home === 'calico',
    links: { eth0: [`${OWN[0]}/24`, `${OWN[1]}/64`], eth1: ['fe80::100/64', '10.1.0.100/24'] },
    gateways: ['10.0.0.9', 'fd00:10::9'],
    hosts: ['10.244.100.53/32', '10.244.100.80/32'],
    routers: { eth1: 'fe80::5%eth1' },
  })
