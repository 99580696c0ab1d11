/** Judges a value by the schema of a CustomResourceDefinition, as far as our CRDs use it, with its rules in CEL. */
import { parseAddress } from '../../../src/base/address.ts'
import { parsePrefix } from '../../../src/base/prefix.ts'
import { keeps } from './cel.ts'

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
    .filter(({ rule }) => !keeps(rule, value))
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
    case 'string':
      return typeof value === 'string' || isUnlooked(schema, value)
    default:
      return typeof value === schema.type
  }
}

/** As an API server has it: where a format stands, a list is not looked at, but a rule ends with an error. */
const isUnlooked = (schema: Schema, value: unknown): boolean =>
  schema.format !== undefined && Array.isArray(value) && schema['x-kubernetes-validations'] === undefined

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
    case 'date-time':
      return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(text)
    case 'ipv4':
      // As Go has it: what holds a dot.
      return text.includes('.') && parseAddress(text) !== undefined
    case 'ipv6':
      return text.includes(':') && !text.includes('%') && parseAddress(text) !== undefined
    default:
      throw new Error(`no format ${format} here`)
  }
}

/** Every field of the schema with its own: `spec.communities[].name`. */
export function walk(schema: Schema, at: string): [string, Schema][] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, one]) => walk(one, `${at}.${name}`))
  const items = schema.items === undefined ? [] : walk(schema.items, `${at}[]`)
  return [[at, schema], ...inner, ...items]
}
