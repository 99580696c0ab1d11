import { describe, expect, test } from 'vitest'
import { writeExternal, writeInternal } from '../../../src/bgp/rib/transform.ts'

const ORIGIN = [0x40, 1, 1, 0]
const MED = [0x80, 4, 4, 0, 0, 0, 5]
const LOCAL_PREF = [0x40, 5, 4, 0, 0, 0, 200]
const ATOMIC = [0x40, 6, 0]
const ORIGINATOR = [0x80, 9, 4, 1, 2, 3, 4]
const CLUSTERS = [0x80, 10, 4, 9, 9, 9, 9]
const UNKNOWN = [0xe0, 99, 1, 7]
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
      '[45] a full sequence gets another in front',
      [0x50, 2, 3, 254, 2, 255, ...members(255)],
      [0x50, 2, 4, 4, 2, 1, ...US, 2, 255, ...members(255)],
    ],
    [
      'the length takes two octets when it must',
      [0x40, 2, 254, 2, 63, ...members(63)],
      [0x50, 2, 1, 2, 2, 64, ...US, ...members(63)],
    ],
    [
      '[52] what is not for external neighbors goes',
      [...ORIGIN, ...MED, ...LOCAL_PREF, ...ATOMIC, ...ORIGINATOR, ...CLUSTERS, ...UNKNOWN],
      [...ORIGIN, ...ATOMIC, ...UNKNOWN],
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
