/**
 * What is wrong between objects, as the objects alone show it: the same on every node, whether it is concerned or not.
 * What only one node can know (a Secret it follows, an address it lacks) is that node's own problem.
 */
import { communityAliases, referencesOf } from './advertisements.ts'
import type { Problem } from './intent.ts'
import { NODE_CONFIGURATION } from './parse/configuration.ts'
import { filterProblem } from './peers.ts'
import { whyNoFilter } from './policies.ts'
import { overlapProblems } from './pools.ts'
import { readSettings } from './settings.ts'
import type { ObjectStore } from './store.ts'

export function referenceProblems(store: ObjectStore): Problem[] {
  const aliases = communityAliases(store)
  return [
    ...[...store.table('BGPPeer').values()].flatMap((peer) =>
      peer.filters.flatMap((name, index) => missingFilter(store, name, (why) => filterProblem(peer, index, name, why))),
    ),
    ...(store.get('BGPConfiguration', 'default')?.meshFilters ?? []).flatMap((name, index) =>
      missingFilter(store, name, (why) => filterProblem(undefined, index, name, why)),
    ),
    ...[...store.table('BGPAdvertisement').values()].flatMap((one) => referencesOf(one, aliases, store)),
    ...configurationProblems(store),
    ...overlapProblems(store.table('IPPool').values()),
  ]
}

function missingFilter(store: ObjectStore, name: string, problem: (why: string) => Problem): Problem[] {
  const why = whyNoFilter(store, name)
  return why === undefined ? [] : [problem(why)]
}

/** Of the default, and of each node's own: these are read together. */
function configurationProblems(store: ObjectStore): Problem[] {
  const nodes = [...store.table('BGPConfiguration').keys()]
    .filter((name) => name.startsWith(NODE_CONFIGURATION))
    .map((name) => name.slice(NODE_CONFIGURATION.length))
  const found = ['', ...nodes].flatMap((node) => readSettings(store, node).problems)
  return [...new Map(found.map((problem) => [problem.text, problem])).values()]
}
