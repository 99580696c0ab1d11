/**
 * `npm run work [share of the size] [--blocks] [group]`: what the worst turn of each input costs, in CPU time or blocks of
 * code.
 *
 * CPU time is the least of several runs: what other programs on the machine and the garbage collector add to a turn is
 * not the input's, and does not fall on the same turn each time. A first run at a small size compiles the code.
 */
import { mapLargeArrays } from '../../src/edge/memory.ts'
import { WorkCounter } from '../fuzz/work.ts'
import { makeInputs, sizeOf } from './inputs.ts'

mapLargeArrays()

const RUNS = 3
const WARM = 0.1

const words = process.argv.slice(2)
const isCounted = words.includes('--blocks')
const share = Number(words.find((word) => /^[\d.]+$/.test(word)) ?? 1)
const group = words.find((word) => /^[a-z]/i.test(word))
const costs = await makeInputs(isCounted ? new WorkCounter() : undefined)
const print = (name: string, cost: string, turns: number): void =>
  console.log(`${name.padEnd(48)} ${cost.padStart(16)} in the worst of ${turns} turns`)

if (isCounted) for (const { name, worst, turns } of costs(sizeOf(share), group)) print(name, `${worst} blocks`, turns)
else {
  for (const _ of costs(sizeOf(WARM), group));
  const least = new Map<string, { worst: number; turns: number }>()
  for (let run = 0; run < RUNS; run++) {
    for (const { name, worst, turns } of costs(sizeOf(share), group)) {
      if (worst < (least.get(name)?.worst ?? Number.POSITIVE_INFINITY)) least.set(name, { worst, turns })
    }
  }
  for (const [name, { worst, turns }] of least) print(name, `${worst.toFixed(1)} ms`, turns)
}
