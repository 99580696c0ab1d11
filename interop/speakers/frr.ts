// FRRouting: zebra (for interface addresses and next hops; it writes routes only where asked to) and bgpd, asked with vtysh in JSON.

import { chmod, readFile, writeFile } from 'node:fs/promises'
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

const PROGRAMS = '/usr/lib/frr'

export const frr = (name: string, place: Place): Speaker => ({
  name,
  kind: 'frr',
  place,
  whyNot: async () => (await place.whyNot('bgpd')) ?? (await place.whyNot('vtysh')),
  version: async () => {
    const said = await run(place.outside([`${PROGRAMS}/bgpd`, '--version']))
    return /version (\S+)/.exec(said.stdout)?.[1] ?? 'unknown'
  },
  start: async (host, config) => {
    const router = new FrrRouter(host, place, config)
    await router.restart()
    return router
  },
})

class FrrRouter implements Router {
  readonly host: Host
  private readonly place: Place
  private readonly config: RouterConfig
  private zebra: Process | undefined
  private bgpd: Process | undefined

  constructor(host: Host, place: Place, config: RouterConfig) {
    this.host = host
    this.place = place
    this.config = config
  }

  async restart(): Promise<void> {
    const { directory } = this.host
    const file = join(directory, 'bgpd.conf')
    await writeFile(file, this.config.raw ?? renderConfig(this.host, this.config))
    await writeFile(join(directory, 'zebra.conf'), '')
    for (const name of ['bgpd.conf', 'zebra.conf']) await chmod(join(directory, name), 0o644)
    const common = ['-z', join(directory, 'zserv.api'), '--vty_socket', directory, '-P', '0']
    if (!this.zebra?.running) {
      this.zebra = this.start('zebra', [...common, '-f', join(directory, 'zebra.conf')])
      await eventually(() => this.vtysh('zebra', ['show version']))
    }
    this.bgpd = this.start('bgpd', [...common, ...(this.config.kernel === true ? [] : ['-n']), '-f', file])
    await eventually(() => this.vtysh('bgpd', ['show version']))
  }

  private start(program: string, options: readonly string[]): Process {
    const pidFile = join(this.host.directory, `${program}.pid`)
    return this.place.start(this.host, program, [`${PROGRAMS}/${program}`, '-i', pidFile, ...options])
  }

  private vtysh(daemon: string, commands: readonly string[]): Promise<string> {
    const words = commands.flatMap((command) => ['-c', command])
    return must(this.place.inside(this.host, ['vtysh', '--vty_socket', this.host.directory, '-d', daemon, ...words]))
  }

  private async json<T>(command: string): Promise<T> {
    const text = await this.vtysh('bgpd', [command])
    return JSON.parse(text.slice(Math.max(0, text.indexOf('{')))) as T
  }

  async routes(family: Family): Promise<readonly Route[]> {
    const table = await this.json<{ routes?: Record<string, FrrPrefix> }>(`show bgp ${family} unicast json detail`)
    const rows = Object.entries(table.routes ?? {})
    return rows.flatMap(([prefix, entry]) =>
      pathsOf(entry)
        .map((path) => routeOf(prefix, path))
        .filter((route) => route !== undefined),
    )
  }

  async sessions(): Promise<readonly SessionView[]> {
    const all = await this.json<Record<string, { bgpState?: string }>>('show bgp neighbors json')
    return Object.entries(all)
      .filter(([neighbor]) => /[.:]/.test(neighbor))
      .map(([neighbor, { bgpState = 'unknown' }]) => ({
        neighbor,
        state: bgpState,
        established: bgpState === 'Established',
      }))
  }

  async errors(neighbor: string): Promise<string> {
    const all = await this.json<Record<string, Record<string, unknown>>>(`show bgp neighbors ${neighbor} json`)
    const { lastErrorCodeSubcode, lastNotificationReason, lastResetDueTo } = all[neighbor] ?? {}
    // A dial of its own that is refused takes the place of what was said before: the log has both.
    const log = await readFile(this.bgpd?.log ?? '', 'utf8').catch(() => '')
    const noted = log.split('\n').filter((line) => line.includes('%NOTIFICATION') && line.includes(` ${neighbor} `))
    return [lastErrorCodeSubcode, lastNotificationReason, lastResetDueTo, ...noted]
      .filter((word) => word !== undefined)
      .join(' · ')
  }

  say(...lines: readonly string[]): Promise<string> {
    return this.vtysh('bgpd', lines)
  }

  async announce(network: Network): Promise<void> {
    await this.vtysh('bgpd', [
      'configure terminal',
      ...renderRouteMap(network),
      ...this.networkText(network, 'network'),
    ])
  }

  async withdraw(prefix: string): Promise<void> {
    await this.vtysh('bgpd', ['configure terminal', ...this.networkText({ prefix }, 'no network')])
  }

  private networkText(network: Network, verb: string): string[] {
    const map = verb === 'network' ? ` route-map ${mapName(network)}` : ''
    return [
      `router bgp ${this.config.asn}`,
      `address-family ${familyOf(network.prefix)} unicast`,
      `${verb} ${network.prefix}${map}`,
    ]
  }

  async stop(): Promise<void> {
    await this.bgpd?.stop()
  }

  async kill(): Promise<void> {
    await this.bgpd?.kill()
  }
}

interface FrrPath {
  readonly aspath?: { readonly string: string }
  readonly origin?: string
  readonly metric?: number
  readonly locPrf?: number
  readonly sourced?: boolean
  readonly community?: { readonly list: readonly string[] }
  readonly largeCommunity?: { readonly list: readonly string[] }
  readonly extendedCommunity?: { readonly string: string }
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[]
  readonly peer?: { readonly peerId: string }
}

/** FRR 8 gives an array whose first entry describes the prefix; FRR 10 an object with `paths`. */
type FrrPrefix = readonly FrrPath[] | { readonly paths?: readonly FrrPath[] }

const pathsOf = (entry: FrrPrefix): readonly FrrPath[] =>
  (Array.isArray(entry)
    ? (entry as readonly FrrPath[])
    : ((entry as { paths?: readonly FrrPath[] }).paths ?? [])
  ).filter((path) => path.peer !== undefined)

const WELL_KNOWN: Readonly<Record<string, string>> = { noExport: '65535:65281' }

const routeOf = (prefix: string, path: FrrPath): Route | undefined => {
  if (path.sourced === true) return undefined
  const hops = path.nexthops ?? []
  const asPath = path.aspath?.string ?? ''
  return {
    prefix,
    nextHop: (hops.find((hop) => hop.scope !== 'link-local') ?? hops[0])?.ip ?? '',
    from: path.peer?.peerId ?? '',
    asPath: asPath === 'Local' ? '' : asPath,
    origin: (path.origin ?? '').toLowerCase() as Route['origin'],
    localPref: path.locPrf,
    med: path.metric,
    communities: (path.community?.list ?? []).map((value) => WELL_KNOWN[value] ?? value).sort(),
    largeCommunities: [...(path.largeCommunity?.list ?? [])].sort(),
    routeTargets: [...(path.extendedCommunity?.string ?? '').matchAll(/RT:(\S+)/g)]
      .map(([, value = '']) => value)
      .sort(),
  }
}

const mapName = (network: Network): string => `NET-${network.prefix.replaceAll(/[^0-9a-f]/g, '-')}`

const renderRouteMap = (network: Network): string[] => [
  `route-map ${mapName(network)} permit 10`,
  ...(network.communities ?? []).slice(0, 1).map(() => ` set community ${network.communities?.join(' ')}`),
  ...(network.largeCommunities ?? [])
    .slice(0, 1)
    .map(() => ` set large-community ${network.largeCommunities?.join(' ')}`),
  ...(network.med === undefined ? [] : [` set metric ${network.med}`]),
  ...(network.asPath === undefined ? [] : [` set as-path prepend ${network.asPath.join(' ')}`]),
  'exit',
]

const renderNeighbor = (neighbor: Neighbor): string[] => {
  const words = `neighbor ${neighbor.address}`
  return [
    ` ${words} remote-as ${neighbor.asn}`,
    ` ${words} timers connect 1`,
    ` ${words} timers ${Math.floor((neighbor.holdTime ?? 90) / 3)} ${neighbor.holdTime ?? 90}`,
    ` ${words} advertisement-interval 0`,
    ...(neighbor.passive ? [` ${words} passive`] : []),
    ...(neighbor.features ?? []).flatMap(({ session = [] }) => session.map((line) => ` ${words} ${line}`)),
  ]
}

const renderFamily = (family: Family, config: RouterConfig): string[] => [
  ` address-family ${family} unicast`,
  ...(config.networks ?? [])
    .filter((network) => familyOf(network.prefix) === family)
    .map((network) => `  network ${network.prefix} route-map ${mapName(network)}`),
  ...config.neighbors
    .filter((neighbor) => (neighbor.families ?? FAMILIES).includes(family))
    .flatMap((neighbor) => [
      `  neighbor ${neighbor.address} activate`,
      `  neighbor ${neighbor.address} soft-reconfiguration inbound`,
      ...(neighbor.features ?? []).flatMap(({ family: lines = [] }) =>
        lines.map((line) => `  neighbor ${neighbor.address} ${line}`),
      ),
    ]),
  ' exit-address-family',
]

const renderConfig = (host: Host, config: RouterConfig): string =>
  [
    'frr defaults traditional',
    `hostname ${host.name}`,
    'log stdout informational',
    ...(config.networks ?? []).flatMap(renderRouteMap),
    ...(config.globals ?? []),
    `router bgp ${config.asn}`,
    ` bgp router-id ${host.ipv4}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' no bgp network import-check',
    ' bgp log-neighbor-changes',
    ...config.neighbors.flatMap(renderNeighbor),
    ...FAMILIES.flatMap((family) => renderFamily(family, config)),
    'exit',
    '',
  ].join('\n')
