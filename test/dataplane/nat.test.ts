import { describe, expect, test } from 'vitest'
import { parsePrefix } from '../../src/base/prefix.ts'
import { finish } from '../../src/base/work.ts'
import type { DataplaneIntent } from '../../src/cluster/intent.ts'
import type { PoolObject } from '../../src/cluster/pool.ts'
import { natProblems, planNat } from '../../src/dataplane/nat.ts'
import { elementOf, renderChange, renderNft } from '../../src/dataplane/nft-script.ts'
import {
  type EqualSets,
  findDifference,
  type NftTable,
  parseNftTable,
  rulesText,
} from '../../src/dataplane/nft-table.ts'

const prefix = (text: string) => {
  const found = parsePrefix(text)
  if (found === undefined) throw new Error(text)
  return found
}
const NAT = { exclude: [], address: undefined, ports: undefined, fullyRandom: true }
const pool = (name: string, cidr: string, rest: Partial<PoolObject> = {}): PoolObject => ({
  name,
  prefix: prefix(cidr),
  disabled: false,
  labels: {},
  disableBgpExport: false,
  natOutgoing: true,
  loadBalancerOnly: false,
  nat: NAT,
  ...rest,
})
const intent = (pools: readonly PoolObject[], rest: Partial<DataplaneIntent> = {}): DataplaneIntent => ({
  pools,
  podCidrs: [],
  ownPods: { own: [], lent: [] },
  nodeAddresses: ['10.0.0.11', 'fd00:10::11'],
  nodeHosts: ['10.0.0.11/32', 'fd00:10::11/128'].map(prefix),
  ownAddresses: ['10.0.0.11', 'fd00:10::11'],
  natSparesHosts: false,
  recursiveNextHops: false,
  hasServiceRanges: false,
  serviceRanges: [],
  serviceLoopPrevention: 'Drop',
  proxied: [],
  nodeRoutes: { direct: undefined, leftToFelix: [], podless: { first: [], count: 0 } },
  ...rest,
})
const NOTHING = { ipv4: [], ipv6: [] }
const NO_LOOPS = { verdict: undefined, services: NOTHING, spared: NOTHING, returned: NOTHING }
const render = (of: DataplaneIntent) => renderNft({ nat: finish(planNat(of)), loops: NO_LOOPS, keepsNat: false })
const rules = (of: DataplaneIntent): string[] =>
  [...render(of).rules.values()].flatMap((rule) => (rule === undefined ? [] : `${rule.match} ⇒ ${rule.verdict}`))
const set = (of: DataplaneIntent, name: string) => render(of).sets.get(name)?.map(elementOf)

const PODS = pool('pods', '10.244.0.0/16')
const PODS6 = pool('pods6', 'fd00:244::/48')

describe('rules', () => {
  test.each<[string, DataplaneIntent, string[]]>([
    ['none without a pool', intent([]), []],
    ['none for a pool without NAT', intent([pool('pods', '10.244.0.0/16', { natOutgoing: false })]), []],
    ['IPv4', intent([PODS]), ['ip saddr 10.244.0.0/16 ip daddr != @pools4 ⇒ masquerade fully-random']],
    ['IPv6 just the same', intent([PODS6]), ['ip6 saddr fd00:244::/48 ip6 daddr != @pools6 ⇒ masquerade fully-random']],
    [
      'a disabled pool too',
      intent([pool('pods', '10.244.0.0/16', { disabled: true })]),
      ['ip saddr 10.244.0.0/16 ip daddr != @pools4 ⇒ masquerade fully-random'],
    ],
    [
      'a pool without NAT inside one with it',
      intent([PODS, pool('quiet', '10.244.1.0/24', { natOutgoing: false })]),
      ['ip saddr 10.244.0.0/16 ip daddr != @pools4 ip saddr != { 10.244.1.0/24 } ⇒ masquerade fully-random'],
    ],
    [
      'a pool with NAT inside one without it',
      intent([pool('pods', '10.244.0.0/16', { natOutgoing: false }), pool('loud', '10.244.1.0/24')]),
      ['ip saddr 10.244.1.0/24 ip daddr != @pools4 ⇒ masquerade fully-random'],
    ],
    [
      'three deep, each for its own addresses',
      intent([
        pool('a', '10.0.0.0/8'),
        pool('b', '10.244.0.0/16', { natOutgoing: false }),
        pool('c', '10.244.1.0/24', { nat: { ...NAT, fullyRandom: false } }),
      ]),
      [
        'ip saddr 10.0.0.0/8 ip daddr != @pools4 ip saddr != { 10.244.0.0/16 } ⇒ masquerade fully-random',
        'ip saddr 10.244.1.0/24 ip daddr != @pools4 ⇒ masquerade',
      ],
    ],
    [
      'of two with one CIDR the first by name',
      intent([pool('a', '10.244.0.0/16', { natOutgoing: false }), pool('b', '10.244.0.0/16')]),
      [],
    ],
    [
      'with nodes spared',
      intent([PODS], { natSparesHosts: true }),
      ['ip saddr 10.244.0.0/16 ip daddr != @pools4 ip daddr != @hosts4 ⇒ masquerade fully-random'],
    ],
    [
      'with exclusions of its own, as few as say the same',
      intent([
        pool('pods', '10.244.0.0/16', {
          nat: { ...NAT, exclude: ['192.0.2.0/25', '192.0.2.128/25', '198.51.100.7/32'].map(prefix) },
        }),
      ]),
      [
        'ip saddr 10.244.0.0/16 ip daddr != @pools4 ip daddr != { 192.0.2.0/24, 198.51.100.7 } ⇒ masquerade fully-random',
      ],
    ],
    [
      'with a fixed address',
      intent([pool('pods', 'fd00:244::/48', { nat: { ...NAT, address: '2001:db8::7', fullyRandom: false } })]),
      ['ip6 saddr fd00:244::/48 ip6 daddr != @pools6 ⇒ snat ip6 to 2001:db8::7'],
    ],
    [
      'with ports: for what has ports, and plain for the rest',
      intent([pool('pods', '10.244.0.0/16', { nat: { ...NAT, ports: { first: 1024, last: 2047 } } })]),
      [
        'ip saddr 10.244.0.0/16 ip daddr != @pools4 meta l4proto { tcp, udp } ⇒ masquerade to :1024-2047 fully-random',
        'ip saddr 10.244.0.0/16 ip daddr != @pools4 ⇒ masquerade fully-random',
      ],
    ],
    [
      'with an IPv6 address and ports',
      intent([pool('p', 'fd00:244::/48', { nat: { ...NAT, address: '2001:db8::7', ports: { first: 1, last: 9 } } })]),
      [
        'ip6 saddr fd00:244::/48 ip6 daddr != @pools6 meta l4proto { tcp, udp } ⇒ snat ip6 to [2001:db8::7]:1-9 fully-random',
        'ip6 saddr fd00:244::/48 ip6 daddr != @pools6 ⇒ snat ip6 to 2001:db8::7 fully-random',
      ],
    ],
  ])('%s', (_, wanted, expected) => {
    expect(rules(wanted)).toEqual(expected)
  })
})

describe('destinations that keep the address of the pod', () => {
  test('every pool, disabled and without NAT as well, and the pod CIDRs of nodes; not pools for LoadBalancer only', () => {
    const pools = [
      PODS,
      pool('old', '10.245.0.0/16', { disabled: true, natOutgoing: false }),
      pool('lb', '192.0.2.0/24', { loadBalancerOnly: true }),
    ]
    const wanted = intent(pools, { podCidrs: [prefix('10.244.3.0/24'), prefix('10.250.3.0/24')] })
    expect(set(wanted, 'pools4')).toEqual(['10.244.0.0/15', '10.250.3.0/24'])
    expect(rules(wanted)).toHaveLength(1)
  })
  test('addresses of nodes only where they are spared', () => {
    expect(set(intent([PODS]), 'hosts4')).toEqual([])
    expect(set(intent([PODS], { natSparesHosts: true }), 'hosts6')).toEqual(['fd00:10::11'])
    // Others may be behind NAT of somebody else, where a pod's own address does not lead back.
    const nodeHosts = ['10.0.0.11/32', '203.0.113.5/32'].map(prefix)
    expect(set(intent([PODS], { natSparesHosts: true, nodeHosts }), 'hosts4')).toEqual(['10.0.0.11'])
  })
})

describe('the script', () => {
  test('is one transaction that replaces our own table and nothing else', () => {
    expect(
      renderChange({ kind: 'table', body: finish(render(intent([PODS, PODS6])).body(0)) }, false),
    ).toMatchInlineSnapshot(`
      "table inet godwit
      delete table inet godwit
      table inet godwit {
        set pools4 {
          typeof ip daddr; flags interval
          elements = { 10.244.0.0/16 }
        }
        set hosts4 {
          typeof ip daddr; flags interval
        }
        set pools6 {
          typeof ip6 daddr; flags interval
          elements = { fd00:244::/48 }
        }
        set hosts6 {
          typeof ip6 daddr; flags interval
        }
        set begun {
          typeof meta l4proto; flags timeout
        }
        chain postrouting {
          type nat hook postrouting priority srcnat + 10; policy accept;
          tcp flags & (fin | syn | rst | ack) != syn meta l4proto @begun counter accept comment "flows begun before NAT, TCP 728e89de.0"
          meta l4proto sctp @th,96,8 != 1 meta l4proto @begun counter accept comment "flows begun before NAT, SCTP 728e89de.1"
          ip saddr 10.244.0.0/16 ip daddr != @pools4 counter masquerade fully-random comment "IPPool/pods 728e89de.2"
          ip6 saddr fd00:244::/48 ip6 daddr != @pools6 counter masquerade fully-random comment "IPPool/pods6 728e89de.3"
          ct state established accept comment "connection tracking 728e89de.4"
        }
      }
      "
    `)
  })
  test('that a process of ours holds has two flags, and needs no table to be there', () => {
    const body = finish(render(intent([PODS])).body(90))
    const [held, free] = [true, false].map((one) => renderChange({ kind: 'table', body }, one).split('\n'))
    expect(held?.slice(0, 3)).toEqual(['destroy table inet godwit', 'table inet godwit {', '  flags owner, persist'])
    expect(held?.slice(3)).toEqual(free?.slice(3))
    expect(renderChange({ kind: 'table', body: undefined }, true)).toBe('destroy table inet godwit\n')
    expect(body).toContain('elements = { tcp timeout 7200s expires 90s, sctp timeout 7200s expires 90s }')
  })
  test('has no name in it that could end a comment', () => {
    const text = finish(render(intent([pool('a"; flush ruleset; "', '10.244.0.0/16')])).body(0))
    expect(text).not.toContain('flush ruleset;')
    expect(text.match(/"/g)).toHaveLength(8)
  })
  test('marks its rules: another plan has other marks', () => {
    const plans = [intent([PODS, PODS6]), intent([PODS, { ...PODS6, natOutgoing: false }])]
    const [a, b] = plans.map((one) =>
      [...render(one).rules.keys()].find((comment) => comment.startsWith('IPPool/pods ')),
    )
    expect(a).toBeDefined()
    expect(a).not.toBe(b)
  })
})

describe('what the kernel has', () => {
  const script = render(intent([PODS]))
  const rule = (comment: string, packets = 0) => ({
    rule: {
      comment,
      expr: [{ match: { right: '@pools4' } }, { counter: { packets, bytes: packets * 60 } }, { masquerade: null }],
    },
  })
  const listing = (...items: readonly object[]) => ({
    nftables: [
      { metainfo: { version: '1.0.6' } },
      { table: { family: 'inet', name: 'godwit' } },
      ...['pools4', 'hosts4', 'pools6', 'hosts6'].map((name) => ({ set: { name } })),
      { chain: { name: 'postrouting', type: 'nat', hook: 'postrouting', prio: 110, policy: 'accept' } },
      ...items,
    ],
  })
  /** The table as nft lists it and netlink adds the elements. */
  const read = (items: readonly object[], sets: Record<string, readonly string[]> = {}): NftTable | undefined => {
    const found = parseNftTable(listing(...items))
    const elements = new Map(
      found?.sets.map((name) => [name, sets[name] ?? (name === 'pools4' ? ['10.244.0.0/16'] : [])]),
    )
    return found && { ...found, sets: elements, begun: 0 }
  }
  const difference = (table: NftTable | undefined, known?: string) => finish(findDifference(script, table, known))
  const [tcp = '', sctp = '', comment = '', last = ''] = script.rules.keys()
  const before = [tcp, sctp].map((one) => rule(one))
  const hold = rule(last)

  test('is the same after a restart, whatever was counted', () => {
    const table = read([...before, rule(comment, 12), hold])
    expect(table?.rules[2]).toMatchObject({ packets: 12, bytes: 720 })
    expect(difference(table)).toBeUndefined()
  })
  test.each<[string, readonly object[] | undefined, string]>([
    ['nothing', undefined, 'the table is missing'],
    ['no rule', [], 'the rules differ'],
    ['a rule twice', [...before, rule(comment), rule(comment), hold], 'the rules differ'],
    ['a rule of another plan', [...before, rule('IPPool/pods 12345678'), hold], 'the rules differ'],
    ['another chain', [...before, rule(comment), hold, { chain: { name: 'x' } }], 'the chains differ'],
    ['another set', [...before, rule(comment), hold, { set: { name: 'x' } }], 'the sets differ'],
  ])('%s is not', (_, found, why) => {
    expect(difference(found && read(found))).toEqual({ in: 'table', why })
  })
  test('other elements are no reason to write the rules anew, and only those that differ are sent', () => {
    const table = read([...before, rule(comment), hold], { pools4: ['192.0.2.1'], hosts4: [] })
    expect(difference(table)).toMatchObject({
      in: 'sets',
      changes: [{ set: 'pools4', add: ['10.244.0.0/16'], remove: ['192.0.2.1'] }],
    })
  })
  test('a rule that was changed by hand is not what was read as right', () => {
    const right = read([...before, rule(comment), hold])
    const bent = read([...before, { rule: { comment, expr: [{ accept: null }] } }, hold])
    if (right === undefined) throw new Error('no table')
    expect(difference(bent, rulesText(right))).toEqual({ in: 'table', why: 'the rules were changed' })
  })
  test('the set of flows from before NAT is none of prefixes', () => {
    expect(difference(read([{ set: { name: 'begun' } }, ...before, rule(comment), hold]))).toBeUndefined()
  })
  test('ten thousand elements are compared in small steps, and those found equal not again', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => prefix(`10.${index >> 8}.${index & 255}.0/24`))
    const wanted = { ...script, sets: new Map(script.sets).set('pools4', many) }
    const table = read([...before, rule(comment), hold], { pools4: many.map(({ text }) => text) })
    const equal: EqualSets = new WeakMap()
    const steps = () => [...findDifference(wanted, table, undefined, equal)]
    const first = steps()
    expect(Math.max(...first)).toBeLessThan(100)
    expect(first.reduce((sum, cost) => sum + cost, 0)).toBeGreaterThan(1_000)
    expect(steps()).toEqual([])
  })
})

const HERE = {
  isOwn: (address: string) => address === '10.0.0.11' || address === 'fd00:10::11',
  networkOf: (address: string) =>
    ['10.0.0.0/24', 'fd00:10::/64'].map(prefix).find(({ family }) => (family === 'ipv6') === address.includes(':')),
}

test.each<[string, string, string[]]>([
  ['a pool that holds a node', '10.0.0.0/8', ['pool-holds-node']],
  ['a pool inside the node’s own network', '10.0.0.128/25', ['pool-holds-network']],
  ['the same in IPv6', 'fd00:10::8000/113', ['pool-holds-network']],
  ['a pool that lies elsewhere', '10.244.0.0/16', []],
])('%s: what is said', (_, cidr, expected) => {
  expect(natProblems(intent([pool('pods', cidr)]), HERE).map(({ code }) => code)).toEqual(expected)
})

test('a pool for LoadBalancer addresses only is translated nowhere, and nothing says that it is', () => {
  const nat = { ...NAT, address: '203.0.113.1' }
  const balanced = ['10.0.0.128/25', 'fd00:10::8000/113', '10.0.0.0/24'].map((cidr, index) =>
    pool(`balanced-${index}`, cidr, { loadBalancerOnly: true, nat }),
  )
  const problems = natProblems(intent(balanced), HERE)
  expect(problems.map(({ text }) => text)).toEqual([
    'IPPool/balanced-2 spec.cidr: "10.0.0.0/24" contains the node address 10.0.0.11; a service could be given it',
  ])
})

test('a source address that is not here is said', () => {
  const pools = [pool('pods', '10.244.0.0/16', { nat: { ...NAT, address: '203.0.113.1' } })]
  const nobody = { isOwn: () => false, networkOf: () => undefined }
  expect(natProblems(intent(pools), nobody).map(({ code }) => code)).toEqual(['nat-address-elsewhere'])
})
