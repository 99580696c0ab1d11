/** Our objects as Calico's API keeps them. */
import type { Kind } from '../../src/cluster/source.ts'
import type { ApiObject } from './objects.ts'

export const CALICOS = 'crd.projectcalico.org/v1'

const KINDS_OF_CALICO: readonly Kind[] = ['BGPConfiguration', 'BGPPeer', 'BGPFilter', 'IPPool']
/** Fields of Calico's that our own kinds have too; all others are annotations in Calico's groups. */
const FIELDS_OF_CALICO: Partial<Record<Kind, readonly string[]>> = {
  BGPConfiguration: [
    'asNumber',
    'nodeToNodeMeshEnabled',
    'serviceClusterIPs',
    'serviceExternalIPs',
    'serviceLoadBalancerIPs',
    'serviceLoadBalancerAggregation',
    'communities',
    'prefixAdvertisements',
    'listenPort',
    'bindMode',
    'nodeMeshPassword',
    'nodeMeshMaxRestartTime',
    'logSeverityScreen',
    'ignoredInterfaces',
    'localWorkloadPeeringIPV4',
    'localWorkloadPeeringIPV6',
    'programClusterRoutes',
    'ipv4NormalRoutePriority',
    'ipv6NormalRoutePriority',
  ],
  BGPPeer: [
    'node',
    'nodeSelector',
    'peerIP',
    'peerSelector',
    'asNumber',
    'localASNumber',
    'sourceAddress',
    'nextHopMode',
    'keepOriginalNextHop',
    'keepaliveTime',
    'maxRestartTime',
    'filters',
    'reversePeering',
    'numAllowedLocalASNumbers',
    'password',
    'ttlSecurity',
    'reachableBy',
    'localWorkloadSelector',
  ],
}

export function asCalicos(object: ApiObject): ApiObject {
  const { kind, metadata, spec } = object
  if (!KINDS_OF_CALICO.includes(kind)) return object
  const fields = FIELDS_OF_CALICO[kind]
  const isTheirs = ([field]: readonly [string, unknown]) => fields === undefined || fields.includes(field)
  const entries = Object.entries((spec ?? {}) as object)
  const ours = entries
    .filter((entry) => !isTheirs(entry))
    .map(([field, value]) => [`godwit.dev/${field}`, textOf(value)])
  const annotations = { ...metadata.annotations, ...Object.fromEntries(ours) }
  return {
    ...object,
    apiVersion: CALICOS,
    metadata: { ...metadata, annotations },
    spec: Object.fromEntries(entries.filter(isTheirs)),
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
