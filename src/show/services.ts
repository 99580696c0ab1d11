/** `show services`: what this node wants to advertise, to which neighbors it does, and why not to the others. */
import { FAMILIES } from '../base/family.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import type { Problem, RouteIntent } from '../cluster/intent.ts'
import { paced } from './paced.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import type { ProtocolView, View } from './view.ts'

export function* serviceRows(view: View): Iterable<Row> {
  yield { code: CODE.serviceHeading, text: columns('Prefix', 'Kind', 'Peers', 'From') }
  for (const row of servicesOf(view)) {
    if (row === undefined) {
      yield PAUSE
      continue
    }
    const { intent, advertisedTo, notAdvertisedTo } = row
    const text = columns(
      intent.prefix.text,
      intent.origin,
      `${advertisedTo.length} of ${advertisedTo.length + notAdvertisedTo.length}`,
      intent.objects.join(' '),
    )
    yield { code: CODE.service, text }
    if (notAdvertisedTo.length > 0)
      yield { code: CODE.service, text: `\tnot advertised to ${shortList(notAdvertisedTo)}` }
  }
  yield* refusalRows(view)
  yield* problemRows(view)
  yield { code: CODE.ok, text: '' }
}

/** Neighbors that are looked at between two pauses. */
const LOOKS = 2_048

const columns = (prefix: string, kind: string, count: string, from: string): string =>
  `${prefix.padEnd(20)} ${kind.padEnd(12)} ${count.padEnd(8)} ${from}`

/** Some names, and how many more. */
const shortList = (names: readonly string[]): string =>
  names.length <= 4 ? names.join(' ') : `${names.slice(0, 4).join(' ')} and ${names.length - 4} more`

/** A wanted route, the neighbors it is advertised to, and those that are up and do not get it. */
export interface ServiceRow {
  readonly intent: RouteIntent
  readonly advertisedTo: readonly string[]
  readonly notAdvertisedTo: readonly string[]
}

/** Undefined is a pause: each row takes a look at all neighbors. */
export function* servicesOf(view: View): Iterable<ServiceRow | undefined> {
  const up = [...view.neighbors()].filter(({ isEstablished }) => isEstablished)
  const atOnce = Math.max(1, Math.floor(LOOKS / (1 + up.length)))
  for (const intent of paced(view.services(), atOnce)) {
    if (intent === undefined) {
      yield undefined
      continue
    }
    const advertisedTo = ownRow(intent, view)?.exportedTo ?? []
    const isAdvertisedTo = new Set(advertisedTo)
    const could = up.filter(({ families }) => families.includes(intent.prefix.family))
    yield {
      intent,
      advertisedTo,
      notAdvertisedTo: could.map(({ name }) => name).filter((name) => !isAdvertisedTo.has(name)),
    }
  }
}

/** Undefined: it waits before it is advertised to anybody. */
export function ownRow({ prefix }: RouteIntent, view: View): RouteRow | undefined {
  const { rows } = view.routes({ family: prefix.family, for: prefix }, undefined, 64)
  return rows.find((row) => row.prefix === prefix.text && row.peer === undefined)
}

/** What this node leaves out on purpose, and why. */
function* refusalRows(view: View): Iterable<Row> {
  const refusals = view.refusals()
  if (refusals.size === 0) return
  yield { code: CODE.problemHeading, text: '' }
  yield { code: CODE.problemHeading, text: 'Not advertised from here:' }
  for (const text of foldRefusals(refusals)) yield { code: CODE.problem, text }
}

/**
 * A line for each reason, not for each address: addresses of one object that are left out for one reason stand
 * together, and an object whose reasons all stand at its addresses needs no line of its own.
 */
function* foldRefusals(refusals: ReadonlyMap<string, string>): Iterable<string> {
  const addresses = new Map<string, string[]>()
  for (const [what, why] of refusals) {
    if (!isPrefix(what)) continue
    const known = addresses.get(why)
    if (known === undefined) addresses.set(why, [what])
    else known.push(what)
  }
  for (const [why, prefixes] of addresses) yield `${shortList(prefixes)}: ${why}`
  for (const [what, why] of refusals) {
    const isSaid = why.split('; ').every((reason) => addresses.has(`${what}: ${reason}`))
    if (!isPrefix(what) && !isSaid) yield `${what}: ${why}`
  }
}

/** Objects have a kind before the slash. */
const isPrefix = (what: string): boolean => /^[0-9a-f.:]+\/\d+$/.test(what)

function* problemRows(view: View): Iterable<Row> {
  const held: string[] = []
  for (const protocol of paced(view.eachProtocol())) {
    if (protocol === undefined) yield PAUSE
    else held.push(...heldTexts(protocol))
  }
  const problems = view.problems()
  if (held.length + problems.length === 0) return
  yield { code: CODE.problemHeading, text: '' }
  yield { code: CODE.problemHeading, text: 'Problems:' }
  for (const text of held) yield { code: CODE.problem, text }
  for (const problem of problems) yield { code: CODE.problem, text: formatProblem(problem) }
}

/** Why nothing is advertised to a neighbor, or to a family of it. */
function heldTexts({ name, held, families }: ProtocolView): readonly string[] {
  if (held !== undefined) return [`${name}: ${held}`]
  return FAMILIES.flatMap((family) => {
    const why = families[family]?.held
    return why === undefined ? [] : [`${name} ${family}: ${why}`]
  })
}

/** The text names object, field and value; the code is for machines. */
export const formatProblem = ({ text, code }: Problem): string => `${text} [${code}]`
