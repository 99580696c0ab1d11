/**
 * What a change of each field of each object does to running sessions. The table in `deploy/docs/objects.md` is generated
 * from this one; `test/engine/field-changes.long.test.ts` changes every field on running sessions, and
 * `interop/cases/changes.ts` changes the most common ones on sessions with FRR and BIRD.
 *
 * - `none`: sessions stay, and the change concerns only this node or the next session.
 * - `soft`: sessions stay. Routes are advertised, withdrawn or evaluated again.
 * - `hard`: the sessions that the field applies to end, and are started again where they are still configured.
 *
 * A row applies to the fields inside its field too, unless they have rows of their own.
 */
import type { Kind } from './source.ts'

export type FieldChange = 'none' | 'soft' | 'hard'

interface FieldRow {
  readonly field: string
  /** The kind of change that the row is about; absent: any change. */
  readonly when?: string
  readonly change: FieldChange
  /** The note in the last column of the table. */
  readonly says?: string
}

const NEXT_SESSION = 'applies from the next session on'
const NOT_ACTED_ON = 'has no effect here'
const SET_ANEW = 'set on open sockets, without a reset on this side'
const NEW_IDS = 'set on open sockets, without a reset; another key under the same ID applies from the next session on'

const rows = (change: FieldChange, says: string | undefined, ...fields: readonly string[]): readonly FieldRow[] =>
  fields.map((field) => ({ field, change, ...(says !== undefined && { says }) }))

export const FIELD_CHANGES: Readonly<Partial<Record<Kind, readonly FieldRow[]>>> = {
  BGPConfiguration: [
    ...rows('hard', 'all sessions', 'asNumber'),
    ...rows('hard', 'sessions of the mesh begin or end', 'nodeToNodeMeshEnabled'),
    { field: 'nodeMeshPassword', when: 'added or removed', change: 'hard', says: 'sessions of the mesh' },
    { field: 'nodeMeshPassword', when: 'another Secret or key', change: 'none', says: SET_ANEW },
    { field: 'nodeMeshKeyChain', when: 'added or removed', change: 'hard', says: 'sessions of the mesh' },
    { field: 'nodeMeshKeyChain', when: 'other keys', change: 'none', says: NEW_IDS },
    { field: 'nodeMeshMaxRestartTime', when: 'to or from 0', change: 'hard', says: 'sessions of the mesh' },
    { field: 'nodeMeshMaxRestartTime', when: 'another number', change: 'none', says: NEXT_SESSION },
    ...rows('none', 'BFD follows at once; what it implies in OPEN, from the next session on', 'nodeMeshBFD'),
    ...rows('soft', undefined, 'nodeMeshFilters'),
    ...rows('soft', undefined, 'serviceClusterIPs', 'serviceExternalIPs', 'serviceLoadBalancerIPs'),
    ...rows('soft', undefined, 'serviceLoadBalancerAggregation', 'loadBalancerClasses', 'serviceOptIn'),
    ...rows('none', 'services are withdrawn while the check fails', 'serviceHealthCheck'),
    ...rows('none', 'applies to flaps from then on', 'serviceDamping'),
    ...rows('soft', undefined, 'communities', 'prefixAdvertisements', 'podCIDRSource', 'podCIDRs'),
    ...rows('none', 'the listener moves; running sessions stay', 'listenPort', 'bindMode'),
    ...rows('none', 'selects other routes; neighbors receive a new best path', 'multipath', 'preferOldestPath'),
    ...rows('none', 'selects other routes', 'recursiveNextHops'),
    ...rows('none', 'a smaller limit rejects new routes', 'maxRouteMemoryMiB'),
    ...rows('hard', 'on a Node that has the taint: it leaves', 'leaveOnTaint'),
    ...rows('none', 'changes kernel routes only', 'nodeRoutes', 'programClusterRoutes'),
    ...rows('none', 'changes nftables only', 'natOutgoingExclusions', 'serviceLoopPrevention'),
    ...rows('none', NOT_ACTED_ON, 'logSeverityScreen', 'ignoredInterfaces'),
    ...rows('none', NOT_ACTED_ON, 'localWorkloadPeeringIPV4', 'localWorkloadPeeringIPV6'),
    ...rows('none', NOT_ACTED_ON, 'ipv4NormalRoutePriority', 'ipv6NormalRoutePriority'),
  ],
  BGPPeer: [
    ...rows('hard', 'on nodes that are no longer selected', 'node', 'nodeSelector'),
    ...rows('hard', 'another neighbor', 'peerIP', 'interface', 'peerSelector', 'peerRange'),
    ...rows('hard', 'another neighbor', 'peerIPFrom', 'gatewayFamilies'),
    ...rows('hard', 'on the nodes that are the other end', 'reversePeering'),
    ...rows('hard', 'where it is another number than that of the session', 'asNumber', 'remoteAS', 'asNumberFrom'),
    ...rows('hard', 'where it is another number than that of the session', 'localASNumber', 'localASNumberFrom'),
    ...rows('hard', 'where the interface has another address than the session', 'sourceInterface'),
    { field: 'sourceAddress', when: 'None', change: 'none', says: NEXT_SESSION },
    { field: 'sourceAddress', when: 'UseNodeIP', change: 'hard', says: 'where the session has another address' },
    ...rows('hard', undefined, 'addressFamilies', 'addPath', 'extendedNextHop'),
    ...rows('hard', 'not with an internal neighbor, which has no role', 'role'),
    { field: 'strictRole', when: 'true', change: 'hard', says: 'where the neighbor announces no role' },
    { field: 'strictRole', when: 'false', change: 'none', says: NEXT_SESSION },
    { field: 'password', when: 'added or removed', change: 'hard' },
    { field: 'password', when: 'another Secret or key', change: 'none', says: SET_ANEW },
    { field: 'keyChain', when: 'added or removed', change: 'hard' },
    { field: 'keyChain', when: 'other keys', change: 'none', says: NEW_IDS },
    { field: 'maxRestartTime', when: 'to or from 0', change: 'hard' },
    { field: 'maxRestartTime', when: 'another number', change: 'none', says: NEXT_SESSION },
    ...rows(
      'none',
      NEXT_SESSION,
      'longLivedStaleTime',
      'holdTime',
      'keepaliveTime',
      'connectRetryTime',
      'passive',
      'fastExternalFailover',
    ),
    ...rows('none', `${SET_ANEW}; packets of a router that does not send with TTL 255 are dropped`, 'ttlSecurity'),
    ...rows('none', 'BFD follows at once; what it implies in OPEN, from the next session on', 'bfd'),
    ...rows('none', 'a limit that is already exceeded ends the session', 'maxPrefixes'),
    ...rows('none', 'a smaller limit rejects new routes', 'maxRouteMemoryMiB'),
    ...rows('none', 'sessions above a smaller limit stay', 'peerRangeLimit'),
    ...rows('soft', undefined, 'filters', 'advertiseLearned', 'nextHopMode', 'keepOriginalNextHop', 'drain'),
    ...rows('soft', 'learned routes are evaluated again', 'numAllowedLocalASNumbers'),
    { field: 'localWorkloadSelector', when: 'added', change: 'hard', says: 'a BGPPeer with it is ignored' },
    { field: 'localWorkloadSelector', when: 'another selector', change: 'none', says: 'a BGPPeer with it is ignored' },
    ...rows('none', NOT_ACTED_ON, 'reachableBy'),
  ],
  BGPFilter: rows('soft', undefined, 'exportV4', 'exportV6', 'importV4', 'importV6'),
  BGPAdvertisement: [
    ...rows('soft', undefined, 'nodeSelector', 'routes', 'peers', 'peerSelector'),
    ...rows('soft', undefined, 'communities', 'localPreference', 'med', 'prependASPath', 'nextHop'),
    ...rows('soft', undefined, 'aggregationLength'),
  ],
  IPPool: [
    ...rows('soft', 'routes of the range are accepted, or no longer', 'cidr', 'disableBGPExport'),
    ...rows('none', 'changes nftables only', 'natOutgoing', 'nat', 'disabled'),
    ...rows(
      'soft',
      'LoadBalancer alone: no pool of pods, for BGPAdvertisements, service ranges and NAT',
      'allowedUses',
    ),
    ...rows('none', NOT_ACTED_ON, 'ipipMode', 'vxlanMode', 'blockSize', 'nodeSelector'),
    ...rows('none', NOT_ACTED_ON, 'namespaceSelector', 'assignmentMode'),
  ],
}
