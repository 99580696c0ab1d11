/** What the cluster's ranges mean for this node's own kernel: whose packets are masqueraded, and what is kube-proxy's. */
import { FAMILIES } from '../base/family.ts'
import type { DataplaneIntent } from './intent.ts'
import type { ClusterNodes } from './node.ts'
import type { PoolObject } from './pool.ts'
import { cover } from './pools.ts'
import type { Settings } from './settings.ts'

export function planDataplane(
  pools: readonly PoolObject[],
  nodes: ClusterNodes,
  { natSparesHosts, serviceCidrs, recursiveNextHops, serviceLoopPrevention }: Settings,
): DataplaneIntent {
  const all = [...nodes.values()]
  return {
    pools: [...pools].sort((a, b) => (a.name < b.name ? -1 : 1)),
    podCidrs: cover(all.flatMap(({ podCidrs }) => podCidrs)),
    nodeAddresses: all.flatMap(({ addresses }) => FAMILIES.flatMap((family) => addresses[family] ?? [])).sort(),
    natSparesHosts,
    serviceRanges: cover(Object.values(serviceCidrs).flat()),
    recursiveNextHops,
    serviceLoopPrevention,
    proxied: [],
  }
}
