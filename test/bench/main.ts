/** `npm run bench`: what the hot path costs in this process, on this machine, now. Compare runs only with runs beside them. */

import { makeInputs, sizeOf } from '../work/inputs.ts'
import { benchFib } from './fib.ts'
import { benchPrefixes } from './prefix.ts'
import { benchServices } from './services.ts'
import { decodeRate } from './wire.ts'

console.log(`UPDATEs read, 7 routes each: ${(decodeRate() / 1e6).toFixed(2)} million per second`)
await import('./rib.ts')
const { services, load, first, p50, p99 } = benchServices(Math.min(Number(process.argv[2] ?? 10_000), 10_000))
const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`
console.log(
  `${services} dual-stack services: read in ${ms(load)}, first neighbor told in ${ms(first)}; ` +
    `a changed endpoint is told after ${ms(p50)} (median), ${ms(p99)} (p99)`,
)
const ns = (value: number): string => `${value < 1000 ? value.toFixed(0) : (value / 1000).toFixed(1).concat(' k')} ns`
for (const { what, ours, theirs } of benchPrefixes())
  console.log(`prefixes, ${what}: ${ns(ours)}; ip-num ${ns(theirs)}`)
for (const size of [10_000, 95_000]) {
  const { write, move, clear, memory } = benchFib(size)
  console.log(
    `kernel routes, ${size / 1000}k IPv4 + ${size / 1000}k IPv6, CPU without the kernel: planned and noted in ${ms(write * 1000)}, ` +
      `the next hop of all IPv4 ones moved in ${ms(move * 1000)}, taken away in ${ms(clear * 1000)}; ${memory.toFixed(0)} MiB`,
  )
}
const inputs = await makeInputs(undefined)
console.log('5,000 nodes, 10,000 services, 100,000 routes: CPU time of the worst turn of each input')
for (const { name, turns, worst } of inputs(sizeOf(1))) console.log(`  ${name}: ${ms(worst)} in ${turns} turns`)
