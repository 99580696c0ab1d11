/** Finds learned routes that must not be used, with the reason (RFC 4271 §9.1.2, RFC 4456 §8). They are kept and shown. */
import type { Asn } from '../../base/units.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { Role } from '../wire/role.ts'
import type { ByteRange } from './announcement.ts'
import { isAt, type PeerSlot, type Peers } from './peers.ts'
import type { RibPeer } from './types.ts'

/** The reason in one octet, kept with each path; 0: the path is usable. */
export const REFUSED = {
  ownAs: 1,
  firstAs: 2,
  ownOriginator: 3,
  ownCluster: 4,
  martianNextHop: 5,
  ownNextHop: 6,
  policy: 7,
  tooLarge: 8,
  leaked: 9,
  martian: 10,
  ownAddress: 11,
  ownPods: 12,
} as const

/** The reasons in words; for `policy`, the rule has its own. */
export const REFUSED_TEXTS: readonly string[] = [
  '',
  'our own AS is in the AS path',
  'the AS path does not begin with the neighbor AS',
  'this node originated it (ORIGINATOR_ID is our router ID)',
  'our cluster ID is in its CLUSTER_LIST',
  'the next hop is a loopback, multicast or reserved address',
  'the next hop is our own address',
  'rejected by import policy',
  'import policy makes the attributes too large',
  'it is a route leak: ONLY_TO_CUSTOMER does not allow it from this neighbor',
  'the prefix is loopback, link-local, multicast or otherwise reserved',
  'it is an address of this node',
  'it is inside a pod CIDR of this node',
]

/**
 * Why no route with the attributes `id` and this next hop, of 4, 16 or 32 octets, may be used: one of REFUSED; 0: such routes
 * may be used, as far as neither the prefix nor policy is asked.
 */
export function whyNotEligible(
  slot: PeerSlot,
  peers: Peers,
  attributes: AttributeTable,
  id: number,
  nextHop: ByteRange,
): number {
  const { peer } = slot
  // RFC 4271 §9.1.2: a route whose AS path has our own AS in it is not used. Ours are that of this session and that of
  // the node, where they differ (RFC 7705 §3).
  const { localAs, nodeAs = localAs, allowedOwnAs = 0 } = peer
  if (attributes.timesPassed(id, localAs, nodeAs) > allowedOwnAs) return REFUSED.ownAs
  if (peer.peerType === 'external') {
    // RFC 4271 §6.3: the leftmost AS should be that of the neighbor; a route server leaves its own out (RFC 7947 §2.2.2.1).
    if (attributes.neighborAs[id] !== peer.remoteAs && peer.role !== 'rs-client') return REFUSED.firstAs
    if (peer.role !== undefined && isLeaked(peer.role, attributes.onlyToCustomer(id), peer.remoteAs)) {
      return REFUSED.leaked
    }
  } else {
    // RFC 4456 §8: a reflected route that this node originated, or that its cluster has reflected. Only a reflector has a cluster
    // ID: other reflectors may have the router ID of this node as theirs, as when it was a reflector of their cluster before.
    if (attributes.originatorId[id] === peer.localRouterId) return REFUSED.ownOriginator
    if (peer.reflection !== undefined && attributes.passedCluster(id, peer.reflection.clusterId))
      return REFUSED.ownCluster
  }
  const { bytes, start, length } = nextHop
  const global = length === 32 ? 16 : length
  // The session shows that the neighbor's address can be reached, even a loopback address.
  if (isAt(slot.remoteAddress, bytes, start, global)) return 0
  if (isMartianNextHop(bytes, start, global)) return REFUSED.martianNextHop
  // RFC 4271 §5.1.3: a next hop that is the receiver's own address leads nowhere.
  if (peers.isOwnAddress(bytes, start, global)) return REFUSED.ownNextHop
  return 0
}

/** Whether `whyNotEligible` or a policy with a rule for interfaces may now answer otherwise for paths of the neighbor. */
export const changesEligibility = (before: RibPeer, after: RibPeer): boolean =>
  before.localAs !== after.localAs ||
  before.localRouterId !== after.localRouterId ||
  before.remoteAddress !== after.remoteAddress ||
  before.role !== after.role ||
  before.interface !== after.interface ||
  before.allowedOwnAs !== after.allowedOwnAs ||
  before.nodeAs !== after.nodeAs ||
  before.reflection?.clusterId !== after.reflection?.clusterId

/** RFC 9234 §5: customers and clients of a route server may hand on no such route, peers only their own. */
function isLeaked(ours: Role, onlyToCustomer: Asn | undefined, remoteAs: Asn): boolean {
  if (onlyToCustomer === undefined) return false
  return ours === 'provider' || ours === 'rs-server' || (ours === 'peer' && onlyToCustomer !== remoteAs)
}

/** `length`: 4 or 16. */
function isMartianNextHop(bytes: Uint8Array, start: number, length: number): boolean {
  const first = bytes[start] as number
  // 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3. Destinations in 240.0.0.0/4 are accepted (`base/martian`), routers there are not.
  if (length === 4) return first === 0 || first === 127 || first >= 224
  // ff00::/8; ::/96, which includes :: and ::1; and ::ffff:0:0/96. IPv4 addresses in IPv6 form are no routers.
  if (first === 0xff) return true
  for (let index = 0; index < 10; index++) if (bytes[start + index] !== 0) return false
  const group = ((bytes[start + 10] as number) << 8) | (bytes[start + 11] as number)
  return group === 0 || group === 0xffff
}
