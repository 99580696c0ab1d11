/**
 * The effect of all BGPAdvertisements that select this node. A route that a BGPAdvertisement names is advertised only to
 * the peers of the BGPAdvertisements that name it, with the attributes that they set. A route that none names is
 * advertised as if there were no BGPAdvertisement. Where several apply to one peer and one route, they apply in the order
 * of their names: communities and prepended AS numbers add up; for LOCAL_PREF, MED and next hop the last value counts.
 */
import { addressBytes } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import { isIn } from '../base/overlap.ts'
import { hostPrefix, type Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { Operation, Rule } from '../bgp/policy/rule.ts'
import { coveredBy, FOR_ALL, type Naming, nameRoute } from './aggregation.ts'
import type { Problem } from './intent.ts'
import type { ClusterNode } from './node.ts'
import type { AdvertisementObject, PeerObject, RouteChoice, ServiceAddressKind, ServiceObject } from './objects.ts'
import type { PoolObject } from './pool.ts'
import { placed, podPools, poolAround } from './pools.ts'
import { MOST_PER_OBJECT, makeProblem } from './problem.ts'
import type { Claim } from './route-book.ts'
import { same } from './same.ts'
import { matches, questionsOf } from './selector.ts'
import { SERVICE_FIELDS } from './settings.ts'
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

/** Approximate costs in microseconds: to look at a BGPAdvertisement, at a name in it, and to ask a question of a selector. */
const ADVERTISEMENT_COST = 4
const NAME_COST = 0.2
const QUESTION_COST = 0.1

export function* surveyAdvertisements(store: ObjectStore, me: ClusterNode): Work<Advertising> {
  const problems: Problem[] = []
  const references = new References(store)
  const meter = new CostMeter()
  const ours: AdvertisementObject[] = []
  for (const object of store.table('BGPAdvertisement').values()) {
    const { nodeSelector } = object
    if (nodeSelector === undefined || matches(nodeSelector, me.labels)) ours.push(object)
    meter.add(NAME_COST + QUESTION_COST * questionsOf(nodeSelector))
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

type Aliases = ReadonlyMap<string, readonly number[]>

/** What BGPAdvertisements name and what does not exist: peers, pools and community aliases. */
export class References {
  readonly aliases: Aliases
  readonly #store: ObjectStore
  /** By kind of ranges: the length of the shortest of each family, for covering prefixes. */
  readonly #shortest = new Map<ServiceAddressKind | 'pods', Readonly<Partial<Record<Family, number>>>>()

  constructor(store: ObjectStore) {
    this.#store = store
    this.aliases = store.get('BGPConfiguration', 'default')?.communities ?? new Map<string, readonly number[]>()
  }

  /** As many of one object as are reported of its fields. */
  of(object: AdvertisementObject): Problem[] {
    const unknown = unknownCommunity(object, this.aliases)
    return [
      ...(unknown === undefined ? [] : [unknownAlias(object, unknown)]),
      ...unknownPeers(object, this.#store),
      ...unknownPools(object, this.#store),
      ...this.#aggregationOutside(object),
    ].slice(0, MOST_PER_OBJECT)
  }

  /** About what `of` takes, in microseconds. */
  costOf({ peers = [], routes, communities }: AdvertisementObject): number {
    const pools = routes.reduce((sum, choice) => sum + (choice.kind === 'pools' ? (choice.names?.length ?? 0) : 0), 0)
    return ADVERTISEMENT_COST + (peers.length + routes.length + pools + communities.length) * NAME_COST
  }

  /** A covering prefix that no range contains is not advertised: the length has no effect there. */
  #aggregationOutside({ name, routes, aggregation }: AdvertisementObject): Problem[] {
    const kinds = Object.keys(aggregation).length === 0 ? [] : coverableKinds(routes)
    return FAMILIES.flatMap((family) => {
      const length = aggregation[family]
      if (length === undefined) return []
      return kinds.flatMap((kind) => {
        const shortest = this.#shortestOf(kind)[family]
        const hasNone = shortest === undefined && kind !== 'pods'
        if (hasNone || (shortest !== undefined && shortest <= length)) return []
        const what = kind === 'pods' ? 'IPPool: pod CIDRs' : `range of ${SERVICE_FIELDS[kind]}: its addresses`
        const says = `is shorter than the prefix length of every ${what} are advertised without a covering prefix`
        const at = { object: `BGPAdvertisement/${name}`, field: `spec.aggregationLength.${family}`, value: length }
        return makeProblem({ code: 'aggregation-outside', ...at, says, level: 'warning' })
      })
    })
  }

  #shortestOf(kind: ServiceAddressKind | 'pods'): Readonly<Partial<Record<Family, number>>> {
    const known = this.#shortest.get(kind)
    if (known !== undefined) return known
    const found: Partial<Record<Family, number>> = {}
    for (const { family, length } of this.#ranges(kind)) found[family] = Math.min(found[family] ?? length, length)
    this.#shortest.set(kind, found)
    return found
  }

  #ranges(kind: ServiceAddressKind | 'pods'): readonly Prefix[] {
    if (kind !== 'pods') return this.#store.get('BGPConfiguration', 'default')?.serviceCidrs[kind] ?? []
    return podPools(placed(this.#store.table('IPPool').values())).map(({ prefix }) => prefix)
  }
}

/** A covering prefix must lie in one of these. */
function coverableKinds(routes: readonly RouteChoice[]): (ServiceAddressKind | 'pods')[] {
  const namesPods = routes.some(({ kind }) => kind === 'podCIDRs' || kind === 'pools')
  const kinds = new Set(routes.flatMap((choice) => (choice.kind === 'services' ? choice.kinds : [])))
  return [...(namesPods ? ['pods' as const] : []), ...kinds]
}

const unknownCommunity = ({ communities }: AdvertisementObject, aliases: Aliases) =>
  communities.find((one) => typeof one === 'string' && !aliases.has(one))

function unknownAlias({ name, communities }: AdvertisementObject, unknown: readonly number[] | string): Problem {
  return makeProblem({
    code: 'community-unknown',
    object: `BGPAdvertisement/${name}`,
    field: `spec.communities[${communities.indexOf(unknown)}]`,
    value: unknown,
    says: 'names no community of BGPConfiguration/default; the routes it names are advertised to no peer',
  })
}

function unknownPeers({ name, peers = [] }: AdvertisementObject, store: ObjectStore): Problem[] {
  return peers.flatMap((peer, index) => {
    if (store.exists('BGPPeer', peer)) return []
    const at = { object: `BGPAdvertisement/${name}`, field: `spec.peers[${index}]`, value: peer }
    return makeProblem({ code: 'advertisement-peer-missing', ...at, says: 'is not a BGPPeer', level: 'warning' })
  })
}

function unknownPools({ name, routes }: AdvertisementObject, store: ObjectStore): Problem[] {
  return routes.flatMap((choice, at) => {
    const names = choice.kind === 'pools' ? (choice.names ?? []) : []
    return names.flatMap((pool, index) => {
      if (store.exists('IPPool', pool)) return []
      const place = {
        object: `BGPAdvertisement/${name}`,
        field: `spec.routes[${at}].pools.names[${index}]`,
        value: pool,
      }
      return makeProblem({ code: 'advertisement-pool-missing', ...place, says: 'is not an IPPool', level: 'warning' })
    })
  })
}

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

function operationsOf(
  { communities, localPref, med, prepend }: AdvertisementObject,
  aliases: ReadonlyMap<string, readonly number[]>,
): Operation[] {
  const values = communities.flatMap((one) => (typeof one === 'string' ? [aliases.get(one) ?? []] : [one]))
  return [
    ...values.filter(({ length }) => length > 0).map((community) => ({ kind: 'add-community', community }) as const),
    ...(localPref === undefined ? [] : [{ kind: 'set-local-pref', value: localPref } as const]),
    ...(med === undefined ? [] : [{ kind: 'set-med', value: med } as const]),
    ...(prepend.length === 0 ? [] : [{ kind: 'prepend', path: prepend } as const]),
  ]
}

// ── Which routes ─────────────────────────────────────────────────────────────────────────────────────────────────────

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

/** The addresses of an interface of this node, as /32 and /128. */
export interface InterfaceAddresses {
  readonly prefixes: readonly Prefix[]
  readonly leftOut: readonly LeftOutAddress[]
  /** Why there are none, as in `interface eth1: …`; undefined: there are some. */
  readonly why: string | undefined
  /** The missing addresses are reported as a problem. */
  readonly isProblem: boolean
}

/** An address of an interface that is not advertised, and why. */
export interface LeftOutAddress {
  readonly prefix: Prefix
  readonly why: string
}

const UNKNOWN: InterfaceAddresses = {
  prefixes: [],
  leftOut: [],
  why: 'its addresses are known on the node alone',
  isProblem: false,
}

/** Interfaces whose addresses are advertised. */
export function interfacesOf(all: readonly NodeAdvertisement[]): string[] {
  const names = all.flatMap(({ object }) => object.routes.flatMap((choice) => interfacesIn(choice)))
  return [...new Set(names)].sort()
}

const interfacesIn = (choice: RouteChoice): readonly string[] => (choice.kind === 'interfaces' ? choice.names : [])

/** A problem for each interface without an address to advertise. */
export function interfaceProblems(
  all: readonly NodeAdvertisement[],
  addresses: ReadonlyMap<string, InterfaceAddresses>,
): Problem[] {
  return all.flatMap(({ object: { name, routes } }) =>
    routes.flatMap((choice, at) =>
      interfacesIn(choice).flatMap((value, index): Problem[] => {
        const { why = '', isProblem } = addresses.get(value) ?? UNKNOWN
        const place = { object: `BGPAdvertisement/${name}`, field: `spec.routes[${at}].interfaces[${index}]`, value }
        const says = `adds no address: ${why}`
        return isProblem ? [makeProblem({ code: 'interface-without-address', ...place, says, level: 'warning' })] : []
      }),
    ),
  )
}

/** Routes that exist only because a BGPAdvertisement asks for them: prefixes, node and interface addresses. */
export function* ownClaims(
  { object }: NodeAdvertisement,
  me: ClusterNode,
  interfaces: ReadonlyMap<string, InterfaceAddresses>,
): Work<{ readonly claims: Claim[]; readonly why: string | undefined }> {
  const named = [object.name]
  // What is asked for by itself does not depend on an interface that has it too.
  const claims = new Map<string, Claim>()
  const meter = new CostMeter()
  function* add(prefixes: readonly Prefix[], origin: Claim['origin']): Work {
    for (const prefix of prefixes) {
      if (!claims.has(prefix.text)) claims.set(prefix.text, { prefix, origin, refused: undefined, named })
      meter.add(NAME_COST)
      if (meter.isDue) yield meter.take()
    }
  }
  for (const choice of object.routes) {
    if (choice.kind === 'prefixes') yield* add(choice.prefixes, 'advertisement')
    if (choice.kind === 'nodeAddresses')
      yield* add(
        FAMILIES.flatMap((family) => hostPrefix(me.addresses[family] ?? '') ?? []),
        'advertisement',
      )
  }
  const names = object.routes.flatMap((choice) => interfacesIn(choice))
  const whys: string[] = []
  const asked = new Map(names.map((name) => [name, interfaces.get(name) ?? UNKNOWN]))
  for (const [name, { prefixes, why }] of asked) {
    yield* add(prefixes, 'interface')
    if (why !== undefined) whys.push(`interface ${name}: ${why}`)
  }
  const refused: Claim[] = []
  for (const { leftOut } of asked.values()) {
    for (const { prefix, why } of leftOut) {
      if (!claims.has(prefix.text)) refused.push({ prefix, origin: 'interface', refused: why, named })
      meter.add(NAME_COST)
      if (meter.isDue) yield meter.take()
    }
  }
  yield meter.take()
  return { claims: [...claims.values(), ...refused], why: whys.length === 0 ? undefined : whys.join('; ') }
}

// ── To whom, with what ───────────────────────────────────────────────────────────────────────────────────────────────

/** About what it takes to ask all of them whether they name a pod, in microseconds. */
export const costOfPods = (all: readonly NodeAdvertisement[]): number =>
  all.reduce((sum, { object }) => sum + costOfObject(object, 'pods'), 0)

/** About what it takes to find those for a peer, and to make its rules, in microseconds. */
export const costOfPeers = (all: readonly NodeAdvertisement[]): number =>
  all.reduce((sum, { object }) => sum + RULE_COST + questionsOf(object.peerSelector) * QUESTION_COST, 0)
const RULE_COST = 1

/** Names of the BGPAdvertisements for this peer. Undefined stands for the mesh: only those without `peers` apply. */
export function forPeer(
  all: readonly NodeAdvertisement[],
  peer: Pick<PeerObject, 'name' | 'labels'> | undefined,
): string[] {
  return all.filter(({ object }) => isFor(object, peer)).map(({ object }) => object.name)
}

function isFor(
  { peers, peerSelector }: AdvertisementObject,
  peer: Pick<PeerObject, 'name' | 'labels'> | undefined,
): boolean {
  if (peers === undefined && peerSelector === undefined) return true
  if (peer === undefined) return false
  return (
    (peers !== undefined && isIn(peers, peer.name)) ||
    (peerSelector !== undefined && matches(peerSelector, peer.labels))
  )
}

/** These rules run before BGPFilters, so that filters see the routes as they would be advertised. */
export function advertisementRules(all: readonly NodeAdvertisement[], mine: readonly string[]): Rule[] {
  if (all.length === 0) return []
  const held = all.flatMap(({ object, held: reason }): Rule[] => {
    if (reason === undefined) return []
    const name = `BGPAdvertisement/${object.name} held`
    // A route of pods or a covering prefix that another object wants too is still advertised, as if this
    // BGPAdvertisement did not exist.
    const match: Rule['match'] = { source: 'originated', named: [object.name], notNamed: [FOR_ALL] }
    return [{ name, match, action: 'reject', operations: [], reason }]
  })
  const covered = all.filter(({ object }) => isIn(mine, object.name)).flatMap(coveredRules(mine))
  const others: Rule = {
    name: 'BGPAdvertisements for other peers',
    // Whatever other names there are: a route may still have that of an object which is gone.
    match: { source: 'originated', notNamed: [...mine, FOR_ALL] },
    action: 'reject',
    operations: [],
    reason: 'the BGPAdvertisements that name it are for other peers',
  }
  const ours = all.filter(({ object, held: reason }) => reason === undefined && isIn(mine, object.name))
  return [...held, ...covered, ...(mine.length < all.length ? [others] : []), ...ours.flatMap(rulesOf)]
}

/** Another BGPAdvertisement for this peer may still advertise the route. */
const coveredRules =
  (mine: readonly string[]) =>
  ({ object: { name, aggregation } }: NodeAdvertisement): Rule[] => {
    if (Object.keys(aggregation).length === 0) return []
    const match: Rule['match'] = { source: 'originated', named: [coveredBy(name)], notNamed: mine }
    const reason = `BGPAdvertisement/${name} advertises the covering prefix in its place`
    return [{ name: `BGPAdvertisement/${name} covered`, match, action: 'reject', operations: [], reason }]
  }

function rulesOf({ object, operations }: NodeAdvertisement): Rule[] {
  const name = `BGPAdvertisement/${object.name}`
  const match: Rule['match'] = { source: 'originated', named: [object.name] }
  const hops = FAMILIES.flatMap((family): Rule[] => {
    const address = object.nextHops[family]
    if (address === undefined) return []
    const operation: Operation = { kind: 'set-next-hop', address: addressBytes(address) }
    return [{ name: `${name} next hop`, match: { ...match, family }, action: 'next', operations: [operation] }]
  })
  return [...(operations.length === 0 ? [] : [{ name, match, action: 'next', operations } as const]), ...hops]
}
