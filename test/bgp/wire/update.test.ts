/** Good UPDATEs: where everything lies, and the canonical attributes. What is wrong with others: update-faults. */
import { describe, expect, test } from 'vitest'
import { UpdateDecoder } from '../../../src/bgp/wire/update.ts'
import { encodeEndOfRib } from '../../../src/bgp/wire/update-encode.ts'
import { longTest } from '../../support/long.ts'
import { attribute, context, fromHex, message, read, update } from '../../support/messages.ts'

const EBGP = context('external')
const IBGP = context('internal')
const OLD = context('external', { fourOctetAs: false })

const ORIGIN = fromHex('40 01 01 00')
const AS_PATH = fromHex('40 02 06 02 01 0000fc01')
const NEXT_HOP = fromHex('40 03 04 0a000001')
const MED = fromHex('80 04 04 00000064')
const LOCAL_PREF = fromHex('40 05 04 000000c8')
const NLRI = fromHex('18 0a0102  20 0a010203  00')
const V6_NEXT_HOP = fromHex('20010db8000000000000000000000001')
const V6_NLRI = fromHex('20 20010db8  00')

const reach = (family: string, nextHop: readonly number[], nlri: readonly number[]) =>
  attribute(0x80, 14, ...fromHex(family), nextHop.length, ...nextHop, 0, ...nlri)

describe('where everything lies', () => {
  test('[28, 29] withdrawn routes, NLRI and NEXT_HOP', () => {
    const bytes = update({ withdrawn: fromHex('08 0a'), attributes: [ORIGIN, AS_PATH, NEXT_HOP], nlri: NLRI })
    expect(read(bytes, EBGP)).toMatchObject({
      error: undefined,
      withdrawn: fromHex('08 0a'),
      nlri: NLRI,
      nextHop: [10, 0, 0, 1],
      attributes: [...ORIGIN, ...AS_PATH],
      treatAsWithdraw: false,
      actions: [],
      endOfRib: undefined,
    })
  })

  test('a message inside a longer chunk', () => {
    const bytes = update({ attributes: [ORIGIN, AS_PATH, NEXT_HOP], nlri: NLRI })
    const chunk = Uint8Array.from([1, 2, 3, ...bytes, ...bytes])
    const decoder = new UpdateDecoder()
    expect(decoder.decode(chunk, 3, 3 + bytes.length, EBGP)).toBeUndefined()
    expect([...chunk.subarray(decoder.nlriStart, decoder.nlriEnd)]).toEqual(NLRI)
  })

  test('[34] MP_REACH_NLRI alone needs no NEXT_HOP', () => {
    const bytes = update({ attributes: [reach('0002 01', V6_NEXT_HOP, V6_NLRI), ORIGIN, AS_PATH] })
    expect(read(bytes, EBGP)).toMatchObject({
      error: undefined,
      reach: ['ipv6', V6_NLRI],
      reachNextHop: V6_NEXT_HOP,
      nlri: [],
      attributes: [...ORIGIN, ...AS_PATH],
      actions: [],
    })
  })

  test('MP_UNREACH_NLRI', () => {
    const bytes = update({ attributes: [attribute(0x80, 15, ...fromHex('0002 01'), ...V6_NLRI)] })
    expect(read(bytes, EBGP)).toMatchObject({ error: undefined, unreach: ['ipv6', V6_NLRI], endOfRib: undefined })
  })

  test('[43, 49] all four in one message', () => {
    const bytes = update({
      withdrawn: NLRI,
      attributes: [
        attribute(0x80, 15, ...fromHex('0002 01'), ...V6_NLRI),
        ORIGIN,
        reach('0002 01', V6_NEXT_HOP, V6_NLRI),
        AS_PATH,
        NEXT_HOP,
      ],
      nlri: NLRI,
    })
    const found = read(bytes, EBGP)
    expect(found).toMatchObject({ error: undefined, withdrawn: NLRI, nlri: NLRI, actions: [] })
    expect([found.unreach, found.reach]).toEqual([
      ['ipv6', V6_NLRI],
      ['ipv6', V6_NLRI],
    ])
  })

  test.each<[string, string, readonly number[], boolean]>([
    ['[41] IPv6 with a global next hop', '0002 01', V6_NEXT_HOP, false],
    [
      '[41] IPv6 with a global and a link-local one (RFC 2545 §3)',
      '0002 01',
      [...V6_NEXT_HOP, 0xfe, 0x80, ...V6_NEXT_HOP.slice(2)],
      false,
    ],
    ['IPv4 in MP_REACH_NLRI', '0001 01', [10, 0, 0, 1], false],
    ['[41] IPv4 with an IPv6 next hop (RFC 8950)', '0001 01', V6_NEXT_HOP, true],
    ['[41] IPv4 with two IPv6 next hops (RFC 8950)', '0001 01', [...V6_NEXT_HOP, ...V6_NEXT_HOP], true],
  ])('%s', (_, family, nextHop, extendedNextHop) => {
    const bytes = update({ attributes: [reach(family, nextHop, fromHex('08 0a')), ORIGIN, AS_PATH] })
    expect(read(bytes, context('external', { extendedNextHop }))).toMatchObject({
      error: undefined,
      reach: [family === '0002 01' ? 'ipv6' : 'ipv4', [8, 10]],
      reachNextHop: nextHop,
    })
  })

  test('add-path: a path identifier before each prefix (RFC 7911 §3)', () => {
    const withPath = context('external', { addPath: ['ipv4'] })
    const nlri = fromHex('00000001 18 0a0102  00000002 18 0a0102')
    const bytes = update({ withdrawn: nlri, attributes: [ORIGIN, AS_PATH, NEXT_HOP], nlri })
    expect(read(bytes, withPath)).toMatchObject({ error: undefined, withdrawn: nlri, nlri })
    const v6 = update({ attributes: [reach('0002 01', V6_NEXT_HOP, V6_NLRI), ORIGIN, AS_PATH] })
    expect(read(v6, withPath)).toMatchObject({ error: undefined, reach: ['ipv6', V6_NLRI] })
  })
})

describe('[42] a family that was not agreed on is left aside', () => {
  const V6_ONLY = context('external', { families: ['ipv6'] })
  const V4_ONLY = context('external', { families: ['ipv4'] })

  test('[11] IPv4 routes, even broken ones', () => {
    for (const routes of [NLRI, [33, 1, 2, 3, 4, 5]]) {
      const bytes = update({ withdrawn: routes, attributes: [ORIGIN, AS_PATH, NEXT_HOP], nlri: routes })
      const found = read(bytes, V6_ONLY)
      expect(found).toMatchObject({ error: undefined, withdrawn: [], nlri: [], actions: [['discard', undefined]] })
      expect(found.texts[0]).toContain('IPv4')
    }
  })

  test.each([
    ['IPv6', '0002 01'],
    ['VPNv4', '0001 80'],
    ['EVPN', '0019 46'],
  ])('MP_REACH_NLRI and MP_UNREACH_NLRI of %s, whatever is in them', (_, family) => {
    const nonsense = fromHex('ff 01 02')
    const bytes = update({
      attributes: [
        reach(family, fromHex('01 02 03'), nonsense),
        attribute(0x80, 15, ...fromHex(family), ...nonsense),
        ORIGIN,
        AS_PATH,
        NEXT_HOP,
      ],
      nlri: NLRI,
    })
    expect(read(bytes, V4_ONLY)).toMatchObject({
      error: undefined,
      reach: [undefined, []],
      unreach: [undefined, []],
      nlri: NLRI,
      treatAsWithdraw: false,
      actions: [
        ['discard', 14],
        ['discard', 15],
      ],
    })
  })
})

describe('[54] End-of-RIB (RFC 4724 §2)', () => {
  test.each(['ipv4', 'ipv6'] as const)('%s, as we write it', (family) => {
    expect(read(encodeEndOfRib(family), EBGP)).toMatchObject({ error: undefined, endOfRib: family, actions: [] })
  })

  test('in bytes', () => {
    expect([...encodeEndOfRib('ipv4')]).toEqual([...message(2, 0, 0, 0, 0)])
    expect([...encodeEndOfRib('ipv6')]).toEqual([...message(2, 0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1)])
  })

  test('as others write it: with the extended length bit, or for IPv4 with MP_UNREACH_NLRI', () => {
    expect(read(update({ attributes: [fromHex('90 0f 0003 000201')] }), EBGP).endOfRib).toBe('ipv6')
    expect(read(update({ attributes: [fromHex('80 0f 03 000101')] }), EBGP).endOfRib).toBe('ipv4')
  })

  test.each([
    ['of a family that was not agreed on', { attributes: [fromHex('80 0f 03 000201')] }],
    ['with a withdrawn route beside it', { withdrawn: [8, 10], attributes: [fromHex('80 0f 03 000101')] }],
    ['with an attribute beside it', { attributes: [ORIGIN, fromHex('80 0f 03 000101')] }],
    ['with a route in it', { attributes: [fromHex('80 0f 05 000101 08 0a')] }],
    ['withdrawn routes alone', { withdrawn: [8, 10] }],
    ['attributes alone', { attributes: [ORIGIN] }],
  ])('none: %s', (_, parts) => {
    const found = read(update(parts), context('external', { families: ['ipv4'] }))
    expect([found.error, found.endOfRib]).toEqual([undefined, undefined])
  })

  test('none when IPv4 was not agreed on', () => {
    expect(read(update({}), context('external', { families: ['ipv6'] })).endOfRib).toBeUndefined()
  })
})

describe('canonical attributes', () => {
  const canonical = (attributes: readonly (readonly number[])[], wire = EBGP) =>
    read(update({ attributes, nlri: NLRI }), wire)

  const COMMUNITIES = fromHex('c0 08 04 fc000064')
  const LARGE = fromHex('c0 20 0c 00000001 00000002 00000003')

  test('any order gives the same bytes (RFC 4271 §5)', () => {
    const sorted = [ORIGIN, AS_PATH, NEXT_HOP, MED, COMMUNITIES, LARGE]
    const block = [ORIGIN, AS_PATH, MED, COMMUNITIES, LARGE].flat()
    expect(canonical(sorted).attributes).toEqual(block)
    expect(canonical(sorted.toReversed()).attributes).toEqual(block)
    expect(canonical([LARGE, NEXT_HOP, ORIGIN, COMMUNITIES, AS_PATH, MED]).attributes).toEqual(block)
  })

  test.each<[string, number[], string]>([
    ['[32] Partial on a well-known attribute is dropped', fromHex('60 01 01 02'), '40 01 01 02'],
    ['[32] extended length on a short attribute becomes short', fromHex('50 01 0001 02'), '40 01 01 02'],
    ['unused bits of the flags are cleared (RFC 4271 §4.3)', fromHex('4f 01 01 02'), '40 01 01 02'],
    [
      'Partial on an optional transitive attribute stays (RFC 4271 §5)',
      fromHex('e0 08 04 fc000064'),
      'e0 08 04 fc000064',
    ],
    [
      '[38] unknown, optional and transitive: kept, Partial set (RFC 4271 §5)',
      fromHex('c0 63 02 0102'),
      'e0 63 02 0102',
    ],
    ['[38] … and kept as it is when it was set', fromHex('e0 63 02 0102'), 'e0 63 02 0102'],
    ['an unknown attribute without a value', fromHex('c0 63 00'), 'e0 63 00'],
    ['[38] unknown, optional, not transitive: quietly dropped (RFC 4271 §5)', fromHex('80 63 02 0102'), ''],
    ['[38] … with type code 254, too', fromHex('80 fe 02 0102'), ''],
    ['AIGP (RFC 7311), which is not ours: dropped', fromHex('80 1a 0b 01 000b 0000000000000001'), ''],
    ['Prefix-SID (RFC 8669), which is not ours: handed on', fromHex('c0 28 01 00'), 'e0 28 01 00'],
    ['ONLY_TO_CUSTOMER (RFC 9234 §5)', fromHex('c0 23 04 0000fc00'), 'c0 23 04 0000fc00'],
    ['ATOMIC_AGGREGATE', fromHex('40 06 00'), '40 06 00'],
    ['AGGREGATOR', fromHex('c0 07 08 0000fc00 0a000001'), 'c0 07 08 0000fc00 0a000001'],
    ['extended communities', fromHex('c0 10 08 0002fc0000000064'), 'c0 10 08 0002fc0000000064'],
  ])('%s', (_, bytes, kept) => {
    const type = bytes[1] as number
    const base = [ORIGIN, AS_PATH].filter((other) => other[1] !== type)
    const expected = [...base, fromHex(kept)].sort((a, b) => (a[1] ?? 0) - (b[1] ?? 0)).flat()
    for (const attributes of [
      [bytes, ...base, NEXT_HOP],
      [...base, NEXT_HOP, bytes],
    ]) {
      expect(canonical(attributes)).toMatchObject({ error: undefined, attributes: expected, actions: [] })
    }
  })

  test('a value of 256 octets has the extended length, one of 252 has not', () => {
    const communities = (count: number, flags: number) => attribute(flags, 8, ...new Array<number>(count * 4).fill(1))
    expect(canonical([ORIGIN, AS_PATH, NEXT_HOP, communities(64, 0xd0)]).attributes).toEqual([
      ...ORIGIN,
      ...AS_PATH,
      ...communities(64, 0xd0),
    ])
    expect(canonical([ORIGIN, AS_PATH, NEXT_HOP, communities(63, 0xd0)]).attributes).toEqual([
      ...ORIGIN,
      ...AS_PATH,
      ...communities(63, 0xc0),
    ])
  })

  const large = (...values: readonly number[]) =>
    attribute(
      values.length > 21 ? 0xd0 : 0xc0,
      32,
      ...values.flatMap((value) => [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, value >> 8, value & 0xff]),
    )

  test.each<[string, readonly number[], readonly number[]]>([
    ['next to each other', [7, 7], [7]],
    ['apart: the first one stays where it is', [7, 9, 7, 8, 9], [7, 9, 8]],
    ['many, some of them twice', [...Array(300).keys(), ...Array(300).keys()], [...Array(300).keys()]],
    ['many, none of them twice', [...Array(300).keys()], [...Array(300).keys()]],
  ])('a large community twice, %s: once (RFC 8092 §3)', (_, sent, kept) => {
    for (const attributes of [
      [ORIGIN, AS_PATH, NEXT_HOP, large(...sent)],
      [large(...sent), NEXT_HOP, AS_PATH, ORIGIN],
    ]) {
      expect(canonical(attributes)).toMatchObject({
        error: undefined,
        attributes: [ORIGIN, AS_PATH, large(...kept)].flat(),
        actions: [],
      })
    }
  })

  test('LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST stay inside the AS', () => {
    const internal = [LOCAL_PREF, fromHex('80 09 04 0a000001'), fromHex('80 0a 08 0a000002 0a000003')]
    const attributes = [ORIGIN, AS_PATH, NEXT_HOP, ...internal]
    expect(canonical(attributes, IBGP)).toMatchObject({
      attributes: [ORIGIN, AS_PATH, ...internal].flat(),
      actions: [],
    })
    expect(canonical(attributes, EBGP)).toMatchObject({
      attributes: [ORIGIN, AS_PATH].flat(),
      treatAsWithdraw: false,
      actions: [5, 9, 10].map((type) => ['discard', type]),
    })
  })

  test('[33, 45] an empty AS_PATH is good from inside the AS', () => {
    const empty = fromHex('40 02 00')
    expect(canonical([ORIGIN, empty, NEXT_HOP], IBGP)).toMatchObject({ attributes: [...ORIGIN, ...empty], actions: [] })
  })

  test('[30] an UPDATE that announces nothing has none', () => {
    expect(read(update({ withdrawn: [8, 10], attributes: [ORIGIN] }), EBGP)).toMatchObject({
      error: undefined,
      attributes: [],
      actions: [],
    })
  })

  longTest('an attribute block of 60,000 octets (RFC 8654)', () => {
    const big = attribute(0xd0, 8, ...new Array<number>(60_000).fill(1))
    expect(canonical([ORIGIN, AS_PATH, NEXT_HOP, big]).attributes).toEqual([...ORIGIN, ...AS_PATH, ...big])
    expect(canonical([big, ORIGIN, AS_PATH, NEXT_HOP]).attributes).toEqual([...ORIGIN, ...AS_PATH, ...big])
  })
})

describe('from a speaker with two-octet AS numbers (RFC 6793 §4.2.3)', () => {
  const canonical = (...attributes: readonly (readonly number[])[]) =>
    read(update({ attributes: [ORIGIN, NEXT_HOP, ...attributes], nlri: NLRI }), OLD)
  const block = (...attributes: readonly string[]) => [...ORIGIN, ...attributes.flatMap(fromHex)]

  test.each<[string, readonly string[], readonly string[]]>([
    ['a path is widened', ['40 02 06 02 02 fc01 fc02'], ['40 02 0a 02 02 0000fc01 0000fc02']],
    [
      '[37] AS4_PATH of the same length takes its place',
      ['40 02 06 02 02 fc01 5ba0', 'c0 11 0a 02 02 0000fc01 00010001'],
      ['40 02 0a 02 02 0000fc01 00010001'],
    ],
    [
      '[37] AS4_PATH replaces what it covers, the leading rest stays',
      ['40 02 08 02 03 fc01 5ba0 fc02', 'c0 11 0a 02 02 00010001 0000fc02'],
      ['40 02 0e 02 03 0000fc01 00010001 0000fc02'],
    ],
    [
      '[37] an AS4_PATH longer than AS_PATH is ignored',
      ['40 02 04 02 01 5ba0', 'c0 11 0a 02 02 00010001 0000fc02'],
      ['40 02 06 02 01 00005ba0'],
    ],
    [
      '[36] confederation segments in AS4_PATH are left out (§6)',
      ['40 02 06 02 02 fc01 5ba0', 'c0 11 0c 03 01 0000fc09 02 01 00010001'],
      ['40 02 0a 02 02 0000fc01 00010001'],
    ],
    [
      'AGGREGATOR is widened',
      ['40 02 04 02 01 fc01', 'c0 07 06 fc01 0a000001'],
      ['40 02 06 02 01 0000fc01', 'c0 07 08 0000fc01 0a000001'],
    ],
    [
      '[37] AS4_AGGREGATOR counts where AGGREGATOR is AS_TRANS',
      ['40 02 04 02 01 fc01', 'c0 07 06 5ba0 0a000001', 'c0 12 08 00010001 0a000002'],
      ['40 02 06 02 01 0000fc01', 'c0 07 08 00010001 0a000002'],
    ],
    [
      '[37] where it is not, both AS4_* are ignored',
      ['40 02 06 02 02 fc01 5ba0', 'c0 07 06 fc01 0a000001', 'c0 11 06 02 01 00010001', 'c0 12 08 00010001 0a000002'],
      ['40 02 0a 02 02 0000fc01 00005ba0', 'c0 07 08 0000fc01 0a000001'],
    ],
    [
      'AS4_AGGREGATOR without AGGREGATOR is dropped, AS4_PATH counts',
      ['40 02 04 02 01 5ba0', 'c0 11 06 02 01 00010001', 'c0 12 08 00010001 0a000002'],
      ['40 02 06 02 01 00010001'],
    ],
    [
      'AGGREGATOR without AS4_AGGREGATOR does not stand against AS4_PATH',
      ['40 02 04 02 01 5ba0', 'c0 07 06 fc01 0a000001', 'c0 11 06 02 01 00010001'],
      ['40 02 06 02 01 00010001', 'c0 07 08 0000fc01 0a000001'],
    ],
  ])('%s', (_, attributes, expected) => {
    const bytes = attributes.map(fromHex)
    for (const ordered of [bytes, bytes.toReversed()]) {
      expect(canonical(...ordered)).toMatchObject({ error: undefined, attributes: block(...expected), actions: [] })
    }
  })

  test.each<[string, string]>([
    ['AS4_PATH without a value', 'c0 11 00'],
    ['AS4_PATH with a segment past the end', 'c0 11 06 02 02 00010001'],
    ['AS4_PATH with an unknown segment', 'c0 11 06 09 01 00010001'],
    ['AS4_PATH with AS 0 (RFC 7607)', 'c0 11 06 02 01 00000000'],
    ['AS4_PATH with wrong flags', '40 11 06 02 01 00010001'],
    ['AS4_AGGREGATOR of 6 octets', 'c0 12 06 0001 0a000002'],
    ['AS4_AGGREGATOR with AS 0 (RFC 7607)', 'c0 12 08 00000000 0a000002'],
  ])('%s is discarded (§6)', (_, text) => {
    const bytes = fromHex(text)
    expect(canonical(fromHex('40 02 04 02 01 5ba0'), bytes)).toMatchObject({
      error: undefined,
      treatAsWithdraw: false,
      attributes: block('40 02 06 02 01 00005ba0'),
      actions: [['discard', bytes[1]]],
    })
  })

  test('[46] an AS_SET in AS4_PATH is treat-as-withdraw (RFC 9774 §3)', () => {
    expect(canonical(fromHex('40 02 04 02 01 5ba0'), fromHex('c0 11 06 01 01 00010001'))).toMatchObject({
      error: undefined,
      treatAsWithdraw: true,
      actions: [['withdraw', 17]],
    })
  })

  test('a path that is too long in four octets is treat-as-withdraw', () => {
    const segment = [2, 255, ...new Array<number>(510).fill(1)]
    const path = attribute(0x50, 2, ...new Array<readonly number[]>(120).fill(segment).flat())
    expect(canonical(path)).toMatchObject({ error: undefined, treatAsWithdraw: true, attributes: [] })
  })

  test('a path that just fits is widened', () => {
    const segment = [2, 255, ...new Array<number>(510).fill(1)]
    const path = attribute(0x50, 2, ...new Array<readonly number[]>(60).fill(segment).flat())
    expect(canonical(path).attributes).toHaveLength(ORIGIN.length + 4 + 60 * (2 + 255 * 4))
  })
})
