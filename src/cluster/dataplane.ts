/** Plans what the kernel of this node must know of the cluster: pools for NAT, node addresses, service ranges. */
import { type Address, familyOfAddress } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { DataplaneIntent, NodeRoutesIntent } from './intent.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import type { PoolObject } from './pool.ts'
import type { PrefixIndex } from './prefix-index.ts'
import { serviceRanges } from './service-ranges.ts'
import type { Settings } from './settings.ts'

export interface ClusterAddresses {
  readonly me: ClusterNode
  readonly nodes: ClusterNodes
  /** The pod CIDRs of all nodes, joined into as few prefixes as possible. */
  readonly podCidrs: readonly Prefix[]
  readonly ownPods: DataplaneIntent['ownPods']
  /** All addresses of all nodes as /32 and /128, sorted. */
  readonly hosts: Iterable<Prefix>
}

export function planDataplane(
  pools: readonly PoolObject[],
  { me, nodes, podCidrs, ownPods, hosts }: ClusterAddresses,
  settings: Settings,
  nodeRoutes: NodeRoutesIntent,
): DataplaneIntent {
  const { natSparesHosts, nat, serviceCidrs, recursiveNextHops, serviceLoopPrevention } = settings
  return {
    pools: pools.map((pool) => withDefaults(pool, nat)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    podCidrs,
    ownPods,
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

/** Approximate cost of looking at one pod CIDR, in microseconds. */
const LENT_COST = 0.5

/** The pod CIDRs of this node, and those of other nodes inside them: borrowed addresses, or the same CIDR. */
export function* planOwnPods({ name, podCidrs }: ClusterNode, all: PrefixIndex): Work<DataplaneIntent['ownPods']> {
  const lent = new Map<string, Prefix>()
  const meter = new CostMeter()
  for (const own of podCidrs) {
    for (const prefix of all.inside(own)) {
      if (all.otherOwner(prefix.text, name) !== undefined) lent.set(prefix.text, prefix)
      meter.add(LENT_COST)
      if (meter.isDue) yield meter.take()
    }
  }
  return { own: podCidrs, lent: [...lent.values()] }
}

const addressesOf = ({ addresses }: ClusterNode): Address[] => FAMILIES.flatMap((family) => addresses[family] ?? [])

/** Fills in the cluster's defaults for NAT where the pool sets none; an address applies to pools of its family. */
function withDefaults(pool: PoolObject, { ports, address }: Settings['nat']): PoolObject {
  const isOfFamily = address !== undefined && familyOfAddress(address) === pool.prefix.family
  const found = { ports: pool.nat.ports ?? ports, address: pool.nat.address ?? (isOfFamily ? address : undefined) }
  if (found.ports === pool.nat.ports && found.address === pool.nat.address) return pool
  return { ...pool, nat: { ...pool.nat, ...found } }
}
