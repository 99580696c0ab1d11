/**
 * By hand, for as long as one likes: `npm run fuzz -- --cases 10000000 --seed 7 [--target update] [--first 20000] [--collect]`.
 * The cases are shared out among the targets. A failure is kept in the corpus, and the command that repeats it is printed.
 * A run fails too when memory grows after the first tenth of a target's cases, when a case makes more work than its length
 * explains, and when one does not end.
 */
import { writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CORPUS, fuzz, minimize, repeat, type Seen } from './fuzz.ts'
import { Slowest } from './slowest.ts'
import { makeTargets, type Target } from './targets.ts'
import { Watchdog } from './watchdog.ts'
import { WorkCounter } from './work.ts'

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

/**
 * MiB more than after a tenth of a target's cases: what is alive, and what the system has given. The latter moves by itself,
 * as the heap's spaces come and go.
 */
const MOST_GROWN = { alive: 8, resident: 128 }
/** Blocks of code for a case, and for each octet of its message. */
const WORK = { base: 10_000, perOctet: 100 }

interface Memory {
  readonly alive: number
  readonly resident: number
}

/** What the process holds, in MiB, when all that can be freed is. */
async function memory(): Promise<Memory> {
  globalThis.gc?.()
  await setImmediate()
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { alive: (heapUsed + external) / (1 << 20), resident: rss / (1 << 20) }
}

const watchdog = new Watchdog()
/** For cases tried again: what they do to an agent is not done to the one under test. */
const others = makeTargets()

interface Heaviest {
  readonly number: number
  readonly length: number
  readonly work: number
}

function heaviest(target: Target, numbers: readonly number[]): Heaviest | undefined {
  const again = repeat(target, seed)
  const counter = new WorkCounter()
  const all = numbers.map((number) => {
    const { run, length } = again(number)
    return { number, length, work: counter.count(run) }
  })
  counter.close()
  return all.sort((a, b) => b.work - a.work)[0]
}

function report(
  target: Target,
  seconds: number,
  seen: Seen,
  before: Memory,
  after: Memory,
  most: Heaviest | undefined,
): void {
  const [alive, resident] = [after.alive - before.alive, after.resident - before.resident]
  const rate = Math.round(share / seconds)
  console.log(
    `${target.name}: ${share} cases in ${seconds.toFixed(0)} s (${rate}/s), ${seen.size} kinds of outcome, ` +
      `${alive.toFixed(1)} MiB alive and ${resident.toFixed(1)} resident more than after a tenth; most work: ` +
      `${most?.work} blocks for ${most?.length} octets (case ${most?.number})`,
  )
  const complaints = [
    (alive > MOST_GROWN.alive || resident > MOST_GROWN.resident) && `${target.name}: memory grows`,
    most !== undefined &&
      most.work > WORK.base + WORK.perOctet * most.length &&
      `${target.name}: case ${most.number} makes too much work`,
  ]
  for (const complaint of complaints) {
    if (complaint === false) continue
    process.exitCode = 1
    console.log(complaint)
  }
}

function collect(target: Target, seen: Seen): void {
  let index = 0
  for (const bytes of seen.values()) if (bytes.length <= 200 && index < 24) keep(`${target.name}-${index++}`, bytes)
}

for (const target of targets) {
  const seen: Seen = new Map()
  const other = others.find(({ name }) => name === target.name) ?? target
  const again = repeat(other, seed)
  const slowest = new Slowest((number) => again(number).run())
  const looking = {
    before: (number: number) => watchdog.see(number),
    after: (number: number, millis: number) => slowest.note(number, millis),
  }
  const begun = performance.now()
  const warm = Math.ceil(share / 10)
  let failure = fuzz(target, { seed, first, cases: warm, ...looking }, seen)
  const before = await memory()
  failure ??= fuzz(target, { seed, first: first + warm, cases: share - warm, ...looking }, seen)
  const seconds = (performance.now() - begun) / 1000
  if (failure === undefined) {
    report(target, seconds, seen, before, await memory(), heaviest(other, slowest.numbers))
    if (values.collect) collect(target, seen)
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
await watchdog.end()
