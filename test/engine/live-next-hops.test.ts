/** Next hops follow the addresses of this machine, without a reset. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { LinkChange } from '../../src/dataplane/links.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })

let world: World
let worker: Host
let tor: Host

/** What the router knows of the pods' IPv6. */
const nextHop = (): string | null | undefined =>
  world
    .askJson<{ prefix: string; nextHop: string | null }[]>(tor, 'show route')
    .find(({ prefix }) => prefix === 'fd00:244:1::/64')?.nextHop
const links = (change: Partial<LinkChange>): void =>
  world.feed(worker, { kind: 'links', change: { full: false, gone: [], present: [], ...change } })
const eth0 = (...addresses: readonly string[]) => linkOf(2, 'eth0', true, addresses)
const becomes = (expected: string | undefined) => world.until(() => nextHop() === expected, 5_000)

beforeEach(() => {
  world = new World()
  tor = world.add(
    'tor',
    ['10.0.0.1', 'fd00:10::1'],
    [
      upsert(node('tor', { addresses: ['10.0.0.1', 'fd00:10::1'] })),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(TAKE_ALL),
      upsert(bgpPeer('worker-1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
    ],
  )
  worker = world.add(
    'worker-1',
    ['10.0.0.11', 'fd00:10::11'],
    [
      upsert(
        node('worker-1', { addresses: ['10.0.0.11', 'fd00:10::11'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] }),
      ),
      upsert(bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false })),
      upsert(bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })),
    ],
  )
  expect(becomes('fd00:10::11')).toBe(true)
})

describe('an address', () => {
  test('that goes is replaced by another one of the link, and told again when it is back', () => {
    links({ present: [eth0('10.0.0.11/24', 'fd00:10::12/64')] })
    expect(becomes('fd00:10::12')).toBe(true)
    links({ present: [eth0('10.0.0.11/24', 'fd00:10::12/64', 'fd00:10::11/64')] })
    expect(becomes('fd00:10::11')).toBe(true)
    expect(worker.told('next-hop-changed').map(({ text }) => text)).toEqual([
      'Global_10_0_0_1: the IPv6 next hop is now fd00:10::12',
      'Global_10_0_0_1: the IPv6 next hop is now fd00:10::11',
    ])
  })

  test('that was the last takes its family along, which is said everywhere, and brings it back', () => {
    // As `ip link set down` and `up` does.
    links({ present: [linkOf(2, 'eth0', false, ['10.0.0.11/24'])] })
    links({ present: [eth0('10.0.0.11/24', 'fe80::11/64')] })
    expect(becomes(undefined)).toBe(true)
    const why =
      'no IPv6 next hop: interface eth0 has no permanent IPv6 address (fe80::11/64 reaches no further than its link)'
    expect(world.ask(worker, 'show protocols all')).toContain(why)
    expect(world.ask(worker, 'show status')).toContain(why)
    expect(world.ask(worker, 'configure check')).toContain(why)
    expect(worker.told('family-held').at(-1)?.text).toContain(why)
    links({ present: [eth0('10.0.0.11/24', 'fd00:10::11/64', 'fe80::11/64')] })
    expect(becomes('fd00:10::11')).toBe(true)
    expect(world.ask(worker, 'show protocols all')).not.toContain(why)
    expect(world.ask(worker, 'show status')).not.toContain(why)
  })

  test('of a link that is deleted is gone, and is found again on another of the same name', () => {
    links({ gone: [2] })
    expect(becomes(undefined)).toBe(true)
    links({ present: [linkOf(9, 'eth0', true, ['10.0.0.11/24', 'fd00:10::11/64'])] })
    expect(becomes('fd00:10::11')).toBe(true)
  })

  test('that comes as a single one, or to another link, changes nothing', () => {
    const sent = worker.sentBytes
    links({ present: [eth0('10.0.0.11/24', 'fd00:10::11/64', 'fd00:10::100/128')] })
    links({ present: [linkOf(3, 'cali1', true, ['fe80::1/64'])] })
    links({ gone: [3] })
    world.pass(1_000)
    expect(nextHop()).toBe('fd00:10::11')
    expect(worker.sentBytes).toBe(sent)
  })
})

test('of two subnets on the link, that of the neighbor counts as soon as a route of it shows which one', () => {
  links({ present: [eth0('10.0.0.11/24', 'fd00:10::11/64', 'fd00:90::11/64')] })
  const move = linkOf(2, 'eth0', true, ['10.0.0.1/24', 'fd00:90::1/64'])
  world.feed(tor, { kind: 'links', change: { full: false, gone: [], present: [move] } })
  world.pass(1_000)
  expect(nextHop()).toBe('fd00:10::11')
  const parts = { addresses: ['10.0.0.1', 'fd00:90::1'], podCIDRs: ['fd00:244:9::/64'] }
  world.feed(tor, { kind: 'objects', changes: [upsert(node('tor', parts))] })
  expect(becomes('fd00:90::11')).toBe(true)
  // Where that subnet goes, the other one is advertised again.
  links({ present: [eth0('10.0.0.11/24', 'fd00:10::11/64')] })
  expect(becomes('fd00:10::11')).toBe(true)
  expect(worker.told('session-up')).toHaveLength(1)
})

test('no session is reset for it, and no other route is told again', () => {
  links({ present: [eth0('10.0.0.11/24')] })
  expect(becomes(undefined)).toBe(true)
  links({ present: [eth0('10.0.0.11/24', 'fd00:10::12/64')] })
  expect(becomes('fd00:10::12')).toBe(true)
  expect(worker.told('session-up')).toHaveLength(1)
  expect(worker.told('session-down')).toEqual([])
})

test('a deprecated address that was told goes on being told after the session was lost and came back', () => {
  const RENEWED = { ...eth0('10.0.0.11/24', 'fd00:10::12/64') }
  links({ present: [RENEWED] })
  expect(becomes('fd00:10::12')).toBe(true)
  const addresses = RENEWED.addresses.map((own) => (own.length === 64 ? { ...own, flags: 0x20 } : own))
  links({ present: [{ ...RENEWED, addresses }] })
  world.ask(worker, 'restart Global_10_0_0_1')
  expect(world.until(() => worker.told('session-up').length === 2)).toBe(true)
  expect(becomes('fd00:10::12')).toBe(true)
})
