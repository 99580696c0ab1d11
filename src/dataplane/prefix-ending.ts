/**
 * Decides whether packets to a prefix that this node originates end here, so that it may be advertised. Packets to pods follow
 * more specific routes, or a link that has the whole prefix. Packets to unused addresses must be dropped by our blackhole:
 * otherwise they would follow the default route back to the router and loop.
 */
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import { whyNotBeside } from './fib.ts'
import { isDropping, isOfRouting, type KernelRoute, MAIN_TABLE } from './kernel.ts'
import type { LinkAddress, LinkTable } from './links.ts'

export type PrefixEnding =
  | { readonly kind: 'here' }
  /** Our blackhole is still to be written. */
  | { readonly kind: 'awaits-blackhole' }
  /** A route of another program for the same prefix sends the packets away from this node. */
  | { readonly kind: 'elsewhere'; readonly other: KernelRoute }

/** `others`: the routes of other programs for exactly this prefix; `present`: ours. */
export function endingOf(
  wanted: KernelRoute,
  present: KernelRoute | undefined,
  others: readonly KernelRoute[],
  links: LinkTable,
): PrefixEnding {
  // Where our blackhole may not be, nothing waits for it: the first route alone decides.
  const isDone = present?.type === 'blackhole' || whyNotBeside(wanted, others) !== undefined
  const inMain = others.filter(({ table }) => table === MAIN_TABLE).sort((a, b) => a.metric - b.metric)
  const [first] = inMain
  // A blackhole of another program has the same effect as ours, unless it hides the link that has the pods. Ours is there
  // too where it may be, in case that one is removed.
  const isDropped = first !== undefined && isDropping(first) && !inMain.some((route) => leadsToPods(route, links))
  if (first === undefined || isDropped || leadsToPods(first, links))
    return { kind: isDone ? 'here' : 'awaits-blackhole' }
  return { kind: 'elsewhere', other: first }
}

/**
 * Whether packets on this route reach a pod of this node. A default route may also be over a link only, so it does not count.
 */
export const holdsPod = (route: KernelRoute, links: LinkTable): boolean =>
  route.prefix.length > 0 && leadsToPods(route, links)

/**
 * Whether a link of this node has the prefix, as the bridge of a CNI does; a gateway, if there is one, is this node itself.
 * A route of a routing daemon counts only if the link has an address in the prefix: it may send anything over any link.
 */
const leadsToPods = ({ type, hops, protocol, prefix }: KernelRoute, links: LinkTable): boolean =>
  type === 'unicast' &&
  hops.length > 0 &&
  hops.every(({ gateway, interface: name }) => {
    if (name === 'lo' || (gateway !== undefined && !links.isOwn(gateway))) return false
    return !isOfRouting(protocol) || hasAddressIn(prefix, links.get(name)?.addresses ?? [])
  })

const hasAddressIn = (prefix: Prefix, addresses: readonly LinkAddress[]): boolean =>
  addresses.some(({ address }) => {
    const host = hostPrefix(address)
    return host !== undefined && contains(prefix, host)
  })
