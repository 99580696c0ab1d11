// Nodes with two uplinks to two leaves: traffic takes both, and when a link or its address is lost, what went over it goes
// over the other one within a second, long before a hold time is over.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { answer, askMany } from '../lab/ask.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { bgpPeer, kubeNode, Manifests } from '../lab/manifests.ts'
import { addPod, type Pod } from '../lab/pod.ts'
import { soon } from '../lab/soon.ts'
import { eventually } from '../lab/wait.ts'
import { forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import { type Bench, type Case, expect } from './case.ts'
import { FABRIC_LIMIT, GODWIT, needs, podCidr, pool } from './fabric.ts'
import { renderFabricRouter } from './fabric-frr.ts'
import { seenAs } from './packets.ts'
import { CLUSTER_AS, configuration } from './rack.ts'

const LEAVES = [1, 2] as const
const NUMBERS = [1, 2] as const

const addressOn = (leaf: number, last: number, family: Family): string =>
  family === 'ipv4' ? `10.72.${leaf}.${last}` : `fd72:${leaf}::${last}`
const withLength = (leaf: number, last: number): readonly string[] => [
  `${addressOn(leaf, last, 'ipv4')}/24`,
  `${addressOn(leaf, last, 'ipv6')}/64`,
]

interface Scene {
  readonly hosts: readonly Host[]
  readonly agents: readonly Agent[]
}

const build = async ({ lab, speaker }: Bench): Promise<Scene> => {
  const manifests = new Manifests(join(lab.directory, 'cluster'))
  const hosts: Host[] = []
  for (const number of NUMBERS) {
    const addresses = { ipv4: addressOn(1, 10 + number, 'ipv4'), ipv6: addressOn(1, 10 + number, 'ipv6') }
    const host = await lab.bare(`node-${number}`, addresses)
    await forward(host)
    hosts.push(host)
  }
  await manifests.put(
    // Each leaf is an AS of its own: the ways are equally long and not the same.
    configuration({ multipath: { relax: true } }),
    ...FAMILIES.map((family) => pool(family)),
    ...hosts.map((host, index) =>
      kubeNode(
        host,
        FAMILIES.map((family) => podCidr(index + 1, family)),
      ),
    ),
    ...LEAVES.flatMap((leaf) =>
      FAMILIES.map((family) =>
        bgpPeer(`leaf-${leaf}-${family}`, addressOn(leaf, 1, family), 65100 + leaf, { numAllowedLocalASNumbers: 1 }),
      ),
    ),
  )
  for (const leaf of LEAVES) {
    const id = addressOn(leaf, 1, 'ipv4')
    const router = await lab.bare(`leaf-${leaf}`, { ipv4: id, ipv6: addressOn(leaf, 1, 'ipv6') })
    await forward(router)
    await ip(router, ['link add rack type bridge', 'link set rack up'])
    await ip(
      router,
      withLength(leaf, 1).map((address) => `address add ${address} dev rack${address.includes(':') ? ' nodad' : ''}`),
    )
    for (const [index, host] of hosts.entries()) {
      await wire(
        { host, name: `up${leaf}`, addresses: withLength(leaf, 11 + index) },
        { host: router, name: host.name, bridge: 'rack' },
      )
    }
    const neighbors = NUMBERS.flatMap((number) =>
      FAMILIES.map((family) => ({ address: addressOn(leaf, 10 + number, family), asn: CLUSTER_AS })),
    )
    const shape = { name: router.name, id, asn: 65100 + leaf, neighbors, underlay: FAMILIES, families: FAMILIES }
    await speaker.start(router, { asn: shape.asn, neighbors: [], raw: renderFabricRouter(shape), kernel: true })
  }
  const agents = hosts.map((host) => new Agent(host, manifests, { linux: true, cni: 'ptp' }))
  await Promise.all(agents.map((agent) => agent.start()))
  return { hosts, agents }
}

/** Our route to the pods of the other node goes over exactly these uplinks. */
const goesOver = async (host: Host, number: number, family: Family, leaves: readonly number[]): Promise<void> => {
  const way = `${podCidr(number, family)} `
  const line = (await kernelRoutes(host, GODWIT)).find((route) => route.startsWith(way)) ?? ''
  const used = LEAVES.filter((leaf) => line.includes(` dev up${leaf} `) || line.endsWith(` dev up${leaf}`))
  expect(
    used.join() === leaves.join(),
    `${host.name} goes over ${used.join() || 'none'}, not ${leaves.join()}: ${line}`,
  )
}

const allGoOver = async ({ hosts }: Scene, leaves: readonly number[]): Promise<void> => {
  for (const [index, host] of hosts.entries()) {
    for (const family of FAMILIES) await goesOver(host, 2 - index, family, leaves)
  }
}

const sentBy = async (host: Host, leaf: number): Promise<number> =>
  Number(await host.must(['cat', `/sys/class/net/up${leaf}/statistics/tx_packets`]))

/** Many connections from pod to pod leave the node by both uplinks. */
const spreads = async (from: Pod, to: Pod, family: Family): Promise<void> => {
  const before = await Promise.all(LEAVES.map((leaf) => sentBy(from.node, leaf)))
  const answers = await askMany(from.host, to[family], 8080, 30)
  expect(answers.length === 30, `${answers.length} of 30 connections over ${family} were answered`)
  const after = await Promise.all(LEAVES.map((leaf) => sentBy(from.node, leaf)))
  const sent = after.map((count, index) => count - (before[index] ?? 0))
  // A connection sends four packets at least, BGP a handful meanwhile.
  expect(Math.min(...sent) >= 20, `over ${family} the uplinks carried ${sent.join(' and ')} packets`)
}

interface Loss {
  readonly what: string
  readonly lose: (node: Host) => Promise<unknown>
}

const LOSSES: readonly Loss[] = [
  { what: 'an uplink that goes down', lose: (node) => ip(node, ['link set up2 down']) },
  // Its link-local address goes as well: by that alone IPv6 would still get through.
  { what: 'the addresses of an uplink', lose: (node) => ip(node, ['address flush dev up2']) },
]

const restore = (node: Host): Promise<string> =>
  ip(node, [
    ...['link set up2 down', 'link set up2 up'],
    ...withLength(2, 11).map((address) => `address replace ${address} dev up2${address.includes(':') ? ' nodad' : ''}`),
  ])

/** Words about links, addresses and routes from now on. */
const listen = async (node: Host, name: string) => {
  const monitor = node.start(name, ['ip', '-o', 'monitor', 'label', 'route', 'link', 'address'])
  await eventually(async () => {
    await node.run(['ip', 'route', 'replace', 'blackhole', '192.0.2.99', 'proto', '99'])
    await node.run(['ip', 'route', 'del', 'blackhole', '192.0.2.99', 'proto', '99'])
    expect((await readFile(monitor.log, 'utf8')).includes('192.0.2.99'), 'ip monitor does not speak')
  })
  return monitor
}

/** Behind the loss our route has one way left. */
const inOrder = async (log: string): Promise<void> => {
  const lines = (await readFile(log, 'utf8')).split('\n')
  const lost = lines.findIndex((line) => /^\[(?:LINK|ADDR)\]/.test(line) && line.includes('up2'))
  const way = `${podCidr(2, 'ipv4')} via ${addressOn(1, 12, 'ipv4')} dev up1 proto ${GODWIT} `
  const ours = lines.findIndex((line, index) => index > lost && line.includes(way))
  expect(lost >= 0 && ours > lost, `not heard behind the loss: ${way}; but ${lines.slice(-10).join(' | ')}`)
}

const uplinks: Case = {
  name: 'packets: nodes with two uplinks use both, and one within a second when the other is lost',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const scene = await build(bench)
    const [node] = scene.hosts
    const [one, two] = await Promise.all(
      scene.agents.map((agent, index) => addPod(bench.lab, agent, `pod-${index + 1}`)),
    )
    if (node === undefined || one === undefined || two === undefined) throw new Error('no nodes')
    for (const pod of [one, two]) await answer(pod.host)
    const settled = () => eventually(() => allGoOver(scene, [1, 2]), { within: 90_000, every: 500 })
    await settled()
    for (const family of FAMILIES) await spreads(one, two, family)

    for (const [index, { what, lose }] of LOSSES.entries()) {
      const heard = await listen(node, `monitor-${index}`)
      const took = await soon(
        `${what}: the way over the other one`,
        async (attempt) => {
          if (attempt > 0) {
            await restore(node)
            await settled()
          }
          await lose(node)
        },
        async () => {
          for (const family of FAMILIES) await goesOver(node, 2, family, [1])
        },
      )
      console.log(`      ${what}: ${took} ms`)
      await eventually(() => inOrder(heard.log))
      await heard.stop()
      for (const family of FAMILIES) await eventually(() => seenAs(one.host, two[family], one[family]))
      await restore(node)
      await settled()
      for (const family of FAMILIES) await spreads(one, two, family)
    }

    // Without any uplink nothing is left but what closes our own prefixes.
    await ip(
      node,
      LEAVES.map((leaf) => `link set up${leaf} down`),
    )
    await eventually(async () => {
      const ways = (await kernelRoutes(node, GODWIT)).filter((line) => !line.startsWith('blackhole'))
      expect(ways.length === 0, `${node.name} without a link still has ${ways.join('; ')}`)
    })
  },
}

export const cases: readonly Case[] = [uplinks]
