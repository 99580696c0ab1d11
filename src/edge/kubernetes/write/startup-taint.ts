/**
 * Removes the startup taint from nodes that are ready, while this agent holds the Lease. A user sets the taint when a
 * node registers, so that no pod starts before the node has routes. The agent never sets it, and does not touch a taint
 * with the effect NoExecute. Whether a node is ready is reported by its own agent, in a BGPNodeStatus that this very
 * Node owns.
 */
import type { Millis } from '../../../base/units.ts'
import { READY } from '../../../status/conditions.ts'
import { systemClock } from '../../clock.ts'
import { NODE, NODE_STATUS, STARTUP_TAINT } from '../../resources.ts'
import { sleep } from '../../sleep.ts'
import { ApiError } from '../api.ts'
import { type ApiFields, fields } from '../trim.ts'
import type { JobTiming, RefusedInPart } from './job.ts'
import { metaOf, type ObjectClient } from './object-client.ts'

/** How often nodes that are not ready are checked again. */
const CHECK_AGAIN: Millis = 10_000

export class StartupTaint {
  readonly #client: ObjectClient
  readonly #timing: Pick<JobTiming, 'pause' | 'refusedPause'>
  /** The nodes that have the taint, without those that are done. `set` replaces it. */
  #nodes = new Set<string>()
  /** Nodes that the API does not let us change. */
  readonly #refused = new Map<string, { readonly refusal: ApiError; readonly until: Millis }>()

  constructor(client: ObjectClient, timing: Pick<JobTiming, 'pause' | 'refusedPause'>) {
    this.#client = client
    this.#timing = timing
  }

  set(nodes: readonly string[]): void {
    this.#nodes = new Set(nodes)
    for (const name of this.#refused.keys()) if (!this.#nodes.has(name)) this.#refused.delete(name)
  }

  /**
   * Removes it from all nodes that are ready. One that may not be changed holds up no other, and is tried again less often.
   *
   * Returns after what time to check the others again, or what is refused; undefined: nothing is left to do.
   */
  async removeFromReady(signal: AbortSignal): Promise<Millis | RefusedInPart | undefined> {
    // What is found out counts for the nodes as set now: `set` may come later than an answer and earlier than its arrival,
    // with another Node of that name.
    const nodes = this.#nodes
    for (const name of nodes) {
      if (signal.aborted) return undefined
      // It has no taint any more, or the Lease is lost.
      if (!this.#nodes.has(name)) continue
      if (systemClock.now() < (this.#refused.get(name)?.until ?? 0)) continue
      this.#refused.delete(name)
      if (await this.#removeIfReady(name, signal)) nodes.delete(name)
      await sleep(this.#timing.pause, signal)
    }
    if (this.#nodes.size === 0) return undefined
    const [first] = this.#refused.values()
    return first === undefined ? CHECK_AGAIN : { refusal: first.refusal, again: CHECK_AGAIN }
  }

  /** Whether nothing is left to do for this node. An error of a read is one of all nodes: it is thrown. */
  async #removeIfReady(name: string, signal: AbortSignal): Promise<boolean> {
    const status = await this.#client.get(NODE_STATUS, name, signal)
    if (status === undefined || !isReady(status)) return false
    const node = await this.#client.find(NODE, name, signal)
    if (node === undefined) return true
    const { uid, resourceVersion } = metaOf(node)
    // An earlier node of that name has left this status.
    if (!belongsTo(status, uid)) return false
    const taints = listOf(fields(node.spec).taints)
    const left = taints.filter(({ key, effect }) => key !== STARTUP_TAINT || effect === 'NoExecute')
    if (left.length === taints.length) return true
    const change = { metadata: { resourceVersion }, spec: { taints: left.length === 0 ? null : left } }
    return this.#patch(name, change, signal)
  }

  /** Whether nothing is left to do for this node. */
  async #patch(name: string, change: ApiFields, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.patch(NODE, name, change, signal)
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // The Node was deleted meanwhile.
      if (error.status === 404) return true
      // Another client wrote first, as kubelets often do: the next try reads the new version.
      if (error.status === 409) return false
      if (!isOfNode(error)) throw error
      this.#refused.set(name, { refusal: error, until: systemClock.now() + this.#timing.refusedPause })
      return false
    }
  }
}

/** Whether the API may refuse the change of this Node alone: because of what is in it, or by a policy for some Nodes. */
const isOfNode = ({ status }: ApiError): boolean => [400, 403, 422].includes(status)

const listOf = (value: unknown): readonly ApiFields[] => (Array.isArray(value) ? value.map(fields) : [])

const isReady = (status: ApiFields): boolean =>
  listOf(fields(status.status).conditions).some((one) => one.type === READY && one.status === 'True')

const belongsTo = (status: ApiFields, uid: unknown): boolean =>
  typeof uid === 'string' && listOf(metaOf(status).ownerReferences).some((owner) => owner.uid === uid)
