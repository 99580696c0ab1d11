/**
 * Covering prefixes (`aggregationLength` of a BGPAdvertisement). Each route that the object names is covered by the
 * prefix of that length around it. The covering prefix is a route while at least one route inside it exists. The more
 * specific route is advertised too where traffic must reach this node: for pods, and for services with the policy Local.
 * A service that every node serves is advertised by the covering prefix alone.
 *
 * A covering prefix must lie inside an IP pool for pods or inside a service range. Otherwise the route is advertised as
 * if there were no aggregation length.
 */
import { contains, makePrefix, type Prefix } from '../base/prefix.ts'
import type { AdvertisementObject } from './objects.ts'

/** A covering prefix that a BGPAdvertisement asks for. */
export interface Cover {
  readonly advertisement: string
  readonly prefix: Prefix
  readonly origin: 'pod-cidr' | 'service-cidr'
}

/** How BGPAdvertisements name and cover a route. */
export interface Naming {
  /** Names of the BGPAdvertisements that name it. */
  readonly named?: readonly string[]
  /** Covering prefixes that are wanted while the route is wanted. */
  readonly covers?: readonly Cover[]
}

/** A BGPAdvertisement that names a route. */
interface NamingAdvertisement {
  readonly object: Pick<AdvertisementObject, 'name' | 'aggregation'>
  readonly held: string | undefined
}

/** The mark of a route that a BGPAdvertisement advertises only by its covering prefix. */
export const coveredBy = (advertisement: string): string => `${advertisement}${COVERED}`
const COVERED = '/covered'

/** The BGPAdvertisement in a mark that `coveredBy` made; undefined for any other name. */
export const advertisementCovering = (name: string): string | undefined =>
  name.endsWith(COVERED) ? name.slice(0, -COVERED.length) : undefined

/** The mark of a route that another object wants too: it is advertised to all peers. */
export const FOR_ALL = '*'

interface CoverOptions {
  /** The cluster's ranges that may contain the covering prefix: pools for pods, or service ranges. */
  readonly ranges: readonly Prefix[]
  readonly origin: Cover['origin']
  /** Traffic must come to this node: the more specific route is advertised too. */
  readonly keepsSpecific: boolean
}

/** The names and covering prefixes of a route that these BGPAdvertisements name. */
export function nameRoute(
  chosenBy: readonly NamingAdvertisement[],
  prefix: Prefix,
  { ranges, origin, keepsSpecific }: CoverOptions,
): Naming {
  const covers: Cover[] = []
  const named = chosenBy.map(({ object: { name, aggregation }, held }) => {
    const cover = held === undefined ? coverOf(aggregation[prefix.family], prefix, ranges) : undefined
    if (cover !== undefined) covers.push({ advertisement: name, prefix: cover, origin })
    return cover === undefined || keepsSpecific ? name : coveredBy(name)
  })
  return covers.length === 0 ? { named } : { named, covers }
}

function coverOf(length: number | undefined, prefix: Prefix, ranges: readonly Prefix[]): Prefix | undefined {
  if (length === undefined || length >= prefix.length) return undefined
  const cover = makePrefix(prefix.bytes, length)
  return ranges.some((range) => contains(range, cover)) ? cover : undefined
}

/** Of several origins of one covering prefix the first counts: packets to unused addresses of pods end at its blackhole. */
const ORIGINS: readonly Cover['origin'][] = ['pod-cidr', 'service-cidr']

/** Counts the routes inside each covering prefix. */
export class CoverCounts {
  readonly #members = new Map<string, number>()

  /** Replaces the covering prefixes of one route. Returns those whose origin may have changed, or that are new or gone. */
  change(before: readonly Cover[], now: readonly Cover[]): readonly Cover[] {
    if (before === now) return NONE
    const begun = now.filter((cover) => this.#count(cover, 1) === 1)
    const ended = before.filter((cover) => this.#count(cover, -1) === 0)
    return [...begun, ...ended]
  }

  /** Undefined: no route is inside. */
  originOf({ advertisement, prefix }: Cover): Cover['origin'] | undefined {
    return ORIGINS.find((origin) => this.#members.has(keyOf({ advertisement, prefix, origin })))
  }

  #count(cover: Cover, change: 1 | -1): number {
    const key = keyOf(cover)
    const count = (this.#members.get(key) ?? 0) + change
    if (count === 0) this.#members.delete(key)
    else this.#members.set(key, count)
    return count
  }
}

/** The same for two covers that are one. */
export const keyOf = ({ advertisement, prefix, origin }: Cover): string => `${origin} ${advertisement} ${prefix.text}`

const NONE: readonly Cover[] = []
