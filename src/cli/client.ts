/**
 * Sends one command to a running agent and prints its answer to stdout as birdc would; prints an error to stderr in one
 * line.
 *
 * Exit codes: 0 done, 1 refused or not found, 2 wrong usage.
 */
import type { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { inMillis, type Seconds } from '../base/units.ts'
import { isNotRunning } from '../show/not-running.ts'
import { helpFor, parseCommand } from '../show/parse.ts'
import { CODE, isRefusal, isSyntaxError } from '../show/reply.ts'
import type { NodeRouteGaps } from '../show/view.ts'
import { AgentConnection, ClientError, type ReplyText } from './connection.ts'
import type { Format } from './option-values.ts'
import { inFormat, isMadeOfJson, Output } from './output.ts'
import { openPager } from './pager.ts'

export type ExitCode = 0 | 1 | 2

export interface ClientOptions {
  readonly format: Format
  /** Seconds between two answers; undefined for one answer. */
  readonly watch?: number | undefined
  readonly pager?: boolean
  readonly out: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly err: Writable
}

/** Runs the command that `words` make together, once or again and again. */
export async function runCommand(
  socketPath: string,
  words: readonly string[],
  options: ClientOptions,
): Promise<ExitCode> {
  const odd = words.length === 1 ? undefined : words.find((word, at) => !isExpression(words, at) && hasAllQuotes(word))
  if (odd !== undefined) {
    const says = `${odd}: a word with both kinds of quotes cannot be told from several words; leave out one kind`
    return complain(options.err, 'E_SYNTAX', says, 2)
  }
  const line = lineOf(words, options.format)
  const asked = parseCommand(line)
  if (asked.kind === 'error') return complain(options.err, 'E_SYNTAX', asked.text, 2)
  if (asked.command.kind === 'help') return printHelp(asked.command.about, options)
  if (options.watch !== undefined) return watch(socketPath, line, options.watch, options)
  const paged = options.pager === true ? await openPager(options.out) : undefined
  const exit = await answerOnce(socketPath, line, { ...options, out: paged?.out ?? options.out })
  await paged?.end()
  return exit
}

async function answerOnce(socketPath: string, line: string, options: ClientOptions): Promise<ExitCode> {
  const out = Output.of(options.out)
  try {
    const connection = await AgentConnection.open(socketPath)
    try {
      const exit = await printReply(connection.ask(line), out, options)
      await out.flush()
      return exit
    } finally {
      connection.close()
    }
  } catch (error) {
    return complainOf(options.err, error)
  }
}

const CLEAR = '\u001b[H\u001b[2J'

/** Until the user ends it, or the output is closed. An agent that is down is asked again as well. */
async function watch(socketPath: string, line: string, every: Seconds, options: ClientOptions): Promise<ExitCode> {
  const output = Output.of(options.out)
  for (;;) {
    if (options.out.isTTY === true) options.out.write(`${CLEAR}Every ${every} s: ${line}\n\n`)
    const exit = await answerOnce(socketPath, line, options)
    if (exit === 2 || !output.isOpen) return exit
    await setTimeout(inMillis(every))
  }
}

/** What a running agent finds not as it should be. Throws ClientError where there is none. */
export async function askHealth(
  socketPath: string,
): Promise<{ readonly problems: readonly string[]; readonly nodeRouteGaps: NodeRouteGaps | undefined }> {
  const { notAsWanted = [], nodeRouteGaps } = (await ask(socketPath, 'show status')) as {
    readonly notAsWanted?: readonly { text: string }[]
    readonly nodeRouteGaps?: NodeRouteGaps | null
  }
  return { problems: notAsWanted.map(({ text }) => text), nodeRouteGaps: nodeRouteGaps ?? undefined }
}

/** One question of a program: the JSON value of the answer. Throws ClientError where it is refused. */
export async function ask(socketPath: string, command: string): Promise<unknown> {
  const connection = await AgentConnection.open(socketPath)
  try {
    let json = ''
    for await (const { code, text } of connection.ask(`json ${command}`)) {
      if (code === CODE.json) json += text
      else if (code !== CODE.ok) throw new ClientError(isSyntaxError(code) ? 'E_SYNTAX' : nameOf(code), text)
    }
    return JSON.parse(json)
  } finally {
    connection.close()
  }
}

/**
 * The shell has removed quotes from words that need them. A single word may be a whole line in quotes, and the word after
 * `where` a whole expression.
 */
export function lineOf(words: readonly string[], format: Format): string {
  const line =
    words.length === 1
      ? (words[0] ?? '')
      : words.map((word, at) => (isExpression(words, at) ? word : quoted(word))).join(' ')
  if (isMadeOfJson(format)) return `json ${line}`
  return format === 'wide' && hasMore(line) ? `${line} all` : line
}

/** Only routes are asked for by expressions; as every word, `where` may be abbreviated. */
function isExpression(words: readonly string[], at: number): boolean {
  const [show = '', route = ''] = words
  const before = at > 2 ? words[at - 1] : undefined
  return isShort(show, 'show') && isShort(route, 'route') && before !== undefined && isShort(before, 'where')
}

const isShort = (word: string, whole: string): boolean => word !== '' && whole.startsWith(word)

/** Whether a command takes `all`, and was not given it. */
function hasMore(line: string): boolean {
  const asked = parseCommand(line)
  return asked.kind === 'command' && 'all' in asked.command && asked.command.all === false
}

/** Words with blanks or quotes are texts, those with `*` or `?` patterns; what has quotes of its own keeps them. */
function quoted(word: string): string {
  if (hasOwnQuotes(word) || !(/[\s*'"]/.test(word) || /\?./.test(word))) return word
  return word.includes('"') ? `'${word}'` : `"${word}"`
}

const hasOwnQuotes = (word: string): boolean => /^(?:"[^"]*"|'[^']*')$/.test(word)

const hasAllQuotes = (word: string): boolean => !hasOwnQuotes(word) && word.includes('"') && word.includes("'")

export async function printHelp(about: string, { out, err }: Pick<ClientOptions, 'out' | 'err'>): Promise<ExitCode> {
  const rows = helpFor(about)
  if (rows.length === 0) return complain(err, 'E_SYNTAX', `there is no command ${about}`, 2)
  const output = Output.of(out)
  try {
    // A terminal that was never told its size has 0 columns.
    const width = out.columns || USUAL_WIDTH
    for (const { usage, help } of rows) await output.write(helpLines(usage, help, width))
    await output.flush()
    return 0
  } catch (error) {
    return complainOf(err, error)
  }
}

const HELP_COLUMN = 47
const USUAL_WIDTH = 100

/** Usage and help side by side. A usage that is too long for its column has lines of its own, as wide as the terminal. */
function helpLines(usage: string, help: string, width: number): string {
  if (usage.length < HELP_COLUMN - 1) return `${usage.padEnd(HELP_COLUMN)}${help}\n`
  const lines: string[] = []
  let line = ''
  // A bracket is kept on one line.
  for (const part of usage.split(/ (?=\[)/)) {
    if (line !== '' && line.length + 1 + part.length > width) {
      lines.push(line)
      line = `    ${part}`
    } else line = line === '' ? part : `${line} ${part}`
  }
  return `${[...lines, line].join('\n')}\n${' '.repeat(HELP_COLUMN)}${help}\n`
}

/** Prints an answer as it comes. Rows go to `out`; the last line goes to `err` where it refuses. */
export async function printReply(
  reply: AsyncIterable<ReplyText>,
  out: Output,
  { format, err }: Pick<ClientOptions, 'format' | 'err'>,
): Promise<ExitCode> {
  let exit: ExitCode = 0
  let json = ''
  for await (const { code, text, last } of reply) {
    if (isNotRunning(text)) exit = complain(err, 'E_NOT_FOUND', text, 1)
    else if (isSyntaxError(code)) exit = complain(err, 'E_SYNTAX', text, 2)
    else if (isRefusal(code) && last) exit = complain(err, nameOf(code), text, 1)
    else {
      if (isRefusal(code)) exit = 1
      if (code === CODE.json && (format === 'yaml' || format === 'name')) json += text
      else if (code !== CODE.ok || text !== '') await out.write(`${text}\n`)
    }
  }
  if (json !== '') await out.write(await inFormat(json, format))
  return exit
}

/** Stable names for what an agent refuses. */
function nameOf(code: number): string {
  switch (code) {
    case CODE.routeNotFound:
    case CODE.noProtocols:
      return 'E_NOT_FOUND'
    case CODE.accessDenied:
      return 'E_RESTRICTED'
    case CODE.configurationError:
      return 'E_PROBLEMS'
    case CODE.protocolDown:
      return 'E_DOWN'
    case CODE.notSupported:
      return 'E_NOT_SUPPORTED'
    default:
      return 'E_REFUSED'
  }
}

function complain(err: Writable, code: string, text: string, exit: ExitCode): ExitCode {
  err.write(`godwit: ${code} ${text}\n`)
  return exit
}

/** A reader that has read enough (`| head`) is not an error. */
export function complainOf(err: Writable, error: unknown): ExitCode {
  if (!(error instanceof ClientError)) throw error
  return error.code === 'E_PIPE' ? 0 : complain(err, error.code, error.message, 1)
}
