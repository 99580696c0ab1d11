/** A direct route to pods of another node (`nodeRoutes: Direct`): its way, or why there is none. */
import type { NodeRoute } from '../cluster/intent.ts'
import type { Hop } from './kernel.ts'
import type { LinkTable } from './links.ts'
import type { Resolution } from './next-hop.ts'
import type { UsedNextHop } from './next-hops.ts'

export interface Direct {
  readonly route: NodeRoute
  readonly nextHop: UsedNextHop
  /** Retired: it stays until a route is learned over BGP, or until it is dropped. */
  readonly leaving: boolean
}

/** Undefined where there is no such route, or its node is on no link of ours. */
export function directWay(direct: Direct | undefined): readonly Hop[] | undefined {
  const resolution = direct?.nextHop.resolution
  return resolution?.kind === 'resolved' && isOnLink(resolution) ? resolution.hops : undefined
}

/** Reached without a router. */
const isOnLink = ({ metric, learned }: Extract<Resolution, { kind: 'resolved' }>): boolean => metric === 0 && !learned

/** Why it has no way. */
export function whyNoWay({ route, nextHop: { resolution } }: Direct, links: LinkTable): string {
  const whose = `Node/${route.node} (${route.gateway})`
  if (links.isOwn(route.gateway)) return `the address of ${whose} is an address of this node`
  const why = resolution.kind === 'resolved' ? '' : `: ${resolution.reason}`
  return `${whose} is on no link of this node${why}; only a route learned over BGP can reach its pods`
}
