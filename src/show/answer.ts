/**
 * Answers the commands of clients: decides which command gets which answer, and keeps the state of a client's
 * connection.
 *
 * In: a line and the engine's view. Out: coded lines, produced one by one as they are read, so that a full table is
 * never held as text. The engine may have turns between two lines; each line shows the state of its own time.
 */

import type { Family } from '../base/family.ts'
import { actionRows, configureRows, leaveAnswer, plainAnswer } from './act.ts'
import { bfdRows } from './bfd.ts'
import { callerRows } from './callers.ts'
import type { Asked, Command } from './command.ts'
import { explainRows } from './explain.ts'
import { filterRows } from './filters.ts'
import { interfaceRows } from './interfaces.ts'
import { jsonRows } from './json.ts'
import { BIRD_VERSION, BIRD1_VERSION } from './line-protocol.ts'
import { memoryRows } from './memory.ts'
import { natRows } from './nat.ts'
import { notRunning } from './not-running.ts'
import { helpFor, parseCommand } from './parse.ts'
import { protocolRows } from './protocols.ts'
import { CODE, frame, type ReplyLine, type Row } from './reply.ts'
import { routeRows } from './route.ts'
import { serviceRows } from './services.ts'
import { staticRows } from './static.ts'
import { statusRows } from './status.ts'
import { summaryRows } from './summary.ts'
import { symbolRows } from './symbols.ts'
import { DEFAULT_TIMES, type TimeStyles } from './time.ts'
import type { View } from './view.ts'

/** The state of one client connection, from line to line. */
export interface Client {
  /** Looking only, from here on. */
  restricted: boolean
  times: TimeStyles
  /** It expects a BIRD 1.6 of this family; undefined for everybody else. */
  readonly bird1?: Family
}

export function newClient(start: Partial<Client> = {}): Client {
  const { restricted = false, times = DEFAULT_TIMES, bird1 } = start
  return { restricted, times, ...(bird1 !== undefined && { bird1 }) }
}

/** The greeting. */
export function greeting(client: Pick<Client, 'bird1'> = {}): Iterable<ReplyLine | undefined> {
  return frame([{ code: CODE.welcome, text: `BIRD ${birdVersion(client)} ready.` }])
}

const birdVersion = ({ bird1 }: Pick<Client, 'bird1'>): string => (bird1 === undefined ? BIRD_VERSION : BIRD1_VERSION)

/**
 * The answer to one line. Its last line is marked; reading to the end carries out the command.
 * Undefined is a pause: the caller may do other work before it takes the next line.
 *
 * An error of our own ends the answer, and `report` gets it. Only one in a command that acts is thrown: nobody knows
 * how far it was carried out.
 */
export function answer(
  line: string,
  view: View,
  client: Client,
  report: (error: unknown) => void = raise,
): Iterable<ReplyLine | undefined> {
  return frame(contained(line, view, client, report))
}

function raise(error: unknown): never {
  throw error
}

function* contained(line: string, view: View, client: Client, report: (error: unknown) => void): Iterable<Row> {
  let acts = false
  try {
    const asked = parseCommand(line)
    acts = asked.kind !== 'error' && asked.acts
    yield* rowsOf(asked, view, client)
  } catch (error) {
    if (acts) throw error
    report(error)
    yield { code: CODE.failed, text: 'Internal error: the question could not be answered; see the log' }
  }
}

function* rowsOf(asked: ReturnType<typeof parseCommand>, view: View, client: Client): Iterable<Row> {
  if (asked.kind === 'error') yield { code: CODE.syntaxError, text: asked.text }
  else if (asked.acts && client.restricted)
    yield {
      code: CODE.accessDenied,
      text: 'Access denied: this connection is read-only',
    }
  else yield* asked.json ? jsonRows(asked.command, view) : textRows(asked.command, view, client)
}

function textRows(command: Asked['command'], view: View, client: Client): Iterable<Row> {
  switch (command.kind) {
    case 'show-status':
      return statusRows(view, client.times.base, birdVersion(client))
    case 'show-explain':
      return explainRows(command.subject, view)
    case 'show-summary':
      return summaryRows(view)
    case 'show-protocols':
      return protocolRows(command, view, client.times.protocol, client.bird1)
    case 'show-route':
      return routeRows(command, view, { times: client.times.route, bird1: client.bird1 })
    case 'show-callers':
      return callerRows(view)
    case 'show-interfaces':
      return interfaceRows(command.summary, view.interfaces())
    case 'show-filters':
      return filterRows(command.which, view)
    case 'show-static':
      return staticRows(command.protocol, view)
    case 'show-symbols':
      return symbolRows(command.of, view)
    case 'show-bfd':
      return bfdRows(command.which, view, client.times.protocol)
    case 'show-absent':
      return [notRunning(command.protocol)]
    case 'show-memory':
      return memoryRows(view.memory())
    case 'show-services':
      return serviceRows(view)
    case 'show-nat':
      return natRows(view.nat())
    case 'configure':
      return configureRows(command.check, view)
    case 'configure-confirm':
    case 'configure-undo':
    case 'eval':
    case 'down':
    case 'graceful-restart':
    case 'stay':
      return [plainAnswer(command.kind, view)]
    case 'leave':
      return [leaveAnswer(command.reason, view)]
    case 'enable':
    case 'disable':
    case 'restart':
    case 'drain':
    case 'undrain':
    case 'reload':
    case 'debug':
      return actionRows(command, view)
    default:
      return connectionRows(command, client)
  }
}

type ConnectionCommand = Extract<Command, { readonly kind: 'restrict' | 'echo' | 'timeformat' | 'help' }>

/** Commands about the connection itself. */
function* connectionRows(command: ConnectionCommand, client: Client): Iterable<Row> {
  switch (command.kind) {
    case 'restrict':
      client.restricted = true
      yield { code: CODE.accessRestricted, text: 'Access restricted' }
      break
    case 'echo':
      if (command.on) yield { code: CODE.notSupported, text: 'Not supported: the agent does not echo its log' }
      break
    case 'timeformat':
      client.times = { ...client.times, ...Object.fromEntries(command.where.map((where) => [where, command.style])) }
      break
    case 'help':
      yield* helpRows(command.about)
  }
}

/** The columns of birdc's own help. */
function* helpRows(about: string): Iterable<Row> {
  const rows = helpFor(about)
  if (rows.length === 0) yield { code: CODE.syntaxError, text: "No such command. Press `?' for help." }
  for (const { usage, help } of rows) yield { code: CODE.help, text: `${usage.padEnd(45)}  ${help}` }
  if (rows.length > 0) yield { code: CODE.ok, text: '' }
}
