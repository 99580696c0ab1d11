/**
 * Writes the BGPNodeStatus of this node, and where it is asked for the condition of its Node. What the API says is read once
 * and then known from its answers; who writes in between makes us read it again. It belongs to its Node, and goes with it.
 */

import { READY } from '../../../status/conditions.ts'
import type { Condition, NodeStatus } from '../../../status/node-status.ts'
import { formatSeconds, renderNodeStatus, timed } from '../../../status/render.ts'
import { systemClock } from '../../clock.ts'
import { NODE, NODE_STATUS } from '../../resources.ts'
import { ApiError } from '../api.ts'
import { type Fields, fields } from '../trim.ts'
import { type Door, metaOf } from './door.ts'

/** In the list of a Node's conditions. */
const NODE_CONDITION = 'godwit.dev/BGPReady'

export class NodeStatusWriter {
  readonly #door: Door
  readonly #node: string
  readonly #writesNode: boolean
  #wanted: NodeStatus | undefined
  /** As the API has it; undefined: to be read. */
  #known: Fields | undefined
  /** What the Node says of us. */
  #told: string | undefined

  constructor(door: Door, node: string, tellsNode: boolean) {
    this.#door = door
    this.#node = node
    this.#writesNode = tellsNode
  }

  set(status: NodeStatus): void {
    this.#wanted = status
  }

  async write(signal: AbortSignal): Promise<undefined> {
    while (this.#wanted !== undefined) {
      const wanted = this.#wanted
      try {
        await this.#write(wanted, signal)
        if (this.#writesNode) await this.#writeNode(wanted, signal)
      } catch (error) {
        this.#known = undefined
        throw error
      }
      if (this.#wanted === wanted) this.#wanted = undefined
    }
  }

  async #write(wanted: NodeStatus, signal: AbortSignal): Promise<void> {
    this.#known ??= await this.#door.get(NODE_STATUS, this.#node, signal)
    const known = this.#known
    const before = fields(known?.status)
    const status = renderNodeStatus(wanted, systemClock.epoch, systemClock.now(), before.conditions)
    const { apiVersion, kind } = NODE_STATUS
    const metadata = known === undefined ? await this.#newMetadata(signal) : keptMetadata(known)
    const object = { apiVersion, kind, metadata, status }
    this.#known =
      known === undefined ? await this.#door.create(NODE_STATUS, object, signal) : await this.#replace(object, signal)
  }

  /** Gone between reading and writing: it is made anew. */
  async #replace(object: Fields, signal: AbortSignal): Promise<Fields> {
    try {
      return await this.#door.replace(NODE_STATUS, this.#node, object, signal)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error
      const metadata = await this.#newMetadata(signal)
      return this.#door.create(NODE_STATUS, { ...object, metadata }, signal)
    }
  }

  async #newMetadata(signal: AbortSignal): Promise<Fields> {
    const { uid } = metaOf(await this.#door.find(NODE, this.#node, signal))
    const { apiVersion, kind } = NODE
    const owner = { apiVersion, kind, name: this.#node, uid }
    return { name: this.#node, ...(typeof uid === 'string' && { ownerReferences: [owner] }) }
  }

  async #writeNode({ conditions }: NodeStatus, signal: AbortSignal): Promise<void> {
    const ready = conditions.find(({ type }) => type === READY)
    if (ready === undefined) return
    const condition: Condition = { ...ready, type: NODE_CONDITION }
    const told = JSON.stringify(condition)
    if (told === this.#told) return
    const node = await this.#door.find(NODE, this.#node, signal)
    if (node === undefined) return
    const now = formatSeconds(Date.now())
    const all = timed([condition], fields(node.status).conditions, now)
    const ours = all.filter(({ type }) => type === NODE_CONDITION).map((one) => ({ ...one, lastHeartbeatTime: now }))
    const how = { part: '/status', type: 'strategic-merge' } as const
    await this.#door.patch(NODE, this.#node, { status: { conditions: ours } }, signal, how)
    this.#told = told
  }
}

/** What others wrote there stays; the version makes a write that comes second fail. */
function keptMetadata(known: Fields): Fields {
  const { name, uid, resourceVersion, labels, annotations, ownerReferences, finalizers } = metaOf(known)
  return { name, uid, resourceVersion, labels, annotations, ownerReferences, finalizers }
}
