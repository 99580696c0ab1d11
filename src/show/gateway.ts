/** The next hops of a route and the interface of each, as text. */
import { type Address, addressBytes, isLinkLocal } from '../base/address.ts'
import { parsePrefix } from '../base/prefix.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import { LongestMatch } from '../dataplane/longest-match.ts'
import type { InterfaceView } from './view.ts'

/** The routers that a route leads to, each once: those of the path itself, then of paths that share its traffic. */
export function gatewaysOf({ nextHops, alsoVia = [] }: Pick<RouteRow, 'nextHops' | 'alsoVia'>): readonly Address[] {
  // A router without a global address may write its link-local one in both halves.
  return [...new Set([nextHops, ...alsoVia].flatMap(ofRouter))]
}

/** RFC 2545 §3: a link-local next hop beside a global one is the same router, not a second way. */
function ofRouter(nextHops: readonly Address[]): readonly Address[] {
  const global = nextHops.filter((address) => !isLinkLocal(address))
  return global.length > 0 ? global : nextHops
}

/**
 * Finds the interface with the longest prefix around a gateway; a link-local gateway names its own. Addresses are read once:
 * an interface may have those of all services.
 */
export function interfaceFinder(interfaces: readonly InterfaceView[]): (gateway: Address) => string | undefined {
  const networks = new LongestMatch<InterfaceView>()
  for (const one of interfaces) {
    for (const text of one.addresses) {
      const network = parsePrefix(text)
      if (network !== undefined && networks.at(network) === undefined) networks.set(network, one)
    }
  }
  return (gateway) => {
    const zone = gateway.split('%')[1]
    return zone !== undefined || isLinkLocal(gateway) ? zone : networks.lookup(addressBytes(gateway))?.name
  }
}

/** How far an address reaches, in BIRD's words. */
export function addressScope(address: Address): 'host' | 'link' | 'site' | 'univ' {
  if (isLinkLocal(address)) return 'link'
  const [first = 0, second = 0] = addressBytes(address)
  if (address.includes(':')) return address === '::1' ? 'host' : (first & 0xfe) === 0xfc ? 'site' : 'univ'
  if (first === 127) return 'host'
  if (first === 169 && second === 254) return 'link'
  const isPrivate = first === 10 || (first === 172 && second >> 4 === 1) || (first === 192 && second === 168)
  return isPrivate ? 'site' : 'univ'
}
