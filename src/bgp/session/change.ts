/** What a change of a neighbor's configuration means for what is running. */
import type { Family } from '../../base/family.ts'
import type { PeerConfig } from './types.ts'

/** What a session cannot outlive. */
export type SessionChange =
  | 'local AS'
  | 'remote AS'
  | 'router ID'
  | 'password or key chain'
  | 'address families'
  | 'remote address'
  | 'local address'
  | 'role'
  | 'extended next hop'
  | 'graceful restart'
  | 'add path'

/** After these the next session is with the same neighbor: routes may be kept until it is up. */
const SAME_NEIGHBOR: readonly SessionChange[] = [
  'password or key chain',
  'address families',
  'extended next hop',
  'add path',
]

export const keepsRoutes = (change: SessionChange): boolean => SAME_NEIGHBOR.includes(change)

/**
 * Why a session cannot outlive the change; undefined where it can. Of several reasons one that no route may be kept for: the
 * next session is with another neighbor then, whatever else has changed.
 */
export function whyReset(old: PeerConfig, next: PeerConfig): SessionChange | undefined {
  return strongest([...changesBetween(old, next)])
}

export const strongest = (changes: readonly SessionChange[]): SessionChange | undefined =>
  changes.find((change) => !keepsRoutes(change)) ?? changes[0]

function* changesBetween(old: PeerConfig, next: PeerConfig): Iterable<SessionChange> {
  if (old.localAs !== next.localAs) yield 'local AS'
  if (old.remoteAs !== next.remoteAs) yield 'remote AS'
  if (old.routerId !== next.routerId) yield 'router ID'
  if (old.signing !== next.signing) yield 'password or key chain'
  if (!sameFamilies(old.families, next.families)) yield 'address families'
  if (old.remote.address !== next.remote.address) yield 'remote address'
  if (old.localAddress !== next.localAddress) yield 'local address'
  yield* changesOfOpen(old, next)
}

/** What was announced in OPEN stands until the session ends (RFC 5492 §4). */
function* changesOfOpen(old: PeerConfig, next: PeerConfig): Iterable<SessionChange> {
  if (old.role !== next.role || old.strictRole !== next.strictRole) yield 'role'
  if (old.extendedNextHop !== next.extendedNextHop) yield 'extended next hop'
  if ((old.restartTime === undefined) !== (next.restartTime === undefined)) yield 'graceful restart'
  for (const direction of ['receive', 'send'] as const) {
    if (!sameFamilies(old.addPath?.[direction] ?? [], next.addPath?.[direction] ?? [])) yield 'add path'
  }
}

/** Anything that decides when and where we dial. */
export const dialsDifferently = (old: PeerConfig, next: PeerConfig): boolean =>
  old.remote.port !== next.remote.port ||
  old.localMayYield !== next.localMayYield ||
  old.passive !== next.passive ||
  old.dialDelay !== next.dialDelay ||
  old.connectRetryTime !== next.connectRetryTime

const sameFamilies = (a: readonly Family[], b: readonly Family[]): boolean =>
  a.length === b.length && a.every((family) => b.includes(family))
