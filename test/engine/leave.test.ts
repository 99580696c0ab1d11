/** Leaving well, and draining one neighbor: what the other side sees (RFC 8326, RFC 9003). */
import { describe, expect, test } from 'vitest'
import { FAREWELL } from '../../src/engine/leave.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAINT = 'example.com/maintenance'
const worker = (taints: readonly string[] = []) => {
  const plain = node('n1', { addresses: ['10.0.0.11'], podCIDRs: ['10.244.1.0/24'] })
  return { ...plain, spec: { ...(plain.spec as object), taints: taints.map((key) => ({ key, effect: 'NoSchedule' })) } }
}
const CLUSTER = bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false, leaveOnTaint: TAINT })
const TAKE_ALL = bgpFilter('all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })

function scene(peer: object = {}): { world: World; one: Host; tor: Host } {
  const world = new World()
  const tor = world.add(
    'tor',
    ['10.0.0.1'],
    [
      node('tor', { addresses: ['10.0.0.1'], podCIDRs: ['10.99.0.0/16'] }),
      bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false }),
      TAKE_ALL,
      bgpPeer('n1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['all'] }),
    ].map((object) => upsert(object)),
  )
  const spec = { peerIP: '10.0.0.1', asNumber: 65000, filters: ['all'], ...peer }
  const one = world.add(
    'n1',
    ['10.0.0.11'],
    [worker(), CLUSTER, TAKE_ALL, bgpPeer('tor', spec)].map((object) => upsert(object)),
  )
  expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
  world.pass(1_000)
  return { world, one, tor }
}

interface Route {
  readonly prefix: string
  readonly from: string | null
  readonly communities: readonly string[]
  readonly localPref: number | null
}
const learned = (world: World, host: Host) =>
  world.askJson<Route[]>(host, 'show route').filter(({ from }) => from !== null)
const prefixes = (world: World, host: Host) => learned(world, host).map(({ prefix }) => prefix)
const ups = (host: Host) => host.told('session-up').length
const GRACEFUL_SHUTDOWN = '65535:0'

describe('leaving (RFC 8326 §4)', () => {
  test('first other ways are preferred, then routes go, then the session ends with words; the agent stays', () => {
    const { world, one, tor } = scene()
    expect(world.ask(one, 'leave "new kernel"')).toMatch(/^0909 Leaving: new kernel\n$/)
    world.pass(2_000)
    expect(learned(world, tor)).toMatchObject([{ communities: [GRACEFUL_SHUTDOWN], localPref: 0 }])
    expect(world.ask(one, 'show status')).toContain('Leaving (drained): new kernel')
    expect(world.until(() => prefixes(world, tor).length === 0)).toBe(true)
    // Withdrawn, while the session still stands: nobody that keeps routes over its end keeps these.
    expect(tor.told('session-down')).toEqual([])
    expect(world.until(() => tor.told('session-down').length === 1)).toBe(true)
    expect(tor.told('notification-received').at(-1)?.text).toContain('new kernel')
    world.pass(120_000)
    expect([ups(tor), world.ask(one, 'leave')]).toEqual([1, '0909 Already leaving: new kernel\n'])
    expect(world.ask(one, 'leave cancel')).toBe('0909 This node is no longer leaving\n')
    expect(world.ask(one, 'leave cancel')).toBe('0909 This node was not leaving\n')
    expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
  })

  test('what it hears stays the last choice when its own routes are withdrawn', () => {
    const { world, one, tor } = scene()
    world.ask(one, 'leave')
    world.pass(11_000)
    expect(prefixes(world, tor)).toEqual([])
    expect(learned(world, one)).toMatchObject([{ localPref: 0 }])
    expect(world.ask(one, 'show protocols all')).toMatch(/Output filter: +withdrawn/)
  })

  test('once it is gone no neighbor is started by hand, and the answer says why', () => {
    const { world, one } = scene()
    world.ask(one, 'leave "new kernel"')
    world.ask(one, 'disable all')
    world.pass(20_000)
    for (const word of ['enable', 'enable', 'restart']) {
      expect(world.ask(one, `${word} all`)).toContain('Global_10_0_0_1: not done, left: new kernel')
    }
    expect(world.ask(one, 'show protocols all')).toMatch(/Message: +left: new kernel/)
    world.ask(one, 'leave cancel')
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
  })

  test('it is called off in the middle, and no session was reset', () => {
    const { world, one, tor } = scene()
    world.ask(one, 'leave')
    world.pass(5_000)
    world.ask(one, 'leave cancel')
    world.pass(60_000)
    expect(learned(world, tor)).toMatchObject([{ communities: [] }])
    expect(ups(tor)).toBe(1)
  })

  test('the chosen taint says it, and no other; it comes back with the taint gone', () => {
    const { world, one, tor } = scene()
    world.feed(one, { kind: 'objects', changes: [upsert(worker(['node.kubernetes.io/unschedulable']))] })
    world.pass(30_000)
    expect(learned(world, tor)).toMatchObject([{ communities: [] }])
    world.feed(one, { kind: 'objects', changes: [upsert(worker([TAINT]))] })
    expect(world.until(() => tor.told('session-down').length === 1)).toBe(true)
    expect(tor.told('notification-received').at(-1)?.text).toContain(`Node/n1 has the taint ${TAINT}`)
    world.feed(one, { kind: 'objects', changes: [upsert(worker())] })
    expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
  })
})

describe('a Node that is deleted', () => {
  const ref = { kind: 'Node', namespace: '', name: 'n1' } as const

  test('leaves as what it was, and comes back when it is registered again', () => {
    const { world, one, tor } = scene()
    world.feed(one, { kind: 'objects', changes: [{ kind: 'delete', ref }] })
    world.pass(2_000)
    expect(learned(world, tor)).toMatchObject([{ communities: [GRACEFUL_SHUTDOWN] }])
    expect(world.ask(one, 'configure check')).toContain('Node/n1: is deleted; this node leaves')
    expect(world.until(() => tor.told('session-down').length === 1)).toBe(true)
    expect(tor.told('notification-received').at(-1)?.text).toContain('Node/n1 is deleted')
    world.feed(one, { kind: 'objects', changes: [upsert(worker())] })
    expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
    expect(world.ask(one, 'configure check')).not.toContain('is deleted')
  })

  test('and registered again in time has not lost a session', () => {
    const { world, one, tor } = scene()
    world.feed(one, { kind: 'objects', changes: [{ kind: 'replace', of: 'Node', objects: [] }] })
    world.pass(5_000)
    const { kind: _, ...again } = upsert(worker()) as Extract<ReturnType<typeof upsert>, { kind: 'upsert' }>
    world.feed(one, { kind: 'objects', changes: [{ kind: 'replace', of: 'Node', objects: [again] }] })
    world.pass(60_000)
    expect([ups(tor), learned(world, tor)]).toMatchObject([1, [{ communities: [] }]])
  })
})

describe('a leave that objects began under one reason and then another', () => {
  const [deleted, other] = [{ kind: 'Node', namespace: '', name: 'n1' } as const, 'example.com/other']
  const byOther = bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false, leaveOnTaint: other })
  test.each([
    ['the Node is deleted', { kind: 'delete', ref: deleted } as const],
    ['leaveOnTaint names another taint of it', upsert(byOther)],
  ])('ends with the last of them: %s', (_, change) => {
    for (const wait of [1_000, 20_000]) {
      const { world, one, tor } = scene()
      world.feed(one, { kind: 'objects', changes: [upsert(worker([TAINT, other]))] })
      world.pass(wait)
      world.feed(one, { kind: 'objects', changes: [change] })
      world.pass(20_000)
      expect(prefixes(world, tor)).toEqual([])
      world.feed(one, { kind: 'objects', changes: [upsert(worker())] })
      expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
    }
  })

  const WHENS = ['before', 'while', 'long after']
  test.each(WHENS)('one by command stays, whatever objects ask for meanwhile: it comes %s they do', (when) => {
    const { world, one, tor } = scene()
    const leave = () => expect(world.ask(one, 'leave "new kernel"')).toBe('0909 Leaving: new kernel\n')
    if (when === 'before') leave()
    world.feed(one, { kind: 'objects', changes: [upsert(worker([TAINT]))] })
    world.pass(when === 'long after' ? 20_000 : 1_000)
    if (when !== 'before') leave()
    expect(world.ask(one, 'leave')).toBe('0909 Already leaving: new kernel\n')
    world.pass(20_000)
    world.feed(one, { kind: 'objects', changes: [upsert(worker())] })
    world.pass(60_000)
    expect(prefixes(world, tor)).toEqual([])
    expect(world.ask(one, 'show status')).toContain('new kernel')
    world.ask(one, 'leave cancel')
    expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
  })
})

test('one that a person took over from objects is one by command for the next run too', () => {
  const { world, one, tor } = scene()
  world.feed(one, { kind: 'objects', changes: [upsert(worker([TAINT]))] })
  world.pass(20_000)
  world.ask(one, 'leave')
  world.pass(1_000)
  world.crash(one)
  const spec = { peerIP: '10.0.0.1', asNumber: 65000, filters: ['all'] }
  const objects = [worker(), CLUSTER, TAKE_ALL, bgpPeer('tor', spec)].map((object) => upsert(object))
  const next = world.add('n1', ['10.0.0.11'], objects)
  world.pass(60_000)
  expect(prefixes(world, tor)).toEqual([])
  world.ask(next, 'leave cancel')
  expect(world.until(() => prefixes(world, tor).includes('10.244.1.0/24'))).toBe(true)
})

test.each([
  { first: 'leave', second: 'restart', means: 'neighbors drop our routes' },
  { first: 'restart', second: 'leave', means: 'neighbors with graceful restart keep our routes' },
] as const)('an agent whose sessions end by $first does not end them again by $second', ({ first, second, means }) => {
  const { world, one } = scene()
  for (const how of [first, second]) world.feed(one, { kind: 'stop', reason: `stopped by ${how}`, how })
  world.pass(3_000)
  expect(one.told('stopping').map(({ text }) => text)).toEqual([`stopping: stopped by ${first}; ${means}`])
  expect(one.done).toBe(true)
})

describe('a farewell', () => {
  const farewell = (world: World, one: Host) =>
    world.feed(one, { kind: 'stop', reason: 'the machine shuts down', how: 'farewell' })

  test('asks neighbors to prefer other paths, withdraws, says why, and then the agent is done', () => {
    const { world, one, tor } = scene()
    farewell(world, one)
    world.pass(2_000)
    expect(learned(world, tor)).toMatchObject([{ communities: [GRACEFUL_SHUTDOWN], localPref: 0 }])
    expect([one.done, world.ask(one, 'leave cancel')]).toEqual([false, '0909 The agent ends when it has left\n'])
    // No agent follows: neighbors must not keep its routes.
    world.ask(one, 'graceful restart')
    expect(world.until(() => prefixes(world, tor).length === 0)).toBe(true)
    expect(tor.told('session-down')).toEqual([])
    expect(world.until(() => one.done, FAREWELL + 1_000)).toBe(true)
    world.pass(1_000)
    expect(tor.told('notification-received').at(-1)?.text).toContain('the machine shuts down')
  })

  test('is not cut short by what is deleted together with the agent', () => {
    const { world, one, tor } = scene()
    farewell(world, one)
    const objects = [worker(), CLUSTER, TAKE_ALL, bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })]
    world.feed(one, { kind: 'objects', changes: objects.map((object) => remove(object)) })
    world.pass(9_000)
    expect(learned(world, tor)).toMatchObject([{ communities: [GRACEFUL_SHUTDOWN], localPref: 0 }])
    expect(world.until(() => one.done, FAREWELL)).toBe(true)
    world.pass(1_000)
    expect(tor.told('notification-received').at(-1)?.text).toContain('the machine shuts down')
  })

  test('of a node whose taint goes meanwhile goes on', () => {
    const { world, one, tor } = scene()
    world.feed(one, { kind: 'objects', changes: [upsert(worker([TAINT]))] })
    world.pass(1_000)
    farewell(world, one)
    world.feed(one, { kind: 'objects', changes: [upsert(worker())] })
    expect(world.until(() => one.done, FAREWELL + 1_000)).toBe(true)
    expect(tor.told('session-down')).toHaveLength(1)
  })

  test('where nobody has a session is over at once', () => {
    const world = new World()
    const lone = world.add(
      'n1',
      ['10.0.0.11'],
      [worker(), CLUSTER].map((object) => upsert(object)),
    )
    farewell(world, lone)
    expect(lone.done).toBe(true)
  })
})

describe('draining one neighbor (RFC 8326 §4)', () => {
  const drained = (world: World, one: Host, tor: Host) => ({
    there: learned(world, tor).map(({ communities }) => communities),
    here: learned(world, one).map(({ localPref }) => localPref),
  })

  test('by hand: both directions are last choices, and the session stays', () => {
    const { world, one, tor } = scene()
    expect(world.ask(one, 'drain Global_10_0_0_1 "line card"')).toContain('Global_10_0_0_1: drained')
    world.pass(2_000)
    expect(drained(world, one, tor)).toEqual({ there: [[GRACEFUL_SHUTDOWN]], here: [0] })
    expect(world.ask(one, 'show protocols all')).toMatch(/Drained: +by hand: line card/)
    expect(world.ask(one, 'drain all')).toContain('already drained')
    world.ask(one, 'undrain all')
    world.pass(2_000)
    expect(drained(world, one, tor)).toEqual({ there: [[]], here: [null] })
    expect(ups(tor)).toBe(1)
  })

  test('whatever preference a filter or an advertisement sets', () => {
    const { world, one, tor } = scene()
    const operations = [{ setPriority: { value: 300 } }, { addCommunity: { value: '65000:1' } }]
    const preferred = bgpFilter('all', {
      importV4: [{ action: 'Accept', operations }],
      exportV4: [{ action: 'Accept', operations }],
    })
    world.feed(one, { kind: 'objects', changes: [upsert(preferred)] })
    world.pass(2_000)
    expect(drained(world, one, tor)).toEqual({ there: [['65000:1']], here: [2_147_483_647 - 300] })
    world.ask(one, 'drain all')
    world.pass(2_000)
    expect(drained(world, one, tor)).toEqual({ there: [['65000:1', GRACEFUL_SHUTDOWN]], here: [0] })
  })

  test('by its BGPPeer, and by hand it does not end', () => {
    const { world, one, tor } = scene({ drain: true })
    expect(drained(world, one, tor)).toEqual({ there: [[GRACEFUL_SHUTDOWN]], here: [0] })
    expect(world.ask(one, 'undrain all')).toContain('its BGPPeer sets drain')
    world.ask(one, 'drain all')
    expect(world.ask(one, 'undrain all')).toContain('its BGPPeer sets drain')
  })
})
