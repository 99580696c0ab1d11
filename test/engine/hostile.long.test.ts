/** Neighbors that mean harm, or are merely broken: what they do costs themselves, and nobody else notices. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import { bgpConfiguration, endpointSlice, ipPool, node, service, upsert } from '../support/objects.ts'
import { announcement, attributes, withdrawal } from '../support/rib.ts'
import { OUR_AS, type RawNeighbor, Rig, type RigOptions } from '../support/rig.ts'

const GOOD = ['172.16.0.0/16', '172.17.0.0/16']
/** What a table of a few routes may take: hash tables and columns at their smallest, and room. */
const SMALL = 8 << 20

const path = (neighbor: RawNeighbor, ...more: number[]): Pick<PathAttributes, 'asPath'> => ({
  asPath: [{ kind: 'sequence', asns: [neighbor.asn, ...more] }],
})

const routes = (neighbor: RawNeighbor, prefixes: readonly string[], over: Partial<PathAttributes> = {}): Uint8Array =>
  announcement(prefixes, attributes({ ...path(neighbor), ...over }), neighbor.address)

const prefixOf = (index: number): string => `${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`
const range = (count: number, first = 0): string[] =>
  Array.from({ length: count }, (_, index) => prefixOf(first + index))

let rig: Rig
let good: RawNeighbor
let bad: RawNeighbor

function begin(options: RigOptions = {}): void {
  rig = new Rig({ neighbors: 2, ...options })
  ;[good, bad] = rig.neighbors as [RawNeighbor, RawNeighbor]
  good.establish().send(routes(good, GOOD))
}

beforeEach(() => begin())

/** The other neighbor still has its session, is still told things, and its routes are still there. */
function expectUnharmed(): void {
  expect(good.established).toBe(true)
  expect(rig.held(good)).toBe(GOOD.length)
  good.heard.length = 0
  rig.feed({ kind: 'objects', changes: [upsert(podsOf('10.244.9.0/24'))] })
  rig.work()
  expect(good.heard.some((bytes) => bytes[18] === 2)).toBe(true)
}

const podsOf = (cidr: string) =>
  node('worker-1', { addresses: ['10.0.0.100', 'fd00:10::100'], podCIDRs: [cidr, 'fd00:244:1::/64'] })

describe('slow, cut and half', () => {
  test('byte by byte, every message still counts, and time runs for the others', () => {
    bad.connect()
    const stream = [bad.open(), KEEPALIVE, routes(bad, ['20.0.0.0/24'])].flatMap((bytes) => [...bytes])
    for (const byte of stream) {
      bad.send(Uint8Array.of(byte))
      rig.pass(100)
      if (Math.round(rig.now / 100) % 200 === 0) good.send(KEEPALIVE)
    }
    expect(bad.established).toBe(true)
    expect(rig.held(bad)).toBe(1)
    expectUnharmed()
  })

  test('a message that never ends: the hold timer ends the session, though bytes come all the time', () => {
    bad.establish()
    const update = routes(bad, range(500))
    for (let at = 0; at < update.length && !bad.ended; at++) {
      bad.send(update.slice(at, at + 1))
      rig.pass(1_000)
      if (at % 20 === 0) good.send(KEEPALIVE)
    }
    expect(bad.notification).toBe('4/0')
    expectUnharmed()
  })

  test('an OPEN that never comes: the connection ends with Hold Timer Expired', () => {
    bad.connect()
    bad.send(bad.open().slice(0, 20))
    for (let waited = 0; waited < 250; waited += 10) {
      rig.pass(10_000)
      good.send(KEEPALIVE)
    }
    expect(bad.notification).toBe('4/0')
    expectUnharmed()
  })

  test.each(['Connection reset by peer', undefined])(
    'gone in the middle of a message (%s): its routes go, and nothing else',
    (reason) => {
      bad.establish().send(routes(bad, range(10)))
      expect(rig.held(bad)).toBe(10)
      bad.send(routes(bad, range(100, 10)).slice(0, 200)).hangUp(reason)
      expect(rig.held(bad)).toBe(0)
      expectUnharmed()
      // What was left of the message is forgotten with the connection.
      bad.establish().send(routes(bad, range(3)))
      expect(rig.held(bad)).toBe(3)
    },
  )

  test('a thousand connections, each gone before it said a word', () => {
    const before = rig.memory()
    for (let count = 0; count < 1_000; count++) bad.connect().hangUp()
    for (let count = 0; count < 1_000; count++) bad.connect().send(bad.open()).hangUp('Connection reset by peer')
    expect(rig.memory()).toBeLessThanOrEqual(before + SMALL)
    bad.establish()
    expect(bad.established).toBe(true)
    expectUnharmed()
  })

  test('many connections at once, none of which speaks: a few are kept', () => {
    const conns: number[] = []
    for (let count = 0; count < 100; count++) conns.push(bad.connect().conn as number)
    expect(bad.ended).toBe(false)
    bad.send(bad.open()).send(KEEPALIVE)
    expect(bad.established).toBe(true)
    expectUnharmed()
  })
})

describe('too much', () => {
  test('a flood of the same routes, announced and withdrawn: no memory, and the good one is told nothing of it', () => {
    bad.establish()
    good.heard.length = 0
    const announce = routes(bad, range(200))
    const withdraw = withdrawal(range(200))
    for (let count = 0; count < 50; count++) bad.send(announce.slice()).send(withdraw.slice())
    const before = rig.memory()
    for (let count = 0; count < 200; count++) bad.send(announce.slice()).send(withdraw.slice())
    expect(rig.memory()).toBeLessThanOrEqual(before + (64 << 10))
    expect(good.heard.filter((bytes) => bytes[18] === 2)).toEqual([])
    expect(rig.held(bad)).toBe(0)
    expectUnharmed()
  })

  test('a flood of refresh requests is answered once per turn', () => {
    bad.establish()
    const refresh = Uint8Array.of(...Array(16).fill(0xff), 0, 23, 5, 0, 1, 0, 1)
    bad.heard.length = 0
    const flood = new Uint8Array(refresh.length * 2_000)
    for (let at = 0; at < flood.length; at += refresh.length) flood.set(refresh, at)
    bad.send(flood)
    expect(bad.established).toBe(true)
    expect(bad.heard.length).toBeLessThan(20)
    expectUnharmed()
  })

  test('who never reads: one run is with the network, what waits is a set of prefixes, and the hold timer decides', () => {
    begin({ spec: { advertiseLearned: true }, objects: services(60) })
    bad.reads = false
    bad.establish()
    const first = bad.untaken
    expect(first).toBeLessThan(80_000)
    good.heard.length = 0
    const before = rig.memory()
    for (let turn = 0; turn < 100; turn++) {
      rig.feed({ kind: 'objects', changes: slices(60, turn % 2 === 0).map((object) => upsert(object)) })
      rig.work()
    }
    // Who does read has been told of every change meanwhile.
    expect(good.heard.filter((bytes) => bytes[18] === 2).length).toBeGreaterThanOrEqual(100)
    const updates = bad.heard.filter((bytes) => bytes[18] === 2)
    expect(updates.length).toBeLessThanOrEqual(1)
    expect(bad.untaken).toBe(first)
    // What the two have in common may grow by a mebibyte before the slow one is left to itself.
    expect(rig.memory()).toBeLessThanOrEqual(before + (2 << 20))
    expectUnharmed()
    // RFC 4271 §6.5: that it does not read does not mean that it may be silent.
    for (let waited = 0; waited < 100; waited += 20) {
      rig.pass(20_000)
      good.send(KEEPALIVE)
    }
    expect(bad.ended).toBe(true)
    expect(good.established).toBe(true)
  })
})

describe('as large as it gets', () => {
  test('messages of 65,535 octets, in chunks and at once', () => {
    begin({ spec: { maxRouteMemoryMiB: 256 } })
    bad.capabilities = [...bad.capabilities, { kind: 'extended-message' }]
    bad.establish()
    const message = padded(routes(bad, range(2_000)), 65_535)
    bad.send(message.slice())
    expect(rig.held(bad)).toBe(2_000)
    for (let at = 0; at < message.length; at += 1_000) bad.send(message.slice(at, at + 1_000))
    expect(bad.established).toBe(true)
    expect(rig.memory()).toBeLessThan(SMALL)
    expectUnharmed()
  })

  test('also from one that does not take them itself: we announced that we do (RFC 8654 §4)', () => {
    bad.establish().send(padded(routes(bad, ['20.0.0.0/24']), 65_535))
    expect([bad.established, rig.held(bad)]).toEqual([true, 1])
    expectUnharmed()
  })

  test('an AS path of a thousand', () => {
    bad.capabilities = [...bad.capabilities, { kind: 'extended-message' }]
    bad.establish()
    const long = Array.from({ length: 1_000 }, (_, index) => 100 + index)
    const asPath = [[bad.asn], ...[0, 250, 500, 750].map((at) => long.slice(at, at + 250))].map(
      (asns) => ({ kind: 'sequence', asns }) as const,
    )
    bad.send(routes(bad, ['20.0.0.0/24'], { asPath }))
    expect(rig.held(bad)).toBe(1)
    expectUnharmed()
  })

  test('10,000 communities: kept, and told to nobody whose messages are shorter', () => {
    begin({ objects: [ipPool('pods', { cidr: '10.244.0.0/16' })], spec: { advertiseLearned: true } })
    bad.capabilities = [...bad.capabilities, { kind: 'extended-message' }]
    bad.establish()
    good.heard.length = 0
    const communities = Array.from({ length: 10_000 }, (_, index) => [64_000, index] as const)
    // Inside the cluster's range, so that it may be told on.
    bad.send(routes(bad, ['10.244.2.0/25'], { communities }))
    bad.send(routes(bad, ['10.244.2.128/25']))
    expect(rig.held(bad)).toBe(2)
    const told = good.heard.filter((bytes) => bytes[18] === 2)
    expect(told).toHaveLength(1)
    expect(told[0]?.length).toBeLessThan(200)
    expectUnharmed()
  })
})

/** A message made longer by an unknown optional attribute at the end of its attributes. */
function padded(update: Uint8Array, size: number): Uint8Array {
  const attributesLength = ((update[21] as number) << 8) | (update[22] as number)
  const more = size - update.length
  const value = more - 4
  const bytes = new Uint8Array(size)
  bytes.set(update)
  bytes.set([0xd0, 99, value >> 8, value & 255], update.length)
  bytes.set([size >> 8, size & 255], 16)
  const all = attributesLength + more
  bytes.set([all >> 8, all & 255], 21)
  return bytes
}

const services = (count: number) => [
  bgpConfiguration({ asNumber: OUR_AS, nodeToNodeMeshEnabled: false, serviceClusterIPs: [{ cidr: '10.200.0.0/16' }] }),
  ...Array.from({ length: count }, (_, index) =>
    service(`shop/svc-${index}`, {
      type: 'LoadBalancer',
      clusterIPs: [`10.200.${index >> 8}.${index & 255}`],
      externalTrafficPolicy: 'Local',
    }),
  ),
]

const slices = (count: number, ready: boolean) =>
  Array.from({ length: count }, (_, index) => endpointSlice(`shop/svc-${index}`, 'IPv4', [{ node: 'worker-1', ready }]))
