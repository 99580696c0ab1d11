/** When an agent says how it is, and what: counted in virtual time. */
import { describe, expect, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine } from '../../src/engine/engine.ts'
import { ENGINE_OPTIONS } from '../support/engine-options.ts'
import { longTest } from '../support/long.ts'
import { type ApiObject, bgpFilter, bgpPeer, node, remove, service, upsert } from '../support/objects.ts'
import { Rig, type RigOptions } from '../support/rig.ts'

type Told = Extract<Effect, { kind: 'status' | 'conditions' | 'events' | 'untaint' }>

class Watched {
  readonly told: { readonly at: number; readonly effect: Told }[] = []
  readonly rig: Rig

  constructor(options: RigOptions = {}) {
    const record: RigOptions['record'] = (_input, at, effects) => {
      for (const effect of effects) if (isTold(effect)) this.told.push({ at, effect })
    }
    const more = { status: { conditions: true, startupTaint: 'godwit.dev/starting' }, ...options.more }
    this.rig = new Rig({ ...options, more, record })
  }

  of<K extends Told['kind']>(kind: K) {
    return this.told.flatMap(({ at, effect }) =>
      effect.kind === kind ? [{ at, effect: effect as Extract<Told, { kind: K }> }] : [],
    )
  }

  /** Lets time pass while all neighbors with a session send their keepalives. */
  live(millis: number): void {
    for (let passed = 0; passed < millis; passed += 20_000) {
      this.rig.pass(Math.min(20_000, millis - passed))
      for (const neighbor of this.rig.neighbors) if (neighbor.established) neighbor.keepAlive()
    }
  }
}

const isTold = (effect: Effect): effect is Told =>
  effect.kind === 'status' || effect.kind === 'conditions' || effect.kind === 'events' || effect.kind === 'untaint'

const SECOND = 1_000
const MINUTE = 60 * SECOND

describe('the status of a node', () => {
  test('is told five seconds after a change at the earliest, with all that changed until then', () => {
    const { rig, of } = bound(new Watched())
    for (const neighbor of rig.neighbors) neighbor.establish()
    rig.pass(4_999)
    expect(of('status')).toEqual([])
    rig.pass(2 * SECOND)
    const [first, ...rest] = of('status')
    expect(rest).toEqual([])
    expect(first?.effect.status).toMatchObject({
      asNumber: 64512,
      sessions: { configured: 2, established: 2 },
      routers: [
        { name: 'Global_10_0_0_1', object: 'peer-0', remoteAs: 65001, state: 'Established' },
        { name: 'Global_10_0_0_2', object: 'peer-1', remoteAs: 65002, state: 'Established' },
      ],
      localRoutes: { ipv4: 1, ipv6: 1 },
      problems: [],
    })
    expect(first?.effect.status.conditions).toMatchObject([
      { type: 'Ready', status: 'True' },
      { type: 'Configured', status: 'True' },
      { type: 'Leaving', status: 'False' },
    ])
  })

  test('is told again on change; counts wait ten minutes, and a neighbor tried in vain is no change', () => {
    const { rig, of, live } = bound(new Watched({ spec: { passive: false } }))
    rig.neighbors[0]?.establish()
    live(MINUTE)
    const before = of('status').length
    live(8 * MINUTE)
    expect(of('status')).toHaveLength(before)
    rig.feed({ kind: 'objects', changes: [upsert(service('shop/web', { clusterIPs: ['10.96.0.1'] }))] })
    live(60 * MINUTE)
    const times = of('status').map(({ at }) => at)
    const gaps = times.slice(before).map((at, index) => at - (times[before - 1 + index] ?? 0))
    expect(gaps.length).toBeGreaterThan(2)
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(10 * MINUTE)
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(20 * MINUTE)
  })

  test('a session that is lost and what is wrong with an object are changes', () => {
    const { rig, of, live } = bound(new Watched())
    for (const neighbor of rig.neighbors) neighbor.establish()
    live(MINUTE)
    rig.neighbors[0]?.hangUp('Connection reset by peer')
    live(MINUTE)
    expect(of('status').at(-1)?.effect.status).toMatchObject({
      sessions: { configured: 2, established: 1 },
      routers: [{ lastError: { text: expect.stringContaining('Connection reset by peer') } }, { lastError: undefined }],
    })
    rig.feed({ kind: 'objects', changes: [upsert(bgpPeer('odd', { peerIP: 'nowhere', asNumber: 1 }))] })
    live(MINUTE)
    expect(of('status').at(-1)?.effect.status).toMatchObject({
      conditions: [{ status: 'True' }, { type: 'Configured', status: 'False', reason: 'Errors' }, {}],
      problems: [{ level: 'error', object: 'BGPPeer/odd', field: 'spec.peerIP' }],
      problemCount: 1,
    })
  })

  test('since when a session is down does not move with attempts to reach the neighbor', () => {
    const { rig, of, live } = bound(new Watched({ spec: { passive: false } }))
    rig.neighbors[0]?.establish()
    live(MINUTE)
    rig.neighbors[0]?.hangUp('Connection reset by peer')
    live(30 * MINUTE)
    const told = of('status').slice(-3)
    const times = told.map(({ effect }) => effect.status.routers[0]?.since)
    expect(new Set(times).size).toBe(1)
    expect(times[0]).toBeGreaterThan(0)
  })

  longTest('is told again where a session is lost while many others are looked at', () => {
    const peers = 150
    const { rig, of } = bound(new Watched({ neighbors: peers }))
    for (const neighbor of rig.neighbors) neighbor.establish()
    rig.pass(15 * SECOND)
    const before = of('status').length
    rig.neighbors.at(-1)?.hangUp('Connection reset by peer')
    // Turn by turn until the survey begins, which then takes several.
    for (let turns = 0; turns < 1_000 && rig.engine.deadline() !== rig.now; turns++) {
      rig.now = Math.max(rig.now, rig.engine.deadline() ?? 0)
      rig.feed({ kind: 'polled', until: rig.now, unread: [] })
    }
    rig.feed({ kind: 'polled', until: rig.now, unread: [] })
    expect(of('status')).toHaveLength(before)
    rig.neighbors[0]?.hangUp('Connection reset by peer')
    rig.pass(20 * SECOND)
    expect(of('status').at(-1)?.effect.status.sessions).toMatchObject({ established: peers - 2 })
  })

  test('is never told before all objects are known, nor after the agent was told to stop', () => {
    const { rig, of } = bound(new Watched())
    rig.feed({ kind: 'stop', reason: 'test', how: 'leave' })
    rig.pass(MINUTE)
    expect(of('status')).toEqual([])
  })

  test('says through a farewell that the node leaves, and is not ready', () => {
    const { rig, of } = bound(new Watched())
    for (const neighbor of rig.neighbors) neighbor.establish()
    rig.pass(MINUTE)
    rig.feed({ kind: 'stop', reason: 'the machine shuts down', how: 'farewell' })
    rig.pass(11 * SECOND)
    expect(of('status').at(-1)?.effect.status.conditions).toMatchObject([
      { type: 'Ready', status: 'False', reason: 'Leaving', message: 'drained: the machine shuts down' },
      {},
      { type: 'Leaving', status: 'True', message: 'drained: the machine shuts down' },
    ])
  })

  test('without somebody who wants it nothing of it is told', () => {
    const { rig, told } = new Watched({ more: { status: undefined } as never })
    rig.neighbors[0]?.establish()
    rig.pass(MINUTE)
    expect(told).toEqual([])
  })

  test('a session that flaps is written every ten seconds at most', () => {
    const { rig, of } = bound(new Watched({ neighbors: 1 }))
    for (let count = 0; count < 60; count++) {
      rig.neighbors[0]?.establish()
      rig.pass(SECOND)
      rig.neighbors[0]?.hangUp()
      rig.pass(SECOND)
    }
    expect(of('status').length).toBeGreaterThan(2)
    expect(of('status').length).toBeLessThanOrEqual(12)
    expect(of('events').length).toBeLessThanOrEqual(12)
  })
})

describe('Events', () => {
  test('sessions gained and lost are told together', () => {
    const { rig, of, live } = bound(new Watched())
    for (const neighbor of rig.neighbors) neighbor.establish()
    live(MINUTE)
    expect(of('events').flatMap(({ effect }) => effect.events)).toMatchObject([
      { type: 'Normal', reason: 'SessionEstablished', note: 'Global_10_0_0_1; Global_10_0_0_2', count: 1 },
    ])
    rig.neighbors[0]?.hangUp('Connection reset by peer')
    rig.neighbors[1]?.hangUp('Connection reset by peer')
    rig.neighbors[1]?.establish()
    live(MINUTE)
    const events = of('events').flatMap(({ effect }) => effect.events)
    expect(events.slice(1)).toMatchObject([
      { type: 'Warning', reason: 'SessionLost', regarding: { kind: 'Node', name: 'worker-1' } },
    ])
    expect(events[1]?.note).toMatch(/^Global_10_0_0_1: .*reset by peer; Global_10_0_0_2 \(back\): /)
  })

  test('what is wrong with objects is told by the holder of the Lease, and once', () => {
    const odd = bgpPeer('odd', { peerIP: 'nowhere', asNumber: 1 })
    const { rig, of, live } = bound(new Watched({ objects: [odd] }))
    live(MINUTE)
    expect(of('events')).toEqual([])
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    rig.feed({ kind: 'lease', held: false })
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    expect(of('events').flatMap(({ effect }) => effect.events)).toMatchObject([
      { type: 'Warning', reason: 'ConfigurationError', regarding: { kind: 'BGPPeer', name: 'odd' }, once: true },
    ])
  })
})

describe('the holder of the Lease', () => {
  test('tells the conditions of all objects, and then of those that change', () => {
    const missing = bgpPeer('rack', { peerIP: '10.0.0.9', asNumber: 1, filters: ['none'] })
    const { rig, of, live } = bound(new Watched({ objects: [missing] }))
    live(MINUTE)
    expect(of('conditions')).toEqual([])
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    const [first, ...rest] = of('conditions')
    expect(rest).toEqual([])
    expect(first?.effect.whole).toBe(true)
    expect(first?.effect.objects.map(({ kind, name }) => `${kind}/${name}`)).toEqual([
      'BGPConfiguration/default',
      'BGPPeer/peer-0',
      'BGPPeer/peer-1',
      'BGPPeer/rack',
      'BGPFilter/take-all',
    ])
    expect(first?.effect.objects.find(({ name }) => name === 'rack')?.conditions).toMatchObject([
      { type: 'Accepted', status: 'True' },
      {
        type: 'ResolvedRefs',
        status: 'False',
        reason: 'NotFound',
        message: expect.stringContaining('spec.filters[0]'),
      },
    ])
    // It exists now, and is wrong.
    rig.feed({ kind: 'objects', changes: [upsert(bgpFilter('none', { exportV4: [{ action: 'Refuse' }] }))] })
    live(MINUTE)
    const changed = of('conditions').at(-1)?.effect.objects ?? []
    expect(changed.find(({ name }) => name === 'rack')?.conditions).toMatchObject([
      { type: 'Accepted', status: 'True' },
      { type: 'ResolvedRefs', status: 'False', reason: 'Invalid' },
    ])
    rig.feed({ kind: 'objects', changes: [upsert(bgpPeer('rack', { peerIP: '10.0.0.9', asNumber: 'x' }))] })
    live(MINUTE)
    expect(of('conditions').at(-1)?.effect).toMatchObject({
      whole: false,
      objects: [{ name: 'rack', conditions: [{ type: 'Accepted', status: 'False', reason: 'Invalid' }, {}] }],
    })
    rig.feed({ kind: 'lease', held: false })
    rig.feed({ kind: 'objects', changes: [upsert(bgpPeer('rack', { peerIP: '10.0.0.9', asNumber: 7 }))] })
    live(MINUTE)
    expect(of('conditions')).toHaveLength(3)
  })

  test('tells them again for an object that is replaced by one of its name: that one has no status', () => {
    const withUid = (uid: string) => {
      const one = bgpPeer('rack', { peerIP: '10.0.0.9', asNumber: 1, filters: ['none'] })
      return { ...one, metadata: { ...one.metadata, uid, generation: 1 } }
    }
    const { rig, of, live } = bound(new Watched({ objects: [withUid('first')] }))
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    expect(of('conditions')).toHaveLength(1)
    const [first] = of('events').flatMap(({ effect }) => effect.events.filter(({ once }) => once))
    const ref = { kind: 'BGPPeer', namespace: '', name: 'rack' } as const
    rig.feed({ kind: 'objects', changes: [{ kind: 'delete', ref }, upsert(withUid('second'))] })
    live(10 * MINUTE)
    expect(of('conditions').slice(1)).toMatchObject([
      { effect: { whole: false, objects: [{ name: 'rack', uid: 'second', generation: 1 }] } },
    ])
    const [, second] = of('events').flatMap(({ effect }) => effect.events.filter(({ once }) => once))
    expect(second).toEqual({
      ...first,
      regarding: { ...ref, namespace: undefined, uid: 'second' },
      first: second?.first,
      last: second?.last,
    })
  })

  test('never tells what only half of a reading shows', () => {
    const rack = bgpPeer('rack', { peerIP: '10.0.0.9', asNumber: 1, filters: ['some'] })
    const { rig, of, live } = bound(new Watched({ objects: [rack, bgpFilter('some', {})] }))
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    rig.feed({ kind: 'objects', changes: [upsert(service('shop/web', {}))] })
    rig.work()
    const services = Array.from({ length: 3_000 }, (_, at) => service(`shop/s${at}`, {}))
    const replace = (kind: 'BGPFilter' | 'Service' | 'BGPPeer', objects: readonly ApiObject[]) => {
      const all = objects.map((one) => upsert(one)).flatMap((change) => (change.kind === 'upsert' ? [change] : []))
      return { kind: 'replace', of: kind, objects: all } as const
    }
    // The filter goes first, the BGPPeer that names it last; conditions are due in between.
    const changes = [replace('BGPFilter', []), replace('Service', services), replace('BGPPeer', [])]
    rig.feed({ kind: 'objects', changes })
    const told = of('conditions').length
    rig.now += MINUTE
    rig.work()
    live(MINUTE)
    expect(of('conditions').slice(told)).toEqual([])
  })

  test('waits without a turn until all objects are known', () => {
    const engine = new Engine({ ...ENGINE_OPTIONS, status: { conditions: true } })
    engine.handle({ kind: 'lease', held: true }, 0)
    engine.handle({ kind: 'tick' }, MINUTE)
    expect(engine.deadline()).toBeUndefined()
    const effects = engine.handle({ kind: 'synced' }, 2 * MINUTE)
    expect(effects.map(({ kind }) => kind)).toContain('conditions')
  })

  const MANY = Array.from({ length: 1_500 }, (_, at) => bgpPeer(`rack-${at}`, { peerIP: '10.0.0.9', asNumber: 1 }))

  /** Holds the Lease, and conditions are being computed. */
  const computing = () => {
    const watched = new Watched({ objects: MANY })
    const { rig } = watched
    rig.pass(MINUTE)
    rig.feed({ kind: 'lease', held: true })
    rig.now += 5 * SECOND
    rig.feed({ kind: 'tick' })
    return bound(watched)
  }

  test('is not held up by objects that no condition depends on', () => {
    const { rig, of } = computing()
    for (let turn = 0; turn < 100 && of('conditions').length === 0; turn++)
      rig.feed({ kind: 'objects', changes: [upsert(service(`shop/s${turn}`, {}))] })
    expect(of('conditions')).toHaveLength(1)
  })

  test('begins again later, not at once, where an object changes meanwhile', () => {
    const { rig, of } = computing()
    rig.feed({ kind: 'objects', changes: [upsert(bgpPeer('rack-0', { peerIP: '10.0.0.9', asNumber: 2 }))] })
    rig.work()
    rig.pass(4 * SECOND)
    expect(of('conditions')).toEqual([])
    rig.pass(10 * SECOND)
    expect(of('conditions')).toHaveLength(1)
  })

  const tainted = (name: string, uid = 'first') => {
    const { metadata, ...bare } = node(name, { addresses: ['10.0.0.101'] })
    const spec = { taints: [{ key: 'godwit.dev/starting', effect: 'NoSchedule' }] }
    return { ...bare, metadata: { ...metadata, uid }, spec }
  }

  test('names a node again that was registered again, also where nobody saw it without the taint', () => {
    const { rig, of, live } = bound(new Watched({ objects: [tainted('a')] }))
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    rig.feed({ kind: 'objects', changes: [upsert(tainted('a'))] })
    live(MINUTE)
    expect(of('untaint').map(({ effect }) => effect.nodes)).toEqual([['a']])
    rig.feed({ kind: 'objects', changes: [remove(tainted('a')), upsert(tainted('a', 'second'))] })
    live(MINUTE)
    expect(of('untaint').map(({ effect }) => effect.nodes)).toEqual([['a'], ['a']])
  })

  test('names the nodes with the startup taint', () => {
    const { rig, of, live } = bound(new Watched({ objects: [tainted('b'), tainted('a')] }))
    rig.feed({ kind: 'lease', held: true })
    live(MINUTE)
    expect(of('untaint').map(({ effect }) => effect.nodes)).toEqual([['a', 'b']])
    rig.feed({ kind: 'objects', changes: [upsert(node('a', { addresses: ['10.0.0.101'] }))] })
    live(MINUTE)
    expect(of('untaint').map(({ effect }) => effect.nodes)).toEqual([['a', 'b'], ['b']])
  })
})

/** Its methods without the object they belong to. */
function bound(watched: Watched) {
  return {
    rig: watched.rig,
    of: watched.of.bind(watched) as Watched['of'],
    live: (millis: number) => watched.live(millis),
  }
}
