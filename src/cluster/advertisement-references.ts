/** What BGPAdvertisements name and what does not exist: peers, pools and community aliases. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Problem } from './intent.ts'
import type { AdvertisementObject, RouteChoice, ServiceAddressKind } from './objects.ts'
import { placed, podPools } from './pools.ts'
import { MOST_PER_OBJECT, makeProblem } from './problem.ts'
import { SERVICE_FIELDS } from './settings.ts'
import type { ObjectStore } from './store.ts'

/** Approximate costs in microseconds: to look at a BGPAdvertisement, and at a name in it. */
const ADVERTISEMENT_COST = 4
const NAME_COST = 0.2

export type Aliases = ReadonlyMap<string, readonly number[]>

export class References {
  /** Names of communities and their values, of BGPConfiguration/default. */
  readonly aliases: Aliases
  readonly #store: ObjectStore
  /** By kind of ranges: the length of the shortest of each family, for covering prefixes. */
  readonly #shortest = new Map<ServiceAddressKind | 'pods', Readonly<Partial<Record<Family, number>>>>()

  constructor(store: ObjectStore) {
    this.#store = store
    this.aliases = store.get('BGPConfiguration', 'default')?.communities ?? new Map<string, readonly number[]>()
  }

  /** The problems of one object, at most `MOST_PER_OBJECT`. */
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

/** The kinds of ranges that the covering prefixes of these routes must lie in. */
function coverableKinds(routes: readonly RouteChoice[]): (ServiceAddressKind | 'pods')[] {
  const namesPods = routes.some(({ kind }) => kind === 'podCIDRs' || kind === 'pools')
  const kinds = new Set(routes.flatMap((choice) => (choice.kind === 'services' ? choice.kinds : [])))
  return [...(namesPods ? ['pods' as const] : []), ...kinds]
}

/** The first name of a community that is none. */
export const unknownCommunity = ({ communities }: AdvertisementObject, aliases: Aliases) =>
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
