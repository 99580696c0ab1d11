/** Kubernetes objects as the API serves them, for tests: say only what matters. */
import type { Kind, ObjectChange } from '../../src/cluster/source.ts'

export interface ApiObject {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

type Metadata = Partial<ApiObject['metadata']>

const OUR_GROUP = 'godwit.dev/v1'

export interface NodeOptions extends Metadata {
  readonly addresses?: readonly string[]
  readonly podCIDRs?: readonly string[]
}

export function node(name: string, { addresses = [], podCIDRs = [], ...metadata }: NodeOptions = {}): ApiObject {
  const [podCIDR] = podCIDRs
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...metadata },
    spec: { ...(podCIDR !== undefined && { podCIDR, podCIDRs }) },
    status: {
      addresses: [
        ...addresses.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: name },
      ],
    },
  }
}

export interface ServiceOptions {
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  readonly clusterIPs?: readonly string[]
  readonly externalIPs?: readonly string[]
  readonly loadBalancerIPs?: readonly string[]
  /** Of all of them. */
  readonly ipMode?: 'VIP' | 'Proxy'
  readonly externalTrafficPolicy?: 'Cluster' | 'Local'
  readonly internalTrafficPolicy?: 'Cluster' | 'Local'
}

/** `name` is `shop/web`. */
export function service(name: string, options: ServiceOptions = {}): ApiObject {
  const { type = 'ClusterIP', clusterIPs = [], externalIPs, loadBalancerIPs = [], ipMode, ...policies } = options
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: namespaced(name),
    spec: { type, clusterIP: clusterIPs[0], clusterIPs, ...(externalIPs && { externalIPs }), ...policies },
    status: { loadBalancer: { ingress: loadBalancerIPs.map((ip) => ({ ip, ...(ipMode && { ipMode }) })) } },
  }
}

export interface Endpoint {
  readonly node?: string
  readonly ready?: boolean | null
  readonly serving?: boolean | null
  readonly terminating?: boolean | null
}

/** `service` is `shop/web`; the slice is `web-ipv4` of the namespace `shop` unless `name` says otherwise. */
export function endpointSlice(
  service: string,
  addressType: 'IPv4' | 'IPv6' | 'FQDN',
  endpoints: readonly Endpoint[],
  name = `${service}-${addressType.toLowerCase()}`,
): ApiObject {
  const { name: serviceName } = namespaced(service)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...namespaced(name), labels: { 'kubernetes.io/service-name': serviceName } },
    addressType,
    endpoints: endpoints.map(({ node: nodeName, ...conditions }, index) => ({
      addresses: [addressType === 'IPv6' ? `fd00::${index + 1}` : `10.244.0.${index + 1}`],
      ...(nodeName !== undefined && { nodeName }),
      conditions,
    })),
    ports: [{ port: 8080, protocol: 'TCP' }],
  }
}

export interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>
  readonly node?: string
  readonly addresses?: readonly string[]
  /** Undefined: it has no such condition. */
  readonly ready?: boolean
  readonly hostNetwork?: boolean
  readonly terminating?: boolean
}

/** `name` is `infra/dns-1`. */
export function pod(name: string, options: PodOptions = {}): ApiObject {
  const { labels = {}, node: nodeName, addresses = [], ready, hostNetwork, terminating } = options
  const deletionTimestamp = terminating === true && { deletionTimestamp: '2026-01-01T00:00:00Z' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...namespaced(name), labels, ...deletionTimestamp },
    spec: { nodeName, hostNetwork },
    status: {
      podIP: addresses[0],
      podIPs: addresses.map((ip) => ({ ip })),
      conditions: ready === undefined ? [] : [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

export const bgpConfiguration = (spec: object, name = 'default'): ApiObject => ours('BGPConfiguration', name, spec)

export const bgpPeer = (name: string, spec: object, metadata: Metadata = {}): ApiObject =>
  ours('BGPPeer', name, spec, metadata)

export const bgpFilter = (name: string, spec: object): ApiObject => ours('BGPFilter', name, spec)

export const bgpAdvertisement = (name: string, spec: object): ApiObject => ours('BGPAdvertisement', name, spec)

export const ipPool = (name: string, spec: object): ApiObject => ours('IPPool', name, spec)

export const secret = (name: string, data: Readonly<Record<string, string>>): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: namespaced(name),
  data,
})

function ours(kind: Kind, name: string, spec: object, metadata: Metadata = {}): ApiObject {
  return { apiVersion: OUR_GROUP, kind, metadata: { name, ...metadata }, spec }
}

function namespaced(name: string): { readonly name: string; readonly namespace: string } {
  const [namespace = '', rest = ''] = name.split('/')
  return { namespace, name: rest }
}

const refOf = ({ kind, metadata }: ApiObject) => ({ kind, namespace: metadata.namespace ?? '', name: metadata.name })

export const upsert = (object: ApiObject, from?: string): ObjectChange => ({
  kind: 'upsert',
  ref: refOf(object),
  object,
  from,
})

export const remove = (object: ApiObject): ObjectChange => ({ kind: 'delete', ref: refOf(object) })

/** The whole of one kind. */
export const replace = (of: Kind, objects: readonly ApiObject[], from?: (index: number) => string): ObjectChange => ({
  kind: 'replace',
  of,
  objects: objects.map((object, index) => ({ ref: refOf(object), object, from: from?.(index) })),
})
