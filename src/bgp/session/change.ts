/** What a change of a neighbor's configuration means for what is running. */
import type { Family } from '../../base/family.ts'
import type { PeerConfig } from './types.ts'

/** What a session cannot outlive. */
export type Change =
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
const SAME_NEIGHBOR: readonly Change[] = ['password or key chain', 'address families', 'extended next hop', 'add path']

export const keepsRoutes = (change: Change): boolean => SAME_NEIGHBOR.includes(change)

/** Why a session cannot outlive the change; undefined where it can. */
export function whyReset(old: PeerConfig, next: PeerConfig): Change | undefined {
  if (old.localAs !== next.localAs) return 'local AS'
  if (old.remoteAs !== next.remoteAs) return 'remote AS'
  if (old.routerId !== next.routerId) return 'router ID'
  if (old.signing !== next.signing) return 'password or key chain'
  if (!sameFamilies(old.families, next.families)) return 'address families'
  if (old.remote.address !== next.remote.address) return 'remote address'
  if (old.localAddress !== next.localAddress) return 'local address'
  return whyOpenDiffers(old, next)
}

/** What was announced in OPEN stands until the session ends (RFC 5492 §4). */
function whyOpenDiffers(old: PeerConfig, next: PeerConfig): Change | undefined {
  if (old.role !== next.role || old.strictRole !== next.strictRole) return 'role'
  if (old.extendedNextHop !== next.extendedNextHop) return 'extended next hop'
  if ((old.restartTime === undefined) !== (next.restartTime === undefined)) return 'graceful restart'
  for (const direction of ['receive', 'send'] as const) {
    if (!sameFamilies(old.addPath?.[direction] ?? [], next.addPath?.[direction] ?? [])) return 'add path'
  }
  return undefined
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
