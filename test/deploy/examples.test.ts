/** Every example, read as the agent reads it on a node it is made for: the neighbors and routes it says it gives. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { intentOf, peersOf, problemsOf, routesOf } from '../support/cluster.ts'
import { type ApiObject, node } from '../support/objects.ts'
import { DEPLOY, readManifests, schemaOf } from './support/crds.ts'
import { faults } from './support/schema.ts'

interface Example {
  readonly nodes: readonly ApiObject[]
  /** Of the first node. */
  readonly peers: readonly string[]
  readonly routes: readonly string[]
}

const RACK_1 = node('worker-1', {
  addresses: ['10.0.1.11', 'fd00:10:1::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:0:1::/64'],
  labels: { rack: '1' },
})
const RACK_2 = node('worker-2', {
  addresses: ['10.0.2.12', 'fd00:10:2::12'],
  podCIDRs: ['10.244.2.0/24', 'fd00:244:0:2::/64'],
  labels: { rack: '2' },
})
const SIX = node('worker-1', { addresses: ['2001:db8:10::11'], podCIDRs: ['2001:db8:244:1::/64'] })

const PODS = ['10.244.1.0/24', 'fd00:244:0:1::/64']
const BALANCED = ['192.0.2.0/24', '2001:db8:2::/64']
const CLUSTER_IPS = ['10.96.0.0/16', 'fd00:96::/112']

/** Two of the folders are tried whole elsewhere: by the demo and by the interop cases. */
const ELSEWHERE = ['demo', 'rack']

const EXAMPLES: Readonly<Record<string, Example>> = {
  tor: {
    nodes: [RACK_1, RACK_2],
    peers: ['Node_10_0_1_2', 'Node_10_0_1_3'],
    routes: [...PODS, ...BALANCED],
  },
  'route-reflectors': {
    nodes: [RACK_1, RACK_2],
    peers: ['Global_10_0_0_2', 'Global_10_0_0_3'],
    routes: [...PODS, ...BALANCED],
  },
  mesh: { nodes: [RACK_1, RACK_2], peers: ['Mesh_10_0_2_12'], routes: PODS },
  'ipv6-only': {
    nodes: [SIX],
    peers: ['Global_2001_db8_10__2', 'Global_2001_db8_10__3'],
    routes: ['2001:db8:244:1::/64', '2001:db8:2::/64'],
  },
  unnumbered: {
    nodes: [RACK_1],
    peers: ['Global_eth0', 'Global_eth1'],
    routes: [...PODS, ...BALANCED],
  },
  'beside-calico': { nodes: [RACK_1], peers: ['Global_10_0_0_1'], routes: [...PODS, ...CLUSTER_IPS] },
  'beside-cni': {
    nodes: [RACK_1],
    peers: ['Global_10_0_0_1'],
    routes: [...PODS, ...CLUSTER_IPS, '198.51.100.0/24'],
  },
}

test('every folder of examples is here', () => {
  expect([...Object.keys(EXAMPLES), ...ELSEWHERE].sort()).toEqual(readdirSync(join(DEPLOY, 'examples')).sort())
})

describe.each(Object.entries(EXAMPLES))('%s', (name, { nodes, peers, routes }) => {
  const objects = readManifests(`examples/${name}/bgp.yaml`) as unknown as ApiObject[]
  const [me] = nodes
  const intent = intentOf(me?.metadata.name ?? '', [...nodes, ...objects])

  test('is read without a word of complaint', () => {
    expect(problemsOf(intent)).toEqual([])
    expect([...intent.peers.values()].flatMap(({ held }) => held ?? [])).toEqual([])
  })

  test('gives the neighbors and routes it says', () => {
    expect(peersOf(intent)).toEqual([...peers].sort())
    expect(routesOf(intent)).toEqual([...routes].sort())
  })

  test('is taken by the CRDs, where they are its own', () => {
    for (const object of objects) {
      if (!object.apiVersion.startsWith('godwit.dev/')) continue
      expect(faults(schemaOf(object.kind), object), `${object.kind}/${object.metadata.name}`).toEqual([])
    }
  })
})
