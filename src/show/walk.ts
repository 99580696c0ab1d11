/** Which routes a question means, and the walk over them: page by page, one family after the other. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { RouteQuery, RouteRow } from '../bgp/rib/types.ts'
import type { ShowRoute } from './command.ts'
import { CODE, type Row } from './reply.ts'
import type { View } from './view.ts'
import { protocolNamed } from './which.ts'

/** BIRD's names for the two routing tables. */
export const TABLES: Readonly<Record<Family, string>> = { ipv4: 'master4', ipv6: 'master6' }

/** Rows asked of the RIB at once. */
const PAGE = 256

/** What is to be walked: the question to the RIB, and what only we can sort out. */
export interface Walk {
  readonly families: readonly Family[]
  readonly query: RouteQuery
  /** Only our own routes of this kind: `pod-cidr`, `service` … */
  readonly origin: string | undefined
}

/** Kinds of our own routes stand where BIRD has the name of a protocol. */
const OWN = ['pod_cidr', 'service_cidr', 'service'] as const

/** `pod-cidr` as the name of a protocol. */
export const ownKind = (origin: string): string => origin.replaceAll('-', '_')

/** Turns a command into a walk, or says why that cannot be. */
export function planWalk(command: ShowRoute, view: View): Walk | Row {
  const own = OWN.find((name) => name === command.protocol)
  const names: { protocol?: string; export?: string; noexport?: string } = {}
  for (const key of ['protocol', 'export', 'noexport'] as const) {
    const wanted = key === 'protocol' && own !== undefined ? undefined : command[key]
    if (wanted === undefined) continue
    const protocol = protocolNamed(wanted, view)
    if (protocol === undefined) return { code: CODE.noProtocols, text: `No protocols match ${wanted}` }
    if (key !== 'protocol' && protocol.peer.state !== 'Established') {
      return { code: CODE.protocolDown, text: `No valid tables: ${protocol.name} is not Established` }
    }
    names[key] = protocol.name
  }
  const family = command.table ?? command.for?.family ?? command.in?.family
  return {
    families: family === undefined ? FAMILIES : [family],
    query: { ...names, ...matchOf(command) },
    origin: own?.replaceAll('_', '-'),
  }
}

function matchOf(command: ShowRoute): RouteQuery {
  return {
    ...(command.for === undefined ? {} : { for: command.for }),
    ...(command.in === undefined ? {} : { in: command.in }),
    ...(command.filtered ? { filtered: true } : {}),
    ...(command.primary ? { primary: true } : {}),
  }
}

/** All rows of one family, read from the RIB as they are taken. */
export function* walk({ query, origin }: Walk, family: Family, view: View): Iterable<RouteRow> {
  let page = view.routes({ ...query, family }, undefined, PAGE)
  for (;;) {
    for (const row of page.rows) if (origin === undefined || isOwn(row, origin)) yield row
    if (page.next === undefined) return
    page = view.routes({ ...query, family }, page.next, PAGE)
  }
}

const isOwn = (row: RouteRow, origin: string): boolean => row.peer === undefined && row.origin === origin

/** The RIB counts by itself, but does not know the kinds of our own routes. */
export function countWalk(plan: Walk, view: View): ReturnType<View['count']> {
  const [only] = plan.families
  if (plan.origin === undefined) {
    return view.count(plan.families.length === 1 && only !== undefined ? { ...plan.query, family: only } : plan.query)
  }
  const count = (family: Family) => (plan.families.includes(family) ? countRows(walk(plan, family, view)) : NONE)
  return { ipv4: count('ipv4'), ipv6: count('ipv6') }
}

const NONE = { prefixes: 0, paths: 0 }

/** All paths of a prefix come one after the other. */
function countRows(rows: Iterable<RouteRow>): { readonly prefixes: number; readonly paths: number } {
  let [prefixes, paths] = [0, 0]
  let before: string | undefined
  for (const { prefix } of rows) {
    if (prefix !== before) prefixes++
    before = prefix
    paths++
  }
  return { prefixes, paths }
}
