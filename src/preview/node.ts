/**
 * What one node would do with the given objects: its neighbors, and which of its own routes each would get, or why not.
 * It is computed from the intent alone: no session is established, and no route is learned.
 */
import { type Address, formatAddress } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, RouterId } from '../base/units.ts'
import { finish } from '../base/work.ts'
import { type Evaluation, evaluator } from '../bgp/policy/evaluate.ts'
import { originatedAttributes } from '../bgp/wire/attribute.ts'
import type { PeerType } from '../bgp/wire/context.ts'
import { IntentBuilder } from '../cluster/build-intent.ts'
import type { Intent, NodeIntent, PeerIntent, Problem, RouteIntent } from '../cluster/intent.ts'
import type { Alike } from '../cluster/peer-candidates.ts'
import { onLastGoodFilters } from '../cluster/policy-parts.ts'
import { referenceProblems } from '../cluster/references.ts'
import type { ObjectStore } from '../cluster/store.ts'
import { WITHDRAWN, whileDrained } from '../engine/drain.ts'
import { secretProblems } from './secrets.ts'
import type { ComparedNode } from './settings.ts'

export interface NodePreview {
  readonly node: string
  readonly asNumber: Asn | undefined
  readonly routerId: RouterId | undefined
  readonly intent: Intent
  readonly settings: ComparedNode
  readonly peers: readonly PeerPreview[]
  /** What is advertised to no neighbor, by prefix or object, and why. */
  readonly withheld: ReadonlyMap<string, string>
  /** All nodes of the cluster, by what others can tell of them; none where one node is previewed alone. */
  readonly alike: readonly Alike[]
}

export interface PeerPreview {
  /** With the policies that it has while it is drained. */
  readonly intent: PeerIntent
  /** Neighbors of the mesh with the same routes are one row; so many they are. */
  readonly count: number
  /** The nodes of the mesh that the row stands for. */
  readonly groups: readonly Alike[]
  readonly advertised: readonly Advertised[]
  readonly refused: readonly Refused[]
  /** Given where it is held: what a session that is up does on; where filters are missing, with those of this intent. */
  readonly whileUp?: (running: PeerIntent) => Pick<PeerPreview, 'intent' | 'advertised'>
  /** The policies as objects give them, not those of a drained neighbor. */
  readonly given: PeerIntent
}

export interface Advertised {
  readonly prefix: string
  readonly objects: readonly string[]
  /** As `64512:100` and `64512:1:2`. */
  readonly communities: readonly string[]
  readonly asPath: readonly Asn[]
  readonly med: number | undefined
  /** For internal peers, where it is set. */
  readonly localPref: number | undefined
  /** Where it is set by hand. */
  readonly nextHop: Address | undefined
}

export interface Refused {
  readonly prefix: string
  readonly reason: string
}

/**
 * Of one node, whole: each neighbor of its mesh, and what the kernel gets. `calico`: the objects are of a group of Calico's.
 */
export const previewNode = (store: ObjectStore, node: string, calico = false): NodePreview =>
  previewBy(new IntentBuilder({ node, calico }), store, node)

/** Of many nodes; of their intents without what grows with the cluster for each of them. */
export function previewNodes(store: ObjectStore, nodes: readonly string[], calico = false): NodePreview[] {
  let beside: IntentBuilder | undefined
  return nodes.map((node) => {
    const builder = new IntentBuilder({ node, calico, beside, asPreview: true })
    beside ??= builder
    const preview = previewBy(builder, store, node)
    const { intent } = preview
    const small = { ...intent, peers: new Map(), routes: new Map(), serviceAddresses: new Map(), dataplane: undefined }
    return { ...preview, intent: small }
  })
}

function previewBy(builder: IntentBuilder, store: ObjectStore, node: string): NodePreview {
  const intent = builder.build(store)
  const routes = [...intent.routes.values()]
  return {
    node,
    asNumber: intent.node?.asNumber,
    routerId: intent.node?.routerId,
    intent,
    settings: {
      node: intent.node,
      guards: intent.guards,
      recursiveNextHops: store.get('BGPConfiguration', 'default')?.recursiveNextHops ?? false,
    },
    peers: groups([...intent.peers.values()], builder).map((group) => previewPeer(group, intent, node, routes)),
    withheld: intent.refusals,
    alike: builder.alike,
  }
}

/**
 * Everything that is wrong, each once, whichever node it concerns. `namespace`: where agents read Secrets; undefined: the
 * Secrets are not among the objects.
 */
export function problemsOf(
  store: ObjectStore,
  previews: readonly NodePreview[],
  namespace?: string,
): readonly Problem[] {
  const ofNodes = previews.flatMap(({ intent }) => intent.problems)
  const ofSecrets = namespace === undefined ? [] : secretProblems(store, namespace)
  const all = [...store.problems(), ...ofNodes, ...finish(referenceProblems(store)), ...ofSecrets]
  return [...new Map(all.map((problem) => [problem.text, problem])).values()]
}

/** Neighbors of one key are one row: those of the mesh that are told the same, from the same address. */
function groupKey(peer: PeerIntent): string {
  if (peer.kind !== 'Mesh') return peer.name
  const { exportPolicy, families, sourceAddress, held } = peer
  return ['Mesh', exportPolicy.name, peerTypeOf(peer), families.join(), sourceAddress ?? '', held ?? ''].join('\n')
}

/** Neighbors that are one row: the first of them, and the nodes of the mesh that they stand for. */
interface Group {
  readonly first: PeerIntent
  readonly groups: Alike[]
  /** Neighbors that stand for themselves. */
  single: number
}

function groups(peers: readonly PeerIntent[], builder: IntentBuilder): readonly Group[] {
  const found = new Map<string, Group>()
  for (const peer of peers) {
    const key = groupKey(peer)
    const row = found.get(key) ?? { first: peer, groups: [], single: 0 }
    found.set(key, row)
    const group = builder.groupOf(peer.name)
    if (group === undefined) row.single++
    else row.groups.push(group)
  }
  return [...found.values()]
}

/** As the engine has it in the end: where the node leaves, all routes are withdrawn. */
function asDrained(peer: PeerIntent, isLeaving: boolean): PeerIntent {
  if (isLeaving) return { ...peer, exportPolicy: WITHDRAWN }
  if (!peer.drain || peer.held !== undefined) return peer
  return {
    ...peer,
    importPolicy: whileDrained(peer.importPolicy, 'import'),
    exportPolicy: whileDrained(peer.exportPolicy, 'export'),
  }
}

function previewPeer(
  { first, groups, single }: Group,
  { node, leave }: Intent,
  me: string,
  routes: readonly RouteIntent[],
): PeerPreview {
  const preview = (given: PeerIntent) => {
    const intent = asDrained(given, leave !== undefined)
    return { intent, ...routesTo(intent, routes, node) }
  }
  const whileUp = (running: PeerIntent) => preview({ ...onLastGoodFilters(first, running), held: undefined })
  const count = groups.reduce((sum, { nodes }) => sum + nodes.size - (nodes.has(me) ? 1 : 0), single)
  return { ...preview(first), given: first, count, groups, ...(first.held !== undefined && { whileUp }) }
}

function routesTo(
  intent: PeerIntent,
  routes: readonly RouteIntent[],
  node: NodeIntent | undefined,
): Pick<PeerPreview, 'advertised' | 'refused'> {
  const peerType = peerTypeOf(intent)
  const evaluate = evaluator(intent.exportPolicy, peerType)
  const advertised: Advertised[] = []
  const refused: Refused[] = []
  for (const route of routes) {
    const prefix = route.prefix.text
    const whyNot = intent.held ?? whyNotFamily(intent, route.prefix, node)
    if (whyNot !== undefined) {
      refused.push({ prefix, reason: whyNot })
      continue
    }
    const verdict = evaluate({
      prefix: route.prefix,
      source: 'originated',
      learnedFrom: undefined,
      named: route.named,
      attributes: originatedAttributes(route.communities),
    })
    if (verdict.kind !== 'accept') refused.push({ prefix, reason: verdict.reason })
    else if (nextHopOf(verdict) === intent.address) refused.push({ prefix, reason: OWN_NEXT_HOP })
    else advertised.push(advertisedOf(route, verdict, peerType))
  }
  return { advertised, refused }
}

/** An AS in words is taken at its word; `external` is whatever is not ours. */
export function peerTypeOf({ remoteAs, localAs }: PeerIntent): PeerType {
  return remoteAs === 'internal' || remoteAs === localAs ? 'internal' : 'external'
}

function whyNotFamily({ families }: PeerIntent, { family }: Prefix, node: NodeIntent | undefined): string | undefined {
  if (!families.includes(family)) return `the session does not carry ${family}`
  if (node?.addresses[family] !== undefined) return undefined
  return `Node/${node?.name ?? ''} has no ${family} address for the next hop; an address of the session's interface may be used`
}

/** RFC 4271 §5.1.3. The address of the session is all that we know of the neighbor. */
const OWN_NEXT_HOP = 'its next hop would be the own address of the neighbor'

type Accepted = Extract<Evaluation, { kind: 'accept' }>

/** Where it is set by hand. */
const nextHopOf = ({ nextHop }: Accepted): Address | undefined =>
  typeof nextHop === 'string' ? undefined : formatAddress(nextHop)

function advertisedOf(route: RouteIntent, accepted: Accepted, peerType: PeerType): Advertised {
  const { attributes } = accepted
  return {
    prefix: route.prefix.text,
    objects: route.objects,
    communities: [...attributes.communities, ...attributes.largeCommunities].map((parts) => parts.join(':')),
    asPath: attributes.asPath.flatMap(({ asns }) => asns),
    med: attributes.med,
    localPref: peerType === 'internal' ? attributes.localPref : undefined,
    nextHop: nextHopOf(accepted),
  }
}
