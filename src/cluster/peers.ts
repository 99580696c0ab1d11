/**
 * Plans the neighbors of this node: those of BGPPeers, and the other nodes of the mesh.
 *
 * One address and port is one neighbor. Where several objects ask for it, the most specific wins: a BGPPeer with
 * `node`, then one with `nodeSelector`, then a global one, then the mirror of another node's BGPPeer, then the mesh;
 * among equals the first by name.
 */
import { type Address, familyOfAddress, formatAddress, isLinkLocal } from '../base/address.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import type { Asn, Seconds } from '../base/units.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { Answers } from './answers.ts'
import { type KeyIntent, type PeerIntent, type PeerKind, type Problem, type Signing, UNHEARD } from './intent.ts'
import { resolveKey } from './keys.ts'
import { BGP_PORT, type ClusterNode, type ClusterNodes } from './node.ts'
import type { PeerObject, SecretKeyRef, SecretObject } from './objects.ts'
import { prefixLimit } from './parse/peer-features.ts'
import { DEFAULT_GATEWAY } from './parse/peer-ip.ts'
import { MESH_FIELDS, PEER_FIELDS } from './parse/protection.ts'
import { withValuesOf } from './peer-values.ts'
import type { PeerPolicies, Policies, PolicyRequest } from './policies.ts'
import { makeProblem } from './problem.ts'
import { matches, questionsOf } from './selector.ts'
import type { Settings } from './settings.ts'

const HOLD_TIME: Seconds = 90
/** The default of Calico and BIRD. A replaced agent is back well before, even if its image has to be pulled. */
const RESTART_TIME: Seconds = 120
/** The delay before the second dial; it doubles with each further one. */
const CONNECT_RETRY_TIME: Seconds = 1
/** The default limit for each family: far more than a cluster has, far less than a full Internet table. */
export const DEFAULT_MAX_PREFIXES = 100_000

export interface PeerPlan {
  readonly peers: ReadonlyMap<string, PeerIntent>
  readonly problems: readonly Problem[]
  /** Why a neighbor is left out, by the name that it would have. */
  readonly refusals: ReadonlyMap<string, string>
}

export interface PeerInputs {
  /** By namespace and name, and a number that grows as they change. */
  readonly secrets: ReadonlyMap<string, SecretObject>
  readonly secretsRevision: number
  /** The agent's namespace, which holds its Secrets. */
  readonly namespace: string | undefined
  readonly me: ClusterNode
  readonly nodes: ClusterNodes
  /** The nodes with this address, sorted by name. */
  readonly nodesAt: (address: Address) => readonly ClusterNode[]
  /** All BGPPeers; the same list until one changes. */
  readonly objects: readonly PeerObject[]
  readonly settings: Settings
  readonly policies: Policies
}

/** The candidate with the lower rank wins. */
const RANK = { node: 0, selector: 1, global: 2, mirror: 3, mesh: 4 } as const

interface Candidate {
  readonly rank: number
  readonly kind: PeerKind
  /** Undefined for the mesh. */
  readonly object: PeerObject | undefined
  readonly address: Address
  /** Given if the neighbor is the default gateway of this family. */
  readonly gateway?: Family | undefined
  readonly port: number
  readonly portGiven: boolean
  readonly remoteAs: PeerIntent['remoteAs']
  readonly localAs: Asn
  /** The neighbor, if it is a node of the cluster. */
  readonly node: ClusterNode | undefined
}

/** A candidate with its name and endpoint. */
interface Named extends Candidate {
  /** Address and port, as text: there is one neighbor for each. */
  readonly endpoint: string
  readonly name: string
}

interface Made {
  readonly peer: PeerIntent
  readonly problems: readonly Problem[]
}

/**
 * Approximate costs in microseconds: to make a neighbor, to make a candidate, to evaluate a selector, and to look at a
 * neighbor that exists.
 */
const PEER_COST = 12
const CANDIDATE_COST = 3
const MATCH_COST = 0.3
const LOOK_COST = 0.2

export class PeerPlanner {
  readonly #candidates = new Answers<readonly Named[]>()
  readonly #made = new Answers<Made>()
  readonly #lists = new Answers<readonly PeerObject[]>()

  #make(candidate: Named, policy: PeerPolicies, inputs: PeerInputs, meter: CostMeter): Made {
    const { me, settings, secretsRevision } = inputs
    const restsOn = [candidate, me, settings, policy, secretsRevision]
    return this.#made.ask(candidate.endpoint, restsOn, meter, PEER_COST, () => {
      const problems: Problem[] = []
      return { peer: makePeer(candidate, policy, inputs, problems), problems }
    })
  }

  *plan(inputs: PeerInputs): Work<PeerPlan> {
    const problems: Problem[] = []
    const candidates = yield* this.#allCandidates(inputs, problems)
    const refusals = new Map<string, string>()
    const chosen = yield* chooseOnePerEndpoint(candidates, problems, refusals)
    problems.push(...(yield* unreachableNodes(inputs)))
    const peers = new Map<string, PeerIntent>()
    const policies = new Map<PeerObject | undefined, PeerPolicies>()
    const meter = new CostMeter()
    for (const candidate of chosen) {
      const { object } = candidate
      const policy = policies.get(object) ?? inputs.policies.for(object ?? meshRequest(inputs.settings))
      policies.set(object, policy)
      const { peer, problems: found } = this.#make(candidate, policy, inputs, meter)
      problems.push(...found)
      if (meter.isDue) yield meter.take()
      // Two nodes with one address and two ports.
      if (peers.has(peer.name)) {
        const name = `${peer.name}_port_${peer.port}`
        peers.set(name, { ...peer, name })
      } else peers.set(peer.name, peer)
    }
    yield* this.#made.forgetAllBut(new Set(chosen.map(({ endpoint }) => endpoint)))
    return { peers, problems, refusals }
  }

  *#allCandidates(inputs: PeerInputs, problems: Problem[]): Work<Named[]> {
    const { me, nodes, objects, settings } = inputs
    const ours: PeerObject[] = []
    const all: Named[] = []
    const meter = new CostMeter()
    for (const object of objects) {
      meter.add(MATCH_COST * (1 + questionsOf(object.nodeSelector)))
      if (meter.isDue) yield meter.take()
      if (!selects(object, me)) continue
      meter.add(CANDIDATE_COST)
      const found = withValuesOf(object, me)
      problems.push(...found.problems)
      if (found.object === undefined) continue
      ours.push(found.object)
      all.push(...directCandidates(found.object, inputs, problems).map(withName))
    }
    const selecting = this.#lists.ask('selecting', [me, objects], meter, 1, () => ours.filter(choosesNodes))
    const mirrored = this.#lists.ask('mirrored', [me, objects], meter, 1, () =>
      objects.filter((object) => object.reverse && leadsTo(object, me)),
    )
    const asked = [
      ...selecting.map(({ peerSelector }) => questionsOf(peerSelector)),
      ...mirrored.map(({ nodeSelector }) => questionsOf(nodeSelector)),
    ]
    const cost = CANDIDATE_COST + MATCH_COST * asked.reduce((sum, questions) => sum + questions, asked.length)
    for (const node of nodes.values()) {
      if (node === me) continue
      const restsOn = [node, me, selecting, mirrored, settings.nodeToNodeMesh]
      const found = this.#candidates.ask(node.name, restsOn, meter, cost, () =>
        nodeCandidates(node, me, selecting, mirrored, settings.nodeToNodeMesh).map(withName),
      )
      for (const candidate of found) all.push(candidate)
      if (meter.isDue) yield meter.take()
    }
    yield* this.#candidates.forgetAllBut(nodes)
    return all
  }
}

const withName = (candidate: Candidate): Named => ({
  ...candidate,
  endpoint: openName(candidate) ?? `${candidate.address} ${candidate.port}`,
  name: protocolName(candidate),
})

/** The candidates that one other node gives rise to: by BGPPeers, mirrored BGPPeers and the mesh. */
function nodeCandidates(
  node: ClusterNode,
  me: ClusterNode,
  selecting: readonly PeerObject[],
  mirrored: readonly PeerObject[],
  mesh: boolean,
): Candidate[] {
  return [
    ...selecting.flatMap((object) =>
      object.peerSelector !== undefined && matches(object.peerSelector, node.labels)
        ? nodeCandidate(object, me, node, scopeOf(object))
        : [],
    ),
    // A BGPPeer of the other node selects this node: this node peers back, unless `reversePeering` is Manual.
    ...mirrored.flatMap((object) => (selects(object, node) ? nodeCandidate(object, me, node, 'mirror') : [])),
    ...(mesh ? meshCandidate(me, node) : []),
  ]
}

function directCandidates(object: PeerObject, inputs: PeerInputs, problems: Problem[]): Candidate[] {
  const { range, remote, gateway } = object
  if (range !== undefined) return openCandidate(object, inputs, formatAddress(range.prefix.bytes))
  if (object.interface !== undefined) return openCandidate(object, inputs, UNHEARD)
  if (gateway !== undefined) {
    const families = gateway.families ?? FAMILIES.filter((family) => inputs.me.addresses[family] !== undefined)
    return families.flatMap((family) => openCandidate(object, inputs, UNHEARD, family))
  }
  return remote === undefined ? [] : addressCandidate(object, inputs, problems)
}

/** `peerSelector`: every other node it matches. */
const choosesNodes = ({ range, remote, interface: link, gateway, peerSelector }: PeerObject): boolean =>
  peerSelector !== undefined && [range, remote, link, gateway].every((other) => other === undefined)

/** Whether the BGPPeer applies to this node. */
export function selects(
  { node, nodeSelector }: PeerObject,
  { name, labels }: Pick<ClusterNode, 'name' | 'labels'>,
): boolean {
  if (node !== undefined) return node === name
  return nodeSelector === undefined || matches(nodeSelector, labels)
}

export const scopeOf = ({ node, nodeSelector }: PeerObject): 'node' | 'selector' | 'global' =>
  node !== undefined ? 'node' : nodeSelector !== undefined ? 'selector' : 'global'

function addressCandidate(object: PeerObject, { me, nodesAt }: PeerInputs, problems: Problem[]): Candidate[] {
  const { remote, asNumber, name } = object
  if (remote === undefined) return []
  if (isMe(me, remote)) {
    if (object.node === me.name) problems.push(selfProblem(name, remote.address, me.name))
    return []
  }
  const node = nodesAt(remote.address).find((one) => asNumber === undefined || one.asNumber === asNumber)
  const port = remote.port ?? node?.listenPort ?? BGP_PORT
  const remoteAs = asNumber ?? object.remoteAs ?? node?.asNumber
  if (remoteAs === undefined) {
    const says = `must be given, because no node has the address ${remote.address}; the peer is ignored`
    problems.push(makeProblem({ code: 'peer-as-missing', object: `BGPPeer/${name}`, field: 'spec.asNumber', says }))
    return []
  }
  const scope = scopeOf(object)
  const kind = scope === 'global' ? 'Global' : 'Node'
  const localAs = object.localAsNumber ?? me.asNumber
  const portGiven = remote.port !== undefined
  return [{ rank: RANK[scope], kind, object, address: remote.address, port, portGiven, remoteAs, localAs, node }]
}

/** A BGPPeer of all nodes may be one of these nodes; a BGPPeer of this node alone is expected to be another host. */
function selfProblem(name: string, address: Address, node: string): Problem {
  const says = `is Node/${node} itself; there is no session`
  return makeProblem({ code: 'peer-is-self', object: `BGPPeer/${name}`, field: 'spec.peerIP', value: address, says })
}

/**
 * A neighbor whose address is not known yet: a host of `peerRange`, the router on `interface`, or the default gateway.
 */
function openCandidate(object: PeerObject, { me }: PeerInputs, address: Address, gateway?: Family): Candidate[] {
  const { asNumber, remoteAs = asNumber } = object
  if (remoteAs === undefined) return []
  const scope = scopeOf(object)
  return [
    {
      rank: RANK[scope],
      kind: scope === 'global' ? 'Global' : 'Node',
      object,
      address,
      gateway,
      port: BGP_PORT,
      portGiven: false,
      remoteAs,
      localAs: object.localAsNumber ?? me.asNumber,
      node: undefined,
    },
  ]
}

function leadsTo({ remote, peerSelector, asNumber }: PeerObject, me: ClusterNode): boolean {
  if (peerSelector !== undefined) return matches(peerSelector, me.labels)
  return remote !== undefined && isMe(me, remote) && (asNumber ?? me.asNumber) === me.asNumber
}

/** Whether a neighbor is this node itself. Our address with another port is another speaker on this node. */
function isMe({ addresses, listenPort }: ClusterNode, { address, port }: NonNullable<PeerObject['remote']>): boolean {
  return addresses[familyOfAddress(address)] === address && (port ?? listenPort) === listenPort
}

function nodeCandidate(
  object: PeerObject | undefined,
  me: ClusterNode,
  node: ClusterNode,
  scope: keyof typeof RANK,
): Candidate[] {
  const address = commonAddress(me, node, object)
  // Two Nodes have the same address: it would be a session with ourselves.
  if (address === undefined || isMe(me, { address, port: node.listenPort })) return []
  const kind = scope === 'mesh' ? 'Mesh' : scope === 'global' ? 'Global' : 'Node'
  const { listenPort: port, asNumber: remoteAs } = node
  return [{ rank: RANK[scope], kind, object, address, port, portGiven: false, remoteAs, localAs: me.asNumber, node }]
}

/** The address to dial: IPv4 if both nodes have it, else IPv6. A mirrored `peerIP` keeps the family of that address. */
function commonAddress(me: ClusterNode, node: ClusterNode, object: PeerObject | undefined): Address | undefined {
  const asked = object?.remote === undefined ? FAMILIES : [familyOfAddress(object.remote.address)]
  const family = asked.find((one) => me.addresses[one] !== undefined && node.addresses[one] !== undefined)
  return family === undefined ? undefined : node.addresses[family]
}

/** A node that reflects routes (RFC 4456) is not part of the mesh. */
function meshCandidate(me: ClusterNode, node: ClusterNode): Candidate[] {
  if (me.clusterId !== undefined || node.clusterId !== undefined) return []
  return nodeCandidate(undefined, me, node, 'mesh')
}

/** The most nodes that are named one by one. */
const MOST_UNREACHABLE = 10

/** Nodes that should be neighbors but share no address family with this node. */
function* unreachableNodes({ me, nodes, settings, objects }: PeerInputs): Work<Problem[]> {
  if (!FAMILIES.some((family) => me.addresses[family] !== undefined)) return []
  const selectors = objects.filter((object) => object.peerSelector !== undefined && selects(object, me))
  const inMesh = settings.nodeToNodeMesh && me.clusterId === undefined
  if (!inMesh && selectors.length === 0) return []
  const wanted = (node: ClusterNode): string | undefined => {
    const object = selectors.find(({ peerSelector }) => peerSelector && matches(peerSelector, node.labels))
    if (object !== undefined) return `a neighbor by BGPPeer/${object.name}`
    return inMesh && node.clusterId === undefined ? 'in the mesh' : undefined
  }
  const found: Problem[] = []
  const meter = new CostMeter()
  for (const node of nodes.values()) {
    if (found.length === MOST_UNREACHABLE) break
    meter.add(LOOK_COST)
    if (meter.isDue) yield meter.take()
    if (node === me || commonAddress(me, node, undefined) !== undefined) continue
    const what = wanted(node)
    if (what === undefined) continue
    const families = FAMILIES.filter((family) => me.addresses[family] !== undefined).map(
      (family) => FAMILY_WORDS[family],
    )
    const says = `it has no ${families.join(' or ')} address that Node/${me.name} can reach; it is not ${what}`
    const object = `Node/${node.name}`
    found.push(makeProblem({ code: 'node-unreachable', object, field: 'status.addresses', says, level: 'warning' }))
  }
  return found
}

function* chooseOnePerEndpoint(
  candidates: readonly Named[],
  problems: Problem[],
  refusals: Map<string, string>,
): Work<Named[]> {
  const chosen = new Map<string, Named>()
  const meter = new CostMeter()
  yield candidates.length * LOOK_COST
  for (const candidate of [...candidates].sort(byRank)) {
    const winner = chosen.get(candidate.endpoint)
    meter.add(LOOK_COST)
    if (meter.isDue) yield meter.take()
    if (winner === undefined) {
      chosen.set(candidate.endpoint, candidate)
      continue
    }
    if (winner.object === candidate.object) continue
    if (candidate.rank <= RANK.global) problems.push(duplicateProblem(candidate, winner))
    else refusals.set(candidate.name, `BGPPeer/${winner.object?.name} defines this neighbor`)
  }
  yield chosen.size * LOOK_COST
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function byRank(a: Candidate, b: Candidate): number {
  if (a.rank !== b.rank) return a.rank - b.rank
  const [nameA, nameB] = [a.object?.name ?? '', b.object?.name ?? '']
  return nameA === nameB ? 0 : nameA < nameB ? -1 : 1
}

/** The name of a neighbor without a known address: its range, its interface, or the family of the default gateway. */
const openName = ({ object, gateway }: Candidate): string | undefined =>
  object?.range?.prefix.text ?? object?.interface ?? (gateway && `${DEFAULT_GATEWAY} ${gateway}`)

function duplicateProblem(loser: Candidate, winner: Candidate): Problem {
  const name = winner.object?.name ?? ''
  const open = openName(loser)
  const reason = winner.rank < loser.rank ? 'is more specific' : 'comes first by name'
  return makeProblem({
    code: 'peer-twice',
    object: `BGPPeer/${loser.object?.name ?? ''}`,
    field: fieldOf(loser),
    value: open ?? loser.address,
    says: `${open === undefined ? `port ${loser.port} ` : ''}is also defined by BGPPeer/${name}, which ${reason} and is used`,
    level: 'warning',
  })
}

function fieldOf({ object, gateway }: Candidate): string {
  if (gateway !== undefined) return 'spec.peerIP'
  if (object?.range !== undefined) return 'spec.peerRange'
  if (object?.interface !== undefined) return 'spec.interface'
  return object?.remote === undefined ? 'spec.peerSelector' : 'spec.peerIP'
}

/** The neighbor's AS number; undefined for `external`, which allows any. */
const asOf = ({ remoteAs, localAs }: Candidate): Asn | undefined =>
  remoteAs === 'internal' ? localAs : remoteAs === 'external' ? undefined : remoteAs

/**
 * Whether a BGPPeer names the neighbor by its address, not as a node. A neighbor on a link alone does not count: its session
 * carries both families.
 */
const hasOwnAddress = ({ object, rank, address, gateway }: Candidate): boolean =>
  (object?.remote !== undefined || object?.range !== undefined || gateway !== undefined) &&
  rank !== RANK.mirror &&
  !isLinkLocal(address)

/** Whether the neighbor is known only on its link: by a link-local address, or by the interface. */
const isOnLinkAlone = ({ object, address }: Candidate): boolean =>
  object?.interface !== undefined || isLinkLocal(address)

/** The family that the session runs over. */
const familyOf = ({ address, gateway }: Candidate): Family => gateway ?? familyOfAddress(address)

/** Replaces the characters that a BIRD symbol cannot have. */
const symbolOf = (text: string): string => text.replace(/[^A-Za-z0-9_]/g, '_')

/** The name that Calico gives the BIRD protocol of such a neighbor. */
function protocolName({ kind, object, address, gateway, port, portGiven }: Candidate): string {
  if (gateway !== undefined) return `${kind}_${DEFAULT_GATEWAY}_${gateway}`
  if (object?.range !== undefined) return `${kind}_${object.range.prefix.text.replace(/[.:/]/g, '_')}`
  if (object?.interface !== undefined) return `${kind}_${symbolOf(object.interface)}`
  // Calico's names of mesh sessions have no port.
  const suffix = kind !== 'Mesh' && (portGiven || port !== BGP_PORT) ? `_port_${port}` : ''
  return `${kind}_${symbolOf(address)}${suffix}`
}

function makePeer(
  candidate: Named,
  { importPolicy, exportPolicy, held, missing }: PeerPolicies,
  inputs: PeerInputs,
  problems: Problem[],
): PeerIntent {
  const { me, settings } = inputs
  const { object, kind, address, port, remoteAs, localAs, node } = candidate
  problems.push(...sourceProblem(candidate, me))
  for (const { index, name, why } of missing) problems.push(filterProblem(object, index, name, why))
  const family = familyOf(candidate)
  const { signing, why } = signingOf(candidate, inputs, problems)
  return {
    name: candidate.name,
    kind,
    object: object?.name,
    address,
    port,
    remoteAs,
    localAs,
    // For a neighbor known only on its link, the kernel chooses our address there.
    sourceAddress: object?.source === 'kernel' || isOnLinkAlone(candidate) ? undefined : me.addresses[family],
    sourceInterface: object?.sourceInterface,
    // Other nodes accept sessions from this address only.
    sourceMayYield: object?.source === 'node-or-link' && node === undefined,
    families: object?.families ?? defaultFamilies(candidate, me),
    yields: object?.families === undefined,
    holdTime: object?.holdTime ?? HOLD_TIME,
    keepaliveTime: object?.keepaliveTime,
    restartTime: restartTime(object === undefined ? settings.meshRestartTime : object.restartTime),
    longLivedTime: object?.longLivedTime ?? 0,
    connectRetryTime: object?.connectRetryTime ?? CONNECT_RETRY_TIME,
    drain: object?.drain ?? false,
    passive: (object?.passive ?? false) || object?.range !== undefined,
    fastFailover: object?.fastFailover ?? true,
    waits: node !== undefined && node.routerId > me.routerId,
    bfd: object === undefined ? settings.meshBfd : object.bfd,
    importPolicy,
    exportPolicy,
    held: me.held ?? node?.held ?? (object === undefined ? settings.meshHeld : object.held) ?? why ?? held,
    signing,
    ttlSecurity: object?.ttlSecurity,
    ...featuresOf(candidate, me),
    ...memoryOf(object, settings),
  }
}

/** How TCP segments of the session are signed, or why the session is held. */
function signingOf(
  { object }: Candidate,
  { settings, secrets, namespace }: PeerInputs,
  problems: Problem[],
): { readonly signing: Signing<KeyIntent> | undefined; readonly why: string | undefined } {
  const asked = object === undefined ? settings.meshSigning : object.signing
  if (asked === undefined) return { signing: undefined, why: undefined }
  let firstWhy: string | undefined
  const resolve = (ref: SecretKeyRef, at: string): KeyIntent => {
    const { key, why } = resolveKey(ref, secrets, namespace)
    if (why !== undefined) problems.push(keyProblem(object, at, why))
    firstWhy ??= why
    return key
  }
  const fields = object === undefined ? MESH_FIELDS : PEER_FIELDS
  const signing: Signing<KeyIntent> =
    asked.kind === 'md5'
      ? { kind: 'md5', key: resolve(asked.key, fields.password) }
      : {
          kind: 'ao',
          keys: asked.keys.map((one, index) => ({ ...one, key: resolve(one.key, `${fields.keyChain}[${index}]`) })),
        }
  return { signing, why: firstWhy }
}

function keyProblem(object: PeerObject | undefined, at: string, why: string): Problem {
  const [name, what] =
    object === undefined ? ['BGPConfiguration/default', 'the mesh'] : [`BGPPeer/${object.name}`, 'the peer']
  const says = `${why}; ${what} does not start; a running session keeps its last good key`
  return makeProblem({ code: 'peer-key-missing', object: name, field: `spec.${at}.secretKeyRef`, says })
}

/** A problem if `sourceAddress: UseNodeIP` is set and the node has no address of that family. */
function sourceProblem({ object, address, rank }: Candidate, me: ClusterNode): Problem[] {
  const family = familyOfAddress(address)
  if (object?.remote === undefined || rank === RANK.mirror || isLinkLocal(address)) return []
  if (object.source === 'kernel' || me.addresses[family] !== undefined) return []
  const says = `is reached over ${FAMILY_WORDS[family]}, for which Node/${me.name} has no address: the kernel chooses the source address`
  return [
    makeProblem({
      code: 'peer-family-missing',
      object: `BGPPeer/${object.name}`,
      field: 'spec.peerIP',
      value: address,
      says,
      level: 'warning',
    }),
  ]
}

/** 0: graceful restart is not announced. */
const restartTime = (set: Seconds = RESTART_TIME): Seconds | undefined => (set === 0 ? undefined : set)

const DEFAULT_LIMIT = prefixLimit(DEFAULT_MAX_PREFIXES)

const memoryOf = (object: PeerObject | undefined, settings: Settings): Pick<PeerIntent, 'maxRouteMemory'> => {
  const maxRouteMemory = object?.maxRouteMemory ?? settings.maxRouteMemory
  return maxRouteMemory === undefined ? {} : { maxRouteMemory }
}

type Features =
  | 'maxPrefixes'
  | 'allowedOwnAs'
  | 'addPath'
  | 'extendedNextHop'
  | 'role'
  | 'strictRole'
  | 'reflection'
  | 'interface'
  | 'gateway'
  | 'range'

function featuresOf(candidate: Candidate, me: ClusterNode): Pick<PeerIntent, Features> {
  const { object } = candidate
  // Over IPv6, from a node without IPv4, IPv4 routes can have no other next hop (RFC 8950); on a link alone they hardly
  // can.
  const onlyWay = isOnLinkAlone(candidate) || (familyOf(candidate) === 'ipv6' && me.addresses.ipv4 === undefined)
  return {
    maxPrefixes: { ipv4: DEFAULT_LIMIT, ipv6: DEFAULT_LIMIT, ...object?.maxPrefixes },
    allowedOwnAs: object?.allowedOwnAs ?? 0,
    addPath: object?.addPath ?? { receive: [], send: [] },
    extendedNextHop: object?.extendedNextHop ?? onlyWay,
    role: object?.role,
    strictRole: object?.strictRole ?? false,
    reflection: reflectionOf(candidate, me),
    interface: object?.interface,
    gateway: candidate.gateway,
    range: object?.range,
  }
}

/** As in Calico, an internal neighbor with a cluster ID other than ours, or with none, is our client. */
function reflectionOf(candidate: Candidate, { clusterId }: ClusterNode): PeerIntent['reflection'] {
  if (clusterId === undefined || asOf(candidate) !== candidate.localAs) return undefined
  return { clusterId, client: candidate.node?.clusterId !== clusterId }
}

const meshRequest = ({ meshFilters }: Settings): PolicyRequest => ({
  filters: meshFilters,
  advertiseLearned: false,
  nextHop: 'auto',
})

/** Both families for a router, which announces its own in its OPEN; for a node, those in which it has addresses. */
function defaultFamilies(candidate: Candidate, me: ClusterNode): readonly Family[] {
  if (isOnLinkAlone(candidate) || hasOwnAddress(candidate)) return FAMILIES
  const { node } = candidate
  return FAMILIES.filter((family) => me.addresses[family] !== undefined && node?.addresses[family] !== undefined)
}

const UNTIL_THERE = 'does not start; a running session keeps its last good policy'

/** The problem of a missing filter; `object` is undefined for the mesh. */
export function filterProblem(object: PeerObject | undefined, index: number, name: string, why: string): Problem {
  return makeProblem({
    code: 'peer-filter-missing',
    object: object === undefined ? 'BGPConfiguration/default' : `BGPPeer/${object.name}`,
    field: object === undefined ? `spec.nodeMeshFilters[${index}]` : `spec.filters[${index}]`,
    value: name,
    says: `${why === 'does not exist' ? 'is not a BGPFilter' : 'is a BGPFilter with errors'}; ${object === undefined ? 'the mesh' : 'the peer'} ${UNTIL_THERE}`,
  })
}
