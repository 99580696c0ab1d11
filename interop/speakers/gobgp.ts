// GoBGP: gobgpd with a configuration file, asked with gobgp in JSON. Its own routes are added through the same door.

import { readFile, writeFile } from 'node:fs/promises'
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

export const gobgp = (name: string, place: Place): Speaker => ({
  name,
  kind: 'gobgp',
  place,
  whyNot: async () => (await place.whyNot('gobgpd')) ?? (await place.whyNot('gobgp')),
  version: async () => {
    const said = await run(place.outside(['gobgpd', '--version']))
    return /version (\S+)/.exec(said.stdout)?.[1] ?? 'unknown'
  },
  start: async (host, config) => {
    const router = new GobgpRouter(host, place, config)
    await router.restart()
    return router
  },
})

const STATES = ['unknown', 'Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']

class GobgpRouter implements Router {
  readonly host: Host
  private readonly place: Place
  private readonly config: RouterConfig
  private daemon: Process | undefined

  constructor(host: Host, place: Place, config: RouterConfig) {
    this.host = host
    this.place = place
    this.config = config
  }

  async restart(): Promise<void> {
    const file = join(this.host.directory, 'gobgpd.toml')
    await writeFile(file, renderConfig(this.host, this.config))
    const words = [
      'gobgpd',
      '-l',
      'debug',
      '-t',
      'toml',
      '-f',
      file,
      '--api-hosts',
      '127.0.0.1:50051',
      '--pprof-disable',
    ]
    this.daemon = this.place.start(this.host, 'gobgpd', words)
    await eventually(() => this.ask(['global']))
    for (const network of this.config.networks ?? []) await this.announce(network)
  }

  say(...words: readonly string[]): Promise<string> {
    return this.ask(words)
  }

  private ask(words: readonly string[]): Promise<string> {
    return must(this.place.inside(this.host, ['gobgp', ...words]))
  }

  private async json<T>(words: readonly string[]): Promise<T> {
    return JSON.parse(await this.ask(['-j', ...words])) as T
  }

  // Its adj-in also holds what it refused for a loop; the global table is what it uses.
  async routes(family: Family): Promise<readonly Route[]> {
    const table = await this.json<Record<string, readonly GobgpPath[]>>(['global', 'rib', '-a', family])
    return Object.entries(table).flatMap(([prefix, paths]) =>
      paths.flatMap((path) => {
        const from = path['neighbor-ip']
        return from === undefined ? [] : [routeOf(prefix, from, path)]
      }),
    )
  }

  async sessions(): Promise<readonly SessionView[]> {
    const all = await this.json<readonly GobgpNeighbor[]>(['neighbor'])
    return all.map(({ state }) => {
      const word = STATES[state?.session_state ?? 0] ?? 'unknown'
      return { neighbor: state?.neighbor_address ?? '', state: word, established: word === 'Established' }
    })
  }

  async errors(neighbor: string): Promise<string> {
    const log = await readFile(this.daemon?.log ?? '', 'utf8').catch(() => '')
    return log
      .split('\n')
      .filter((line) => line.includes(neighbor) && /notification|error|warn/i.test(line))
      .join(' · ')
  }

  async announce(network: Network): Promise<void> {
    const family = familyOf(network.prefix)
    const attributes = [
      ...(network.communities?.length ? ['community', network.communities.join(',')] : []),
      ...(network.largeCommunities?.length ? ['large-community', network.largeCommunities.join(',')] : []),
      ...(network.med === undefined ? [] : ['med', String(network.med)]),
    ]
    const route = [
      network.prefix,
      'nexthop',
      network.nextHop ?? this.host.address(family),
      'origin',
      'igp',
      ...attributes,
    ]
    await this.ask(['global', 'rib', 'add', '-a', family, ...route])
  }

  async withdraw(prefix: string): Promise<void> {
    await this.ask(['global', 'rib', 'del', '-a', familyOf(prefix), prefix])
  }

  async stop(): Promise<void> {
    await this.daemon?.stop()
  }

  async kill(): Promise<void> {
    await this.daemon?.kill()
  }
}

interface GobgpNeighbor {
  readonly state?: { readonly neighbor_address?: string; readonly session_state?: number }
}

interface GobgpAttribute {
  readonly type: number
  readonly value?: unknown
  readonly as_paths?: readonly { readonly segment_type: number; readonly asns?: readonly number[] }[]
  readonly nexthop?: string
  readonly metric?: number
  readonly communities?: readonly number[]
}

interface GobgpPath {
  readonly 'neighbor-ip'?: string
  readonly attrs?: readonly GobgpAttribute[]
}

const ORIGINS = ['igp', 'egp', 'incomplete'] as const

const routeOf = (prefix: string, from: string, path: GobgpPath): Route => {
  const attribute = (type: number): GobgpAttribute | undefined => path.attrs?.find((each) => each.type === type)
  const large = (attribute(32)?.value ?? []) as readonly { ASN: number; LocalData1: number; LocalData2: number }[]
  const localPref = attribute(5)?.value
  const extended = (attribute(16)?.value ?? []) as readonly { subtype: number; value?: unknown }[]
  return {
    prefix,
    nextHop: attribute(14)?.nexthop ?? attribute(3)?.nexthop ?? '',
    from,
    asPath: (attribute(2)?.as_paths ?? []).map(segmentText).join(' '),
    origin: ORIGINS[Number(attribute(1)?.value ?? 2)] ?? 'incomplete',
    localPref: typeof localPref === 'number' ? localPref : undefined,
    med: attribute(4)?.metric,
    communities: (attribute(8)?.communities ?? []).map((value) => `${value >>> 16}:${value & 0xffff}`).sort(),
    largeCommunities: large.map((value) => `${value.ASN}:${value.LocalData1}:${value.LocalData2}`).sort(),
    routeTargets: extended.flatMap(({ subtype, value }) => (subtype === ROUTE_TARGET ? String(value) : [])).sort(),
  }
}

const ROUTE_TARGET = 2

const segmentText = (segment: { readonly segment_type: number; readonly asns?: readonly number[] }): string => {
  const numbers = (segment.asns ?? []).join(segment.segment_type === 1 ? ',' : ' ')
  return segment.segment_type === 1 ? `{${numbers}}` : numbers
}

const renderNeighbor = (host: Host, neighbor: Neighbor): string =>
  [
    '[[neighbors]]',
    '  [neighbors.config]',
    `    neighbor-address = "${neighbor.address}"`,
    `    peer-as = ${neighbor.asn}`,
    ...(neighbor.features ?? []).flatMap(({ neighbor: lines = [] }) => lines.map((line) => `    ${line}`)),
    '  [neighbors.transport.config]',
    `    local-address = "${host.address(familyOf(neighbor.address))}"`,
    `    passive-mode = ${neighbor.passive === true}`,
    '  [neighbors.timers.config]',
    '    connect-retry = 1',
    '    idle-hold-time-after-reset = 1',
    `    hold-time = ${neighbor.holdTime ?? 90}`,
    ...(neighbor.features ?? []).flatMap(({ session = [] }) => session.map((line) => `  ${line}`)),
    ...(neighbor.families ?? FAMILIES).flatMap((family) => [
      '  [[neighbors.afi-safis]]',
      '    [neighbors.afi-safis.config]',
      `      afi-safi-name = "${family}-unicast"`,
      ...(neighbor.features ?? []).flatMap((words) => (words.family ?? []).map((line) => `    ${line}`)),
    ]),
  ].join('\n')

const renderConfig = (host: Host, config: RouterConfig): string =>
  [
    '[global.config]',
    `  as = ${config.asn}`,
    `  router-id = "${host.ipv4}"`,
    ...config.neighbors.map((neighbor) => renderNeighbor(host, neighbor)),
    '',
  ].join('\n')
