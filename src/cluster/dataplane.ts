/** What the cluster's ranges mean for this node's own kernel: whose packets are masqueraded, and what is kube-proxy's. */
import type { Address } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { ClusterNodes } from './node.ts'
import type { PoolObject } from './objects.ts'
import { cover } from './pools.ts'
import type { Settings } from './settings.ts'

export interface DataplaneIntent {
  /** In the order of their names. */
  readonly pools: readonly PoolObject[]
  /** Of all nodes. */
  readonly podCidrs: readonly Prefix[]
  /** InternalIPs of all nodes. */
  readonly nodeAddresses: readonly Address[]
  /** `natOutgoingExclusions: IPPoolsAndHostIPs`. */
  readonly natSparesHosts: boolean
  /** Configured service ranges: the kernel's way to what lies inside is kube-proxy's business. */
  readonly serviceRanges: readonly Prefix[]
}

export function planDataplane(
  pools: readonly PoolObject[],
  nodes: ClusterNodes,
  { natSparesHosts, serviceCidrs }: Pick<Settings, 'natSparesHosts' | 'serviceCidrs'>,
): DataplaneIntent {
  const all = [...nodes.values()]
  return {
    pools: [...pools].sort((a, b) => (a.name < b.name ? -1 : 1)),
    podCidrs: cover(all.flatMap(({ podCidrs }) => podCidrs)),
    nodeAddresses: all.flatMap(({ addresses }) => FAMILIES.flatMap((family) => addresses[family] ?? [])).sort(),
    natSparesHosts,
    serviceRanges: cover(Object.values(serviceCidrs).flat()),
  }
}
