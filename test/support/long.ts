/**
 * Tests that are too long for the quick run. A file with such tests has `x.long.test.ts` beside it, which imports it: in the
 * project `long` all of its tests run, here only the quick ones.
 */
import { test } from 'vitest'

/** Whether this is the project `long`. */
export const isLong = process.env.GODWIT_LONG !== undefined

const notNow = Object.assign(() => undefined, { each: () => () => undefined }) as unknown as typeof test

/** A test that runs in the project `long` alone. */
export const longTest = isLong ? test : notNow

/** Rows of a table that differ little: so many of them in the quick run, all of them in the project `long`. */
export const firstOf = <Row>(quick: number, rows: readonly Row[]): readonly Row[] =>
  isLong ? rows : rows.slice(0, quick)

/** How many cases of a property are tried. */
export const runs = (quick: number, long: number): number => Number(process.env.GODWIT_RUNS ?? (isLong ? long : quick))
