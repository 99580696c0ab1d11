/**
 * Drops packets to an advertised service address that no service accepts. Routers send them here, this node has only
 * its default route for them, and without this they would loop until their TTL expires. A blackhole route would also
 * drop this host's own traffic, and packets that IPVS handles in its output hook. So they are dropped in the kernel's
 * forward hook: there, packets that a service accepts already have their endpoint's address, and the destination alone
 * decides.
 *
 * Packets that do not loop are not dropped: those to addresses of nodes, to addresses of a load balancer (`ipMode:
 * Proxy`), and to destinations for which the kernel has a more specific route than the range (a VIP of a pod, a learned
 * route).
 *
 * Packets from pods of this node to a load balancer leave the node. A packet to it that arrives on the link over which
 * it would leave again was sent here because of the range, and would loop: it is dropped too, but not on a link of pods
 * of this node, since pods may send such packets.
 *
 * In: what is advertised, the cluster's addresses, the kernel's routes. Out: lists of prefixes, which `nft-script` renders.
 */
import { AddressOrder } from '../base/address-order.ts'
import type { Family } from '../base/family.ts'
import { contains, halves, isHostPrefix, type Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { DataplaneIntent, RouteIntent } from '../cluster/intent.ts'
import { joinPrefixes, joinSorted } from '../cluster/pools.ts'
import { byPosition, firstInside, isInsideOne } from '../cluster/prefix-index.ts'
import type { KernelRoute } from './kernel.ts'
import { LongestMatch } from './longest-match.ts'
import { type HeldLinks, PodLinks } from './pod-links.ts'
import { Walks } from './walks.ts'

export interface LoopPlan {
  /** Undefined: nothing is dropped. */
  readonly verdict: 'drop' | 'reject' | undefined
  /** Disjoint. */
  readonly services: Readonly<Record<Family, readonly Prefix[]>>
  /** Destinations inside `services` whose packets are not dropped; disjoint. */
  readonly spared: Readonly<Record<Family, readonly Prefix[]>>
  /**
   * Spared load balancer addresses whose packets are dropped if they arrive on the link that they would leave by; at most
   * `MOST_WAYS` in each family.
   */
  readonly returned: Readonly<Record<Family, readonly Returned[]>>
}

/** Addresses of load balancers, disjoint, whose packets leave by the same links. */
interface Returned {
  readonly addresses: readonly Prefix[]
  readonly links: readonly string[]
}

/** Each takes a rule, which every forwarded packet passes. Packets to addresses beyond them loop until their TTL expires. */
export const MOST_WAYS = 8

/** Lookups in the kernel's routes, of all programs. */
export interface HeldRoutes extends HeldLinks {
  at(prefix: Prefix): readonly KernelRoute[]
  all(): Iterable<KernelRoute>
  /** Whether packets are forwarded by this route. */
  leadsOn(route: KernelRoute): boolean
  /** The links that packets to an address leave by. */
  linksTo(host: Prefix): readonly string[]
  /** At most `most` of the prefixes whose routes have changed since the last call. */
  takeMoved(most: number): Iterable<Prefix>
  readonly hasMoved: boolean
}

type LoopIntent = Pick<
  DataplaneIntent,
  'serviceLoopPrevention' | 'hasServiceRanges' | 'nodeHosts' | 'proxied' | 'ownPods'
>

/** The most kernel routes that one turn decides about because ranges have changed. */
const STEPS = 512
/** Approximate costs in microseconds: to look at one address, to cut one part out of a route, and to find the links to one. */
const LOOK_COST = 0.5
const PART_COST = 3
const WAY_COST = 20
/**
 * Origins of routes whose packets cannot loop: pod CIDRs have a blackhole, single pods a route of their CNI, and packets
 * to the node itself are not forwarded.
 */
const ENDS_HERE: ReadonlySet<RouteIntent['origin']> = new Set(['pod-cidr', 'pod', 'interface'])
const VERDICTS = { Drop: 'drop', Reject: 'reject', Disabled: undefined } as const
const NOTHING = { ipv4: [], ipv6: [] }

export class ServiceLoops {
  readonly #held: HeldRoutes
  #intent: LoopIntent | undefined
  /** What is advertised now: ranges, and single addresses. */
  readonly #ranges = new LongestMatch<Prefix>()
  readonly #hosts = new Map<string, Prefix>()
  /** Those that a BGPAdvertisement originates (`prefixes`): the kernel may have a route for exactly that prefix. */
  readonly #own = new Set<string>()
  /** Addresses of nodes and load balancers, inside what is advertised or not. */
  #addresses: readonly Prefix[] = []
  #nodes: ReadonlySet<string> = new Set()
  /** Addresses of load balancers, sorted. */
  #proxied = new AddressOrder<Prefix>()
  /** Kernel routes that are more specific than the advertised prefix that contains them. */
  readonly #routed = new LongestMatch<Prefix>()
  #changed = true
  /** Walks over the kernel's routes, a bounded number in each turn. */
  readonly #walks = new Walks()
  /** A walk over all routes that has not begun yet: it will see whatever changes until then. */
  #hasWalkAhead = false

  constructor(held: HeldRoutes) {
    this.#held = held
  }

  setIntent(intent: LoopIntent): void {
    const before = this.#intent
    this.#intent = intent
    this.#addresses = [...intent.nodeHosts, ...intent.proxied]
    if (intent.nodeHosts !== before?.nodeHosts) this.#nodes = new Set(intent.nodeHosts.map(({ text }) => text))
    if (intent.proxied !== before?.proxied) {
      this.#proxied = new AddressOrder()
      for (const address of intent.proxied) this.#proxied.add(address.bytes, address)
    }
    this.#changed = true
  }

  /** Advertised routes were added and removed. */
  change(announce: readonly RouteIntent[], withdraw: readonly Prefix[]): void {
    const added = announce.filter(({ origin }) => !ENDS_HERE.has(origin)).map(({ prefix }) => prefix)
    const removed = [...withdraw, ...announce.filter(({ origin }) => ENDS_HERE.has(origin)).map(({ prefix }) => prefix)]
    for (const prefix of removed) this.#remove(prefix)
    for (const prefix of added) this.#add(prefix)
    for (const { prefix, origin } of announce) this.#setOwn(prefix, origin === 'advertisement')
  }

  #setOwn(prefix: Prefix, isOwn: boolean): void {
    if (this.#own.has(prefix.text) === isOwn) return
    if (isOwn) this.#own.add(prefix.text)
    else this.#own.delete(prefix.text)
    this.#decide(prefix)
  }

  /** Decides about kernel routes that have changed; if ranges have changed, also about a part of all routes. */
  followRoutes(): void {
    const isNone = this.#ranges.size + this.#hosts.size + this.#routed.size === 0
    const moved = this.#held.takeMoved(isNone ? Number.POSITIVE_INFINITY : STEPS)
    if (!isNone) for (const prefix of moved) this.#decide(prefix)
    this.#walks.advance(STEPS)
  }

  /** Some routes are still to be decided about. */
  get isDeciding(): boolean {
    return !this.#walks.isEmpty || this.#held.hasMoved
  }

  /** The plan differs from the one taken last. */
  get hasChanged(): boolean {
    return this.#changed
  }

  /** Computes the plan in steps. A change between the steps may be missing from it; `hasChanged` is then true again. */
  *takePlan(): Work<LoopPlan> {
    this.#changed = false
    const { serviceLoopPrevention: action = 'Disabled', hasServiceRanges = false } = this.#intent ?? {}
    const verdict = hasServiceRanges ? VERDICTS[action] : undefined
    if (verdict === undefined) return { verdict, services: NOTHING, spared: NOTHING, returned: NOTHING }
    const ranges = joinPrefixes([...this.#ranges.values()])
    const services = bothFamilies(ranges)
    const spared: Prefix[] = []
    const advertised = [...this.#ranges.values()]
    const meter = new CostMeter()
    for (const host of this.#hosts.values()) {
      if (!isInsideOne(host, ranges)) services[host.family].push(host)
      if (this.#routed.covering(host) !== undefined) advertised.push(host)
      meter.add(LOOK_COST)
      if (meter.isDue) yield meter.take()
    }
    for (const address of this.#addresses) {
      if (this.#hosts.has(address.text) || isInsideOne(address, ranges)) spared.push(address)
      meter.add(LOOK_COST)
      if (meter.isDue) yield meter.take()
    }
    const inside = bothFamilies(yield* sorted(advertised, byPosition))
    for (const prefix of this.#routed.values()) {
      for (const part of outside(inside[prefix.family], prefix)) {
        spared.push(part)
        meter.add(PART_COST)
        if (meter.isDue) yield meter.take()
      }
    }
    const covered = yield* joinSorted(yield* sorted(spared, byPosition))
    return { verdict, services, spared: bothFamilies(covered), returned: yield* this.#returned() }
  }

  *#returned(): Work<LoopPlan['returned']> {
    const { proxied = [], ownPods } = this.#intent ?? {}
    const podLinks = yield* PodLinks.of(this.#held, proxied.length > 0 ? (ownPods?.own ?? []) : [])
    const byWay: Record<Family, Map<string, Way>> = { ipv4: new Map(), ipv6: new Map() }
    for (const address of proxied) {
      yield WAY_COST
      if (this.#around(address) === undefined || this.#hasOwnerOrRoute(address)) continue
      const links: string[] = []
      for (const link of this.#held.linksTo(address)) if (!(yield* podLinks.has(link))) links.push(link)
      if (links.length === 0) continue
      links.sort()
      const way = byWay[address.family].get(links.join('\n'))
      if (way !== undefined) way.addresses.push(address)
      else byWay[address.family].set(links.join('\n'), { links, addresses: [address] })
    }
    return { ipv4: yield* firstWays(byWay.ipv4), ipv6: yield* firstWays(byWay.ipv6) }
  }

  /** Whether the address belongs to a node, or the kernel has a more specific route to it. */
  #hasOwnerOrRoute(address: Prefix): boolean {
    return this.#nodes.has(address.text) || this.#routed.covering(address) !== undefined
  }

  #add(prefix: Prefix): void {
    if (this.#has(prefix)) return
    if (isHostPrefix(prefix)) this.#hosts.set(prefix.text, prefix)
    else this.#ranges.set(prefix, prefix)
    this.#decideInside(prefix)
  }

  #remove(prefix: Prefix): void {
    if (!this.#has(prefix)) return
    if (isHostPrefix(prefix)) this.#hosts.delete(prefix.text)
    else this.#ranges.delete(prefix)
    this.#own.delete(prefix.text)
    this.#decideInside(prefix)
  }

  #has(prefix: Prefix): boolean {
    return this.#hosts.has(prefix.text) || this.#ranges.at(prefix) !== undefined
  }

  /** A single address, which changes with its service, is decided alone; after a change of a range all routes are. */
  #decideInside(prefix: Prefix): void {
    this.#changed = true
    if (isHostPrefix(prefix)) this.#decide(prefix)
    else this.#decideAllOnce()
  }

  #decideAllOnce(): void {
    if (this.#hasWalkAhead) return
    this.#hasWalkAhead = true
    this.#walks.add(this.#decideAll())
  }

  *#decideAll(): Iterable<void> {
    this.#hasWalkAhead = false
    for (const { prefix } of this.#held.all()) {
      this.#decide(prefix)
      yield
    }
  }

  /** The longest advertised prefix that contains this one. */
  #around(prefix: Prefix): Prefix | undefined {
    return this.#hosts.get(prefix.text) ?? this.#ranges.covering(prefix)
  }

  #decide(prefix: Prefix): void {
    if (!this.#proxied.isEmpty && this.#mayLeadElsewhere(prefix)) this.#changed = true
    const isRouted = this.#isMoreSpecific(prefix) && this.#held.at(prefix).some((route) => this.#held.leadsOn(route))
    if (isRouted === (this.#routed.at(prefix) !== undefined)) return
    if (isRouted) this.#routed.set(prefix, prefix)
    else this.#routed.delete(prefix)
    this.#changed = true
  }

  /** Whether a change of this route can change the links to a load balancer, or the pods on them. */
  #mayLeadElsewhere(prefix: Prefix): boolean {
    if (this.#proxied.firstInside(prefix) !== undefined) return true
    return this.#intent?.ownPods.own.some((pods) => contains(pods, prefix) || contains(prefix, pods)) === true
  }

  /** Whether the route is more specific than what is advertised. A host route always is: it leads to a pod or a host. */
  #isMoreSpecific(prefix: Prefix): boolean {
    const around = this.#around(prefix)
    if (around === undefined) return false
    return around.length < prefix.length || isHostPrefix(prefix) || this.#own.has(prefix.text)
  }
}

interface Way {
  readonly addresses: Prefix[]
  readonly links: readonly string[]
}

/** In the order of their links, so that the same ways give the same rules. */
function* firstWays(ways: ReadonlyMap<string, Way>): Work<Returned[]> {
  const keys = [...ways.keys()].sort().slice(0, MOST_WAYS)
  const found: Returned[] = []
  for (const key of keys) {
    const { addresses, links } = ways.get(key) as Way
    found.push({ addresses: yield* joinSorted(yield* sorted(addresses, byPosition)), links })
  }
  return found
}

/** The parts of a routed prefix in no range or address further inside: packets to these follow the same route, and loop. */
function* outside(advertised: readonly Prefix[], prefix: Prefix): Iterable<Prefix> {
  const parts = isHostPrefix(prefix) ? [] : halves(prefix)
  const isFree = (part: Prefix) => firstInside(part, advertised) === undefined
  if (parts.every(isFree)) yield prefix
  else
    for (const part of parts)
      if (firstInside(part, advertised)?.length !== part.length) yield* outside(advertised, part)
}

function bothFamilies(prefixes: readonly Prefix[]): Record<Family, Prefix[]> {
  const found: Record<Family, Prefix[]> = { ipv4: [], ipv6: [] }
  for (const prefix of prefixes) found[prefix.family].push(prefix)
  return found
}
