/** Plans what the kernel of this node must know of the cluster: pools for NAT, node addresses, service ranges. */
import { type Address, familyOfAddress } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import { contains, type Prefix } from '../base/prefix.ts'
import type { DataplaneIntent, NodeRoutesIntent } from './intent.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import type { PoolObject } from './pool.ts'
import { serviceRanges } from './service-ranges.ts'
import type { Settings } from './settings.ts'

export interface ClusterAddresses {
  readonly me: ClusterNode
  readonly nodes: ClusterNodes
  /** The pod CIDRs of all nodes, joined into as few prefixes as possible. */
  readonly podCidrs: readonly Prefix[]
  /** All addresses of all nodes as /32 and /128, sorted. */
  readonly hosts: Iterable<Prefix>
}

export function planDataplane(
  pools: readonly PoolObject[],
  { me, nodes, podCidrs, hosts }: ClusterAddresses,
  settings: Settings,
  nodeRoutes: NodeRoutesIntent,
): DataplaneIntent {
  const { natSparesHosts, nat, serviceCidrs, recursiveNextHops, serviceLoopPrevention } = settings
  return {
    pools: pools.map((pool) => withDefaults(pool, nat)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    podCidrs,
    ownPods: ownPods(me, nodes),
    nodeAddresses: [...nodes.values()].flatMap(addressesOf),
    nodeHosts: [...hosts],
    ownAddresses: addressesOf(me),
    natSparesHosts,
    hasServiceRanges: Object.values(serviceCidrs).some(({ length }) => length > 0),
    serviceRanges: serviceRanges(settings, pools),
    recursiveNextHops,
    serviceLoopPrevention,
    proxied: [],
    nodeRoutes,
  }
}

function ownPods(me: ClusterNode, nodes: ClusterNodes): DataplaneIntent['ownPods'] {
  const own = me.podCidrs
  const lent = [...nodes.values()]
    .filter((node) => node !== me)
    .flatMap(({ podCidrs }) => podCidrs.filter((prefix) => own.some((around) => contains(around, prefix))))
  return { own, lent }
}

const addressesOf = ({ addresses }: ClusterNode): Address[] => FAMILIES.flatMap((family) => addresses[family] ?? [])

/** Fills in the cluster's defaults for NAT where the pool sets none; an address applies to pools of its family. */
function withDefaults(pool: PoolObject, { ports, address }: Settings['nat']): PoolObject {
  const isOfFamily = address !== undefined && familyOfAddress(address) === pool.prefix.family
  const found = { ports: pool.nat.ports ?? ports, address: pool.nat.address ?? (isOfFamily ? address : undefined) }
  if (found.ports === pool.nat.ports && found.address === pool.nat.address) return pool
  return { ...pool, nat: { ...pool.nat, ...found } }
}
