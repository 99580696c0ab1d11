/**
 * The effect of all BGPAdvertisements that select this node. A route that a BGPAdvertisement names is advertised only to
 * the peers of the BGPAdvertisements that name it, with the attributes that they set. A route that none names is
 * advertised as if there were no BGPAdvertisement. Where several apply to one peer and one route, they apply in the order
 * of their names: communities and prepended AS numbers add up; for LOCAL_PREF, MED and next hop the last value counts.
 */
import type { Family } from '../base/family.ts'
import { isIn } from '../base/overlap.ts'
import type { Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { Operation } from '../bgp/policy/rule.ts'
import { type Aliases, References, unknownCommunity } from './advertisement-references.ts'
import { type Naming, nameRoute } from './aggregation.ts'
import type { Problem } from './intent.ts'
import type { ClusterNode } from './node.ts'
import type { AdvertisementObject, RouteChoice, ServiceAddressKind, ServiceObject } from './objects.ts'
import type { PoolObject } from './pool.ts'
import { placed, podPools, poolAround } from './pools.ts'
import { same } from './same.ts'
import { matches, questionsOf } from './selector.ts'
import type { ObjectStore } from './store.ts'

/** BGPAdvertisements that select this node, in the order of their names, with community aliases resolved. */
export interface Advertising {
  readonly all: readonly NodeAdvertisement[]
  /** IP pools for pods, not those for LoadBalancer addresses only. */
  readonly pools: readonly PoolObject[]
  readonly problems: readonly Problem[]
}

export interface NodeAdvertisement {
  readonly object: AdvertisementObject
  readonly operations: readonly Operation[]
  /** Why the routes that it names are advertised to no neighbor; undefined: they are advertised. */
  readonly held: string | undefined
}

/** Approximate costs in microseconds: to look at a BGPAdvertisement, and to ask a question of a selector. */
const OBJECT_COST = 0.2
export const QUESTION_COST = 0.1

export function* surveyAdvertisements(store: ObjectStore, me: ClusterNode): Work<Advertising> {
  const problems: Problem[] = []
  const references = new References(store)
  const meter = new CostMeter()
  const ours: AdvertisementObject[] = []
  for (const object of store.table('BGPAdvertisement').values()) {
    const { nodeSelector } = object
    if (nodeSelector === undefined || matches(nodeSelector, me.labels)) ours.push(object)
    meter.add(OBJECT_COST + QUESTION_COST * questionsOf(nodeSelector))
    if (meter.isDue) yield meter.take()
  }
  const all: NodeAdvertisement[] = []
  for (const object of yield* sorted(ours, (a, b) => (a.name < b.name ? -1 : 1))) {
    const unknown = unknownCommunity(object, references.aliases)
    for (const problem of references.of(object)) problems.push(problem)
    const held =
      unknown === undefined ? undefined : `BGPAdvertisement/${object.name}: no community has the name ${unknown}`
    all.push({ object, operations: operationsOf(object, references.aliases), held: object.held ?? held })
    meter.add(references.costOf(object))
    if (meter.isDue) yield meter.take()
  }
  return { all, pools: podPools(placed(store.table('IPPool').values())), problems }
}

/** Objects that have not changed are the same values: their routes need no comparison. */
export const sameAdvertising = (a: Advertising, b: Advertising): boolean =>
  a.all.length === b.all.length &&
  a.all.every((one, index) => {
    const other = b.all[index]
    return one.object === other?.object && one.held === other.held && same(one.operations, other.operations)
  }) &&
  same(a.pools, b.pools) &&
  same(a.problems, b.problems)

/** The lengths of covering prefixes that nodes may advertise for LoadBalancer addresses. This node need not be selected. */
export function coveringLengths(store: ObjectStore): Readonly<Record<Family, readonly number[]>> {
  const choosing = [...store.table('BGPAdvertisement').values()].filter(({ routes }) =>
    routes.some((choice) => choice.kind === 'services' && choice.kinds.includes('load-balancer')),
  )
  const lengths = (family: Family): number[] => [
    ...new Set(choosing.flatMap(({ aggregation }) => aggregation[family] ?? [])),
  ]
  return { ipv4: lengths('ipv4').sort(byNumber), ipv6: lengths('ipv6').sort(byNumber) }
}

const byNumber = (a: number, b: number): number => a - b

function operationsOf({ communities, localPref, med, prepend }: AdvertisementObject, aliases: Aliases): Operation[] {
  const values = communities.flatMap((one) => (typeof one === 'string' ? [aliases.get(one) ?? []] : [one]))
  return [
    ...values.filter(({ length }) => length > 0).map((community) => ({ kind: 'add-community', community }) as const),
    ...(localPref === undefined ? [] : [{ kind: 'set-local-pref', value: localPref } as const]),
    ...(med === undefined ? [] : [{ kind: 'set-med', value: med } as const]),
    ...(prepend.length === 0 ? [] : [{ kind: 'prepend', path: prepend } as const]),
  ]
}

/** The BGPAdvertisements that name a route, by a test on each of their `routes`. */
export const advertisementsChoosing = (
  all: readonly NodeAdvertisement[],
  chooses: (choice: RouteChoice) => boolean,
): NodeAdvertisement[] => all.filter(({ object }) => object.routes.some(chooses))

/** The same in steps. `kind`: of the choices that are asked. */
function* choosingInSteps(
  all: readonly NodeAdvertisement[],
  kind: RouteChoice['kind'],
  chooses: (choice: RouteChoice) => boolean,
): Work<NodeAdvertisement[]> {
  const found: NodeAdvertisement[] = []
  const meter = new CostMeter()
  for (const one of all) {
    if (one.object.routes.some(chooses)) found.push(one)
    meter.add(costOfObject(one.object, kind))
    if (meter.isDue) yield meter.take()
  }
  yield meter.take()
  return found
}

/** About what it takes to ask it for a route, in microseconds. Objects do not change. */
function costOfObject(object: AdvertisementObject, kind: RouteChoice['kind']): number {
  const known = COSTS.get(object)?.[kind]
  if (known !== undefined) return known
  const questions = object.routes.reduce(
    (sum, choice) => sum + (choice.kind === kind && 'selector' in choice ? questionsOf(choice.selector) : 0),
    0,
  )
  const cost = (1 + object.routes.length) * LOOK_COST + questions * QUESTION_COST
  COSTS.set(object, { ...COSTS.get(object), [kind]: cost })
  return cost
}

const COSTS = new WeakMap<AdvertisementObject, Partial<Record<RouteChoice['kind'], number>>>()
/** Approximate cost of looking at one entry of `routes`, in microseconds. */
const LOOK_COST = 0.05

/** The BGPAdvertisements that name the addresses of a service, by their kind. */
export type ChosenByKind = Readonly<Record<ServiceAddressKind, readonly NodeAdvertisement[]>>

export function* advertisementsOfService(
  all: readonly NodeAdvertisement[],
  { namespace, labels, loadBalancerClass, clusterIps, externalIps, loadBalancerIps }: ServiceObject,
): Work<ChosenByKind> {
  const chooses = (kind: ServiceAddressKind) => (choice: RouteChoice) =>
    choice.kind === 'services' &&
    choice.kinds.includes(kind) &&
    (choice.namespaces === undefined || isIn(choice.namespaces, namespace)) &&
    (choice.loadBalancerClasses === undefined || isIn(choice.loadBalancerClasses, loadBalancerClass)) &&
    (choice.selector === undefined || matches(choice.selector, labels))
  function* of(kind: ServiceAddressKind, addresses: readonly Prefix[]): Work<readonly NodeAdvertisement[]> {
    return addresses.length === 0 || all.length === 0 ? NOBODY : yield* choosingInSteps(all, 'services', chooses(kind))
  }
  return {
    cluster: yield* of('cluster', clusterIps),
    external: yield* of('external', externalIps),
    'load-balancer': yield* of('load-balancer', loadBalancerIps),
  }
}

const NOBODY: readonly NodeAdvertisement[] = []

/** Names a pod CIDR, an IPAM block or a single pod address. */
export function* namePods({ all, pools }: Advertising, prefix: Prefix): Work<Naming> {
  if (all.length === 0) return { named: [] }
  const pool = poolAround(pools, prefix)
  yield pools.length * LOOK_COST
  const chosenBy = yield* choosingInSteps(
    all,
    'pools',
    (choice) => choice.kind === 'podCIDRs' || (choice.kind === 'pools' && choosesPool(choice, pool)),
  )
  const ranges = pools.map((one) => one.prefix)
  yield ranges.length * chosenBy.filter(covers).length * LOOK_COST
  return nameRoute(chosenBy, prefix, { ranges, origin: 'pod-cidr', keepsSpecific: true })
}

/** Whether it asks for covering prefixes, each of which is looked for in all ranges. */
export const covers = ({ object }: NodeAdvertisement): boolean => Object.keys(object.aggregation).length > 0

function choosesPool({ names, selector }: Extract<RouteChoice, { kind: 'pools' }>, pool: PoolObject | undefined) {
  if (pool === undefined) return false
  if (names === undefined && selector === undefined) return true
  return (names !== undefined && isIn(names, pool.name)) || (selector !== undefined && matches(selector, pool.labels))
}

export const advertisementsOfRange = (all: readonly NodeAdvertisement[], kind: ServiceAddressKind): string[] =>
  advertisementsChoosing(all, (choice) => choice.kind === 'serviceRanges' && choice.kinds.includes(kind)).map(
    ({ object }) => object.name,
  )

/** About what it takes to ask all of them whether they name a pod, in microseconds. */
export const costOfPods = (all: readonly NodeAdvertisement[]): number =>
  all.reduce((sum, { object }) => sum + costOfObject(object, 'pods'), 0)
