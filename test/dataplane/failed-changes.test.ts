/** Changes that the kernel refused are tried again. */
import { expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { FailedChanges } from '../../src/dataplane/failed-changes.ts'
import { Inheritance } from '../../src/dataplane/inheritance.ts'
import { type KernelRoute, MAIN_TABLE, type RouteChange } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { settle } from '../support/settle.ts'

const prefixOf = (text: string): Prefix => parsePrefix(text) as Prefix
const inheritedRoute = (text: string): KernelRoute =>
  ({
    prefix: prefixOf(text),
    type: 'unicast',
    protocol: 12,
    metric: 32,
    table: 254,
    hops: [],
  }) as unknown as KernelRoute

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

test('a removal of an inherited route that fails goes on with its delay, however many others succeed meanwhile', () => {
  const inherited = new Inheritance([12])
  const route = inheritedRoute('10.0.0.0/24')
  inherited.take(route, true)
  let now = 0
  const delays = [1, 2, 3, 4].map(() => {
    inherited.applied([], [route], now)
    const delay = (inherited.deadline ?? 0) - now
    now += delay
    inherited.retry(now)
    expect(inherited.removals(10)).toEqual([{ action: 'remove', route }])
    for (let batch = 0; batch < 3; batch++) inherited.applied([], [], now)
    return delay
  })
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000])
  inherited.applied([route], [], now)
  inherited.applied([], [route], now)
  expect(inherited.deadline).toBe(now + 1_000)
})

test('an inherited route that cannot be removed delays no retry of our own routes', () => {
  const keeper = new RouteKeeper(new LinkTable(), MAIN_TABLE, [12])
  keeper.takeKernel({ full: true, more: false, gone: [], present: [inheritedRoute('10.0.0.0/24')] }, 0)
  keeper.sweep()
  let now = 0
  const fail = (action: RouteChange['action']) => {
    const changes = settle(keeper).take(10)
    expect(changes.map((change) => change.action)).toEqual([action])
    keeper.applied(changes, [{ index: 0, reason: 'Device or resource busy' }], now)
  }
  const retry = (after: number) => {
    expect(keeper.deadline()).toBe(now + after)
    now += after
    keeper.retry(now)
  }
  for (const delay of [1_000, 2_000, 4_000]) {
    fail('remove')
    retry(delay)
  }
  fail('remove')
  keeper.wanted.holdBlackhole(prefixOf('10.10.0.0/24'))
  fail('add')
  retry(1_000)
  fail('add')
})
