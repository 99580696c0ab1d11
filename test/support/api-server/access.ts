/** What a request asks to do, in the words of RBAC, and whether rules grant it. */

export interface Access {
  readonly verb: string
  readonly group: string
  /** `bgppeers`, `bgppeers/status`. */
  readonly resource: string
  /** '' for what has none. */
  readonly namespace: string
  /** '' where it is about all of them. */
  readonly name: string
}

const VERBS: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
const PATH = /^\/(?:api|apis\/([^/]+))\/[^/]+(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?$/

/** Undefined for a path that leads to no object. */
export function accessOf(method: string, path: string, query: URLSearchParams): Access | undefined {
  const match = PATH.exec(path)
  if (match === null) return undefined
  const [, group = '', namespace = '', plural = '', inPath, part] = match
  // As the server reads it: a field selector of one name is about that name.
  const selected = /^metadata\.name=([^,]+)$/.exec(query.get('fieldSelector') ?? '')?.[1]
  const watches = ['true', '1'].includes(query.get('watch') ?? '')
  const reads = inPath !== undefined ? 'get' : watches ? 'watch' : 'list'
  const resource = part === undefined ? plural : `${plural}/${part}`
  return { verb: VERBS[method] ?? reads, group, resource, namespace, name: inPath ?? selected ?? '' }
}

export interface PolicyRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

/** A rule, and the namespace it is bound in; undefined: everywhere. */
export interface BoundRule {
  readonly rule: PolicyRule
  readonly namespace: string | undefined
}

export function grants({ rule, namespace }: BoundRule, access: Access): boolean {
  const { apiGroups, resources, verbs, resourceNames } = rule
  return (
    (namespace === undefined || namespace === access.namespace) &&
    apiGroups.includes(access.group) &&
    resources.includes(access.resource) &&
    verbs.includes(access.verb) &&
    (resourceNames === undefined || resourceNames.includes(access.name))
  )
}

/** As the API words it. */
export function forbidden(user: string, { verb, group, resource, namespace, name }: Access): string {
  const whole = group === '' ? resource : `${resource}.${group}`
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const one = name === '' ? '' : ` "${name}"`
  return `${whole}${one} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${scope}`
}
