import { describe, expect, test } from 'vitest'
import { decodeAttributes, encodeAttributes, type PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { flattenTo2Octets } from '../../../src/bgp/wire/update-encode.ts'
import { BARE } from '../../support/attributes.ts'
import { fromHex } from '../../support/messages.ts'

const HEAD = '40 01 01 00  40 02 00'
const block = (...parts: readonly string[]) => Uint8Array.from(parts.flatMap(fromHex))

describe.each<[string, Uint8Array, Partial<PathAttributes>]>([
  ['ORIGIN and AS_PATH alone', block(HEAD), {}],
  ['EGP', block('40 01 01 01  40 02 00'), { origin: 'EGP' }],
  ['Incomplete', block('40 01 01 02  40 02 00'), { origin: 'Incomplete' }],
  [
    'a path of every kind of segment',
    block('40 01 01 00  40 02 1c', '03 01 0000fc01', '02 02 0000fc02 00010001', '01 01 ffffffff', '04 01 00000001'),
    {
      asPath: [
        { kind: 'confed-sequence', asns: [64513] },
        { kind: 'sequence', asns: [64514, 65537] },
        { kind: 'set', asns: [4294967295] },
        { kind: 'confed-set', asns: [1] },
      ],
    },
  ],
  ['MED', block(HEAD, '80 04 04 ffffffff'), { med: 4294967295 }],
  ['LOCAL_PREF 0, which is not none', block(HEAD, '40 05 04 00000000'), { localPref: 0 }],
  ['ATOMIC_AGGREGATE', block(HEAD, '40 06 00'), { atomicAggregate: true }],
  ['AGGREGATOR', block(HEAD, 'c0 07 08 00010001 c0000201'), { aggregator: { asn: 65537, routerId: 0xc0000201 } }],
  [
    'COMMUNITIES, in the order they came',
    block(HEAD, 'c0 08 08 ffff0000 fc000064'),
    {
      communities: [
        [65535, 0],
        [64512, 100],
      ],
    },
  ],
  ['ORIGINATOR_ID', block(HEAD, '80 09 04 c0000201'), { originatorId: 0xc0000201 }],
  ['CLUSTER_LIST', block(HEAD, '80 0a 08 00000001 ffffffff'), { clusterList: [1, 4294967295] }],
  ['EXTENDED_COMMUNITIES', block(HEAD, 'c0 10 08 8002fc00 00000064'), { extendedCommunities: [[0x8002fc00, 100]] }],
  ['LARGE_COMMUNITIES', block(HEAD, 'c0 20 0c fffffffe 00000002 00000003'), { largeCommunities: [[4294967294, 2, 3]] }],
  [
    'attributes without a name, between the others by their code',
    block(HEAD, 'e0 14 00  c0 20 0c 00000001 00000002 00000003  e0 63 02 0102'),
    {
      largeCommunities: [[1, 2, 3]],
      unknown: [
        { type: 0x14, flags: 0xe0, value: new Uint8Array(0) },
        { type: 0x63, flags: 0xe0, value: Uint8Array.of(1, 2) },
      ],
    },
  ],
  [
    'Partial of an attribute with a name',
    block(HEAD, 'e0 08 04 fc000064'),
    { communities: [[64512, 100]], partial: [8] },
  ],
])('%s', (_, bytes, values) => {
  test('is read', () => {
    expect(decodeAttributes(bytes)).toEqual({ ...BARE, ...values })
  })

  test('is written', () => {
    expect(encodeAttributes({ ...BARE, ...values })).toEqual(bytes)
  })

  test('is read inside a longer array', () => {
    const longer = Uint8Array.from([0xff, ...bytes, 0xff])
    expect(decodeAttributes(longer, 1, longer.length - 1)).toEqual({ ...BARE, ...values })
  })
})

test('what is not there has its default', () => {
  expect(decodeAttributes(new Uint8Array(0))).toEqual({ ...BARE, origin: 'Incomplete' })
})

test('[45] more than 255 AS numbers take a second segment', () => {
  const asns = Array.from({ length: 300 }, (_, index) => index + 1)
  const read = decodeAttributes(encodeAttributes({ ...BARE, asPath: [{ kind: 'sequence', asns }] }))
  expect(read.asPath).toEqual([
    { kind: 'sequence', asns: asns.slice(0, 255) },
    { kind: 'sequence', asns: asns.slice(255) },
  ])
})

test('a list is cut at the longest value an attribute can have', () => {
  const communities = Array.from({ length: 20_000 }, (_, index) => [1, index & 0xffff] as const)
  expect(decodeAttributes(encodeAttributes({ ...BARE, communities })).communities).toHaveLength(16_383)
})

test('a path is cut at the longest value an attribute can have', () => {
  const asPath = [{ kind: 'sequence', asns: new Array<number>(20_000).fill(1) }] as const
  const read = decodeAttributes(encodeAttributes({ ...BARE, asPath }))
  expect(read.asPath.flatMap(({ asns }) => asns).length).toBeGreaterThan(16_000)
})

describe('for a speaker with two-octet AS numbers (RFC 6793 §4.2.2)', () => {
  test.each<[string, string, string]>([
    ['numbers that fit', '40 02 0a 02 02 0000fc01 0000ffff', '40 02 06 02 02 fc01 ffff'],
    [
      'one that does not: AS_TRANS, and the whole path in AS4_PATH',
      '40 02 0a 02 02 0000fc01 00010000  c0 20 0c 000000010000000200000003',
      '40 02 06 02 02 fc01 5ba0  c0 11 0a 02 02 0000fc01 00010000  c0 20 0c 000000010000000200000003',
    ],
    [
      'no confederation segments in AS4_PATH',
      '40 02 0c 03 01 0000fc09 02 01 00010000',
      '40 02 08 03 01 fc09 02 01 5ba0  c0 11 06 02 01 00010000',
    ],
    [
      'a number that does not fit in a confederation segment alone: AS_TRANS, and no AS4_PATH, which would be empty',
      '40 02 0c 03 01 00010000 02 01 0000fc01',
      '40 02 08 03 01 5ba0 02 01 fc01',
    ],
    ['an AGGREGATOR that fits', 'c0 07 08 0000fc01 0a000001', 'c0 07 06 fc01 0a000001'],
    [
      'one that does not: AS_TRANS, and AS4_AGGREGATOR',
      'c0 07 08 00010000 0a000001  c0 08 04 fc000064',
      'c0 07 06 5ba0 0a000001  c0 08 04 fc000064  c0 12 08 00010000 0a000001',
    ],
    ['anything else stays', '80 04 04 00000064  e0 63 02 0102', '80 04 04 00000064  e0 63 02 0102'],
  ])('%s', (_, canonical, flat) => {
    expect(flattenTo2Octets(block(canonical))).toEqual(block(flat))
  })

  test('a path too long for a short length', () => {
    const asns = new Array<number>(200).fill(70_000)
    const flat = flattenTo2Octets(encodeAttributes({ ...BARE, asPath: [{ kind: 'sequence', asns }] }))
    // ORIGIN 4, AS_PATH 4 + 2 + 400, AS4_PATH 4 + 2 + 800.
    expect(flat).toHaveLength(4 + 406 + 806)
    expect([...flat.subarray(4, 8)]).toEqual([0x50, 2, 1, 146])
  })
})
