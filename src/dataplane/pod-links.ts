/** Which links lead to pods of this node. Both the own pod prefixes and the networks of a link may be many: all in steps. */
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { LongestMatch } from './longest-match.ts'

/** Lookups in the kernel's routes, of all programs. */
export interface HeldLinks {
  /** Links that the most specific route around a whole prefix leads to without a gateway. A default route leads to none. */
  linksAround(prefix: Prefix): Iterable<string>
  /** Prefixes to which a route over a link leads without a gateway. */
  onLink(link: string): Iterable<Prefix>
}

/** Approximate cost of a lookup, in microseconds. */
const LOOKUP_COST = 1

export class PodLinks {
  readonly #held: HeldLinks
  readonly #pods = new LongestMatch<Prefix>()
  readonly #known = new Map<string, boolean>()

  private constructor(held: HeldLinks) {
    this.#held = held
  }

  /** `pods`: the pod prefixes of this node. */
  static *of(held: HeldLinks, pods: readonly Prefix[]): Work<PodLinks> {
    const links = new PodLinks(held)
    const meter = new CostMeter()
    for (const prefix of pods) {
      links.#pods.set(prefix, prefix)
      for (const link of held.linksAround(prefix)) links.#known.set(link, true)
      meter.add(2 * LOOKUP_COST)
      if (meter.isDue) yield meter.take()
    }
    return links
  }

  /**
   * Whether the link leads to pods: some of its networks lie inside a pod prefix, as the routes to single pods do, or it is
   * where the most specific route around a pod prefix leads.
   */
  *has(link: string): Work<boolean> {
    const known = this.#known.get(link)
    if (known !== undefined) return known
    const found = yield* this.#isInside(link)
    this.#known.set(link, found)
    return found
  }

  *#isInside(link: string): Work<boolean> {
    const meter = new CostMeter()
    for (const network of this.#held.onLink(link)) {
      if (this.#pods.covering(network) !== undefined) return true
      meter.add(LOOKUP_COST)
      if (meter.isDue) yield meter.take()
    }
    return false
  }
}
