/** Import policy and limits apply to what a neighbor has told already, also to the routes of one that is away. */
import { expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }] })
const REJECTS = upsert(bgpFilter('take-all', { importV4: [{ action: 'Reject' }] }))
const ROUTES = ['10.244.1.0/24', '10.244.2.0/24', '10.244.3.0/24']
const peer = (spec: object = {}): ObjectChange =>
  upsert(bgpPeer('two', { peerIP: '10.0.0.2', asNumber: 65002, filters: ['take-all'], ...spec }))

/** `one`, which learns three routes from `two`. */
class Scene {
  readonly world = new World()
  readonly one: Host
  readonly two: Host

  constructor(spec: object = {}) {
    this.one = this.#router(1, [], peer(spec))
    const back = { peerIP: '10.0.0.1', asNumber: 65001, longLivedStaleTime: '24h' }
    this.two = this.#router(2, ROUTES, upsert(bgpPeer('one', back)))
    this.world.pass(10_000)
    expect(this.used()).toEqual(ROUTES)
  }

  #router(number: number, podCIDRs: readonly string[], neighbor: ObjectChange): Host {
    const name = number === 1 ? 'one' : 'two'
    const addresses = [`10.0.0.${number}`]
    const own = bgpConfiguration({ asNumber: 65000 + number, nodeToNodeMeshEnabled: false })
    const objects = [node(name, { addresses, podCIDRs }), own, TAKE_ALL].map((object) => upsert(object))
    return this.world.add(name, addresses, [...objects, neighbor])
  }

  change(...changes: readonly ObjectChange[]): void {
    this.world.change(this.one, changes)
    this.world.pass(1_000)
  }

  /** The session is lost, and the routes stay. */
  crash(): this {
    this.world.crash(this.two)
    this.world.pass(5_000)
    expect(this.state()).not.toBe('Established')
    expect(this.used()).toEqual(ROUTES)
    return this
  }

  used(): string[] {
    const rows = this.world.askJson<{ prefix: string; from: string | null; best: boolean }[]>(this.one, 'show route')
    return rows.flatMap(({ prefix, from, best }) => (from !== null && best ? [prefix] : [])).sort()
  }

  state(): string | undefined {
    return this.world.askJson<{ state: string }[]>(this.one, 'show protocols')[0]?.state
  }
}

test('a filter that rejects the routes of a neighbor that is away', () => {
  const scene = new Scene().crash()
  scene.change(REJECTS)
  expect(scene.used()).toEqual([])
  scene.change(upsert(TAKE_ALL))
  expect(scene.used()).toEqual(ROUTES)
})

test('a limit that is already exceeded ends the session', () => {
  const scene = new Scene()
  scene.change(peer({ maxPrefixes: { ipv4: { limit: 2 } } }))
  expect(scene.state()).not.toBe('Established')
  expect(scene.used()).toEqual([])
  expect(scene.one.told('session-down').map(({ text }) => text)).toEqual([
    expect.stringContaining('3 ipv4 routes, 2 allowed'),
  ])
  scene.change(peer({ maxPrefixes: { ipv4: { limit: 3 } } }))
  scene.world.pass(10_000)
  expect(scene.used()).toEqual(ROUTES)
})

test('a limit that is nearly reached warns once', () => {
  const scene = new Scene()
  for (const limit of [4, 4, 3]) scene.change(peer({ maxPrefixes: { ipv4: { limit, warnPercent: 75 } } }))
  expect(scene.state()).toBe('Established')
  expect(scene.one.told('prefixes-near-limit')).toHaveLength(1)
})
