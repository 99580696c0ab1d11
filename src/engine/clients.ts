/**
 * Clients of the control socket: a line in, coded lines out. A long answer is a generator that is read as fast as the
 * client reads its socket. Where it searches long without finding anything, it pauses until another turn. So an answer
 * about a full table neither fills memory nor delays a session.
 */
import type { Family } from '../base/family.ts'
import { answer, type Client, greeting, newClient } from '../show/answer.ts'
import { encodeReply, type ReplyLine } from '../show/line-protocol.ts'
import type { View } from '../show/view.ts'
import type { ClientId, ClientInput } from './input.ts'
import { commandErrorLine } from './log-line.ts'
import type { Outbox } from './outbox.ts'

/** Characters written to a client before it must have read them. */
const REPLY_LIMIT = 32_768
/** Commands that may wait while one is being answered. */
const QUEUE_LIMIT = 64

interface Connected {
  readonly session: Client
  readonly waiting: string[]
  reply: Iterator<ReplyLine | undefined> | undefined
  /** It has not yet read what was written. */
  busy: boolean
}

export class Clients {
  readonly #clients = new Map<ClientId, Connected>()
  /** Clients whose answer has paused: it is resumed in another turn. */
  readonly #paused = new Set<ClientId>()
  readonly #view: View
  readonly #out: Outbox

  constructor(view: View, out: Outbox) {
    this.#view = view
    this.#out = out
  }

  readonly #report = (error: unknown): void => this.#out.log(commandErrorLine(error))

  take(input: ClientInput): void {
    switch (input.kind) {
      case 'client-opened':
        this.#open(input.client, input.restricted, input.bird1)
        return
      case 'command':
        this.#command(input.client, input.line)
        return
      case 'client-drained':
        this.#drained(input.client)
        return
      case 'client-closed':
        this.#close(input.client)
        return
    }
  }

  #open(id: ClientId, restricted: boolean, bird1?: Family): void {
    const session = newClient({ restricted, ...(bird1 !== undefined && { bird1 }) })
    const client: Connected = { session, waiting: [], reply: undefined, busy: false }
    this.#clients.set(id, client)
    client.reply = greeting(session)[Symbol.iterator]()
    this.#write(id, client)
  }

  #close(id: ClientId): void {
    this.#clients.delete(id)
    this.#paused.delete(id)
  }

  #command(id: ClientId, line: string): void {
    const client = this.#clients.get(id)
    if (client === undefined) return
    if (client.waiting.length >= QUEUE_LIMIT) {
      this.#close(id)
      this.#out.push({ kind: 'hang-up', client: id })
      return
    }
    client.waiting.push(line)
    this.#write(id, client)
  }

  #drained(id: ClientId): void {
    const client = this.#clients.get(id)
    if (client === undefined) return
    client.busy = false
    this.#write(id, client)
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
    const client = this.#clients.get(id)
    if (client !== undefined) this.#write(id, client)
  }

  #write(id: ClientId, client: Connected): void {
    while (!client.busy && !this.#paused.has(id)) {
      if (client.reply === undefined) {
        const line = client.waiting.shift()
        if (line === undefined) return
        client.reply = answer(line, this.#view, client.session, this.#report)[Symbol.iterator]()
      }
      this.#writePart(id, client, client.reply)
    }
  }

  #writePart(id: ClientId, client: Connected, reply: Iterator<ReplyLine | undefined>): void {
    let text = ''
    while (text.length < REPLY_LIMIT) {
      const { done, value } = reply.next()
      if (done) {
        client.reply = undefined
        break
      }
      if (value === undefined) {
        this.#paused.add(id)
        break
      }
      text += encodeReply(value)
    }
    if (text === '') return
    client.busy = true
    this.#out.push({ kind: 'reply', client: id, text })
  }
}
