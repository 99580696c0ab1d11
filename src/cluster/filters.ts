/**
 * BGPFilter objects become policy rules. Comes in: a name and a spec as the API or a manifest serves it, unchecked.
 * Goes out: rules per direction and family, or, when anything in it is wrong, none at all and a problem for every wrong
 * field: a filter that says something else than was meant must not be used, so neighbors that name it are held down.
 */
import { ADDRESS_BITS, type Family } from '../base/family.ts'
import { type Prefix, parsePrefix } from '../base/prefix.ts'
import type { Asn } from '../base/units.ts'
import { type Community, parseCommunity } from '../bgp/policy/community.ts'
import type { Operation, PrefixMatch, Rule, RuleMatch } from '../bgp/policy/rule.ts'
import type { Problem } from './intent.ts'

export interface CompiledFilter {
  readonly name: string
  /** False when there are problems; the rules are empty then. */
  readonly usable: boolean
  readonly exportV4: readonly Rule[]
  readonly importV4: readonly Rule[]
  readonly exportV6: readonly Rule[]
  readonly importV6: readonly Rule[]
  readonly problems: readonly Problem[]
}

const LISTS = { exportV4: 'ipv4', importV4: 'ipv4', exportV6: 'ipv6', importV6: 'ipv6' } as const
type ListName = keyof typeof LISTS
const LIST_NAMES = Object.keys(LISTS) as ListName[]

const NO_RULES = { exportV4: [], importV4: [], exportV6: [], importV6: [] } as const

export function compileFilter(name: string, spec: unknown): CompiledFilter {
  const check = new Check(`BGPFilter/${name}`)
  const fields = check.fields(spec ?? {}, 'spec', LIST_NAMES)
  const rules = (list: ListName): Rule[] =>
    check
      .list(fields[list], `spec.${list}`)
      .map((rule, index) => readRule(check, rule, `spec.${list}[${index}]`, LISTS[list], `${name} ${list}[${index}]`))
  const [exportV4, importV4, exportV6, importV6] = LIST_NAMES.map(rules) as [Rule[], Rule[], Rule[], Rule[]]
  const usable = check.problems.length === 0
  return { name, usable, ...(usable ? { exportV4, importV4, exportV6, importV6 } : NO_RULES), problems: check.problems }
}

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
] as const

function readRule(check: Check, value: unknown, field: string, family: Family, name: string): Rule {
  const spec = check.fields(value, field, RULE_FIELDS)
  if (isSet(spec.interface)) {
    check.wrong(
      `${field}.interface`,
      spec.interface,
      'matching on an interface is not supported; use source or cidr',
      'filter-field-unsupported',
    )
  }
  const action = check.choice(spec.action, `${field}.action`, ACTIONS, true)
  return {
    name: `BGPFilter/${name}`,
    match: {
      family,
      ...readPrefixes(check, spec, field, family),
      ...present('source', check.choice(spec.source, `${field}.source`, SOURCES)),
      ...present('peerType', check.choice(spec.peerType, `${field}.peerType`, PEER_TYPES)),
      ...readCommunities(check, spec.communities, `${field}.communities`),
      ...readPathPrefix(check, spec.asPathPrefix, `${field}.asPathPrefix`),
      ...present('localPref', readPriority(check, spec.priority, `${field}.priority`)),
    },
    action: action ?? 'reject',
    operations: readOperations(check, spec.operations, `${field}.operations`, action),
  }
}

const ACTIONS = { Accept: 'accept', Reject: 'reject' } as const
const SOURCES = { RemotePeers: 'peer' } as const
const PEER_TYPES = { eBGP: 'external', iBGP: 'internal' } as const
const OPERATORS = { Equal: 'Equal', NotEqual: 'NotEqual', In: 'In', NotIn: 'NotIn' } as const

type PrefixConditions = Pick<RuleMatch, 'prefixes' | 'notPrefixes'>

function readPrefixes(check: Check, spec: Fields, field: string, family: Family): PrefixConditions {
  const operator = check.choice(spec.matchOperator, `${field}.matchOperator`, OPERATORS)
  if (!isSet(spec.cidr)) {
    if (isSet(spec.matchOperator)) check.wrong(`${field}.cidr`, spec.cidr, 'must be given, as matchOperator is')
    if (isSet(spec.prefixLength)) check.wrong(`${field}.cidr`, spec.cidr, 'must be given, as prefixLength is')
    return {}
  }
  if (!isSet(spec.matchOperator)) {
    check.wrong(`${field}.matchOperator`, spec.matchOperator, 'must be given, as cidr is')
  }
  const prefix = typeof spec.cidr === 'string' ? parsePrefix(spec.cidr) : undefined
  if (prefix?.family !== family) {
    check.wrong(`${field}.cidr`, spec.cidr, `must be an ${FAMILY_NAMES[family]} prefix such as ${EXAMPLES[family]}`)
    return {}
  }
  if (operator === undefined) return {}
  const exact = operator === 'Equal' || operator === 'NotEqual'
  if (exact && isSet(spec.prefixLength)) {
    check.wrong(`${field}.prefixLength`, spec.prefixLength, `goes with In and NotIn; ${operator} means one length`)
  }
  const match = exact
    ? { prefix, minLength: prefix.length, maxLength: prefix.length }
    : readPrefixLength(check, spec.prefixLength, `${field}.prefixLength`, prefix)
  return operator === 'Equal' || operator === 'In' ? { prefixes: [match] } : { notPrefixes: [match] }
}

const FAMILY_NAMES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const
const EXAMPLES = { ipv4: '10.0.0.0/8', ipv6: '2001:db8::/32' } as const

/** The range is cut to what can lie inside the prefix, as Calico does. */
function readPrefixLength(check: Check, value: unknown, field: string, prefix: Prefix): PrefixMatch {
  const bits = ADDRESS_BITS[prefix.family]
  if (!isSet(value)) return { prefix, minLength: prefix.length, maxLength: bits }
  const { min, max } = check.fields(value, field, ['min', 'max'])
  const minLength = Math.max(prefix.length, check.integer(min, `${field}.min`, 0, bits) ?? 0)
  const maxLength = check.integer(max, `${field}.max`, 0, bits) ?? bits
  if (minLength > maxLength) {
    check.wrong(field, `${minLength} to ${maxLength}`, `leaves no length that a route inside ${prefix.text} can have`)
  }
  return { prefix, minLength, maxLength }
}

function readCommunities(check: Check, value: unknown, field: string): Pick<RuleMatch, 'communities'> {
  if (!isSet(value)) return {}
  const { values } = check.fields(value, field, ['values'])
  const listed = check.list(values, `${field}.values`)
  if (listed.length !== 1) check.wrong(`${field}.values`, values, 'must hold exactly one community')
  return { communities: listed.map((one, index) => readCommunity(check, one, `${field}.values[${index}]`)) }
}

function readCommunity(check: Check, value: unknown, field: string): Community {
  const community = typeof value === 'string' ? parseCommunity(value) : undefined
  if (community === undefined) {
    check.wrong(field, value, 'must be a community: two numbers up to 65535 or three up to 4294967295, joined by ":"')
  }
  return community ?? []
}

function readPathPrefix(check: Check, value: unknown, field: string): Pick<RuleMatch, 'asPathPrefix'> {
  const path = readPath(check, value, field)
  return path.length === 0 ? {} : { asPathPrefix: path }
}

const readPath = (check: Check, value: unknown, field: string): Asn[] =>
  check.list(value, field).map((asn, index) => readAsn(check, asn, `${field}[${index}]`))

/** A number, or text as Calico also takes it: `64512`, `1.10` (RFC 5396). */
function readAsn(check: Check, value: unknown, field: string): Asn {
  const [, high, low = ''] = /^(\d{1,10})(?:\.(\d{1,5}))?$/.exec(String(value)) ?? []
  const asn = low === '' ? Number(high) : Number(high) * 0x10000 + Number(low)
  const dottedFits = low === '' || (Number(high) <= 0xffff && Number(low) <= 0xffff && typeof value === 'string')
  if (asn >= 1 && asn <= 0xffffffff && dottedFits) return asn
  check.wrong(field, value, 'must be an AS number, 1 to 4294967295')
  return 0
}

/** Calico's priority is a kernel metric, where lower wins; as LOCAL_PREF it counts down from here. */
const PRIORITY_BASE = 2147483647

function readPriority(check: Check, value: unknown, field: string): number | undefined {
  const priority = check.integer(value, field, 1, PRIORITY_BASE - 1)
  return priority === undefined ? undefined : PRIORITY_BASE - priority
}

const OPERATIONS_MAX = 10
const PREPEND_MAX = 10

function readOperations(check: Check, value: unknown, field: string, action: Rule['action'] | undefined): Operation[] {
  const listed = check.list(value, field)
  if (listed.length > OPERATIONS_MAX) check.wrong(field, listed.length, `must be at most ${OPERATIONS_MAX}`)
  if (listed.length > 0 && action === 'reject') check.wrong(field, value, 'go with action Accept only')
  return listed.flatMap((operation, index) => readOperation(check, operation, `${field}[${index}]`))
}

function readOperation(check: Check, value: unknown, field: string): Operation[] {
  const { addCommunity, prependASPath, setPriority } = check.fields(value, field, [
    'addCommunity',
    'prependASPath',
    'setPriority',
  ])
  const given = [addCommunity, prependASPath, setPriority].filter(isSet)
  if (given.length !== 1) {
    check.wrong(field, value, 'must have exactly one of addCommunity, prependASPath and setPriority')
    return []
  }
  if (isSet(addCommunity)) return [readAddCommunity(check, addCommunity, `${field}.addCommunity`)]
  if (isSet(prependASPath)) return [readPrepend(check, prependASPath, `${field}.prependASPath`)]
  return [readSetPriority(check, setPriority, `${field}.setPriority`)]
}

function readAddCommunity(check: Check, spec: unknown, field: string): Operation {
  const { value } = check.fields(spec, field, ['value'])
  return { kind: 'add-community', community: readCommunity(check, value, `${field}.value`) }
}

function readPrepend(check: Check, spec: unknown, field: string): Operation {
  const { prefix } = check.fields(spec, field, ['prefix'])
  const path = readPath(check, prefix, `${field}.prefix`)
  if (path.length < 1 || path.length > PREPEND_MAX) {
    check.wrong(`${field}.prefix`, prefix, `must hold 1 to ${PREPEND_MAX} AS numbers`)
  }
  return { kind: 'prepend', path }
}

function readSetPriority(check: Check, spec: unknown, field: string): Operation {
  const { value } = check.fields(spec, field, ['value'])
  if (!isSet(value)) check.wrong(`${field}.value`, value, 'must be given')
  return { kind: 'set-local-pref', value: readPriority(check, value, `${field}.value`) ?? 0 }
}

type Fields = Readonly<Record<string, unknown>>

/** Kubernetes serves absent, null and empty text for the same thing. */
const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== ''

const present = <Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> =>
  value === undefined ? {} : ({ [key]: value } as Record<Key, Value>)

/** Reads fields of one object and keeps what is wrong with them. */
class Check {
  readonly problems: Problem[] = []
  readonly #object: string

  constructor(object: string) {
    this.#object = object
  }

  wrong(field: string, value: unknown, what: string, code = 'filter-field-invalid'): void {
    const text = `${field} ${what}; neighbors that name this filter are held down until it is right`
    this.problems.push({ code, object: this.#object, field, value: shorten(value), text })
  }

  /** An object's fields. A field we do not know is a problem too: as a misspelt condition it would widen the match. */
  fields(value: unknown, field: string, known: readonly string[]): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.wrong(field, value, 'must be an object')
      return {}
    }
    for (const [key, unknown] of Object.entries(value)) {
      if (known.includes(key)) continue
      this.wrong(`${field}.${key}`, unknown, `is not known; known are ${known.join(', ')}`, 'filter-field-unknown')
    }
    return value as Fields
  }

  list(value: unknown, field: string): readonly unknown[] {
    if (!isSet(value)) return []
    if (Array.isArray(value)) return value
    this.wrong(field, value, 'must be a list')
    return []
  }

  choice<Value>(value: unknown, field: string, choices: Readonly<Record<string, Value>>, needed = false) {
    if (!isSet(value) && !needed) return undefined
    if (typeof value === 'string' && Object.hasOwn(choices, value)) return choices[value]
    this.wrong(field, value, `must be ${Object.keys(choices).join(' or ')}`)
    return undefined
  }

  integer(value: unknown, field: string, min: number, max: number): number | undefined {
    if (!isSet(value)) return undefined
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
    this.wrong(field, value, `must be a whole number, ${min} to ${max}`)
    return undefined
  }
}

const VALUE_MAX = 100

/** The value at fault for a report; things with parts only by their kind. */
function shorten(value: unknown): string {
  if (!isSet(value)) return ''
  if (Array.isArray(value)) return `a list of ${value.length}`
  return typeof value === 'object' ? 'an object' : String(value).slice(0, VALUE_MAX)
}
