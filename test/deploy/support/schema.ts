/**
 * Judges a value by the schema of a CustomResourceDefinition, as far as our CRDs use it. Rules in CEL are not evaluated:
 * each has a mirror here, found by its exact text, and a rule without one is a fault. So what is held is that mirror and
 * agent agree, and that no rule changes unseen; that an API server reads the rule as we do is not.
 */
import { parseAddress } from '../../../src/base/address.ts'
import { parsePrefix } from '../../../src/base/prefix.ts'

export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly format?: string
  readonly anyOf?: readonly Schema[]
  readonly not?: Schema
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[]
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is wrong with the value, each with its place; empty when the schema takes it. */
export function faults(schema: Schema, value: unknown, at = ''): string[] {
  const found = isFields(value)
    ? objectFaults(schema, value, at)
    : Array.isArray(value)
      ? listFaults(schema, value, at)
      : []
  if (!typeFits(schema, value)) return [`${at}: has the wrong type`]
  if (!scalarFits(schema, value)) found.push(`${at}: ${JSON.stringify(value)} is out of bounds`)
  if (found.length > 0) return found
  // As the API server does: rules are for values whose shape is right.
  return (schema['x-kubernetes-validations'] ?? [])
    .filter(({ rule }) => !mirrorOf(rule)(value))
    .map(({ message }) => `${at}: ${message}`)
}

function typeFits(schema: Schema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string']) return Number.isInteger(value) || typeof value === 'string'
  switch (schema.type) {
    case 'object':
      return isFields(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case undefined:
      return true
    default:
      return typeof value === schema.type
  }
}

function objectFaults(schema: Schema, value: Fields, at: string): string[] {
  const names = Object.keys(value)
  const found = (schema.required ?? [])
    .filter((name) => !names.includes(name))
    .map((name) => `${at}.${name}: is missing`)
  if (names.length < (schema.minProperties ?? 0)) found.push(`${at}: has too few fields`)
  if (names.length > (schema.maxProperties ?? names.length)) found.push(`${at}: has too many fields`)
  for (const name of names) {
    const inner = schema.properties?.[name]
    if (inner !== undefined) found.push(...faults(inner, value[name], `${at}.${name}`))
    else if (!schema['x-kubernetes-preserve-unknown-fields'] && schema.properties !== undefined)
      found.push(`${at}.${name}: is no field`)
  }
  return found
}

function listFaults(schema: Schema, items: readonly unknown[], at: string): string[] {
  const inner = schema.items
  const found = inner === undefined ? [] : items.flatMap((item, index) => faults(inner, item, `${at}[${index}]`))
  if (items.length < (schema.minItems ?? 0)) found.push(`${at}: has too few entries`)
  if (items.length > (schema.maxItems ?? items.length)) found.push(`${at}: has too many entries`)
  const keys = schema['x-kubernetes-list-map-keys']
  const identities = items.map((item) =>
    JSON.stringify(keys === undefined || !isFields(item) ? item : keys.map((key) => item[key])),
  )
  const unique = keys !== undefined || schema['x-kubernetes-list-type'] === 'set'
  if (unique && new Set(identities).size < items.length) found.push(`${at}: has the same entry twice`)
  return found
}

function scalarFits(schema: Schema, value: unknown): boolean {
  if (typeof value === 'string' && !textFits(schema, value)) return false
  if (typeof value === 'number' && (value < (schema.minimum ?? value) || value > (schema.maximum ?? value)))
    return false
  if (schema.anyOf !== undefined && !schema.anyOf.some((one) => typeFits(one, value) && scalarFits(one, value)))
    return false
  return schema.not === undefined || !scalarFits(schema.not, value)
}

function textFits(schema: Schema, text: string): boolean {
  const { minLength = 0, maxLength = text.length, pattern, format } = schema
  if (schema.enum !== undefined && !schema.enum.includes(text)) return false
  if (text.length < minLength || text.length > maxLength) return false
  if (pattern !== undefined && !patternOf(pattern).test(text)) return false
  return format === undefined || formatFits(format, text)
}

/** Go writes the flag inside. */
const patternOf = (pattern: string): RegExp =>
  new RegExp(pattern.replace('(?i)', ''), pattern.includes('(?i)') ? 'i' : '')

function formatFits(format: string, text: string): boolean {
  switch (format) {
    case 'cidr':
      return parsePrefix(text) !== undefined
    case 'ipv4':
      return !text.includes(':') && parseAddress(text) !== undefined
    case 'ipv6':
      return text.includes(':') && !text.includes('%') && parseAddress(text) !== undefined
    default:
      throw new Error(`no format ${format} here`)
  }
}

type Mirror = (self: never) => boolean
type Spec = Readonly<Record<string, unknown>>

const given = (value: unknown): boolean => value !== undefined && value !== ''
const seconds = (value: number | string): number => {
  if (typeof value === 'number') return value
  if (/^\d+$/.test(value)) return Number(value)
  const [, hours, minutes, rest] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.0+)?s)?$/.exec(value) ?? []
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(rest ?? 0)
}
const within = (min: number, max: number): [string, Mirror] => [
  `type(self) == int || (self.matches('^[0-9]+$') ? int(self) >= ${min} && int(self) <= ${max} : duration(self) >= duration('${min}s') && duration(self) <= duration('${max}s'))`,
  (self: number | string) => typeof self === 'number' || (seconds(self) >= min && seconds(self) <= max),
]

interface FilterRule {
  readonly cidr?: string
  readonly matchOperator?: string
  readonly prefixLength?: { readonly min?: number; readonly max?: number }
  readonly operations?: readonly unknown[]
  readonly action: string
  readonly interface?: string
}

interface Pool {
  readonly cidr: string
  readonly nat?: { readonly address?: string }
  readonly ipipMode?: string
  readonly vxlanMode?: string
}

const MIRRORS: ReadonlyMap<string, Mirror> = new Map<string, Mirror>([
  within(0, 65535),
  within(1, 21845),
  within(1, 3600),
  [
    "type(self) == int ? self != 1 && self != 2 : self.matches('^[0-9]+$') ? int(self) != 1 && int(self) != 2 : duration(self) != duration('1s') && duration(self) != duration('2s')",
    (self: number | string) => ![1, 2].includes(seconds(self)),
  ],
  [
    "self.metadata.name == 'default' || (self.metadata.name.startsWith('node.') && self.metadata.name != 'node.')",
    ({ metadata: { name } }: { metadata: { name: string } }) => name === 'default' || /^node\../.test(name),
  ],
  ...['nodeMeshPassword', 'nodeMeshMaxRestartTime'].map((field): [string, Mirror] => [
    `!(has(self.${field}) && has(self.nodeToNodeMeshEnabled) && !self.nodeToNodeMeshEnabled)`,
    (self: Spec) => self[field] === undefined || self.nodeToNodeMeshEnabled !== false,
  ]),
  [
    "!((has(self.node) && self.node != '') && (has(self.nodeSelector) && self.nodeSelector != ''))",
    (self: Spec) => !(given(self.node) && given(self.nodeSelector)),
  ],
  [
    "[(has(self.peerIP) && self.peerIP != '') || has(self.interface), (has(self.peerSelector) && self.peerSelector != ''), has(self.peerRange)].filter(one, one).size() == 1",
    ({ peerIP, interface: name, peerSelector, peerRange }: Spec) =>
      [given(peerIP) || name !== undefined, given(peerSelector), given(peerRange)].filter(Boolean).length === 1,
  ],
  [
    "!(has(self.peerIP) && self.peerIP != '') || has(self.interface) == self.peerIP.matches('^[[]?[fF][eE][89abAB][0-9a-fA-F]:[^%]*$')",
    ({ peerIP, interface: name }: Spec) =>
      !given(peerIP) || (name !== undefined) === /^[[]?fe[89ab][0-9a-f]:[^%]*$/i.test(String(peerIP)),
  ],
  [
    "(has(self.peerIP) && self.peerIP != '') || !has(self.interface) || has(self.remoteAS) || (has(self.asNumber) && (type(self.asNumber) != int || self.asNumber != 0))",
    (self: Spec) =>
      given(self.peerIP) ||
      self.interface === undefined ||
      given(self.remoteAS) ||
      (given(self.asNumber) && self.asNumber !== 0),
  ],
  [
    'has(self.peerRange) || !has(self.peerRangeLimit)',
    (self: Spec) => given(self.peerRange) || self.peerRangeLimit === undefined,
  ],
  [
    '!has(self.peerRange) || has(self.remoteAS) || (has(self.asNumber) && (type(self.asNumber) != int || self.asNumber != 0))',
    (self: Spec) => !given(self.peerRange) || given(self.remoteAS) || (given(self.asNumber) && self.asNumber !== 0),
  ],
  [
    '!has(self.remoteAS) || !has(self.asNumber) || (type(self.asNumber) == int && self.asNumber == 0)',
    (self: Spec) => !given(self.remoteAS) || !given(self.asNumber) || self.asNumber === 0,
  ],
  [
    "!has(self.remoteAS) || !(has(self.peerSelector) && self.peerSelector != '')",
    (self: Spec) => !given(self.remoteAS) || !given(self.peerSelector),
  ],
  [
    '!has(self.strictRole) || !self.strictRole || has(self.role)',
    (self: Spec) => self.strictRole !== true || given(self.role),
  ],
  [
    "!((has(self.peerSelector) && self.peerSelector != '') && has(self.asNumber) && (type(self.asNumber) != int || self.asNumber != 0))",
    (self: Spec) => !given(self.peerSelector) || self.asNumber === undefined || self.asNumber === 0,
  ],
  [
    '!(has(self.keepOriginalNextHop) && self.keepOriginalNextHop && has(self.nextHopMode))',
    (self: Spec) => self.keepOriginalNextHop !== true || self.nextHopMode === undefined,
  ],
  [
    "!has(self.reachableBy) || (has(self.peerIP) && self.peerIP != '')",
    (self: Spec) => self.reachableBy === undefined || given(self.peerIP),
  ],
  [
    'has(self.cidr) == has(self.matchOperator)',
    (self: FilterRule) => (self.cidr === undefined) === (self.matchOperator === undefined),
  ],
  [
    '!has(self.prefixLength) || has(self.cidr)',
    (self: FilterRule) => self.prefixLength === undefined || self.cidr !== undefined,
  ],
  [
    "!has(self.prefixLength) || !has(self.matchOperator) || self.matchOperator in ['In', 'NotIn']",
    (self: FilterRule) => self.prefixLength === undefined || !self.matchOperator?.includes('Equal'),
  ],
  [
    '!has(self.prefixLength) || !has(self.prefixLength.min) || !has(self.prefixLength.max) || self.prefixLength.min <= self.prefixLength.max',
    ({ prefixLength: { min, max } = {} }: FilterRule) => min === undefined || max === undefined || min <= max,
  ],
  [
    "!has(self.operations) || size(self.operations) == 0 || self.action == 'Accept'",
    (self: FilterRule) => (self.operations ?? []).length === 0 || self.action === 'Accept',
  ],
  ['!has(self.interface)', (self: FilterRule) => self.interface === undefined],
  // Concerns changes only.
  ['self == oldSelf', () => true],
  [
    "int(self.replace('-', ':').split(':')[0]) <= int(self.replace('-', ':').split(':')[1])",
    (self: string) => {
      const [first, last] = self.split(/[:-]/).map(Number)
      return (first ?? 0) <= (last ?? 0)
    },
  ],
  [
    "!(has(self.ipipMode) && self.ipipMode != 'Never' && has(self.vxlanMode) && self.vxlanMode != 'Never')",
    ({ ipipMode = 'Never', vxlanMode = 'Never' }: Pool) => ipipMode === 'Never' || vxlanMode === 'Never',
  ],
  [
    "!has(self.nat) || !has(self.nat.address) || self.nat.address.contains(':') == self.cidr.contains(':')",
    ({ nat, cidr }: Pool) => nat?.address === undefined || nat.address.includes(':') === cidr.includes(':'),
  ],
])

function mirrorOf(rule: string): (self: unknown) => boolean {
  const mirror = MIRRORS.get(rule)
  if (mirror === undefined) throw new Error(`no mirror of the rule ${rule}`)
  return mirror as (self: unknown) => boolean
}

/** Every field of the schema with its own: `spec.communities[].name`. */
export function walk(schema: Schema, at: string): [string, Schema][] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, one]) => walk(one, `${at}.${name}`))
  const items = schema.items === undefined ? [] : walk(schema.items, `${at}[]`)
  return [[at, schema], ...inner, ...items]
}
