/** `show route where`: BIRD's filter language against routes of ours. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RouteRow } from '../../src/bgp/rib/types.ts'
import { parseWhere } from '../../src/show/where/parse.ts'
import { BARE } from '../support/attributes.ts'
import { runs } from '../support/long.ts'

const row = (prefix: string, rest: Partial<RouteRow> = {}): RouteRow => ({
  prefix,
  family: prefix.includes(':') ? 'ipv6' : 'ipv4',
  peer: 'Global_10_0_0_9',
  from: '10.0.0.9',
  peerType: 'external',
  origin: 'bgp',
  interface: undefined,
  object: undefined,
  named: undefined,
  nextHops: ['10.0.0.9'],
  best: true,
  reason: '',
  filtered: false,
  attributes: BARE,
  since: 0,
  exportedTo: [],
  ...rest,
})

const path = (...asns: readonly number[]) => [{ kind: 'sequence', asns }] as const

const ROUTES: Readonly<Record<string, RouteRow>> = {
  own: row('10.1.0.0/24', { peer: undefined, from: undefined, peerType: undefined, nextHops: [], origin: 'pod-cidr' }),
  a: row('10.2.0.0/16', {
    attributes: { ...BARE, asPath: path(65001, 65002), med: 50, localPref: 200, communities: [[65001, 7]] },
  }),
  b: row('10.2.3.0/24', {
    peer: 'Mesh_10_0_0_3',
    from: '10.0.0.3',
    nextHops: ['10.0.0.3'],
    attributes: {
      ...BARE,
      origin: 'Incomplete',
      asPath: [...path(65001, 65003), { kind: 'set', asns: [65010, 65011] }],
      largeCommunities: [[64512, 1, 2]],
      originatorId: 0x0a000003,
    },
  }),
  six: row('2001:db8::/32', { nextHops: ['2001:db8::9'], attributes: { ...BARE, asPath: path(65001) } }),
}

const found = (text: string): string => {
  const parsed = parseWhere(text, 0)
  if (parsed.kind === 'wrong') return `wrong: ${parsed.text}`
  return Object.entries(ROUTES)
    .filter(([, route]) => parsed.where(route))
    .map(([name]) => name)
    .join(' ')
}

describe('expressions', () => {
  test.each([
    ['net = 10.2.0.0/16', 'a'],
    ['net != 10.2.0.0/16', 'own b six'],
    ['net ~ 10.2.0.0/16', 'a b'],
    ['net ~ [ 10.2.0.0/16 ]', 'a'],
    ['net ~ [10.2.0.0/16+]', 'a b'],
    ['net ~ [10.2.3.0/24-]', 'a b'],
    ['net ~ [10.2.3.0/24{16,32}]', 'a b'],
    ['net ~ [10.2.3.0/24{0,15}]', ''],
    ['net ~ [10.0.0.0/8{20,24}, 2001:db8::/32]', 'own b six'],
    ['net !~ [10.0.0.0/8+]', 'six'],
    ['net.type = NET_IP4', 'own a b'],
    ['net.type = NET_IP6', 'six'],
    ['net.len >= 24', 'own b six'],
    ['net.ip = 10.2.3.0', 'b'],
    ['proto = "Global_10_0_0_9"', 'a six'],
    ["proto = 'pod_cidr'", 'own'],
    ['proto ~ "Mesh*"', 'b'],
    ['source = RTS_BGP', 'a b six'],
    ['source = RTS_STATIC', 'own'],
    ['source = RTS_OSPF', ''],
    ['source ~ [RTS_BGP, RTS_OSPF]', 'a b six'],
    ['from ~ [10.0.0.2..10.0.0.4, 2001:db8::1]', 'b'],
    ['gw ~ [::..ffff::]', 'six'],
    ['bgp_community.len = 1', 'a'],
    ['bgp_large_community.len = 0', 'own a six'],
    ['from = 10.0.0.3', 'b'],
    ['from=10.0.0.3', 'b'],
    ['gw ~ 10.0.0.0/29', 'b'],
    ['bgp_next_hop = 2001:db8::9', 'six'],
    ['preference = 200', 'own'],
    ['bgp_path.last = 65002', 'a'],
    ['bgp_path.first = 65001', 'a b six'],
    ['bgp_path.len = 3', 'b'],
    ['bgp_path.last_nonaggregated = 65003', 'b'],
    ['bgp_path ~ [= 65001 65002 =]', 'a'],
    ['bgp_path ~ [= * 65003 * =]', 'b'],
    ['bgp_path ~ [= 65001 ? =]', 'a'],
    ['bgp_path ~ [= * 65010..65019 =]', 'b'],
    ['bgp_path ~ [= 65001 [65002, 65003] * =]', 'a b'],
    ['bgp_path ~ [= =]', ''],
    ['bgp_path ~ [65002, 65010]', 'a b'],
    ['65002 ~ bgp_path', 'a'],
    ['bgp_community ~ [(65001, 7)]', 'a'],
    ['bgp_community ~ [(65001, *)]', 'a'],
    ['bgp_community ~ [(65001, 8..9)]', ''],
    ['(65001, 7) ~ bgp_community', 'a'],
    ['bgp_large_community ~ [(64512, *, 2)]', 'b'],
    ['bgp_local_pref > 100', 'a'],
    ['bgp_local_pref = 100', 'b six'],
    ['bgp_med < 100', 'a'],
    ['bgp_origin = ORIGIN_INCOMPLETE', 'b'],
    ['bgp_originator_id = 10.0.0.3', 'b'],
    ['defined(bgp_med)', 'a'],
    ['!defined(bgp_med) && source = RTS_BGP', 'b six'],
    ['net ~ 10.0.0.0/8 && bgp_path.len > 2 || net.type = NET_IP6', 'b six'],
    ['net ~ 10.0.0.0/8 && (bgp_path.len > 2 || net.type = NET_IP6)', 'b'],
    ['!(net ~ 10.0.0.0/8)', 'six'],
    ['true', 'own a b six'],
  ])('%s', (text, names) => {
    expect(found(text)).toBe(names)
  })

  test('it ends where its grammar ends, and words follow', () => {
    const line = 'show route where bgp_path.last = 65002 all primary'
    const parsed = parseWhere(line, 'show route where'.length)
    expect(parsed.kind === 'where' && line.slice(parsed.end)).toBe(' all primary')
  })
})

describe('what is wrong is said', () => {
  test.each([
    ['', 'unexpected end'],
    ['net', 'expecting a comparison, not a prefix'],
    ['net > 5', '">" cannot compare a prefix with a number'],
    ['foo = 1', '"foo" is not an attribute of a route (put a text in double quotes)'],
    ['constructor = 1', '"constructor" is not an attribute of a route (put a text in double quotes)'],
    ['net.foo = 1', 'a prefix has no "foo"'],
    ['net ~ [10.0.0.0/33]', '"10.0.0.0/33" is not a prefix'],
    ['net ~ [10.0.0.0/8', 'unexpected end, expecting ]'],
    ['from = 300.1.1.1', '"300.1.1.1" is not an address'],
    ['bgp_med = 4294967296', '4294967296 is larger than 4294967295'],
    ['bgp_med && true', '"&&" needs comparisons, not a number'],
    ['!net', '"!" needs a comparison, not a prefix'],
    ['net = §', 'unexpected "§"'],
    ['(65001, 7, 8, 9) ~ bgp_community', 'a community has two numbers or three'],
    [`${'('.repeat(1000)}true`, 'too many parentheses'],
    [`${'!'.repeat(1000)}true`, 'too many parentheses'],
    [`bgp_path ~ [= ${'* 65001 '.repeat(33)}=]`, 'more than 32 comparisons and items of sets'],
    [`bgp_med ~ [${'1, '.repeat(70)}1]`, 'more than 32 comparisons and items of sets'],
    [Array.from({ length: 70 }, () => 'bgp_med = 1').join(' || '), 'more than 32 comparisons and items of sets'],
    ["from='10.0.0.1'", '"=" cannot compare an address with a text'],
  ])('%s', (text, wrong) => {
    expect(found(text)).toBe(`wrong: ${wrong}`)
  })
})

test('a mask with many stars takes time in proportion to the path', () => {
  const long = row('10.0.0.0/8', { attributes: { ...BARE, asPath: path(...new Array<number>(4_000).fill(65001)) } })
  const parsed = parseWhere(`bgp_path ~ [= ${'* 65001 '.repeat(14)}* 65002 =]`, 0)
  expect(parsed.kind === 'where' && parsed.where(long)).toBe(false)
})

describe('whatever a client writes', () => {
  const WORDS = [
    ...['net', 'net.len', 'net.type', 'proto', 'source', 'preference', 'from', 'gw', 'bgp_path', 'bgp_path.len'],
    ...['bgp_med', 'bgp_local_pref', 'bgp_community', 'bgp_large_community', 'bgp_ext_community', 'bgp_origin'],
    ...[
      '=',
      '!=',
      '<',
      '>=',
      '~',
      '!~',
      '&&',
      '||',
      '!',
      '(',
      ')',
      '[',
      ']',
      '[=',
      '=]',
      ',',
      '..',
      '*',
      '.',
      '-',
      '+',
    ],
    ...[
      '1',
      '65000',
      '4294967296',
      '10.0.0.1',
      '10.0.0.0/8',
      '::/0',
      '"x"',
      'true',
      'RTS_BGP',
      'defined',
      'constructor',
    ],
    ...['rt', 'ro', 'ip', 'len', 'first'],
  ]
  // biome-ignore lint/suspicious/noExplicitAny: any row will do.
  const row = { prefix: '10.0.0.0/8', origin: 'bgp', nextHops: [], attributes: BARE } as any

  test('is an expression or an error in words, and never throws', () => {
    const expression = fc.array(fc.constantFrom(...WORDS), { maxLength: 14 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(expression, (text) => {
        const parsed = parseWhere(text, 0)
        if (parsed.kind === 'where') parsed.where(row)
      }),
      { numRuns: runs(300, 4_000) },
    )
  })

  test.each(['bgp_med', 'net.len', 'preference', 'bgp_path.len'])('a pair cannot begin with %s', (name) => {
    expect(parseWhere(`bgp_community ~ (${name}, 5)`, 0)).toMatchObject({ kind: 'wrong' })
  })
})
