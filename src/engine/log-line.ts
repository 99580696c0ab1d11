/** The lines of the log: a text for people, fields for machines. */
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import { formatMib } from '../base/mib.ts'
import type { MemoryLimitReport, ReceiveResult } from '../bgp/rib/types.ts'
import type { LastError, PeerAction, Session } from '../bgp/session/types.ts'
import type { UpdateProblem } from '../bgp/wire/error.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import type { Problem } from '../cluster/intent.ts'
import type { LeftFamilies } from './left-families.ts'
import type { NextHopChoice } from './next-hops.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Stable: `session-up`. */
  readonly code: string
  readonly text: string
  readonly fields: Readonly<Record<string, string | number | boolean | null>>
}

type Transition = Extract<PeerAction, { kind: 'transition' }>
type NotificationSeen = Extract<PeerAction, { kind: 'notification' }>

export const transitionLine = (peer: string, { from, to, reason }: Transition): LogLine => ({
  level: 'info',
  code: 'session-transition',
  text: `${peer}: ${from} to ${to}: ${reason}`,
  fields: { peer, from, to, reason },
})

export const upLine = (peer: string, session: Session): LogLine => ({
  level: 'info',
  code: 'session-up',
  text: `${peer}: established with AS ${session.remoteAs} at ${session.remote.address} for ${session.families.join(' and ')}`,
  fields: {
    peer,
    address: session.remote.address,
    remoteAs: session.remoteAs,
    families: session.families.join(','),
    holdTime: session.holdTime,
  },
})

export const renamedLine = (from: string, peer: string): LogLine => ({
  level: 'info',
  code: 'neighbor-renamed',
  text: `${peer}: this neighbor was called ${from}; its session goes on`,
  fields: { peer, from },
})

export const downLine = (peer: string, error: LastError, keep: readonly Family[]): LogLine => ({
  level: 'warn',
  code: 'session-down',
  text: `${peer}: down: ${error.class}: ${error.text}${keep.length === 0 ? '' : `; its ${keep.join(' and ')} routes are kept`}`,
  fields: { peer, class: error.class, error: error.text, ...(keep.length > 0 && { kept: keep.join(' ') }) },
})

export const longLivedLine = (peer: string, families: readonly Family[]): LogLine => ({
  level: 'warn',
  code: 'long-lived-stale',
  text: `${peer}: the session did not come back in time: its ${families.join(' and ')} routes are now routes of last resort`,
  fields: { peer, families: families.join(' ') },
})

export const staleDroppedLine = (peer: string, reason: string): LogLine => ({
  level: 'warn',
  code: 'stale-routes-dropped',
  text: `${peer}: stale routes are dropped: ${reason}`,
  fields: { peer, reason },
})

export const notificationLine = (peer: string, seen: NotificationSeen): LogLine => ({
  level: isTurnedAway(seen) ? 'debug' : isCollision(seen) ? 'info' : 'warn',
  code: `notification-${seen.direction}`,
  text: `${peer}: ${seen.direction} NOTIFICATION ${seen.code}/${seen.subcode}: ${seen.text}`,
  fields: { peer, code: seen.code, subcode: seen.subcode, text: seen.text },
})

/** A neighbor that is held down or disabled still connects every few seconds. */
const isTurnedAway = ({ direction, code, subcode }: NotificationSeen): boolean =>
  direction === 'sent' && code === CEASE.code && subcode === CEASE.rejected

/** Both sides connected at once and one connection is closed, as RFC 4271 §6.8 requires: nothing is lost. */
const isCollision = ({ code, subcode }: NotificationSeen): boolean => code === CEASE.code && subcode === CEASE.collision

/** `first`: the first of its kind in this session; later ones are logged at level debug. */
export const updateProblemLine = (peer: string, problem: UpdateProblem, first: boolean): LogLine => ({
  level: first ? 'warn' : 'debug',
  code: 'update-problem',
  text: `${peer}: ${problem.text}: ${problem.action === 'withdraw' ? 'its routes are treated as withdrawn' : 'the attribute is discarded'}`,
  fields: { peer, action: problem.action, attribute: problem.attribute ?? null },
})

/** Families that a session leaves to another one with the same router, and takes back. */
export const leftLines = (name: string, before: LeftFamilies, left: LeftFamilies): LogLine[] =>
  FAMILIES.flatMap((family) => {
    const [now, then] = [left[family], before[family]]
    const isLeft = now?.import === true && now.export
    if (isLeft && now.to !== (then?.import && then.export ? then.to : undefined)) {
      const text = `${name}: ${family} routes are now exchanged by ${now.to}, the session with the same router over ${family}`
      return [logLine('info', 'family-left', text, { peer: name, family, to: now.to })]
    }
    if (now !== undefined || then === undefined) return []
    return [
      logLine(
        'info',
        'family-taken-back',
        `${name}: ${family} routes are exchanged here again, no longer by ${then.to}`,
        {
          peer: name,
          family,
        },
      ),
    ]
  })

/** A message that is ignored by rule. */
export const ignoredLine = (peer: string, what: string): LogLine => ({
  level: 'debug',
  code: 'message-ignored',
  text: `${peer}: ignored: ${what}`,
  fields: { peer },
})

export const nearLimitLine = (
  peer: string,
  { family, routes, limit }: NonNullable<ReceiveResult['nearLimit']>,
): LogLine => ({
  level: 'warn',
  code: 'prefixes-near-limit',
  text: `${peer}: ${routes} ${family} routes; the session ends above ${limit}`,
  fields: { peer, family, routes, limit },
})

/** Logged once until there is room again. */
export function memoryLine(peer: string, { family, state, whose, octets, limit }: MemoryLimitReport): LogLine {
  const fields = { peer, family, octets, limit }
  const takes = `${formatMib(octets)}, ${formatMib(limit)} allowed`
  if (state === 'near') {
    const text = `${peer}: ${family} routes take ${takes}; routes above the limit are rejected`
    return logLine('warn', 'memory-near-limit', text, fields)
  }
  const what = whose === 'neighbor' ? `its ${family} routes take ${takes}` : `all tables take ${takes}`
  return logLine('warn', 'memory-limit', `${peer}: further ${family} routes are rejected: ${what}`, fields)
}

export const pathLimitLine = (
  peer: string,
  { family, prefix, most }: NonNullable<ReceiveResult['crowded']>,
): LogLine => ({
  level: 'warn',
  code: 'paths-turned-away',
  text: `${peer}: more than ${most} paths to ${prefix}: further paths are rejected`,
  fields: { peer, family, prefix, most },
})

/** A warning rejects nothing. */
const problemLine = (problem: Problem): LogLine => ({
  level: problem.level === 'warning' ? 'warn' : 'error',
  code: 'object-problem',
  text: problem.text,
  fields: { problem: problem.code, object: problem.object, field: problem.field, value: problem.value },
})

const problemGoneLine = (problem: Problem): LogLine => ({
  level: 'info',
  code: 'object-problem-gone',
  text: `resolved: ${problem.text}`,
  fields: { problem: problem.code, object: problem.object, field: problem.field },
})

/** The problems that are new, and those that are over. */
export function problemLines(before: readonly Problem[], after: readonly Problem[]): LogLine[] {
  if (before === after) return []
  // Most are the very same: of ten thousand, the few others are compared by what they say.
  const [known, kept] = [new Set(before), new Set(after)]
  const fresh = after.filter((problem) => !known.has(problem))
  const gone = before.filter((problem) => !kept.has(problem))
  const [freshKeys, goneKeys] = [new Set(fresh.map(problemKey)), new Set(gone.map(problemKey))]
  return [
    ...fresh.filter((problem) => !goneKeys.has(problemKey(problem))).map(problemLine),
    ...gone.filter((problem) => !freshKeys.has(problemKey(problem))).map(problemGoneLine),
  ]
}

const problemKey = ({ code, object, field, value, text }: Problem): string =>
  [code, object, field, value, text].join('\n')

export const logLine = (
  level: LogLine['level'],
  code: string,
  text: string,
  fields: LogLine['fields'] = {},
): LogLine => ({
  level,
  code,
  text,
  fields,
})

/** A family that is not advertised to a neighbor, or with another next hop than before; `before`: in this session. */
export function nextHopsLines(
  peer: string,
  before: NextHopChoice | undefined,
  after: NextHopChoice | undefined,
): LogLine[] {
  return FAMILIES.flatMap((family): LogLine[] => {
    const [held, nextHop] = [after?.held[family], after?.text[family]]
    if (held !== undefined) {
      if (held === before?.held[family]) return []
      return [logLine('warn', 'family-held', `${peer}: ${held}`, { peer, family })]
    }
    if (before === undefined || nextHop === undefined || nextHop === before.text[family]) return []
    const text = `${peer}: the ${FAMILY_WORDS[family]} next hop is now ${nextHop}`
    return [logLine('info', 'next-hop-changed', text, { peer, family, nextHop })]
  })
}

/** A question of a client that could not be answered, because of an error of our own. */
export function commandErrorLine(error: unknown): LogLine {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return logLine('error', 'command-error', `a command could not be answered: ${stack}`, {})
}
