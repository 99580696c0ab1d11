/** Commands that change something, and their answers. */
import { counted } from '../base/counted.ts'
import type { Command, PlainCommand, Which } from './command.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { formatProblem } from './services.ts'
import type { Action, ActionResult, ActionRun, LeavingView, View } from './view.ts'
import { noProtocols, protocolNamed, rangesFor } from './which.ts'

export type Acting = Extract<
  Command,
  { readonly kind: 'enable' | 'disable' | 'restart' | 'drain' | 'undrain' | 'reload' | 'debug' }
>

const DONE: Readonly<Record<Action['kind'], readonly [number, string]>> = {
  enable: [CODE.enabled, 'enabled'],
  disable: [CODE.disabled, 'disabled'],
  restart: [CODE.restarted, 'restarted'],
  drain: [CODE.drained, 'drained'],
  undrain: [CODE.drained, 'no longer drained'],
  reload: [CODE.reloading, 'reloading'],
  debug: [CODE.ok, 'debug changed'],
}

export function* actionRows(command: Acting, view: View): Iterable<Row> {
  let isEmpty = true
  for (const result of carryOut(command, view)) {
    if (result === undefined) yield PAUSE
    else {
      isEmpty = false
      yield* resultRow(command.kind, result)
    }
  }
  yield isEmpty ? noProtocols() : { code: CODE.ok, text: '' }
}

/**
 * The results as they come; undefined: the next one comes in a later turn. A name is looked up here, because it may also be an
 * address or the name of a BGPPeer; the engine matches patterns.
 */
export function* carryOut(command: Acting, view: View): Iterable<ActionResult | undefined> {
  const pattern = patternOf(command.which, view)
  if (pattern === undefined) yield* rangeResults(command.which, view)
  else yield* resultsOf(view.act(actionOf(command, pattern)))
}

function* resultsOf(run: ActionRun): Iterable<ActionResult | undefined> {
  for (let at = 0; at < run.results.length || !run.isOver; ) {
    const result = run.results[at]
    if (result !== undefined) at++
    yield result
  }
}

function rangeResults(which: Which, view: View): readonly ActionResult[] {
  const reason = 'a peerRange is not a neighbor: name one of its neighbors, or change its BGPPeer'
  return rangesFor(which, view).map(({ name }) => ({ name, outcome: 'failed', reason }))
}

function patternOf(which: Which, view: View): string | undefined {
  return which.kind === 'pattern' ? which.text : protocolNamed(which.text, view)?.name
}

function actionOf(command: Acting, pattern: string): Action {
  switch (command.kind) {
    case 'reload':
      return { kind: 'reload', pattern, direction: command.direction }
    case 'debug':
      return { kind: 'debug', pattern, on: command.on }
    default:
      return { kind: command.kind, pattern, message: command.message }
  }
}

/** What cannot be done because the neighbor is disabled is answered as BIRD answers it: not as a failure. */
export const isFailure = ({ outcome, reason }: ActionResult): boolean => outcome === 'failed' && reason !== 'disabled'

function* resultRow(kind: Action['kind'], result: ActionResult): Iterable<Row> {
  const { name, outcome, reason } = result
  const [code, word] = DONE[kind]
  if (outcome === 'done') {
    if (kind !== 'debug') yield { code, text: `${name}: ${word}` }
  } else if (outcome === 'already' && (kind === 'drain' || kind === 'undrain')) {
    yield { code, text: `${name}: ${kind === 'drain' ? 'already drained' : 'is not drained'}` }
  } else if (!isFailure(result)) {
    yield kind === 'enable'
      ? { code: CODE.alreadyEnabled, text: `${name}: already enabled` }
      : { code: CODE.alreadyDisabled, text: `${name}: already disabled` }
  } else {
    const [failure, text] = kind === 'reload' ? [CODE.reloadFailed, 'reload failed'] : [CODE.failed, 'not done']
    yield { code: failure, text: `${name}: ${text}${reason === '' ? '' : `, ${reason}`}` }
  }
}

/** Commands that are answered in one line. */
export function plainAnswer(kind: PlainCommand['kind'], view: View): Row {
  switch (kind) {
    case 'configure-confirm':
      return { code: CODE.nothingToDo, text: 'Nothing to do' }
    case 'configure-undo':
      return { code: CODE.notSupported, text: 'Not supported: undo the change in the objects themselves' }
    case 'eval':
      return {
        code: CODE.notSupported,
        text: 'Not supported: the agent evaluates no expressions; filters are BGPFilter objects',
      }
    case 'stay': {
      const was = view.leaving()
      return {
        code: CODE.leaving,
        text: view.stay() ? stayText(was, view.leaving()) : 'The agent ends when it has left',
      }
    }
    case 'down':
      view.stop('ended by hand', 'leave')
      return { code: CODE.shutdownOrdered, text: 'Shutdown requested' }
    case 'graceful-restart':
      view.stop('ended by hand for a graceful restart', 'restart')
      return { code: CODE.restartOrdered, text: 'Graceful restart requested' }
  }
}

function stayText(was: LeavingView, { staying }: LeavingView): string {
  if (staying !== undefined) return `This node does not leave, although ${staying}`
  return was.stage === 'here' ? 'This node was not leaving' : 'This node is no longer leaving'
}

export function leaveAnswer(reason: string, view: View): Row {
  if (view.leave(reason)) return { code: CODE.leaving, text: `Leaving: ${reason}` }
  return { code: CODE.leaving, text: `Already leaving: ${view.leaving().reason}` }
}

/** There is nothing to load: objects are followed as they change. The answer lists what is wrong with them. */
export function* configureRows(check: boolean, view: View): Iterable<Row> {
  const { source } = view.status()
  yield {
    code: CODE.readingConfiguration,
    text: `Reading configuration from ${source.kind}, changes are always followed`,
  }
  const warnings = view.problems().filter(({ level }) => level === 'warning')
  for (const problem of warnings) yield { code: CODE.problem, text: `warning: ${formatProblem(problem)}` }
  for (const problem of errorsOf(view)) yield { code: CODE.configurationError, text: formatProblem(problem) }
  yield whyNotConfigured(view) ?? configured(check)
}

const configured = (check: boolean): Row =>
  check ? { code: CODE.configurationOk, text: 'Configuration OK' } : { code: CODE.reconfigured, text: 'Reconfigured' }

/** The last line of an answer about objects that are not read, or have errors; undefined where all is well. */
export function whyNotConfigured(view: View): Row | undefined {
  const refusal = (text: string): Row => ({ code: CODE.configurationError, text })
  if (!view.status().source.synced)
    return refusal('not all objects are read yet; the agent acts on the objects that it knows')
  const errors = errorsOf(view).length
  if (errors === 0) return undefined
  return refusal(`${counted(errors, 'problem', 'problems')}; everything else is in force`)
}

const errorsOf = (view: View) => view.problems().filter(({ level }) => level !== 'warning')
