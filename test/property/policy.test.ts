import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ADDRESS_BITS, type Family } from '../../src/base/family.ts'
import { contains, makePrefix, type Prefix } from '../../src/base/prefix.ts'
import { compile } from '../../src/bgp/policy/compile.ts'
import type { PolicyRoute } from '../../src/bgp/policy/evaluate.ts'
import { operate } from '../../src/bgp/policy/operate.ts'
import type { Operation, Policy, PrefixMatch, Rule, RuleMatch } from '../../src/bgp/policy/rule.ts'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import type { PeerType } from '../../src/bgp/wire/context.ts'
import { policyInput } from '../bgp/policy/support.ts'

/** What rule.ts says, word by word and without a thought for speed. */
function judge(policy: Policy, route: PolicyRoute, peerType: PeerType) {
  let attributes = route.attributes
  let nextHop: unknown = 'default'
  for (const rule of policy.rules) {
    if (!holds(rule.match, route, peerType, attributes)) continue
    if (rule.action === 'reject') return { kind: 'reject', rule: rule.name }
    for (const operation of rule.operations) {
      attributes = operate([operation], attributes)
      if (operation.kind === 'set-next-hop') nextHop = operation.address
    }
    if (rule.action === 'accept') return { kind: 'accept', rule: rule.name, attributes, nextHop }
  }
  return policy.otherwise === 'reject'
    ? { kind: 'reject', rule: policy.name }
    : { kind: 'accept', rule: policy.name, attributes, nextHop }
}

function holds(match: RuleMatch, route: PolicyRoute, peerType: PeerType, attributes: PathAttributes): boolean {
  const prefix = route.prefix as Prefix
  const isIn = (one: PrefixMatch) =>
    contains(one.prefix, prefix) && prefix.length >= one.minLength && prefix.length <= one.maxLength
  const carried = [...attributes.communities, ...attributes.largeCommunities].map(String)
  const path: number[] = []
  for (const segment of attributes.asPath) {
    if (segment.kind === 'set') break
    if (segment.kind === 'sequence') path.push(...segment.asns)
  }
  const { named = [] } = route
  const isNamed = (names: readonly string[]) => names.some((name) => named.includes(name))
  return (
    (match.named === undefined ? match.notNamed === undefined || named.length > 0 : isNamed(match.named)) &&
    !isNamed(match.notNamed ?? []) &&
    (match.family === undefined || match.family === prefix.family) &&
    (match.prefixes === undefined || match.prefixes.some(isIn)) &&
    (match.notPrefixes === undefined || !match.notPrefixes.some(isIn)) &&
    (match.source === undefined || match.source === route.source) &&
    (match.peerType === undefined || match.peerType === peerType) &&
    (match.learnedFrom === undefined || match.learnedFrom === route.learnedFrom) &&
    (match.communities === undefined || match.communities.some((one) => carried.includes(String(one)))) &&
    (match.asPathPrefix === undefined || match.asPathPrefix.every((asn, index) => path[index] === asn)) &&
    (match.localPref === undefined ||
      match.localPref === (attributes.localPref ?? (route.source === 'originated' ? 2147482623 : 100))) &&
    (match.med === undefined || match.med === (attributes.med ?? 0))
  )
}

/** Few values, so that things meet. */
const small = fc.integer({ min: 0, max: 2 })
const octet = fc.constantFrom(0, 10, 128, 255)
const family = fc.constantFrom<Family>('ipv4', 'ipv6')
const peerType = fc.constantFrom<PeerType>('internal', 'external')
const prefix = family.chain((of) =>
  fc
    .tuple(
      fc.array(octet, { minLength: 2, maxLength: 16 }),
      fc.oneof(fc.integer({ min: 0, max: 16 }), fc.integer({ min: 0, max: ADDRESS_BITS[of] })),
    )
    .map(([octets, length]) => {
      const bytes = new Uint8Array(ADDRESS_BITS[of] / 8)
      bytes.set(octets.slice(0, bytes.length))
      return makePrefix(bytes, length)
    }),
)
const prefixMatch = fc.record({
  prefix,
  minLength: fc.integer({ min: 0, max: 32 }),
  maxLength: fc.integer({ min: 0, max: 128 }),
})
const standard = fc.tuple(small, small)
const large = fc.tuple(small, small, small)
const community = fc.oneof(standard, large)
const path = fc.array(small, { maxLength: 3 })

const operation = fc.oneof<fc.Arbitrary<Operation>[]>(
  fc.record({ kind: fc.constant('add-community' as const), community }),
  fc.record({ kind: fc.constant('remove-community' as const), community }),
  fc.record({ kind: fc.constant('set-communities' as const), communities: fc.array(community, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant('prepend' as const), path }),
  fc.record({ kind: fc.constant('set-local-pref' as const), value: small }),
  fc.record({ kind: fc.constant('set-med' as const), value: fc.option(small, { nil: undefined }) }),
  fc.record({
    kind: fc.constant('set-next-hop' as const),
    address: fc.constantFrom('self' as const, 'unchanged' as const),
  }),
)
const names = fc.subarray(['a', 'b', 'c', 'd'])
const match = fc.record(
  {
    named: names,
    notNamed: names,
    family,
    prefixes: fc.array(prefixMatch, { maxLength: 20 }),
    notPrefixes: fc.array(prefixMatch, { maxLength: 5 }),
    source: fc.constantFrom('originated' as const, 'peer' as const),
    peerType,
    learnedFrom: peerType,
    communities: fc.array(community, { maxLength: 3 }),
    asPathPrefix: path,
    localPref: fc.constantFrom(0, 1, 100, 2147482623),
    med: small,
  },
  { requiredKeys: [] },
)
/** Mostly one or two conditions, or nothing would ever match. */
const sparse = fc
  .tuple(
    match,
    fc.shuffledSubarray(
      [
        'named',
        'notNamed',
        'family',
        'prefixes',
        'notPrefixes',
        'source',
        'peerType',
        'learnedFrom',
        'communities',
        'asPathPrefix',
        'localPref',
        'med',
      ],
      { maxLength: 2 },
    ),
  )
  .map(([all, kept]) => Object.fromEntries(Object.entries(all).filter(([key]) => kept.includes(key))) as RuleMatch)
/** Those that name prefixes, or names, are looked for otherwise where there are many. */
const long = fc.record({ prefixes: fc.array(prefixMatch, { minLength: 1, maxLength: 3 }) })
const longNamed = fc.record({ named: names })
const rules = fc
  .oneof(
    ...[
      fc.oneof(sparse, match),
      ...[long, longNamed].map((many) => fc.oneof({ weight: 6, arbitrary: many }, sparse)),
    ].map((conditions, isLong) =>
      fc.array(
        fc.record({
          match: conditions as fc.Arbitrary<RuleMatch>,
          action: fc.constantFrom<Rule['action']>('accept', 'reject', 'next', 'next'),
          operations: fc.array(operation, { maxLength: 3 }),
        }),
        isLong ? { minLength: 12, maxLength: 40 } : { maxLength: 8 },
      ),
    ),
  )
  .map((list) => list.map((rule, index): Rule => ({ name: `rule ${index}`, ...rule })))
const policy: fc.Arbitrary<Policy> = fc.record({
  name: fc.constant('policy'),
  rules,
  otherwise: fc.constantFrom('accept' as const, 'reject' as const),
  otherwiseReason: fc.constant('refused'),
})

const attributes: fc.Arbitrary<PathAttributes> = fc.record({
  origin: fc.constant('IGP' as const),
  asPath: fc.array(
    fc.record({
      kind: fc.constantFrom('sequence' as const, 'sequence' as const, 'set' as const, 'confed-sequence' as const),
      asns: path,
    }),
    { maxLength: 3 },
  ),
  med: fc.option(small, { nil: undefined }),
  localPref: fc.option(small, { nil: undefined }),
  atomicAggregate: fc.boolean(),
  aggregator: fc.constant(undefined),
  communities: fc.uniqueArray(standard, { maxLength: 3, selector: String }),
  originatorId: fc.constant(undefined),
  clusterList: fc.constant([]),
  extendedCommunities: fc.constant([]),
  largeCommunities: fc.uniqueArray(large, { maxLength: 3, selector: String }),
  unknown: fc.constant([]),
})
const origin = fc.constantFrom(
  { source: 'originated' as const, learnedFrom: undefined },
  { source: 'originated' as const, learnedFrom: undefined, named: ['a', 'c'] },
  { source: 'originated' as const, learnedFrom: undefined, named: ['b'] },
  { source: 'peer' as const, learnedFrom: 'internal' as const },
  { source: 'peer' as const, learnedFrom: 'external' as const },
)
const route: fc.Arbitrary<PolicyRoute> = fc
  .tuple(prefix, origin, attributes)
  .map(([of, from, carried]) => ({ prefix: of, ...from, attributes: carried }))

/** A route that a prefix of the policy has to do with. */
function near({ rules }: Policy, given: PolicyRoute, pick: number): PolicyRoute {
  const named = rules.flatMap(({ match: { prefixes = [], notPrefixes = [] } }) => [...prefixes, ...notPrefixes])
  const one = named[pick % Math.max(1, named.length)]
  if (one === undefined) return given
  const length = Math.min(one.prefix.bytes.length * 8, Math.max(one.prefix.length, one.minLength))
  return { ...given, prefix: makePrefix(one.prefix.bytes, length) }
}

test('a compiled policy says what its rules say', () => {
  fc.assert(
    fc.property(
      policy,
      fc.array(fc.tuple(route, peerType, fc.nat(50)), { minLength: 1, maxLength: 8 }),
      (given, asked) => {
        const compiled = compile(given)
        for (const [one, neighbor, pick] of asked) {
          const route = pick % 2 === 0 ? one : near(given, one, pick)
          const { prefix, source, learnedFrom, named } = route
          // As NLRI lies on the wire: no more octets than the length needs, something else behind, set bits beyond the length.
          const octets = (prefix.length + 7) >> 3
          const wire = new Uint8Array([7, ...prefix.bytes.subarray(0, octets), 255])
          if (prefix.length % 8 > 0) wire[octets] = (wire[octets] as number) | (0xff >> (prefix.length % 8))
          let decoded = 0
          const attributes = () => {
            decoded++
            return route.attributes
          }
          const at = { family: prefix.family, bytes: wire, offset: 1, length: prefix.length }
          const verdict = compiled.decide(
            policyInput(at, { source, learnedFrom, named, peerType: neighbor, attributes }),
          )
          const expected = judge(given, route, neighbor)
          expect(verdict.rule).toBe(expected.rule)
          expect(verdict.kind).toBe(expected.kind)
          if (verdict.kind === 'accept') {
            const after = verdict.edit?.apply(route.attributes) ?? route.attributes
            expect({ after, nextHop: verdict.nextHop }).toEqual({
              after: expected.attributes,
              nextHop: expected.nextHop,
            })
          }
          expect(decoded).toBeLessThanOrEqual(compiled.dependsOnAttributes ? 1 : 0)
          if (compiled.acceptsAll)
            expect(verdict).toMatchObject({ kind: 'accept', edit: undefined, nextHop: 'default' })
          if (!compiled.changesAttributes && verdict.kind === 'accept') expect(verdict.edit).toBeUndefined()
        }
      },
    ),
    { numRuns: 3000 },
  )
})
