/** Problems with kernel routes: a bounded number, each with what the agent does about it. */
import type { Prefix } from '../base/prefix.ts'
import type { Problem } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import { formatRoute, GODWIT_PROTOCOL, ownerOf } from '../dataplane/kernel.ts'
import { describeRoute, type KeptOut, type RouteKeeper } from '../dataplane/route-keeper.ts'

/** Beyond this many of a kind they are only counted. */
const MOST = 10

export function kernelProblems(
  keeper: RouteKeeper,
  trouble: string | undefined,
  waiting: readonly Prefix[],
  unresolved: readonly string[],
): Problem[] {
  const found: Problem[] = []
  if (trouble !== undefined) found.push(makeProblem({ code: 'kernel-unread', object: 'kernel routes', says: trouble }))
  const kept = [...keeper.keptOut.values()]
  return [
    ...found,
    ...conflicts(kept),
    ...failures(kept),
    ...unresolvedRoutes(kept),
    ...contests(kept),
    ...gaps(kept),
    ...heldBack(keeper, trouble, waiting),
    ...unreached(unresolved),
  ]
}

/** Where next hops do not lead anywhere, the routes over them are not used. */
function unreached(unresolved: readonly string[]): Problem[] {
  const problems = unresolved.slice(0, MOST).map((reason) => {
    const says = `${reason}; routes over it are not used`
    return makeProblem({ code: 'next-hop-unresolved', object: 'kernel routes', says, level: 'warning' })
  })
  if (unresolved.length <= MOST) return problems
  const says = `${unresolved.length - MOST} more next hops are unreachable`
  return [...problems, makeProblem({ code: 'next-hops-unresolved', object: 'kernel routes', says, level: 'warning' })]
}

function contests(kept: readonly KeptOut[]): Problem[] {
  return kept
    .filter((one) => one.kind === 'contested')
    .slice(0, MOST)
    .map(({ prefix, reason }) => {
      const says = `${reason}; it is written again after a pause`
      return makeProblem({ code: 'route-contested', object: `kernel route ${prefix.text}`, says })
    })
}

function conflicts(kept: readonly KeptOut[]): Problem[] {
  const all = kept.filter((one) => one.kind === 'conflict').filter(({ conflict }) => conflict.kind === 'foreign')
  const problems = all.slice(0, MOST).map(({ prefix, conflict: { other } }) => {
    const says = `the route of ${ownerOf(GODWIT_PROTOCOL)} is not written: the table has ${describeRoute(other)}, which stays`
    return makeProblem({ code: 'route-conflict', object: `kernel route ${prefix.text}`, says, level: 'warning' })
  })
  if (all.length <= MOST) return problems
  const says = `${all.length - MOST} more prefixes have routes of others, which stay`
  return [...problems, makeProblem({ code: 'route-conflicts', object: 'kernel routes', says, level: 'warning' })]
}

function failures(kept: readonly KeptOut[]): Problem[] {
  return byReason(kept, 'failed').map(([reason, which]) => {
    const says = `${which} could not be written: ${reason}; the agent tries again`
    return makeProblem({ code: 'route-failed', object: 'kernel routes', says })
  })
}

/** Next hops that only the kernel's keeper can judge: link-local ones, and routes that would cover their own way. */
function unresolvedRoutes(kept: readonly KeptOut[]): Problem[] {
  return byReason(kept, 'unresolved').map(([reason, which]) => {
    const says = `${which} is not written: ${reason}`
    return makeProblem({ code: 'route-unresolved', object: 'kernel routes', says, level: 'warning' })
  })
}

/** Routes that Felix is responsible for and that no program has written. */
function gaps(kept: readonly KeptOut[]): Problem[] {
  return byReason(kept, 'left').map(([, which]) => {
    const says = `${which} has no route: programClusterRoutes leaves it to Felix, which has not written it`
    return makeProblem({ code: 'cluster-route-missing', object: 'kernel routes', says, level: 'warning' })
  })
}

/** One for each reason, with its first prefix and how many more. */
function byReason(kept: readonly KeptOut[], kind: 'failed' | 'unresolved' | 'left'): (readonly [string, string])[] {
  const found = new Map<string, string[]>()
  for (const one of kept) {
    if (one.kind !== kind) continue
    const known = found.get(one.reason)
    if (known === undefined) found.set(one.reason, [one.prefix.text])
    else known.push(one.prefix.text)
  }
  return [...found].slice(0, MOST).map(([reason, [first = '', ...more]]) => {
    return [reason, more.length === 0 ? first : `${first} and ${more.length} more`] as const
  })
}

/** For a moment at the start this is as it should be: a problem only where something is in the way. */
function heldBack(keeper: RouteKeeper, trouble: string | undefined, waiting: readonly Prefix[]): Problem[] {
  const strayed = waiting.flatMap((prefix) => strays(keeper, prefix) ?? [])
  const stuck = waiting.filter(({ text }) => trouble !== undefined || keeper.keptOut.get(text)?.kind === 'failed')
  const held = stuck.map(({ text }) => {
    const says = 'is not advertised until the kernel has its blackhole route'
    return makeProblem({ code: 'pod-cidr-waits', object: 'kernel routes', value: text, says })
  })
  return [...strayed, ...held].slice(0, MOST)
}

function strays(keeper: RouteKeeper, prefix: Prefix): Problem | undefined {
  const ending = keeper.endingOf(prefix)
  if (ending.kind !== 'elsewhere') return undefined
  const { other } = ending
  const theirs = `${formatRoute(other)} metric ${other.metric} of ${ownerOf(other.protocol)}`
  const says = `is not advertised: ${theirs} takes its packets away from the pods of this node`
  return makeProblem({ code: 'pod-cidr-elsewhere', object: 'kernel routes', value: prefix.text, says })
}
