/**
 * Writes the BGPNodeStatus of this node. The object is read once and then known from the API's answers; a conflict with
 * another writer causes a new read. It is owned by the Node, and deleted together with it.
 */

import type { NodeStatus } from '../../../status/node-status.ts'
import { renderNodeStatus } from '../../../status/render.ts'
import { systemClock } from '../../clock.ts'
import { NODE, NODE_STATUS } from '../../resources.ts'
import { ApiError } from '../api.ts'
import { type ApiFields, fields } from '../trim.ts'
import { metaOf, type ObjectClient } from './object-client.ts'

export class NodeStatusWriter {
  readonly #client: ObjectClient
  readonly #node: string
  #wanted: NodeStatus | undefined
  #newest: NodeStatus | undefined
  /**
   * The next write looks for the Node and makes it the owner. An object that stands before this agent's first write may
   * belong to an earlier Node, with which the API deletes it; and where there is no Node yet, nobody owns it.
   */
  #needsOwner = true
  /** The object in the API; undefined: to be read. */
  #known: ApiFields | undefined

  constructor(client: ObjectClient, node: string) {
    this.#client = client
    this.#node = node
  }

  set(status: NodeStatus): void {
    this.#wanted = status
    this.#newest = status
  }

  /** The Node may be another one of the same name: the status gets it as owner. */
  startOver(): void {
    this.#known = undefined
    this.#needsOwner = true
    // A copy: a write that is under way does not count for it.
    this.#wanted = this.#newest && { ...this.#newest }
  }

  async write(signal: AbortSignal): Promise<undefined> {
    while (this.#wanted !== undefined) {
      const wanted = this.#wanted
      try {
        await this.#write(wanted, signal)
      } catch (error) {
        this.#known = undefined
        throw error
      }
      if (this.#wanted === wanted) this.#wanted = undefined
    }
  }

  async #write(wanted: NodeStatus, signal: AbortSignal): Promise<void> {
    this.#known ??= await this.#client.get(NODE_STATUS, this.#node, signal)
    const known = this.#known
    const before = fields(known?.status)
    const status = renderNodeStatus(wanted, systemClock.epoch, systemClock.now(), before.conditions)
    const { apiVersion, kind } = NODE_STATUS
    const needsOwner = this.#needsOwner
    // The Node may become yet another one meanwhile.
    this.#needsOwner = false
    try {
      const metadata = await this.#metadataOf(known, needsOwner, signal)
      const object = { apiVersion, kind, metadata, status }
      this.#known =
        known === undefined
          ? await this.#client.create(NODE_STATUS, object, signal)
          : await this.#replace(object, signal)
    } catch (error) {
      this.#needsOwner ||= needsOwner
      throw error
    }
  }

  async #metadataOf(known: ApiFields | undefined, needsOwner: boolean, signal: AbortSignal): Promise<ApiFields> {
    if (known === undefined) return this.#newMetadata(signal)
    if (!needsOwner) return keptMetadata(known)
    const { ownerReferences } = await this.#newMetadata(signal)
    return { ...keptMetadata(known), ownerReferences }
  }

  /** Deleted between reading and writing: it is created again. */
  async #replace(object: ApiFields, signal: AbortSignal): Promise<ApiFields> {
    try {
      return await this.#client.replace(NODE_STATUS, this.#node, object, signal)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error
      const metadata = await this.#newMetadata(signal)
      return this.#client.create(NODE_STATUS, { ...object, metadata }, signal)
    }
  }

  async #newMetadata(signal: AbortSignal): Promise<ApiFields> {
    const { uid } = metaOf(await this.#client.find(NODE, this.#node, signal))
    if (typeof uid !== 'string') {
      this.#needsOwner = true
      return { name: this.#node }
    }
    const { apiVersion, kind } = NODE
    return { name: this.#node, ownerReferences: [{ apiVersion, kind, name: this.#node, uid }] }
  }
}

/** Conditions of others are kept; because of the resourceVersion the later of two writes fails. */
function keptMetadata(known: ApiFields): ApiFields {
  const { name, uid, resourceVersion, labels, annotations, ownerReferences, finalizers } = metaOf(known)
  return { name, uid, resourceVersion, labels, annotations, ownerReferences, finalizers }
}
