/** What is wrong between us and the kernel's routes: a bounded number of problems, each with what is done about it. */
import type { Prefix } from '../base/prefix.ts'
import type { Problem } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import { formatRoute, GODWIT_PROTOCOL, ownerOf } from '../dataplane/kernel.ts'
import type { KeptOut, RouteKeeper } from '../dataplane/route-keeper.ts'

/** Beyond this many of a kind they are only counted. */
const MOST = 10

export function kernelProblems(
  keeper: RouteKeeper,
  trouble: string | undefined,
  waiting: readonly Prefix[],
): Problem[] {
  const found: Problem[] = []
  if (trouble !== undefined) found.push(makeProblem({ code: 'kernel-unread', object: 'kernel routes', says: trouble }))
  const kept = [...keeper.keptOut.values()]
  return [...found, ...conflicts(kept), ...failures(kept), ...heldBack(keeper, trouble, waiting)]
}

function conflicts(kept: readonly KeptOut[]): Problem[] {
  const all = kept.filter((one) => one.kind === 'conflict').filter(({ conflict }) => conflict.kind === 'foreign')
  const problems = all.slice(0, MOST).map(({ prefix, conflict: { other } }) => {
    const theirs = `${formatRoute(other)} metric ${other.metric} of ${ownerOf(other.protocol)}`
    const says = `the route of ${ownerOf(GODWIT_PROTOCOL)} is kept out: the table has ${theirs}, which stays`
    return makeProblem({ code: 'route-conflict', object: `kernel route ${prefix.text}`, says, level: 'warning' })
  })
  if (all.length <= MOST) return problems
  const says = `${all.length - MOST} more prefixes have routes of others, which stay`
  return [...problems, makeProblem({ code: 'route-conflicts', object: 'kernel routes', says, level: 'warning' })]
}

/** One for each reason. */
function failures(kept: readonly KeptOut[]): Problem[] {
  const byReason = new Map<string, string[]>()
  for (const one of kept) {
    if (one.kind !== 'failed') continue
    const known = byReason.get(one.reason)
    if (known === undefined) byReason.set(one.reason, [one.prefix.text])
    else known.push(one.prefix.text)
  }
  return [...byReason].slice(0, MOST).map(([reason, [first = '', ...more]]) => {
    const which = more.length === 0 ? first : `${first} and ${more.length} more`
    const says = `${which} could not be written: ${reason}; tried again from time to time`
    return makeProblem({ code: 'route-failed', object: 'kernel routes', says })
  })
}

/** For a moment at the start this is as it should be: a problem only where something is in the way. */
function heldBack(keeper: RouteKeeper, trouble: string | undefined, waiting: readonly Prefix[]): Problem[] {
  const stuck = waiting.filter(({ text }) => trouble !== undefined || keeper.keptOut.get(text)?.kind === 'failed')
  return stuck.slice(0, MOST).map(({ text }) => {
    const says = 'is not advertised before the kernel has its blackhole'
    return makeProblem({ code: 'pod-cidr-waits', object: 'kernel routes', value: text, says })
  })
}
