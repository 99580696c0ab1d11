/**
 * Nodes that another node can tell apart by nothing but name and address. In a preview of a whole cluster one of them
 * stands for all in the mesh: a mesh of a thousand nodes has a million pairs, and a few kinds of them.
 */
import type { Address } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import { lookUp } from '../base/look-up.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import type { PeerObject } from './objects.ts'
import { type Alike, meshName, selects } from './peer-candidates.ts'
import { withValuesOf } from './peer-values.ts'

/** Every node is in one group. `nodesAt`: the nodes with this address. */
export function groupAlike(
  nodes: ClusterNodes,
  nodesAt: (address: Address) => readonly ClusterNode[],
  objects: readonly PeerObject[],
): readonly Alike[] {
  const names = new Set(objects.flatMap(({ node }) => node ?? []))
  const addresses = namedAddresses(nodes, objects)
  const read = annotationsRead(objects.filter(({ remote }) => remote && nodesAt(remote.address).length > 0))
  const isSingled = (node: ClusterNode): boolean =>
    names.has(node.name) || addressesOf(node).some((one) => addresses.has(one) || nodesAt(one).length > 1)
  const groups = Map.groupBy(nodes.values(), (node) => (isSingled(node) ? node.name : keyOf(node, read)))
  return [...groups.values()].map((members) => ({
    nodes: new Map(members.map((node) => [node.name, node])),
    first: { ipv4: firstTwo(members, 'ipv4'), ipv6: firstTwo(members, 'ipv6') },
  }))
}

const addressesOf = ({ addresses }: ClusterNode): Address[] => FAMILIES.flatMap((family) => addresses[family] ?? [])

/** Neighbors by `peerIP`, and by the values of `peerIPFrom`. */
function namedAddresses(nodes: ClusterNodes, objects: readonly PeerObject[]): ReadonlySet<Address> {
  const found = new Set(objects.flatMap(({ remote }) => remote?.address ?? []))
  for (const object of objects.filter(({ peerIpFrom }) => peerIpFrom !== undefined)) {
    for (const node of nodes.values()) {
      const remote = selects(object, node) ? withValuesOf(object, node).object?.remote : undefined
      if (remote !== undefined) found.add(remote.address)
    }
  }
  return found
}

/** The node that `peerIP` names peers back: it reads these annotations of each node that the BGPPeer applies to. */
const annotationsRead = (objects: readonly PeerObject[]): readonly string[] =>
  objects
    .flatMap(({ asNumberFrom, localAsNumberFrom }) => [asNumberFrom, localAsNumberFrom])
    .flatMap((from) => (from?.kind === 'annotation' ? from.key : []))

/** The key of a group that is not one node by its name: it begins with a bracket, which no name has. */
function keyOf(node: ClusterNode, annotationsRead: readonly string[]): string {
  const { asNumber, listenPort, clusterId, held, addresses, annotated, annotations, labels } = node
  return JSON.stringify([
    ...[asNumber, listenPort, clusterId, held, annotated, ...FAMILIES.map((family) => addresses[family] !== undefined)],
    Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)),
    annotationsRead.map((key) => lookUp(annotations, key)),
  ])
}

/** Two: where the first is this node itself, the second stands for the others. */
function firstTwo(nodes: readonly ClusterNode[], family: Family): readonly ClusterNode[] {
  const named = nodes.flatMap((node) => {
    const address = node.addresses[family]
    return address === undefined ? [] : [{ node, name: meshName(address) }]
  })
  return named
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, 2)
    .map(({ node }) => node)
}
