// BIRD 2 and 3: one configuration file, changed and read again; asked with birdcl, whose text is parsed.

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

export const bird = (name: string, place: Place): Speaker => ({
  name,
  kind: 'bird',
  place,
  whyNot: async () => (await place.whyNot('bird')) ?? (await place.whyNot('birdcl')),
  version: async () => {
    const said = await run(place.outside(['bird', '--version']))
    return /version (\S+)/.exec(said.stdout + said.stderr)?.[1] ?? 'unknown'
  },
  start: async (host, config) => {
    const router = new BirdRouter(host, place, config)
    await router.restart()
    return router
  },
})

class BirdRouter implements Router {
  readonly host: Host
  private readonly place: Place
  private readonly config: RouterConfig
  private networks: readonly Network[]
  private daemon: Process | undefined

  constructor(host: Host, place: Place, config: RouterConfig) {
    this.host = host
    this.place = place
    this.config = config
    this.networks = config.networks ?? []
  }

  private file(name: string): string {
    return join(this.host.directory, name)
  }

  private writeConfig(): Promise<void> {
    const rendered = this.config.raw ?? renderConfig(this.host, this.config, this.networks)
    return writeFile(this.file('bird.conf'), rendered)
  }

  async restart(): Promise<void> {
    this.networks = this.config.networks ?? []
    await this.writeConfig()
    const files = ['-c', this.file('bird.conf'), '-s', this.file('bird.ctl'), '-P', this.file('bird.pid')]
    // One that forwards goes on with what its kernel has.
    const again = this.config.kernel === true && this.daemon !== undefined ? ['-R'] : []
    this.daemon = this.place.start(this.host, 'bird', ['bird', '-f', ...again, ...files])
    await eventually(() => this.ask('show status'))
  }

  say(command: string): Promise<string> {
    return this.ask(command)
  }

  private ask(command: string): Promise<string> {
    return must(this.place.inside(this.host, ['birdcl', '-s', this.file('bird.ctl'), ...command.split(' ')]))
  }

  async routes(family: Family): Promise<readonly Route[]> {
    const table = family === 'ipv4' ? 'master4' : 'master6'
    const routes: Route[] = []
    for (const neighbor of this.config.neighbors) {
      const text = await this.ask(`show route all protocol ${protocolName(neighbor)} table ${table}`)
      routes.push(...parseRoutes(text, neighbor.address))
    }
    return routes
  }

  async sessions(): Promise<readonly SessionView[]> {
    const text = await this.ask('show protocols')
    return this.config.neighbors.map((neighbor) => {
      const line = text.split('\n').find((row) => row.startsWith(`${protocolName(neighbor)} `)) ?? ''
      const state = line.split(/\s+/)[5] ?? 'unknown'
      return { neighbor: neighbor.address, state, established: state === 'Established' }
    })
  }

  async errors(neighbor: string): Promise<string> {
    const peer = this.config.neighbors.find(({ address }) => address === neighbor)
    const text = peer === undefined ? '' : await this.ask(`show protocols all ${protocolName(peer)}`)
    const last = /Last error:\s*(.*)/.exec(text)?.[1] ?? ''
    const log = await readFile(this.file('events.log'), 'utf8').catch(() => '')
    return [last, ...log.split('\n').filter((line) => /Received:|Error:|BGP Error/.test(line))].join(' · ')
  }

  async announce(network: Network): Promise<void> {
    await this.configure([...this.networks.filter(({ prefix }) => prefix !== network.prefix), network])
  }

  async withdraw(prefix: string): Promise<void> {
    await this.configure(this.networks.filter((network) => network.prefix !== prefix))
  }

  private async configure(networks: readonly Network[]): Promise<void> {
    this.networks = networks
    await this.writeConfig()
    await this.ask('configure')
  }

  async stop(): Promise<void> {
    await this.daemon?.stop()
  }

  async kill(): Promise<void> {
    await this.daemon?.kill()
  }
}

/** One block per route: a line that starts at the margin, or with blanks and a `[` for another path of the same prefix. */
const parseRoutes = (text: string, from: string): Route[] => {
  const routes: Route[] = []
  let prefix = ''
  let values = new Map<string, string>()
  let open = false
  let last = ''
  const flush = (): void => {
    if (open) routes.push(routeOf(prefix, from, values))
    open = false
  }
  for (const line of text.split('\n')) {
    const head = /^(\S*)\s+\S+ \[\S+ [^\]]*\]/.exec(line)
    if (head !== null && !line.startsWith('\t')) {
      flush()
      if (head[1] !== '') prefix = head[1] ?? ''
      values = new Map()
      open = true
      continue
    }
    const value = /^\s+(?:BGP\.|bgp_)(\w+): ?(.*)$/.exec(line)
    if (value !== null) {
      last = value[1] ?? ''
      values.set(last, (value[2] ?? '').trim())
    } else if (/^\s+\(/.test(line)) {
      // A long list goes on in the next lines.
      values.set(last, `${values.get(last) ?? ''} ${line.trim()}`)
    }
  }
  flush()
  return routes
}

const routeOf = (prefix: string, from: string, values: ReadonlyMap<string, string>): Route => {
  const number = (name: string): number | undefined => (values.has(name) ? Number(values.get(name)) : undefined)
  const pairs = (name: string): string[] =>
    [...(values.get(name) ?? '').matchAll(/\(([^)]*)\)/g)]
      .map((match) => (match[1] ?? '').replaceAll(/,\s*/g, ':'))
      .sort()
  return {
    prefix,
    // `:: fe80::1`: no global one before the link-local one.
    nextHop: (values.get('next_hop') ?? '').split(' ').find((one) => one !== '::') ?? '',
    from,
    asPath: values.get('as_path') ?? values.get('path') ?? '',
    origin: (values.get('origin') ?? '').toLowerCase() as Route['origin'],
    localPref: number('local_pref'),
    med: number('med'),
    communities: pairs('community'),
    largeCommunities: pairs('large_community'),
    routeTargets: pairs('ext_community').flatMap((text) => (text.startsWith('rt:') ? text.slice(3) : [])),
  }
}

export const protocolName = ({ address }: Pick<Neighbor, 'address'>): string => `n_${address.replaceAll(/[.:%]/g, '_')}`

const renderNetwork = (network: Network): string => {
  const tuple = (text: string): string => `(${text.replaceAll(':', ',')})`
  const steps = [
    ...(network.communities ?? []).map((value) => `bgp_community.add(${tuple(value)});`),
    ...(network.largeCommunities ?? []).map((value) => `bgp_large_community.add(${tuple(value)});`),
    ...(network.routeTargets ?? []).map((value) => `bgp_ext_community.add(${tuple(`rt:${value}`)});`),
  ]
  return `  route ${network.prefix} blackhole { ${steps.join(' ')} };`
}

const renderStatic = (family: Family, networks: readonly Network[]): string =>
  [
    `protocol static own_${family} {`,
    `  ${family};`,
    ...networks.filter(({ prefix }) => familyOf(prefix) === family).map(renderNetwork),
    '}',
  ].join('\n')

// BIRD leaves out a MED that was not set by the export filter itself.
const renderExport = (networks: readonly Network[], passesOn: boolean): string =>
  [
    'filter own {',
    `  if source != RTS_STATIC${passesOn ? ' && source != RTS_BGP' : ''} then reject;`,
    ...networks
      .filter(({ med }) => med !== undefined)
      .map(({ prefix, med }) => `  if net = ${prefix} then bgp_med = ${med};`),
    ...networks.flatMap(({ prefix, asPath = [] }) =>
      asPath.toReversed().map((asn) => `  if net = ${prefix} then bgp_path.prepend(${asn});`),
    ),
    '  accept;',
    '}',
  ].join('\n')

const renderNeighbor = (host: Host, { asn, passesOn }: RouterConfig, neighbor: Neighbor): string =>
  [
    `protocol bgp ${protocolName(neighbor)} {`,
    `  local ${host.address(familyOf(neighbor.address))} as ${asn};`,
    `  neighbor ${neighbor.address} as ${neighbor.asn};`,
    `  direct; hold time ${neighbor.holdTime ?? 90};`,
    '  connect delay time 1; connect retry time 2; error wait time 1, 2;',
    ...(neighbor.passive ? ['  passive on;'] : []),
    ...(neighbor.features ?? []).flatMap(({ session = [] }) => session.map((line) => `  ${line}`)),
    ...(neighbor.families ?? FAMILIES).map((family) => {
      const lines = (neighbor.features ?? []).flatMap((words) => words.family ?? [])
      const nextHop = passesOn ? [] : ['next hop self;']
      return `  ${family} { ${['import all;', 'export filter own;', ...nextHop, ...lines].join(' ')} };`
    }),
    '}',
  ].join('\n')

const renderConfig = (host: Host, config: RouterConfig, networks: readonly Network[]): string =>
  [
    `log "${join(host.directory, 'events.log')}" all;`,
    `router id ${host.ipv4};`,
    ...(config.hostName === undefined ? [] : [`hostname "${config.hostName}";`]),
    'protocol device { }',
    ...(config.globals ?? []),
    ...FAMILIES.map((family) => renderStatic(family, networks)),
    renderExport(networks, config.passesOn === true),
    ...config.neighbors.map((neighbor) => renderNeighbor(host, config, neighbor)),
    '',
  ].join('\n')
