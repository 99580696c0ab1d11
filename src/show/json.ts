/**
 * The answers as JSON for programs, in lines with a code of their own. Programs depend on these shapes: fields are
 * added, never renamed. Points in time are RFC 3339, durations seconds, and an absent value is null.
 */

import { FAMILIES } from '../base/family.ts'
import { inSeconds } from '../base/units.ts'
import type { RouteIntent } from '../cluster/intent.ts'
import { type Acting, carryOut, isFailure, leaveAnswer, plainAnswer, whyNotConfigured } from './act.ts'
import { bfdJson, bfdSessions } from './bfd.ts'
import type { Command, Which } from './command.ts'
import { type Explanation, explain } from './explain.ts'
import { filtersFor, ruleText } from './filters.ts'
import { protocolsJson } from './json-protocols.ts'
import { routesJson } from './json-routes.ts'
import { itemRows, type Json, list, mapped, nothing, one, seconds, time } from './json-rows.ts'
import { notRunning } from './not-running.ts'
import { isOriginatedKind } from './originated-kind.ts'
import { helpFor } from './parse.ts'
import { CODE, isRefusal, type Row } from './reply.ts'
import { formatRouterId } from './router-id.ts'
import { type ServiceRow, servicesOf } from './services.ts'
import { staticRoutes } from './static.ts'
import type { Subject } from './subject.ts'
import { type Summary, summaries } from './summary.ts'
import { symbolsOf } from './symbols.ts'
import type { CallerView, FilterView, InterfaceView, NatView, NodeRouteGaps, View } from './view.ts'
import { countRoutes } from './walk.ts'
import { noProtocols } from './which.ts'

export function* jsonRows(command: Command, view: View): Iterable<Row> {
  switch (command.kind) {
    case 'show-status':
      return yield* statusJson(view)
    case 'show-explain':
      return yield* list(explanations(command.subject, view))
    case 'show-summary':
      return yield* list(mapped(summaries(view), summaryJson))
    case 'show-protocols':
      return yield* protocolsJson(command, view)
    case 'show-route':
      return yield* routesJson(command, view)
    case 'show-callers':
      return yield* list(view.callers().recent.map((caller) => callerJson(caller, view)))
    case 'show-interfaces':
      return yield* list(view.interfaces().map(interfaceJson))
    case 'show-filters':
      return yield* filtersJson(command.which, view)
    case 'show-static':
      return yield* command.protocol !== undefined && !isOriginatedKind(command.protocol)
        ? nothing(noProtocols(command.protocol))
        : list(staticRoutes(command.protocol, view).map(staticJson))
    case 'show-symbols':
      return yield* list(symbolsOf(command.of, view).map(([name, kind]) => ({ name, kind })))
    case 'show-bfd':
      return yield* bfdSessionsJson(command.which, view)
    case 'show-absent':
      return yield* nothing(notRunning(command.protocol))
    case 'show-memory':
      return yield* list(view.memory().map(({ what, bytes }) => ({ what, bytes })))
    case 'show-nat':
      return yield* one(natJson(view.nat()))
    case 'show-services':
      return yield* servicesJson(view)
    case 'configure-confirm':
    case 'configure-undo':
    case 'eval':
    case 'down':
    case 'graceful-restart':
    case 'stay':
      return yield* outcomeJson(plainAnswer(command.kind, view), view)
    case 'leave':
      return yield* outcomeJson(leaveAnswer(command.reason, view), view)
    case 'configure':
      return yield* one({ problems: problemsJson(view) }, whyNotConfigured(view))
    case 'help':
      return yield* list(helpFor(command.about).map(({ usage, help }) => ({ usage: usage.trim(), help })))
    case 'restrict':
    case 'echo':
    case 'timeformat':
      return yield* nothing({ code: CODE.notSupported, text: `Not supported: ${command.kind} has no JSON form` })
    default:
      return yield* actionsJson(command, view)
  }
}

function* explanations(subject: Subject, view: View): Iterable<Json | undefined> {
  for (const one of explain(subject, view)) yield 'code' in one ? undefined : explanationJson(one)
}

const explanationJson = ({ subject, steps, peers, kernel }: Explanation): Json => ({
  subject,
  steps: steps.map(({ object = null, ...step }) => ({ ...step, object })),
  peers: peers.map(({ advertised = null, ...peer }) => ({ ...peer, told: advertised })),
  kernel:
    kernel === undefined
      ? null
      : { routes: [...kernel.routes], lookup: kernel.lookup ?? null, keptOut: kernel.keptOut ?? null },
})

function summaryJson({ inState, remoteAs, down, families, ...rest }: Summary): Json {
  return {
    ...rest,
    down: down ?? null,
    remoteAs: remoteAs ?? null,
    stateSeconds: Math.max(0, Math.floor(inSeconds(inState))),
    families: Object.fromEntries(Object.entries(families).map(([family, counts]) => [family, { ...counts }])),
  }
}

function* statusJson(view: View): Iterable<Row> {
  const { version, node, hostName, asNumber, routerId, startedAt, configuredAt, source, stopping } = view.status()
  const { stage, reason, staying } = view.leaving()
  const neighbors = [...view.neighbors()]
  const counts = yield* countRoutes({}, FAMILIES, view)
  yield* one({
    version,
    node,
    asNumber: asNumber ?? null,
    routerId: routerId === undefined ? null : formatRouterId(routerId),
    uptimeSeconds: seconds(view, startedAt),
    source: { kind: source.kind, synced: source.synced },
    peers: {
      configured: neighbors.length,
      established: neighbors.filter(({ isEstablished }) => isEstablished).length,
    },
    routes: { ipv4: counts.ipv4.prefixes, ipv6: counts.ipv6.prefixes },
    hostName,
    time: time(view, view.now),
    startedAt: time(view, startedAt),
    configuredAt: time(view, configuredAt),
    stopping,
    leaving: stage === 'here' ? null : { stage, reason },
    staying: staying ?? null,
    problems: view.problems().length,
    notAsWanted: problemsJson(view),
    nodeRouteGaps: gapsJson(view.nodeRouteGaps()),
  })
}

const gapsJson = (gaps: NodeRouteGaps | undefined): Json =>
  gaps === undefined ? null : { ...gaps, first: gaps.first.map((gap) => ({ ...gap })), podless: { ...gaps.podless } }

function* bfdSessionsJson(which: Which | undefined, view: View): Iterable<Row> {
  const sessions = bfdSessions(which, view)
  if ('code' in sessions) yield* nothing(sessions)
  else yield* list(sessions.map((one) => bfdJson(one, (at) => time(view, at))))
}

/** One object, of which the array of services is written item by item: it may have thousands. */
function* servicesJson(view: View): Iterable<Row> {
  yield { code: CODE.json, text: '{"services":[' }
  yield* itemRows(mapped(servicesOf(view), serviceJson))
  yield { code: CODE.json, text: `],"refusals":${JSON.stringify(Object.fromEntries(view.refusals()))},` }
  yield { code: CODE.json, text: `"problems":${JSON.stringify(problemsJson(view))}}` }
  yield { code: CODE.ok, text: '' }
}

const serviceJson = ({ intent, advertisedTo, notAdvertisedTo }: ServiceRow): Json => ({
  prefix: intent.prefix.text,
  family: intent.prefix.family,
  origin: intent.origin,
  objects: intent.objects,
  communities: intent.communities.map((parts) => parts.join(':')),
  exportedTo: advertisedTo,
  notExportedTo: notAdvertisedTo,
})

function* filtersJson(which: Which | undefined, view: View): Iterable<Row> {
  const filters = filtersFor(which, view)
  if (filters === undefined) yield* nothing(noProtocols())
  else yield* list(filters.map(filterJson))
}

function filterJson({ policy, direction, hits, neighbors }: FilterView): Json {
  const hitsOf = (index: number) => hits[index] ?? 0
  return {
    name: policy.name,
    direction,
    neighbors,
    rules: policy.rules.map((rule, index) => ({ name: rule.name, words: ruleText(rule), hits: hitsOf(index) })),
    otherwise: { action: policy.otherwise, hits: hitsOf(policy.rules.length) },
  }
}

const staticJson = ({ prefix, origin, objects }: RouteIntent): Json => ({ prefix: prefix.text, origin, objects })

const callerJson = ({ address, reason, calls, last }: CallerView, view: View): Json => ({
  address,
  reason,
  calls,
  last: time(view, last),
})

const interfaceJson = ({ name, up, addresses, link }: InterfaceView): Json => ({
  name,
  up,
  addresses,
  index: link?.index ?? null,
  mtu: link?.mtu ?? null,
})

/** Null where this agent writes nothing into the kernel. */
function natJson(nat: NatView | undefined): Json {
  if (nat === undefined) return null
  const { active, error, rules, serviceLoops } = nat
  return {
    active,
    trouble: error ?? null,
    rules: rules.map(({ pool, ...rule }) => ({ pool, ...ruleJson(rule) })),
    serviceLoops: {
      prevention: serviceLoops.prevention,
      services: serviceLoops.services,
      spared: serviceLoops.spared,
      rules: serviceLoops.rules.map(({ family, ...rule }) => ({ family, ...ruleJson(rule) })),
    },
  }
}

const ruleJson = ({ rule, packets, bytes }: Pick<NatView['rules'][number], 'rule' | 'packets' | 'bytes'>) => ({
  rule,
  packets: packets ?? null,
  bytes: bytes ?? null,
})

const problemsJson = (view: View): Json =>
  view
    .problems()
    .map(({ level = 'error', code, object, field, value, text }) => ({ level, code, object, field, value, text }))

/** A command about the whole agent, in the shape of commands about neighbors; `name` is that of the node. */
function outcomeJson(said: Row, view: View): Iterable<Row> {
  if (isRefusal(said.code)) return nothing(said)
  return list([{ name: view.status().node, outcome: 'done', reason: null, message: said.text }])
}

function* actionsJson(command: Acting, view: View): Iterable<Row> {
  let hasFailed = false
  function* items(): Iterable<Json | undefined> {
    for (const result of carryOut(command, view)) {
      hasFailed ||= result !== undefined && isFailure(result)
      yield result && { ...result, reason: result.reason === '' ? null : result.reason }
    }
  }
  yield* list(items(), (count) => {
    if (count === 0) return noProtocols()
    return hasFailed ? { code: CODE.failed, text: 'Not everything was done' } : { code: CODE.ok, text: '' }
  })
}
