/** Writes the condition of this agent's Node, only when it has changed. */

import { READY } from '../../../status/conditions.ts'
import type { Condition, NodeStatus } from '../../../status/node-status.ts'
import { formatSeconds, timed } from '../../../status/render.ts'
import { NODE } from '../../resources.ts'
import { fields } from '../trim.ts'
import type { ObjectClient } from './object-client.ts'

/** In the list of a Node's conditions. */
const NODE_CONDITION = 'godwit.dev/BGPReady'

export class NodeConditionWriter {
  readonly #client: ObjectClient
  readonly #node: string
  #wanted: Condition | undefined
  /** As it was last written. */
  #written: string | undefined

  constructor(client: ObjectClient, node: string) {
    this.#client = client
    this.#node = node
  }

  set({ conditions }: NodeStatus): void {
    const ready = conditions.find(({ type }) => type === READY)
    if (ready !== undefined) this.#wanted = { ...ready, type: NODE_CONDITION }
  }

  /** The Node may be another one of the same name. */
  startOver(): void {
    this.#written = undefined
  }

  async write(signal: AbortSignal): Promise<undefined> {
    for (let wanted = this.#wanted; wanted !== undefined; wanted = this.#wanted) {
      const text = JSON.stringify(wanted)
      if (text === this.#written) return
      // Noted before: where the Node becomes another one meanwhile, it is written again.
      this.#written = text
      let isWritten = false
      try {
        isWritten = await this.#write(wanted, signal)
      } finally {
        if (!isWritten) this.#written = undefined
      }
      if (!isWritten) return
    }
  }

  /** False: there is no such Node. */
  async #write(wanted: Condition, signal: AbortSignal): Promise<boolean> {
    const node = await this.#client.find(NODE, this.#node, signal)
    if (node === undefined) return false
    const now = formatSeconds(Date.now())
    const all = timed([wanted], fields(node.status).conditions, now)
    const ours = all.filter(({ type }) => type === NODE_CONDITION).map((one) => ({ ...one, lastHeartbeatTime: now }))
    const how = { part: '/status', type: 'strategic-merge' } as const
    await this.#client.patch(NODE, this.#node, { status: { conditions: ours } }, signal, how)
    return true
  }
}
