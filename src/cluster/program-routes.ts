/**
 * Decides who writes the routes to pods of other nodes into the kernel: this agent or Felix. Calico has a field for each of
 * its two daemons (`programClusterRoutes`) and does not notice if both write them, or neither.
 */
import type { Prefix } from '../base/prefix.ts'
import { type Problem, type ProgramClusterRoutes, writesPlain } from './intent.ts'
import type { ClusterNodes } from './node.ts'
import type { PoolObject } from './pool.ts'
import { joinPrefixes } from './pools.ts'
import { makeProblem } from './problem.ts'
import type { Settings } from './settings.ts'

const writesPlainRoutes = (setting: ProgramClusterRoutes | undefined): boolean =>
  setting !== undefined && writesPlain(setting)

/** BGPConfiguration decides; where it does not set the field, FelixConfiguration does. */
export const felixWrites = ({ bgp, felix }: Settings['clusterRoutes']): boolean =>
  bgp === undefined ? writesPlainRoutes(felix) : !writesPlainRoutes(bgp)

/** The addresses that pods of other nodes may have. */
export const leftToFelix = (pools: readonly PoolObject[], nodes: ClusterNodes): Prefix[] =>
  joinPrefixes([...pools.map(({ prefix }) => prefix), ...[...nodes.values()].flatMap(({ podCidrs }) => podCidrs)])

/** `knowsFelix`: its configuration is read. */
export function programProblems({ nodeRoutes, clusterRoutes }: Settings, knowsFelix: boolean): Problem[] {
  const { bgp, felix } = clusterRoutes
  const problems: Problem[] = []
  const name = (code: string, field: string, value: string | undefined, says: string, level?: 'warning') =>
    problems.push(
      makeProblem({ code, object: 'BGPConfiguration/default', field, value, says, ...(level && { level }) }),
    )
  const theirs =
    felix === undefined
      ? 'FelixConfiguration does not set programClusterRoutes, which means EnabledIPIPOnly'
      : `FelixConfiguration sets programClusterRoutes ${felix}`
  if (felixWrites(clusterRoutes) && nodeRoutes === 'Direct') {
    const says = `has no effect: ${theirs}, and programClusterRoutes is not set here: Felix writes these routes`
    name('node-routes-twice', 'spec.nodeRoutes', nodeRoutes, says)
  }
  if (!knowsFelix) return problems
  const field = 'spec.programClusterRoutes'
  if (!felixWrites(clusterRoutes) && writesPlainRoutes(felix)) {
    const says = `lets the agent write routes to other nodes, and ${theirs}: both write them; where Felix has written a route, the agent writes none`
    name('cluster-routes-twice', field, bgp, says, 'warning')
  }
  if (felixWrites(clusterRoutes) && !writesPlainRoutes(felix))
    name(
      'cluster-routes-gap',
      field,
      bgp,
      `leaves routes to other nodes to Felix, but ${theirs}: no program writes them`,
    )
  return problems
}
