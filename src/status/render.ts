/** Renders the status of a node as the object in the API: times are RFC 3339, absent values are left out. */
import type { Millis } from '../base/units.ts'
import { formatRouterId } from '../show/router-id.ts'
import { formatRfc3339 } from '../show/time.ts'
import type { Condition, NodeStatus, RouterStatus } from './node-status.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [field: string]: Json | undefined }

/** A condition with its time. */
export interface TimedCondition extends Condition {
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

/** metav1.Time has whole seconds. */
export const formatSeconds = (at: Millis): string => formatRfc3339(at).replace(/\.\d+Z$/, 'Z')

/** `epoch`: what to add to the engine's clock for the wall clock, as it is now. `before`: the conditions that are there. */
export function renderNodeStatus(status: NodeStatus, epoch: number, now: Millis, before: unknown): Json {
  const time = (at: Millis) => formatSeconds(epoch + at)
  const { version, startedAt, asNumber, routerId, sessions, mesh, problems, problemCount } = status
  const routers = status.routers.map((router) => routerJson(router, time))
  const left = sessions.configured - (mesh?.configured ?? 0) - routers.length
  return {
    updatedAt: time(now),
    agent: { version, startedAt: time(startedAt) },
    asNumber,
    routerID: routerId === undefined ? undefined : formatRouterId(routerId),
    sessions: { ...sessions, summary: `${sessions.established}/${sessions.configured}` },
    localRoutes: { ...status.localRoutes },
    conditions: timed(status.conditions, before, time(now)).map((one) => ({ ...one })),
    routers,
    routersLeftOut: left === 0 ? undefined : left,
    mesh: mesh && {
      configured: mesh.configured,
      established: mesh.established,
      families: { ipv4: { ...mesh.families.ipv4 }, ipv6: { ...mesh.families.ipv6 } },
      notEstablished: mesh.notEstablished.map((one) => ({ ...one })),
    },
    problems: problems.map((one) => ({ ...one, field: one.field === '' ? undefined : one.field })),
    problemsLeftOut: problemCount === problems.length ? undefined : problemCount - problems.length,
  }
}

function routerJson(router: RouterStatus, time: (at: Millis) => string): Json {
  const { name, object, peer, remoteAs, state, since, held, lastError, restart, families } = router
  return {
    name,
    object,
    peer,
    remoteAS: remoteAs,
    state,
    since: since === undefined ? undefined : time(since),
    held,
    lastError: lastError && { text: lastError.text, at: time(lastError.at) },
    restart: { time: restart.time, stale: restart.stale.length === 0 ? undefined : [...restart.stale] },
    families: Object.fromEntries(Object.entries(families).map(([family, counts]) => [family, { ...counts }])),
  }
}

/**
 * Conditions with the time of their last change: one whose status is as before keeps the time that stands there. What others
 * wrote stays.
 */
export function timed(
  conditions: readonly Condition[],
  before: unknown,
  now: string,
  generation?: number,
): readonly TimedCondition[] {
  const known = conditionsIn(before)
  const ours = conditions.map((condition): TimedCondition => {
    const { status, lastTransitionTime } = known.find(({ type }) => type === condition.type) ?? {}
    const at = status === condition.status && typeof lastTransitionTime === 'string' ? lastTransitionTime : now
    return {
      ...condition,
      lastTransitionTime: at,
      ...(generation !== undefined && { observedGeneration: generation }),
    }
  })
  const others = known.filter(({ type }) => !conditions.some((condition) => condition.type === type))
  return [...others, ...ours] as readonly TimedCondition[]
}

function conditionsIn(value: unknown): readonly Partial<TimedCondition>[] {
  if (!Array.isArray(value)) return []
  return value.filter((one) => typeof one === 'object' && one !== null) as Partial<TimedCondition>[]
}
