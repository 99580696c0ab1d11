/** What the engine does for lookers, and nothing else: answers from one view, a few thousand characters at a time. */
import type { Effect } from '../../src/engine/effect.ts'
import type { ClientId, Input } from '../../src/engine/input.ts'
import { answer, type Client, greeting, newClient } from '../../src/show/answer.ts'
import { encodeReply, type ReplyLine } from '../../src/show/line-protocol.ts'
import type { View } from '../../src/show/view.ts'

interface Looker {
  readonly client: Client
  reply: Iterator<ReplyLine | undefined> | undefined
}

export class FakeEngine {
  readonly inputs: Input[] = []
  readonly #lookers = new Map<ClientId, Looker>()
  readonly #view: View
  readonly #perform: (effect: Extract<Effect, { kind: 'reply' | 'hang-up' }>) => void
  readonly #limit: number

  constructor(view: View, perform: (effect: Extract<Effect, { kind: 'reply' | 'hang-up' }>) => void, limit = 4096) {
    this.#view = view
    this.#perform = perform
    this.#limit = limit
  }

  /** Lookers that have come and not gone. */
  get lookers(): number {
    return this.#lookers.size
  }

  readonly feed = (input: Input): void => {
    this.inputs.push(input)
    this.#take(input)
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'client-opened':
        this.#lookers.set(input.client, { client: newClient(input), reply: greeting(this.#view)[Symbol.iterator]() })
        this.#write(input.client)
        return
      case 'command': {
        const looker = this.#lookers.get(input.client)
        if (looker === undefined || looker.reply !== undefined) throw new Error('a command before its turn')
        looker.reply = answer(input.line, this.#view, looker.client)[Symbol.iterator]()
        this.#write(input.client)
        return
      }
      case 'client-drained':
        this.#write(input.client)
        return
      case 'client-closed':
        this.#lookers.delete(input.client)
    }
  }

  #write(id: ClientId): void {
    const looker = this.#lookers.get(id)
    if (looker?.reply === undefined) return
    let text = ''
    while (text.length < this.#limit && looker.reply !== undefined) {
      const { done, value } = looker.reply.next()
      if (done === true) looker.reply = undefined
      else if (value !== undefined) text += encodeReply(value)
    }
    if (text !== '') this.#perform({ kind: 'reply', client: id, text })
  }
}
