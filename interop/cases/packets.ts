// Packets from pod to pod, in and out: each side sees the other's true address, and no tunnel is anywhere.

import { ask, askUdp } from '../lab/ask.ts'
import type { Family, Host } from '../lab/lab.ts'
import { linkKinds } from '../lab/pod.ts'
import { type Bench, type Case, expect } from './case.ts'
import { DUAL, FABRIC_LIMIT, Fabric, type FabricShape, needs } from './fabric.ts'

/** Both TCP and UDP get there, and the other side sees this address. */
export const seenAs = async (from: Host, address: string, client: string): Promise<void> => {
  const seen = await ask(from, address)
  expect(seen.client === client, `${from.name} to ${address}: seen as ${seen.client}, not ${client}`)
  const udp = await askUdp(from, address)
  expect(udp === client, `${from.name} to ${address} over UDP: seen as ${udp}, not ${client}`)
}

const everywhere = async (bench: Bench, shape: FabricShape): Promise<void> => {
  const fabric = await Fabric.build(bench, shape)
  const one = await fabric.answeringPod(1, 'pod-1')
  const beside = await fabric.answeringPod(1, 'pod-1b')
  const rack = await fabric.answeringPod(2)
  const far = await fabric.answeringPod(3)
  for (const family of shape.pods) {
    await seenAs(one.host, beside[family], one[family])
    await seenAs(one.host, rack[family], one[family])
    await seenAs(one.host, far[family], one[family])
    await seenAs(far.host, rack[family], far[family])
    await seenAs(fabric.client, far[family], fabric.client.address(family))
    await seenAs(one.host, fabric.server.address(family), one[family])
  }
  for (const family of shape.underlay) {
    if (!shape.pods.includes(family)) continue
    await seenAs(fabric.node(2).host, far[family], fabric.node(2).host.address(family))
    await seenAs(fabric.node(3).host, one[family], fabric.node(3).host.address(family))
    await ownPod(fabric.node(1).host, one[family], family)
  }
  await noTunnel(bench)
}

/** The plugin chooses which of the node's addresses its own pods see: any of them, but one of them. */
const ownPod = async (node: Host, address: string, family: Family): Promise<void> => {
  const { client } = await ask(node, address)
  const own = await node.must(['ip', family === 'ipv4' ? '-4' : '-6', '-o', 'address', 'show'])
  expect(own.includes(` ${client}/`), `${node.name} to its own pod ${address}: seen as ${client}`)
}

/** Whatever a host of the lab has, it is a cable or a bridge. */
export const noTunnel = async ({ lab }: Bench): Promise<void> => {
  for (const host of lab.allHosts) {
    const others = (await linkKinds(host)).filter((kind) => kind !== 'veth' && kind !== 'bridge')
    expect(others.length === 0, `${host.name} has links of kind ${others.join(', ')}`)
    for (const flag of ['-4', '-6']) {
      const routes = await host.must(['ip', flag, 'route', 'show', 'table', 'all'])
      expect(!/\bencap\b/.test(routes), `${host.name} has a route with encapsulation`)
    }
  }
}

const reach = (name: string, shape: FabricShape): Case => ({
  name: `packets: ${name}`,
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    await everywhere(bench, shape)
  },
})

export const cases: readonly Case[] = [
  reach('pods, nodes and the outside reach each other by true addresses, over no tunnel', DUAL),
  reach('the same with pods on a bridge', { ...DUAL, plugin: 'bridge' }),
  reach('the same in a cluster of IPv6 only', { underlay: ['ipv6'], pods: ['ipv6'] }),
  reach('the same with IPv4 pods over links of IPv6 only (RFC 8950)', { underlay: ['ipv6'], pods: ['ipv4', 'ipv6'] }),
]
