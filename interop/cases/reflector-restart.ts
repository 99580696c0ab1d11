// A route reflector whose agent restarts: traffic between its clients does not pass it, and must not notice.

import { readFile } from 'node:fs/promises'
import type { Agent } from '../lab/agent.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { bgpPeer, kubeNode } from '../lab/manifests.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { ip } from '../lab/wire.ts'
import type { Router } from '../speakers/speaker.ts'
import { Streams } from '../traffic/streams.ts'
import { type Bench, type Case, expect } from './case.ts'
import { CLUSTER_AS, Cluster, configuration, POOLS, routerNetworks } from './rack.ts'

/** FRR writes to the kernel by itself. */
const BIRD_WRITES = FAMILIES.map(
  (family) => `protocol kernel { ${family} { import none; export where source = RTS_BGP; }; }`,
)

const networkOf = (number: number, family: Family): string =>
  family === 'ipv4' ? `10.244.${200 + number}.0/24` : `fd00:244:${200 + number}::/64`
/** In the network of a client. */
const inside = (number: number, family: Family): string => networkOf(number, family).replace(/0\/24|\/64/, '1')

const client = async ({ lab, speaker }: Bench, reflector: Host, number: number): Promise<Router> => {
  const host = await lab.host(`router-${number}`, number)
  await ip(
    host,
    FAMILIES.map((family) => `address add ${inside(number, family)}/${family === 'ipv4' ? 32 : 128} dev lo`),
  )
  return speaker.start(host, {
    asn: CLUSTER_AS,
    neighbors: [{ address: reflector.ipv4, asn: CLUSTER_AS }],
    networks: routerNetworks(number),
    globals: speaker.kind === 'bird' ? BIRD_WRITES : [],
    kernel: true,
  })
}

/** The client has the other one's networks in its kernel. */
const reaches = async ({ host }: Router, other: number): Promise<void> => {
  for (const family of FAMILIES) {
    const flag = family === 'ipv4' ? '-4' : '-6'
    const routes = await host.must(['ip', flag, 'route', 'show', networkOf(other, family)])
    expect(routes.includes(' via '), `${host.name} has no route to ${networkOf(other, family)}`)
  }
}

const selected = async (agent: Agent): Promise<number> =>
  (await readFile(agent.log, 'utf8')).split('\n').filter((line) => line.includes('"selected"')).length

const restart: Case = {
  name: 'restart: a reflector is killed, and then stopped, and is back: its clients lose no route and no packet',
  speakers: ['frr', 'bird'],
  async run(bench) {
    const cluster = new Cluster(bench.lab)
    const { host, agent } = await cluster.node(1)
    const node = kubeNode(host, ['10.244.1.0/24', 'fd00:244:1::/64'])
    const annotations = { 'godwit.dev/routeReflectorClusterID': '244.0.0.1' }
    const peers = [1, 2].map((number) => bgpPeer(`router-${number}`, `10.77.0.${number}`, CLUSTER_AS))
    const reflector = { ...node, metadata: { ...node.metadata, annotations } as never }
    await cluster.manifests.put(reflector, configuration(), ...POOLS, ...peers)
    const [one, two] = [await client(bench, host, 1), await client(bench, host, 2)]
    await agent.start()
    const whole = async (): Promise<void> => {
      await reaches(one, 2)
      await reaches(two, 1)
    }
    await eventually(whole, { within: 60_000 })
    const monitors = [one, two].map((router) => router.host.start('monitor', ['ip', 'monitor', 'route']))
    const flows = FAMILIES.flatMap((family) => [
      { name: `${family} to 2`, family, from: one.host, to: inside(2, family), at: [two.host] },
      { name: `${family} to 1`, family, from: two.host, to: inside(1, family), at: [one.host] },
    ])
    const streams = await Streams.start(flows)
    for (const [round, end] of [() => agent.kill(), () => agent.stop()].entries()) {
      await end()
      await throughout(3_000, whole)
      await agent.start()
      const isBack = async () => expect((await selected(agent)) > round, 'the new agent has not selected routes yet')
      await eventually(isBack, { within: 60_000 })
      await throughout(3_000, whole)
    }
    const losses = [...(await streams.stop())].filter(([, { lost }]) => lost > 0)
    expect(losses.length === 0, losses.map(([{ name }, { lost, dark }]) => `${name}: ${lost} in ${dark} ms`).join('; '))
    for (const { log } of monitors) {
      const gone = (await readFile(log, 'utf8')).split('\n').filter((line) => line.startsWith('Deleted'))
      expect(gone.length === 0, `went from a kernel: ${gone.join('; ')}`)
    }
  },
}

export const cases: readonly Case[] = [restart]
