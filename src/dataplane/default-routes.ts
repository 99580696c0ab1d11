/**
 * The default routes of this node that are not ours, and the gateway of each family. Of the routes whose link is up,
 * the one with the lowest metric is used, and of those the ones of routers that prefer themselves (RFC 4191); of several
 * gateways in it the current one, else the one with the lowest address.
 *
 * The gateway stays until there is another one: a default route that is missing for a moment, as when DHCP renews it,
 * changes no neighbor.
 */
import { type Address, addressBytes, bareAddress, isLinkLocal } from '../base/address.ts'
import { addressKey } from '../base/address-order.ts'
import { FAMILY_WORDS, type Family } from '../base/family.ts'
import {
  GODWIT_PROTOCOL,
  HIDDEN_HOPS,
  type Hop,
  type KernelChange,
  type KernelRoute,
  MAIN_TABLE,
  preferenceRank,
  routeKey,
} from './kernel.ts'
import type { LinkTable } from './links.ts'

/** A default route of the main table that is not ours. */
const isDefault = ({ prefix, type, protocol, table }: KernelRoute): boolean =>
  prefix.length === 0 && type === 'unicast' && protocol !== GODWIT_PROTOCOL && table === MAIN_TABLE

export class DefaultRoutes {
  readonly #links: LinkTable
  readonly #routes: Readonly<Record<Family, Map<string, KernelRoute>>> = { ipv4: new Map(), ipv6: new Map() }
  readonly #gateways: Partial<Record<Family, Address>> = {}
  #isKnown = false

  constructor(links: LinkTable) {
    this.#links = links
  }

  /** Takes a change of the kernel. Returns whether a default route has changed. */
  take({ full, more, gone, present }: KernelChange): boolean {
    const { ipv4, ipv6 } = this.#routes
    const lost = full ? [...ipv4.values(), ...ipv6.values()] : gone.filter(isDefault)
    const found = present.filter(isDefault)
    const isFirst = !this.#isKnown && !more
    if (!more) this.#isKnown = true
    for (const route of lost) this.#routes[route.prefix.family].delete(routeKey(route))
    for (const route of found) this.#routes[route.prefix.family].set(routeKey(route), route)
    return isFirst || lost.length + found.length > 0
  }

  /** The current gateway; a link-local address has its interface as zone. */
  gateway(family: Family): Address | undefined {
    const candidates = this.#candidates(family)
    const current = this.#gateways[family]
    const [first] = candidates
    if (first === undefined || (current !== undefined && candidates.includes(current))) return current
    this.#gateways[family] = first
    return first
  }

  /** Why no gateway is known. */
  whyNone(family: Family): string {
    if (!this.#isKnown) return 'the routes of this node are not known yet'
    const [first] = this.#routes[family].values()
    if (first === undefined) return `this node has no ${FAMILY_WORDS[family]} default route`
    if (first.hops.length === 0) return `the ${FAMILY_WORDS[family]} default route goes ${HIDDEN_HOPS}`
    const over = first.hops.map((hop) => hop.interface).join(', ')
    const isUp = first.hops.some((hop) => this.#links.isUp(hop.interface))
    return `the ${FAMILY_WORDS[family]} default route over ${over} ${isUp ? 'has no gateway' : 'is down'}`
  }

  /** Gateways of the preferred route, the lowest address first. */
  #candidates(family: Family): Address[] {
    const usable = [...this.#routes[family].values()]
      .map((route) => ({
        metric: route.metric,
        rank: preferenceRank(route),
        gateways: route.hops.flatMap((hop) => this.#gatewayOf(hop)),
      }))
      .filter(({ gateways }) => gateways.length > 0)
    const [first] = usable.sort((a, b) => a.metric - b.metric || a.rank - b.rank)
    return usable
      .filter(({ metric, rank }) => metric === first?.metric && rank === first.rank)
      .flatMap(({ gateways }) => gateways)
      .sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  }

  #gatewayOf({ gateway, interface: name }: Hop): Address[] {
    if (gateway === undefined || !this.#links.isUp(name)) return []
    return [isLinkLocal(gateway) ? `${gateway}%${name}` : gateway]
  }
}

const orderOf = (address: Address): string => addressKey(addressBytes(bareAddress(address)))
