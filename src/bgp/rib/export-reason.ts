/** Why a best path is not advertised: as a number on the hot path, and in words for people. */

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
} as const
export const REASON_TEXTS: readonly string[] = [
  '',
  'community NO_ADVERTISE',
  'community NO_EXPORT',
  'learned over iBGP, not advertised to another iBGP neighbor',
  'rejected by export policy',
  'no next hop of this family',
  'attributes too large for one message',
  'neither its sender nor this neighbor is a route reflector client',
  'ONLY_TO_CUSTOMER: this neighbor is not a customer',
  'its next hop is IPv6, and the neighbor did not negotiate extended next hop',
  'learned, and a service address: this node does not forward to it, and its next hop is not on the link of this neighbor',
  'long-lived stale, and the neighbor did not negotiate long-lived graceful restart',
  'learned, and this agent has restarted: such routes are selected when the neighbors have sent theirs',
  'learned, and this node does not forward to it: the kernel has another route, which drops its packets or leads them back, or none of ours',
]
