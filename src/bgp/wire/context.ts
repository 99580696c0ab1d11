import type { Family } from '../../base/family.ts'

/**
 * What two speakers agreed on, as far as it changes bytes. The codec keeps no memory of its own:
 * every decode and encode is handed one of these.
 */
export interface WireContext {
  /** Both sides sent the four-octet AS capability: AS_PATH and AGGREGATOR carry four octets (RFC 6793 §4.1). */
  readonly fourOctetAs: boolean
  /** Families both sides announced; NLRI of any other is ignored (RFC 4760 §8). */
  readonly families: readonly Family[]
  /** Families whose NLRI carries a path identifier in this direction (RFC 7911 §3). */
  readonly addPath: readonly Family[]
  /** IPv4 NLRI may have an IPv6 next hop (RFC 8950 §4). */
  readonly extendedNextHop: boolean
  /** Longest message, header included: 4096, or 65535 with RFC 8654. */
  readonly messageSize: number
  readonly peerType: PeerType
}

/** `internal`: the peer is in our own AS (iBGP); `external`: it is not (eBGP). */
export type PeerType = 'internal' | 'external'
