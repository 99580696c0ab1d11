// Sessions signed by TCP-AO (RFC 5925), and keys that are changed without a reset. Debian's kernels have it from 7.3 on;
// where this one does not, these cases are skipped.

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { signatures } from '../../src/edge/signatures.ts'
import type { Family } from '../lab/lab.ts'
import { bgpPeer, secret } from '../lab/manifests.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { featureOf, KEY, lacks, SECOND_KEY } from '../speakers/features.ts'
import type { Router } from '../speakers/speaker.ts'
import { type Bench, type Case, expect, routerHolds, Skip, sessionsUp } from './case.ts'
import { agentSessionsUp, CLUSTER_AS, Cluster, configuration, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

const SECRETS = { one: KEY, two: SECOND_KEY }
const ref = (key: keyof typeof SECRETS) => ({ secretKeyRef: { name: 'bgp', key } })
const ONE = { sendID: 1, ...ref('one') }
const TWO = { sendID: 2, algorithm: 'AES-128-CMAC-96', ...ref('two') }

function needAo(): void {
  if (signatures()?.ao !== true) throw new Skip('this kernel has no TCP-AO (CONFIG_TCP_AO)')
}

interface Shape {
  readonly transport?: Family
  readonly dials: 'we' | 'they'
  readonly keyChain: readonly object[] | undefined
}

const scene = async ({ lab, speaker }: Bench, { transport = 'ipv4', dials, keyChain }: Shape) => {
  needAo()
  const cluster = new Cluster(lab)
  const node = await cluster.node(1)
  const host = await lab.host('router', 1)
  const spec = { passive: dials === 'they', holdTime: '9s' }
  const peer = (chain: readonly object[] | undefined) =>
    bgpPeer('router', host.address(transport), ROUTER_AS, { ...spec, ...(chain && { keyChain: chain }) })
  await cluster.manifests.put(configuration(), ...POOLS, peer(keyChain), secret('bgp', SECRETS))
  const neighbors = [
    {
      address: node.host.address(transport),
      asn: CLUSTER_AS,
      passive: dials === 'we',
      features: [featureOf(speaker, 'keyChain')],
    },
  ]
  await node.agent.start()
  const router: Router = await speaker.start(host, { asn: ROUTER_AS, neighbors, networks: [] })
  const change = (chain: readonly object[]): Promise<void> => cluster.manifests.put(peer(chain))
  return { cluster, ...node, router, change, ours: podRoutes(node.host, 1, { transport }) }
}

const signed = (transport: Family, dials: 'we' | 'they'): Case => ({
  name: `key chain: a session over ${transport}, ${dials} dial`,
  speakers: 'each',
  lacking: lacks('keyChain'),
  async run(bench) {
    const { router, ours } = await scene(bench, { transport, dials, keyChain: [ONE, TWO] })
    await sessionsUp(router, 1)
    await routerHolds(router, ours)
  },
})

const rollover: Case = {
  name: 'key chain: a key is added, put first and the old one taken away, on both sides, without a reset',
  speakers: 'bird',
  lacking: lacks('keyChain'),
  async run(bench) {
    const { agent, router, ours, change } = await scene(bench, { dials: 'they', keyChain: [ONE] })
    await sessionsUp(router, 1)
    // The hold time is 9 s: a key that one side lacks would end the session.
    const stays = (): Promise<void> => throughout(12_000, () => agentSessionsUp(agent, 1))
    await change([TWO, ONE])
    await stays()
    await change([TWO])
    await stays()
    const file = join(router.host.directory, 'bird.conf')
    const text = readFileSync(file, 'utf8')
    await writeFile(file, text.replace(/ *key \{ id 1;.*\n/, ''))
    expect(text !== readFileSync(file, 'utf8'), 'the router keeps the first key')
    await router.say('configure')
    await stays()
    const [protocol] = await agent.protocols()
    expect(protocol?.timesEstablished === 1, `established ${protocol?.timesEstablished} times`)
    await routerHolds(router, ours)
  },
}

const wrong: Case = {
  name: 'key chain: another key, the key under another ID, or none, never comes up, and the reason says so',
  speakers: 'bird',
  lacking: lacks('keyChain'),
  async run(bench) {
    const { agent, change } = await scene(bench, { dials: 'we', keyChain: [{ ...ONE, ...ref('two') }] })
    const fails = (): Promise<void> =>
      eventually(
        async () => {
          const words = await agent.lastErrors()
          expect(words.includes('it may have another key'), `our last error is “${words}”`)
        },
        { within: 40_000 },
      )
    await fails()
    await change([{ ...ONE, sendID: 7 }])
    await throughout(8_000, async () => {
      const [protocol] = await agent.protocols()
      expect(protocol?.state !== 'Established', 'it came up')
    })
    await change([ONE])
    await agentSessionsUp(agent, 1, { within: 60_000 })
  },
}

const mesh: Case = {
  name: 'key chain: two of ours roll over the chain of the mesh without a reset',
  speakers: 'once',
  async run({ lab }) {
    needAo()
    const cluster = new Cluster(lab)
    const nodes = [await cluster.node(1), await cluster.node(2)]
    const chain = (keys: readonly object[]) => configuration({ nodeToNodeMeshEnabled: true, nodeMeshKeyChain: keys })
    await cluster.manifests.put(chain([ONE]), ...POOLS, secret('bgp', SECRETS))
    for (const { agent } of nodes) await agent.start()
    for (const { agent } of nodes) await agentSessionsUp(agent, 1)
    for (const keys of [[TWO, ONE], [TWO]]) {
      await cluster.manifests.put(chain(keys))
      await throughout(4_000, async () => {
        for (const { agent } of nodes) await agentSessionsUp(agent, 1)
      })
    }
    for (const { agent } of nodes) {
      const [protocol] = await agent.protocols()
      expect(protocol?.timesEstablished === 1, `established ${protocol?.timesEstablished} times`)
    }
  },
}

export const cases: readonly Case[] = [
  signed('ipv4', 'we'),
  signed('ipv4', 'they'),
  signed('ipv6', 'we'),
  signed('ipv6', 'they'),
  rollover,
  wrong,
  mesh,
]
