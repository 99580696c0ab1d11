/**
 * Objects as Calico's groups hold them: their API takes more than ours does, older versions took more still, and calicoctl writes
 * labels of Nodes where Kubernetes has none.
 */
import { describe, expect, test } from 'vitest'
import { parseObject } from '../../../src/cluster/parse/object.ts'
import type { Kind } from '../../../src/cluster/source.ts'
import { intentOf, peersOf, problemsOf } from '../../support/cluster.ts'
import { type ApiObject, node } from '../../support/objects.ts'

const GROUPS = ['projectcalico.org/v3', 'crd.projectcalico.org/v1']

function read(kind: Kind, apiVersion: string, spec: object) {
  const name = kind === 'BGPConfiguration' || kind === 'FelixConfiguration' ? 'default' : 'one'
  return parseObject({ kind, namespace: '', name }, { apiVersion, kind, metadata: { name }, spec })
}

const RULE = { action: 'Accept' }
const PEER = { peerIP: '10.0.0.1', asNumber: 65000 }
/** The kind, an object without the field, and the same with it empty. */
const EMPTY: readonly (readonly [Kind, spec: object, empty: object])[] = [
  ...['logSeverityScreen', 'serviceLoadBalancerAggregation', 'bindMode', 'programClusterRoutes'].map(
    (field) => ['BGPConfiguration', { asNumber: 64512 }, { asNumber: 64512, [field]: '' }] as const,
  ),
  ...['localWorkloadPeeringIPV4', 'localWorkloadPeeringIPV6', 'nodeMeshMaxRestartTime'].map(
    (field) => ['BGPConfiguration', {}, { [field]: '' }] as const,
  ),
  ...['serviceClusterIPs', 'serviceExternalIPs', 'serviceLoadBalancerIPs'].map(
    (field) => ['BGPConfiguration', { [field]: [{}] }, { [field]: [{ cidr: '' }] }] as const,
  ),
  ...['node', 'nodeSelector', 'peerSelector', 'nextHopMode', 'sourceAddress'].map(
    (field) => ['BGPPeer', PEER, { ...PEER, [field]: '' }] as const,
  ),
  ...['reachableBy', 'localWorkloadSelector', 'reversePeering', 'maxRestartTime', 'keepaliveTime'].map(
    (field) => ['BGPPeer', PEER, { ...PEER, [field]: '' }] as const,
  ),
  ...[{}, { cidr: '' }, { communities: ['64512:1'] }].map(
    (entry) => ['BGPConfiguration', { prefixAdvertisements: [] }, { prefixAdvertisements: [entry] }] as const,
  ),
  ['BGPPeer', PEER, { ...PEER, keepaliveTime: '0s' }],
  ['BGPPeer', { peerSelector: 'all()' }, { peerSelector: 'all()', peerIP: '', asNumber: 0 }],
  ['BGPPeer', PEER, { ...PEER, localASNumber: 0 }],
  ...['source', 'interface', 'peerType'].map(
    (field) => ['BGPFilter', { exportV4: [RULE] }, { exportV4: [{ ...RULE, [field]: '' }] }] as const,
  ),
  ['BGPFilter', { importV6: [RULE] }, { importV6: [{ ...RULE, cidr: '', matchOperator: '' }] }],
  [
    'BGPFilter',
    { importV4: [{ ...RULE, cidr: '10.0.0.0/8', matchOperator: 'Equal' }] },
    { importV4: [{ ...RULE, cidr: '10.0.0.0/8', matchOperator: 'Equal', prefixLength: {} }] },
  ],
  ...['vxlanMode', 'ipipMode', 'nodeSelector', 'namespaceSelector', 'assignmentMode'].map(
    (field) => ['IPPool', { cidr: '10.244.0.0/16' }, { cidr: '10.244.0.0/16', [field]: '' }] as const,
  ),
  ...['natPortRange', 'natOutgoingAddress', 'natOutgoingExclusions', 'serviceLoopPrevention'].map(
    (field) => ['FelixConfiguration', {}, { [field]: '' }] as const,
  ),
]

describe.each(GROUPS)('in %s', (apiVersion) => {
  test.each(EMPTY)('%s: what is empty is not there: %j, %j', (kind, spec, empty) => {
    const [without, with_] = [read(kind, apiVersion, spec), read(kind, apiVersion, empty)]
    expect(with_).toEqual(without)
    expect(with_.value).toBeDefined()
  })

  test.each([
    ['1m30.5s', 91],
    ['1500ms', 2],
    ['2m0s', 120],
    ['1h', 3600],
    ['120s', 120],
    ['120', 120],
    ['1e3s', undefined],
    ['5 s', undefined],
    ['1.5', undefined],
  ])('a time of %s is %s seconds, as Calico rounds it', (text, seconds) => {
    expect(read('BGPPeer', apiVersion, { ...PEER, maxRestartTime: text }).value).toEqual(
      seconds === undefined ? undefined : expect.objectContaining({ restartTime: seconds }),
    )
    expect(read('BGPConfiguration', apiVersion, { nodeMeshMaxRestartTime: text }).value).toEqual(
      seconds === undefined ? undefined : expect.objectContaining({ meshRestartTime: seconds }),
    )
  })

  test('what an older API has left in a pool is nothing', () => {
    const old = { cidr: '10.244.0.0/16', ipip: { enabled: true, mode: 'always' }, 'nat-outgoing': true }
    expect(read('IPPool', apiVersion, old)).toEqual(read('IPPool', apiVersion, { cidr: '10.244.0.0/16' }))
  })

  test('the newer word for the next hop counts beside the older one', () => {
    const both = read('BGPPeer', apiVersion, { ...PEER, keepOriginalNextHop: true, nextHopMode: 'Self' })
    expect(both.value).toMatchObject({ nextHop: 'self' })
  })
})

describe('labels that calicoctl set', () => {
  const calicoctl = (labels: string) => ({ annotations: { 'projectcalico.org/labels': labels } })
  const one = node('one', { addresses: ['10.0.0.1'], labels: { rack: 'a' } })
  const reflectors = (apiVersion: string): ApiObject[] => [
    { apiVersion, kind: 'BGPConfiguration', metadata: { name: 'default' }, spec: { nodeToNodeMeshEnabled: false } },
    {
      apiVersion,
      kind: 'BGPPeer',
      metadata: { name: 'reflectors' },
      spec: { nodeSelector: "rack == 'a'", peerSelector: "route-reflector == 'true'" },
    },
  ]

  test.each(GROUPS)('count for the selectors of %s', (apiVersion) => {
    const other = node('two', { addresses: ['10.0.0.2'], ...calicoctl('{"route-reflector":"true"}') })
    expect(peersOf(intentOf('one', [...reflectors(apiVersion), one, other]))).toEqual(['Node_10_0_0_2'])
  })

  test('do not come before those of Kubernetes', () => {
    const labels = { 'route-reflector': 'false' }
    const other = node('two', { addresses: ['10.0.0.2'], labels, ...calicoctl('{"route-reflector":"true"}') })
    expect(peersOf(intentOf('one', [...reflectors(GROUPS[0] as string), one, other]))).toEqual([])
  })

  test.each(['no JSON', '{"a":1}', '[]', '"a"'])('that cannot be read are named, and all others count: %s', (text) => {
    const faulty = node('one', { addresses: ['10.0.0.1'], labels: { rack: 'a' }, ...calicoctl(text) })
    const other = node('two', { addresses: ['10.0.0.2'], labels: { 'route-reflector': 'true' } })
    const intent = intentOf('one', [...reflectors(GROUPS[0] as string), faulty, other])
    expect(peersOf(intent)).toEqual(['Node_10_0_0_2'])
    expect(problemsOf(intent)).toEqual([
      'Node/one metadata.annotations[projectcalico.org/labels]: is not JSON with texts; its labels are ignored',
    ])
  })
})

describe('labels and annotations that Calico keeps in one annotation', () => {
  const KEPT = 'projectcalico.org/metadata'
  const peer = (apiVersion: string, metadata: object) =>
    parseObject(
      { kind: 'BGPPeer', namespace: '', name: 'one' },
      { apiVersion, kind: 'BGPPeer', metadata: { name: 'one', ...metadata }, spec: PEER },
    )
  const kept = (metadata: object) => ({ annotations: { [KEPT]: JSON.stringify(metadata) } })

  test('count as those of the object in the group where it does so, and come first', () => {
    const said = kept({ creationTimestamp: null, labels: { a: '1' }, annotations: { 'godwit.dev/holdTime': '30s' } })
    const beside = { labels: { a: '0', b: '2' }, annotations: { ...said.annotations, 'godwit.dev/drain': 'true' } }
    expect(peer('crd.projectcalico.org/v1', beside)).toMatchObject({
      value: { labels: { a: '1', b: '2' }, holdTime: 30, drain: true },
      problems: [],
    })
    expect(peer('projectcalico.org/v3', beside).value).toMatchObject({ labels: { a: '0', b: '2' }, drain: true })
    expect(peer('projectcalico.org/v3', beside).value?.holdTime).toBeUndefined()
  })

  test('a fault in them has the name of the place where the person sees it', () => {
    const { problems } = peer('crd.projectcalico.org/v1', kept({ annotations: { 'godwit.dev/holdTime': 'soon' } }))
    expect(problems.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^BGPPeer\/one metadata\.annotations\[godwit\.dev\/holdTime\]: "soon"/),
    ])
  })

  test.each(['no JSON', '[]', '"a"', 'null', ''])(
    'that cannot be read are named, and the object counts: %s',
    (text) => {
      const { value, problems } = peer('crd.projectcalico.org/v1', { annotations: { [KEPT]: text } })
      expect(value).toMatchObject({ remote: { address: '10.0.0.1' } })
      expect(problems.map((problem) => problem.text)).toEqual([
        `BGPPeer/one metadata.annotations[${KEPT}]: is not JSON of an object; the labels and annotations that Calico keeps there are ignored`,
      ])
    },
  )

  test.each([{}, { labels: null, annotations: 'x' }, { labels: 3 }])('without any say nothing: %j', (metadata) => {
    expect(peer('crd.projectcalico.org/v1', kept(metadata))).toMatchObject({ value: { labels: {} }, problems: [] })
  })
})
