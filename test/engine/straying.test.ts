/** A learned prefix for which another program has the route: who is told it, with this node as next hop. */
import { describe, expect, test } from 'vitest'
import { type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import type { Link } from '../../src/dataplane/links.ts'
import { linkOf, ownRoute } from '../support/fake-kernel.ts'
import { bgpFilter } from '../support/objects.ts'
import { announcement, attributes, path, prefix } from '../support/rib.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const ACCEPT = [{ action: 'Accept' }]
const TELL_ALL = bgpFilter('tell-all', { exportV4: ACCEPT, exportV6: ACCEPT })
const PODS = '10.50.0.0/16'

const overLink = (text: string, name: string, gateway?: string): KernelRoute => ({
  prefix: prefix(text),
  type: 'unicast',
  protocol: gateway === undefined ? 2 : 4,
  metric: gateway === undefined ? 0 : 100,
  table: MAIN_TABLE,
  hops: [{ gateway, interface: name, onlink: false, weight: 1 }],
})

/** So many neighbors that some are on no link; each is told what the others tell. */
const rigOfMany = (): Rig =>
  new Rig({
    neighbors: 92,
    spec: { advertiseLearned: true, filters: ['take-all', 'tell-all'] },
    objects: [TELL_ALL],
    more: { dataplane: 'linux' },
  })

/** PODS come from a neighbor on eth0, the static route for them leads over eth1, and another neighbor is on eth2. */
class Lab {
  readonly #rig = rigOfMany()
  readonly #hearer = this.#rig.neighbors[90] as RawNeighbor

  constructor() {
    this.set(linkOf(4, 'eth2', true, ['10.9.0.100/24']))
    this.setStatic(true)
    const present = [
      overLink('10.0.0.0/24', 'eth0'),
      overLink('10.1.0.0/24', 'eth1'),
      overLink('10.9.0.0/24', 'eth2'),
      overLink(PODS, 'eth1', '10.1.0.9'),
    ]
    this.#rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
    const teller = (this.#rig.neighbors[0] as RawNeighbor).establish()
    this.#hearer.connect('10.9.0.100').send(this.#hearer.open()).keepAlive()
    teller.send(announcement([PODS], attributes(path(teller.asn)), teller.address))
    this.#rig.pass(30_000)
  }

  set(link: Link): void {
    this.#rig.feed({ kind: 'links', change: { full: false, gone: [], present: [link] } })
  }

  /** The link of the static route. */
  setStatic(up: boolean, ...more: readonly string[]): void {
    this.set(linkOf(3, 'eth1', up, ['10.1.0.100/24', ...more]))
  }

  isTold(): boolean {
    this.#rig.pass(5_000)
    const asked = { for: prefix(PODS), export: this.#hearer.name }
    return this.#rig.engine.view(this.#rig.now).routes(asked, undefined, 1).rows.length > 0
  }
}

test('while the link of that route is down, nobody is told it', () => {
  const lab = new Lab()
  expect(lab.isTold()).toBe(true)
  lab.setStatic(false)
  expect(lab.isTold()).toBe(false)
  lab.setStatic(true)
  expect(lab.isTold()).toBe(true)
})

test('a neighbor whose subnet that link gets is told no route that leads back to it', () => {
  const lab = new Lab()
  expect(lab.isTold()).toBe(true)
  lab.setStatic(true, '10.9.0.101/24')
  expect(lab.isTold()).toBe(false)
  lab.setStatic(true)
  expect(lab.isTold()).toBe(true)
})

/** A link of ours that has no network: the host at its other end is known by a route of its own. */
test.each([
  ['a route for exactly the prefix', [overLink(PODS, 'eth2', '10.9.0.91')], '10.0.0.20'],
  ['the way to the next hop', [overLink('10.77.0.7/32', 'eth2', '10.9.0.91')], '10.77.0.7'],
])('a neighbor on a link without networks is told no route that leads back to it by %s', (_, foreign, nextHop) => {
  const rig = rigOfMany()
  const [teller, hearer] = [rig.neighbors[0] as RawNeighbor, rig.neighbors[90] as RawNeighbor]
  const setForeign = (gone: readonly KernelRoute[], present: readonly KernelRoute[]) =>
    rig.feed({ kind: 'kernel', change: { full: false, more: false, gone, present } })
  const isTold = () => {
    rig.pass(5_000)
    const asked = { for: prefix(PODS), export: hearer.name }
    return rig.engine.view(rig.now).routes(asked, undefined, 1).rows.length > 0
  }
  const present = [linkOf(4, 'eth2', true, ['10.9.0.100/32']), linkOf(5, 'eth3', true, ['10.8.0.100/32'])]
  rig.feed({ kind: 'links', change: { full: false, gone: [], present } })
  const links = [overLink('10.0.0.0/24', 'eth0'), overLink('10.9.0.90/32', 'eth2'), overLink('10.8.0.1/32', 'eth3')]
  // A way over another link without networks leads on.
  const elsewhere = foreign.map((route) => ({
    ...route,
    hops: [{ gateway: '10.8.0.1', interface: 'eth3', onlink: false, weight: 1 }],
  }))
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present: [...links, ...elsewhere] } })
  teller.establish()
  hearer.connect('10.9.0.100').send(hearer.open()).keepAlive()
  teller.send(announcement([PODS], attributes(path(teller.asn)), nextHop))
  const found = [isTold()]
  setForeign(elsewhere, foreign)
  found.push(isTold())
  setForeign(foreign, elsewhere)
  found.push(isTold())
  expect(found).toEqual([true, false, true])
})

test.each([
  ['on our link is reached there by that', ['10.9.0.100/24'], true],
  ['beyond a router is reached by its global address, and a neighbor on the way is not told', [], false],
])('a next hop with a link-local address of a neighbor %s', (_, near, expected) => {
  const rig = rigOfMany()
  const [hearer, teller] = [rig.neighbors[0] as RawNeighbor, rig.neighbors[90] as RawNeighbor]
  const own = linkOf(2, 'eth0', true, ['10.0.0.100/24', 'fd00:10::100/64', 'fe80::100/64', ...near])
  rig.feed({ kind: 'links', change: { full: false, gone: [], present: [own] } })
  const present = [overLink('fd00:10::/64', 'eth0'), overLink('::/0', 'eth0', 'fd00:10::1')]
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
  hearer.establish()
  teller.establish()
  teller.send(announcement(['fd50::/64'], attributes(path(teller.asn)), '2001:db8::1 fe80::1'))
  rig.pass(30_000)
  const asked = { for: prefix('fd50::/64'), export: hearer.name }
  expect(rig.engine.view(rig.now).routes(asked, undefined, 1).rows.length > 0).toBe(expected)
})

test('before the routes of the kernel have been read nobody is told a route that packets would follow through this node', () => {
  const rig = new Rig({
    spec: { advertiseLearned: true, filters: ['take-all', 'tell-all'] },
    objects: [TELL_ALL],
    more: { dataplane: 'linux' },
  })
  rig.feed({ kind: 'kernel-error', what: 'routes', text: 'they cannot be read' })
  const [teller, hearer] = rig.neighbors as [RawNeighbor, RawNeighbor]
  for (const neighbor of [teller, hearer]) neighbor.establish()
  teller.send(announcement([PODS], attributes(path(teller.asn)), '10.77.0.7'))
  const told = (words: object) => {
    rig.pass(5_000)
    return rig.engine.view(rig.now).routes({ for: prefix(PODS), ...words }, undefined, 1).rows
  }
  expect(told({ export: hearer.name })).toEqual([])
  expect(told({ noexport: hearer.name })[0]?.reason).toContain('have not been read')
  const present = [overLink('10.0.0.0/24', 'eth0'), overLink('10.77.0.0/16', 'eth1', '10.1.0.9')]
  rig.feed({ kind: 'links', change: { full: false, gone: [], present: [linkOf(3, 'eth1', true, ['10.1.0.100/24'])] } })
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
  expect(told({ export: hearer.name })).toHaveLength(1)
})

describe('once the routes of the kernel have been read', () => {
  const start = (nextHop?: string) => {
    const rig = new Rig({
      spec: { advertiseLearned: true, filters: ['take-all', 'tell-all'] },
      objects: [TELL_ALL],
      configuration: { podCIDRSource: 'Static' },
      more: { dataplane: 'linux' },
    })
    const [teller, hearer] = rig.neighbors as [RawNeighbor, RawNeighbor]
    for (const neighbor of [teller, hearer]) neighbor.establish()
    const texts = [PODS, '10.51.0.0/16']
    teller.send(announcement(texts, attributes(path(teller.asn)), nextHop ?? teller.address))
    rig.pass(5_000)
    const read = () => {
      const present = [overLink('10.0.0.0/24', 'eth0'), overLink('10.77.0.0/16', 'eth1', '10.1.0.9')]
      rig.feed({
        kind: 'links',
        change: { full: false, gone: [], present: [linkOf(3, 'eth1', true, ['10.1.0.100/24'])] },
      })
      rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
      rig.pass(5_000)
    }
    return { rig, hearer, texts, read }
  }

  test('this node is the next hop again of what was told with its own', () => {
    const { rig, hearer, texts, read } = start()
    const told = () =>
      texts.map((text) => {
        const asked = { for: prefix(text), export: hearer.name }
        return rig.engine.view(rig.now).routes(asked, undefined, 1).rows[0]?.nextHops
      })
    // As long as nobody forwards for it, the hearer reaches the teller itself: all are on one link.
    expect(told()).toEqual([['10.0.0.1'], ['10.0.0.1']])
    read()
    expect(told()).toEqual([['10.0.0.100'], ['10.0.0.100']])
  })

  test('End-of-RIB follows, behind what waited', () => {
    const { hearer, read } = start('10.77.0.7')
    const updates = () => hearer.heard.filter((bytes) => bytes[18] === 2).map(({ length }) => length)
    expect(updates()).toEqual([])
    read()
    const [first, ...ends] = updates()
    expect(first).toBeGreaterThan(40)
    expect(ends.sort()).toEqual([23, 29])
  })
})

/** Of an earlier run: packets follow it until all neighbors have sent their routes, and most of these never come. */
test.each([
  [
    'that leads back to a neighbor',
    ownRoute(PODS, { gateway: '10.9.0.90', interface: 'eth2', onlink: false, weight: 1 }),
  ],
  ['that drops packets', { ...ownRoute(PODS), type: 'blackhole' as const }],
])('a route of an earlier run %s is no way for what is told that neighbor, until ours is in its place', (_, before) => {
  const rig = rigOfMany()
  const [teller, hearer] = [rig.neighbors[0] as RawNeighbor, rig.neighbors[90] as RawNeighbor]
  const isTold = () => {
    const asked = { for: prefix(PODS), export: hearer.name }
    return rig.engine.view(rig.now).routes(asked, undefined, 1).rows.length > 0
  }
  rig.feed({ kind: 'links', change: { full: false, gone: [], present: [linkOf(4, 'eth2', true, ['10.9.0.100/24'])] } })
  const present = [overLink('10.0.0.0/24', 'eth0'), overLink('10.9.0.0/24', 'eth2'), before]
  rig.feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present } })
  teller.establish()
  hearer.connect('10.9.0.100').send(hearer.open()).keepAlive()
  teller.send(announcement([PODS], attributes(path(teller.asn)), teller.address))
  rig.pass(10_000)
  const told = [isTold()]
  rig.pass(60_000)
  told.push(isTold())
  expect(told).toEqual([false, true])
})
