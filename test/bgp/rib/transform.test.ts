import { describe, expect, test } from 'vitest'
import { writeExternal, writeInternal } from '../../../src/bgp/rib/transform.ts'

const ORIGIN = [0x40, 1, 1, 0]
const MED = [0x80, 4, 4, 0, 0, 0, 5]
const LOCAL_PREF = [0x40, 5, 4, 0, 0, 0, 200]
const ATOMIC = [0x40, 6, 0]
const ORIGINATOR = [0x80, 9, 4, 1, 2, 3, 4]
const CLUSTERS = [0x80, 10, 4, 9, 9, 9, 9]
const UNKNOWN = [0xe0, 99, 1, 7]
const ROUTE_TARGET = [0x00, 2, 0xfd, 0xe8, 0, 0, 0, 1]
const LINK_BANDWIDTH = [0x40, 4, 0xfd, 0xe8, 0, 0, 0, 1]
const long = (type: number): number[] => [type, 2, ...Array<number>(18).fill(1)]
const members = (count: number): number[] => Array.from({ length: count }, () => [0, 0, 0, 7]).flat()
const US = [0, 0, 0xfd, 0xe8]

const rewrite = (block: readonly number[], to: Uint8Array) => ({
  from: Uint8Array.from(block),
  start: 0,
  end: block.length,
  to,
  at: 0,
})

function external(block: readonly number[], keepMed = false): number[] {
  const to = new Uint8Array(4096)
  return [...to.subarray(0, writeExternal(rewrite(block, to), 65_000, keepMed))]
}

describe('to an external neighbor', () => {
  test.each<[string, number[], number[]]>([
    ['[46] an empty path becomes a sequence of one', [0x40, 2, 0], [0x40, 2, 6, 2, 1, ...US]],
    ['a leading sequence grows', [0x40, 2, 6, 2, 1, ...members(1)], [0x40, 2, 10, 2, 2, ...US, ...members(1)]],
    [
      'a leading set gets a sequence in front',
      [0x40, 2, 6, 1, 1, ...members(1)],
      [0x40, 2, 12, 2, 1, ...US, 1, 1, ...members(1)],
    ],
    [
      '[45] a full sequence gets another in front (RFC 4271 §5.1.2)',
      [0x50, 2, 3, 254, 2, 255, ...members(255)],
      [0x50, 2, 4, 4, 2, 1, ...US, 2, 255, ...members(255)],
    ],
    [
      'the length takes two octets when it must',
      [0x40, 2, 254, 2, 63, ...members(63)],
      [0x50, 2, 1, 2, 2, 64, ...US, ...members(63)],
    ],
    [
      '[52] what is not for external neighbors goes (RFC 4271 §5.1.5)',
      [...ORIGIN, ...MED, ...LOCAL_PREF, ...ATOMIC, ...ORIGINATOR, ...CLUSTERS, ...UNKNOWN],
      [...ORIGIN, ...ATOMIC, ...UNKNOWN],
    ],
    [
      'a leading confederation segment goes, and the sequence behind it grows (RFC 5065 §5)',
      [0x40, 2, 12, 3, 1, ...members(1), 2, 1, ...members(1)],
      [0x40, 2, 10, 2, 2, ...US, ...members(1)],
    ],
    [
      'a path of nothing else is empty',
      [0x40, 2, 12, 3, 1, ...members(1), 4, 1, ...members(1)],
      [0x40, 2, 6, 2, 1, ...US],
    ],
    [
      'one in the middle goes',
      [0x40, 2, 18, 2, 1, ...members(1), 4, 1, ...members(1), 1, 1, ...members(1)],
      [0x40, 2, 16, 2, 2, ...US, ...members(1), 1, 1, ...members(1)],
    ],
    ['a long path gets a short length with it', [0x50, 2, 1, 2, 3, 64, ...members(64)], [0x40, 2, 6, 2, 1, ...US]],
    [
      'extended communities that stay inside their AS go, the others stay (RFC 4360 §6)',
      [0xc0, 16, 16, ...LINK_BANDWIDTH, ...ROUTE_TARGET],
      [0xc0, 16, 8, ...ROUTE_TARGET],
    ],
    ['with none left there is no attribute', [...ORIGIN, 0xc0, 16, 8, ...LINK_BANDWIDTH], ORIGIN],
    ['partial stays said', [0xe0, 16, 16, ...ROUTE_TARGET, ...LINK_BANDWIDTH], [0xe0, 16, 8, ...ROUTE_TARGET]],
    [
      'the longer ones of IPv6 likewise (RFC 5701)',
      [0xe0, 25, 40, ...long(0x40), ...long(0x00)],
      [0xe0, 25, 20, ...long(0x00)],
    ],
  ])('%s', (_, block, expected) => {
    expect(external(block)).toEqual(expected)
  })

  test('a MED that policy set stays', () => {
    expect(external([...ORIGIN, ...MED], true)).toEqual([...ORIGIN, ...MED])
  })
})

test.each<[string, number[], number[]]>([
  [
    'LOCAL_PREF stays as it is',
    [...ORIGIN, ...MED, ...LOCAL_PREF, ...ATOMIC],
    [...ORIGIN, ...MED, ...LOCAL_PREF, ...ATOMIC],
  ],
  [
    'LOCAL_PREF 100 goes to its place',
    [...ORIGIN, ...MED, ...ATOMIC],
    [...ORIGIN, ...MED, 0x40, 5, 4, 0, 0, 0, 100, ...ATOMIC],
  ],
  ['LOCAL_PREF 100 at the end', ORIGIN, [...ORIGIN, 0x40, 5, 4, 0, 0, 0, 100]],
])('to an internal neighbor: %s', (_, block, expected) => {
  const to = new Uint8Array(100)
  expect([...to.subarray(0, writeInternal(rewrite(block, to)))]).toEqual(expected)
})
