/** What the engine does for clients, and nothing else: answers from one view, a few thousand characters at a time. */
import type { Effect } from '../../src/engine/effect.ts'
import type { ClientId, Input } from '../../src/engine/input.ts'
import { answer, type Client, greeting, newClient } from '../../src/show/answer.ts'
import { encodeReply, type ReplyLine } from '../../src/show/line-protocol.ts'
import type { View } from '../../src/show/view.ts'

interface Connected {
  readonly client: Client
  reply: Iterator<ReplyLine | undefined> | undefined
}

export class FakeEngine {
  readonly inputs: Input[] = []
  readonly #clients = new Map<ClientId, Connected>()
  readonly #view: View
  readonly #perform: (effect: Extract<Effect, { kind: 'reply' | 'hang-up' }>) => void
  readonly #limit: number

  constructor(view: View, perform: (effect: Extract<Effect, { kind: 'reply' | 'hang-up' }>) => void, limit = 4096) {
    this.#view = view
    this.#perform = perform
    this.#limit = limit
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#clients.size
  }

  readonly feed = (input: Input): void => {
    this.inputs.push(input)
    this.#take(input)
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'client-opened':
        this.#clients.set(input.client, { client: newClient(input), reply: greeting(input)[Symbol.iterator]() })
        this.#write(input.client)
        return
      case 'command': {
        const connected = this.#clients.get(input.client)
        if (connected === undefined || connected.reply !== undefined) throw new Error('a command before its turn')
        connected.reply = answer(input.line, this.#view, connected.client)[Symbol.iterator]()
        this.#write(input.client)
        return
      }
      case 'client-drained':
        this.#write(input.client)
        return
      case 'client-closed':
        this.#clients.delete(input.client)
    }
  }

  #write(id: ClientId): void {
    const connected = this.#clients.get(id)
    if (connected?.reply === undefined) return
    let text = ''
    while (text.length < this.#limit && connected.reply !== undefined) {
      const { done, value } = connected.reply.next()
      if (done === true) connected.reply = undefined
      else if (value !== undefined) text += encodeReply(value)
    }
    if (text !== '') this.#perform({ kind: 'reply', client: id, text })
  }
}
