/** The manifests: they parse, they fit together, and the agent they start knows its words. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseArguments } from '../../src/cli/arguments.ts'
import { whyPodLeaves } from '../../src/edge/kubernetes/ending.ts'
import { pathOf, resourcesOf, secretsIn } from '../../src/edge/resources.ts'
import { FAREWELL } from '../../src/engine/leave.ts'
import { DEPLOY, type Manifest, readManifests, yamlFiles } from './support/crds.ts'
import { COMPONENTS, kustomize, ROOT } from './support/kustomize.ts'

/** Templates are no YAML before they are rendered, and two files are Helm's. */
const FILES = yamlFiles('.').filter((path) => !/^(?:templates\/|Chart\.yaml$|values\.yaml$)/.test(path))

/** Every `fieldRef` at any depth. */
const fieldRefs = (value: unknown): unknown[] => {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => (key === 'fieldRef' ? [inner] : fieldRefs(inner)))
}

test('what the API would add is said, so that a server-side apply after another one meets no other owner', () => {
  const found = FILES.flatMap((path) => readManifests(path)).flatMap(fieldRefs)
  expect(found.length).toBeGreaterThan(0)
  for (const one of found) expect(one).toMatchObject({ apiVersion: 'v1' })
})

test.each(FILES)('%s parses, and every document is a whole object', (path) => {
  const documents = readManifests(path)
  expect(documents).not.toHaveLength(0)
  if (path === 'alerts.yaml') return
  for (const { apiVersion, kind, metadata } of documents) {
    expect(apiVersion).toMatch(/^[a-z0-9.]+(\/v[0-9a-z]+)?$/)
    expect(kind).toMatch(/^[A-Z]/)
    if (kind !== 'Kustomization' && kind !== 'Component') expect(metadata.name).toMatch(/^[a-z0-9.-]+$/)
  }
})

interface Pod {
  readonly containers: readonly {
    readonly args: readonly string[]
    readonly env: readonly { readonly name: string }[]
    readonly securityContext: {
      readonly readOnlyRootFilesystem: boolean
      readonly privileged?: boolean
      readonly capabilities: { readonly add: readonly string[]; readonly drop: readonly string[] }
    }
    readonly livenessProbe: Probe
    readonly readinessProbe: Probe
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  }[]
  readonly volumes: readonly { readonly name: string; readonly hostPath: { readonly path: string } }[]
  readonly hostNetwork: boolean
  readonly serviceAccountName: string
  readonly priorityClassName: string
  readonly terminationGracePeriodSeconds: number
}
interface Probe {
  readonly httpGet: { readonly host: string; readonly port: number; readonly path: string }
}

function podOf(objects: ReadonlyMap<string, Manifest>) {
  const daemonSet = objects.get('DaemonSet/godwit') as unknown as { spec: { template: { spec: Pod } } }
  const pod = daemonSet.spec.template.spec
  const [container] = pod.containers
  if (container === undefined) throw new Error('no container')
  return { pod, container }
}

function wordsOf(objects: ReadonlyMap<string, Manifest>) {
  const words = parseArguments(podOf(objects).container.args)
  if (words.kind !== 'agent') throw new Error(`the agent does not start: ${JSON.stringify(words)}`)
  return words.options
}

describe('kustomization.yaml', () => {
  test('names every manifest beside it, and only what is there', () => {
    const named = [...(ROOT.resources ?? []), ...(ROOT.components ?? [])]
    for (const path of named) expect(existsSync(join(DEPLOY, path)), path).toBe(true)
    const beside = FILES.filter((path) => dirname(path) === '.' || dirname(path) === 'crds')
    const others = ['kustomization.yaml', 'alerts.yaml']
    expect(beside.filter((path) => !others.includes(path) && !named.includes(path))).toEqual([])
  })

  test.each([[[]], ...COMPONENTS.map((component) => [[component]]), [COMPONENTS]])(
    'with %j the agent knows its words, and every mount has its volume',
    (components) => {
      const { pod, container } = podOf(kustomize(components))
      expect(() => wordsOf(kustomize(components))).not.toThrow()
      expect(container.volumeMounts.map(({ name }) => name).sort()).toEqual(pod.volumes.map(({ name }) => name).sort())
    },
  )
})

describe('the DaemonSet', () => {
  const { pod, container } = podOf(kustomize([]))

  test('has the node’s network and no more rights than it needs', () => {
    expect(pod).toMatchObject({
      hostNetwork: true,
      serviceAccountName: 'godwit',
      priorityClassName: 'system-node-critical',
    })
    const { capabilities, readOnlyRootFilesystem, privileged } = container.securityContext
    expect(capabilities).toEqual({ drop: ['ALL'], add: ['NET_ADMIN', 'NET_BIND_SERVICE'] })
    const raw = podOf(kustomize(['unnumbered'])).container.securityContext.capabilities
    expect(raw).toEqual({ drop: ['ALL'], add: ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW'] })
    expect({ readOnlyRootFilesystem, privileged }).toEqual({ readOnlyRootFilesystem: true, privileged: undefined })
  })

  test('gives it longer to end than a farewell takes', () => {
    const needed = FAREWELL / 1_000 + 3 + 2
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(needed)
    const unit = readFileSync(join(DEPLOY, 'systemd/godwit.service'), 'utf8')
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(needed)
  })

  test('asks after health where the agent answers', () => {
    const http = wordsOf(kustomize([])).http ?? ''
    for (const [{ httpGet }, path] of [
      [container.livenessProbe, '/livez'],
      [container.readinessProbe, '/readyz'],
    ] as const) {
      expect(httpGet.path).toBe(path)
      expect(`${httpGet.host}:${httpGet.port}`).toBe(http)
    }
  })

  test('keeps the control socket on a volume, and names the node', () => {
    const mounts = container.volumeMounts.map(({ mountPath }) => mountPath)
    expect(mounts).toContain(dirname(wordsOf(kustomize([])).control))
    expect(container.env.map(({ name }) => name)).toContain('NODE_NAME')
  })

  test('the CNI folder is the node’s own', () => {
    const objects = kustomize(['cni'])
    const { cni, cniDirectory } = wordsOf(objects)
    expect(cni).toBe('ptp')
    expect(podOf(objects).container.volumeMounts).toContainEqual({ name: 'cni', mountPath: cniDirectory })
    expect(podOf(objects).pod.volumes.find(({ name }) => name === 'cni')?.hostPath.path).toBe(cniDirectory)
  })
})

describe('the rights', () => {
  interface Rule {
    readonly apiGroups: readonly string[]
    readonly resources: readonly string[]
    readonly verbs: readonly string[]
  }

  test.each([
    ['godwit.dev', []],
    ['projectcalico.org', ['calico-objects']],
  ])('cover exactly what an agent reading %s lists and watches', (group, components) => {
    const objects = kustomize(components)
    expect(wordsOf(objects).apiGroup).toBe(group)
    const rules = objects.get('ClusterRole/godwit')?.rules as Rule[]
    const granted = rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((one) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${one}/${resource}`))),
    )
    const needed = resourcesOf(group).flatMap((resource) => {
      expect(pathOf(resource)).not.toContain('namespaces')
      const { apiVersion, elsewhere = apiVersion } = resource
      const groups = new Set([apiVersion, elsewhere].map((one) => (one.includes('/') ? one.split('/')[0] : '')))
      return [...groups].flatMap((one) => ['list', 'watch'].map((verb) => `${verb} ${one}/${resource.plural}`))
    })
    // What it writes is held by a run that does all of it: test/edge/kubernetes/rights.test.ts.
    expect(granted.filter((one) => /^(?:list|watch) /.test(one)).sort()).toEqual(needed.sort())
  })

  test('to Secrets go by name, in the agent’s own namespace, and to no others', () => {
    const objects = kustomize([])
    const secrets = { apiGroups: [''], resources: ['secrets'], resourceNames: ['bgp'], verbs: ['list', 'watch'] }
    const role = objects.get('Role/godwit')
    expect(role?.metadata.namespace).toBe('godwit')
    const rules = role?.rules as Rule[]
    expect(rules.filter(({ resources }) => resources.includes('secrets'))).toEqual([secrets])
    expect(objects.get('RoleBinding/godwit')).toMatchObject({
      metadata: { namespace: 'godwit' },
      roleRef: { kind: 'Role', name: 'godwit' },
      subjects: [{ kind: 'ServiceAccount', name: podOf(objects).pod.serviceAccountName, namespace: 'godwit' }],
    })
    expect(pathOf(secretsIn('godwit', 'bgp'))).toBe('/api/v1/namespaces/godwit/secrets')
    expect(secretsIn('godwit', 'bgp').selection).toEqual({ fieldSelector: 'metadata.name=bgp' })
    expect(podOf(objects).container.env.map(({ name }) => name)).toContain('POD_NAMESPACE')
  })

  test('to look at its own pod and DaemonSet, when it is told to end, stand in its own namespace', async () => {
    const objects = kustomize([])
    const asked: string[] = []
    const get = async (path: string) => {
      asked.push(path)
      const owner = { kind: 'DaemonSet', name: 'godwit', controller: true }
      return { metadata: { deletionTimestamp: 'now', ownerReferences: [owner] } }
    }
    await whyPodLeaves({ get }, { namespace: 'godwit', name: 'godwit-abcde' })
    const [, pods, sets] = (objects.get('Role/godwit')?.rules ?? []) as readonly Rule[]
    expect(asked).toEqual([
      '/api/v1/namespaces/godwit/pods/godwit-abcde',
      '/apis/apps/v1/namespaces/godwit/daemonsets/godwit',
    ])
    expect(pods).toEqual({ apiGroups: [''], resources: ['pods'], verbs: ['get'] })
    expect(sets).toEqual({ apiGroups: ['apps'], resources: ['daemonsets'], resourceNames: ['godwit'], verbs: ['get'] })
    expect(podOf(objects).container.env.map(({ name }) => name)).toContain('POD_NAME')
  })

  test('are bound to the account the agent runs as', () => {
    const objects = kustomize([])
    const binding = objects.get('ClusterRoleBinding/godwit')
    expect(binding).toMatchObject({
      roleRef: { kind: 'ClusterRole', name: 'godwit' },
      subjects: [{ kind: 'ServiceAccount', name: podOf(objects).pod.serviceAccountName, namespace: 'godwit' }],
    })
    for (const name of ['ServiceAccount/godwit', 'DaemonSet/godwit'])
      expect(objects.get(name)?.metadata.namespace).toBe('godwit')
    expect(objects.has('Namespace/godwit')).toBe(true)
  })
})

describe('components/bfd', () => {
  const [daemonSet] = readManifests('components/bfd/daemonset.yaml') as unknown as [
    { spec: { updateStrategy: { type: string }; template: { spec: Pod & { automountServiceAccountToken: boolean } } } },
  ]
  const { spec } = daemonSet
  const [container] = spec.template.spec.containers

  test('the agent finds the process where it listens, on a volume of both', () => {
    const words = parseArguments(container?.args ?? [])
    if (words.kind !== 'bfd') throw new Error(`BFD does not start: ${JSON.stringify(words)}`)
    expect(wordsOf(kustomize(['bfd'])).bfd).toBe(words.options.control)
    for (const one of [container, podOf(kustomize(['bfd'])).container]) {
      expect(one?.volumeMounts.map(({ mountPath }) => mountPath)).toContain(dirname(words.options.control))
    }
  })

  test('nothing replaces it but a hand, and it has no more rights than it needs', () => {
    expect(spec.updateStrategy.type).toBe('OnDelete')
    expect(spec.template.spec).toMatchObject({ hostNetwork: true, automountServiceAccountToken: false })
    expect(container?.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['SYS_NICE', 'NET_ADMIN'] },
    })
    expect(podOf(kustomize(['bfd'])).container.securityContext.capabilities.add).not.toContain('SYS_NICE')
  })
})
