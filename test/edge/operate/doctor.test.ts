import { describe, expect, test } from 'vitest'
import { GODWIT_PROTOCOL } from '../../../src/dataplane/kernel.ts'
import { formatFinding, needsAdvertisements, runDoctor } from '../../../src/edge/operate/doctor.ts'
import { type DoctorFacts, examine } from '../../../src/edge/operate/doctor-checks.ts'
import { dropsUnconditionally } from '../../../src/edge/operate/nft-facts.ts'
import { nodeRouteFindings } from '../../../src/edge/operate/node-route-findings.ts'
import { misroutedPods, podCidrsOf } from '../../../src/edge/operate/pod-routes.ts'
import { prefix } from '../../support/rib.ts'

const forwards = { ipv4: true, ipv6: true }
const eth0 = { name: 'eth0', mtu: 1500, up: true, rpFilter: 0, acceptRa: 0, outward: true, forwards }
const veth = { ...eth0, name: 'veth1', rpFilter: 1, acceptRa: 1, outward: false }
const lo = { ...veth, name: 'lo', mtu: 65536 }
const FIT: DoctorFacts = {
  capabilities: (1n << 12n) | (1n << 10n),
  forwarding: { ipv4: '1', ipv6: '1' },
  interfaces: [eth0],
  uplinks: ['eth0'],
  needsAdvertisements: true,
  daemons: [],
  port: undefined,
  agentRuns: false,
  droppingChains: [],
  kernelError: undefined,
  misroutedPods: [],
  nft: 'nftables v1.0.6 (Lester Gooch #5)',
  nftError: undefined,
  supportsOwnedTables: true,
  signatures: { md5: true, ao: false },
  serviceLoopPackets: 0,
  conntrack: { count: 10, max: 1000 },
}

const IN_USE = { code: 'EADDRINUSE', text: 'Address already in use' }
const DENIED = { code: 'EACCES', text: 'Permission denied' }

const wrong = (facts: Partial<DoctorFacts>): string[] =>
  examine({ ...FIT, ...facts })
    .filter(({ level }) => level !== 'ok')
    .map(({ level, what }) => `${level} ${what}`)

describe('a chain that drops what no rule accepts', () => {
  const accept = { match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'eth0' } }
  const listing = (...rules: readonly (readonly object[])[]) =>
    JSON.stringify({
      nftables: [{ metainfo: {} }, { chain: { name: 'FORWARD' } }, ...rules.map((expr) => ({ rule: { expr } }))],
    })

  test.each<[string, boolean, readonly (readonly object[])[]]>([
    ['ends with drop', true, [[accept, { accept: null }], [{ drop: null }]]],
    ['ends with a counted reject, as of firewalld', true, [[{ counter: {} }, { reject: { type: 'icmpx' } }]]],
    ['ends with a REJECT of iptables', true, [[{ counter: {} }, { xt: { type: 'target', name: 'REJECT' } }]]],
    ['drops under a condition alone', false, [[accept, { drop: null }]]],
    ['drops under a condition of iptables', false, [[{ xt: { type: 'match', name: 'state' } }, { drop: null }]]],
    ['has no rule', false, []],
  ])('%s: %s', (_, drops, rules) => expect(dropsUnconditionally(listing(...rules))).toBe(drops))
})

test('an interface with dots in its name has a cure that works', () => {
  const vlans = ['eth0.100', 'eth0.200'].map((name) => ({ ...eth0, name, forwards: { ipv4: false, ipv6: true } }))
  const cures = examine({ ...FIT, interfaces: vlans }).map(({ todo }) => todo)
  expect(cures.join()).toContain('sysctl -w net/ipv4/conf/eth0.100/forwarding=1 net/ipv4/conf/eth0.200/forwarding=1')
})

test('router advertisements are waited for by a machine with IPv6 whose default route can come from nowhere else', () => {
  const address = (text: string, scope = 0) => ({ address: text, length: 64, peer: undefined, scope, flags: 0 })
  const link = (...addresses: ReturnType<typeof address>[]) => ({ name: 'eth0', addresses })
  const route = (text: string, protocol: number) => ({ prefix: prefix(text), type: 'unicast', protocol })
  const ours = link(address('fd00:10::11'))
  const cases: [boolean, Parameters<typeof needsAdvertisements>][] = [
    [true, [[ours], []]],
    [true, [[ours], [route('::/0', 9), route('0.0.0.0/0', 4)]]],
    [false, [[ours], [route('::/0', 4)]]],
    [false, [[ours], [route('::/0', GODWIT_PROTOCOL)]]],
    // A machine without IPv6 has link-local addresses.
    [false, [[link(address('10.0.0.11'), address('fe80::1', 253)), { ...ours, name: 'lo' }], []]],
  ]
  for (const [expected, facts] of cases) expect(needsAdvertisements(...facts)).toBe(expected)
})

describe('what is in the way of routing', () => {
  test('nothing on a fit machine', () => {
    expect(wrong({})).toEqual([])
  })
  test.each<[string, Partial<DoctorFacts>, string[]]>([
    ['capabilities that cannot be read', { capabilities: undefined }, ['warn capabilities']],
    ['no capability at all', { capabilities: 0n }, ['bad capabilities', 'warn capabilities']],
    ['only NET_ADMIN', { capabilities: 1n << 12n }, ['warn capabilities']],
    ['IPv4 forwarding is off', { forwarding: { ipv4: '0', ipv6: '1' } }, ['bad IPv4 forwarding']],
    ['a kernel without IPv6', { forwarding: { ipv4: '1', ipv6: undefined } }, ['warn IPv6 forwarding']],
    ['a strict interface', { interfaces: [{ ...eth0, rpFilter: 1 }] }, ['warn rp_filter']],
    ['a loose one is none', { interfaces: [{ ...eth0, rpFilter: 2 }] }, []],
    ['advertisements that are not heard', { interfaces: [{ ...eth0, acceptRa: 1 }] }, ['warn accept_ra']],
    [
      'advertisements that nobody waits for',
      { interfaces: [{ ...eth0, acceptRa: 1 }], needsAdvertisements: false },
      [],
    ],
    [
      'advertisements on an interface that does not forward are heard',
      { interfaces: [{ ...eth0, acceptRa: 1, forwards: { ipv4: true, ipv6: false } }] },
      ['bad IPv6 forwarding'],
    ],
    ['a usual node: pods and loopback are no uplinks', { interfaces: [lo, { ...eth0, acceptRa: 2 }, veth] }, []],
    ['port 179 in use', { port: IN_USE }, ['warn port 179']],
    ['port 179 in use by the agent', { port: IN_USE, agentRuns: true }, []],
    ['a port that is not allowed', { port: DENIED, agentRuns: true }, ['warn port 179']],
    [
      'one interface that does not forward',
      { interfaces: [eth0, { ...veth, forwards: { ipv4: false, ipv6: true } }] },
      ['bad IPv4 forwarding'],
    ],
    ['loopback does not have to', { interfaces: [eth0, { ...lo, forwards: { ipv4: false, ipv6: false } }] }, []],
    ['a policy of drop', { droppingChains: ['chain ip filter FORWARD'] }, ['warn forward policy']],
    ['a kernel that cannot be asked', { kernelError: 'Operation not permitted' }, ['bad kernel routes']],
    [
      'pods that a table before main hides',
      { misroutedPods: [{ prefix: '10.244.1.0/24', address: '10.244.1.255', gateway: 'via 10.0.0.9 dev eth0' }] },
      ['bad pod CIDR'],
    ],
    ['no nft', { nft: undefined, nftError: 'nft is not installed' }, ['bad nftables']],
    ['an old nft', { nft: 'nftables v0.9.0' }, ['bad nftables']],
    ['nft without permission', { nftError: 'Operation not permitted' }, ['bad nftables']],
    ['a kernel without TCP-MD5', { signatures: { md5: false, ao: false } }, ['warn TCP-MD5']],
    ['a full conntrack', { conntrack: { count: 990, max: 1000 } }, ['warn conntrack']],
    ['a bridge above the uplink', { interfaces: [eth0, { ...eth0, name: 'br0', mtu: 9000 }] }, ['warn MTU']],
    ['FRR beside us', { daemons: [{ owner: 'FRR', routes: 7 }] }, ['warn other daemons']],
  ])('%s', (_, facts, expected) => {
    expect(wrong(facts)).toEqual(expected)
  })

  test.each([
    ['NET_RAW is missing: BGPPeers with interface are held down; nothing else needs it', 0n],
    ['NET_RAW is there', 1n << 13n],
  ])('%s, which is no fault', (says, bit) => {
    const capabilities = (FIT.capabilities ?? 0n) | bit
    expect(examine({ ...FIT, capabilities })).toContainEqual({
      level: 'ok',
      what: 'capabilities',
      says,
      todo: undefined,
    })
  })

  test.each([
    [IN_USE, /ss -ltnp/],
    [DENIED, /NET_BIND_SERVICE/],
    [{ code: 'EMFILE', text: 'Too many open files' }, /ulimit/],
  ])('the cure fits the error: %j', (port, cure) => {
    expect(examine({ ...FIT, port }).find(({ what }) => what === 'port 179')?.todo).toMatch(cure)
  })

  test('what is wrong says what to do', () => {
    const facts: DoctorFacts = {
      ...FIT,
      capabilities: 0n,
      forwarding: { ipv4: '0', ipv6: '0' },
      nft: undefined,
      kernelError: 'Operation not permitted',
    }
    for (const one of examine(facts)) if (one.level === 'bad') expect(formatFinding(one)).toMatch(/\n {6}→ ./)
  })
})

const health = (problems: readonly string[]) => async () => ({ problems, nodeRouteGaps: undefined })

test.each<[string, Parameters<typeof runDoctor>[1], string]>([
  ['with an agent that is content', health([]), 'ok    agent: no problem found\n'],
  [
    'with one that is not',
    health(['kernel route 10.1.0.0/24: kept out']),
    'warn  agent: kernel route 10.1.0.0/24: kept out\n',
  ],
  [
    'without one',
    () => Promise.reject(new Error('no agent runs here')),
    'ok    agent: was not asked: no agent runs here\n',
  ],
])('it looks at this machine, %s, and ends', async (_, askAgent, said) => {
  let text = ''
  const out = {
    write: (line: string) => {
      text += line
    },
  }
  const code = await runDoctor(out, askAgent)
  expect(text).toMatch(/^(?:ok|bad|warn) +capabilities/)
  expect(text.endsWith(said)).toBe(true)
  expect(code).toBe(/^bad /m.test(text) ? 1 : 0)
})

describe('direct routes to pods of other nodes', () => {
  const NONE = { first: [], count: 0 }
  const FULL = { ...NONE, foreign: 0, podless: NONE }
  const gap = { prefix: '10.244.2.0/24', node: 'n2', reason: 'why', isForeign: false, isFelixs: false }
  const said = (gaps: Parameters<typeof nodeRouteFindings>[0]) => nodeRouteFindings(gaps).map(formatFinding).join('')

  test('are all there', () => {
    expect(said(FULL)).toMatch(/^ok {4}node routes: the kernel has a route/)
  })
  test('that are missing, or stand for another program, say what to do', () => {
    const foreign = { ...gap, prefix: '10.244.3.0/24', isForeign: true }
    const text = said({ first: [gap, foreign], count: 5, foreign: 1, podless: { first: ['n7', 'n8'], count: 3 } })
    expect(text).toMatch(
      /^bad {3}node routes: 10\.244\.2\.0\/24 of Node\/n2 has no route of the agent: why\n {6}→ give/,
    )
    expect(text).toMatch(
      /\nwarn {2}node routes: 10\.244\.3\.0\/24 .*\n {6}→ remove .*`ip route show 10\.244\.3\.0\/24`/,
    )
    expect(text).toMatch(/\nbad {3}node routes: 3 more pod CIDRs have no route/)
    expect(text).toMatch(/\nwarn {2}node routes: Node\/n7, Node\/n8 and 1 more have no pod CIDR/)
    expect(text).not.toMatch(/^ok/m)
  })
  test('of which another program has many more are a warning, however many', () => {
    const foreign = Array.from({ length: 10 }, (_, at) => ({ ...gap, prefix: `10.244.${at}.0/24`, isForeign: true }))
    const text = said({ first: foreign, count: 25, foreign: 25, podless: NONE })
    expect(text).not.toMatch(/^bad/m)
    expect(text).toMatch(/\nwarn {2}node routes: 15 more pod CIDRs .* one of another program/)
    expect(said({ first: foreign, count: 25, foreign: 24, podless: NONE })).toMatch(/\nbad {3}node routes: 1 more pod/)
  })
  test('that Felix is to write', () => {
    const text = said({ first: [{ ...gap, isFelixs: true }], count: 1, foreign: 0, podless: NONE })
    expect(text).toMatch(/→ see why Felix does not write it/)
  })
  test('a single new node', () => {
    expect(said({ ...FULL, podless: { first: ['n7'], count: 1 } })).toMatch(/Node\/n7 has no pod CIDR/)
  })
})

const blackhole = (text: string, protocol = GODWIT_PROTOCOL) =>
  ({ prefix: prefix(text), type: 'blackhole', protocol, metric: 1024, table: 254, hops: [] }) as const

test('pods are looked for in pod CIDRs, not in the covering prefix around them', () => {
  const routes = [
    blackhole('10.244.0.0/22'),
    blackhole('10.244.2.0/24'),
    blackhole('10.244.0.0/24'),
    blackhole('10.244.0.0/24'),
    blackhole('10.9.0.0/24', 4),
    blackhole('fd00::/64'),
    blackhole('fd00::/48'),
  ]
  expect(podCidrsOf(routes).map(({ text }) => text)).toEqual(['10.244.0.0/24', '10.244.2.0/24', 'fd00::/64'])
})

test('of many pod CIDRs some of each family are asked for, a few at a time', async () => {
  const many = Array.from({ length: 20_000 }, (_, at) => blackhole(`10.${at >> 8}.${at & 255}.0/24`))
  let [open, most, asked] = [0, 0, 0]
  const findGateway = async (address: string) => {
    most = Math.max(most, ++open)
    asked++
    await Promise.resolve()
    open--
    return address.startsWith('fd00::') ? 'via fe80::1 dev eth0' : undefined
  }
  const found = await misroutedPods([...many, blackhole('fd00::/64')], findGateway)
  expect(found.map((one) => one.prefix)).toEqual(['fd00::/64'])
  expect([most, asked]).toEqual([2, 130])
})
