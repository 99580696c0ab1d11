/** Nothing resets without need: each field of each object is changed on running sessions, and the table says what happened. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import { ROLE } from '../../src/bgp/wire/role.ts'
import { FIELD_CHANGES, type FieldChange } from '../../src/cluster/field-changes.ts'
import type { Kind } from '../../src/cluster/source.ts'
import { changeOf } from '../../src/preview/change.ts'
import { previewNodes } from '../../src/preview/node.ts'
import { storeOf } from '../support/cluster.ts'
import { linkOf } from '../support/fake-kernel.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  secret,
  service,
  upsert,
} from '../support/objects.ts'
import { announcement, attributes } from '../support/rib.ts'
import { OUR_ADDRESS, OUR_AS, type RawNeighbor, Rig } from '../support/rig.ts'

interface Example {
  /** Of the object that has the field, before and after; beside what the object has anyway. */
  readonly before?: object
  readonly after: object
  readonly name?: string
  /** Of the BGPConfiguration `default`. */
  readonly configuration?: object
  /** Objects that the field speaks of. */
  readonly beside?: readonly ApiObject[]
  /** The address that neighbors call. */
  readonly called?: string
  /** That neighbors announce. */
  readonly role?: number
}

const LOOPBACK = '10.0.99.1'

const FROM_ANYWHERE = [{ action: 'Accept' }]
const REFUSE = [{ action: 'Reject' }]
const secretKey = (name: string) => ({ secretKeyRef: { name, key: 'key' } })
/** As the edge tells it. */
const covered = (name: string): ApiObject => ({
  ...secret(`godwit/${name}`, {}),
  keys: { key: { version: 1 } },
})
const SECRETS = [covered('one'), covered('two')]
const pods = (spec: object) =>
  bgpAdvertisement('pods', { routes: [{ podCIDRs: true }], communities: ['64512:6'], ...spec })

const EXAMPLES: Partial<Record<Kind, Record<string, Example>>> = {
  BGPConfiguration: {
    asNumber: { after: { asNumber: 64999 } },
    nodeToNodeMeshEnabled: { after: { nodeToNodeMeshEnabled: false } },
    'nodeMeshPassword added or removed': { after: { nodeMeshPassword: secretKey('one') }, beside: SECRETS },
    'nodeMeshPassword another Secret or key': {
      before: { nodeMeshPassword: secretKey('one') },
      after: { nodeMeshPassword: secretKey('two') },
      beside: SECRETS,
    },
    'nodeMeshKeyChain added or removed': {
      after: { nodeMeshKeyChain: [{ sendID: 1, ...secretKey('one') }] },
      beside: SECRETS,
    },
    'nodeMeshKeyChain other keys': {
      before: { nodeMeshKeyChain: [{ sendID: 1, ...secretKey('one') }] },
      after: { nodeMeshKeyChain: [{ sendID: 2, ...secretKey('two') }] },
      beside: SECRETS,
    },
    'nodeMeshMaxRestartTime to or from 0': { after: { nodeMeshMaxRestartTime: '0s' } },
    'nodeMeshMaxRestartTime another number': { after: { nodeMeshMaxRestartTime: '60s' } },
    nodeMeshBFD: { after: { nodeMeshBFD: {} } },
    nodeMeshFilters: {
      after: { nodeMeshFilters: ['none'] },
      beside: [bgpFilter('none', { exportV4: REFUSE, exportV6: REFUSE })],
    },
    serviceClusterIPs: { after: { serviceClusterIPs: [{ cidr: '10.96.0.0/15' }] } },
    serviceExternalIPs: { after: { serviceExternalIPs: [{ cidr: '192.0.2.0/24' }] } },
    serviceLoadBalancerIPs: { after: { serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }] } },
    serviceLoadBalancerAggregation: {
      before: { serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }] },
      after: { serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }], serviceLoadBalancerAggregation: 'Disabled' },
    },
    loadBalancerClasses: {
      before: { serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }] },
      after: { serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }], loadBalancerClasses: ['other/class'] },
    },
    serviceOptIn: { after: { serviceOptIn: true } },
    serviceHealthCheck: { after: { serviceHealthCheck: {} } },
    serviceDamping: { after: { serviceDamping: {} } },
    communities: {
      before: {
        communities: [{ name: 'a', value: '64512:1' }],
        prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['a'] }],
      },
      after: {
        communities: [{ name: 'a', value: '64512:2' }],
        prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['a'] }],
      },
    },
    prefixAdvertisements: { after: { prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['64512:1'] }] } },
    podCIDRSource: { after: { podCIDRSource: 'Static' } },
    podCIDRs: {
      name: 'node.worker-1',
      before: { podCIDRs: ['10.244.70.0/24'] },
      after: { podCIDRs: ['10.244.71.0/24'] },
      configuration: { podCIDRSource: 'Static' },
    },
    listenPort: { after: { listenPort: 1790 } },
    bindMode: { after: { bindMode: 'NodeIP' } },
    multipath: { after: { multipath: { paths: 1 } } },
    preferOldestPath: { after: { preferOldestPath: true } },
    recursiveNextHops: { after: { recursiveNextHops: true } },
    maxRouteMemoryMiB: { after: { maxRouteMemoryMiB: 10 } },
    leaveOnTaint: { after: { leaveOnTaint: 'going' } },
    nodeRoutes: { after: { nodeRoutes: 'Direct' } },
    natOutgoingExclusions: { after: { natOutgoingExclusions: 'IPPoolsAndHostIPs' } },
    serviceLoopPrevention: { after: { serviceLoopPrevention: 'Reject' } },
    logSeverityScreen: { after: { logSeverityScreen: 'Debug' } },
    ignoredInterfaces: { after: { ignoredInterfaces: ['eth9'] } },
    localWorkloadPeeringIPV4: { after: { localWorkloadPeeringIPV4: '10.0.0.9' } },
    localWorkloadPeeringIPV6: { after: { localWorkloadPeeringIPV6: 'fd00::9' } },
    programClusterRoutes: { after: { programClusterRoutes: 'Enabled' } },
    ipv4NormalRoutePriority: { after: { ipv4NormalRoutePriority: 100 } },
    ipv6NormalRoutePriority: { after: { ipv6NormalRoutePriority: 100 } },
  },
  BGPPeer: {
    node: { after: { node: 'worker-2' } },
    nodeSelector: { after: { nodeSelector: "rack == '9'" } },
    peerIP: { after: { peerIP: '10.0.0.77' } },
    interface: { after: { peerIP: undefined, interface: 'eth0' } },
    peerSelector: { after: { peerIP: undefined, asNumber: undefined, peerSelector: "rack == '9'" } },
    peerRange: { after: { peerIP: undefined, peerRange: '10.7.0.0/24' } },
    reversePeering: {
      name: 'mirror',
      before: { node: 'worker-2', peerSelector: "role == 'here'" },
      after: { node: 'worker-2', peerSelector: "role == 'here'", reversePeering: 'Manual' },
      configuration: { nodeToNodeMeshEnabled: false },
    },
    asNumber: { after: { asNumber: 65055 } },
    remoteAS: {
      before: { asNumber: undefined, remoteAS: 'external' },
      after: { asNumber: undefined, remoteAS: 'internal' },
    },
    localASNumber: { after: { localASNumber: 64999 } },
    // A node that does not say the value has no such neighbor any more.
    asNumberFrom: { after: { asNumber: undefined, asNumberFrom: { label: 'rack-as' } } },
    localASNumberFrom: { after: { localASNumberFrom: { label: 'own-as' } } },
    peerIPFrom: { after: { peerIP: undefined, peerIPFrom: { annotation: 'router' } } },
    gatewayFamilies: { after: { peerIP: 'DefaultGateway', gatewayFamilies: ['ipv4'] } },
    sourceInterface: { after: { sourceInterface: 'lo' } },
    'sourceAddress None': { after: { sourceAddress: 'None' } },
    'sourceAddress UseNodeIP': {
      before: { sourceInterface: 'lo' },
      after: { sourceAddress: 'UseNodeIP' },
      called: LOOPBACK,
    },
    addressFamilies: { after: { addressFamilies: ['ipv4'] } },
    addPath: { after: { addPath: { receive: true } } },
    extendedNextHop: { after: { extendedNextHop: true } },
    role: { after: { role: 'customer' } },
    'strictRole true': { before: { role: 'customer' }, after: { role: 'customer', strictRole: true } },
    'strictRole false': {
      before: { role: 'customer', strictRole: true },
      after: { role: 'customer' },
      role: ROLE.provider,
    },
    'keyChain added or removed': { after: { keyChain: [{ sendID: 1, ...secretKey('one') }] }, beside: SECRETS },
    'keyChain other keys': {
      before: { keyChain: [{ sendID: 1, ...secretKey('one') }] },
      after: { keyChain: [{ sendID: 2, ...secretKey('two') }] },
      beside: SECRETS,
    },
    'password added or removed': { after: { password: secretKey('one') }, beside: SECRETS },
    'password another Secret or key': {
      before: { password: secretKey('one') },
      after: { password: secretKey('two') },
      beside: SECRETS,
    },
    'maxRestartTime to or from 0': { after: { maxRestartTime: '0s' } },
    'maxRestartTime another number': { after: { maxRestartTime: '60s' } },
    longLivedStaleTime: { after: { longLivedStaleTime: '1h' } },
    holdTime: { after: { holdTime: '30s' } },
    keepaliveTime: { after: { keepaliveTime: '9s' } },
    connectRetryTime: { after: { connectRetryTime: '9s' } },
    passive: { after: { passive: false } },
    fastExternalFailover: { after: { fastExternalFailover: false } },
    ttlSecurity: { after: { ttlSecurity: 1 } },
    bfd: { after: { bfd: {} } },
    maxPrefixes: { after: { maxPrefixes: { ipv4: { limit: 500 } } } },
    maxRouteMemoryMiB: { after: { maxRouteMemoryMiB: 10 } },
    peerRangeLimit: {
      name: 'range',
      before: { peerRange: '10.0.0.4/32', asNumber: 65004, passive: undefined },
      after: { peerRange: '10.0.0.4/32', asNumber: 65004, passive: undefined, peerRangeLimit: 5 },
    },
    filters: { after: { filters: ['take-all', 'none'] }, beside: [bgpFilter('none', { exportV4: REFUSE })] },
    advertiseLearned: { after: { advertiseLearned: true } },
    nextHopMode: { before: { advertiseLearned: true }, after: { advertiseLearned: true, nextHopMode: 'Keep' } },
    keepOriginalNextHop: {
      before: { advertiseLearned: true },
      after: { advertiseLearned: true, keepOriginalNextHop: true },
    },
    drain: { after: { drain: true } },
    numAllowedLocalASNumbers: { after: { numAllowedLocalASNumbers: 1 } },
    reachableBy: { after: { reachableBy: '10.0.0.1' } },
    'localWorkloadSelector added': { after: { peerIP: undefined, localWorkloadSelector: 'all()', passive: undefined } },
    'localWorkloadSelector another selector': {
      name: 'workload',
      before: { peerIP: undefined, localWorkloadSelector: 'a == "1"', passive: undefined },
      after: { peerIP: undefined, localWorkloadSelector: 'a == "2"', passive: undefined },
    },
  },
  BGPFilter: {
    exportV4: { after: { exportV4: REFUSE } },
    exportV6: { after: { exportV6: REFUSE } },
    importV4: { after: { importV4: REFUSE } },
    importV6: { after: { importV6: REFUSE } },
  },
  BGPAdvertisement: {
    nodeSelector: { after: { nodeSelector: "rack == '9'" } },
    routes: { after: { routes: [{ podCIDRs: true }, { nodeAddresses: true }] } },
    peers: { after: { peers: ['other'] } },
    peerSelector: { after: { peerSelector: "rack == '9'" } },
    communities: { after: { communities: ['64512:7'] } },
    localPreference: { after: { localPreference: 50 } },
    med: { after: { med: 50 } },
    prependASPath: { after: { prependASPath: [64777] } },
    nextHop: { after: { nextHop: { ipv4: '10.0.0.99' } } },
    aggregationLength: {
      after: { aggregationLength: { ipv4: 20 } },
      beside: [ipPool('all', { cidr: '10.244.0.0/16' })],
    },
  },
  IPPool: {
    cidr: { after: { cidr: '10.99.0.0/16' }, beside: [] },
    disableBGPExport: { after: { disableBGPExport: true } },
    natOutgoing: { after: { natOutgoing: true } },
    nat: { before: { natOutgoing: true }, after: { natOutgoing: true, nat: { fullyRandom: true } } },
    disabled: { after: { disabled: true } },
    allowedUses: {
      before: { cidr: '10.244.0.0/16' },
      after: { cidr: '10.244.0.0/16', allowedUses: ['LoadBalancer'] },
      beside: [pods({ aggregationLength: { ipv4: 20 } })],
    },
    ipipMode: { after: { ipipMode: 'Never' } },
    vxlanMode: { after: { vxlanMode: 'Never' } },
    blockSize: { after: { blockSize: 26 } },
    nodeSelector: { after: { nodeSelector: 'all()' } },
    namespaceSelector: { after: { namespaceSelector: 'all()' } },
    assignmentMode: { after: { assignmentMode: 'Manual' } },
  },
}

const SERVICES = [
  service('shop/web', {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.10'],
    externalIPs: ['192.0.2.10'],
    loadBalancerIPs: ['198.51.100.10'],
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
  }),
  endpointSlice('shop/web', 'IPv4', [{ node: 'worker-1', ready: true }]),
]

/** What stands before the change of an object, and what the example has of it. */
function objectOf(kind: Kind, { name }: Example, spec: object): ApiObject {
  switch (kind) {
    case 'BGPConfiguration':
      return name === undefined ? configuration(spec) : bgpConfiguration(spec, name)
    case 'BGPPeer':
      return name === undefined ? peer(spec) : bgpPeer(name, spec)
    case 'BGPFilter':
      return bgpFilter('take-all', { importV4: FROM_ANYWHERE, importV6: FROM_ANYWHERE, ...spec })
    case 'BGPAdvertisement':
      return pods(spec)
    default:
      return ipPool('pods', { cidr: '10.50.0.0/16', ...spec })
  }
}

const configuration = (spec: object) =>
  bgpConfiguration({
    asNumber: OUR_AS,
    nodeToNodeMeshEnabled: true,
    serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
    ...spec,
  })

const peer = (spec: object) =>
  bgpPeer('peer-0', { peerIP: '10.0.0.1', asNumber: 65001, passive: true, filters: ['take-all'], ...spec })

const HERE = node('worker-1', {
  addresses: [OUR_ADDRESS, 'fd00:10::100'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
  labels: { role: 'here' },
})
const TAINTED = { ...HERE, spec: { podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'], taints: [{ key: 'going' }] } }

/** All that stands before the change; of two objects with one name the later one. */
const objectsOf = (kind: Kind, field: string, example: Example): readonly ApiObject[] => [
  field === 'leaveOnTaint' ? TAINTED : HERE,
  node('worker-2', { addresses: ['10.0.0.3'], podCIDRs: ['10.244.2.0/24'] }),
  configuration(example.configuration ?? {}),
  peer({}),
  ipPool('pods', { cidr: '10.50.0.0/16' }),
  ...SERVICES,
  ...(example.beside ?? []),
  objectOf(kind, example, example.before ?? {}),
]

/** Two external routers, a node of the mesh, and one that calls from a range: all Established, with routes to tell and told. */
function sessionsWith(kind: Kind, field: string, example: Example): Rig {
  const rig = new Rig({ neighbors: 4, asns: [65001, 65002, OUR_AS, 65004] })
  rig.feed({
    kind: 'objects',
    changes: objectsOf(kind, field, example).map((object) => upsert(object)),
  })
  rig.feed({
    kind: 'links',
    change: { full: false, gone: [], present: [linkOf(1, 'lo', true, [`${LOOPBACK}/32`])] },
  })
  const gone = ['peer-2', 'peer-3'].map((name) => ({ kind: 'BGPPeer', namespace: '', name }) as const)
  rig.feed({ kind: 'objects', changes: gone.map((ref) => ({ kind: 'delete', ref })) })
  const hasRange = example.name === 'range'
  for (const one of rig.neighbors.slice(0, hasRange ? 4 : 3)) {
    if (example.role !== undefined) one.capabilities = [...one.capabilities, { kind: 'role', role: example.role }]
    one.connect(example.called).send(one.open()).send(KEEPALIVE)
    if (one.ended) throw new Error(`${one.name}: no session`)
    const asPath = [{ kind: 'sequence', asns: one.asn === OUR_AS ? [] : [one.asn] }] as const
    const own = [{ kind: 'sequence', asns: [one.asn, OUR_AS] }] as const
    one.send(announcement([`10.50.${one.asn % 200}.0/24`, '172.16.0.0/16'], attributes({ asPath }), one.address))
    if (one.asn === 65001) one.send(announcement(['172.17.0.0/16'], attributes({ asPath: own }), one.address))
    one.send(announcement([`fd00:50:${one.asn % 1_000}::/64`], attributes({ asPath }), 'fd00:10::1'))
  }
  rig.pass(1_000)
  return rig
}

const UPDATE = 2
const REFRESH = 5

/** What neighbors saw within a quarter of a minute: not more than the hold time. */
function observe(rig: Rig, change: () => void): FieldChange {
  const accepted = () => rig.neighbors.map((one) => rig.held(one)).join()
  const before = accepted()
  for (const one of rig.neighbors) one.heard.length = 0
  change()
  rig.pass(15_000)
  if (rig.neighbors.some(({ ended }) => ended)) return 'hard'
  const said = rig.neighbors.some((one: RawNeighbor) => one.heard.some((m) => m[18] === UPDATE || m[18] === REFRESH))
  return said || accepted() !== before ? 'soft' : 'none'
}

const REFUSALS: readonly string[] = ['value-wrong', 'field-missing', 'field-holds', 'field-unknown']

const ROWS = Object.entries(FIELD_CHANGES).flatMap(([kind, rows]) =>
  rows.map(
    (row) => [`${kind} ${row.field}${row.when === undefined ? '' : ` ${row.when}`}`, kind as Kind, row] as const,
  ),
)

describe('a change of a field does what the table says', () => {
  test.each(ROWS)('%s', (_, kind, { field, when, change }) => {
    const example = EXAMPLES[kind]?.[when === undefined ? field : `${field} ${when}`]
    if (example === undefined) throw new Error('there is no example of it')
    const rig = sessionsWith(kind, field, example)
    const after = objectOf(kind, example, example.after)
    expect(observe(rig, () => rig.feed({ kind: 'objects', changes: [upsert(after)] }))).toBe(change)
    // A value that is refused changes nothing either.
    const refused = rig.lines.filter(
      ({ code, fields }) => code === 'object-problem' && REFUSALS.includes(String(fields.problem)),
    )
    expect(refused.map(({ text }) => text)).toEqual([])
  })

  test('where nothing changes, nothing is seen', () => {
    const rig = sessionsWith('BGPPeer', '', { after: {} })
    expect(observe(rig, () => {})).toBe('none')
  })
})

/** What ends a session, or may; the last where the interface is not the one of the session. */
const ENDS = ['session-resets', 'session-removed', 'node-leaves', 'session-may-reset']
/** What no neighbor can tell. */
const UNSEEN = /has no effect here|changes (kernel routes|nftables) only|is ignored|selects other routes/

describe('`check --diff` leaves out nothing that neighbors can tell, and ends no session that stays', () => {
  test.each(ROWS)('%s', (_, kind, { field, when, change, says }) => {
    const example = EXAMPLES[kind]?.[when === undefined ? field : `${field} ${when}`]
    if (example === undefined) throw new Error('there is no example of it')
    const takeAll = objectOf('BGPFilter', example, {})
    const before = [takeAll, ...objectsOf(kind, field, example)]
    const after = [...before, objectOf(kind, example, example.after)]
    const [old, now] = [before, after].map((objects) => previewNodes(storeOf(objects), ['worker-1']))
    const lines = changeOf(old ?? [], now ?? [])
    const ends = lines.some((line) => ENDS.includes(line.kind))
    if (!UNSEEN.test(says ?? '')) expect(lines).not.toEqual([])
    if (!UNSEEN.test(says ?? '')) expect([ends, lines]).toEqual([change === 'hard', lines])
  })
})

/** Values of some field that has no effect, and of fields that once had none. */
const VALUES = [['LoadBalancer'], ['Tunnel'], 'Always', 'Never', 'all()', 'Manual', 'Debug', '192.0.2.1', 26, true]
const WITHOUT_EFFECT = ROWS.filter(([, , { says }]) => says === 'has no effect here')

test.each(WITHOUT_EFFECT)('%s: nothing is read of it', (_, kind, { field }) => {
  const read = (spec: object) => {
    const store = storeOf([objectOf(kind, { after: {} }, spec)])
    const isRefused = store.problems().some(({ code }) => REFUSALS.includes(code))
    return isRefused ? undefined : [...store.table(kind).values()]
  }
  const values = VALUES.flatMap((value) => read({ [field]: value }) ?? [])
  expect(values.length).toBeGreaterThan(0)
  const [plain] = read({}) ?? []
  for (const value of values) expect(value).toEqual(plain)
})

describe('each field of a CRD has a row, and each row a field', () => {
  const CRDS = new URL('../../deploy/crds/', import.meta.url)
  // Of what agents write, nobody changes a field.
  const crds = readdirSync(CRDS)
    .map((name) => parse(readFileSync(new URL(name, CRDS), 'utf8')))
    .filter((crd) => crd.spec.names.kind !== 'BGPNodeStatus')

  test.each(crds.map((crd) => [crd.spec.names.kind as Kind, crd] as const))('%s', (kind, crd) => {
    const { spec } = crd.spec.versions[0].schema.openAPIV3Schema.properties
    const fields = new Set((FIELD_CHANGES[kind] ?? []).map(({ field }) => field))
    expect([...fields].sort()).toEqual(Object.keys(spec.properties).sort())
  })

  test('the kinds are those of the CRDs', () => {
    expect(Object.keys(FIELD_CHANGES).sort()).toEqual(crds.map((crd) => crd.spec.names.kind).sort())
  })
})

const WORDS: Readonly<Record<FieldChange, string>> = { none: 'nothing', soft: 'routes only', hard: 'resets' }

/** One table for each kind, a line for the fields of which the same is to be said. */
function document(): string {
  return Object.entries(FIELD_CHANGES)
    .map(([kind, rows]) => {
      const groups = Map.groupBy(rows, ({ when = '', change, says = '' }) => [when, WORDS[change], says].join('\0'))
      const lines = [...groups].map(([key, group]) => {
        const [when = '', word = '', says = ''] = key.split('\0')
        const fields = group.map(({ field }) => `\`${field}\``).join(', ')
        return `| ${fields}${when === '' ? '' : `: ${when}`} | ${word} | ${says} |`
      })
      return [`### ${kind}`, '', '| field | a change | |', '| --- | --- | --- |', ...lines].join('\n')
    })
    .join('\n\n')
}

test('the page of objects has the table as it is. GODWIT_DOCS=write writes it', () => {
  const path = new URL('../../deploy/docs/objects.md', import.meta.url)
  const page = readFileSync(path, 'utf8')
  const [before = '', , after = ''] = page.split(/(?<=<!-- field changes -->\n)|(?=<!-- \/field changes -->)/)
  const today = `${before}\n${document()}\n\n${after}`
  if (process.env.GODWIT_DOCS === 'write') writeFileSync(path, today)
  else expect(page).toBe(today)
})
