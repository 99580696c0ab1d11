/** Reads all links with their addresses, or all routes of a family, into what is known of them. */
import type { Family } from '../../base/family.ts'
import { GODWIT_PROTOCOL, type KernelRoute, MAIN_TABLE } from '../../dataplane/kernel.ts'
import type { KnownLinks, Loss } from './known-links.ts'
import type { KnownRoutes } from './known-routes.ts'
import { RTM_GETADDR, RTM_GETLINK, writeLinkDump } from './netlink-link.ts'
import type { Attributes, Message } from './netlink-message.ts'
import type { NetlinkReader } from './netlink-reader.ts'
import { type ReportedRoute, RTM_GETROUTE, readRoute, writeRouteDump } from './netlink-route.ts'

/** A dump that changes in the kernel interrupt is repeated this often. */
const ATTEMPTS = 5

export interface KernelDumpsOptions {
  readonly reader: NetlinkReader
  readonly links: KnownLinks
  readonly routes: KnownRoutes
  /** The table for learned routes; undefined: of routes only the default routes are read. */
  readonly table: number | undefined
  /** A link differs from what was known, so that routes may have gone. */
  readonly onLoss: (loss: Loss) => void
}

/** Readings reject where the socket fails. They give false where the kernel's table changed during each attempt. */
export class KernelDumps {
  readonly #options: KernelDumpsOptions

  constructor(options: KernelDumpsOptions) {
    this.#options = options
  }

  /** The caller ends the reading (`KnownLinks.end`). */
  readLinks(): Promise<boolean> {
    return untilWhole(async () => {
      this.#options.links.begin()
      const areLinksWhole = await this.#dumpLinks(RTM_GETLINK)
      return (await this.#dumpLinks(RTM_GETADDR)) && areLinksWhole
    })
  }

  /** The caller ends the reading (`KnownRoutes.sweep`). */
  readRoutes(family: Family): Promise<boolean> {
    return untilWhole(async () => {
      this.#options.routes.begin(family)
      let isWhole = true
      for (const only of this.#filters()) isWhole = (await this.#dumpRoutes(family, only)) && isWhole
      return isWhole
    })
  }

  /** A route that a message is about; undefined where it does not concern us. */
  routeIn(message: Message, attributes: Attributes): ReportedRoute | undefined {
    const reported = readRoute(attributes, message, this.#options.links.nameOf)
    return reported !== undefined && this.#concernsUs(reported.route) ? reported : undefined
  }

  #dumpLinks(type: number): Promise<boolean> {
    const { reader, links, onLoss } = this.#options
    return reader.dump(
      type,
      (writer) => writeLinkDump(writer, type),
      (message, attributes) => {
        const loss = links.take(message, attributes)
        if (loss !== undefined) onLoss(loss)
      },
    )
  }

  #dumpRoutes(family: Family, only: Parameters<typeof writeRouteDump>[2]): Promise<boolean> {
    const { reader, routes } = this.#options
    return reader.dump(
      RTM_GETROUTE,
      (writer) => writeRouteDump(writer, family, only),
      (message, attributes) => {
        const reported = this.routeIn(message, attributes)
        if (reported !== undefined) routes.read(reported)
      },
    )
  }

  /** Our own routes are searched in all tables: an earlier run may have used another one. */
  #filters(): ({ readonly table: number } | { readonly protocol: number })[] {
    const { table } = this.#options
    if (table === undefined) return [{ table: MAIN_TABLE }]
    const tables = new Set([MAIN_TABLE, table])
    return [...[...tables].map((one) => ({ table: one })), { protocol: GODWIT_PROTOCOL }]
  }

  #concernsUs(route: KernelRoute): boolean {
    const { table } = this.#options
    if (table === undefined) return route.table === MAIN_TABLE && route.prefix.length === 0
    return route.table === MAIN_TABLE || route.table === table || route.protocol === GODWIT_PROTOCOL
  }
}

async function untilWhole(read: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (await read()) return true
  return false
}
