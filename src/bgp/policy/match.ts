/** The conditions of a rule that read path attributes. */
import type { Asn } from '../../base/units.ts'
import { DEFAULT_LOCAL_PREF } from '../route/attribute-table.ts'
import type { AsSegment } from '../wire/as-path.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import { hasCommunity } from './operate.ts'
import type { RuleMatch } from './rule.ts'

export const readsAttributes = (match: RuleMatch): boolean =>
  match.communities !== undefined ||
  match.asPathPrefix !== undefined ||
  match.localPref !== undefined ||
  match.med !== undefined

/** Whether the conditions on attributes hold; those on anything else are not looked at. */
export function matchesAttributes(match: RuleMatch, attributes: PathAttributes): boolean {
  return (
    (match.localPref === undefined || match.localPref === (attributes.localPref ?? DEFAULT_LOCAL_PREF)) &&
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
