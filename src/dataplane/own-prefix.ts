/**
 * Whether packets to a prefix of this node's own come to an end here, so that it may be advertised. Pods take theirs by
 * routes that are more specific, or by a link that has the whole prefix; what no pod takes must end in our blackhole, or
 * it would follow the default route back to where it came from.
 */
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import { isOfRouting, type KernelRoute, MAIN_TABLE } from './kernel.ts'
import type { LinkAddress, LinkTable } from './links.ts'

export type Ending =
  | { readonly kind: 'here' }
  /** Our blackhole is still to be written. */
  | { readonly kind: 'open' }
  /** By somebody else's route for the same prefix, they go where no pod of ours is. */
  | { readonly kind: 'elsewhere'; readonly other: KernelRoute }

/** `others`: everybody else's routes of exactly this prefix; `present`: ours. */
export function endingOf(
  wanted: KernelRoute,
  present: KernelRoute | undefined,
  others: readonly KernelRoute[],
  links: LinkTable,
): Ending {
  const isThere = present?.type === 'blackhole'
  const [first] = others.filter(({ table }) => table === MAIN_TABLE).sort((a, b) => a.metric - b.metric)
  if (first === undefined) return { kind: isThere ? 'here' : 'open' }
  // The lowest metric decides; where it is not below ours, our blackhole stands back.
  const isFirst = first.metric < wanted.metric
  if (leadsToPods(first, links)) return { kind: isThere || !isFirst ? 'here' : 'open' }
  // Another daemon's blackhole does what ours does, as long as ours lies under it.
  if (first.type === 'blackhole' && isFirst) return { kind: isThere ? 'here' : 'open' }
  return { kind: 'elsewhere', other: first }
}

/**
 * A link of this node has the prefix, as the bridge of a CNI does; its gateway, if it says one, is this node itself. A
 * routing daemon may send anything over any link: only where the link has an address in the prefix are pods there.
 */
const leadsToPods = ({ type, hops, protocol, prefix }: KernelRoute, links: LinkTable): boolean =>
  type === 'unicast' &&
  hops.every(({ gateway, interface: name }) => {
    if (name === 'lo' || (gateway !== undefined && !links.isOwn(gateway))) return false
    return !isOfRouting(protocol) || hasAddressIn(prefix, links.get(name)?.addresses ?? [])
  })

const hasAddressIn = (prefix: Prefix, addresses: readonly LinkAddress[]): boolean =>
  addresses.some(({ address }) => {
    const host = hostPrefix(address)
    return host !== undefined && contains(prefix, host)
  })
