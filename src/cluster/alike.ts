/**
 * Nodes that another node can tell apart by nothing but name and address. In a preview of a whole cluster one of them
 * stands for all in the mesh: a mesh of a thousand nodes has a million pairs, and a few kinds of them.
 */
import type { Address } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import type { PeerObject } from './objects.ts'
import { type Alike, meshName } from './peer-candidates.ts'

/** Every node is in one group. `nodesAt`: the nodes with this address. */
export function groupAlike(
  nodes: ClusterNodes,
  nodesAt: (address: Address) => readonly ClusterNode[],
  objects: readonly PeerObject[],
): readonly Alike[] {
  const names = new Set(objects.flatMap(({ node }) => node ?? []))
  const addresses = new Set(objects.flatMap(({ remote }) => remote?.address ?? []))
  const isSingled = (node: ClusterNode): boolean =>
    names.has(node.name) || addressesOf(node).some((one) => addresses.has(one) || nodesAt(one).length > 1)
  const groups = Map.groupBy(nodes.values(), (node) => (isSingled(node) ? node.name : keyOf(node)))
  return [...groups.values()].map((members) => ({
    nodes: new Map(members.map((node) => [node.name, node])),
    first: { ipv4: firstTwo(members, 'ipv4'), ipv6: firstTwo(members, 'ipv6') },
  }))
}

const addressesOf = ({ addresses }: ClusterNode): Address[] => FAMILIES.flatMap((family) => addresses[family] ?? [])

/** Names of nodes have no bracket. */
const keyOf = ({ asNumber, listenPort, clusterId, held, addresses, annotated, labels }: ClusterNode): string =>
  JSON.stringify([
    ...[asNumber, listenPort, clusterId, held, annotated, ...FAMILIES.map((family) => addresses[family] !== undefined)],
    Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])

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
