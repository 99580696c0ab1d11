// The scene of an attack: who is attacked, two good neighbors with a hold time of nine seconds, FRR and BIRD (the second with BFD),
// two more that measure, and hosts of those who mean harm. Who is attacked is our agent, or BIRD with as much of the same
// configuration as it has words for.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { flagsAsShipped } from '../../test/bench/as-shipped.ts'
import { CLUSTER_AS, configuration, POOLS } from '../cases/rack.ts'
import { Agent, MAIN } from '../lab/agent.ts'
import type { Host, Lab } from '../lab/lab.ts'
import { bgpFilter, bgpPeer, ipPool, kubeNode, Manifests } from '../lab/manifests.ts'
import { type Daemon, must } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { SPEAKERS } from '../speakers/all.ts'
import { protocolName } from '../speakers/bird.ts'
import type { Router, Speaker } from '../speakers/speaker.ts'
import { HOLD_TIME } from './neighbor.ts'

export type Kind = 'godwit' | 'bird'

const PROBE = fileURLToPath(new URL('./probe.ts', import.meta.url))
const VILLAIN = fileURLToPath(new URL('./villain.ts', import.meta.url))
const STRANGER = fileURLToPath(new URL('./stranger.ts', import.meta.url))
const PROBED = '10.244.250.0/24'

/** Addresses on the switch, and AS numbers. */
const AT = {
  frr: { address: '10.77.0.1', as: 65001 },
  bird: { address: '10.77.0.2', as: 65002 },
  teller: { address: '10.77.0.3', as: 65003 },
  hearer: { address: '10.77.0.4', as: 65004 },
  villain: { address: '10.77.0.5', as: 65005 },
  deaf: { address: '10.77.0.6', as: 65006 },
} as const

const INTERVAL = 300
const BFD = `bfd { min rx interval ${INTERVAL} ms; min tx interval ${INTERVAL} ms; multiplier 3; };`

export const speakerOf = (kind: Speaker['kind']): Speaker => {
  const found = SPEAKERS.find((speaker) => speaker.kind === kind)
  if (found === undefined) throw new Error(`${kind} is not known`)
  return found
}

/** Who is attacked. */
interface Subject {
  readonly pid: number
  readonly control: string
  readonly manifests: Manifests | undefined
}

export class Scene {
  readonly kind: Kind
  readonly host: Host
  readonly stranger: Host
  readonly subject: Subject
  private readonly villains: Host
  private readonly probe: Daemon
  private readonly frr: Router
  private readonly bird: Router

  private constructor(
    parts: Pick<Scene, 'kind' | 'host' | 'stranger' | 'subject'> & {
      villains: Host
      probe: Daemon
      frr: Router
      bird: Router
    },
  ) {
    this.kind = parts.kind
    this.host = parts.host
    this.stranger = parts.stranger
    this.subject = parts.subject
    this.villains = parts.villains
    this.probe = parts.probe
    this.frr = parts.frr
    this.bird = parts.bird
  }

  static async build(lab: Lab, kind: Kind): Promise<Scene> {
    const host = await lab.host('node-1', 11)
    const [frrHost, birdHost, measuring, villains, stranger] = [
      await lab.host('frr', 1),
      await lab.host('bird', 2),
      await lab.host('measuring', 3),
      await lab.host('villains', 5),
      await lab.host('stranger', 9),
    ]
    await add(measuring, AT.hearer.address)
    await add(villains, AT.deaf.address)
    // Attackers have machines of their own, and this one has other work: neither is to be taken for that of who is attacked.
    const subject = await favored(-15, () => (kind === 'godwit' ? startAgent(lab, host) : startBird(host)))
    const neighbor = { address: host.ipv4, asn: CLUSTER_AS, holdTime: HOLD_TIME }
    const frr = await favored(-15, () =>
      speakerOf('frr').start(frrHost, { asn: AT.frr.as, neighbors: [neighbor], networks: [] }),
    )
    const features = [{ session: [BFD] }]
    const neighbors = [{ ...neighbor, features }]
    const bird = await favored(-15, () =>
      speakerOf('bird').start(birdHost, { asn: AT.bird.as, neighbors, globals: ['protocol bfd {}'] }),
    )
    const { teller, hearer } = AT
    const argv = [PROBE, host.ipv4, teller.address, `${teller.as}`, hearer.address, `${hearer.as}`]
    const probe = measuring.start('probe', [process.execPath, ...argv])
    await said(probe, 'up')
    await host.run(['chrt', '--rr', '--all-tasks', '--pid', '50', `${probe.pid}`])
    const scene = new Scene({ kind, host, stranger, subject, villains, probe, frr, bird })
    await eventually(async () => {
      const lost = await scene.lost()
      if (lost.length > 0) throw new Error(`not up: ${lost.join(', ')}`)
    })
    await scene.begin()
    return scene
  }

  villain(word: string, count = 0, who: 'villain' | 'deaf' = 'villain'): Daemon {
    const { address, as } = AT[who]
    return this.villains.start(`${word}-${Date.now()}`, [
      ...['setsid', process.execPath, VILLAIN, word, this.host.ipv4, address, `${as}`, `${count}`],
    ])
  }

  intruder(host: Host, ...words: readonly string[]): Daemon {
    return host.start(`${words[0]}-${Date.now()}`, ['setsid', process.execPath, STRANGER, ...words])
  }

  // ---- what is measured

  /** Milliseconds that changes took which were made between two times; it waits until the last of them has been heard. */
  async latencies(from: number, to: number): Promise<readonly number[]> {
    return eventually(
      async () => {
        const rows = (await readFile(this.probe.log, 'utf8')).split('\n').flatMap((line) => {
          const [since, took] = line.split(' ').map(Number)
          return since !== undefined && took !== undefined && since > 0 ? [[since, took] as const] : []
        })
        if ((rows.at(-1)?.[0] ?? 0) < to) throw new Error('changes of a good neighbor have not arrived')
        return rows.filter(([since]) => since >= from && since < to).map(([, took]) => took)
      },
      { within: 30_000, every: 100 },
    )
  }

  /** Megabytes: now, and the most there ever was. */
  memory(): { readonly now: number; readonly most: number } {
    const status = readFileSync(`/proc/${this.subject.pid}/status`, 'utf8')
    const of = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1_024
    return { now: of('VmRSS'), most: of('VmHWM') }
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.subject.pid}/fd`).length
  }

  /** The sessions of good neighbors, in words that are others once one was lost. */
  private async sessions(): Promise<readonly (readonly [name: string, state: string])[]> {
    const protocol = protocolName({ address: this.host.ipv4 })
    // BIRD says since when to a thousandth of a second, and not always the same one.
    const line = (await this.bird.say('show protocols'))
      .split('\n')
      .find((row) => row.startsWith(protocol))
      ?.replace(/\.\d+/, '')
    const all = JSON.parse(textOf(await this.frr.say('show bgp neighbors json'))) as Record<
      string,
      Record<string, unknown>
    >
    const { bgpState, connectionsDropped } = all[this.host.ipv4] ?? {}
    const bfd = (await this.bird.say('show bfd sessions')).split('\n').find((row) => row.startsWith(this.host.ipv4))
    const log = await readFile(this.probe.log, 'utf8')
    const ended = /^lost (.*)$/m.exec(log)?.[1]
    return [
      ['FRR', `${bgpState} ${connectionsDropped}`],
      ['BIRD', line?.trim() ?? 'absent'],
      [
        "BIRD's BFD",
        bfd
          ?.trim()
          .split(/\s+/)
          .slice(0, 4)
          .join(' ')
          .replace(/\.\d+$/, '') ?? 'absent',
      ],
      ['those that measure', ended ?? 'Established'],
    ]
  }

  private before: ReadonlyMap<string, string> = new Map()

  /** From now on these are the sessions that are not to be lost. */
  async begin(): Promise<void> {
    this.before = new Map(await this.sessions())
  }

  /** Good neighbors that were lost since the beginning, whether they are back or not. */
  async lost(): Promise<readonly string[]> {
    return (await this.sessions()).flatMap(([name, state]) => {
      const isUp = /Established|Up/.test(state)
      const before = this.before.get(name) ?? state
      return isUp && before === state ? [] : [`${name}: ${state}, was ${before}`]
    })
  }

  /** Routes that the attacked one holds: whether an attack by routes has arrived. */
  async routes(): Promise<number> {
    if (this.kind === 'bird') {
      const text = await must(['birdcl', '-s', this.subject.control, 'show route count'])
      return Number(
        /Total: (\d+)|^(\d+) of/m
          .exec(text)
          ?.slice(1)
          .find((one) => one !== undefined) ?? 0,
      )
    }
    const text = await must([process.execPath, MAIN, '-s', this.subject.control, '--json', 'show', 'route', 'count'])
    const { ipv4, ipv6 } = JSON.parse(text) as Record<'ipv4' | 'ipv6', { paths: number }>
    return ipv4.paths + ipv6.paths
  }

  /** A word of a kind that a probe of the kubelet hears; undefined where it hears none in a second. */
  async livez(): Promise<string | undefined> {
    if (this.kind !== 'godwit') return undefined
    const { code, stdout } = await this.host.run(['curl', '-sS', '-m', '1', 'http://127.0.0.1:9179/livez'])
    return code === 0 ? stdout.trim() : undefined
  }
}

const textOf = (said: string): string => said.slice(Math.max(0, said.indexOf('{')))

/** The log has this line. */
export const said = (daemon: Daemon, word: string, within = 30_000): Promise<void> =>
  eventually(
    async () => {
      const log = await readFile(daemon.log, 'utf8')
      if (!log.split('\n').includes(word)) throw new Error(`never said ${word}: ${log.slice(-300)}`)
    },
    { every: 50, within },
  )

const add = (host: Host, address: string): Promise<string> =>
  host.must(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0'])

/**
 * Linux shares the machine between sessions first (sched_autogroup), and attackers have sessions of their own: whatever else is of
 * ours comes before them, and before the other work of this machine.
 */
export const favorThisSession = (): void => {
  const set = (nice: number): void => {
    try {
      writeFileSync('/proc/self/autogroup', `${nice}`)
    } catch {
      // It has none: then priorities of processes count alone.
    }
  }
  set(-15)
  process.on('exit', () => set(0))
}

/** What is started meanwhile has this priority. */
const favored = async <T>(nice: number, start: () => Promise<T>): Promise<T> => {
  setPriority(process.pid, nice)
  try {
    return await start()
  } finally {
    setPriority(process.pid, 0)
  }
}

const startAgent = async (lab: Lab, host: Host): Promise<Subject> => {
  const manifests = new Manifests(join(lab.directory, 'cluster'))
  const passive = { passive: true, holdTime: `${HOLD_TIME}s` }
  const only = { exportV4: [{ action: 'Accept', matchOperator: 'Equal', cidr: PROBED }, { action: 'Reject' }] }
  const peer = (name: keyof typeof AT, spec: Readonly<Record<string, unknown>> = {}) =>
    bgpPeer(name, AT[name].address, AT[name].as, { ...passive, ...spec })
  await manifests.put(
    kubeNode(host, ['10.244.1.0/24', 'fd00:244:1::/64']),
    configuration({ nodeToNodeMeshEnabled: false }),
    ...POOLS,
    ipPool('flood', '20.0.0.0/8'),
    ipPool('flood-v6', '2000::/3'),
    bgpFilter('probed', only),
    peer('frr'),
    peer('bird', { bfd: { receiveInterval: INTERVAL, transmitInterval: INTERVAL, detectMultiplier: 3 } }),
    peer('teller'),
    peer('hearer', { advertiseLearned: true, filters: ['probed'] }),
    peer('villain'),
    peer('deaf', { advertiseLearned: true }),
  )
  const agent = new Agent(host, manifests, { logLevel: 'info', http: '0.0.0.0:9179', flags: flagsAsShipped() })
  await agent.start()
  return { pid: agent.pid, control: agent.socket, manifests }
}

const startBird = async (host: Host): Promise<Subject> => {
  const peer = (name: keyof typeof AT, told: string, more = ''): string =>
    [
      `protocol bgp n_${name} {`,
      `  local ${host.ipv4} as ${CLUSTER_AS}; neighbor ${AT[name].address} as ${AT[name].as};`,
      `  direct; passive on; hold time ${HOLD_TIME}; error wait time 1, 2; ${more}`,
      `  ipv4 { import all; export ${told}; }; ipv6 { import all; export none; };`,
      '}',
    ].join('\n')
  const raw = [
    `log "${join(host.directory, 'events.log')}" { warning, error, fatal, bug };`,
    `router id ${host.ipv4};`,
    'protocol device { }',
    'protocol bfd { }',
    'protocol static own { ipv4; route 10.244.1.0/24 blackhole; }',
    peer('frr', 'where source = RTS_STATIC'),
    peer('bird', 'where source = RTS_STATIC', BFD),
    peer('teller', 'where source = RTS_STATIC'),
    peer('hearer', `where net = ${PROBED}`),
    peer('villain', 'where source = RTS_STATIC'),
    peer('deaf', 'all'),
    '',
  ].join('\n')
  await speakerOf('bird').start(host, { asn: CLUSTER_AS, neighbors: [], raw })
  const pid = Number(await readFile(join(host.directory, 'bird.pid'), 'utf8'))
  return { pid, control: join(host.directory, 'bird.ctl'), manifests: undefined }
}

export const limitDescriptors = (pid: number, count: number): Promise<string> =>
  must(['prlimit', `--pid=${pid}`, `--nofile=${count}:`])
