/**
 * Two sessions with one router, one over IPv4 and one over IPv6 (twins), each negotiate both families, and each carries
 * only its own: the other family is left to the twin by policy, without a reset. A family is left only when both ends
 * of the twin's session have sent all their routes, and it is taken back when the twin is lost.
 *
 * A router is identified by its BGP identifier and AS (RFC 6286 §2.1), never by its AS alone.
 */
import { familyOfAddress, isLinkLocal } from '../base/address.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { Policy, Rule } from '../bgp/policy/rule.ts'
import type { Session } from '../bgp/session/types.ts'
import type { PeerIntent } from '../cluster/intent.ts'

/** A router that sends no End-of-RIB counts as having sent everything after this time. */
export const FED_AFTER: Millis = 10_000

/** An Established session. */
export interface Twin {
  readonly neighbor: {
    readonly name: string
    readonly intent: Pick<PeerIntent, 'yields'>
    readonly nextHops: { readonly held: Readonly<Partial<Record<Family, string>>> } | undefined
  }
  readonly session: Pick<Session, 'remote' | 'remoteAs' | 'remoteRouterId' | 'families'>
  readonly since: Millis
}

/** A family that another session carries, and whether that session has taken over yet. */
export interface Left {
  readonly to: string
  /** The other session has all routes of the router: routes over this session are ignored. */
  readonly import: boolean
  /** The router has all our routes by the other session: nothing is advertised over this one. */
  readonly export: boolean
}

export type LeftFamilies = Readonly<Partial<Record<Family, Left>>>

/** Whether End-of-RIB was sent and received. */
export type Fed = (
  name: string,
  family: Family,
) => { readonly endOfRibSent: boolean; readonly endOfRibReceived: boolean }

export const routerOf = ({ remoteAs, remoteRouterId }: Twin['session']): string => `${remoteAs} ${remoteRouterId}`

/** What `one` leaves to the other sessions with its router. */
export function leftBy(one: Twin, others: readonly Twin[], fed: Fed, now: Millis): LeftFamilies {
  const home = homeOf(one)
  if (!one.neighbor.intent.yields || home === undefined) return {}
  const left: Partial<Record<Family, Left>> = {}
  for (const family of FAMILIES) {
    if (family === home || !one.session.families.includes(family)) continue
    const takers = others.filter((other) => homeOf(other) === family && other.session.families.includes(family))
    const offers = takers.map((taker) => offerOf(taker, family, fed, now))
    const best = offers.find(isWhole) ?? offers.find((offer) => offer.import || offer.export) ?? offers[0]
    if (best !== undefined) left[family] = best
  }
  return left
}

function offerOf({ neighbor, since }: Twin, family: Family, fed: Fed, now: Millis): Left {
  const { endOfRibSent, endOfRibReceived } = fed(neighbor.name, family)
  return {
    to: neighbor.name,
    import: endOfRibReceived || now >= since + FED_AFTER,
    // Without a next hop of its own it advertises nothing.
    export: endOfRibSent && neighbor.nextHops?.held[family] === undefined,
  }
}

const isWhole = (left: Left): boolean => left.import && left.export

/** The family that a session carries itself: that of its addresses. On link-local addresses it carries both. */
function homeOf({ session: { remote } }: Twin): Family | undefined {
  return isLinkLocal(remote.address) ? undefined : familyOfAddress(remote.address)
}

/** No more routes are to be expected. */
export const isSettled = (left: LeftFamilies): boolean => Object.values(left).every(isWhole)

export const sameLeft = (a: LeftFamilies, b: LeftFamilies): boolean =>
  FAMILIES.every(
    (family) =>
      a[family]?.to === b[family]?.to &&
      a[family]?.import === b[family]?.import &&
      a[family]?.export === b[family]?.export,
  )

/** One object per policy and families left, so that neighbors that share a policy still share one. */
const made = new WeakMap<Policy, Map<string, Policy>>()

/** The policy of a session that leaves families to another. */
export function withoutLeft(policy: Policy, left: LeftFamilies, direction: 'import' | 'export'): Policy {
  const rules = FAMILIES.flatMap((family): Rule[] => {
    const one = left[family]
    if (one?.[direction] !== true) return []
    const name = `${FAMILY_WORDS[family]} by ${one.to}`
    const reason = `${FAMILY_WORDS[family]} is carried by ${one.to}, the session with the same router over ${FAMILY_WORDS[family]}`
    return [{ name, match: { family }, action: 'reject', operations: [], reason }]
  })
  if (rules.length === 0) return policy
  const key = rules.map(({ name }) => name).join()
  const known = made.get(policy) ?? new Map<string, Policy>()
  made.set(policy, known)
  const kept = known.get(key) ?? { ...policy, rules: [...rules, ...policy.rules] }
  known.set(key, kept)
  return kept
}
