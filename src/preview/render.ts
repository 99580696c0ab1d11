/** Renders the result of `godwit check`, as lines for a person and as JSON for a program. */
import { counted } from '../base/counted.ts'
import { FAMILY_WORDS } from '../base/family.ts'
import type { PeerIntent, Problem } from '../cluster/intent.ts'
import { DEFAULT_GATEWAY } from '../cluster/parse/peer-ip.ts'
import type { ChangeLine } from './change.ts'
import type { Difference } from './difference.ts'
import type { Advertised, NodePreview, PeerPreview, Refused } from './node.ts'
import { peerLabel } from './pairs.ts'

export interface PreviewReport {
  readonly problems: readonly Problem[]
  readonly nodes: readonly NodePreview[]
  /** Undefined where the objects are not Calico's own. */
  readonly differences: readonly Difference[] | undefined
  /** Undefined where nothing was given to compare with. */
  readonly change: readonly ChangeLine[] | undefined
}

/** Errors that a CI run should stop at. */
export const hasErrors = ({ problems }: PreviewReport): boolean => problems.some(({ level }) => level !== 'warning')

export function* renderReport(report: PreviewReport): Iterable<string> {
  for (const { level, text } of report.problems) yield `${(level ?? 'error').padEnd(7)}  ${text}`
  if (report.change === undefined) for (const node of report.nodes) yield* nodeLines(node)
  else yield* changeLines(report.change)
  for (const { topic, calico, godwit, objects } of report.differences ?? []) {
    yield ''
    yield `Differs from Calico: ${topic}`
    yield `  in Calico they ${calico}; in Godwit they ${godwit}`
    yield `  concerns ${objects.join(', ')}`
  }
  yield ''
  yield summaryLine(report)
}

function summaryLine({ problems, nodes }: PreviewReport): string {
  const warnings = problems.filter(({ level }) => level === 'warning').length
  const found = `${counted(problems.length - warnings, 'error', 'errors')}, ${counted(warnings, 'warning', 'warnings')}`
  return `${counted(nodes.length, 'node', 'nodes')}: ${found}`
}

function* nodeLines({ node, asNumber, routerId, intent, peers, withheld }: NodePreview): Iterable<string> {
  yield ''
  const who = routerId === undefined ? 'no router ID' : `router ID ${dotted(routerId)}`
  yield `Node ${node}: AS ${asNumber ?? 'unknown'}, ${who}`
  if (intent.leave !== undefined)
    yield `  this node leaves: ${intent.leave}: all routes are withdrawn and all sessions end`
  if (peers.length === 0) yield '  has no neighbors'
  for (const peer of peers) yield* peerLines(peer)
  for (const [what, why] of withheld) yield `  not advertised: ${what}: ${why}`
}

function* peerLines(peer: PeerPreview): Iterable<string> {
  const { intent, advertised, refused } = peer
  const remote = intent.kind === 'Mesh' ? '' : `, ${placeOf(peer)} AS ${intent.remoteAs}`
  const object = intent.object === undefined ? '' : ` (BGPPeer/${intent.object})`
  yield `  ${peerLabel(peer)}${object}${remote}`
  if (intent.held !== undefined) {
    yield `    held down: ${intent.held}`
    return
  }
  if (advertised.length === 0) yield '    no route is advertised'
  const width = Math.max(0, ...[...advertised, ...refused].map(({ prefix }) => prefix.length))
  for (const route of advertised) yield `    + ${route.prefix.padEnd(width)}  ${wordsOf(route)}`.trimEnd()
  for (const { prefix, reason } of refused) yield `    - ${prefix.padEnd(width)}  ${reason}`
}

const placeOf = ({ intent: { range, interface: name, gateway, address } }: PeerPreview): string => {
  if (gateway !== undefined) return `the default gateway (${FAMILY_WORDS[gateway]})`
  return range?.prefix.text ?? (name === undefined ? address : `interface ${name}`)
}

const wordsOf = ({ objects, communities, asPath, med, localPref, nextHop }: Advertised): string =>
  [
    objects.join(' '),
    ...(communities.length === 0 ? [] : [`communities ${communities.join(' ')}`]),
    ...(asPath.length === 0 ? [] : [`prepends ${asPath.join(' ')}`]),
    ...(med === undefined ? [] : [`MED ${med}`]),
    ...(localPref === undefined ? [] : [`local preference ${localPref}`]),
    ...(nextHop === undefined ? [] : [`next hop ${nextHop}`]),
  ].join(', ')

const dotted = (id: number): string => [24, 16, 8, 0].map((shift) => (id >>> shift) & 255).join('.')

function* changeLines(change: readonly ChangeLine[]): Iterable<string> {
  if (change.length === 0) yield 'nothing changes on the wire'
  let node: string | undefined
  for (const line of change) {
    if (line.node !== node) yield `\nNode ${line.node}`
    node = line.node
    yield `  ${changeLine(line)}`
  }
}

function changeLine(line: ChangeLine): string {
  switch (line.kind) {
    case 'node-added':
      return '+ is new'
    case 'node-removed':
      return '- is gone'
    case 'node-leaves':
      return `- leaves: ${line.reason}: all routes are withdrawn and all sessions end`
    case 'node-stays':
      return `+ no longer leaves: ${line.reason}: all sessions start again`
    case 'setting':
      return `~ ${line.peer === undefined ? '' : `session with ${line.peer}: `}${line.field}: ${line.effect}`
    case 'session-added':
      return `+ session with ${line.peer}`
    case 'session-removed':
      return `- session with ${line.peer}`
    case 'session-starts':
      return `+ session with ${line.peer} starts, which was held down`
    case 'session-resets':
      return `! session with ${line.peer} resets${line.held === undefined ? '' : ', and is held down'}: ${[line.reason, line.held ?? []].flat().join('; ')}`
    case 'session-may-reset':
      return `! session with ${line.peer} may reset: ${line.reason}`
    case 'session-held':
      return `! session with ${line.peer} keeps its filters and its key while it is up, and is held down at its next start: ${line.reason}`
    case 'advertises':
      return `+ ${line.prefix} to ${line.peer}`
    case 'withdraws':
      return `- ${line.prefix} to ${line.peer}`
    case 'changes':
      return `~ ${line.prefix} to ${line.peer}, with other attributes`
  }
}

/** The shape that `ARCHITECTURE.md` fixes; fields may be added. */
export const reportJson = ({ problems, nodes, differences, change }: PreviewReport) => ({
  problems: problems.map(({ level = 'error', ...problem }) => ({ level, ...problem })),
  nodes: nodes.map(({ node, asNumber = null, routerId, intent, peers, withheld }) => ({
    node,
    asNumber,
    routerId: routerId === undefined ? null : dotted(routerId),
    leaves: intent.leave ?? null,
    peers: peers.map(peerJson),
    notAdvertised: [...withheld].map(([what, reason]) => ({ what, reason })),
  })),
  differences: differences ?? null,
  change: change ?? null,
})

const gatewayName = ({ gateway }: PeerIntent): string | undefined => gateway && `${DEFAULT_GATEWAY} ${gateway}`

const peerJson = ({ intent, count, advertised, refused }: PeerPreview) => ({
  name: intent.kind === 'Mesh' ? 'Mesh' : intent.name,
  kind: intent.kind,
  object: intent.object ?? null,
  peer: intent.range?.prefix.text ?? intent.interface ?? gatewayName(intent) ?? intent.address,
  count,
  remoteAs: intent.remoteAs,
  held: intent.held ?? null,
  advertised: advertised.map(({ med = null, localPref = null, nextHop = null, ...route }) => ({
    ...route,
    med,
    localPref,
    nextHop,
  })),
  refused: refused.map((one: Refused) => ({ ...one })),
})
