/**
 * Our routes that may resolve other next hops (`recursiveNextHops`): those learned over BGP whose own next hop is resolved
 * without BGP, and direct routes to pods of other nodes (`nodeRoutes: Direct`). A route that itself depends on such a route
 * is not included, so there are no loops, and each leads to a gateway on a link.
 */
import type { Prefix } from '../base/prefix.ts'
import { formatHop, type Hop } from './kernel.ts'
import { LongestMatch } from './longest-match.ts'

export interface LearnedWay {
  readonly prefix: Prefix
  readonly hops: readonly Hop[]
}

export class LearnedWays {
  readonly #ways = new LongestMatch<LearnedWay>()
  #changed: Prefix[] = []
  /** `recursiveNextHops`. Whoever changes it calls `set` again for every route; until then the routes of before are kept. */
  isAllowed = false

  get isEmpty(): boolean {
    return this.#ways.size === 0
  }

  /** Without hops, the route is removed. */
  set(prefix: Prefix, hops: readonly Hop[]): void {
    const before = this.#ways.at(prefix)?.hops ?? []
    const wanted = this.isAllowed ? hops : []
    if (formatHops(before) === formatHops(wanted)) return
    this.#changed.push(prefix)
    if (wanted.length === 0) this.#ways.delete(prefix)
    else this.#ways.set(prefix, { prefix, hops: wanted })
  }

  lookup(address: Uint8Array): LearnedWay | undefined {
    return this.isAllowed ? this.#ways.lookup(address) : undefined
  }

  get hasChanged(): boolean {
    return this.#changed.length > 0
  }

  /** Prefixes of the routes that have changed since the last call. */
  takeChanged(): readonly Prefix[] {
    const changed = this.#changed
    this.#changed = []
    return changed
  }
}

const formatHops = (hops: readonly Hop[]): string => hops.map(formatHop).join(', ')
