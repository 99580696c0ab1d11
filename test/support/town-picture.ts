/** All that can be seen of an agent and its neighbors, as lines that begin with what they are about. */
import type { RouteQuery, RouteRow } from '../../src/bgp/rib/types.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { ProtocolView, View } from '../../src/show/view.ts'
import type { Town } from './town.ts'

export function linesOf(town: Town): readonly string[] {
  const view = town.engine.view(town.now)
  return [...agentLines(view), ...neighborLines(view), ...routeLines(view), ...outsideLines(town)].sort()
}

function* agentLines(view: View): Iterable<string> {
  const { asNumber, routerId } = view.status()
  yield `own ${asNumber} ${routerId}`
  for (const { text } of view.problems()) yield `problem ${text}`
  for (const [what, why] of view.refusals()) yield `refusal ${what}: ${why}`
  for (const route of view.services()) yield `originated ${JSON.stringify({ ...route, prefix: route.prefix.text })}`
  for (const pool of view.pools()) yield `pool ${JSON.stringify(pool)}`
  for (const { direction, policy, neighbors } of view.filters())
    yield `filter ${direction} of ${[...neighbors].sort()}: ${JSON.stringify(policy)}`
  yield `node routes ${JSON.stringify(view.nodeRoutes())} ${JSON.stringify(view.nodeRouteGaps())}`
  const { stage, reason } = view.leaving()
  yield `leaving ${stage} ${reason}`
}

function* neighborLines(view: View): Iterable<string> {
  for (const { name, limit, neighbors, remoteAs, localAs, held, range } of view.ranges())
    yield `range ${name} ${range} ${neighbors}/${limit} ${remoteAs} ${localAs} ${held ?? ''}`
  for (const protocol of view.eachProtocol()) {
    const { name, kind, object, peer, held, drained, disabled, gateway, discovery, families } = protocol
    const found = discovery?.router?.address ?? gateway ?? ''
    const isUp = peer.state === 'Established'
    yield `neighbor ${name} ${kind} ${object} ${isUp ? 'up' : 'down'} ${held ?? peer.stopped ?? ''} ${drained ?? ''} ${disabled} ${found}`
    yield `config of ${name} ${JSON.stringify(peer.config)}`
    for (const [family, channel] of Object.entries(families)) {
      const { counts, nextHop, held: why, carriedBy, importPolicy, exportPolicy } = channel
      const { received, accepted, advertised } = counts
      yield `channel of ${name} ${family}: ${JSON.stringify({ received, accepted, advertised, nextHop, why, carriedBy, importPolicy, exportPolicy })}`
    }
    if (isUp) yield `session of ${name} ${sessionText(protocol)}`
  }
}

function sessionText({ peer }: ProtocolView): string {
  if (peer.session === undefined) return ''
  const { conn: _, local, remote: _remote, ...agreed } = peer.session
  // Whether routes outlive a restart depends on what was there when the session began: kernel routes, BFD.
  const text = JSON.stringify({ ...agreed, local: local.address, ours: peer.localCapabilities })
  return text.replaceAll(/"(preserved|notification)":(true|false)/g, '')
}

function* routeLines(view: View): Iterable<string> {
  for (const filtered of [false, true])
    for (const row of rowsOf(view, { filtered })) yield `${filtered ? 'rejected' : 'route'} ${rowText(row)}`
}

function* rowsOf(view: View, query: RouteQuery): Iterable<RouteRow> {
  let from: Parameters<View['routes']>[1]
  do {
    const page = view.routes(query, from, 1_000)
    yield* page.rows
    from = page.next
  } while (from !== undefined)
}

function rowText({ since: _, reason, exportedTo, ...row }: RouteRow): string {
  return JSON.stringify({ ...row, reason: row.filtered ? reason : '', exportedTo: [...exportedTo].sort() })
}

function* outsideLines(town: Town): Iterable<string> {
  for (const { options, told, isUp } of town.speakers) {
    yield `speaker ${options.name} ${isUp ? 'up' : 'down'}`
    // The numbers of paths are in the order in which they came.
    for (const [prefix, what] of told) yield `told ${options.name} ${prefix.replace(/ #.*/, '')} ${what}`
  }
  for (const line of town.kernel.own) yield `kernel ${line}`
  const { table } = town.kernel
  for (const [name, elements] of table?.sets ?? []) yield `set ${name} ${[...elements].sort()}`
  for (const { chain, comment, expression } of table?.rules ?? []) yield `rule ${chain} ${comment}: ${expression}`
  for (const effect of town.standing.values()) yield* askedLines(effect)
}

/** Item by item, since lists of what the kernel must do have no order. */
function* askedLines(effect: Effect): Iterable<string> {
  const { kind, ...fields } = effect
  // How many routes there are is rounded, and not told again while it is near.
  if (kind === 'remember-restart')
    return yield `asked ${kind} ${JSON.stringify(effect).replaceAll(/"ipv[46]":\d+/g, '')}`
  for (const [field, value] of Object.entries(fields))
    for (const item of Array.isArray(value) ? value : isNothing(value) ? [] : [value])
      yield `asked ${kind} ${field} ${JSON.stringify(item, (_, one) => (one instanceof Uint8Array ? undefined : one))}`
}

/** What an agent asks for that never asked for anything else. */
const isNothing = (value: unknown): boolean => value === undefined || value === false

/** Of one picture and not of the other. */
export function differences(before: readonly string[], after: readonly string[]): readonly string[] {
  const [old, now] = [new Set(before), new Set(after)]
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ]
}
