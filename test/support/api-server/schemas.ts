/**
 * What a CRD does to an object that is written: unknown fields go, defaults come, and what the schema or one of its rules
 * refuses is refused. In this order, as the API server does.
 */
import { CRDS } from '../../deploy/support/crds.ts'
import { faults, type Schema } from '../../deploy/support/schema.ts'
import { type Manifest, Refusal } from './store.ts'

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `isStrict`: a field that is not known is refused, as `kubectl apply` asks for. */
export function asServed(kind: string, manifest: Manifest, isStrict: boolean): Manifest {
  const crd = CRDS.get(kind)
  const schema = crd?.spec.versions[0]?.schema.openAPIV3Schema
  if (crd === undefined || schema === undefined) return manifest
  const { apiVersion, metadata, ...rest } = manifest
  const unknown: string[] = []
  const pruned = prune(schema, rest, '', unknown)
  if (isStrict && unknown.length > 0) {
    const words = unknown.map((path) => `unknown field "${path}"`).join(', ')
    throw new Refusal(400, 'BadRequest', `strict decoding error: ${words}`)
  }
  const whole = { apiVersion, ...(withDefaults(schema, pruned) as Fields), metadata } as Manifest
  const found = faults(schema, whole)
  if (found.length > 0) {
    const words = found.map((fault) => fault.replace(/^\./, '')).join(', ')
    throw new Refusal(422, 'Invalid', `${kind}.${crd.spec.group} "${metadata.name}" is invalid: ${words}`)
  }
  return whole
}

function prune(schema: Schema, value: unknown, at: string, unknown: string[]): unknown {
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? value : value.map((one, index) => prune(items, one, `${at}[${index}]`, unknown))
  }
  if (!isFields(value) || schema.properties === undefined) return value
  const kept: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(value)) {
    const path = at === '' ? name : `${at}.${name}`
    const own = schema.properties[name]
    if (own !== undefined) kept[name] = prune(own, inner, path, unknown)
    else if (schema['x-kubernetes-preserve-unknown-fields'] || (at === '' && name === 'kind')) kept[name] = inner
    else unknown.push(path)
  }
  return kept
}

/** Only where there is an object to put it into; a null where none is allowed counts as nothing. */
function withDefaults(schema: Schema, value: unknown): unknown {
  const { items, properties } = schema
  if (Array.isArray(value)) return items === undefined ? value : value.map((one) => withDefaults(items, one))
  if (!isFields(value) || properties === undefined) return value
  const whole: Record<string, unknown> = { ...value }
  for (const [name, own] of Object.entries(properties)) {
    if ((whole[name] === undefined || whole[name] === null) && own.default !== undefined) whole[name] = own.default
    if (whole[name] !== undefined) whole[name] = withDefaults(own, whole[name])
  }
  return whole
}
