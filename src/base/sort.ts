import { CostMeter, type Work } from './work.ts'

/** Items of a run: each run is sorted in one go, then runs are merged two by two. */
const RUN = 128
/** Approximate cost of one comparison, in microseconds. */
const COMPARE_COST = 0.2

/** A sorted copy, made in steps: thousands of items do not hold up a turn. Equal items keep their order. */
export function* sorted<Item>(items: readonly Item[], compare: (a: Item, b: Item) => number): Work<Item[]> {
  const meter = new CostMeter()
  let runs: Item[][] = []
  for (let at = 0; at < items.length; at += RUN) {
    runs.push(items.slice(at, at + RUN).sort(compare))
    meter.add(RUN * Math.log2(RUN) * COMPARE_COST)
    if (meter.isDue) yield meter.take()
  }
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let at = 0; at < runs.length; at += 2)
      merged.push(yield* merge(runs[at] as Item[], runs[at + 1] ?? [], compare, meter))
    runs = merged
  }
  return runs[0] ?? []
}

function* merge<Item>(
  a: readonly Item[],
  b: readonly Item[],
  compare: (a: Item, b: Item) => number,
  meter: CostMeter,
): Work<Item[]> {
  const merged: Item[] = []
  let [atA, atB] = [0, 0]
  while (atA < a.length || atB < b.length) {
    // The order of equal items does not change.
    const isFromA = atB === b.length || (atA < a.length && compare(a[atA] as Item, b[atB] as Item) <= 0)
    merged.push((isFromA ? a[atA++] : b[atB++]) as Item)
    meter.add(COMPARE_COST)
    if (meter.isDue) yield meter.take()
  }
  return merged
}
