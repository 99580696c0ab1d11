import { expect, test } from 'vitest'
import { AttributeTable, CARRIES } from '../../../src/bgp/route/attribute-table.ts'
import { KNOWN_KEY } from '../../../src/bgp/route/hash.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { attributes, path } from '../../support/rib.ts'

const idOf = (table: AttributeTable, over: Partial<PathAttributes>): number => table.encode(attributes(over))

test.each<
  [
    string,
    Partial<PathAttributes>,
    Partial<Record<'localPref' | 'med' | 'pathLength' | 'neighborAs' | 'origin' | 'clusterLength', number>>,
  ]
>([
  ['[67] LOCAL_PREF counts as 100 where it is missing', {}, { localPref: 100 }],
  ['LOCAL_PREF as it came', { localPref: 4_000_000_000 }, { localPref: 4_000_000_000 }],
  ['[60] MED counts as 0 where it is missing', {}, { med: 0 }],
  ['MED as it came', { med: 77 }, { med: 77 }],
  ['an empty path has length 0 and no neighbor AS', {}, { pathLength: 0, neighborAs: 0 }],
  ['a sequence counts its members', path(4_200_000_000, 2, 2), { pathLength: 3, neighborAs: 4_200_000_000 }],
  [
    '[59] a set counts one',
    {
      asPath: [
        { kind: 'sequence', asns: [1, 2] },
        { kind: 'set', asns: [3, 4, 5] },
      ],
    },
    { pathLength: 3, neighborAs: 1 },
  ],
  ['a leading set names no neighbor AS', { asPath: [{ kind: 'set', asns: [3, 4] }] }, { pathLength: 1, neighborAs: 0 }],
  [
    '[59, 60] confederation segments count nothing and are passed over',
    {
      asPath: [
        { kind: 'confed-sequence', asns: [65001, 65002] },
        { kind: 'sequence', asns: [9] },
      ],
    },
    { pathLength: 1, neighborAs: 9 },
  ],
  ['origin EGP', { origin: 'EGP' }, { origin: 1 }],
  ['origin incomplete', { origin: 'Incomplete' }, { origin: 2 }],
  ['clusters', { clusterList: [1, 2, 3] }, { clusterLength: 3 }],
])('%s', (_, over, expected) => {
  const table = new AttributeTable(KNOWN_KEY)
  const id = idOf(table, over)
  const found = Object.fromEntries(Object.keys(expected).map((key) => [key, table[key as keyof typeof expected][id]]))
  expect(found).toEqual(expected)
})

test.each<[string, Partial<PathAttributes>, number]>([
  ['none', { communities: [[65000, 1]] }, 0],
  [
    'NO_EXPORT',
    {
      communities: [
        [1, 1],
        [0xffff, 0xff01],
      ],
    },
    CARRIES.noExport,
  ],
  ['NO_ADVERTISE', { communities: [[0xffff, 0xff02]] }, CARRIES.noAdvertise],
  ['NO_EXPORT_SUBCONFED', { communities: [[0xffff, 0xff03]] }, CARRIES.noExportSubconfed],
  ['an ORIGINATOR_ID', { originatorId: 0 }, CARRIES.originatorId],
])('carries %s', (_, over, flags) => {
  const table = new AttributeTable(KNOWN_KEY)
  const id = idOf(table, over)
  expect(table.flags[id]).toBe(flags)
})

test('an id used again carries nothing of the one before', () => {
  const table = new AttributeTable(KNOWN_KEY)
  const first = idOf(table, { ...path(1, 2), med: 9, localPref: 5, communities: [[0xffff, 0xff02]], clusterList: [1] })
  table.release(first)
  const second = idOf(table, {})
  expect(second).toBe(first)
  expect([table.med[second], table.localPref[second], table.flags[second], table.pathLength[second]]).toEqual([
    0, 100, 0, 0,
  ])
  expect([table.neighborAs[second], table.clusterLength[second]]).toEqual([0, 0])
})

test('finds an AS anywhere in the path, and a cluster in the list', () => {
  const table = new AttributeTable(KNOWN_KEY)
  const id = idOf(table, {
    asPath: [
      { kind: 'sequence', asns: [1, 70_000] },
      { kind: 'set', asns: [5, 6] },
    ],
    clusterList: [0x0a000001, 0x0a000002],
  })
  expect([1, 70_000, 6, 7].map((asn) => table.timesPassed(id, asn))).toEqual([1, 1, 1, 0])
  expect(table.timesPassed(id, 1, 6)).toBe(2)
  expect([0x0a000002, 0x0a000003].map((cluster) => table.passedCluster(id, cluster))).toEqual([true, false])
})

test.each<[string, readonly (readonly number[])[], boolean]>([
  ['a standard one', [[65535, 0]], false],
  ['a standard one that is not there', [[65535, 1]], true],
  ['its halves the other way round', [[0, 65535]], true],
  ['a large one', [[4_200_000_000, 1, 2]], false],
  ['a large one with another last number', [[4_200_000_000, 1, 3]], true],
  [
    'any of several',
    [
      [1, 1],
      [1, 1, 1],
      [7, 8],
    ],
    false,
  ],
  ['none asked for', [], true],
])('which communities are absent: %s', (_, asked, absent) => {
  const table = new AttributeTable(KNOWN_KEY)
  const id = idOf(table, {
    ...path(65001),
    communities: [
      [7, 8],
      [65535, 0],
    ],
    largeCommunities: [
      [1, 2, 3],
      [4_200_000_000, 1, 2],
    ],
  })
  expect(table.lacksAll(id, asked)).toBe(absent)
})
