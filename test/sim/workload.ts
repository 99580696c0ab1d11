/** What befalls a cluster: services and endpoints, nodes and peers, filters, the network, people who look. */
import type { Chance } from '../../src/base/chance.ts'
import { type ApiObject, bgpFilter, endpointSlice, service } from '../support/objects.ts'
import type { Site, Stage } from './site.ts'
import type { Topology } from './topology.ts'

interface Op {
  readonly weight: number
  readonly run: () => string | undefined
}

const COMMANDS = [
  'show route all',
  'show protocols all',
  'show route count',
  'json show route',
  'show route primary',
  'show status',
  'nonsense',
]
const REJECTED = ['10.200.0.0/24', '10.64.0.0/12', '198.18.0.0/16', '10.64.1.0/24']
const REJECTED_V6 = ['fd00:96::/112', 'fd00:244:1::/48', 'fd00:244::/40']

export class Workload {
  readonly #stage: Stage
  readonly #topology: Topology
  readonly #chance: Chance
  readonly #services = new Map<string, { readonly object: ApiObject; readonly slices: ApiObject[] }>()
  readonly #down = new Set<Site>()
  readonly #parted: [Site, Site][] = []
  readonly #ops: readonly Op[]
  /** Until when somebody stands still, or waits to be started. */
  #busyUntil = 0
  #serviceCount = 0
  #filterCount = 0
  /** What was done, with its time: for whoever reads a failure. */
  readonly log: string[] = []

  constructor(stage: Stage, topology: Topology, chance: Chance) {
    this.#stage = stage
    this.#topology = topology
    this.#chance = chance
    this.#ops = [
      { weight: 14, run: () => this.#addService() },
      { weight: 6, run: () => this.#removeService() },
      { weight: 24, run: () => this.#moveEndpoints() },
      { weight: 6, run: () => this.#crash('process') },
      { weight: 3, run: () => this.#crash('power') },
      { weight: 8, run: () => this.#reboot() },
      { weight: 2, run: () => this.#stop() },
      { weight: 3, run: () => this.#join() },
      { weight: 2, run: () => this.#leave() },
      { weight: 6, run: () => this.#filter() },
      { weight: 10, run: () => this.#cut() },
      { weight: 6, run: () => this.#part() },
      { weight: 6, run: () => this.#heal() },
      { weight: 3, run: () => this.#pause() },
      { weight: 6, run: () => this.#look() },
      { weight: 4, run: () => this.#order() },
    ]
  }

  begin(services: number): void {
    for (let count = 0; count < services; count++) this.#addService()
  }

  get busyUntil(): number {
    return this.#busyUntil
  }

  step(): void {
    const total = this.#ops.reduce((sum, { weight }) => sum + weight, 0)
    let pick = this.#chance.next() * total
    for (const { weight, run } of this.#ops) {
      pick -= weight
      if (pick >= 0) continue
      const said = run()
      if (said !== undefined) this.#say(said)
      return
    }
  }

  /** What has broken is mended. Machines that lost power come back, all but `lost` of them. */
  mend(lost: number): void {
    while (this.#parted.length > 0) this.#heal()
    const [...down] = this.#down
    for (const site of down.slice(lost)) this.#bootSite(site)
    for (const site of this.#stage.running()) {
      const { host } = site
      if (host === undefined) continue
      for (const client of [...host.clients.keys()]) this.#stage.world.leave(host, client)
      this.#stage.world.ask(host, 'enable all')
    }
    this.#say(`mended${down.length > 0 ? `; ${down.map(({ name }) => name).join(', ')} had been down` : ''}`)
  }

  // ---- objects

  #addService(): string {
    const index = this.#serviceCount++
    const name = `shop/svc-${index}`
    const low = `${(index >> 8) & 255}.${(index & 255) + 1}`
    const object = service(name, {
      type: 'LoadBalancer',
      clusterIPs: [`10.200.${low}`, `fd00:96::${((index & 0xffff) + 2).toString(16)}`],
      loadBalancerIPs: this.#chance.next() < 0.5 ? [`198.18.${low}`] : [],
      externalTrafficPolicy: this.#chance.next() < 0.8 ? 'Local' : 'Cluster',
    })
    const slices = this.#slices(name)
    this.#services.set(name, { object, slices })
    this.#topology.api.put(object, ...slices)
    return `${name} comes`
  }

  #removeService(): string | undefined {
    const name = this.#any([...this.#services.keys()])
    const known = name === undefined ? undefined : this.#services.get(name)
    if (name === undefined || known === undefined) return undefined
    this.#services.delete(name)
    for (const slice of known.slices) this.#topology.api.delete(slice)
    this.#topology.api.delete(known.object)
    return `${name} goes`
  }

  #moveEndpoints(): string | undefined {
    const name = this.#any([...this.#services.keys()])
    const known = name === undefined ? undefined : this.#services.get(name)
    if (name === undefined || known === undefined) return undefined
    known.slices.splice(0, 2, ...this.#slices(name))
    this.#topology.api.put(...known.slices)
    return `endpoints of ${name} move`
  }

  #slices(name: string): ApiObject[] {
    const of = (type: 'IPv4' | 'IPv6') => {
      const count = Math.floor(this.#chance.next() * 4)
      const endpoints = Array.from({ length: count }, () => ({
        node: this.#any(this.#topology.nodes)?.name ?? 'nobody',
        ready: this.#chance.next() < 0.8,
      }))
      return endpointSlice(name, type, endpoints)
    }
    return [of('IPv4'), of('IPv6')]
  }

  #filter(): string | undefined {
    const target = this.#any(this.#topology.filtered)
    if (target === undefined) return undefined
    if (this.#chance.next() < 0.3) {
      target.api.put(target.withFilters([]))
      return 'a neighbor goes without filters'
    }
    // The name stays, so that some change a filter in use and some name another.
    const name = `filter-${this.#filterCount++ % 3}`
    const pick = () => ({ cidr: this.#any(REJECTED), matchOperator: 'In', action: 'Reject' })
    const mark = { action: 'Accept', operations: [{ addCommunity: { value: `64512:${this.#filterCount}` } }] }
    const prefer = { ...mark, operations: [{ setPriority: { value: 100 + this.#filterCount } }] }
    const pickV6 = () => ({ cidr: this.#any(REJECTED_V6), matchOperator: 'In', action: 'Reject' })
    const spec = {
      ...(this.#chance.next() < 0.5 && { importV4: [pick()] }),
      ...(this.#chance.next() < 0.5 && { exportV4: this.#chance.next() < 0.4 ? [pick(), mark] : [pick()] }),
      ...(this.#chance.next() < 0.3 && { importV6: [pickV6(), prefer] }),
      ...(this.#chance.next() < 0.3 && { exportV6: [pickV6()] }),
    }
    target.api.put(bgpFilter(name, spec), target.withFilters([name]))
    return `${name} is ${JSON.stringify(spec)}`
  }

  // ---- machines

  #crash(how: 'process' | 'power'): string | undefined {
    const site = this.#any(this.#stage.running())
    if (site === undefined) return undefined
    this.#stage.crash(site, how)
    this.#down.add(site)
    if (how === 'process') this.#later(() => this.#bootSite(site), 5_000)
    return `${site.name} loses its ${how}`
  }

  #reboot(): string | undefined {
    const site = this.#any([...this.#down])
    if (site === undefined) return undefined
    this.#bootSite(site)
    return `${site.name} comes back`
  }

  #bootSite(site: Site): void {
    this.#down.delete(site)
    if (this.#stage.sites.get(site.name) === site) this.#stage.boot(site)
  }

  /** As an upgrade does it: connections end without a word, then a new process. */
  #stop(): string | undefined {
    const site = this.#any(this.#stage.running())
    const host = site?.host
    if (site === undefined || host === undefined) return undefined
    this.#stage.world.feed(host, { kind: 'stop', reason: 'upgrade', how: 'restart' })
    this.#later(() => {
      if (site.host !== host) return
      this.#stage.crash(site, 'process')
      this.#bootSite(site)
    }, 4_000)
    return `${site.name} is stopped for an upgrade`
  }

  #join(): string {
    const site = this.#topology.join()
    this.#later(() => this.#bootSite(site), 3_000)
    return `${site.name} joins`
  }

  #leave(): string | undefined {
    if (this.#topology.nodes.length < 3) return undefined
    const site = this.#any(this.#topology.nodes)
    if (site === undefined) return undefined
    this.#down.delete(site)
    this.#topology.leave(site)
    return `${site.name} leaves`
  }

  #pause(): string | undefined {
    const host = this.#any(this.#stage.running())?.host
    if (host === undefined) return undefined
    const millis = this.#chance.next() < 0.3 ? 100_000 : 20_000 * this.#chance.next()
    this.#stage.world.pause(host, millis)
    this.#busyUntil = Math.max(this.#busyUntil, this.#stage.world.now + millis)
    return `${host.name} stands still for ${Math.round(millis)} ms`
  }

  // ---- network

  #cut(): string | undefined {
    const [a, b] = this.#pair()
    if (a?.host === undefined || b?.host === undefined) return undefined
    const cuts = this.#stage.world.links.cut(a.host, b.host)
    return cuts === 0 ? undefined : `${cuts} connections between ${a.name} and ${b.name} are cut`
  }

  #part(): string | undefined {
    const [a, b] = this.#pair()
    if (a?.host === undefined || b?.host === undefined) return undefined
    this.#stage.world.links.part(a.host, b.host)
    this.#parted.push([a, b])
    return `${a.name} and ${b.name} are parted`
  }

  #heal(): string | undefined {
    const [pair] = this.#parted.splice(Math.floor(this.#chance.next() * this.#parted.length), 1)
    if (pair === undefined) return undefined
    const [a, b] = pair
    this.#stage.world.links.heal(a.host ?? stationOf(a), b.host ?? stationOf(b))
    return `${a.name} and ${b.name} are joined again`
  }

  /** Two that are connected, where there are such. */
  #pair(): [Site | undefined, Site | undefined] {
    const a = this.#any(this.#stage.running())
    const end = this.#any([...(a?.host?.ends.values() ?? [])])
    const b = end?.other === undefined ? undefined : this.#stage.sites.get(end.other.station.name)
    return [a, b === a ? undefined : b]
  }

  // ---- people

  #look(): string | undefined {
    const host = this.#any(this.#stage.running())?.host
    if (host === undefined) return undefined
    const { world } = this.#stage
    const client = world.look(host)
    // Some read what they asked for; some type on without reading, and are hung up on.
    const patient = this.#chance.next() < 0.6
    const count = patient ? 5 : 80
    for (let turn = 0; turn < count; turn++) {
      const line = this.#any(COMMANDS) ?? ''
      this.#later(() => {
        if (!host.clients.has(client)) return
        world.feed(host, { kind: 'command', client, line })
        if (patient) world.take(host, client)
      }, 10_000)
    }
    if (this.#chance.next() < 0.5) this.#later(() => world.leave(host, client), 10_000)
    return undefined
  }

  #order(): string | undefined {
    const host = this.#any(this.#stage.running())?.host
    const word = this.#any(['restart', 'reload', 'reload in', 'reload out', 'disable', 'enable'])
    const name = this.#any([...(host?.engine.view(this.#stage.world.now).eachProtocol() ?? [])])?.name
    if (host === undefined || name === undefined) return undefined
    const line = `${word} ${name}`
    this.#stage.world.ask(host, line)
    return `${host.name} is told to ${line}`
  }

  #later(happens: () => void, within: number): void {
    const { world } = this.#stage
    const at = world.now + this.#chance.next() * within
    this.#busyUntil = Math.max(this.#busyUntil, at)
    world.at(at, happens)
  }

  #any<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.#chance.next() * items.length)]
  }

  #say(text: string): void {
    this.log.push(`${(this.#stage.world.now / 1000).toFixed(3)} s: ${text}`)
  }
}

/** For a machine that is down: its name is all the network asks for. */
const stationOf = ({ name, addresses }: Site) => ({
  name,
  addresses,
  listening: undefined,
  alive: false,
  ends: new Map(),
})
