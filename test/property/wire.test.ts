/**
 * The codec over anything: what is written is read again, and whatever comes in gives a value or an error, never a
 * fault of ours. GODWIT_RUNS sets how many of each are tried.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeAttributes, encodeAttributes, type PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { decodeCapabilities, describeCapability, encodeCapabilities } from '../../src/bgp/wire/capability.ts'
import type { WireContext } from '../../src/bgp/wire/context.ts'
import { wrapMessage } from '../../src/bgp/wire/header.ts'
import type { Capability, Notification, Open } from '../../src/bgp/wire/message.ts'
import { checkNlri, formatNlri } from '../../src/bgp/wire/nlri.ts'
import {
  decodeNotification,
  describeNotification,
  encodeNotification,
  encodeShutdownCommunication,
} from '../../src/bgp/wire/notification.ts'
import { decodeOpen, encodeOpen } from '../../src/bgp/wire/open.ts'
import { decodeRouteRefresh } from '../../src/bgp/wire/route-refresh.ts'
import { UpdateDecoder } from '../../src/bgp/wire/update.ts'
import { flattenTo2Octets } from '../../src/bgp/wire/update-encode.ts'
import { ALL_MESSAGES, CAPABILITIES } from '../support/known-messages.ts'
import { attribute, context, framed, frameOf, fromHex, join, pieces, read, update } from '../support/messages.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 2000)
const check = (property: fc.IRawProperty<unknown>) => fc.assert(property, { numRuns: RUNS })

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const asn = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffffffff }))
const octets = (maxLength: number) => fc.uint8Array({ maxLength })

const KNOWN_CODES = new Set([
  ...CAPABILITIES.filter(({ value }) => value.kind !== 'unknown').map(({ bytes }) => bytes[0]),
  71, // long-lived graceful restart (RFC 9494)
])

const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({ kind: fc.constant('multiprotocol' as const), afi: u16, safi: u8 }),
  fc.constantFrom<Capability>({ kind: 'route-refresh' }, { kind: 'extended-message' }, { kind: 'enhanced-refresh' }),
  fc.record({
    kind: fc.constant('extended-next-hop' as const),
    tuples: fc.array(fc.record({ afi: u16, safi: u16, nextHopAfi: u16 }), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('role' as const), role: u8 }),
  fc.record({
    kind: fc.constant('graceful-restart' as const),
    restarted: fc.boolean(),
    notification: fc.boolean(),
    restartTime: fc.integer({ min: 0, max: 4095 }),
    families: fc.array(fc.record({ afi: u16, safi: u8, preserved: fc.boolean() }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('add-path' as const),
    families: fc.array(fc.record({ afi: u16, safi: u8, mode: fc.integer({ min: 1, max: 3 }) }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('fqdn' as const),
    host: fc.string({ unit: 'grapheme', maxLength: 10 }),
    domain: fc.string({ unit: 'grapheme', maxLength: 10 }),
  }),
  fc.record({
    kind: fc.constant('unknown' as const),
    code: u8.filter((code) => !KNOWN_CODES.has(code)),
    value: octets(255),
  }),
)

const open: fc.Arbitrary<Open> = fc
  .record({
    holdTime: u16.filter((holdTime) => holdTime !== 1 && holdTime !== 2),
    routerId: u32.filter((routerId) => routerId !== 0),
    capabilities: fc.array(capability, { maxLength: 12 }),
    own: asn,
    announced: fc.boolean(),
  })
  .map(({ holdTime, routerId, capabilities, own, announced }) => ({
    kind: 'open',
    version: 4,
    myAs: own > 0xffff ? 23456 : own,
    holdTime,
    routerId,
    capabilities: announced ? [...capabilities, { kind: 'four-octet-as', asn: own }] : capabilities,
  }))

const sequence = (length: number) =>
  fc.record({ kind: fc.constant('sequence' as const), asns: fc.array(asn, { minLength: 1, maxLength: length }) })

const list = <Item>(item: fc.Arbitrary<Item>) => fc.array(item, { maxLength: 70, size: 'max' })
const maybe = <Item>(item: fc.Arbitrary<Item>) => fc.option(item, { nil: undefined })

/** What an UPDATE from inside the AS may bring. */
const attributes: fc.Arbitrary<PathAttributes> = fc.record({
  origin: fc.constantFrom('IGP', 'EGP', 'Incomplete'),
  asPath: fc.array(sequence(255), { maxLength: 3 }),
  med: maybe(u32),
  localPref: maybe(u32),
  atomicAggregate: fc.boolean(),
  aggregator: maybe(fc.record({ asn, routerId: u32 })),
  communities: list(fc.tuple(u16, u16)),
  originatorId: maybe(u32),
  clusterList: list(u32),
  extendedCommunities: list(fc.tuple(u32, u32)),
  largeCommunities: list(fc.tuple(u32, u32, u32)),
  unknown: fc
    .uniqueArray(fc.record({ type: fc.integer({ min: 40, max: 255 }), flags: fc.constant(0xe0), value: octets(300) }), {
      selector: ({ type }) => type,
      maxLength: 3,
    })
    .map((unknown) => unknown.toSorted((a, b) => a.type - b.type)),
})

describe('written and read again', () => {
  test('capabilities', () => {
    check(
      fc.property(fc.array(capability, { maxLength: 12 }), (capabilities) => {
        expect(decodeCapabilities(encodeCapabilities(capabilities))).toEqual(capabilities)
      }),
    )
  })

  test('OPEN', () => {
    check(
      fc.property(open, (value) => {
        expect(decodeOpen(frameOf(encodeOpen(value)))).toEqual(value)
      }),
    )
  })

  test('NOTIFICATION', () => {
    const notification: fc.Arbitrary<Notification> = fc.record({
      kind: fc.constant('notification'),
      code: u8,
      subcode: u8,
      data: octets(300),
    })
    check(
      fc.property(notification, (value) => {
        expect(decodeNotification(frameOf(encodeNotification(value)))).toEqual(value)
      }),
    )
  })

  test('path attributes', () => {
    check(
      fc.property(attributes, (values) => {
        const block = encodeAttributes(values)
        expect(decodeAttributes(block)).toEqual(values)
        expect(encodeAttributes(decodeAttributes(block))).toEqual(block)
      }),
    )
  })

  /** One attribute after the other, as they lie in a block. */
  function split(block: Uint8Array): number[][] {
    const found: number[][] = []
    for (let at = 0; at < block.length; ) {
      const extended = ((block[at] ?? 0) & 0x10) !== 0
      const length = extended ? ((block[at + 2] ?? 0) << 8) | (block[at + 3] ?? 0) : (block[at + 2] ?? 0)
      const end = at + (extended ? 4 : 3) + length
      found.push([...block.subarray(at, end)])
      at = end
    }
    return found
  }

  const NEXT_HOP = fromHex('40 03 04 0a000001')
  const NLRI = fromHex('18 0a0102')

  test('path attributes through an UPDATE, in any order', () => {
    check(
      fc.property(attributes, fc.infiniteStream(fc.nat()), (values, order) => {
        const block = encodeAttributes(values)
        const shuffled = [...split(block), NEXT_HOP]
          .map((bytes) => ({ bytes, rank: order.next().value as number }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ bytes }) => bytes)
        const found = read(update({ attributes: shuffled, nlri: NLRI }), context('internal', { messageSize: 65_535 }))
        expect(found).toMatchObject({ error: undefined, actions: [], attributes: [...block], nlri: NLRI })
      }),
    )
  })

  test('path attributes through an UPDATE of a speaker with two-octet AS numbers', () => {
    check(
      fc.property(attributes, (values) => {
        const path = { kind: 'sequence', asns: values.asPath.flatMap(({ asns }) => asns).slice(0, 255) } as const
        const block = encodeAttributes({ ...values, asPath: path.asns.length === 0 ? [] : [path] })
        const flat = split(flattenTo2Octets(block))
        const old = context('internal', { fourOctetAs: false, messageSize: 65_535 })
        const found = read(update({ attributes: [...flat, NEXT_HOP], nlri: NLRI }), old)
        expect(found).toMatchObject({ error: undefined, actions: [], attributes: [...block] })
      }),
    )
  })
})

describe('a stream', () => {
  test('is cut into the same messages however it comes', () => {
    const messages = fc.array(fc.constantFrom(...ALL_MESSAGES.map(({ bytes }) => bytes)), { maxLength: 12 })
    check(
      fc.property(messages, fc.integer({ min: 1, max: 200 }), (sent, size) => {
        expect(framed(pieces(join(sent), size))).toEqual({ messages: sent, error: undefined })
      }),
    )
  })

  test('of anything ends in an error or waits, the same however it comes', () => {
    const noise = fc.tuple(fc.constantFrom(...ALL_MESSAGES.map(({ bytes }) => bytes)), octets(60), fc.boolean())
    check(
      fc.property(noise, fc.integer({ min: 1, max: 70 }), ([good, bytes, marker], size) => {
        const stream = join([good, marker ? new Uint8Array(16).fill(0xff) : new Uint8Array(0), bytes])
        const whole = framed([stream])
        expect(framed(pieces(stream, size))).toEqual(whole)
        expect(whole.messages[0]).toEqual(good)
      }),
    )
  })
})

/** Bytes of a value or an error; what is neither throws. */
function readAll(bytes: Uint8Array): void {
  const opened = decodeOpen(frameOf(bytes))
  if (opened.kind === 'open') {
    for (const one of opened.capabilities) expect(describeCapability(one).length).toBeGreaterThan(0)
  }
  const notification = decodeNotification(frameOf(bytes))
  if (notification.kind === 'notification') {
    expect(describeNotification(notification.code, notification.subcode, notification.data)).not.toMatch(/\p{Cc}/u)
  }
  decodeRouteRefresh(frameOf(bytes), true)
}

const wires: readonly WireContext[] = (['external', 'internal'] as const).flatMap((peerType) => [
  context(peerType),
  context(peerType, { fourOctetAs: false }),
  context(peerType, { addPath: ['ipv4', 'ipv6'] }),
  context(peerType, { families: ['ipv6'], extendedNextHop: true }),
  context(peerType, { families: [] }),
])

/** What holds of every answer, whatever came in. */
function expectSound(decoder: UpdateDecoder, bytes: Uint8Array, start: number, end: number, wire: WireContext): void {
  const error = decoder.decode(bytes, start, end, wire)
  if (error !== undefined) {
    expect(error).toMatchObject({ kind: 'message-error', code: 3 })
    return
  }
  const ranges = [
    ['ipv4', decoder.withdrawnStart, decoder.withdrawnEnd],
    ['ipv4', decoder.nlriStart, decoder.nlriEnd],
    [decoder.unreachFamily, decoder.unreachStart, decoder.unreachEnd],
    [decoder.reachFamily, decoder.reachStart, decoder.reachEnd],
  ] as const
  for (const [family, from, to] of ranges) {
    expect(start <= from && from <= to && to <= end, `range ${from} to ${to} in ${start} to ${end}`).toBe(true)
    if (from === to) continue
    if (family === undefined) throw new Error('routes without a family')
    expect(wire.families).toContain(family)
    const addPath = wire.addPath.includes(family)
    expect(checkNlri(bytes, from, to, family, addPath)).toBe(-1)
    expect(formatNlri(bytes, from + (addPath ? 4 : 0), family)).toMatch(/\/\d+$/)
  }
  if (decoder.reachFamily !== undefined) {
    expect(decoder.reachNextHopStart + decoder.reachNextHopLength).toBeLessThan(decoder.reachStart)
  }
  const { attributesLength, treatAsWithdraw } = decoder
  if (treatAsWithdraw) expect(attributesLength).toBe(0)
  // The block is canonical: it says the same when it is written from its values.
  const block = decoder.attributes.subarray(0, attributesLength)
  if (attributesLength > 0) expect(encodeAttributes(decodeAttributes(block))).toEqual(block.slice())
}

const RICH = update({
  withdrawn: fromHex('08 0a 00 20 0a010203'),
  attributes: [
    fromHex('80 0e 1f  0002 01  10 20010db8000000000000000000000001  00  20 20010db8 20 20010db9'),
    fromHex('40 01 01 00'),
    fromHex('50 02 000e 02 03 0000fc01 00010001 0000fc02'),
    fromHex('40 03 04 0a000001'),
    fromHex('80 04 04 00000064'),
    fromHex('40 05 04 000000c8'),
    fromHex('40 06 00'),
    fromHex('c0 07 08 0000fc01 0a000001'),
    fromHex('c0 08 08 fc000064 fc000065'),
    fromHex('80 09 04 0a000002'),
    fromHex('80 0a 08 0a000003 0a000004'),
    fromHex('80 0f 08  0002 01  20 20010dba'),
    fromHex('c0 10 08 0002fc0000000064'),
    fromHex('c0 11 06 02 01 00010001'),
    fromHex('c0 12 08 00010001 0a000005'),
    fromHex('c0 20 0c 000000010000000200000003'),
    fromHex('c0 63 02 0102'),
  ],
  nlri: fromHex('18 0a0102 20 0a010203 00'),
})

/** The same for speakers with two-octet AS numbers. */
const RICH_OLD = update({
  attributes: [
    fromHex('40 01 01 02'),
    fromHex('40 02 08 02 03 fc01 5ba0 fc02'),
    fromHex('40 03 04 0a000001'),
    fromHex('c0 07 06 5ba0 0a000001'),
    fromHex('c0 11 0a 02 02 00010001 0000fc02'),
    fromHex('c0 12 08 00010001 0a000005'),
  ],
  nlri: fromHex('18 0a0102'),
})

describe('anything at all', () => {
  test('as an OPEN, NOTIFICATION or ROUTE-REFRESH', () => {
    const bodies = fc.oneof(
      octets(80),
      // Behind a good beginning, so that the deep parts are reached.
      octets(80).map((bytes) => Uint8Array.from([...fromHex('04 fc00 005a c0000201'), bytes.length, ...bytes])),
      octets(80).map((bytes) =>
        Uint8Array.from([...fromHex('04 fc00 005a c0000201'), bytes.length + 2, 2, bytes.length, ...bytes]),
      ),
      octets(80).map((bytes) => Uint8Array.from([6, 2, ...bytes])),
    )
    check(fc.property(bodies, (body) => readAll(wrapMessage('open', body))))
  })

  test('as an UPDATE', () => {
    const decoder = new UpdateDecoder()
    check(
      fc.property(octets(120), fc.constantFrom(...wires), (body, wire) => {
        const bytes = wrapMessage('update', body)
        expectSound(decoder, bytes, 0, bytes.length, wire)
      }),
    )
  })

  test('as the attributes of an UPDATE', () => {
    const decoder = new UpdateDecoder()
    const any = fc
      .tuple(
        fc.constantFrom(0x40, 0x80, 0xc0, 0xe0, 0x50, 0x90, 0xd0, 0x00),
        fc.integer({ min: 0, max: 40 }),
        octets(40),
      )
      .map(([flags, type, value]) => attribute(flags, type, ...value))
    check(
      fc.property(fc.array(any, { maxLength: 8 }), fc.constantFrom(...wires), (attributes, wire) => {
        const bytes = update({ attributes, nlri: fromHex('18 0a0102') })
        expectSound(decoder, bytes, 0, bytes.length, wire)
      }),
    )
  })

  test('a good UPDATE with some bytes changed', () => {
    const decoder = new UpdateDecoder()
    const changes = fc.array(fc.tuple(fc.nat(), fc.oneof(u8, fc.constantFrom(0, 1, 0xff))), {
      minLength: 1,
      maxLength: 4,
    })
    check(
      fc.property(fc.constantFrom(RICH, RICH_OLD), changes, fc.constantFrom(...wires), (good, changed, wire) => {
        // Inside a chunk of other things, which must not be looked at.
        const bytes = join([new Uint8Array(7).fill(0xff), good, new Uint8Array(300).fill(0x40)])
        for (const [at, byte] of changed) bytes[7 + 19 + (at % (good.length - 19))] = byte
        expectSound(decoder, bytes, 7, 7 + good.length, wire)
        // What came before leaves nothing behind.
        const fresh = read(good, wire)
        expect(read(good, wire, decoder)).toEqual(fresh)
      }),
    )
  })

  test('a good UPDATE cut short or with its lengths changed', () => {
    const decoder = new UpdateDecoder()
    check(
      fc.property(fc.nat(RICH.length - 23), fc.constantFrom(...wires), (cut, wire) => {
        const end = RICH.length - cut
        expectSound(decoder, RICH, 0, end, wire)
      }),
    )
  })

  test('a shutdown communication is shown on one line', () => {
    check(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const data = encodeShutdownCommunication(text)
        expect(data.length).toBeLessThanOrEqual(256)
        expect(describeNotification(6, 2, data)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})
