/** What a change of a neighbor's configuration means for what is running. */
import type { Address } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import type { Asn } from '../../base/units.ts'
import type { Open } from '../wire/message.ts'
import { addPathFamilies, hasRole, offeredRole, offersIpv6NextHops, whyNotAs } from './negotiate.ts'
import type { PeerConfig, Session } from './types.ts'

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

/** What was agreed on: in the running session, or in the last one while its routes are kept. */
export interface Agreed {
  readonly session: Session
  readonly theirs: Open
}

/**
 * Why a session cannot outlive the change; undefined where it can, as where the new configuration says the same in another
 * way. Of several reasons one after which no routes are kept comes first (`keepsRoutes`): the next session is then with
 * another neighbor, whatever else has changed. Without `agreed`, each change counts that may end a session.
 */
export function whyReset(old: PeerConfig, next: PeerConfig, agreed?: Agreed): SessionChange | undefined {
  return strongest([...changesBetween(old, next, agreed)])
}

export const strongest = (changes: readonly SessionChange[]): SessionChange | undefined =>
  changes.find((change) => !keepsRoutes(change)) ?? changes[0]

function* changesBetween(old: PeerConfig, next: PeerConfig, agreed: Agreed | undefined): Iterable<SessionChange> {
  if (old.localAs !== next.localAs) yield 'local AS'
  if (isOtherAs(old, next, agreed?.session.remoteAs ?? asOf(old))) yield 'remote AS'
  if (old.routerId !== next.routerId) yield 'router ID'
  if (old.signing !== next.signing) yield 'password or key chain'
  if (!sameFamilies(old.families, next.families)) yield 'address families'
  if (old.remote.address !== next.remote.address) yield 'remote address'
  if (isOtherSource(old, next, agreed?.session.local.address)) yield 'local address'
  yield* changesOfOpen(old, next, agreed)
}

/** What was announced in OPEN stands until the session ends (RFC 5492 §4). */
function* changesOfOpen(old: PeerConfig, next: PeerConfig, agreed: Agreed | undefined): Iterable<SessionChange> {
  if (isOtherRole(old, next, agreed)) yield 'role'
  if (offersIpv6NextHops(old) !== offersIpv6NextHops(next)) yield 'extended next hop'
  if ((old.restartTime === undefined) !== (next.restartTime === undefined)) yield 'graceful restart'
  for (const direction of ['receive', 'send'] as const) {
    if (!sameFamilies(addPathFamilies(old, direction), addPathFamilies(next, direction))) yield 'add path'
  }
}

/** The only AS number that the neighbor can have; undefined: any other than ours. */
const asOf = ({ remoteAs, localAs }: PeerConfig): Asn | undefined =>
  remoteAs === 'internal' ? localAs : remoteAs === 'external' ? undefined : remoteAs

function isOtherAs(old: PeerConfig, next: PeerConfig, known: Asn | undefined): boolean {
  if (old.remoteAs === next.remoteAs) return false
  return known === undefined || whyNotAs(known, next) !== undefined
}

/** Where the kernel chooses the address from now on, a session runs from one that it could have chosen. */
const isOtherSource = (old: PeerConfig, next: PeerConfig, known: Address | undefined): boolean =>
  old.localAddress !== next.localAddress &&
  next.localAddress !== undefined &&
  (known === undefined || known !== next.localAddress)

/** `strictRole` alone is not announced: it ends a session only where the neighbor has no role. */
function isOtherRole(old: PeerConfig, next: PeerConfig, agreed: Agreed | undefined): boolean {
  const role = offeredRole(next)
  if (offeredRole(old) !== role) return true
  if (role === undefined || old.strictRole === next.strictRole || next.strictRole !== true) return false
  return agreed === undefined || (agreed.session.role !== undefined && !hasRole(agreed.theirs))
}

/** The changes that end every session, and those that end some: what is announced does not say which. */
export function resetsBetween(
  old: PeerConfig,
  next: PeerConfig,
): Record<'sure' | 'possible', readonly SessionChange[]> {
  const all = [...changesBetween(old, next, undefined)]
  const isPossible = (change: SessionChange): boolean =>
    (change === 'remote AS' && asOf(old) === undefined && asOf(next) !== next.localAs) ||
    (change === 'local address' && old.localAddress === undefined) ||
    (change === 'role' && offeredRole(old) === offeredRole(next))
  return { sure: all.filter((change) => !isPossible(change)), possible: all.filter(isPossible) }
}

/** Anything that decides when and where we dial. */
export const dialsDifferently = (old: PeerConfig, next: PeerConfig): boolean =>
  old.remote.port !== next.remote.port ||
  old.localAddress !== next.localAddress ||
  old.localMayYield !== next.localMayYield ||
  old.passive !== next.passive ||
  old.dialDelay !== next.dialDelay ||
  old.connectRetryTime !== next.connectRetryTime

const sameFamilies = (a: readonly Family[], b: readonly Family[]): boolean =>
  a.length === b.length && a.every((family) => b.includes(family))
