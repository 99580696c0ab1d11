/**
 * Two people at an API server: one who may do everything, and the agent with the ServiceAccount and the rights of deploy/.
 * The server is ours, in this process, or the one that KUBECONFIG leads to.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KubeConfig } from '@kubernetes/client-node'
import { renderChart } from '../deploy/support/chart.ts'
import { CRDS, type Manifest } from '../deploy/support/crds.ts'
import { type Answer, ApiClient } from '../support/api-client.ts'
import { accessOf, type BoundRule, forbidden, grants, type PolicyRule } from '../support/api-server/access.ts'
import { openApi } from '../support/api-server/open.ts'
import { Refusal } from '../support/api-server/store.ts'

export interface ApiRig {
  readonly admin: ApiClient
  readonly agent: ApiClient
  /** File of the agent. */
  readonly kubeconfig: string
  /** Of the agent; in it the Secret `bgp` may be read. */
  readonly namespace: string
  /** Takes away what the rig put there. */
  close(): Promise<void>
}

/** The objects that the agent needs beside itself, with names of their own, so that an installed agent is left alone. */
function objectsOf(namespace: string): Manifest[] {
  const own = renderChart({ createNamespace: true }, namespace).filter(({ kind }) => kind !== 'DaemonSet')
  return own.map((object) => {
    if (object.metadata.namespace === namespace || object.kind === 'Namespace') return object
    const { roleRef, spec } = object as { roleRef?: object; spec?: { policyName?: string } }
    const name = `${namespace}-${object.metadata.name}`
    const renamed = {
      ...object,
      metadata: { ...object.metadata, name },
      ...(roleRef && { roleRef: { ...roleRef, name } }),
    }
    return spec?.policyName === undefined ? renamed : { ...renamed, spec: { ...spec, policyName: name } }
  })
}

async function fileOf(config: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-contract-'))
  const path = join(directory, 'kubeconfig')
  await writeFile(path, config, { mode: 0o600 })
  return { path, remove: () => rm(directory, { recursive: true }) }
}

/**
 * The server in this process: it knows two tokens. With `extensions`, an apiextensions server of Kubernetes answers for
 * custom resources, and this one for rights and for what is built in.
 */
export async function ourServer(extensions?: URL): Promise<ApiRig> {
  const { api, close } = await openApi()
  api.extensions = extensions
  const namespace = 'godwit-contract'
  const objects = objectsOf(namespace)
  const bound = objects
    .filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
    .flatMap(({ rules, metadata }) =>
      (rules as PolicyRule[]).map((rule): BoundRule => ({ rule, namespace: metadata.namespace })),
    )
  api.onRequest = ({ method, headers, path, query }) => {
    const access = accessOf(method, path, query)
    if (headers.authorization === 'Bearer admin') return
    if (headers.authorization !== 'Bearer agent') throw new Refusal(401, 'Unauthorized', 'Unauthorized')
    if (access !== undefined && bound.some((rule) => grants(rule, access))) return
    const user = `system:serviceaccount:${namespace}:godwit`
    throw new Refusal(403, 'Forbidden', access === undefined ? 'forbidden' : forbidden(user, access))
  }
  const configOf = (token: string) => api.kubeconfig.replace('a-token', token)
  const file = await fileOf(configOf('agent'))
  const [admin, agent] = [ApiClient.of(configOf('admin')), ApiClient.of(configOf('agent'))]
  if (extensions !== undefined) {
    for (const crd of CRDS.values())
      mustBe([201, 409], placeOf(crd), await admin.request('POST', placeOf(crd), { body: crd }))
  }
  await allServed(admin, agent)
  return {
    admin,
    agent,
    kubeconfig: file.path,
    namespace,
    close: async () => {
      await file.remove()
      await close()
    },
  }
}

const PLACES: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ServiceAccount: '/api/v1/namespaces/NAMESPACE/serviceaccounts',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/rolebindings',
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
}

function placeOf({ kind, metadata }: Manifest): string {
  const place = PLACES[kind]
  if (place === undefined) throw new Error(`no place for ${kind}`)
  return place.replace('NAMESPACE', metadata.namespace ?? '')
}

function mustBe(statuses: readonly number[], what: string, answer: Answer): Answer {
  const { status, body } = answer
  if (!statuses.includes(status)) throw new Error(`${what}: ${status} ${body?.message ?? ''}`)
  return answer
}

/** Any API server of 1.30 or newer. What was there before stays: CRDs too, which are then used as they are. */
export async function theirServer(): Promise<ApiRig> {
  const config = new KubeConfig()
  config.loadFromDefault()
  const admin = new ApiClient(config)
  const namespace = `godwit-contract-${randomBytes(4).toString('hex')}`
  const made: string[] = []
  const files: (() => Promise<void>)[] = []
  const close = async () => {
    for (const path of made.reverse()) mustBe([200, 202, 404], `delete ${path}`, await admin.request('DELETE', path))
    for (const remove of files) await remove()
  }
  async function create(object: Manifest): Promise<void> {
    const place = placeOf(object)
    const path = `${place}/${object.metadata.name}`
    const answer = await admin.request('POST', place, { body: object })
    if (object.kind === 'CustomResourceDefinition' && answer.status === 409) return
    mustBe([201], path, answer)
    made.push(path)
  }
  try {
    for (const crd of CRDS.values()) await create(crd)
    for (const object of objectsOf(namespace)) await create(object)
    const token = await tokenOf(admin, namespace)
    const agent = admin.with(token)
    const file = await fileOf(agent.config.exportConfig())
    files.push(file.remove)
    await allServed(admin, agent)
    return { admin, agent, kubeconfig: file.path, namespace, close }
  } catch (error) {
    await close()
    throw error
  }
}

const pathsOfKinds = (): string[] => [...CRDS.values()].map(({ spec }) => `/apis/${spec.group}/v1/${spec.names.plural}`)

/** CRDs are served and rights hold a moment after they are stored. No agent may list what all of them tell of themselves. */
async function allServed(admin: ApiClient, agent: ApiClient): Promise<void> {
  for (const path of pathsOfKinds()) await served(path.endsWith('/bgpnodestatuses') ? admin : agent, path)
}

async function served(agent: ApiClient, path: string): Promise<void> {
  const end = performance.now() + 30_000
  for (;;) {
    const answer = await agent.get(path, { limit: 1 })
    if (answer.status === 200) return
    if (performance.now() > end) mustBe([200], path, answer)
    await sleep(100)
  }
}

async function tokenOf(admin: ApiClient, namespace: string): Promise<string> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/godwit/token`
  const { body: answer } = mustBe([201], path, await admin.request('POST', path, { body }))
  return (answer as unknown as { status: { token: string } }).status.token
}
