/** What an agent is made with, by its command line: the settings of the engine, the source of objects, files of a run. */
import { randomInt } from 'node:crypto'
import { hostname } from 'node:os'
import type { AgentOptions } from './cli/agent-arguments.ts'
import { MAIN_TABLE } from './dataplane/kernel.ts'
import { bootOfKernel } from './edge/boot.ts'
import { systemClock } from './edge/clock.ts'
import type { Keys } from './edge/keys.ts'
import { Manifests } from './edge/manifests/source.ts'
import { memoryForTables } from './edge/memory.ts'
import { isCalicoGroup, type Source, STARTUP_TAINT } from './edge/resources.ts'
import { RunFile } from './edge/run-file.ts'
import { VERSION } from './edge/version.ts'
import type { EngineOptions } from './engine/engine.ts'
import type { Input } from './engine/input.ts'
import type { StatusOptions } from './engine/status.ts'

/** The settings of the engine: from the command line, this host, and random numbers. */
export const engineOptionsOf = (options: AgentOptions): EngineOptions => ({
  node: options.node,
  version: VERSION,
  hostName: hostname(),
  sourceKind: options.source === 'kubernetes' ? 'kubernetes' : 'manifests',
  seed: randomInt(2 ** 32),
  hashKey: [randomInt(2 ** 32), randomInt(2 ** 32), randomInt(2 ** 32), randomInt(2 ** 32)],
  memoryLimit: memoryForTables(),
  cni: options.cni,
  dataplane: options.dataplane,
  table: tableOf(options),
  adopt: options.adopt,
  now: systemClock.now(),
  epoch: systemClock.epoch,
  boot: bootOfKernel(),
  keepsLastGood: true,
  calico: isCalicoGroup(options.apiGroup),
  namespace: options.namespace,
  ...(writesStatus(options) && { status: statusOptions(options) }),
})

/** The number of the kernel table for learned routes. */
export const tableOf = ({ table }: AgentOptions): number => (table === 'main' ? MAIN_TABLE : Number(table))

export const runFile = (path: string, feed: (input: Input) => void): RunFile =>
  new RunFile({ path, report: reportAt(path, feed) })

/** An error of a run file becomes a problem of its own. */
export const reportAt = (path: string, feed: (input: Input) => void) => (text: string | undefined) =>
  feed({ kind: 'objects', changes: [{ kind: 'source-problem', at: path, text, level: 'warning' }] })

/** Whether the status is written anywhere. */
const writesStatus = ({ source, status }: AgentOptions): boolean => source === 'kubernetes' || status !== undefined

/** Calico's kinds have no status that is ours to write. */
const statusOptions = ({ apiGroup, nodeReadiness }: AgentOptions): StatusOptions => ({
  conditions: !isCalicoGroup(apiGroup),
  startupTaint: nodeReadiness ? STARTUP_TAINT : undefined,
})

/** The Kubernetes client is loaded only where it is needed: it takes most of our memory. */
export async function openSource(options: AgentOptions, keys: Keys, feed: (input: Input) => void): Promise<Source> {
  const { source, apiGroup, kubeconfig, namespace, node, pod, nodeReadiness } = options
  if (source !== 'kubernetes') return new Manifests({ directory: source, apiGroup, feed, keys, namespace })
  const { openKubernetes } = await import('./edge/kubernetes/source.ts')
  const status = { node, nodeReadiness }
  return openKubernetes({
    apiGroup,
    kubeconfig,
    feed,
    keys,
    namespace,
    node,
    status,
    ...(pod !== undefined && { pod }),
  })
}
