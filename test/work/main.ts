/** `npm run work [share of the size]`: what the worst turn of each input costs, in blocks and in CPU time, one run each. */
import { WorkCounter } from '../fuzz/work.ts'
import { makeInputs, sizeOf } from './inputs.ts'

const isCounted = process.argv.includes('--blocks')
const share = Number(process.argv.find((word) => /^[\d.]+$/.test(word)) ?? 1)
const costs = await makeInputs(isCounted ? new WorkCounter() : undefined)
for (const { name, turns, worst } of costs(sizeOf(share))) {
  const cost = isCounted ? `${worst} blocks` : `${worst.toFixed(1)} ms`
  console.log(`${name.padEnd(44)} ${cost.padStart(16)} in the worst of ${turns} turns`)
}
