/**
 * Maintenance without loss (RFC 8326). While a neighbor is drained, all routes advertised to it carry
 * GRACEFUL_SHUTDOWN, so that it prefers other paths, and the routes that it advertises get the lowest preference here.
 * This is done by policy alone; the session stays.
 */
import { GRACEFUL_SHUTDOWN } from '../bgp/policy/community.ts'
import { REJECT_ALL } from '../bgp/policy/defaults.ts'
import type { Policy, Rule } from '../bgp/policy/rule.ts'

/** Late: no preference or community that a filter or an advertisement sets takes the drain back. */
const rule = (name: string, rest: Pick<Rule, 'match' | 'operations'>): Rule => ({
  name,
  action: 'next',
  late: true,
  ...rest,
})

const LAST_CHOICE = { kind: 'set-local-pref', value: 0 } as const

/** RFC 8326 §4: inside the AS the local preference expresses it. */
const RULES: Readonly<Record<'import' | 'export', readonly Rule[]>> = {
  import: [rule('drained', { match: {}, operations: [LAST_CHOICE] })],
  export: [
    rule('drained', { match: {}, operations: [{ kind: 'add-community', community: GRACEFUL_SHUTDOWN }] }),
    rule('drained, inside the AS', { match: { peerType: 'internal' }, operations: [LAST_CHOICE] }),
  ],
}

/** One object per policy and direction, so that neighbors that share a policy still share one. */
const made = { import: new WeakMap<Policy, Policy>(), export: new WeakMap<Policy, Policy>() }

/** The policy of a neighbor that is drained. */
export function whileDrained(policy: Policy, direction: 'import' | 'export'): Policy {
  const kept = made[direction].get(policy) ?? { ...policy, rules: [...RULES[direction], ...policy.rules] }
  made[direction].set(policy, kept)
  return kept
}

/** Nothing is advertised any more: all routes are withdrawn. */
export const WITHDRAWN: Policy = { ...REJECT_ALL, name: 'withdrawn', otherwiseReason: 'this node is leaving' }
