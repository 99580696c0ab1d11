/** What every kernel must do for the engine. The real one and the one in memory run the same rows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownKey } from '../../src/dataplane/fib.ts'
import {
  GODWIT_PROTOCOL,
  type Hop,
  type KernelRoute,
  MAIN_TABLE,
  type RouteChange,
  routeKey,
} from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'
import { ownRoute as ownRouteIn } from '../support/fake-kernel.ts'
import { until } from '../support/loopback.ts'

/** A host with the link e0 (10.0.0.2/24, fd00::2/64) and e1 (10.1.0.2/24, fd01::2/64). */
export interface KernelRig {
  /** Somebody who begins to follow now. */
  again(feed: (input: Input) => void): { close(): Promise<void> }
  perform(effect: Extract<Effect, { kind: 'routes' }>): void
  /** As somebody else. */
  addForeign(prefix: string, gateway: string, protocol: number, metric: number): void
  /** The same over e0 as an object of its own, where the kernel has such, as zebra writes it. */
  addForeignByObject(prefix: string, gateway: string, protocol: number, metric: number): void
  remove(prefix: string, protocol: number): void
  setCarrier(name: string, up: boolean): void
  addAddress(name: string, address: string): void
  removeAddress(name: string, address: string): void
  close(): Promise<void>
}

const via = (gateway: string, name = 'e0'): Hop => ({ gateway, interface: name, onlink: false, weight: 1 })

const add = (route: KernelRoute): RouteChange => ({ action: 'add', route })
const replace = (route: KernelRoute): RouteChange => ({ action: 'replace', route })
const remove = (route: KernelRoute): RouteChange => ({ action: 'remove', route })

/** Follows the words of a kernel, as an engine does. */
class Follower {
  readonly routes = new Map<string, KernelRoute>()
  readonly links = new LinkTable()
  readonly inputs: Input[] = []

  readonly feed = (input: Input): void => {
    this.inputs.push(input)
    if (input.kind === 'links') this.links.take(input.change)
    if (input.kind !== 'kernel') return
    if (input.change.full) this.routes.clear()
    for (const route of input.change.gone) this.routes.delete(routeKey(route))
    for (const route of input.change.present) this.routes.set(routeKey(route), route)
  }

  /** All has been read once. */
  get isKnown(): boolean {
    return this.inputs.some((input) => input.kind === 'kernel' && !input.change.more)
  }

  keys(protocol?: number): string[] {
    return [...this.routes.values()]
      .filter((route) => protocol === undefined || route.protocol === protocol)
      .map(routeKey)
      .sort()
  }

  applied(seq: number) {
    return this.inputs.find((input) => input.kind === 'applied' && input.seq === seq)
  }
}

export function describeKernel(
  name: string,
  open: (feed: (input: Input) => void) => KernelRig,
  table = MAIN_TABLE,
): void {
  const ownRoute = (text: string, ...hops: readonly Hop[]): KernelRoute => ({
    ...ownRouteIn(text, ...hops),
    table,
  })
  const inOurTable = (key: string) => (table === MAIN_TABLE ? key : `${key} table ${table}`)
  describe(name, () => {
    let follower: Follower
    let rig: KernelRig
    let seq = 0

    beforeEach(async () => {
      follower = new Follower()
      rig = open(follower.feed)
      await until('the first word', () => follower.isKnown)
    })
    afterEach(() => rig.close())

    const write = async (...changes: RouteChange[]) => {
      seq++
      rig.perform({ kind: 'routes', seq, changes })
      const number = seq
      await until('applied', () => follower.applied(number) !== undefined)
      const input = follower.applied(number)
      return input?.kind === 'applied' ? input.failed : []
    }
    const hopsOf = (route: KernelRoute): string =>
      [...follower.routes.values()]
        .filter((known) => ownKey(known) === ownKey(route) && known.protocol === GODWIT_PROTOCOL)
        .map(routeKey)
        .join()
    /** What a newcomer reads is what was written. */
    const readAgain = async (protocol = GODWIT_PROTOCOL): Promise<string[]> => {
      const newcomer = new Follower()
      const second = rig.again(newcomer.feed)
      await until('a second first word', () => newcomer.isKnown)
      await second.close()
      return newcomer.keys(protocol)
    }

    test('the first word is everything: links, their addresses and their routes', () => {
      const [links, first] = follower.inputs.filter(({ kind }) => kind === 'links' || kind === 'kernel')
      expect(links).toMatchObject({ kind: 'links', change: { full: true, gone: [] } })
      expect(first).toMatchObject({ kind: 'kernel', change: { full: true, gone: [] } })
      const link = follower.links.get('e0')
      expect(link).toMatchObject({ name: 'e0', up: true })
      expect(link?.addresses).toContainEqual(
        expect.objectContaining({ address: '10.0.0.2', length: 24, peer: undefined, scope: 0 }),
      )
      expect(link?.addresses).toContainEqual(
        expect.objectContaining({ address: 'fd00::2', length: 64, peer: undefined, scope: 0 }),
      )
      expect(follower.keys(2)).toEqual(
        expect.arrayContaining(['10.0.0.0/24 dev e0 proto 2 metric 0', 'fd00::/64 dev e0 proto 2 metric 256']),
      )
    })

    const KINDS: readonly (readonly [string, KernelRoute, string])[] = [
      ['IPv4', ownRoute('10.244.2.0/24', via('10.0.0.3')), '10.244.2.0/24 via 10.0.0.3 dev e0'],
      ['IPv6', ownRoute('fd00:244:2::/64', via('fd00::3')), 'fd00:244:2::/64 via fd00::3 dev e0'],
      [
        'IPv6 by a link-local gateway',
        ownRoute('fd00:244:3::/64', via('fe80::3', 'e1')),
        'fd00:244:3::/64 via fe80::3 dev e1',
      ],
      ['IPv4 over IPv6', ownRoute('10.244.3.0/24', via('fe80::3', 'e1')), '10.244.3.0/24 via fe80::3 dev e1'],
      ['an IPv4 blackhole', ownRoute('10.244.1.0/24'), 'blackhole 10.244.1.0/24'],
      ['an IPv6 blackhole', ownRoute('fd00:244:1::/64'), 'blackhole fd00:244:1::/64'],
      [
        'IPv4 by two ways',
        ownRoute('10.244.4.0/24', via('10.0.0.3'), via('10.1.0.3', 'e1')),
        '10.244.4.0/24 via 10.0.0.3 dev e0, via 10.1.0.3 dev e1',
      ],
      [
        'IPv6 by two ways',
        ownRoute('fd00:244:4::/64', via('fd00::3'), via('fd01::3', 'e1')),
        'fd00:244:4::/64 via fd00::3 dev e0, via fd01::3 dev e1',
      ],
      ['the IPv4 default', ownRoute('0.0.0.0/0', via('10.0.0.1')), '0.0.0.0/0 via 10.0.0.1 dev e0'],
      ['the IPv6 default', ownRoute('::/0', via('fd00::1')), '::/0 via fd00::1 dev e0'],
      ['a single address', ownRoute('192.0.2.1/32', via('10.0.0.3')), '192.0.2.1/32 via 10.0.0.3 dev e0'],
    ]
    test.each(KINDS)('writes, reads and removes %s', async (_, route, text) => {
      expect(await write(add(route))).toEqual([])
      expect(await readAgain()).toEqual([inOurTable(`${text} proto 171 metric ${route.metric}`)])
      expect(await write(remove(route))).toEqual([])
      expect(await readAgain()).toEqual([])
    })

    const WAYS: readonly (readonly [string, (text: 4 | 6) => KernelRoute])[] = [
      [
        'another gateway',
        (v) => (v === 4 ? ownRoute('10.244.2.0/24', via('10.0.0.9')) : ownRoute('fd02::/64', via('fd00::9'))),
      ],
      [
        'two ways',
        (v) =>
          v === 4
            ? ownRoute('10.244.2.0/24', via('10.0.0.3'), via('10.1.0.3', 'e1'))
            : ownRoute('fd02::/64', via('fd00::3'), via('fd01::3', 'e1')),
      ],
      [
        'one way',
        (v) =>
          v === 4 ? ownRoute('10.244.2.0/24', via('10.1.0.4', 'e1')) : ownRoute('fd02::/64', via('fd01::4', 'e1')),
      ],
      ['a blackhole', (v) => (v === 4 ? ownRoute('10.244.2.0/24') : ownRoute('fd02::/64'))],
    ]
    test.each([4, 6] as const)('an IPv%i route changes its way and stays one route', async (version) => {
      await write(
        add(version === 4 ? ownRoute('10.244.2.0/24', via('10.0.0.3')) : ownRoute('fd02::/64', via('fd00::3'))),
      )
      for (const [, way] of WAYS) {
        expect(await write(replace(way(version)))).toEqual([])
        expect(await readAgain()).toHaveLength(1)
      }
      const back = WAYS[1]?.[1](version)
      if (back !== undefined) expect(await write(replace(back))).toEqual([])
      expect((await readAgain()).join()).toContain(', via ')
    })

    test.each([
      ['10.244.7.0/24', '10.0.0.9', '10.0.0.3'],
      ['fd00:244:7::/64', 'fd00::9', 'fd00::3'],
    ])("somebody else's route for %s is not touched by adding ours", async (prefix, theirs, ours) => {
      rig.addForeign(prefix, theirs, 4, prefix.includes(':') ? 1025 : 1024)
      await until('theirs', () => follower.keys(4).length === 1)
      const before = follower.keys(4)
      expect(await write(add(ownRoute(prefix, via(ours))))).toEqual([{ index: 0, reason: 'File exists' }])
      expect(await readAgain()).toEqual([])
      expect(follower.keys(4)).toEqual(before)
    })

    test.each([
      ['10.244.8.0/24', '10.0.0.9', 'addForeign'],
      ['fd00:244:8::/64', 'fd00::9', 'addForeign'],
      ['10.244.8.0/24', '10.0.0.9', 'addForeignByObject'],
      ['fd00:244:8::/64', 'fd00::9', 'addForeignByObject'],
    ] as const)(
      "another speaker's route for %s by %s goes by its number, and ours stays (%s)",
      async (prefix, gateway, how) => {
        rig[how](prefix, gateway, 12, 32)
        await until('theirs', () => follower.keys(12).length === 1)
        expect(await write(add(ownRoute(prefix, via(gateway))))).toEqual([])
        const [theirs] = [...follower.routes.values()].filter(({ protocol }) => protocol === 12)
        if (theirs === undefined) throw new Error('no route')
        expect(await write(remove(theirs))).toEqual([])
        expect(await readAgain(12)).toEqual([])
        expect(await readAgain()).toHaveLength(1)
      },
    )

    test('what fails is named by its place, and the rest is done', async () => {
      const good = [ownRoute('10.244.10.0/24', via('10.0.0.3')), ownRoute('fd00:244:10::/64', via('fd00::3'))] as const
      const failed = await write(
        add(good[0]),
        add(ownRoute('10.244.11.0/24', via('10.99.0.1'))),
        add(ownRoute('fd00:244:11::/64', via('fd99::1', 'e1'))),
        add(good[1]),
        remove(ownRoute('10.244.12.0/24', via('10.0.0.3'))),
      )
      expect(failed.map(({ index }) => index).sort()).toEqual([1, 2])
      expect(await readAgain()).toHaveLength(2)
    })

    test('a route that somebody deletes is told as gone, by the key it was written with', async () => {
      const route = ownRoute('10.244.2.0/24', via('10.0.0.3'))
      await write(add(route))
      follower.inputs.length = 0
      rig.remove('10.244.2.0/24', GODWIT_PROTOCOL)
      const isGone = (input: Input) =>
        input.kind === 'kernel' &&
        input.change.gone.some(
          (gone) => routeKey(gone) === inOurTable('10.244.2.0/24 via 10.0.0.3 dev e0 proto 171 metric 1024'),
        )
      await until('gone', () => follower.inputs.some(isGone))
      expect(hopsOf(route)).toBe('')
    })

    test('a link without a carrier is told, and that it has one again', async () => {
      rig.setCarrier('e1', false)
      await until('down', () => !follower.links.isUp('e1'))
      expect(follower.links.isUp('e0')).toBe(true)
      rig.setCarrier('e1', true)
      await until('up', () => follower.links.isUp('e1'))
    })

    test('an address that comes or goes is told, with its link', async () => {
      rig.addAddress('e1', 'fd01::9/128')
      await until('one more', () => follower.links.holder('fd01::9')?.name === 'e1')
      rig.removeAddress('e1', 'fd01::9/128')
      await until('one less', () => !follower.links.isOwn('fd01::9'))
      expect(follower.links.isOwn('fd01::2')).toBe(true)
    })

    test('shares of ways are written and read', async () => {
      const ways = [{ ...via('10.0.0.3'), weight: 9 }, via('10.1.0.3', 'e1')]
      expect(await write(add(ownRoute('10.244.4.0/24', ...ways)))).toEqual([])
      const text = '10.244.4.0/24 via 10.0.0.3 dev e0 weight 9, via 10.1.0.3 dev e1'
      expect(await readAgain()).toEqual([inOurTable(`${text} proto 171 metric 1024`)])
    })

    test('ten thousand routes are one batch', async () => {
      const routes = Array.from({ length: 10_000 }, (_, index) =>
        ownRoute(`10.${128 + (index >> 8)}.${index & 255}.0/24`, via('10.0.0.3')),
      )
      expect(await write(...routes.map(add))).toEqual([])
      expect(await readAgain()).toHaveLength(10_000)
      expect(await write(...routes.map(remove))).toEqual([])
      expect(await readAgain()).toEqual([])
    })
  })
}
