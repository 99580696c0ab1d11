/** The nodes of the cluster as BGP sees them, and the settings of this node. */
import { type Address, addressBytes } from '../base/address.ts'
import { readU32 } from '../base/bytes.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, RouterId } from '../base/units.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { NodeIntent, Problem } from './intent.ts'
import type { NodeObject } from './objects.ts'
import type { PrefixIndex } from './prefix-index.ts'
import { makeProblem } from './problem.ts'
import type { Labels } from './selector.ts'
import type { Settings } from './settings.ts'

/** Calico's default: the first of the private AS numbers of RFC 6996. */
export const DEFAULT_AS: Asn = 64512
export const BGP_PORT = 179

export interface ClusterNode {
  readonly name: string
  readonly labels: Labels
  readonly annotations: NodeObject['annotations']
  readonly podCidrs: readonly Prefix[]
  readonly asNumber: Asn
  readonly routerId: RouterId
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  readonly annotated: NodeObject['annotated']
  readonly hosts: NodeObject['hosts']
  readonly listenPort: number
  readonly clusterId: RouterId | undefined
  /** Why no session of this node may start; undefined: they may. */
  readonly held: string | undefined
}

export type ClusterNodes = ReadonlyMap<string, ClusterNode>

/**
 * A node's router ID is its IPv4 address. For a node without one it is a hash of its name; where that is reserved or taken, a
 * hash of the name and a number of attempts. Every node computes the same router IDs for all nodes.
 */
export function* assignRouterIds(
  nodes: readonly Pick<NodeObject, 'name' | 'addresses'>[],
): Work<Map<string, RouterId>> {
  const ids = new Map<string, RouterId>()
  const taken = new Set<RouterId>()
  const meter = new CostMeter()
  for (const { name, addresses } of nodes) {
    const id = idOfAddress(addresses)
    meter.add(ID_COST)
    if (meter.isDue) yield meter.take()
    if (id === undefined) continue
    ids.set(name, id)
    taken.add(id)
  }
  for (const { name } of nodes) {
    if (ids.has(name)) continue
    let attempt = 0
    let id = hashName(name, attempt)
    while (isReserved(id) || taken.has(id)) id = hashName(name, ++attempt)
    ids.set(name, id)
    taken.add(id)
    meter.add(ID_COST)
    if (meter.isDue) yield meter.take()
  }
  return ids
}

/** Approximate cost of assigning one router ID, in microseconds. */
const ID_COST = 2

/** Router IDs by the address record of a Node, which stays the same value while its addresses do. */
const ID_OF_ADDRESSES = new WeakMap<NodeObject['addresses'], RouterId>()

export function idOfAddress(addresses: NodeObject['addresses']): RouterId | undefined {
  const known = ID_OF_ADDRESSES.get(addresses)
  if (known !== undefined || addresses.ipv4 === undefined) return known
  const id = readU32(addressBytes(addresses.ipv4), 0)
  ID_OF_ADDRESSES.set(addresses, id)
  return id
}

/** No address of 0/8, 127/8 or 224/3: some routers refuse these as BGP Identifier. */
function isReserved(id: RouterId): boolean {
  const first = id >>> 24
  return first === 0 || first === 127 || first >= 224
}

/** FNV-1a over the name and the attempt, with a final mixing step. */
function hashName(name: string, attempt: number): RouterId {
  let hash = 0x811c9dc5
  for (const code of [...name].map((character) => character.codePointAt(0) ?? 0).concat(attempt)) {
    hash = Math.imul(hash ^ code, 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export function planNode(me: ClusterNode, { bindToNodeIp, decision }: Settings): NodeIntent {
  const { name, asNumber, routerId, addresses, listenPort } = me
  const listenAddresses = bindToNodeIp ? FAMILIES.flatMap((family) => addresses[family] ?? []) : []
  return { name, asNumber, routerId, addresses, listenPort, listenAddresses, decision }
}

/** A node with pod CIDRs but no address of a family: others reach these pods only over a link with addresses of it. */
function familyProblem({ name, addresses, podCidrs }: ClusterNode, family: Family): Problem[] {
  const pods = podCidrs.find((prefix) => prefix.family === family)
  if (addresses[family] !== undefined || pods === undefined) return []
  const word = FAMILY_WORDS[family]
  const says = `it has no ${word} address for its ${word} pods (${pods.text}): they are advertised only where the link of the session has one`
  return [
    makeProblem({
      code: 'node-family-missing',
      object: `Node/${name}`,
      field: 'status.addresses',
      says,
      level: 'warning',
    }),
  ]
}

/** Pod CIDRs that another node has too: both advertise them, and packets to a pod of one arrive at the other. */
export function sharedPodCidrs({ name, podCidrs }: ClusterNode, all: Pick<PrefixIndex, 'otherOwner'>): Problem[] {
  return podCidrs.flatMap((prefix) => {
    const other = all.otherOwner(prefix.text, name)
    if (other === undefined) return []
    const says = `is also a pod CIDR of Node/${other}: both advertise it, and packets to pods of one reach the other`
    return makeProblem({
      code: 'pod-cidr-twice',
      object: `Node/${name}`,
      field: 'spec.podCIDRs',
      value: prefix.text,
      says,
    })
  })
}

/**
 * Problems of this node: missing addresses, and a router ID that another node has. `nodesAt`: the nodes with this address.
 */
export function nodeProblems(me: ClusterNode, nodesAt: (address: Address) => readonly ClusterNode[]): Problem[] {
  const object = `Node/${me.name}`
  const problems: Problem[] = []
  if (me.addresses.ipv4 === undefined && me.addresses.ipv6 === undefined) {
    const says = 'it has no InternalIP and no ExternalIP; the node is not in the mesh'
    problems.push(makeProblem({ code: 'node-address-missing', object, field: 'status.addresses', says }))
  } else problems.push(...FAMILIES.flatMap((family) => familyProblem(me, family)))
  // A router ID that is a hash is unique by the way it is assigned.
  const { ipv4 } = me.addresses
  const other = ipv4 && nodesAt(ipv4).find(({ name }) => name !== me.name)
  if (other !== undefined) {
    const says = `is also the address of Node/${other.name}, so both have the same router ID; sessions between them fail`
    problems.push(makeProblem({ code: 'router-id-twice', object, field: 'status.addresses', value: ipv4, says }))
  }
  return problems
}
