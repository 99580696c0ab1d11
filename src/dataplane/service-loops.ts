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
 * In: what is advertised, the cluster's addresses, the kernel's routes. Out: two lists of prefixes; `nft-script` words
 * them.
 */
import { FAMILIES, type Family } from '../base/family.ts'
import { contains, isHostPrefix, type Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { Toll, type Work } from '../base/work.ts'
import type { DataplaneIntent, RouteIntent } from '../cluster/intent.ts'
import { cover, coverInOrder } from '../cluster/pools.ts'
import { byPosition, isInsideOne } from '../cluster/prefix-index.ts'
import { AddressOrder } from './address-order.ts'
import type { KernelRoute } from './kernel.ts'
import { LongestMatch } from './longest-match.ts'
import { Walks } from './walks.ts'

export interface LoopPlan {
  /** Undefined: nothing is dropped. */
  readonly verdict: 'drop' | 'reject' | undefined
  /** Disjoint. */
  readonly services: Readonly<Record<Family, readonly Prefix[]>>
  /** Inside of them, and left alone: disjoint. */
  readonly spared: Readonly<Record<Family, readonly Prefix[]>>
  /** Of what is spared, what ends here where it comes from where it would go. */
  readonly returned: Readonly<Partial<Record<Family, Returned>>>
}

interface Returned {
  /** Of load balancers: disjoint. */
  readonly addresses: readonly Prefix[]
  /** The kernel's ways to them. */
  readonly links: readonly string[]
}

/** What the kernel holds, ours and others'. */
export interface HeldRoutes {
  at(prefix: Prefix): readonly KernelRoute[]
  all(): Iterable<KernelRoute>
  /** Packets are forwarded by it. */
  leadsOn(route: KernelRoute): boolean
  /** By which they leave for an address. */
  linksTo(host: Prefix): readonly string[]
  /** Whether some of these are on a link, without a gateway. */
  isOnLink(prefixes: readonly Prefix[], link: string): boolean
  /** Prefixes whose routes have changed since last asked. */
  takeMoved(most: number): Iterable<Prefix>
  readonly hasMoved: boolean
}

type LoopIntent = Pick<DataplaneIntent, 'serviceLoopPrevention' | 'serviceRanges' | 'nodeHosts' | 'proxied' | 'ownPods'>

/** Routes of the kernel that one turn judges because ranges have changed. */
const STEPS = 1_024
/** About what it takes to look at one address, and to find the ways to one, in microseconds. */
const LOOK_COST = 0.5
const WAY_COST = 20
/** Pod CIDRs have a blackhole, single pods a route of their CNI, and addresses of the node are not forwarded. */
const ENDS_HERE: ReadonlySet<RouteIntent['origin']> = new Set(['pod-cidr', 'pod', 'interface'])
const VERDICTS = { Drop: 'drop', Reject: 'reject', Disabled: undefined } as const
const NOTHING = { ipv4: [], ipv6: [] }

export class ServiceLoops {
  readonly #held: HeldRoutes
  #intent: LoopIntent | undefined
  /** Advertised now: ranges, and single addresses. */
  readonly #ranges = new LongestMatch<Prefix>()
  readonly #hosts = new Map<string, Prefix>()
  /** Of these, prefixes of a BGPAdvertisement: the kernel may have a route to exactly such a prefix. */
  readonly #own = new Set<string>()
  /** Of nodes and load balancers, whether inside of what is advertised or not. */
  #addresses: readonly Prefix[] = []
  #nodes: ReadonlySet<string> = new Set()
  /** Those of load balancers, in an order of their own. */
  #proxied = new AddressOrder<Prefix>()
  /** Routes of the kernel that are more specific than what is advertised around them. */
  readonly #routed = new LongestMatch<Prefix>()
  #changed = true
  /** Over the kernel's routes, of which a turn judges a bounded number. */
  readonly #walks = new Walks()

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

  /** What is advertised from now on, and what is not any more. */
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
    this.#judge(prefix)
  }

  /** Judges what has changed among the kernel's routes, and a part of all of them where ranges have changed. */
  followRoutes(): void {
    const isNone = this.#ranges.size + this.#hosts.size + this.#routed.size === 0
    const moved = this.#held.takeMoved(isNone ? Number.POSITIVE_INFINITY : STEPS)
    if (!isNone) for (const prefix of moved) this.#judge(prefix)
    this.#walks.advance(STEPS)
  }

  /** Some routes are still to be judged. */
  get isJudging(): boolean {
    return !this.#walks.isEmpty || this.#held.hasMoved
  }

  /** Another plan than the one taken last. */
  get hasChanged(): boolean {
    return this.#changed
  }

  /** Changes that come before the last step are in it or not: there is another plan after them. */
  *takePlan(): Work<LoopPlan> {
    this.#changed = false
    const { serviceLoopPrevention: action = 'Disabled', serviceRanges = [] } = this.#intent ?? {}
    const verdict = serviceRanges.length === 0 ? undefined : VERDICTS[action]
    if (verdict === undefined) return { verdict, services: NOTHING, spared: NOTHING, returned: {} }
    const ranges = cover([...this.#ranges.values()])
    const services = bothFamilies(ranges)
    const spared: Prefix[] = []
    const toll = new Toll()
    for (const host of this.#hosts.values()) {
      if (!isInsideOne(host, ranges)) services[host.family].push(host)
      toll.add(LOOK_COST)
      if (toll.isDue) yield toll.take()
    }
    for (const address of this.#addresses) {
      if (this.#hosts.has(address.text) || isInsideOne(address, ranges)) spared.push(address)
      toll.add(LOOK_COST)
      if (toll.isDue) yield toll.take()
    }
    for (const prefix of this.#routed.values()) {
      spared.push(prefix)
      toll.add(LOOK_COST)
      if (toll.isDue) yield toll.take()
    }
    const covered = yield* coverInOrder(yield* sorted(spared, byPosition))
    return { verdict, services, spared: bothFamilies(covered), returned: yield* this.#returned() }
  }

  *#returned(): Work<LoopPlan['returned']> {
    const { proxied = [], ownPods } = this.#intent ?? {}
    const pods = ownPods?.own ?? []
    const addresses: Record<Family, Prefix[]> = { ipv4: [], ipv6: [] }
    const ways: Record<Family, Set<string>> = { ipv4: new Set(), ipv6: new Set() }
    for (const address of proxied) {
      yield WAY_COST
      if (this.#around(address) === undefined || this.#isOfSomebody(address)) continue
      addresses[address.family].push(address)
      for (const link of this.#held.linksTo(address)) ways[address.family].add(link)
    }
    const found: Partial<Record<Family, Returned>> = {}
    for (const family of FAMILIES) {
      const links = [...ways[family]].filter((link) => !this.#held.isOnLink(pods, link)).sort()
      if (links.length === 0) continue
      found[family] = { addresses: yield* coverInOrder(yield* sorted(addresses[family], byPosition)), links }
    }
    return found
  }

  /** Of a node, or where the kernel has a way of its own to it. */
  #isOfSomebody(address: Prefix): boolean {
    return this.#nodes.has(address.text) || this.#routed.around(address) !== undefined
  }

  #add(prefix: Prefix): void {
    if (this.#has(prefix)) return
    if (isHostPrefix(prefix)) this.#hosts.set(prefix.text, prefix)
    else this.#ranges.set(prefix, prefix)
    this.#rejudge(prefix)
  }

  #remove(prefix: Prefix): void {
    if (!this.#has(prefix)) return
    if (isHostPrefix(prefix)) this.#hosts.delete(prefix.text)
    else this.#ranges.delete(prefix)
    this.#own.delete(prefix.text)
    this.#rejudge(prefix)
  }

  #has(prefix: Prefix): boolean {
    return this.#hosts.has(prefix.text) || this.#ranges.at(prefix) !== undefined
  }

  /** Single addresses come and go with services; a range comes with a configuration, and all routes are looked at. */
  #rejudge(prefix: Prefix): void {
    this.#changed = true
    if (isHostPrefix(prefix)) this.#judge(prefix)
    else this.#walks.add(this.#judgeAll())
  }

  *#judgeAll(): Iterable<void> {
    for (const { prefix } of this.#held.all()) {
      this.#judge(prefix)
      yield
    }
  }

  /** The longest of what is advertised that has all of the prefix in it. */
  #around(prefix: Prefix): Prefix | undefined {
    return this.#hosts.get(prefix.text) ?? this.#ranges.around(prefix)
  }

  #judge(prefix: Prefix): void {
    if (!this.#proxied.isEmpty && this.#mayLeadElsewhere(prefix)) this.#changed = true
    const isRouted = this.#isMoreSpecific(prefix) && this.#held.at(prefix).some((route) => this.#held.leadsOn(route))
    if (isRouted === (this.#routed.at(prefix) !== undefined)) return
    if (isRouted) this.#routed.set(prefix, prefix)
    else this.#routed.delete(prefix)
    this.#changed = true
  }

  /** The way to a load balancer may be another, or pods are on it, or are no more. */
  #mayLeadElsewhere(prefix: Prefix): boolean {
    if (this.#proxied.firstInside(prefix) !== undefined) return true
    return this.#intent?.ownPods.own.some((pods) => contains(pods, prefix) || contains(prefix, pods)) === true
  }

  /** A host route belongs to a pod or a host, also where exactly that address is advertised. */
  #isMoreSpecific(prefix: Prefix): boolean {
    const around = this.#around(prefix)
    if (around === undefined) return false
    return around.length < prefix.length || isHostPrefix(prefix) || this.#own.has(prefix.text)
  }
}

function bothFamilies(prefixes: readonly Prefix[]): Record<Family, Prefix[]> {
  const found: Record<Family, Prefix[]> = { ipv4: [], ipv6: [] }
  for (const prefix of prefixes) found[prefix.family].push(prefix)
  return found
}
