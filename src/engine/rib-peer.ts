/** What the RIB has to know of an established session: the identity of the neighbor, its policies, limits and next hops. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { ImportSide, RibPeer } from '../bgp/rib/types.ts'
import type { Session } from '../bgp/session/types.ts'
import type { NodeIntent, PeerIntent, PrefixLimit } from '../cluster/intent.ts'
import { type Neighbor, policyOf } from './neighbors.ts'

/** What decides which routes of a neighbor are used, without a session too: then it is asked of kept routes. */
export function importSideOf(neighbor: Neighbor, node: NodeIntent): ImportSide {
  return {
    importPolicy: policyOf(neighbor, 'import'),
    nodeAs: node.asNumber,
    allowedOwnAs: neighbor.intent.allowedOwnAs,
  }
}

export function ribPeerOf(neighbor: Neighbor, session: Session, node: NodeIntent): RibPeer {
  const { intent, nextHops } = neighbor
  return {
    name: neighbor.name,
    peerType: session.peerType,
    localAs: session.localAs,
    remoteAs: session.remoteAs,
    localRouterId: session.localRouterId,
    remoteRouterId: session.remoteRouterId,
    remoteAddress: session.remote.address,
    families: session.families,
    receive: session.receive,
    send: session.send,
    nextHops: nextHops?.bytes ?? {},
    ...importSideOf(neighbor, node),
    exportPolicy: policyOf(neighbor, 'export'),
    maxPrefixes: limitsOf(intent, ({ limit }) => limit),
    warnPrefixes: limitsOf(intent, ({ warnAt }) => warnAt),
    ...(intent.maxRouteMemory !== undefined && { maxRouteMemory: intent.maxRouteMemory }),
    ...(intent.reflection !== undefined && session.peerType === 'internal' && { reflection: intent.reflection }),
    ...(session.restart?.longLived !== undefined && { longLived: true }),
    ...(session.role !== undefined && { role: session.role }),
    ...(nextHops?.link !== undefined && { interface: nextHops.link }),
    ...(nextHops?.isBound === true && { isBound: true }),
    ...(nextHops?.lacksLink === true && { lacksLink: true }),
    link: nextHops?.shared ?? [],
    subnets: nextHops?.subnets ?? [],
  }
}

function limitsOf({ maxPrefixes }: PeerIntent, number: (limit: PrefixLimit) => number): RibPeer['maxPrefixes'] {
  const limits: Partial<Record<Family, number>> = {}
  for (const family of FAMILIES) {
    const limit = maxPrefixes[family]
    if (limit !== undefined) limits[family] = number(limit)
  }
  return limits
}
