/** Messages with the values they stand for, field by field. The same rows go through the framer and the codecs. */
import type { Capability, Notification, Open, RouteRefresh } from '../../src/bgp/wire/message.ts'
import { fromHex, message, update } from './messages.ts'

export interface KnownCapability {
  readonly name: string
  readonly bytes: readonly number[]
  readonly value: Capability
  readonly words: string
}

export const CAPABILITIES: readonly KnownCapability[] = [
  {
    name: 'multiprotocol, IPv6 unicast (RFC 4760)',
    bytes: fromHex('01 04  0002 00 01'),
    value: { kind: 'multiprotocol', afi: 2, safi: 1 },
    words: 'multiprotocol ipv6 unicast',
  },
  {
    name: 'multiprotocol of a family that is not ours',
    bytes: fromHex('01 04  0001 00 80'),
    value: { kind: 'multiprotocol', afi: 1, safi: 128 },
    words: 'multiprotocol AFI 1 SAFI 128',
  },
  {
    name: 'route refresh (RFC 2918)',
    bytes: fromHex('02 00'),
    value: { kind: 'route-refresh' },
    words: 'route refresh',
  },
  {
    name: 'extended next hop (RFC 8950)',
    bytes: fromHex('05 0c  0001 0001 0002  0001 0080 0002'),
    value: {
      kind: 'extended-next-hop',
      tuples: [
        { afi: 1, safi: 1, nextHopAfi: 2 },
        { afi: 1, safi: 128, nextHopAfi: 2 },
      ],
    },
    words: 'extended next hop ipv4 unicast over AFI 2, AFI 1 SAFI 128 over AFI 2',
  },
  {
    name: 'extended message (RFC 8654)',
    bytes: fromHex('06 00'),
    value: { kind: 'extended-message' },
    words: 'extended message',
  },
  { name: 'role (RFC 9234)', bytes: fromHex('09 01 03'), value: { kind: 'role', role: 3 }, words: 'role customer' },
  {
    name: 'graceful restart (RFC 4724) with R and N (RFC 8538)',
    bytes: fromHex('40 0a  c078  0001 01 80  0002 01 00'),
    value: {
      kind: 'graceful-restart',
      restarted: true,
      notification: true,
      restartTime: 120,
      families: [
        { afi: 1, safi: 1, preserved: true },
        { afi: 2, safi: 1, preserved: false },
      ],
    },
    words: 'graceful restart 120 s ipv4 unicast, ipv6 unicast',
  },
  {
    name: '[72] graceful restart: the time has twelve bits',
    bytes: fromHex('40 02  0fff'),
    value: { kind: 'graceful-restart', restarted: false, notification: false, restartTime: 4095, families: [] },
    words: 'graceful restart 4095 s',
  },
  {
    name: 'four-octet AS (RFC 6793)',
    bytes: fromHex('41 04  fffffffe'),
    value: { kind: 'four-octet-as', asn: 4294967294 },
    words: 'four-octet AS 4294967294',
  },
  {
    name: 'add-path (RFC 7911)',
    bytes: fromHex('45 08  0001 01 01  0002 01 03'),
    value: {
      kind: 'add-path',
      families: [
        { afi: 1, safi: 1, mode: 1 },
        { afi: 2, safi: 1, mode: 3 },
      ],
    },
    words: 'add path ipv4 unicast receive, ipv6 unicast both',
  },
  {
    name: 'enhanced route refresh (RFC 7313)',
    bytes: fromHex('46 00'),
    value: { kind: 'enhanced-refresh' },
    words: 'enhanced route refresh',
  },
  {
    name: 'FQDN',
    bytes: fromHex('49 0a  04 77 6f 72 6b  04 72 61 63 6b'),
    value: { kind: 'fqdn', host: 'work', domain: 'rack' },
    words: 'host name "work.rack"',
  },
  {
    name: 'a code without a name',
    bytes: fromHex('83 03 00 01 02'),
    value: { kind: 'unknown', code: 131, value: Uint8Array.of(0, 1, 2) },
    words: 'capability 131',
  },
]

export interface KnownMessage<Value> {
  readonly name: string
  readonly bytes: Uint8Array
  readonly value: Value
}

const open = (over: Partial<Open>): Open => ({
  kind: 'open',
  version: 4,
  myAs: 64512,
  holdTime: 90,
  routerId: 0xc0000201,
  capabilities: [],
  ...over,
})

/** version, My Autonomous System, hold time, BGP Identifier. */
export const OPEN_HEAD = fromHex('04 fc00 005a c0000201')

export const OPENS: readonly KnownMessage<Open>[] = [
  { name: 'OPEN without parameters', bytes: message(1, ...OPEN_HEAD, 0), value: open({}) },
  {
    name: 'OPEN of a speaker with a four-octet AS number',
    bytes: message(1, ...fromHex('04 5ba0 0000 0a000001'), ...fromHex('08 02 06 41 04 00010000')),
    value: open({
      myAs: 23456,
      holdTime: 0,
      routerId: 0x0a000001,
      capabilities: [{ kind: 'four-octet-as', asn: 65536 }],
    }),
  },
  {
    name: 'OPEN with every capability in one parameter',
    bytes: (() => {
      const bytes = CAPABILITIES.filter(({ value }) => value.kind !== 'four-octet-as').flatMap((known) => known.bytes)
      return message(1, ...OPEN_HEAD, bytes.length + 2, 2, bytes.length, ...bytes)
    })(),
    value: open({
      capabilities: CAPABILITIES.map(({ value }) => value).filter(({ kind }) => kind !== 'four-octet-as'),
    }),
  },
  {
    name: 'OPEN in the extended form (RFC 9072): a parameter of 300 octets',
    bytes: message(
      1,
      ...OPEN_HEAD,
      ...fromHex('ff ff 012f  02 012c'),
      ...[200, 201].flatMap((code) => [code, 148, ...new Array<number>(148).fill(code)]),
    ),
    value: open({
      capabilities: [200, 201].map((code) => ({ kind: 'unknown', code, value: new Uint8Array(148).fill(code) })),
    }),
  },
]

export const NOTIFICATIONS: readonly KnownMessage<Notification>[] = [
  {
    name: 'NOTIFICATION without data',
    bytes: message(3, 4, 0),
    value: { kind: 'notification', code: 4, subcode: 0, data: new Uint8Array(0) },
  },
  {
    name: 'NOTIFICATION with a shutdown communication',
    bytes: message(3, 6, 2, 3, 0x62, 0x79, 0x65),
    value: { kind: 'notification', code: 6, subcode: 2, data: Uint8Array.of(3, 0x62, 0x79, 0x65) },
  },
]

export const REFRESHES: readonly KnownMessage<RouteRefresh>[] = [
  {
    name: 'ROUTE-REFRESH, IPv4 unicast',
    bytes: message(5, 0, 1, 0, 1),
    value: { kind: 'route-refresh', afi: 1, safi: 1, family: 'ipv4', subtype: 0 },
  },
  {
    name: 'ROUTE-REFRESH, end of a refresh of IPv6 unicast',
    bytes: message(5, 0, 2, 2, 1),
    value: { kind: 'route-refresh', afi: 2, safi: 1, family: 'ipv6', subtype: 2 },
  },
]

const UPDATES: readonly KnownMessage<'update'>[] = [
  { name: 'UPDATE without anything', bytes: update({}), value: 'update' },
  {
    name: 'UPDATE with a route',
    bytes: update({
      attributes: [fromHex('40 01 01 00'), fromHex('40 02 06 02 01 0000fc01'), fromHex('40 03 04 0a000001')],
      nlri: fromHex('18 0a0102'),
    }),
    value: 'update',
  },
]

const KEEPALIVES = [{ name: 'KEEPALIVE', bytes: message(4), value: 'keepalive' }] as const

/** One of each and more, as a stream. */
export const ALL_MESSAGES: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
  ...OPENS,
  ...KEEPALIVES,
  ...UPDATES,
  ...REFRESHES,
  ...NOTIFICATIONS,
]
