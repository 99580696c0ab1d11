/** deploy/ as kubectl's kustomize builds it, as far as our files go. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { parse } from 'yaml'
import type { BoundRule, PolicyRule } from '../../support/api-server/access.ts'
import { DEPLOY, type Manifest, readManifests } from './crds.ts'

interface Operation {
  readonly op: 'add' | 'replace' | 'test'
  readonly path: string
  readonly value: unknown
}

interface Kustomization extends Manifest {
  readonly resources?: readonly string[]
  readonly components?: readonly string[]
  readonly images?: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[]
  readonly patches?: readonly {
    readonly target: { readonly kind: string; readonly name: string }
    readonly patch: string
  }[]
}

const read = (path: string): Kustomization => readManifests(path)[0] as Kustomization
/** As it stands in deploy/. */
export const ROOT = read('kustomization.yaml')
export const COMPONENTS = readdirSync(join(DEPLOY, 'components')).sort()

/** RFC 6902, as far as our patches go. */
function apply(target: Manifest, { op, path, value }: Operation): void {
  const steps = path.split('/').slice(1)
  const last = steps.pop() ?? ''
  let at: unknown = target
  for (const step of steps) at = (at as Record<string, unknown>)[step]
  expect(at, path).toBeTypeOf('object')
  if (Array.isArray(at) && last === '-' && op === 'add') at.push(value)
  else if (op === 'add' && !Array.isArray(at)) (at as Record<string, unknown>)[last] = value
  else {
    const holder = at as Record<string, unknown>
    expect(holder, path).toHaveProperty([last])
    if (op === 'test') expect(holder[last]).toEqual(value)
    else holder[last] = value
  }
}

/** The objects as kubectl would apply them, with these components: `DaemonSet/godwit` → the object. */
export function kustomize(components: readonly string[]): Map<string, Manifest> {
  const parts = components.map((name) => ({ name, ...read(`components/${name}/kustomization.yaml`) }))
  const own = parts.flatMap(({ name, resources = [] }) => resources.map((path) => `components/${name}/${path}`))
  const objects = [...(ROOT.resources ?? []), ...own].flatMap(readManifests)
  const byName = new Map(objects.map((object) => [`${object.kind}/${object.metadata.name}`, structuredClone(object)]))
  for (const { target, patch } of parts.flatMap(({ patches = [] }) => patches)) {
    const object = byName.get(`${target.kind}/${target.name}`)
    if (object === undefined) throw new Error(`no ${target.kind}/${target.name} to patch`)
    for (const operation of parse(patch) as Operation[]) apply(object, operation)
  }
  return byName
}

/** The rules of the agents' account, and where each counts. */
export function rulesOf(objects: ReadonlyMap<string, Manifest>): BoundRule[] {
  return [...objects.values()].flatMap((binding): BoundRule[] => {
    if (!/^(?:Cluster)?RoleBinding$/.test(binding.kind)) return []
    const { kind, name } = binding.roleRef as { readonly kind: string; readonly name: string }
    const role = objects.get(`${kind}/${name}`)
    const { namespace } = binding.metadata
    expect(role?.metadata.namespace, name).toBe(namespace)
    expect(binding.subjects).toEqual([{ kind: 'ServiceAccount', name: 'godwit', namespace: 'godwit' }])
    return ((role?.rules ?? []) as PolicyRule[]).map((rule) => ({ rule, namespace }))
  })
}
