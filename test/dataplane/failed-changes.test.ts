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

test('the delay of a route grows with each retry, however often it fails meanwhile, and delays no other', () => {
  const failed = new FailedChanges()
  const [old, fresh] = ['10.0.0.0/24', '10.1.0.0/24']
  let now = 0
  const delays = [1, 2, 3, 4, 5, 6, 7, 8].map(() => {
    for (let batch = 0; batch < 7; batch++) failed.add(old, now + batch)
    const delay = (failed.deadline ?? 0) - now
    now += delay
    expect(failed.takeDue(now - 1, 9)).toEqual([])
    expect(failed.takeDue(now, 9)).toEqual([old])
    return delay
  })
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  failed.add(old, now)
  failed.add(fresh, now)
  expect(failed.takeDue(now + 1_000, 9)).toEqual([fresh])
  expect(failed.deadline).toBe(now + 60_000)
  expect([failed.delete(old), failed.delete(old), failed.deadline]).toEqual([true, false, undefined])
  failed.add(old, now)
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
  expect(inherited.deadline).toBeUndefined()
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

test('a removal of our own route that fails goes on with its delay', () => {
  const keeper = new RouteKeeper(new LinkTable())
  keeper.takeKernel({ full: true, more: false, gone: [], present: [] }, 0)
  const prefix = prefixOf('10.10.0.0/24')
  keeper.wanted.holdBlackhole(prefix)
  keeper.applied(settle(keeper).take(10), [], 0)
  keeper.wanted.dropBlackhole(prefix)
  let now = 0
  const delays = [1, 2, 3, 4].map(() => {
    const changes = settle(keeper).take(10)
    expect(changes.map(({ action }) => action)).toEqual(['remove'])
    keeper.applied(changes, [{ index: 0, reason: 'Device or resource busy' }], now)
    const delay = (keeper.deadline() ?? 0) - now
    now += delay
    keeper.retry(now)
    return delay
  })
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000])
})
