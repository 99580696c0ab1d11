/**
 * The effect of all BGPAdvertisements that select this node. A route that a BGPAdvertisement names is advertised only to
 * the peers of the BGPAdvertisements that name it, with the attributes that they set. A route that none names is
 * advertised as if there were no BGPAdvertisement. Where several apply to one peer and one route, they apply in the order
 * of their names: communities and prepended AS numbers add up; for LOCAL_PREF, MED and next hop the last value counts.
 */
import { addressBytes } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import { hostPrefix, type Prefix } from '../base/prefix.ts'
import type { Operation, Rule } from '../bgp/policy/rule.ts'
import { coveredBy, FOR_ALL, type Naming, nameRoute } from './aggregation.ts'
import type { Problem } from './intent.ts'
import type { ClusterNode } from './node.ts'
import type { AdvertisementObject, PeerObject, RouteChoice, ServiceAddressKind, ServiceObject } from './objects.ts'
import type { PoolObject } from './pool.ts'
import { placed, podPools, poolAround } from './pools.ts'
import { makeProblem } from './problem.ts'
import type { Claim } from './route-book.ts'
import { matches } from './selector.ts'
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

export function surveyAdvertisements(store: ObjectStore, me: ClusterNode): Advertising {
  const problems: Problem[] = []
  const aliases = communityAliases(store)
  const ours = [...store.table('BGPAdvertisement').values()]
    .filter(({ nodeSelector }) => nodeSelector === undefined || matches(nodeSelector, me.labels))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const all = ours.map((object): NodeAdvertisement => {
    const unknown = unknownCommunity(object, aliases)
    problems.push(...referencesOf(object, aliases, store))
    const held =
      unknown === undefined ? undefined : `BGPAdvertisement/${object.name}: no community has the name ${unknown}`
    return { object, operations: operationsOf(object, aliases), held: object.held ?? held }
  })
  return { all, pools: podPools(placed(store.table('IPPool').values())), problems }
}

type Aliases = ReadonlyMap<string, readonly number[]>

export const communityAliases = (store: ObjectStore): Aliases =>
  store.get('BGPConfiguration', 'default')?.communities ?? new Map<string, readonly number[]>()

/** The peers, pools and community aliases that it names and that do not exist. */
export function referencesOf(object: AdvertisementObject, aliases: Aliases, store: ObjectStore): Problem[] {
  const unknown = unknownCommunity(object, aliases)
  return [
    ...(unknown === undefined ? [] : [unknownAlias(object, unknown)]),
    ...unknownPeers(object, store),
    ...unknownPools(object, store),
    ...aggregationOutside(object, store),
  ]
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

/** A covering prefix that no range contains is not advertised: the length has no effect there. */
function aggregationOutside({ name, routes, aggregation }: AdvertisementObject, store: ObjectStore): Problem[] {
  const ranges = coverableRanges(routes, store)
  return FAMILIES.flatMap((family) => {
    const length = aggregation[family]
    if (length === undefined) return []
    return ranges.flatMap(({ field, prefixes }) => {
      const there = prefixes.filter((range) => range.family === family)
      if (there.some((range) => range.length <= length) || (there.length === 0 && field !== 'IPPool')) return []
      const what = field === 'IPPool' ? 'IPPool: pod CIDRs' : `range of ${field}: its addresses`
      const says = `is shorter than the prefix length of every ${what} are advertised without a covering prefix`
      const at = { object: `BGPAdvertisement/${name}`, field: `spec.aggregationLength.${family}`, value: length }
      return makeProblem({ code: 'aggregation-outside', ...at, says, level: 'warning' })
    })
  })
}

/** A covering prefix must lie in one of these. */
interface CoverableRanges {
  /** `IPPool`, or the field of BGPConfiguration. */
  readonly field: string
  readonly prefixes: readonly Prefix[]
}

function coverableRanges(routes: readonly RouteChoice[], store: ObjectStore): CoverableRanges[] {
  const cidrs = store.get('BGPConfiguration', 'default')?.serviceCidrs
  const namesPods = routes.some(({ kind }) => kind === 'podCIDRs' || kind === 'pools')
  const kinds = new Set(routes.flatMap((choice) => (choice.kind === 'services' ? choice.kinds : [])))
  const pools = namesPods ? podPools(placed(store.table('IPPool').values())).map(({ prefix }) => prefix) : []
  return [
    ...(namesPods ? [{ field: 'IPPool', prefixes: pools }] : []),
    ...[...kinds].map((kind) => ({ field: SERVICE_FIELDS[kind], prefixes: cidrs?.[kind] ?? [] })),
  ]
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

/** Names a pod CIDR, an IPAM block or a single pod address. */
export function namePods({ all, pools }: Advertising, prefix: Prefix): Naming {
  const pool = poolAround(pools, prefix)
  const chosenBy = advertisementsChoosing(
    all,
    (choice) => choice.kind === 'podCIDRs' || (choice.kind === 'pools' && choosesPool(choice, pool)),
  )
  const ranges = pools.map((one) => one.prefix)
  return nameRoute(chosenBy, prefix, { ranges, origin: 'pod-cidr', keepsSpecific: true })
}

function choosesPool({ names, selector }: Extract<RouteChoice, { kind: 'pools' }>, pool: PoolObject | undefined) {
  if (pool === undefined) return false
  if (names === undefined && selector === undefined) return true
  return names?.includes(pool.name) === true || (selector !== undefined && matches(selector, pool.labels))
}

export const advertisementsOfRange = (all: readonly NodeAdvertisement[], kind: ServiceAddressKind): string[] =>
  advertisementsChoosing(all, (choice) => choice.kind === 'serviceRanges' && choice.kinds.includes(kind)).map(
    ({ object }) => object.name,
  )

export function advertisementsOfService(
  all: readonly NodeAdvertisement[],
  { namespace, labels, loadBalancerClass }: ServiceObject,
  kind: ServiceAddressKind,
): NodeAdvertisement[] {
  return advertisementsChoosing(
    all,
    (choice) =>
      choice.kind === 'services' &&
      choice.kinds.includes(kind) &&
      choice.namespaces?.includes(namespace) !== false &&
      choice.loadBalancerClasses?.includes(loadBalancerClass) !== false &&
      (choice.selector === undefined || matches(choice.selector, labels)),
  )
}

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
export function ownClaims(
  { object }: NodeAdvertisement,
  me: ClusterNode,
  interfaces: ReadonlyMap<string, InterfaceAddresses>,
): { readonly claims: Claim[]; readonly why: string | undefined } {
  const named = object.routes.flatMap((choice) => interfacesIn(choice))
  const there = named.flatMap((name) => interfaces.get(name)?.prefixes ?? [])
  const leftOut = named.flatMap((name) => interfaces.get(name)?.leftOut ?? [])
  const whys = named.flatMap((name) => {
    const { why } = interfaces.get(name) ?? UNKNOWN
    return why === undefined ? [] : [`interface ${name}: ${why}`]
  })
  const unique = new Map(there.map((prefix) => [prefix.text, prefix]))
  const own = prefixClaims(object, me)
  // What is asked for by itself does not depend on an interface that has it too.
  for (const { prefix } of own) unique.delete(prefix.text)
  const addresses = [...unique.values()].map(
    (prefix): Claim => ({ prefix, origin: 'interface', refused: undefined, named: [object.name] }),
  )
  const taken = new Set([...own.map(({ prefix }) => prefix.text), ...unique.keys()])
  const refused = leftOut
    .filter(({ prefix }) => !taken.has(prefix.text))
    .map(({ prefix, why }): Claim => ({ prefix, origin: 'interface', refused: why, named: [object.name] }))
  return { claims: [...own, ...addresses, ...refused], why: whys.length === 0 ? undefined : whys.join('; ') }
}

function prefixClaims(object: AdvertisementObject, me: ClusterNode): Claim[] {
  const prefixes = object.routes.flatMap((choice) => {
    if (choice.kind === 'prefixes') return choice.prefixes
    if (choice.kind !== 'nodeAddresses') return []
    return FAMILIES.flatMap((family) => hostPrefix(me.addresses[family] ?? '') ?? [])
  })
  const byText = new Map(prefixes.map((prefix) => [prefix.text, prefix]))
  return [...byText.values()].map((prefix) => ({
    prefix,
    origin: 'advertisement',
    refused: undefined,
    named: [object.name],
  }))
}

// ── To whom, with what ───────────────────────────────────────────────────────────────────────────────────────────────

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
  return peers?.includes(peer.name) === true || (peerSelector !== undefined && matches(peerSelector, peer.labels))
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
  const covered = all.filter(({ object }) => mine.includes(object.name)).flatMap(coveredRules(mine))
  const others: Rule = {
    name: 'BGPAdvertisements for other peers',
    // Whatever other names there are: a route may still have that of an object which is gone.
    match: { source: 'originated', notNamed: [...mine, FOR_ALL] },
    action: 'reject',
    operations: [],
    reason: 'the BGPAdvertisements that name it are for other peers',
  }
  const ours = all.filter(({ object, held: reason }) => reason === undefined && mine.includes(object.name))
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
