// A cluster's objects as a folder of files, one object each, changed atomically; and short makers for the objects the cases use.

import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Family, Host } from './lab.ts'

export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export class Manifests {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  async put(...objects: readonly KubeObject[]): Promise<void> {
    await mkdir(this.directory, { recursive: true })
    for (const object of objects) {
      const file = this.file(object)
      const half = join(this.directory, '..', `half-${object.kind}-${object.metadata.name}`)
      // JSON is YAML; the temporary file lies outside, so that only whole files are ever seen inside.
      await writeFile(half, JSON.stringify(object, undefined, 2))
      await rename(half, file)
    }
  }

  remove(object: KubeObject): Promise<void> {
    return rm(this.file(object))
  }

  private file({ kind, metadata }: KubeObject): string {
    return join(this.directory, `${kind}-${metadata.name}.yaml`.toLowerCase())
  }
}

const OURS = 'godwit.dev/v1'

export const kubeNode = (
  host: Pick<Host, 'name' | Family>,
  podCIDRs: readonly string[],
  labels: Readonly<Record<string, string>> = {},
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: host.name, labels: { 'kubernetes.io/hostname': host.name, ...labels } },
  spec: { podCIDR: podCIDRs[0], podCIDRs },
  status: {
    addresses: [
      { type: 'Hostname', address: host.name },
      ...[host.ipv4, host.ipv6].filter((address) => address !== '').map((address) => ({ type: 'InternalIP', address })),
    ],
  },
})

export const bgpConfiguration = (spec: Readonly<Record<string, unknown>>): KubeObject => ({
  apiVersion: OURS,
  kind: 'BGPConfiguration',
  metadata: { name: 'default' },
  spec: { asNumber: 64512, nodeToNodeMeshEnabled: false, ...spec },
})

export const bgpPeer = (
  name: string,
  peerIP: string,
  asNumber: number,
  spec: Readonly<Record<string, unknown>> = {},
): KubeObject => ({
  apiVersion: OURS,
  kind: 'BGPPeer',
  metadata: { name },
  spec: { peerIP, asNumber, ...spec },
})

export const bgpAdvertisement = (name: string, spec: Readonly<Record<string, unknown>>): KubeObject => ({
  apiVersion: OURS,
  kind: 'BGPAdvertisement',
  metadata: { name },
  spec,
})

export const bgpFilter = (name: string, spec: Readonly<Record<string, unknown>>): KubeObject => ({
  apiVersion: OURS,
  kind: 'BGPFilter',
  metadata: { name },
  spec,
})

export const ipPool = (name: string, cidr: string, spec: Readonly<Record<string, unknown>> = {}): KubeObject => ({
  apiVersion: OURS,
  kind: 'IPPool',
  metadata: { name },
  spec: { cidr, ...spec },
})

/** A key of TCP-MD5 in the agent's own namespace. */
export const secret = (name: string, values: Readonly<Record<string, string>>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'godwit' },
  stringData: values,
})

export interface ServiceShape {
  readonly name: string
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
  readonly clusterIPs: readonly string[]
  readonly externalIPs?: readonly string[]
  readonly loadBalancerIPs?: readonly string[]
  readonly ipMode?: 'VIP' | 'Proxy'
  readonly externalTrafficPolicy?: 'Cluster' | 'Local'
  readonly internalTrafficPolicy?: 'Cluster' | 'Local'
}

const NAMESPACE = 'shop'

export const service = (shape: ServiceShape): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: shape.name, namespace: NAMESPACE },
  spec: {
    type: shape.type,
    clusterIP: shape.clusterIPs[0],
    clusterIPs: shape.clusterIPs,
    ipFamilies: shape.clusterIPs.map((address) => (address.includes(':') ? 'IPv6' : 'IPv4')),
    internalTrafficPolicy: shape.internalTrafficPolicy ?? 'Cluster',
    ...(shape.type === 'ClusterIP' ? {} : { externalTrafficPolicy: shape.externalTrafficPolicy ?? 'Cluster' }),
    ...(shape.externalIPs === undefined ? {} : { externalIPs: shape.externalIPs }),
    ports: [{ port: 80, protocol: 'TCP' }],
  },
  status: {
    loadBalancer: {
      ingress: (shape.loadBalancerIPs ?? []).map((ip) => ({ ip, ...(shape.ipMode && { ipMode: shape.ipMode }) })),
    },
  },
})

export interface EndpointShape {
  readonly address: string
  readonly node: string
  readonly ready?: boolean
  /** It ends, and serves until then. */
  readonly terminating?: boolean
}

export interface PodShape {
  readonly name: string
  readonly node: string
  readonly labels: Readonly<Record<string, string>>
  readonly addresses: readonly string[]
  readonly ready: boolean
}

export const kubePod = ({ name, node, labels, addresses, ready }: PodShape): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: NAMESPACE, labels },
  spec: { nodeName: node },
  status: {
    podIPs: addresses.map((ip) => ({ ip })),
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
})

export const endpointSlice = (
  serviceName: string,
  family: 'IPv4' | 'IPv6',
  endpoints: readonly EndpointShape[],
): KubeObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `${serviceName}-${family.toLowerCase()}`,
    namespace: NAMESPACE,
    labels: { 'kubernetes.io/service-name': serviceName },
  },
  addressType: family,
  endpoints: endpoints.map(({ address, node, ready = true, terminating = false }) => ({
    addresses: [address],
    nodeName: node,
    conditions: { ready, serving: ready || terminating, terminating },
  })),
  ports: [{ port: 80, protocol: 'TCP' }],
})
