/** Objects find a neighbor where it was and call it by another name: nothing of its session, its routes or its commands is lost. */
import { describe, expect, test } from 'vitest'
import { AFI } from '../../src/base/family.ts'
import { CEASE, encodeNotification } from '../../src/bgp/wire/notification.ts'
import { changeOf } from '../../src/preview/change.ts'
import { previewNodes } from '../../src/preview/node.ts'
import { storeOf } from '../support/cluster.ts'
import { countAll } from '../support/count.ts'
import { firstOf } from '../support/long.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { announcement, attributes } from '../support/rib.ts'
import { OUR_ADDRESS, OUR_AS, Rig } from '../support/rig.ts'
import { World } from '../support/world.ts'

const NODE = node('worker-1', { addresses: [OUR_ADDRESS, 'fd00:10::100'], podCIDRs: ['10.244.1.0/24'] })
const peer = (spec: object, name = 'peer-0') => bgpPeer(name, { passive: true, filters: ['take-all'], ...spec })
const GLOBAL = peer({ peerIP: '10.0.0.1', asNumber: 65_001 })

const RESTART = {
  kind: 'graceful-restart',
  restarted: false,
  notification: false,
  restartTime: 120,
  families: [{ afi: AFI.ipv4, safi: 1, preserved: true }],
} as const

/** One neighbor in an Established session, with a route. */
function running(...objects: readonly ApiObject[]): Rig {
  const rig = new Rig({ neighbors: 1 })
  const [one] = rig.neighbors
  if (one === undefined) throw new Error('no neighbor')
  one.capabilities = [...one.capabilities, RESTART]
  for (const object of objects) rig.feed({ kind: 'objects', changes: [upsert(object)] })
  one.establish()
  tell(rig, '10.50.0.0/24')
  rig.pass(1_000)
  one.heard.length = 0
  rig.lines.length = 0
  return rig
}

const theOne = (rig: Rig) => rig.neighbors[0] as Rig['neighbors'][number]

function tell(rig: Rig, prefix: string): void {
  const one = theOne(rig)
  const asns = one.asn === OUR_AS ? [] : [one.asn]
  one.send(announcement([prefix], attributes({ asPath: [{ kind: 'sequence', asns }] }), one.address))
}

const protocols = (rig: Rig) =>
  [...rig.engine.view(rig.now).eachProtocol()].map(({ name, peer: { state, established } }) =>
    [name, state, established].join(' '),
  )

const routes = (rig: Rig, protocol: string): number => countAll(rig.engine.view(rig.now), { protocol }).ipv4.paths

let clients = 100

function command(rig: Rig, line: string): void {
  const client = clients++
  rig.feed({ kind: 'client-opened', client, restricted: false })
  rig.feed({ kind: 'client-drained', client })
  rig.feed({ kind: 'command', client, line })
  rig.feed({ kind: 'client-closed', client })
}

const change = (rig: Rig, ...objects: readonly ApiObject[]) => {
  rig.feed({ kind: 'objects', changes: objects.map((object) => upsert(object)) })
  rig.pass(15_000)
}

interface Renaming {
  readonly title: string
  readonly before: readonly ApiObject[]
  readonly from: string
  readonly after: readonly ApiObject[]
  readonly to: string
  readonly deletes?: readonly string[]
  /** A host of a range, which files do not know, gets an object of its own. */
  readonly isOneWay?: boolean
}

const RACK = { ...NODE, metadata: { ...NODE.metadata, labels: { rack: '1' } } }
const RANGE = { peerIP: undefined, peerRange: '10.0.0.0/28', asNumber: 65_001, passive: undefined }

const RENAMINGS: readonly Renaming[] = [
  {
    title: 'all nodes by a selector',
    before: [GLOBAL],
    from: 'Global_10_0_0_1',
    after: [peer({ peerIP: '10.0.0.1', asNumber: 65_001, nodeSelector: 'all()' })],
    to: 'Node_10_0_0_1',
  },
  {
    title: 'a node instead of its rack',
    before: [RACK, peer({ peerIP: '10.0.0.1', asNumber: 65_001, nodeSelector: "rack == '1'" })],
    from: 'Node_10_0_0_1',
    after: [RACK, peer({ peerIP: '10.0.0.1', asNumber: 65_001 })],
    to: 'Global_10_0_0_1',
  },
  {
    title: 'the port that it has anyway',
    before: [GLOBAL],
    from: 'Global_10_0_0_1',
    after: [peer({ peerIP: '10.0.0.1:179', asNumber: 65_001 })],
    to: 'Global_10_0_0_1_port_179',
  },
  {
    title: 'another object, for this node alone',
    before: [GLOBAL],
    from: 'Global_10_0_0_1',
    after: [peer({ peerIP: '10.0.0.1', asNumber: 65_001, node: 'worker-1' }, 'new')],
    to: 'Node_10_0_0_1',
    deletes: ['peer-0'],
  },
  {
    title: 'a range for chosen nodes',
    before: [peer(RANGE)],
    from: 'Global_10_0_0_1',
    after: [peer({ ...RANGE, nodeSelector: 'all()' })],
    to: 'Node_10_0_0_1',
  },
  {
    title: 'a neighbor that called from a range, for chosen nodes',
    before: [peer(RANGE)],
    from: 'Global_10_0_0_1',
    after: [peer({ peerIP: '10.0.0.1', asNumber: 65_001, nodeSelector: 'all()' }, 'named')],
    to: 'Node_10_0_0_1',
    isOneWay: true,
  },
]

describe.each(firstOf(3, RENAMINGS))('$title', ({ before, from, after, to, deletes = [], isOneWay = false }) => {
  const start = () => running(NODE, ...before)
  const rename = (rig: Rig): Rig => {
    const gone = deletes.map((name) => ({ kind: 'delete', ref: { kind: 'BGPPeer', namespace: '', name } }) as const)
    rig.feed({ kind: 'objects', changes: [...after.map((object) => upsert(object)), ...gone] })
    rig.pass(15_000)
    return rig
  }

  test('the session goes on under the other name, and so do its routes', () => {
    const rig = start()
    expect(routes(rig, from)).toBe(1)
    rename(rig)
    expect(protocols(rig)).toEqual([`${to} Established 1`])
    expect([routes(rig, to), theOne(rig).ended]).toEqual([1, false])
    expect(rig.lines.filter(({ code }) => code === 'neighbor-renamed').map(({ fields }) => fields)).toEqual([
      { peer: to, from },
    ])
    theOne(rig).heard.length = 0
    tell(rig, '10.51.0.0/24')
    expect(routes(rig, to)).toBe(2)
    change(rig, node('worker-1', { addresses: [OUR_ADDRESS, 'fd00:10::100'], podCIDRs: ['10.244.9.0/24'] }))
    expect(theOne(rig).heard.some((message) => message[18] === 2)).toBe(true)
  })

  test('nothing is told anew', () => {
    const rig = start()
    theOne(rig).heard.length = 0
    rename(rig)
    expect(theOne(rig).heard.filter((message) => message[18] !== 4)).toEqual([])
  })

  test('what was asked of it by command holds', () => {
    const rig = start()
    command(rig, `drain ${from} "line card"`)
    rename(rig)
    const [view] = [...rig.engine.view(rig.now).eachProtocol()]
    expect([view?.name, view?.drained]).toEqual([to, expect.stringContaining('line card')])
  })

  test('routes that are kept while it is away stay, and it comes back', () => {
    const rig = start()
    theOne(rig).hangUp('reset')
    rename(rig)
    expect(routes(rig, to)).toBe(1)
    theOne(rig).establish()
    tell(rig, '10.50.0.0/24')
    rig.pass(1_000)
    expect(routes(rig, to)).toBe(1)
    expect(protocols(rig)).toEqual([`${to} Established 2`])
  })

  test.skipIf(isOneWay)('and back', () => {
    const rig = rename(start())
    for (const object of after)
      rig.feed({ kind: 'objects', changes: [remove(object), ...before.map((one) => upsert(one))] })
    rig.pass(1_000)
    expect(protocols(rig)).toEqual([`${from} Established 1`])
  })

  test('`check --diff` adds and removes no session', () => {
    const stays = before.filter(({ metadata }) => !deletes.includes(metadata.name))
    const filter = bgpFilter('take-all', { importV4: [{ action: 'Accept' }] })
    const [old, now] = [
      [NODE, filter, ...before],
      [NODE, filter, ...stays, ...after],
    ].map((objects) => previewNodes(storeOf(objects), ['worker-1']))
    const kinds = changeOf(old ?? [], now ?? []).map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind.startsWith('session'))).toEqual(isOneWay ? ['session-added'] : [])
  })
})

test('another object in its place means another name and the same neighbor, but another address is another neighbor', () => {
  const rig = running(NODE, GLOBAL)
  change(rig, peer({ peerIP: '10.0.0.2', asNumber: 65_001, nodeSelector: 'all()' }))
  expect(protocols(rig)).toEqual(['Node_10_0_0_2 Active 0'])
  expect(theOne(rig).notification).toBe('6/3')
})

test('a node of the mesh that a BGPPeer selects keeps its session, and the other way round', () => {
  const world = new World()
  const both = [node('n1', { addresses: ['10.0.0.1'] }), node('n2', { addresses: ['10.0.0.2'] })]
  const mesh = (nodeToNodeMeshEnabled: boolean) => bgpConfiguration({ asNumber: OUR_AS, nodeToNodeMeshEnabled })
  const all = bgpPeer('all', { peerSelector: 'all()', nodeSelector: 'all()' })
  const hosts = both.map(({ metadata }, index) =>
    world.add(
      metadata.name,
      [`10.0.0.${index + 1}`],
      [...both, mesh(true)].map((object) => upsert(object)),
    ),
  )
  type Shown = { readonly name: string; readonly state: string; readonly since: string }
  const shown = () =>
    hosts.map((host) => world.askJson<Shown[]>(host, 'show protocols').filter(({ name }) => /^(Mesh|Node)_/.test(name)))
  const seen = () => shown().map((all) => all.map(({ name, state }) => `${name} ${state}`).join())
  const since = () => shown().map((all) => all.map((one) => one.since).join())
  world.pass(10_000)
  expect(seen()).toEqual(['Mesh_10_0_0_2 Established', 'Mesh_10_0_0_1 Established'])
  const before = since()
  for (const host of hosts) world.change(host, [upsert(all)])
  world.pass(10_000)
  for (const host of hosts) world.change(host, [upsert(mesh(false))])
  world.pass(10_000)
  expect([seen(), since()]).toEqual([['Node_10_0_0_2 Established', 'Node_10_0_0_1 Established'], before])
  for (const host of hosts) world.change(host, [upsert(mesh(true)), remove(all)])
  world.pass(10_000)
  expect([seen(), since()]).toEqual([['Mesh_10_0_0_2 Established', 'Mesh_10_0_0_1 Established'], before])
})

test('a range under another name is in its state as long as before, unless the state is another', () => {
  const rig = running(NODE, peer(RANGE))
  const since = () =>
    rig.engine
      .view(rig.now)
      .ranges()
      .map((range) => [range.name, range.since])
  const [before] = since()
  rig.feed({ kind: 'objects', changes: [upsert(peer({ ...RANGE, nodeSelector: 'all()' }))] })
  rig.pass(15_000)
  expect(since()).toEqual([[expect.stringMatching(/^Node_/), before?.[1]]])
  const held = { ...RANGE, password: { secretKeyRef: { name: 'none', key: 'none' } } }
  rig.feed({ kind: 'objects', changes: [upsert(peer(held))] })
  rig.pass(15_000)
  expect(since()).toEqual([[expect.stringMatching(/^Global_/), expect.any(Number)]])
  expect(since()[0]?.[1]).toBeGreaterThan(Number(before?.[1]))
})

test('a host of a range that is away is still drained when it calls the range by its new name', () => {
  const rig = running(NODE, peer(RANGE))
  const drained = () => [...rig.engine.view(rig.now).eachProtocol()].map(({ name, drained: why }) => [name, why])
  command(rig, 'drain Global_10_0_0_1')
  expect(drained()).toEqual([['Global_10_0_0_1', 'by hand']])
  theOne(rig)
    .send(encodeNotification({ code: CEASE.code, subcode: CEASE.hardReset, data: new Uint8Array() }))
    .hangUp()
  expect(drained()).toEqual([])
  change(rig, peer({ ...RANGE, nodeSelector: 'all()' }))
  theOne(rig).establish()
  expect(drained()).toEqual([['Node_10_0_0_1', 'by hand']])
})
