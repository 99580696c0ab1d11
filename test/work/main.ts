/** By hand: `node test/work/main.ts [share]`. */
import { costs } from './inputs.ts'

const share = Number(process.argv[2] ?? 1)
for (const { name, turns, worst, worstKind, cpu } of costs({
  nodes: 5000 * share,
  services: 10_000 * share,
  routes: 100_000 * share,
}))
  console.log(
    `${name.padEnd(40)} ${String(worst).padStart(9)} blocks (${worstKind}), ${turns} turns, ${cpu.toFixed(1)} ms`,
  )
