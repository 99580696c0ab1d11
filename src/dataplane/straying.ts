/** Where packets to a learned prefix go if the kernel does not have the learned route. */
import type { Prefix } from '../base/prefix.ts'
import { formatHop, type Hop, type KernelRoute } from './kernel.ts'
import { type LinkTable, networksOf } from './links.ts'

/** They are dropped or take a wider route; or they leave over other gateways, on links with these networks. */
export type Straying = 'nowhere' | readonly Prefix[]

/**
 * `theirs`: the route of another program that the packets take; `learned`: the hops of the learned route. Undefined: the
 * packets are forwarded. A route for exactly this prefix was made on purpose, and leads on if not back to where packets come
 * from. A wider one, such as a default route, mostly leads back.
 */
export function strayingOf(
  prefix: Prefix,
  theirs: KernelRoute | undefined,
  learned: readonly Hop[],
  links: LinkTable,
): Straying | undefined {
  if (theirs === undefined || theirs.type !== 'unicast') return 'nowhere'
  const ways = new Set(learned.map(wayOf))
  const others = theirs.hops.filter((hop) => hop.gateway !== undefined && !ways.has(wayOf(hop)))
  if (others.length === 0) return undefined
  if (theirs.prefix.length < prefix.length) return 'nowhere'
  return others.flatMap((hop) => {
    const link = links.get(hop.interface)
    return link === undefined ? [] : networksOf(link)
  })
}

const wayOf = (hop: Hop): string => formatHop({ ...hop, weight: 1, onlink: false })
