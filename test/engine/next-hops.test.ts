/** Which address of ours a neighbor is told as next hop of the family that its session does not run over. */

import { describe, expect, test } from 'vitest'
import { markText } from '../../src/base/link-mark.ts'
import { hostPrefix } from '../../src/base/prefix.ts'
import type { Session } from '../../src/bgp/session/types.ts'
import type { NodeIntent } from '../../src/cluster/intent.ts'
import { type Link, type LinkAddress, LinkTable } from '../../src/dataplane/links.ts'
import { type NextHopChoice, nextHopsFor } from '../../src/engine/next-hops.ts'
import { linkOf, pointToPoint } from '../support/fake-kernel.ts'

const FLAG = { temporary: 0x01, secondary: 0x01, optimistic: 0x04, duplicate: 0x08, deprecated: 0x20, tentative: 0x40 }

/** `fd00::1/64`, and what the kernel says of it. */
const own = (text: string, flags = 0x80, rest: Partial<LinkAddress> = {}): LinkAddress => {
  const [address = '', length] = text.split('/')
  return { address, length: Number(length), peer: undefined, scope: 0, flags, ...rest }
}
const link = (index: number, name: string, ...addresses: readonly (string | LinkAddress)[]): Link => ({
  ...linkOf(index, name, true, []),
  addresses: addresses.map(
    (one) => (typeof one === 'string' ? linkOf(1, '', true, [one]).addresses[0] : one) as LinkAddress,
  ),
})
const tableOf = (...links: readonly Link[]): LinkTable => {
  const table = new LinkTable()
  table.take({ full: true, gone: [], present: links })
  return table
}

interface Scene {
  readonly local?: string
  readonly remote?: string
  readonly internal?: boolean
  readonly named?: readonly [ipv4: string | undefined, ipv6: string | undefined]
  readonly told?: string
  readonly extendedNextHop?: boolean
  /** A next hop that the neighbor has sent. */
  readonly heard?: string
}

function choose(links: LinkTable, scene: Scene = {}): NextHopChoice {
  const {
    local = '192.168.80.1',
    remote = '192.168.80.2',
    internal = false,
    told,
    extendedNextHop = false,
    heard,
  } = scene
  const [ipv4, ipv6] = scene.named ?? ['10.0.0.11', 'fd00:10::11']
  const session = {
    families: ['ipv4', 'ipv6'],
    local: { address: local, port: 179 },
    remote: { address: remote, port: 179 },
    peerType: internal ? 'internal' : 'external',
    send: { extendedNextHop },
  } as unknown as Session
  const addresses = { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) }
  const node = { name: 'n1', addresses } as unknown as NodeIntent
  const chosen = () => (told === undefined ? undefined : { ipv6: told })
  const host = heard === undefined ? undefined : hostPrefix(heard)
  const heardHosts = host ? { [host.family]: host } : {}
  const place = { node, links, link: undefined, bound: undefined, isBeside: () => false, chosen, heard: heardHosts }
  return nextHopsFor(session, place)
}

const ETH0 = link(2, 'eth0', '10.0.0.11/24', 'fd00:10::11/64', 'fe80::11/64')
const ETH1 = link(3, 'eth1', '192.168.80.1/24', 'fd00:80::1/64', 'fe80::12/64')
const BARE = link(3, 'eth1', '192.168.80.1/24', 'fe80::12/64')
const LOOPBACK = link(1, 'lo', '127.0.0.1/8', '::1/128', 'fd00:10::11/128')

describe('on which interface', () => {
  test.each<[string, Link[], Scene, string | undefined]>([
    ['a neighbor on the link: the address of that link', [ETH0, ETH1], {}, 'fd00:80::1'],
    ['the InternalIP where it is one of that link', [ETH0], { local: '10.0.0.11', remote: '10.0.0.1' }, 'fd00:10::11'],
    ['a neighbor on a link without IPv6: none', [ETH0, BARE], {}, undefined],
    ['the same, internal: the InternalIP', [ETH0, BARE], { internal: true }, 'fd00:10::11'],
    ['an internal neighbor: the address of the interface first', [ETH0, ETH1], { internal: true }, 'fd00:80::1'],
    [
      'a neighbor beyond the link: the address of the interface first',
      [ETH0, ETH1],
      { remote: '198.51.100.1' },
      'fd00:80::1',
    ],
    ['a neighbor beyond a link without IPv6: the InternalIP', [ETH0, BARE], { remote: '198.51.100.1' }, 'fd00:10::11'],
    [
      'a reflector, and an InternalIP on the loopback',
      [LOOPBACK, BARE],
      { internal: true, remote: '198.51.100.1' },
      'fd00:10::11',
    ],
    ['an InternalIP that this machine does not have: never', [BARE], { internal: true }, undefined],
    [
      'the same on a session that does not leave the machine, as where agents play nodes: the InternalIP',
      [BARE],
      { local: '127.0.0.11', remote: '127.0.0.1' },
      'fd00:10::11',
    ],
    ['no InternalIP, and none needed', [ETH1], { named: [undefined, undefined] }, 'fd00:80::1'],
    ['a session from an address that no interface has: the InternalIP', [ETH0], { local: '192.0.2.1' }, 'fd00:10::11'],
  ])('%s', (_, links, scene, expected) => {
    const found = choose(tableOf(...links), scene)
    expect(found.text.ipv6).toBe(expected)
    expect(found.held.ipv6 === undefined).toBe(expected !== undefined)
  })

  test('the other way round: IPv4 over a session by IPv6', () => {
    const scene = { local: 'fd00:80::1', remote: 'fd00:80::2' }
    expect(choose(tableOf(ETH0, ETH1), scene).text).toEqual({ ipv4: '192.168.80.1', ipv6: 'fd00:80::1' })
  })

  test('what lies on the link is shared with a neighbor there, and with no other', () => {
    const texts = (scene: Scene) => choose(tableOf(ETH0, ETH1), scene).shared.map(markText)
    expect(texts({})).toEqual(['192.168.80.0/24', 'fd00:80::/64'])
    expect(texts({ remote: '198.51.100.1' })).toEqual([])
  })

  test('of point-to-point links that share our address, the one that the neighbor is at the end of', () => {
    const links = tableOf(
      pointToPoint(2, 'eth0', '10.9.0.1', '10.9.0.2', 'fd00:2::1/64'),
      pointToPoint(3, 'eth1', '10.9.0.1', '10.9.0.3', 'fd00:3::1/64'),
    )
    const found = ['10.9.0.2', '10.9.0.3', '10.9.0.4'].map((remote) => choose(links, { local: '10.9.0.1', remote }))
    expect(found.map(({ link: name, text, shared }) => [name, text.ipv6, shared.map(markText)[0]])).toEqual([
      ['eth0', 'fd00:2::1', '10.9.0.2/32'],
      ['eth1', 'fd00:3::1', '10.9.0.3/32'],
      ['eth0', 'fd00:2::1', undefined],
    ])
  })

  describe('a link with several subnets', () => {
    const wide = tableOf(link(2, 'eth0', '10.0.0.11/24', '10.9.0.11/24', 'fd00:10::11/64', 'fd00:90::11/64'))
    const texts = ({ text, subnets }: NextHopChoice) => [text, subnets.map((subnet) => subnet.text)]

    test('the address in the subnet that the neighbor is in, also against the InternalIP', () => {
      const scene = { local: '10.9.0.11', remote: '10.9.0.1', heard: 'fd00:90::1' }
      const found = texts(choose(wide, scene))
      expect(found).toEqual([{ ipv4: '10.9.0.11', ipv6: 'fd00:90::11' }, ['10.9.0.0/24', 'fd00:90::/64']])
    })

    test('the same of IPv4 on a session by IPv6', () => {
      const found = texts(choose(wide, { local: 'fd00:90::11', remote: 'fd00:90::1', heard: '10.9.0.1' }))
      expect(found).toEqual([{ ipv4: '10.9.0.11', ipv6: 'fd00:90::11' }, ['10.9.0.0/24', 'fd00:90::/64']])
    })

    test('while nothing is known of it, or where it is in none: the InternalIP', () => {
      for (const heard of [undefined, 'fd00:77::1']) {
        const found = texts(choose(wide, { local: '10.9.0.11', remote: '10.9.0.1', ...(heard && { heard }) }))
        const subnets = ['10.9.0.0/24', ...(heard === undefined ? ['fd00:10::/64'] : [])]
        expect(found).toEqual([{ ipv4: '10.9.0.11', ipv6: 'fd00:10::11' }, subnets])
      }
    })

    test('on a link-local session: the global address of that subnet before the link-local one', () => {
      const unnumbered = tableOf(link(2, 'eth0', 'fd00:10::11/64', 'fd00:90::11/64', 'fe80::11/64'))
      const found = choose(unnumbered, { local: 'fe80::11', remote: 'fe80::1', heard: 'fd00:90::1' })
      expect(found.text.ipv6).toBe('fd00:90::11 fe80::11')
    })
  })

  test('a cable with two ends shows who is on the other one', () => {
    const cable = link(3, 'eth1', own('192.168.80.1/32', 0x80, { peer: '192.168.80.2' }), 'fd00:80::1/64')
    expect(choose(tableOf(ETH0, cable)).text.ipv6).toBe('fd00:80::1')
    const bare = link(3, 'eth1', own('192.168.80.1/32', 0x80, { peer: '192.168.80.2' }))
    expect(choose(tableOf(ETH0, bare)).held.ipv6).toContain('192.168.80.2 is on that link')
  })
})

describe('which of an interface', () => {
  const GOOD = own('fd00:80::9/64')
  const BAD: readonly (readonly [string, LinkAddress])[] = [
    ['a single address', own('fd00:80::100/128')],
    ['a tentative one', own('fd00:80::1/64', FLAG.tentative)],
    ['a duplicate', own('fd00:80::1/64', FLAG.duplicate | FLAG.tentative)],
    ['a temporary one', own('fd00:80::1/64', FLAG.temporary)],
    ['a link-local one', own('fe80::1/64', 0x80, { scope: 253 })],
    ['one of this host alone', own('fd00:80::1/64', 0x80, { scope: 254 })],
    ['a deprecated one', own('fd00:80::1/64', FLAG.deprecated)],
  ]
  const at = (...addresses: readonly LinkAddress[]) => tableOf(link(3, 'eth1', '192.168.80.1/24', ...addresses))
  const NONE: Scene = { named: [undefined, undefined] }

  test.each(BAD)('never %s', (_, bad) => {
    expect(choose(at(bad, GOOD), NONE).text.ipv6).toBe('fd00:80::9')
    expect(choose(at(GOOD, bad), NONE).text.ipv6).toBe('fd00:80::9')
    const alone = choose(at(bad), NONE)
    expect(alone.text.ipv6).toBeUndefined()
    expect(alone.held.ipv6).toContain(`${bad.address}/${bad.length} `)
  })

  test.each(BAD.slice(1, 6))('never %s, also where it is told already or is the InternalIP', (_, bad) => {
    expect(choose(at(bad), { ...NONE, told: bad.address }).text.ipv6).toBeUndefined()
    expect(choose(at(bad), { named: [undefined, bad.address], internal: true }).text.ipv6).toBeUndefined()
  })

  test('never a second IPv4 address of a network, nor one of 169.254.0.0/16 where there is another', () => {
    const there = link(
      3,
      'eth1',
      'fd00:80::1/64',
      own('192.168.80.5/24', FLAG.secondary),
      '169.254.1.1/16',
      '192.168.80.9/24',
    )
    const scene = { ...NONE, local: 'fd00:80::1', remote: 'fd00:80::2' }
    expect(choose(tableOf(there), scene).text.ipv4).toBe('192.168.80.9')
  })

  test('a single address that the Node names is its own: of DHCPv6', () => {
    expect(choose(at(own('fd00:80::5/128')), { named: [undefined, 'fd00:80::5'] }).text.ipv6).toBe('fd00:80::5')
  })

  test('an optimistic one may be used (RFC 4429)', () => {
    expect(choose(at(own('fd00:80::1/64', FLAG.tentative | FLAG.optimistic)), NONE).text.ipv6).toBe('fd00:80::1')
  })

  test('a deprecated one only where the Node names it, or it is told and there is no other (RFC 4862 §5.5.4)', () => {
    const old = own('fd00:80::1/64', FLAG.deprecated)
    expect(choose(at(old), { named: [undefined, 'fd00:80::1'] }).text.ipv6).toBe('fd00:80::1')
    expect(choose(at(old), { ...NONE, told: 'fd00:80::1' }).text.ipv6).toBe('fd00:80::1')
    expect(choose(at(old, GOOD), { ...NONE, told: 'fd00:80::1' }).text.ipv6).toBe('fd00:80::9')
  })

  test('what is told stays, whatever else comes; and the order in which addresses came decides nothing', () => {
    const [a, b] = [own('fd00:80::1/64'), own('fd00:80::2/64')]
    expect(choose(at(a, b), { ...NONE, told: 'fd00:80::2' }).text.ipv6).toBe('fd00:80::2')
    expect(choose(at(a, b), NONE).text.ipv6).toBe('fd00:80::1')
    expect(choose(at(b, a), NONE).text.ipv6).toBe('fd00:80::1')
    expect(choose(at(a), { ...NONE, told: 'fd00:80::2' }).text.ipv6).toBe('fd00:80::1')
  })

  test('one made by hand before one of router advertisements', () => {
    expect(choose(at(own('fd00:80::1/64', 0), own('fd00:80::2/64')), NONE).text.ipv6).toBe('fd00:80::2')
  })
})

test('before links are known the other family waits, and says so', () => {
  const found = choose(new LinkTable())
  expect(found.text).toEqual({ ipv4: '192.168.80.1' })
  expect(found.held).toEqual({ ipv6: 'no IPv6 next hop: the links of this node are not known yet' })
})

describe('link-local next hops of the neighbor cannot be reached', () => {
  const onlyIpv4 = link(3, 'eth1', '192.168.80.1/24')
  test.each<[string, LinkTable, boolean]>([
    ['over a link with IPv6: they can', tableOf(ETH1), false],
    ['over one that has no more than a link-local address: they can', tableOf(BARE), false],
    ['over one without IPv6', tableOf(ETH0, onlyIpv4), true],
    ['over one that is down', tableOf({ ...ETH1, up: false }), true],
    ['where no link has the address of the session', tableOf(ETH0), true],
    ['while links are not known: nothing is known against it', new LinkTable(), false],
  ])('%s', (_, links, expected) => {
    expect(choose(links).lacksLink).toBe(expected)
  })
})
