/** Joins the hops of several next hops into those of one route; each next hop gets the same share of the traffic. */
import { formatHop, type Hop } from './kernel.ts'

/** The kernel counts a share in one octet. */
const LARGEST = 256

/**
 * Inside its next hop a way keeps its share: with a next hop by 9:1 and another by one way it is 9:1:10. Shares that
 * are too fine for the kernel are rounded, and never to nothing.
 */
export function joinHops(ways: readonly (readonly Hop[])[]): readonly Hop[] {
  const [only, ...more] = ways
  if (only !== undefined && more.length === 0) return only
  const totals = ways.map((hops) => hops.reduce((sum, { weight }) => sum + weight, 0))
  const common = totals.reduce(leastCommonMultiple, 1)
  const joined = new Map<string, { readonly hop: Hop; weight: number }>()
  for (const [index, hops] of ways.entries()) {
    const share = common / (totals[index] as number)
    for (const hop of hops) {
      const key = formatHop({ ...hop, weight: 1 })
      const known = joined.get(key)
      if (known === undefined) joined.set(key, { hop, weight: hop.weight * share })
      else known.weight += hop.weight * share
    }
  }
  return scaled([...joined.values()])
}

/** In the smallest whole numbers. */
function scaled(rows: readonly { readonly hop: Hop; readonly weight: number }[]): Hop[] {
  const divisor = rows.reduce((found, { weight }) => greatestCommonDivisor(found, weight), 0)
  const most = Math.max(...rows.map(({ weight }) => weight / divisor))
  const scale = most > LARGEST ? LARGEST / most : 1
  return rows.map(({ hop, weight }) => ({ ...hop, weight: Math.max(1, Math.round((weight / divisor) * scale)) }))
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}

const leastCommonMultiple = (a: number, b: number): number => (a / greatestCommonDivisor(a, b)) * b
