/**
 * Who may be a neighbor of this node, before one is chosen for each endpoint: by a BGPPeer with an address, a range, an
 * interface or a gateway; by a BGPPeer that selects other nodes, or its mirror on the other side; by the mesh.
 */
import { type Address, familyOfAddress, formatAddress, isLinkLocal } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import type { Asn } from '../base/units.ts'
import { type PeerIntent, type PeerKind, type Problem, UNKNOWN_ADDRESS } from './intent.ts'
import { BGP_PORT, type ClusterNode, type ClusterNodes } from './node.ts'
import type { PeerObject, SecretObject } from './objects.ts'
import { DEFAULT_GATEWAY } from './parse/peer-ip.ts'
import { withValuesOf } from './peer-values.ts'
import type { NodePolicies } from './policies.ts'
import { makeProblem } from './problem.ts'
import { matches } from './selector.ts'
import type { Settings } from './settings.ts'

/** Nodes that others can tell apart by nothing but name and address. */
export interface Alike {
  /** By name. */
  readonly nodes: ReadonlyMap<string, ClusterNode>
  /** By family of the session: the two whose sessions come first by name; the second is for the first one itself. */
  readonly first: Readonly<Record<Family, readonly ClusterNode[]>>
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
  /** Given in a preview: one node of each group stands for all of it in the mesh. */
  readonly alike: readonly Alike[] | undefined
  /** All BGPPeers; the same list until one changes. */
  readonly objects: readonly PeerObject[]
  readonly settings: Settings
  readonly policies: NodePolicies
}

/** The candidate with the lower rank wins. */
export const RANK = { node: 0, selector: 1, global: 2, mirror: 3, mesh: 4 } as const

export interface Candidate {
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
  /** Those of a session of the mesh beside a BGPPeer for the other one; absent: all that both ends have. */
  readonly families?: readonly Family[]
}

/** A candidate with its name and endpoint. */
export interface NamedCandidate extends Candidate {
  /** Address and port, as text: there is one neighbor for each. */
  readonly endpoint: string
  readonly name: string
  /** Given where it stands for all of them but ourselves. */
  readonly group?: Alike
}

export const withName = (candidate: Candidate): NamedCandidate => ({
  ...candidate,
  endpoint: openName(candidate) ?? `${candidate.address} ${candidate.port}`,
  name: protocolName(candidate),
})

/** The candidates that one other node gives rise to: by BGPPeers, mirrored BGPPeers and the mesh. */
export function nodeCandidates(
  node: ClusterNode,
  me: ClusterNode,
  selecting: readonly PeerObject[],
  mirrored: readonly PeerObject[],
  mesh: boolean,
): Candidate[] {
  return [
    ...selecting.flatMap((object) =>
      object.peerSelector !== undefined && matches(object.peerSelector, node.labels)
        ? nodeCandidate(object, me, node, peerScope(object))
        : [],
    ),
    // A BGPPeer of the other node selects this node: this node peers back, unless `reversePeering` is Manual.
    ...mirrored.flatMap((object) => (selects(object, node) ? mirrorCandidate(object, me, node) : [])),
    ...(mesh ? meshCandidate(me, node) : []),
  ]
}

export function directCandidates(object: PeerObject, inputs: PeerInputs, problems: Problem[]): Candidate[] {
  const { range, remote, gateway } = object
  if (range !== undefined) return openCandidate(object, inputs, formatAddress(range.prefix.bytes))
  if (object.interface !== undefined) return openCandidate(object, inputs, UNKNOWN_ADDRESS)
  if (gateway !== undefined) {
    const families = gateway.families ?? FAMILIES.filter((family) => inputs.me.addresses[family] !== undefined)
    return families.flatMap((family) => openCandidate(object, inputs, UNKNOWN_ADDRESS, family))
  }
  return remote === undefined ? [] : addressCandidate(object, inputs, problems)
}

/** `peerSelector`: every other node it matches. */
export const choosesNodes = ({ range, remote, interface: link, gateway, peerSelector }: PeerObject): boolean =>
  peerSelector !== undefined && [range, remote, link, gateway].every((other) => other === undefined)

/** Whether the BGPPeer applies to this node. */
export function selects(
  { node, nodeSelector }: PeerObject,
  { name, labels }: Pick<ClusterNode, 'name' | 'labels'>,
): boolean {
  if (node !== undefined) return node === name
  return nodeSelector === undefined || matches(nodeSelector, labels)
}

export const peerScope = ({ node, nodeSelector }: PeerObject): 'node' | 'selector' | 'global' =>
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
  const scope = peerScope(object)
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
  const scope = peerScope(object)
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

export function namesAsNeighbor({ remote, peerSelector, asNumber }: PeerObject, me: ClusterNode): boolean {
  if (peerSelector !== undefined) return matches(peerSelector, me.labels)
  return remote !== undefined && isMe(me, remote) && (asNumber ?? me.asNumber) === me.asNumber
}

/** Whether a neighbor is this node itself. Our address with another port is another speaker on this node. */
function isMe({ addresses, listenPort }: ClusterNode, { address, port }: NonNullable<PeerObject['remote']>): boolean {
  return addresses[familyOfAddress(address)] === address && (port ?? listenPort) === listenPort
}

/**
 * The other node shows us the AS number that its BGPPeer has for it. It does not peer with us where its Node lacks a value, or
 * where it expects another AS number than ours.
 */
function mirrorCandidate(object: PeerObject, me: ClusterNode, node: ClusterNode): Candidate[] {
  const { object: theirs } = withValuesOf(object, node)
  if (theirs === undefined) return []
  const { asNumber, remoteAs = asNumber, localAsNumber = node.asNumber } = theirs
  if (!isExpected(me.asNumber, remoteAs, localAsNumber)) return []
  return nodeCandidate(object, me, node, 'mirror').map((candidate) => ({ ...candidate, remoteAs: localAsNumber }))
}

/** `remoteAs`: what an end with the AS number `localAs` has for its neighbor; undefined: it takes that of the Node. */
function isExpected(asNumber: Asn, remoteAs: PeerIntent['remoteAs'] | undefined, localAs: Asn): boolean {
  if (remoteAs === 'internal') return asNumber === localAs
  return remoteAs === 'external' ? asNumber !== localAs : remoteAs === undefined || remoteAs === asNumber
}

function nodeCandidate(
  object: PeerObject | undefined,
  me: ClusterNode,
  node: ClusterNode,
  scope: keyof typeof RANK,
): Candidate[] {
  const kind = scope === 'mesh' ? 'Mesh' : scope === 'global' ? 'Global' : 'Node'
  const { listenPort: port, asNumber: remoteAs } = node
  return addressesToDial(me, node, object).flatMap((address) =>
    // Two Nodes have the same address: it would be a session with ourselves.
    isMe(me, { address, port })
      ? []
      : [{ rank: RANK[scope], kind, object, address, port, portGiven: false, remoteAs, localAs: me.asNumber, node }],
  )
}

/**
 * One session carries both families, over IPv4 if both nodes have it, unless Calico has given one of the two nodes addresses of
 * both: BIRD, which may still run there, has a session for each family. A mirrored `peerIP` keeps the family of that address.
 */
function addressesToDial(me: ClusterNode, node: ClusterNode, object: PeerObject | undefined): readonly Address[] {
  const asked = object?.remote === undefined ? FAMILIES : [familyOfAddress(object.remote.address)]
  const common = asked.flatMap((one) => (me.addresses[one] === undefined ? [] : (node.addresses[one] ?? [])))
  const isCalicos = [me, node].some(({ annotated }) => annotated.length === FAMILIES.length)
  if (!isCalicos) return common.slice(0, 1)
  const wanted = object?.families ?? FAMILIES
  const carried = common.filter((address) => wanted.includes(familyOfAddress(address)))
  return carried.length === 0 ? common.slice(0, 1) : carried
}

export const shareFamily = (me: ClusterNode, node: ClusterNode): boolean =>
  FAMILIES.some((family) => me.addresses[family] !== undefined && node.addresses[family] !== undefined)

/** A node that reflects routes (RFC 4456) is not part of the mesh. */
function meshCandidate(me: ClusterNode, node: ClusterNode): Candidate[] {
  if (me.clusterId !== undefined || node.clusterId !== undefined) return []
  return nodeCandidate(undefined, me, node, 'mesh')
}

/** The name of a neighbor without a known address: its range, its interface, or the family of the default gateway. */
export const openName = ({ object, gateway }: Candidate): string | undefined =>
  object?.range?.prefix.text ?? object?.interface ?? (gateway && `${DEFAULT_GATEWAY} ${gateway}`)

/** The neighbor's AS number; undefined for `external`, which allows any. */
export const asOf = ({ remoteAs, localAs }: Candidate): Asn | undefined =>
  remoteAs === 'internal' ? localAs : remoteAs === 'external' ? undefined : remoteAs

/**
 * Whether a BGPPeer names the neighbor by its address, not as a node. A neighbor on a link alone does not count: its session
 * carries both families.
 */
export const hasOwnAddress = ({ object, rank, address, gateway }: Candidate): boolean =>
  (object?.remote !== undefined || object?.range !== undefined || gateway !== undefined) &&
  rank !== RANK.mirror &&
  !isLinkLocal(address)

/** Whether the neighbor is known only on its link: by a link-local address, or by the interface. */
export const isOnLinkAlone = ({ object, address }: Candidate): boolean =>
  object?.interface !== undefined || isLinkLocal(address)

/** The family that the session runs over. */
export const sessionFamily = ({ address, gateway }: Candidate): Family => gateway ?? familyOfAddress(address)

/** The name of a session of the mesh. */
export const meshName = (address: Address): string => `Mesh_${symbolOf(address)}`

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
