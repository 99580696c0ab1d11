/** Changes that the kernel refused are tried again. */
import { expect, test } from 'vitest'
import { FailedChanges } from '../../src/dataplane/failed-changes.ts'

test('the delay grows with each retry, however many batches fail meanwhile', () => {
  const failed = new FailedChanges()
  let now = 0
  const delays = [1, 2, 3, 4, 5, 6, 7, 8].map(() => {
    failed.add('10.0.0.0/24')
    for (let batch = 0; batch < 7; batch++) failed.applied(true, now)
    const delay = (failed.deadline ?? 0) - now
    now += delay
    expect(failed.takeDue(now)).toBe(true)
    return delay
  })
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  failed.delete('10.0.0.0/24')
  failed.applied(false, now)
  failed.applied(true, now)
  expect(failed.deadline).toBe(now + 1_000)
})
