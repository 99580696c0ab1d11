/** Selects the routes that a `show route` command asks for, and reads them page by page, one family after the other. */
import { FAMILIES, type Family } from '../base/family.ts'
import { parsePrefix } from '../base/prefix.ts'
import { evaluator, type PolicyRoute } from '../bgp/policy/evaluate.ts'
import type { RouteCount, RouteCursor, RouteQuery, RouteRow } from '../bgp/rib/types.ts'
import { elementsOf } from '../bgp/wire/attribute.ts'
import type { ShowRoute } from './command.ts'
import { NODE_ROUTE, ORIGINATED_KINDS, originatedKind } from './originated-kind.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { symbolOf } from './symbol.ts'
import type { View } from './view.ts'
import type { Where } from './where/parse.ts'
import { noProtocols, protocolNamed } from './which.ts'

/** BIRD's names for the two routing tables. */
export const TABLES: Readonly<Record<Family, string>> = { ipv4: 'master4', ipv6: 'master6' }

/** Rows asked of the RIB at once. */
const PAGE = 256
/** Questions that conditions ask of AS numbers and communities between two pauses. */
const QUESTIONS = 16_384

/** The routes to read: a query that the RIB answers, and the conditions that are checked here. */
export interface Walk {
  readonly families: readonly Family[]
  readonly query: RouteQuery
  /** Conditions that the RIB cannot check: kinds of originated routes, `where` expressions, filters. All must hold. */
  readonly conditions: readonly Where[]
}

/** Turns a command into a walk, or returns the error to reply with. */
export function planWalk(command: ShowRoute, view: View): Walk | Row {
  const own = ORIGINATED_KINDS.find((name) => name === command.protocol)
  const names = protocolNames(own === undefined ? command : { ...command, protocol: undefined }, view)
  if ('code' in names) return names
  const filter = command.filter === undefined ? undefined : acceptedBy(command.filter, view)
  if (filter !== undefined && 'code' in filter) return filter
  const { preexport, ...asked } = names
  const asksPolicy = preexport ?? names.noexport
  const conditions = [
    command.where,
    filter,
    own === undefined
      ? undefined
      : ({ peer, origin }: RouteRow) => peer === undefined && originatedKind(origin) === own,
    // A route is never advertised back to its neighbor, and a direct one to nobody, so export policy does not apply. As in
    // BIRD, such routes are not listed.
    asksPolicy === undefined ? undefined : ({ peer, origin }: RouteRow) => peer !== asksPolicy && origin !== NODE_ROUTE,
  ]
  const family = command.table ?? command.for?.family ?? command.in?.family
  return {
    families: family === undefined ? FAMILIES : [family],
    query: { ...asked, ...matchOf(command), ...(preexport !== undefined && { primary: true }) },
    conditions: conditions.filter((condition) => condition !== undefined),
  }
}

type ProtocolNames = Partial<Record<'protocol' | 'export' | 'preexport' | 'noexport', string>>

/** The protocols that a command names, each by its full name, or the error for the first one that cannot be used. */
function protocolNames(
  command: { readonly [Key in keyof ProtocolNames]: string | undefined },
  view: View,
): ProtocolNames | Row {
  const names: ProtocolNames = {}
  for (const key of ['protocol', 'export', 'preexport', 'noexport'] as const) {
    const wanted = command[key]
    if (wanted === undefined) continue
    const protocol = protocolNamed(wanted, view)
    if (protocol === undefined) return noProtocols(wanted)
    if (key !== 'protocol' && protocol.peer.state !== 'Established') {
      return { code: CODE.protocolDown, text: `No valid tables: ${protocol.name} is not Established` }
    }
    names[key] = protocol.name
  }
  return names
}

/** Whether the filter of this name, as `show symbols` lists it, accepts a route. */
function acceptedBy(name: string, view: View): Where | Row {
  const found = view.filters().find(({ policy }) => symbolOf(policy.name) === name || policy.name === name)
  if (found === undefined) return { code: CODE.syntaxError, text: `there is no filter ${name}` }
  const [first] = found.neighbors
  const peerType = first === undefined ? undefined : protocolNamed(first, view)?.peer.session?.peerType
  const evaluate = evaluator(found.policy, peerType ?? 'external')
  const where: Where = (row) => {
    const route = policyRoute(row)
    return route !== undefined && evaluate(route).kind === 'accept'
  }
  return Object.assign(where, { questions: found.policy.rules.length })
}

/** A row as a policy sees it. */
function policyRoute({ prefix: text, peer, peerType: learnedFrom, ...row }: RouteRow): PolicyRoute | undefined {
  const prefix = parsePrefix(text)
  const source = peer === undefined ? 'originated' : 'peer'
  return (
    prefix && { prefix, source, learnedFrom, interface: row.interface, named: row.named, attributes: row.attributes }
  )
}

function matchOf(command: ShowRoute): RouteQuery {
  return {
    ...(command.for === undefined ? {} : { for: command.for }),
    ...(command.in === undefined ? {} : { in: command.in }),
    ...(command.filtered ? { filtered: true } : {}),
    ...(command.primary ? { primary: true } : {}),
  }
}

/**
 * All rows of one family, read from the RIB on demand. Yields undefined, a pause, after a page on which no row matched, and
 * where conditions have been asked much.
 */
export function* walk({ query, conditions }: Walk, family: Family, view: View): Iterable<RouteRow | undefined> {
  const questions = conditions.reduce((sum, { questions: some = 1 }) => sum + some, 0)
  let asked = 0
  let from: RouteCursor | undefined
  do {
    const { rows, next } = view.routes({ ...query, family }, from, PAGE)
    let isEmpty = true
    for (const row of rows) {
      if (asked >= QUESTIONS) {
        asked = 0
        yield undefined
      }
      asked += questions * (1 + elementsOf(row.attributes))
      if (!conditions.every((holds) => holds(row))) continue
      isEmpty = false
      yield row
    }
    if (isEmpty && next !== undefined) yield undefined
    from = next
  } while (from !== undefined)
}

/** Counts the routes, with pauses in between. The RIB counts them where it can check all conditions. */
export function* countWalk(plan: Walk, view: View): Generator<Row, TableCounts> {
  if (plan.conditions.length === 0) return yield* countRoutes(plan.query, plan.families, view)
  const counts = { ipv4: NONE, ipv6: NONE }
  for (const family of plan.families) counts[family] = yield* countRows(walk(plan, family, view))
  return counts
}

export function* countRoutes(query: RouteQuery, families: readonly Family[], view: View): Generator<Row, TableCounts> {
  const counts = { ipv4: NONE, ipv6: NONE }
  for (const family of families) {
    let from: RouteCursor | undefined
    do {
      const { prefixes, paths, next } = view.count({ ...query, family }, from)
      const { prefixes: before, paths: pathsBefore } = counts[family]
      counts[family] = { prefixes: before + prefixes, paths: pathsBefore + paths }
      from = next
      if (from !== undefined) yield PAUSE
    } while (from !== undefined)
  }
  return counts
}

type Count = Pick<RouteCount, 'prefixes' | 'paths'>
export type TableCounts = Readonly<Record<Family, Count>>

const NONE: Count = { prefixes: 0, paths: 0 }

/** Relies on the order of rows: all paths of a prefix are adjacent. */
function* countRows(rows: Iterable<RouteRow | undefined>): Generator<Row, Count> {
  let [prefixes, paths] = [0, 0]
  let before: string | undefined
  for (const row of rows) {
    if (row !== undefined) {
      if (row.prefix !== before) prefixes++
      before = row.prefix
      paths++
    }
    if (row === undefined || paths % PAGE === 0) yield PAUSE
  }
  return { prefixes, paths }
}
