// BFD beside BGP: sessions with FRR's bfdd and with BIRD, one hop and several, both families; what a neighbor that is lost
// comes to, and what does not touch BGP at all.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent, MAIN } from '../lab/agent.ts'
import { FAMILIES, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, type KubeObject, kubeNode, Manifests } from '../lab/manifests.ts'
import { type Daemon, must } from '../lab/run.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { defaultRoutes, forward, wire } from '../lab/wire.ts'
import type { Neighbor, Router, Speaker } from '../speakers/speaker.ts'
import { type Case, expect, Skip } from './case.ts'
import { CLUSTER_AS, configuration, POOLS, ROUTER_AS } from './rack.ts'

export const FAST = { receiveInterval: 100, transmitInterval: 100, detectMultiplier: 3 }
const FRR_PROGRAMS = '/usr/lib/frr'

/** In the words of each; the others have no BFD that keeps to its RFCs. */
const WORDS: Readonly<Record<'frr' | 'bird', readonly string[]>> = {
  frr: ['bfd 3 100 100'],
  bird: ['bfd { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };'],
}
const FAR: Readonly<Record<'frr' | 'bird', readonly string[]>> = { frr: ['ebgp-multihop 5'], bird: ['multihop 5;'] }

const lacking = ({ kind }: Speaker): string | undefined =>
  kind === 'frr' || kind === 'bird' ? undefined : 'no BFD to test against'

export interface Scene {
  readonly node: Host
  readonly agent: Agent
  readonly manifests: Manifests
  readonly router: Router
  readonly speaker: Speaker
}

interface SceneOptions {
  /** A router stands between the two. */
  readonly far?: boolean
  /** Of the BGPPeers; without, they have none. */
  readonly bfd?: object
  /** BFD is a process of its own. */
  readonly apart?: boolean
  /** Objects besides. */
  readonly more?: readonly KubeObject[]
  /** The router's kernel gets what it learns. */
  readonly kernel?: boolean
  /** The router has no BFD either: FRR 10 keeps a session down that was lost while its BFD was never up. */
  readonly without?: boolean
}

/** In BIRD's words; FRR needs none. */
const INTO_KERNEL = FAMILIES.map((family) => `protocol kernel { ${family} { export where source = RTS_BGP; }; }`)

export const peers = (router: Host, bfd: object | undefined, more: object = {}): readonly KubeObject[] =>
  FAMILIES.map((family) =>
    bgpPeer(`router-${family}`, router.address(family), ROUTER_AS, { ...more, ...(bfd !== undefined && { bfd }) }),
  )

const hostsOf = async (lab: Lab, far: boolean): Promise<readonly [Host, Host]> => {
  if (!far) return [await lab.host('node-1', 11), await lab.host('router', 1)]
  const node = await lab.bare('node-1', { ipv4: '10.77.0.11', ipv6: 'fd77::11' })
  const router = await lab.bare('router', { ipv4: '10.78.0.1', ipv6: 'fd78::1' })
  const middle = await lab.bare('middle', { ipv4: '10.77.0.2', ipv6: 'fd77::2' })
  const addresses = (host: Host) => [`${host.ipv4}/24`, `${host.ipv6}/64`]
  await wire(
    { host: node, name: 'eth0', addresses: addresses(node) },
    { host: middle, name: 'left', addresses: addresses(middle) },
  )
  await wire(
    { host: router, name: 'eth0', addresses: addresses(router) },
    { host: middle, name: 'right', addresses: ['10.78.0.2/24', 'fd78::2/64'] },
  )
  await forward(middle)
  await defaultRoutes(node, ['10.77.0.2', 'fd77::2'])
  await defaultRoutes(router, ['10.78.0.2', 'fd78::2'])
  return [node, router]
}

export const start = async (
  lab: Lab,
  speaker: Speaker,
  { far = false, bfd, more = [], apart = false, kernel = false, without = false }: SceneOptions,
): Promise<Scene> => {
  const [node, host] = await hostsOf(lab, far)
  const kind = speaker.kind === 'bird' ? 'bird' : 'frr'
  const features = [{ session: [...(far ? FAR[kind] : []), ...(without ? [] : WORDS[kind])] }]
  const neighbors = FAMILIES.map(
    (family): Neighbor => ({ address: node.address(family), asn: CLUSTER_AS, features, families: [family] }),
  )
  const globals = kind === 'bird' ? ['protocol bfd {}', ...(kernel ? INTO_KERNEL : [])] : []
  const router = await speaker.start(host, { asn: ROUTER_AS, neighbors, globals, kernel })
  if (kind === 'frr') await startBfdd(host, speaker)
  const manifests = new Manifests(join(lab.directory, 'cluster'))
  await manifests.put(
    kubeNode(node, ['10.244.1.0/24', 'fd00:244:1::/64']),
    configuration({ nodeToNodeMeshEnabled: false }),
    ...POOLS,
    ...peers(host, bfd),
    ...more,
  )
  const agent = new Agent(node, manifests, apart ? { bfd: socketOf(node) } : {})
  await agent.start()
  return { node, agent, manifests, router, speaker }
}

const isOlder = async (speaker: Speaker): Promise<boolean> => /^[0-9]\./.test(await speaker.version())

const socketOf = (node: Host): string => join(node.directory, 'bfd.sock')

export const startBfdd = async (host: Host, speaker: Speaker): Promise<void> => {
  const { directory } = host
  const files = ['-z', join(directory, 'zserv.api'), '--vty_socket', directory, '-P', '0']
  const control = (await isOlder(speaker)) ? ['--bfdctl', join(directory, 'bfdd.ctl')] : ['-N', host.namespace]
  const own = ['-i', join(directory, 'bfdd.pid'), ...control]
  speaker.place.start(host, 'bfdd', [`${FRR_PROGRAMS}/bfdd`, ...files, ...own])
}

interface BfdSession {
  readonly peer: string
  readonly interface: string | null
  readonly state: string
  readonly since: string
  readonly interval: number
  readonly detectionTime: number
  readonly hops: string
}

const sessionsOf = (agent: Agent): Promise<readonly BfdSession[]> => agent.show('bfd', 'sessions')

/** As the router says: its words for its sessions that are up. */
const routerSays = async ({ router, speaker }: Scene): Promise<number> => {
  if (speaker.kind === 'bird') return ((await router.say('show bfd sessions')).match(/\sUp\s/g) ?? []).length
  const { directory } = router.host
  const words = ['vtysh', '--vty_socket', directory, '-d', 'bfdd', '-c', 'show bfd peers json']
  const all = JSON.parse(await must(speaker.place.inside(router.host, words))) as { status: string }[]
  return all.filter(({ status }) => status === 'up').length
}

/** Both families, on both sides, with what was agreed. */
export const bfdUp = (scene: Scene, hops: 'single' | 'multi'): Promise<void> =>
  eventually(
    async () => {
      const all = await sessionsOf(scene.agent)
      const up = all.filter((one) => one.state === 'Up' && one.hops === hops && one.detectionTime === 0.3)
      expect(up.length === 2, `BFD on the node: ${JSON.stringify(all)}`)
      const theirs = await routerSays(scene)
      expect(theirs === 2, `${theirs} of 2 BFD sessions up on the router`)
    },
    { within: 30_000 },
  )

/** How often the two sessions have been established, once both are. */
export const bgpUp = async ({ agent }: Scene): Promise<number> => {
  let times = 0
  await eventually(
    async () => {
      const all = await agent.protocols()
      const isUp = all.length === 2 && all.every(({ state }) => state === 'Established')
      expect(isUp, `BGP: ${all.map(({ state }) => state).join(', ')}`)
      times = all.reduce((sum, { timesEstablished }) => sum + timesEstablished, 0)
    },
    { within: 60_000 },
  )
  return times
}

/** What one reads from the agent's log: when, and what. */
const logged = async ({ agent }: Scene, code: string): Promise<readonly { time: number; text: string }[]> =>
  (await readFile(agent.log, 'utf8'))
    .split('\n')
    .filter((line) => line.includes(`"${code}"`))
    .map((line) => {
      const { time, msg } = JSON.parse(line) as { time: string | number; msg: string }
      return { time: new Date(time).getTime(), text: msg }
    })

/** Cuts the host off as a pulled cable does, without loss of carrier; BGP alone would wait for its hold time. */
const cut = (host: Host): Promise<string> => {
  const chains = ['input', 'output'].flatMap((hook) => [
    `add chain inet cut ${hook} { type filter hook ${hook} priority -300; }`,
    `add rule inet cut ${hook} drop`,
  ])
  return host.must(['nft', '-f', '-'], { input: `${['add table inet cut', ...chains].join('\n')}\n` })
}
const heal = (host: Host): Promise<string> => host.must(['nft', 'delete', 'table', 'inet', 'cut'])

/** Far more than 3 × 100 ms, on a busy machine too, and far less than the hold time of 90 s. */
const SOON = 3_000

const lostAndBack = async (scene: Scene, hops: 'single' | 'multi'): Promise<void> => {
  await bgpUp(scene)
  await bfdUp(scene, hops)
  const times = await bgpUp(scene)
  const at = Date.now()
  await cut(scene.router.host)
  await eventually(async () => {
    const down = (await logged(scene, 'bfd-transition')).filter(({ text }) => text.includes('Up to Down'))
    expect(down.length >= 2, `${down.length} of 2 BFD sessions are down`)
    const late = down.filter(({ time }) => time - at > SOON)
    expect(late.length === 0, `noticed ${late.map(({ time }) => time - at).join(', ')} ms after the cut`)
    const errors = (await scene.agent.protocols()).map(({ lastError }) => lastError)
    expect(
      errors.every((one) => one === 'Error: BFD session down'),
      `last errors: ${errors.join(' · ')}`,
    )
  })
  await heal(scene.router.host)
  await bfdUp(scene, hops)
  expect((await bgpUp(scene)) >= times + 2, 'not each session came back')
}

/** Our columns are those of BIRD. */
const looksAlike = async ({ agent, router }: Scene): Promise<void> => {
  const shapeOf = (text: string) =>
    text
      .split('\n')
      .filter((line) => line.includes('Interface') || line.includes('eth0'))
      .map((line) => line.replaceAll(/[0-9a-f:.]+(?=\s|$)/g, (word) => 'x'.repeat(word.length)).trimEnd())
      .map((line) => line.replace(/^x+ */, ''))
  const [ours, theirs] = [await agent.act('show', 'bfd', 'sessions'), await router.say('show bfd sessions')]
  expect(shapeOf(ours).sort().join('\n') === shapeOf(theirs).sort().join('\n'), `ours:\n${ours}\ntheirs:\n${theirs}`)
}

const singleHop: Case = {
  name: 'bfd: a lost neighbor on the link is noticed by BFD, both families, and comes back',
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    const scene = await start(lab, speaker, { bfd: FAST })
    await lostAndBack(scene, 'single')
    if (speaker.kind === 'bird') await looksAlike(scene)
  },
}

const multihop: Case = {
  name: 'bfd: a lost neighbor behind a router is noticed by BFD, both families, and comes back',
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    await lostAndBack(await start(lab, speaker, { far: true, bfd: { ...FAST } }), 'multi')
  },
}

const untouched: Case = {
  name: 'bfd: enabled later, and changed, it does not touch BGP',
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    const scene = await start(lab, speaker, {})
    const { manifests, router, agent } = scene
    const times = await bgpUp(scene)
    await manifests.put(...peers(router.host, FAST))
    await bfdUp(scene, 'single')
    await manifests.put(...peers(router.host, { ...FAST, transmitInterval: 200 }))
    await eventually(async () => {
      const intervals = (await sessionsOf(agent)).map(({ interval }) => interval)
      expect(
        intervals.every((one) => one === 0.2),
        `intervals are ${intervals.join(', ')}`,
      )
    })
    expect((await bgpUp(scene)) === times, 'a BGP session was lost')
  },
}

/** RFC 5882 §3.2 would let the BGP session stand where we are first. Nobody can tell a router that is first from a lost one. */
const disabled = (first: 'here' | 'on the router'): Case => ({
  name: `bfd: disabled, ${first} first: the BGP session ends once at most, and comes back without BFD`,
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    const scene = await start(lab, speaker, { bfd: FAST })
    await bfdUp(scene, 'single')
    const times = await bgpUp(scene)
    const here = () => scene.manifests.put(...peers(scene.router.host, undefined))
    const onRouter = () => withoutBfd(scene)
    const [one, other] = first === 'here' ? [here, onRouter] : [onRouter, here]
    for (const act of [one, other]) {
      await act()
      // Whoever ends the session does so meanwhile.
      await throughout(3_000, async () => expect(scene.agent.running, 'the agent has ended'))
    }
    const { length } = FAMILIES
    const now = await bgpUp(scene)
    expect(now <= times + length, `the ${length} sessions were established ${now - times} times more`)
    expect((await routerSays(scene)) === 0, 'BFD runs on')
  },
})

const withoutBfd = async ({ node, router, speaker }: Scene): Promise<void> => {
  if (speaker.kind === 'frr') {
    const lines = FAMILIES.map((family) => `no neighbor ${node.address(family)} bfd`)
    await router.say('configure terminal', `router bgp ${ROUTER_AS}`, ...lines)
    return
  }
  const file = join(router.host.directory, 'bird.conf')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(WORDS.bird.join(' '), ''))
  await router.say('configure')
}

/** From the cut until BFD's own thread has noticed it, 3 × 100 ms, whatever the agent does meanwhile. */
const DETECTED = 350
/** More than three seconds of work for the agent's main thread. */
const ROUTES = 500_000

/** A full table in BIRD's words, told to the node as soon as the session is up. */
const feeder = (node: Host, host: Host): string =>
  [
    `log "${join(host.directory, 'events.log')}" all;`,
    `router id ${host.ipv4};`,
    'protocol device {}',
    'protocol static table4 { ipv4;',
    ...Array.from({ length: ROUTES }, (_, at) => `route 20.${at >> 16}.${(at >> 8) & 255}.${at & 255}/32 blackhole;`),
    '}',
    `protocol bgp n_${node.ipv4.replaceAll('.', '_')} { local ${host.ipv4} as 65002; neighbor ${node.ipv4} as ${CLUSTER_AS};`,
    'ipv4 { import all; export all; }; }',
    '',
  ].join('\n')

const underLoad: Case = {
  name: `bfd: a neighbor is lost while ${ROUTES} routes arrive from another, and that is noticed at once`,
  speakers: 'each',
  lacking,
  async run({ lab, speaker, present }) {
    const bird = present.find(({ kind }) => kind === 'bird')
    if (bird === undefined) throw new Skip('no BIRD to tell the routes')
    const host = await lab.host('feeder', 2)
    const maxPrefixes = { ipv4: { limit: 2 * ROUTES }, ipv6: { limit: 1_000 } }
    const scene = await start(lab, speaker, { bfd: FAST, more: [bgpPeer('feeder', host.ipv4, 65002, { maxPrefixes })] })
    await bfdUp(scene, 'single')
    const neighbors = [{ address: scene.node.ipv4, asn: CLUSTER_AS }]
    await bird.start(host, { asn: 65002, neighbors, raw: feeder(scene.node, host) })
    const isFed = (text: string) => text.includes('Global_10_77_0_2')
    await eventually(
      async () =>
        expect(
          (await logged(scene, 'session-up')).some(({ text }) => isFed(text)),
          'the feeder is not up',
        ),
      { every: 20, within: 60_000 },
    )
    await cut(scene.router.host)
    const at = Date.now()
    await eventually(async () => {
      const down = (await sessionsOf(scene.agent)).filter(({ state }) => state === 'Down')
      expect(down.length === 2, `${down.length} of 2 BFD sessions are down`)
      const after = down.map(({ since }) => new Date(since).getTime() - at)
      expect(Math.max(...after) <= DETECTED, `noticed ${after.join(', ')} ms after the cut`)
    })
    await eventually(async () => {
      const down = (await logged(scene, 'session-down')).filter(({ text }) => text.includes('BFD session down'))
      expect(down.length === 2, `${down.length} of 2 BGP sessions are down`)
      const late = down.filter(({ time }) => time - at > SOON)
      expect(late.length === 0, `ended ${late.map(({ time }) => time - at).join(', ')} ms after the cut`)
    })
    await eventually(
      async () => {
        const [end] = (await logged(scene, 'end-of-rib')).filter(({ text }) => isFed(text))
        expect(end !== undefined, 'the table has not come to its end')
        const down = (await logged(scene, 'bfd-transition')).find(({ text }) => text.includes('Up to Down'))
        expect((down?.time ?? 0) < (end?.time ?? 0), 'the table had come before the cut was noticed: nothing was shown')
      },
      { within: 60_000 },
    )
  },
}

export const startBfd = (node: Host): Daemon =>
  node.start('bfd', [process.execPath, MAIN, 'bfd', '--control', socketOf(node)])

/** Neither the router nor our process loses a session. */
const staysUp = async (scene: Scene, what: string, seconds: number): Promise<void> => {
  await throughout(seconds * 1_000, async () => {
    const up = await routerSays(scene)
    expect(up === 2, `${up} of 2 BFD sessions up on the router, ${what}`)
  })
  const log = await bfdLog(scene)
  expect(!log.includes('BFD Up to'), `a session went down, ${what}`)
}

const bfdLog = ({ node }: Scene): Promise<string> => readFile(join(node.directory, 'bfd.log'), 'utf8')

const apart: Case = {
  name: 'bfd: a process of its own outlives its agent and is itself replaced, and the router does not notice',
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    const scene = await start(lab, speaker, { bfd: FAST, apart: true })
    const { node, agent } = scene
    let daemon = startBfd(node)
    await bfdUp(scene, 'single')
    const stays = (what: string, seconds: number) => staysUp(scene, what, seconds)
    await agent.kill()
    await stays('the agent being killed', 3)
    await daemon.stop()
    await stays('the process being stopped', 4)
    daemon = startBfd(node)
    await stays('the process being there again', 3)
    await eventually(async () => {
      const log = await readFile(join(node.directory, 'bfd.log'), 'utf8')
      expect(log.includes('2 sessions continue'), `the new process did not go on: ${log}`)
    })
    await agent.start()
    await bfdUp(scene, 'single')
    await stays('the agent being there again', 2)
    const next = startBfd(node)
    await eventually(async () => expect((await bfdLog(scene)).includes('another godwit bfd runs'), 'it does not wait'))
    await daemon.stop()
    await stays('one that was started too early being there alone', 3)
    await next.stop()
  },
}

interface RunFile {
  readonly value: {
    readonly sessions: readonly { readonly state: string; readonly advertised: { readonly multiplier: number } }[]
  } | null
}

/** What changes together is written together, a quarter of a second later: a run that is killed before has left less. */
const bfdKept = (node: Host): Promise<void> =>
  eventually(
    async () => {
      const text = await readFile(socketOf(node).replace(/\.sock$/, '.json'), 'utf8')
      const { value } = JSON.parse(text) as RunFile
      const kept = value?.sessions.filter(({ state, advertised }) => state === 'Up' && advertised.multiplier === 10)
      expect(kept?.length === 2, `the process has kept ${text}`)
    },
    { within: 10_000 },
  )

const killed: Case = {
  name: 'bfd: a process of its own that is killed goes on if it is back in time, and else the router loses it once',
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    // The router waits ten seconds for us, and we 300 ms for it.
    const slow = { ...FAST, transmitInterval: 1_000, detectMultiplier: 10 }
    const scene = await start(lab, speaker, { bfd: slow, apart: true })
    const { node, manifests, router } = scene
    let daemon = startBfd(node)
    await bfdUp(scene, 'single')
    const times = await bgpUp(scene)
    await bfdKept(node)
    await daemon.kill()
    daemon = startBfd(node)
    await staysUp(scene, 'the process being killed and back in time', 4)
    const log = await bfdLog(scene)
    expect(log.includes('2 sessions continue'), `the new process did not go on: ${log}`)
    expect((await bgpUp(scene)) === times, 'a BGP session was lost, though BFD was back in time')

    await manifests.put(...peers(router.host, FAST))
    await bfdUp(scene, 'single')
    await daemon.kill()
    await eventually(async () => expect((await routerSays(scene)) === 0, 'the router has not missed us'))
    startBfd(node)
    await bfdUp(scene, 'single')
    await eventually(async () => expect((await bgpUp(scene)) > times + 1, 'the router has not made BGP anew'))
    await staysUp(scene, 'the process being back late', 2)
    const again = (await bgpUp(scene)) - times
    expect(again === 2, `the two BGP sessions were made anew ${again} times`)
  },
}

const stopped: Case = {
  name: 'bfd: a process of its own that stands still is told of, and when it goes on no BGP session ends for that',
  speakers: 'each',
  lacking,
  async run({ lab, speaker }) {
    const scene = await start(lab, speaker, { bfd: FAST, apart: true })
    const daemon = startBfd(scene.node)
    await bfdUp(scene, 'single')
    const times = await bgpUp(scene)
    process.kill(daemon.pid, 'SIGSTOP')
    // The router misses us, and ends the sessions. They come again without BFD; with FRR 10 once BFD is back.
    await eventually(async () => {
      const gone = (await logged(scene, 'bfd-gone')).map(({ text }) => text)
      expect(/stands still/.test(gone.at(-1) ?? ''), `the agent says ${gone.join('; ')}`)
    })
    process.kill(daemon.pid, 'SIGCONT')
    await bfdUp(scene, 'single')
    await throughout(3_000, async () => {
      const now = (await bgpUp(scene)) - times
      expect(now === 2, `the two BGP sessions were made anew ${now} times`)
    })
  },
}

export const cases: readonly Case[] = [
  singleHop,
  multihop,
  untouched,
  disabled('here'),
  disabled('on the router'),
  underLoad,
  apart,
  killed,
  stopped,
]
