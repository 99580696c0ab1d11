/** Fast external failover: a session ends with its link, or its address there, and comes back with it. */
import { describe, expect, test, vi } from 'vitest'
import type { Session } from '../../src/bgp/session/types.ts'
import type { Capability } from '../../src/bgp/wire/message.ts'
import { type Link, LinkTable } from '../../src/dataplane/links.ts'
import { Failover } from '../../src/engine/failover.ts'
import type { Neighbor } from '../../src/engine/neighbors.ts'
import { pointToPoint } from '../support/fake-kernel.ts'
import { announcement, attributes } from '../support/rib.ts'
import { OUR_ADDRESS, OUR_AS, type RawNeighbor, Rig, type RigOptions } from '../support/rig.ts'

const ETH0 = 2
const ADDRESS = { address: OUR_ADDRESS, length: 24, peer: undefined, scope: 0, flags: 0 }
const PATH = [{ kind: 'sequence', asns: [65_001] }] as const
const RESTARTS: Capability = {
  kind: 'graceful-restart',
  restarted: false,
  notification: false,
  restartTime: 120,
  families: [{ afi: 1, safi: 1, preserved: true }],
}

const link = (over: Partial<Link> = {}): Link => ({
  index: ETH0,
  name: 'eth0',
  up: true,
  mtu: 1500,
  flags: 0,
  addresses: [ADDRESS],
  ...over,
})

function tellLinks(rig: Rig, present: readonly Link[], gone: readonly number[] = []): void {
  rig.feed({ kind: 'links', change: { full: false, gone, present } })
}

/** One session with a neighbor that is on `eth0`, unless our address there has another length. */
function begin(options: RigOptions = {}, length = 24): { rig: Rig; neighbor: RawNeighbor } {
  const rig = new Rig({ neighbors: 1, ...options })
  const [neighbor] = rig.neighbors as [RawNeighbor]
  const addresses = [{ ...ADDRESS, length }]
  rig.feed({ kind: 'links', change: { full: true, gone: [], present: [link({ addresses })] } })
  neighbor.establish()
  return { rig, neighbor }
}

const lastError = (rig: Rig): string | undefined =>
  [...rig.engine.view(rig.now).eachProtocol()][0]?.peer.lastError?.text

describe('an external session on a link', () => {
  test.each<[string, readonly Link[], readonly number[], string]>([
    ['is switched off, or has no carrier', [link({ up: false })], [], 'Link lost: eth0 is down'],
    ['is gone', [], [ETH0], 'Link lost: eth0 is gone'],
    ['is off under another name', [link({ name: 'lan0', up: false })], [], 'Link lost: eth0 is gone'],
    ['lost our address', [link({ addresses: [] })], [], `Address lost: ${OUR_ADDRESS} on eth0`],
  ])('that %s ends at once', (_, present, gone, words) => {
    const { rig, neighbor } = begin()
    tellLinks(rig, present, gone)
    expect(neighbor.established).toBe(false)
    expect(lastError(rig)).toBe(words)
    expect(neighbor.ended).toBe(true)
    // Nothing that is said could arrive.
    expect(neighbor.notification).toBeUndefined()
  })

  test.each<[string, readonly Link[]]>([
    ['changed in what is nothing to it', [link({ mtu: 9000 })]],
    ['is there beside one that is lost', [link({ index: 7, name: 'eth1', up: false, addresses: [] })]],
    ['has another name', [link({ name: 'lan0' })]],
    [
      'gave its addresses to another link, and is down',
      [link({ index: 7, name: 'bond0' }), link({ up: false, addresses: [] })],
    ],
    ['got one address more', [link({ addresses: [...link().addresses, { ...ADDRESS, address: 'fd00::1' }] })]],
  ])('that %s goes on', (_, present) => {
    const { rig, neighbor } = begin()
    tellLinks(rig, present)
    expect(neighbor.established).toBe(true)
  })
})

test('what was kept for a neighbor that restarts goes with its link', () => {
  const { rig, neighbor } = begin()
  neighbor.hangUp()
  neighbor.capabilities = [...neighbor.capabilities, RESTARTS]
  neighbor.establish().send(announcement(['10.244.9.0/24'], attributes({ asPath: PATH }), neighbor.address))
  neighbor.hangUp('Connection reset by peer')
  expect(rig.held(neighbor)).toBe(1)
  tellLinks(rig, [link({ up: false })])
  rig.work()
  expect(rig.held(neighbor)).toBe(0)
})

test.each<[string, RigOptions, number]>([
  ['an internal one: there may be another way', { asns: [OUR_AS] }, 24],
  ['one beyond a router', {}, 32],
  ['one whose object says so', { spec: { fastExternalFailover: false } }, 24],
])('%s waits for its hold timer', (_, options, length) => {
  const { rig, neighbor } = begin(options, length)
  tellLinks(rig, [link({ up: false })])
  expect(neighbor.established).toBe(true)
})

test('with the link the neighbor is dialled at once, though it was tried in vain for long', () => {
  const dials: number[] = []
  const rig = new Rig({
    neighbors: 1,
    spec: { passive: false },
    record: (_input, now, effects) => {
      for (const { kind } of effects) if (kind === 'dial') dials.push(now)
    },
  })
  const [neighbor] = rig.neighbors as [RawNeighbor]
  rig.feed({ kind: 'links', change: { full: true, gone: [], present: [link()] } })
  neighbor.establish()
  tellLinks(rig, [link({ up: false })])
  for (let tries = 0; tries < 8; tries++) {
    rig.pass(120_000)
    rig.feed({ kind: 'dial-failed', conn: 2 * dials.length, reason: 'No route to host' })
  }
  rig.pass(1_000)
  const before = dials.length
  tellLinks(rig, [link()])
  rig.pass(1)
  expect(dials.slice(before)).toEqual([rig.now - 1])
})

test('an address on the link is missed though another link has the same one: link-local addresses are shared by links', () => {
  const ours = { ...ADDRESS, address: 'fe80::a', length: 64 }
  const { links, table } = linkTable([link({ addresses: [ours] }), link({ index: 7, name: 'eth1', addresses: [ours] })])
  const neighbor = standIn({ local: 'fe80::a%eth0', remote: 'fe80::1%eth0' })
  const failover = new Failover(table)
  failover.follow(neighbor, neighbor.peer.session as Session)
  links([link({ index: 7, name: 'eth1', addresses: [] })])
  expect(failover.takeLost(['eth0', 'eth1'])).toEqual([])
  links([link({ index: 7, name: 'eth1', addresses: [ours] }), link({ addresses: [] })])
  expect(failover.takeLost(['eth0'])).toEqual([{ neighbor, reason: 'Address lost: fe80::a%eth0 on eth0' }])
})

test('a neighbor that lost our address with the link is dialled again when the address is back, not before', () => {
  const { links, table } = linkTable([link()])
  const neighbor = standIn({ local: OUR_ADDRESS, remote: '10.0.0.1' })
  const failover = new Failover(table)
  for (const lost of [link({ addresses: [] }), link({ up: false, addresses: [] })]) {
    failover.follow(neighbor, neighbor.peer.session as Session)
    links([lost])
    expect(failover.takeLost(['eth0'])).toHaveLength(1)
    expect(failover.takeBack(new Set(['eth0']))).toEqual([])
    links([link({ addresses: [] })])
    expect(failover.takeBack(new Set(['eth0']))).toEqual([])
    links([link()])
    expect(failover.takeBack(new Set(['eth0']))).toEqual([neighbor])
    expect(failover.takeBack(new Set(['eth0']))).toEqual([])
  }
})

describe('point-to-point links that share our address', () => {
  const to2 = pointToPoint(2, 'eth0', '10.9.0.1', '10.9.0.2')
  const to3 = pointToPoint(3, 'eth1', '10.9.0.1', '10.9.0.3')
  const begin = () => {
    const { links, table } = linkTable([to2, to3])
    const [two, three] = ['10.9.0.2', '10.9.0.3'].map((remote) => standIn({ local: '10.9.0.1', remote })) as [
      Neighbor,
      Neighbor,
    ]
    const failover = new Failover(table)
    for (const neighbor of [two, three]) failover.follow(neighbor, neighbor.peer.session as Session)
    return { links, failover, two, three }
  }

  test.each<[string, Link, string]>([
    ['is down', { ...to3, up: false }, 'Link lost: eth1 is down'],
    ['lost it', { ...to3, addresses: [] }, 'Address lost: 10.9.0.1 on eth1'],
  ])('the neighbor at the end of one that %s is lost, no other, and comes back with that link', (_, lost, reason) => {
    const { links, failover, three } = begin()
    links([lost])
    expect(failover.takeLost(['eth0', 'eth1'])).toEqual([{ neighbor: three, reason }])
    links([to2])
    expect(failover.takeBack(new Set(['eth0', 'eth1']))).toEqual([])
    links([to3])
    expect(failover.takeBack(new Set(['eth1']))).toEqual([three])
  })
})

test('a neighbor whose local address comes back on another link is dialled again then', () => {
  const { links, table } = linkTable([link()])
  const neighbor = standIn({ local: OUR_ADDRESS, remote: '10.0.0.1' })
  const failover = new Failover(table)
  failover.follow(neighbor, neighbor.peer.session as Session)
  links([link({ addresses: [] })])
  expect(failover.takeLost(new Set(['eth0']))).toHaveLength(1)
  links([link({ index: 7, name: 'br0', up: false })])
  expect(failover.takeBack(new Set(['br0']))).toEqual([])
  links([link({ index: 7, name: 'br0' })])
  expect(failover.takeBack(new Set(['br0']))).toEqual([neighbor])
})

test('a neighbor that is removed while its link is down is not kept', () => {
  const { links, table } = linkTable([link()])
  const neighbor = standIn({ local: OUR_ADDRESS, remote: '10.0.0.1' })
  const failover = new Failover(table)
  failover.follow(neighbor, neighbor.peer.session as Session)
  links([link({ up: false })])
  expect(failover.takeLost(['eth0'])).toHaveLength(1)
  failover.remove(neighbor)
  links([link()])
  expect(failover.takeBack(new Set(['eth0']))).toEqual([])
})

test('links of pods come and go without a look at those that wait for another link', () => {
  const pod = link({ index: 9, name: 'veth1', addresses: [{ ...ADDRESS, address: 'fe80::ecee', length: 64 }] })
  const { links, table } = linkTable([link(), pod])
  const waiting = Array.from({ length: 100 }, (_, at) => standIn({ local: OUR_ADDRESS, remote: `10.0.0.${at + 1}` }))
  const failover = new Failover(table)
  for (const neighbor of waiting) failover.follow(neighbor, neighbor.peer.session as Session)
  links([link({ addresses: [] })])
  expect(failover.takeLost(['eth0'])).toHaveLength(100)
  const looks = vi.spyOn(table, 'holder')
  links([{ ...pod, up: false }])
  expect(failover.takeBack(new Set(['veth1']))).toEqual([])
  expect(looks).not.toHaveBeenCalled()
  links([link({ addresses: [] }), link({ index: 7, name: 'br0' })])
  expect(failover.takeBack(new Set(['br0']))).toEqual(waiting)
  looks.mockClear()
  expect(failover.takeBack(new Set(['eth0', 'br0']))).toEqual([])
  expect(looks).not.toHaveBeenCalled()
})

function linkTable(first: readonly Link[]) {
  const table = new LinkTable()
  const links = (present: readonly Link[]) => table.take({ full: false, gone: [], present })
  links(first)
  return { links, table }
}

const standIn = ({ local, remote }: { readonly local: string; readonly remote: string }): Neighbor => {
  const session = {
    peerType: 'external',
    local: { address: local, port: 179 },
    remote: { address: remote, port: 50_000 },
  }
  return { peer: { session }, intent: { fastFailover: true } } as unknown as Neighbor
}

test('a link that was renamed is followed by its new name', () => {
  const { rig, neighbor } = begin()
  tellLinks(rig, [link({ name: 'lan0' })])
  expect(neighbor.established).toBe(true)
  tellLinks(rig, [link({ name: 'lan0', up: false })])
  expect(neighbor.established).toBe(false)
  expect(lastError(rig)).toBe('Link lost: lan0 is down')
})
