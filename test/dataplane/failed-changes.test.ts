/** Changes that the kernel refused are tried again. */
import { expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { FailedChanges } from '../../src/dataplane/failed-changes.ts'
import { Inheritance } from '../../src/dataplane/inheritance.ts'
import type { KernelRoute } from '../../src/dataplane/kernel.ts'

const prefixOf = (text: string): Prefix => parsePrefix(text) as Prefix

test('the delay grows with each retry, however many batches fail meanwhile', () => {
  const failed = new FailedChanges()
  let now = 0
  const delays = [1, 2, 3, 4, 5, 6, 7, 8].map(() => {
    failed.add('10.0.0.0/24')
    for (let batch = 0; batch < 7; batch++) failed.applied(true, false, now)
    const delay = (failed.deadline ?? 0) - now
    now += delay
    expect(failed.takeDue(now)).toBe(true)
    return delay
  })
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  failed.delete('10.0.0.0/24')
  failed.applied(false, false, now)
  failed.applied(true, false, now)
  expect(failed.deadline).toBe(now + 1_000)
})

test('a removal of an inherited route that fails goes on with its delay, however many others succeed meanwhile', () => {
  const [failed, inherited] = [new FailedChanges(), new Inheritance([12])]
  const route = {
    ...{ prefix: prefixOf('10.0.0.0/24'), type: 'unicast', protocol: 12, metric: 32, table: 254, hops: [] },
  } as unknown as KernelRoute
  inherited.take(route, true)
  let now = 0
  const delays = [1, 2, 3, 4].map(() => {
    inherited.applied(route, true)
    failed.applied(true, inherited.hasFailed, now)
    const delay = (failed.deadline ?? 0) - now
    now += delay
    expect(failed.takeDue(now)).toBe(true)
    inherited.retry()
    for (let batch = 0; batch < 3; batch++) failed.applied(false, inherited.hasFailed, now)
    return delay
  })
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000])
  inherited.applied(route, false)
  expect(inherited.hasFailed).toBe(false)
  failed.applied(false, inherited.hasFailed, now)
  failed.applied(true, false, now)
  expect(failed.deadline).toBe(now + 1_000)
})
