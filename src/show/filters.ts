/** `show filters`: the rules of import and export policies as text, and how often each applied. */
import { formatAddress } from '../base/address.ts'
import type { Operation, PrefixMatch, Rule, RuleMatch } from '../bgp/policy/rule.ts'
import { abridged } from './abridged.ts'
import type { Which } from './command.ts'
import { CODE, type Row } from './reply.ts'
import type { FilterView, View } from './view.ts'
import { protocolsFor } from './which.ts'
import { wrapped } from './wrap.ts'

export function* filterRows(which: Which | undefined, view: View): Iterable<Row> {
  const filters = filtersFor(which, view)
  if (filters === undefined) {
    yield { code: CODE.noProtocols, text: 'No protocols match' }
    return
  }
  for (const { policy, direction, hits, neighbors } of filters) {
    yield { code: CODE.filterHeading, text: `${policy.name} (${direction})` }
    const row = (index: number, text: string): Row => ({ code: CODE.filter, text: line(hits[index] ?? 0, text) })
    for (const text of wrapped('  Neighbors:', neighbors)) yield { code: CODE.filter, text }
    for (const [index, rule] of policy.rules.entries()) yield row(index, `${rule.name}: ${ruleText(rule)}`)
    yield row(policy.rules.length, `otherwise: ${policy.otherwise}`)
  }
  yield { code: CODE.ok, text: '' }
}

const line = (hits: number, text: string): string => `  ${String(hits).padStart(10)}  ${text}`

/** The filters of the neighbors that match; undefined if none matches. */
export function filtersFor(which: Which | undefined, view: View): readonly FilterView[] | undefined {
  if (which === undefined) return view.filters()
  const meant = new Set(Array.from(protocolsFor(which, view), ({ name }) => name))
  if (meant.size === 0) return undefined
  return view.filters().filter(({ neighbors }) => neighbors.some((name) => meant.has(name)))
}

/** `IPv4 in 10.0.0.0/8 (24 to 32), from neighbors: accept, add community 64512:1`. */
export function ruleText({ match, action, operations }: Rule): string {
  const conditions = matchText(match)
  const done = [...(action === 'next' ? [] : [action]), ...operations.map(operationText)]
  return `${conditions === '' ? 'any route' : conditions}: ${done.join(', ')}`
}

function matchText(match: RuleMatch): string {
  const { family, prefixes, notPrefixes, source, peerType, learnedFrom, communities, asPathPrefix } = match
  const parts = [
    family !== undefined && (family === 'ipv4' ? 'IPv4' : 'IPv6'),
    prefixes !== undefined && `in ${some(prefixes.map(prefixText))}`,
    notPrefixes !== undefined && `not in ${some(notPrefixes.map(prefixText))}`,
    source === 'own' && 'our own',
    learnedFrom === undefined ? source === 'peer' && 'learned' : `learned from ${TYPES[learnedFrom]}`,
    peerType !== undefined && `for ${TYPES[peerType]} neighbors`,
    communities !== undefined && `community ${some(communities.map(joined))}`,
    asPathPrefix !== undefined && `AS path begins ${asPathPrefix.join(' ')}`,
    match.localPref !== undefined && `local preference ${match.localPref}`,
    match.med !== undefined && `MED ${match.med}`,
  ]
  return parts.filter((part) => part !== false).join(', ')
}

const TYPES = { external: 'eBGP', internal: 'iBGP' } as const

const joined = (numbers: readonly number[]): string => numbers.join(':')

const some = (parts: readonly string[]): string => (parts.length === 0 ? 'nothing' : abridged(parts, ' or ', 'or'))

function prefixText({ prefix, minLength, maxLength }: PrefixMatch): string {
  const whole = minLength === prefix.length && maxLength === 8 * prefix.bytes.length
  return whole ? prefix.text : `${prefix.text} (/${minLength}${minLength === maxLength ? '' : ` to /${maxLength}`})`
}

function operationText(operation: Operation): string {
  switch (operation.kind) {
    case 'add-community':
      return `add community ${joined(operation.community)}`
    case 'remove-community':
      return `remove community ${joined(operation.community)}`
    case 'set-communities':
      return `communities ${operation.communities.map(joined).join(' ')}`
    case 'prepend':
      return `prepend ${operation.path.join(' ')}`
    case 'set-local-pref':
      return `local preference ${operation.value}`
    case 'set-med':
      return operation.value === undefined ? 'no MED' : `MED ${operation.value}`
    case 'set-next-hop':
      return `next hop ${typeof operation.address === 'string' ? operation.address : formatAddress(operation.address)}`
  }
}
