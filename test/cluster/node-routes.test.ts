/** Which prefix leads to which node, made of objects alone; who is to write it; what is named. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contains, parsePrefix } from '../../src/base/prefix.ts'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent } from '../../src/cluster/intent.ts'
import type { Kind, ObjectChange } from '../../src/cluster/source.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { problemsOf } from '../support/cluster.ts'
import { runs } from '../support/long.ts'
import { type ApiObject, bgpConfiguration, ipPool, node, upsert } from '../support/objects.ts'

const DIRECT = bgpConfiguration({ nodeRoutes: 'Direct', nodeToNodeMeshEnabled: false })
const ME = node('me', { addresses: ['10.0.0.1', 'fd00::1'], podCIDRs: ['10.1.1.0/24', 'fd01:1::/64'] })
const other = (name: string, last: number, ...podCIDRs: string[]) =>
  node(name, { addresses: [`10.0.0.${last}`, `fd00::${last}`], podCIDRs })

const calico = (kind: Kind, name: string, spec: object): ObjectChange => ({
  kind: 'upsert',
  ref: { kind, namespace: '', name },
  object: { apiVersion: 'crd.projectcalico.org/v1', kind, metadata: { name }, spec },
  from: undefined,
})

function built(objects: readonly ApiObject[], changes: readonly ObjectChange[] = [], isCalico = false): Intent {
  const store = new ObjectStore('me')
  store.apply([...objects.map((object) => upsert(object)), ...changes])
  return new IntentBuilder({ node: 'me', calico: isCalico }).build(store)
}
const directOf = ({ dataplane }: Intent): string[] | undefined =>
  dataplane?.nodeRoutes.direct?.map(({ prefix, gateway, node: name }) => `${prefix.text} ${gateway} ${name}`)

describe('the plan', () => {
  test('other nodes, both families, each with the address of its family; nothing where only BGP teaches', () => {
    const objects = [ME, other('b', 2, '10.1.2.0/24', 'fd01:2::/64')]
    expect(directOf(built([...objects, DIRECT]))).toEqual(['10.1.2.0/24 10.0.0.2 b', 'fd01:2::/64 fd00::2 b'])
    expect(directOf(built(objects))).toBeUndefined()
    expect(directOf(built([...objects, bgpConfiguration({ nodeRoutes: 'BGP' })]))).toBeUndefined()
  })

  test.each<[string, ApiObject[], string[], RegExp[]]>([
    [
      'a pod CIDR of two nodes belongs to the first by name',
      [other('c', 3, '10.1.2.0/24'), other('b', 2, '10.1.2.0/24')],
      ['10.1.2.0/24 10.0.0.2 b'],
      [
        /^Node\/c spec.podCIDRs: "10.1.2.0\/24" is also a pod CIDR of Node\/b, which gets the route; no route to it is written$/,
      ],
    ],
    [
      'to the first that has an address of its family',
      [node('b', { addresses: ['10.0.0.2'], podCIDRs: ['fd01:2::/64'] }), other('c', 3, 'fd01:2::/64')],
      ['fd01:2::/64 fd00::3 c'],
      [/^Node\/b spec.podCIDRs: "fd01:2::\/64" is also a pod CIDR of Node\/c, which gets the route; no route to it/],
    ],
    [
      'and to nobody, where nobody has one',
      ['b', 'c'].map((name, at) => node(name, { addresses: [`10.0.0.${at + 2}`], podCIDRs: ['fd01:2::/64'] })),
      [],
      [/^Node\/b .*has no next hop: Node\/b has no IPv6 address/, /^Node\/c .*has no next hop: Node\/c has no IPv6/],
    ],
    [
      'and that of this node to this node',
      [other('a', 2, '10.1.1.0/24')],
      [],
      [
        /^Node\/a spec.podCIDRs: "10.1.1.0\/24" is also a pod CIDR of Node\/me, which gets the route; no route/,
        /^Node\/me spec.podCIDRs: "10.1.1.0\/24" is also a pod CIDR of Node\/a: both advertise it/,
      ],
    ],
    [
      'one inside that of this node',
      [other('a', 2, '10.1.1.64/26')],
      [],
      [/"10.1.1.64\/26" lies inside 10.1.1.0\/24, a pod CIDR of this node \(Node\/me\); no route to it is written/],
    ],
    [
      'even a single address, where no IPAM lends any',
      [other('a', 2, '10.1.1.7/32')],
      [],
      [/"10.1.1.7\/32" lies inside 10.1.1.0\/24, a pod CIDR of this node/],
    ],
    ['one around that of this node: ours is longer', [other('a', 2, '10.1.0.0/16')], ['10.1.0.0/16 10.0.0.2 a'], []],
    [
      'one inside that of another',
      [other('a', 2, '10.1.0.0/16'), other('b', 3, '10.1.9.0/24')],
      ['10.1.0.0/16 10.0.0.2 a', '10.1.9.0/24 10.0.0.3 b'],
      [/^Node\/b .*"10.1.9.0\/24" lies inside 10.1.0.0\/16, a pod CIDR of Node\/a; the longer prefix decides$/],
    ],
    [
      'two of one node, one in the other',
      [other('a', 2, '10.2.0.0/16', '10.2.9.0/24')],
      ['10.2.0.0/16 10.0.0.2 a', '10.2.9.0/24 10.0.0.2 a'],
      [],
    ],
    [
      'every address',
      [other('a', 2, '0.0.0.0/0', '::/0')],
      [],
      [/"0.0.0.0\/0" contains every/, /"::\/0" contains every address; no/],
    ],
    [
      'groups, the host itself, and links',
      [other('a', 2, '224.1.0.0/16', '127.0.0.0/24', 'fe80::/64')],
      [],
      [/"127.0.0.0\/24" is not a range for pods/, /"224.1.0.0\/16" is not a range/, /"fe80::\/64" is not a range/],
    ],
    [
      'one with the address of a node in it: that node would be cut off',
      [other('a', 2, '10.0.0.0/28'), other('b', 3, '10.1.3.0/24')],
      ['10.1.3.0/24 10.0.0.3 b'],
      [/"10.0.0.0\/28" contains 10.0.0.1, the address of Node\/me; no route to it is written/],
    ],
    [
      'a node without an address of the family',
      [node('a', { addresses: ['10.0.0.2'], podCIDRs: ['10.1.2.0/24', 'fd01:2::/64'] })],
      ['10.1.2.0/24 10.0.0.2 a'],
      [
        /^Node\/a .*"fd01:2::\/64" has no next hop: Node\/a has no IPv6 address; its pods are reached only by routes learned over BGP/,
      ],
    ],
    ['a node without pod CIDRs yet is waiting, not wrong', [other('a', 2)], [], []],
  ])('%s', (_, others, expected, problems) => {
    const intent = built([ME, DIRECT, ...others])
    expect(directOf(intent)).toEqual(expected)
    expect(problemsOf(intent)).toEqual(problems.map((one) => expect.stringMatching(one)))
  })

  test('what lies in a service range is kube-proxy’s', () => {
    const configuration = bgpConfiguration({ nodeRoutes: 'Direct', serviceClusterIPs: [{ cidr: '10.96.0.0/12' }] })
    const intent = built([ME, configuration, other('a', 2, '10.100.0.0/24')])
    expect(directOf(intent)).toEqual([])
    expect(problemsOf(intent).join()).toMatch(/"10.100.0.0\/24" lies inside the service range 10.96.0.0\/12/)
  })

  test('many of one fault are counted, not listed', () => {
    const many = Array.from({ length: 40 }, (_, index) => other(`n${index}`, index + 2, '10.1.1.0/24'))
    const problems = built([ME, DIRECT, ...many]).problems.filter(({ code }) => /^node-routes?-refused$/.test(code))
    expect(problems).toHaveLength(11)
    expect(problems.map(({ text }) => text)).toContain(
      'Node spec.podCIDRs: 30 more pod CIDRs have the same fault: node-route-refused',
    )
  })

  test('a node that says nothing new is no change: its routes are the same values', () => {
    const store = new ObjectStore('me')
    store.apply(
      [ME, DIRECT, other('a', 2, '10.1.2.0/24'), other('b', 3, '10.1.3.0/24')].map((object) => upsert(object)),
    )
    const builder = new IntentBuilder({ node: 'me' })
    const before = builder.next(store).intent.dataplane?.nodeRoutes.direct
    store.apply([upsert({ ...other('a', 2, '10.1.2.0/24'), metadata: { name: 'a', labels: { x: 'y' } } })])
    expect(builder.next(store).intent.dataplane?.nodeRoutes.direct).toBe(before)
    store.apply([upsert(other('a', 2, '10.1.4.0/24'))])
    const after = builder.next(store).intent.dataplane?.nodeRoutes.direct
    expect(after).not.toBe(before)
    expect(after?.find(({ node: name }) => name === 'b')).toBe(before?.find(({ node: name }) => name === 'b'))
  })

  test('whatever nodes say: one owner for each prefix, never into what is ours, never over a node', () => {
    const cidr = fc
      .tuple(
        fc.constantFrom('10.1', '10.0', '10.2', '0.0', '224.0'),
        fc.nat(3),
        fc.constantFrom(0, 4, 8, 15, 16, 23, 24, 26, 32),
      )
      .map(([head, third, length]) => `${head}.${third}.0/${length}`)
    fc.assert(
      fc.property(fc.array(fc.array(cidr, { maxLength: 3 }), { maxLength: 6 }), (lists) => {
        const others = lists.map((list, index) => other(`n${index}`, index + 2, ...list))
        const intent = built([ME, DIRECT, ...others])
        const direct = intent.dataplane?.nodeRoutes.direct ?? []
        expect(new Set(direct.map(({ prefix }) => prefix.text)).size).toBe(direct.length)
        for (const { prefix, node: name, gateway } of direct) {
          expect(intent.routes.has(prefix.text)).toBe(false)
          const [own] = [...intent.routes.values()].filter((route) => contains(route.prefix, prefix))
          expect(own).toBeUndefined()
          expect(gateway).toBe(`10.0.0.${Number(name.slice(1)) + 2}`)
          expect(prefix.length).toBeGreaterThan(0)
        }
        // All that is left out is named.
        const all = new Set(lists.flat())
        const problems = problemsOf(intent).join('\n')
        const missing = [...all].filter((text) => !direct.some(({ prefix }) => prefix.text === parsePrefix(text)?.text))
        if (missing.length > 0) expect(problems).toMatch(/no route to it is written/)
      }),
      { numRuns: runs(20, 200) },
    )
  })
})

describe('Calico IPAM', () => {
  const OTHERS = [ME, other('b', 2), other('c', 3)]
  const blocks = [
    calico('BlockAffinity', 'mine', { node: 'me', cidr: '10.244.1.0/26', state: 'confirmed' }),
    calico('BlockAffinity', 'theirs', { node: 'b', cidr: '10.244.2.0/26', state: 'confirmed' }),
    calico('IPAMBlock', 'b1', {
      cidr: '10.244.1.0/26',
      affinity: 'host:me',
      allocations: [null, 0],
      attributes: [{ secondary: { node: 'c', pod: 'p', namespace: 'x' } }],
    }),
    calico('IPAMBlock', 'b2', {
      cidr: '10.244.2.0/26',
      affinity: 'host:b',
      allocations: [0, 1],
      attributes: [
        { secondary: { node: 'c', pod: 'p', namespace: 'x' } },
        { secondary: { node: 'me', pod: 'q', namespace: 'x' } },
      ],
    }),
  ]

  test('all affinities, and addresses that pods borrow: from our blocks, and from others’', () => {
    const annotated = {
      ...bgpConfiguration({}),
      metadata: { name: 'default', annotations: { 'godwit.dev/nodeRoutes': 'Direct' } },
    }
    const intent = built([...OTHERS, annotated], blocks, true)
    expect(directOf(intent)).toEqual([
      '10.244.1.1/32 10.0.0.3 c',
      '10.244.2.0/26 10.0.0.2 b',
      '10.244.2.0/32 10.0.0.3 c',
    ])
    expect(problemsOf(intent)).toEqual([])
    expect([...intent.routes.keys()].sort()).toEqual(['10.244.1.0/26', '10.244.2.1/32'])
  })

  test('in our own group it is refused in words, and no route is made up', () => {
    const intent = built([...OTHERS, bgpConfiguration({ nodeRoutes: 'Direct', podCIDRSource: 'CalicoIPAM' })], blocks)
    expect(directOf(intent)).toEqual([])
    expect(problemsOf(intent).join()).toMatch(/"CalicoIPAM" needs objects in a group of Calico's/)
  })
})

describe('programClusterRoutes', () => {
  const felix = (words: string | undefined) =>
    calico('FelixConfiguration', 'default', words === undefined ? {} : { programClusterRoutes: words })
  const POOL = ipPool('p', { cidr: '10.1.0.0/16' })
  const BLOCK = calico('BlockAffinity', 'b', { cidr: '10.1.2.0/26', node: 'b', state: 'confirmed' })
  const left = (intent: Intent) => intent.dataplane?.nodeRoutes.leftToFelix.map(({ text }) => text)
  const of = (bgp: object, words?: string, isCalico = true) =>
    built([ME, other('b', 2, '10.1.2.0/24'), POOL, bgpConfiguration(bgp)], [felix(words), BLOCK], isCalico)

  test.each<[string | undefined, string | undefined, boolean, RegExp | undefined]>([
    [undefined, undefined, false, undefined],
    ['Enabled', undefined, false, undefined],
    ['EnabledNoEncapOnly', 'EnabledIPIPOnly', false, undefined],
    ['Disabled', 'Enabled', true, undefined],
    ['EnabledIPIPOnly', 'EnabledNoEncapOnly', true, undefined],
    [undefined, 'Enabled', true, undefined],
    [undefined, 'EnabledNoEncapOnly', true, undefined],
    [undefined, 'Disabled', false, undefined],
    [
      'Enabled',
      'Enabled',
      false,
      /spec.programClusterRoutes: "Enabled" lets the agent write routes to other nodes, and FelixConfiguration sets programClusterRoutes Enabled: both write them; where Felix has written a route, the agent writes none/,
    ],
    [
      'Disabled',
      undefined,
      true,
      /"Disabled" leaves routes to other nodes to Felix, but FelixConfiguration does not set programClusterRoutes, which means EnabledIPIPOnly: no program writes them/,
    ],
    ['EnabledIPIPOnly', 'Disabled', true, /sets programClusterRoutes Disabled: no program writes them/],
  ])('%s, and Felix says %s: left to Felix %s', (bgp, words, isLeft, problem) => {
    const intent = of(bgp === undefined ? {} : { programClusterRoutes: bgp }, words)
    expect(left(intent)).toEqual(isLeft ? ['10.1.0.0/16'] : [])
    expect(problemsOf(intent)).toEqual(problem === undefined ? [] : [expect.stringMatching(problem)])
  })

  test('with Direct it is refused, in the words of the CRD; where Felix alone says it, Direct is not carried out', () => {
    expect(problemsOf(of({ nodeRoutes: 'Direct', programClusterRoutes: 'Disabled' }, 'Enabled'))).toEqual([
      'BGPConfiguration/default spec.nodeRoutes: "Direct" needs programClusterRoutes Enabled or EnabledNoEncapOnly, or none; objects that depend on it are held, everything else is in force',
    ])
    expect(problemsOf(of({ nodeRoutes: 'Direct' }, 'Enabled'))).toEqual([
      'BGPConfiguration/default spec.nodeRoutes: "Direct" has no effect: FelixConfiguration sets programClusterRoutes Enabled, and programClusterRoutes is not set here: Felix writes these routes',
    ])
    expect(problemsOf(of({ nodeRoutes: 'Direct' }, 'EnabledIPIPOnly'))).toEqual([])
  })

  test('in our own group FelixConfiguration is not read, and nothing is said of it', () => {
    const intent = built([ME, POOL, bgpConfiguration({ programClusterRoutes: 'Disabled' })])
    expect(left(intent)).toEqual(['10.1.0.0/16', 'fd01:1::/64'])
    expect(problemsOf(intent)).toEqual([])
  })

  test('a wrong word is named', () => {
    expect(problemsOf(of({ programClusterRoutes: 'On' })).join()).toMatch(
      /"On" is none of Enabled, Disabled, EnabledIPIPOnly, EnabledNoEncapOnly/,
    )
  })
})
