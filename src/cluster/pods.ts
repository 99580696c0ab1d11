/**
 * Which prefixes hold the pods of a node: by one source, and never by another unasked (`podCIDRSource`). They are
 * advertised from that node only.
 */
import type { Prefix } from '../base/prefix.ts'
import type { ClusterNode } from './node.ts'
import type { NodeObject } from './objects.ts'
import { NODE_CONFIGURATION, type POD_CIDR_SOURCES } from './parse/configuration.ts'
import type { Claim } from './route-book.ts'
import type { ObjectStore } from './store.ts'

export type PodCidrSource = (typeof POD_CIDR_SOURCES)[number]

export function podCidrsBy(source: PodCidrSource, store: ObjectStore): (node: NodeObject) => readonly Prefix[] {
  if (source === 'Node') return ({ podCidrs }) => podCidrs
  if (source === 'Static') {
    return ({ name }) => store.get('BGPConfiguration', NODE_CONFIGURATION + name)?.podCidrs ?? []
  }
  const byNode = calicoPrefixes(store)
  return ({ name }) => byNode.get(name) ?? []
}

/** Blocks that are confirmed, and single addresses that pods have from other nodes' blocks. */
function calicoPrefixes(store: ObjectStore): Map<string, Prefix[]> {
  const byNode = new Map<string, Prefix[]>()
  const add = (node: string, prefix: Prefix) => {
    const known = byNode.get(node)
    if (known === undefined) byNode.set(node, [prefix])
    else known.push(prefix)
  }
  for (const { node, prefix } of store.table('BlockAffinity').values()) if (node !== undefined) add(node, prefix)
  for (const { borrowed } of store.table('IPAMBlock').values()) {
    for (const [node, addresses] of borrowed) for (const address of addresses) add(node, address)
  }
  for (const [node, prefixes] of byNode) byNode.set(node, sorted(prefixes))
  return byNode
}

const sorted = (prefixes: readonly Prefix[]): Prefix[] =>
  [...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values()].sort((a, b) => (a.text < b.text ? -1 : 1))

/** `held`: why none of them may be advertised. `named`: the BGPAdvertisements that name them. */
export const podClaims = ({ podCidrs }: ClusterNode, held: string | undefined, named: readonly string[]): Claim[] =>
  podCidrs.map((prefix) => ({ prefix, origin: 'pod-cidr', refused: held, named }))

/** A node that is new waits for its pod CIDRs; nothing is wrong with it. */
export function whyNoPods({ name, podCidrs }: ClusterNode, source: PodCidrSource): string | undefined {
  if (podCidrs.length > 0) return undefined
  if (source === 'CalicoIPAM') return 'it has no confirmed block of Calico IPAM yet'
  return source === 'Static' ? `BGPConfiguration/node.${name} lists no podCIDRs` : 'it has no podCIDRs'
}
