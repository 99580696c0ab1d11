import { FAMILIES } from '../../src/base/family.ts'
import type { RouteCount, RouteCursor, RouteQuery } from '../../src/bgp/rib/types.ts'

/** All parts of a count, of both families. */
export function countAll(
  of: { count(query: RouteQuery, from: RouteCursor | undefined): RouteCount },
  query: RouteQuery = {},
): Record<'ipv4' | 'ipv6', { prefixes: number; paths: number }> {
  const counts = { ipv4: { prefixes: 0, paths: 0 }, ipv6: { prefixes: 0, paths: 0 } }
  for (const family of FAMILIES) {
    let from: RouteCursor | undefined
    do {
      const { prefixes, paths, next } = of.count({ ...query, family }, from)
      counts[family].prefixes += prefixes
      counts[family].paths += paths
      from = next
    } while (from !== undefined)
  }
  return counts
}
