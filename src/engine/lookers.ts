/**
 * Clients of the control socket: one line in, coded lines out. A long answer is a generator that is read on as the client takes it,
 * and where it looks at much and finds nothing, a part in each turn: so a full table neither fills memory nor holds up a
 * neighbor.
 */
import type { Family } from '../base/family.ts'
import { answer, type Client, greeting, newClient } from '../show/answer.ts'
import { encodeReply, type ReplyLine } from '../show/line-protocol.ts'
import type { View } from '../show/view.ts'
import type { ClientId } from './input.ts'
import type { Outbox } from './outbox.ts'

/** Characters written to a client before it has to read them. */
const REPLY_LIMIT = 32_768
/** Commands that may wait while one is being answered. */
const QUEUE_LIMIT = 64

interface Looker {
  readonly client: Client
  readonly waiting: string[]
  reply: Iterator<ReplyLine | undefined> | undefined
  /** It has not yet taken what was written. */
  busy: boolean
}

export class Lookers {
  readonly #lookers = new Map<ClientId, Looker>()
  /** Those whose answers looked at much in vain: the next part comes in another turn. */
  readonly #hungry = new Set<ClientId>()
  readonly #view: View
  readonly #out: Outbox

  constructor(view: View, out: Outbox) {
    this.#view = view
    this.#out = out
  }

  open(id: ClientId, restricted: boolean, bird1?: Family): void {
    const client = newClient({ restricted, ...(bird1 !== undefined && { bird1 }) })
    const looker: Looker = { client, waiting: [], reply: undefined, busy: false }
    this.#lookers.set(id, looker)
    looker.reply = greeting(this.#view)[Symbol.iterator]()
    this.#write(id, looker)
  }

  close(id: ClientId): void {
    this.#lookers.delete(id)
    this.#hungry.delete(id)
  }

  command(id: ClientId, line: string): void {
    const looker = this.#lookers.get(id)
    if (looker === undefined) return
    if (looker.waiting.length >= QUEUE_LIMIT) {
      this.close(id)
      this.#out.push({ kind: 'hang-up', client: id })
      return
    }
    looker.waiting.push(line)
    this.#write(id, looker)
  }

  drained(id: ClientId): void {
    const looker = this.#lookers.get(id)
    if (looker === undefined) return
    looker.busy = false
    this.#write(id, looker)
  }

  /** Some client's answer can continue at once. */
  get isHungry(): boolean {
    return this.#hungry.size > 0
  }

  /** Goes on with the answer that has waited longest. */
  goOn(): void {
    const [id] = this.#hungry
    if (id === undefined) return
    this.#hungry.delete(id)
    const looker = this.#lookers.get(id)
    if (looker !== undefined) this.#write(id, looker)
  }

  #write(id: ClientId, looker: Looker): void {
    while (!looker.busy && !this.#hungry.has(id)) {
      if (looker.reply === undefined) {
        const line = looker.waiting.shift()
        if (line === undefined) return
        looker.reply = answer(line, this.#view, looker.client)[Symbol.iterator]()
      }
      this.#writePart(id, looker, looker.reply)
    }
  }

  #writePart(id: ClientId, looker: Looker, reply: Iterator<ReplyLine | undefined>): void {
    let text = ''
    while (text.length < REPLY_LIMIT) {
      const { done, value } = reply.next()
      if (done) {
        looker.reply = undefined
        break
      }
      if (value === undefined) {
        this.#hungry.add(id)
        break
      }
      text += encodeReply(value)
    }
    if (text === '') return
    looker.busy = true
    this.#out.push({ kind: 'reply', client: id, text })
  }
}
