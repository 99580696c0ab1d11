/**
 * By hand, for as long as one likes: `npm run fuzz -- --cases 10000000 --seed 7 [--target update] [--first 20000] [--collect]`.
 * The cases are shared out among the targets. A failure is kept in the corpus, and the command that repeats it is printed.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { CORPUS, fuzz, minimize, type Seen } from './fuzz.ts'
import { makeTargets } from './targets.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    target: { type: 'string' },
    collect: { type: 'boolean', default: false },
  },
})
const [cases, seed, first] = [values.cases, values.seed, values.first].map(Number) as [number, number, number]
const all = makeTargets()
const targets = all.filter(({ name }) => values.target === undefined || name === values.target)
const share = Math.ceil(cases / targets.length)
/** An agent in `session` lives for so many cases: a failure is repeated from its birth. */
const LIFE = 20_000

const keep = (name: string, bytes: Uint8Array): void =>
  writeFileSync(
    new URL(`${name}.hex`, CORPUS),
    `${(
      Buffer.from(bytes)
        .toString('hex')
        .match(/.{1,64}/g) ?? []
    ).join('\n')}\n`,
  )

for (const target of targets) {
  const seen: Seen = new Map()
  const begun = performance.now()
  const before = process.memoryUsage().rss
  const failure = fuzz(target, { seed, first, cases: share }, seen)
  const seconds = (performance.now() - begun) / 1000
  const grown = (process.memoryUsage().rss - before) >> 20
  if (failure === undefined) {
    const rate = Math.round(share / seconds)
    console.log(
      `${target.name}: ${share} cases in ${seconds.toFixed(1)} s (${rate}/s), ${seen.size} kinds of outcome, ${grown} MiB more`,
    )
    if (values.collect) {
      let index = 0
      for (const bytes of seen.values()) if (bytes.length <= 200 && index < 24) keep(`${target.name}-${index++}`, bytes)
    }
    continue
  }
  process.exitCode = 1
  const { number, bytes, error } = failure
  const shortest = target.name === 'session' ? bytes : minimize(target, bytes)
  console.log(`${target.name}: case ${number} fails: ${error instanceof Error ? error.stack : error}`)
  console.log(`  ${Buffer.from(shortest).toString('hex')}`)
  keep(`${target.name}-failed-${seed}-${number}`, shortest)
  const from = target.name === 'session' ? number - (number % LIFE) : number
  console.log(
    `  again: npm run fuzz -- --target ${target.name} --seed ${seed} --first ${from} --cases ${number - from + 1}`,
  )
}
