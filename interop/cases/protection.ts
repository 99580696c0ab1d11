// Sessions with a key of TCP-MD5, with TTL security, and what happens when a key is missing, wrong or another.

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Family } from '../lab/lab.ts'
import { bgpPeer, secret } from '../lab/manifests.ts'
import { must } from '../lab/run.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { type FEATURES, featureOf, KEY } from '../speakers/features.ts'
import type { Router, Speaker } from '../speakers/speaker.ts'
import { type Bench, type Case, expect, routerHolds, sessionsUp } from './case.ts'
import { agentHolds, agentSessionsUp, CLUSTER_AS, Cluster, configuration, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

const password = { secretKeyRef: { name: 'bgp', key: 'router' } }

interface Shape {
  readonly transport?: Family
  readonly features: readonly (keyof typeof FEATURES)[]
  readonly spec: Readonly<Record<string, unknown>>
  readonly dials: 'we' | 'they'
  readonly key?: string
}

const scene = async ({ lab, speaker }: Bench, { transport = 'ipv4', features, spec, dials, key }: Shape) => {
  const cluster = new Cluster(lab)
  const node = await cluster.node(1)
  const host = await lab.host('router', 1)
  await cluster.manifests.put(
    configuration(),
    ...POOLS,
    bgpPeer('router', host.address(transport), ROUTER_AS, { ...spec, passive: dials === 'they' }),
    ...(key === undefined ? [] : [secret('bgp', { router: key })]),
  )
  const words = features.map((name) => featureOf(speaker, name))
  const neighbors = [
    { address: node.host.address(transport), asn: CLUSTER_AS, passive: dials === 'we', features: words },
  ]
  if (dials === 'they') await node.agent.start()
  const router: Router = await speaker.start(host, { asn: ROUTER_AS, neighbors, networks: [] })
  if (dials === 'we') await node.agent.start()
  return { cluster, ...node, router, ours: podRoutes(node.host, 1, { transport }) }
}

/** The key stands in nothing that the agent writes or answers. */
const keepsSecret = async (
  agent: Awaited<ReturnType<typeof scene>>['agent'],
  ...keys: readonly string[]
): Promise<void> => {
  const answers = await Promise.all(
    [['status'], ['protocols', 'all'], ['route', 'all'], ['memory'], ['filters']].map((words) => agent.show(...words)),
  )
  const metrics = await agent.host.must([process.execPath, '-e', METRICS])
  const all = [JSON.stringify(answers), metrics, readFileSync(agent.log, 'utf8')].join('\n')
  for (const key of keys) {
    for (const form of [key, Buffer.from(key).toString('base64'), Buffer.from(key).toString('hex')]) {
      expect(!all.includes(form), `the key stands in what the agent says: ${form}`)
    }
  }
}

const METRICS = "fetch('http://127.0.0.1:9179/metrics').then((a) => a.text()).then(console.log)"

const withKey = (transport: Family, dials: 'we' | 'they'): Case => ({
  name: `protection: a key over ${transport}, ${dials} dial`,
  speakers: 'each',
  lacking: ({ kind }, version) =>
    dials === 'we' && kind === 'openbgpd' && version.startsWith('7.')
      ? 'the listener of OpenBGPD 7.7 does not answer a SYN with the key; that of 8.8 does, and 7.7 itself dials with it'
      : undefined,
  async run(bench) {
    const spec = { password }
    const { agent, router, ours } = await scene(bench, { transport, features: ['password'], spec, dials, key: KEY })
    await sessionsUp(router, 1)
    await routerHolds(router, ours)
    await keepsSecret(agent, KEY)
  },
})

const ttl = (transport: Family, dials: 'we' | 'they'): Case => ({
  name: `protection: TTL security over ${transport}, ${dials} dial`,
  speakers: 'each',
  async run(bench) {
    const { router, ours } = await scene(bench, {
      transport,
      features: ['ttlSecurity'],
      spec: { ttlSecurity: 1 },
      dials,
    })
    await sessionsUp(router, 1)
    await routerHolds(router, ours)
  },
})

const missing: Case = {
  name: 'protection: a missing key holds the session down, one that comes starts it, one that vanishes ends nothing',
  speakers: 'bird',
  async run(bench) {
    const { cluster, agent, router } = await scene(bench, { features: ['password'], spec: { password }, dials: 'we' })
    const held = async (): Promise<void> => {
      const log = readFileSync(agent.log, 'utf8')
      expect(log.includes('Secret/godwit/bgp is not known'), 'nothing is said of the missing key')
    }
    await eventually(held)
    const key = secret('bgp', { router: KEY })
    await cluster.manifests.put(key)
    await sessionsUp(router, 1)
    await cluster.manifests.remove(key)
    await throughout(3_000, () => sessionsUp(router, 1))
    await router.kill()
    await agentHolds(agent, [])
    await router.restart()
    // Its next loss: it does not come again without its key.
    await throughout(4_000, async () => {
      const [state] = (await agent.protocols()).map((one) => one.state)
      expect(state !== 'Established', 'it came up without its key')
    })
    await cluster.manifests.put(key)
    await sessionsUp(router, 1)
    await keepsSecret(agent, KEY)
  },
}

const wrong: Case = {
  name: 'protection: another key than the router has never comes up, and the reason says so',
  speakers: 'frr',
  async run(bench) {
    const { agent } = await scene(bench, { features: ['password'], spec: { password }, dials: 'we', key: 'sardine-8' })
    await eventually(
      async () => {
        const words = await agent.lastErrors()
        expect(words.includes('it may have another key'), `our last error is “${words}”`)
      },
      { within: 40_000 },
    )
    await keepsSecret(agent, 'sardine-8')
  },
}

const rotation: Case = {
  name: 'protection: two of ours take another key of the mesh without a reset',
  speakers: 'once',
  async run({ lab }) {
    const cluster = new Cluster(lab)
    const nodes = [await cluster.node(1), await cluster.node(2)]
    const mesh = { nodeToNodeMeshEnabled: true, nodeMeshPassword: password }
    await cluster.manifests.put(configuration(mesh), ...POOLS, secret('bgp', { router: KEY }))
    for (const { agent } of nodes) await agent.start()
    for (const { agent } of nodes) await agentSessionsUp(agent, 1)
    const opens = async (): Promise<number> => {
      const all = await Promise.all(nodes.map(({ agent }) => agent.protocols()))
      return all.flat().reduce((sum, { messages }) => sum + (messages.received.open ?? 0), 0)
    }
    const before = await opens()
    for (const key of ['sardine-8', 'halibut-9']) {
      await cluster.manifests.put(secret('bgp', { router: key }))
      await throughout(4_000, async () => {
        for (const { agent } of nodes) await agentSessionsUp(agent, 1)
      })
    }
    expect((await opens()) === before, 'a session was made anew')
    for (const { agent } of nodes) await keepsSecret(agent, KEY, 'sardine-8', 'halibut-9')
  },
}

const KEYED = fileURLToPath(new URL('../lab/keyed.ts', import.meta.url))

const plain: Case = {
  name: 'protection: a plain Linux socket takes another key before us and after us, without a reset',
  speakers: 'once',
  async run({ lab }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const other = await lab.host('plain', 2)
    const file = join(other.directory, 'key')
    const ours = (key: string): Promise<void> => cluster.manifests.put(secret('bgp', { router: key }))
    const spec = { password, passive: true, holdTime: '9s' }
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('plain', other.ipv4, ROUTER_AS, spec))
    await ours(KEY)
    await writeFile(file, KEY)
    await agent.start()
    const argv = [process.execPath, KEYED, host.ipv4, other.ipv4, `${ROUTER_AS}`, file]
    const neighbor = other.start('keyed', argv)
    await agentSessionsUp(agent, 1)
    const theirs = async (key: string): Promise<void> => {
      await writeFile(file, key)
      process.kill(neighbor.pid, 'SIGUSR2')
    }
    const count = async (): Promise<number> => (await agent.protocols())[0]?.messages.received.keepalive ?? 0
    /** For a second the two differ: what is sent meanwhile is sent again. */
    const rotate = async (steps: readonly [() => Promise<void>, () => Promise<void>]): Promise<void> => {
      await steps[0]()
      await throughout(1_000, () => agentSessionsUp(agent, 1))
      await steps[1]()
      const before = await count()
      await eventually(async () => expect((await count()) > before + 2, 'no KEEPALIVE came with the new key'))
    }
    await rotate([() => ours('sardine-8'), () => theirs('sardine-8')])
    await rotate([() => theirs('halibut-9'), () => ours('halibut-9')])
    await agentSessionsUp(agent, 1)
    const [protocol] = await agent.protocols()
    expect(protocol?.timesEstablished === 1, `established ${protocol?.timesEstablished} times`)
    const log = readFileSync(neighbor.log, 'utf8')
    expect(!log.includes('lost'), `the neighbor says: ${log}`)
    await keepsSecret(agent, KEY, 'sardine-8', 'halibut-9')
  },
}

/** What each does when its own key is changed, as we have seen it: the session ends, and comes again with the new one. */
const theirRotation: Case = {
  name: 'protection: our key changes first and the session stays, the router resets it when its own changes, once',
  speakers: 'each',
  async run(bench) {
    // OpenBGPD takes the new key for the next session only: the running one ends with its hold time.
    const spec = { password, holdTime: '9s' }
    const shape: Shape = { features: ['password'], spec, dials: 'they', key: KEY }
    const { cluster, agent, router, ours } = await scene(bench, shape)
    await sessionsUp(router, 1)
    await routerHolds(router, ours)
    const times = async (): Promise<number> => (await agent.protocols())[0]?.timesEstablished ?? 0
    const before = await times()
    await cluster.manifests.put(secret('bgp', { router: 'sardine-8' }))
    await throughout(2_000, () => agentSessionsUp(agent, 1))
    expect((await times()) === before, 'our own change made the session anew')
    await changeKey(bench.speaker.kind, router, agent.host.ipv4, 'sardine-8')
    await eventually(
      async () => {
        expect((await times()) > before, 'the router has not made the session anew')
        await sessionsUp(router, 1, { within: 0 })
      },
      { within: 60_000 },
    )
    await routerHolds(router, ours)
    await throughout(2_000, () => agentSessionsUp(agent, 1))
    expect((await times()) === before + 1, `established ${await times()} times, ${before} before`)
    await keepsSecret(agent, KEY, 'sardine-8')
  },
}

const FILES = { bird: 'bird.conf', gobgp: 'gobgpd.toml', openbgpd: 'bgpd.conf' } as const

const changeKey = async (kind: Speaker['kind'], router: Router, neighbor: string, key: string): Promise<void> => {
  if (kind === 'frr') {
    await router.say('configure terminal', `router bgp ${ROUTER_AS}`, `neighbor ${neighbor} password ${key}`)
    return
  }
  const file = join(router.host.directory, FILES[kind])
  await writeFile(file, readFileSync(file, 'utf8').replace(KEY, key))
  if (kind === 'gobgp') await hangUp(router, 'gobgpd')
  else await router.say(kind === 'bird' ? 'configure' : 'reload')
}

/** GoBGP reads its file again at SIGHUP. */
const hangUp = async ({ host }: Router, program: string): Promise<void> => {
  const pids = (await must(['ip', 'netns', 'pids', host.namespace])).split('\n').filter((pid) => pid !== '')
  for (const pid of pids)
    if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === program) process.kill(Number(pid), 'SIGHUP')
}

export const cases: readonly Case[] = [
  withKey('ipv4', 'we'),
  withKey('ipv4', 'they'),
  withKey('ipv6', 'we'),
  withKey('ipv6', 'they'),
  ttl('ipv4', 'we'),
  ttl('ipv4', 'they'),
  ttl('ipv6', 'we'),
  ttl('ipv6', 'they'),
  missing,
  wrong,
  rotation,
  plain,
  theirRotation,
]
