/** What the keeper notes for others to take. */
import { expect, test } from 'vitest'
import { MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { prefix } from '../support/rib.ts'
import { settle } from '../support/settle.ts'

test('a route that flaps while nobody takes what has changed is noted once', () => {
  const links = new LinkTable()
  const keeper = new RouteKeeper(links)
  keeper.takeLinks(links.take({ full: true, gone: [], present: [linkOf(2, 'eth0', true, ['10.0.0.2/24'])] }))
  settle(keeper).kernel.takeMoved(Number.POSITIVE_INFINITY)
  for (let time = 0; time < 100; time++) {
    const route = {
      prefix: prefix('10.9.0.0/24'),
      type: 'unicast' as const,
      protocol: 4,
      metric: 0,
      table: MAIN_TABLE,
      hops: [{ gateway: '10.0.0.1', interface: 'eth0', onlink: false, weight: 1 }],
    }
    keeper.takeKernel({ full: false, more: false, gone: [], present: [route] }, time)
    keeper.takeKernel(
      { full: false, more: false, gone: [{ ...route, prefix: prefix('10.9.0.0/24') }], present: [] },
      time,
    )
    settle(keeper)
  }
  expect(keeper.kernel.takeMoved(Number.POSITIVE_INFINITY).map(({ text }) => text)).toEqual(['10.9.0.0/24'])
})
