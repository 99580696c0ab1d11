// An agent that stood still, and one that is flooded: nobody who lives is taken for dead.

import { fileURLToPath } from 'node:url'
import { bgpPeer, ipPool } from '../lab/manifests.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { type Case, expect } from './case.ts'
import { Cluster, configuration, POOLS, ROUTER_AS } from './rack.ts'

const CROWD = fileURLToPath(new URL('../lab/crowd.ts', import.meta.url))
const SIZE = 5
const ROUTES = 300_000
const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const stall: Case = {
  name: 'stall: four seconds of standing still, and 300,000 routes, end none of five sessions with a hold time of 3 s',
  speakers: 'once',
  async run({ lab }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const crowd = await lab.host('crowd', 2)
    const addresses = Array.from({ length: SIZE }, (_, index) => `10.77.0.${100 + index}`)
    for (const address of addresses) await crowd.must(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0'])
    const peers = addresses.map((address, index) =>
      bgpPeer(`crowd-${index}`, address, ROUTER_AS, { passive: true, holdTime: '3s' }),
    )
    await cluster.manifests.put(configuration(), ...POOLS, ipPool('flood', '20.0.0.0/8'), ...peers)
    await agent.start()
    const speakers = crowd.start('crowd', [
      ...[process.execPath, CROWD, host.ipv4, String(ROUTER_AS), '3', String(ROUTES)],
      ...addresses,
    ])
    const up = async (): Promise<void> => {
      const states = (await agent.protocols()).map(({ state }) => state)
      expect(states.filter((state) => state === 'Established').length === SIZE, `sessions are ${states.join(', ')}`)
    }
    await eventually(up)
    process.kill(agent.pid, 'SIGSTOP')
    await pause(2_000)
    process.kill(speakers.pid, 'SIGUSR2')
    await pause(2_000)
    process.kill(agent.pid, 'SIGCONT')
    await eventually(async () => {
      const { ipv4 } = await agent.show<{ ipv4: { paths: number } }>('route', 'count')
      expect(ipv4.paths >= ROUTES, `${ipv4.paths} paths have come`)
    })
    await throughout(4_000, up)
    const lost = (await agent.protocols()).filter(({ messages }) => (messages.received.open ?? 0) !== 1)
    expect(lost.length === 0, `lost meanwhile: ${lost.map(({ name }) => name).join(', ')}`)
  },
}

export const cases: readonly Case[] = [stall]
