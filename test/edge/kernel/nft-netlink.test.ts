/** Intervals of nf_tables, in any order in which a kernel may list them. */
import { expect, test } from 'vitest'
import { parseAddressBytes } from '../../../src/base/address.ts'
import { Intervals } from '../../../src/edge/kernel/nft-netlink.ts'

type Row = readonly [name: string, bounds: string, elements: readonly string[]]

/** `[` begins an interval, `]` stands behind its last address. Upwards. */
const ROWS: readonly Row[] = [
  ['none', '', []],
  ['an address', '0.0.0.0] 10.0.0.1[ 10.0.0.2]', ['10.0.0.1']],
  ['a prefix', '0.0.0.0] 10.0.0.0[ 10.0.1.0]', ['10.0.0.0/24']],
  ['side by side', '10.0.0.1[ 10.0.0.2] 10.0.0.2[ 10.0.0.3]', ['10.0.0.1', '10.0.0.2']],
  ['from the lowest', '0.0.0.0[ 1.0.0.0]', ['0.0.0.0/8']],
  ['to the highest', '0.0.0.0] 10.0.0.1[ 10.0.0.2] 255.0.0.0[', ['10.0.0.1', '255.0.0.0/8']],
  ['beside one to the highest', '254.0.0.0[ 255.0.0.0] 255.0.0.0[', ['254.0.0.0/8', '255.0.0.0/8']],
  ['everything', '0.0.0.0[', ['0.0.0.0/0']],
  ['no prefix', '10.0.0.1[ 10.0.0.4]', ['10.0.0.1-10.0.0.3']],
  ['as large as a prefix, but not one', '10.0.0.1[ 10.0.0.3]', ['10.0.0.1-10.0.0.2']],
  ['IPv6', '::] fd96::[ fd96::1:0] ffff::[', ['fd96::/112', 'ffff::/16']],
]

test.each(ROWS)('%s', (_, text, elements) => {
  const bounds = text.split(' ').filter((bound) => bound !== '')
  for (const order of [bounds, bounds.toReversed()]) {
    const intervals = new Intervals()
    for (const bound of order) intervals.take(parseAddressBytes(bound.slice(0, -1)), bound.endsWith(']') ? 1 : 0)
    expect(intervals.finish().sort()).toEqual(elements)
  }
})
