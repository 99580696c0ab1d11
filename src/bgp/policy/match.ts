/** The conditions of a rule that read path attributes. */
import type { Asn } from '../../base/units.ts'
import type { AsSegment } from '../wire/as-path.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import { hasCommunity } from './operate.ts'
import type { RuleMatch } from './rule.ts'

/** Calico's `priority` is a kernel metric: the lowest wins. LOCAL_PREF is this number minus the priority. */
export const PRIORITY_BASE = 2_147_483_647

/** LOCAL_PREF of originated routes, which have none yet: it corresponds to the priority of Calico's own routes. */
export const ORIGINATED_LOCAL_PREF = PRIORITY_BASE - 1024

export const readsAttributes = (match: RuleMatch): boolean =>
  match.communities !== undefined ||
  match.asPathPrefix !== undefined ||
  match.localPref !== undefined ||
  match.med !== undefined

/** Whether the conditions on attributes hold; others are not checked. `unset`: the LOCAL_PREF of a route without one. */
export function matchesAttributes(match: RuleMatch, attributes: PathAttributes, unset: number): boolean {
  return (
    (match.localPref === undefined || match.localPref === (attributes.localPref ?? unset)) &&
    // RFC 4271 §9.1.2.2 c: a route without MULTI_EXIT_DISC counts as having the lowest value.
    (match.med === undefined || match.med === (attributes.med ?? 0)) &&
    (match.communities === undefined || match.communities.some((community) => hasCommunity(attributes, community))) &&
    (match.asPathPrefix === undefined || beginsWith(attributes.asPath, match.asPathPrefix))
  )
}

/** The leading AS numbers of a path: confederation segments are skipped, and a set ends them, since it has no order. */
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

/** Matches a pattern in which `*` is any text and `?` one character, as BIRD's `~` does. */
export function globOf(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}
