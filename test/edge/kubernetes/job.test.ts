/** A write that the API does not accept, for whatever reason and however long. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError } from '../../../src/edge/kubernetes/api.ts'
import { Job, NOT_TRIED, USUAL_JOB } from '../../../src/edge/kubernetes/write/job.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const HOUR = 3_600_000

/** An hour of a job whose every request gets this answer. */
async function anHourOf(status: number) {
  const told: (string | undefined)[] = []
  const counts = { tries: 0 }
  const job = new Job({
    timing: USUAL_JOB,
    run: async () => {
      counts.tries++
      throw new ApiError(status, `${status} no`, undefined)
    },
    refused: (text) => told.push(text),
    spread: () => 0,
  })
  job.wake()
  await vi.advanceTimersByTimeAsync(HOUR)
  const stopped = job.stop()
  await vi.advanceTimersByTimeAsync(1)
  await stopped
  return { told: told.length, reason: told.at(-1), tries: counts.tries }
}

test.each([400, 401, 403, 404, 408, 409, 410, 422, 429, 500, 503])(
  '%i for an hour: few tries, and a reason',
  async (status) => {
    const { told, reason, tries } = await anHourOf(status)
    expect(reason).toContain(`${status} no`)
    expect(told).toBeLessThanOrEqual(tries)
    // One in two minutes, at the least pause of a spread one.
    expect(tries).toBeLessThan(75)
  },
)

test('a job that may not try just now takes back no refusal', async () => {
  const told: (string | undefined)[] = []
  const answers = ['refused', NOT_TRIED, 'done'] as const
  let tries = 0
  const job = new Job({
    timing: USUAL_JOB,
    run: async () => {
      const answer = answers[tries++]
      if (answer === 'refused') throw new ApiError(403, 'Forbidden', undefined)
      return answer === NOT_TRIED ? answer : undefined
    },
    refused: (text) => told.push(text),
    spread: () => 0,
  })
  job.wake()
  await vi.advanceTimersByTimeAsync(HOUR)
  expect([tries, told]).toEqual([2, ['Forbidden']])
  job.wake()
  await vi.advanceTimersByTimeAsync(HOUR)
  expect([tries, told]).toEqual([3, ['Forbidden', undefined]])
  await job.stop()
})
