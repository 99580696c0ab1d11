/**
 * What the policies of a neighbor are made of: the rules of its BGPFilters, and the rules around them, which follow from
 * all other objects. While filters are missing, a running session keeps the rules of the last good ones, between those of
 * today: no other object waits for a filter.
 */
import { REJECT_ALL, withFilters } from '../bgp/policy/defaults.ts'
import type { Policy, Rule } from '../bgp/policy/rule.ts'

export interface FilterRules {
  /** `BGPFilter/rack`, in their order. */
  readonly names: readonly string[]
  readonly importRules: readonly Rule[]
  readonly exportRules: readonly Rule[]
}

export interface RulesAround {
  /** Before those of filters, so that filters see routes as they would be advertised. */
  readonly exportBefore: readonly Rule[]
  readonly importAfter: Policy
  readonly exportAfter: Policy
}

export interface PolicyParts {
  /** Undefined: some are missing. */
  readonly filters: FilterRules | undefined
  readonly around: RulesAround
}

export interface PeerPolicies {
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
}

/** A neighbor's policies, and their parts. */
export type PartedPolicies = PeerPolicies & { readonly policyParts: PolicyParts }

const REJECTS: PeerPolicies = { importPolicy: REJECT_ALL, exportPolicy: REJECT_ALL }

/** Of the same parts the same policies are made, so that neighbors with equal parts share them. */
const MADE = new WeakMap<RulesAround, WeakMap<FilterRules, PeerPolicies>>()

/** Without its filters a neighbor gets nothing and nothing is accepted from it. */
export function policiesOf({ filters, around }: PolicyParts): PeerPolicies {
  if (filters === undefined) return REJECTS
  const made = MADE.get(around) ?? new WeakMap<FilterRules, PeerPolicies>()
  MADE.set(around, made)
  const known = made.get(filters) ?? join(filters, around)
  made.set(filters, known)
  return known
}

function join({ names, importRules, exportRules }: FilterRules, around: RulesAround): PeerPolicies {
  return {
    importPolicy: named(withFilters(importRules, around.importAfter), names),
    exportPolicy: named(withFilters([...around.exportBefore, ...exportRules], around.exportAfter), names),
  }
}

const named = (policy: Policy, filters: readonly string[]): Policy =>
  filters.length === 0 ? policy : { ...policy, name: [...filters, policy.name].join(', ') }

/** What applies to a running session: where filters are missing now, the rules of those before. */
export function onLastGoodFilters<Intent extends PartedPolicies>(intent: Intent, before: PartedPolicies): Intent {
  const { filters, around } = intent.policyParts
  if (filters !== undefined) return intent
  const policyParts = { filters: before.policyParts.filters, around }
  return { ...intent, policyParts, ...policiesOf(policyParts) }
}
