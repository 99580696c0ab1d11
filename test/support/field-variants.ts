/** Objects with other values of their fields (`field-values.ts`). */
import { same } from '../../src/cluster/same.ts'
import type { Kind } from '../../src/cluster/source.ts'
import { ANNOTATIONS, LABELS, type Patch, SPECS, TOPS } from './field-values.ts'
import type { ApiObject } from './objects.ts'

export interface Variant {
  /** `BGPPeer/plain spec {"drain":true}`. */
  readonly name: string
  /** Fields that differ: of `spec`, at the top, or `labels` and `annotations`. */
  readonly fields: readonly string[]
  readonly object: ApiObject
}

export const nameOf = ({ kind, metadata }: ApiObject): string =>
  [kind, metadata.namespace, metadata.name].filter((part) => part !== undefined).join('/')

/** An object with each other value of its fields. */
export function variantsOf(object: ApiObject): readonly Variant[] {
  const { kind, metadata } = object
  const make = (where: string, fields: readonly string[], patch: Patch, changed: object): Variant => ({
    name: `${nameOf(object)} ${where} ${JSON.stringify(patch, (_, value) => value ?? null)}`,
    fields,
    object: { ...object, ...changed },
  })
  const inMetadata = (field: 'labels' | 'annotations', patches: readonly Patch[] = []) =>
    patches.map((patch) =>
      make(field, [field], patch, { metadata: { ...metadata, [field]: merged(metadata[field], patch) } }),
    )
  return [
    ...(SPECS[kind] ?? []).map((patch) =>
      make('spec', Object.keys(patch), patch, { spec: merged(object.spec, patch) }),
    ),
    ...inMetadata('labels', LABELS[kind]),
    ...inMetadata('annotations', ANNOTATIONS[kind]),
    ...(TOPS[kind] ?? []).map((patch) => make('', Object.keys(patch), patch, patch)),
  ].filter((variant) => !same(variant.object, object))
}

const merged = (before: unknown, patch: Patch): object =>
  Object.fromEntries(Object.entries({ ...(before as object), ...patch }).filter(([, value]) => value !== undefined))

/** Paths to all that a value of a kind says: `bfd.passive`, `routes[].pods.selector`. */
export function pathsOf(kind: Kind): ReadonlySet<string> {
  const found = new Set<string>()
  for (const patch of SPECS[kind] ?? []) for (const path of pathsIn(patch)) found.add(path)
  return found
}

function* pathsIn(value: unknown, path = ''): Iterable<string> {
  if (Array.isArray(value)) for (const item of value) yield* pathsIn(item, `${path}[]`)
  else if (typeof value === 'object' && value !== null)
    for (const [field, inner] of Object.entries(value)) yield* pathsIn(inner, path === '' ? field : `${path}.${field}`)
  else yield path
}
