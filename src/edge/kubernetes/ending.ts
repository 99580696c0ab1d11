/**
 * Finds out why this pod ends. An upgrade, a deletion of the DaemonSet and a shutdown of the machine all send SIGTERM;
 * the API distinguishes them. After an upgrade a new agent starts on this node, and neighbors must keep its routes.
 * When the DaemonSet is deleted or the machine shuts down, no agent follows.
 *
 * A shutdown, by systemd or by a kubelet with graceful shutdown, ends all containers although the pod is not deleted in
 * the API: that identifies it. Nothing of the host has to be mounted for this.
 */
import type { Millis } from '../../base/units.ts'
import { type Api, ApiError } from './api.ts'

export interface OwnPod {
  readonly namespace: string
  readonly name: string
}

/** Without an answer after this time, the agent ends as for a restart. */
const TIMEOUT: Millis = 2_000

interface Metadata {
  readonly deletionTimestamp?: unknown
  readonly ownerReferences?: readonly {
    readonly kind?: unknown
    readonly name?: unknown
    readonly controller?: unknown
  }[]
}

/** Undefined: another agent follows, or that cannot be known. */
export async function whyPodLeaves(api: Pick<Api, 'get'>, pod: OwnPod): Promise<string | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT)
  const read = (path: string) => readMetadata(api, path, signal)
  try {
    const metadata = await read(`/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`)
    if (metadata === undefined) return undefined
    const owner = metadata.ownerReferences?.find(({ kind, controller }) => kind === 'DaemonSet' && controller === true)
    if (metadata.deletionTimestamp === undefined) {
      return owner === undefined ? undefined : 'the machine shuts down'
    }
    if (owner === undefined) return undefined
    const set = await read(`/apis/apps/v1/namespaces/${pod.namespace}/daemonsets/${owner.name}`)
    if (set === undefined) return `DaemonSet ${pod.namespace}/${owner.name} is deleted`
    return set.deletionTimestamp === undefined ? undefined : `DaemonSet ${pod.namespace}/${owner.name} is being deleted`
  } catch {
    return undefined
  }
}

/** Undefined: the object does not exist. */
async function readMetadata(api: Pick<Api, 'get'>, path: string, signal: AbortSignal): Promise<Metadata | undefined> {
  try {
    const object = (await api.get(path, {}, { silence: TIMEOUT, signal })) as { readonly metadata?: Metadata }
    return object.metadata ?? {}
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}
