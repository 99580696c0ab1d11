/**
 * The interactive shell: one connection, line by line, with history, completion, and help at `?`.
 *
 * With input from a pipe, it prints no prompt and answers every line in turn.
 */
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { completionsFor, parseCommand } from '../show/parse.ts'
import { complainOf, type ExitCode, printHelp, printReply } from './client.ts'
import { AgentConnection, ClientError } from './connection.ts'
import { HISTORY_LENGTH, historyPath, readHistory, writeHistory } from './history.ts'
import { Output } from './output.ts'
import { openPager } from './pager.ts'

export interface ShellOptions {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly out: Writable & { readonly isTTY?: boolean }
  readonly err: Writable
  /** Where lines are kept; undefined for the user's own file. */
  readonly history?: string
}

const PROMPT = 'godwit> '

/**
 * Runs until the end of input, `exit` or `quit`, or until nobody reads the answers. Without a terminal, the exit code is that of
 * the worst line.
 */
export async function runShell(socketPath: string, options: ShellOptions): Promise<ExitCode> {
  const shell = new Shell(socketPath, options)
  try {
    await shell.connect()
  } catch (error) {
    return complainOf(options.err, error)
  }
  return shell.run()
}

class Shell {
  readonly #path: string
  readonly #options: ShellOptions
  readonly #terminal: boolean
  #connection: AgentConnection | undefined
  /** Names of neighbors, as far as known, for completion. */
  #names: readonly string[] = []
  #busy = false
  /** The person no longer wants the answer. */
  #isInterrupted = false
  /** Ctrl-D, perhaps while an answer came: the reader takes no more calls. */
  #inputEnded = false
  readonly #out: Output

  constructor(path: string, options: ShellOptions) {
    this.#path = path
    this.#options = options
    this.#out = Output.of(options.out)
    this.#terminal = options.input.isTTY === true && options.out.isTTY === true
  }

  async connect(): Promise<AgentConnection> {
    this.#connection ??= await AgentConnection.open(this.#path)
    return this.#connection
  }

  async run(): Promise<ExitCode> {
    const historyFile = this.#options.history ?? historyPath()
    const history = this.#terminal ? await readHistory(historyFile) : []
    if (this.#terminal) await this.#learnNames()
    // From here on lines arrive, which nobody keeps until they are taken: nothing is awaited in between.
    const reader = this.#openReader(history)
    if (this.#terminal) {
      this.#options.out.write("Press `?' for help, TAB to complete, Ctrl-D to leave.\n")
      this.#watchKeys(reader)
      reader.prompt()
    }
    let kept: readonly string[] = history
    reader.on('history', (lines: string[]) => {
      kept = [...lines]
    })
    const worst = await this.#takeLines(reader)
    this.#connection?.close()
    if (this.#terminal) await writeHistory(historyFile, kept)
    return worst
  }

  #openReader(history: string[]): Interface {
    const { input, out: output } = this.#options
    return createInterface({
      input,
      ...(this.#terminal ? { output } : {}),
      terminal: this.#terminal,
      prompt: PROMPT,
      history,
      historySize: HISTORY_LENGTH,
      removeHistoryDuplicates: true,
      completer: (line: string) => this.#complete(line),
    })
  }

  async #takeLines(reader: Interface): Promise<ExitCode> {
    let worst: ExitCode = 0
    reader.on('SIGINT', () => this.#interrupt(reader))
    reader.once('close', () => {
      this.#inputEnded = true
    })
    for await (const line of reader) {
      const word = line.trim()
      if (word === 'exit' || word === 'quit') break
      if (word !== '') {
        const exit = await this.#one(word, reader)
        if (!this.#terminal && exit > worst) worst = exit
      }
      if (!this.#out.isOpen) break
      if (this.#terminal && !this.#inputEnded) reader.prompt()
    }
    reader.close()
    if (this.#terminal) this.#options.out.write('\n')
    return worst
  }

  /** One line. A connection that was lost is made anew for the next. */
  async #one(line: string, reader: Interface): Promise<ExitCode> {
    const asked = parseCommand(line)
    if (asked.kind === 'command' && asked.command.kind === 'help') return printHelp(asked.command.about, this.#options)
    this.#busy = true
    this.#isInterrupted = false
    // The pager reads keys from the terminal as well: one of the two at a time.
    const paged = this.#terminal ? await openPager(this.#options.out) : undefined
    if (paged !== undefined) reader.pause()
    try {
      const connection = await this.connect()
      const out = paged === undefined ? this.#out : Output.of(paged.out)
      return await printReply(connection.ask(line), out, { format: 'text', err: this.#options.err })
    } catch (error) {
      this.#connection?.close()
      this.#connection = undefined
      if (this.#isInterrupted) return 1
      return complainOf(this.#options.err, error)
    } finally {
      await paged?.end()
      if (paged !== undefined && !this.#inputEnded) reader.resume()
      this.#busy = false
    }
  }

  /** Ctrl-C ends an answer that is too long, or drops the line that is being typed. */
  #interrupt(reader: Interface): void {
    if (this.#busy) {
      this.#isInterrupted = true
      this.#options.out.write('^C\n')
      this.#connection?.close()
      return
    }
    this.#options.out.write('^C\n')
    reader.write(null, { ctrl: true, name: 'e' })
    reader.write(null, { ctrl: true, name: 'u' })
    reader.prompt()
  }

  async #learnNames(): Promise<void> {
    try {
      const connection = await this.connect()
      const names: string[] = []
      for await (const { code, text } of connection.ask('show protocols')) {
        const name = code === 1002 ? text.split(' ')[0] : undefined
        if (name !== undefined) names.push(name)
      }
      this.#names = names
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
    }
  }

  #complete(line: string): [string[], string] {
    const { words, part, names } = completionsFor(line)
    const more = names ? this.#names.filter((name) => name.startsWith(part)) : []
    return [[...words, ...more].map((word) => `${word} `), part]
  }

  /** `?` is answered at once and does not stay in the line; inside quotes it is a pattern's. */
  #watchKeys(reader: Interface): void {
    this.#options.input.on('keypress', (text: string | undefined) => {
      if (text !== '?' || this.#busy) return
      const before = reader.line.slice(0, reader.cursor)
      if (!before.endsWith('?') || before.split('"').length % 2 === 0) return
      reader.write(null, { name: 'backspace' })
      this.#options.out.write('?\n')
      void printHelp(before.slice(0, -1), this.#options).then(() => this.#inputEnded || reader.prompt(true))
    })
  }
}
