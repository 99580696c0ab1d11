/** The manifests under deploy/, as values. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Schema } from './schema.ts'

export const DEPLOY = new URL('../../../deploy/', import.meta.url).pathname

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly [field: string]: unknown
}

/** All documents of a file; one that does not parse fails whoever asked. */
export function readManifests(path: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(DEPLOY, path), 'utf8'))
  for (const { errors } of documents) if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  return [...documents].map((document) => document.toJS() as Manifest).filter((one) => one !== null)
}

export const yamlFiles = (folder: string): string[] =>
  readdirSync(join(DEPLOY, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => join(folder, name))
    .sort()

interface Crd extends Manifest {
  readonly spec: {
    readonly group: string
    readonly scope: string
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames: readonly string[] }
    readonly versions: readonly {
      readonly name: string
      readonly schema: { readonly openAPIV3Schema: Schema }
      readonly subresources?: { readonly status: object }
      readonly additionalPrinterColumns: readonly { readonly name: string; readonly jsonPath: string }[]
    }[]
  }
}

export const CRDS: ReadonlyMap<string, Crd> = new Map(
  yamlFiles('crds').map((path) => {
    const [crd] = readManifests(path) as Crd[]
    if (crd === undefined) throw new Error(`${path} is empty`)
    return [crd.spec.names.kind, crd]
  }),
)

export function schemaOf(kind: string): Schema {
  const schema = CRDS.get(kind)?.spec.versions[0]?.schema.openAPIV3Schema
  if (schema === undefined) throw new Error(`no CRD for ${kind}`)
  return schema
}
