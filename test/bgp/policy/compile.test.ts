import { describe, expect, test } from 'vitest'
import { compile, type Verdict } from '../../../src/bgp/policy/compile.ts'
import { evaluate, type PolicyRoute } from '../../../src/bgp/policy/evaluate.ts'
import type { Policy, Rule, RuleMatch } from '../../../src/bgp/policy/rule.ts'
import type { PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import type { PeerType } from '../../../src/bgp/wire/context.ts'
import { BARE } from '../../support/attributes.ts'
import { originatedRoute, policy, policyInput, prefix, range, route, rule } from './support.ts'

const withPath = (...asPath: PathAttributes['asPath']) => route('10.0.0.0/24', { attributes: { ...BARE, asPath } })
const sequence = (...asns: number[]) => ({ kind: 'sequence', asns }) as const
const marked = route('10.0.0.0/24', { attributes: { ...BARE, communities: [[1, 2]], largeCommunities: [[1, 2, 3]] } })

const unset = originatedRoute('10.0.0.0/8')
const over = (name: string): PolicyRoute => route('10.0.0.0/8', { interface: name })
const conditions: [string, RuleMatch, PolicyRoute, PeerType, boolean][] = [
  ['no condition', {}, route('10.0.0.0/8'), 'external', true],
  ['the family', { family: 'ipv6' }, route('2001:db8::/32'), 'external', true],
  ['the other family', { family: 'ipv6' }, route('10.0.0.0/8'), 'external', false],
  [
    'inside one of several prefixes',
    { prefixes: [range('10.0.0.0/8', 8, 32), range('11.0.0.0/8', 8, 32)] },
    route('11.1.0.0/16'),
    'external',
    true,
  ],
  ['inside none', { prefixes: [range('10.0.0.0/8', 8, 32)] }, route('11.1.0.0/16'), 'external', false],
  ['an empty list of prefixes', { prefixes: [] }, route('11.1.0.0/16'), 'external', false],
  ['outside all of notPrefixes', { notPrefixes: [range('10.0.0.0/8', 8, 32)] }, route('11.1.0.0/16'), 'external', true],
  ['inside one of notPrefixes', { notPrefixes: [range('10.0.0.0/8', 8, 32)] }, route('10.1.0.0/16'), 'external', false],
  ['an empty list of notPrefixes', { notPrefixes: [] }, route('10.1.0.0/16'), 'external', true],
  [
    'inside the one, outside the other',
    { prefixes: [range('10.0.0.0/8', 8, 32)], notPrefixes: [range('10.1.0.0/16', 16, 32)] },
    route('10.2.0.0/16'),
    'external',
    true,
  ],
  ['our own', { source: 'originated' }, originatedRoute('10.0.0.0/8'), 'external', true],
  ['not our own', { source: 'originated' }, route('10.0.0.0/8'), 'external', false],
  ['the type of this neighbor', { peerType: 'internal' }, route('10.0.0.0/8'), 'internal', true],
  ['not the type of this neighbor', { peerType: 'internal' }, route('10.0.0.0/8'), 'external', false],
  ['learned from that type', { learnedFrom: 'external' }, route('10.0.0.0/8'), 'internal', true],
  ['learned from the other type', { learnedFrom: 'internal' }, route('10.0.0.0/8'), 'internal', false],
  ['learned, where it is our own', { learnedFrom: 'external' }, originatedRoute('10.0.0.0/8'), 'internal', false],
  [
    'one of the communities',
    {
      communities: [
        [9, 9],
        [1, 2],
      ],
    },
    marked,
    'external',
    true,
  ],
  ['a large community', { communities: [[1, 2, 3]] }, marked, 'external', true],
  ['another large community', { communities: [[1, 2, 4]] }, marked, 'external', false],
  ['none of the communities', { communities: [[2, 1]] }, marked, 'external', false],
  ['the head of the path', { asPathPrefix: [1, 2] }, withPath(sequence(1, 2, 3)), 'external', true],
  ['the whole path', { asPathPrefix: [1, 2, 3] }, withPath(sequence(1, 2, 3)), 'external', true],
  ['longer than the path', { asPathPrefix: [1, 2, 3, 4] }, withPath(sequence(1, 2, 3)), 'external', false],
  ['not the head of the path', { asPathPrefix: [2] }, withPath(sequence(1, 2, 3)), 'external', false],
  ['a path in two segments', { asPathPrefix: [1, 2] }, withPath(sequence(1), sequence(2, 3)), 'external', true],
  [
    'a path that ends in a set',
    { asPathPrefix: [1] },
    withPath(sequence(1), { kind: 'set', asns: [2] }),
    'external',
    true,
  ],
  ['into a set', { asPathPrefix: [1, 2] }, withPath(sequence(1), { kind: 'set', asns: [2] }), 'external', false],
  [
    'behind a confederation',
    { asPathPrefix: [1] },
    withPath({ kind: 'confed-sequence', asns: [9] }, sequence(1)),
    'external',
    true,
  ],
  [
    'LOCAL_PREF as it is',
    { localPref: 200 },
    route('10.0.0.0/8', { attributes: { ...BARE, localPref: 200 } }),
    'internal',
    true,
  ],
  ['[67] LOCAL_PREF that is not there counts as 100', { localPref: 100 }, route('10.0.0.0/8'), 'external', true],
  ['on a route of our own as a priority of 1024', { localPref: 2147482623 }, unset, 'external', true],
  ['where nothing else is', { localPref: 100 }, unset, 'external', false],
  ['unless it has been set', { localPref: 5 }, { ...unset, attributes: { ...BARE, localPref: 5 } }, 'external', true],
  ['an interface by its name', { interface: 'eth0' }, over('eth0'), 'external', true],
  ['of a part', { interface: '*.calico' }, over('vxlan.calico'), 'external', true],
  ['of one sign', { interface: 'eth?' }, over('eth1'), 'external', true],
  ['of a sign that is none', { interface: 'eth?' }, over('eth'), 'external', false],
  ['of a dot that is one', { interface: 'a.b' }, over('aab'), 'external', false],
  ['of another', { interface: 'eth0' }, over('eth10'), 'external', false],
  ['that nobody knows', { interface: 'eth0' }, route('10.0.0.0/8'), 'external', false],
  ['of any text, none too', { interface: '*' }, route('10.0.0.0/8'), 'external', true],
  ['MED as it is', { med: 5 }, route('10.0.0.0/8', { attributes: { ...BARE, med: 5 } }), 'external', true],
  ['MED that is not there counts as 0', { med: 0 }, route('10.0.0.0/8'), 'external', true],
  ['all conditions but one', { localPref: 100, med: 1 }, route('10.0.0.0/8'), 'external', false],
]
test.each(conditions)('match: %s', (_, match, given, peerType, matched) => {
  expect(evaluate(policy([rule('accept', match)]), given, peerType).kind).toBe(matched ? 'accept' : 'reject')
})

const NOT_WANTED = { ...rule('reject', { prefixes: [range('10.1.0.0/16', 16, 32)] }), reason: 'lab addresses' }

test.each<[string, Policy, string, object]>([
  [
    'the first match ends',
    policy([rule('accept', {}), rule('reject', {})]),
    '10.0.0.0/8',
    { kind: 'accept', rule: 'accept' },
  ],
  [
    'a reason of its own',
    policy([NOT_WANTED]),
    '10.1.2.0/24',
    { kind: 'reject', rule: 'reject prefixes', reason: 'lab addresses' },
  ],
  [
    'a reason made of the name',
    policy([rule('reject', {})]),
    '10.1.2.0/24',
    { kind: 'reject', rule: 'reject', reason: 'rejected by reject' },
  ],
  [
    'nobody decides, refused',
    policy([NOT_WANTED]),
    '10.2.0.0/24',
    { kind: 'reject', rule: 'test', reason: 'nothing else is wanted' },
  ],
  [
    'nobody decides, accepted',
    policy([NOT_WANTED], 'accept'),
    '10.2.0.0/24',
    { kind: 'accept', rule: 'test', attributes: BARE, nextHop: 'default' },
  ],
])('verdict: %s', (_, given, text, verdict) => {
  expect(evaluate(given, route(text), 'external')).toMatchObject(verdict)
})

test('rules that name the same list in turn with another are each asked for their own', () => {
  const [ten, eleven] = [[range('10.0.0.0/8', 8, 32)], [range('11.0.0.0/8', 8, 32)]]
  const given = policy([
    rule('accept', { prefixes: ten, med: 1 }),
    rule('accept', { prefixes: eleven }),
    rule('accept', { prefixes: ten, med: 0 }),
  ])
  expect(evaluate(given, route('10.0.0.0/8'), 'external').rule).toBe('accept prefixes med')
  expect(evaluate(given, route('11.0.0.0/8'), 'external').rule).toBe('accept prefixes')
})

const MARK = { kind: 'add-community', community: [1, 2] } as const
const LOW = { kind: 'set-local-pref', value: 0 } as const
const SELF = { kind: 'set-next-hop', address: 'self' } as const

test('`next` carries out its operations, and the rules behind it see them', () => {
  const chain = policy([
    rule('next', {}, MARK, SELF),
    rule('accept', { communities: [[1, 2]] }, LOW),
    rule('reject', {}),
  ])
  expect(evaluate(chain, route('10.0.0.0/8'), 'external')).toEqual({
    kind: 'accept',
    rule: 'accept communities',
    attributes: { ...BARE, communities: [[1, 2]], localPref: 0 },
    nextHop: 'self',
  })
})

test('the last next hop counts', () => {
  const address = new Uint8Array([192, 0, 2, 1])
  const chain = policy([rule('next', {}, SELF), rule('accept', {}, { kind: 'set-next-hop', address })])
  expect(evaluate(chain, route('10.0.0.0/8'), 'external')).toMatchObject({ nextHop: address, attributes: BARE })
})

test('operations of a rule that refuses or does not match leave nothing behind', () => {
  const chain = policy([rule('next', { med: 7 }, MARK), rule('accept', {})])
  expect(evaluate(chain, route('10.0.0.0/8'), 'external')).toMatchObject({ kind: 'accept', attributes: BARE })
})

const ask = (compiled: ReturnType<typeof compile>, text: string, attributes = () => BARE): Verdict => {
  return compiled.decide(policyInput(prefix(text), { attributes }))
}

test('attributes are decoded once where a rule looks at them, and not at all where none does', () => {
  const compiled = compile(
    policy([
      rule('accept', { prefixes: [range('10.0.0.0/8', 8, 32)] }, MARK),
      rule('next', { med: 1 }, LOW),
      rule('accept', { localPref: 7 }),
    ]),
  )
  let decoded = 0
  const attributes = () => {
    decoded++
    return { ...BARE, med: 1 }
  }
  ask(compiled, '10.1.0.0/16', attributes)
  expect(decoded).toBe(0)
  ask(compiled, '11.0.0.0/8', attributes)
  expect(decoded).toBe(1)
})

test('routes that met the same rules share verdict and edit', () => {
  const compiled = compile(policy([rule('next', { med: 1 }, LOW), rule('accept', {}, MARK)]))
  const plain = ask(compiled, '10.0.0.0/8')
  const lowered = ask(compiled, '10.0.0.0/8', () => ({ ...BARE, med: 1 }))
  expect(ask(compiled, '11.0.0.0/8')).toBe(plain)
  expect(ask(compiled, '11.0.0.0/8', () => ({ ...BARE, med: 1 }))).toBe(lowered)
  expect(lowered).not.toBe(plain)
  const ids = [plain, lowered].map((verdict) => verdict.kind === 'accept' && verdict.edit?.id)
  expect(new Set(ids).size).toBe(2)
})

test('an accepted route that no rule changed has no edit', () => {
  expect(ask(compile(policy([rule('accept', {}, SELF)])), '10.0.0.0/8')).toEqual({
    kind: 'accept',
    rule: 'accept',
    edit: undefined,
    nextHop: 'self',
  })
})

test('NLRI as it lies on the wire: only its octets are read, bits beyond the length do not count', () => {
  const compiled = compile(policy([rule('accept', { prefixes: [range('10.1.0.0/20', 20, 20)] })]))
  const wire = new Uint8Array([0xff, 20, 10, 1, 0x0f, 0xff])
  const verdict = compiled.decide(policyInput({ family: 'ipv4', bytes: wire, offset: 2, length: 20 }))
  expect(verdict.kind).toBe('accept')
  const cut = compiled.decide(policyInput({ family: 'ipv4', bytes: wire.subarray(0, 5), offset: 2, length: 20 }))
  expect(cut).toBe(verdict)
})

test('communities that are not there are not decoded for; what an earlier rule adds is', () => {
  const wanted = [[65535, 0]]
  const chain = (first: Rule) =>
    compile(policy([first, rule('next', { communities: wanted }, LOW), rule('accept', {})]))
  const asked: unknown[] = []
  const lacksAll = (communities: unknown) => {
    asked.push(communities)
    return true
  }
  const decide = (compiled: ReturnType<typeof compile>, attributes: () => PathAttributes) =>
    compiled.decide(policyInput(prefix('10.0.0.0/8'), { attributes, lacksAll }))
  const never = () => {
    throw new Error('decoded')
  }
  expect(decide(chain(rule('next', {})), never)).toMatchObject({ kind: 'accept', edit: undefined })
  expect(asked).toEqual([wanted])
  const marked = chain(rule('next', {}, { kind: 'add-community', community: [65535, 0] }))
  const verdict = decide(marked, () => BARE)
  expect(verdict.kind === 'accept' && verdict.edit?.apply(BARE)).toMatchObject({ localPref: 0 })
})

test('rules that look at prefixes are known, by the kind of route that can meet them', () => {
  const compiled = compile(
    policy([
      rule('accept', { family: 'ipv6', prefixes: [range('2001:db8::/32', 32, 48)] }),
      rule('accept', { med: 7 }),
    ]),
  )
  expect(compiled.isUniform('ipv4', 'peer', 'external', 'external')).toBe(true)
  expect(compiled.isUniform('ipv6', 'peer', 'external', 'external')).toBe(false)
})

describe('twelve `next` rules that overlap in every way', () => {
  const names = Array.from({ length: 12 }, (_, at) => `a${at}`)
  const operation = (at: number) => ({ kind: 'add-community', community: [1, at] }) as const
  const rules = names.map((name, at) => rule('next', { source: 'originated', named: [name] }, operation(at)))
  const subsets = Array.from({ length: 1 << names.length }, (_, bits) => names.filter((_, at) => (bits >> at) & 1))

  test('keep a bounded number of verdicts, and each is right', () => {
    const compiled = compile(policy(rules, 'accept'))
    let most = 0
    const wrong: (readonly string[])[] = []
    for (const named of [...subsets, ...subsets.toReversed()]) {
      const { family, bytes, length } = prefix('10.0.0.0/8')
      const own = { source: 'originated', learnedFrom: undefined, named } as const
      const verdict = compiled.decide(policyInput({ family, bytes, length }, own))
      const { communities } = (verdict.kind === 'accept' && verdict.edit?.apply(BARE)) || BARE
      if (communities.join(' ') !== named.map((name) => `1,${name.slice(1)}`).join(' ')) wrong.push(named)
      most = Math.max(most, compiled.kept)
    }
    expect(wrong).toEqual([])
    expect(most).toBeLessThan(1100)
  })
})

test('a verdict that holds for more routes counts for them too', () => {
  const compiled = compile(policy([rule('next', {}, LOW), rule('accept', { med: 7 }), rule('accept', { med: 0 })]))
  ask(compiled, '10.0.0.0/8')
  const { met } = compiled
  ask(compiled, '10.0.0.0/8', () => ({ ...BARE, med: 7 }))
  compiled.addHits(met, 5)
  expect([...compiled.hits]).toEqual([7, 1, 6, 0])
})

test('each rule that applied is counted, and how often none decided', () => {
  const compiled = compile(policy([rule('next', {}, LOW), rule('accept', { prefixes: [range('10.0.0.0/8', 8, 32)] })]))
  for (const text of ['10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/8']) ask(compiled, text)
  expect([...compiled.hits]).toEqual([3, 2, 1])
})

test.each<[string, Policy, { depends: boolean; changes: boolean; all: boolean }]>([
  ['no rules, accept', policy([], 'accept'), { depends: false, changes: false, all: true }],
  ['no rules, reject', policy([]), { depends: false, changes: false, all: false }],
  [
    'a rule on communities',
    policy([rule('accept', { communities: [[1, 2]] })]),
    { depends: true, changes: false, all: false },
  ],
  ['a rule that marks', policy([rule('next', {}, MARK)], 'accept'), { depends: false, changes: true, all: false }],
  ['a rule on the next hop', policy([rule('accept', {}, SELF)]), { depends: false, changes: false, all: false }],
  [
    'accepts by rule and by default',
    policy([rule('accept', { med: 1 })], 'accept'),
    { depends: true, changes: false, all: true },
  ],
  [
    'behind a rule for every route nothing counts',
    policy([rule('accept', {}), rule('reject', { med: 1 })]),
    { depends: false, changes: false, all: true },
  ],
  [
    'a rule that refuses changes nothing',
    policy([rule('reject', { source: 'originated' }, MARK)], 'accept'),
    { depends: false, changes: false, all: false },
  ],
])('shortcuts: %s', (_, given, { depends, changes, all }) => {
  const { dependsOnAttributes, changesAttributes, acceptsAll } = compile(given)
  expect({ depends: dependsOnAttributes, changes: changesAttributes, all: acceptsAll }).toEqual({
    depends,
    changes,
    all,
  })
})
