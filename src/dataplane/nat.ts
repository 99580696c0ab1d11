/**
 * NAT of outgoing traffic, as in Calico: a packet from a pool with `natOutgoing` to an address in no pool leaves with
 * an address of this node. The pool of the source decides; if several contain it, the most specific one. For the
 * destination every pool counts, also a disabled one, except pools for LoadBalancer addresses only. Pod CIDRs of Nodes
 * count as pools for the destination.
 *
 * In: pools, pod CIDRs and node addresses of the cluster. Out: rules as values; `nft-script` words them.
 */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { DataplaneIntent, Problem } from '../cluster/intent.ts'
import type { PoolObject } from '../cluster/pool.ts'
import { joinPrefixes, joinSorted } from '../cluster/pools.ts'
import { byPosition, firstInside } from '../cluster/prefix-index.ts'
import { makeProblem } from '../cluster/problem.ts'

export interface NatRule {
  /** Name of the IPPool. */
  readonly pool: string
  readonly prefix: Prefix
  /** Pools inside this one, which decide about their addresses themselves. */
  readonly within: readonly Prefix[]
  /** Destinations for which packets of this pool keep their address, in addition to all pools. */
  readonly exclude: readonly Prefix[]
  /** Undefined: an address of the outgoing interface. */
  readonly address: Address | undefined
  /** Source ports for TCP and UDP; undefined: the kernel chooses. */
  readonly ports: { readonly first: number; readonly last: number } | undefined
  readonly fullyRandom: boolean
}

export interface NatPlan {
  readonly rules: readonly NatRule[]
  /** Destinations for which nothing is masqueraded: disjoint and sorted. */
  readonly pools: Readonly<Record<Family, readonly Prefix[]>>
  /** Addresses of nodes, if packets to them are not masqueraded either. */
  readonly hosts: Readonly<Record<Family, readonly Prefix[]>>
}

export function* planNat({ pools, podCidrs, nodeAddresses, natSparesHosts }: DataplaneIntent): Work<NatPlan> {
  const counted = pools.filter(({ loadBalancerOnly }) => !loadBalancerOnly)
  return {
    rules: decidingPools(counted)
      .filter(({ natOutgoing }) => natOutgoing)
      .map((pool) => natRule(pool, counted)),
    pools: yield* coverBoth([...counted.map(({ prefix }) => prefix), ...podCidrs]),
    hosts: yield* coverBoth(yield* hostsOf(natSparesHosts ? nodeAddresses : [])),
  }
}

/** The pools that decide: of several with the same CIDR only the first by name. */
function decidingPools(pools: readonly PoolObject[]): readonly PoolObject[] {
  const first = new Map<string, PoolObject>()
  for (const pool of pools) if (!first.has(pool.prefix.text)) first.set(pool.prefix.text, pool)
  return [...first.values()]
}

function natRule({ name, prefix, nat }: PoolObject, pools: readonly PoolObject[]): NatRule {
  const { exclude, address, ports, fullyRandom } = nat
  const within = pools.filter((pool) => pool.prefix.length > prefix.length && contains(prefix, pool.prefix))
  return {
    pool: name,
    prefix,
    within: joinPrefixes(within.map((pool) => pool.prefix)),
    exclude: joinPrefixes(exclude),
    address,
    ports,
    fullyRandom,
  }
}

/** Approximate cost of reading an address, in microseconds. */
const ADDRESS_COST = 2

function* hostsOf(addresses: readonly Address[]): Work<Prefix[]> {
  const hosts: Prefix[] = []
  const meter = new CostMeter()
  for (const address of addresses) {
    const host = hostPrefix(address)
    if (host !== undefined) hosts.push(host)
    meter.add(ADDRESS_COST)
    if (meter.isDue) yield meter.take()
  }
  return hosts
}

function* coverBoth(prefixes: readonly Prefix[]): Work<Record<Family, Prefix[]>> {
  const found: Record<Family, Prefix[]> = { ipv4: [], ipv6: [] }
  for (const prefix of yield* joinSorted(yield* sorted(prefixes, byPosition))) found[prefix.family].push(prefix)
  return found
}

/** Lookups of addresses of this node. */
export interface NodeAddresses {
  isOwn(address: Address): boolean
  /** The prefix of the link that has the address. */
  networkOf(address: Address): Prefix | undefined
}

/** Warnings about pools, as this node sees them. The pools are still used. */
export function natProblems({ pools, nodeHosts, ownAddresses }: DataplaneIntent, node: NodeAddresses): Problem[] {
  const networks = ownAddresses
    .filter((address) => node.isOwn(address))
    .flatMap((address) => node.networkOf(address) ?? [])
  return pools.flatMap((pool) => {
    const inside = nodeInside(pool, nodeHosts)
    // The other checks do not apply to a pool for services only: its addresses may be on the link of the nodes.
    if (pool.loadBalancerOnly) return inside
    return [...inside, ...(inside.length === 0 ? networkOverlap(pool, networks) : []), ...foreignNatAddress(pool, node)]
  })
}

function nodeInside(pool: PoolObject, nodeHosts: DataplaneIntent['nodeHosts']): Problem[] {
  const inside = firstInside(pool.prefix, nodeHosts)
  if (inside === undefined) return []
  const follows = pool.loadBalancerOnly ? 'a service could be given it' : 'packets to nodes are not masqueraded'
  const says = `contains the node address ${inside.text.replace(/\/.*/, '')}; ${follows}`
  return [warning(pool, 'pool-holds-node', 'spec.cidr', pool.prefix.text, says)]
}

function networkOverlap(pool: PoolObject, networks: readonly Prefix[]): Problem[] {
  const { prefix } = pool
  const network = networks.find((one) => contains(one, prefix) || contains(prefix, one))
  if (network === undefined) return []
  const says = `overlaps ${network.text}, the network of this node: addresses there could belong to a pod or to a neighbor`
  return [warning(pool, 'pool-holds-network', 'spec.cidr', prefix.text, says)]
}

function foreignNatAddress(pool: PoolObject, node: NodeAddresses): Problem[] {
  const { address } = pool.nat
  if (!pool.natOutgoing || address === undefined || node.isOwn(address)) return []
  const says = 'is no address of this node; replies come back only if the network routes that address to this node'
  return [warning(pool, 'nat-address-elsewhere', 'spec.nat.address', address, says)]
}

const warning = (pool: PoolObject, code: string, field: string, value: string, says: string): Problem =>
  makeProblem({ code, object: `IPPool/${pool.name}`, field, value, says, level: 'warning' })
