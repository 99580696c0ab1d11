/**
 * The next hops that wanted routes go over, each once, and where it leads now. When the kernel changes, each is asked
 * again, and only the routes over those that lead elsewhere are touched.
 */
import { addressBytes, isLinkLocal } from '../base/address.ts'
import { contains, makePrefix, type Prefix } from '../base/prefix.ts'
import type { Hop } from './kernel.ts'
import type { KernelTable } from './kernel-table.ts'
import type { LearnedWays } from './learned-ways.ts'
import { formatResolution, type NextHop, nextHopKey, type Resolution, resolveNextHop } from './next-hop.ts'

/** A gateway on a link, and how long the prefix of that link is. */
interface Gateway {
  readonly host: Prefix
  readonly length: number
}

interface Row {
  readonly nextHop: NextHop
  resolution: Resolution
  gateways: readonly Gateway[]
  /** Prefixes of the routes over it. */
  readonly users: Set<string>
}

export class NextHops {
  readonly #table: KernelTable
  readonly #ways: LearnedWays
  readonly #rows = new Map<string, Row>()

  constructor(table: KernelTable, ways: LearnedWays) {
    this.#table = table
    this.#ways = ways
  }

  get size(): number {
    return this.#rows.size
  }

  use(nextHop: NextHop, prefix: string): void {
    const key = nextHopKey(nextHop)
    const row = this.#rows.get(key) ?? this.#add(key, nextHop)
    row.users.add(prefix)
  }

  leave(nextHop: NextHop, prefix: string): void {
    const key = nextHopKey(nextHop)
    const row = this.#rows.get(key)
    row?.users.delete(prefix)
    if (row?.users.size === 0) this.#rows.delete(key)
  }

  resolution(nextHop: NextHop): Resolution {
    return this.#rows.get(nextHopKey(nextHop))?.resolution ?? this.#resolve(nextHop)
  }

  /** The kernel has changed, or a learned way: prefixes of the routes that go elsewhere now. */
  *resolveAgain(): Iterable<string> {
    for (const row of this.#rows.values()) {
      const resolution = this.#resolve(row.nextHop)
      if (formatResolution(resolution) === formatResolution(row.resolution)) continue
      row.resolution = resolution
      row.gateways = this.#gatewaysOf(resolution)
      yield* row.users
    }
  }

  /**
   * The gateway whose way a route for this prefix would take: it lies inside, and the link that it is on is known by a
   * shorter prefix. The kernel would then look for the gateway behind a gateway.
   */
  coveredGateway(prefix: Prefix): string | undefined {
    for (const { gateways } of this.#rows.values()) {
      for (const { host, length } of gateways) {
        if (prefix.length > length && contains(prefix, host)) return host.text.slice(0, host.text.indexOf('/'))
      }
    }
    return undefined
  }

  #add(key: string, nextHop: NextHop): Row {
    const resolution = this.#resolve(nextHop)
    const row: Row = { nextHop, resolution, gateways: this.#gatewaysOf(resolution), users: new Set() }
    this.#rows.set(key, row)
    return row
  }

  #resolve(nextHop: NextHop): Resolution {
    return resolveNextHop(nextHop, this.#table, this.#ways)
  }

  #gatewaysOf(resolution: Resolution): readonly Gateway[] {
    return resolution.kind === 'resolved' ? resolution.hops.flatMap((hop) => this.#gatewayOf(hop)) : []
  }

  #gatewayOf({ gateway }: Hop): readonly Gateway[] {
    if (gateway === undefined || isLinkLocal(gateway)) return []
    const bytes = addressBytes(gateway)
    const length = this.#table.lookup(bytes)?.prefix.length ?? 0
    return [{ host: makePrefix(bytes, bytes.length * 8), length }]
  }
}
