import { expect, test } from 'vitest'
import { operate } from '../../../src/bgp/policy/operate.ts'
import type { Operation } from '../../../src/bgp/policy/rule.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { BARE } from '../../support/attributes.ts'

const ROUTE: PathAttributes = {
  ...BARE,
  asPath: [{ kind: 'sequence', asns: [64512, 64513] }],
  med: 10,
  communities: [[64512, 1]],
  largeCommunities: [[64512, 0, 1]],
  extendedCommunities: [[1, 2]],
}
const full = Array.from({ length: 254 }, () => 1)

const rows: [string, Operation, PathAttributes, Partial<PathAttributes>][] = [
  [
    'adds a standard community',
    { kind: 'add-community', community: [64512, 2] },
    ROUTE,
    {
      communities: [
        [64512, 1],
        [64512, 2],
      ],
    },
  ],
  [
    'adds a large community',
    { kind: 'add-community', community: [64512, 0, 2] },
    ROUTE,
    {
      largeCommunities: [
        [64512, 0, 1],
        [64512, 0, 2],
      ],
    },
  ],
  [
    'adds a well-known community',
    { kind: 'add-community', community: [65535, 65281] },
    BARE,
    { communities: [[65535, 65281]] },
  ],
  ['removes a standard community', { kind: 'remove-community', community: [64512, 1] }, ROUTE, { communities: [] }],
  [
    'removes a large community',
    { kind: 'remove-community', community: [64512, 0, 1] },
    ROUTE,
    { largeCommunities: [] },
  ],
  [
    'sets communities of both kinds, each once, and leaves extended ones',
    {
      kind: 'set-communities',
      communities: [
        [1, 2],
        [1, 2],
        [3, 4, 5],
      ],
    },
    ROUTE,
    { communities: [[1, 2]], largeCommunities: [[3, 4, 5]] },
  ],
  [
    'sets no communities',
    { kind: 'set-communities', communities: [] },
    ROUTE,
    { communities: [], largeCommunities: [] },
  ],
  [
    'prepends in the order given',
    { kind: 'prepend', path: [1, 2] },
    ROUTE,
    { asPath: [{ kind: 'sequence', asns: [1, 2, 64512, 64513] }] },
  ],
  ['prepends to an empty path', { kind: 'prepend', path: [1] }, BARE, { asPath: [{ kind: 'sequence', asns: [1] }] }],
  [
    'prepends before a set',
    { kind: 'prepend', path: [1] },
    { ...BARE, asPath: [{ kind: 'set', asns: [2, 3] }] },
    {
      asPath: [
        { kind: 'sequence', asns: [1] },
        { kind: 'set', asns: [2, 3] },
      ],
    },
  ],
  [
    'begins a new segment where one would overflow',
    { kind: 'prepend', path: [1, 2] },
    { ...BARE, asPath: [{ kind: 'sequence', asns: full }] },
    {
      asPath: [
        { kind: 'sequence', asns: [1, 2] },
        { kind: 'sequence', asns: full },
      ],
    },
  ],
  ['sets LOCAL_PREF', { kind: 'set-local-pref', value: 0 }, ROUTE, { localPref: 0 }],
  ['sets MED', { kind: 'set-med', value: 0 }, ROUTE, { med: 0 }],
  ['takes MED away', { kind: 'set-med', value: undefined }, ROUTE, { med: undefined }],
]
test.each(rows)('%s', (_, operation, before, changed) => {
  const frozen = structuredClone(before)
  expect(operate([operation], before)).toEqual({ ...before, ...changed })
  expect(before).toEqual(frozen)
})

test.each<[string, Operation]>([
  ['a community it has', { kind: 'add-community', community: [64512, 1] }],
  ['a large community it has', { kind: 'add-community', community: [64512, 0, 1] }],
  ['a community to remove that is not there', { kind: 'remove-community', community: [64512, 0] }],
  [
    'a large one to remove where only the standard one begins alike',
    { kind: 'remove-community', community: [64512, 1, 0] },
  ],
  ['nothing to prepend', { kind: 'prepend', path: [] }],
  ['the same MED', { kind: 'set-med', value: 10 }],
  ['a next hop', { kind: 'set-next-hop', address: 'self' }],
])('the same object comes back for %s', (_, operation) => {
  expect(operate([operation], ROUTE)).toBe(ROUTE)
})
