/**
 * Connection collision (RFC 4271 §6.8 with RFC 6286 §2.3): of two connections to one neighbor, one is closed. It is
 * resolved when an OPEN has arrived on one of them. The result depends only on the identifiers and AS numbers of both
 * speakers and on which one dialled, so that both ends choose the same connection.
 */
import type { Asn, RouterId } from '../../base/units.ts'
import type { SessionState } from './types.ts'

export interface Speaker {
  readonly routerId: RouterId
  readonly as: Asn
}

export interface Contender {
  readonly state: SessionState
  /** We opened it; the neighbor did otherwise. */
  readonly dialled: boolean
  /** It was begun after the other one was Established: the neighbor has lost that one (RFC 4724 §5). */
  readonly isRestart?: boolean
}

/** `both` for now: the other one's OPEN will decide. */
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
 * Against OpenSent the RFC lets us decide if we know the neighbor's identifier, and this OPEN told it. There is one
 * case in which we still must not: where the other one would live and the neighbor dialled it. It may have given that
 * one up before saying a word on it, counting on this one; then each end would close what the other keeps.
 */
export function resolveCollision(arrived: Contender, other: Contender, ours: Speaker, theirs: Speaker): Survivor {
  // RFC 4271 §6.8: an Established session stays. RFC 4724 §5: unless the neighbor restarts gracefully, and has.
  if (other.state === 'Established') return arrived.isRestart === true ? 'arrived' : 'other'
  if (other.state !== 'OpenSent' && other.state !== 'OpenConfirm') return 'both'
  // Two from the same end are no collision: it opens a second only when it has given up the first.
  if (arrived.dialled === other.dialled) return 'arrived'
  if (arrived.dialled === ourConnectionLives(ours, theirs)) return 'arrived'
  return other.state === 'OpenConfirm' || other.dialled ? 'other' : 'both'
}
