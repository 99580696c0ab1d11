/** A large cluster: as many services and endpoints as a real one was seen with, and Nodes as long as kubelets make them. */
import type { Manifest } from '../../support/api-server/store.ts'
import { bgpConfiguration, bgpPeer, node, service } from '../../support/objects.ts'

export interface Size {
  readonly services: number
  readonly nodes: number
}

/** The node whose agent is measured. */
export const NODE = 'node-00000'
export const [NODE_ADDRESS, NODE_ADDRESS_6, ROUTER_ADDRESS] = ['127.0.0.1', 'fd00:1::1:0', '127.0.0.2']
export const ROUTER_AS = 65_001
export const AGENT_AS = 64_512
const NODE_BYTES = 11_600
const ENDPOINTS = 5
/** One service in five has an address of a load balancer as well. */
const BALANCED = 5

const nameOfNode = (index: number): string => `node-${String(index).padStart(5, '0')}`
const nameOfService = (index: number): string => `shop-${index % 40}/service-${index}`
/** The first 64 bits of each IPv6 address are its own. */
const addressesOf = (index: number, pool: number): readonly [string, string] => [
  `10.${pool}.${index >> 8}.${index & 255}`,
  `fd00:${pool}:${(index >> 8).toString(16)}:${(index & 255).toString(16)}::1`,
]

/** What a kubelet keeps on its Node: images, conditions, labels. The agent needs none of it. */
export function aNode(index: number, heartbeat = 0): Manifest {
  const name = nameOfNode(index)
  const bare = node(name, {
    addresses:
      index === 0
        ? [NODE_ADDRESS, NODE_ADDRESS_6]
        : [`10.${16 + (index >> 8)}.${index & 255}.1`, `fd00:1::${index.toString(16)}`],
    podCIDRs: [`10.${128 + (index >> 8)}.${index & 255}.0/24`, `fd00:2:0:${index.toString(16)}::/64`],
    labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${index % 3}` },
  })
  const conditions = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
    type,
    status: type === 'Ready' ? 'True' : 'False',
    lastHeartbeatTime: new Date(1_790_000_000_000 + heartbeat * 1000).toISOString(),
  }))
  const digest = (at: number): string => (index * 7919 + at * 104_729).toString(16).padStart(64, 'a')
  const images: object[] = []
  for (let bytes = 1_600; bytes < NODE_BYTES; bytes += 220) {
    const at: number = images.length
    images.push({
      names: [`registry.example/team-${at}/image@sha256:${digest(at)}`, `registry.example/team-${at}/image:v1.${at}`],
      sizeBytes: 10_000_000 + at * 7919,
    })
  }
  const status = {
    ...(bare.status as object),
    conditions,
    images,
    nodeInfo: { osImage: 'Linux', kernelVersion: '6.12' },
  }
  return { ...bare, status }
}

function aService(index: number): Manifest {
  const balanced = index % BALANCED === 0
  const bare = service(nameOfService(index), {
    clusterIPs: [...addressesOf(index, 96)],
    internalTrafficPolicy: 'Local',
    ...(balanced && { type: 'LoadBalancer', loadBalancerIPs: addressesOf(index, 97), externalTrafficPolicy: 'Local' }),
  })
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }]
  return { ...bare, spec: { ...(bare.spec as object), ports, selector: { app: nameOfService(index) } } }
}

/** `here`: the first endpoint is on the node that is measured. */
export function slices(index: number, nodes: number, here = true): Manifest[] {
  const [namespace, name] = nameOfService(index).split('/') as [string, string]
  return (['IPv4', 'IPv6'] as const).map((addressType) => {
    const endpoints = Array.from({ length: ENDPOINTS }, (_, at) => {
      const on = at === 0 && here ? 0 : 1 + ((index * 31 + at * 997) % (nodes - 1))
      const [v4, v6] = addressesOf(index * ENDPOINTS + at, 128 + at)
      return {
        addresses: [addressType === 'IPv4' ? v4 : v6],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: nameOfNode(on),
        targetRef: { kind: 'Pod', name: `${name}-${at}`, namespace, uid: `uid-${index}-${at}` },
        zone: `zone-${on % 3}`,
      }
    })
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-${addressType.toLowerCase()}`,
        namespace,
        labels: {
          'kubernetes.io/service-name': name,
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid: `uid-${index}`, controller: true }],
      },
      addressType,
      endpoints,
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    }
  })
}

/** As a real server of that size holds them: one slice more than two for each service. */
export function* objectsOf({ services, nodes }: Size, routerPort: number, listenPort: number): Generator<Manifest> {
  yield bgpConfiguration({
    asNumber: AGENT_AS,
    listenPort,
    nodeToNodeMeshEnabled: false,
    serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/32' }],
    serviceLoadBalancerIPs: [{ cidr: '10.97.0.0/16' }, { cidr: 'fd00:97::/32' }],
  })
  yield bgpPeer('router', { peerIP: `${ROUTER_ADDRESS}:${routerPort}`, asNumber: ROUTER_AS })
  for (let index = 0; index < nodes; index++) yield aNode(index)
  for (let index = 0; index < services; index++) {
    yield aService(index)
    yield* slices(index, nodes)
  }
  const [one] = slices(services, nodes) as [Manifest]
  yield { ...one, metadata: { ...one.metadata, labels: {} } }
}

/** Routes to addresses of services, which the node advertises one by one. */
export const routesOf = (services: number): number => 2 * (services + Math.ceil(services / BALANCED))
