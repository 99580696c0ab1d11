/** What a client asks first: the version, the groups, and the kinds of each; and who checks fields (`fieldValidation`). */
import { CRDS } from '../../deploy/support/crds.ts'
import { SERVED, typeOf } from './served.ts'

interface Resource {
  readonly name: string
  readonly singularName: string
  readonly shortNames: readonly string[]
  readonly namespaced: boolean
  readonly kind: string
  readonly verbs: readonly string[]
}

const VERBS = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
const VERSION = { major: '1', minor: '32', gitVersion: 'v1.32.0', platform: 'linux/amd64' }

/** Undefined where the path leads elsewhere. `isServed`: of the kinds of the test server. */
export function discover(path: string, isServed: (kind: string) => boolean): unknown {
  const byGroup = resourcesByGroup(isServed)
  const groups = [...byGroup.keys()].filter((one) => one !== 'v1')
  if (path === '/version') return VERSION
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] }
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupOf) }
  if (path === '/openapi/v3') return { paths: Object.fromEntries([...byGroup.keys()].map(schemaPath)) }
  const [, schema] = /^\/openapi\/v3\/apis?\/(.+)$/.exec(path) ?? []
  if (schema !== undefined) return schemasOf(schema, byGroup.get(schema) ?? [])
  const [, groupVersion = ''] = /^\/apis?\/((?:[^/]+\/)?v\d\w*)$/.exec(path) ?? []
  const resources = byGroup.get(groupVersion)
  return resources && { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources }
}

function resourcesByGroup(isServed: (kind: string) => boolean): Map<string, Resource[]> {
  const found = new Map<string, Resource[]>()
  for (const [key, { path, namespaced }] of Object.entries(SERVED)) {
    if (!isServed(key)) continue
    const { kind, apiVersion } = typeOf(path)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const { shortNames = [] } = CRDS.get(key)?.spec.names ?? {}
    const one = { name, singularName: kind.toLowerCase(), shortNames, namespaced, kind, verbs: VERBS }
    found.set(apiVersion, [...(found.get(apiVersion) ?? []), one])
  }
  return found
}

function groupOf(groupVersion: string): unknown {
  const [name, version] = groupVersion.split('/')
  const preferredVersion = { groupVersion, version }
  return { name, versions: [preferredVersion], preferredVersion }
}

const base = (groupVersion: string): string => `${groupVersion === 'v1' ? 'api' : 'apis'}/${groupVersion}`

const schemaPath = (groupVersion: string) =>
  [base(groupVersion), { serverRelativeURL: `/openapi/v3/${base(groupVersion)}` }] as const

/** As much as kubectl looks for: that a patch of the kind takes `fieldValidation`, so that the server is left to check. */
function schemasOf(groupVersion: string, resources: readonly Resource[]): unknown {
  const [version, group = ''] = groupVersion.split('/').reverse()
  const parameters = [{ name: 'fieldValidation', in: 'query', schema: { type: 'string' } }]
  const paths = resources.map(({ name, kind }) => {
    const patch = { parameters, 'x-kubernetes-group-version-kind': { group, version, kind }, responses: {} }
    return [`/${base(groupVersion)}/${name}/{name}`, { patch }] as const
  })
  const info = { title: 'Kubernetes', version: VERSION.gitVersion }
  return { openapi: '3.0.0', info, paths: Object.fromEntries(paths) }
}
