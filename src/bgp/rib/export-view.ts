/** What decides how routes are advertised to an update group, and the tables that are read for it. */
import type { Family } from '../../base/family.ts'
import type { LinkMark } from '../../base/link-mark.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { Asn } from '../../base/units.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import type { PeerType, WireContext } from '../wire/context.ts'
import type { Role } from '../wire/role.ts'
import type { AdjIn } from './adj-in.ts'
import type { Peers } from './peers.ts'
import type { PrefixTable } from './prefix-table.ts'
import type { ServiceAddresses } from './service-addresses.ts'
import type { StrayingPrefixes } from './straying.ts'
import type { OriginatedRoute, RibPeer } from './types.ts'

/** Everything that changes what is advertised to a neighbor. Neighbors that agree in it form an update group. */
export interface ExportView {
  readonly family: Family
  readonly peerType: PeerType
  readonly localAs: Asn
  /** Octets of our own next hop. Undefined: we have none in this family, and routes that need one are not advertised. */
  readonly nextHopLength: number | undefined
  readonly context: WireContext
  readonly policy: CompiledPolicy
  /** We reflect routes to these neighbors (RFC 4456). */
  readonly reflection: RibPeer['reflection']
  /** Our role towards them (RFC 9234). */
  readonly role: Role | undefined
  /** They support long-lived graceful restart (RFC 9494). */
  readonly longLived: boolean
  /** The link that these neighbors share with us. */
  readonly link: readonly LinkMark[]
  /** Its subnets in which these neighbors have an address. */
  readonly subnets: readonly Prefix[]
}

/**
 * RFC 4724 §4.1: after a restart, no route is selected before the neighbors have sent theirs. A route of our own is
 * best whatever they send, and so it is advertised meanwhile.
 */
export interface Deferral {
  readonly isOn: boolean
  /** The kernel's routes have not been read: this node forwards to no learned route. */
  readonly isUnread: boolean
  /** Increases with every change of these. */
  readonly revision: number
}

/** What an exporter reads. */
export interface ExportTables {
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly attributes: AttributeTable
  readonly nextHops: NextHopTable
  readonly blocks: ByteTable
  readonly peers: Peers
  readonly serviceAddresses: ServiceAddresses
  readonly straying: StrayingPrefixes
  readonly deferral: Deferral
  /** Whether a learned route of this family was ever advertised with this node as its next hop. */
  readonly relaying: { began: boolean }
  /** The sum, over all decisions of export policies, of `CompiledPolicy.comparisons`, which is that of one; it only grows. */
  readonly asked: { rules: number }
  /** By path: the routes that we originate. */
  readonly originated: ReadonlyMap<number, OriginatedRoute>
}
