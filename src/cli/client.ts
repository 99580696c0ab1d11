/**
 * One command to a running agent: its answer on stdout as birdc would print it, what went wrong on stderr in one line.
 * Exit codes: 0 done, 1 refused or not found, 2 wrong words.
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { helpFor, parseCommand } from '../show/parse.ts'
import { CODE, isRefusal, isSyntaxError } from '../show/reply.ts'
import { ClientError, Connection, type ReplyText } from './connection.ts'

export type ExitCode = 0 | 1 | 2

export interface ClientOptions {
  readonly json: boolean
  readonly out: Writable
  readonly err: Writable
}

/** Runs the command that `words` make together. */
export async function runCommand(
  socketPath: string,
  words: readonly string[],
  options: ClientOptions,
): Promise<ExitCode> {
  const line = lineOf(words, options.json)
  const asked = parseCommand(line)
  if (asked.kind === 'error') return complain(options.err, 'E_SYNTAX', asked.text, 2)
  if (asked.command.kind === 'help') return printHelp(asked.command.about, options)
  try {
    const connection = await Connection.open(socketPath)
    try {
      return await printReply(connection.ask(line), options)
    } finally {
      connection.close()
    }
  } catch (error) {
    return complainOf(options.err, error)
  }
}

/** What a running agent finds not as it should be. Throws ClientError where there is none. */
export async function askProblems(socketPath: string): Promise<string[]> {
  const status = (await ask(socketPath, 'show status')) as { readonly notAsWanted?: readonly { text: string }[] }
  return (status.notAsWanted ?? []).map(({ text }) => text)
}

/** One question of a program: the JSON value of the answer. Throws ClientError where it is refused. */
export async function ask(socketPath: string, command: string): Promise<unknown> {
  const connection = await Connection.open(socketPath)
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

/** The shell has taken quotes away from words that need them; a single word may be a whole line in quotes. */
export function lineOf(words: readonly string[], json: boolean): string {
  const line = words.length === 1 ? (words[0] ?? '') : words.map(quoted).join(' ')
  return json ? `json ${line}` : line
}

const quoted = (word: string): string => (/[\s*]/.test(word) || /\?./.test(word) ? `"${word}"` : word)

export function printHelp(about: string, { out, err }: Pick<ClientOptions, 'out' | 'err'>): ExitCode {
  const rows = helpFor(about)
  if (rows.length === 0) return complain(err, 'E_SYNTAX', `there is no command ${about}`, 2)
  for (const { usage, help } of rows) out.write(`${usage.padEnd(45)}  ${help}\n`)
  return 0
}

/** Prints an answer as it comes. Rows go to `out`; the last line goes to `err` where it refuses. */
export async function printReply(reply: AsyncIterable<ReplyText>, { out, err }: ClientOptions): Promise<ExitCode> {
  let exit: ExitCode = 0
  for await (const { code, text, last } of reply) {
    if (isSyntaxError(code)) exit = complain(err, 'E_SYNTAX', text, 2)
    else if (isRefusal(code) && last) exit = complain(err, nameOf(code), text, 1)
    else {
      if (isRefusal(code)) exit = 1
      if (code !== CODE.ok || text !== '') await print(out, `${text}\n`)
    }
  }
  return exit
}

async function print(out: Writable, text: string): Promise<void> {
  if (out.destroyed || !out.writable) throw new ClientError('E_OUTPUT', 'nobody reads what is written')
  if (!out.write(text)) await once(out, 'drain')
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

/** A reader that had enough (`| head`) is no failure. */
export function complainOf(err: Writable, error: unknown): ExitCode {
  if (isBrokenPipe(error)) return 0
  if (error instanceof ClientError) return complain(err, error.code, error.message, 1)
  throw error
}

const isBrokenPipe = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'E_OUTPUT')
