// What must happen within a second of something else, on a machine that may be busy with other work: three tries, and the
// quickest counts. Every try must come to its end.

import { eventually } from './wait.ts'

const TRIES = 3
const LIMIT = 1_000
const LATEST = 15_000

/** Answers how many milliseconds the quickest try took. */
export const soon = async (
  what: string,
  change: (attempt: number) => Promise<unknown>,
  seen: (attempt: number) => Promise<void>,
): Promise<number> => {
  const times: number[] = []
  for (let attempt = 0; attempt < TRIES; attempt++) {
    await change(attempt)
    const start = performance.now()
    // Each look is timed by its beginning: what it takes to look is not what is measured.
    let looked = start
    await eventually(
      async () => {
        looked = performance.now()
        await seen(attempt)
      },
      { within: LATEST, every: 50 },
    )
    times.push(Math.round(looked - start))
    if (looked - start <= LIMIT) return Math.round(looked - start)
  }
  throw new Error(`${what} took ${times.join(', ')} ms`)
}
