/**
 * Problems between objects that the objects alone show: they are the same on every node. A problem that only one node can
 * see (a Secret that it reads, an address that it lacks) is not reported here but by that node.
 */
import { CostMeter, type Work } from '../base/work.ts'
import { References } from './advertisement-references.ts'
import type { Problem } from './intent.ts'
import { filterProblem } from './make-peer.ts'
import { NODE_CONFIGURATION } from './parse/configuration.ts'
import { whyNoFilter } from './policies.ts'
import { overlapProblems, placed } from './pools.ts'
import { selectionProblems } from './selections.ts'
import { readSettings } from './settings.ts'
import type { ObjectStore } from './store.ts'

/** Approximate costs in microseconds: to look at the filters of a BGPPeer, and to read the settings of a node. */
const PEER_COST = 2
const SETTINGS_COST = 50

export function* referenceProblems(store: ObjectStore): Work<Problem[]> {
  const ofPeers: Problem[] = []
  const meter = new CostMeter()
  for (const peer of store.table('BGPPeer').values()) {
    for (const [index, name] of peer.filters.entries())
      ofPeers.push(...missingFilter(store, name, (why) => filterProblem(peer, index, name, why)))
    meter.add(PEER_COST)
    if (meter.isDue) yield meter.take()
  }
  const references = new References(store)
  const ofAdvertisements: Problem[] = []
  for (const object of store.table('BGPAdvertisement').values()) {
    for (const problem of references.of(object)) ofAdvertisements.push(problem)
    meter.add(references.costOf(object))
    if (meter.isDue) yield meter.take()
  }
  return [
    ...ofPeers,
    ...(store.get('BGPConfiguration', 'default')?.meshFilters ?? []).flatMap((name, index) =>
      missingFilter(store, name, (why) => filterProblem(undefined, index, name, why)),
    ),
    ...ofAdvertisements,
    ...(yield* configurationProblems(store)),
    ...(yield* selectionProblems(store)),
    ...overlapProblems(placed(store.table('IPPool').values())),
  ]
}

function missingFilter(store: ObjectStore, name: string, problem: (why: string) => Problem): Problem[] {
  const why = whyNoFilter(store, name)
  return why === undefined ? [] : [problem(why)]
}

/** Problems of BGPConfiguration `default` combined with that of each node. */
function* configurationProblems(store: ObjectStore): Work<Problem[]> {
  const nodes = [...store.table('BGPConfiguration').keys()]
    .filter((name) => name.startsWith(NODE_CONFIGURATION))
    .map((name) => name.slice(NODE_CONFIGURATION.length))
  const found = new Map<string, Problem>()
  for (const node of ['', ...nodes]) {
    for (const problem of readSettings(store, node).problems) found.set(problem.text, problem)
    yield SETTINGS_COST
  }
  return [...found.values()]
}
