import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'
import { makeTargets } from './targets.ts'

const CASES = Number(process.env.GODWIT_FUZZ_CASES ?? 15_000)
const SEED = Number(process.env.GODWIT_SEED ?? 1)

test.each(makeTargets().map((target) => [target.name, target] as const))('%s: any bytes', (name, target) => {
  const failure = fuzz(target, { seed: SEED, cases: CASES })
  const again = `npm run fuzz -- --target ${name} --seed ${SEED} --cases ${CASES}`
  expect(failure?.error, `case ${failure?.number}: ${again}`).toBeUndefined()
})
