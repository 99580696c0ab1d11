/** A node and two peers, services with endpoints on it, and what each peer is told: for tests of `aggregationLength`. */
import { previewNode } from '../../src/preview/node.ts'
import { storeOf } from './cluster.ts'
import { type ApiObject, bgpConfiguration, bgpPeer, endpointSlice, ipPool, node, service } from './objects.ts'

export const WORKER = node('worker', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.17.0/24', 'fd00:244:11::/64'],
})
export const POOLS = [ipPool('v4', { cidr: '10.244.0.0/16' }), ipPool('v6', { cidr: 'fd00:244::/32' })]
export const PEERS = [
  bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65001 }),
  bgpPeer('border', { peerIP: '10.0.0.2', asNumber: 65002 }),
]
export const cluster = (spec: object = {}) =>
  bgpConfiguration({
    asNumber: 64512,
    nodeToNodeMeshEnabled: false,
    serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:2::/64' }],
    serviceLoadBalancerAggregation: 'Disabled',
    ...spec,
  })

/** Each has an endpoint on the node. */
export const serviceAt = (name: string, ip: string, externalTrafficPolicy: 'Cluster' | 'Local'): ApiObject[] => [
  service(`shop/${name}`, {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.10'],
    loadBalancerIPs: [ip],
    externalTrafficPolicy,
  }),
  endpointSlice(`shop/${name}`, ip.includes(':') ? 'IPv6' : 'IPv4', [{ node: 'worker', ready: true }]),
]

/** What a peer is told, as prefixes in order. */
export function told(objects: readonly ApiObject[], peer: string): string[] {
  const { peers } = previewNode(storeOf(objects), 'worker')
  return (peers.find(({ intent }) => intent.object === peer)?.advertised ?? []).map(({ prefix }) => prefix).sort()
}
