/**
 * What a change of each field of each object does to sessions that run. The table in `deploy/docs/objects.md` is made of
 * this one; `test/engine/field-changes.test.ts` changes every field on running sessions, and `interop/cases/changes.ts` those
 * that people change most beside FRR and BIRD.
 *
 * - `none`: no neighbor hears of it, now or ever, or not before its next session.
 * - `soft`: sessions stay. Routes are advertised, withdrawn or judged anew.
 * - `hard`: sessions that the field is about end, and begin again where they still should.
 *
 * A row speaks for the fields inside its field too, unless they have rows of their own.
 */
import type { Kind } from './source.ts'

export type FieldChange = 'none' | 'soft' | 'hard'

interface FieldRow {
  readonly field: string
  /** Which change of it; any unless said. */
  readonly when?: string
  readonly change: FieldChange
  /** What else is to be known. */
  readonly says?: string
}

const NEXT_SESSION = 'applies from the next session on'
const NOT_ACTED_ON = 'has no effect here'
const SET_ANEW = 'set on sockets that stand, without a reset on this side'

const rows = (change: FieldChange, says: string | undefined, ...fields: readonly string[]): readonly FieldRow[] =>
  fields.map((field) => ({ field, change, ...(says !== undefined && { says }) }))

export const FIELD_CHANGES: Readonly<Partial<Record<Kind, readonly FieldRow[]>>> = {
  BGPConfiguration: [
    ...rows('hard', 'all sessions', 'asNumber'),
    ...rows('hard', 'sessions of the mesh begin or end', 'nodeToNodeMeshEnabled'),
    { field: 'nodeMeshPassword', when: 'given or taken away', change: 'hard', says: 'sessions of the mesh' },
    { field: 'nodeMeshPassword', when: 'another Secret or key', change: 'none', says: SET_ANEW },
    { field: 'nodeMeshMaxRestartTime', when: 'to or from 0', change: 'hard', says: 'sessions of the mesh' },
    { field: 'nodeMeshMaxRestartTime', when: 'another number', change: 'none', says: NEXT_SESSION },
    ...rows('none', 'BFD follows at once; what it implies in OPEN, from the next session on', 'nodeMeshBFD'),
    ...rows('soft', undefined, 'nodeMeshFilters'),
    ...rows('soft', undefined, 'serviceClusterIPs', 'serviceExternalIPs', 'serviceLoadBalancerIPs'),
    ...rows('soft', undefined, 'serviceLoadBalancerAggregation', 'loadBalancerClasses', 'serviceOptIn'),
    ...rows('soft', 'services are withdrawn while the check fails', 'serviceHealthCheck'),
    ...rows('none', 'judges what flaps from then on', 'serviceDamping'),
    ...rows('soft', undefined, 'communities', 'prefixAdvertisements', 'podCIDRSource', 'podCIDRs'),
    ...rows('none', 'the listener moves; sessions that stand stay', 'listenPort', 'bindMode'),
    ...rows('none', 'which routes are used; neighbors hear what is best', 'multipath', 'preferOldestPath'),
    ...rows('none', 'which routes are used', 'recursiveNextHops'),
    ...rows('none', 'a smaller limit refuses routes that come', 'maxRouteMemoryMiB'),
    ...rows('hard', 'on a Node that has the taint: it leaves', 'leaveOnTaint'),
    ...rows('none', 'routes of the kernel alone', 'nodeRoutes', 'programClusterRoutes'),
    ...rows('none', 'nftables alone', 'natOutgoingExclusions', 'serviceLoopPrevention'),
    ...rows('none', NOT_ACTED_ON, 'logSeverityScreen', 'ignoredInterfaces'),
    ...rows('none', NOT_ACTED_ON, 'localWorkloadPeeringIPV4', 'localWorkloadPeeringIPV6'),
    ...rows('none', NOT_ACTED_ON, 'ipv4NormalRoutePriority', 'ipv6NormalRoutePriority'),
  ],
  BGPPeer: [
    ...rows('hard', 'on the nodes that are selected no longer', 'node', 'nodeSelector'),
    ...rows('hard', 'another neighbor', 'peerIP', 'interface', 'peerSelector', 'peerRange'),
    ...rows('hard', 'another neighbor', 'peerIPFrom', 'gatewayFamilies'),
    ...rows('hard', 'on the nodes that are the other end', 'reversePeering'),
    ...rows('hard', undefined, 'asNumber', 'remoteAS', 'localASNumber', 'asNumberFrom', 'localASNumberFrom'),
    ...rows('hard', 'where the interface has another address than the session', 'sourceInterface'),
    ...rows('hard', undefined, 'sourceAddress', 'addressFamilies', 'addPath', 'extendedNextHop', 'role', 'strictRole'),
    { field: 'password', when: 'given or taken away', change: 'hard' },
    { field: 'password', when: 'another Secret or key', change: 'none', says: SET_ANEW },
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
    ...rows('none', `${SET_ANEW}; a router that does not send with TTL 255 is heard no longer`, 'ttlSecurity'),
    ...rows('none', 'BFD follows at once; what it implies in OPEN, from the next session on', 'bfd'),
    ...rows('none', 'one that is exceeded already ends the session', 'maxPrefixes'),
    ...rows('none', 'a smaller limit refuses routes that come', 'maxRouteMemoryMiB'),
    ...rows('none', 'sessions above a smaller limit stay', 'peerRangeLimit'),
    ...rows('soft', undefined, 'filters', 'advertiseLearned', 'nextHopMode', 'keepOriginalNextHop', 'drain'),
    ...rows('soft', 'routes are judged anew', 'numAllowedLocalASNumbers'),
    ...rows('none', NOT_ACTED_ON, 'reachableBy', 'localWorkloadSelector'),
  ],
  BGPFilter: rows('soft', undefined, 'exportV4', 'exportV6', 'importV4', 'importV6'),
  BGPAdvertisement: [
    ...rows('soft', undefined, 'nodeSelector', 'routes', 'peers', 'peerSelector'),
    ...rows('soft', undefined, 'communities', 'localPreference', 'med', 'prependASPath', 'nextHop'),
  ],
  IPPool: [
    ...rows('soft', 'routes of the range are accepted, or no longer', 'cidr', 'disableBGPExport'),
    ...rows('none', 'nftables alone', 'natOutgoing', 'nat', 'disabled'),
    ...rows('none', NOT_ACTED_ON, 'allowedUses', 'ipipMode', 'vxlanMode', 'blockSize', 'nodeSelector'),
    ...rows('none', NOT_ACTED_ON, 'namespaceSelector', 'assignmentMode'),
  ],
}
