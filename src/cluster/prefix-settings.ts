/**
 * What `prefixAdvertisements` say of a route. A lookup takes a binary search and one step for each prefix that lies around the
 * one found, however many there are: a node may have hundreds of them, and a service hundreds of addresses.
 */
import { contains, type Prefix } from '../base/prefix.ts'
import { byPosition } from './prefix-index.ts'
import type { ResolvedAdvertisement } from './settings.ts'

export interface PrefixSettings {
  readonly communities: readonly (readonly number[])[]
  /** Why the route is not advertised. */
  readonly held: string | undefined
}

export const PLAIN: PrefixSettings = { communities: [], held: undefined }

interface Place {
  readonly prefix: Prefix
  /** The prefixAdvertisements with this prefix, by their number in the list. */
  readonly numbers: number[]
  /** The most specific place around it. */
  readonly outer: Place | undefined
  /** Made when it is first asked for. */
  settings: PrefixSettings | undefined
}

export class PrefixSettingsTable {
  readonly #advertisements: readonly ResolvedAdvertisement[]
  /** By position: whatever lies inside a prefix follows it. */
  readonly #places: Place[] = []

  constructor(advertisements: readonly ResolvedAdvertisement[]) {
    this.#advertisements = advertisements
    const inOrder = [...advertisements.entries()].sort(([, a], [, b]) => byPosition(a.prefix, b.prefix))
    for (const [number, { prefix }] of inOrder) {
      const last = this.#places.at(-1)
      if (last?.prefix.text === prefix.text) last.numbers.push(number)
      else this.#places.push({ prefix, numbers: [number], outer: around(prefix, last), settings: undefined })
    }
  }

  /** The communities of all prefixAdvertisements that contain it, in the order of the list, each once. */
  of(prefix: Prefix): PrefixSettings {
    const place = around(prefix, this.#lastUpTo(prefix))
    if (place === undefined) return PLAIN
    place.settings ??= this.#merge(place)
    return place.settings
  }

  /** The last place that does not come after the prefix: what contains the prefix is this one, or lies around it. */
  #lastUpTo(prefix: Prefix): Place | undefined {
    let [low, high] = [0, this.#places.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (byPosition((this.#places[middle] as Place).prefix, prefix) <= 0) low = middle + 1
      else high = middle
    }
    return this.#places[low - 1]
  }

  #merge(place: Place): PrefixSettings {
    const numbers: number[] = []
    for (let at: Place | undefined = place; at !== undefined; at = at.outer) numbers.push(...at.numbers)
    const all = numbers.sort((a, b) => a - b).map((number) => this.#advertisements[number] as ResolvedAdvertisement)
    const byText = new Map(
      all.flatMap(({ communities }) => communities.map((community) => [community.join(':'), community])),
    )
    return { communities: [...byText.values()], held: all.find(({ held }) => held !== undefined)?.held }
  }
}

function around(prefix: Prefix, from: Place | undefined): Place | undefined {
  let place = from
  while (place !== undefined && !contains(place.prefix, prefix)) place = place.outer
  return place
}
