/** The routes that the kernel holds → how next hops of learned routes are reached → decision. */
import { formatAddress } from '../base/address.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { Reachability } from '../bgp/rib/types.ts'
import { type LinkTable, marksOf } from '../dataplane/links.ts'
import { globalPart, isOnSessionLink, type Resolution } from '../dataplane/next-hop.ts'
import type { RouteKeeper } from '../dataplane/route-keeper.ts'
import { MOST, type Unresolved } from './kernel-problems.ts'

export class NextHopReach {
  readonly #rib: Rib
  readonly #links: LinkTable
  readonly #routes: RouteKeeper
  /** Next hops have been resolved since the kernel's routes were read. */
  #hasResolved = false

  constructor(rib: Rib, links: LinkTable, routes: RouteKeeper) {
    this.#rib = rib
    this.#links = links
    this.#routes = routes
  }

  /** Resolves new next hops, and those that a change in the kernel may affect. Only once the kernel has been read. */
  resolve(): void {
    const { wanted } = this.#routes
    wanted.advance()
    const touched = wanted.takeTouched()
    this.#rib.resolveNextHops((nextHop) => this.#reachOf(nextHop), this.#hasResolved ? touched : 'all')
    this.#hasResolved = true
  }

  /**
   * Why next hops of learned routes are unreachable; empty until the kernel has been read. Addresses of this node are left out:
   * routers on a shared link tell a node its own routes back, with the next hop that they came with.
   * Next hops that only rejected routes have are among them: the RIB keeps next hops without the verdicts on their routes.
   */
  unresolved(): Unresolved {
    if (!this.#routes.isKnown) return { reasons: [], count: 0 }
    const { first, count } = this.#rib.unreachableNextHops(MOST)
    const others = first.filter((bytes) => !this.#links.isOwn(formatAddress(globalPart(bytes) ?? bytes)))
    const reasons = others.flatMap((bytes) => {
      const resolution = this.#routes.wanted.nextHops.resolution({ bytes, interface: undefined })
      return resolution.kind === 'unresolved' ? [resolution.reason] : []
    })
    return { reasons, count: count - first.length + others.length }
  }

  /**
   * A link-local next hop counts as reachable, unless the link of the session cannot be used: it is resolved per
   * session, when its route is written.
   */
  #reachOf(bytes: Uint8Array): Reachability {
    const resolution = this.#routes.wanted.nextHops.resolution({ bytes, interface: undefined })
    const found = { ...reachabilityOf(resolution), ...this.#detourOf(resolution) }
    return isOnSessionLink(bytes) ? { ...found, reach: 'direct', metric: 0, withoutLink: found } : found
  }

  #detourOf(resolution: Resolution): Pick<Reachability, 'detour'> {
    if (resolution.kind !== 'resolved' || resolution.metric === 0) return {}
    const links = resolution.hops.flatMap((hop) => this.#routes.table.links.get(hop.interface) ?? [])
    return { detour: links.flatMap(marksOf) }
  }
}

const reachabilityOf = (resolution: Resolution): Reachability =>
  resolution.kind === 'unresolved'
    ? { reach: 'none', metric: 0 }
    : { reach: resolution.learned ? 'learned' : 'direct', metric: resolution.metric }
