// UPDATEs that are wrong, byte by byte (RFC 7606): what they cost here, and that a router behind us hears of nothing wrong.

import { fileURLToPath } from 'node:url'
import { bgpPeer } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect, routerHolds, sessionsUp } from './case.ts'
import { agentSessionsUp, CLUSTER_AS, Cluster, configuration, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

export const PROBE = fileURLToPath(new URL('../lab/probe.ts', import.meta.url))
export const PROBE_AS = 65001

// From a speaker of two-octet AS numbers.
const GOOD = ['40010100', '40020402 01fde9', '4003040a4d0001', 'c00804fde90064']
const TYPE_AT = 2

/** What is wrong, the attribute, and whether its routes stay (RFC 7606 §7). */
const FAULTS: readonly (readonly [what: string, attribute: string, stays: boolean])[] = [
  ['ORIGIN 3', '40010103', false],
  ['AS_PATH with a segment past the end', '40020402 02fde9', false],
  ['MED of 3 octets', '800403000064', false],
  ['empty COMMUNITIES', 'c00800', false],
  ['empty EXTENDED_COMMUNITIES', 'c01000', false],
  ['empty LARGE_COMMUNITIES', 'c02000', false],
  ['an unknown attribute that is not optional', '40630100', false],
  ['ATOMIC_AGGREGATE of 1 octet', '40060100', true],
  ['LOCAL_PREF from outside', '4005040000012c', true],
  ['AGGREGATOR of 3 octets', 'c00703fde90a', true],
]

const u16 = (value: number): string => value.toString(16).padStart(4, '0')

/** A route of 24 bits. */
const update = (attributes: readonly string[], third: number): string => {
  const block = attributes.join('').replaceAll(' ', '')
  const body = `0000${u16(block.length / 2)}${block}180af4${third.toString(16).padStart(2, '0')}`
  return `${'ff'.repeat(16)}${u16(19 + body.length / 2)}02${body}`
}

/** First the good route, then the same with what is wrong in one of three places. */
export const wrong = (attribute: string, place: number, third: number): readonly string[] => {
  const type = attribute.slice(TYPE_AT, TYPE_AT + 2)
  const others = GOOD.filter((good) => good.slice(TYPE_AT, TYPE_AT + 2) !== type)
  const at = [0, others.length >> 1, others.length][place] ?? 0
  return [update(GOOD, third), update(others.toSpliced(at, 0, attribute), third)]
}

const malformed: Case = {
  name: 'errors: a malformed UPDATE costs its own routes, and a router behind us hears of nothing wrong',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const [from, to] = [await lab.host('probe', 1), await lab.host('router', 2)]
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('probe', from.ipv4, PROBE_AS, { passive: true }),
      bgpPeer('router', to.ipv4, ROUTER_AS + 1, { advertiseLearned: true }),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    const router = await speaker.start(to, { asn: ROUTER_AS + 1, neighbors })
    await agent.start()
    await sessionsUp(router, 1)
    const rows = FAULTS.flatMap(([what, attribute, stays], index) =>
      [0, 1, 2].map((place) => ({ what, attribute, stays, place, third: 100 + index * 3 + place })),
    )
    const sentinel = 99
    const messages = [...rows.flatMap((row) => wrong(row.attribute, row.place, row.third)), update(GOOD, sentinel)]
    from.start('probe', [process.execPath, PROBE, host.ipv4, String(PROBE_AS), '90', from.ipv4, ...messages])
    const kept = [...rows.filter(({ stays }) => stays).map(({ third }) => third), sentinel]
    const expected = kept.map((third) => ({
      prefix: `10.244.${third}.0/24`,
      nextHop: host.ipv4,
      asPath: `${CLUSTER_AS} ${PROBE_AS}`,
      origin: 'igp' as const,
      communities: ['65001:100'],
    }))
    await routerHolds(router, [...podRoutes(host, 1, { transport: 'ipv4' }), ...expected])
    await eventually(async () => {
      const held = (await agent.routes()).map(({ prefix }) => prefix).sort()
      const wanted = expected.map(({ prefix }) => prefix).sort()
      expect(held.join(' ') === wanted.join(' '), `we hold ${held.join(' ')}`)
    })
    await agentSessionsUp(agent, 2)
    await sessionsUp(router, 1)
  },
}

export const cases: readonly Case[] = [malformed]
