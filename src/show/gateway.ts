/** The next hops of a route and the interface of each, as text. */
import { type Address, addressBytes, isLinkLocal } from '../base/address.ts'
import { contains, hostPrefix, parsePrefix } from '../base/prefix.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import type { InterfaceView } from './view.ts'

export function gatewaysOf({ nextHops, alsoVia = [] }: Pick<RouteRow, 'nextHops' | 'alsoVia'>): readonly Address[] {
  // A router without a global address may write its link-local one in both halves.
  return [...new Set([nextHops, ...alsoVia].flatMap(ofRouter))]
}

/** RFC 2545 §3: a link-local next hop beside a global one is the same router, not a second way. */
function ofRouter(nextHops: readonly Address[]): readonly Address[] {
  const global = nextHops.filter((address) => !isLinkLocal(address))
  return global.length > 0 ? global : nextHops
}

/** The interface with the longest prefix around the gateway; a link-local gateway names its own. */
export function interfaceToward(gateway: Address, interfaces: readonly InterfaceView[]): string | undefined {
  const zone = gateway.split('%')[1]
  if (zone !== undefined || isLinkLocal(gateway)) return zone
  const host = hostPrefix(gateway)
  let best: { readonly name: string; readonly length: number } | undefined
  for (const { name, addresses } of interfaces) {
    for (const text of addresses) {
      const around = parsePrefix(text)
      if (host === undefined || around === undefined || !contains(around, host)) continue
      if (best === undefined || around.length > best.length) best = { name, length: around.length }
    }
  }
  return best?.name
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
