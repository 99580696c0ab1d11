/**
 * The built-in policies, which apply after BGPFilters or without them. They are the explicit policy that RFC 8212 requires
 * on eBGP sessions.
 */
import { GRACEFUL_SHUTDOWN } from './community.ts'
import type { Policy, PrefixMatch, Rule } from './rule.ts'

export const ACCEPT_ALL: Policy = { name: 'accept all', rules: [], otherwise: 'accept', otherwiseReason: '' }

export const REJECT_ALL: Policy = {
  name: 'reject all',
  rules: [],
  otherwise: 'reject',
  otherwiseReason: 'this policy rejects every route',
}

/**
 * What is advertised to a neighbor.
 *
 * - Originated routes: everyone.
 * - Learned from iBGP, to iBGP: all; only a route reflector gets that far (RFC 4456), the RIB sees to it.
 * - Learned from eBGP, to iBGP: inside `pools`, so that a default route of the rack does not enter the mesh.
 * - Learned, to eBGP: nothing; with `advertiseLearned` what lies inside `pools`, for clusters where only some nodes have
 *   neighbors outside.
 *
 * `pools` are the ranges that belong to the cluster: IP pools, pod CIDRs, service ranges.
 */
export function builtinExport(pools: readonly PrefixMatch[], advertiseLearned: boolean): Policy {
  const own = accept('own routes', { source: 'originated' })
  const reflected = accept('reflected routes', { source: 'peer', learnedFrom: 'internal', peerType: 'internal' })
  const toExternal: Rule = {
    name: 'no learned routes to eBGP',
    match: { source: 'peer', peerType: 'external' },
    action: 'reject',
    operations: [],
    reason:
      'learned from another neighbor; such routes are advertised to eBGP neighbors only with advertiseLearned in the ' +
      'BGPPeer, or where an export rule of a BGPFilter accepts them',
  }
  const pooled = accept('learned routes of the cluster', { source: 'peer', prefixes: pools })
  return {
    name: 'built-in export',
    rules: [own, reflected, ...(advertiseLearned ? [] : [toExternal]), pooled],
    otherwise: 'reject',
    otherwiseReason: `learned from another neighbor and ${OUTSIDE}; it is advertised if an export rule of a BGPFilter accepts it`,
  }
}

const OUTSIDE =
  "outside this cluster's IP pools, pod CIDRs and service ranges (with serviceLoadBalancerAggregation Disabled, only single " +
  'addresses and prefixes of an aggregationLength count in LoadBalancer ranges)'

/** What is accepted from a neighbor: routes inside the cluster's IP pools, pod CIDRs and service ranges. */
export function builtinImport(prefixes: readonly PrefixMatch[]): Policy {
  return {
    name: 'built-in import',
    rules: [gracefulShutdown(prefixes), accept('routes of the cluster', { prefixes })],
    otherwise: 'reject',
    otherwiseReason: `${OUTSIDE}; it is accepted if an import rule of a BGPFilter that the BGPPeer names accepts it`,
  }
}

/** The rules of BGPFilters, followed by those of `fallback`. */
export function withFilters(filters: readonly Rule[], fallback: Policy): Policy {
  if (filters.length === 0) return fallback
  const rest = fallback.rules.filter((rule) => rule.name !== GRACEFUL_SHUTDOWN_RULE)
  const shutdownHeeded = rest.length < fallback.rules.length
  return { ...fallback, rules: [...(shutdownHeeded ? [gracefulShutdown()] : []), ...filters, ...rest] }
}

const GRACEFUL_SHUTDOWN_RULE = 'graceful shutdown'

/**
 * RFC 8326 §4.1: on eBGP sessions a route marked GRACEFUL_SHUTDOWN gets a LOCAL_PREF below any other.
 * Late: a LOCAL_PREF that a filter sets does not take that back.
 * Limited to `prefixes` where the rest are refused anyhow, so that their attributes need not be read.
 */
const gracefulShutdown = (prefixes?: readonly PrefixMatch[]): Rule => ({
  name: GRACEFUL_SHUTDOWN_RULE,
  match: { learnedFrom: 'external', communities: [GRACEFUL_SHUTDOWN], ...(prefixes && { prefixes }) },
  action: 'next',
  late: true,
  operations: [{ kind: 'set-local-pref', value: 0 }],
})

const accept = (name: string, match: Rule['match']): Rule => ({ name, match, action: 'accept', operations: [] })
