/** `show route` in BIRD's layout. */
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import { attributeLines, communityLines } from './attributes.ts'
import type { ShowRoute } from './command.ts'
import { interfaceFinder } from './gateway.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { bird1Lines, bird2Lines } from './route-layout.ts'
import { formatTime, type TimeStyle } from './time.ts'
import type { View } from './view.ts'
import { countRoutes, countWalk, planWalk, TABLES, type TableCounts, type Walk, walk } from './walk.ts'
import { wrapped } from './wrap.ts'

/** How the lines look. `bird1`: as BIRD 1.6 prints them, which has one family, and one table without a name. */
interface Look {
  readonly times: TimeStyle
  readonly bird1?: Family | undefined
}

export function* routeRows(command: ShowRoute, view: View, look: Look): Iterable<Row> {
  const { bird1 } = look
  const family = command.table ?? command.for?.family ?? command.in?.family
  if (bird1 !== undefined && family !== undefined && family !== bird1) {
    yield { code: CODE.routeNotFound, text: `Network not found: this socket has ${FAMILY_WORDS[bird1]} alone` }
    return
  }
  const plan = planWalk(bird1 === undefined ? command : { ...command, table: bird1 }, view)
  if ('code' in plan) yield plan
  else if (command.count) yield* countRows(plan, view, look)
  else yield* listRows(plan, command, view, look)
}

function* listRows(plan: Walk, command: ShowRoute, view: View, { times, bird1 }: Look): Iterable<Row> {
  const interfaceOf = interfaceFinder(view.interfaces())
  const layout = bird1 === undefined ? bird2Lines : bird1Lines
  const hasHeadings = bird1 === undefined
  // A list of rejected routes always has the reasons.
  const listsRejected = command.filtered || command.noexport !== undefined
  const counts = command.stats ? yield* countBoth(plan, view) : undefined
  let found = false
  for (const family of plan.families) {
    if (command.stats && hasHeadings) yield* headingRows(family, family !== plan.families[0])
    let before: string | undefined
    for (const row of walk(plan, family, view)) {
      if (row === undefined) {
        yield PAUSE
        continue
      }
      if (before === undefined && !command.stats && hasHeadings) yield* headingRows(family, found)
      const prefix = row.prefix === before ? '' : row.prefix
      const since = formatTime(view.epoch + row.since, view.epoch + view.now, times)
      for (const text of layout({ row, prefix, since, interfaceOf })) yield { code: CODE.route, text }
      if (command.all) yield* detailRows(row, bird1)
      else if (listsRejected) yield* reasonRow(row)
      before = row.prefix
      found = true
    }
    if (counts !== undefined && bird1 === undefined) yield countRow(family, counts)
  }
  if (!found && command.for !== undefined) yield { code: CODE.routeNotFound, text: 'Network not found' }
  else if (counts !== undefined) yield totalRow(plan, counts, bird1)
  else yield { code: CODE.ok, text: '' }
}

function* reasonRow({ reason }: RouteRow): Iterable<Row> {
  if (reason !== '') yield { code: CODE.routeAttributes, text: `\tGodwit.reason: ${reason}` }
}

function* headingRows(family: Family, second: boolean): Iterable<Row> {
  if (second) yield { code: CODE.route, text: '' }
  yield { code: CODE.route, text: `Table ${TABLES[family]}:` }
}

function* detailRows(row: RouteRow, bird1: Family | undefined): Iterable<Row> {
  const source = row.peer === undefined ? 'static' : 'BGP'
  yield { code: CODE.routeDetails, text: `\tType: ${source}${bird1 === undefined ? '' : ' unicast'} univ` }
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
function* countRows(plan: Walk, view: View, { bird1 }: Look): Iterable<Row> {
  const counts = yield* countBoth(plan, view)
  if (bird1 === undefined) for (const family of plan.families) yield countRow(family, counts)
  yield totalRow(plan, counts, bird1)
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

const countRow = (family: Family, counts: Counts): Row => ({
  code: CODE.route,
  text: `${countText(family, counts)} in table ${TABLES[family]}`,
})

function countText(family: Family, { matching, all }: Counts): string {
  const { prefixes, paths } = all[family]
  return `${matching[family].paths} of ${paths} routes for ${prefixes} networks`
}

function totalRow({ families }: Walk, counts: Counts, bird1: Family | undefined): Row {
  const { matching, all } = counts
  if (bird1 !== undefined) return { code: CODE.routeCount, text: countText(bird1, counts) }
  if (families.length === 1) return { code: CODE.ok, text: '' }
  const sum = (of: TableCounts, what: 'paths' | 'prefixes') =>
    families.reduce((total, family) => total + of[family][what], 0)
  const shown = `${sum(matching, 'paths')} of ${sum(all, 'paths')} routes for ${sum(all, 'prefixes')} networks`
  return { code: CODE.routeCount, text: `Total: ${shown} in ${families.length} tables` }
}
