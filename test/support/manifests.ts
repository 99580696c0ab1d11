/** Small objects for tests of sources. */
import type { Manifest } from './api-server/store.ts'

export const peer = (name: string, spec: unknown = { peerIP: '10.0.0.1', asNumber: 64512 }): Manifest => ({
  apiVersion: 'godwit.dev/v1',
  kind: 'BGPPeer',
  metadata: { name },
  spec,
})

export const service = (namespace: string, name: string, clusterIP = '10.96.0.1'): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, labels: { app: name } },
  spec: { clusterIP, clusterIPs: [clusterIP], type: 'ClusterIP' },
})

export const slice = (namespace: string, name: string, address: string, ready = true): Manifest => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  endpoints: [{ addresses: [address], conditions: { ready }, nodeName: 'worker-1' }],
})

export const node = (name: string, podCIDR = '10.244.0.0/24'): Manifest => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { podCIDR, podCIDRs: [podCIDR] },
  status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
})
