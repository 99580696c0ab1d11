// The lab itself: the speakers among themselves, so that a failing case speaks about us and not about the bench.

import { FAMILIES } from '../lab/lab.ts'
import type { Network } from '../speakers/speaker.ts'
import { type Case, routerHolds, Skip, sessionsUp } from './case.ts'

const networks = (asn: number, number: number): readonly Network[] => [
  { prefix: `10.${number}.1.0/24`, communities: [`${asn}:100`], largeCommunities: [`${asn}:1:2`], med: 7 },
  { prefix: `2001:db8:${number}::/64`, communities: [`${asn}:100`] },
]

const among: Case = {
  name: 'lab: the speakers among themselves',
  speakers: 'each',
  async run({ lab, speaker, present }) {
    const other = present.find((each) => each.kind !== speaker.kind)
    if (other === undefined) throw new Skip('there is no second speaker')
    const [left, right] = [await lab.host('left', 1), await lab.host('right', 2)]
    const one = await speaker.start(left, {
      asn: 65001,
      neighbors: [{ address: right.ipv4, asn: 65002 }],
      networks: networks(65001, 1),
    })
    const two = await other.start(right, {
      asn: 65002,
      neighbors: [{ address: left.ipv4, asn: 65001 }],
      networks: networks(65002, 2),
    })
    await sessionsUp(one, 1)
    const expected = networks(65002, 2).map((network) => ({
      prefix: network.prefix,
      nextHop: right.address(network.prefix.includes(':') ? 'ipv6' : 'ipv4'),
      asPath: '65002',
      origin: 'igp' as const,
      communities: network.communities ?? [],
      largeCommunities: network.largeCommunities ?? [],
    }))
    await routerHolds(one, expected)
    await two.withdraw('10.2.1.0/24')
    await routerHolds(one, expected.slice(1))
    await two.kill()
    await two.restart()
    await sessionsUp(two, 1)
    await routerHolds(one, expected)
    for (const family of FAMILIES) await two.routes(family)
  },
}

export const cases: readonly Case[] = [among]
