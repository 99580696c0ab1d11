/**
 * The examples of Calico's documentation (docs.tigera.io, resource references and "Configure BGP peering" of v3.32), unchanged
 * and in either group: the CRDs take them, and a node has the neighbors and routes that the documentation says.
 */
import { describe, expect, test } from 'vitest'
import { previewNode } from '../../../src/preview/node.ts'
import { schemaOf } from '../../deploy/support/crds.ts'
import { faults } from '../../deploy/support/schema.ts'
import { storeOf } from '../../support/cluster.ts'
import { type ApiObject, node } from '../../support/objects.ts'

type Example = Pick<ApiObject, 'kind' | 'metadata'> & { readonly spec: unknown }

const CONFIGURATION: Example = {
  kind: 'BGPConfiguration',
  metadata: { name: 'default' },
  spec: {
    logSeverityScreen: 'Info',
    nodeToNodeMeshEnabled: true,
    nodeMeshMaxRestartTime: '120s',
    asNumber: 63400,
    serviceClusterIPs: [{ cidr: '10.96.0.0/12' }],
    serviceExternalIPs: [{ cidr: '104.244.42.129/32' }, { cidr: '172.217.3.0/24' }],
    listenPort: 178,
    bindMode: 'NodeIP',
    communities: [{ name: 'bgp-large-community', value: '63400:300:100' }],
    prefixAdvertisements: [{ cidr: '172.218.4.0/26', communities: ['bgp-large-community', '63400:120'] }],
  },
}
const PEER: Example = {
  kind: 'BGPPeer',
  metadata: { name: 'some.name' },
  spec: { node: 'rack1-host1', peerIP: '192.168.1.1', asNumber: 63400 },
}
const FILTER: Example = {
  kind: 'BGPFilter',
  metadata: { name: 'my-filter' },
  spec: {
    exportV4: [
      { action: 'Accept', matchOperator: 'In', cidr: '77.0.0.0/16', source: 'RemotePeers' },
      { action: 'Reject', interface: '*.calico' },
    ],
    importV4: [
      { action: 'Accept', matchOperator: 'In', cidr: '55.0.0.0/16', prefixLength: { min: 30 } },
      { action: 'Reject', matchOperator: 'NotIn', cidr: '44.0.0.0/16' },
    ],
    exportV6: [
      { action: 'Reject', source: 'RemotePeers' },
      { action: 'Reject', interface: '*.calico' },
    ],
    importV6: [{ action: 'Accept', matchOperator: 'Equal', cidr: '5000::0/64' }, { action: 'Reject' }],
  },
}
const POOL: Example = {
  kind: 'IPPool',
  metadata: { name: 'my.ippool-1' },
  spec: {
    cidr: '10.1.0.0/16',
    ipipMode: 'CrossSubnet',
    natOutgoing: true,
    disabled: false,
    nodeSelector: 'all()',
    allowedUses: ['Workload', 'Tunnel'],
    assignmentMode: 'Automatic',
  },
}
const GLOBAL: Example = {
  kind: 'BGPPeer',
  metadata: { name: 'my-global-peer' },
  spec: { peerIP: '192.20.30.40', asNumber: 64567 },
}
const RACK: Example = {
  kind: 'BGPPeer',
  metadata: { name: 'rack1-tor' },
  spec: { peerIP: '192.20.30.40', asNumber: 64567, nodeSelector: "rack == 'rack-1'" },
}
const REFLECTORS: Example = {
  kind: 'BGPPeer',
  metadata: { name: 'peer-with-route-reflectors' },
  spec: { nodeSelector: 'all()', peerSelector: "route-reflector == 'true'" },
}
const NO_MESH: Example = {
  kind: 'BGPConfiguration',
  metadata: { name: 'default' },
  spec: { logSeverityScreen: 'Info', nodeToNodeMeshEnabled: false, asNumber: 63400 },
}

const EXAMPLES = { CONFIGURATION, PEER, FILTER, POOL, GLOBAL, RACK, REFLECTORS, NO_MESH }
const NODES = [
  node('rack1-host1', { addresses: ['192.168.1.11'], podCIDRs: ['10.1.1.0/24'], labels: { rack: 'rack-1' } }),
  node('rack2-host1', { addresses: ['192.168.1.12'], podCIDRs: ['10.1.2.0/24'] }),
  node('reflector', {
    addresses: ['192.168.1.13'],
    podCIDRs: ['10.1.3.0/24'],
    labels: { 'route-reflector': 'true' },
    annotations: { 'projectcalico.org/RouteReflectorClusterID': '244.0.0.1' },
  }),
]

test.each(Object.entries(EXAMPLES))('the CRDs of godwit.dev take %s', (_name, example) => {
  expect(faults(schemaOf(example.kind), { apiVersion: 'godwit.dev/v1', ...example })).toEqual([])
})

describe.each(['projectcalico.org/v3', 'crd.projectcalico.org/v1', 'godwit.dev/v1'])('in %s', (apiVersion) => {
  const preview = (name: string, ...examples: readonly Example[]) => {
    const store = storeOf([...NODES, ...examples.map((example) => ({ apiVersion, ...example }))])
    const one = previewNode(store, name)
    const faulty = [...store.problems(), ...one.intent.problems].map(({ text }) => text)
    expect(faulty.filter((text) => !/has no effect|no overlay/.test(text))).toEqual([])
    return one
  }
  const peersOf = (name: string, ...examples: readonly Example[]) =>
    [...preview(name, ...examples).intent.peers.values()].map(({ name: peer, remoteAs, port }) => [
      peer,
      remoteAs,
      port,
    ])

  test('BGPConfiguration: the mesh at the port, the ranges of services, a community where it is asked for', () => {
    const one = preview('rack1-host1', CONFIGURATION)
    expect(one.intent.node).toMatchObject({ asNumber: 63400, listenPort: 178, listenAddresses: ['192.168.1.11'] })
    // A route reflector is in no mesh.
    expect(peersOf('rack1-host1', CONFIGURATION)).toEqual([['Mesh_192_168_1_12', 63400, 178]])
    expect([...one.intent.routes.keys()].sort()).toEqual(['10.1.1.0/24', '10.96.0.0/12', '172.217.3.0/24'])
    for (const { restartTime } of one.intent.peers.values()) expect(restartTime).toBe(120)
  })

  test('BGPPeer of one node, of all, of a rack', () => {
    expect(peersOf('rack1-host1', NO_MESH, PEER)).toEqual([['Node_192_168_1_1', 63400, 179]])
    expect(peersOf('rack2-host1', NO_MESH, PEER)).toEqual([])
    for (const { metadata } of NODES)
      expect(peersOf(metadata.name, NO_MESH, GLOBAL)).toEqual([['Global_192_20_30_40', 64567, 179]])
    expect(peersOf('rack1-host1', NO_MESH, RACK)).toEqual([['Node_192_20_30_40', 64567, 179]])
    expect(peersOf('rack2-host1', NO_MESH, RACK)).toEqual([])
  })

  test('route reflectors: every node peers with them, and they reflect to those that are none', () => {
    expect(peersOf('rack1-host1', NO_MESH, REFLECTORS)).toEqual([['Node_192_168_1_13', 63400, 179]])
    const peers = [...preview('reflector', NO_MESH, REFLECTORS).intent.peers.values()]
    expect(peers.map(({ name, reflection }) => [name, reflection?.client])).toEqual([
      ['Node_192_168_1_11', true],
      ['Node_192_168_1_12', true],
    ])
  })

  test('BGPFilter and IPPool: own pods are told, and the pool has NAT', () => {
    const filtered = { ...GLOBAL, spec: { ...(GLOBAL.spec as object), filters: ['my-filter'] } }
    const one = preview('rack1-host1', NO_MESH, FILTER, POOL, filtered)
    expect(one.peers.map(({ advertised }) => advertised.map(({ prefix }) => prefix))).toEqual([['10.1.1.0/24']])
    expect(one.intent.dataplane?.pools).toMatchObject([{ name: 'my.ippool-1', natOutgoing: true }])
  })
})
