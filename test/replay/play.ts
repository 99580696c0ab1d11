/**
 * Runs the story of an agent that failed again. A whole story is taken turn by turn as it was; one that begins in the
 * middle begins with its base, and what only the first engine knew is translated: ids of connections that it dialled,
 * and numbers of its writes to the kernel.
 */
import type { Story } from '../../src/edge/replay/story.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'

export interface Played {
  /** The error is the one of the story; another one; there was none. */
  readonly outcome: 'same' | 'other' | 'none'
  /** The turn that threw, counted from 1 among those that are told; 0: in the base. */
  readonly turn: number
  readonly error: string | undefined
}

export function play(story: Story): Played {
  const stage = story.head.whole === false ? new Retold(story) : new Exact(story)
  let turn = 0
  try {
    stage.begin()
    for (const { at, in: input } of story.turns) {
      turn++
      stage.turn(input, at)
    }
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { outcome: firstLine(text) === firstLine(story.error?.text) ? 'same' : 'other', turn, error: text }
  }
  return { outcome: 'none', turn, error: undefined }
}

const firstLine = (text: string | undefined): string | undefined => text?.split('\n')[0]

class Exact {
  readonly #engine: Engine

  constructor({ head }: Story) {
    this.#engine = new Engine(head.options)
  }

  begin(): void {
    // Nothing was before.
  }

  turn(input: Input, at: number): void {
    this.#engine.handle(input, at)
    this.#engine.deadline()
  }
}

/** Turns at one instant that finish what the base began. */
const MOST_WORK = 10_000

class Retold {
  readonly #engine: Engine
  readonly #base: readonly Input[]
  readonly #from: number
  /** Ids in the story → ids here. */
  readonly #conns = new Map<number, number>()
  /** Dialled here and not connected yet, by address. */
  readonly #dialled = new Map<string, number>()
  /** Writes that nobody has answered. */
  readonly #writes = new Map<'routes' | 'nft', number>()
  /** Ids of accepted connections are odd. */
  #nextConn = 2 ** 40 + 1

  constructor({ head, base, turns }: Story) {
    this.#from = head.from ?? turns[0]?.at ?? head.options.now
    this.#engine = new Engine({ ...head.options, now: this.#from })
    this.#base = base
  }

  begin(): void {
    for (const input of this.#base) {
      this.#take(input, this.#from)
      this.#answer()
    }
    for (let left = MOST_WORK; left > 0 && (this.#engine.deadline() ?? Infinity) <= this.#from; left--) {
      this.#take({ kind: 'polled', until: this.#from, unread: [] }, this.#from)
      this.#answer()
    }
  }

  turn(input: Input, at: number): void {
    this.#take(input, at)
  }

  /** The kernel took everything that was written before the story begins. */
  #answer(): void {
    for (const [what, seq] of [...this.#writes]) {
      this.#writes.delete(what)
      this.#handle({ kind: 'applied', what, seq, failed: [] }, this.#from)
    }
    for (const conn of this.#conns.values()) this.#handle({ kind: 'drained', conn }, this.#from)
  }

  #take(input: Input, at: number): void {
    const here = this.#translate(input)
    if (here !== undefined) this.#handle(here, at)
  }

  #handle(input: Input, at: number): void {
    for (const effect of this.#engine.handle(input, at)) this.#note(effect)
    this.#engine.deadline()
  }

  #note(effect: Effect): void {
    if (effect.kind === 'dial') this.#dialled.set(effect.remote.address, effect.conn)
    if (effect.kind === 'routes' || effect.kind === 'nft') this.#writes.set(effect.kind, effect.seq)
  }

  /** Undefined where it speaks of something that never was here. */
  #translate(input: Input): Input | undefined {
    switch (input.kind) {
      case 'accepted':
        this.#conns.set(input.conn, input.conn)
        return input
      case 'connected':
        return this.#connect(input)
      case 'received':
      case 'drained':
      case 'closed':
      case 'dial-failed': {
        const conn = this.#conns.get(input.conn)
        return conn === undefined ? undefined : { ...input, conn }
      }
      case 'applied': {
        const seq = this.#writes.get(input.what)
        this.#writes.delete(input.what)
        return seq === undefined ? undefined : { ...input, seq }
      }
      default:
        return input
    }
  }

  /** Where this engine has not dialled that neighbor, it is as if the neighbor had. */
  #connect(input: Extract<Input, { kind: 'connected' }>): Input {
    const { local, remote } = input
    const dialled = this.#dialled.get(remote.address)
    this.#dialled.delete(remote.address)
    const conn = dialled ?? this.#nextConn
    this.#conns.set(input.conn, conn)
    if (dialled !== undefined) return { ...input, conn }
    this.#nextConn += 2
    return { kind: 'accepted', conn, local, remote }
  }
}
