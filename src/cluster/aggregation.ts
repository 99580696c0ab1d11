/**
 * Covering prefixes (`aggregationLength` of a BGPAdvertisement). Each route that the object names is covered by the
 * prefix of that length around it, which is a route as long as one inside it is. A more specific route stays beside it
 * where traffic must come to this node: pods, and services with the policy Local. A service that every node serves is
 * then advertised by the covering prefix alone.
 *
 * What lies around must be the cluster's: the covering prefix is inside a pool of pods, or inside a service range.
 * Otherwise the route is advertised as if there were no length.
 */
import { contains, makePrefix, type Prefix } from '../base/prefix.ts'
import type { AdvertisementObject } from './objects.ts'

/** A covering prefix, as a BGPAdvertisement wants it. */
export interface Cover {
  readonly advertisement: string
  readonly prefix: Prefix
  readonly origin: 'pod-cidr' | 'service-cidr'
}

/** What BGPAdvertisements say of a route. */
export interface Naming {
  /** Those that name it. */
  readonly named?: readonly string[]
  /** Covering prefixes that are wanted while the route is. */
  readonly covers?: readonly Cover[]
}

interface Choosing {
  readonly object: Pick<AdvertisementObject, 'name' | 'aggregation'>
  readonly held: string | undefined
}

/** Names a route that an object advertises by the covering prefix alone. */
export const coveredBy = (advertisement: string): string => `${advertisement}${COVERED}`
const COVERED = '/covered'

/** Of a name that `coveredBy` made. */
export const advertisementCovering = (name: string): string | undefined =>
  name.endsWith(COVERED) ? name.slice(0, -COVERED.length) : undefined

/** Names a route that is also wanted by somebody who names no peers. */
export const FOR_ALL = '*'

interface Around {
  /** Ranges of the cluster. */
  readonly ranges: readonly Prefix[]
  readonly origin: Cover['origin']
  /** Traffic must come to this node: the more specific route is advertised too. */
  readonly isLocal: boolean
}

/** How a route is named that these have chosen, and by what it is covered. */
export function nameRoute(chosenBy: readonly Choosing[], prefix: Prefix, { ranges, origin, isLocal }: Around): Naming {
  const covers: Cover[] = []
  const named = chosenBy.map(({ object: { name, aggregation }, held }) => {
    const cover = held === undefined ? coverOf(aggregation[prefix.family], prefix, ranges) : undefined
    if (cover !== undefined) covers.push({ advertisement: name, prefix: cover, origin })
    return cover === undefined || isLocal ? name : coveredBy(name)
  })
  return covers.length === 0 ? { named } : { named, covers }
}

function coverOf(length: number | undefined, prefix: Prefix, ranges: readonly Prefix[]): Prefix | undefined {
  if (length === undefined || length >= prefix.length) return undefined
  const cover = makePrefix(prefix.bytes, length)
  return ranges.some((range) => contains(range, cover)) ? cover : undefined
}

/** Counts for each covering prefix the routes inside it. */
export class Covers {
  readonly #members = new Map<string, number>()

  /** Of one route: which covering prefixes have their first route now, and which their last no more. */
  change(
    before: readonly Cover[],
    now: readonly Cover[],
  ): { readonly begun: readonly Cover[]; readonly ended: readonly Cover[] } {
    if (before === now) return NO_CHANGE
    const begun = now.filter((cover) => this.#count(cover, 1) === 1)
    const ended = before.filter((cover) => this.#count(cover, -1) === 0)
    return { begun, ended }
  }

  #count({ advertisement, prefix }: Cover, change: 1 | -1): number {
    const key = `${advertisement} ${prefix.text}`
    const count = (this.#members.get(key) ?? 0) + change
    if (count === 0) this.#members.delete(key)
    else this.#members.set(key, count)
    return count
  }
}

const NO_CHANGE = { begun: [], ended: [] }
