// OpenBGPD: one configuration file, changed and read again; asked with bgpctl in JSON. Its kernel side is left off.

import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FAMILIES, type Family, type Host, type Process } from '../lab/lab.ts'
import { must, run } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import {
  familyOf,
  type Neighbor,
  type Network,
  type Place,
  type Route,
  type Router,
  type RouterConfig,
  type SessionView,
  type Speaker,
} from './speaker.ts'

// By its path: FRR has a program of the same name.
const PROGRAM = '/usr/sbin/bgpd'

export const openbgpd = (name: string, place: Place): Speaker => {
  const version = async (): Promise<string> => {
    const said = await run(place.outside([PROGRAM, '-V']))
    return /OpenBGPD (\S+)/.exec(said.stdout + said.stderr)?.[1] ?? 'unknown'
  }
  return {
    name,
    kind: 'openbgpd',
    place,
    whyNot: async () => (await place.whyNot('bgpctl')) ?? (await place.whyNot(PROGRAM)),
    version,
    start: async (host, config) => {
      const router = new OpenbgpdRouter(host, place, config, await version())
      await router.restart()
      return router
    },
  }
}

// It locks its children into /run/openbgpd, which only its service makes. Every place runs what it starts with mounts of
// its own (`ip netns exec` sees to that on this machine), so a /run made here is seen by nobody else and ends with it.
const WITH_RUN = 'mount -t tmpfs tmpfs /run && mkdir /run/openbgpd && exec "$@"'

class OpenbgpdRouter implements Router {
  readonly host: Host
  private readonly place: Place
  private readonly config: RouterConfig
  private readonly version: string
  private networks: readonly Network[] = []
  private daemon: Process | undefined

  constructor(host: Host, place: Place, config: RouterConfig, version: string) {
    this.host = host
    this.place = place
    this.config = config
    this.version = version
  }

  private file(name: string): string {
    return join(this.host.directory, name)
  }

  private async writeConfig(networks: readonly Network[]): Promise<void> {
    this.networks = networks
    const text = renderConfig(this.host, this.config, networks, this.file('bgpd.sock'))
    const older = this.version.startsWith('7.')
    await writeFile(this.file('bgpd.conf'), older ? olderText(text, this.config, this.host, networks) : text)
    // A file that others may write to is refused.
    await chmod(this.file('bgpd.conf'), 0o600)
  }

  async restart(): Promise<void> {
    await this.writeConfig(this.config.networks ?? [])
    await rm(this.file('bgpd.sock'), { force: true })
    const words = [PROGRAM, '-d', '-v', '-f', this.file('bgpd.conf')]
    this.daemon = this.place.start(this.host, 'openbgpd', ['sh', '-c', WITH_RUN, 'sh', ...words])
    await eventually(() => this.ask(['show', 'summary']))
  }

  say(...words: readonly string[]): Promise<string> {
    return this.ask(words)
  }

  private ask(words: readonly string[]): Promise<string> {
    return must(this.place.inside(this.host, ['bgpctl', '-s', this.file('bgpd.sock'), ...words]))
  }

  private async json<T>(words: readonly string[]): Promise<T> {
    return JSON.parse(await this.ask(['-j', ...words])) as T
  }

  // What it may not use, for a loop or a next hop out of reach, stays in its table and is marked.
  async routes(family: Family): Promise<readonly Route[]> {
    const table = await this.json<{ rib?: readonly Path[] }>(['show', 'rib', 'detail', FAMILY_WORDS[family]])
    return (table.rib ?? []).filter(({ valid, neighbor }) => valid && neighbor.description !== 'LOCAL').map(routeOf)
  }

  private async neighbors(): Promise<readonly NeighborView[]> {
    return (await this.json<{ neighbors?: readonly NeighborView[] }>(['show', 'neighbor'])).neighbors ?? []
  }

  async sessions(): Promise<readonly SessionView[]> {
    return (await this.neighbors()).map(({ remote_addr, state }) => ({
      neighbor: remote_addr,
      state,
      established: state === 'Established',
    }))
  }

  async errors(neighbor: string): Promise<string> {
    const log = await readFile(this.daemon?.log ?? '', 'utf8').catch(() => '')
    const lines = log
      .split('\n')
      .filter((line) => line.includes(neighbor) && /notification|error|reason|mismatch|not accepted/i.test(line))
    return lines.join(' · ')
  }

  async announce(network: Network): Promise<void> {
    await this.configure([...this.networks.filter(({ prefix }) => prefix !== network.prefix), network])
  }

  async withdraw(prefix: string): Promise<void> {
    await this.configure(this.networks.filter((network) => network.prefix !== prefix))
  }

  private async configure(networks: readonly Network[]): Promise<void> {
    await this.writeConfig(networks)
    // While it still reads an earlier change it refuses another.
    await eventually(async () => {
      const said = await this.ask(['reload'])
      if (!said.includes('request processed')) throw new Error(`reload: ${said}`)
    })
  }

  async stop(): Promise<void> {
    await this.daemon?.stop()
    await this.childrenEnded()
  }

  async kill(): Promise<void> {
    await this.daemon?.kill()
    await this.childrenEnded()
  }

  /** They hold the port, and end by themselves when their parent is gone. */
  private childrenEnded(): Promise<void> {
    return eventually(async () => {
      const listening = await this.host.must(['ss', '-Hltn', 'sport = :179'])
      if (listening.trim() !== '') throw new Error(`bgpd still listens on ${this.host.name}`)
    })
  }
}

const FAMILY_WORDS = { ipv4: 'inet', ipv6: 'inet6' } as const

interface NeighborView {
  readonly remote_addr: string
  readonly state: string
}

interface Path {
  readonly prefix: string
  readonly aspath: string
  readonly exit_nexthop: string
  readonly neighbor: { readonly description?: string; readonly remote_addr: string }
  readonly valid: boolean
  readonly origin: string
  readonly metric: number
  readonly localpref: number
  readonly communities?: readonly string[]
  readonly large_communities?: readonly string[]
  readonly extended_communities?: readonly string[]
}

const WELL_KNOWN: Readonly<Record<string, string>> = { GRACEFUL_SHUTDOWN: '65535:0', NO_EXPORT: '65535:65281' }

const routeOf = (path: Path): Route => ({
  prefix: path.prefix,
  nextHop: path.exit_nexthop,
  from: path.neighbor.remote_addr,
  asPath: path.aspath,
  origin: path.origin.toLowerCase() as Route['origin'],
  localPref: path.localpref,
  med: path.metric,
  communities: (path.communities ?? []).map((value) => WELL_KNOWN[value] ?? value).sort(),
  largeCommunities: [...(path.large_communities ?? [])].sort(),
  routeTargets: (path.extended_communities ?? [])
    .flatMap((text) => (text.startsWith('rt ') ? text.slice(3) : []))
    .sort(),
})

const renderNetwork = (network: Network): string => {
  if (network.asPath !== undefined) throw new Error('OpenBGPD puts no AS but its own into a path')
  const steps = [
    ...(network.communities ?? []).map((value) => `community ${value}`),
    ...(network.largeCommunities ?? []).map((value) => `large-community ${value}`),
    ...(network.routeTargets ?? []).map((value) => `ext-community rt ${value}`),
    ...(network.med === undefined ? [] : [`metric ${network.med}`]),
  ]
  return `network ${network.prefix}${steps.length === 0 ? '' : ` set { ${steps.join(' ')} }`}`
}

const renderNeighbor = (host: Host, neighbor: Neighbor): readonly string[] => {
  const families = neighbor.families ?? FAMILIES
  const lines = (neighbor.features ?? []).flatMap(({ session = [], family = [] }) => [...session, ...family])
  return [
    `neighbor ${neighbor.address} {`,
    `  remote-as ${neighbor.asn}`,
    `  local-address ${host.address(familyOf(neighbor.address))}`,
    `  holdtime ${neighbor.holdTime ?? 90}`,
    `  announce IPv4 ${families.includes('ipv4') ? 'unicast' : 'none'}`,
    `  announce IPv6 ${families.includes('ipv6') ? 'unicast' : 'none'}`,
    '  announce enhanced refresh yes',
    ...(neighbor.passive ? ['  passive'] : []),
    ...lines.map((line) => `  ${line}`),
    '}',
  ]
}

/** Everything is taken in; out goes what is its own, or all of it. */
const renderFilters = ({ passesOn }: RouterConfig, networks: readonly Network[]): readonly string[] => [
  'allow from any',
  ...(passesOn ? ['allow to any'] : networks.map(({ prefix }) => `allow to any prefix ${prefix}`)),
]

/**
 * What 7.7 needs said otherwise: a role has no word of its own yet, and next hops are set by hand, since it takes those
 * of the family a session does not run over from the loopback interface; it lets that be overruled over several hops only.
 */
const olderText = (
  text: string,
  { asn, neighbors }: RouterConfig,
  host: Host,
  networks: readonly Network[],
): string => {
  const external = neighbors.filter((neighbor) => neighbor.asn !== asn)
  return [
    text
      .replaceAll(/^ {2}role (\S+)\n {2}announce policy yes$/gm, '  announce policy $1')
      .replaceAll(/^ {2}remote-as (\d+)$/gm, (line, as) => (Number(as) === asn ? line : `${line}\n  multihop 2`)),
    ...networks.map(({ prefix }) => `match to any prefix ${prefix} set nexthop ${host.address(familyOf(prefix))}\n`),
    ...external.map(({ address }) => `match to ${address} set nexthop no-modify\n`),
  ].join('')
}

const renderConfig = (host: Host, config: RouterConfig, networks: readonly Network[], socket: string): string =>
  [
    `AS ${config.asn}`,
    `router-id ${host.ipv4}`,
    `socket "${socket}"`,
    'fib-update no',
    ...networks.map(renderNetwork),
    ...config.neighbors.flatMap((neighbor) => renderNeighbor(host, neighbor)),
    ...renderFilters(config, networks),
    '',
  ].join('\n')
