/** Whole agents joined in memory: what a user sees when objects change and neighbors come and go. */
import { describe, expect, test } from 'vitest'
import type { KeptObject } from '../../src/cluster/last-good.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'
import { ENGINE_OPTIONS } from '../support/engine-options.ts'
import { firstOf } from '../support/long.ts'
import {
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  remove,
  service,
  upsert,
} from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const WORKER = node('worker-1', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
})
const SECOND = node('worker-2', {
  addresses: ['10.0.0.12', 'fd00:10::12'],
  podCIDRs: ['10.244.2.0/24', 'fd00:244:2::/64'],
})
const ROUTER = node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'] })
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const CLUSTER = bgpConfiguration({
  asNumber: 64512,
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:2::/64' }],
})
const TO_ROUTER = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })
const WEB = service('shop/web', {
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.10', 'fd00:96::10'],
  loadBalancerIPs: ['192.0.2.10', '2001:db8:2::10'],
  externalTrafficPolicy: 'Local',
})

interface Row {
  readonly prefix: string
  readonly nextHop: string
  readonly from: string | null
  readonly best: boolean
  readonly reason: string
  readonly asPath: readonly unknown[]
  readonly localPref: number | null
}

const rows = (world: World, host: Host, what = ''): Row[] => world.askJson<Row[]>(host, `show route ${what}`.trim())

const learned = (world: World, host: Host): string[] =>
  rows(world, host)
    .filter(({ from }) => from !== null)
    .map(({ prefix, nextHop }) => `${prefix} via ${nextHop}`)
    .sort()

test('times are shown by the wall clock as it is set now, also after a jump or a suspend', () => {
  const world = new World()
  const host = world.add('worker-1', ['10.0.0.11'], [upsert(WORKER), upsert(CLUSTER)])
  const time = () => /Current server time is (\S+)/.exec(world.ask(host, 'show status'))?.[1]
  expect(time()).toBe('1970-01-01')
  world.feed(host, { kind: 'wall-clock', epoch: Date.UTC(2031, 4, 6) })
  expect(time()).toBe('2031-05-06')
})

const stateOf = (world: World, host: Host, name: string): string | undefined =>
  world.askJson<{ name: string; state: string }[]>(host, 'show protocols').find((protocol) => protocol.name === name)
    ?.state

const router = (world: World, workers: readonly string[]): Host =>
  world.add(
    'tor-1',
    ['10.0.0.1', 'fd00:10::1'],
    [
      upsert(ROUTER),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(TAKE_ALL),
      ...workers.map((address, index) =>
        upsert(bgpPeer(`worker-${index + 1}`, { peerIP: address, asNumber: 64512, filters: ['take-all'] })),
      ),
    ],
  )

const WORKER_PODS = ['10.244.1.0/24 via 10.0.0.11', 'fd00:244:1::/64 via fd00:10::11']
const RANGES = [
  '10.96.0.0/16 via 10.0.0.11',
  '192.0.2.0/24 via 10.0.0.11',
  '2001:db8:2::/64 via fd00:10::11',
  'fd00:96::/112 via fd00:10::11',
]

test('what is good is handed out to be kept, and what was kept is in force after a restart with an error', () => {
  const begin = (before: readonly KeptObject[], objects: readonly ObjectChange[]) => {
    const engine = new Engine({ ...ENGINE_OPTIONS, keepsLastGood: true })
    const inputs: Input[] = [
      { kind: 'remembered', objects: before },
      { kind: 'objects', changes: objects },
      { kind: 'synced' },
    ]
    const kept = inputs.flatMap((input) => engine.handle(input, 0)).filter((effect) => effect.kind === 'remember')
    return { view: engine.view(0), kept: kept.at(-1)?.objects ?? [] }
  }
  const good = begin([], [upsert(WORKER), upsert(CLUSTER), upsert(TO_ROUTER)])
  const odd = bgpConfiguration({ asNumber: 'many' })
  const { view, kept } = begin(good.kept, [upsert(WORKER), upsert(odd), upsert(TO_ROUTER)])
  expect(view.status().asNumber).toBe(64512)
  expect(view.services()).toHaveLength(6)
  expect(Array.from(view.eachProtocol(), ({ held }) => held)).toEqual([undefined])
  expect(kept.map(({ ref }) => ref.kind)).toContain('BGPConfiguration')
  // Without it the session is held.
  expect([...begin([], [upsert(WORKER), upsert(odd), upsert(TO_ROUTER)]).view.eachProtocol()][0]?.held).toMatch(
    /asNumber/,
  )
})

test('what keeps objects from being read is told before any is', () => {
  const world = new World()
  const host = world.add('worker-1', ['10.0.0.11'], undefined)
  const error = {
    kind: 'source-problem',
    at: '/manifests',
    text: 'cannot read the folder: No such file or directory',
  } as const
  world.feed(host, { kind: 'objects', changes: [error] })
  expect(host.told('object-problem').map(({ text }) => text)).toEqual([`/manifests: ${error.text}`])
  expect(world.ask(host, 'show status')).toContain(`Problem: /manifests: ${error.text}`)
  expect(world.ask(host, 'configure check')).toContain(error.text)
  expect(world.ask(host, 'configure check')).toContain('not all objects are read yet')
  world.feed(host, { kind: 'objects', changes: [{ ...error, text: undefined }] })
  expect(world.ask(host, 'show status')).not.toContain('Problem:')
})

describe.each(firstOf(1, [7, 1, undefined]))('one node and its router, chunks of %s bytes', (chunk) => {
  const begin = (...more: ObjectChange[]) => {
    const world = new World(chunk === undefined ? {} : { chunk })
    const tor = router(world, ['10.0.0.11'])
    const objects = [upsert(WORKER), upsert(CLUSTER), upsert(TO_ROUTER), ...more]
    const worker = world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], objects)
    return { world, tor, worker }
  }

  test('pod CIDRs and service ranges of both families arrive over one session, with next hops of their family', () => {
    const { world, tor } = begin()
    expect(world.until(() => learned(world, tor).length >= 6)).toBe(true)
    expect(learned(world, tor)).toEqual([...WORKER_PODS, ...RANGES].sort())
    expect(rows(world, tor).find(({ prefix }) => prefix === '10.244.1.0/24')).toMatchObject({
      asPath: [64512],
      best: true,
    })
  })

  test('an endpoint that goes takes exactly its family with it', () => {
    const v4 = endpointSlice('shop/web', 'IPv4', [{ node: 'worker-1', ready: true }])
    const v6 = endpointSlice('shop/web', 'IPv6', [{ node: 'worker-1', ready: true }])
    const { world, tor, worker } = begin(upsert(WEB), upsert(v4), upsert(v6))
    expect(world.until(() => learned(world, tor).length >= 10)).toBe(true)
    const before = learned(world, tor)
    world.change(worker, [upsert(endpointSlice('shop/web', 'IPv4', [{ node: 'worker-1', ready: false }]))])
    expect(world.until(() => learned(world, tor).length < before.length)).toBe(true)
    world.pass(1_000)
    expect(before.filter((line) => !learned(world, tor).includes(line))).toEqual([
      '10.96.0.10/32 via 10.0.0.11',
      '192.0.2.10/32 via 10.0.0.11',
    ])
  })

  test('another address of the node ends its session once and dials once', () => {
    const { world, tor, worker } = begin()
    world.until(() => learned(world, tor).length >= 6)
    const before = worker.lines.length
    world.change(worker, [upsert(node('worker-1', { addresses: ['10.0.0.21', 'fd00:10::11'] }))])
    const steps = worker.lines.slice(before).filter(({ code }) => code === 'session-transition')
    expect(steps.map(({ fields: { from, to } }) => `${from} to ${to}`)).toEqual([
      'Established to Idle',
      'Idle to Connect',
    ])
  })

  test('where it listens and where no longer is told', () => {
    const { world, worker } = begin()
    world.feed(worker, { kind: 'listening', address: undefined, port: 179 })
    world.feed(worker, { kind: 'listen-ended', address: '10.0.0.11', port: 179 })
    expect(worker.lines.slice(-2).map(({ text }) => text)).toEqual([
      'listening on all addresses port 179',
      'no longer listening on 10.0.0.11 port 179',
    ])
  })

  test('a neighbor that crashes and comes back gets everything again', () => {
    const { world, tor } = begin()
    world.until(() => learned(world, tor).length >= 6)
    world.crash(tor)
    world.pass(5_000)
    const again = router(world, ['10.0.0.11'])
    expect(world.until(() => learned(world, again).length >= 6)).toBe(true)
    expect(learned(world, again)).toEqual([...WORKER_PODS, ...RANGES].sort())
  })
})

describe('what keeps a session and what ends it', () => {
  const pair = () => {
    const world = new World()
    const tor = router(world, ['10.0.0.11'])
    const objects = [upsert(WORKER), upsert(CLUSTER), upsert(TO_ROUTER)]
    const worker = world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], objects)
    world.until(() => learned(world, tor).length >= 6)
    return { world, tor, worker }
  }

  test('a new filter on the running neighbor changes what is told without a reset', () => {
    const { world, tor, worker } = pair()
    world.change(worker, [
      upsert(bgpFilter('no-lb', { exportV4: [{ cidr: '192.0.2.0/24', matchOperator: 'In', action: 'Reject' }] })),
      upsert(bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['no-lb'] })),
    ])
    expect(world.until(() => !learned(world, tor).includes('192.0.2.0/24 via 10.0.0.11'))).toBe(true)
    expect(learned(world, tor)).toHaveLength(5)
    expect(worker.told('session-down')).toEqual([])
  })

  test('a filter that vanishes leaves the running session as it was, and holds it down after its next loss', () => {
    const { world, tor, worker } = pair()
    world.change(worker, [upsert(bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['lost'] }))])
    world.pass(10_000)
    expect(learned(world, tor)).toHaveLength(6)
    expect(worker.told('session-down')).toEqual([])
    expect(worker.told('object-problem').map(({ fields }) => fields.object)).toContain('BGPPeer/tor')
    world.crash(tor)
    world.pass(1_000)
    const again = router(world, ['10.0.0.11'])
    world.pass(60_000)
    expect(learned(world, again)).toEqual([])
    expect(stateOf(world, worker, 'Global_10_0_0_1')).toBe('Idle')
    world.change(worker, [upsert(bgpFilter('lost', {}))])
    expect(world.until(() => learned(world, again).length === 6)).toBe(true)
  })

  test('an object that is wrong keeps its last good version, and says which field', () => {
    const { world, tor, worker } = pair()
    world.change(worker, [upsert(bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 'sixty-five' }))])
    world.pass(10_000)
    expect(learned(world, tor)).toHaveLength(6)
    expect(worker.told('object-problem').at(-1)?.text).toMatch(/BGPPeer\/tor.*spec\.asNumber.*sixty-five/)
  })

  test('a neighbor of another AS is answered with Bad Peer AS, and says so on both sides', () => {
    const world = new World()
    const tor = router(world, ['10.0.0.11'])
    const wrong = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65001 })
    const worker = world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], [upsert(WORKER), upsert(CLUSTER), upsert(wrong)])
    expect(world.until(() => worker.told('notification-sent').length > 0, 30_000)).toBe(true)
    expect(worker.told('notification-sent')[0]?.fields).toMatchObject({ code: 2, subcode: 2 })
    expect(world.until(() => tor.told('notification-received').length > 0, 30_000)).toBe(true)
  })

  test('removing the peer withdraws everything and says farewell in words', () => {
    const { world, tor, worker } = pair()
    world.change(worker, [remove(TO_ROUTER)])
    expect(world.until(() => learned(world, tor).length === 0)).toBe(true)
    expect(tor.told('notification-received')[0]?.fields).toMatchObject({
      code: 6,
      subcode: 3,
      text: 'Cease: Peer De-configured',
    })
  })

  test('stopping the agent sends Cease and ends with no connection left', () => {
    const { world, tor, worker } = pair()
    world.feed(worker, { kind: 'stop', reason: 'agent stopped by hand', how: 'leave' })
    expect(world.until(() => worker.done)).toBe(true)
    expect(world.until(() => learned(world, tor).length === 0)).toBe(true)
    expect(tor.told('notification-received')[0]?.fields).toMatchObject({
      code: 6,
      subcode: 2,
      text: 'Cease: Administrative Shutdown: "agent stopped by hand"',
    })
  })

  test('an hour of silence costs keepalives and nothing else', () => {
    const { world, tor, worker } = pair()
    world.pass(3_600_000)
    expect([...worker.told('session-down'), ...tor.told('session-down')]).toEqual([])
    expect(worker.told('session-up')).toHaveLength(1)
  })
})

describe('the mesh', () => {
  const mesh = (pools: boolean) => {
    const world = new World()
    const shared = [WORKER, SECOND, CLUSTER, ...(pools ? [ipPool('pods', { cidr: '10.244.0.0/16' })] : [])]
    const objects = shared.map((object) => upsert(object))
    const one = world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], objects)
    const two = world.add('worker-2', ['10.0.0.12', 'fd00:10::12'], objects)
    return { world, one, two }
  }

  test('two nodes learn each other over one session, whoever dials', () => {
    const { world, one, two } = mesh(false)
    const pods = (host: Host) => learned(world, host).filter((line) => line.includes('244'))
    expect(world.until(() => pods(one).length === 2 && pods(two).length === 2)).toBe(true)
    expect(pods(one)).toEqual(['10.244.2.0/24 via 10.0.0.12', 'fd00:244:2::/64 via fd00:10::12'])
    expect(one.told('session-up')).toHaveLength(1)
    expect(two.told('session-up')).toHaveLength(1)
  })

  test('what the mesh told is not told to the router again', () => {
    const { world, one } = mesh(true)
    const tor = router(world, ['10.0.0.11', '10.0.0.12'])
    world.change(one, [upsert(TO_ROUTER)])
    expect(world.until(() => learned(world, tor).length >= 6)).toBe(true)
    world.pass(5_000)
    expect(learned(world, tor).filter((line) => line.startsWith('10.244.2.'))).toEqual([])
    const refused = rows(world, one, 'noexport Global_10_0_0_1')
    expect(refused.find(({ prefix }) => prefix === '10.244.2.0/24')?.reason).toBeTruthy()
  })

  test('its own service ranges are taken from nobody: the own route is best, and the other says why it lost', () => {
    const { world, one } = mesh(false)
    expect(world.until(() => learned(world, one).length >= 6)).toBe(true)
    const paths = rows(world, one).filter(({ prefix }) => prefix === '10.96.0.0/16')
    expect(paths.map(({ from, best }) => ({ own: from === null, best }))).toEqual([
      { own: true, best: true },
      { own: false, best: false },
    ])
    expect(paths[1]?.reason).toBeTruthy()
  })
})
