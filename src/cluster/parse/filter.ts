/**
 * Compiles BGPFilter objects to policy rules. In: a name and a spec as the API or a manifest serves it, unchecked. Out:
 * rules by direction and family. If any field is wrong, there are no rules, and a problem for each wrong field: a filter
 * with an error must not be used in part, so neighbors that name it are held down.
 */
import { ADDRESS_BITS, FAMILY_WORDS, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { Asn } from '../../base/units.ts'
import { finish, type Work } from '../../base/work.ts'
import { type Community, parseCommunity } from '../../bgp/policy/community.ts'
import { PRIORITY_BASE } from '../../bgp/policy/match.ts'
import type { Operation, PrefixMatch, Rule, RuleMatch } from '../../bgp/policy/rule.ts'
import type { FilterObject } from '../objects.ts'
import { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields, isRecord, parseAsn } from './fields.ts'

const NO_RULES = { exportV4: [], importV4: [], exportV6: [], importV6: [] } as const
/** The most rules of one direction and family. */
const MOST_RULES = 10_000
/** About what one takes to read, in microseconds. */
const RULE_COST = 8

const LISTS = ['exportV4', 'importV4', 'exportV6', 'importV6'] as const

export function* parseFilter(object: Record<string, unknown>, ref: ObjectRef, findings: Findings): Work<FilterObject> {
  return yield* filterSteps(ref.name, object.spec ?? {}, findings)
}

export const compileFilter = (name: string, spec: unknown): FilterObject =>
  finish(filterSteps(name, spec, new Findings(`BGPFilter/${name}`)))

function* filterSteps(name: string, spec: unknown, findings: Findings): Work<FilterObject> {
  const fields = openFields(findings, 'spec', spec ?? {}, LISTS)
  function* rules(list: (typeof LISTS)[number], family: Family): Work<Rule[]> {
    const read = (item: unknown, at: string) =>
      readRule(findings, at, item, family, `BGPFilter/${name} ${at.slice('spec.'.length)}`)
    return fields === undefined ? [] : yield* fields.listInSteps(list, read, { most: MOST_RULES, cost: RULE_COST })
  }
  const read = {
    exportV4: yield* rules('exportV4', 'ipv4'),
    importV4: yield* rules('importV4', 'ipv4'),
    exportV6: yield* rules('exportV6', 'ipv6'),
    importV6: yield* rules('importV6', 'ipv6'),
  }
  return { name, ...(findings.refused ? NO_RULES : read), problems: findings.problems }
}

/** An unknown field is refused: it may be a misspelt condition, and without it the rule would match more routes. */
function openFields(findings: Findings, at: string, value: unknown, known: readonly string[]): Fields | undefined {
  if (!isRecord(value)) return findings.wrong(at, value, 'is not an object')
  for (const name of Object.keys(value)) {
    // A condition that is null would match everything. A list of rules that is null is an empty list.
    if (value[name] === null && known.includes(name) && at !== 'spec') {
      findings.wrong(`${at}.${name}`, null, 'has no value; remove the field, or set a value')
    }
    if (!known.includes(name))
      findings.wrong(`${at}.${name}`, value[name], `is not a known field (${known.join(', ')})`)
  }
  return new Fields(findings, at, value)
}

const openIn = (outer: Fields, name: string, known: readonly string[]): Fields | undefined =>
  outer.has(name) ? openFields(outer.findings, outer.at(name), outer.raw(name), known) : undefined

const RULE_FIELDS = [
  'cidr',
  'matchOperator',
  'prefixLength',
  'source',
  'interface',
  'peerType',
  'communities',
  'asPathPrefix',
  'priority',
  'action',
  'operations',
]

function readRule(findings: Findings, at: string, item: unknown, family: Family, name: string): Rule | undefined {
  const direction = at.startsWith('spec.export') ? 'export' : 'import'
  const rule = openFields(findings, at, item, RULE_FIELDS)
  if (rule === undefined) return undefined
  if (!rule.has('action')) findings.missing(rule.at('action'))
  const action = rule.oneOf('action', ['Accept', 'Reject'])
  return {
    name,
    match: { family, ...readPrefixes(rule, family), ...readAttributes(rule), ...readOrigin(rule, direction) },
    action: action === 'Accept' ? 'accept' : 'reject',
    operations: readOperations(rule, action),
  }
}

const INTERFACE_MAX = 15

/**
 * `communities` of an export rule match learned routes only: as in Calico, prefixAdvertisements add communities to own
 * routes after the filters have run.
 */
function readOrigin(
  rule: Fields,
  direction: 'export' | 'import',
): Pick<RuleMatch, 'source' | 'peerType' | 'interface'> {
  const source = rule.oneOf('source', ['RemotePeers'])
  const peerType = rule.oneOf('peerType', ['eBGP', 'iBGP'])
  const name = rule.text('interface')
  if (name !== undefined && (name === '' || name.length > INTERFACE_MAX)) {
    rule.findings.wrong(rule.at('interface'), name, `is not an interface name: 1 to ${INTERFACE_MAX} characters`)
  }
  return {
    ...((source || (direction === 'export' && rule.has('communities'))) && { source: 'peer' }),
    ...(name !== undefined && { interface: name }),
    ...(peerType && { peerType: peerType === 'eBGP' ? 'external' : 'internal' }),
  }
}

function readPrefixes(rule: Fields, family: Family): Pick<RuleMatch, 'prefixes' | 'notPrefixes'> {
  const prefix = rule.prefix('cidr')
  const operator = rule.oneOf('matchOperator', ['Equal', 'NotEqual', 'In', 'NotIn'])
  const lengths = openIn(rule, 'prefixLength', ['min', 'max'])
  if (rule.has('cidr') !== rule.has('matchOperator')) {
    rule.findings.missing(
      rule.at(rule.has('cidr') ? 'matchOperator' : 'cidr'),
      'cidr and matchOperator must be given together',
    )
  }
  if (lengths !== undefined && !rule.has('cidr')) rule.findings.missing(rule.at('cidr'), 'prefixLength needs a cidr')
  if (prefix === undefined || operator === undefined) return {}
  if (prefix.family !== family) {
    rule.findings.wrong(rule.at('cidr'), prefix.text, `is not ${FAMILY_WORDS[family]}, as this list is`)
    return {}
  }
  const exact = operator === 'Equal' || operator === 'NotEqual'
  if (exact && lengths !== undefined) {
    rule.findings.wrong(rule.at('prefixLength'), operator, 'matches one length only; prefixLength is for In and NotIn')
  }
  const match = exact ? { prefix, minLength: prefix.length, maxLength: prefix.length } : readLengths(lengths, prefix)
  return operator === 'Equal' || operator === 'In' ? { prefixes: [match] } : { notPrefixes: [match] }
}

/** As in Calico, the range of lengths is limited to those that are possible inside the prefix. */
function readLengths(lengths: Fields | undefined, prefix: Prefix): PrefixMatch {
  const bits = ADDRESS_BITS[prefix.family]
  const minLength = Math.max(prefix.length, lengths?.whole('min', 0, bits) ?? 0)
  const maxLength = lengths?.whole('max', 0, bits) ?? bits
  if (lengths !== undefined && minLength > maxLength) {
    lengths.findings.wrong(
      lengths.path,
      `${minLength} to ${maxLength}`,
      `no route inside ${prefix.text} has such a length`,
    )
  }
  return { prefix, minLength, maxLength }
}

function readAttributes(rule: Fields): Pick<RuleMatch, 'communities' | 'asPathPrefix' | 'localPref'> {
  const community = readOnlyCommunity(openIn(rule, 'communities', ['values']))
  const path = rule.list('asPathPrefix', (item, at) => readAsn(rule.findings, at, item))
  const localPref = readPriority(rule, 'priority')
  return {
    ...(community && { communities: [community] }),
    ...(path.length > 0 && { asPathPrefix: path }),
    ...(localPref !== undefined && { localPref }),
  }
}

/** Calico's `communities.values` is a list that must have exactly one item. */
function readOnlyCommunity(communities: Fields | undefined): Community | undefined {
  if (communities === undefined) return undefined
  const values = communities.raw('values')
  return Array.isArray(values) && values.length === 1
    ? readCommunity(communities.findings, `${communities.at('values')}[0]`, values[0])
    : communities.findings.wrong(communities.at('values'), values, 'must hold exactly one community')
}

const length = (value: unknown): number => (Array.isArray(value) ? value.length : 0)

function readCommunity(findings: Findings, at: string, value: unknown): Community | undefined {
  const community = typeof value === 'string' ? parseCommunity(value) : undefined
  return (
    community ?? findings.wrong(at, value, 'is not a community (0-65535:0-65535, or three numbers up to 4294967295)')
  )
}

const readAsn = (findings: Findings, at: string, value: unknown): Asn | undefined =>
  parseAsn(value) ?? findings.wrong(at, value, 'is not an AS number')

function readPriority(fields: Fields, name: string): number | undefined {
  const priority = fields.whole(name, 1, PRIORITY_BASE - 1)
  return priority === undefined ? undefined : PRIORITY_BASE - priority
}

const OPERATIONS_MAX = 10
const PREPEND_MAX = 10
const OPERATION_FIELDS = ['addCommunity', 'prependASPath', 'setPriority', 'removeMED']

function readOperations(rule: Fields, action: 'Accept' | 'Reject' | undefined): Operation[] {
  const count = length(rule.raw('operations'))
  if (count > OPERATIONS_MAX) rule.findings.wrong(rule.at('operations'), count, `are more than ${OPERATIONS_MAX}`)
  if (count > 0 && action === 'Reject') {
    rule.findings.wrong(rule.at('operations'), rule.raw('operations'), 'is allowed with action Accept only')
  }
  return rule.list('operations', (item, at) => readOperation(rule.findings, at, item))
}

function readOperation(findings: Findings, at: string, item: unknown): Operation | undefined {
  const operation = openFields(findings, at, item, OPERATION_FIELDS)
  if (operation === undefined) return undefined
  const [name, more] = OPERATION_FIELDS.filter((field) => operation.has(field))
  if (name === undefined || more !== undefined) {
    return findings.wrong(at, item, `must have exactly one of ${OPERATION_FIELDS.join(', ')}`)
  }
  switch (name) {
    case 'addCommunity':
      return readAddCommunity(operation)
    case 'prependASPath':
      return readPrepend(operation)
    case 'setPriority':
      return readSetPriority(operation)
    default:
      return readRemoveMed(operation)
  }
}

function readAddCommunity(operation: Fields): Operation | undefined {
  const fields = openIn(operation, 'addCommunity', ['value'])
  const community = fields && readCommunity(fields.findings, fields.at('value'), fields.raw('value'))
  return community && { kind: 'add-community', community }
}

function readPrepend(operation: Fields): Operation | undefined {
  const fields = openIn(operation, 'prependASPath', ['prefix'])
  if (fields === undefined) return undefined
  const path = fields.list('prefix', (item, at) => readAsn(fields.findings, at, item))
  const count = length(fields.raw('prefix'))
  if (count < 1 || count > PREPEND_MAX) {
    fields.findings.wrong(fields.at('prefix'), fields.raw('prefix'), `must hold 1 to ${PREPEND_MAX} AS numbers`)
  }
  return { kind: 'prepend', path }
}

/** RFC 4271 §5.1.4: a MED can be removed before routes are compared. Calico has no such operation. */
function readRemoveMed(operation: Fields): Operation | undefined {
  return operation.flag('removeMED') === true ? { kind: 'set-med', value: undefined } : undefined
}

function readSetPriority(operation: Fields): Operation | undefined {
  const fields = openIn(operation, 'setPriority', ['value'])
  if (fields === undefined) return undefined
  if (!fields.has('value')) return fields.findings.missing(fields.at('value'))
  const value = readPriority(fields, 'value')
  return value === undefined ? undefined : { kind: 'set-local-pref', value }
}
