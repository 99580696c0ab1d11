// ExaBGP tells what is strange but legal, and what is not: each route is answered as its RFC says, the others and the
// session are unharmed, and a second one holds what goes on.

import { Exabgp, whyNoExabgp } from '../lab/exabgp.ts'
import { bgpFilter, bgpPeer, type KubeObject } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import type { Route } from '../speakers/speaker.ts'
import { type Bench, type Case, expect, Skip } from './case.ts'
import { agentSessionsUp, CLUSTER_AS, Cluster, configuration, type Node, POOLS, ROUTER_AS } from './rack.ts'

const COLLECTOR_AS = 65002

interface Row {
  readonly what: string
  /** What follows `next-hop`. */
  readonly says: string
  readonly six?: boolean
  /** What we hold of it; undefined: nothing, it is treated as withdrawn. */
  readonly held?: Partial<Route>
  /** Attributes that the collector hears, by ExaBGP's names; `undefined` for those that must not be there. */
  readonly onward?: Readonly<Record<string, unknown>>
}

interface Scene extends Node {
  readonly source: Exabgp
  readonly collector: Exabgp
}

interface Shape {
  readonly internal?: boolean
  readonly source?: Partial<ConstructorParameters<typeof Exabgp>[1]>
  /** Of the source's BGPPeer. */
  readonly spec?: Readonly<Record<string, unknown>>
  readonly objects?: readonly KubeObject[]
}

const scene = async (
  { lab }: Bench,
  { internal = false, source = {}, spec = {}, objects = [] }: Shape,
): Promise<Scene> => {
  const reason = await whyNoExabgp()
  if (reason !== undefined) throw new Skip(reason)
  const cluster = new Cluster(lab)
  const node = await cluster.node(1)
  const [from, to] = [await lab.host('source', 1), await lab.host('collector', 2)]
  const asn = internal ? CLUSTER_AS : ROUTER_AS
  await cluster.manifests.put(
    configuration(),
    ...POOLS,
    ...objects,
    bgpPeer('source', from.ipv4, asn, { passive: true, ...spec }),
    bgpPeer('collector', to.ipv4, COLLECTOR_AS, { passive: true, advertiseLearned: true }),
  )
  await node.agent.start()
  const peer = { peer: node.host.ipv4, peerAs: CLUSTER_AS }
  const collector = new Exabgp(to, { ...peer, asn: COLLECTOR_AS })
  await collector.start()
  await someUp(node, 1)
  const speaking = new Exabgp(from, { ...peer, asn, ...source })
  await speaking.start()
  await agentSessionsUp(node.agent, 2)
  return { ...node, source: speaking, collector }
}

/** So many of the neighbors are up; the others may not be there yet. */
const someUp = ({ agent }: Node, count: number): Promise<void> =>
  eventually(async () => {
    const up = (await agent.protocols()).filter(({ state }) => state === 'Established').length
    expect(up >= count, `${up} of ${count} sessions up`)
  })

const prefixOf = (row: Row, at: number): string => (row.six ? `fd00:244:${100 + at}::/64` : `10.244.${100 + at}.0/24`)

const GOOD = '10.244.250.0/24'

const routesOf = (rows: readonly Row[]): readonly string[] => [
  ...rows.map((row, at) => `${prefixOf(row, at)} next-hop ${row.says}`),
  `${GOOD} next-hop self`,
]

const differences = (row: Row, prefix: string, held: readonly Route[]): readonly string[] => {
  const found = held.find((route) => route.prefix === prefix)
  if (row.held === undefined) return found === undefined ? [] : [`${row.what}: ${prefix} is held`]
  if (found === undefined) return [`${row.what}: ${prefix} is not held`]
  return Object.entries(row.held)
    .filter(([field, value]) => JSON.stringify(found[field as keyof Route]) !== JSON.stringify(value))
    .map(([field]) => `${row.what}: ${field} is ${JSON.stringify(found[field as keyof Route])}`)
}

const onwardDifferences = async ({ collector }: Scene, row: Row, prefix: string): Promise<readonly string[]> => {
  const heard = (await collector.heard()).findLast(({ prefixes }) => prefixes.includes(prefix))
  if (row.held === undefined) return heard === undefined ? [] : [`${row.what}: ${prefix} went on`]
  if (heard === undefined) return [`${row.what}: ${prefix} did not go on`]
  return Object.entries(row.onward ?? {})
    .filter(([name, value]) => JSON.stringify(heard.attribute[name]) !== JSON.stringify(value))
    .map(([name]) => `${row.what}: ${name} is ${JSON.stringify(heard.attribute)} at the collector`)
}

/** One session from beginning to end: one OPEN each way, no NOTIFICATION. */
const unharmed = async ({ agent, source }: Scene): Promise<void> => {
  const all = await agent.protocols()
  for (const { peer, state, messages } of all) {
    const { open = 0, notification = 0 } = messages.received
    expect(state === 'Established', `${peer} is ${state}`)
    expect(open === 1 && notification === 0, `${peer}: ${open} OPENs and ${notification} NOTIFICATIONs from there`)
    expect((messages.sent.notification ?? 0) === 0, `${peer === source.host.ipv4 ? 'the source' : peer} was told off`)
  }
}

const answered = async (all: Scene, rows: readonly Row[]): Promise<void> => {
  // The good route comes last: whatever is before it has been judged by then.
  await eventually(async () => {
    expect(
      (await all.agent.routes()).some(({ prefix }) => prefix === GOOD),
      'the good route is not there',
    )
    expect(
      (await all.collector.heard()).some(({ prefixes }) => prefixes.includes(GOOD)),
      'it did not go on',
    )
  })
  await eventually(
    async () => {
      const held = await all.agent.routes()
      const faults: string[] = []
      for (const [at, row] of rows.entries()) {
        const prefix = prefixOf(row, at)
        faults.push(...differences(row, prefix, held), ...(await onwardDifferences(all, row, prefix)))
      }
      expect(faults.length === 0, faults.join('; '))
    },
    { within: 8_000 },
  )
  // Attributes of its own, so a message of its own: none was left out by the source.
  const told =
    (await all.agent.protocols()).find(({ peer }) => peer === all.source.host.ipv4)?.messages.received.update ?? 0
  expect(told > rows.length, `${told} messages for ${rows.length} routes`)
  await unharmed(all)
}

const numbers = (count: number, first: number): readonly number[] =>
  Array.from({ length: count }, (_, at) => first + at)

const COMMUNITIES = numbers(900, 1).map((low) => `65001:${low}`)
const LONG_PATH = [ROUTER_AS, ...numbers(600, 100_000)]

const STRANGE: readonly Row[] = [
  {
    what: 'unknown, optional and transitive: goes on, marked as Partial (RFC 4271 §5)',
    says: 'self attribute [ 0x63 0xc0 0xdeadbeef ]',
    held: {},
    onward: { 'attribute-0x63-0xE0': '0xdeadbeef' },
  },
  {
    what: 'unknown, optional and transitive, Partial already',
    says: 'self attribute [ 0x64 0xe0 0x01 ]',
    held: {},
    onward: { 'attribute-0x64-0xE0': '0x01' },
  },
  {
    what: 'unknown, optional and not transitive: goes no further',
    says: 'self attribute [ 0x65 0x80 0x0203 ]',
    held: {},
    onward: { 'attribute-0x65-0x80': undefined, 'attribute-0x65-0xA0': undefined },
  },
  {
    what: 'unknown and 1,000 octets long',
    says: `self attribute [ 0x66 0xc0 0x${'5a'.repeat(1_000)} ]`,
    held: {},
    onward: { 'attribute-0x66-0xF0': `0x${'5a'.repeat(1_000)}` },
  },
  {
    what: `${COMMUNITIES.length} communities`,
    says: `self community [ ${COMMUNITIES.join(' ')} ]`,
    held: { communities: [...COMMUNITIES].sort() },
  },
  {
    what: 'a path of 601 AS numbers in several segments',
    says: `self as-path [ ${LONG_PATH.join(' ')} ]`,
    held: { asPath: LONG_PATH.join(' ') },
  },
  {
    what: 'the same large community three times: once (RFC 8092 §3)',
    says: 'self attribute [ 0x20 0xc0 0x000000010000000200000003000000010000000200000003000000010000000200000003 ]',
    held: { largeCommunities: ['1:2:3'] },
  },
  {
    what: 'a next hop that is somebody else on the link',
    says: '10.77.0.2 med 4294967295',
    held: { nextHop: '10.77.0.2', med: 4_294_967_295 },
  },
  {
    what: 'ORIGIN INCOMPLETE and an aggregate',
    says: 'self origin incomplete atomic-aggregate aggregator ( 65001:10.77.0.1 )',
    held: { origin: 'incomplete' },
    onward: { 'atomic-aggregate': true, aggregator: '65001:10.77.0.1' },
  },
  {
    what: 'the Extended Length bit for one octet',
    says: 'self attribute [ 0x04 0x90 0x00000007 ]',
    held: { med: 7 },
  },
  {
    what: 'an extended community of a type nobody knows',
    says: 'self attribute [ 0x10 0xc0 0x3f00000000000001 ]',
    held: {},
  },
  {
    what: 'an extended community that stays inside its AS: goes no further (RFC 4360 §6)',
    says: 'self attribute [ 0x10 0xc0 0x4004fde900000001 ]',
    held: {},
    onward: { 'extended-community': undefined },
  },
  { what: 'IPv6 over the IPv4 session', six: true, says: 'fd77::1', held: { nextHop: 'fd77::1' } },
]

const FLOW = 'flow { route { match { source 10.9.0.0/24; } then { discard; } } }'

/** Families, capabilities and routes of families we never asked for stand in the OPEN; the session has our two. */
const strange: Case = {
  name: 'exabgp: strange but legal routes are taken in and passed on as their RFCs say',
  speakers: 'once',
  async run(bench) {
    const families = ['ipv4 unicast', 'ipv6 unicast', 'ipv4 flow', 'ipv6 flow', 'ipv4 mpls-vpn', 'l2vpn vpls']
    const capabilities = ['operational enable', 'aigp enable', 'extended-message enable']
    const all = await scene(bench, { source: { families, capabilities, lines: [FLOW], routes: routesOf(STRANGE) } })
    await answered(all, STRANGE)
  },
}

const REFUSED: readonly Row[] = [
  ['ORIGIN 5', '[ 0x01 0x40 0x05 ]'],
  ['ORIGIN of no octets', '[ 0x01 0x40 0x ]'],
  ['ORIGIN marked optional', '[ 0x01 0xc0 0x00 ]'],
  ['AS_PATH with a segment of type 7', '[ 0x02 0x40 0x07010000fde9 ]'],
  ['AS_PATH with a segment past its end', '[ 0x02 0x40 0x02050000fde9 ]'],
  ['AS_PATH with a segment of none', '[ 0x02 0x40 0x02010000fde90200 ]'],
  ['AS_PATH with an AS_SET (RFC 9774)', '[ 0x02 0x40 0x02010000fde901020000fdf30000fdf4 ]'],
  ['AS_PATH with AS 0 (RFC 7607)', '[ 0x02 0x40 0x02020000fde900000000 ]'],
  ['AS_PATH with our own AS', '[ 0x02 0x40 0x02020000fde90000fc00 ]'],
  ['AS_PATH that begins with another AS', '[ 0x02 0x40 0x02010000fdea ]'],
  ['AS_PATH of none from outside', '[ 0x02 0x40 0x ]'],
  ['MED of 3 octets', '[ 0x04 0x80 0x000007 ]'],
  ['MED marked transitive', '[ 0x04 0xc0 0x00000007 ]'],
  ['COMMUNITIES of 5 octets', '[ 0x08 0xc0 0xfde9006400 ]'],
  ['COMMUNITIES of none', '[ 0x08 0xc0 0x ]'],
  ['COMMUNITIES not marked transitive', '[ 0x08 0x80 0xfde90064 ]'],
  ['EXTENDED_COMMUNITIES of 7 octets', '[ 0x10 0xc0 0x00020000000001 ]'],
  ['LARGE_COMMUNITIES of 11 octets', '[ 0x20 0xc0 0x0000000100000002000003 ]'],
  ['ONLY_TO_CUSTOMER of 3 octets', '[ 0x23 0xc0 0x00fde9 ]'],
].map(([what = '', bytes = '']) => ({ what, says: `self attribute ${bytes}` }))

/** RFC 7606, section 7: the route stands without the attribute. */
const DISCARDED: readonly Row[] = [
  {
    what: 'ATOMIC_AGGREGATE of 1 octet',
    says: 'self attribute [ 0x06 0x40 0x00 ]',
    held: {},
    onward: { 'atomic-aggregate': undefined },
  },
  {
    what: 'AGGREGATOR of 5 octets',
    says: 'self attribute [ 0x07 0xc0 0x0102030405 ]',
    held: {},
    onward: { aggregator: undefined },
  },
  {
    what: 'AS4_PATH from a neighbor of four-octet AS numbers',
    says: 'self attribute [ 0x11 0xc0 0x020100010001 ]',
    held: { asPath: `${ROUTER_AS}` },
    onward: { 'as4-path': undefined },
  },
  {
    what: 'ORIGINATOR_ID and CLUSTER_LIST from outside',
    says: 'self originator-id 1.2.3.4 cluster-list [ 5.6.7.8 ]',
    held: {},
    onward: { 'originator-id': undefined, 'cluster-list': undefined },
  },
]

const illegal: Case = {
  name: 'exabgp: illegal attributes cost their own routes and nothing else (RFC 7606)',
  speakers: 'once',
  async run(bench) {
    const rows = [...REFUSED, ...DISCARDED]
    await answered(await scene(bench, { source: { routes: routesOf(rows) } }), rows)
  },
}

/** What is discarded from outside is treated as withdrawn from inside (RFC 7606, sections 7.5, 7.9 and 7.10). */
const FROM_INSIDE: readonly Row[] = [
  { what: 'LOCAL_PREF of 3 octets', says: 'self attribute [ 0x05 0x40 0x000064 ]' },
  { what: 'ORIGINATOR_ID of 3 octets', says: 'self attribute [ 0x09 0x80 0x010203 ]' },
  { what: 'CLUSTER_LIST of none', says: 'self attribute [ 0x0a 0x80 0x ]' },
  { what: 'an empty AS_PATH is right here', says: 'self', held: { asPath: '', localPref: 100 } },
  {
    what: 'a path with a confederation in it: outside it has none (RFC 5065 §5.3)',
    says: 'self attribute [ 0x02 0x40 0x03010000fdeb02010000fdec ]',
    held: {},
    onward: { 'as-path': [CLUSTER_AS, 65004] },
  },
  { what: 'LOCAL_PREF at its largest', says: 'self local-preference 4294967295', held: { localPref: 4_294_967_295 } },
]

const fromInside: Case = {
  name: 'exabgp: illegal attributes from inside the AS',
  speakers: 'once',
  async run(bench) {
    const rows = FROM_INSIDE
    await answered(await scene(bench, { internal: true, source: { routes: routesOf(rows) } }), rows)
  },
}

/** A route that was good and is told again with a fault is gone; told again as it was, it is back. */
const comesAndGoes: Case = {
  name: 'exabgp: a good route is announced again with a fault, and then without one',
  speakers: 'once',
  async run(bench) {
    const route = '10.244.100.0/24'
    const all = await scene(bench, { source: { routes: [`${route} next-hop self`, `${GOOD} next-hop self`] } })
    const seen = (there: boolean): Promise<void> =>
      eventually(async () => {
        const held = (await all.agent.routes()).map(({ prefix }) => prefix)
        expect(held.includes(GOOD), 'the good route is gone')
        expect(held.includes(route) === there, `${route} is ${there ? 'not ' : ''}there`)
      })
    await seen(true)
    await all.source.tell(`announce route ${route} next-hop self attribute [ 0x01 0x40 0x05 ]`)
    await seen(false)
    await all.source.tell(`announce route ${route} next-hop self`)
    await seen(true)
    await all.source.tell(`withdraw route ${route} next-hop self`)
    await seen(false)
    await unharmed(all)
  },
}

/** ExaBGP takes multicast addresses for another address family. */
const MARTIANS = ['0.0.0.0/8', '127.0.0.0/8', '255.255.255.255/32', 'fe80::/64', '::1/128']
const ORDINARY = ['0.0.0.0/0', '100.64.0.0/10', '240.0.0.0/4', 'fc00::/7']

/** A filter that takes everything does not make them routes. */
const martians: Case = {
  name: 'exabgp: what no route may lead to is ignored, whatever filter asks for it',
  speakers: 'once',
  async run(bench) {
    const everything = [{ action: 'Accept' }]
    const open = bgpFilter('open', { importV4: everything, importV6: everything })
    const nextHop = (prefix: string) => (prefix.includes(':') ? 'fd77::1' : 'self')
    const routes = [...MARTIANS, ...ORDINARY, GOOD].map((prefix) => `${prefix} next-hop ${nextHop(prefix)}`)
    const all = await scene(bench, { objects: [open], spec: { filters: ['open'] }, source: { routes } })
    const wanted = [...ORDINARY, GOOD].sort().join()
    await eventually(async () => {
      const held = (await all.agent.routes()).map(({ prefix }) => prefix).sort()
      expect(held.join() === wanted, `held: ${held.join()}`)
      const told = (await all.agent.protocols()).find(({ peer }) => peer === all.source.host.ipv4)
      const { received = 0 } = told?.families.ipv4 ?? {}
      expect(received === 7, `${received} of 7 IPv4 routes came`)
    })
    await unharmed(all)
  },
}

const TWICE = '10.244.120.0/24'

/** RFC 7911 and RFC 8950 at once: a path identifier before each prefix, and IPv4 routes in MP_REACH_NLRI. */
const paths: Case = {
  name: 'exabgp: several paths to one prefix, and an IPv4 route with an IPv6 next hop',
  speakers: 'once',
  async run(bench) {
    const told = (path: number) => `${TWICE} path-information 0.0.0.${path} next-hop 10.77.0.${path} med ${path}`
    const six = '10.244.121.0/24'
    const all = await scene(bench, {
      spec: { addPath: { receive: true }, extendedNextHop: true },
      source: {
        capabilities: ['add-path send/receive', 'nexthop enable'],
        lines: ['nexthop { ipv4 unicast ipv6; }'],
        routes: [told(1), told(2), told(3), `${six} next-hop fd77::1`],
      },
    })
    const hold = (...expected: readonly string[]): Promise<void> =>
      eventually(async () => {
        const held = (await all.agent.routes()).map(({ prefix, nextHop, med }) => `${prefix} ${nextHop} ${med ?? 0}`)
        expect(held.sort().join() === expected.join(), `we hold ${held.join(', ')}`)
      })
    const by = (path: number) => `${TWICE} 10.77.0.${path} ${path}`
    await hold(by(1), by(2), by(3), `${six} fd77::1 0`)
    await all.source.tell(`withdraw route ${told(2)}`)
    await hold(by(1), by(3), `${six} fd77::1 0`)
    await unharmed(all)
  },
}

export const cases: readonly Case[] = [strange, illegal, fromInside, comesAndGoes, martians, paths]
