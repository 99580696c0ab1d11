/** What the keeper notes for others to take. */
import { expect, test } from 'vitest'
import { addressBytes } from '../../src/base/address.ts'
import { type Hop, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { linkOf, ownRoute } from '../support/fake-kernel.ts'
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

test.each([
  ['that another program deletes is left alone after a while', true],
  ['that goes with its link is written whenever the link is back', false],
])('a route of ours %s', (_, isDeleted) => {
  const links = new LinkTable()
  const keeper = new RouteKeeper(links)
  const route = ownRoute('10.9.0.0/24', { gateway: '10.0.0.1', interface: 'eth0', onlink: false, weight: 1 })
  const connected = {
    ...ownRoute('10.0.0.0/24', { ...route.hops[0], gateway: undefined } as Hop),
    protocol: 2,
    metric: 0,
  }
  const setLink = () =>
    keeper.takeLinks(links.take({ full: false, gone: [], present: [linkOf(2, 'eth0', true, ['10.0.0.2/24'])] }))
  const change = { full: false, more: false, gone: [], present: [] }
  const write = (now: number) => {
    settle(keeper)
    const changes = keeper.take(9)
    keeper.applied(changes, [], now)
    return changes.map(({ action }) => action).join()
  }
  setLink()
  keeper.takeKernel({ ...change, present: [connected] }, 0)
  keeper.wanted.learn(route.prefix, [{ bytes: addressBytes('10.0.0.1'), interface: undefined }])
  const written = [write(0)]
  for (let time = 1; time <= 6; time++) {
    // The link was off for less than it takes to look at it.
    if (!isDeleted) setLink()
    keeper.takeKernel({ ...change, gone: [route], ...(isDeleted && { deleted: [route] }) }, time)
    written.push(write(time))
  }
  expect(written).toEqual(['add', 'add', 'add', 'add', 'add', 'add', isDeleted ? '' : 'add'])
})

test('a route of an earlier run yields to the direct route that objects want, and not to a learned one before the sweep', () => {
  const links = new LinkTable()
  const keeper = new RouteKeeper(links)
  keeper.takeLinks(links.take({ full: true, gone: [], present: [linkOf(2, 'eth0', true, ['10.0.0.2/24'])] }))
  const way = (gateway?: string) => ({ gateway, interface: 'eth0', onlink: false, weight: 1 })
  const connected = { ...ownRoute('10.0.0.0/24', way()), protocol: 2, metric: 0 }
  const [toPods, learned] = [ownRoute('10.9.1.0/24', way('10.0.0.7')), ownRoute('10.9.2.0/24', way('10.0.0.7'))]
  keeper.takeKernel({ full: true, more: false, gone: [], present: [connected, toPods, learned] }, 0)
  keeper.wanted.setDirect({ node: 'worker-2', prefix: toPods.prefix, gateway: '10.0.0.8' })
  keeper.wanted.learn(learned.prefix, [{ bytes: addressBytes('10.0.0.8'), interface: undefined }])
  const written = () => {
    settle(keeper)
    const changes = keeper.take(9)
    keeper.applied(changes, [], 0)
    return changes.map(({ action, route }) => `${action} ${route.prefix.text} via ${route.hops[0]?.gateway}`)
  }
  expect(written()).toEqual(['replace 10.9.1.0/24 via 10.0.0.8'])
  keeper.sweep()
  expect(written()).toEqual(['replace 10.9.2.0/24 via 10.0.0.8'])
})
