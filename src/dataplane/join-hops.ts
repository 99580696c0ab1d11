/** Joins the hops of several next hops into those of one route; each next hop gets the same share of the traffic. */
import { formatHop, type Hop } from './kernel.ts'

/** The largest weight: the kernel stores it, less one, in one octet. */
const LARGEST = 256

/**
 * `ways`: the hops of each next hop. Those of one next hop keep their ratio: where one is reached over two hops with
 * weights 9 and 1, and another over a single hop, the three have the weights 9, 1 and 10. Weights beyond the kernel's range
 * are rounded, to 1 at least.
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

/** Weights as the smallest whole numbers with the same ratio. */
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
