/** Where packets to a learned prefix go if the kernel does not have the learned route. */
import type { LinkMark } from '../base/link-mark.ts'
import type { Prefix } from '../base/prefix.ts'
import { formatHop, type Hop, type KernelRoute } from './kernel.ts'
import { type LinkTable, marksOf } from './links.ts'

/** They are dropped or take a wider route; or they leave over other gateways, on these links. */
export type Straying = 'nowhere' | readonly LinkMark[]

/**
 * `taken`: the route that the packets take instead; `learned`: the hops of the learned route. Undefined: the packets are
 * forwarded. A route for exactly this prefix was made on purpose, and leads on if not back to where packets come from. A wider
 * one, such as a default route, mostly leads back. A hop over a link that is down leads nowhere, and so does a route whose
 * hops the kernel does not show.
 */
export function strayingOf(
  prefix: Prefix,
  taken: KernelRoute | undefined,
  learned: readonly Hop[],
  links: LinkTable,
): Straying | undefined {
  const hops = taken?.type === 'unicast' ? taken.hops.filter((hop) => links.isUp(hop.interface)) : []
  if (taken === undefined || hops.length === 0) return 'nowhere'
  const ways = new Set(learned.map(wayOf))
  const others = hops.filter((hop) => hop.gateway !== undefined && !ways.has(wayOf(hop)))
  if (others.length === 0) return undefined
  if (taken.prefix.length < prefix.length) return 'nowhere'
  return others.flatMap((hop) => {
    const link = links.get(hop.interface)
    return link === undefined ? [] : marksOf(link)
  })
}

const wayOf = (hop: Hop): string => formatHop({ ...hop, weight: 1, onlink: false })
