// A node is lost, a link is lost: packets find the ways that are left, and the old ones when they are back.

import { ask } from '../lab/ask.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { ip, kernelRoutes } from '../lab/wire.ts'
import { type Case, expect } from './case.ts'
import { DUAL, FABRIC_LIMIT, Fabric, GODWIT, needs, podCidr } from './fabric.ts'
import { seenAs } from './packets.ts'
import { offer, SERVICE_CIDRS, spineHas, spread } from './packets-services.ts'
import { RESTART_TIME } from './rack.ts'

const cable = (host: Host, name: string, state: 'up' | 'down') => ip(host, [`link set ${name} ${state}`])

const both = (check: (family: Family) => Promise<void>): Promise<void> =>
  eventually(
    async () => {
      for (const family of FAMILIES) await check(family)
    },
    { within: 60_000, every: 500 },
  )

/** What a host has learned leads nowhere: it has no such routes. */
const onlyBlackholes = async (host: Host): Promise<void> => {
  const others = (await kernelRoutes(host, GODWIT)).filter((line) => !line.startsWith('blackhole'))
  expect(others.length === 0, `${host.name} without a link still has ${others.join('; ')}`)
}

const lacks = async (host: Host, number: number): Promise<void> => {
  const routes = (await kernelRoutes(host, GODWIT)).join('\n')
  for (const family of FAMILIES) {
    const prefix = podCidr(number, family)
    expect(!routes.includes(`${prefix} `), `${host.name} still has a route to ${prefix}`)
  }
}

const lostNode: Case = {
  name: 'packets: a node is lost and comes back',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench, {
      ...DUAL,
      configuration: SERVICE_CIDRS,
      peers: { maxRestartTime: RESTART_TIME },
    })
    const [one, two, three] = [await fabric.answeringPod(1), await fabric.answeringPod(2), await fabric.answeringPod(3)]
    await offer(fabric, [one, two, three])
    for (const family of FAMILIES) await spineHas(fabric, family)
    await both((family) => spread(fabric, family, [one, two, three]))
    const leaf = fabric.leaves[0] ?? fabric.client
    await cable(leaf, 'node-2', 'down')
    await eventually(() => onlyBlackholes(fabric.node(2).host), { within: 10_000, every: 100 })
    // The leaf waits for the hold time, as nodes hang on a bridge of it that stays up, and then for the restart time.
    await both((family) => spread(fabric, family, [one, three]))
    // Its kernel may pass over a dead next hop of several before BGP does.
    for (const number of [1, 3])
      await eventually(() => lacks(fabric.node(number).host, 2), { within: 60_000, every: 500 })
    await cable(leaf, 'node-2', 'up')
    await both((family) => spread(fabric, family, [one, two, three]))
  },
}

const lostLink: Case = {
  name: 'packets: a link between leaf and spine is lost and comes back',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench)
    const [one, three] = [await fabric.answeringPod(1), await fabric.answeringPod(3)]
    const spine = fabric.spines[0] ?? fabric.client
    const reached = async (family: Family): Promise<void> => {
      await seenAs(fabric.client, one[family], fabric.client.address(family))
      await seenAs(one.host, three[family], one[family])
      await seenAs(three.host, one[family], three[family])
    }
    await both(reached)
    await cable(spine, 'leaf-1', 'down')
    await both(reached)
    await cable(spine, 'leaf-1', 'up')
    await both(reached)
    await stillOne(fabric, one)
  },
}

const stillOne = async (fabric: Fabric, pod: Pod): Promise<void> => {
  for (const family of FAMILIES) {
    const { client } = await ask(pod.host, fabric.server.address(family))
    expect(client === pod[family], `${pod.host.name} seen as ${client}`)
  }
}

export const cases: readonly Case[] = [lostNode, lostLink]
