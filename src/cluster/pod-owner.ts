/** Whose pods have an address: a Node by its pod CIDRs, or a block of Calico's IPAM that no node has, and why. */
import { contains, type Prefix } from '../base/prefix.ts'
import type { ClusterSurvey } from './cluster-survey.ts'
import type { PodOwner } from './intent.ts'
import type { AffinityObject } from './objects.ts'
import type { ObjectStore } from './store.ts'

export function findPodOwner(
  prefix: Prefix,
  { nodes: { nodes, podCidrs }, readsBlocks }: ClusterSurvey,
  store: ObjectStore,
): PodOwner | undefined {
  const around = podCidrs.covering(prefix)
  const owner = around && nodes.get(podCidrs.ownerOf(around.text) ?? '')
  if (around !== undefined && owner !== undefined)
    return { object: `Node/${owner.name}`, prefix: around, addresses: owner.hosts, why: undefined }
  for (const [name, affinity] of readsBlocks ? store.table('BlockAffinity') : []) {
    if (!contains(affinity.prefix, prefix)) continue
    const why = whyNobodys(affinity, (node) => nodes.has(node))
    if (why !== undefined) return { object: `BlockAffinity/${name}`, prefix: affinity.prefix, addresses: [], why }
  }
  return undefined
}

function whyNobodys({ node, why }: AffinityObject, isKnown: (node: string) => boolean): string | undefined {
  if (why !== undefined || node === undefined) return why
  return isKnown(node) ? undefined : `it is for ${node}, and there is no such Node`
}
