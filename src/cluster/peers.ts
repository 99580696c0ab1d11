/**
 * Plans the neighbors of this node: those of BGPPeers, and the other nodes of the mesh.
 *
 * One address and port is one neighbor. Where several objects ask for it, the most specific wins: a BGPPeer with
 * `node`, then one with `nodeSelector`, then a global one, then the mirror of another node's BGPPeer, then the mesh;
 * among equals the first by name. A BGPPeer of this node that loses is reported as a problem; why a mirror or a session
 * of the mesh gave way is kept among the refusals.
 */
import { FAMILIES, FAMILY_WORDS } from '../base/family.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { Answers } from './answers.ts'
import type { PeerIntent, Problem } from './intent.ts'
import { keyClashes } from './key-clashes.ts'
import { makePeer, meshRequest } from './make-peer.ts'
import type { ClusterNode } from './node.ts'
import type { PeerObject } from './objects.ts'
import {
  type Alike,
  type Candidate,
  choosesNodes,
  directCandidates,
  type NamedCandidate,
  namesAsNeighbor,
  nodeCandidates,
  openName,
  type PeerInputs,
  RANK,
  selects,
  sessionFamily,
  shareFamily,
  withName,
} from './peer-candidates.ts'
import { withValuesOf } from './peer-values.ts'
import type { PeerPolicies } from './policies.ts'
import { makeProblem } from './problem.ts'
import { matches, questionsOf } from './selector.ts'

export interface PeerPlan {
  readonly peers: ReadonlyMap<string, PeerIntent>
  readonly problems: readonly Problem[]
  /** Why a neighbor is left out, by the name that it would have. */
  readonly refusals: ReadonlyMap<string, string>
  /** The nodes that a neighbor stands for, by its name. */
  readonly groups: ReadonlyMap<string, Alike>
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
  readonly #candidates = new Answers<readonly NamedCandidate[]>()
  readonly #made = new Answers<Made>()
  readonly #lists = new Answers<readonly PeerObject[]>()

  #make(candidate: NamedCandidate, policy: PeerPolicies, inputs: PeerInputs, meter: CostMeter): Made {
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
    const groups = new Map<string, Alike>()
    const policies = new Map<PeerObject | undefined, PeerPolicies>()
    const meter = new CostMeter()
    for (const candidate of chosen) {
      const { object } = candidate
      const known = policies.get(object)
      const policy = known ?? inputs.policies.for(object ?? meshRequest(inputs.settings))
      if (known === undefined) meter.add(inputs.policies.cost)
      policies.set(object, policy)
      const { peer, problems: found } = this.#make(candidate, policy, inputs, meter)
      problems.push(...found)
      if (meter.isDue) yield meter.take()
      const name = freeName(peer, peers)
      peers.set(name, name === peer.name ? peer : { ...peer, name })
      if (candidate.group !== undefined) groups.set(name, candidate.group)
    }
    yield* this.#made.forgetAllBut(new Set(chosen.map(({ endpoint }) => endpoint)))
    yield chosen.length * LOOK_COST
    const { held, problems: clashes } = keyClashes(peers)
    for (const [name, why] of held) peers.set(name, holding(peers.get(name) as PeerIntent, why))
    problems.push(...clashes)
    return { peers, problems, refusals, groups }
  }

  *#allCandidates(inputs: PeerInputs, problems: Problem[]): Work<NamedCandidate[]> {
    const { me, nodes, objects, settings } = inputs
    const ours: PeerObject[] = []
    const all: NamedCandidate[] = []
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
      objects.filter((object) => object.reverse && namesAsNeighbor(object, me)),
    )
    const selectors = [
      ...selecting.map(({ peerSelector }) => peerSelector),
      ...mirrored.map(({ nodeSelector }) => nodeSelector),
    ]
    const questions = selectors.reduce((sum, selector) => sum + 1 + questionsOf(selector), 0)
    const cost = CANDIDATE_COST + MATCH_COST * questions
    const candidatesOf = (node: ClusterNode): readonly NamedCandidate[] => {
      const restsOn = [node, me, selecting, mirrored, settings.nodeToNodeMesh]
      return this.#candidates.ask(node.name, restsOn, meter, cost, () =>
        nodeCandidates(node, me, selecting, mirrored, settings.nodeToNodeMesh).map(withName),
      )
    }
    if (inputs.alike !== undefined) {
      const found = inputs.alike.flatMap((group) => ofGroup(group, me, candidatesOf))
      return [...all, ...found.sort(byNode)]
    }
    for (const node of nodes.values()) {
      if (node === me) continue
      for (const candidate of candidatesOf(node)) all.push(candidate)
      if (meter.isDue) yield meter.take()
    }
    // `me` is among `nodes`.
    const others = { size: nodes.size - 1, has: (name: string) => name !== me.name && nodes.has(name) }
    yield* this.#candidates.forgetAllBut(others)
    return all
  }
}

/**
 * In a preview, the nodes of a group are equal neighbors in the mesh: one candidate represents the group. If a BGPPeer
 * makes them neighbors, they are listed one by one.
 */
function ofGroup(
  group: Alike,
  me: ClusterNode,
  of: (node: ClusterNode) => readonly NamedCandidate[],
): readonly NamedCandidate[] {
  const [some] = group.nodes.values()
  const family = FAMILIES.find((one) => me.addresses[one] !== undefined && some?.addresses[one] !== undefined)
  const stand = family && group.first[family].find((node) => node !== me)
  if (stand === undefined) return []
  const found = of(stand)
  if (found.some(({ kind }) => kind !== 'Mesh'))
    return [...group.nodes.values()].flatMap((node) => (node === me ? [] : of(node)))
  return found.map((candidate) => ({ ...candidate, group }))
}

const holding = (peer: PeerIntent, why: string): PeerIntent => ({ ...peer, held: peer.held ?? why })

const byNode = ({ node: a }: NamedCandidate, { node: b }: NamedCandidate): number =>
  a === b ? 0 : (a?.name ?? '') < (b?.name ?? '') ? -1 : 1

/**
 * Names can clash: those of two nodes with the same address and different ports, or of the interfaces `a.1` and `a-1`,
 * which become the same symbol.
 */
function freeName({ name, port }: PeerIntent, taken: ReadonlyMap<string, PeerIntent>): string {
  if (!taken.has(name)) return name
  const withPort = `${name}_port_${port}`
  let free = withPort
  for (let count = 2; taken.has(free); count++) free = `${withPort}_${count}`
  return free
}

/** At most this many nodes are reported. */
const MOST_UNREACHABLE = 10

/** Nodes that should be neighbors but share no address family with this node. */
function* unreachableNodes({ me, nodes, settings, objects, alike }: PeerInputs): Work<Problem[]> {
  if (!FAMILIES.some((family) => me.addresses[family] !== undefined)) return []
  const selectors = objects.filter((object) => object.peerSelector !== undefined && selects(object, me))
  const inMesh = settings.nodeToNodeMesh && me.clusterId === undefined
  if (alike?.every(({ nodes: [some] }) => some === undefined || shareFamily(me, some[1])) === true) return []
  if (!inMesh && selectors.length === 0) return []
  const wanted = (node: ClusterNode): string | undefined => {
    const object = selectors.find(({ peerSelector }) => peerSelector && matches(peerSelector, node.labels))
    if (object !== undefined) return `a neighbor by BGPPeer/${object.name}`
    return inMesh && node.clusterId === undefined ? 'in the mesh' : undefined
  }
  const questions = selectors.reduce((sum, { peerSelector }) => sum + 1 + questionsOf(peerSelector), 0)
  const found: Problem[] = []
  const meter = new CostMeter()
  for (const node of nodes.values()) {
    if (found.length === MOST_UNREACHABLE) break
    meter.add(LOOK_COST)
    if (meter.isDue) yield meter.take()
    if (shareFamily(me, node)) continue
    const what = wanted(node)
    meter.add(MATCH_COST * questions)
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
  candidates: readonly NamedCandidate[],
  problems: Problem[],
  refusals: Map<string, string>,
): Work<NamedCandidate[]> {
  const chosen = new Map<string, NamedCandidate>()
  /** By name of a node: the BGPPeer that selects it, or replaces the first of its mesh sessions. */
  const owners = new Map<string, PeerObject>()
  const meter = new CostMeter()
  yield candidates.length * LOOK_COST
  for (const candidate of [...candidates].sort(byRank)) {
    const winner = chosen.get(candidate.endpoint)
    meter.add(LOOK_COST)
    if (meter.isDue) yield meter.take()
    noteOwner(owners, candidate, winner)
    if (winner === undefined) {
      const { kind, node } = candidate
      const owner = kind === 'Mesh' && node !== undefined ? owners.get(node.name) : undefined
      if (owner === undefined) chosen.set(candidate.endpoint, candidate)
      else if (owner.remote !== undefined)
        chosen.set(candidate.endpoint, { ...candidate, families: [sessionFamily(candidate)] })
      else refusals.set(candidate.name, `BGPPeer/${owner.name} defines the sessions with Node/${node?.name}`)
      continue
    }
    if (winner.object === candidate.object) continue
    if (candidate.rank <= RANK.global) problems.push(duplicateProblem(candidate, winner))
    else if (candidate.name !== winner.name)
      refusals.set(candidate.name, `BGPPeer/${winner.object?.name} defines this neighbor`)
  }
  yield chosen.size * LOOK_COST
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * There can be two mesh sessions with a node, the first over IPv4. A BGPPeer with `peerSelector` replaces both. A BGPPeer
 * with `peerIP` replaces only the one to that address. Where that is the first, the second remains, as in Calico, but
 * carries only its own family: routes that the filters of the BGPPeer reject must not pass over it.
 */
function noteOwner(owners: Map<string, PeerObject>, { node, object }: Candidate, winner: Candidate | undefined): void {
  if (node === undefined) return
  const isOfMesh = object === undefined
  if (isOfMesh && winner?.object !== undefined) owners.set(node.name, winner.object)
  if (!isOfMesh && object.remote === undefined) owners.set(node.name, object)
}

function byRank(a: Candidate, b: Candidate): number {
  if (a.rank !== b.rank) return a.rank - b.rank
  const [nameA, nameB] = [a.object?.name ?? '', b.object?.name ?? '']
  return nameA === nameB ? 0 : nameA < nameB ? -1 : 1
}

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
