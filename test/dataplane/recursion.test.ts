/** `recursiveNextHops`: next hops that only a route of BGP's leads to. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressBytes } from '../../src/base/address.ts'
import { parsePrefix } from '../../src/base/prefix.ts'
import { formatHop, KERNEL_PROTOCOL, type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { runs } from '../support/long.ts'
import { settle } from '../support/settle.ts'

const prefix = (text: string) => {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`)
  return parsed
}

function foreign(text: string, gateway: string | undefined): KernelRoute {
  const route = {
    prefix: prefix(text),
    type: 'unicast' as const,
    protocol: gateway === undefined ? KERNEL_PROTOCOL : 4,
    metric: 0,
    table: MAIN_TABLE,
    hops: [{ gateway, interface: 'eth0', onlink: false, weight: 1 }],
  }
  return route
}

/** A kernel whose link is 10.0.0.0/24 and that takes all that it is given. */
class Site {
  readonly #links = new LinkTable()
  readonly keeper = new RouteKeeper(this.#links)
  readonly #written = new Map<string, string>()

  constructor(allowed = true) {
    this.keeper.wanted.allowLearnedWays(allowed)
    const present = [linkOf(2, 'eth0', true, ['10.0.0.11/24'])]
    this.keeper.takeLinks(this.#links.take({ full: true, gone: [], present }))
    const routes = [foreign('10.0.0.0/24', undefined)]
    this.keeper.takeKernel({ full: true, more: false, gone: [], present: routes }, 0)
  }

  learn(text: string, ...nextHops: readonly string[]): void {
    this.keeper.wanted.learn(
      prefix(text),
      nextHops.map((address) => ({ bytes: addressBytes(address), interface: 'eth0' })),
    )
  }

  add(...routes: readonly KernelRoute[]): void {
    this.keeper.takeKernel({ full: false, gone: [], present: routes, more: false }, 0)
  }

  /** What stands in the kernel once all is settled. */
  routes(): string[] {
    const changes = settle(this.keeper).take(100)
    for (const { action, route } of changes) {
      const key = route.prefix.text
      if (action === 'remove') this.#written.delete(key)
      else this.#written.set(key, route.type === 'unicast' ? route.hops.map(formatHop).join(', ') : route.type)
    }
    this.keeper.applied(changes, [], 0)
    return [...this.#written].map(([key, way]) => `${key} ${way}`).sort()
  }

  why(text: string): string | undefined {
    const kept = this.keeper.keptOut.get(text)
    return kept?.kind === 'unresolved' ? kept.reason : undefined
  }
}

const RACK = '10.30.0.0/24 via 10.0.0.1 dev eth0'
const POD = '10.244.2.0/24 via 10.0.0.1 dev eth0'

describe('next hops behind a learned route', () => {
  test('are not reached where that is not allowed, and the reason is there', () => {
    const site = new Site(false)
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.244.2.0/24', '10.30.0.5')
    expect(site.routes()).toEqual([RACK])
    expect(site.why('10.244.2.0/24')).toBe('no route of this node leads to the next hop 10.30.0.5')
  })

  test.each([
    ['after', ['10.30.0.0/24', '10.244.2.0/24']],
    ['before', ['10.244.2.0/24', '10.30.0.0/24']],
  ])('are reached by its gateway, learned %s it', (_, order) => {
    const site = new Site()
    for (const text of order) site.learn(text, text === '10.30.0.0/24' ? '10.0.0.1' : '10.30.0.5')
    expect(site.routes()).toEqual([POD, RACK])
  })

  test('go with it, come back with it, and follow it elsewhere', () => {
    const site = new Site()
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.244.2.0/24', '10.30.0.5')
    site.routes()
    site.keeper.wanted.forget('10.30.0.0/24')
    expect(site.routes()).toEqual([])
    expect(site.why('10.244.2.0/24')).toMatch(/^no route of this node leads to/)
    site.learn('10.30.0.0/24', '10.0.0.2')
    expect(site.routes()).toEqual(['10.244.2.0/24 via 10.0.0.2 dev eth0', '10.30.0.0/24 via 10.0.0.2 dev eth0'])
    site.learn('10.30.0.0/24', '10.0.0.1', '10.0.0.2')
    expect(site.routes()[0]).toBe('10.244.2.0/24 via 10.0.0.1 dev eth0, via 10.0.0.2 dev eth0')
  })

  test('are left to a route of somebody else as soon as there is one, and given back after', () => {
    const site = new Site()
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.244.2.0/24', '10.30.0.5')
    site.routes()
    const theirs = foreign('10.30.0.0/16', '10.0.0.9')
    site.add(theirs)
    expect(site.routes()).toEqual(['10.244.2.0/24 via 10.0.0.9 dev eth0', RACK])
    site.keeper.takeKernel({ full: false, gone: [theirs], present: [], more: false }, 0)
    expect(site.routes()).toEqual([POD, RACK])
  })

  test('follow the setting', () => {
    const site = new Site(false)
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.244.2.0/24', '10.30.0.5')
    site.routes()
    site.keeper.wanted.allowLearnedWays(true)
    expect(site.routes()).toEqual([POD, RACK])
    site.keeper.wanted.allowLearnedWays(false)
    expect(site.routes()).toEqual([RACK])
  })
})

describe('a route that would cover a gateway on the link', () => {
  const SINGLE = '10.0.0.5/32 via 10.0.0.1 dev eth0'

  test('goes as soon as there is the gateway, and comes back when its last user has left', () => {
    const site = new Site()
    site.learn('10.0.0.5/32', '10.0.0.1')
    expect(site.routes()).toEqual([SINGLE])
    site.learn('10.244.2.0/24', '10.0.0.5')
    expect(site.routes()).toEqual(['10.244.2.0/24 via 10.0.0.5 dev eth0'])
    expect(site.why('10.0.0.5/32')).toBe('it would cover the route to the gateway 10.0.0.5')
    site.learn('10.244.2.0/24', '10.0.0.1')
    expect(site.routes()).toEqual([SINGLE, POD])
  })

  test('is there or not whatever came first', () => {
    const step = fc.record({
      text: fc.constantFrom('10.0.0.5/32', '10.0.0.4/30', '10.0.0.0/16', '10.244.2.0/24', '10.244.3.0/24'),
      hops: fc.uniqueArray(fc.constantFrom('10.0.0.1', '10.0.0.5', '10.0.0.6', '10.30.0.5'), { maxLength: 2 }),
      settled: fc.boolean(),
    })
    const run = fc.property(fc.array(step, { maxLength: 20, size: 'max' }), (steps) => {
      const [site, fresh] = [new Site(), new Site()]
      const last = new Map<string, readonly string[]>()
      for (const { text, hops, settled } of steps) {
        if (hops.length === 0) site.keeper.wanted.forget(text)
        else site.learn(text, ...hops)
        last.set(text, hops)
        if (settled) site.routes()
      }
      for (const [text, hops] of last) if (hops.length > 0) fresh.learn(text, ...hops)
      expect(site.routes()).toEqual(fresh.routes())
    })
    fc.assert(run, { numRuns: runs(40, 300) })
  })
})

describe('no way leads in a circle', () => {
  test('a route that covers its own next hop is no way to it', () => {
    const site = new Site()
    site.learn('10.30.0.0/24', '10.30.0.5')
    expect(site.routes()).toEqual([])
    expect(site.why('10.30.0.0/24')).toBe('no route of this node leads to the next hop 10.30.0.5')
  })

  test('two that would need each other are both left out', () => {
    const site = new Site()
    site.learn('10.30.0.0/24', '10.40.0.5')
    site.learn('10.40.0.0/24', '10.30.0.5')
    expect(site.routes()).toEqual([])
  })

  test('one that needs another leads to none itself', () => {
    const site = new Site()
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.40.0.0/24', '10.30.0.5')
    site.learn('10.50.0.0/24', '10.40.0.5')
    expect(site.routes()).toEqual([RACK, '10.40.0.0/24 via 10.0.0.1 dev eth0'].sort())
    expect(site.why('10.50.0.0/24')).toBe('no route of this node leads to the next hop 10.40.0.5')
  })

  test('nor when it needed a route of somebody else before, that led the same way', () => {
    const site = new Site()
    const theirs = foreign('10.30.0.0/24', '10.0.0.1')
    site.add(theirs)
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.40.0.0/24', '10.30.0.5')
    site.learn('10.50.0.0/24', '10.40.0.5')
    expect(site.routes()).toEqual(['10.40.0.0/24 via 10.0.0.1 dev eth0', '10.50.0.0/24 via 10.0.0.1 dev eth0'])
    site.keeper.takeKernel({ full: false, gone: [theirs], present: [], more: false }, 0)
    expect(site.routes()).toEqual([RACK, '10.40.0.0/24 via 10.0.0.1 dev eth0'].sort())
  })

  test('one that covers the next hop of its own more closely goes the way that was found without it', () => {
    const site = new Site()
    site.learn('10.30.0.0/24', '10.0.0.1')
    site.learn('10.30.0.0/28', '10.30.0.5')
    expect(site.routes()).toEqual([RACK, '10.30.0.0/28 via 10.0.0.1 dev eth0'].sort())
  })
})
