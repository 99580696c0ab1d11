/**
 * Why a best path is not advertised to a neighbor: as a number on the hot path, and in words for people. In the words, "it"
 * is the route.
 */

export const REASON = {
  none: 0,
  noAdvertise: 1,
  noExport: 2,
  internal: 3,
  policy: 4,
  noNextHop: 5,
  tooLarge: 6,
  nonClient: 7,
  onlyToCustomer: 8,
  ipv6NextHop: 9,
  serviceAddresses: 10,
  longLived: 11,
  deferred: 12,
  straying: 13,
  detour: 14,
  noExportSubconfed: 15,
  unread: 16,
} as const
export const REASON_TEXTS: readonly string[] = [
  '',
  'it has the community NO_ADVERTISE',
  'it has the community NO_EXPORT',
  'it was learned over iBGP, and this node is no route reflector for this iBGP neighbor',
  'rejected by export policy',
  'there is no next hop of this family',
  'its attributes are too large for one message',
  'it was learned over iBGP: neither the neighbor that sent it nor this one is a route reflector client',
  'it has ONLY_TO_CUSTOMER, and this neighbor is not a customer',
  'its next hop is an IPv6 address, and the neighbor did not negotiate extended next hop',
  'it is a learned service address: this node does not forward to it, and its next hop is not on the link of this neighbor',
  'it is long-lived stale, and the neighbor did not negotiate long-lived graceful restart',
  'it was learned, and this agent has restarted: learned routes are not advertised before all neighbors have sent theirs',
  'it was learned, and this node does not forward to it: the kernel has no route of ours there, or another route drops the packets or sends them back',
  'it was learned, and its next hop is reached through a gateway on the link of this neighbor: packets would go back there',
  'it has the community NO_EXPORT_SUBCONFED',
  'it was learned, and this node does not forward to it: the routes of the kernel have not been read',
]
