/** `show route` in BIRD's layout. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import { attributeLines, communityLines, lastAs } from './attributes.ts'
import type { ShowRoute } from './command.ts'
import { gatewaysOf, interfaceToward } from './gateway.ts'
import { originatedKind } from './originated-kind.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { formatTime, type TimeStyle } from './time.ts'
import type { InterfaceView, View } from './view.ts'
import { countRoutes, countWalk, planWalk, TABLES, type TableCounts, type Walk, walk } from './walk.ts'
import { wrapped } from './wrap.ts'

export function* routeRows(command: ShowRoute, view: View, style: TimeStyle): Iterable<Row> {
  const plan = planWalk(command, view)
  if ('code' in plan) yield plan
  else if (command.count) yield* countRows(plan, view)
  else yield* listRows(plan, command, view, style)
}

function* listRows(plan: Walk, command: ShowRoute, view: View, style: TimeStyle): Iterable<Row> {
  const interfaces = view.interfaces()
  // A list of rejected routes always has the reasons.
  const listsRejected = command.filtered || command.noexport !== undefined
  const counts = command.stats ? yield* countBoth(plan, view) : undefined
  let found = false
  for (const family of plan.families) {
    if (command.stats) yield* headingRows(family, family !== plan.families[0])
    let before: string | undefined
    for (const row of walk(plan, family, view)) {
      if (row === undefined) {
        yield PAUSE
        continue
      }
      if (before === undefined && !command.stats) yield* headingRows(family, found)
      const name = row.prefix === before ? '' : row.prefix
      yield { code: CODE.route, text: headLine(row, name, view, style) }
      for (const gateway of gatewaysOf(row)) yield { code: CODE.route, text: viaLine(gateway, interfaces) }
      if (command.all) yield* detailRows(row)
      else if (listsRejected) yield* reasonRow(row)
      before = row.prefix
      found = true
    }
    if (counts !== undefined) yield countRow(family, counts)
  }
  if (!found && command.for !== undefined) yield { code: CODE.routeNotFound, text: 'Network not found' }
  else if (counts !== undefined) yield totalRow(plan, counts)
  else yield { code: CODE.ok, text: '' }
}

function* reasonRow({ reason }: RouteRow): Iterable<Row> {
  if (reason !== '') yield { code: CODE.routeAttributes, text: `\tGodwit.reason: ${reason}` }
}

function* headingRows(family: Family, second: boolean): Iterable<Row> {
  if (second) yield { code: CODE.route, text: '' }
  yield { code: CODE.route, text: `Table ${TABLES[family]}:` }
}

/** `10.1.0.0/24          unicast [Global_10_0_0_9 01:30:07.907] * (100) [AS65002i]` */
function headLine(row: RouteRow, name: string, view: View, style: TimeStyle): string {
  const since = formatTime(view.epoch + row.since, view.epoch + view.now, style)
  const from = row.from === undefined || row.nextHops.includes(row.from) ? '' : ` from ${row.from}`
  const source = `[${row.peer ?? originatedKind(row.origin)} ${since}${from}]`
  const learned = row.peer !== undefined
  const tail = learned ? `(100) [${lastAs(row.attributes)}]` : '(200)'
  return `${name.padEnd(20)} unicast ${source}${row.best ? ' *' : ''} ${tail}`
}

function viaLine(gateway: string, interfaces: readonly InterfaceView[]): string {
  const name = interfaceToward(gateway, interfaces)
  const bare = gateway.split('%')[0]
  return name === undefined ? `\tvia ${bare}` : `\tvia ${bare} on ${name}`
}

function* detailRows(row: RouteRow): Iterable<Row> {
  yield { code: CODE.routeDetails, text: `\tType: ${row.peer === undefined ? 'static' : 'BGP'} univ` }
  const attributes =
    row.peer === undefined && row.nextHops.length === 0 ? communityLines(row.attributes) : attributeLines(row)
  for (const text of attributes) yield { code: CODE.routeAttributes, text }
  for (const text of ourLines(row)) yield { code: CODE.routeAttributes, text }
}

/** What BIRD does not have; readers of BIRD's text skip names they do not know. */
function* ourLines(row: RouteRow): Iterable<string> {
  if (row.object !== undefined) yield `\tGodwit.object: ${row.object}`
  if (row.reason !== '') yield `\tGodwit.reason: ${row.reason}`
  if (row.exportedTo.length > 0) yield* wrapped('\tGodwit.exported_to:', row.exportedTo)
}

/** `show route count`: matching routes of all routes in each table. */
function* countRows(plan: Walk, view: View): Iterable<Row> {
  const counts = yield* countBoth(plan, view)
  for (const family of plan.families) yield countRow(family, counts)
  yield totalRow(plan, counts)
}

interface Counts {
  readonly matching: TableCounts
  /** What `matching` is compared with: primary, filtered or all routes of both tables; other conditions do not narrow it. */
  readonly all: TableCounts
}

function* countBoth(plan: Walk, view: View): Generator<Row, Counts> {
  const { primary, filtered } = plan.query
  const matching = yield* countWalk(plan, view)
  const query = primary === true ? { primary } : filtered === true ? { filtered } : {}
  return { matching, all: yield* countRoutes(query, FAMILIES, view) }
}

function countRow(family: Family, { matching, all }: Counts): Row {
  const { prefixes, paths } = all[family]
  const text = `${matching[family].paths} of ${paths} routes for ${prefixes} networks in table ${TABLES[family]}`
  return { code: CODE.route, text }
}

function totalRow({ families }: Walk, { matching, all }: Counts): Row {
  if (families.length === 1) return { code: CODE.ok, text: '' }
  const sum = (counts: TableCounts, what: 'paths' | 'prefixes') =>
    families.reduce((total, family) => total + counts[family][what], 0)
  const shown = `${sum(matching, 'paths')} of ${sum(all, 'paths')} routes for ${sum(all, 'prefixes')} networks`
  return { code: CODE.routeCount, text: `Total: ${shown} in ${families.length} tables` }
}
