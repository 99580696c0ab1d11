/** What the cluster's ranges mean for this node's own kernel: whose packets are masqueraded, and what is kube-proxy's. */
import { familyOfAddress } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import { contains } from '../base/prefix.ts'
import type { DataplaneIntent, NodeRoutesIntent } from './intent.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import type { PoolObject } from './pool.ts'
import { cover } from './pools.ts'
import type { Settings } from './settings.ts'

export function planDataplane(
  me: ClusterNode,
  pools: readonly PoolObject[],
  nodes: ClusterNodes,
  { natSparesHosts, nat, serviceCidrs, recursiveNextHops, serviceLoopPrevention }: Settings,
  nodeRoutes: NodeRoutesIntent,
): DataplaneIntent {
  const all = [...nodes.values()]
  return {
    pools: pools.map((pool) => withDefaults(pool, nat)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    podCidrs: cover(all.flatMap(({ podCidrs }) => podCidrs)),
    ownPods: ownPods(me, all),
    nodeAddresses: all.flatMap(({ addresses }) => FAMILIES.flatMap((family) => addresses[family] ?? [])).sort(),
    natSparesHosts,
    serviceRanges: cover(Object.values(serviceCidrs).flat()),
    recursiveNextHops,
    serviceLoopPrevention,
    proxied: [],
    nodeRoutes,
  }
}

function ownPods(me: ClusterNode, all: readonly ClusterNode[]): DataplaneIntent['ownPods'] {
  const own = me.podCidrs
  const lent = all
    .filter((node) => node !== me)
    .flatMap(({ podCidrs }) => podCidrs.filter((prefix) => own.some((around) => contains(around, prefix))))
  return { own, lent }
}

/** What a pool does not say itself; an address counts for pools of its family. */
function withDefaults(pool: PoolObject, { ports, address }: Settings['nat']): PoolObject {
  const isOfFamily = address !== undefined && familyOfAddress(address) === pool.prefix.family
  const found = { ports: pool.nat.ports ?? ports, address: pool.nat.address ?? (isOfFamily ? address : undefined) }
  if (found.ports === pool.nat.ports && found.address === pool.nat.address) return pool
  return { ...pool, nat: { ...pool.nat, ...found } }
}
