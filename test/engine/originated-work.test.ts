import { expect, test, vi } from 'vitest'
import { hostPrefix, type Prefix } from '../../src/base/prefix.ts'
import type { RouteIntent } from '../../src/cluster/intent.ts'
import { type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import type { Objects } from '../../src/engine/objects.ts'
import { OriginatedPrefixes } from '../../src/engine/originated-prefixes.ts'
import { linkOf } from '../support/fake-kernel.ts'

const PODS = 250
const addressOf = (index: number) => hostPrefix(`10.244.9.${index}`) as Prefix
const podRoute = (prefix: Prefix): KernelRoute => ({
  ...{ prefix, type: 'unicast', protocol: 4, metric: 0, table: MAIN_TABLE },
  hops: [{ gateway: undefined, interface: 'cali1', onlink: false, weight: 1 }],
})

test.each(['pod', 'pod-cidr'] as const)(
  'single addresses that wait are looked at when the kernel changes: %s',
  (origin) => {
    const links = new LinkTable()
    links.take({ full: true, gone: [], present: [linkOf(2, 'cali1', true, [])] })
    const keeper = new RouteKeeper(links)
    const told: string[] = []
    const changeRoutes: Objects['changeRoutes'] = (announce) => told.push(...announce.map(({ prefix }) => prefix.text))
    const own = new OriginatedPrefixes(keeper, { changeRoutes } as Objects, () => true)
    const looks = vi.spyOn(keeper.kernel, 'leadsToPod')
    const routes = Array.from({ length: PODS }, (_, index) => ({ prefix: addressOf(index), origin }) as RouteIntent)
    own.change(routes, [], 0)
    const report = (present: readonly KernelRoute[], full = false) => {
      keeper.takeKernel({ full, more: false, gone: [], present }, 0)
      own.kernelChanged()
    }
    const turn = () => {
      own.withdrawStrayed(0)
      own.announceReady(0)
    }
    expect(own.isReady).toBe(false)
    report([], true)
    // End-of-RIB does not come before those whose route is there already.
    expect(own.isReady).toBe(false)
    turn()
    expect(own.isReady).toBe(true)
    looks.mockClear()
    for (let turns = 0; turns < 100; turns++) turn()
    expect(looks).not.toHaveBeenCalled()
    report([podRoute(addressOf(7))])
    turn()
    expect(told).toEqual([addressOf(7).text])
  },
)
