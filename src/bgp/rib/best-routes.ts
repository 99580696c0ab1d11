/** The best routes whose prefixes have changed, for the kernel's routing table: with the next hops that share their traffic. */
import { ADDRESS_BYTES, FAMILIES, type Family } from '../../base/family.ts'
import { packPrefix } from '../../base/prefix.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import type { FamilyRib } from './family-rib.ts'
import type { Peers } from './peers.ts'
import type { BestRoute } from './types.ts'

export class BestRoutes {
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #nextHops: NextHopTable
  readonly #peers: Peers
  /** By id: the octets of next hops of the last `take`. */
  readonly #copied = new Map<number, Uint8Array>()

  constructor(ribs: Readonly<Record<Family, FamilyRib>>, nextHops: NextHopTable, peers: Peers) {
    this.#ribs = ribs
    this.#nextHops = nextHops
    this.#peers = peers
  }

  get hasChanges(): boolean {
    return FAMILIES.some((family) => this.#ribs[family].changedBestCount > 0)
  }

  /**
   * At most `limit` prefixes whose best route, or the paths that share its traffic, may have changed since the last call.
   * Routes with the same next hop share its octets.
   */
  take(limit: number): BestRoute[] {
    const found: BestRoute[] = []
    this.#copied.clear()
    const { ipv4, ipv6 } = this.#ribs
    const takeFrom = (rib: FamilyRib, most: number) => {
      while (rib.changedBestCount > 0 && found.length < most)
        rib.takeChangedBest((prefix, best) => found.push(this.#bestOf(rib, prefix, best)))
    }
    // Half for each family, so that neither waits for a large table of the other.
    takeFrom(ipv4, ipv6.changedBestCount > 0 ? Math.ceil(limit / 2) : limit)
    takeFrom(ipv6, limit)
    takeFrom(ipv4, limit)
    return found
  }

  #bestOf(rib: FamilyRib, prefix: number, best: number): BestRoute {
    const { prefixes, paths, family, decision } = rib
    const address = new Uint8Array(ADDRESS_BYTES[family])
    prefixes.writeAddress(prefix, address)
    const shared = decision.sharing(paths.first[prefix] as number, best)
    const [first, ...others] = shared.flatMap((path) => {
      const peer = this.#peers.slots[paths.peer[path] as number]?.peer.name
      return peer === undefined ? [] : [{ peer, nextHop: this.#copyOf(paths.nextHop[path] as number) }]
    })
    const learned = first && { ...first, others }
    return { prefix: packPrefix(address, prefixes.lengths[prefix] as number), learned }
  }

  #copyOf(nextHop: number): Uint8Array {
    const known = this.#copied.get(nextHop)
    if (known !== undefined) return known
    const bytes = this.#nextHops.bytes.copy(nextHop)
    this.#copied.set(nextHop, bytes)
    return bytes
  }
}
