import { describe, expect, test } from 'vitest'
import { type AsSegment, mergeAs4Path, pathLength } from '../../../src/bgp/wire/as-path.ts'

const sequence = (...asns: number[]): AsSegment => ({ kind: 'sequence', asns })
const set = (...asns: number[]): AsSegment => ({ kind: 'set', asns })
const confederation = (...asns: number[]): AsSegment => ({ kind: 'confed-sequence', asns })
const TRANS = 23456

test.each<[string, AsSegment[], number]>([
  ['nothing', [], 0],
  ['a sequence counts each', [sequence(1, 2, 3)], 3],
  ['[59] a set counts one', [sequence(1), set(2, 3)], 2],
  [
    '[59] confederations count nothing (RFC 5065 §5.3)',
    [confederation(1, 2), sequence(3), { kind: 'confed-set', asns: [4] }],
    1,
  ],
])('length: %s', (_, path, length) => {
  expect(pathLength(path)).toBe(length)
})

describe('[37] AS_PATH and AS4_PATH (RFC 6793 §4.2.3)', () => {
  test.each<[string, AsSegment[], AsSegment[], AsSegment[]]>([
    ['the same length', [sequence(1, TRANS)], [sequence(1, 70000)], [sequence(1, 70000)]],
    ['a leading rest', [sequence(1, 2, TRANS)], [sequence(70000)], [sequence(1, 2, 70000)]],
    ['AS4_PATH is longer', [sequence(TRANS)], [sequence(1, 70000)], [sequence(TRANS)]],
    ['AS4_PATH is empty', [sequence(1, TRANS)], [], [sequence(1, TRANS)]],
    [
      'a leading confederation segment stays',
      [confederation(9), sequence(TRANS)],
      [sequence(70000)],
      [confederation(9), sequence(70000)],
    ],
    [
      'a confederation segment behind a whole one stays',
      [sequence(1), confederation(9), sequence(TRANS)],
      [sequence(70000)],
      [sequence(1), confederation(9), sequence(70000)],
    ],
    [
      'a confederation segment behind a part does not',
      [sequence(1, TRANS), confederation(9), sequence(3)],
      [sequence(70000, 3)],
      [sequence(1, 70000, 3)],
    ],
    [
      'confederations in AS4_PATH are left out',
      [sequence(1, TRANS)],
      [confederation(8), sequence(70000)],
      [sequence(1, 70000)],
    ],
    [
      'a set is one',
      [sequence(1), set(2, 3), sequence(TRANS)],
      [sequence(70000)],
      [sequence(1), set(2, 3), sequence(70000)],
    ],
    ['a rest over two segments', [sequence(1), sequence(2, TRANS)], [sequence(70000)], [sequence(1, 2, 70000)]],
  ])('%s', (_, path, as4Path, merged) => {
    expect(mergeAs4Path(path, as4Path)).toEqual(merged)
  })
})
