/** The conditions of a rule that read path attributes. */
import type { Asn } from '../../base/units.ts'
import type { AsSegment } from '../wire/as-path.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import { hasCommunity } from './operate.ts'
import type { RuleMatch } from './rule.ts'

/** A priority is Calico's word for a kernel metric, where lower wins; as LOCAL_PREF it counts down from here. */
export const PRIORITY_BASE = 2_147_483_647

/** What LOCAL_PREF counts as for a route of our own, which has none yet: the priority of the routes Calico makes itself. */
export const OWN_LOCAL_PREF = PRIORITY_BASE - 1024

export const readsAttributes = (match: RuleMatch): boolean =>
  match.communities !== undefined ||
  match.asPathPrefix !== undefined ||
  match.localPref !== undefined ||
  match.med !== undefined

/** Whether the conditions on attributes hold; those on anything else are not looked at. `unset`: LOCAL_PREF if there is none. */
export function matchesAttributes(match: RuleMatch, attributes: PathAttributes, unset: number): boolean {
  return (
    (match.localPref === undefined || match.localPref === (attributes.localPref ?? unset)) &&
    // RFC 4271 §9.1.2.2 c: a route without MULTI_EXIT_DISC counts as having the lowest value.
    (match.med === undefined || match.med === (attributes.med ?? 0)) &&
    (match.communities === undefined || match.communities.some((community) => hasCommunity(attributes, community))) &&
    (match.asPathPrefix === undefined || beginsWith(attributes.asPath, match.asPathPrefix))
  )
}

/** Confederation segments are passed over; a set has no order, so the path is read no further than there. */
function beginsWith(asPath: readonly AsSegment[], wanted: readonly Asn[]): boolean {
  let seen = 0
  for (const segment of asPath) {
    if (segment.kind === 'set') break
    if (segment.kind !== 'sequence') continue
    for (const asn of segment.asns) {
      if (seen === wanted.length) return true
      if (asn !== wanted[seen]) return false
      seen++
    }
  }
  return seen === wanted.length
}

/** A pattern of `*` for any text and `?` for one sign, as BIRD's `~` reads it. */
export function globOf(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}
