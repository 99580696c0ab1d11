/**
 * Clients of the control socket: one line in, coded lines out. A long answer is a generator that is read as fast as the
 * client reads its socket. Where it searches much and finds nothing, it pauses until another turn. So the answer about
 * a full table neither fills memory nor delays a session.
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
  /** Clients whose answer has paused: it is resumed in another turn. */
  readonly #paused = new Set<ClientId>()
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
    this.#paused.delete(id)
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
  get hasPaused(): boolean {
    return this.#paused.size > 0
  }

  /** Resumes the answer that has been paused the longest. */
  resume(): void {
    const [id] = this.#paused
    if (id === undefined) return
    this.#paused.delete(id)
    const looker = this.#lookers.get(id)
    if (looker !== undefined) this.#write(id, looker)
  }

  #write(id: ClientId, looker: Looker): void {
    while (!looker.busy && !this.#paused.has(id)) {
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
        this.#paused.add(id)
        break
      }
      text += encodeReply(value)
    }
    if (text === '') return
    looker.busy = true
    this.#out.push({ kind: 'reply', client: id, text })
  }
}
