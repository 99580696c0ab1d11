/** The ranges that belong to the cluster: IP pools, pod CIDRs of all nodes, configured service ranges. */
import { ADDRESS_BITS, FAMILIES, type Family } from '../base/family.ts'
import { contains, makePrefix, type Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { within } from '../bgp/policy/prefix-set.ts'
import type { PrefixMatch, Rule } from '../bgp/policy/rule.ts'
import type { Problem } from './intent.ts'
import type { PoolObject, UnplacedPool } from './pool.ts'
import { byPosition, PrefixIndex } from './prefix-index.ts'
import { makeProblem } from './problem.ts'
import type { Settings } from './settings.ts'

/** The pools with a known range. */
export const placed = (pools: Iterable<PoolObject | UnplacedPool>): PoolObject[] =>
  [...pools].filter((pool) => pool.prefix !== undefined)

/**
 * Pools, pod CIDRs and service ranges. A `disabled` pool is included: the addresses that it has assigned are still routed.
 * A LoadBalancer range that is not advertised as a whole may be as wide as 0.0.0.0/0: of it, only single addresses are the
 * cluster's, and covering prefixes (`aggregation.ts`), whose lengths are `coverLengths`.
 */
export function* clusterRanges(
  pools: Iterable<PoolObject>,
  podCidrs: Iterable<Prefix>,
  { serviceCidrs, loadBalancerAggregation: isWhole }: Pick<Settings, 'serviceCidrs' | 'loadBalancerAggregation'>,
  coverLengths: Readonly<Record<Family, readonly number[]>>,
): Work<PrefixMatch[]> {
  const { cluster, external, 'load-balancer': balanced } = serviceCidrs
  const services = [...cluster, ...external, ...(isWhole ? balanced : [])]
  const whole = yield* joinInSteps([...[...pools].map(({ prefix }) => prefix), ...podCidrs, ...services])
  const single = isWhole ? [] : joinPrefixes(balanced)
  return [
    ...whole.map((prefix) => within(prefix)),
    ...single.map((prefix) => within(prefix, ADDRESS_BITS[prefix.family])),
    ...single.flatMap((prefix) =>
      coverLengths[prefix.family]
        .filter((length) => length >= prefix.length)
        .map((length) => ({ prefix, minLength: length, maxLength: length })),
    ),
  ]
}

function* joinInSteps(all: readonly Prefix[]): Work<Prefix[]> {
  const index = new PrefixIndex()
  const meter = new CostMeter()
  for (const prefix of all) {
    index.add(prefix, '')
    meter.add(JOIN_COST)
    if (meter.isDue) yield meter.take()
  }
  return yield* joinSorted(index.values())
}

/** Approximate cost of looking at one prefix, in microseconds. */
const JOIN_COST = 1

/** Nothing inside a pool with `disableBGPExport` is advertised, unless a filter accepts it first. */
export function unexportedRules(pools: Iterable<PoolObject>): Rule[] {
  const closed = [...pools].filter(({ disableBgpExport }) => disableBgpExport)
  return closed.sort((a, b) => (a.name < b.name ? -1 : 1)).map(unexportedRule)
}

function unexportedRule({ name, prefix }: PoolObject): Rule {
  const rule = `IPPool/${name} disableBGPExport`
  const match = { prefixes: [within(prefix)] }
  return { name: rule, match, action: 'reject', operations: [], reason: `inside ${prefix.text}, and ${rule} is set` }
}

/**
 * What may lie inside a pool that closes an unknown range is not advertised, unless a filter accepts it first. Pools do not
 * overlap, and such a pool holds no services: what lies in other pools and in service ranges does not wait for its `cidr`.
 */
export function unplacedRules(
  closed: readonly UnplacedPool[],
  pools: readonly PoolObject[],
  services: readonly PrefixMatch[],
): Rule[] {
  const elsewhere = [...pools.map(({ prefix }) => within(prefix)), ...services]
  return closed.map(({ name, family }) => ({
    name: `IPPool/${name} disableBGPExport`,
    match: { ...(family && { family }), notPrefixes: elsewhere },
    action: 'reject',
    operations: [],
    reason: `IPPool/${name} sets disableBGPExport for a cidr that cannot be read: it may lie there`,
  }))
}

/** The most overlaps that are named. */
const MOST_OVERLAPS = 10

/**
 * Problems of pools that overlap. For an address in several pools the most specific one decides, of equal ones the first by
 * name. Pools for LoadBalancer addresses only decide nothing and have a message of their own.
 */
export function overlapProblems(pools: Iterable<PoolObject>): Problem[] {
  const all = [...pools].sort((a, b) => byPosition(a.prefix, b.prefix) || (a.name < b.name ? -1 : 1))
  const deciding = overlaps(all.filter((pool) => !pool.loadBalancerOnly))
  const others = overlaps(all).filter((pair) => pair.some((pool) => pool.loadBalancerOnly))
  const first = new Map(all.toReversed().flatMap((pool) => (pool.loadBalancerOnly ? [] : [[pool.prefix.text, pool]])))
  return [
    ...deciding.map((pair) => decisionOf(pair, first.get(pair[0].prefix.text) ?? pair[0])),
    ...others.map(sharingOf),
  ]
    .slice(0, MOST_OVERLAPS)
    .flat()
}

type Overlap = readonly [outer: PoolObject, inner: PoolObject]

/** Each pool with the narrowest pool that contains it. `pools` must be sorted. */
function overlaps(pools: readonly PoolObject[]): Overlap[] {
  const found: Overlap[] = []
  /** The pools that contain the current one, the widest first. */
  const around: PoolObject[] = []
  for (const pool of pools) {
    while (around.length > 0 && !contains((around.at(-1) as PoolObject).prefix, pool.prefix)) around.pop()
    const outer = around.at(-1)
    if (outer !== undefined) found.push([outer, pool])
    around.push(pool)
  }
  return found
}

/** `first`: by name, of those with the CIDR of the outer one. */
function decisionOf([outer, inner]: Overlap, first: PoolObject): Problem[] {
  if (outer.prefix.text === inner.prefix.text) {
    const decides = `IPPool/${first.name}, the first by name, sets natOutgoing`
    return [
      overlapProblem(outer, `is also the CIDR of IPPool/${inner.name}; ${decides}`),
      overlapProblem(inner, `is also the CIDR of IPPool/${outer.name}; ${decides}`),
    ]
  }
  const decides = 'the more specific pool sets natOutgoing'
  return [
    overlapProblem(outer, `contains IPPool/${inner.name} (${inner.prefix.text}); for its addresses ${decides}`),
    overlapProblem(inner, `is inside IPPool/${outer.name} (${outer.prefix.text}); ${decides}`),
  ]
}

function sharingOf([outer, inner]: Overlap): Problem[] {
  const reserved = [outer, inner].filter((pool) => pool.loadBalancerOnly).map(({ name }) => `IPPool/${name}`)
  const only = `${reserved.join(' and ')} ${reserved.length === 1 ? 'is' : 'are'} for LoadBalancer addresses only`
  const says = `${only}: an address could be given out twice, and natOutgoing there has no effect`
  const isSame = outer.prefix.text === inner.prefix.text
  const [around, inside] = isSame ? ['is also the CIDR of', 'is also the CIDR of'] : ['contains', 'is inside']
  return [
    overlapProblem(outer, `${around} IPPool/${inner.name}${isSame ? '' : ` (${inner.prefix.text})`}; ${says}`),
    overlapProblem(inner, `${inside} IPPool/${outer.name}${isSame ? '' : ` (${outer.prefix.text})`}; ${says}`),
  ]
}

const overlapProblem = ({ name, prefix }: PoolObject, says: string): Problem =>
  makeProblem({
    code: 'pool-overlap',
    object: `IPPool/${name}`,
    field: 'spec.cidr',
    value: prefix.text,
    says,
    level: 'warning',
  })

/** The pools whose addresses belong to pods. */
export const podPools = (pools: Iterable<PoolObject>): PoolObject[] =>
  [...pools].filter(({ loadBalancerOnly }) => !loadBalancerOnly)

/** The most specific pool that contains the prefix; of equal ones the first by name. */
export function poolAround(pools: readonly PoolObject[], prefix: Prefix): PoolObject | undefined {
  const around = pools.filter((pool) => contains(pool.prefix, prefix))
  const [first] = around.sort((a, b) => b.prefix.length - a.prefix.length || (a.name < b.name ? -1 : 1))
  return first
}

/** The fewest prefixes with exactly the same addresses, sorted: the pod CIDRs of a large cluster become one. */
export function joinPrefixes(prefixes: readonly Prefix[]): Prefix[] {
  return FAMILIES.flatMap((family) => joinFamily(prefixes.filter((prefix) => prefix.family === family)))
}

/** The same for prefixes that are sorted by `byPosition`, in steps. */
export function* joinSorted(prefixes: Iterable<Prefix>): Work<Prefix[]> {
  const meter = new CostMeter()
  const kept: Prefix[] = []
  for (const prefix of prefixes) {
    joinNext(kept, prefix)
    meter.add(JOIN_COST)
    if (meter.isDue) yield meter.take()
  }
  return kept
}

function joinFamily(prefixes: readonly Prefix[]): Prefix[] {
  const kept: Prefix[] = []
  for (const prefix of [...prefixes].sort(byPosition)) joinNext(kept, prefix)
  return kept
}

function joinNext(kept: Prefix[], prefix: Prefix): void {
  const last = kept.at(-1)
  if (last !== undefined && contains(last, prefix)) return
  kept.push(prefix)
  joinTail(kept)
}

/** Joins the last two prefixes while they are the two halves of one prefix. */
function joinTail(kept: Prefix[]): void {
  for (;;) {
    const [a, b] = kept.slice(-2)
    if (a === undefined || b === undefined || a.length !== b.length || a.length === 0) return
    const parent = makePrefix(a.bytes, a.length - 1)
    if (!contains(parent, b)) return
    kept.splice(-2, 2, parent)
  }
}
