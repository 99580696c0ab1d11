/** Short ways to write routes and policies in these tests. */
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import type { PolicyInput } from '../../../src/bgp/policy/compile.ts'
import type { PolicyRoute } from '../../../src/bgp/policy/evaluate.ts'
import type { Policy, PrefixMatch, Rule } from '../../../src/bgp/policy/rule.ts'
import { BARE } from '../../support/attributes.ts'

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(`no prefix: ${text}`)
  return parsed
}

export const range = (text: string, minLength: number, maxLength: number): PrefixMatch => ({
  prefix: prefix(text),
  minLength,
  maxLength,
})

export const rule = (action: Rule['action'], match: Rule['match'], ...operations: Rule['operations']): Rule => ({
  name: `${action} ${Object.keys(match).join(' ')}`.trim(),
  match,
  action,
  operations,
})

export const policy = (rules: readonly Rule[], otherwise: Policy['otherwise'] = 'reject'): Policy => ({
  name: 'test',
  rules,
  otherwise,
  otherwiseReason: 'nothing else is wanted',
})

/** Learned from eBGP unless said otherwise. */
export const route = (text: string, more: Partial<Omit<PolicyRoute, 'prefix'>> = {}): PolicyRoute => ({
  prefix: prefix(text),
  source: 'peer',
  learnedFrom: 'external',
  attributes: BARE,
  ...more,
})

export const originatedRoute = (text: string): PolicyRoute =>
  route(text, { source: 'originated', learnedFrom: undefined })

/** A question to a compiled policy: a route learned from eBGP unless said otherwise. */
export const policyInput = (
  at: {
    readonly family: PolicyInput['family']
    readonly bytes: Uint8Array
    readonly offset?: number
    readonly length: number
  },
  more: Partial<PolicyInput> = {},
): PolicyInput => ({
  family: at.family,
  bytes: at.bytes,
  offset: at.offset ?? 0,
  length: at.length,
  source: 'peer',
  learnedFrom: 'external',
  peerType: 'external',
  interface: undefined,
  named: undefined,
  attributes: () => BARE,
  lacksAll: () => false,
  ...more,
})
