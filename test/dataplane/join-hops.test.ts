import { expect, test } from 'vitest'
import { joinHops } from '../../src/dataplane/join-hops.ts'
import type { Hop } from '../../src/dataplane/kernel.ts'

const hop = (name: string, weight = 1): Hop => ({ gateway: undefined, interface: name, onlink: false, weight })
const words = (hops: readonly Hop[]) => hops.map(({ interface: name, weight }) => `${name}:${weight}`).join(' ')

test.each<[string, Hop[][], string]>([
  ['one next hop keeps the shares of its ways', [[hop('a', 9), hop('b')]], 'a:9 b:1'],
  ['two have the same share each', [[hop('a')], [hop('b')]], 'a:1 b:1'],
  ['and share theirs among their own ways', [[hop('a', 9), hop('b')], [hop('c')]], 'a:9 b:1 c:10'],
  ['a way that two go by carries both', [[hop('a')], [hop('a')], [hop('b')]], 'a:2 b:1'],
  ['two that go the same way are one way', [[hop('a')], [hop('a')]], 'a:1'],
  [
    'what is too fine is rounded, and never to nothing',
    [[hop('a', 256), hop('b')], [hop('c', 255)]],
    'a:255 b:1 c:256',
  ],
  [
    'sixteen of odd shares are still numbers of the kernel',
    Array.from({ length: 16 }, (_, index) => [hop(`a${index}`, 241 + index), hop(`b${index}`)]),
    Array.from({ length: 16 }, (_, index) => `a${index}:256 b${index}:1`).join(' '),
  ],
])('%s', (_, ways, expected) => {
  expect(words(joinHops(ways))).toBe(expected)
})
