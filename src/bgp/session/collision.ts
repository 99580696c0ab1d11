/**
 * Connection collision (RFC 4271 §6.8 with RFC 6286 §2.3): of two connections to one neighbor, one is closed. It is
 * resolved when an OPEN has arrived on one of them. Between two that are being opened, identifiers, AS numbers and who dialled
 * which one decide: both ends know these, and so choose the same connection.
 */
import type { Asn, RouterId } from '../../base/units.ts'
import type { SessionState } from './types.ts'

export interface Speaker {
  readonly routerId: RouterId
  readonly as: Asn
}

export interface Contender {
  readonly state: SessionState
  /** True: we opened it; false: the neighbor did. */
  readonly dialled: boolean
  /** It shows that the neighbor has lost the other one, which is Established (RFC 4724 §5). */
  readonly replacesLost?: boolean
}

/** Which of two connections stays. `both`: for now; the OPEN that comes on the other one will decide. */
export type Survivor = 'arrived' | 'other' | 'both'

/**
 * RFC 4271 §6.8: the connection opened by the higher BGP Identifier lives; RFC 6286 §2.3: of equal ones, by the higher
 * AS.
 */
export function ourConnectionLives(ours: Speaker, theirs: Speaker): boolean {
  return ours.routerId === theirs.routerId ? ours.as > theirs.as : ours.routerId > theirs.routerId
}

/**
 * An OPEN came on `arrived` while `other` exists too.
 *
 * Where the other one is in OpenSent, RFC 4271 §6.8 lets us decide if we know the neighbor's identifier, and this OPEN has
 * told it. In one case the decision must wait: the other one would win, and the neighbor dialled it. The neighbor may have
 * closed that one before it sent its OPEN, and go on with this one; then each end would close what the other keeps.
 */
export function resolveCollision(arrived: Contender, other: Contender, ours: Speaker, theirs: Speaker): Survivor {
  // RFC 4271 §6.8: an Established session stays. RFC 4724 §5: unless the neighbor, which restarts gracefully, has lost it.
  if (other.state === 'Established') return arrived.replacesLost === true ? 'arrived' : 'other'
  if (other.state !== 'OpenSent' && other.state !== 'OpenConfirm') return 'both'
  // Two from the same end are no collision: it opens a second only when it has given up the first.
  if (arrived.dialled === other.dialled) return 'arrived'
  if (arrived.dialled === ourConnectionLives(ours, theirs)) return 'arrived'
  return other.state === 'OpenConfirm' || other.dialled ? 'other' : 'both'
}
