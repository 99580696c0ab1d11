/**
 * The seed of all properties. In CI it is fixed: a change is judged by the same inputs as the one before it. By hand each run
 * tries new ones; `GODWIT_SEED=N` repeats those of N.
 */
import fc from 'fast-check'

const CI_SEED = 1
const named = process.env.GODWIT_SEED ?? (process.env.CI === undefined ? undefined : String(CI_SEED))

if (named !== undefined) fc.configureGlobal({ seed: Number(named) })
// To make a failure smaller may take longer than all tests: that is for whoever repeats it by hand.
if (process.env.CI !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true })
