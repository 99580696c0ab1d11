/** `show filters`: the rules of import and export policies as text, and how often each applied. */

import { formatAddress } from '../base/address.ts'
import { FAMILY_WORDS } from '../base/family.ts'
import type { Operation, PrefixMatch, Rule, RuleMatch } from '../bgp/policy/rule.ts'
import { advertisementCovering, FOR_ALL } from '../cluster/aggregation.ts'
import { abridged } from './abridged.ts'
import type { Which } from './command.ts'
import { CODE, type Row } from './reply.ts'
import type { FilterView, View } from './view.ts'
import { noProtocols, protocolsFor } from './which.ts'
import { wrapped } from './wrap.ts'

export function* filterRows(which: Which | undefined, view: View): Iterable<Row> {
  const filters = filtersFor(which, view)
  if (filters === undefined) {
    yield noProtocols()
    return
  }
  for (const { policy, direction, hits, neighbors } of filters) {
    yield { code: CODE.filterHeading, text: `${policy.name} (${direction})` }
    const row = (index: number, text: string): Row => ({ code: CODE.filter, text: withHits(hits[index] ?? 0, text) })
    for (const text of wrapped('  Neighbors:', neighbors)) yield { code: CODE.filter, text }
    for (const [index, rule] of policy.rules.entries()) yield row(index, `${rule.name}: ${ruleText(rule)}`)
    yield row(policy.rules.length, `otherwise: ${policy.otherwise}`)
  }
  yield { code: CODE.ok, text: '' }
}

const withHits = (hits: number, text: string): string => `  ${String(hits).padStart(10)}  ${text}`

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
  const effects = [...(action === 'next' ? [] : [action]), ...operations.map(operationText)]
  return `${conditions === '' ? 'any route' : conditions}: ${effects.join(', ')}`
}

function matchText(match: RuleMatch): string {
  const parts = Object.values(CONDITIONS).map((words) => words(match))
  return parts.filter((part) => part !== undefined).join(', ')
}

/** The words for each condition of a rule, in the order in which people read them. Its type makes sure that none is missing. */
const CONDITIONS: { readonly [Name in keyof RuleMatch]-?: (match: RuleMatch) => string | undefined } = {
  family: ({ family }) => family && FAMILY_WORDS[family],
  prefixes: ({ prefixes }) => prefixes && `in ${anyOf(prefixes.map(prefixText))}`,
  notPrefixes: ({ notPrefixes }) => notPrefixes && `not in ${anyOf(notPrefixes.map(prefixText))}`,
  source: ({ source, learnedFrom }) =>
    source === 'originated' ? 'our own' : source === 'peer' && learnedFrom === undefined ? 'learned' : undefined,
  learnedFrom: ({ learnedFrom }) => learnedFrom && `learned from ${PEER_TYPE_NAMES[learnedFrom]}`,
  named: ({ named, notNamed }) =>
    named === undefined ? notNamed && 'named by a BGPAdvertisement' : anyOf(named.map(namedText)),
  notNamed: ({ notNamed = [] }) => (notNamed.length === 0 ? undefined : `not ${anyOf(notNamed.map(namedText))}`),
  interface: (match) => match.interface && `over interface ${match.interface}`,
  peerType: ({ peerType }) => peerType && `for ${PEER_TYPE_NAMES[peerType]} neighbors`,
  communities: ({ communities }) => communities && `community ${anyOf(communities.map(communityText))}`,
  asPathPrefix: ({ asPathPrefix }) => asPathPrefix && `AS path begins ${asPathPrefix.join(' ')}`,
  localPref: ({ localPref }) => (localPref === undefined ? undefined : `local preference ${localPref}`),
  med: ({ med }) => (med === undefined ? undefined : `MED ${med}`),
}

/** `name`: of a BGPAdvertisement that names the route, or a mark in place of one (`coveredBy`, `FOR_ALL`). */
function namedText(name: string): string {
  if (name === FOR_ALL) return 'wanted by an object for all peers'
  const covering = advertisementCovering(name)
  return covering === undefined ? `named by BGPAdvertisement/${name}` : `covered by BGPAdvertisement/${covering}`
}

const PEER_TYPE_NAMES = { external: 'eBGP', internal: 'iBGP' } as const

const communityText = (numbers: readonly number[]): string => numbers.join(':')

/** The words for a list of which one must match. */
const anyOf = (parts: readonly string[]): string => (parts.length === 0 ? 'nothing' : abridged(parts, ' or ', 'or'))

function prefixText({ prefix, minLength, maxLength }: PrefixMatch): string {
  const whole = minLength === prefix.length && maxLength === 8 * prefix.bytes.length
  return whole ? prefix.text : `${prefix.text} (/${minLength}${minLength === maxLength ? '' : ` to /${maxLength}`})`
}

function operationText(operation: Operation): string {
  switch (operation.kind) {
    case 'add-community':
      return `add community ${communityText(operation.community)}`
    case 'remove-community':
      return `remove community ${communityText(operation.community)}`
    case 'set-communities':
      return `communities ${operation.communities.map(communityText).join(' ')}`
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
