/** Problems with kernel routes: a bounded number, each with what the agent does about it. */
import { counted } from '../base/counted.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Problem, RouteIntent } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import type { KeptOutRoutes } from '../dataplane/kept-out.ts'
import { describeRoute, GODWIT_PROTOCOL, type KernelRoute, ownerOf } from '../dataplane/kernel.ts'
import type { RouteKeeper } from '../dataplane/route-keeper.ts'
import { isOfOnePod } from './originated-prefixes.ts'

/** Beyond this many of a kind they are only counted. */
export const MOST = 10

/** Why next hops lead nowhere: of the first ones, and how many there are. */
export interface Unresolved {
  readonly reasons: readonly string[]
  readonly count: number
}

export function kernelProblems(
  keeper: RouteKeeper,
  error: string | undefined,
  waiting: readonly RouteIntent[],
  unresolved: Unresolved,
): Problem[] {
  const found: Problem[] = []
  if (error !== undefined) found.push(makeProblem({ code: 'kernel-unread', object: 'kernel routes', says: error }))
  const { keptOut } = keeper
  return [
    ...found,
    ...conflicts(keptOut),
    ...failures(keptOut),
    ...unresolvedRoutes(keptOut),
    ...contests(keptOut),
    ...gaps(keptOut),
    ...heldBack(
      keeper,
      error,
      waiting.flatMap((route) => (isOfOnePod(route) ? [] : [route.prefix])),
    ),
    ...podsElsewhere(keeper, waiting.filter(isOfOnePod)),
    ...unreached(unresolved),
  ]
}

/** Routes that are not known may be where a next hop leads, or stand at a prefix of ours. */
export function tooMany(leftOut: number): Problem[] {
  if (leftOut === 0) return []
  const says = `the tables that Godwit uses hold too many routes of other programs: about ${leftOut} are not known here, and next hops inside them are resolved by shorter routes`
  return [makeProblem({ code: 'kernel-routes-left-out', object: 'kernel routes', says, level: 'warning' })]
}

/** Where next hops do not lead anywhere, the routes over them are not used. */
function unreached({ reasons, count }: Unresolved): Problem[] {
  const problems = reasons.map((reason) => {
    const says = `${reason}; routes over it are not used`
    return makeProblem({ code: 'next-hop-unresolved', object: 'kernel routes', says, level: 'warning' })
  })
  if (count <= MOST) return problems
  const says = `${counted(count - MOST, 'more next hop is', 'more next hops are')} unreachable`
  return [...problems, makeProblem({ code: 'next-hops-unresolved', object: 'kernel routes', says, level: 'warning' })]
}

function contests(keptOut: KeptOutRoutes): Problem[] {
  return keptOut.some('contested', MOST).first.map(({ prefix, reason }) => {
    const says = `${reason}; it is written again after a pause`
    return makeProblem({ code: 'route-contested', object: `kernel route ${prefix.text}`, says })
  })
}

function conflicts(keptOut: KeptOutRoutes): Problem[] {
  const { first, count } = keptOut.some('conflict', MOST)
  const problems = first.map(({ prefix, conflict: { other } }) => {
    const says = `the route of ${ownerOf(GODWIT_PROTOCOL)} is not written: the table has ${describeRoute(other)}, which stays`
    return makeProblem({ code: 'route-conflict', object: `kernel route ${prefix.text}`, says, level: 'warning' })
  })
  if (count <= MOST) return problems
  const says = `${counted(count - MOST, 'more prefix has a route', 'more prefixes have routes')} of another program, which stays`
  return [...problems, makeProblem({ code: 'route-conflicts', object: 'kernel routes', says, level: 'warning' })]
}

function failures(keptOut: KeptOutRoutes): Problem[] {
  return byReason(keptOut, 'failed').map(([reason, which]) => {
    const says = `${which} could not be written: ${reason}; the agent tries again`
    return makeProblem({ code: 'route-failed', object: 'kernel routes', says })
  })
}

/**
 * Next hops that only `RouteKeeper` can reject: link-local ones, and routes that would cover the way to their own next
 * hop.
 */
function unresolvedRoutes(keptOut: KeptOutRoutes): Problem[] {
  return byReason(keptOut, 'unresolved').map(([reason, which]) => {
    const says = `${which} is not written: ${reason}`
    return makeProblem({ code: 'route-unresolved', object: 'kernel routes', says, level: 'warning' })
  })
}

/** Routes that Felix is responsible for and that no program has written. */
function gaps(keptOut: KeptOutRoutes): Problem[] {
  return byReason(keptOut, 'left').map(([, which]) => {
    const says = `${which} has no route: programClusterRoutes leaves it to Felix, which has not written it`
    return makeProblem({ code: 'cluster-route-missing', object: 'kernel routes', says, level: 'warning' })
  })
}

/** One for each reason, with its first prefix and how many more. */
function byReason(keptOut: KeptOutRoutes, kind: 'failed' | 'unresolved' | 'left'): (readonly [string, string])[] {
  return keptOut.groups(kind, MOST).map(({ first: { reason, prefix }, count }) => {
    return [reason, count === 1 ? prefix.text : `${prefix.text} and ${count - 1} more`] as const
  })
}

/** At the start that is normal for a moment: it is a problem only where another route is in the way. */
function heldBack(keeper: RouteKeeper, error: string | undefined, waiting: readonly Prefix[]): Problem[] {
  const strayed = waiting.flatMap((prefix) => strays(keeper, prefix) ?? [])
  const stuck = waiting.filter(({ text }) => error !== undefined || keeper.keptOut.get(text)?.kind === 'failed')
  const held = stuck.map(({ text }) => {
    const says = 'is not advertised until the kernel has its blackhole route'
    return makeProblem({ code: 'pod-cidr-waits', object: 'kernel routes', value: text, says })
  })
  return [...strayed, ...held].slice(0, MOST)
}

/** The pod is on this node, by the word of its objects. */
function podsElsewhere(keeper: RouteKeeper, pods: readonly RouteIntent[]): Problem[] {
  if (!keeper.isKnown) return []
  return pods.slice(0, MOST).map(({ prefix, objects, origin }) => {
    const route = keeper.kernel.lookup(prefix.bytes)
    const isEnded = route !== undefined && isOurBlackhole(route)
    const way =
      route === undefined || isEnded
        ? 'the kernel has no route to it'
        : `${describeRoute(route)} leads its packets elsewhere`
    const field = origin === 'pod' ? 'status.podIPs' : 'spec.podCIDRs'
    const at = { object: objects[0] ?? 'kernel routes', field, value: prefix.text }
    return makeProblem({ code: 'pod-elsewhere', ...at, says: `is not advertised: ${way}`, level: 'warning' })
  })
}

/** Of this address, or of the pod CIDR around it. */
const isOurBlackhole = ({ type, protocol }: KernelRoute): boolean =>
  type === 'blackhole' && protocol === GODWIT_PROTOCOL

function strays(keeper: RouteKeeper, prefix: Prefix): Problem | undefined {
  const ending = keeper.kernel.endingOf(prefix)
  if (ending.kind !== 'elsewhere') return undefined
  const says = `is not advertised: ${describeRoute(ending.other)} takes its packets away from the pods of this node`
  return makeProblem({ code: 'pod-cidr-elsewhere', object: 'kernel routes', value: prefix.text, says })
}
