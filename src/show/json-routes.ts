/** Routes in JSON: `show route`. */
import type { RouteRow } from '../bgp/rib/types.ts'
import type { AsSegment } from '../bgp/wire/as-path.ts'
import type { ShowRoute } from './command.ts'
import { gatewaysOf } from './gateway.ts'
import { type Json, list, nothing, one, seconds, time } from './json-rows.ts'
import { CODE, type Row } from './reply.ts'
import type { View } from './view.ts'
import { countWalk, planWalk, type Walk, walk } from './walk.ts'

export function* routesJson(command: ShowRoute, view: View): Iterable<Row> {
  const plan = planWalk(command, view)
  if ('code' in plan) yield* nothing(plan)
  else if (command.count) yield* one({ ...(yield* countWalk(plan, view)) })
  else {
    const missing = (count: number): Row =>
      count === 0 && command.for !== undefined
        ? { code: CODE.routeNotFound, text: 'Network not found' }
        : { code: CODE.ok, text: '' }
    yield* list(routeItems(plan, view), missing)
  }
}

function* routeItems(plan: Walk, view: View): Iterable<Json | undefined> {
  for (const family of plan.families) {
    for (const row of walk(plan, family, view)) {
      if (row === undefined) {
        yield undefined
        continue
      }
      const gateways = gatewaysOf(row)
      if (gateways.length === 0) yield routeJson(row, null, view)
      for (const gateway of gateways) yield routeJson(row, gateway, view)
    }
  }
}

function routeJson(row: RouteRow, nextHop: string | null, view: View): Json {
  const { attributes } = row
  return {
    prefix: row.prefix,
    nextHop,
    from: row.from ?? null,
    source: row.origin,
    best: row.best,
    reason: row.reason,
    origin: attributes.origin,
    asPath: attributes.asPath.flatMap(segmentJson),
    localPref: attributes.localPref ?? null,
    med: attributes.med ?? null,
    communities: attributes.communities.map((parts) => parts.join(':')),
    largeCommunities: attributes.largeCommunities.map((parts) => parts.join(':')),
    age: seconds(view, row.since),
    family: row.family,
    protocol: row.peer ?? null,
    peerType: row.peerType ?? null,
    object: row.object ?? null,
    filtered: row.filtered,
    exportedTo: row.exportedTo,
    since: time(view, row.since),
  }
}

/** Sets are unordered: arrays inside the array. */
function segmentJson({ kind, asns }: AsSegment): readonly Json[] {
  return kind === 'sequence' || kind === 'confed-sequence' ? asns : [asns]
}
