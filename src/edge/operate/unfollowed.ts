/**
 * State that is not followed: it is read for each command that shows it, and for scrapes.
 *
 * In: the inputs of clients. Out: the same inputs to the engine. A command that shows such state waits for the end of
 * a reading that began after the command came. No other command waits for that.
 */
import type { ClientId, Input } from '../../engine/input.ts'
import type { Reads } from '../../show/command.ts'
import { parseCommand } from '../../show/parse.ts'

export interface UnfollowedOptions {
  readonly feed: (input: Input) => void
  /** How each is read: done when the engine has it. */
  readonly read: Readonly<Record<Reads, () => Promise<unknown>>>
}

type CommandInput = Extract<Input, { kind: 'command' }>

export class Unfollowed {
  readonly #feed: (input: Input) => void
  readonly #readings: Readonly<Record<Reads, Readings>>

  constructor({ feed, read }: UnfollowedOptions) {
    this.#feed = feed
    this.#readings = { nat: new Readings(read.nat, feed), bfd: new Readings(read.bfd, feed) }
  }

  take(input: Input): void {
    const reads = input.kind === 'command' ? readsOf(input.line) : undefined
    if (input.kind === 'client-closed') for (const one of Object.values(this.#readings)) one.forget(input.client)
    if (input.kind === 'command' && reads !== undefined) this.#readings[reads].readFor(input)
    else this.#feed(input)
  }

  /** Reads everything, for nobody in particular. */
  refresh(): void {
    for (const one of Object.values(this.#readings)) one.readFor()
  }
}

/** Readings of one kind. One runs, and at most one more waits: it is for all who came meanwhile. */
class Readings {
  readonly #read: () => Promise<unknown>
  readonly #feed: (input: Input) => void
  #isRunning = false
  #isWanted = false
  /** The commands that get their answer when the running reading ends. A client has one command at a time. */
  #served = new Map<ClientId, CommandInput>()
  #waiting = new Map<ClientId, CommandInput>()

  constructor(read: () => Promise<unknown>, feed: (input: Input) => void) {
    this.#read = read
    this.#feed = feed
  }

  readFor(command?: CommandInput): void {
    if (command !== undefined) this.#waiting.set(command.client, command)
    this.#isWanted = true
    if (!this.#isRunning) void this.#run()
  }

  forget(client: ClientId): void {
    this.#served.delete(client)
    this.#waiting.delete(client)
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#isWanted) {
      this.#isWanted = false
      this.#served = this.#waiting
      this.#waiting = new Map()
      // Who reads reports what is wrong; the command is answered with what is known.
      await this.#read().catch(() => {})
      for (const command of this.#served.values()) this.#feed(command)
      this.#served = new Map()
    }
    this.#isRunning = false
  }
}

/** What must be read before this line of a client is answered; undefined: nothing, or the line is no command. */
function readsOf(line: string): Reads | undefined {
  try {
    const asked = parseCommand(line)
    return asked.kind === 'command' ? asked.reads : undefined
  } catch {
    // An error of our own: the answer to the line reports it.
    return undefined
  }
}
