/**
 * Machines on several links, each with an agent and a kernel in memory, made by chance: nodes, routers, borders between links,
 * reflectors. A packet is followed from machine to machine through the tables of their kernels.
 */
import { type Address, addressBytes, familyOfAddress } from '../../src/base/address.ts'
import type { Chance } from '../../src/base/chance.ts'
import type { Family } from '../../src/base/family.ts'
import { contains, hostPrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { GODWIT_PROTOCOL, type KernelRoute } from '../../src/dataplane/kernel.ts'
import { FakeKernel } from './fake-kernel.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, ipPool, node, remove, upsert } from './objects.ts'
import { type Host, World } from './world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const POOLS = [ipPool('pods-v4', { cidr: '10.244.0.0/16' }), ipPool('pods-v6', { cidr: 'fd00:244::/32' })]
const CLUSTER_AS = 64512

export interface Machine {
  readonly name: string
  readonly number: number
  readonly asNumber: number
  readonly links: readonly number[]
  readonly families: readonly Family[]
  readonly pods: readonly Prefix[]
  readonly kernel: FakeKernel
  readonly host: Host
}

interface Draft extends Omit<Machine, 'kernel' | 'host'> {
  readonly reflects: boolean
}

/** A route that a neighbor has told this machine. */
interface ToldRoute {
  readonly prefix: string
  readonly nextHop: string | null
  readonly from: string | null
  readonly source: string
}

export class Network {
  readonly world: World
  readonly machines: readonly Machine[]
  readonly #chance: Chance
  readonly #kernels = new Map<string, FakeKernel>()
  readonly #holders = new Map<Address, Machine>()
  /** What `broken` has looked at. */
  readonly #told = new Map<Machine, readonly ToldRoute[]>()

  constructor(chance: Chance) {
    this.#chance = chance
    this.world = new World({
      seed: this.#below(1 << 30),
      forgetLines: true,
      watch: (host, _, effects) => {
        for (const effect of effects) {
          if (effect.kind === 'routes' || effect.kind === 'nft') this.#kernels.get(host.name)?.perform(effect)
        }
      },
    })
    const drafts = this.#draft()
    const peers = this.#peerings(drafts)
    this.machines = drafts.map((draft) => this.#start(draft, peers.get(draft.name) ?? []))
    for (const machine of this.machines) for (const address of addressesOf(machine)) this.#holders.set(address, machine)
  }

  #below(limit: number): number {
    return Math.floor(this.#chance.next() * limit)
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#below(items.length)]
  }

  #draft(): Draft[] {
    const links = 1 + this.#below(3)
    return Array.from({ length: 3 + this.#below(5) }, (_, index) => {
      const number = index + 1
      const isNode = this.#chance.next() < 0.6
      const first = 1 + this.#below(links)
      const second = 1 + this.#below(links)
      const families: readonly Family[] = this.#chance.next() < 0.2 ? ['ipv4'] : ['ipv4', 'ipv6']
      const pods = [`10.244.${number}.0/24`, `fd00:244:${number}::/64`].flatMap((text) => parsePrefix(text) ?? [])
      return {
        name: `m${number}`,
        number,
        asNumber: isNode ? CLUSTER_AS : 65_000 + number,
        links: this.#chance.next() < 0.5 ? [...new Set([first, second])] : [first],
        families,
        pods: pods.filter(({ family }) => families.includes(family)),
        reflects: isNode && this.#chance.next() < 0.5,
      }
    })
  }

  /** Most pairs on a link are neighbors, one of its families carries the session, and both may pass on what they learn. */
  #peerings(drafts: readonly Draft[]): Map<string, object[]> {
    const peers = new Map<string, object[]>(drafts.map(({ name }) => [name, []]))
    for (const one of drafts) {
      for (const other of drafts) {
        const link = one.links.find((each) => other.links.includes(each))
        if (other.number <= one.number || link === undefined || this.#chance.next() < 0.35) continue
        const families = one.families.filter((family) => other.families.includes(family))
        const family = this.#pick(families) ?? 'ipv4'
        for (const [self, remote] of [
          [one, other],
          [other, one],
        ] as const) {
          const spec = { peerIP: addressOn(remote, link, family), asNumber: remote.asNumber, filters: ['take-all'] }
          const advertiseLearned = self.asNumber !== remote.asNumber && this.#chance.next() < 0.7
          const nextHopMode = this.#pick(['Auto', 'Self', 'Self', 'Keep'])
          peers.get(self.name)?.push({ ...spec, nextHopMode, ...(advertiseLearned && { advertiseLearned }) })
        }
      }
    }
    return peers
  }

  #start(draft: Draft, peers: readonly object[]): Machine {
    const { name, number, asNumber, reflects } = draft
    const addresses = addressesOf(draft)
    const kernel = new FakeKernel({
      feed: (input) => {
        const host = this.world.hosts.get(name)
        if (host?.alive === true) this.world.feed(host, input)
      },
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    for (const link of draft.links) {
      const own = draft.families.map((family) => addressOn(draft, link, family))
      kernel.addLink(`eth${link}`, ...own.map((address) => `${address}/${address.includes(':') ? 64 : 24}`))
    }
    this.#kernels.set(name, kernel)
    const annotations = reflects ? { 'godwit.dev/routeReflectorClusterID': `244.0.0.${number}` } : {}
    const named = draft.families.map((family) => addressOn(draft, draft.links[0] as number, family))
    const objects = [
      node(name, { addresses: named, podCIDRs: draft.pods.map(({ text }) => text), annotations }),
      bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }),
      TAKE_ALL,
      ...POOLS,
      ...peers.map((spec, index) => bgpPeer(`peer-${index}`, spec)),
    ]
    const host = this.world.add(
      name,
      addresses,
      objects.map((object) => upsert(object)),
      { dataplane: 'linux' },
    )
    kernel.open()
    return { ...draft, kernel, host }
  }

  // ── What befalls it ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Each node has a default route over a router on a link, and reaches next hops on other links by it. */
  addDefaultRoutes(): void {
    const [nodes, routers] = [true, false].map((isNode) =>
      this.machines.filter(({ asNumber }) => (asNumber === CLUSTER_AS) === isNode),
    ) as [Machine[], Machine[]]
    for (const machine of nodes) {
      const gateway = this.#pick(routers.filter((other) => sharedLink(machine, other) !== undefined))
      if (gateway === undefined) continue
      for (const family of machine.families.filter((each) => gateway.families.includes(each))) {
        const address = addressOn(gateway, sharedLink(machine, gateway) as number, family)
        machine.kernel.addForeign(family === 'ipv4' ? '0.0.0.0/0' : '::/0', address)
      }
    }
  }

  /** A route of an administrator: to pods, to a range around them or to all, over a neighbor on a link or to nowhere. */
  disturb(): string {
    const machine = this.#pick(this.machines) as Machine
    const beside = this.machines.filter((other) => other !== machine && sharedLink(machine, other) !== undefined)
    const pods = this.#pick(this.machines.flatMap((other) => (other === machine ? [] : other.pods)))
    const via = this.#pick(beside)
    if (pods === undefined) return 'nothing'
    const wide = pods.family === 'ipv4' ? ['10.244.0.0/16', '0.0.0.0/0'] : ['fd00:244::/32', '::/0']
    const prefix = this.#pick([pods.text, ...wide]) as string
    const metric = this.#pick([0, 2_000]) as number
    const link = via === undefined ? undefined : sharedLink(machine, via)
    const isGateway = via?.families.includes(pods.family) === true && machine.families.includes(pods.family)
    if (via === undefined || link === undefined || !isGateway || this.#chance.next() < 0.3) {
      machine.kernel.addOther(prefix, undefined, 'blackhole', metric)
      return `${machine.name}: blackhole ${prefix} metric ${metric}`
    }
    machine.kernel.addForeign(prefix, addressOn(via, link, pods.family), 4, metric)
    return `${machine.name}: ${prefix} via ${via.name} metric ${metric}`
  }

  /** Two neighbors are none any more. */
  part(): string {
    const machine = this.#pick(this.machines) as Machine
    const name = `peer-${this.#below(3)}`
    this.world.change(machine.host, [remove(bgpPeer(name, {}))])
    return `${machine.name}: ${name} is deleted`
  }

  // ── What must hold ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Each route that a machine was told is a promise: its packets arrive. All broken ones, each in a line. */
  broken(): string[] {
    for (const machine of this.machines) this.#told.set(machine, this.#ask(machine))
    return [...this.#told].flatMap(([machine, all]) => all.flatMap((told) => this.#whyBroken(machine, told) ?? []))
  }

  #ask(machine: Machine): ToldRoute[] {
    if (!machine.host.alive) return []
    const rows = this.world.askJson<ToldRoute[]>(machine.host, 'show route')
    return rows.filter(({ from, nextHop }) => from !== null && nextHop !== null)
  }

  /** How many of those routes lead over machines that only pass them on. */
  get passedOn(): number {
    return [...this.#told].reduce((sum, [, all]) => sum + all.filter((told) => this.#isPassedOn(told)).length, 0)
  }

  #isPassedOn({ prefix, nextHop }: ToldRoute): boolean {
    return this.#holders.get(nextHop ?? '')?.pods.some(({ text }) => text === prefix) === false
  }

  #whyBroken(machine: Machine, { prefix: text, nextHop, from }: ToldRoute): string | undefined {
    const prefix = parsePrefix(text)
    const first = nextHop === null ? undefined : this.#holders.get(nextHop)
    // What it cannot reach without a router, it does not use.
    if (prefix === undefined || first === undefined || sharedLink(machine, first) === undefined) return undefined
    const target = insideOf(prefix)
    const isUsed = machine.kernel.lookup(addressBytes(target))?.hops.some(({ gateway }) => gateway === nextHop) === true
    const passed = isUsed ? [machine, first] : [first]
    const why = this.#follow(target, passed)
    if (why === undefined) return undefined
    return `${machine.name} was told ${text} by ${from} with next hop ${nextHop}: ${passed.map(({ name }) => name).join(' → ')}: ${why}`
  }

  /** Undefined: the packet arrives, or leaves by a route of an administrator, who answers for the rest. */
  #follow(target: Address, passed: Machine[]): string | undefined {
    const host = hostPrefix(target) as Prefix
    for (;;) {
      const here = passed.at(-1) as Machine
      if (here.pods.some((pods) => contains(pods, host))) return undefined
      const route = here.kernel.lookup(addressBytes(target))
      if (route === undefined) return 'no route'
      if (route.type !== 'unicast') return `dropped by ${describe(route)}`
      const [hop] = route.hops
      const next = hop?.gateway === undefined ? undefined : this.#holders.get(hop.gateway)
      if (next === undefined) return `leaves the network by ${describe(route)}`
      const isLoop = passed.includes(next)
      if (this.#isOfAdministrator(here, route) && next !== passed.at(-2)) return undefined
      passed.push(next)
      if (isLoop) return `loop by ${describe(route)}`
    }
  }

  /** It is not ours, or its next hop is reached over a route that is not. */
  #isOfAdministrator(machine: Machine, { prefix, protocol, hops }: KernelRoute): boolean {
    if (protocol !== GODWIT_PROTOCOL) return true
    const learned = (this.#told.get(machine) ?? []).filter((told) => told.prefix === prefix.text)
    return !hops.some(({ gateway }) => learned.some(({ nextHop }) => nextHop === gateway))
  }
}

const addressOn = ({ number }: Pick<Machine, 'number'>, link: number, family: Family): Address =>
  family === 'ipv4' ? `10.0.${link}.${number}` : `fd00:10:${link}::${number}`

const addressesOf = (machine: Pick<Machine, 'number' | 'links' | 'families'>): Address[] =>
  machine.links.flatMap((link) => machine.families.map((family) => addressOn(machine, link, family)))

const sharedLink = (one: Machine, other: Machine): number | undefined =>
  one.links.find((link) => other.links.includes(link))

const insideOf = ({ text }: Prefix): Address => {
  const [address = ''] = text.split('/')
  return familyOfAddress(address) === 'ipv4' ? address.replace(/0$/, '7') : `${address}7`
}

const describe = ({ prefix, protocol, type, hops }: KernelRoute): string =>
  `${type} ${prefix.text} ${hops.map(({ gateway }) => gateway).join()} proto ${protocol}`
