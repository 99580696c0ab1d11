/**
 * `npm run work [share of the size] [--blocks] [group]`: what the worst turn of each input costs, in CPU time or blocks of
 * code. Before CPU time is taken, all of it runs once at a small size: code that has just been compiled is slow, and no
 * fault of the input.
 */
import { WorkCounter } from '../fuzz/work.ts'
import { makeInputs, sizeOf } from './inputs.ts'

const words = process.argv.slice(2)
const isCounted = words.includes('--blocks')
const share = Number(words.find((word) => /^[\d.]+$/.test(word)) ?? 1)
const group = words.find((word) => /^[a-z]/i.test(word))
const WARM = 0.1
const costs = await makeInputs(isCounted ? new WorkCounter() : undefined)
if (!isCounted) for (const _ of costs(sizeOf(WARM), group));
for (const { name, turns, worst } of costs(sizeOf(share), group)) {
  const cost = isCounted ? `${worst} blocks` : `${worst.toFixed(1)} ms`
  console.log(`${name.padEnd(48)} ${cost.padStart(16)} in the worst of ${turns} turns`)
}
