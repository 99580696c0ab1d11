/**
 * The destinations that kube-proxy handles, as far as the configured service ranges define them: no learned route to them
 * is written to the kernel, or advertised with this node as next hop.
 *
 * The most specific range decides whose an address is: what lies in an IP pool of pods, and the pool in a service range,
 * are pods. A LoadBalancer range that is not advertised as a whole (`serviceLoadBalancerAggregation: Disabled`) only says
 * which addresses may be advertised, and may be as wide as 0.0.0.0/0: it counts for single addresses alone.
 */
import { ADDRESS_BITS } from '../base/family.ts'
import { contains, halves, type Prefix } from '../base/prefix.ts'
import { within } from '../bgp/policy/prefix-set.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import type { Problem } from './intent.ts'
import type { ServiceAddressKind } from './objects.ts'
import type { PoolObject } from './pool.ts'
import { joinPrefixes, podPools } from './pools.ts'
import type { PrefixIndex } from './prefix-index.ts'
import { makeProblem } from './problem.ts'
import { SERVICE_FIELDS, type Settings } from './settings.ts'

const KINDS = Object.keys(SERVICE_FIELDS) as ServiceAddressKind[]

export type RangeSettings = Pick<Settings, 'serviceCidrs' | 'loadBalancerAggregation'>

export function serviceRanges(settings: RangeSettings, pools: Iterable<PoolObject>): readonly PrefixMatch[] {
  const { whole, single } = joined(settings, pools)
  return [...whole, ...single]
}

/** Adjacent ranges become one, whatever kinds they are of. `single`: those that count for single addresses alone. */
function joined(settings: RangeSettings, pools: Iterable<PoolObject>): Record<'whole' | 'single', PrefixMatch[]> {
  const pods = podPools(pools).map(({ prefix }) => prefix)
  const { serviceCidrs: cidrs, loadBalancerAggregation: isWhole } = settings
  const balanced = cidrs['load-balancer']
  const without = (ranges: readonly Prefix[]) => joinPrefixes(ranges.flatMap((range) => withoutPods(range, pods)))
  const whole = without([...cidrs.cluster, ...cidrs.external, ...(isWhole ? balanced : [])])
  const single = isWhole ? [] : without(balanced)
  return {
    whole: whole.map((prefix) => within(prefix)),
    single: single.map((prefix) => within(prefix, ADDRESS_BITS[prefix.family])),
  }
}

/** The parts of a range outside the pools that lie in it. */
function withoutPods(range: Prefix, pods: readonly Prefix[]): readonly Prefix[] {
  const inside = pods.filter((pool) => contains(range, pool))
  if (inside.length === 0) return [range]
  if (inside.some(({ length }) => length === range.length)) return []
  return halves(range).flatMap((half) => withoutPods(half, inside))
}

/** The joined range that a prefix lies in; it need not be a configured one. */
export const serviceRangeAround = (ranges: readonly PrefixMatch[], prefix: Prefix): Prefix | undefined =>
  ranges.find((range) => prefix.length >= range.minLength && contains(range.prefix, prefix))?.prefix

/** A problem for each kind of range in which pods of a node are that no IPPool names: no other node reaches them. */
export function podRangeProblems(
  settings: RangeSettings,
  pools: Iterable<PoolObject>,
  podCidrs: Pick<PrefixIndex, 'inside' | 'ownerOf'>,
): Problem[] {
  const { whole, single } = joined(settings, pools)
  return KINDS.flatMap((kind) => {
    const isOfKind = (prefix: Prefix) => settings.serviceCidrs[kind].some((cidr) => overlaps(cidr, prefix))
    const ranges = kind === 'load-balancer' && !settings.loadBalancerAggregation ? single : whole
    for (const { prefix, minLength } of ranges.filter((range) => isOfKind(range.prefix))) {
      for (const pods of podCidrs.inside(prefix)) {
        const node = pods.length < minLength || !isOfKind(pods) ? undefined : podCidrs.ownerOf(pods.text)
        if (node !== undefined) return podsProblem(kind, pods, node)
      }
    }
    return []
  })
}

const overlaps = (one: Prefix, other: Prefix): boolean => contains(one, other) || contains(other, one)

const podsProblem = (kind: ServiceAddressKind, pods: Prefix, node: string): Problem =>
  makeProblem({
    code: 'service-range-holds-pods',
    object: 'BGPConfiguration/default',
    field: `spec.${SERVICE_FIELDS[kind]}`,
    value: pods.text,
    says: `is a pod CIDR of Node/${node} and lies inside a service range: no route learned for it is written to the kernel, unless an IPPool inside that range contains it`,
    level: 'warning',
  })
