/**
 * Godwit as a contestant of the peer benchmark: `ours.ts job.json`. Writes the manifests the job means and runs the agent on them
 * in this process: the product as it is, with every neighbor accepting and told everything.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runAgent } from '../../../src/agent.ts'

interface Job {
  readonly as: number
  readonly routerId: string
  readonly port: number
  readonly neighbors: readonly {
    readonly address: string
    readonly localAddress: string
    readonly as: number
    readonly passive: boolean
    readonly family: 'v4' | 'v6'
  }[]
  readonly originate?: { readonly v4?: readonly string[]; readonly v6?: readonly string[] }
  readonly kernel: boolean
  readonly dir: string
}

const NODE = 'bench'
const ours = (kind: string, name: string, spec: object) => ({
  apiVersion: 'godwit.dev/v1',
  kind,
  metadata: { name },
  spec,
})

function manifests({ as, routerId, port, neighbors, originate }: Job): object[] {
  const locals = [...new Set(neighbors.map(({ localAddress }) => localAddress))]
  const all = [{ action: 'Accept' }]
  const cidrs = [...(originate?.v4 ?? []), ...(originate?.v6 ?? [])]
  return [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: NODE },
      status: { addresses: [routerId, ...locals].map((address) => ({ type: 'InternalIP', address })) },
    },
    ours('BGPConfiguration', 'default', {
      asNumber: as,
      nodeToNodeMeshEnabled: false,
      listenPort: port,
      serviceClusterIPs: cidrs.map((cidr) => ({ cidr })),
    }),
    ours('BGPFilter', 'all', { importV4: all, importV6: all, exportV4: all, exportV6: all }),
    ...neighbors.map((neighbor, index) =>
      ours('BGPPeer', `p${index}`, {
        peerIP: neighbor.address,
        asNumber: neighbor.as,
        sourceAddress: 'None',
        passive: neighbor.passive,
        addressFamilies: [neighbor.family === 'v4' ? 'IPv4' : 'IPv6'],
        maxPrefixes: 4_000_000,
        filters: ['all'],
      }),
    ),
  ]
}

const job = JSON.parse(await readFile(process.argv[2] as string, 'utf8')) as Job
const source = join(job.dir, 'manifests')
await mkdir(source, { recursive: true })
await writeFile(join(source, 'all.json'), JSON.stringify({ kind: 'List', apiVersion: 'v1', items: manifests(job) }))
process.exitCode = await runAgent({
  node: NODE,
  namespace: 'godwit',
  pod: undefined,
  source,
  kubeconfig: undefined,
  apiGroup: 'godwit.dev',
  control: join(job.dir, 'godwit.sock'),
  controlGroup: undefined,
  calicoControl: undefined,
  http: undefined,
  logLevel: 'warn',
  cni: 'none',
  cniDirectory: join(job.dir, 'cni'),
  dataplane: job.kernel ? 'linux' : 'none',
  table: 'main',
  adopt: [],
  status: undefined,
  nodeReadiness: false,
  bfd: 'thread',
})
