/** The pod CIDRs of this node, advertised from this node only. */
import type { ClusterNode } from './node.ts'
import type { Claim } from './route-book.ts'

export const podClaims = (me: ClusterNode): Claim[] =>
  me.podCidrs.map((prefix) => ({ prefix, origin: 'pod-cidr', refused: undefined }))
