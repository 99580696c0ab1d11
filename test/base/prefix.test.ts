import { expect, test } from 'vitest'
import { parsePrefix } from '../../src/base/prefix.ts'

test.each([
  ['10.1.2.3/16', '10.1.0.0/16'],
  ['2001:DB8:0:0::1/64', '2001:db8::/64'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['::/0', '::/0'],
])('%s is read as %s', (text, canonical) => {
  expect(parsePrefix(text)?.text).toBe(canonical)
})
