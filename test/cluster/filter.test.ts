import { expect, test } from 'vitest'
import { compileFilter } from '../../src/cluster/parse/filter.ts'
import { prefix } from '../bgp/policy/support.ts'

const rule = (spec: object) => compileFilter('lab', { exportV4: [{ action: 'Accept', ...spec }] }).exportV4[0]

test('an empty filter is usable and says nothing', () => {
  const nothing = { name: 'lab', exportV4: [], importV4: [], exportV6: [], importV6: [], problems: [] }
  expect(compileFilter('lab', {})).toEqual(nothing)
  expect(compileFilter('lab', undefined)).toEqual(nothing)
  expect(compileFilter('lab', { exportV4: null, importV6: [] })).toEqual(nothing)
})

test('rules keep their list, order, family and name', () => {
  const filter = compileFilter('lab', {
    exportV4: [{ action: 'Reject' }, { action: 'Accept' }],
    importV4: [{ action: 'Accept' }],
    exportV6: [{ action: 'Accept' }],
    importV6: [{ action: 'Reject' }],
  })
  const seen = [filter.exportV4, filter.importV4, filter.exportV6, filter.importV6].map((rules) =>
    rules.map(({ name, match, action }) => `${name} ${match.family} ${action}`),
  )
  expect(seen).toEqual([
    ['BGPFilter/lab exportV4[0] ipv4 reject', 'BGPFilter/lab exportV4[1] ipv4 accept'],
    ['BGPFilter/lab importV4[0] ipv4 accept'],
    ['BGPFilter/lab exportV6[0] ipv6 accept'],
    ['BGPFilter/lab importV6[0] ipv6 reject'],
  ])
})

const TEN = prefix('10.0.0.0/8')
const within = (minLength: number, maxLength: number) => [{ prefix: TEN, minLength, maxLength }]

test.each([
  ['Equal', { cidr: '10.0.0.0/8', matchOperator: 'Equal' }, { prefixes: within(8, 8) }],
  ['NotEqual', { cidr: '10.0.0.0/8', matchOperator: 'NotEqual' }, { notPrefixes: within(8, 8) }],
  ['In', { cidr: '10.0.0.0/8', matchOperator: 'In' }, { prefixes: within(8, 32) }],
  ['NotIn', { cidr: '10.0.0.0/8', matchOperator: 'NotIn' }, { notPrefixes: within(8, 32) }],
  [
    'lengths',
    { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 16, max: 24 } },
    { prefixes: within(16, 24) },
  ],
  [
    'only the longest',
    { cidr: '10.0.0.0/8', matchOperator: 'NotIn', prefixLength: { max: 24 } },
    { notPrefixes: within(8, 24) },
  ],
  [
    'a least length below the cidr',
    { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 0 } },
    { prefixes: within(8, 32) },
  ],
  ['source', { source: 'RemotePeers' }, { source: 'peer' }],
  ['eBGP', { peerType: 'eBGP' }, { peerType: 'external' }],
  ['iBGP', { peerType: 'iBGP' }, { peerType: 'internal' }],
  [
    'a standard community, on export that of a learned route',
    { communities: { values: ['65535:0'] } },
    { communities: [[65535, 0]], source: 'peer' },
  ],
  [
    'a large community',
    { communities: { values: ['4294967295:0:1'] } },
    { communities: [[4294967295, 0, 1]], source: 'peer' },
  ],
  ['an interface', { interface: '*.calico' }, { interface: '*.calico' }],
  ['AS path', { asPathPrefix: [64512, '64513', '1.10'] }, { asPathPrefix: [64512, 64513, 65546] }],
  ['an empty AS path', { asPathPrefix: [] }, {}],
  ['priority', { priority: 1024 }, { localPref: 2147482623 }],
  ['the highest priority', { priority: 2147483646 }, { localPref: 1 }],
])('match: %s', (_, spec, match) => {
  expect(rule(spec)).toEqual({
    name: 'BGPFilter/lab exportV4[0]',
    match: { family: 'ipv4', ...match },
    action: 'accept',
    operations: [],
  })
})

test('operations keep their order', () => {
  const operations = [
    { addCommunity: { value: '64512:1' } },
    { prependASPath: { prefix: [64512, 64513] } },
    { setPriority: { value: 512 } },
    { addCommunity: { value: '64512:1:2' } },
    { removeMED: true },
    { removeMED: false },
  ]
  expect(rule({ operations })?.operations).toEqual([
    { kind: 'add-community', community: [64512, 1] },
    { kind: 'prepend', path: [64512, 64513] },
    { kind: 'set-local-pref', value: 2147483135 },
    { kind: 'add-community', community: [64512, 1, 2] },
    { kind: 'set-med', value: undefined },
  ])
})

const many = (count: number, item: unknown) => Array.from({ length: count }, () => item)
const MARK = { addCommunity: { value: '1:1' } }

test.each([
  ['a condition without a value', { source: null }, 'source', 'null'],
  ['lengths without a value', { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: null }, 'prefixLength', 'null'],
  ['no action', { action: undefined }, 'action', ''],
  ['another action', { action: 'Drop' }, 'action', 'Drop'],
  ['an action in lower case', { action: 'accept' }, 'action', 'accept'],
  ['a cidr alone', { cidr: '10.0.0.0/8' }, 'matchOperator', ''],
  ['an operator alone', { matchOperator: 'In' }, 'cidr', ''],
  ['no cidr', { cidr: '10.0.0.0', matchOperator: 'In' }, 'cidr', '10.0.0.0'],
  ['a cidr of the other family', { cidr: '2001:db8::/32', matchOperator: 'In' }, 'cidr', '2001:db8::/32'],
  ['another operator', { cidr: '10.0.0.0/8', matchOperator: 'Inside' }, 'matchOperator', 'Inside'],
  ['lengths alone', { prefixLength: { min: 24 } }, 'cidr', ''],
  [
    'a length too long',
    { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { max: 33 } },
    'prefixLength.max',
    '33',
  ],
  [
    'a length below none',
    { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: -1 } },
    'prefixLength.min',
    '-1',
  ],
  [
    'a length as text',
    { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: '24' } },
    'prefixLength.min',
    '24',
  ],
  [
    'lengths that leave none',
    { cidr: '10.0.0.0/16', matchOperator: 'In', prefixLength: { max: 8 } },
    'prefixLength',
    '16 to 8',
  ],
  [
    'lengths beside Equal',
    { cidr: '10.0.0.0/8', matchOperator: 'Equal', prefixLength: { min: 24 } },
    'prefixLength',
    'Equal',
  ],
  [
    'lengths misspelt',
    { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { minimum: 24 } },
    'prefixLength.minimum',
    '24',
  ],
  ['another source', { source: 'Kernel' }, 'source', 'Kernel'],
  ['an interface without a name', { interface: '' }, 'interface', ''],
  ['an interface with too long a name', { interface: 'a234567890123456' }, 'interface', 'a234567890123456'],
  ['another peer type', { peerType: 'external' }, 'peerType', 'external'],
  ['no community', { communities: { values: [] } }, 'communities.values', 'a list'],
  ['communities without values', { communities: {} }, 'communities.values', ''],
  ['two communities', { communities: { values: ['1:1', '1:2'] } }, 'communities.values', 'a list'],
  ['a community too large', { communities: { values: ['65536:1'] } }, 'communities.values[0]', '65536:1'],
  [
    'a large community too large',
    { communities: { values: ['1:1:4294967296'] } },
    'communities.values[0]',
    '1:1:4294967296',
  ],
  ['a community with a leading zero', { communities: { values: ['01:1'] } }, 'communities.values[0]', '01:1'],
  ['a community by name', { communities: { values: ['no-export'] } }, 'communities.values[0]', 'no-export'],
  ['a community as a list', { communities: ['1:1'] }, 'communities', 'a list'],
  ['AS 0', { asPathPrefix: [0] }, 'asPathPrefix[0]', '0'],
  ['an AS number too large', { asPathPrefix: [1, 4294967296] }, 'asPathPrefix[1]', '4294967296'],
  ['a path as text', { asPathPrefix: '64512' }, 'asPathPrefix', '64512'],
  ['priority 0', { priority: 0 }, 'priority', '0'],
  ['a priority too large', { priority: 2147483647 }, 'priority', '2147483647'],
  ['a broken priority', { priority: 1.5 }, 'priority', '1.5'],
  ['operations beside Reject', { action: 'Reject', operations: [MARK] }, 'operations', 'a list'],
  ['eleven operations', { operations: many(11, MARK) }, 'operations', '11'],
  ['an operation of no kind', { operations: [{}] }, 'operations[0]', 'an object'],
  [
    'an operation of two kinds',
    { operations: [MARK, { ...MARK, setPriority: { value: 1 } }] },
    'operations[1]',
    'an object',
  ],
  ['an unknown operation', { operations: [{ ...MARK, setMed: { value: 1 } }] }, 'operations[0].setMed', 'an object'],
  [
    'a community to add that is none',
    { operations: [{ addCommunity: { value: 'x' } }] },
    'operations[0].addCommunity.value',
    'x',
  ],
  [
    'nothing to prepend',
    { operations: [{ prependASPath: { prefix: [] } }] },
    'operations[0].prependASPath.prefix',
    'a list',
  ],
  [
    'too much to prepend',
    { operations: [{ prependASPath: { prefix: many(11, 1) } }] },
    'operations[0].prependASPath.prefix',
    'a list',
  ],
  [
    'an AS number to prepend that is none',
    { operations: [{ prependASPath: { prefix: ['x'] } }] },
    'operations[0].prependASPath.prefix[0]',
    'x',
  ],
  ['a MED to remove', { operations: [{ removeMED: 1 }] }, 'operations[0].removeMED', '1'],
  ['no priority to set', { operations: [{ setPriority: {} }] }, 'operations[0].setPriority.value', ''],
  [
    'a priority to set out of range',
    { operations: [{ setPriority: { value: 0 } }] },
    'operations[0].setPriority.value',
    '0',
  ],
  ['a condition misspelt', { matchOperater: 'In' }, 'matchOperater', 'In'],
])('refused: %s', (_, spec, field, value) => {
  const filter = compileFilter('lab', { exportV4: [{ action: 'Accept', ...spec }], importV4: [{ action: 'Accept' }] })
  expect(filter).toMatchObject({ exportV4: [], importV4: [], exportV6: [], importV6: [] })
  expect(filter.problems.map((problem) => [problem.object, problem.field])).toContainEqual([
    'BGPFilter/lab',
    `spec.exportV4[0].${field}`,
  ])
  const problem = filter.problems.find((one) => one.field === `spec.exportV4[0].${field}`)
  expect(problem).toMatchObject({ value, code: expect.stringMatching(/^[a-z]+(-[a-z]+)+$/) })
  expect(problem?.text).toContain(`BGPFilter/lab spec.exportV4[0].${field}`)
})

test('an error after many warnings refuses the filter and is named', () => {
  const warned = Array.from({ length: 30 }, () => ({ action: 'Accept', cidr: '10.0.0.1/24', matchOperator: 'In' }))
  const filter = compileFilter('lab', { exportV4: [...warned, { action: 'Maybe' }] })
  expect(filter.exportV4).toEqual([])
  expect(filter.problems.filter(({ level }) => level === undefined).map(({ field }) => field)).toEqual([
    'spec.exportV4[30].action',
  ])
})

test('every wrong field is told of at once', () => {
  const { problems } = compileFilter('lab', {
    exportV4: [{ action: 'Drop', source: 'Kernel' }],
    importV6: [{ action: 'Accept' }, { action: 'Accept', cidr: '10.0.0.0/8', matchOperator: 'In' }],
  })
  expect(problems.map(({ field }) => field)).toEqual([
    'spec.exportV4[0].action',
    'spec.exportV4[0].source',
    'spec.importV6[1].cidr',
  ])
})

test.each([
  ['a list', [], 'spec'],
  ['text', 'x', 'spec'],
  ['an unknown list', { exportV5: [] }, 'spec.exportV5'],
  ['rules that are no list', { exportV4: {} }, 'spec.exportV4'],
  ['a rule that is no object', { exportV4: ['x'] }, 'spec.exportV4[0]'],
  ['a rule that is null', { exportV4: [null] }, 'spec.exportV4[0]'],
])('a spec that is %s is refused', (_, spec, field) => {
  expect(compileFilter('lab', spec)).toMatchObject({
    exportV4: [],
    importV4: [],
    exportV6: [],
    importV6: [],
    problems: [{ field }],
  })
})
