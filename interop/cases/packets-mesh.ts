// One network, no leaf asked: nodes on one bridge tell each other their pods over an iBGP mesh and send packets straight to
// one another; a router on the same bridge is the way out, and knows the pods by eBGP.

import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { answer } from '../lab/ask.ts'
import { FAMILIES, type Host } from '../lab/lab.ts'
import { bgpPeer, kubeNode, Manifests } from '../lab/manifests.ts'
import { addPod, type Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, forward, kernelRoutes, wire } from '../lab/wire.ts'
import { type Bench, type Case, expect } from './case.ts'
import { FABRIC_LIMIT, GODWIT, needs, podCidr, pool } from './fabric.ts'
import { renderFabricRouter } from './fabric-frr.ts'
import { noTunnel, seenAs } from './packets.ts'
import { CLUSTER_AS, configuration, ROUTER_AS } from './rack.ts'

const NUMBERS = [1, 2, 3] as const
const OUTSIDE = { ipv4: '198.18.1.10', ipv6: '2001:db8:18:1::10' }
const GATEWAY = { ipv4: '198.18.1.1', ipv6: '2001:db8:18:1::1' }

export interface MeshNode {
  readonly number: number
  readonly host: Host
  readonly agent: Agent
}

export interface MeshScene {
  readonly manifests: Manifests
  readonly nodes: readonly MeshNode[]
  readonly router: Host
  readonly outside: Host
}

export const buildMesh = async (
  { lab, speaker }: Bench,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<MeshScene> => {
  const router = await lab.host('router', 1)
  await forward(router)
  const outside = await lab.bare('outside', OUTSIDE)
  const both = ({ ipv4, ipv6 }: typeof OUTSIDE) => [`${ipv4}/24`, `${ipv6}/64`]
  await wire(
    { host: outside, name: 'eth0', addresses: both(OUTSIDE) },
    { host: router, name: 'outside', addresses: both(GATEWAY) },
  )
  await defaultRoutes(outside, [GATEWAY.ipv4, GATEWAY.ipv6])
  await answer(outside)

  const manifests = new Manifests(join(lab.directory, 'cluster'))
  const nodes: MeshNode[] = []
  for (const number of NUMBERS) {
    const host = await lab.host(`node-${number}`, 10 + number)
    await forward(host)
    await defaultRoutes(host, [router.ipv4, router.ipv6])
    nodes.push({ number, host, agent: new Agent(host, manifests, { linux: true, cni: 'ptp' }) })
  }
  await manifests.put(
    configuration({ nodeToNodeMeshEnabled: true, ...spec }),
    ...FAMILIES.map((family) => pool(family)),
    bgpPeer('router', router.ipv4, ROUTER_AS),
    ...nodes.map(({ host, number }) =>
      kubeNode(
        host,
        FAMILIES.map((family) => podCidr(number, family)),
      ),
    ),
  )
  const neighbors = nodes.map(({ host }) => ({ address: host.ipv4, asn: CLUSTER_AS }))
  const shape = { name: 'router', id: router.ipv4, asn: ROUTER_AS, neighbors, families: FAMILIES }
  // Both families over the one session that the agents carry them in.
  const raw = renderFabricRouter({ ...shape, underlay: ['ipv4'] })
  await speaker.start(router, { asn: ROUTER_AS, neighbors: [], raw, kernel: true })
  await Promise.all(nodes.map(({ agent }) => agent.start()))
  await settled(nodes, router)
  return { manifests, nodes, router, outside }
}

/** Each node goes straight to the node that has the pods, the router as well. */
const settled = (nodes: readonly MeshNode[], router: Host): Promise<void> =>
  eventually(
    async () => {
      for (const from of [...nodes.map(({ host }) => host), router]) {
        const routes = await kernelRoutes(from, from === router ? 'bgp' : GODWIT)
        for (const { host, number } of nodes.filter((node) => node.host !== from)) {
          for (const family of FAMILIES) {
            const way = `${podCidr(number, family)} `
            const line = routes.find((route) => route.startsWith(way))
            expect(line?.includes(` via ${host.address(family)} `) === true, `${from.name} to ${way}: ${line}`)
          }
        }
      }
    },
    { within: 90_000, every: 500 },
  )

/** One that answers. */
export const podOnEach = async ({ lab }: Bench, nodes: readonly MeshNode[]): Promise<readonly Pod[]> => {
  const pods: Pod[] = []
  for (const { agent, number } of nodes) {
    const pod = await addPod(lab, agent, `pod-${number}`)
    await answer(pod.host)
    pods.push(pod)
  }
  return pods
}

const mesh: Case = {
  name: 'packets: three nodes on one network, a mesh between them and a router for the outside',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const { nodes, outside } = await buildMesh(bench)
    const pods = await podOnEach(bench, nodes)
    for (const family of FAMILIES) {
      for (const [index, pod] of pods.entries()) {
        const next = pods[(index + 1) % pods.length] ?? pod
        await seenAs(pod.host, next[family], pod[family])
        await seenAs(next.node, pod[family], next.node.address(family))
      }
      const [first] = pods
      if (first === undefined) continue
      await seenAs(first.host, outside.address(family), first[family])
      await seenAs(outside, first[family], outside.address(family))
    }
    await noTunnel(bench)
  },
}

export const cases: readonly Case[] = [mesh]
