/** Hands best routes that were learned to the dataplane, except those inside service ranges. */
import type { Prefix } from '../base/prefix.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import type { BestRoute, LearnedHop } from '../bgp/rib/types.ts'
import { serviceRangeAround } from '../cluster/service-ranges.ts'
import type { NextHop } from '../dataplane/next-hop.ts'
import type { WantedRoutes } from '../dataplane/wanted-routes.ts'
import type { Neighbors } from './neighbors.ts'

export class LearnedRoutes {
  readonly #wanted: WantedRoutes
  readonly #neighbors: Neighbors
  #serviceRanges: readonly PrefixMatch[] = []
  /** Prefixes of best routes that are not written because they lie in a service range. */
  readonly #inServiceRanges = new Set<string>()
  #lastNextHop: NextHop | undefined

  constructor(wanted: WantedRoutes, neighbors: Neighbors) {
    this.#wanted = wanted
    this.#neighbors = neighbors
  }

  /** The routes that this concerns are not looked for: the RIB hands them to `set` again. */
  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    this.#serviceRanges = ranges
  }

  /** The best route of a prefix is another one. */
  set({ prefix, learned }: BestRoute): void {
    // Packets to a service range are handled by kube-proxy's rules: no learned route is written for it.
    const isInServiceRange = learned !== undefined && serviceRangeAround(this.#serviceRanges, prefix) !== undefined
    if (isInServiceRange) this.#inServiceRanges.add(prefix.text)
    else this.#inServiceRanges.delete(prefix.text)
    if (learned === undefined || isInServiceRange) this.#wanted.forget(prefix.text)
    else {
      const first = this.#nextHopOf(learned)
      const more = learned.others.map((other) => this.#nextHopOf(other))
      this.#wanted.learn(prefix, [first, ...more])
    }
  }

  /** Consecutive routes with the same next hop share one object. */
  #nextHopOf({ nextHop: bytes, peer }: LearnedHop): NextHop {
    const { interface: name, isBound = false } = this.#neighbors.get(peer) ?? {}
    const last = this.#lastNextHop
    if (last?.bytes === bytes && last.interface === name && last.isBound === isBound) return last
    this.#lastNextHop = { bytes, interface: name, isBound }
    return this.#lastNextHop
  }

  /** Why the best route of a prefix is not written into the kernel; undefined: no service range is the reason. */
  whyNotWritten(prefix: Prefix): string | undefined {
    if (!this.#inServiceRanges.has(prefix.text)) return undefined
    const range = serviceRangeAround(this.#serviceRanges, prefix)?.text
    return range && `it lies inside the service range ${range}: packets to services are handled by kube-proxy's rules`
  }
}
