/**
 * Every `kubectl` command of the pages, by the real kubectl where it is installed, against the API server of the tests: what
 * it applies is stored, what it asks for is there. What controllers would do is done here.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pageCommands, programOf } from '../../interop/lab/pages.ts'
import { type OpenApi, openApi } from '../support/api-server/open.ts'
import { CALICO_GROUPS, CALICO_KINDS, servedOf } from '../support/api-server/served.ts'
import type { StoredEvent } from '../support/api-server/store.ts'
import { node } from '../support/objects.ts'
import { DEPLOY } from './support/crds.ts'

const commands = pageCommands().filter((one) => programOf(one) === 'kubectl')
const isInstalled = spawnSync('kubectl', ['version', '--client'], { timeout: 60_000 }).status === 0

/** A command of kubectl takes a second on a busy machine. */
const TIMEOUT = 120_000

describe.skipIf(!isInstalled)(isInstalled ? 'kubectl' : 'kubectl (not installed)', { timeout: TIMEOUT }, () => {
  let open: OpenApi
  let folder = ''

  beforeAll(async () => {
    open = await openApi()
    folder = await mkdtemp(join(tmpdir(), 'godwit-kubectl-'))
    await cp(DEPLOY, join(folder, 'deploy'), { recursive: true })
    await mkdir(join(folder, 'own'))
    await writeFile(
      join(folder, 'own/kustomization.yaml'),
      'resources: [../deploy]\ncomponents: [../deploy/components/cni]\n',
    )
    prepare(open)
  })
  afterAll(async () => {
    await open.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** kubectl keeps what it has discovered in `home`. */
  const run = (line: string, home = folder): Promise<string> => {
    const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: open.kubeconfig }
    return new Promise((resolve, reject) => {
      const shell = spawn('sh', ['-c', `${line} 2>&1`], { cwd: folder, env, timeout: TIMEOUT })
      let text = ''
      shell.stdout.on('data', (part) => {
        text += part
      })
      shell.on('error', reject).on('close', (code) => {
        if (code === 0) resolve(text)
        else reject(new Error(`\`${line}\` ends with ${code}: ${text}`))
      })
    })
  }

  const lines = commands.map(({ page, line }) => [page, line.replaceAll('NODE', 'worker-1')] as const)
  test.each(lines)('%s: %s', async (page, line) => {
    if (page === MIGRATION) {
      for (const kind of Object.keys(CALICO_KINDS)) open.api.install(`${kind}.crd.projectcalico.org/v1`)
      await run(line, join(folder, 'calico')).finally(() => withoutCalico(open))
      return
    }
    const answer = await run(line)
    for (const [start, words] of ANSWERS) if (line.startsWith(start)) expect(answer).toMatch(words)
  })

  test('at the end nothing of deploy/ is left', () => {
    const kinds = ['Namespace', 'DaemonSet', 'CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding', 'Role']
    for (const kind of kinds) expect(open.api.store.list(servedOf(kind).path)).toEqual([])
  })
})

/** What kubectl says then, by the first words of a command. */
const ANSWERS: readonly (readonly [string, RegExp])[] = [
  ['kubectl apply -k own', /^daemonset\.apps\/godwit configured$/m],
  ['kubectl -n godwit rollout status', /successfully rolled out/],
  ['kubectl wait --for=condition=Established', /(?:.+ condition met\s+){6}$/],
  ['kubectl wait --for=condition=Ready', /^bgpnodestatus\.godwit\.dev\/worker-1 condition met$/m],
  ['kubectl get bgpnodestatuses', /worker-1.*rack-1-a.*pods-ipv4/s],
  ['kubectl get bgpnodestatus ', /^kind: BGPNodeStatus$/m],
  ['kubectl describe bgppeer', /^Name: +rack-1-a$/m],
  ['kubectl get events', /^worker-1\.1 /m],
  ['kubectl -n calico-system delete pod', /"calico-node-x" deleted/],
]

/** The page whose cluster still has Calico. */
const MIGRATION = 'docs/migrate.md'

function withoutCalico({ api }: OpenApi): void {
  for (const kind of Object.keys(CALICO_KINDS)) for (const group of CALICO_GROUPS) api.uninstall(`${kind}.${group}`)
}

/** A cluster as the pages find it, and what its controllers would do. */
function prepare(open: OpenApi): void {
  const { api } = open
  withoutCalico(open)
  api.apply({ ...node('worker-1', { addresses: ['10.0.0.11'], podCIDRs: ['10.244.1.0/24'] }), kind: 'Node' })
  api.apply({
    apiVersion: 'godwit.dev/v1',
    kind: 'BGPNodeStatus',
    metadata: { name: 'worker-1' },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  })
  const labels = { 'k8s-app': 'calico-node' }
  const metadata = { name: 'calico-node-x', namespace: 'calico-system', labels }
  api.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'worker-1' } })
  // Stored for this form alone: the agent writes the newer one, and a whole server shows it as both.
  api.store.create(servedOf('Event.v1').path, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'worker-1.1', namespace: 'default' },
    involvedObject: { kind: 'Node', name: 'worker-1' },
    reportingComponent: 'godwit.dev/agent',
    reason: 'PeerDown',
    type: 'Warning',
  })
  api.store.listen(({ type, path, object }: StoredEvent) => {
    if (type === 'DELETED') return
    const status = statusOf(path, Number(object.metadata.generation))
    if (status !== undefined && JSON.stringify(status) !== JSON.stringify(object.status))
      queueMicrotask(() => api.store.update(path, { ...object, status }))
  })
}

const DAEMON_SETS = servedOf('DaemonSet').path
const DEFINITIONS = servedOf('CustomResourceDefinition').path

function statusOf(path: string, observedGeneration: number): object | undefined {
  const count = { desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberAvailable: 1 }
  if (path === DAEMON_SETS) return { observedGeneration, ...count }
  return path === DEFINITIONS ? { conditions: [{ type: 'Established', status: 'True' }] } : undefined
}
