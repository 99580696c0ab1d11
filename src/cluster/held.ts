/** What is held because objects cannot be read, in whole or in part. */
import { FAMILY_WORDS } from '../base/family.ts'
import type { Rule } from '../bgp/policy/rule.ts'
import type { Problem } from './intent.ts'
import type { HeldParts } from './objects.ts'
import { allHeld } from './parse/configuration.ts'
import type { UnplacedPool } from './pool.ts'
import { makeProblem } from './problem.ts'
import type { ObjectStore } from './store.ts'

/** The parts of the configuration that are held because of a BGPConfiguration. */
export function heldByConfiguration(store: ObjectStore, name: string): HeldParts {
  const known = store.get('BGPConfiguration', name)
  if (known !== undefined) return known.held
  const why = store.whyUnread({ kind: 'BGPConfiguration', namespace: '', name })
  return why === undefined ? {} : allHeld(why)
}

/** Why the export policy rejects originated routes, and why all: some BGPAdvertisement or IPPool may restrict where they go. */
export interface HeldExport {
  readonly originated: string | undefined
  readonly all: string | undefined
  /** Pools that close a range which is not known. */
  readonly unplaced: readonly UnplacedPool[]
}

export const heldExport = (store: ObjectStore): HeldExport => ({
  originated: store.whyHidden('BGPAdvertisement'),
  all: store.whyHidden('IPPool'),
  unplaced: [...store.table('IPPool').values()].filter((pool) => pool.prefix === undefined),
})

/** A pool with `disableBGPExport` closes its range for learned routes too. */
export function heldExportRules({ originated, all }: Pick<HeldExport, 'originated' | 'all'>): Rule[] {
  const rule = (match: Rule['match'], reason: string | undefined): Rule[] =>
    reason === undefined ? [] : [{ name: 'export held', match, action: 'reject', operations: [], reason }]
  return [...rule({}, all), ...rule({ source: 'originated' }, originated)]
}

export function heldExportProblems({ originated, all, unplaced: pools }: HeldExport): Problem[] {
  const why = all ?? originated
  if (why === undefined) return pools.map(unplacedProblem)
  const what = all === undefined ? 'own route' : 'route'
  return [
    makeProblem({ code: 'export-held', object: 'export', says: `${why}; no ${what} is advertised until it is read` }),
  ]
}

function unplacedProblem({ name, family }: UnplacedPool): Problem {
  const what = family === undefined ? 'route' : `${FAMILY_WORDS[family]} route`
  const says = `sets disableBGPExport, and its cidr cannot be read: no ${what} is advertised that is in no other IPPool and no service range`
  return makeProblem({ code: 'export-held', object: `IPPool/${name}`, field: 'spec.cidr', says })
}
