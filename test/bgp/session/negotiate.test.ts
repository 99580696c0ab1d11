import { describe, expect, test } from 'vitest'
import { hex } from '../../../src/base/bytes.ts'
import { negotiate, ourOpen } from '../../../src/bgp/session/negotiate.ts'
import type { PeerConfig } from '../../../src/bgp/session/types.ts'
import type { Capability, Open } from '../../../src/bgp/wire/message.ts'
import { encodeNotification } from '../../../src/bgp/wire/notification.ts'
import { config, otherConfig } from '../../support/wire-pair.ts'

const open = (over: Partial<Open> = {}): Open => ({ ...ourOpen(otherConfig()), ...over })
const V4: Capability = { kind: 'multiprotocol', afi: 1, safi: 1 }
const V6: Capability = { kind: 'multiprotocol', afi: 2, safi: 1 }
const AS4 = (asn: number): Capability => ({ kind: 'four-octet-as', asn })

function agree(theirs: Open, ours: Partial<PeerConfig> = {}, offered: Partial<Open> = {}) {
  const agreed = negotiate(config(ours), { ...ourOpen(config(ours)), ...offered }, theirs)
  if ('kind' in agreed) throw new Error(agreed.text)
  return agreed
}

function refuse(theirs: Open, ours: Partial<PeerConfig> = {}): string {
  const refused = negotiate(config(ours), ourOpen(config(ours)), theirs)
  return 'kind' in refused ? hex(encodeNotification(refused).subarray(19)) : 'agreed'
}

describe('our OPEN', () => {
  test('[5] is of version 4, and offers both families, refresh, extended messages, four-octet AS and our name', () => {
    expect(ourOpen(config())).toEqual({
      kind: 'open',
      version: 4,
      myAs: 64512,
      holdTime: 90,
      routerId: 0xc0000201,
      capabilities: [
        V4,
        V6,
        { kind: 'route-refresh' },
        { kind: 'extended-message' },
        AS4(64512),
        { kind: 'enhanced-refresh' },
        { kind: 'fqdn', host: 'one', domain: '' },
      ],
    })
  })

  test.each<[string, Partial<PeerConfig>, Capability[]]>([
    [
      'IPv6 next hops for IPv4',
      { extendedNextHop: true },
      [{ kind: 'extended-next-hop', tuples: [{ afi: 1, safi: 1, nextHopAfi: 2 }] }],
    ],
    ['… but not without IPv4', { extendedNextHop: true, families: ['ipv6'] }, []],
    [
      'several paths, each direction by family',
      { addPath: { receive: ['ipv4', 'ipv6'], send: ['ipv6'] } },
      [
        {
          kind: 'add-path',
          families: [
            { afi: 1, safi: 1, mode: 1 },
            { afi: 2, safi: 1, mode: 3 },
          ],
        },
      ],
    ],
    ['… only of families that are offered', { families: ['ipv4'], addPath: { receive: ['ipv6'], send: [] } }, []],
    ['our role', { role: 'customer' }, [{ kind: 'role', role: 3 }]],
    ['… but not inside an AS', { role: 'customer', remoteAs: 'internal' }, []],
    ['… nor inside it by number', { role: 'customer', remoteAs: 64512 }, []],
  ])('offers %s', (_, over, expected) => {
    const some = ourOpen(config(over)).capabilities.filter(({ kind }) =>
      ['extended-next-hop', 'add-path', 'role'].includes(kind),
    )
    expect(some).toEqual(expected)
  })

  test('has one capability for graceful restart (RFC 4724 §3), and the long-lived one beside it only (RFC 9494 §4.1)', () => {
    const kinds = (over: Partial<PeerConfig>) =>
      ourOpen(config(over))
        .capabilities.map(({ kind }) => kind)
        .filter((kind) => kind.endsWith('graceful-restart'))
    expect(kinds({ restartTime: 120 })).toEqual(['graceful-restart', 'long-lived-graceful-restart'])
    expect(kinds({ longLivedTime: 3600 })).toEqual([])
  })

  test('AS_TRANS stands for a number of four octets', () => {
    expect(ourOpen(config({ localAs: 4200000000 })).myAs).toBe(23456)
    expect(ourOpen(config({ localAs: 65535 })).myAs).toBe(65535)
  })
})

describe('whose AS', () => {
  test.each([
    ['the configured one', 64513, open(), 64513, 'external'],
    ['any other, external', 'external', open(), 64513, 'external'],
    ['our own, internal', 'internal', open({ myAs: 64512, capabilities: [AS4(64512)] }), 64512, 'internal'],
    ['our own by number', 64512, open({ myAs: 64512, capabilities: [AS4(64512)] }), 64512, 'internal'],
    ['[9] AS_TRANS and the capability', 70000, open({ myAs: 23456, capabilities: [AS4(70000)] }), 70000, 'external'],
    ['a speaker of two octets', 64513, open({ capabilities: [] }), 64513, 'external'],
  ] as const)('%s', (_, remoteAs, theirs, asn, peerType) => {
    const agreed = agree(theirs, { remoteAs, families: ['ipv4'] })
    expect(agreed).toMatchObject({ remoteAs: asn, peerType })
    expect(agreed.receive.peerType).toBe(peerType)
  })

  test.each([
    ['another number', 64999, open()],
    ['two octets of a number of four', 70000, open({ capabilities: [V4] })],
    ['internal, but not ours', 'internal', open()],
    ['external, but ours', 'external', open({ myAs: 64512, capabilities: [V4, AS4(64512)] })],
    ['AS_TRANS without the capability', 'external', open({ myAs: 23456, capabilities: [V4] })],
    ['[9] the capability counts', 64513, open({ myAs: 23456, capabilities: [V4, AS4(70000)] })],
  ] as const)('[6] 2/2 for %s', (_, remoteAs, theirs) => {
    expect(refuse(theirs, { remoteAs })).toBe('02 02')
  })
})

test('[6] 2/3 for our own router ID inside our AS, which is legal from outside', () => {
  const ours = { remoteAs: 'internal' as const }
  const same = { routerId: 0xc0000201 }
  expect(refuse(open({ ...same, myAs: 64512, capabilities: [V4, AS4(64512)] }), ours)).toBe('02 03')
  expect(refuse(open(same))).toBe('agreed')
})

describe('families (RFC 4760 §8)', () => {
  test.each([
    ['both', [V4, V6], ['ipv4', 'ipv6']],
    ['the common one', [V6], ['ipv6']],
    ['[11] none announced is IPv4 unicast', [], ['ipv4']],
    ['[10] announced twice', [V4, V4, V6, V4], ['ipv4', 'ipv6']],
    ['others beside', [{ kind: 'multiprotocol', afi: 25, safi: 70 }, V6], ['ipv6']],
  ] as const)('%s', (_, announced, families) => {
    const agreed = agree(open({ capabilities: [...announced, AS4(64513)] }))
    expect(agreed.families).toEqual(families)
    expect(agreed.receive.families).toEqual(families)
    expect(agreed.send.families).toEqual(families)
  })

  test.each([
    ['IPv6 only against IPv4 only', { families: ['ipv6'] }, [V4], '02 07 01 04 00 02 00 01'],
    ['[11] IPv6 only against none announced', { families: ['ipv6'] }, [], '02 07 01 04 00 02 00 01'],
    [
      'ours against EVPN',
      {},
      [{ kind: 'multiprotocol', afi: 25, safi: 70 }],
      '02 07 01 04 00 01 00 01 01 04 00 02 00 01',
    ],
  ] as const)('2/7 with ours as Data: %s', (_, ours, announced, bytes) => {
    expect(refuse(open({ capabilities: [...announced, AS4(64513)] }), ours)).toBe(bytes)
  })
})

describe('timers', () => {
  test.each([
    ['the lower of both', 90, 30, undefined, 30, 10],
    ['ours is the lower', 9, 90, undefined, 9, 3],
    ['[6] theirs is 0', 90, 0, undefined, 0, 0],
    ['[6] ours is 0', 0, 90, undefined, 0, 0],
    ['a keepalive time of our own', 90, 90, 10, 90, 10],
    ['never more than a third', 90, 90, 80, 90, 30],
    ['never less than one second', 90, 3, undefined, 3, 1],
  ])('%s', (_, ours, theirs, own, holdTime, keepaliveTime) => {
    const agreed = agree(open({ holdTime: theirs }), { holdTime: ours, keepaliveTime: own })
    expect(agreed).toMatchObject({ holdTime, keepaliveTime })
  })
})

describe('what both must offer', () => {
  const all: Capability[] = [
    V4,
    V6,
    AS4(64513),
    { kind: 'route-refresh' },
    { kind: 'extended-message' },
    { kind: 'extended-next-hop', tuples: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
    {
      kind: 'add-path',
      families: [
        { afi: 1, safi: 1, mode: 1 },
        { afi: 2, safi: 1, mode: 3 },
      ],
    },
  ]

  test('what we do not offer is not used', () => {
    const { receive, send, routeRefresh } = agree(open({ capabilities: all }))
    for (const context of [receive, send]) {
      expect(context).toMatchObject({ fourOctetAs: true, messageSize: 65535, extendedNextHop: false, addPath: [] })
    }
    expect(routeRefresh).toBe(true)
  })

  test('what they do not offer is not used', () => {
    const { receive, send, routeRefresh } = agree(open({ capabilities: [V4] }), {}, { capabilities: all })
    for (const context of [receive, send]) {
      expect(context).toMatchObject({ fourOctetAs: false, extendedNextHop: false, addPath: [] })
    }
    expect(send.messageSize).toBe(4096)
    expect(routeRefresh).toBe(false)
  })

  test('longer messages go to whoever announced that it takes them, each way by itself (RFC 8654 §4)', () => {
    const extended: Capability[] = [V4, { kind: 'extended-message' }]
    const sizes = (ours: Capability[], theirs: Capability[]) => {
      const { receive, send } = agree(open({ capabilities: theirs }), {}, { capabilities: ours })
      return [receive.messageSize, send.messageSize]
    }
    expect(sizes(extended, [V4])).toEqual([65_535, 4096])
    expect(sizes([V4], extended)).toEqual([4096, 65_535])
    expect(sizes([V4], [V4])).toEqual([4096, 4096])
  })

  test('[10] add-path has a direction; a mode outside 1 to 3 is as if not there', () => {
    const ours: Capability = {
      kind: 'add-path',
      families: [
        { afi: 1, safi: 1, mode: 3 },
        { afi: 2, safi: 1, mode: 2 },
        { afi: 2, safi: 1, mode: 7 },
      ],
    }
    const agreed = agree(open({ capabilities: all }), {}, { capabilities: [V4, V6, ours] })
    expect(agreed.send.addPath).toEqual(['ipv4', 'ipv6'])
    expect(agreed.receive.addPath).toEqual([])
  })

  test.each([
    ['exact', { afi: 1, safi: 1, nextHopAfi: 2 }, true],
    ['another SAFI', { afi: 1, safi: 2, nextHopAfi: 2 }, false],
    ['IPv6 with an IPv4 next hop', { afi: 2, safi: 1, nextHopAfi: 1 }, false],
  ])('[10] extended next hop: %s', (_, tuple, used) => {
    const capabilities: Capability[] = [V4, V6, { kind: 'extended-next-hop', tuples: [tuple] }]
    const agreed = agree(open({ capabilities: all }), {}, { capabilities })
    expect(agreed.receive.extendedNextHop).toBe(used)
  })
})

describe('roles (RFC 9234 §4.2)', () => {
  const says = (...roles: number[]) =>
    open({ capabilities: [V4, AS4(64513), ...roles.map((role): Capability => ({ kind: 'role', role }))] })

  test.each([
    ['we provide, they are a customer', 'provider', [3]],
    ['we are a customer, they provide', 'customer', [0]],
    ['route server and client', 'rs-server', [2]],
    ['client and route server', 'rs-client', [1]],
    ['two peers', 'peer', [4]],
    ['they say the same twice', 'peer', [4, 4]],
    ['they say none', 'provider', []],
  ] as const)('goes well: %s', (_, role, theirs) => {
    expect(agree(says(...theirs), { role }).role).toBe(role)
  })

  test.each([
    ['both provide', { role: 'provider' }, [0]],
    ['both are customers', { role: 'customer' }, [3]],
    ['a peer and a customer', { role: 'peer' }, [3]],
    ['a number that is no role', { role: 'peer' }, [9]],
    ['several that differ', { role: 'peer' }, [4, 3]],
    ['none, and we are strict', { role: 'peer', strictRole: true }, []],
  ] as const)('2/11: %s', (_, ours, theirs) => {
    expect(refuse(says(...theirs), ours)).toBe('02 0b')
  })

  test('without a role of ours theirs is of no account, and inside an AS ours is not', () => {
    expect(agree(says(0)).role).toBeUndefined()
    const inside = open({ myAs: 64512, capabilities: [V4, AS4(64512), { kind: 'role', role: 0 }] })
    expect(agree(inside, { remoteAs: 'internal', role: 'provider', strictRole: true }).role).toBeUndefined()
  })
})

describe('enhanced refresh (RFC 7313)', () => {
  const refresh: Capability = { kind: 'route-refresh' }
  const enhanced: Capability = { kind: 'enhanced-refresh' }

  test.each([
    ['both capabilities of both', [refresh, enhanced], true],
    ['not without route refresh', [enhanced], false],
    ['not without its own', [refresh], false],
  ])('%s', (_, capabilities, expected) => {
    expect(agree(open({ capabilities: [V4, AS4(64513), ...capabilities] })).enhancedRefresh).toBe(expected)
  })
})
